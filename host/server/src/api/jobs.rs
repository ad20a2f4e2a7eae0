//! Jobs.

use std::time::Duration;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State as Shared;
use schemars::JsonSchema;
use serde::Deserialize;
use social_channel::{HistoryRow, Job, JobChange, JobStatus, Resolution};

use super::document::asks_provider;
use super::job_events;
use super::page::{Page, PageQuery, limit};
use super::path::NamedJob;
use crate::State;
use crate::auth::Caller;
use crate::extract::{Body, Path, Query};
use crate::problem::Problem;

/// Proxies between the service and the caller time out after a minute.
const LONGEST_WAIT: u64 = 55;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListJobs {
    /// Only jobs of this channel.
    channel: Option<String>,
    /// Only jobs with this status.
    status: Option<JobStatus>,
    /// The maximum number.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// From the header `Link` of the page before.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wait {
    /// The maximum time to wait, in seconds.
    #[schemars(range(min = 0, max = 55))]
    seconds: Option<u64>,
}

/// How to retry a job.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct RetryRequest {
    /// After `unknown`: a person has checked the platform and found nothing.
    looked: bool,
}

pub(super) fn routes() -> ApiRouter<State> {
    ApiRouter::new()
        .api_route("/jobs", get_with(list, |op| op.id("list_jobs").tag("jobs").summary("Jobs, newest first")))
        .api_route(
            "/jobs/{job}",
            get_with(show, |op| op.id("get_job").tag("jobs").summary("One job")).patch_with(change, |op| {
                op.id("change_job")
                    .tag("jobs")
                    .summary("Change a job of which nothing can have been posted yet")
            }),
        )
        .api_route(
            "/jobs/{job}/history",
            get_with(history, |op| op.id("get_job_history").tag("jobs").summary("Every attempt of a job")),
        )
        .api_route(
            "/jobs/{job}/wait",
            get_with(wait, |op| {
                op.id("wait_for_job")
                    .tag("jobs")
                    .summary("Wait until a job ends or pauses")
                    .description("Returns the job when it ends or pauses, or when the time is up.")
            }),
        )
        .api_route("/jobs/{job}/events", get_with(job_events::stream, job_events::document))
        .api_route(
            "/jobs/{job}/cancel",
            post_with(cancel, |op| {
                asks_provider(op.id("cancel_job").tag("jobs").summary("Request the cancellation of a job"))
                    .description("What was already sent may still be posted; the job's final status says so.")
            }),
        )
        .api_route(
            "/jobs/{job}/resume",
            post_with(resume, |op| {
                op.id("resume_job").tag("jobs").summary("Continue a job that waits or is paused")
            }),
        )
        .api_route(
            "/jobs/{job}/resolve",
            post_with(resolve, |op| {
                op.id("resolve_job")
                    .tag("jobs")
                    .summary("Record what a person found after a job ended `unknown`")
            }),
        )
        .api_route(
            "/jobs/{job}/retry",
            post_with(retry, |op| {
                asks_provider(
                    op.id("retry_job").tag("jobs").summary("A new job for what an ended one did not publish"),
                )
            }),
        )
}

async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    Query(query): Query<ListJobs>,
) -> Result<Page<Job>, Problem> {
    let limit = limit(query.limit)?;
    let tenant = caller.tenant(&state);
    let jobs = tenant
        .jobs_before(query.channel.as_deref(), query.status, limit + 1, query.cursor.as_deref())
        .await?;
    let mut kept: Vec<(&str, String)> =
        query.channel.into_iter().map(|channel| ("channel", channel)).collect();
    let status = query.status.and_then(|status| serde_json::to_value(status).ok());
    kept.extend(status.and_then(|status| status.as_str().map(|status| ("status", status.to_owned()))));
    Ok(Page::cut(jobs, "/api/v1/jobs", limit, &kept, |job| job.id.clone()))
}

async fn show(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedJob { job }): Path<NamedJob>,
) -> Result<Json<Job>, Problem> {
    Ok(Json(caller.tenant(&state).job(&job).await?))
}

async fn history(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedJob { job }): Path<NamedJob>,
    Query(query): Query<PageQuery>,
) -> Result<Page<HistoryRow>, Problem> {
    let (limit, cursor) = query.checked()?;
    let skip: u32 = match cursor.as_deref().map(str::parse) {
        None => 0,
        Some(Ok(skip)) => skip,
        Some(Err(_)) => return Err(Problem::malformed("`cursor` is not from the header `Link` of a page")),
    };
    let rows = caller.tenant(&state).job_history_after(&job, skip, limit + 1).await?;
    let next = skip.saturating_add(limit).to_string();
    Ok(Page::cut(rows, &format!("/api/v1/jobs/{job}/history"), limit, &[], |_| next.clone()))
}

async fn wait(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedJob { job }): Path<NamedJob>,
    Query(Wait { seconds }): Query<Wait>,
) -> Result<Json<Job>, Problem> {
    let seconds = seconds.unwrap_or(LONGEST_WAIT);
    if seconds > LONGEST_WAIT {
        return Err(Problem::malformed(format!("`seconds` is more than {LONGEST_WAIT}")));
    }
    let tenant = caller.tenant(&state);
    tokio::select! {
        job = tenant.wait_for_job(&job, Duration::from_secs(seconds)) => Ok(Json(job?)),
        () = state.0.stop.cancelled() => Ok(Json(tenant.job(&job).await?)),
    }
}

async fn cancel(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedJob { job }): Path<NamedJob>,
) -> Result<Json<Job>, Problem> {
    Ok(Json(caller.tenant(&state).cancel_job(&job).await?))
}

async fn resume(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedJob { job }): Path<NamedJob>,
) -> Result<Json<Job>, Problem> {
    Ok(Json(caller.tenant(&state).resume_job(&job).await?))
}

async fn change(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedJob { job }): Path<NamedJob>,
    Body(change): Body<JobChange>,
) -> Result<Json<Job>, Problem> {
    Ok(Json(caller.tenant(&state).change_job(&job, change).await?))
}

async fn resolve(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedJob { job }): Path<NamedJob>,
    Body(found): Body<Resolution>,
) -> Result<Json<Job>, Problem> {
    Ok(Json(caller.tenant(&state).resolve_job(&job, found).await?))
}

async fn retry(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedJob { job }): Path<NamedJob>,
    Body(request): Body<RetryRequest>,
) -> Result<Json<Job>, Problem> {
    Ok(Json(caller.tenant(&state).retry_job(&job, request.looked).await?))
}
