//! The callback to which platforms redirect browsers. Only the browser that began a consent can complete it;
//! a page shows the result.

use axum::Router;
use axum::extract::{RawQuery, State as Shared};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;
use social_channel::callback_query;

use crate::State;
use crate::auth::Browser;
use crate::extract::Path;
use crate::page;
use crate::problem::Problem;

#[derive(Deserialize)]
struct Named {
    app: String,
}

/// `/callback/{app}` and `/callback`, with or without a slash at the end: platforms register either.
pub(crate) fn router() -> Router<State> {
    Router::new()
        .route("/callback/{app}", get(come_back))
        .route("/callback/{app}/", get(come_back))
        .route("/callback", get(come_back_to_any))
        .route("/callback/", get(come_back_to_any))
}

/// A desktop registration has one path for all apps of a machine; the consent's state identifies the app.
async fn come_back_to_any(shared: Shared<State>, browser: Browser, query: RawQuery) -> Response {
    let apps = shared.0.host().apps_now().await.unwrap_or_default();
    let path = |uri: &str| uri.trim_end_matches('/').ends_with("/callback");
    let app = apps.into_iter().find(|app| app.redirect_uri.as_deref().is_some_and(path));
    let app = app.map(|app| app.id).unwrap_or_default();
    come_back(shared, browser, Path(Named { app }), query).await
}

async fn come_back(
    Shared(state): Shared<State>,
    browser: Browser,
    Path(Named { app }): Path<Named>,
    RawQuery(query): RawQuery,
) -> Response {
    let pairs = callback_query(&query.unwrap_or_default());
    // Who signed in meanwhile, if anybody did; the consent itself belongs to the browser.
    let browser = match browser.clone().operator(&state, None).await {
        Ok(operator) => operator.unwrap_or(browser),
        Err(error) => return Problem::from(error).into_response(),
    };
    let result = browser.tenant(&state).complete_connect(&browser.owner(), pairs).await;
    if let Err(error) = &result {
        tracing::info!(app, %error, "a consent was not completed");
    }
    page::callback(&state, &browser, &app, result).await
}
