//! What people see: pages rendered on the server, one file for each. They use the library as the API does and
//! decide nothing; what a provider says is shown as plain text.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `layout` | the frame around every page |
//! | `part` | what pages share: failures, findings, pictures, times |
//! | `asset` | style sheet and scripts |
//! | `problem` | a failure as a page |
//! | `sign_in` | the door |
//! | `home` | what to do next |
//! | `integration`, `app` | Settings: providers, and an app's keys |
//! | `guide` | Setup guide, checks, review kit |
//! | `provider`, `key` | Settings: components, API keys |
//! | `connect` | Channels, *Add channel*, and the way back from a platform |
//! | `channel`, `chart` | a channel's profile, numbers and posts |
//! | `publish`, `draft`, `rule` | the publish page |
//! | `job` | jobs |

mod app;
mod asset;
mod channel;
mod chart;
mod connect;
mod draft;
mod guide;
mod home;
mod integration;
mod job;
mod key;
mod layout;
mod ownership;
mod part;
mod problem;
mod provider;
mod publish;
mod sign_in;

use axum::Router;
use axum::middleware::from_fn;
use axum::response::Response;

use crate::State;
use crate::outside::Callback;
use crate::problem::Problem;

/// What handlers of pages return.
type Answer = Result<Response, Problem>;

/// All pages. The session cookie is laid around it by the caller; see `auth` for what handlers may ask for.
pub(crate) fn router() -> Router<State> {
    Router::new()
        .merge(home::routes())
        .merge(sign_in::routes())
        .merge(integration::routes())
        .merge(app::routes())
        .merge(guide::routes())
        .merge(provider::routes())
        .merge(key::routes())
        .merge(connect::routes())
        .merge(channel::routes())
        .merge(publish::routes())
        .merge(job::routes())
        .layer(from_fn(problem::as_page))
        .merge(asset::routes())
}

/// What a browser sees that comes back from a platform.
pub(crate) async fn callback(state: &State, callback: Callback) -> Response {
    connect::come_back(state, callback).await
}
