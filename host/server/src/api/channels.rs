//! Channels: reading them, and publishing on them.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State as Shared;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use social_channel::model::{Finding, ListQuery, Media, Post, PostPage, Profile, PublishForm, Stats};
use social_channel::{Channel, Disconnected, Job, PostSample, PublishRequest, StatsSample};

use super::document::asks_provider;
use super::page::{MOST, Page, limit};
use crate::State;
use crate::auth::Caller;
use crate::extract::{Body, IdempotencyKey, Path, Query};
use crate::problem::Problem;

#[derive(Deserialize, JsonSchema)]
struct Named {
    /// The channel's id.
    channel: String,
}

#[derive(Deserialize, JsonSchema)]
struct NamedPost {
    /// The channel's id.
    channel: String,
    /// The platform's id of the post.
    post: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListChannels {
    /// Only channels of this app.
    app: Option<String>,
    /// The maximum number.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// From the header `Link` of the page before.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListPosts {
    /// The maximum number; the provider lowers it to the platform's limit.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only these posts, with current statistics: ids separated by commas.
    ids: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Since {
    /// Seconds since 1970.
    since: Option<i64>,
    /// The maximum number.
    #[schemars(range(min = 1, max = 5000))]
    limit: Option<u32>,
    /// From the header `Link` of the page before.
    cursor: Option<i64>,
}

/// Samples of one page: more than are kept of a channel whose numbers are read each day.
const SAMPLES: u32 = 5_000;

impl Since {
    /// The limit, and the first instant.
    fn checked(self) -> Result<(u32, Option<i64>), Problem> {
        match self.limit.unwrap_or(SAMPLES) {
            limit @ 1..=SAMPLES => Ok((limit, self.cursor.or(self.since))),
            _ => Err(Problem::malformed(format!("`limit` is not 1 to {SAMPLES}"))),
        }
    }
}

/// Where the page after a sample begins.
fn after(at: i64) -> String {
    at.saturating_add(1).to_string()
}

/// A post to check.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CheckRequest {
    /// The post.
    post: Post,
    /// Its media.
    #[serde(default)]
    media: Vec<Media>,
    /// When it is to be published; seconds since 1970. Absent: now.
    #[serde(default)]
    publish_at: Option<i64>,
    /// When it is given up; seconds since 1970.
    #[serde(default)]
    deadline_at: Option<i64>,
}

pub(super) fn routes() -> ApiRouter<State> {
    ApiRouter::new()
        .api_route(
            "/channels",
            get_with(list, |op| op.id("list_channels").tag("channels").summary("All channels")),
        )
        .api_route(
            "/channels/{channel}",
            get_with(show, |op| op.id("get_channel").tag("channels").summary("One channel")).delete_with(
                disconnect,
                |op| {
                    asks_provider(op.id("disconnect").tag("channels").summary("Disconnect a channel").description(
                        "Cancels its jobs, tells the platform, and deletes the access. Jobs, consents and numbers are kept: the same account connected to the same app again is the same channel.",
                    ))
                        .description("Cancels its jobs, revokes the grant at the platform, and deletes it.")
                },
            ),
        )
        .api_route(
            "/channels/{channel}/profile",
            get_with(profile, |op| {
                asks_provider(op.id("get_profile").tag("channels").summary("The account's profile"))
            }),
        )
        .api_route(
            "/channels/{channel}/stats",
            get_with(stats, |op| {
                asks_provider(op.id("get_stats").tag("channels").summary("The account's statistics"))
            }),
        )
        .api_route(
            "/channels/{channel}/stats/history",
            get_with(history, |op| {
                op.id("get_stats_history").tag("channels").summary("The account's statistics over time, oldest first")
            }),
        )
        .api_route(
            "/channels/{channel}/posts",
            get_with(posts, |op| {
                asks_provider(op.id("list_posts").tag("channels").summary("The account's posts"))
                    .description("One page, newest first; or, with `ids`, only these. Posts that are deleted, private or of another account are left out.")
            }),
        )
        .api_route(
            "/channels/{channel}/posts/{post}/stats/history",
            get_with(post_history, |op| {
                op.id("get_post_stats_history")
                    .tag("channels")
                    .summary("A post's statistics over time, oldest first")
                    .description("By the platform's id of the post, which a job has in `post_id`. The twenty newest posts of a channel are read as often as its own statistics. Of equal numbers in a row the first and the last are kept. Other posts have an empty list.")
            }),
        )
        .api_route(
            "/channels/{channel}/publish-form",
            get_with(form, |op| {
                asks_provider(op.id("get_publish_form").tag("channels").summary("What the account may post now"))
            }),
        )
        .api_route(
            "/channels/{channel}/checks",
            post_with(check, |op| {
                asks_provider(op.id("check_post").tag("channels").summary("Check a post without posting it"))
            }),
        )
        .api_route(
            "/channels/{channel}/jobs",
            post_with(publish, |op| {
                asks_provider(op.id("publish").tag("jobs").summary("Publish a post"))
                    .description("The job is stored when this call returns. Repeating the same `Idempotency-Key` and body returns the same job.")
                    .response::<201, Json<Job>>()
            }),
        )
}

async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    Query(query): Query<ListChannels>,
) -> Result<Page<Channel>, Problem> {
    let limit = limit(query.limit)?;
    let tenant = caller.tenant(&state);
    let channels = tenant.channels_after(query.app.as_deref(), limit + 1, query.cursor.as_deref()).await?;
    let kept: Vec<(&str, String)> = query.app.into_iter().map(|app| ("app", app)).collect();
    Ok(Page::cut(channels, "/api/v1/channels", limit, &kept, |channel| channel.id.clone()))
}

async fn show(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { channel }): Path<Named>,
) -> Result<Json<Channel>, Problem> {
    Ok(Json(caller.tenant(&state).channel(&channel).await?))
}

async fn disconnect(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { channel }): Path<Named>,
) -> Result<Json<Disconnected>, Problem> {
    Ok(Json(caller.tenant(&state).disconnect(&channel).await?))
}

async fn profile(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { channel }): Path<Named>,
) -> Result<Json<Profile>, Problem> {
    Ok(Json(caller.tenant(&state).profile(&channel).await?))
}

async fn stats(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { channel }): Path<Named>,
) -> Result<Json<Stats>, Problem> {
    Ok(Json(caller.tenant(&state).stats(&channel).await?))
}

async fn history(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { channel }): Path<Named>,
    Query(query): Query<Since>,
) -> Result<Page<StatsSample>, Problem> {
    let (limit, since) = query.checked()?;
    let samples = caller.tenant(&state).stats_history(&channel, since).await?;
    Ok(Page::cut(samples, &format!("/api/v1/channels/{channel}/stats/history"), limit, &[], |one| {
        after(one.at)
    }))
}

async fn post_history(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedPost { channel, post }): Path<NamedPost>,
    Query(query): Query<Since>,
) -> Result<Page<PostSample>, Problem> {
    let (limit, since) = query.checked()?;
    let samples = caller.tenant(&state).post_stats_history(&channel, &post, since).await?;
    let path = format!("/api/v1/channels/{channel}/posts/{post}/stats/history");
    Ok(Page::cut(samples, &path, limit, &[], |one| after(one.at)))
}

async fn posts(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { channel }): Path<Named>,
    Query(query): Query<ListPosts>,
) -> Result<Json<PostPage>, Problem> {
    let tenant = caller.tenant(&state);
    let limit = limit(query.limit)?;
    if let Some(ids) = query.ids {
        let ids: Vec<String> = ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
        if ids.is_empty() || ids.len() > MOST as usize {
            return Err(Problem::malformed(format!("`ids` names not 1 to {MOST} posts")));
        }
        let posts = tenant.get_posts(&channel, &ids).await?;
        return Ok(Json(PostPage { posts, next_cursor: None }));
    }
    let query = ListQuery { limit, cursor: query.cursor };
    Ok(Json(tenant.list_posts(&channel, &query).await?))
}

async fn form(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { channel }): Path<Named>,
) -> Result<Json<PublishForm>, Problem> {
    Ok(Json(caller.tenant(&state).publish_form(&channel).await?))
}

async fn check(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { channel }): Path<Named>,
    Body(request): Body<CheckRequest>,
) -> Result<Json<Vec<Finding>>, Problem> {
    refuse_paths(&request.media)?;
    let CheckRequest { post, media, publish_at, deadline_at } = request;
    let request = PublishRequest { publish_at, deadline_at, ..PublishRequest::new(post, media) };
    Ok(Json(caller.tenant(&state).check_publish(&channel, &request).await?))
}

async fn publish(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(Named { channel }): Path<Named>,
    IdempotencyKey(key): IdempotencyKey,
    Body(mut request): Body<PublishRequest>,
) -> Result<(StatusCode, Json<Job>), Problem> {
    refuse_paths(&request.media)?;
    if let Some(key) = key {
        if request.idempotency_key.as_ref().is_some_and(|own| *own != key) {
            return Err(Problem::malformed("the header Idempotency-Key and the body name different keys"));
        }
        request.idempotency_key = Some(key);
    }
    let job = caller.tenant(&state).publish(&channel, request).await?;
    Ok((StatusCode::CREATED, Json(job)))
}

/// Paths on this machine are not allowed over HTTP.
fn refuse_paths(media: &[Media]) -> Result<(), Problem> {
    if media.iter().any(|media| matches!(media.source, social_channel::model::MediaSource::File(_))) {
        return Err(social_channel::Error::new(
            social_channel::ErrorKind::InvalidRequest,
            "media cannot be given as a path over HTTP",
        )
        .with_field("media")
        .with_remedy("upload it with POST /uploads and give its id in `upload`, or give a `url`")
        .into());
    }
    Ok(())
}
