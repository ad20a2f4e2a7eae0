//! Files that a platform requests at this address, such as a proof of domain ownership.

use crate::site::Site;
use crate::{SITE_FILE, SiteFile};
use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State as Shared;
use axum::response::NoContent;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use schemars::JsonSchema;
use serde::Deserialize;

use super::page::{Page, PageQuery};
use crate::State;
use crate::auth::OperatorCaller;
use crate::extract::{Query, Raw};
use crate::problem::Problem;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// The path below the public address, without a leading slash.
    path: String,
}

pub(super) fn routes() -> ApiRouter<State> {
    ApiRouter::new().api_route(
        "/files",
        get_with(list, |op| op.id("list_files").tag("service").summary("Files served at this address"))
            .put_with(put, |op| {
                op.id("put_file")
                    .tag("service")
                    .summary("Add or replace a file")
                    .description("The body is the file, as the platform offered it for download.")
            })
            .delete_with(delete, |op| op.id("delete_file").tag("service").summary("Remove a file")),
    )
}

async fn list(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    Query(query): Query<PageQuery>,
) -> Result<Page<SiteFile>, Problem> {
    query.of(Site::of(state.host()).files().await?, "/api/v1/files", |file| file.path.clone())
}

async fn put(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    Query(Named { path }): Query<Named>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Json<SiteFile>, Problem> {
    let bytes = body.file(SITE_FILE).await?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type
        .filter(|it| !matches!(*it, "application/octet-stream" | "application/x-www-form-urlencoded"));
    Ok(Json(Site::of(state.host()).put(&path, content_type, bytes).await?))
}

async fn delete(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    Query(Named { path }): Query<Named>,
) -> Result<NoContent, Problem> {
    Site::of(state.host()).remove(&path).await?;
    Ok(NoContent)
}
