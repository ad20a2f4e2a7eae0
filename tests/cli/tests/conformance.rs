//! `providers test` and `providers new`, as programs use them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::ffi::OsStr;

use cli_tests::{Stage, component};

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
