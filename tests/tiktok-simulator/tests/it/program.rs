//! The program: flags, world file, the one line it prints.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::Method;
use tiktok_simulator::World;

use crate::support::*;

struct Running(Child, String);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A temporary folder of one test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tiktok-simulator-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tiktok-simulator"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Running {
    let mut child = command(arguments).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Running(child, line.trim().to_string())
}

#[tokio::test]
async fn it_prints_its_origin_and_consents_by_itself() {
    let redirect = "desktop:audited:my-key:my-secret:http://localhost:*/back";
    let program = run(&["--port", "0", "--auto-consent-account", "walk.in", "--app", redirect]);
    assert!(program.1.starts_with("http://127.0.0.1:"), "{}", program.1);
    let challenge = challenge();
    let pairs = [
        ("client_key", "my-key"),
        ("response_type", "code"),
        ("scope", "user.info.basic"),
        ("redirect_uri", "http://localhost:5000/back"),
        ("state", "s"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let url = format!("{}/v2/auth/authorize/?{}", program.1, form(&pairs));
    let answer = send(Method::GET, &url, &[], "").await;
    assert!(answer.headers["location"].starts_with("http://localhost:5000/back?code="), "{answer:?}");
}

#[test]
fn a_printed_world_can_be_read_again() {
    let output = command(&["--print-world"]).output().unwrap();
    assert!(output.status.success());
    let world = World::from_json(&String::from_utf8(output.stdout).unwrap()).unwrap();
    assert_eq!(world.apps.len(), World::demo().apps.len());
}

/// The file is the output of `--print-world` of an older version, in which an app had one kind and there were no
/// drafts.
#[test]
fn a_world_file_from_before_platforms_is_read_as_it_was_meant() {
    let world = World::from_json(include_str!("world-before-platforms.json")).unwrap();
    let told = |world: &World| serde_json::to_value(world).unwrap();
    // It says itself where pictures come from.
    let mut demo = World::demo();
    demo.switches.media_origin = "https://p16.cdn.example.com".into();
    assert_eq!(told(&world), told(&demo));
}

/// Runs the program to its end and returns its error, which must be one sentence without a stack trace.
fn complaint(arguments: &[&str]) -> String {
    let output =
        command(arguments).env("RUST_BACKTRACE", "1").env("RUST_LIB_BACKTRACE", "1").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(matches!(output.status.code(), Some(1 | 2)), "{arguments:?}: {:?}: {error}", output.status);
    assert!(output.stdout.is_empty(), "{arguments:?}");
    for trace in ["backtrace", "panicked", "Caused by", ".rs:"] {
        assert!(!error.contains(trace), "{arguments:?}: {error}");
    }
    error
}

#[test]
fn a_mistake_in_a_world_file_is_one_sentence_with_place_and_remedy() {
    let folder = Folder::new("world");
    let app = |members: &str| format!(r#"{{"apps": [{{"client_key": "a", {members}}}]}}"#);
    let account = |members: &str| format!(r#"{{"accounts": [{{"username": "b", {members}}}]}}"#);
    let switch = |members: &str| format!(r#"{{"switches": {{{members}}}}}"#);
    for (text, place, remedy) in [
        (String::new(), "line 1", "write {}"),
        ("{\n  \"apps\": [\n".to_string(), "line 3", "close what was opened"),
        ("{\n  \"seed\": one\n}".to_string(), "line 2, column 11", "no JSON"),
        ("[]".to_string(), "write an object", "not a list"),
        (r#"{"app": []}"#.to_string(), "app", "did you mean \"apps\"?"),
        (app(r#""colour": "red""#), "apps[0]", "write one of \"client_key\""),
        (app(r#""platforms": ["web", "ios"]"#), "apps[0]", "\"desktop\""),
        (app(r#""platforms": 1"#), "apps[0]", "a list of both"),
        (app(r#""platforms": []"#), "app a", "[\"web\"]"),
        (app(r#""kind": "mobile""#), "apps[0]", "\"desktop\""),
        (app(r#""stage": "live""#), "apps[0].stage", "\"audited\""),
        (
            app(r#""redirect_uris": ["http://app.example.com/"]"#),
            "app a: redirect URI http",
            "write https://",
        ),
        (app(r#""redirect_uris": ["http://127.0.0.1:*/"]"#), "app a", "add \"desktop\""),
        (
            app(r#""redirect_uris": "https://app.example.com/""#),
            "apps[0].redirect_uris",
            "a list, in [ and ]",
        ),
        (app(r#""scopes": ["video.delete"]"#), "app a", "video.upload"),
        (app(r#""target_users": ["nobody"]"#), "app a: the target user nobody", "in accounts"),
        (
            app(r#""verified_urls": ["https://media.example.com/v"]"#),
            "app a: verified URL",
            "https://media.example.com/v/",
        ),
        (app(r#""verified_urls": ["https:///"]"#), "app a: verified URL", "write"),
        (app(r#""webhook_url": "hooks""#), "app a: webhook_url", "write all of it"),
        (r#"{"apps": [{"name": "x"}]}"#.to_string(), "apps[0] has no client_key", "write one"),
        (account(r#""private": "no""#), "accounts[0].private", "true or false"),
        (account(r#""followers": -1"#), "accounts[0].followers", "not negative"),
        (account(r#""followers": 99999999999999999"#), "account b: followers", "at most"),
        (account(r#""generate_videos": 4000000000"#), "account b: generate_videos", "at most 10000"),
        (
            account(r#""videos": [{"age_seconds": 9999999999999999999}]"#),
            "account b: videos[0].age_seconds",
            "at most",
        ),
        (switch(r#""auto_consent": {"enabled": "yes"}"#), "switches.auto_consent.enabled", "true or false"),
        (switch(r#""auto_consent": {"account": "nobody"}"#), "switches.auto_consent.account", "in accounts"),
        (switch(r#""auto_consent": {"withhold": ["all"]}"#), "switches.auto_consent.withhold", "video.list"),
        (switch(r#""procesing_ms": 5"#), "switches", "did you mean \"processing_ms\"?"),
        (switch(r#""upload_path": "/up""#), "switches.upload_path", "/upload"),
        (
            switch(r#""upload_origin": "here""#),
            "switches.upload_origin",
            "write one such as https://media.example.com",
        ),
        (
            switch(r#""media_origin": "https://cdn.example/x""#),
            "switches.media_origin",
            "write https://cdn.example",
        ),
        (switch(r#""oauth_error_status": 7"#), "switches.oauth_error_status", "write 400"),
        (switch(r#""final_upload_status": 500"#), "switches.final_upload_status", "write 201"),
        (switch(r#""draft_privacy": "ALL""#), "switches.draft_privacy", "SELF_ONLY"),
        (switch(r#""webhook_duplicates": 4000000000"#), "switches.webhook_duplicates", "at most 100"),
        (
            r#"{"connect_to": {"media.example.com": "http://127.0.0.1:1"}}"#.to_string(),
            "connect_to media",
            "write one such as https://media.example.com",
        ),
        (
            r#"{"connect_to": {"https://a.example": "https://127.0.0.1:1"}}"#.to_string(),
            "connect_to https://a",
            "http://127",
        ),
    ] {
        let file = folder.write("world.json", &text);
        let error = complaint(&["--world", &file]);
        let said = format!("error: {file}: ");
        assert!(error.starts_with(&said), "{text}: {error}");
        assert!(error.contains(place) && error.contains(remedy), "{text}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{text}: {error}");
        // The same file through every option that reads one.
        assert_eq!(complaint(&["--world", &file, "--print-world"]), error);
    }
    let file = folder.write("world.json", "{}");
    std::fs::write(&file, [0xFF, 0xFE, 0]).unwrap();
    assert!(complaint(&["--world", &file]).contains("UTF-8"));
    assert!(complaint(&["--world", &folder.0.to_string_lossy()]).contains("cannot be read"));
    assert!(complaint(&["--world", "/nowhere.json"]).contains("/nowhere.json: cannot be read"));
}

#[test]
fn a_mistake_in_a_flag_is_one_sentence_with_place_and_remedy() {
    let folder = Folder::new("flags");
    let empty = folder.write("world.json", "{}");
    for (arguments, place, remedy) in [
        (vec!["--app", "web:audited:k:s:http://localhost/"], "--app k: ", "add \"desktop\""),
        (vec!["--app", "web:audited:k:s"], "--app k: ", "write KIND:STAGE:KEY:SECRET:REDIRECT_URI"),
        (vec!["--app", "nonsense"], "--app nonsense: ", "write KIND"),
        (vec!["--app", "ios:audited:k:s:https://a.example/"], "--app k: the kind ios", "web+desktop"),
        (vec!["--app", "web:live:k:s:https://a.example/"], "--app k: the stage live", "unaudited or audited"),
        (vec!["--app", "web:audited::s:https://a.example/"], "--app ", "client_key"),
        (vec!["--auto-consent-account", "nobody"], "--auto-consent-account: ", "demo.kitchen"),
        (vec!["--connect-to", "https://a.example"], "--connect-to https://a.example: ", "FROM=TO"),
        (
            vec!["--connect-to", "a=http://127.0.0.1:1"],
            "connect_to a",
            "write one such as https://media.example.com",
        ),
        (vec!["--listen", "localhost"], "--listen", "127.0.0.1"),
        (vec!["--port", "99999"], "--port", "65535"),
        (vec!["--listen", "192.0.2.1", "--port", "0"], "cannot listen on 192.0.2.1", "error: "),
        (vec!["--prot", "1"], "--prot", "--port"),
        (vec!["--world", &empty, "--port", "0", "--describe"], "--describe: ", "redirect_uris"),
    ] {
        let error = complaint(&arguments);
        assert!(error.starts_with("error: "), "{arguments:?}: {error}");
        assert!(error.contains(place) && error.contains(remedy), "{arguments:?}: {error}");
        assert!(!error.contains(":s:"), "{arguments:?} prints the secret: {error}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let error = complaint(&["--port", &port]);
    assert!(error.contains(&format!("port {port}; port 0 takes a free one")), "{error}");
}

#[cfg(feature = "proxy")]
#[test]
fn a_certificate_that_cannot_be_written_is_named() {
    let error = complaint(&["--port", "0", "--ca-file", "/nowhere/ca.pem"]);
    assert!(error.starts_with("error: --ca-file /nowhere/ca.pem: cannot be written"), "{error}");
}

#[test]
fn a_reader_that_has_gone_is_no_mistake() {
    let mut child = command(&["--print-world"]).env("RUST_BACKTRACE", "1").spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[tokio::test]
async fn an_app_on_the_command_line_can_have_both_platforms() {
    let redirects = "web+desktop:audited:my-key:my-secret:https://a.example/back,http://localhost:*/back";
    let program = run(&["--port", "0", "--auto-consent", "--app", redirects]);
    let challenge = challenge();
    for (redirect, pkce) in [("https://a.example/back", false), ("http://localhost:5000/back", true)] {
        let mut pairs = vec![
            ("client_key", "my-key"),
            ("response_type", "code"),
            ("scope", "user.info.basic,video.upload"),
            ("redirect_uri", redirect),
            ("state", "s"),
        ];
        if pkce {
            pairs.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
        }
        let url = format!("{}/v2/auth/authorize/?{}", program.1, form(&pairs));
        let answer = send(Method::GET, &url, &[], "").await;
        assert!(answer.headers["location"].starts_with(&format!("{redirect}?code=")), "{answer:?}");
    }
}

#[tokio::test]
async fn it_describes_itself_to_a_host() {
    let program = run(&["--port", "0", "--auto-consent", "--describe"]);
    let description: serde_json::Value = serde_json::from_str(&program.1).unwrap();
    let origin = description["origin"].as_str().unwrap();
    let from: Vec<_> = description["connect_to"].as_array().unwrap().iter().map(|m| &m["from"]).collect();
    assert_eq!(
        from,
        [
            "https://www.tiktok.com",
            "https://open.tiktokapis.com",
            "https://*.tiktokapis.com",
            "https://*.tiktokcdn.com"
        ]
    );
    assert!(description["connect_to"].as_array().unwrap().iter().all(|mapping| mapping["to"] == origin));
    assert_eq!(description["app"]["provider"], "tiktok");
    // The described app exists in the world: its key is known, and its consent page continues automatically.
    let settings = &description["app"]["settings"];
    let redirect = description["app"]["redirect_uri"].as_str().unwrap().replace('*', "5000");
    let challenge = challenge();
    let pairs = [
        ("client_key", settings["client-key"].as_str().unwrap()),
        ("response_type", "code"),
        ("scope", "user.info.basic"),
        ("redirect_uri", redirect.as_str()),
        ("state", "s"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let answer = send(Method::GET, &format!("{origin}/v2/auth/authorize/?{}", form(&pairs)), &[], "").await;
    assert!(answer.headers["location"].starts_with(&format!("{redirect}?code=")), "{answer:?}");
}

#[test]
fn it_ends_with_its_input_if_asked_to() {
    let mut child = command(&["--port", "0", "--until-eof"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
