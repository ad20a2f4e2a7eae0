//! Tests of publishing by pull.

use super::*;
use crate::publish::pull::WAIT_FOR_EVIDENCE;

#[test]
fn photos_are_pulled_by_one_request_that_is_never_repeated() {
    let mut drive = Drive::pulling();
    drive.json(200, &ok(json!({"publish_id": "p_pub_url~v2.1"})));
    assert_eq!(drive.go(), &NextStep::Wait(5_000));
    assert_eq!(drive.step.reference.as_deref(), Some("p_pub_url~v2.1"));
    let body = drive.sent()[0].json();
    assert_eq!((&body["media_type"], &body["post_mode"]), (&json!("PHOTO"), &json!("DIRECT_POST")));
    assert_eq!(
        body["post_info"],
        json!({"title": "Soups", "description": "soup", "privacy_level": "PUBLIC_TO_EVERYONE",
            "disable_comment": true, "auto_add_music": false, "brand_content_toggle": false,
            "brand_organic_toggle": false})
    );
    assert_eq!(
        body["source_info"],
        json!({"source": "PULL_FROM_URL", "photo_cover_index": 0,
            "photo_images": ["https://media.example.com/1.jpg", "https://media.example.com/2.jpg"]})
    );
    drive.json(200, &status_answer("PUBLISH_COMPLETE", json!({"publicaly_available_post_id": ["77"]})));
    assert!(matches!(drive.go(), NextStep::Published(_)));
    assert_eq!(drive.step.publication.posts[0].url.as_deref(), Some("https://www.tiktok.com/@demo/photo/77"));
}

#[test]
fn a_lost_pull_waits_for_a_webhook_and_is_unknown_without() {
    for (status, body) in [(502, "<html>"), (200, ""), (500, r#"{"error":{"code":"internal_error"}}"#)] {
        let drive = Drive::pulling();
        drive.environment.answer_text(status, body);
        assert_eq!(drive.fails(false), ErrorKind::OutcomeUnknown, "{status}");
    }
    let mut drive = Drive::pulling();
    assert_eq!(drive.resume(true, None), &NextStep::Wait(60_000));
    drive.environment.advance_ms(60_000);
    // Belongs to an earlier publish.
    let old = Evidence { publish_id: "p-0".to_owned(), at: 1_000, ..Evidence::default() };
    assert_eq!(drive.resume(false, Some(&old)), &NextStep::Wait(60_000));
    let named = Evidence { publish_id: "p-1".to_owned(), at: 1_795_000_030, ..Evidence::default() };
    drive.json(200, &status_answer("PROCESSING_DOWNLOAD", json!({"downloaded_bytes": 5})));
    assert!(matches!(drive.resume(false, Some(&named)), NextStep::Wait(_)));
    assert_eq!((drive.step.reference.as_deref(), drive.step.bytes_sent), (Some("p-1"), 5));

    let mut drive = Drive::pulling();
    drive.resume(true, None);
    drive.environment.advance_ms(WAIT_FOR_EVIDENCE * 1000);
    assert!(matches!(drive.go(), NextStep::Unknown(_)));
    assert!(drive.sent().is_empty(), "it never asks again");
}

#[test]
fn a_video_can_be_pulled_from_a_verified_address() {
    let environment = environment().with_setting("verified-urls", "media.example.com");
    let mut media = FakeMedia::video(5_000);
    media.0.public_url = Some("https://media.example.com/v.mp4".to_owned());
    let post = with(video(), "transfer", Given::Text("pull".to_owned()));
    let mut drive = Drive::begin(environment, &post, vec![media]);
    drive.go();
    drive.json(200, &ok(json!({"publish_id": "v_pub_url~v2.1"})));
    drive.go();
    let sent = drive.sent();
    assert!(sent[0].url.ends_with("/video/init/"));
    assert_eq!(
        sent[0].json()["source_info"],
        json!({"source": "PULL_FROM_URL", "video_url": "https://media.example.com/v.mp4"})
    );
}
