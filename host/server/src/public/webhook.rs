//! Webhooks: anyone may send requests, so limits are checked first, and the provider verifies them.

use axum::body::Body;
use axum::extract::{RawQuery, State as Shared};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use social_channel::{ErrorKind, WEBHOOK_BODY, Webhook};

use crate::State;
use crate::extract::{Path, Raw};
use crate::problem::Problem;
use crate::served::FOREIGN_POLICY;

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
    // An app that was made up costs a look at the database and counts for nobody.
    if !state.host().has_app(&app).await? {
        return Err(Problem::no_route("this webhook address"));
    }
    state.0.webhooks.take(&app).map_err(|wait| Problem::too_many("too many webhooks for this app", wait))?;
    let body = Raw(body).all(WEBHOOK_BODY, &state).await?;
    let query = query.unwrap_or_default();
    let webhook = Webhook {
        method: method.to_string(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        raw_query: Some(query),
        headers: headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect(),
        body,
    };
    let answer = state.host().receive_webhook(&app, webhook).await.map_err(refused)?;
    let mut response = answer.body.into_response();
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    match answer.content_type.and_then(|it| HeaderValue::try_from(it).ok()) {
        Some(content_type) => headers.insert(CONTENT_TYPE, content_type),
        None => headers.remove(CONTENT_TYPE),
    };
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(FOREIGN_POLICY));
    Ok(response)
}

/// A request that the platform did not send is refused permanently; a failure of the host returns 503, so that the
/// platform sends it again.
fn refused(error: social_channel::Error) -> Problem {
    let status = match error.kind {
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound | ErrorKind::Unsupported => StatusCode::NOT_FOUND,
        ErrorKind::InvalidRequest | ErrorKind::InvalidArgument => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::from(error).at(status)
}
