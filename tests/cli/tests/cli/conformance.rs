//! `providers test` and `providers new`, as programs use them.

use std::ffi::OsStr;
use std::process::Stdio;

use cli_tests::{Stage, component};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const SERVER: &str = "connect.inputs.name = 'ada'\npublish.post = { kind = 'text', text = 'Hello' }";

#[tokio::test]
async fn a_provider_is_judged_in_every_format() {
    let stage = Stage::empty().await.unwrap();
    let (file, server) = (component("provider_minimal").unwrap(), stage.path("server.toml"));
    std::fs::write(&server, SERVER).unwrap();
    let words =
        [OsStr::new("providers"), "test".as_ref(), file.as_ref(), "--server".as_ref(), server.as_ref()];
    let said = stage
        .run(words.into_iter().chain([
            "--junit".as_ref(),
            "report.xml".as_ref(),
            "--format".as_ref(),
            "json".as_ref(),
        ]))
        .await
        .unwrap();
    let report: serde_json::Value = said.done().json();
    let rules = report["rules"].as_array().unwrap();
    let line = rules.iter().find(|rule| rule["id"] == "posts-once").unwrap();
    assert_eq!(line["verdict"], "holds", "{line}");
    assert!(line["advice"].as_str().unwrap().len() > 10);
    let junit = std::fs::read_to_string(stage.path("report.xml")).unwrap();
    assert!(junit.contains("name=\"posts-once\"/>"), "{junit}");

    let text = stage.command(["providers", "test"]).arg(&file).output().await.unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("holds        loads") && text.contains("no test server was described"), "{text}");
}

#[tokio::test]
async fn what_breaks_a_rule_fails_with_code_1() {
    let stage = Stage::empty().await.unwrap();
    std::fs::write(stage.path("x.wasm"), "hello").unwrap();
    let ran = stage.command(["providers", "test", "x.wasm"]).output().await.unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.contains("BROKEN") && text.contains("it is text"), "{text}");
    // A description that nobody can read is the caller's mistake.
    let ran =
        stage.run(["providers", "test", "x.wasm", "--server", "x.wasm", "--format", "json"]).await.unwrap();
    assert_eq!(ran.code, 1);
    assert!(ran.error()["message"].as_str().unwrap().contains("description"), "{ran:?}");
}

#[tokio::test]
async fn a_new_provider_has_all_its_files() {
    let stage = Stage::empty().await.unwrap();
    for (language, own) in [("rust", "src/lib.rs"), ("python", "my_network.py")] {
        let into = stage.path(language);
        let words = ["providers", "new", "my-network", "--format", "json", "--language", language, "--into"];
        let words = words.iter().map(OsStr::new).chain([into.as_os_str()]);
        stage.run(words.clone()).await.unwrap().done();
        let text = |name: &str| std::fs::read_to_string(into.join("my-network").join(name)).unwrap();
        assert!(text(own).contains("my-network") && !text(own).contains("{name}"));
        assert!(text("wit/channel.wit").contains("package social:channel@"));
        assert!(text("README.md").contains("my-network.wasm") && text("server.toml").contains("[publish]"));
        // Nothing is overwritten.
        let again = stage.run(words).await.unwrap();
        assert!(again.error()["message"].as_str().unwrap().contains("exists already"), "{again:?}");
    }
    let wrong = stage.run(["providers", "new", "../x", "--format", "json"]).await.unwrap();
    assert_eq!((wrong.code, wrong.error()["kind"].as_str()), (1, Some("invalid_argument")));
}

#[tokio::test]
async fn what_a_server_answered_is_recorded_and_another_component_replayed() {
    let stage = Stage::empty().await.unwrap();
    let minimal = component("provider_minimal").unwrap();
    std::fs::write(stage.path("server.toml"), SERVER).unwrap();
    let words = ["--server", "server.toml", "--record", "recording.json"].map(OsStr::new);
    let test = [OsStr::new("providers"), "test".as_ref(), minimal.as_ref()].into_iter().chain(words);
    stage.run(test).await.unwrap().done();
    let replay = async |file: &OsStr| {
        let words = ["providers", "replay"].map(OsStr::new).into_iter();
        let rest = ["recording.json", "--format", "json"].map(OsStr::new);
        stage.run(words.chain([file]).chain(rest)).await.unwrap()
    };
    let same = replay(minimal.as_ref()).await;
    assert_eq!(same.done().json()["differences"], serde_json::json!([]));
    let other = replay(component("plugin_tiktok").unwrap().as_ref()).await;
    assert_eq!(other.code, 1, "{other:?}");
    assert!(other.json()["differences"][0]["part"] == "connect", "{other:?}");
    // Without a server nothing answers.
    let refused = ["providers", "test", "x.wasm", "--record", "y.json"];
    assert!(
        String::from_utf8_lossy(&stage.command(refused).output().await.unwrap().stderr).contains("--server")
    );
}

#[tokio::test]
async fn a_component_that_changes_is_run_and_tested_again() {
    let stage = Stage::empty().await.unwrap();
    std::fs::write(stage.path("server.toml"), SERVER).unwrap();
    let file = stage.path("provider.wasm");
    std::fs::copy(component("provider_minimal").unwrap(), &file).unwrap();
    let mut dev = stage
        .command(["providers", "dev", "provider.wasm", "--server", "server.toml"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(dev.stdout.take().unwrap()).lines();
    let mut until = async |end: &str| {
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            let is_end = line.contains(end);
            seen.push(line);
            if is_end {
                return seen.join("\n");
            }
        }
        panic!("no `{end}`: {seen:?}");
    };
    let first = until("rules hold").await;
    assert!(first.contains("connect") && first.contains("Hello 0.1.0: "), "{first}");
    // As a build that fails and one that does not.
    std::fs::write(&file, "no component").unwrap();
    let second = until("are broken").await;
    assert!(second.contains("BROKEN  loads"), "{second}");
    std::fs::copy(component("provider_minimal").unwrap(), &file).unwrap();
    let third = until("0 are broken").await;
    assert!(third.contains("publish"), "{third}");
}
