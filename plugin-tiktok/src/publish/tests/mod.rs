//! Tests of the state machine with scripted responses: the order of requests, and which are never repeated.

mod init;
mod pull;
mod requests;
mod state;
mod upload;
mod verdict;

use serde_json::{Value, json};
use social_channel_provider::channel::{Effect as StepEffect, NextStep, Post};
use social_channel_provider::http::{Method, Response, SendError};
use social_channel_provider::testing::{FakeEnvironment, FakeMedia, SentRequest, run};
use social_channel_provider::{ErrorKind, Media, Value as Given};

use super::*;
use crate::check::choices::UNAUDITED;
use crate::check::tests::{photo, video, with};
use crate::settings::tests::environment;

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
        let post = Post { kind: "images".to_owned(), title: Some("Soups".to_owned()), ..video() };
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
        let resume = Resume { evidence, ..Resume::new(interrupted) };
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
fn cancelling_is_certain_only_while_bytes_are_missing() {
    let cancel = |drive: &mut Drive| {
        drive.step = run(cancel(&drive.environment, &account(), &drive.step.state)).unwrap();
    };
    for mut drive in [Drive::video(1000), Drive::uploading(30_000_000)] {
        cancel(&mut drive);
        assert_eq!(drive.step.next, NextStep::Cancelled);
        assert!(drive.sent().is_empty());
    }
    // All bytes have arrived: TikTok decides.
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
    // The last chunk may have been started: it is not sent again to find out.
    let mut drive = Drive::at_last_chunk();
    drive.json(200, &ok(json!({})));
    cancel(&mut drive);
    drive.sent();
    drive.json(200, &status_answer("PROCESSING_UPLOAD", json!({"uploaded_bytes": 20_000_000})));
    assert_eq!(drive.go(), &NextStep::Cancelled);
    assert_eq!(drive.paths(), ["/publish/status/fetch/"]);
    // The init of a pull may have been started.
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
