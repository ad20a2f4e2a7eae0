//! Uploads: media that the service stores until its jobs have ended.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State as Shared;
use axum::response::NoContent;
use futures::StreamExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use social_channel::{Error, ErrorKind, NewUpload, Upload};

use super::page::{Page, PageQuery};
use crate::State;
use crate::auth::Caller;
use crate::connection::is_too_slow;
use crate::extract::{Body, Path, Query, Raw};
use crate::problem::Problem;

#[derive(Deserialize, JsonSchema)]
pub(super) struct Named {
    /// The upload's id.
    pub(super) upload: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FileName {
    /// The name of the file.
    file_name: Option<String>,
}

/// What can be changed of an upload.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UploadChange {
    /// Whether it stays until `expires_at` also when its jobs have published.
    held: bool,
}

pub(super) fn routes() -> ApiRouter<State> {
    ApiRouter::new()
        .api_route(
            "/uploads",
            get_with(list, |op| op.id("list_uploads").tag("uploads").summary("Stored uploads")).post_with(create, |op| {
                op.id("upload")
                    .tag("uploads")
                    .summary("Bring media")
                    .description("The body is the file, `Content-Type` its type. A `media` item of a job gives the returned id in `upload`. It may be the media of several jobs. It is removed when its jobs have published, unless it is held, or after some days. Status 413 with the code `upload_room` means that the tenant's uploads have reached their size limit.")
                    .response::<201, Json<Upload>>()
            }),
        )
        .api_route(
            "/uploads/{upload}",
            get_with(show, |op| op.id("get_upload").tag("uploads").summary("One upload"))
                .patch_with(change, |op| {
                    op.id("hold_upload")
                        .tag("uploads")
                        .summary("Hold an upload for more jobs")
                        .description("An upload may be the media of several jobs, on several channels. Jobs that are stored while another one is open share it without this. For jobs that come later, hold it first, and let go of it after the last one.")
                })
                .delete_with(delete, |op| {
                    op.id("delete_upload").tag("uploads").summary("Remove an upload that no open job needs")
                }),
        )
}

async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Page<Upload>, Problem> {
    let (limit, cursor) = query.checked()?;
    let uploads = caller.tenant(&state).uploads_after(limit + 1, cursor.as_deref()).await?;
    Ok(Page::cut(uploads, "/api/v1/uploads", limit, &[], |upload| upload.id.clone()))
}

async fn show(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { upload }): Path<Named>,
) -> Result<Json<Upload>, Problem> {
    Ok(Json(caller.tenant(&state).upload(&upload).await?))
}

async fn change(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { upload }): Path<Named>,
    Body(UploadChange { held }): Body<UploadChange>,
) -> Result<Json<Upload>, Problem> {
    Ok(Json(caller.tenant(&state).hold_upload(&upload, held).await?))
}

async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    Query(FileName { file_name }): Query<FileName>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<(StatusCode, Json<Upload>), Problem> {
    let limit = state.config().max_upload;
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let announced = text(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Problem::too_large(limit));
    }
    // The generic content types that programs send by default carry no information.
    let content_type = text(CONTENT_TYPE)
        .filter(|it| !matches!(*it, "application/octet-stream" | "application/x-www-form-urlencoded"));
    let new = NewUpload {
        file_name,
        content_type: content_type.map(str::to_owned),
        size: announced,
        limit,
        tenant_limit: state.config().max_tenant_uploads,
    };
    let bytes = body.into_data_stream().map(|chunk| chunk.map_err(std::io::Error::other));
    let kept = caller.tenant(&state).keep_upload(new, bytes).await;
    Ok((StatusCode::CREATED, Json(kept.map_err(|error| problem(error, limit))?)))
}

/// Why an upload was refused.
pub(super) fn problem(error: Error, limit: u64) -> Problem {
    if error.source.as_deref().is_some_and(|cause| is_too_slow(cause)) {
        return Problem::too_slow();
    }
    match error.kind {
        ErrorKind::LimitExceeded => Problem::too_large(limit),
        // Not 429, because waiting alone frees no space.
        ErrorKind::QuotaExceeded => Problem::from(error).at(StatusCode::PAYLOAD_TOO_LARGE),
        _ => error.into(),
    }
}

pub(super) async fn delete(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { upload }): Path<Named>,
) -> Result<NoContent, Problem> {
    caller.tenant(&state).delete_upload(&upload).await?;
    Ok(NoContent)
}
