//! Failures as RFC 9457 documents, made from the library's one table.

use std::time::Duration;

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{
    MediaType, Operation, ReferenceOr, Response as Documented, SchemaObject, StatusCode as Code,
};
use aide::transform::TransformOperation;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use social_channel::{Error, ErrorKind};

/// Every `type` begins with this and ends with the kind.
const TYPES: &str = "https://github.com/social-channel/social-channel/errors/";

/// A failure on its way to the caller. Its status is the library's, unless HTTP itself knows better.
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
    /// Names the kind; the same for every failure of a kind.
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

    /// Nobody said who asks.
    pub(crate) fn unauthenticated(message: &str) -> Self {
        Problem::own(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            message,
            "send `Authorization: Bearer KEY` with a key made under Settings or by `social-channel keys create`",
        )
    }

    /// Who asks may not.
    pub(crate) fn not_allowed(message: &str, remedy: &str) -> Self {
        Problem::own(StatusCode::FORBIDDEN, "not_allowed", message, remedy)
    }

    /// There is no such address.
    pub(crate) fn no_route(path: &str) -> Self {
        Error::new(ErrorKind::NotFound, format!("there is nothing at {path}"))
            .with_remedy("see /api/v1/reference for what there is")
            .into()
    }

    /// The address does not do that.
    pub(crate) fn no_method(allow: Option<&'static str>) -> Self {
        let problem = Problem::own(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this address does not take that method",
            "see /api/v1/reference for what it takes",
        );
        Problem { allow, ..problem }
    }

    /// A body of another type.
    pub(crate) fn wrong_type(wanted: &str) -> Self {
        Problem::own(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!("the body is not {wanted}"),
            "say what the body is in the header Content-Type",
        )
    }

    /// A body beyond its bound.
    pub(crate) fn too_large(limit: u64) -> Self {
        Problem::own(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body has more than {limit} bytes"),
            "send less, or have the operator raise the limit",
        )
    }

    /// More than anybody may.
    pub(crate) fn too_many(message: &str, wait: Duration) -> Self {
        let error = Error::new(ErrorKind::RateLimited, message).with_retry_after(wait);
        let remedy = format!("wait {} seconds", wait.as_secs().max(1));
        error.with_remedy(remedy).into()
    }

    /// What cannot be read of a request.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidRequest, message)
            .with_remedy("compare the request with /api/v1/reference")
            .into()
    }

    /// The same failure with another status, where HTTP has its own rules.
    pub(crate) fn at(self, status: StatusCode) -> Self {
        Problem { status, ..self }
    }

    /// What went wrong.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The status of the answer.
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
            // The cause goes to the log only.
            tracing::warn!(status = self.status.as_u16(), error = ?self.error, "request failed");
        }
        let wait = self.error.retry_after;
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
                RETRY_AFTER,
                wait.as_millis().div_ceil(1000).to_string().parse().unwrap_or(HeaderValue::from_static("60")),
            );
        }
        response
    }
}

/// What any call may answer.
const ANY: [u16; 7] = [400, 401, 403, 404, 429, 500, 503];
/// What a call that reads a body may answer besides.
pub(crate) const BODY: [u16; 2] = [413, 415];
/// What a call that asks a provider may answer besides.
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

/// Documents an answer of server-sent events.
pub(crate) fn stream(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let mut operation = operation;
    let schema = SchemaObject {
        json_schema: schemars::json_schema!({
            "type": "object",
            "description": "One event.",
            "properties": {
                "event": { "type": "string", "enum": ["job", "gone"] },
                "data": { "type": "string", "contentMediaType": "application/json" },
            },
            "required": ["event", "data"],
        }),
        example: None,
        external_docs: None,
    };
    let media = MediaType { schema: Some(schema), ..MediaType::default() };
    let response = Documented {
        description: "The events.".to_owned(),
        content: [("text/event-stream".to_owned(), media)].into_iter().collect(),
        ..Documented::default()
    };
    let responses = operation.inner_mut().responses.get_or_insert_with(Default::default);
    responses.responses.insert(Code::Code(200), ReferenceOr::Item(response));
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
            assert_eq!(response.headers()[RETRY_AFTER], "2");
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
}
