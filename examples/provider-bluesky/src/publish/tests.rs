//! A server in memory that keeps records by key, and loses answers or dies when the test says so.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};
use social_channel_provider::channel::{NextStep, Part, Post, Resume};
use social_channel_provider::http::{Response, SendError};
use social_channel_provider::testing::{FakeEnvironment, FakeMedia, SentRequest, run};
use social_channel_provider::{Account, ErrorKind, MediaInfo};

use super::{advance, begin, cancel};

#[derive(Default)]
struct Pds {
    records: BTreeMap<String, Value>,
    blobs: usize,
    /// The answer to the request with this number is lost; whether the server got the request.
    lose: Option<(usize, bool)>,
    /// Records with this text are refused.
    refuse: Option<&'static str>,
    seen: usize,
}

impl Pds {
    fn answer(&mut self, request: &SentRequest) -> Result<Response, SendError> {
        let at = self.seen;
        self.seen += 1;
        match self.lose {
            Some((lost, true)) if lost == at => {
                self.respond(request);
                Err(SendError::Lost("cut".to_owned()))
            }
            Some((lost, false)) if lost == at => Err(SendError::Lost("cut".to_owned())),
            _ => Ok(self.respond(request)),
        }
    }

    fn respond(&mut self, request: &SentRequest) -> Response {
        let method = request.url.split("/xrpc/").nth(1).unwrap().split('?').next().unwrap();
        let body = request.json();
        let key = || body["rkey"].as_str().unwrap().to_owned();
        let named = |key: &str| json!({ "uri": format!("at://did:plc:a/app.bsky.feed.post/{key}"), "cid": format!("cid-{key}") });
        let (status, answer) = match method {
            "com.atproto.repo.uploadBlob" => {
                self.blobs += 1;
                let link = format!("blob-{}", self.blobs);
                (200, json!({ "blob": { "ref": { "$link": link }, "mimeType": "image/png", "size": 9 } }))
            }
            "com.atproto.repo.putRecord"
                if self.refuse.is_some_and(|text| body["record"]["text"] == text) =>
            {
                (400, json!({ "error": "InvalidRequest", "message": "no" }))
            }
            "com.atproto.repo.putRecord" => {
                self.records.insert(key(), body["record"].clone());
                (200, named(&key()))
            }
            "com.atproto.repo.deleteRecord" => {
                self.records.remove(&key());
                (200, json!({}))
            }
            "com.atproto.repo.getRecord" => {
                let key = request.url.rsplit("rkey=").next().unwrap();
                match self.records.contains_key(key) {
                    true => (200, named(key)),
                    false => (400, json!({ "error": "RecordNotFound" })),
                }
            }
            "com.atproto.identity.resolveHandle" if request.url.ends_with("=ada.test") => {
                (200, json!({ "did": "did:plc:ada" }))
            }
            "com.atproto.identity.resolveHandle" => (400, json!({ "error": "InvalidRequest" })),
            other => panic!("nothing asks for {other}"),
        };
        Response { status, body: answer.to_string().into_bytes(), ..Response::default() }
    }
}

struct Stage {
    environment: FakeEnvironment,
    pds: Rc<RefCell<Pds>>,
    account: Account,
}

impl Stage {
    fn new() -> Self {
        let (environment, pds) = (FakeEnvironment::new(), Rc::new(RefCell::new(Pds::default())));
        let server = pds.clone();
        environment.respond(move |request| server.borrow_mut().answer(request));
        let credentials = br#"{"access":"a","refresh":"r","pds":"https://pds.test","handle":"me.test"}"#;
        let account =
            Account { id: "did:plc:a".to_owned(), credentials: credentials.to_vec(), scopes: Vec::new() };
        Self { environment, pds, account }
    }

    /// Runs a publish to its end as a host does: a call without an answer is repeated, and told so.
    fn publish(&self, post: &Post, media: &[FakeMedia]) -> NextStep {
        let infos: Vec<MediaInfo> = media.iter().map(|media| media.0.clone()).collect();
        let mut step = loop {
            match run(begin(&self.environment, &self.account, post, &infos)) {
                Ok(step) => break step,
                Err(error) => assert_eq!(error.kind, ErrorKind::Unavailable),
            }
        };
        let mut interrupted = false;
        for _ in 0..50 {
            if !matches!(step.next, NextStep::Proceed(_)) {
                return step.next;
            }
            let resume = Resume::new(interrupted);
            match run(advance(&self.environment, &self.account, post, &step.state, media, &resume)) {
                Ok(next) => (step, interrupted) = (next, false),
                Err(error) => {
                    assert!(matches!(error.kind, ErrorKind::Unavailable | ErrorKind::OutcomeUnknown));
                    interrupted = true;
                }
            }
        }
        panic!("it does not end");
    }
}

fn thread() -> (Post, Vec<FakeMedia>) {
    let part = |text: &str, media| Part { text: Some(text.to_owned()), media, options: Vec::new() };
    let post = Post {
        text: Some("one @ada.test @nobody.test".to_owned()),
        parts: vec![part("two", vec![1]), part("three", vec![])],
        ..Post::new("images")
    };
    let image = || FakeMedia(MediaInfo { content_type: "image/png".to_owned(), ..FakeMedia::video(9).0 });
    (post, vec![image(), image()])
}

#[test]
fn whatever_request_is_lost_every_post_is_there_once() {
    let (post, media) = thread();
    let whole = Stage::new();
    assert_eq!(whole.publish(&post, &media), NextStep::Published(None));
    let requests = whole.pds.borrow().seen;
    assert_eq!(requests, 2 + 2 + 3, "two people, two files, three posts");
    for lost in 0..requests {
        for arrived in [true, false] {
            let stage = Stage::new();
            stage.pds.borrow_mut().lose = Some((lost, arrived));
            assert_eq!(stage.publish(&post, &media), NextStep::Published(None), "{lost} {arrived}");
            assert_eq!(stage.pds.borrow().records.len(), 3, "{lost} {arrived}");
        }
    }
    let pds = whole.pds.borrow();
    let records: Vec<&Value> = pds.records.values().collect();
    assert_eq!(records[0]["facets"].as_array().unwrap().len(), 1, "nobody is no link");
    assert_eq!(records[1]["embed"]["images"][0]["image"]["ref"]["$link"], "blob-2");
    let key = |at: usize| pds.records.keys().nth(at).unwrap();
    assert_eq!(records[2]["reply"]["root"]["cid"], format!("cid-{}", key(0)));
    assert_eq!(records[2]["reply"]["parent"]["cid"], format!("cid-{}", key(1)));
}

#[test]
fn a_refused_first_post_fails_and_a_later_one_leaves_what_is_out() {
    let (post, media) = thread();
    let stage = Stage::new();
    stage.pds.borrow_mut().refuse = Some("one @ada.test @nobody.test");
    assert!(matches!(stage.publish(&post, &media), NextStep::Failed(_)));
    let stage = Stage::new();
    stage.pds.borrow_mut().refuse = Some("three");
    assert_eq!(stage.publish(&post, &media), NextStep::Published(None));
    assert_eq!(stage.pds.borrow().records.len(), 2);
}

#[test]
fn a_refusal_after_a_lost_answer_is_believed_only_after_a_look() {
    let stage = Stage::new();
    let post = Post { text: Some("one".to_owned()), ..Post::new("text") };
    let step = run(begin(&stage.environment, &stage.account, &post, &[])).unwrap();
    stage.pds.borrow_mut().lose = Some((0, true));
    let go = |interrupted| {
        let resume = Resume::new(interrupted);
        run(advance(&stage.environment, &stage.account, &post, &step.state, &[], &resume))
    };
    assert_eq!(go(false).unwrap_err().kind, ErrorKind::OutcomeUnknown);
    stage.pds.borrow_mut().refuse = Some("one");
    let ended = go(true).unwrap();
    assert_eq!(ended.next, NextStep::Published(None));
    assert!(
        ended.publication.posts[0]
            .url
            .as_ref()
            .unwrap()
            .starts_with("https://bsky.app/profile/did:plc:a/post/")
    );
}

#[test]
fn a_cancelled_post_is_gone_and_a_cancelled_thread_says_what_is_out() {
    let stage = Stage::new();
    let post = Post { text: Some("one".to_owned()), ..Post::new("text") };
    let step = run(begin(&stage.environment, &stage.account, &post, &[])).unwrap();
    run(advance(&stage.environment, &stage.account, &post, &step.state, &[], &Resume::new(false))).unwrap();
    let ended =
        run(cancel(&stage.environment, &stage.account, &post, &step.state, &Resume::new(true))).unwrap();
    assert_eq!(ended.next, NextStep::Cancelled);
    assert!(stage.pds.borrow().records.is_empty());

    let (post, media) = (thread().0, Vec::new());
    let post = Post { kind: "text".to_owned(), parts: post.parts.into_iter().skip(1).collect(), ..post };
    let step = run(begin(&stage.environment, &stage.account, &post, &[])).unwrap();
    let go = |state: &[u8]| {
        run(advance(&stage.environment, &stage.account, &post, state, &media, &Resume::new(false))).unwrap()
    };
    let first = go(&step.state);
    let stop = |interrupted| {
        let resume = Resume::new(interrupted);
        run(cancel(&stage.environment, &stage.account, &post, &first.state, &resume)).unwrap()
    };
    let ended = stop(true);
    assert_eq!((ended.next, ended.publication.posts.len()), (NextStep::Published(None), 1));
    assert_eq!(ended.publication.findings[0].message, "1 of 2 posts are out; the others were cancelled.");
    go(&first.state);
    let ended = stop(true);
    assert_eq!((ended.publication.posts.len(), ended.publication.findings.len()), (2, 0));
}

#[test]
fn a_state_of_another_version_is_left_alone() {
    let stage = Stage::new();
    let post = Post { text: Some("one".to_owned()), ..Post::new("text") };
    for state in
        [&b"{}"[..], br#"{"version":2,"keys":["a"],"created_at":0,"ids":{},"blobs":[],"posts":[]}"#, b""]
    {
        let error = run(advance(&stage.environment, &stage.account, &post, state, &[], &Resume::new(false)));
        assert_eq!(error.unwrap_err().kind, ErrorKind::Unsupported);
    }
}
