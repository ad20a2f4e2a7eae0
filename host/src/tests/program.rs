//! A program that brings its own storage and its own HTTP.

use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt, Full};

use super::*;
use crate::egress::Clients;
use crate::error::{Error, ErrorKind, Outcome};
use crate::store::{SetValue, ValueStore};
use crate::values::{ProgramValues, StoredValue, ValueStorage, place, row};
use crate::vault::{KeySource, Vault};
use crate::{AppConfig, Host, HttpBody, HttpFailure, HttpSender};

type Values = BTreeMap<(String, String), StoredValue>;

/// Values in memory; a test reads them.
#[derive(Default)]
struct Shelf {
    values: Mutex<(u64, Values)>,
    fallen: std::sync::atomic::AtomicBool,
}

impl Shelf {
    fn upright(&self) -> Result<(), StorageError> {
        match self.fallen.load(Ordering::SeqCst) {
            true => Err(StorageError::Unavailable("the shelf fell over".to_owned())),
            false => Ok(()),
        }
    }

    fn keys(&self) -> Vec<(String, String)> {
        self.values.lock().unwrap().1.keys().cloned().collect()
    }
}

#[async_trait]
impl ValueStorage for Shelf {
    async fn get(&self, app: &str, key: &str) -> Result<Option<StoredValue>, StorageError> {
        self.upright()?;
        Ok(self.values.lock().unwrap().1.get(&(app.to_owned(), key.to_owned())).cloned())
    }

    async fn set(
        &self,
        app: &str,
        key: &str,
        value: &[u8],
        if_version: Option<u64>,
        expires_at: Option<i64>,
    ) -> Result<u64, StorageError> {
        self.upright()?;
        let mut values = self.values.lock().unwrap();
        let place = (app.to_owned(), key.to_owned());
        let now = values.1.get(&place).map_or(0, |stored| stored.version);
        if if_version.is_some_and(|wanted| wanted != now) {
            return Err(StorageError::Conflict);
        }
        values.0 += 1;
        let version = values.0;
        values.1.insert(place, StoredValue { value: value.to_vec(), version, expires_at });
        Ok(version)
    }

    async fn delete(&self, app: &str, key: &str) -> Result<(), StorageError> {
        self.upright()?;
        self.values.lock().unwrap().1.remove(&(app.to_owned(), key.to_owned()));
        Ok(())
    }

    async fn list_keys(
        &self,
        app: &str,
        _: &str,
        _: Option<&str>,
        _: u32,
    ) -> Result<Vec<String>, StorageError> {
        self.upright()?;
        // A slip: it minds neither the prefix nor the place in the list nor the limit.
        Ok(self.keys().into_iter().filter(|(of, _)| of == app).map(|(_, key)| key).rev().collect())
    }
}

fn key(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn vault(keys: &str) -> Vault {
    Vault::open(&KeySource::Text(SecretText::new(keys)), None).unwrap()
}

#[tokio::test]
async fn a_program_s_keys_come_in_order_and_only_those_asked_for() {
    let values = ProgramValues(Arc::new(Shelf::default()));
    let vault = vault(&key('1'));
    for key in ["b/2", "a", "b/1", "b/3"] {
        let row = row("app", key);
        let sealed = vault.seal(place(&row), b"x").unwrap();
        let set = values.set_value("app", key, &sealed, Some(0), None, 0).await.unwrap();
        assert!(matches!(set, SetValue::Written(version) if version > 0));
        assert_eq!(
            values.set_value("app", key, &sealed, Some(0), None, 0).await.unwrap(),
            SetValue::Conflict
        );
    }
    assert_eq!(values.value_keys("app", "b/", None, 0, 2).await.unwrap(), ["b/1", "b/2"]);
    assert_eq!(values.value_keys("app", "b/", Some("b/2"), 0, 2).await.unwrap(), ["b/3"]);
    assert_eq!(values.value_keys("app", "b/", Some("b/3"), 0, 2).await.unwrap(), [""; 0]);
    values.forget("app").await.unwrap();
    assert_eq!(values.value_keys("app", "", None, 0, 9).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_value_past_its_time_does_not_exist_even_if_the_program_kept_it() {
    let values = ProgramValues(Arc::new(Shelf::default()));
    let row = row("app", "a");
    let sealed = vault(&key('1')).seal(place(&row), b"x").unwrap();
    values.set_value("app", "a", &sealed, None, Some(1_000), 0).await.unwrap();
    assert!(values.value("app", "a", 999).await.unwrap().is_some());
    assert!(values.value("app", "a", 1_000).await.unwrap().is_none());
}

#[tokio::test]
async fn a_change_of_keys_reaches_a_program_s_values_and_keeps_their_time() {
    let shelf = Arc::new(Shelf::default());
    let values = ProgramValues(shelf.clone());
    let old = vault(&key('1'));
    for key in ["a", "b"] {
        let row = row("app", key);
        let sealed = old.seal(place(&row), key.as_bytes()).unwrap();
        values.set_value("app", key, &sealed, None, Some(5_000), 0).await.unwrap();
    }
    let both = vault(&format!("{},{}", key('2'), key('1')));
    assert_eq!(values.reseal("app", &both).await.unwrap(), 2);
    assert_eq!(values.reseal("app", &both).await.unwrap(), 0);
    // The old key may go.
    let new = vault(&key('2'));
    for key in ["a", "b"] {
        let stored = values.value("app", key, 0).await.unwrap().unwrap();
        let row = row("app", key);
        assert_eq!(new.open_sealed(place(&row), &stored.value).unwrap().expose(), key.as_bytes());
        let kept = shelf.values.lock().unwrap().1.get(&("app".to_owned(), key.to_owned())).cloned();
        assert_eq!(kept.unwrap().expires_at, Some(5_000));
    }
}

#[tokio::test]
async fn a_host_uses_the_program_s_storage_and_forgets_an_app_there() {
    let shelf = Arc::new(Shelf::default());
    let host = Host::builder().key(KeySource::Text(SecretText::new(key('1')))).storage(shelf.clone());
    let host = host.open().await.unwrap();
    host.load_provider(&guest("test_provider")).await.unwrap();
    let config = AppConfig {
        provider: Some("test-provider".to_owned()),
        redirect_uri: Some("http://127.0.0.1:9123/callback".to_owned()),
        ..AppConfig::default()
    };
    host.put_app("app", config).await.unwrap();
    let app = host.inner.live_app(&crate::TenantId::default(), "app").await.unwrap();
    let version = app.storage.set("kept", b"a secret", SetOptions::default()).await.unwrap();
    let entry = app.storage.get("kept").await.unwrap().unwrap();
    assert!(entry.value == b"a secret" && entry.version == version);
    assert_eq!(shelf.keys(), [("app".to_owned(), "kept".to_owned())]);
    let stored = shelf.values.lock().unwrap().1.values().next().cloned().unwrap();
    assert!(!stored.value.windows(6).any(|window| window == b"secret"), "it lies there encrypted");

    shelf.fallen.store(true, Ordering::SeqCst);
    let Err(StorageError::Unavailable(why)) = app.storage.get("kept").await else { panic!("it fell over") };
    assert!(why.contains("the shelf fell over"), "{why}");
    shelf.fallen.store(false, Ordering::SeqCst);

    host.delete_app("app").await.unwrap();
    assert!(shelf.keys().is_empty());
}

/// Answers every request by a function of it.
struct Sender<F> {
    answer: F,
    asked: AtomicUsize,
}

#[async_trait]
impl<F> HttpSender for Sender<F>
where
    F: Fn(http::request::Parts, bytes::Bytes) -> Result<http::Response<HttpBody>, HttpFailure> + Send + Sync,
{
    async fn send(&self, request: http::Request<HttpBody>) -> Result<http::Response<HttpBody>, HttpFailure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (parts, body) = request.into_parts();
        (self.answer)(parts, body.collect().await?.to_bytes())
    }
}

fn body(text: String) -> HttpBody {
    Full::new(bytes::Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}

/// What `get-profile` says where the program answers, and how often that was asked.
async fn by_program<F>(
    policy: Policy,
    behaviour: &str,
    url: &str,
    answer: F,
) -> (Result<String, Error>, usize)
where
    F: Fn(http::request::Parts, bytes::Bytes) -> Result<http::Response<HttpBody>, HttpFailure>
        + Send
        + Sync
        + 'static,
{
    let sender = Arc::new(Sender { answer, asked: AtomicUsize::new(0) });
    let egress = Arc::new(Egress::new(policy, &Clients::of_program(sender.clone())).unwrap());
    let cx = CallContext { egress, ..context(&[("behaviour", behaviour), ("url", url)]) };
    let said = bio(&hasty().await, cx).await;
    (said, sender.asked.load(Ordering::SeqCst))
}

fn granted() -> Policy {
    Policy::granting(["https://api.example.com"]).unwrap()
}

const URL: &str = "https://api.example.com/path?query=%2F";

#[tokio::test]
async fn a_request_reaches_the_program_as_written() {
    let (said, asked) = by_program(granted(), "post", URL, |parts, sent| {
        let headers: Vec<&str> = parts.headers.keys().map(http::HeaderName::as_str).collect();
        let text = format!("{} {} {headers:?} {sent:?}", parts.method, parts.uri);
        Ok(http::Response::new(body(text)))
    })
    .await;
    assert_eq!(
        said.unwrap(),
        r#"200 POST https://api.example.com/path?query=%2F ["content-length", "x-test"] b"hello""#
    );
    assert_eq!(asked, 1);
    // A mapped origin is mapped before, and keeps its name.
    let (said, _) = by_program(mapped(4010), "get", URL, |parts, _| {
        Ok(http::Response::new(body(format!("{} {:?}", parts.uri, parts.headers.get("host")))))
    })
    .await;
    assert_eq!(said.unwrap(), r#"200 http://127.0.0.1:4010/path?query=%2F Some("api.example.com")"#);
}

#[tokio::test]
async fn the_program_is_asked_only_for_what_the_policy_lets_out() {
    for url in ["https://evil.test/", "http://api.example.com/", "https://127.0.0.1/", "https://[::1]/"] {
        let policy = Policy::granting(["https://api.example.com", "https://127.0.0.1", "https://[::1]"]);
        let (said, asked) =
            by_program(policy.unwrap(), "get", url, |_, _| Ok(http::Response::new(body(String::new()))))
                .await;
        let error = said.unwrap_err();
        assert_eq!((error.kind, asked), (ErrorKind::DeniedByPolicy, 0), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_failure_of_the_program_is_told_as_what_it_is() {
    let cases = [
        (
            HttpFailure::Refused("closed".to_owned()),
            ErrorKind::DeniedByPolicy,
            "https://api.example.com: closed",
        ),
        (HttpFailure::NotSent("no route".to_owned()), ErrorKind::Unavailable, "no route"),
        (HttpFailure::TimedOut("slow".to_owned()), ErrorKind::Unavailable, "ConnectionReadTimeout"),
        (HttpFailure::Broken("cut".to_owned()), ErrorKind::Unavailable, "cut"),
    ];
    for (failure, kind, text) in cases {
        let given = failure.clone();
        let (said, asked) = by_program(granted(), "get", URL, move |_, _| Err(given.clone())).await;
        let error = said.unwrap_err();
        assert_eq!((error.kind, asked), (kind, 1), "{failure}: {error:?}");
        assert!(error.message.contains(text), "{failure}: {error:?}");
    }
    // Whether something may have been sent decides what is known of an effect.
    for (failure, outcome) in [
        (HttpFailure::Refused(String::new()), Outcome::NotDone),
        (HttpFailure::NotSent(String::new()), Outcome::NotDone),
        (HttpFailure::TimedOut(String::new()), Outcome::Unknown),
        (HttpFailure::Broken(String::new()), Outcome::Unknown),
    ] {
        let given = failure.clone();
        let (said, _) = by_program(granted(), "request-then-trap", URL, move |_, _| Err(given.clone())).await;
        assert_eq!(said.unwrap_err().outcome, Some(outcome), "{failure:?}");
    }
}

#[tokio::test]
async fn a_program_s_answer_is_as_long_as_it_says() {
    for (length, text) in [("10", "before its Content-Length"), ("2", "longer than its Content-Length")] {
        let (said, _) = by_program(granted(), "get", URL, move |_, _| {
            Ok(http::Response::builder()
                .header("content-length", length)
                .body(body("half".to_owned()))
                .unwrap())
        })
        .await;
        let error = said.unwrap_err();
        assert!(error.message.contains(text), "{error:?}");
    }
    let (said, _) = by_program(granted(), "get", URL, |_, _| {
        Ok(http::Response::builder()
            .status(204)
            .header("content-length", "7")
            .body(body(String::new()))
            .unwrap())
    })
    .await;
    assert_eq!(said.unwrap(), "204 ");
}
