//! Files that the operator added, for platforms to find.

use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Method, Uri};

use crate::State;
use crate::problem::Problem;
use crate::served::FOREIGN_POLICY;
use crate::site::{Site, served_type};

/// Paths without a route: a file that the operator added, or not found.
pub(crate) async fn fallback(Shared(state): Shared<State>, method: Method, uri: Uri) -> Response {
    if (method == Method::GET || method == Method::HEAD)
        && let Some(file) = site_file(&state, uri.path()).await
    {
        return file;
    }
    Problem::no_route(uri.path()).into_response()
}

/// A file that the operator added, if there is one.
pub(super) async fn site_file(state: &State, path: &str) -> Option<Response> {
    let (file, bytes) = Site::of(state.host()).file(path.trim_start_matches('/')).await.ok()?;
    let content_type = HeaderValue::try_from(served_type(&file.content_type)).ok()?;
    let headers =
        [(CONTENT_TYPE, content_type), (CONTENT_SECURITY_POLICY, HeaderValue::from_static(FOREIGN_POLICY))];
    Some((headers, bytes).into_response())
}
