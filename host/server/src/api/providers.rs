//! Providers.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::NoContent;
use schemars::JsonSchema;
use serde::Deserialize;
use social_channel::{Error, ErrorKind, Loaded, ProviderInfo, ProviderSource, UpgradeReport};

use super::document::asks_provider;
use super::page::{Page, PageQuery};
use crate::State;
use crate::auth::{Caller, OperatorCaller};
use crate::extract::{Body, Path, Query, Raw};
use crate::problem::Problem;

/// Components of other languages reach 35 MB.
const COMPONENT: usize = 64 << 20;

#[derive(Deserialize, JsonSchema)]
struct Named {
    /// The provider's id, for example `tiktok`.
    id: String,
}

pub(super) fn routes() -> ApiRouter<State> {
    ApiRouter::new()
        .api_route(
            "/providers",
            get_with(list, |op| op.id("list_providers").tag("providers").summary("All providers").description("One that is still being loaded has an `error` with the code `loading`, and only its name and version.")).post_with(
                load,
                |op| {
                    asks_provider(op.id("load_provider").tag("providers").summary("Install a provider"))
                        .description("The body is the component. New apps run it, and existing apps too, unless it requests origins that they were not granted.")
                },
            ),
        )
        .api_route(
            "/providers/inspect",
            post_with(inspect, |op| {
                asks_provider(op.id("inspect_provider").tag("providers").summary("Inspect a component"))
                    .description("The body is the component. Nothing is installed.")
            }),
        )
        .api_route(
            "/providers/add",
            post_with(add, |op| {
                asks_provider(op.id("add_provider").tag("providers").summary("Install a provider from a registry or an address"))
                    .description("`reference` is needed. Where it came from and who signed it are kept; nothing asks there again before you do.")
            }),
        )
        .api_route(
            "/providers/{id}/check",
            post_with(check, |op| {
                asks_provider(op.id("check_provider").tag("providers").summary("What an update would change"))
                    .description("Looks where the provider came from, or at `reference`. Nothing is installed.")
            }),
        )
        .api_route(
            "/providers/{id}/update",
            post_with(update, |op| {
                asks_provider(op.id("update_provider").tag("providers").summary("Install the update"))
                    .description("What it replaces is kept for the way back. Another signer needs `accept_signer`.")
            }),
        )
        .api_route(
            "/providers/{id}/rollback",
            post_with(roll_back, |op| {
                asks_provider(op.id("roll_back_provider").tag("providers").summary("Install again what was replaced last"))
                    .description("From the database; no registry is asked. A second time undoes the first.")
            }),
        )
        .api_route(
            "/providers/{id}",
            get_with(show, |op| op.id("get_provider").tag("providers").summary("One provider")).delete_with(
                unload,
                |op| op.id("unload_provider").tag("providers").summary("Delete a provider that no app needs"),
            ),
        )
}

async fn list(
    Shared(state): Shared<State>,
    _: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Page<ProviderInfo>, Problem> {
    let key = |one: &ProviderInfo| format!("{} {}", one.descriptor.id, one.digest);
    query.of(state.host().providers_now().await?, "/api/v1/providers", key)
}

async fn show(
    Shared(state): Shared<State>,
    _: Caller,
    Path(Named { id }): Path<Named>,
) -> Result<Json<ProviderInfo>, Problem> {
    let mut found = state.host().providers_now().await?.into_iter();
    let found = found.find(|provider| provider.installed && provider.descriptor.id == id);
    let missing = || Error::new(ErrorKind::NotFound, format!("no provider {id} is installed"));
    Ok(Json(found.ok_or_else(missing)?.loaded()?))
}

async fn load(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    component: Raw,
) -> Result<Json<Loaded>, Problem> {
    Ok(Json(state.host().load_provider(&component.file(COMPONENT).await?).await?))
}

async fn inspect(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    component: Raw,
) -> Result<Json<ProviderInfo>, Problem> {
    Ok(Json(state.host().inspect_provider(&component.file(COMPONENT).await?).await?))
}

async fn unload(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    Path(Named { id }): Path<Named>,
) -> Result<NoContent, Problem> {
    state.host().unload_provider(&id).await?;
    Ok(NoContent)
}

async fn add(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    Body(source): Body<ProviderSource>,
) -> Result<Json<Loaded>, Problem> {
    Ok(Json(state.host().add_provider(source.reference()?, &source.options()).await?))
}

async fn check(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    Path(Named { id }): Path<Named>,
    Body(source): Body<ProviderSource>,
) -> Result<Json<UpgradeReport>, Problem> {
    Ok(Json(state.host().check_provider(&id, source.reference.as_deref(), &source.options()).await?))
}

async fn update(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    Path(Named { id }): Path<Named>,
    Body(source): Body<ProviderSource>,
) -> Result<Json<Loaded>, Problem> {
    Ok(Json(state.host().update_provider(&id, source.reference.as_deref(), &source.options()).await?))
}

async fn roll_back(
    Shared(state): Shared<State>,
    _: OperatorCaller,
    Path(Named { id }): Path<Named>,
) -> Result<Json<Loaded>, Problem> {
    Ok(Json(state.host().roll_back_provider(&id).await?))
}
