//! TikTok's webhooks: verification and interpretation (D-WO, D-WE, D-WV).
//!
//! A delivery is a hint: the publish that gets it asks for the status. Nothing here calls TikTok.

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use social_channel_provider::webhooks::{AccountRemoved, Delivery, Event, PublishChanged, Receipt, Request};
use social_channel_provider::{Environment, Error, ErrorKind, json};

use crate::settings::Settings;
use crate::status::post_id;

/// TikTok repeats a delivery for 72 hours, and it is unknown whether it signs again; the margin is for clock
/// differences. An older delivery is a replay.
const MAX_AGE: u64 = (72 + 2) * 3600;

/// How far TikTok's clock may be ahead of ours.
const MAX_AHEAD: u64 = 3600;

/// The evidence that is passed to `continue-publish`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    #[serde(default)]
    pub(crate) event: String,
    #[serde(default)]
    pub(crate) publish_id: String,
    #[serde(default)]
    pub(crate) post_id: Option<String>,
    /// Unix seconds.
    #[serde(default)]
    pub(crate) at: u64,
}

impl Evidence {
    /// None: not from this provider, or without the id of a publish.
    pub(crate) fn read(bytes: Option<&[u8]>) -> Option<Self> {
        serde_json::from_slice::<Self>(bytes?).ok().filter(|evidence| !evidence.publish_id.is_empty())
    }
}

pub(crate) fn receive<E: Environment>(environment: &E, request: &Request) -> Result<Receipt, Error> {
    let settings = Settings::read(environment)?;
    if request.method != "POST" {
        return Err(forged("TikTok delivers by POST only"));
    }
    let signature = request
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("tiktok-signature"))
        .map(|(_, value)| value.as_str())
        .ok_or_else(|| forged("it has no signature"))?;
    let signed_at = verify(&settings, signature, &request.body)?;
    if signed_at.saturating_add(MAX_AGE) < request.received_at
        || signed_at > request.received_at.saturating_add(MAX_AHEAD)
    {
        return Err(forged("its signature is too old or from the future"));
    }
    // Verified from here on: an unknown event is answered with 200, otherwise TikTok would repeat it for days.
    let ignored = |id: String, why: &str| Receipt {
        deliveries: vec![Delivery::new(id, Event::Ignored(why.to_owned()))],
        response: None,
    };
    let Some(envelope) = json::read(&request.body) else {
        return Ok(ignored(format!("unreadable|{signed_at}"), "the body is not JSON"));
    };
    if json::text(&envelope, "client_key").is_some_and(|key| key != settings.client_key) {
        return Err(forged("it is for another app"));
    }
    let event = json::text(&envelope, "event").unwrap_or_default();
    let at = json::number(&envelope, "create_time").unwrap_or(signed_at);
    let account_id = json::text(&envelope, "user_openid");
    // JSON in a string, which is parsed a second time. An object is also accepted.
    let content = match envelope.get("content") {
        Some(Value::String(text)) => json::read(text.as_bytes()).unwrap_or_default(),
        Some(object @ Value::Object(_)) => object.clone(),
        _ => Value::Null,
    };
    let publish_id = json::text(&content, "publish_id").unwrap_or_default();
    let post = content.get("post_id").and_then(post_id);
    // Payloads have no id; a repeated event is identical in all of these.
    let id = [
        event.as_str(),
        account_id.as_deref().unwrap_or_default(),
        publish_id.as_str(),
        post.as_deref().unwrap_or_default(),
        &at.to_string(),
    ]
    .join("|");
    let event = match (event.as_str(), account_id) {
        ("authorization.removed", Some(account_id)) => Event::AccountRemoved(AccountRemoved {
            account_id,
            at,
            reason: Some(removal(json::number(&content, "reason")).to_owned()),
        }),
        (name, account_id) if name.starts_with("post.publish.") && !publish_id.is_empty() => {
            if name == "post.publish.inbox_delivered" {
                return Ok(ignored(id, "drafts are not made by this provider"));
            }
            let evidence =
                Evidence { event: name.to_owned(), publish_id: publish_id.clone(), post_id: post, at };
            let evidence = serde_json::to_vec(&evidence).unwrap_or_default();
            Event::PublishChanged(PublishChanged { reference: publish_id, account_id, evidence })
        }
        (name, _) => return Ok(ignored(id, &format!("nothing to do for `{name}`"))),
    };
    Ok(Receipt { deliveries: vec![Delivery::new(id, event)], response: None })
}

/// Checks `t=<seconds>,s=<hex>` over the raw body, and returns `t`. While a secret is being changed both
/// count.
fn verify(settings: &Settings, header: &str, body: &[u8]) -> Result<u64, Error> {
    let (mut at, mut given) = (None, None);
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => at = Some(value),
            Some(("s", value)) => given = hex::decode(value).ok(),
            _ => {}
        }
    }
    let (Some(at), Some(given)) = (at, given) else { return Err(forged("its signature is malformed")) };
    let secrets = [Some(&settings.client_secret), settings.previous_client_secret.as_ref()];
    let genuine = secrets.into_iter().flatten().any(|secret| {
        // Any key length is allowed, so this never fails.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else { return false };
        mac.update(at.as_bytes());
        mac.update(b".");
        mac.update(body);
        // Compares in constant time.
        mac.verify_slice(&given).is_ok()
    });
    if !genuine {
        return Err(forged("its signature does not match")
            .remedy("If it came from TikTok, enter the client secret of the app and mode that sends it.")
            .field("client-secret"));
    }
    at.parse().map_err(|_| forged("its signature is malformed"))
}

/// Signs as TikTok does, to create deliveries in addition to the known test vector.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn sign(secret: &str, at: u64, body: &[u8]) -> String {
    let mut signature = format!("t={at},s=");
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        mac.update(format!("{at}.").as_bytes());
        mac.update(body);
        signature.push_str(&hex::encode(mac.finalize().into_bytes()));
    }
    signature
}

fn forged(why: &str) -> Error {
    Error::new(ErrorKind::Forbidden, format!("This delivery is not accepted as TikTok's: {why}.")).remedy(
        "If it came from TikTok, check the client key, the client secret and the clock of this server. Otherwise ignore it.",
    )
}

fn removal(reason: Option<u64>) -> &'static str {
    match reason {
        Some(1) => "The person removed the app in TikTok.",
        Some(2) => "The TikTok account was deleted.",
        Some(3) => "The age of the account's owner was changed.",
        Some(4) => "TikTok banned the account.",
        Some(5) => "The app gave the permission back.",
        _ => "TikTok gave no reason.",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use social_channel_provider::testing::FakeEnvironment;

    const BODY: &str = r#"{"client_key":"simkey0001","event":"post.publish.complete","create_time":1790000000,"user_openid":"0f1e2d3c-0000-4000-8000-000000000001","content":"{\"publish_id\":\"v_pub_file~v2-1.7000000000000000001\",\"publish_type\":\"SIM_DIRECT\"}"}"#;
    const SIGNATURE: &str = "t=1790000000,s=b144d6fd940ce18c2b1c57763fd3bfdc25b3412e61e83d0eb3db4d7625630f47";

    fn environment(secret: &str) -> FakeEnvironment {
        FakeEnvironment::new().with_setting("client-key", "simkey0001").with_setting("client-secret", secret)
    }

    fn request(signature: &str, body: &str, received_at: u64) -> Request {
        Request {
            method: "POST".to_owned(),
            url: String::new(),
            query: Vec::new(),
            headers: vec![("tiktok-signature".to_owned(), signature.to_owned())],
            body: body.as_bytes().to_vec(),
            received_at,
            details: Vec::new(),
        }
    }

    fn signed(body: &str, at: u64) -> Request {
        request(&sign("sim-client-secret-0001", at, body.as_bytes()), body, at)
    }

    fn one(body: &str) -> Delivery {
        let receipt = receive(&environment("sim-client-secret-0001"), &signed(body, 1_790_000_000)).unwrap();
        receipt.deliveries.into_iter().next().unwrap()
    }

    #[test]
    fn the_known_vector_is_genuine() {
        let receipt =
            receive(&environment("sim-client-secret-0001"), &request(SIGNATURE, BODY, 1_790_000_100))
                .unwrap();
        let Event::PublishChanged(changed) = &receipt.deliveries[0].event else { panic!("{receipt:?}") };
        assert_eq!(changed.reference, "v_pub_file~v2-1.7000000000000000001");
        assert_eq!(changed.account_id.as_deref(), Some("0f1e2d3c-0000-4000-8000-000000000001"));
        let evidence = Evidence::read(Some(&changed.evidence)).unwrap();
        assert_eq!((evidence.event.as_str(), evidence.at), ("post.publish.complete", 1_790_000_000));
    }

    #[test]
    fn a_retry_of_three_days_counts_and_a_replay_does_not() {
        let environment = environment("sim-client-secret-0001");
        let late =
            |hours: u64| receive(&environment, &request(SIGNATURE, BODY, 1_790_000_000 + hours * 3600));
        assert!(late(72).is_ok());
        assert_eq!(late(80).unwrap_err().kind, ErrorKind::Forbidden);
    }

    #[test]
    fn the_previous_secret_counts_too() {
        let environment =
            environment("new-secret-0002").with_setting("previous-client-secret", "sim-client-secret-0001");
        assert!(receive(&environment, &request(SIGNATURE, BODY, 1_790_000_000)).is_ok());
    }

    #[test]
    fn what_is_not_signed_by_tiktok_is_refused() {
        let environment = environment("sim-client-secret-0001");
        let changed = BODY.replace("0001\\\"", "0002\\\"");
        for (signature, body) in [
            (SIGNATURE, changed.as_str()),
            ("t=1790000001,s=b144d6fd940ce18c2b1c57763fd3bfdc25b3412e61e83d0eb3db4d7625630f47", BODY),
            ("t=1790000000,s=", BODY),
            ("t=1790000000", BODY),
            ("s=zz", BODY),
            ("", BODY),
        ] {
            let error = receive(&environment, &request(signature, body, 1_790_000_000)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Forbidden, "{signature}");
        }
        let mut get = request(SIGNATURE, BODY, 1_790_000_000);
        get.method = "GET".to_owned();
        assert!(receive(&environment, &get).is_err());
        get.method = "POST".to_owned();
        get.headers.clear();
        assert!(receive(&environment, &get).is_err());
    }

    #[test]
    fn removals_carry_their_time() {
        let delivery = one(
            r#"{"client_key":"simkey0001","event":"authorization.removed","create_time":1789999000,"user_openid":"o","content":"{\"reason\": 1}"}"#,
        );
        let Event::AccountRemoved(removed) = delivery.event else { panic!("{delivery:?}") };
        assert_eq!((removed.account_id.as_str(), removed.at), ("o", 1_789_999_000));
    }

    #[test]
    fn post_ids_stay_exact_as_number_and_string() {
        for id in ["7570000000000001234", "\\\"7570000000000001234\\\""] {
            let body = format!(
                r#"{{"client_key":"simkey0001","event":"post.publish.publicly_available","create_time":1,"user_openid":"o","content":"{{\"publish_id\":\"p\",\"post_id\":{id}}}"}}"#
            );
            let delivery = one(&body);
            assert_eq!(delivery.id, "post.publish.publicly_available|o|p|7570000000000001234|1");
            let Event::PublishChanged(changed) = delivery.event else { panic!("{delivery:?}") };
            let evidence = Evidence::read(Some(&changed.evidence)).unwrap();
            assert_eq!(evidence.post_id.as_deref(), Some("7570000000000001234"));
        }
    }

    #[test]
    fn half_a_character_loses_no_delivery() {
        // Beside the content, and inside it.
        for body in [
            r#"{"event":"post.publish.complete","create_time":1,"user_openid":"o","x":"\ud83d","content":"{\"publish_id\":\"p\"}"}"#,
            r#"{"event":"post.publish.complete","create_time":1,"user_openid":"o","content":"{\"publish_id\":\"p\",\"x\":\"\\ud83d\"}"}"#,
        ] {
            let Event::PublishChanged(changed) = one(body).event else { panic!("{body}") };
            assert_eq!(changed.reference, "p");
        }
    }

    #[test]
    fn genuine_and_strange_is_ignored_not_refused() {
        for body in [
            "no json",
            "{}",
            r#"{"event":"video.upload.failed","content":"{\"share_id\":\"1\"}"}"#,
            r#"{"event":"post.publish.complete","content":"{broken"}"#,
            r#"{"event":"post.publish.inbox_delivered","content":"{\"publish_id\":\"p\"}"}"#,
            r#"{"event":"authorization.removed","content":"{}"}"#,
        ] {
            assert!(matches!(one(body).event, Event::Ignored(_)), "{body}");
        }
        let other = signed(r#"{"client_key":"another","event":"x"}"#, 1_790_000_000);
        assert!(receive(&environment("sim-client-secret-0001"), &other).is_err());
    }
}
