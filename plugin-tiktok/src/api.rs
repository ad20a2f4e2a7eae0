//! One call of TikTok's v2 API: its address, its envelope, its failures.
//!
//! The endpoints are in the modules that use them.

use serde_json::Value;
use social_channel_provider::http::{Method, Request, Response};
use social_channel_provider::{Environment, Error, ErrorKind, form, json};

use crate::credentials::Credentials;
use crate::errors;

pub(crate) const API: &str = "https://open.tiktokapis.com";

/// The origins this provider calls: the API, and uploads, whose host differs by region. The last three hold avatars and
/// covers, which the host fetches for its pages; without these grants the pages show a placeholder.
pub(crate) const ORIGINS: [&str; 5] = [
    API,
    "https://*.tiktokapis.com",
    "https://*.tiktokcdn.com",
    "https://*.tiktokcdn-us.com",
    "https://*.tiktokcdn-eu.com",
];

/// The possible effect of a call whose response is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// None: the call can be repeated.
    None,
    /// It may create a post.
    Post,
}

/// A call to TikTok.
pub(crate) struct Call<'a> {
    pub(crate) path: &'a str,
    /// The permission that it needs, for the error if it is missing.
    pub(crate) scope: &'a str,
    pub(crate) effect: Effect,
    /// The requested fields, in the query even if the method is POST (D-VL).
    pub(crate) fields: Option<&'a str>,
    /// None: a GET.
    pub(crate) body: Option<Value>,
}

/// Makes the call and returns `data`.
pub(crate) async fn call<E: Environment>(
    environment: &E,
    credentials: &Credentials,
    call: Call<'_>,
) -> Result<Value, Error> {
    let mut url = format!("{API}{}", call.path);
    if let Some(fields) = call.fields {
        url = form::with_query(&url, [("fields", fields)]);
    }
    let method = if call.body.is_some() { Method::Post } else { Method::Get };
    let mut request = Request::new(method, url).bearer(credentials.access_token.reveal());
    if let Some(body) = &call.body {
        request = request.json(body);
    }
    match environment.send(request).await {
        Ok(response) => envelope(&response, call.scope, call.effect),
        Err(error) if call.effect == Effect::Post => Err(error.of_effect("TikTok")),
        Err(error) => Err(error.of_read("TikTok")),
    }
}

/// `data` of a response, or its error. An `error` member is present on success too, with `ok`.
pub(crate) fn envelope(response: &Response, scope: &str, effect: Effect) -> Result<Value, Error> {
    let header_id = response.header("x-tt-logid").map(str::to_owned);
    let Some(answer) = response.json() else { return Err(unreadable(response, effect).trace_id(header_id)) };
    // Almost always an object below `error`; one page of the documentation shows it bare, and OAuth responses are
    // flat.
    let failure = match answer.get("error") {
        Some(inner @ Value::Object(_)) => inner,
        _ => &answer,
    };
    let code = match answer.get("error") {
        Some(Value::String(code)) if code != "ok" => Some(code.clone()),
        _ => json::text(failure, "code"),
    };
    let trace = log_id(failure).or_else(|| log_id(&answer)).or(header_id);
    match code.as_deref() {
        Some("ok") => Ok(answer.get("data").cloned().unwrap_or(Value::Null)),
        Some(code) => {
            let message = json::text(failure, "message").or_else(|| json::text(failure, "error_description"));
            let mut error = errors::api(code, message.as_deref(), response.status, scope).trace_id(trace);
            // A server that failed while it was making a post may have made it.
            if effect == Effect::Post && (response.status >= 500 || error.kind == ErrorKind::Unavailable) {
                error.kind = ErrorKind::OutcomeUnknown;
            }
            if error.kind == ErrorKind::RateLimited {
                error.retry_after = response.retry_after_ms().or(error.retry_after);
            }
            Err(error)
        }
        // No code at all. With valid data it is a success; with a 5xx status it comes from a gateway.
        None if response.is_success() && answer.get("data").is_some_and(has_members) => {
            Ok(answer.get("data").cloned().unwrap_or(Value::Null))
        }
        None => Err(unreadable(response, effect).trace_id(trace)),
    }
}

fn has_members(value: &Value) -> bool {
    value.as_object().is_some_and(|members| !members.is_empty())
}

/// The documentation's tables say `logid`, actual responses say `log_id`.
pub(crate) fn log_id(object: &Value) -> Option<String> {
    json::text(object, "log_id").or_else(|| json::text(object, "logid"))
}

/// An unreadable response: a gateway's page, an empty or invalid body.
fn unreadable(response: &Response, effect: Effect) -> Error {
    let mut error = if response.is_success() {
        Error::new(ErrorKind::Unavailable, "TikTok's response cannot be read.")
            .remedy("Try again in a few minutes.")
    } else {
        errors::by_status(response.status)
    };
    if effect == Effect::Post && (response.is_success() || response.status >= 500) {
        error.kind = ErrorKind::OutcomeUnknown;
        error.remedy = Some("Look at the TikTok profile before you post again.".to_owned());
    }
    if error.kind == ErrorKind::RateLimited {
        error.retry_after = response.retry_after_ms().or(error.retry_after);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<Value, Error> {
        effect(status, body, Effect::None)
    }

    fn effect(status: u16, body: &str, effect: Effect) -> Result<Value, Error> {
        let response = Response { status, body: body.as_bytes().to_vec(), ..Response::default() };
        envelope(&response, "video.publish", effect)
    }

    #[test]
    fn ok_is_success_whatever_data_is() {
        for body in [
            r#"{"data":{"a":1},"error":{"code":"ok","message":"","log_id":"L"}}"#,
            r#"{"error":{"code":"ok"}}"#,
            r#"{"data":null,"error":{"code":"ok"}}"#,
            r#"{"data":{"a":1}}"#,
        ] {
            assert!(answer(200, body).is_ok(), "{body}");
        }
    }

    #[test]
    fn half_a_character_in_any_member_leaves_the_rest() {
        let videos = answer(
            200,
            r#"{"data":{"videos":[{"id":"1","title":"soup \ud83d"},{"id":"2"}]},"error":{"code":"ok"}}"#,
        );
        let videos = videos.unwrap();
        assert_eq!(videos["videos"][0]["title"], "soup \u{fffd}");
        assert_eq!(videos["videos"][1]["id"], "2");
        let refused =
            answer(401, r#"{"error":{"code":"access_token_invalid","message":"\udf72","log_id":"L"}}"#);
        assert_eq!(refused.unwrap_err().kind, ErrorKind::CredentialsExpired);
        let posted =
            effect(200, r#"{"data":{"publish_id":"p","x":"\ud83d"},"error":{"code":"ok"}}"#, Effect::Post);
        assert_eq!(posted.unwrap()["publish_id"], "p", "or a post would be looked for as lost");
    }

    #[test]
    fn a_200_can_refuse_and_keeps_its_log_id() {
        for body in [
            r#"{"data":{},"error":{"code":"spam_risk_too_many_posts","message":"m","log_id":"L1"}}"#,
            r#"{"error":{"code":"spam_risk_too_many_posts","logid":"L1"}}"#,
            r#"{"code":"spam_risk_too_many_posts","message":"m","log_id":"L1"}"#,
        ] {
            let error = answer(200, body).unwrap_err();
            assert_eq!(error.kind, ErrorKind::QuotaExceeded, "{body}");
            assert_eq!(error.trace_id.as_deref(), Some("L1"), "{body}");
        }
    }

    #[test]
    fn what_is_not_json_goes_by_its_status() {
        for (status, body, kind) in [
            (200, "", ErrorKind::Unavailable),
            (200, "<html>", ErrorKind::Unavailable),
            (200, "{}", ErrorKind::Unavailable),
            (200, "[]", ErrorKind::Unavailable),
            (200, "null", ErrorKind::Unavailable),
            (200, r#"{"data":{}}"#, ErrorKind::Unavailable),
            (502, "<html>Bad gateway</html>", ErrorKind::Unavailable),
            (500, r#"{"error":{"code":"","message":""}}"#, ErrorKind::Unavailable),
            (429, "", ErrorKind::RateLimited),
            (401, "", ErrorKind::CredentialsExpired),
            (302, "", ErrorKind::Other),
        ] {
            assert_eq!(answer(status, body).unwrap_err().kind, kind, "{status} {body}");
        }
    }

    #[test]
    fn what_may_have_posted_is_never_called_an_outage() {
        for (status, body) in
            [(200, ""), (200, "{"), (502, "<html>"), (500, r#"{"error":{"code":"internal_error"}}"#)]
        {
            assert_eq!(effect(status, body, Effect::Post).unwrap_err().kind, ErrorKind::OutcomeUnknown);
        }
        let limited = effect(429, r#"{"error":{"code":"rate_limit_exceeded"}}"#, Effect::Post);
        assert_eq!(limited.unwrap_err().kind, ErrorKind::RateLimited);
    }
}
