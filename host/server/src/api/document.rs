//! Shared parts of the OpenAPI description.

use aide::openapi::{MediaType, ReferenceOr, Response, SchemaObject, StatusCode};
use aide::transform::TransformOperation;

use crate::problem::{PROVIDER, document};

/// Documents the responses of a call that uses a provider.
pub(super) fn asks_provider(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let mut operation = operation;
    for status in PROVIDER {
        operation = document(operation, status);
    }
    operation
}

/// Documents a response of server-sent events.
pub(super) fn event_stream(operation: TransformOperation<'_>) -> TransformOperation<'_> {
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
    let response = Response {
        description: "The events.".to_owned(),
        content: [("text/event-stream".to_owned(), media)].into_iter().collect(),
        ..Response::default()
    };
    let responses = operation.inner_mut().responses.get_or_insert_with(Default::default);
    responses.responses.insert(StatusCode::Code(200), ReferenceOr::Item(response));
    operation
}
