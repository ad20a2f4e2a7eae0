//! What happened to a tenant's jobs and channels: by pages, and as one stream.

use std::convert::Infallible;
use std::time::Duration;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State as Shared;
use axum::response::sse::Event as Sent;
use futures::Stream;
use http::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use social_channel::{EventPage, Tenant};
use tokio_util::sync::CancellationToken;

use super::document::{EventStream, event_stream};
use super::page::limit;
use crate::State;
use crate::auth::Caller;
use crate::extract::Query;
use crate::problem::Problem;

/// Proxies between the service and the caller time out after a minute.
const LONGEST_WAIT: u64 = 55;
/// Events that a stream reads at once.
const AT_ONCE: u32 = 100;
/// How long a stream waits before it asks again; nothing is sent meanwhile but what keeps the connection open.
const WAIT: Duration = Duration::from_secs(300);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListEvents {
    /// The `next` of the page before, or the `number` of an event; absent: from the oldest that is kept.
    after: Option<u64>,
    /// The maximum number.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// Without any event, the maximum number of seconds to wait for one.
    #[schemars(range(min = 0, max = 55))]
    wait: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StreamEvents {
    /// Events after this number; absent: from now on. The header `Last-Event-ID` counts more.
    after: Option<u64>,
}

pub(super) fn routes() -> ApiRouter<State> {
    ApiRouter::new()
        .api_route(
            "/events",
            get_with(list, |op| {
                op.id("list_events").tag("events").summary("What happened, oldest first").description(
                    "Store `next` with what you do about the events, and pass it as `after`: then none is missed, and \
                     none comes again. Events are kept for a week.",
                )
            }),
        )
        .api_route(
            "/events/stream",
            get_with(stream, |op| {
                let op = op.id("watch_events").tag("events").summary("What happens, as server-sent events");
                let op = op.description(
                    "Event `event` with an event as JSON; its id is the event's number. With `Last-Event-ID`, which \
                     browsers send by themselves, the stream continues after that event. Event `missed` with \
                     `{\"missed\": 7}` if events were removed meanwhile, because they were too old or too many.",
                );
                event_stream(op, &["event", "missed"])
            }),
        )
}

async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    Query(query): Query<ListEvents>,
) -> Result<Json<EventPage>, Problem> {
    let limit = limit(query.limit)?;
    let wait = query.wait.unwrap_or_default();
    if wait > LONGEST_WAIT {
        return Err(Problem::malformed(format!("`wait` is more than {LONGEST_WAIT}")));
    }
    let tenant = caller.tenant(&state);
    tokio::select! {
        page = tenant.events(query.after, limit, Duration::from_secs(wait)) => Ok(Json(page?)),
        () = state.0.stop.cancelled() => Ok(Json(tenant.events(query.after, limit, Duration::ZERO).await?)),
    }
}

async fn stream(
    Shared(state): Shared<State>,
    caller: Caller,
    Query(query): Query<StreamEvents>,
    headers: HeaderMap,
) -> Result<EventStream, Problem> {
    let tenant = caller.tenant(&state);
    let last = match headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.parse().ok())) {
        None => query.after,
        Some(Some(last)) => Some(last),
        Some(None) => return Err(Problem::malformed("`Last-Event-ID` is not an id of this stream")),
    };
    // Read before the answer begins, so that a wrong number is a problem and no broken stream.
    let first = tenant.events(last, AT_ONCE, Duration::ZERO).await?;
    let first = match last {
        Some(_) => first,
        None => EventPage { next: first.last, last: first.last, ..EventPage::default() },
    };
    Ok(EventStream::of(events(tenant, first, state.0.stop.clone())))
}

fn events(
    tenant: Tenant,
    first: EventPage,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Sent, Infallible>> + Send {
    struct At {
        tenant: Tenant,
        stop: CancellationToken,
        after: u64,
        ready: std::vec::IntoIter<Sent>,
    }
    let at = At { tenant, stop, after: first.next, ready: written(first) };
    futures::stream::unfold(at, |mut at| async move {
        loop {
            if let Some(event) = at.ready.next() {
                return Some((Ok(event), at));
            }
            let page = tokio::select! {
                page = at.tenant.events(Some(at.after), AT_ONCE, WAIT) => page,
                () = at.stop.cancelled() => return None,
            };
            match page {
                Ok(page) => {
                    at.after = page.next;
                    at.ready = written(page);
                }
                Err(error) => {
                    // The caller connects again, with the last id that it has seen.
                    tracing::warn!(%error, "a stream of events breaks off");
                    return None;
                }
            }
        }
    })
}

fn written(page: EventPage) -> std::vec::IntoIter<Sent> {
    let missed = (page.missed > 0).then(|| {
        Sent::default().event("missed").data(serde_json::json!({"missed": page.missed}).to_string())
    });
    let events = page.events.iter().map(|event| {
        let text = serde_json::to_string(event).unwrap_or_default();
        Sent::default().event("event").id(event.number.to_string()).data(text)
    });
    missed.into_iter().chain(events).collect::<Vec<_>>().into_iter()
}
