//! Every call reaches the provider, and its result is translated correctly.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::error::{ErrorKind, Outcome};
use crate::model::{Consequence, ListQuery, OptionValue, Post, Severity};
use crate::*;

#[tokio::test]
async fn connecting_passes_everything_through() {
    let provider = patient().await;
    let request = ConnectRequest {
        state: SecretText::new("state"),
        redirect_uri: "https://host.test/callback".to_owned(),
        choose_account: true,
        inputs: vec![("server".to_owned(), "x".to_owned())],
    };
    let step = provider.begin_connect(context(&[]), request).await.unwrap();
    let ConnectStep::Redirect { url, session, expires_in } = step else { panic!("{step:?}") };
    assert_eq!(url, "https://api.example.com/authorize?choose=true");
    assert_eq!(session.expose(), b"state https://host.test/callback");
    assert_eq!(expires_in, Duration::from_secs(600));

    let callback = vec![("code".to_owned(), "1&2".to_owned())];
    let step = provider.complete_connect(context(&[]), &session, callback).await.unwrap();
    let ConnectStep::Connected(connections) = step else { panic!("{step:?}") };
    assert_eq!(connections[0].account.id, r#"[("code", "1&2")]"#);
    assert_eq!(connections[0].account.credentials, session);
    assert_eq!(connections[0].grant.as_deref(), Some("grant"));
    let told = [&connections[0].username, &connections[0].kind, &connections[0].parent_id];
    assert_eq!(told.map(|it| it.as_deref().unwrap()), ["tester", "page", "organisation-1"]);
    assert_eq!((connections[0].expires_at, connections[0].refresh_expires_at), (Some(1), Some(2)));

    let refreshed = provider.refresh_credentials(context(&[]), &account()).await.unwrap();
    assert_eq!(refreshed.account.credentials.expose(), b"token+");
    assert_eq!(refreshed.account.scopes, ["scope"]);
    provider.disconnect(context(&[]), &account()).await.unwrap();
}

#[tokio::test]
async fn a_provider_may_ask_and_ask_again_while_connecting() {
    let provider = patient().await;
    let asks = || context(&[("behaviour", "asks")]);
    let request = ConnectRequest {
        state: SecretText::new("state"),
        redirect_uri: "https://host.test/callback".to_owned(),
        choose_account: false,
        inputs: Vec::new(),
    };
    let step = provider.begin_connect(asks(), request).await.unwrap();
    let ConnectStep::Ask { prompt, session, .. } = step else { panic!("{step:?}") };
    assert_eq!(
        (prompt.text.as_str(), prompt.fields[0].name.as_str()),
        ("Which code was sent to you?", "code")
    );
    let answer = |code: &str| vec![("code".to_owned(), code.to_owned())];
    let step = provider.complete_connect(asks(), &session, answer("0000")).await.unwrap();
    assert!(matches!(step, ConnectStep::Ask { .. }), "{step:?}");
    let step = provider.complete_connect(asks(), &session, answer("1234")).await.unwrap();
    assert!(matches!(step, ConnectStep::Connected(_)), "{step:?}");
}

#[tokio::test]
async fn reading_passes_everything_through() {
    let provider = patient().await;
    let profile = provider.get_profile(context(&[]), &account()).await.unwrap();
    assert_eq!((profile.id.as_str(), profile.bio.as_deref()), ("1", Some("42 token")));
    let stats = provider.get_stats(context(&[]), &account()).await.unwrap();
    assert_eq!((stats.followers, stats.following, stats.likes), (Some(u64::MAX), None, Some(0)));
    assert_eq!(stats.other[0].name, "metric");
    let query = ListQuery { limit: 3, cursor: Some("cursor".to_owned()) };
    let page = provider.list_posts(context(&[]), &account(), &query).await.unwrap();
    assert_eq!((page.posts.len(), page.next_cursor.as_deref()), (3, Some("cursor")));
    let ids = ["7123456789012345678".to_owned()];
    let posts = provider.get_posts(context(&[]), &account(), &ids).await.unwrap();
    assert_eq!(posts[0].id, "7123456789012345678");
    let form = provider.get_publish_form(context(&[]), &account()).await.unwrap();
    assert_eq!(form.blocked.as_ref().unwrap().0.kind, ErrorKind::QuotaExceeded);
    assert!(matches!(&form.rules[0].consequence, Consequence::Notice(it) if it.links[0].text == "terms"));
    // A consequence that this host does not know is left out, and a rule with such a test does not apply.
    assert_eq!(form.rules.len(), 2);
    assert_eq!(form.details["later"], OptionValue::Decimal(0.5));
    let drawn = crate::form::draw(&form, "video", &std::collections::BTreeMap::new());
    assert!(drawn.blocks.is_empty() && drawn.notices.len() == 1);
}

#[tokio::test]
async fn publishing_passes_everything_through() {
    let provider = patient().await;
    let post = Post {
        kind: "video".to_owned(),
        title: None,
        text: Some("text".to_owned()),
        visibility: None,
        options: [("a".to_owned(), OptionValue::Boolean(true)), ("b".to_owned(), OptionValue::Number(-1))]
            .into(),
        ..Post::default()
    };
    let findings = provider.check_post(context(&[]), &account(), &post).await.unwrap();
    assert_eq!((findings[0].severity, findings[0].message.as_str()), (Severity::Info, "video 2"));
    let step = provider.begin_publish(context(&[]), &account(), &post).await.unwrap();
    assert!(matches!(step.next, NextStep::Proceed(Effect::Once)));
    assert_eq!((step.state.expose(), step.reference.as_deref()), (&b"state"[..], Some("reference")));
    let step = provider
        .continue_publish(context(&[]), &account(), &post, &step.state, Resume::default())
        .await
        .unwrap();
    assert!(matches!(step.next, NextStep::Wait(wait) if wait == Duration::from_millis(1500)));
    let resume = Resume { interrupted: true, evidence: Some(SecretBytes::new(b"seen".to_vec())) };
    let step = provider.continue_publish(context(&[]), &account(), &post, &step.state, resume).await.unwrap();
    let NextStep::Unknown(error) = step.next else { panic!("{step:?}") };
    assert_eq!((error.message.as_str(), error.outcome), (r#"Some("seen")"#, Some(Outcome::Unknown)));
    let half = context(&[("behaviour", "half-a-thread")]);
    let thread = Post { parts: vec![crate::model::Part::default(); 2], ..post.clone() };
    let step =
        provider.continue_publish(half, &account(), &thread, &step.state, Resume::default()).await.unwrap();
    assert!(matches!(step.next, NextStep::Failed(_)));
    let out = &step.publication.posts[0];
    assert_eq!((out.id.as_deref(), out.is_out()), (Some("2"), true), "the post has its parts");
    let resume = Resume { interrupted: true, evidence: None };
    let step = provider.cancel_publish(context(&[]), &account(), &post, &step.state, resume).await.unwrap();
    assert!(matches!(step.next, NextStep::Cancelled));
}

#[tokio::test]
async fn optional_interfaces_are_found_and_called() {
    let provider = patient().await;
    assert!(provider.has_webhooks() && provider.has_diagnostics());
    let request = |signature: &str| WebhookRequest {
        method: "POST".to_owned(),
        url: "https://host.test/webhooks/live?a=b".to_owned(),
        query: vec![("a".to_owned(), "b".to_owned())],
        headers: vec![("x-signature".to_owned(), signature.to_owned())],
        body: vec![0, 255],
        received_at: 7,
    };
    let receipt = provider.receive_webhook(context(&[]), request("good")).await.unwrap();
    let [first, second, third, fourth] = receipt.deliveries.try_into().unwrap();
    assert!(matches!(first.event, Event::PublishChanged { reference, evidence, .. }
        if reference == "POST" && evidence.expose() == [0, 255]));
    assert!(matches!(second.event, Event::AccountRemoved { at: 7, .. }));
    assert!(matches!(third.event, Event::Ignored(why) if why == r#"[("a", "b")]"#));
    assert!(matches!(fourth.event, Event::Other(kind) if kind == "comment"));
    let response = receipt.response.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, &b"ok"[..]));
    for (wanted, status) in [("202", 202), ("410", 410), ("500", 200), ("302", 200)] {
        let mut request = request("good");
        request.headers.push(("x-answer-status".to_owned(), wanted.to_owned()));
        let receipt = provider.receive_webhook(context(&[]), request).await.unwrap();
        assert_eq!(receipt.response.unwrap().status, status);
    }
    let error = provider.receive_webhook(context(&[]), request("bad")).await.unwrap_err().into_error();
    assert_eq!((error.kind, error.operation.as_deref()), (ErrorKind::Forbidden, Some("receive")));

    let addresses = Addresses {
        redirect_uri: "https://host.test/callback".to_owned(),
        webhook_url: None,
        media_prefix: None,
    };
    let findings = provider.check_settings(context(&[]), addresses.clone()).await.unwrap();
    assert_eq!(findings[0].message, "https://host.test/callback");
    let guide = provider.guide(context(&[]), addresses).await.unwrap();
    assert_eq!(guide[0].copy[0].value, "https://host.test/callback");
}

#[tokio::test]
async fn what_a_provider_lacks_is_unsupported() {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let provider = Provider::load(&engine, &guest("minimal_provider")).await.unwrap();
    assert!(!provider.has_webhooks() && !provider.has_diagnostics());
    let addresses = Addresses { redirect_uri: String::new(), webhook_url: None, media_prefix: None };
    let error = provider.guide(context(&[]), addresses).await.unwrap_err().into_error();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert_eq!((error.provider.as_deref(), error.operation.as_deref()), (Some("minimal"), Some("guide")));
    // An ability that it does not name is not asked for; what has no ability is.
    let error = bio(&provider, context(&[])).await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Unsupported, "Minimal does not offer profile")
    );
    let error = provider.disconnect(context(&[]), &account()).await.unwrap_err().into_error();
    assert_eq!(error.message, "this provider can do nothing");
}

#[tokio::test]
async fn settings_are_read_by_name() {
    let cx = context(&[("behaviour", "config"), ("client-key", "key")]);
    let text = bio(&patient().await, cx).await.unwrap();
    assert_eq!(text, r#"[("behaviour", "config"), ("client-key", "key")] None"#);
}

#[tokio::test]
async fn stale_credentials_are_told_apart() {
    let provider = patient().await;
    let ask =
        async |kind| provider.get_profile(context(&[("behaviour", kind)]), &account()).await.unwrap_err();
    let CallError::CredentialsExpired(error) = ask("credentials-expired").await else { panic!() };
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    for (name, kind, outcome) in [
        ("unauthorized", ErrorKind::Unauthorized, Outcome::NotDone),
        ("rate-limited", ErrorKind::RateLimited, Outcome::NotDone),
        ("outcome-unknown", ErrorKind::OutcomeUnknown, Outcome::Unknown),
        ("other", ErrorKind::Other, Outcome::NotDone),
    ] {
        let CallError::Failed(error) = ask(name).await else { panic!("{name}") };
        assert_eq!((error.kind, error.outcome), (kind, Some(outcome)));
        assert_eq!(error.provider.as_deref(), Some("test-provider"));
        assert_eq!(error.operation.as_deref(), Some("get-profile"));
    }
}

#[tokio::test]
async fn error_texts_are_cut_and_cleaned() {
    let error = bio(&patient().await, context(&[("behaviour", "long-error")])).await.unwrap_err();
    assert!(error.message.starts_with("begin xxx") && error.message.chars().count() <= 2_001);
    assert_eq!(error.code.as_deref(), Some("abc"));
}

#[tokio::test]
async fn storage_keeps_its_promises() {
    let text = bio(&patient().await, context(&[("behaviour", "storage")])).await.unwrap();
    assert_eq!(text, "true true true true true a+b true");
}

#[tokio::test]
async fn there_is_no_machine_to_see() {
    let text = bio(&patient().await, context(&[("behaviour", "look-around")])).await.unwrap();
    assert_eq!(text, "args=0 vars=0 files=[false, false, false] connect=false bind=false resolve=false");
}

#[tokio::test]
async fn calls_share_nothing() {
    let provider = patient().await;
    for _ in 0..3 {
        let text = bio(&provider, context(&[("behaviour", "count")])).await.unwrap();
        assert_eq!(text, "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_places_wait_their_turn() {
    let limits = Limits { calls: 4, ..Limits::default() };
    let engine = Engine::new(EngineOptions { limits, ..EngineOptions::default() }).unwrap();
    let provider = Provider::load(&engine, &guest("test_provider")).await.unwrap();
    let server = server::Server::saying("hello").await;
    let egress = egress(mapped(server.port));
    let calls = (0..100).map(|_| {
        let provider = provider.clone();
        let cx = CallContext {
            egress: Arc::clone(&egress),
            ..context(&[("behaviour", "get"), ("url", "https://api.example.com/")])
        };
        tokio::spawn(async move { bio(&provider, cx).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), "200 hello");
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_place() {
    let limits = Limits { calls: 1, ..Limits::default() };
    let engine = Engine::new(EngineOptions { limits, ..EngineOptions::default() }).unwrap();
    let provider = Provider::load(&engine, &guest("minimal_provider")).await.unwrap();
    let test = Provider::load(&engine, &guest("test_provider")).await.unwrap();
    let sleeping = bio(&test, context(&[("behaviour", "sleep")]));
    assert!(tokio::time::timeout(Duration::from_millis(50), sleeping).await.is_err());
    bio(&provider, context(&[])).await.unwrap_err();
}

/// Captures everything that is logged on this thread while the guard lives.
fn logged() -> (tracing::subscriber::DefaultGuard, Arc<Mutex<Vec<u8>>>) {
    #[derive(Clone)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = Sink(Arc::clone(&log));
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || sink.clone()).finish();
    (tracing::subscriber::set_default(subscriber), log)
}

#[tokio::test]
async fn standard_error_is_logged_and_bounded() {
    let provider = patient().await;
    let (_guard, log) = logged();
    assert_eq!(bio(&provider, context(&[("behaviour", "stderr")])).await.unwrap(), "quiet");
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    assert!(log.contains("first line [31mred") && !log.contains('\u{1b}'), "{log}");
    assert!(log.contains("line 7 of a flood") && !log.contains("line 9999 of a flood"));
    assert!(log.contains("more bytes were dropped"));
    assert!(log.contains("test-provider") && log.contains("42"));
    assert!(log.len() < 64 << 10, "{}", log.len());
}
