//! A provider whose misbehaviour is selected by a setting.
//!
//! The setting `behaviour` selects what the next call does; each host test chooses one. Requests go to the URL
//! in the setting `url`. A test that needs another `describe` can patch two marks in the component's data: the
//! id `test-provider`, and `DESCRIBE=calm`.
#![allow(unsafe_code, reason = "generated bindings, and one string that is no UTF-8 on purpose")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_errors_doc,
    missing_docs,
    reason = "a test guest, whose faults are its purpose"
)]

mod http;

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "full-provider", generate_all });
}

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use bindings::exports::social::channel::channel::{
    Condition, ConnectRequest, ConnectStep, Connection, Consequence, Descriptor, Effect, Guest, Link,
    ListQuery, Metric, NextStep, Post, PostPage, PostSummary, Profile, Prompt, Publication, PublishForm,
    PublishStep, PublishedPost, Redirect, Resume, Rule, Stats,
};
use bindings::exports::social::channel::{diagnostics, webhooks};
use bindings::social::channel::media::{Item, MediaError};
use bindings::social::channel::storage::{self, SetOptions, StorageError};
use bindings::social::channel::types::{
    Account, Error, ErrorKind, Field, Finding, Property, Severity, Value,
};
use bindings::wasi::clocks::monotonic_clock;
use bindings::wasi::config::store;
use bindings::wasi::http::types::Fields;
use bindings::{wit_future, wit_stream};

struct TestProvider;

bindings::export!(TestProvider with_types_in bindings);

static DESCRIBE: &str = "DESCRIBE=calm";

fn setting(name: &str) -> Option<String> {
    store::get(name).unwrap()
}

fn behaviour() -> String {
    setting("behaviour").unwrap_or_default()
}

fn error(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error {
        kind,
        message: message.into(),
        remedy: None,
        code: None,
        field: None,
        retry_after: None,
        trace_id: None,
        details: Vec::new(),
    }
}

fn profile(bio: impl Into<String>) -> Profile {
    Profile {
        id: "1".to_owned(),
        username: None,
        display_name: "Test".to_owned(),
        bio: Some(bio.into()),
        url: None,
        avatar_url: None,
        verified: None,
        details: Vec::new(),
    }
}

fn loop_forever() -> ! {
    let mut number = 0u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

fn eat_memory() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1u8; 1 << 20]));
    }
}

/// A kind by its name in the contract.
fn named_kind(name: &str) -> ErrorKind {
    match name {
        "invalid-request" => ErrorKind::InvalidRequest,
        "unauthorized" => ErrorKind::Unauthorized,
        "credentials-expired" => ErrorKind::CredentialsExpired,
        "forbidden" => ErrorKind::Forbidden,
        "not-found" => ErrorKind::NotFound,
        "rejected" => ErrorKind::Rejected,
        "rate-limited" => ErrorKind::RateLimited,
        "unavailable" => ErrorKind::Unavailable,
        "outcome-unknown" => ErrorKind::OutcomeUnknown,
        "unsupported" => ErrorKind::Unsupported,
        "misconfigured" => ErrorKind::Misconfigured,
        "authorization-denied" => ErrorKind::AuthorizationDenied,
        "quota-exceeded" => ErrorKind::QuotaExceeded,
        _ => ErrorKind::Other,
    }
}

/// An error with every member set, to check that all members pass every boundary.
fn whole_error(kind: &str) -> Error {
    Error {
        remedy: Some("do this now".to_owned()),
        code: Some("platform_code_7".to_owned()),
        field: Some("title".to_owned()),
        retry_after: Some(61_500),
        trace_id: Some("20261125LOG".to_owned()),
        ..error(named_kind(kind), format!("the platform said {kind}"))
    }
}

/// What a guest can find out about the machine.
fn look_around() -> String {
    let files = ["/", "/etc/passwd", "."].map(|path| std::fs::metadata(path).is_ok());
    let connect = std::net::TcpStream::connect("127.0.0.1:80").is_ok();
    let bind = std::net::TcpListener::bind("127.0.0.1:0").is_ok();
    let resolve = std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok();
    let (args, vars) = (std::env::args().count(), std::env::vars().count());
    format!("args={args} vars={vars} files={files:?} connect={connect} bind={bind} resolve={resolve}")
}

async fn exercise_storage() -> String {
    let options = |if_version| SetOptions { if_version, ttl: None };
    let mut said = Vec::new();
    let first = storage::set("a".to_owned(), b"1".to_vec(), options(Some(0))).await.unwrap();
    let taken = storage::set("a".to_owned(), b"2".to_vec(), options(Some(0))).await;
    said.push(format!("{}", matches!(taken, Err(StorageError::Conflict))));
    let second = storage::set("a".to_owned(), b"2".to_vec(), options(Some(first))).await.unwrap();
    said.push(format!("{}", second > first));
    let entry = storage::get("a".to_owned()).await.unwrap().unwrap();
    said.push(format!("{}", entry.value == b"2" && entry.version == second));
    let long = storage::set("k".repeat(513), Vec::new(), options(None)).await;
    said.push(format!("{}", matches!(long, Err(StorageError::LimitExceeded))));
    let large = storage::set("b".to_owned(), vec![0; 65_537], options(None)).await;
    said.push(format!("{}", matches!(large, Err(StorageError::LimitExceeded))));
    storage::set("b".to_owned(), vec![0; 65_536], options(None)).await.unwrap();
    said.push(storage::list_keys(String::new(), None).await.unwrap().join("+"));
    storage::delete("a".to_owned()).await.unwrap();
    said.push(format!("{}", storage::get("a".to_owned()).await.unwrap().is_none()));
    said.join(" ")
}

async fn misbehave(behaviour: &str) -> Result<Profile, Error> {
    let url = || setting("url").unwrap();
    let said = |result: Result<http::Answer, String>| match result {
        Ok(answer) => Ok(profile(format!("{} {}", answer.status, answer.text()))),
        Err(code) => Err(error(ErrorKind::Unavailable, code)),
    };
    match behaviour {
        "config" => {
            let mut all = store::get_all().unwrap();
            all.sort();
            Ok(profile(format!("{all:?} {:?}", store::get("missing").unwrap())))
        }
        "loop" => loop_forever(),
        "memory" => eat_memory(),
        "trap" => panic!("the last words"),
        "overflow-the-stack" => {
            #[expect(unconditional_recursion, reason = "it is meant to run out of stack")]
            fn deeper(number: u64) -> u64 {
                let page = black_box([number; 512]);
                black_box(deeper(number + 1)) + page[7]
            }
            Ok(profile(deeper(0).to_string()))
        }
        "sleep" => {
            monotonic_clock::wait_for(3_600_000_000_000).await;
            Ok(profile("woke up"))
        }
        "busy" => {
            // Slow, but never idle for long: every request is progress.
            for _ in 0..1_000 {
                http::get(&url()).await.map_err(|code| error(ErrorKind::Unavailable, code))?;
                monotonic_clock::wait_for(20_000_000).await;
            }
            Ok(profile("done"))
        }
        "links" => Ok(Profile {
            url: Some("javascript:alert(1)".to_owned()),
            avatar_url: setting("url"),
            ..profile("links")
        }),
        "long-text" => Ok(profile("x".repeat((64 << 10) + 1))),
        "text-that-fits" => Ok(profile("x".repeat(64 << 10))),
        "crossing" => Ok(profile("x".repeat(9 << 20))),
        // SAFETY: there is no undefined behaviour in the guest: the text is only passed to the host, which
        // must detect it.
        "no-utf-8" => Ok(profile(unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) })),
        "long-error" => Err(Error {
            code: Some("a\u{1b}b\nc".to_owned()),
            ..error(ErrorKind::Other, format!("\u{202e}begin {} end", "x".repeat(100_000)))
        }),
        "stderr" => {
            eprintln!("first line \u{1b}[31mred");
            for number in 0..10_000 {
                eprintln!("line {number} of a flood that must not fill the log");
            }
            Ok(profile("quiet"))
        }
        "handles" => {
            let kept: Vec<Fields> = (0..5_000).map(|_| Fields::new()).collect();
            Ok(profile(kept.len().to_string()))
        }
        "streams" => {
            let kept: Vec<_> = (0..5_000).map(|_| wit_stream::new::<u8>()).collect();
            Ok(profile(kept.len().to_string()))
        }
        "look-around" => Ok(profile(look_around())),
        "storage" => Ok(profile(exercise_storage().await)),
        "storage-read" => match storage::get("a".to_owned()).await {
            Ok(entry) => Ok(profile(format!("{:?}", entry.map(|entry| entry.version)))),
            Err(StorageError::Unavailable(why)) => Err(error(ErrorKind::Unavailable, why)),
            Err(other) => Err(error(ErrorKind::Other, format!("{other:?}"))),
        },
        "get" => said(http::get(&url()).await),
        "get-twice" => {
            let first = http::get(&url()).await.map_err(|code| error(ErrorKind::Unavailable, code))?;
            let second = said(http::get(&url()).await)?;
            Ok(profile(format!("{} / {}", first.text(), second.bio.unwrap())))
        }
        "get-first-byte-timeout" => {
            said(http::send("GET", &url(), &[], http::Body::None, Some(50_000_000)).await)
        }
        "post" => {
            let headers = [("content-length", "5"), ("x-test", "yes")];
            said(http::send("POST", &url(), &headers, http::Body::Bytes(b"hello".to_vec()), None).await)
        }
        "post-empty" => said(http::send("POST", &url(), &[], http::Body::None, None).await),
        "host-header" => {
            said(http::send("GET", &url(), &[("host", "evil.test")], http::Body::None, None).await)
        }
        "many-headers" => {
            let value = "v".repeat(8_000);
            let headers: Vec<(&str, &str)> = (0..20).map(|_| ("x-many", value.as_str())).collect();
            said(http::send("GET", &url(), &headers, http::Body::None, None).await)
        }
        "request-then-trap" => {
            let _ = http::get(&url()).await;
            panic!("after the request");
        }
        "request-then-sleep" => {
            let _ = http::get(&url()).await;
            monotonic_clock::wait_for(3_600_000_000_000).await;
            Ok(profile("woke up"))
        }
        "request-then-long-text" => {
            let _ = http::get(&url()).await;
            Ok(profile("x".repeat((64 << 10) + 1)))
        }
        "denied-then-unknown" => {
            let _ = http::get(&url()).await;
            Err(error(ErrorKind::OutcomeUnknown, "who knows"))
        }
        "hoard" => {
            // Until the host takes no more.
            let mut kept = 0;
            while kept < 2_000 {
                let value = vec![7u8; 60 << 10];
                if storage::set(format!("hoard-{kept}"), value, SetOptions { if_version: None, ttl: None })
                    .await
                    .is_err()
                {
                    break;
                }
                kept += 1;
            }
            Ok(profile(kept.to_string()))
        }
        "count" => {
            static CALLS: AtomicUsize = AtomicUsize::new(0);
            Ok(profile((CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string()))
        }
        "nothing" => Ok(profile("")),
        // `error rate-limited`: that kind, with every member set.
        other => match other.strip_prefix("error ") {
            Some(kind) => Err(whole_error(kind)),
            None => Err(error(named_kind(other), format!("said {other}"))),
        },
    }
}

fn step(next: NextStep) -> PublishStep {
    PublishStep {
        state: b"state".to_vec(),
        reference: Some("reference".to_owned()),
        phase: "uploading".to_owned(),
        bytes_sent: 0,
        bytes_total: 0,
        publication: Publication { posts: Vec::new(), findings: Vec::new(), details: Vec::new() },
        next,
        details: Vec::new(),
    }
}

/// Sends the first media item, completely or a range of it (setting `range`, `OFFSET+LENGTH`).
async fn upload(behaviour: &str, item: &Item) -> Result<PublishStep, Error> {
    let url = setting("url").unwrap();
    let size = item.info().size;
    let (offset, length) = match setting("range") {
        Some(range) => {
            let (offset, length) = range.split_once('+').unwrap();
            (offset.parse().unwrap(), length.parse().unwrap())
        }
        None => (0, size),
    };
    let (stream, end) = item.read(offset, length);
    let fixed = [("content-length".to_owned(), length.to_string())];
    let headers: Vec<(&str, &str)> = match behaviour {
        "upload-without-length" => Vec::new(),
        _ => fixed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
    };
    let body = match behaviour {
        "upload-copied" | "upload-copied-without-length" => http::Body::Copied(stream),
        _ => http::Body::Stream(stream),
    };
    let headers = if behaviour == "upload-copied-without-length" { Vec::new() } else { headers };
    match http::send("PUT", &url, &headers, body, None).await {
        Ok(answer) if answer.status < 300 => {
            let mut done = step(NextStep::Published(Some(1_000)));
            done.publication.posts.push(published(answer.text()));
            (done.bytes_sent, done.bytes_total) = (length, size);
            Ok(done)
        }
        Ok(answer) => Err(error(ErrorKind::Rejected, answer.text())),
        Err(code) => Err(match end.await {
            Ok(()) => error(ErrorKind::OutcomeUnknown, code),
            Err(MediaError::Changed) => error(ErrorKind::InvalidRequest, "changed"),
            Err(MediaError::OutOfRange) => error(ErrorKind::InvalidRequest, "out of range"),
            Err(MediaError::Unavailable | MediaError::Other) => error(ErrorKind::Unavailable, "unavailable"),
        }),
    }
}

impl Guest for TestProvider {
    fn describe() -> Descriptor {
        match black_box(DESCRIBE).split_once('=').unwrap().1 {
            "loop" => loop_forever(),
            "trap" => panic!("no description"),
            _ => {}
        }
        let setting = |name: &str| field(name);
        Descriptor {
            id: "test-provider".to_owned(),
            name: "Test provider".to_owned(),
            version: "0.1.0".to_owned(),
            abilities: ["profile", "stats", "list", "publish"].map(str::to_owned).to_vec(),
            settings: ["behaviour", "url", "range"].map(setting).to_vec(),
            connect_inputs: Vec::new(),
            scopes: Vec::new(),
            origins: vec!["https://*".to_owned()],
            details: Vec::new(),
        }
    }

    async fn begin_connect(request: ConnectRequest) -> Result<ConnectStep, Error> {
        if behaviour() == "asks" {
            return Ok(ask("Which code was sent to you?"));
        }
        if behaviour() == "two-accounts" {
            let account =
                |id: &str| Account { id: id.to_owned(), credentials: b"x".to_vec(), scopes: Vec::new() };
            let named =
                |id: &str| Connection { display_name: format!("Account {id}"), ..connection(account(id)) };
            return Ok(ConnectStep::Connected(["one", "two"].map(named).to_vec()));
        }
        let session = format!("{} {}", request.state, request.redirect_uri).into_bytes();
        Ok(ConnectStep::Redirect(Redirect {
            url: match behaviour().as_str() {
                "lead-elsewhere" => setting("url").unwrap(),
                _ => format!("https://api.example.com/authorize?choose={}", request.choose_account),
            },
            session: if behaviour() == "large-state" { vec![0; (64 << 10) + 1] } else { session },
            expires_in: 600_000,
            details: Vec::new(),
        }))
    }

    async fn complete_connect(
        session: Vec<u8>,
        callback: Vec<(String, String)>,
    ) -> Result<ConnectStep, Error> {
        if behaviour() == "asks" && !callback.contains(&("code".to_owned(), "1234".to_owned())) {
            return Ok(ask("That was another code."));
        }
        let account = |id| Account { id, credentials: session.clone(), scopes: Vec::new() };
        // Several accounts, if the callback names them.
        let named = callback.iter().filter(|(name, _)| name == "account");
        let several: Vec<_> = named.map(|(_, id)| connection(account(id.clone()))).collect();
        let alone = || vec![connection(account(format!("{callback:?}")))];
        Ok(ConnectStep::Connected(if several.is_empty() { alone() } else { several }))
    }

    async fn refresh_credentials(account: Account) -> Result<Connection, Error> {
        let credentials = [account.credentials.as_slice(), b"+"].concat();
        Ok(connection(Account { credentials, ..account }))
    }

    async fn disconnect(_: Account) -> Result<(), Error> {
        Ok(())
    }

    async fn get_profile(account: Account) -> Result<Profile, Error> {
        match behaviour().as_str() {
            "" => Ok(profile(format!("{} {}", account.id, String::from_utf8_lossy(&account.credentials)))),
            other => misbehave(other).await,
        }
    }

    async fn get_stats(_: Account) -> Result<Stats, Error> {
        let entries = if behaviour() == "many-entries" { 257 } else { 1 };
        let metric = |name: &str, value| Metric { name: name.to_owned(), label: None, value };
        let mut metrics: Vec<Metric> = (0..entries).map(|value| metric("metric", value)).collect();
        metrics.extend([metric("followers", u64::MAX), metric("likes", 0)]);
        Ok(Stats { metrics, details: Vec::new() })
    }

    async fn list_posts(_: Account, query: ListQuery) -> Result<PostPage, Error> {
        let posts = (0..query.limit).map(|number| summary(number.to_string())).collect();
        Ok(PostPage { posts, next_cursor: query.cursor, details: Vec::new() })
    }

    async fn get_posts(_: Account, ids: Vec<String>) -> Result<Vec<PostSummary>, Error> {
        Ok(ids.into_iter().map(summary).collect())
    }

    async fn get_publish_form(_: Account) -> Result<PublishForm, Error> {
        Ok(PublishForm {
            account_name: "Test".to_owned(),
            account_avatar_url: None,
            kinds: Vec::new(),
            fields: Vec::new(),
            rules: vec![
                Rule {
                    conditions: Vec::new(),
                    consequence: Consequence {
                        text: Some("See the terms".to_owned()),
                        links: vec![Link { text: "terms".to_owned(), url: "https://example.com".to_owned() }],
                        ..consequence("notice")
                    },
                },
                // Of a later host.
                Rule { conditions: Vec::new(), consequence: consequence("dance") },
                Rule {
                    conditions: vec![Condition {
                        field: "kind".to_owned(),
                        test: "rhymes-with".to_owned(),
                        values: Vec::new(),
                    }],
                    consequence: Consequence { text: Some("never".to_owned()), ..consequence("block") },
                },
            ],
            quotas: Vec::new(),
            blocked: Some(error(ErrorKind::QuotaExceeded, "full")),
            details: vec![Property { name: "later".to_owned(), value: Value::Decimal(0.5) }],
        })
    }

    async fn check_post(_: Account, post: Post, media: Vec<Item>) -> Result<Vec<Finding>, Error> {
        let mut findings = vec![finding(format!("{} {:?}", post.kind, post.options.len()))];
        findings.extend(media.iter().map(|item| finding(format!("{:?}", item.info()))));
        Ok(findings)
    }

    async fn begin_publish(_: Account, _: Post, _: Vec<Item>) -> Result<PublishStep, Error> {
        let mut first = step(NextStep::Proceed(Effect::Once));
        if behaviour() == "large-state" {
            first.state = vec![0; (64 << 10) + 1];
        }
        Ok(first)
    }

    async fn continue_publish(
        _: Account,
        post: Post,
        _: Vec<u8>,
        media: Vec<Item>,
        resume: Resume,
    ) -> Result<PublishStep, Error> {
        match behaviour().as_str() {
            // The second post of a thread is refused, and the first one is out.
            "half-a-thread" => {
                let mut half =
                    step(NextStep::Failed(error(ErrorKind::Rejected, "the second part is refused")));
                half.publication.posts.push(published(post.parts.len().to_string()));
                Ok(half)
            }
            upload_kind if upload_kind.starts_with("upload") => upload(upload_kind, &media[0]).await,
            _ if resume.interrupted => {
                let evidence = resume.evidence.map(|it| String::from_utf8_lossy(&it).into_owned());
                Ok(step(NextStep::Unknown(error(ErrorKind::OutcomeUnknown, format!("{evidence:?}")))))
            }
            _ => Ok(step(NextStep::Wait(1_500))),
        }
    }

    async fn cancel_publish(_: Account, _: Post, _: Vec<u8>, _: Resume) -> Result<PublishStep, Error> {
        Ok(step(NextStep::Cancelled))
    }
}

fn published(id: String) -> PublishedPost {
    PublishedPost {
        id: Some(id),
        url: None,
        role: "post".to_owned(),
        state: "public".to_owned(),
        public_at: None,
        details: Vec::new(),
    }
}

fn consequence(kind: &str) -> Consequence {
    Consequence {
        kind: kind.to_owned(),
        field: None,
        choice: None,
        text: None,
        links: Vec::new(),
        details: Vec::new(),
    }
}

fn field(name: &str) -> Field {
    Field {
        name: name.to_owned(),
        label: name.to_owned(),
        help: None,
        kind: "text".to_owned(),
        choices: Vec::new(),
        required: false,
        default_value: None,
        limits: Vec::new(),
        applies_to: Vec::new(),
        details: Vec::new(),
    }
}

fn ask(text: &str) -> ConnectStep {
    ConnectStep::Ask(Prompt {
        text: text.to_owned(),
        fields: vec![Field { required: true, ..field("code") }],
        session: b"asked".to_vec(),
        expires_in: 600_000,
        details: Vec::new(),
    })
}

fn connection(account: Account) -> Connection {
    Connection {
        account,
        display_name: "Test".to_owned(),
        username: Some("tester".to_owned()),
        avatar_url: None,
        kind: Some("page".to_owned()),
        parent_id: Some("organisation-1".to_owned()),
        grant: Some("grant".to_owned()),
        expires_at: Some(1),
        refresh_expires_at: Some(2),
        missing_scopes: Vec::new(),
        details: Vec::new(),
    }
}

fn summary(id: String) -> PostSummary {
    PostSummary {
        id,
        kind: "video".to_owned(),
        title: None,
        text: None,
        url: None,
        embed_url: None,
        thumbnail_url: None,
        created_at: None,
        media: Vec::new(),
        metrics: Vec::new(),
        details: Vec::new(),
    }
}

fn finding(message: String) -> Finding {
    Finding {
        severity: Severity::Info,
        subject: "test".to_owned(),
        message,
        remedy: None,
        code: None,
        details: Vec::new(),
    }
}

impl webhooks::Guest for TestProvider {
    async fn receive(request: webhooks::Request) -> Result<webhooks::Receipt, Error> {
        if !request.headers.iter().any(|(name, value)| name == "x-signature" && value == "good") {
            return Err(error(ErrorKind::Forbidden, "not signed"));
        }
        let header = |wanted: &str| {
            request.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        let events = [
            webhooks::Event::PublishChanged(webhooks::PublishChanged {
                reference: request.method,
                account_id: None,
                evidence: request.body,
            }),
            webhooks::Event::AccountRemoved(webhooks::AccountRemoved {
                account_id: "1".to_owned(),
                at: request.received_at,
                reason: None,
            }),
            webhooks::Event::Ignored(format!("{:?}", request.query)),
            webhooks::Event::Other(webhooks::Notice {
                kind: "comment".to_owned(),
                account_id: None,
                details: vec![Property { name: "url".to_owned(), value: Value::Text(request.url) }],
            }),
        ];
        let deliveries = events.into_iter().enumerate();
        Ok(webhooks::Receipt {
            deliveries: deliveries
                .map(|(id, event)| webhooks::Delivery { id: id.to_string(), event, details: Vec::new() })
                .collect(),
            response: Some(webhooks::Response {
                status: header("x-answer-status").map_or(200, |status| status.parse().unwrap()),
                content_type: header("x-answer-type").unwrap_or_else(|| "text/plain".to_owned()),
                body: header("x-answer").unwrap_or_else(|| "ok".to_owned()).into_bytes(),
            }),
        })
    }
}

impl diagnostics::Guest for TestProvider {
    async fn check_settings(addresses: diagnostics::Addresses) -> Result<Vec<Finding>, Error> {
        Ok(vec![finding(addresses.redirect_uri)])
    }

    fn guide(addresses: diagnostics::Addresses) -> Vec<diagnostics::GuideStep> {
        vec![diagnostics::GuideStep {
            title: "Register".to_owned(),
            body: "Copy this.".to_owned(),
            copy: vec![diagnostics::Copyable { label: "URL".to_owned(), value: addresses.redirect_uri }],
            details: Vec::new(),
        }]
    }
}

/// No trailers: how every request and response ends here.
fn ended<T: 'static>(default: fn() -> T) -> wit_bindgen::FutureReader<T>
where
    T: bindings::wit_future::FuturePayload,
{
    let (writer, reader) = wit_future::new(default);
    drop(writer);
    reader
}
