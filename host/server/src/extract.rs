//! Extractors for handlers, with failures as problem documents.

use std::time::Duration;

use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::{
    HeaderStyle, MediaType, Operation, Parameter, ParameterData, ParameterSchemaOrContent, ReferenceOr,
    RequestBody, Response as Documented, SchemaObject, StatusCode,
};
use aide::operation::add_parameters;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::State;
use crate::connection::is_too_slow;
use crate::problem::{BODY, Problem, documented};
use crate::{strict, wording};

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<State> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &State) -> Result<Self, Problem> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::wrong_type("application/json"));
        }
        let bytes = Raw(request.into_body()).all(state.config().max_body, state).await?;
        Ok(Body(strict::read(&bytes)?))
    }
}

impl<T: JsonSchema> OperationInput for Body<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        <axum::Json<T> as OperationInput>::operation_input(ctx, operation);
    }

    fn inferred_early_responses(
        ctx: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<StatusCode>, Documented)> {
        BODY.into_iter().map(|status| documented(ctx, status)).collect()
    }
}

/// The query.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<State> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|query| Query(query.0)).map_err(|rejection: QueryRejection| {
            wording::of_address("the query", &rejection.body_text()).into()
        })
    }
}

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        <axum::extract::Query<T> as OperationInput>::operation_input(ctx, operation);
    }
}

/// The parts of the path.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<State> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|path| Path(path.0)).map_err(|rejection: PathRejection| {
            wording::of_address("the path", &rejection.body_text()).into()
        })
    }
}

impl<T: JsonSchema> OperationInput for Path<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        <axum::extract::Path<T> as OperationInput>::operation_input(ctx, operation);
    }
}

/// A body of any bytes, as a stream; the handler limits its size.
pub(crate) struct Raw(pub(crate) axum::body::Body);

impl FromRequest<State> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &State) -> Result<Self, Problem> {
        Ok(Raw(request.into_body()))
    }
}

impl OperationInput for Raw {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let schema = SchemaObject {
            json_schema: schemars::json_schema!({ "type": "string", "format": "binary" }),
            example: None,
            external_docs: None,
        };
        let media = MediaType { schema: Some(schema), ..MediaType::default() };
        operation.request_body = Some(ReferenceOr::Item(RequestBody {
            description: Some("The bytes themselves.".to_owned()),
            content: [("application/octet-stream".to_owned(), media)].into_iter().collect(),
            required: true,
            extensions: Default::default(),
        }));
    }

    fn inferred_early_responses(
        ctx: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<StatusCode>, Documented)> {
        BODY.into_iter().map(|status| documented(ctx, status)).collect()
    }
}

impl Raw {
    /// All of it, if it is no more than so many bytes and comes as a whole within `idle_seconds`.
    pub(crate) async fn all(self, limit: usize, state: &State) -> Result<Vec<u8>, Problem> {
        let patience = Duration::from_secs(state.config().idle_seconds);
        tokio::time::timeout(patience, self.file(limit)).await.map_err(|_| Problem::too_slow())?
    }

    /// All of it, however long it takes: files come over slow lines. The connection bounds how slow.
    pub(crate) async fn file(self, limit: usize) -> Result<Vec<u8>, Problem> {
        use http_body_util::BodyExt as _;
        let mut limited = http_body_util::Limited::new(self.0, limit);
        // Into one piece from the start: a component has many megabytes.
        let mut whole = Vec::new();
        while let Some(frame) = limited.frame().await {
            match frame {
                Ok(frame) => whole.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                    return Err(Problem::too_large(limit as u64));
                }
                Err(error) if is_too_slow(&*error) => return Err(Problem::too_slow()),
                Err(_) => return Err(Problem::malformed("the body broke off")),
            }
        }
        Ok(whole)
    }
}

/// The header with which a repeated request returns the first request's job.
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

impl FromRequestParts<State> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, Problem> {
        let Some(key) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(IdempotencyKey(None)) };
        let key = key.to_str().map_err(|_| Problem::malformed("the header Idempotency-Key is not text"))?;
        Ok(IdempotencyKey(Some(key.to_owned())))
    }
}

impl OperationInput for IdempotencyKey {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let schema = SchemaObject {
            json_schema: schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": 255 }),
            example: None,
            external_docs: None,
        };
        let parameter = Parameter::Header {
            parameter_data: ParameterData {
                name: IDEMPOTENCY_KEY.to_owned(),
                description: Some("Repeating the same key and body returns the same job.".to_owned()),
                required: false,
                deprecated: None,
                format: ParameterSchemaOrContent::Schema(schema),
                example: None,
                examples: Default::default(),
                explode: None,
                extensions: Default::default(),
            },
            style: HeaderStyle::Simple,
        };
        add_parameters(ctx, operation, [parameter]);
    }
}
