//! Uploads in parts, by the tus protocol 1.0 (<https://tus.io/protocols/resumable-upload>): for files that a server in
//! front would refuse as one request, and for connections that break. Its clients exist for every language.
//!
//! The core protocol and the extensions `creation`, `expiration` and `termination`. A server library was not taken: the
//! ones there are keep files and state of their own, beside the tenant's limits, reserve and sweep of `Uploads`.

use aide::axum::ApiRouter;
use axum::Router;
use axum::extract::State as Shared;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{options, patch};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use social_channel::{Error, ErrorKind, NewUpload, PartialUpload};

use super::uploads::{Named, delete, problem};
use crate::State;
use crate::auth::Caller;
use crate::extract::{Path, Raw};
use crate::problem::Problem;

const VERSION: &str = "1.0.0";
const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const PART: &str = "application/offset+octet-stream";

pub(super) fn routes() -> ApiRouter<State> {
    Router::new()
        .route("/uploads/resumable", options(about).post(begin))
        .route("/uploads/resumable/{upload}", patch(append).head(show).options(about).delete(delete))
        .layer(middleware::from_fn(versioned))
        .into()
}

/// Both sides name the version that they speak.
async fn versioned(request: Request<axum::body::Body>, next: Next) -> Response {
    let theirs = request.headers().get(RESUMABLE);
    let known = request.method() == Method::OPTIONS || theirs.is_some_and(|it| it == VERSION);
    let mut response = match known {
        true => next.run(request).await,
        false => refused(
            "tus_version",
            "this is the address of the tus protocol, version 1.0.0",
            "use a tus client, or send the file as one request with POST /uploads",
        )
        .at(StatusCode::PRECONDITION_FAILED)
        .into_response(),
    };
    response.headers_mut().insert(RESUMABLE, HeaderValue::from_static(VERSION));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn about(Shared(state): Shared<State>) -> impl IntoResponse {
    let said = [
        ("tus-version", VERSION.to_owned()),
        ("tus-extension", "creation,expiration,termination".to_owned()),
        ("tus-max-size", state.config().max_upload.to_string()),
    ];
    (StatusCode::NO_CONTENT, said.map(|(name, value)| (HeaderName::from_static(name), value)))
}

async fn begin(
    Shared(state): Shared<State>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let limit = state.config().max_upload;
    let new = NewUpload {
        file_name: metadata(&headers, "filename"),
        content_type: metadata(&headers, "filetype"),
        size: Some(number(&headers, LENGTH)?),
        limit,
        tenant_limit: state.config().max_tenant_uploads,
    };
    let begun = caller.tenant(&state).begin_upload(new).await.map_err(|error| problem(error, limit))?;
    let location = format!("/api/v1/uploads/resumable/{}", begun.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], told(&begun)).into_response())
}

async fn show(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { upload }): Path<Named>,
) -> Result<Response, Problem> {
    let upload = caller.tenant(&state).partial_upload(&upload).await?;
    Ok((StatusCode::OK, told(&upload)).into_response())
}

async fn append(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { upload }): Path<Named>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    if headers.get(CONTENT_TYPE).is_none_or(|it| it != PART) {
        return Err(Problem::wrong_type(PART));
    }
    let offset = number(&headers, OFFSET)?;
    let bytes = body.into_data_stream().map(|chunk| chunk.map_err(std::io::Error::other));
    let upload = caller.tenant(&state).append_upload(&upload, offset, bytes).await.map_err(|error| {
        match error.code.as_deref() {
            Some("upload_offset") => Problem::from(error).at(StatusCode::CONFLICT),
            Some("upload_busy") => Problem::from(error).at(StatusCode::LOCKED),
            _ => problem(error, state.config().max_upload),
        }
    })?;
    Ok((StatusCode::NO_CONTENT, told(&upload)).into_response())
}

fn told(upload: &PartialUpload) -> [(HeaderName, String); 3] {
    let expires = time::OffsetDateTime::from_unix_timestamp(upload.expires_at).ok();
    let expires = expires.and_then(|at| at.format(&time::format_description::well_known::Rfc2822).ok());
    [
        (OFFSET, upload.received.to_string()),
        (LENGTH, upload.size.to_string()),
        (EXPIRES, expires.unwrap_or_default().replace("+0000", "GMT")),
    ]
}

fn refused(code: &str, message: impl Into<String>, remedy: &str) -> Problem {
    Error::new(ErrorKind::InvalidRequest, message).with_code(code).with_remedy(remedy).into()
}

fn number(headers: &HeaderMap, name: HeaderName) -> Result<u64, Problem> {
    let text = headers.get(&name).and_then(|value| value.to_str().ok());
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        refused(
            "tus_header",
            format!("the header {name} is missing, or is no number of bytes"),
            "use a tus client of version 1.0; uploads of unknown length are not taken",
        )
    })
}

/// `filename ZmlsZS5tcDQ=,filetype dmlkZW8vbXA0`: names, and values in Base64.
fn metadata(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get(METADATA)?.to_str().ok()?;
    let (_, value) =
        all.split(',').filter_map(|pair| pair.trim().split_once(' ')).find(|(it, _)| *it == name)?;
    String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok().filter(|value| !value.is_empty())
}
