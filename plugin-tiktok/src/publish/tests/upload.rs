//! Tests of uploading chunk by chunk, with lost requests and responses.

use super::*;
use crate::publish::state::{MAX_INITS, MAX_REALIGNS};

#[test]
fn a_video_goes_out_chunk_by_chunk() {
    let mut drive = Drive::video(30_000_001);
    assert_eq!(drive.step.next, NextStep::Proceed(StepEffect::Safe));
    assert_eq!(drive.step.reference, None);

    drive.json(200, &init_answer("pub-1"));
    assert_eq!(drive.go(), &NextStep::Proceed(StepEffect::Safe));
    assert_eq!(drive.step.reference.as_deref(), Some("pub-1"));
    let sent = drive.sent();
    assert_eq!(
        sent[0].json()["source_info"],
        json!({"source": "FILE_UPLOAD", "video_size": 30_000_001, "chunk_size": 10_000_000, "total_chunk_count": 3})
    );
    assert_eq!(sent[0].json()["post_info"]["privacy_level"], "PUBLIC_TO_EVERYONE");

    assert_eq!(drive.status(206).go(), &NextStep::Proceed(StepEffect::Safe));
    assert_eq!((drive.step.bytes_sent, drive.step.bytes_total), (10_000_000, 30_000_001));
    drive.environment.answer_header(206, "content-range", "bytes 0-19999999/30000001");
    assert_eq!(drive.go(), &NextStep::Proceed(StepEffect::Once), "a post may come of the last one");
    assert_eq!(drive.status(201).go(), &NextStep::Wait(5_000));
    let sent = drive.sent();
    let ranges: Vec<_> = sent.iter().map(|request| request.header("content-range").unwrap()).collect();
    assert_eq!(
        ranges,
        ["bytes 0-9999999/30000001", "bytes 10000000-19999999/30000001", "bytes 20000000-30000000/30000001"]
    );
    assert_eq!(sent[2].media, Some((20_000_000, 10_000_001)));
    for request in &sent {
        assert_eq!((request.method, request.url.as_str()), (Method::Put, URL), "byte for byte");
        assert_eq!(request.header("authorization"), None, "the address is the credential (trap 29)");
        assert_eq!(request.header("content-type"), Some("video/mp4"));
    }

    drive.json(200, &status_answer("PROCESSING_UPLOAD", json!({"uploaded_bytes": 30_000_001})));
    assert_eq!(drive.go(), &NextStep::Wait(5_000));
    drive.json(
        200,
        &status_answer(
            "PUBLISH_COMPLETE",
            json!({"publicaly_available_post_id": [7_570_000_000_000_001_234_u64]}),
        ),
    );
    assert_eq!(drive.go(), &NextStep::Published(None));
    let post = &drive.step.publication.posts[0];
    assert_eq!((post.role.as_str(), post.state.as_str()), ("post", "public"));
    assert_eq!(post.id.as_deref(), Some("7570000000000001234"));
    assert_eq!(post.url.as_deref(), Some("https://www.tiktok.com/@demo/video/7570000000000001234"));
}

#[test]
fn a_small_file_is_one_chunk_of_its_size() {
    let mut drive = Drive::video(19_999_999);
    drive.json(200, &init_answer("pub-1"));
    assert_eq!(drive.go(), &NextStep::Proceed(StepEffect::Once));
    let source = drive.sent()[0].json()["source_info"].clone();
    assert_eq!((&source["chunk_size"], &source["total_chunk_count"]), (&json!(19_999_999), &json!(1)));
    // Only 201 means complete; 200 is treated as complete after the last chunk.
    assert_eq!(drive.status(200).go(), &NextStep::Wait(5_000));
}

#[test]
fn a_lost_init_of_an_upload_is_simply_repeated() {
    let mut drive = Drive::video(1000);
    drive.environment.answer(Err(SendError::Lost("reset".to_owned())));
    assert_eq!(drive.fails(false), ErrorKind::Unavailable);
    drive.json(200, &init_answer("pub-2"));
    drive.resume(true, None);
    assert_eq!(drive.step.reference.as_deref(), Some("pub-2"));
}

#[test]
fn a_lost_chunk_goes_on_where_tiktok_stands() {
    for (uploaded, first) in [(10_000_000, 10_000_000), (9_999_999, 10_000_000), (0, 0), (5_000_000, 0)] {
        let mut drive = Drive::uploading(30_000_000);
        drive.environment.answer(Err(SendError::Lost("reset".to_owned())));
        assert_eq!(drive.fails(false), ErrorKind::OutcomeUnknown);
        drive.sent();
        drive.json(200, &status_answer("PROCESSING_UPLOAD", json!({ "uploaded_bytes": uploaded })));
        if first > 0 {
            // A different chunk than announced: its step is stored before it is sent.
            drive.resume(true, None);
            drive.status(206).go();
        } else {
            drive.status(206).resume(true, None);
        }
        let sent = drive.sent();
        assert!(sent[0].url.ends_with("/status/fetch/"));
        assert_eq!(sent[1].media, Some((first, 10_000_000)), "{uploaded}");
    }
}

#[test]
fn a_chunk_that_never_left_is_an_outage() {
    let drive = Drive::at_last_chunk();
    drive.environment.answer(Err(SendError::NotSent("refused".to_owned())));
    assert_eq!(drive.fails(false), ErrorKind::Unavailable);
    drive.environment.answer_text(503, "<html>");
    assert_eq!(drive.fails(false), ErrorKind::OutcomeUnknown, "the last chunk may have arrived");
    let drive = Drive::uploading(30_000_000);
    drive.environment.answer_text(503, "<html>");
    assert_eq!(drive.fails(false), ErrorKind::Unavailable);
}

#[test]
fn a_lost_last_chunk_never_leads_to_a_new_init() {
    // It arrived, and the post is already published.
    let mut drive = Drive::at_last_chunk();
    drive.json(200, &status_answer("PUBLISH_COMPLETE", json!({})));
    assert!(matches!(drive.resume(true, None), NextStep::Published(_)));
    assert_eq!(drive.paths(), ["/publish/status/fetch/"]);

    // It arrived and is being processed.
    let mut drive = Drive::at_last_chunk();
    drive.json(200, &status_answer("PROCESSING_UPLOAD", json!({"uploaded_bytes": 30_000_000})));
    assert_eq!(drive.resume(true, None), &NextStep::Wait(5_000));
    assert_eq!(drive.paths(), ["/publish/status/fetch/"]);

    // It did not arrive: the same bytes go to the same address.
    let mut drive = Drive::at_last_chunk();
    drive.json(200, &status_answer("PROCESSING_UPLOAD", json!({"uploaded_bytes": 20_000_000})));
    assert_eq!(drive.status(201).resume(true, None), &NextStep::Wait(5_000));
    assert_eq!(drive.paths(), ["/publish/status/fetch/", URL]);

    // The outcome is unknown: the status is watched.
    let mut drive = Drive::at_last_chunk();
    drive.json(200, &status_answer("PROCESSING_UPLOAD", json!({})));
    assert!(matches!(drive.resume(true, None), NextStep::Wait(_)));
    let mut drive = Drive::at_last_chunk();
    drive.json(400, &failure("invalid_publish_id"));
    assert!(matches!(drive.resume(true, None), NextStep::Wait(_)));
    drive.environment.advance_ms(2 * 3_600_000);
    drive.json(400, &failure("invalid_publish_id"));
    assert!(matches!(drive.go(), NextStep::Unknown(_)));
}

#[test]
fn a_wrong_range_is_set_right() {
    let mut drive = Drive::uploading(30_000_000);
    drive.environment.answer_header(416, "content-range", "bytes 0-19999999/30000000");
    assert_eq!(drive.go(), &NextStep::Proceed(StepEffect::Once));
    assert_eq!(drive.step.bytes_sent, 20_000_000);
    // Without the header the status decides.
    let mut drive = Drive::uploading(30_000_000);
    drive.status(416).json(200, &status_answer("PROCESSING_UPLOAD", json!({"uploaded_bytes": 10_000_000})));
    drive.go();
    assert_eq!(drive.step.bytes_sent, 10_000_000);
    // But not forever.
    let mut drive = Drive::uploading(30_000_000);
    for _ in 0..MAX_REALIGNS {
        drive.environment.answer_header(416, "content-range", "bytes 0-0/30000000");
        assert_eq!(drive.go(), &NextStep::Proceed(StepEffect::Safe));
    }
    drive.environment.answer_header(416, "content-range", "bytes 0-0/30000000");
    assert!(matches!(drive.go(), NextStep::Wait(_)));
}

#[test]
fn a_dead_address_means_a_new_init_while_bytes_are_missing() {
    for status in [403, 404] {
        let mut drive = Drive::uploading(30_000_000);
        assert_eq!(drive.status(status).go(), &NextStep::Proceed(StepEffect::Safe));
        assert_eq!((drive.step.bytes_sent, drive.step.reference.as_deref()), (0, None));
        drive.json(200, &init_answer("pub-2"));
        drive.go();
        assert_eq!(drive.step.reference.as_deref(), Some("pub-2"));
    }
    // Also by the clock, without a request.
    let mut drive = Drive::uploading(30_000_000);
    drive.environment.advance_ms(3_600_000);
    drive.go();
    assert!(drive.sent().is_empty());
    // If the connection is too slow for one hour, the error says so.
    let mut drive = Drive::uploading(30_000_000);
    for _ in 1..MAX_INITS {
        drive.status(403).go();
        drive.json(200, &init_answer("pub-n"));
        drive.go();
    }
    assert!(
        matches!(drive.status(403).go(), NextStep::Failed(error) if error.kind == ErrorKind::Unavailable)
    );
}

#[test]
fn changed_media_ends_an_upload() {
    use social_channel_provider::bindings::social::channel::media::MediaError;
    let mut drive = Drive::uploading(30_000_000);
    drive.environment.answer(Err(SendError::Media(MediaError::Changed)));
    assert!(matches!(drive.go(), NextStep::Failed(error) if error.kind == ErrorKind::InvalidRequest));
    let drive = Drive::uploading(30_000_000);
    drive.environment.answer(Err(SendError::Media(MediaError::Unavailable)));
    assert_eq!(drive.fails(false), ErrorKind::Unavailable);
    let mut drive = Drive::uploading(30_000_000);
    drive.media = vec![FakeMedia::video(29_999_999)];
    assert!(matches!(drive.go(), NextStep::Failed(_)));
    assert!(drive.sent().is_empty());
}
