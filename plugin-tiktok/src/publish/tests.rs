//! The state machine against scripted answers: which request follows which, and what is never repeated.

use super::*;
use crate::check::tests::{photo, video, with};
use crate::settings::tests::environment;
use social_channel_provider::channel::OptionValue;
use social_channel_provider::http::SendError;
use social_channel_provider::testing::{FakeEnvironment, FakeMedia, SentRequest, run};

const URL: &str = "https://open-upload-sg.tiktokapis.com/upload?upload_id=9&upload_token=demo";

fn account() -> Account {
    Account {
        id: "open-1".to_owned(),
        credentials: br#"{"access_token":"act.1"}"#.to_vec(),
        scopes: vec!["video.publish".to_owned()],
    }
}

fn ok(data: Value) -> Value {
    json!({"data": data, "error": {"code": "ok", "message": "", "log_id": "L"}})
}

fn failure(code: &str) -> Value {
    json!({"error": {"code": code, "message": "see the guidelines", "log_id": "L"}})
}

fn creator_info() -> Value {
    ok(json!({"creator_username": "demo", "creator_nickname": "Demo", "max_video_post_duration_sec": 600,
        "privacy_level_options": ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"],
        "comment_disabled": false, "duet_disabled": false, "stitch_disabled": false}))
}

fn init_answer(publish_id: &str) -> Value {
    ok(json!({ "publish_id": publish_id, "upload_url": URL }))
}

fn status_answer(status: &str, more: Value) -> Value {
    let mut data = json!({ "status": status });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ok(data)
}

/// A publish under a test's control.
struct Drive {
    environment: FakeEnvironment,
    media: Vec<FakeMedia>,
    step: PublishStep,
}

impl Drive {
    fn begin(environment: FakeEnvironment, post: &Post, media: Vec<FakeMedia>) -> Self {
        environment.answer_json(200, &creator_info());
        let infos: Vec<_> = media.iter().map(Media::info).collect();
        let step = run(begin(&environment, &account(), post, &infos)).unwrap();
        environment.take_sent();
        Self { environment, media, step }
    }

    fn video(size: u64) -> Self {
        Self::begin(environment(), &video(), vec![FakeMedia::video(size)])
    }

    /// At the first chunk.
    fn uploading(size: u64) -> Self {
        let mut drive = Self::video(size);
        drive.json(200, &init_answer("pub-1")).go();
        drive.environment.take_sent();
        drive
    }

    /// At the last of three chunks.
    fn at_last_chunk() -> Self {
        let mut drive = Self::uploading(30_000_000);
        for _ in 0..2 {
            drive.status(206).go();
        }
        drive.environment.take_sent();
        assert_eq!(drive.step.next, NextStep::Proceed(StepEffect::Once));
        drive
    }

    fn pulling() -> Self {
        let environment = environment().with_setting("verified-urls", "media.example.com");
        let photos =
            ["1", "2"].map(|n| FakeMedia(photo(Some(&format!("https://media.example.com/{n}.jpg")))));
        let post = Post { kind: "photos".to_owned(), title: Some("Soups".to_owned()), ..video() };
        let mut drive = Self::begin(environment, &post, photos.to_vec());
        drive.go();
        assert_eq!(drive.step.next, NextStep::Proceed(StepEffect::Once));
        assert!(drive.environment.take_sent().is_empty(), "so far nothing was asked for");
        drive
    }

    fn json(&mut self, status: u16, body: &Value) -> &mut Self {
        self.environment.answer_json(status, body);
        self
    }

    fn status(&mut self, status: u16) -> &mut Self {
        self.environment.answer_text(status, "");
        self
    }

    fn try_go(&self, interrupted: bool, evidence: Option<&Evidence>) -> Result<PublishStep, Error> {
        let evidence = evidence.map(|evidence| serde_json::to_vec(evidence).unwrap());
        let resume = Resume { interrupted, evidence };
        run(advance(&self.environment, &account(), &self.step.state, &self.media, &resume))
    }

    fn resume(&mut self, interrupted: bool, evidence: Option<&Evidence>) -> &NextStep {
        self.step = self.try_go(interrupted, evidence).unwrap();
        assert_eq!(self.environment.unused_answers(), 0, "an answer that nobody asked for");
        &self.step.next
    }

    fn go(&mut self) -> &NextStep {
        self.resume(false, None)
    }

    fn fails(&self, interrupted: bool) -> ErrorKind {
        self.try_go(interrupted, None).unwrap_err().kind
    }

    fn sent(&self) -> Vec<SentRequest> {
        self.environment.take_sent()
    }

    fn paths(&self) -> Vec<String> {
        self.sent()
            .into_iter()
            .map(|request| request.url.replace("https://open.tiktokapis.com/v2/post", ""))
            .collect()
    }
}

#[test]
fn a_video_goes_out_chunk_by_chunk() {
    let mut drive = Drive::video(30_000_001);
    assert_eq!(drive.step.next, NextStep::Proceed(StepEffect::Repeatable));
    assert_eq!(drive.step.reference, None);

    drive.json(200, &init_answer("pub-1"));
    assert_eq!(drive.go(), &NextStep::Proceed(StepEffect::Repeatable));
    assert_eq!(drive.step.reference.as_deref(), Some("pub-1"));
    let sent = drive.sent();
    assert_eq!(
        sent[0].json()["source_info"],
        json!({"source": "FILE_UPLOAD", "video_size": 30_000_001, "chunk_size": 10_000_000, "total_chunk_count": 3})
    );
    assert_eq!(sent[0].json()["post_info"]["privacy_level"], "PUBLIC_TO_EVERYONE");

    assert_eq!(drive.status(206).go(), &NextStep::Proceed(StepEffect::Repeatable));
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
    let NextStep::Published(publication) = drive.go() else { panic!() };
    assert_eq!(publication.post_id.as_deref(), Some("7570000000000001234"));
    assert_eq!(publication.url.as_deref(), Some("https://www.tiktok.com/@demo/video/7570000000000001234"));
    assert_eq!(publication.recheck_after, None);
}

#[test]
fn a_small_file_is_one_chunk_of_its_size() {
    let mut drive = Drive::video(19_999_999);
    drive.json(200, &init_answer("pub-1"));
    assert_eq!(drive.go(), &NextStep::Proceed(StepEffect::Once));
    let source = drive.sent()[0].json()["source_info"].clone();
    assert_eq!((&source["chunk_size"], &source["total_chunk_count"]), (&json!(19_999_999), &json!(1)));
    // Only 201 means all: 200 is taken for it after the last chunk.
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
fn refusals_of_init_end_it_or_wait_by_their_code() {
    for (status, code, ends) in [
        (403, "unaudited_client_can_only_post_to_private_accounts", Some(ErrorKind::Rejected)),
        (403, "spam_risk_user_banned_from_posting", Some(ErrorKind::Rejected)),
        (403, "spam_risk_too_many_posts", Some(ErrorKind::QuotaExceeded)),
        (200, "spam_risk_too_many_posts", Some(ErrorKind::QuotaExceeded)),
        (403, "privacy_level_option_mismatch", Some(ErrorKind::InvalidRequest)),
        (400, "invalid_params", Some(ErrorKind::InvalidRequest)),
        (400, "invalid_param", Some(ErrorKind::InvalidRequest)),
        (403, "reached_active_user_cap", None),
        (403, "url_ownership_unverified", None),
        (401, "access_token_invalid", None),
        (401, "scope_not_authorized", None),
        (429, "rate_limit_exceeded", None),
        (500, "internal_error", None),
    ] {
        let mut drive = Drive::video(1000);
        drive.json(status, &failure(code));
        match (drive.try_go(false, None), ends) {
            (Ok(step), Some(kind)) => {
                let NextStep::Failed(error) = step.next else { panic!("{code}") };
                assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)));
                assert_eq!(error.trace_id.as_deref(), Some("L"));
            }
            (Err(error), None) => assert_eq!(error.code.as_deref(), Some(code)),
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[test]
fn a_publish_that_paused_looks_again_what_the_account_offers() {
    let changed =
        ok(json!({"creator_username": "demo", "privacy_level_options": ["FOLLOWER_OF_CREATOR", "SELF_ONLY"],
        "comment_disabled": false, "duet_disabled": true, "stitch_disabled": true}));
    let mut drive = Drive::video(1000);
    drive.environment.advance_ms(CHECK_AGAIN_AFTER * 1000);
    drive.json(200, &changed);
    assert!(matches!(drive.go(), NextStep::Failed(error) if error.field.as_deref() == Some("visibility")));
    assert_eq!(drive.paths(), ["/publish/creator_info/query/"], "TikTok counts such inits against the app");

    let mut drive = Drive::video(1000);
    drive.environment.advance_ms(CHECK_AGAIN_AFTER * 1000);
    drive.json(200, &creator_info()).json(200, &init_answer("pub-1"));
    drive.go();
    assert_eq!(drive.step.reference.as_deref(), Some("pub-1"));
}

#[test]
fn a_cap_that_tiktok_names_shows_in_the_ledger() {
    let mut drive = Drive::video(1000);
    drive.json(403, &failure("spam_risk_too_many_posts")).go();
    let (used, resets_at) = run(quota::used(&drive.environment, &quota::POSTS, "open-1")).unwrap();
    assert_eq!(used, 15);
    assert!(resets_at.is_some_and(|at| at > drive.environment.now()));
}

#[test]
fn the_ledger_waits_before_a_seventh_init() {
    let mut drive = Drive::video(1000);
    for n in 0..6 {
        drive.json(200, &init_answer(&format!("pub-{n}"))).try_go(false, None).unwrap();
    }
    drive.sent();
    let error = drive.try_go(false, None).unwrap_err();
    assert_eq!((error.kind, error.retry_after), (ErrorKind::RateLimited, Some(65_000)));
    assert!(drive.sent().is_empty());
    drive.environment.advance_ms(65_000);
    drive.json(200, &init_answer("pub-7"));
    drive.go();
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
            // Another chunk than was announced: its step is stored before it is sent.
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
    // It arrived, and the post is out already.
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

    // Nobody can tell: it is watched.
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
    // Without the header the status tells.
    let mut drive = Drive::uploading(30_000_000);
    drive.status(416).json(200, &status_answer("PROCESSING_UPLOAD", json!({"uploaded_bytes": 10_000_000})));
    drive.go();
    assert_eq!(drive.step.bytes_sent, 10_000_000);
    // But not for ever.
    let mut drive = Drive::uploading(30_000_000);
    for _ in 0..MAX_REALIGNS {
        drive.environment.answer_header(416, "content-range", "bytes 0-0/30000000");
        assert_eq!(drive.go(), &NextStep::Proceed(StepEffect::Repeatable));
    }
    drive.environment.answer_header(416, "content-range", "bytes 0-0/30000000");
    assert!(matches!(drive.go(), NextStep::Wait(_)));
}

#[test]
fn a_dead_address_means_a_new_init_while_bytes_are_missing() {
    for status in [403, 404] {
        let mut drive = Drive::uploading(30_000_000);
        assert_eq!(drive.status(status).go(), &NextStep::Proceed(StepEffect::Repeatable));
        assert_eq!((drive.step.bytes_sent, drive.step.reference.as_deref()), (0, None));
        drive.json(200, &init_answer("pub-2"));
        drive.go();
        assert_eq!(drive.step.reference.as_deref(), Some("pub-2"));
    }
    // By the clock too, without asking.
    let mut drive = Drive::uploading(30_000_000);
    drive.environment.advance_ms(3_600_000);
    drive.go();
    assert!(drive.sent().is_empty());
    // A line that is too slow for the hour is told so.
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
    let NextStep::Published(publication) = drive.go() else { panic!() };
    assert_eq!(publication.url.as_deref(), Some("https://www.tiktok.com/@demo/photo/77"));
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
    // Of an earlier publish.
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
    let post = with(video(), "transfer", OptionValue::Text("pull".to_owned()));
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
    let NextStep::Published(publication) = drive.go() else { panic!() };
    assert_eq!((publication.post_id.clone(), publication.recheck_after), (None, Some(30_000)));
    drive.json(200, &status_answer("PUBLISH_COMPLETE", json!({})));
    let NextStep::Published(publication) = drive.go() else { panic!() };
    assert_eq!(publication.recheck_after, Some(60_000));
    // TikTok's own message counts where the status does not tell yet.
    let told = Evidence {
        event: "post.publish.publicly_available".to_owned(),
        publish_id: "pub-1".to_owned(),
        post_id: Some("7570000000000001234".to_owned()),
        at: 1_795_000_030,
    };
    drive.json(200, &status_answer("PUBLISH_COMPLETE", json!({})));
    let NextStep::Published(publication) = drive.resume(false, Some(&told)) else { panic!() };
    assert_eq!(publication.post_id.as_deref(), Some("7570000000000001234"));
    // A late failure takes nothing back.
    assert!(matches!(drive.go(), NextStep::Published(p) if p.post_id.is_some() && p.recheck_after.is_none()));

    let post = Post { visibility: Some("SELF_ONLY".to_owned()), ..video() };
    let mut drive = Drive::begin(environment(), &post, vec![FakeMedia::video(1000)]);
    drive.json(200, &init_answer("pub-1")).go();
    drive.status(201).go();
    drive.json(200, &status_answer("PUBLISH_COMPLETE", json!({})));
    let NextStep::Published(publication) = drive.go() else { panic!() };
    assert_eq!((publication.url.clone(), publication.recheck_after), (None, None));
}

#[test]
fn cancelling_is_certain_only_while_bytes_are_missing() {
    let cancel = |drive: &mut Drive| {
        drive.step = run(cancel(&drive.environment, &account(), &drive.step.state)).unwrap();
    };
    for mut drive in [Drive::video(1000), Drive::uploading(30_000_000)] {
        cancel(&mut drive);
        assert_eq!(drive.step.next, NextStep::Cancelled);
        assert!(drive.sent().is_empty());
    }
    // All is there: TikTok decides.
    let mut drive = Drive::uploading(1000);
    drive.status(201).go();
    drive.sent();
    drive.json(200, &json!({"error": {"code": "ok", "message": "", "log_id": "L"}}));
    cancel(&mut drive);
    assert_eq!(drive.paths(), ["/publish/cancel/"]);
    drive.json(200, &status_answer("FAILED", json!({"fail_reason": "publish_cancelled"})));
    assert_eq!(drive.go(), &NextStep::Cancelled);
    // Too late.
    let mut drive = Drive::uploading(1000);
    drive.status(201).go();
    drive.json(400, &failure("publish_not_cancellable"));
    cancel(&mut drive);
    drive.json(200, &status_answer("PUBLISH_COMPLETE", json!({})));
    assert!(matches!(drive.go(), NextStep::Published(_)));
    // The last chunk was begun, perhaps: it is not sent again to find out.
    let mut drive = Drive::at_last_chunk();
    drive.json(200, &ok(json!({})));
    cancel(&mut drive);
    drive.sent();
    drive.json(200, &status_answer("PROCESSING_UPLOAD", json!({"uploaded_bytes": 20_000_000})));
    assert_eq!(drive.go(), &NextStep::Cancelled);
    assert_eq!(drive.paths(), ["/publish/status/fetch/"]);
    // The init of a pull was begun, perhaps.
    let mut drive = Drive::pulling();
    cancel(&mut drive);
    assert_eq!(drive.step.next, NextStep::Wait(60_000));
}

#[test]
fn begin_refuses_what_check_refuses() {
    let environment = environment().with_setting("audited", "false");
    environment.answer_json(200, &creator_info());
    let post = Post { visibility: Some("SELF_ONLY".to_owned()), ..video() };
    let error = run(begin(&environment, &account(), &post, &[FakeMedia::video(1).0])).unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Rejected, Some(UNAUDITED)));
    environment.answer_json(200, &failure("reached_active_user_cap"));
    let error = run(begin(&environment, &account(), &post, &[])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::QuotaExceeded);
}

#[test]
fn foreign_states_are_unsupported_and_no_secret_shows() {
    let environment = environment();
    let resume = Resume { interrupted: false, evidence: None };
    for state in [&b"{}"[..], b"", b"\xff\x00", br#"{"stage":"Elsewhere"}"#] {
        let error = run(advance(&environment, &account(), state, &[], &resume)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
    }
    let drive = Drive::uploading(1000);
    let state = State::read(&drive.step.state).unwrap();
    assert!(!format!("{state:?}").contains("upload_token"));
}
