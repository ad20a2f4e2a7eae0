//! The status of a publish (D-ST).

use serde_json::{Value, json};
use social_channel_provider::{Account, Environment, Error, json};

use crate::api::{Call, Effect, call};
use crate::credentials::Credentials;
use crate::quota;
use crate::settings::SCOPE_PUBLISH;

/// The stage of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Also used for unknown values.
    Processing,
    Complete,
    Failed(String),
    /// A draft. Must not happen to a direct post.
    Inbox,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) outcome: Outcome,
    /// Exact: these are 19-digit numbers. Empty until the post is public and moderated.
    pub(crate) post_ids: Vec<String>,
    pub(crate) uploaded: Option<u64>,
    pub(crate) downloaded: Option<u64>,
}

impl Status {
    pub(crate) fn parse(data: &Value) -> Self {
        let outcome = match json::text(data, "status").as_deref() {
            Some("PUBLISH_COMPLETE") => Outcome::Complete,
            Some("FAILED") => Outcome::Failed(json::text(data, "fail_reason").unwrap_or_default()),
            Some("SEND_TO_USER_INBOX") => Outcome::Inbox,
            _ => Outcome::Processing,
        };
        // TikTok's own spelling. The correct one is also accepted.
        let ids = ["publicaly_available_post_id", "publicly_available_post_id"]
            .iter()
            .find_map(|name| data.get(name))
            .map_or(Vec::new(), |ids| match ids {
                Value::Array(ids) => ids.iter().filter_map(post_id).collect(),
                one => post_id(one).into_iter().collect(),
            });
        Self {
            outcome,
            post_ids: ids,
            uploaded: json::number(data, "uploaded_bytes"),
            downloaded: json::number(data, "downloaded_bytes"),
        }
    }
}

/// An id, as a number or as digits; 0 means none.
pub(crate) fn post_id(value: &Value) -> Option<String> {
    json::whole(value).filter(|&id| id > 0).map(|id| id.to_string())
}

/// Requests the status from TikTok, within 30 requests a minute.
pub(crate) async fn fetch<E: Environment>(
    environment: &E,
    account: &Account,
    credentials: &Credentials,
    publish_id: &str,
) -> Result<Status, Error> {
    let asked = Call {
        path: "/v2/post/publish/status/fetch/",
        scope: SCOPE_PUBLISH,
        effect: Effect::None,
        fields: None,
        body: Some(json!({ "publish_id": publish_id })),
    };
    let data =
        quota::limited(environment, &quota::STATUS, &account.id, || call(environment, credentials, asked))
            .await?;
    Ok(Status::parse(&data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Status {
        Status::parse(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn ids_are_exact_as_numbers_and_as_strings() {
        let ids = |text: &str| parse(text).post_ids;
        assert_eq!(
            ids(r#"{"publicaly_available_post_id":[7570000000000001234,"7570000000000001235"]}"#),
            ["7570000000000001234", "7570000000000001235"]
        );
        assert!(ids(r#"{"publicaly_available_post_id":[]}"#).is_empty());
        assert!(ids(r#"{"publicaly_available_post_id":[0, null, 7.5e18, "x"]}"#).is_empty());
        assert!(ids(r#"{"publicaly_available_post_id":null}"#).is_empty());
        assert!(ids("{}").is_empty());
    }

    #[test]
    fn unknown_words_mean_still_at_work() {
        assert_eq!(parse(r#"{"status":"PROCESSING_UPLOAD","uploaded_bytes":5}"#).uploaded, Some(5));
        assert_eq!(parse(r#"{"status":"SOMETHING_NEW"}"#).outcome, Outcome::Processing);
        assert_eq!(parse("null").outcome, Outcome::Processing);
        assert_eq!(parse(r#"{"status":"FAILED"}"#).outcome, Outcome::Failed(String::new()));
    }
}
