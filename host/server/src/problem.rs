//! Failures as RFC 9457 documents, made from the library's table of failures.

use std::time::Duration;

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{
    MediaType, Operation, ReferenceOr, Response as Documented, SchemaObject, StatusCode as Code,
};
use aide::transform::TransformOperation;
use axum::response::{IntoResponse, Response};
use http::header::{self, ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use social_channel::{Error, ErrorKind};

/// The prefix of every `type`, which ends with the kind.
const TYPES: &str = "https://github.com/social-channel/social-channel/errors/";

/// What a caller is told to wait where the library has said no time.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A failure to return to the caller. Its status is the library's, unless HTTP has a more specific one.
#[derive(Clone, Debug)]
pub struct Problem {
    error: Box<Error>,
    status: StatusCode,
    allow: Option<&'static str>,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = StatusCode::from_u16(error.kind.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Problem { error: Box::new(error), status, allow: None }
    }
}

/// The document.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct Document {
    /// Identifies the kind; the same for every failure of a kind.
    r#type: String,
    /// The kind in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// The message.
    detail: String,
    /// The failure itself, member by member.
    #[serde(flatten)]
    error: Error,
}

impl Problem {
    fn own(status: StatusCode, code: &str, message: impl Into<String>, remedy: &str) -> Self {
        let error = Error::new(ErrorKind::InvalidRequest, message).with_code(code).with_remedy(remedy);
        Problem { error: Box::new(error), status, allow: None }
    }

    /// The caller is not authenticated.
    pub(crate) fn unauthenticated(message: &str) -> Self {
        Problem::own(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            message,
            "send `Authorization: Bearer KEY` with a key created under Settings or with `social-channel keys create`",
        )
    }

    /// The caller is not authorised.
    pub(crate) fn not_allowed(message: &str, remedy: &str) -> Self {
        Problem::own(StatusCode::FORBIDDEN, "not_allowed", message, remedy)
    }

    /// What a page sent that was drawn for another tenant than its browser acts for now.
    pub(crate) fn other_tenant(drawn: &str, now: &str) -> Self {
        Problem::own(
            StatusCode::FORBIDDEN,
            "other_tenant",
            format!(
                "this page was opened for the tenant {drawn}, and this browser acts for the tenant {now} now; nothing was done"
            ),
            "load the page again, or switch back to its tenant first",
        )
    }

    /// There is no such path.
    pub(crate) fn no_route(path: &str) -> Self {
        // An address may be as long as a header.
        let shown: String = path.chars().take(200).collect();
        Error::new(ErrorKind::NotFound, format!("there is nothing at {shown}"))
            .with_remedy("see /api/v1/reference for the existing paths")
            .into()
    }

    /// The path does not support that method.
    pub(crate) fn no_method(allow: Option<&'static str>) -> Self {
        let problem = Problem::own(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this address does not support that method",
            "see /api/v1/reference for its methods",
        );
        Problem { allow, ..problem }
    }

    /// A body of the wrong type.
    pub(crate) fn wrong_type(wanted: &str) -> Self {
        Problem::own(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!("the body is not {wanted}"),
            "set the header Content-Type to the type of the body",
        )
    }

    /// A body that is too large.
    pub(crate) fn too_large(limit: u64) -> Self {
        Problem::own(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body has more than {limit} bytes"),
            "send less, or ask the operator to raise the limit",
        )
    }

    /// A body that did not come in time.
    pub(crate) fn too_slow() -> Self {
        Problem::own(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "the body did not come in time",
            "send it again over a faster connection, or have the operator let connections stand still for longer (`idle_seconds`)",
        )
    }

    /// Every connection is being answered, and this one is not the operator's.
    pub(crate) fn all_places_taken() -> Self {
        Error::new(ErrorKind::Unavailable, "all connections of the service are being answered")
            .with_retry_after(RETRY_AFTER)
            .with_remedy("try again later, or have the operator raise `max_connections`")
            .into()
    }

    /// Too many requests.
    pub(crate) fn too_many(message: &str, wait: Duration) -> Self {
        let error = Error::new(ErrorKind::RateLimited, message).with_retry_after(wait);
        let remedy = format!("wait {} seconds", wait.as_secs().max(1));
        error.with_remedy(remedy).into()
    }

    /// A malformed request.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidRequest, message)
            .with_remedy("compare the request with /api/v1/reference")
            .into()
    }

    /// The same failure with another status, if HTTP has its own rules.
    pub(crate) fn at(self, status: StatusCode) -> Self {
        Problem { status, ..self }
    }

    /// The error.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

/// A kind in words.
fn title(kind: ErrorKind) -> String {
    let words = kind.name().replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            // The cause is only logged.
            tracing::warn!(status = self.status.as_u16(), error = ?self.error, "request failed");
        }
        let wait = self.error.retry_after;
        let wait = wait.or((self.status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER));
        let document = Document {
            r#type: format!("{TYPES}{}", self.error.kind),
            title: title(self.error.kind),
            status: self.status.as_u16(),
            detail: self.error.message.clone(),
            error: *self.error,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(wait) = wait {
            headers.insert(
                header::RETRY_AFTER,
                wait.as_millis().div_ceil(1000).to_string().parse().unwrap_or(HeaderValue::from_static("60")),
            );
        }
        response
    }
}

/// Statuses that any call may return.
const ANY: [u16; 7] = [400, 401, 403, 404, 429, 500, 503];
/// Further statuses of a call that reads a body.
pub(crate) const BODY: [u16; 3] = [408, 413, 415];
/// Further statuses of a call that uses a provider.
pub(crate) const PROVIDER: [u16; 5] = [422, 424, 501, 502, 504];

/// A documented failure.
pub(crate) fn documented(ctx: &mut GenContext, status: u16) -> (Option<Code>, Documented) {
    let schema = SchemaObject {
        json_schema: ctx.schema.subschema_for::<Document>(),
        example: None,
        external_docs: None,
    };
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let media = MediaType { schema: Some(schema), ..MediaType::default() };
    let response = Documented {
        description: reason.unwrap_or("Failure").to_owned(),
        content: [("application/problem+json".to_owned(), media)].into_iter().collect(),
        ..Documented::default()
    };
    (Some(Code::Code(status)), response)
}

/// Adds a documented failure to an operation.
pub(crate) fn document(operation: TransformOperation<'_>, status: u16) -> TransformOperation<'_> {
    let mut operation = operation;
    aide::generate::in_context(|ctx| {
        let (Some(code), response) = documented(ctx, status) else { return };
        let responses = operation.inner_mut().responses.get_or_insert_with(Default::default);
        responses.responses.entry(code).or_insert(ReferenceOr::Item(response));
    });
    operation
}

impl OperationOutput for Problem {
    type Inner = Self;

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<Code>, Documented)> {
        ANY.into_iter().map(|status| documented(ctx, status)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_kind_becomes_its_own_document() {
        for kind in ErrorKind::ALL {
            let error = Error::new(kind, "what happened")
                .with_remedy("what to do")
                .with_code("c1")
                .with_retry_after(Duration::from_millis(1500))
                .with_source("the cause");
            let response = Problem::from(error).into_response();
            assert_eq!(response.status().as_u16(), kind.http_status());
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
            assert_eq!(response.headers()[header::RETRY_AFTER], "2");
            let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
            let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(document["type"].as_str().unwrap().ends_with(kind.name()));
            assert_eq!(document["status"], kind.http_status());
            assert_eq!(document["kind"], kind.name());
            assert_eq!(document["detail"], "what happened");
            assert_eq!(document["message"], "what happened");
            assert_eq!(document["remedy"], "what to do");
            assert_eq!(document["code"], "c1");
            assert_eq!(document["retry_after_ms"], 1500);
            assert!(!String::from_utf8_lossy(&body).contains("the cause"));
        }
    }

    #[test]
    fn who_finds_the_service_unable_is_told_when_to_come_again() {
        let error = || Error::new(ErrorKind::Unavailable, "the database is locked");
        let answers =
            [Problem::from(error()), Problem::from(Error::internal("x")).at(StatusCode::SERVICE_UNAVAILABLE)];
        for answer in answers.map(Problem::into_response) {
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.headers()[header::RETRY_AFTER], "5");
        }
        let told = error().with_retry_after(Duration::from_secs(60));
        assert_eq!(Problem::from(told).into_response().headers()[header::RETRY_AFTER], "60");
        let other = Problem::from(Error::internal("x")).into_response();
        assert!(!other.headers().contains_key(header::RETRY_AFTER));
    }
}
