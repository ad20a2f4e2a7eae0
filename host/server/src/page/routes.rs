//! The routes of all pages.

use axum::Router;
use axum::middleware::from_fn;

use super::{
    app, asset, channel, connect, crosspost, endpoint, guide, home, import, integration, job, jobs, key,
    person, picture, problem, provider, publish, sign_in, tenant, upload,
};
use crate::State;

/// All pages. The caller adds the layer of the session cookie; see `auth` for what handlers may ask for.
pub(crate) fn router() -> Router<State> {
    Router::new()
        .merge(home::routes())
        .merge(sign_in::routes())
        .merge(integration::routes())
        .merge(app::routes())
        .merge(guide::routes())
        .merge(provider::routes())
        .merge(key::routes())
        .merge(endpoint::routes())
        .merge(person::routes())
        .merge(connect::routes())
        .merge(import::routes())
        .merge(channel::routes())
        .merge(publish::routes())
        .merge(crosspost::routes())
        .merge(jobs::routes())
        .merge(job::routes())
        .merge(upload::routes())
        .merge(tenant::routes())
        .layer(from_fn(problem::as_page))
        .merge(picture::routes())
        .merge(asset::routes())
}
