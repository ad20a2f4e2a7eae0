//! Properties for any input: any file size, any response of TikTok, any sequence of faults.

mod agreement;
mod at_most_once;

use proptest::prelude::*;
use serde_json::{Value, json};
use social_channel_provider::channel::Resume;
use social_channel_provider::http::Response;
use social_channel_provider::testing::{FakeEnvironment, run};
use social_channel_provider::webhooks::Request;
use social_channel_provider::{Account, ErrorKind};

use crate::api::{Effect, envelope};
use crate::chunks::{MAX_SIZE, plan};
use crate::creator::Creator;
use crate::credentials::{Credentials, TokenAnswer};
use crate::settings::tests::environment;
use crate::status::Status;
use crate::{oauth, publish, webhook};

/// Any JSON, which often contains TikTok's own member names, to get past the first test of each parser.
fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "ok",
        "",
        "internal_error",
        "invalid_params",
        "rate_limit_exceeded",
        "FAILED",
        "PUBLISH_COMPLETE",
        "PROCESSING_UPLOAD",
        "spam_risk_text",
        "7570000000000001234",
        "-1",
        "https://a.example/x",
        "act.1",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        words.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "data",
        "error",
        "code",
        "message",
        "log_id",
        "user",
        "videos",
        "cursor",
        "has_more",
        "id",
        "status",
        "fail_reason",
        "publicaly_available_post_id",
        "uploaded_bytes",
        "publish_id",
        "upload_url",
        "content",
        "event",
        "client_key",
        "user_openid",
        "create_time",
        "post_id",
        "access_token",
        "open_id",
        "expires_in",
        "scope",
        "privacy_level_options",
        "max_video_post_duration_sec",
        "stage",
        "plan",
        "reason",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

/// A response body: JSON, truncated JSON, or any bytes.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => any_json().prop_map(|value| value.to_string().into_bytes()),
        1 => (any_json(), any::<prop::sample::Index>()).prop_map(|(value, cut)| {
            let text = value.to_string().into_bytes();
            text[..cut.index(text.len() + 1)].to_vec()
        }),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

fn any_response() -> impl Strategy<Value = Response> {
    let status =
        prop_oneof![Just(200_u16), Just(206), Just(400), Just(401), Just(416), Just(503), 100..600_u16];
    (status, any_body(), any::<bool>(), any::<String>()).prop_map(|(status, body, truncated, range)| {
        Response {
            status,
            body,
            truncated,
            headers: vec![
                ("content-range".to_owned(), format!("bytes 0-{range}")),
                ("retry-after".to_owned(), range),
            ],
        }
    })
}

fn account() -> Account {
    Account {
        id: "open-1".to_owned(),
        credentials: br#"{"access_token":"act.1","refresh_token":"rft.1"}"#.to_vec(),
        scopes: crate::settings::SCOPES.map(str::to_owned).to_vec(),
    }
}

/// Answers every request with this response.
fn answering(response: Response) -> FakeEnvironment {
    let environment = environment();
    environment.respond(move |_| Ok(response.clone()));
    environment
}

proptest! {
    #[test]
    fn every_size_has_a_plan_that_keeps_the_rules(size in 1..=MAX_SIZE) {
        let plan = plan(size).unwrap();
        prop_assert_eq!(plan.count, size / plan.chunk);
        prop_assert!((1..=1000).contains(&plan.count));
        let (first, length) = plan.range(plan.count - 1);
        prop_assert_eq!(first + length, size);
        prop_assert!(length <= 128_000_000);
        if plan.count == 1 {
            prop_assert!(plan.chunk == size && size <= 64_000_000);
        } else {
            prop_assert!((5_242_880..=64_000_000).contains(&plan.chunk));
        }
    }

    #[test]
    fn progress_never_points_behind_the_file(size in 1..=MAX_SIZE, uploaded in any::<u64>()) {
        let plan = plan(size).unwrap();
        for uploaded in [uploaded, uploaded % (size + 2)] {
        if let Some(index) = plan.next_after(uploaded) {
            prop_assert!(index < plan.count);
            // Never beyond TikTok's progress, as a count or as the index of the last byte.
            prop_assert!(plan.range(index).0 <= uploaded.saturating_add(1));
        } else {
            prop_assert!(uploaded.saturating_add(1) >= size);
        }
        }
    }

    #[test]
    fn answers_are_read_without_panic_and_never_called_success_without_reason(response in any_response()) {
        for effect in [Effect::None, Effect::Post] {
            match envelope(&response, "video.publish", effect) {
                Ok(_) => {
                    let answer = response.json().unwrap();
                    let code = answer["error"]["code"].as_str().or(answer["code"].as_str());
                    prop_assert!(code == Some("ok") || response.is_success());
                }
                // A request that may have made a post is never reported as not having made it.
                Err(error) if effect == Effect::Post && response.status >= 500 => {
                    prop_assert_eq!(error.kind, ErrorKind::OutcomeUnknown);
                }
                Err(_) => {}
            }
        }
    }

    #[test]
    fn parsers_take_any_json(value in any_json()) {
        let _ = Status::parse(&value);
        let _ = Creator::parse(&value);
        let _ = TokenAnswer::parse(&value, 1_795_000_000);
        let bytes = value.to_string().into_bytes();
        let _ = Credentials::of(&Account { credentials: bytes, ..account() });
    }

    #[test]
    fn ids_pass_through_every_reader_unchanged(id in 1..=u64::MAX) {
        let text = format!(r#"{{"publicaly_available_post_id":[{id}]}}"#);
        let status = Status::parse(&serde_json::from_str(&text).unwrap());
        prop_assert_eq!(status.post_ids, [id.to_string()]);
    }

    #[test]
    fn every_function_survives_any_answer(response in any_response()) {
        let environment = answering(response);
        let _ = run(crate::profile::get(&environment, &account()));
        let _ = run(crate::profile::stats(&environment, &account()));
        let query = social_channel_provider::channel::ListQuery::new(20, None);
        if let Ok(page) = run(crate::videos::list(&environment, &account(), &query)) {
            prop_assert!(page.posts.iter().all(|post| !post.id.is_empty()));
        }
        let _ = run(crate::videos::get(&environment, &account(), &["1".to_owned()]));
        let _ = run(crate::form::get(&environment, &account()));
        let _ = run(oauth::refresh(&environment, account()));
        let _ = run(oauth::revoke(&environment, &account()));
    }

    #[test]
    fn callbacks_and_sessions_of_any_kind_are_survived(
        session in any_body(),
        callback in prop::collection::vec(
            (prop::sample::select(vec!["code", "error", "error_type", "scopes", "x"]), any::<String>()), 0..5),
        response in any_response(),
    ) {
        let callback: Vec<_> = callback.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let sound = br#"{"redirect_uri":"https://a.example/","scopes":["user.info.basic"]}"#;
        for session in [&session[..], sound] {
            let _ = run(oauth::complete(&answering(response.clone()), session, &callback));
        }
    }

    #[test]
    fn states_of_any_kind_are_survived(state in any_body(), interrupted in any::<bool>(), response in any_response()) {
        let resume = Resume { evidence: Some(state.clone()), ..Resume::new(interrupted) };
        let environment = answering(response);
        let _ = run(publish::advance(&environment, &account(), &state, &[], &resume));
        let _ = run(publish::cancel(&environment, &account(), &state));
    }

    #[test]
    fn only_signed_webhooks_are_taken(body in any_body(), signature in any::<String>(), at in any::<u64>()) {
        let request = |signature: String| Request {
            method: "POST".to_owned(),
            url: String::new(),
            query: Vec::new(),
            headers: vec![("tiktok-signature".to_owned(), signature)],
            body: body.clone(),
            received_at: 1_795_000_000,
            details: Vec::new(),
        };
        for signature in [signature, format!("t={at},s={}", "00".repeat(32))] {
            let error = webhook::receive(&environment(), &request(signature)).unwrap_err();
            prop_assert_eq!(error.kind, ErrorKind::Forbidden);
        }
        // Signed webhooks cannot cause harm either.
        let signed = request(webhook::sign("s3cr3t-example", 1_795_000_000, &body));
        match webhook::receive(&environment(), &signed) {
            Ok(receipt) => prop_assert_eq!(receipt.deliveries.len(), 1),
            Err(error) => prop_assert_eq!(error.kind, ErrorKind::Forbidden),
        }
    }
}
