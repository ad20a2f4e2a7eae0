//! Compares the provider with the simulator, which was written independently from the same contract: for any
//! account, app and post, the check finds an error exactly when the simulator refuses the post, and the
//! simulator accepts every chunk plan.
//!
//! A post that the check refuses is sent here anyway, by the code that sends valid ones. Only properties that
//! a request can express are compared; an unanswered disclosure, for example, is only visible in a form.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use social_channel_provider::channel::{ConnectRequest, ConnectStep, NextStep, Post, PublishStep, Resume};
use social_channel_provider::http::{Method, Response, SendError};
use social_channel_provider::testing::{FakeEnvironment, FakeMedia, SentRequest, run};
use social_channel_provider::{
    Account, Environment as _, Error, Finding, MediaInfo, Property, Severity, Value as Given,
};
use tiktok_simulator::{Megabyte, Simulator, Stage, World};

use crate::chunks::{MAX_SIZE, plan};
use crate::draft::Draft;
use crate::{check, oauth, publish};

const SUBJECT: &str = "demo.kitchen";

/// An app of the simulated world, as a provider's settings and as a connected account.
struct Registration {
    key: &'static str,
    secret: &'static str,
    sandbox: bool,
    audited: bool,
    account: Account,
}

impl Registration {
    fn environment(&self, origin: &str) -> FakeEnvironment {
        let environment = FakeEnvironment::new()
            .with_setting("client-key", self.key)
            .with_setting("client-secret", self.secret)
            .with_setting("kind", "desktop")
            .with_setting("mode", if self.sandbox { "sandbox" } else { "live" })
            .with_setting("audited", if self.audited { "true" } else { "false" })
            .with_setting("verified-urls", "media.example.com\nhttps://cdn.example.org/own/");
        let origin = origin.to_owned();
        environment.respond(move |request| ask(&origin, request));
        environment
    }
}

/// One simulator for all cases of a test; each case changes its world first.
struct Bench {
    /// Keeps the simulator's tasks running.
    _runtime: tokio::runtime::Runtime,
    simulator: Simulator,
    registrations: Vec<Registration>,
}

impl Bench {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut world = World::demo();
        world.switches.auto_consent.enabled = true;
        world.switches.auto_consent.account = Some(SUBJECT.to_owned());
        // Allowances over time are not tested here; the ledger has its own tests.
        world.switches.rate_limit_divisor = 0;
        world.switches.hash_uploads = false;
        // Refuses traps that TikTok would accept, and content that only its guidelines forbid.
        world.switches.refuse_findings = true;
        world.switches.refuse_private_branded = true;
        world.switches.require_brand_toggles = true;
        for app in &mut world.apps {
            app.verified_urls =
                vec!["media.example.com".to_owned(), "https://cdn.example.org/own/".to_owned()];
        }
        let simulator = runtime.block_on(Simulator::start(world)).unwrap();
        let mut bench = Self { _runtime: runtime, simulator, registrations: Vec::new() };
        bench.registrations = [
            ("simkey-desktop", "simsecret-desktop-0001", false, true),
            ("simkey-unaudited", "simsecret-unaudited-0001", false, false),
            ("sbsimkey-sandbox", "simsecret-sandbox-0001", true, false),
        ]
        .map(|(key, secret, sandbox, audited)| bench.connect(key, secret, sandbox, audited))
        .into();
        bench
    }

    fn connect(&self, key: &'static str, secret: &'static str, sandbox: bool, audited: bool) -> Registration {
        let account = Account { id: String::new(), credentials: Vec::new(), scopes: Vec::new() };
        let mut registration = Registration { key, secret, sandbox, audited, account };
        let environment = registration.environment(&self.simulator.origin());
        let request = ConnectRequest {
            redirect_uri: "http://127.0.0.1:5000/callback".to_owned(),
            state: "s".to_owned(),
            choose_account: false,
            inputs: Vec::new(),
            details: Vec::new(),
        };
        let ConnectStep::Redirect(redirect) = oauth::begin(&environment, &request).unwrap() else {
            panic!("a browser was expected");
        };
        let page = SentRequest {
            method: Method::Get,
            url: redirect.url,
            headers: Vec::new(),
            body: Vec::new(),
            media: None,
        };
        let page = ask(&self.simulator.origin(), &page).unwrap();
        let location = page.header("location").unwrap();
        let query = location.split_once('?').unwrap().1;
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let connection = run(oauth::complete(&environment, &redirect.session, &pairs)).unwrap();
        registration.account = connection.into_iter().next().unwrap().account;
        registration
    }

    /// Sends a post as the provider would if the check had accepted it.
    fn send(&self, registration: &Registration, post: &Post, media: &[MediaInfo]) -> Result<(), Error> {
        let environment = registration.environment(&self.simulator.origin());
        let (draft, _) = Draft::read(post);
        let draft = draft.unwrap();
        let total: u64 = media.iter().map(|item| item.size).sum();
        let planned = plan(total).map_or(
            json!({ "size": total, "chunk": total.min(10_000_000), "count": (total / 10_000_000).max(1) }),
            |plan| serde_json::to_value(plan).unwrap(),
        );
        let state = json!({
            "stage": "Init",
            "photos": post.kind == "images",
            "plan": if draft.pull { Value::Null } else { planned },
            "content_type": "video/mp4",
            "total": total,
            "post_info": draft.post_info(),
            "cover_index": draft.cover_index,
            "public": false,
            "begun_at": environment.now(),
            "since": environment.now(),
            "checked_at": environment.now(),
        });
        let media: Vec<FakeMedia> = media.iter().cloned().map(FakeMedia).collect();
        let resume = Resume::new(false);
        let mut state = serde_json::to_vec(&state).unwrap();
        loop {
            let step: PublishStep =
                run(publish::advance(&environment, &registration.account, &state, &media, &resume))?;
            match step.next {
                NextStep::Failed(error) => return Err(error),
                _ if step.reference.is_some() => return Ok(()),
                // A pull first reserves a place in the allowance.
                NextStep::Proceed(_) => state = step.state,
                other => panic!("neither taken nor refused: {other:?}"),
            }
        }
    }
}

/// Forwards a request for one of TikTok's hosts to the simulator.
fn ask(origin: &str, request: &SentRequest) -> Result<Response, SendError> {
    let address = origin.strip_prefix("http://").unwrap();
    let (_, host, path) = social_channel_provider::http::split_url(&request.url).unwrap();
    let method = match request.method {
        Method::Get => "GET",
        _ => "POST",
    };
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", request.body.len()));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&request.body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Ok(Response { status, headers, body: answer[end + 4..].to_vec(), truncated: false })
}

/// The parameters of a test case.
#[derive(Clone, Debug)]
struct Case {
    registration: usize,
    private: bool,
    comment_disabled: bool,
    duet_disabled: bool,
    stitch_disabled: bool,
    banned: bool,
    capped: bool,
    options_self_only: bool,
    photos: bool,
    visibility: Option<&'static str>,
    /// Relative to the limit of the text, in UTF-16 units.
    text: i32,
    title: i32,
    emoji: bool,
    allow: [bool; 3],
    brands: [bool; 2],
    cover: i64,
    pull: bool,
    size: u64,
    urls: Vec<&'static str>,
}

fn case() -> impl Strategy<Value = Case> {
    let levels = prop_oneof![
        6 => prop::sample::select(vec![
            "PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY"]).prop_map(Some),
        1 => Just(Some("EVERYBODY")),
        1 => Just(None),
    ];
    let rarely = || prop::bool::weighted(0.06);
    let sizes = prop_oneof![
        6 => 1..=MAX_SIZE,
        2 => prop::sample::select(vec![1, 5_242_879, 5_242_880, 64_000_000, 64_000_001, 128_000_001, MAX_SIZE]),
        1 => prop::sample::select(vec![0, MAX_SIZE + 1, 5_000_000_000]),
    ];
    let good = || {
        prop::sample::select(vec![
            "https://media.example.com/a.jpg",
            "https://media.example.com:8443/a.jpg",
            "https://sub.media.example.com/b.jpg?x=1",
            "https://cdn.example.org/own/c.jpg",
        ])
    };
    let any_url = || {
        prop_oneof![
            12 => good(),
            1 => prop::sample::select(vec![
                "https://example.com/d.jpg",
                "https://cdn.example.org/other/e.jpg",
                "https://cdn.example.org/ownother/e.jpg",
                "https://notmedia.example.com/f.jpg",
                "https://media.example.com.evil.example/g.jpg",
                "http://media.example.com/h.jpg",
                "https://203.0.113.7/i.jpg",
            ]),
        ]
    };
    let urls = prop_oneof![
        8 => prop::collection::vec(any_url(), 1..=4),
        1 => prop::collection::vec(good(), 34..=37),
    ];
    let account = (0..3_usize, any::<bool>(), any::<[bool; 3]>(), rarely(), rarely(), rarely());
    let post = (any::<bool>(), levels, text(), text(), any::<bool>(), any::<[bool; 3]>());
    let rest = ([prop::bool::weighted(0.3), prop::bool::weighted(0.3)], cover(), any::<bool>(), sizes, urls);
    (account, post, rest).prop_map(
        |(
            (registration, private, disabled, banned, capped, options_self_only),
            (photos, visibility, text, title, emoji, allow),
            (brands, cover, pull, size, urls),
        )| Case {
            registration,
            private,
            comment_disabled: disabled[0],
            duet_disabled: disabled[1],
            stitch_disabled: disabled[2],
            banned,
            capped,
            options_self_only,
            photos,
            visibility,
            text,
            title,
            emoji,
            // Mostly off, as in a form; otherwise almost no case would be accepted.
            allow: allow.map(|on| on && size % 3 == 0),
            brands,
            cover,
            pull,
            size,
            urls,
        },
    )
}

/// Mostly short; otherwise around the limit.
fn text() -> impl Strategy<Value = i32> {
    prop_oneof![6 => Just(-80), 2 => -3..=3]
}

fn cover() -> impl Strategy<Value = i64> {
    prop_oneof![4 => Just(0), 2 => 0..5_i64, 1 => 0..=i64::from(i32::MAX)]
}

impl Case {
    fn prepare(&self, bench: &Bench) {
        let registration = &bench.registrations[self.registration];
        bench.simulator.edit(|world| {
            world.switches.unaudited_options_self_only = self.options_self_only;
            let account = world.accounts.iter_mut().find(|account| account.username == SUBJECT).unwrap();
            account.private = self.private;
            account.comment_disabled = self.comment_disabled;
            account.duet_disabled = self.duet_disabled;
            account.stitch_disabled = self.stitch_disabled;
            account.banned = self.banned;
            account.daily_post_cap = if self.capped { 0 } else { u32::MAX };
            let app = world.apps.iter().find(|app| app.client_key == registration.key).unwrap();
            assert_eq!(app.stage == Stage::Audited, registration.audited);
        });
    }

    /// Whether the account's privacy is not visible: an unaudited app gets only "only me", and Duet and Stitch are
    /// off.
    fn privacy_is_hidden(&self, registration: &Registration) -> bool {
        let alike = self.private || (self.duet_disabled && self.stitch_disabled);
        !registration.audited && self.options_self_only && alike && !self.banned && !self.capped
    }

    /// A text whose length differs from the limit by `difference` UTF-16 units.
    fn words(&self, limit: usize, difference: i32) -> Option<String> {
        let units = limit.saturating_add_signed(difference as isize);
        let emoji = if self.emoji { units / 2 } else { 0 };
        let text = format!("{}{}", "🥣".repeat(emoji), "a".repeat(units - 2 * emoji));
        (!text.is_empty()).then_some(text)
    }

    fn post(&self) -> Post {
        let mut options: Vec<(&str, Given)> = vec![
            ("allow-comment", Given::Boolean(self.allow[0])),
            ("your-brand", Given::Boolean(self.brands[0])),
            ("branded-content", Given::Boolean(self.brands[1])),
        ];
        if self.photos {
            options.push(("cover-index", Given::Number(self.cover)));
        } else {
            options.push(("allow-duet", Given::Boolean(self.allow[1])));
            options.push(("allow-stitch", Given::Boolean(self.allow[2])));
            options.push(("cover-timestamp-ms", Given::Number(self.cover)));
            let transfer = if self.pull { "pull" } else { "upload" };
            options.push(("transfer", Given::Text(transfer.to_owned())));
        }
        let option = |(name, value): (&str, Given)| Property { name: name.to_owned(), value };
        Post {
            kind: if self.photos { "images" } else { "video" }.to_owned(),
            title: self.photos.then(|| self.words(90, self.title)).flatten(),
            text: self.words(if self.photos { 4000 } else { 2200 }, self.text),
            visibility: self.visibility.map(str::to_owned),
            options: options.into_iter().map(option).collect(),
            parts: Vec::new(),
        }
    }

    fn media(&self) -> Vec<MediaInfo> {
        let item = |size, content_type: &str, url: Option<&&str>| MediaInfo {
            content_type: content_type.to_owned(),
            public_url: url.map(|url| (*url).to_owned()),
            ..FakeMedia::video(size).0
        };
        match (self.photos, self.pull) {
            (true, _) => self.urls.iter().map(|url| item(1000, "image/jpeg", Some(url))).collect(),
            // A pull request does not contain the size, so a valid size is used.
            (false, true) => vec![item(1_000_000, "video/mp4", self.urls.first())],
            (false, false) => vec![item(self.size, "video/mp4", None)],
        }
    }
}

#[test]
fn the_check_finds_an_error_exactly_when_the_simulator_refuses() {
    let bench = Bench::new();
    // The provider interprets the limits of 4 GB and 20 MB as decimal, which is safe.
    bench.simulator.edit(|world| world.switches.megabyte = Megabyte::Decimal);
    let counts = Arc::new((std::sync::atomic::AtomicUsize::new(0), std::sync::atomic::AtomicUsize::new(0)));
    let counted = Arc::clone(&counts);
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    let result = TestRunner::new(config).run(&case(), |case| {
        case.prepare(&bench);
        let registration = &bench.registrations[case.registration];
        let (post, media) = (case.post(), case.media());
        let environment = registration.environment(&bench.simulator.origin());
        let findings = run(check::report(&environment, &registration.account, &post, &media)).unwrap();
        let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        let sent = bench.send(registration, &post, &media);
        let counter = if sent.is_ok() { &counted.0 } else { &counted.1 };
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if case.privacy_is_hidden(registration) {
            // It is unknown whether the account is private, so the finding is a warning.
            let warned =
                |finding: &&Finding| finding.severity == Severity::Warning && finding.subject == "account";
            prop_assert!(findings.iter().any(|finding| warned(&finding)), "{:?}", findings);
            return Ok(());
        }
        prop_assert_eq!(errors.is_empty(), sent.is_ok(), "check: {:?}; simulator: {:?}", errors, sent);
        prop_assert!(errors.iter().all(|finding| finding.remedy.is_some()), "{:?}", errors);
        if let Err(error) = sent {
            prop_assert!(error.remedy.is_some() && error.code.is_some(), "{:?}", error);
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    // Both accepted and refused posts occurred.
    let of = |counter: &std::sync::atomic::AtomicUsize| counter.load(std::sync::atomic::Ordering::Relaxed);
    assert!(of(&counts.0) > 30 && of(&counts.1) > 30, "{counts:?}");
}

#[test]
fn the_simulator_takes_the_plan_of_every_size() {
    let bench = Bench::new();
    let registration = &bench.registrations[0];
    bench.simulator.edit(|world| {
        let account = world.accounts.iter_mut().find(|account| account.username == SUBJECT).unwrap();
        account.daily_post_cap = u32::MAX;
    });
    let post = Post {
        kind: "video".to_owned(),
        title: None,
        text: None,
        visibility: Some("PUBLIC_TO_EVERYONE".to_owned()),
        options: Vec::new(),
        parts: Vec::new(),
    };
    let borders = [
        1,
        2,
        5_000_000,
        5_242_879,
        5_242_880,
        5_242_881,
        9_999_999,
        10_000_000,
        19_999_999,
        20_000_000,
        63_999_999,
        64_000_000,
        64_000_001,
        66_259_900,
        67_108_864,
        67_108_865,
        69_999_999,
        70_000_000,
        121_000_000,
        127_999_999,
        128_000_000,
        128_000_001,
        134_217_729,
        158_008_374,
        999_999_999,
        MAX_SIZE - 1,
        MAX_SIZE,
    ];
    let send = |size: u64| {
        for reading in [Megabyte::Intersection, Megabyte::Decimal, Megabyte::Binary] {
            bench.simulator.edit(|world| world.switches.megabyte = reading);
            let sent = bench.send(registration, &post, &[FakeMedia::video(size).0]);
            assert!(sent.is_ok(), "{size} bytes, {reading:?}: {sent:?}");
        }
    };
    borders.into_iter().for_each(send);
    let config = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
    let result = TestRunner::new(config).run(&(1..=MAX_SIZE), |size| {
        send(size);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
