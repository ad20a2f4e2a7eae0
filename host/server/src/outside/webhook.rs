//! Webhooks: anybody may call, so bounds come first, and the provider says what is genuine.

use axum::body::Body;
use axum::extract::{RawQuery, State as Shared};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use social_channel::{ErrorKind, WEBHOOK_BODY, Webhook};

use crate::State;
use crate::extract::{Path, Raw};
use crate::problem::Problem;

#[derive(Deserialize)]
pub(super) struct Named {
    app: String,
}

pub(super) async fn receive(
    Shared(state): Shared<State>,
    Path(Named { app }): Path<Named>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if method != Method::GET && method != Method::POST {
        return Err(Problem::no_method(Some("GET, POST")));
    }
    state.0.webhooks.take(&app).map_err(|wait| Problem::too_many("too many webhooks for this app", wait))?;
    let body = Raw(body).all(WEBHOOK_BODY).await?;
    let query = query.unwrap_or_default();
    let webhook = Webhook {
        method: method.to_string(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect(),
        body,
    };
    let answer = state.host().receive_webhook(&app, webhook).await.map_err(refused)?;
    let mut response = answer.body.into_response();
    let content_type = answer.content_type.and_then(|it| HeaderValue::try_from(it).ok());
    match content_type {
        Some(content_type) => response.headers_mut().insert(CONTENT_TYPE, content_type),
        None => response.headers_mut().remove(CONTENT_TYPE),
    };
    Ok(response)
}

/// What the platform did not send is refused for good; a failure of ours is 503, so that it comes again.
fn refused(error: social_channel::Error) -> Problem {
    let status = match error.kind {
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound | ErrorKind::Unsupported => StatusCode::NOT_FOUND,
        ErrorKind::InvalidRequest | ErrorKind::InvalidArgument => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::from(error).at(status)
}
