//! One call of TikTok's v2 API: its address, its envelope, its failures.
//!
//! Knows no endpoint; these live in the modules that use them.

use serde_json::Value;
use social_channel_provider::http::{Method, Request, Response};
use social_channel_provider::{Environment, Error, ErrorKind, form, json};

use crate::credentials::Credentials;
use crate::errors;

pub(crate) const API: &str = "https://open.tiktokapis.com";

/// The origins this provider calls: the API, and uploads, whose host differs by region.
pub(crate) const ORIGINS: [&str; 2] = [API, "https://*.tiktokapis.com"];

/// May a lost answer have changed something?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// No: it can simply be asked again.
    None,
    /// Yes: a post may come of it.
    Post,
}

/// A call to be made.
pub(crate) struct Call<'a> {
    pub(crate) path: &'a str,
    /// The permission it needs, for the error of its absence.
    pub(crate) scope: &'a str,
    pub(crate) effect: Effect,
    /// Asked for in the query, also where the method is POST (D-VL).
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

/// `data` of an answer, or the error it holds. An `error` member is there on success too, with `ok`.
pub(crate) fn envelope(response: &Response, scope: &str, effect: Effect) -> Result<Value, Error> {
    let header_id = response.header("x-tt-logid").map(str::to_owned);
    let Some(answer) = response.json() else { return Err(unreadable(response, effect).trace_id(header_id)) };
    // Almost always an object below `error`; one page shows it bare, and OAuth answers are flat.
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
            // A server that broke down while it made a post may have made it.
            if effect == Effect::Post && (response.status >= 500 || error.kind == ErrorKind::Unavailable) {
                error.kind = ErrorKind::OutcomeUnknown;
            }
            if error.kind == ErrorKind::RateLimited {
                error.retry_after = response.retry_after_ms().or(error.retry_after);
            }
            Err(error)
        }
        // No code at all. With good data it is a success; one with a 5xx is a gateway's.
        None if response.is_success() && answer.get("data").is_some_and(has_members) => {
            Ok(answer.get("data").cloned().unwrap_or(Value::Null))
        }
        None => Err(unreadable(response, effect).trace_id(trace)),
    }
}

fn has_members(value: &Value) -> bool {
    value.as_object().is_some_and(|members| !members.is_empty())
}

/// The pages' tables say `logid`, the wire says `log_id`.
pub(crate) fn log_id(object: &Value) -> Option<String> {
    json::text(object, "log_id").or_else(|| json::text(object, "logid"))
}

/// An answer that says nothing: a gateway's page, an empty or broken body.
fn unreadable(response: &Response, effect: Effect) -> Error {
    let mut error = if response.is_success() {
        Error::new(ErrorKind::Unavailable, "TikTok gave an answer that cannot be read.")
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
