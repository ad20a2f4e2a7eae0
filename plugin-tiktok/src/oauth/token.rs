//! The token endpoint: one request, and the interpretation of its response (D-OERR).

use serde_json::Value;
use social_channel_provider::http::{Method, Request, Response};
use social_channel_provider::{Environment, Error, ErrorKind, json};

use crate::api::{API, log_id};
use crate::credentials::TokenAnswer;
use crate::errors;

/// One request to the token endpoint. Form only: it refuses JSON.
pub(super) async fn request<E: Environment>(
    environment: &E,
    fields: Vec<(&str, &str)>,
) -> Result<TokenAnswer, Error> {
    let request = Request::new(Method::Post, format!("{API}/v2/oauth/token/"))
        .header("cache-control", "no-cache")
        .form(fields);
    // Codes and refresh tokens are used up by the first request that arrives.
    let response = environment.send(request).await.map_err(|error| error.of_effect("TikTok"))?;
    read(&response, environment.now()).map_err(|mut error| {
        if error.kind == ErrorKind::RateLimited {
            error.retry_after = response.retry_after_ms().or(error.retry_after);
        }
        error
    })
}

fn read(response: &Response, now: u64) -> Result<TokenAnswer, Error> {
    let unknown = |message: &str| {
        Error::new(ErrorKind::OutcomeUnknown, message)
            .remedy("If this comes back, connect the account again.")
            .trace_id(response.header("x-tt-logid").map(str::to_owned))
    };
    let Some(answer) = response.json() else {
        return Err(match response.status {
            // A gateway's page does not show whether TikTok has used up the token.
            200..300 | 500..600 => unknown("TikTok's response about the token cannot be read."),
            status => errors::by_status(status),
        });
    };
    if let Some(error) = failure(&answer, response) {
        return Err(error);
    }
    match TokenAnswer::parse(&answer, now) {
        Some(parsed) => Ok(parsed),
        None if response.is_success() || response.status >= 500 => {
            Err(unknown("TikTok's response does not contain the token."))
        }
        None => Err(errors::by_status(response.status)),
    }
}

/// Parses the flat OAuth failure, with any status; a v2 envelope is also accepted.
pub(super) fn failure(answer: &Value, response: &Response) -> Option<Error> {
    let trace = log_id(answer).or_else(|| response.header("x-tt-logid").map(str::to_owned));
    match answer.get("error") {
        Some(Value::String(code)) if !code.is_empty() => {
            let description = json::text(answer, "error_description");
            Some(errors::oauth(code, description.as_deref(), response.status).trace_id(trace))
        }
        Some(inner @ Value::Object(_)) => {
            let code = json::text(inner, "code").filter(|code| code != "ok")?;
            let message = json::text(inner, "message");
            let trace = log_id(inner).or(trace);
            Some(errors::oauth(&code, message.as_deref(), response.status).trace_id(trace))
        }
        _ => None,
    }
}
