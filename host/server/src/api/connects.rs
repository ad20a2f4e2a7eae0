//! Consents: an embedding platform begins them for its user and completes them with the callback's query.

use std::collections::BTreeMap;

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::Json;
use axum::extract::State as Shared;
use schemars::JsonSchema;
use serde::Deserialize;
use social_channel::{
    Channel, Connect, ConnectOptions, Connected, Import, ImportReport, SettingValue, callback_query,
};

use super::document::asks_provider;
use super::path::NamedApp;
use crate::State;
use crate::auth::Caller;
use crate::extract::{Body, Path};
use crate::problem::Problem;

/// How to begin a consent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConnectRequest {
    /// Who begins: a reference to your user's session, which must be given again to complete.
    owner: String,
    /// Used instead of the app's own callback URL.
    #[serde(default)]
    redirect_uri: Option<String>,
    /// Let the person pick another account even if the browser is signed in to one.
    #[serde(default)]
    choose_account: bool,
    /// Values by the names of the provider's connect inputs.
    #[serde(default)]
    inputs: BTreeMap<String, SettingValue>,
    /// The channel to connect again. Any other account is then refused. A channel of another app of the same provider
    /// moves to this app.
    #[serde(default)]
    reconnect: Option<String>,
}

/// The callback of a consent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CompleteRequest {
    /// The value given to begin.
    owner: String,
    /// The query of the callback URL.
    callback: Callback,
}

/// The query of the callback, in one of three forms.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Callback {
    /// The encoded query, or the whole URL.
    Text(String),
    /// Names and values, decoded.
    Pairs(Vec<(String, String)>),
    /// Names and values, decoded.
    Members(BTreeMap<String, String>),
}

impl Callback {
    fn pairs(self) -> Vec<(String, String)> {
        match self {
            Callback::Pairs(pairs) => pairs,
            Callback::Members(members) => members.into_iter().collect(),
            Callback::Text(text) => callback_query(&text),
        }
    }
}

/// The choice of an account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChooseRequest {
    /// The value given to begin.
    owner: String,
    /// The value returned with the candidates.
    choice: String,
    /// One of the candidates.
    account_id: String,
}

pub(super) fn routes() -> ApiRouter<State> {
    ApiRouter::new()
        .api_route(
            "/apps/{app}/connects",
            post_with(begin, |op| {
                asks_provider(op.id("begin_connect").tag("channels").summary("Begin a consent"))
                    .description("Returns where to send the person's browser.")
            }),
        )
        .api_route(
            "/apps/{app}/imports",
            post_with(import, |op| {
                asks_provider(op.id("import_channels").tag("channels").summary("Connect accounts without a browser"))
                    .description(
                        "For accounts of which another program holds what replaces a browser, such as refresh tokens. \
                         Answers when all rows are done. Give the same rows again after a broken request: those that are \
                         done are left alone. A few hundred rows in one request keep it short.",
                    )
            }),
        )
        .api_route(
            "/connects/complete",
            post_with(complete, |op| {
                asks_provider(op.id("complete_connect").tag("channels").summary("Complete a consent"))
            }),
        )
        .api_route(
            "/connects/choose",
            post_with(choose, |op| {
                asks_provider(op.id("choose_account").tag("channels").summary("Pick one of several accounts"))
            }),
        )
}

async fn begin(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedApp { app }): Path<NamedApp>,
    Body(request): Body<ConnectRequest>,
) -> Result<Json<Connect>, Problem> {
    let ConnectRequest { owner, redirect_uri, choose_account, inputs, reconnect } = request;
    let options = ConnectOptions { owner, redirect_uri, choose_account, inputs, reconnect };
    Ok(Json(caller.tenant(&state).begin_connect(&app, options).await?))
}

async fn import(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedApp { app }): Path<NamedApp>,
    Body(import): Body<Import>,
) -> Result<Json<ImportReport>, Problem> {
    Ok(Json(caller.tenant(&state).import_channels(&app, import, &|_| ()).await?))
}

async fn complete(
    Shared(state): Shared<State>,
    caller: Caller,
    Body(request): Body<CompleteRequest>,
) -> Result<Json<Connected>, Problem> {
    let callback = request.callback.pairs();
    Ok(Json(caller.tenant(&state).complete_connect(&request.owner, callback).await?))
}

async fn choose(
    Shared(state): Shared<State>,
    caller: Caller,
    Body(request): Body<ChooseRequest>,
) -> Result<Json<Channel>, Problem> {
    let ChooseRequest { owner, choice, account_id } = request;
    Ok(Json(caller.tenant(&state).choose_account(&owner, &choice, &account_id).await?))
}
