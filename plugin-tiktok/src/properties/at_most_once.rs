//! At most one post, whatever is lost: runs the state machine against a small model of TikTok, with any
//! sequence of lost requests, lost responses, outages, host crashes, and a cancel at any time.
//!
//! The test acts as the host: a step is stored before the next call; a call that ends without a result, or
//! with `outcome-unknown`, is repeated with `interrupted`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value, json};
use social_channel_provider::channel::{NextStep, Post, Resume};
use social_channel_provider::http::{Method, Response, SendError};
use social_channel_provider::testing::{FakeEnvironment, FakeMedia, SentRequest, run};
use social_channel_provider::{Environment, ErrorKind, Media, MediaInfo, Value as Given};

use super::account;
use crate::check::tests::{photo, video, with};
use crate::publish::{advance, begin, cancel};
use crate::settings::tests::environment;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// The request never left.
    NotSent,
    /// The request was lost; TikTok did nothing.
    LostRequest,
    /// TikTok processed it; the response was lost.
    LostAnswer,
    /// 500 without effect.
    Outage,
    /// A gateway's 502; TikTok processed it.
    GatewayAfter,
    /// 429.
    TooFast,
    /// The call is aborted and the host restarts: its result is never seen.
    Crash,
    /// Half an hour passes.
    Late,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::None),
        1 => Just(Fault::NotSent),
        1 => Just(Fault::LostRequest),
        2 => Just(Fault::LostAnswer),
        1 => Just(Fault::Outage),
        1 => Just(Fault::GatewayAfter),
        1 => Just(Fault::TooFast),
        2 => Just(Fault::Crash),
        1 => Just(Fault::Late),
    ]
}

/// One init and its result.
struct Publish {
    size: u64,
    received: u64,
    born: u64,
    polls: u32,
    is_pull: bool,
}

/// Variants of TikTok's behaviour.
#[derive(Clone, Copy, Debug)]
struct Manners {
    /// Whether `uploaded_bytes` is reported.
    tells_progress: bool,
    /// Whether a 416 says how far the upload got.
    ranges_on_416: bool,
    /// How the processing ends.
    fails: bool,
    knows_cancel: bool,
}

struct Tiktok {
    manners: Manners,
    publishes: BTreeMap<String, Publish>,
    cancelled: Vec<String>,
}

impl Tiktok {
    /// Posts that were made or will be made.
    fn posts(&self) -> usize {
        let made = self.publishes.iter().filter(|(id, publish)| {
            (publish.is_pull || publish.received == publish.size) && !self.cancelled.contains(id)
        });
        if self.manners.fails { 0 } else { made.count() }
    }

    fn handle(&mut self, request: &SentRequest, now: u64) -> Response {
        let path = request.url.split("tiktokapis.com").nth(1).unwrap_or_default().to_owned();
        let id = || request.json()["publish_id"].as_str().unwrap_or_default().to_owned();
        match path.as_str() {
            "/v2/post/publish/creator_info/query/" => ok(json!({"creator_username": "demo",
                "privacy_level_options": ["PUBLIC_TO_EVERYONE", "SELF_ONLY"]})),
            "/v2/post/publish/video/init/" | "/v2/post/publish/content/init/" => {
                let source = &request.json()["source_info"];
                let is_pull = source["source"] == "PULL_FROM_URL";
                let id = format!("pub-{}", self.publishes.len());
                let publish = Publish {
                    size: source["video_size"].as_u64().unwrap_or(0),
                    received: 0,
                    born: now,
                    polls: 0,
                    is_pull,
                };
                self.publishes.insert(id.clone(), publish);
                let url = format!("https://up.tiktokapis.com/upload?id={id}");
                ok(json!({"publish_id": id, "upload_url": url}))
            }
            "/v2/post/publish/status/fetch/" => self.status(&id(), now),
            "/v2/post/publish/cancel/" => {
                let id = id();
                let stoppable = self.manners.knows_cancel
                    && self.publishes.get(&id).is_some_and(|publish| publish.polls < 2);
                if stoppable {
                    self.cancelled.push(id);
                    ok(Value::Null)
                } else {
                    failure(400, "publish_not_cancellable")
                }
            }
            _ if request.method == Method::Put => self.put(request, now),
            other => panic!("TikTok has no {other}"),
        }
    }

    fn status(&mut self, id: &str, now: u64) -> Response {
        let Some(publish) = self.publishes.get_mut(id) else { return failure(400, "invalid_publish_id") };
        let complete = publish.is_pull || publish.received == publish.size;
        let expired = !complete && now >= publish.born + 3600;
        let state = if self.cancelled.iter().any(|cancelled| cancelled == id) {
            json!({"status": "FAILED", "fail_reason": "publish_cancelled"})
        } else if !complete {
            let mut state = json!({"status": if expired { "FAILED" } else { "PROCESSING_UPLOAD" }});
            if self.manners.tells_progress {
                state["uploaded_bytes"] = publish.received.into();
            }
            state
        } else {
            publish.polls += 1;
            match (publish.polls < 3, self.manners.fails) {
                (true, _) => json!({"status": "PROCESSING_UPLOAD"}),
                (false, true) => json!({"status": "FAILED", "fail_reason": "internal"}),
                (false, false) => json!({"status": "PUBLISH_COMPLETE", "publicaly_available_post_id": [7]}),
            }
        };
        ok(state)
    }

    fn put(&mut self, request: &SentRequest, now: u64) -> Response {
        let id = request.url.split("id=").nth(1).unwrap_or_default();
        let Some(publish) = self.publishes.get_mut(id) else { return status(404) };
        if now >= publish.born + 3600 {
            return status(403);
        }
        let (offset, length) = request.media.unwrap();
        if offset != publish.received {
            let mut answer = status(416);
            if self.manners.ranges_on_416 {
                let range = format!("bytes 0-{}/{}", publish.received, publish.size);
                answer.headers.push(("content-range".to_owned(), range));
            }
            return answer;
        }
        publish.received += length;
        status(if publish.received == publish.size { 201 } else { 206 })
    }
}

fn ok(data: Value) -> Response {
    let body = json!({"data": data, "error": {"code": "ok", "message": "", "log_id": "L"}});
    Response { body: body.to_string().into_bytes(), ..status(200) }
}

fn failure(code: u16, name: &str) -> Response {
    let body = json!({"error": {"code": name, "message": "", "log_id": "L"}});
    Response { body: body.to_string().into_bytes(), ..status(code) }
}

fn status(status: u16) -> Response {
    Response { status, ..Response::default() }
}

/// A world with the given sequence of faults, and none after them.
struct World {
    environment: FakeEnvironment,
    tiktok: Rc<RefCell<Tiktok>>,
    crashed: Rc<Cell<bool>>,
    late: Rc<Cell<bool>>,
    now: Rc<Cell<u64>>,
}

fn world(environment: FakeEnvironment, manners: Manners, faults: Vec<Fault>) -> World {
    let tiktok = Tiktok { manners, publishes: BTreeMap::new(), cancelled: Vec::new() };
    let (tiktok, crashed) = (Rc::new(RefCell::new(tiktok)), Rc::new(Cell::new(false)));
    let (late, now) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(environment.now())));
    let (server, crash, slow, clock) = (tiktok.clone(), crashed.clone(), late.clone(), now.clone());
    let mut faults = faults.into_iter();
    environment.respond(move |request| {
        let lost = || Err(SendError::Lost("reset".to_owned()));
        // The call was aborted and sends nothing more.
        if crash.get() {
            return lost();
        }
        let act = || server.borrow_mut().handle(request, clock.get());
        match faults.next().unwrap_or(Fault::None) {
            Fault::None => Ok(act()),
            Fault::NotSent => Err(SendError::NotSent("refused".to_owned())),
            Fault::LostRequest => lost(),
            Fault::LostAnswer => {
                act();
                lost()
            }
            Fault::Outage => Ok(status(500)),
            Fault::GatewayAfter => {
                act();
                Ok(status(502))
            }
            Fault::TooFast => Ok(failure(429, "rate_limit_exceeded")),
            Fault::Crash => {
                let answer = act();
                crash.set(true);
                Ok(answer)
            }
            Fault::Late => {
                slow.set(true);
                Ok(act())
            }
        }
    });
    World { environment, tiktok, crashed, late, now }
}

impl World {
    fn pass(&self, milliseconds: u64) {
        self.environment.advance_ms(milliseconds);
        self.now.set(self.environment.now());
    }

    /// Runs a publish to its end, as the host does.
    fn drive(&self, post: &Post, media: &[FakeMedia], cancel_at: Option<usize>) -> NextStep {
        let infos: Vec<MediaInfo> = media.iter().map(Media::info).collect();
        let mut step = loop {
            if let Ok(step) = run(begin(&self.environment, &account(), post, &infos)) {
                break step;
            }
            self.pass(60_000);
            self.crashed.set(false);
        };
        let mut interrupted = false;
        for turn in 0..600 {
            match step.next {
                NextStep::Wait(milliseconds) => self.pass(milliseconds),
                NextStep::Proceed(_) => {}
                end => return end,
            }
            self.crashed.set(false);
            let cancelling = cancel_at == Some(turn);
            let answer = if cancelling {
                run(cancel(&self.environment, &account(), &step.state))
            } else {
                let resume = Resume::new(interrupted);
                run(advance(&self.environment, &account(), &step.state, media, &resume))
            };
            if self.late.replace(false) {
                self.pass(30 * 60_000);
            }
            match answer {
                _ if self.crashed.get() => interrupted |= !cancelling,
                Ok(next) => {
                    step = next;
                    interrupted = false;
                }
                Err(error) => match error.kind {
                    ErrorKind::OutcomeUnknown => {
                        interrupted |= !cancelling;
                        self.pass(10_000);
                    }
                    ErrorKind::RateLimited | ErrorKind::Unavailable => {
                        self.pass(error.retry_after.unwrap_or(10_000));
                    }
                    other => panic!("no fault of this test makes {other:?}: {error:?}"),
                },
            }
        }
        panic!("no end in sight: {:?}", step.next)
    }

    fn judge(&self, end: &NextStep) -> Result<(), TestCaseError> {
        let posts = self.tiktok.borrow().posts();
        prop_assert!(posts <= 1, "{posts} posts, {end:?}");
        match end {
            NextStep::Published(_) => prop_assert_eq!(posts, 1),
            NextStep::Failed(_) | NextStep::Cancelled => prop_assert_eq!(posts, 0, "{:?}", end),
            _ => {}
        }
        Ok(())
    }
}

fn manners() -> impl Strategy<Value = Manners> {
    (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), any::<bool>()).prop_map(
        |(tells_progress, ranges_on_416, fails, knows_cancel)| Manners {
            tells_progress,
            ranges_on_416,
            fails,
            knows_cancel,
        },
    )
}

fn cancel_at() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![2 => Just(None), 1 => (0..12_usize).prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn an_upload_makes_at_most_one_post(
        size in prop_oneof![Just(1000_u64), Just(25_000_000), Just(64_000_001), 1..200_000_000_u64],
        manners in manners(),
        faults in prop::collection::vec(fault(), 0..25),
        cancel_at in cancel_at(),
    ) {
        let world = world(environment(), manners, faults);
        let end = world.drive(&video(), &[FakeMedia::video(size)], cancel_at);
        world.judge(&end)?;
    }

    #[test]
    fn a_pull_makes_at_most_one_post(
        photos in any::<bool>(),
        manners in manners(),
        faults in prop::collection::vec(fault(), 0..25),
        cancel_at in cancel_at(),
    ) {
        let environment = environment().with_setting("verified-urls", "media.example.com");
        let world = world(environment, manners, faults);
        let url = Some("https://media.example.com/1");
        let end = if photos {
            let post = Post { kind: "images".to_owned(), ..video() };
            world.drive(&post, &[FakeMedia(photo(url))], cancel_at)
        } else {
            let item = MediaInfo { content_type: "video/mp4".to_owned(), ..photo(url) };
            let post = with(video(), "transfer", Given::Text("pull".to_owned()));
            world.drive(&post, &[FakeMedia(item)], cancel_at)
        };
        world.judge(&end)?;
    }

    #[test]
    fn without_faults_every_upload_is_published(size in 1..4_000_000_000_u64, tells_progress in any::<bool>()) {
        let manners = Manners { tells_progress, ranges_on_416: true, fails: false, knows_cancel: true };
        let world = world(environment(), manners, Vec::new());
        let end = world.drive(&video(), &[FakeMedia::video(size)], None);
        prop_assert!(matches!(end, NextStep::Published(_)));
        world.judge(&end)?;
    }
}
