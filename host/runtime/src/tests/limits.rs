//! A provider that uses too much, or fails, is stopped, and the error names the cause.

use super::server::Server;
use super::*;
use crate::error::{Error, ErrorKind, Outcome};
use crate::model::{ListQuery, Post};
use crate::{CallError, ConnectRequest};

async fn fails(behaviour: &str) -> Error {
    bio(&hasty().await, context(&[("behaviour", behaviour)])).await.unwrap_err()
}

fn assert_exceeded(error: &Error, word: &str, outcome: Outcome) {
    assert_eq!(error.kind, ErrorKind::LimitExceeded, "{error:?}");
    assert!(error.message.contains(word), "{error:?}");
    assert_eq!(error.outcome, Some(outcome), "{error:?}");
    assert!(error.remedy.is_some() && error.operation.is_some());
}

fn assert_fault(error: &Error, outcome: Outcome) {
    assert_eq!(error.kind, ErrorKind::ProviderFault, "{error:?}");
    assert_eq!(error.outcome, Some(outcome), "{error:?}");
    assert!(error.remedy.is_some() && error.provider.is_some());
}

#[tokio::test]
async fn a_loop_ends() {
    assert_exceeded(&fails("loop").await, "no progress for 1.5 seconds", Outcome::NotDone);
}

#[tokio::test]
async fn a_loop_lets_others_work() {
    // One thread for both: the other guest runs only if the first one is interrupted.
    let provider = hasty().await;
    let other = patient().await;
    let looping = bio(&provider, context(&[("behaviour", "loop")]));
    let working = async {
        for _ in 0..3 {
            bio(&other, context(&[("behaviour", "nothing")])).await.unwrap();
        }
    };
    let (looped, ()) = tokio::join!(looping, working);
    assert_exceeded(&looped.unwrap_err(), "no progress", Outcome::NotDone);
}

#[tokio::test]
async fn a_long_sleep_ends() {
    assert_exceeded(&fails("sleep").await, "no progress for 1.5 seconds", Outcome::NotDone);
}

#[tokio::test]
async fn progress_does_not_help_without_end() {
    let server = Server::saying_slowly("hello").await;
    let cx = CallContext {
        egress: egress(mapped(server.port)),
        ..context(&[("behaviour", "busy"), ("url", "https://api.example.com/")])
    };
    let error = bio(&hasty().await, cx).await.unwrap_err();
    assert_exceeded(&error, "longer than 6 seconds", Outcome::Unknown);
    // It ran for several times the idle limit.
    assert!(server.seen().len() > 20, "{}", server.seen().len());
}

#[tokio::test]
async fn memory_is_bounded() {
    assert_exceeded(&fails("memory").await, "8 MiB of memory", Outcome::NotDone);
}

#[tokio::test]
async fn what_crosses_at_once_is_bounded() {
    // Its memory is larger than the limit for one call.
    let error = bio(&patient().await, context(&[("behaviour", "crossing")])).await.unwrap_err();
    assert_exceeded(&error, "8 MiB at once", Outcome::NotDone);
}

#[tokio::test]
async fn handles_are_bounded() {
    for behaviour in ["handles", "streams"] {
        assert_exceeded(&fails(behaviour).await, "1024 handles", Outcome::NotDone);
    }
}

#[tokio::test]
async fn a_trap_is_the_providers_fault() {
    for behaviour in ["trap", "overflow-the-stack", "no-utf-8"] {
        assert_fault(&fails(behaviour).await, Outcome::NotDone);
    }
}

#[tokio::test]
async fn after_a_request_the_outcome_is_unknown() {
    let server = Server::saying("hello").await;
    let run = async |behaviour| {
        let cx = CallContext {
            egress: egress(mapped(server.port)),
            ..context(&[("behaviour", behaviour), ("url", "https://api.example.com/")])
        };
        bio(&hasty().await, cx).await.unwrap_err()
    };
    assert_fault(&run("request-then-trap").await, Outcome::Unknown);
    assert_exceeded(&run("request-then-sleep").await, "no progress", Outcome::Unknown);
    assert_fault(&run("request-then-long-text").await, Outcome::Unknown);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn values_are_bounded_one_by_one() {
    let provider = patient().await;
    assert_eq!(bio(&provider, context(&[("behaviour", "text-that-fits")])).await.unwrap().len(), 64 << 10);
    let error = bio(&provider, context(&[("behaviour", "long-text")])).await.unwrap_err();
    assert_fault(&error, Outcome::NotDone);
    assert_eq!(error.field.as_deref(), Some("profile.bio"));

    let query = ListQuery { limit: 1_001, cursor: None };
    let error = provider.list_posts(context(&[]), &account(), &query).await.unwrap_err().into_error();
    assert_eq!(error.field.as_deref(), Some("posts"));

    let large = context(&[("behaviour", "many-entries")]);
    let error = provider.get_stats(large, &account()).await.unwrap_err().into_error();
    assert_eq!(error.field.as_deref(), Some("stats.metrics"));

    let post = Post {
        kind: "text".to_owned(),
        title: None,
        text: None,
        visibility: None,
        options: std::collections::BTreeMap::new(),
        ..Post::default()
    };
    let large = context(&[("behaviour", "large-state")]);
    let error = provider.begin_publish(large, &account(), &post).await.unwrap_err().into_error();
    assert_fault(&error, Outcome::NotDone);
    assert_eq!(error.field.as_deref(), Some("publish-step.state"));

    let request = ConnectRequest {
        state: SecretText::new("state"),
        redirect_uri: String::new(),
        choose_account: false,
        inputs: Vec::new(),
    };
    let large = context(&[("behaviour", "large-state")]);
    let CallError::Failed(error) = provider.begin_connect(large, request).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(error.field.as_deref(), Some("redirect.session"));
}
