//! Commands that stay, and those about the installation: serve, doctor, the simulator beside them.

use cli_tests::{Stage, browser, finish, interrupt};

#[tokio::test(flavor = "multi_thread")]
async fn serve_answers_with_a_simulator_and_ends_at_ctrl_c() {
    let stage = Stage::empty().await.unwrap();
    let (child, first, _out) =
        stage.begin(["serve", "--listen", "127.0.0.1:0", "--simulator=tiktok"]).await.unwrap();
    let address = first.strip_prefix("listening at ").unwrap();
    let answer = browser(false).unwrap().get(format!("{address}/healthz")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    interrupt(&child).await.unwrap();
    let ended = finish(child).await.unwrap();
    assert_eq!(ended.code, 0, "{ended:?}");
    let apps = stage.say("apps list --format json").await.unwrap().done().json();
    assert_eq!(apps[0]["id"], "tiktok", "the simulated app was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_what_is_wrong_and_shows_the_way() {
    let stage = Stage::with_app().await.unwrap();
    let good = stage.say("doctor").await.unwrap();
    assert!(good.stdout.contains("requests are sent elsewhere"), "{good:?}");
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
