//! Media of open jobs, for platforms to fetch: with ranges, without redirects, and without a listing.

use axum::extract::State as Shared;
use axum::response::Response;
use http::{HeaderMap, Method};
use serde::Deserialize;

use super::file::site_file;
use crate::State;
use crate::extract::Path;
use crate::problem::Problem;
use crate::served;

#[derive(Deserialize)]
pub(super) struct Named {
    name: String,
}

pub(super) async fn serve(
    Shared(state): Shared<State>,
    Path(Named { name }): Path<Named>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Ownership files are below the same prefix.
    if let Some(file) = site_file(&state, &format!("media/{name}")).await {
        return Ok(file);
    }
    let media = state.host().served_media(&name).await?;
    Ok(served::answer(&media, &method, &headers)?)
}
