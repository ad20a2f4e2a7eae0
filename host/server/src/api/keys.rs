//! API keys. A tenant's key can list and create keys of its tenant; the operator's key, all.

use crate::access::Access;
use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::NoContent;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel::TenantId;

use crate::access::ApiKey;

use super::page::{Page, PageQuery};
use crate::State;
use crate::auth::Caller;
use crate::extract::{Body, Path, Query};
use crate::problem::Problem;

#[derive(Deserialize, JsonSchema)]
struct Named {
    /// The key's id.
    key: String,
}

/// A key to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// Its name.
    name: String,
    /// The only tenant it may act for. The operator may omit it: such a key may do everything.
    #[serde(default)]
    tenant: Option<String>,
}

/// A new key.
#[derive(Serialize, JsonSchema)]
struct MadeKey {
    /// The key as it is listed.
    #[serde(flatten)]
    key: ApiKey,
    /// The key itself. It is not shown again.
    text: String,
}

pub(super) fn routes() -> ApiRouter<State> {
    ApiRouter::new()
        .api_route(
            "/keys",
            get_with(list, |op| op.id("list_keys").tag("service").summary("API keys, newest first"))
                .post_with(create, |op| {
                    op.id("create_key")
                        .tag("service")
                        .summary("Create an API key")
                        .response::<201, Json<MadeKey>>()
                }),
        )
        .api_route(
            "/keys/{key}",
            delete_with(revoke, |op| op.id("revoke_key").tag("service").summary("Revoke an API key")),
        )
}

/// The tenant whose keys the caller may see.
fn scope(caller: &Caller) -> Option<&TenantId> {
    (!caller.operator).then_some(&caller.tenant)
}

async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Page<ApiKey>, Problem> {
    let keys = Access::of(state.host()).api_keys(scope(&caller)).await?;
    // Newest first.
    query.of(keys, "/api/v1/keys", |key| format!("{:019}-{}", i64::MAX - key.created_at, key.id))
}

async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    Body(new): Body<NewKey>,
) -> Result<(StatusCode, Json<MadeKey>), Problem> {
    let named = new.tenant.as_deref().map(str::parse::<TenantId>).transpose()?;
    let tenant = match (caller.operator, named) {
        (true, named) => named,
        (false, None) => Some(caller.tenant),
        (false, Some(named)) if named == caller.tenant => Some(named),
        (false, Some(_)) => {
            return Err(Problem::not_allowed(
                "a tenant's key can create keys for its own tenant only",
                "omit `tenant`, or use the operator's key",
            ));
        }
    };
    let made = Access::of(state.host()).create_api_key(&new.name, tenant.as_ref()).await?;
    let text = made.text.expose().to_owned();
    Ok((StatusCode::CREATED, Json(MadeKey { key: made.key, text })))
}

async fn revoke(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { key }): Path<Named>,
) -> Result<NoContent, Problem> {
    Access::of(state.host()).revoke_api_key(scope(&caller), &key).await?;
    Ok(NoContent)
}
