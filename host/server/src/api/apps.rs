//! Apps. A tenant sees the apps that serve it; for apps of all tenants it does not see the values of settings.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State as Shared;
use axum::response::NoContent;
use social_channel::model::{Finding, GuideStep};
use social_channel::{App, AppConfig, Error, ErrorKind};

use super::document::asks_provider;
use super::page::{Page, PageQuery};
use super::path::NamedApp;
use crate::State;
use crate::auth::{Caller, OperatorCaller};
use crate::extract::{Body, Path, Query};
use crate::problem::Problem;

pub(super) fn routes() -> ApiRouter<State> {
    ApiRouter::new()
        .api_route("/apps", get_with(list, |op| op.id("list_apps").tag("apps").summary("All apps")))
        .api_route(
            "/apps/{app}",
            get_with(show, |op| op.id("get_app").tag("apps").summary("One app"))
                .put_with(put, |op| {
                    op.id("put_app").tag("apps").summary("Create or change an app").description(
                        "Changing an existing app changes only the members that are given. Secrets are never shown again.",
                    )
                })
                .delete_with(delete, |op| {
                    op.id("delete_app").tag("apps").summary("Delete an app that has no channels")
                }),
        )
        .api_route(
            "/apps/{app}/checks",
            get_with(checks, |op| {
                asks_provider(op.id("check_app").tag("apps").summary("Check an app's settings"))
                    .description("Runs all checks that need no person. Calls the platform.")
            }),
        )
        .api_route(
            "/apps/{app}/guide",
            get_with(guide, |op| {
                asks_provider(op.id("get_guide").tag("apps").summary("A guide through the platform's portal"))
            }),
        )
}

/// The app, as the caller may see it.
pub(super) async fn visible(state: &State, caller: &Caller, app: &str) -> Result<App, Problem> {
    let found = state.host().app(app).await?;
    seen_by(caller, found)
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no app {app}")).into())
}

fn seen_by(caller: &Caller, mut app: App) -> Option<App> {
    if caller.operator {
        return Some(app);
    }
    match app.tenant.as_deref() {
        Some(tenant) if tenant == caller.tenant.as_str() => Some(app),
        Some(_) => None,
        None => {
            app.settings.iter_mut().for_each(|shown| shown.value = None);
            Some(app)
        }
    }
}

async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Page<App>, Problem> {
    let apps = state.host().apps_now().await?;
    let seen = apps.into_iter().filter_map(|app| seen_by(&caller, app)).collect();
    query.of(seen, "/api/v1/apps", |app| app.id.clone())
}

async fn show(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedApp { app }): Path<NamedApp>,
) -> Result<Json<App>, Problem> {
    Ok(Json(visible(&state, &caller, &app).await?))
}

async fn put(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    Path(NamedApp { app }): Path<NamedApp>,
    Body(config): Body<AppConfig>,
) -> Result<Json<App>, Problem> {
    Ok(Json(state.host().put_app(&app, config).await?))
}

async fn delete(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    Path(NamedApp { app }): Path<NamedApp>,
) -> Result<NoContent, Problem> {
    state.host().delete_app(&app).await?;
    Ok(NoContent)
}

async fn checks(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    Path(NamedApp { app }): Path<NamedApp>,
) -> Result<Json<Vec<Finding>>, Problem> {
    Ok(Json(crate::site::Site::of(state.host()).check_settings(&app).await?))
}

async fn guide(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    Path(NamedApp { app }): Path<NamedApp>,
) -> Result<Json<Vec<GuideStep>>, Problem> {
    Ok(Json(state.host().guide(&app).await?))
}
