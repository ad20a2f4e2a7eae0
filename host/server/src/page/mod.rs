//! What people see: pages rendered on the server.

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};

use crate::State;
use crate::outside::Callback;
use crate::problem::Problem;

/// All pages. The session cookie is laid around it by the caller; see `auth` for what handlers may ask for.
pub(crate) fn router() -> Router<State> {
    Router::new()
}

/// What a browser sees that comes back from a platform.
pub(crate) async fn callback(_state: &State, callback: Callback) -> Response {
    match callback.result {
        Ok(_) => Redirect::to("/").into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}
