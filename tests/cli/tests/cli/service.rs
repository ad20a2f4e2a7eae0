//! Long-running commands, and commands about the installation: serve, doctor, with the simulator.

use cli_tests::{Stage, browser, finish, interrupt};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn serve_answers_with_a_simulator_and_ends_at_ctrl_c() {
    let stage = Stage::empty().await.unwrap();
    let (child, first, _out) =
        stage.begin(["serve", "--listen", "127.0.0.1:0", "--simulator=tiktok"]).await.unwrap();
    let address = first.strip_prefix("listening on ").unwrap();
    let answer = browser(false).unwrap().get(format!("{address}/healthz")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let apps = format!("{address}/api/v1/apps");
    let forwarded = browser(false).unwrap().get(&apps).header("x-forwarded-for", "203.0.113.9");
    assert_eq!(forwarded.send().await.unwrap().status(), 403);
    assert_eq!(browser(false).unwrap().get(&apps).send().await.unwrap().status(), 200);
    interrupt(&child).await.unwrap();
    let ended = finish(child).await.unwrap();
    assert_eq!(ended.code, 0, "{ended:?}");
    let open = "is open to everybody on this machine until a password is set; what comes through a proxy is refused there";
    assert!(ended.stderr.contains(open), "{ended:?}");
    let apps = stage.say("apps list --format json").await.unwrap().done().json();
    assert_eq!(apps[0]["id"], "tiktok", "the simulated app was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_what_is_wrong_and_shows_the_way() {
    let stage = Stage::with_app().await.unwrap();
    let good = stage.say("doctor").await.unwrap();
    assert!(good.stdout.contains("requests are mapped to another address"), "{good:?}");
    assert!(good.stdout.contains("app demo"), "{good:?}");
    stage.say("settings unset demo client-secret").await.unwrap().done();
    let bad = stage.say("doctor --format json").await.unwrap();
    assert_eq!(bad.code, 1, "{bad:?}");
    let parts = bad.json();
    let found = parts[1]["findings"].as_array().unwrap();
    assert!(
        found.iter().any(|one| one["subject"] == "client-secret" && one["severity"] == "error"),
        "{parts}"
    );
    let guide = stage.say("doctor demo --guide").await.unwrap().done();
    assert!(guide.stdout.starts_with("1. "), "{guide:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_a_proxy_that_is_not_used_and_one_that_is() {
    let stage = Stage::with_app().await.unwrap();
    let doctor = async |arguments: &[&str], variable: (&str, &str)| {
        finish(stage.command(arguments).env(variable.0, variable.1).spawn().unwrap()).await.unwrap()
    };
    let unused = doctor(&["doctor"], ("HTTPS_PROXY", "http://me:hidden@127.0.0.1:1")).await;
    assert!(
        unused.stdout.contains("The variable HTTPS_PROXY names a proxy, which is not used"),
        "{unused:?}"
    );
    assert!(unused.stdout.contains("name it in the setting `proxy`"), "{unused:?}");
    let used = doctor(&["doctor"], ("SOCIAL_CHANNEL_PROXY", "http://me:hidden@127.0.0.1:1")).await;
    assert!(used.stdout.contains("Requests go through the proxy http://127.0.0.1:1,"), "{used:?}");
    for ran in [&unused, &used] {
        assert!(!ran.stdout.contains("hidden") && !ran.stderr.contains("hidden"), "{ran:?}");
    }
    let none = stage.say("doctor").await.unwrap();
    assert!(!none.stdout.contains("proxy"), "{none:?}");
    let wrong = doctor(&["doctor", "--proxy", "socks5://me:hidden@127.0.0.1:1"], ("TERM", "dumb")).await;
    assert_ne!(wrong.code, 0, "{wrong:?}");
    assert!(wrong.stderr.contains("is not the address of an HTTP proxy"), "{wrong:?}");
    assert!(wrong.stderr.contains("http://HOST:PORT") && !wrong.stderr.contains("hidden"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_the_name_servers_say_of_a_domain() {
    let stage = Stage::with_app().await.unwrap();
    let names = library_tests::NameServer::start().await.unwrap();
    names.set("northwind.app", &["v=spf1 -all"]);
    let listing = serde_json::json!({"listing": {
        "domain_records": [{"domain": "northwind.app", "value": "site-verification=abc"}],
    }});
    let file = stage.path("listing.json");
    std::fs::write(&file, listing.to_string()).unwrap();
    stage.run(["apps", "change", "demo", "--json", file.to_str().unwrap()]).await.unwrap().done();
    let doctor = format!("doctor demo --dns-server {}", names.address);
    let missing = stage.say(&doctor).await.unwrap();
    assert_eq!(missing.code, 1, "{missing:?}");
    let line = "error    domain-record: northwind.app has 1 TXT record, and it is not this one.";
    assert!(missing.stdout.contains(line), "{missing:?}");
    assert!(
        missing.stdout.contains(
            "named northwind.app (many editors write @ for it) with the value site-verification=abc"
        )
    );
    names.set("northwind.app", &["v=spf1 -all", "site-verification=abc"]);
    let found = stage.say(&doctor).await.unwrap();
    assert!(
        found.stdout.contains("ok       domain-record: The TXT record of northwind.app is there."),
        "{found:?}"
    );
}

/// Files whose text tells people what to type.
fn texts(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            texts(&path, found);
        } else if [".rs", ".md", ".js", ".toml"].iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_that_a_text_names_exists() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut files = vec![root.join("README.md")];
    for folder in ["host", "docs", "examples/service"] {
        texts(&root.join(folder), &mut files);
    }
    let mut named = std::collections::BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for command in text.split("`social-channel ").skip(1) {
            let command = command.split('`').next().unwrap();
            // The command's own words: what is written small, before the first value or flag.
            let plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
            let words: Vec<&str> = command.split_whitespace().take_while(plain).take(2).collect();
            if !words.is_empty() {
                named.insert(words.join(" "), file.clone());
            }
        }
    }
    assert!(named.contains_key("keys password"), "{named:?}");
    let stage = Stage::empty().await.unwrap();
    for (words, file) in named {
        let help = stage.say(&format!("{words} --help")).await.unwrap();
        assert_eq!(help.code, 0, "`social-channel {words}` in {}: {help:?}", file.display());
    }
}

/// TikTok fetches photos from https addresses alone; the simulator takes them from this service under such a name.
#[tokio::test(flavor = "multi_thread")]
async fn photos_are_published_by_a_service_with_its_simulator() {
    let stage = Stage::empty().await.unwrap();
    // Its own simulator, not the stage's.
    let policy = stage.path("no-policy.json");
    std::fs::write(&policy, "{}").unwrap();
    let words =
        ["serve", "--listen", "127.0.0.1:0", "--simulator=tiktok", "--policy", policy.to_str().unwrap()];
    let (child, first, _out) = stage.begin(words).await.unwrap();
    let api = format!("{}/api/v1", first.strip_prefix("listening on ").unwrap());
    let client = browser(true).unwrap();
    let ask = async |request: reqwest::RequestBuilder| -> serde_json::Value {
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status} {text}");
        serde_json::from_str(&text).unwrap()
    };
    let send = |path: &str, body: serde_json::Value| {
        client.post(format!("{api}{path}")).header("content-type", "application/json").body(body.to_string())
    };
    let consent = ask(send("/apps/tiktok/connects", json!({"owner": "me"}))).await;
    let page = client.get(consent["redirect"]["url"].as_str().unwrap()).send().await.unwrap();
    let back = page.headers()["location"].to_str().unwrap().split_once('?').unwrap().1.to_owned();
    let connected = ask(send("/connects/complete", json!({"owner": "me", "callback": back}))).await;
    let channel = connected["channel"]["id"].as_str().unwrap().to_owned();
    let photo = include_bytes!("../../../../host/runtime/fixtures/media/photo.jpg");
    let upload = client.post(format!("{api}/uploads")).header("content-type", "image/jpeg").body(&photo[..]);
    let upload = ask(upload).await;
    let post = json!({
        "post": {"kind": "photos", "text": "A photo", "visibility": "PUBLIC_TO_EVERYONE"},
        "media": [{"upload": upload["id"]}],
    });
    let job = ask(send(&format!("/channels/{channel}/jobs"), post).header("idempotency-key", "one")).await;
    let ended = library_tests::until("the job ends", async || {
        let job = ask(client.get(format!("{api}/jobs/{}", job["id"].as_str().unwrap()))).await;
        (job["status"] != "active").then_some(job)
    })
    .await;
    assert_eq!(ended["status"], "published", "{ended}");
    assert!(
        ended["media"][0]["public_url"].as_str().unwrap().starts_with("https://media.example.com/media/")
    );
    // At that name nothing else is answered, even if somebody else points it here.
    let origin = api.trim_end_matches("/api/v1");
    for (path, host, status) in [
        ("/media/none.jpg", "media.example.com", 404),
        ("/media/none.jpg", "other.example.com", 403),
        ("/", "media.example.com", 403),
        ("/api/v1/apps", "media.example.com", 403),
    ] {
        let answer = client.get(format!("{origin}{path}")).header("host", host).send().await.unwrap();
        assert_eq!(answer.status(), status, "{host}{path}");
    }
    interrupt(&child).await.unwrap();
    finish(child).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_comes_with_the_program_is_installed_by_its_name() {
    let stage = Stage::empty().await.unwrap();
    let added = stage.say("providers add tiktok --format json").await.unwrap().done().json();
    assert_eq!(added["provider"]["descriptor"]["id"], "tiktok");
    let missing = stage.say("providers add nosuch --format json").await.unwrap();
    assert_eq!(missing.code, 1, "{missing:?}");
}
