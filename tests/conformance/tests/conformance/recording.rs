//! A provider is recorded once over its test server, and replayed without it.

use std::path::Path;

use conformance_tests::{HANDLE, PASSWORD};
use serde_json::Value;
use social_channel_conformance::{Description, Recording, record, replay};

use crate::shared::{description, engine, guest, tiktok_server};

/// The recording as it comes back from its file, after a change.
fn reread(recording: &Recording, change: impl FnOnce(&mut Value)) -> Recording {
    let mut document: Value = serde_json::from_str(&recording.document()).unwrap();
    change(&mut document);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.json");
    std::fs::write(&path, document.to_string()).unwrap();
    Recording::read(&path).unwrap()
}

fn part<'a>(document: &'a mut Value, name: &str) -> &'a mut Value {
    let parts = document["parts"].as_array_mut().unwrap();
    parts.iter_mut().find(|part| part["name"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_component_does_the_same_and_what_is_changed_is_named() {
    let (simulator, folder, server) = tiktok_server(400_000).await;
    let component = guest("plugin_tiktok");
    let recording = record(engine(), &component, &server).await.unwrap();
    let text = recording.document();
    // What TikTok gave and was given to prove who asks.
    for secret in ["act.", "rft.", "simsecret"] {
        assert!(!text.contains(secret), "{secret} stands in the recording");
    }
    assert!(text.contains("cut1x"), "{text}");
    drop(simulator);
    drop(folder);

    let recording = reread(&recording, |_| {});
    let same = replay(engine(), &component, &recording).await.unwrap();
    assert!(same.differences.is_empty(), "{}", same.text());
    assert_eq!(
        same.parts,
        [
            "connect",
            "refresh-credentials",
            "get-profile",
            "get-stats",
            "list-posts",
            "list-posts, the second page",
            "get-posts",
            "get-publish-form",
            "check-post",
            "publish"
        ]
    );

    // The network answers something else than what the provider made of it then.
    let changed = reread(&recording, |document| {
        part(document, "get-profile")["answer"]["display_name"] = "Somebody else".into();
        // As if an older version had asked for something more.
        let exchanges = part(document, "get-stats")["exchanges"].as_array_mut().unwrap();
        let mut more = exchanges[0].clone();
        more["request"]["url"] = "open.tiktokapis.com/v1/old".into();
        exchanges.push(more);
        // And had not sent this.
        let of_list = part(document, "list-posts");
        let query = of_list["exchanges"][0]["request"]["query"].as_array_mut().unwrap();
        assert!(!query.is_empty());
        query.clear();
        part(document, "check-post")["exchanges"] = serde_json::json!([]);
        part(document, "get-publish-form")["exchanges"] = serde_json::json!([]);
    });
    let changed = replay(engine(), &component, &changed).await.unwrap();
    let said = changed.text();
    for words in [
        r#"display_name was "Somebody else" and is "Demo Kitchen""#,
        "it no longer asks for GET open.tiktokapis.com/v1/old",
        "the query now has `fields`",
        "creator_info/query/, which is not recorded",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("DIFFERS  refresh-credentials"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_provider_differs_and_a_file_that_is_no_recording_is_named() {
    let server = Description::parse(
        "connect.inputs.name = 'ada'\npublish.post = { kind = 'text', text = 'Hello' }",
        Path::new(""),
    )
    .unwrap();
    let recording = record(engine(), &guest("provider_minimal"), &server).await.unwrap();
    let same = replay(engine(), &guest("provider_minimal"), &recording).await.unwrap();
    assert!(same.differences.is_empty(), "{}", same.text());
    let other = replay(engine(), &guest("plugin_tiktok"), &recording).await.unwrap();
    assert!(!other.differences.is_empty(), "{}", other.text());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.json");
    for text in ["", "{}", r#"{"recording": 2}"#] {
        std::fs::write(&path, text).unwrap();
        let error = Recording::read(&path).unwrap_err();
        assert!(error.message.contains("none.json"), "{}", error.message);
        assert!(error.remedy.unwrap().contains("--record"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_and_the_tokens_that_came_of_it_are_cut_out() {
    let server = description(&format!(
        "[app.settings]\nbehaviour = ''\nway = 'idempotent'\n\
         [connect.inputs]\nhandle = '{HANDLE}'\npassword = '{PASSWORD}'\n\
         [publish]\npost = {{ kind = 'text', text = 'Hello' }}"
    ));
    let component = guest("wrong_provider");
    let recording = record(engine(), &component, &server).await.unwrap();
    let text = recording.document();
    for secret in [PASSWORD, "access-token-of", "refresh-token-of"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let same = replay(engine(), &component, &recording).await.unwrap();
    assert!(same.differences.is_empty(), "{}", same.text());

    // What stands in ordinary words would be cut out of those too, or stay.
    let short = description(
        "[app.settings]\nbehaviour = ''\nway = 'idempotent'\n[connect.inputs]\nhandle = 'ada'\npassword = '12345'",
    );
    let error = record(engine(), &component, &short).await.unwrap_err();
    assert!(error.message.contains("`password`") && error.remedy.is_some(), "{error:?}");
    assert!(!error.message.contains("12345"), "{error:?}");
}
