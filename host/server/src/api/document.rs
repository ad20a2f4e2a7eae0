//! Shared parts of the OpenAPI description, and of streams.

use std::convert::Infallible;
use std::time::Duration;

use aide::openapi::{MediaType, ReferenceOr, Response, SchemaObject, StatusCode};
use aide::transform::TransformOperation;

use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use http::HeaderValue;

use crate::problem::{PROVIDER, document};

/// Proxies close connections that are idle for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Documents the responses of a call that uses a provider.
pub(super) fn asks_provider(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let mut operation = operation;
    for status in PROVIDER {
        operation = document(operation, status);
    }
    operation
}

/// Documents a response of server-sent events.
pub(super) fn event_stream<'t>(operation: TransformOperation<'t>, names: &[&str]) -> TransformOperation<'t> {
    let mut operation = operation;
    let schema = SchemaObject {
        json_schema: schemars::json_schema!({
            "type": "object",
            "description": "One event.",
            "properties": {
                "event": { "type": "string", "enum": names },
                "data": { "type": "string", "contentMediaType": "application/json" },
            },
            "required": ["event", "data"],
        }),
        example: None,
        external_docs: None,
    };
    let media = MediaType { schema: Some(schema), ..MediaType::default() };
    let response = Response {
        description: "The events.".to_owned(),
        content: [("text/event-stream".to_owned(), media)].into_iter().collect(),
        ..Response::default()
    };
    let responses = operation.inner_mut().responses.get_or_insert_with(Default::default);
    responses.responses.insert(StatusCode::Code(200), ReferenceOr::Item(response));
    operation
}

/// A streaming response.
pub(super) struct EventStream(axum::response::Response);

impl EventStream {
    /// Of these events.
    pub(super) fn of(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Self {
        EventStream(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
    }
}

impl IntoResponse for EventStream {
    fn into_response(self) -> axum::response::Response {
        let mut response = self.0;
        // nginx then hands events on as they come, without a directive.
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }
}

impl aide::OperationOutput for EventStream {
    type Inner = Self;
}
