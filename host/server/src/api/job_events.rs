//! A job as a stream of server-sent events: its state at once, then every change, until it has ended.

use std::convert::Infallible;

use aide::transform::TransformOperation;
use axum::extract::State as Shared;
use axum::response::sse::Event;
use futures::Stream;
use social_channel::{Job, JobWatch, Tenant};
use tokio_util::sync::CancellationToken;

use super::document::{EventStream, event_stream};
use super::path::NamedJob;
use crate::State;
use crate::auth::Caller;
use crate::extract::Path;
use crate::problem::Problem;

pub(super) fn document(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let operation = operation
        .id("watch_job")
        .tag("jobs")
        .summary("A job as server-sent events")
        .description("Event `job` with the job as JSON, at once and at every change; the stream ends when the job has ended. Event `gone` if it can no longer be read.");
    event_stream(operation, &["job", "gone"])
}

pub(super) async fn stream(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(NamedJob { job }): Path<NamedJob>,
) -> Result<EventStream, Problem> {
    let tenant = caller.tenant(&state);
    let (first, watch) = tenant.watch_job(&job).await?;
    let events = changes(tenant, watch, first, state.0.stop.clone());
    Ok(EventStream::of(events))
}

fn changes(
    tenant: Tenant,
    watch: JobWatch,
    first: Job,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    struct At {
        tenant: Tenant,
        watch: JobWatch,
        stop: CancellationToken,
        id: String,
        /// The last event that was sent; None: the stream has ended.
        told: Option<String>,
        next: Option<Job>,
    }
    let at = At { id: first.id.clone(), tenant, watch, stop, told: Some(String::new()), next: Some(first) };
    futures::stream::unfold(at, |mut at| async move {
        loop {
            let told = at.told.clone()?;
            let job = match at.next.take() {
                Some(job) => job,
                None => {
                    tokio::select! {
                        () = at.watch.changed() => {}
                        () = at.stop.cancelled() => return None,
                    }
                    match at.tenant.job(&at.id).await {
                        Ok(job) => job,
                        Err(error) => {
                            at.told = None;
                            let text = serde_json::to_string(&error).unwrap_or_default();
                            return Some((Ok(Event::default().event("gone").data(text)), at));
                        }
                    }
                }
            };
            let text = serde_json::to_string(&job).unwrap_or_default();
            if text == told {
                continue;
            }
            at.told = (!job.has_ended()).then(|| text.clone());
            return Some((Ok(Event::default().event("job").data(text)), at));
        }
    })
}
