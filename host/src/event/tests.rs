//! Events out as callers see them: waiting for them, and addresses that get them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use social_channel_runtime::Error;
use social_channel_runtime::clock::MovedClock;
use social_channel_runtime::error::ErrorKind;
use social_channel_runtime::net::{HttpBody, HttpClient, HttpFailure};

use super::{DeliveryStatus, EndpointChanges, NewEndpoint};
use crate::host::Host;
use crate::store::{Health, NewAccount};
use crate::tenant::Tenant;
use crate::tenant_id::TenantId;
use crate::vault::Sealed;

const NO_TIME: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(60);

/// A receiver: its answers, one after the other, and what it got. Without answers it accepts.
#[derive(Default)]
struct Receiver {
    answers: Mutex<Vec<Result<u16, HttpFailure>>>,
    got: Mutex<Vec<(http::HeaderMap, serde_json::Value)>>,
}

#[async_trait]
impl HttpClient for Receiver {
    async fn send(&self, request: http::Request<HttpBody>) -> Result<http::Response<HttpBody>, HttpFailure> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        self.got.lock().unwrap().push((head.headers, serde_json::from_slice(&body).unwrap()));
        let mut answers = self.answers.lock().unwrap();
        let status = if answers.is_empty() { 204 } else { answers.remove(0)? };
        let empty = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
        Ok(http::Response::builder().status(status).body(empty).unwrap())
    }
}

impl Receiver {
    fn answer(&self, answers: impl IntoIterator<Item = Result<u16, HttpFailure>>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// The ids and types of what it got since the last call.
    fn taken(&self) -> Vec<(String, String)> {
        let got = std::mem::take(&mut *self.got.lock().unwrap());
        got.into_iter()
            .map(|(headers, body)| {
                assert_eq!(headers["webhook-id"].to_str().unwrap(), body["id"]);
                (body["id"].as_str().unwrap().to_owned(), body["type"].as_str().unwrap().to_owned())
            })
            .collect()
    }
}

struct Stage {
    host: Host,
    tenant: Tenant,
    receiver: Arc<Receiver>,
    clock: Arc<MovedClock>,
}

impl Stage {
    async fn new() -> Self {
        let (receiver, clock) = (Arc::new(Receiver::default()), Arc::new(MovedClock::default()));
        let host = Host::builder()
            .background(false)
            .http(receiver.clone())
            .clock(clock.clone())
            .open()
            .await
            .unwrap();
        Stage { tenant: host.tenant(TenantId::default()), host, receiver, clock }
    }

    /// Connects an account, of which an event tells.
    async fn happen(&self, name: &str) {
        let now = self.host.clock().now_ms();
        let new = NewAccount {
            channel: name.to_owned(),
            app: "app".to_owned(),
            account: name.to_owned(),
            display_name: name.to_owned(),
            username: None,
            kind: None,
            parent_id: None,
            avatar_url: None,
            grant: None,
            scopes: Vec::new(),
            missing_scopes: Vec::new(),
            expires_at_s: None,
            refresh_expires_at_s: None,
            refresh_due_at: None,
            health: Health::Active,
            health_detail: None,
            connected_by: None,
            note: None,
            takes_over: None,
            now,
        };
        let seal = |_: &str| Ok(Sealed(vec![1]));
        self.host.parts.store.connect_account(self.tenant.id(), &new, &seal).await.unwrap();
        self.host.parts.wake.told();
    }

    async fn add(&self, url: &str) -> String {
        let new = NewEndpoint { url: url.to_owned(), ..NewEndpoint::default() };
        self.tenant.add_endpoint(new).await.unwrap().endpoint.id
    }

    async fn work(&self) {
        self.host.work(Some(Duration::ZERO)).await.unwrap();
    }
}

// ---- reading ----------------------------------------------------------------------------------------

#[tokio::test]
async fn a_page_says_where_to_continue_and_how_much_is_left() {
    let stage = Stage::new().await;
    let empty = stage.tenant.events(None, 10, NO_TIME).await.unwrap();
    assert_eq!((empty.events.len(), empty.next, empty.last, empty.missed), (0, 0, 0, 0));
    for name in ["a", "b", "c"] {
        stage.happen(name).await;
    }
    let page = stage.tenant.events(None, 2, NO_TIME).await.unwrap();
    assert_eq!((page.events.len(), page.next, page.last, page.missed), (2, 2, 3, 0));
    let event = &page.events[0];
    assert_eq!(
        (event.kind.as_str(), event.number, event.tenant.as_str()),
        ("channel.connected", 1, "default")
    );
    assert_eq!((event.data.channel.as_deref(), event.data.health.as_deref()), (Some("a"), Some("active")));
    let text = serde_json::to_value(event).unwrap();
    assert!(text["timestamp"].as_str().unwrap().ends_with('Z'), "{text}");
    assert_eq!(text["data"].as_object().unwrap().len(), 4, "what does not belong to it is absent: {text}");
    let page = stage.tenant.events(Some(page.next), 2, NO_TIME).await.unwrap();
    assert_eq!((page.events.len(), page.next, page.last), (1, 3, 3));
    for limit in [0, 501] {
        let error = stage.tenant.events(None, limit, NO_TIME).await.unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("limit")));
    }
    let error = stage.tenant.events(Some(4), 10, NO_TIME).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("unknown_event"), "{error:?}");
    let other = stage.host.tenant("other".parse().unwrap());
    assert!(other.events(None, 10, NO_TIME).await.unwrap().events.is_empty());
}

#[tokio::test]
async fn who_waits_is_woken_by_an_event_and_by_the_end_of_the_host() {
    let stage = Stage::new().await;
    let waiting = tokio::spawn({
        let tenant = stage.tenant.clone();
        async move { tenant.events(Some(0), 10, Duration::MAX).await.unwrap() }
    });
    tokio::task::yield_now().await;
    stage.happen("a").await;
    let page = tokio::time::timeout(LONG, waiting).await.unwrap().unwrap();
    assert_eq!((page.events.len(), page.next), (1, 1));
    // One that is dropped takes nothing with it.
    let mut dropped = Box::pin(stage.tenant.events(Some(1), 10, Duration::MAX));
    assert!(futures::poll!(&mut dropped).is_pending());
    drop(dropped);
    stage.happen("b").await;
    assert_eq!(stage.tenant.events(Some(1), 10, LONG).await.unwrap().events.len(), 1);
    let waiting = tokio::spawn({
        let tenant = stage.tenant.clone();
        async move { tenant.events(Some(2), 10, Duration::MAX).await.unwrap() }
    });
    tokio::task::yield_now().await;
    stage.host.shutdown(LONG).await;
    let page = tokio::time::timeout(LONG, waiting).await.unwrap().unwrap();
    assert_eq!((page.events.len(), page.next), (0, 2));
}

#[tokio::test]
async fn who_comes_too_late_is_told_how_much_was_removed() {
    let stage = Stage::new().await;
    for name in ["a", "b", "c"] {
        stage.happen(name).await;
    }
    stage.clock.advance(Duration::from_secs(8 * 24 * 3600));
    stage.happen("d").await;
    stage.host.parts.outbox.prune().await.unwrap();
    let page = stage.tenant.events(Some(1), 10, NO_TIME).await.unwrap();
    assert_eq!((page.events.len(), page.events[0].number, page.missed), (1, 4, 2));
    let page = stage.tenant.events(None, 10, NO_TIME).await.unwrap();
    assert_eq!((page.events.len(), page.missed), (1, 0), "whoever begins has missed nothing");
}

// ---- sending ----------------------------------------------------------------------------------------

#[tokio::test]
async fn what_fails_is_sent_again_with_the_same_id_and_nothing_is_lost() {
    let stage = Stage::new().await;
    let id = stage.add("https://receiver.example/events?token=hidden").await;
    stage.happen("a").await;
    stage.receiver.answer([
        Ok(500),
        Err(HttpFailure::NotSent("refused".to_owned())),
        Err(HttpFailure::Broken("cut".to_owned())),
        Ok(302),
    ]);
    let mut ids = Vec::new();
    for round in 0..5 {
        stage.work().await;
        let got = stage.receiver.taken();
        assert_eq!(got.len(), 1, "round {round}: {got:?}");
        ids.extend(got);
        stage.work().await;
        assert!(stage.receiver.taken().is_empty(), "it is not sent before its time");
        stage.clock.advance(Duration::from_secs(3600));
    }
    assert!(ids.iter().all(|one| *one == ids[0]), "{ids:?}");
    let sent = stage.tenant.deliveries(&id, None, 10).await.unwrap();
    assert_eq!((sent.len(), sent[0].status, sent[0].attempts), (1, DeliveryStatus::Delivered, 5));
    let failures: Vec<Option<String>> = stage
        .tenant
        .delivery_attempts(&id, sent[0].number)
        .await
        .unwrap()
        .into_iter()
        .map(|attempt| attempt.failure)
        .collect();
    let said = [
        Some("it answered 500"),
        Some("no connection could be made"),
        Some("the connection broke off before an answer"),
        Some("it answered 302, and redirects are not followed"),
        None,
    ];
    assert_eq!(failures, said.map(|text| text.map(str::to_owned)));
    stage.work().await;
    assert!(stage.receiver.taken().is_empty());
    // Again by hand, with the same id.
    stage.tenant.send_event_again(&id, &sent[0].event).await.unwrap();
    stage.work().await;
    assert_eq!(stage.receiver.taken()[0].0, ids[0].0);
}

#[tokio::test]
async fn a_receiver_that_is_down_for_an_hour_gets_everything_in_order_when_it_is_back() {
    let stage = Stage::new().await;
    stage.add("https://receiver.example/events").await;
    for number in 0..12 {
        stage.happen(&format!("ch_{number}")).await;
        stage.receiver.answer([Ok(503)]);
        stage.work().await;
        stage.clock.advance(Duration::from_secs(300));
    }
    let tried = stage.receiver.taken();
    assert!(tried.len() <= 12, "one attempt each time, however many wait: {tried:?}");
    stage.receiver.answers.lock().unwrap().clear();
    stage.clock.advance(Duration::from_secs(300));
    stage.work().await;
    let got = stage.receiver.taken();
    let different: std::collections::BTreeSet<&String> = got.iter().map(|(id, _)| id).collect();
    assert_eq!((got.len(), different.len()), (12, 12), "each once: {got:?}");
}

#[tokio::test]
async fn one_event_that_is_never_accepted_keeps_no_other_from_its_receiver() {
    let stage = Stage::new().await;
    let id = stage.add("https://receiver.example/events").await;
    stage.happen("bad").await;
    stage.receiver.answer([Ok(500)]);
    stage.work().await;
    let bad = stage.receiver.taken().remove(0).0;
    let mut attempts = 1;
    for number in 0..20 {
        stage.clock.advance(Duration::from_secs(2 * 3600));
        stage.happen(&format!("good_{number}")).await;
        // The bad one comes first or last, as it is due.
        for _ in 0..4 {
            let waits = stage.tenant.deliveries(&id, None, 100).await.unwrap();
            let due = waits.iter().any(|one| one.event == bad && one.status == DeliveryStatus::Waiting);
            if due {
                stage.receiver.answer([Ok(500)]);
            }
            stage.work().await;
            stage.receiver.answers.lock().unwrap().clear();
            attempts += stage.receiver.taken().iter().filter(|(id, _)| *id == bad).count();
            stage.clock.advance(Duration::from_secs(600));
        }
    }
    let log = stage.tenant.deliveries(&id, None, 100).await.unwrap();
    let of_bad = log.iter().find(|one| one.event == bad).unwrap();
    assert!(attempts > 1 && of_bad.attempts > 1, "{of_bad:?}");
    assert!(
        log.iter().filter(|one| one.event != bad).all(|one| one.status != DeliveryStatus::Failed),
        "{log:?}"
    );
    assert!(stage.tenant.endpoint(&id).await.unwrap().disabled.is_none());
}

#[tokio::test]
async fn an_address_that_accepts_nothing_is_disabled_and_gets_what_it_missed_once_enabled() {
    let stage = Stage::new().await;
    let id = stage.add("https://receiver.example/events").await;
    stage.happen("a").await;
    for _ in 0..100 {
        stage.receiver.answer([Ok(500)]);
        stage.work().await;
        stage.clock.advance(Duration::from_secs(3600));
        if stage.tenant.endpoint(&id).await.unwrap().disabled.is_some() {
            break;
        }
        stage.happen(&format!("ch_{}", stage.host.clock().now_ms())).await;
    }
    let shown = stage.tenant.endpoint(&id).await.unwrap();
    let why = "It accepted nothing for 3 days; the last time, it answered 500.";
    assert_eq!(shown.disabled.as_deref(), Some(why));
    stage.receiver.answers.lock().unwrap().clear();
    stage.receiver.taken();
    stage.happen("missed").await;
    stage.work().await;
    assert!(stage.receiver.taken().is_empty());
    let event = stage.tenant.events(None, 1, NO_TIME).await.unwrap().events.remove(0);
    let error = stage.tenant.send_event_again(&id, &event.id).await.unwrap_err();
    assert!(error.remedy.unwrap().contains("enable"), "{}", error.message);
    let enable = EndpointChanges { enabled: Some(true), ..EndpointChanges::default() };
    assert!(stage.tenant.change_endpoint(&id, enable).await.unwrap().disabled.is_none());
    stage.work().await;
    stage.work().await;
    let last = stage.tenant.events(None, 500, NO_TIME).await.unwrap().events.pop().unwrap();
    assert!(stage.receiver.taken().iter().any(|(id, _)| *id == last.id), "also what happened meanwhile");
    // A receiver that wants no more.
    stage.receiver.answer([Ok(410)]);
    stage.happen("b").await;
    stage.work().await;
    assert!(stage.tenant.endpoint(&id).await.unwrap().disabled.unwrap().contains("410"));
}

#[tokio::test]
async fn a_replaced_secret_signs_beside_the_new_one_for_its_overlap() {
    let stage = Stage::new().await;
    let id = stage.add("https://receiver.example/events").await;
    let signatures = async |name: &str| {
        stage.happen(name).await;
        stage.work().await;
        let got = std::mem::take(&mut *stage.receiver.got.lock().unwrap());
        got[0].0["webhook-signature"].to_str().unwrap().split(' ').count()
    };
    assert_eq!(signatures("a").await, 1);
    let made = stage.tenant.rotate_endpoint(&id, None, Some(Duration::from_secs(60))).await.unwrap();
    assert_eq!((made.endpoint.secrets, signatures("b").await), (2, 2));
    stage.clock.advance(Duration::from_secs(61));
    assert_eq!((stage.tenant.endpoint(&id).await.unwrap().secrets, signatures("c").await), (1, 1));
    assert!(!format!("{made:?}").contains(made.secret.expose()), "a secret is not printed");
}

#[tokio::test]
async fn what_must_not_be_sent_to_is_refused_and_named() {
    let stage = Stage::new().await;
    let add = async |url: &str, types: &[&str]| -> Error {
        let types = types.iter().map(|one| (*one).to_owned()).collect();
        let new = NewEndpoint { url: url.to_owned(), types, ..NewEndpoint::default() };
        stage.tenant.add_endpoint(new).await.unwrap_err()
    };
    for (url, said) in [
        ("", "not an address"),
        ("receiver.example", "not an address"),
        ("ftp://receiver.example", "https://"),
        ("http://receiver.example/", "not encrypted"),
        ("https://user:hidden@receiver.example/", "cannot be requested"),
        ("https://127.0.0.1/", "127.0.0.1"),
        ("https://[::ffff:10.0.0.1]/", "10.0.0.1"),
        ("https://169.254.169.254/latest/meta-data", "169.254.169.254"),
    ] {
        let error = add(url, &[]).await;
        assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("url")), "{url}");
        assert!(error.message.contains(said) && error.remedy.is_some(), "{url}: {error:?}");
        assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
    }
    let error = add("https://receiver.example/", &["job.eaten"]).await;
    assert_eq!(error.field.as_deref(), Some("types"));
    assert!(error.remedy.unwrap().contains("job.published"));
    for _ in 0..20 {
        stage.add("https://receiver.example/").await;
    }
    assert_eq!(add("https://receiver.example/", &[]).await.kind, ErrorKind::QuotaExceeded);
    for error in [
        stage.tenant.endpoint("end_none").await.unwrap_err(),
        stage.tenant.delete_endpoint("end_none").await.unwrap_err(),
        stage.tenant.send_event_again("end_none", "evt").await.unwrap_err(),
        stage.tenant.deliveries("end_none", None, 1).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::NotFound);
    }
}
