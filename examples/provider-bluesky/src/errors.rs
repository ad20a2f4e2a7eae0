//! What the answers of Bluesky's servers mean for whoever asked.

use serde_json::Value;
use social_channel_provider::http::Response;
use social_channel_provider::{Environment, Error, ErrorKind, json};

/// The error of an answer that is none of success.
pub(crate) fn of<E: Environment>(environment: &E, response: &Response) -> Error {
    let body = response.json().unwrap_or_default();
    let code = json::text(&body, "error");
    let error = by_code(response.status, code.as_deref(), json::text(&body, "message"));
    let error = Error { code, trace_id: trace(response), ..error };
    match (error.kind, wait_ms(environment, response)) {
        (ErrorKind::RateLimited | ErrorKind::Unavailable, Some(wait)) => error.retry_after_ms(wait),
        _ => error,
    }
}

/// As [`of`] for a request that changes something: a server that breaks off may have done it.
pub(crate) fn of_effect<E: Environment>(environment: &E, response: &Response) -> Error {
    let error = of(environment, response);
    match error.kind {
        ErrorKind::Unavailable => Error { kind: ErrorKind::OutcomeUnknown, ..error },
        _ => error,
    }
}

fn by_code(status: u16, code: Option<&str>, message: Option<String>) -> Error {
    let said = |what: &str| match &message {
        Some(message) => format!("{what}: {}", message.trim_end_matches('.')),
        None => what.to_owned(),
    };
    let error = |kind, what: &str| Error::new(kind, format!("{}.", said(what)));
    match (status, code) {
        // An app password's token is refused with 400, an OAuth token with 401.
        (_, Some("ExpiredToken" | "InvalidToken" | "invalid_token")) => {
            error(ErrorKind::CredentialsExpired, "Bluesky no longer takes the access token")
        }
        (
            _,
            Some(
                "AccountTakedown" | "AccountDeactivated" | "AccountSuspended" | "RepoDeactivated"
                | "RepoTakendown",
            ),
        ) => error(ErrorKind::Rejected, "Bluesky does not let this account act")
            .remedy("Sign in to Bluesky to see why."),
        (429, _) => error(ErrorKind::RateLimited, "Bluesky's server asks for a pause"),
        (403, _) | (_, Some("ScopeMissingError" | "InsufficientScope" | "insufficient_scope")) => {
            error(ErrorKind::Forbidden, "The account has not allowed this")
                .remedy("Connect the account again and allow everything that is asked for.")
        }
        (401, _) => error(ErrorKind::CredentialsExpired, "Bluesky does not take the access token"),
        (404, _) | (_, Some("RecordNotFound" | "NotFound" | "RepoNotFound" | "AccountNotFound")) => {
            error(ErrorKind::NotFound, "Bluesky has nothing by that name")
        }
        (501, _) | (_, Some("MethodNotImplemented")) => {
            error(ErrorKind::Unsupported, "This server cannot do that")
        }
        (413, _) => error(ErrorKind::Rejected, "The file is larger than this server takes")
            .remedy("Use a smaller file, or ask who runs the server to raise its limit."),
        (400..=499, _) => error(ErrorKind::Rejected, "Bluesky refused it"),
        _ => error(ErrorKind::Unavailable, "Bluesky's server is out of order"),
    }
}

/// `Retry-After`, or the instant that Bluesky's servers send instead.
fn wait_ms<E: Environment>(environment: &E, response: &Response) -> Option<u64> {
    response.retry_after_ms().or_else(|| {
        let reset: u64 = response.header("ratelimit-reset")?.trim().parse().ok()?;
        // Some servers write the seconds that are left, not an instant.
        let seconds = if reset > 1_000_000_000 { reset.saturating_sub(environment.now()) } else { reset };
        Some(seconds.max(1).saturating_mul(1000))
    })
}

fn trace(response: &Response) -> Option<String> {
    response.header("x-request-id").or_else(|| response.header("cf-ray")).map(str::to_owned)
}

/// An answer that is JSON, or the sentence for one that is not.
pub(crate) fn body(response: &Response) -> Result<Value, Error> {
    response.json().ok_or_else(unreadable)
}

pub(crate) fn unreadable() -> Error {
    Error::new(ErrorKind::Unavailable, "Bluesky's server answered with something that cannot be read.")
        .remedy("Check that the service address is a Bluesky server; the request is retried later.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use social_channel_provider::testing::FakeEnvironment;

    fn answer(status: u16, body: &str, headers: &[(&str, &str)]) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Response { status, headers, body: body.as_bytes().to_vec(), truncated: false }
    }

    #[test]
    fn kinds_follow_from_what_the_server_says() {
        let environment = FakeEnvironment::new();
        for (status, code, kind) in [
            (400, "ExpiredToken", ErrorKind::CredentialsExpired),
            (401, "invalid_token", ErrorKind::CredentialsExpired),
            (401, "AccountTakedown", ErrorKind::Rejected),
            (400, "InvalidRequest", ErrorKind::Rejected),
            (400, "RecordNotFound", ErrorKind::NotFound),
            (403, "ScopeMissingError", ErrorKind::Forbidden),
            (429, "RateLimitExceeded", ErrorKind::RateLimited),
            (502, "UpstreamFailure", ErrorKind::Unavailable),
        ] {
            let body = format!(r#"{{"error":"{code}","message":"why."}}"#);
            let error = of(&environment, &answer(status, &body, &[]));
            assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)), "{code}");
            assert!(error.message.ends_with(": why."), "{}", error.message);
        }
        assert_eq!(of(&environment, &answer(500, "<html>", &[])).kind, ErrorKind::Unavailable);
        assert_eq!(of_effect(&environment, &answer(500, "", &[])).kind, ErrorKind::OutcomeUnknown);
        assert_eq!(of_effect(&environment, &answer(400, "{}", &[])).kind, ErrorKind::Rejected);
    }

    #[test]
    fn a_pause_is_as_long_as_the_server_says() {
        let environment = FakeEnvironment::new();
        let wait = |header: (&str, &str)| of(&environment, &answer(429, "{}", &[header])).retry_after;
        assert_eq!(wait(("retry-after", "7")), Some(7000));
        assert_eq!(wait(("ratelimit-reset", "1795000090")), Some(90_000));
        assert_eq!(wait(("ratelimit-reset", "30")), Some(30_000));
        assert_eq!(wait(("x", "")), None);
    }
}
