//! Tests of the decisions after TikTok's status.

use super::*;
use crate::publish::verdict::GIVE_UP;

#[test]
fn every_end_of_processing_has_its_step() {
    let processing = || {
        let mut drive = Drive::uploading(1000);
        drive.status(201).go();
        drive
    };
    let mut drive = processing();
    drive.json(200, &status_answer("FAILED", json!({"fail_reason": "frame_rate_check_failed"})));
    assert!(matches!(drive.go(), NextStep::Failed(error) if error.kind == ErrorKind::Rejected));
    let mut drive = processing();
    drive.json(200, &status_answer("FAILED", json!({"fail_reason": "auth_removed"})));
    assert!(matches!(drive.go(), NextStep::Failed(error) if error.kind == ErrorKind::Unauthorized));
    let mut drive = processing();
    drive.json(200, &status_answer("SEND_TO_USER_INBOX", json!({})));
    assert!(matches!(drive.go(), NextStep::Unknown(_)));
    let mut drive = processing();
    drive.environment.answer_text(500, "");
    assert_eq!(drive.fails(false), ErrorKind::Unavailable, "never failed because of a 500");
    drive.environment.advance_ms(GIVE_UP * 1000);
    drive.json(200, &status_answer("PROCESSING_UPLOAD", json!({})));
    assert!(matches!(drive.go(), NextStep::Unknown(_)));
}

#[test]
fn pauses_grow_and_stay_below_the_limit() {
    let mut drive = Drive::uploading(1000);
    drive.status(201).go();
    let mut pauses = Vec::new();
    for _ in 0..7 {
        drive.json(200, &status_answer("PROCESSING_UPLOAD", json!({})));
        let NextStep::Wait(pause) = *drive.go() else { panic!() };
        drive.environment.advance_ms(pause);
        pauses.push(pause / 1000);
    }
    assert_eq!(pauses, [5, 10, 20, 30, 60, 60, 60]);
    drive.environment.advance_ms(3_600_000);
    drive.json(200, &status_answer("PROCESSING_UPLOAD", json!({})));
    assert_eq!(drive.go(), &NextStep::Wait(15 * 60_000));
    drive.json(429, &failure("rate_limit_exceeded"));
    assert_eq!(drive.go(), &NextStep::Wait(60_000));
}

#[test]
fn a_public_id_may_come_late_and_a_private_one_never() {
    let mut drive = Drive::uploading(1000);
    drive.status(201).go();
    drive.json(200, &status_answer("PUBLISH_COMPLETE", json!({"publicaly_available_post_id": []})));
    assert_eq!(drive.go(), &NextStep::Published(Some(30_000)));
    assert_eq!(drive.step.publication.posts[0].id, None);
    drive.json(200, &status_answer("PUBLISH_COMPLETE", json!({})));
    assert_eq!(drive.go(), &NextStep::Published(Some(60_000)));
    // TikTok's webhook counts if the status is not final yet.
    let told = Evidence {
        event: "post.publish.publicly_available".to_owned(),
        publish_id: "pub-1".to_owned(),
        post_id: Some("7570000000000001234".to_owned()),
        at: 1_795_000_030,
    };
    drive.json(200, &status_answer("PUBLISH_COMPLETE", json!({})));
    assert_eq!(drive.resume(false, Some(&told)), &NextStep::Published(None));
    assert_eq!(drive.step.publication.posts[0].id.as_deref(), Some("7570000000000001234"));
    // A late failure does not change the result.
    assert_eq!(drive.go(), &NextStep::Published(None));
    assert!(drive.step.publication.posts[0].id.is_some());

    let post = Post { visibility: Some("SELF_ONLY".to_owned()), ..video() };
    let mut drive = Drive::begin(environment(), &post, vec![FakeMedia::video(1000)]);
    drive.json(200, &init_answer("pub-1")).go();
    drive.status(201).go();
    drive.json(200, &status_answer("PUBLISH_COMPLETE", json!({})));
    assert_eq!(drive.go(), &NextStep::Published(None));
    assert_eq!(drive.step.publication.posts[0].url, None);
}
