//! Addresses that get a tenant's events by Standard Webhooks, and what was sent to them.

use std::time::Duration;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::NoContent;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel::{
    Delivery, DeliveryAttempt, Endpoint, EndpointChanges, EndpointWithSecret, NewEndpoint, SettingValue,
};

use super::page::{Page, PageQuery, limit};
use crate::State;
use crate::auth::Caller;
use crate::extract::{Body, Path, Query};
use crate::problem::Problem;

#[derive(Deserialize, JsonSchema)]
struct NamedEndpoint {
    /// The address's id.
    endpoint: String,
}

#[derive(Deserialize, JsonSchema)]
struct NamedDelivery {
    /// The address's id.
    endpoint: String,
    /// The event's number.
    number: u64,
}

/// An address, and the secret that it was given.
#[derive(Serialize, JsonSchema)]
struct MadeEndpoint {
    /// The address as it is listed.
    #[serde(flatten)]
    endpoint: Endpoint,
    /// The secret, for the receiver. It is not shown again.
    secret: String,
}

/// Another secret of an address.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct NewSecret {
    /// `whsec_` and the base64 of 24 to 64 bytes; absent: a new one is made.
    secret: Option<SettingValue>,
    /// How long the ones before sign beside it; a day by default.
    #[schemars(range(min = 0, max = 2_592_000))]
    overlap_seconds: Option<u64>,
}

/// Which event to send again.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SendAgain {
    /// The event's id.
    event: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListDeliveries {
    /// The maximum number.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// From the header `Link` of the page before, or an event's number: only events before it.
    cursor: Option<u64>,
}

/// A month: longer is no overlap any more.
const LONGEST_OVERLAP: u64 = 30 * 24 * 3600;

pub(super) fn routes() -> ApiRouter<State> {
    ApiRouter::new()
        .api_route(
            "/endpoints",
            get_with(list, |op| {
                op.id("list_endpoints").tag("events").summary("Addresses that get the tenant's events")
            })
            .post_with(create, |op| {
                op.id("create_endpoint")
                    .tag("events")
                    .summary("Add an address that gets the tenant's events from now on")
                    .description(
                        "Each event is sent as JSON by the rules of Standard Webhooks: `webhook-id` is the event's id, and \
                         the same for every attempt; `webhook-signature` is verified with the secret.",
                    )
                    .response::<201, Json<MadeEndpoint>>()
            }),
        )
        .api_route(
            "/endpoints/{endpoint}",
            get_with(show, |op| op.id("get_endpoint").tag("events").summary("One address"))
                .patch_with(change, |op| {
                    op.id("change_endpoint")
                        .tag("events")
                        .summary("Change an address, disable it, or enable it")
                        .description("Once it is enabled it gets what it missed, as long as that is kept.")
                })
                .delete_with(remove, |op| {
                    op.id("delete_endpoint").tag("events").summary("Remove an address and its log")
                }),
        )
        .api_route(
            "/endpoints/{endpoint}/secret",
            post_with(rotate, |op| {
                op.id("rotate_endpoint_secret")
                    .tag("events")
                    .summary("Give an address another secret")
                    .description("The ones before sign beside it for a time, so that the receiver can change meanwhile.")
            }),
        )
        .api_route(
            "/endpoints/{endpoint}/deliveries",
            get_with(deliveries, |op| {
                op.id("list_deliveries")
                    .tag("events")
                    .summary("What was sent to an address and what waits, newest events first")
            }),
        )
        .api_route(
            "/endpoints/{endpoint}/deliveries/{number}/attempts",
            get_with(attempts, |op| {
                op.id("list_delivery_attempts")
                    .tag("events")
                    .summary("The last attempts to send an event, oldest first")
            }),
        )
        .api_route(
            "/endpoints/{endpoint}/send",
            post_with(send, |op| {
                op.id("send_event_again")
                    .tag("events")
                    .summary("Send an event to an address again")
                    .description("Whatever became of it; the receiver gets the same id.")
            }),
        )
}

fn made(made: &EndpointWithSecret) -> Json<MadeEndpoint> {
    Json(MadeEndpoint { endpoint: made.endpoint.clone(), secret: made.secret.expose().to_owned() })
}

async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Page<Endpoint>, Problem> {
    let endpoints = caller.tenant(&state).endpoints().await?;
    query.of(endpoints, "/api/v1/endpoints", |endpoint| endpoint.id.clone())
}

async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    Body(new): Body<NewEndpoint>,
) -> Result<(StatusCode, Json<MadeEndpoint>), Problem> {
    Ok((StatusCode::CREATED, made(&caller.tenant(&state).add_endpoint(new).await?)))
}

async fn show(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedEndpoint { endpoint }): Path<NamedEndpoint>,
) -> Result<Json<Endpoint>, Problem> {
    Ok(Json(caller.tenant(&state).endpoint(&endpoint).await?))
}

async fn change(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedEndpoint { endpoint }): Path<NamedEndpoint>,
    Body(changes): Body<EndpointChanges>,
) -> Result<Json<Endpoint>, Problem> {
    Ok(Json(caller.tenant(&state).change_endpoint(&endpoint, changes).await?))
}

async fn remove(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedEndpoint { endpoint }): Path<NamedEndpoint>,
) -> Result<NoContent, Problem> {
    caller.tenant(&state).delete_endpoint(&endpoint).await?;
    Ok(NoContent)
}

async fn rotate(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedEndpoint { endpoint }): Path<NamedEndpoint>,
    Body(new): Body<NewSecret>,
) -> Result<Json<MadeEndpoint>, Problem> {
    if new.overlap_seconds.is_some_and(|seconds| seconds > LONGEST_OVERLAP) {
        return Err(Problem::malformed(format!("`overlap_seconds` is more than {LONGEST_OVERLAP}")));
    }
    let overlap = new.overlap_seconds.map(Duration::from_secs);
    Ok(made(&caller.tenant(&state).rotate_endpoint(&endpoint, new.secret, overlap).await?))
}

async fn deliveries(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedEndpoint { endpoint }): Path<NamedEndpoint>,
    Query(query): Query<ListDeliveries>,
) -> Result<Page<Delivery>, Problem> {
    let limit = limit(query.limit)?;
    // The library's pages have as many at most.
    let limit = limit.min(super::page::MOST - 1);
    let found = caller.tenant(&state).deliveries(&endpoint, query.cursor, limit + 1).await?;
    let path = format!("/api/v1/endpoints/{endpoint}/deliveries");
    Ok(Page::cut(found, &path, limit, &[], |delivery| delivery.number.to_string()))
}

async fn attempts(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedDelivery { endpoint, number }): Path<NamedDelivery>,
) -> Result<Json<Vec<DeliveryAttempt>>, Problem> {
    Ok(Json(caller.tenant(&state).delivery_attempts(&endpoint, number).await?))
}

async fn send(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedEndpoint { endpoint }): Path<NamedEndpoint>,
    Body(again): Body<SendAgain>,
) -> Result<NoContent, Problem> {
    caller.tenant(&state).send_event_again(&endpoint, &again.event).await?;
    Ok(NoContent)
}
