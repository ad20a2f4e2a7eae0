//! Background work of workers besides jobs, which it never delays: idle accounts are refreshed, names, pictures and
//! statistics are read again, and what is no longer needed is removed. A part that fails is logged and tried again in the
//! next round.

use std::sync::Arc;
use std::time::Duration;

use social_channel_runtime::error::Result;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use crate::account::Accounts;
use crate::app::Apps;
use crate::blob::Uploads;
use crate::event::Outbox;
use crate::lifetime::Lifetime;
use crate::media::MediaLibrary;
use crate::publish::Publisher;

/// How often idle accounts are checked. Their lifetimes are weeks.
const SWEEP: Duration = Duration::from_secs(3600);
/// A worker that runs for less than this leaves the clean-up to long-running workers.
const STAYS: Duration = Duration::from_secs(10);

/// The parts that need maintenance.
#[derive(Clone)]
pub(crate) struct Maintenance {
    pub(crate) apps: Arc<Apps>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) media: Arc<MediaLibrary>,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) lifetime: Lifetime,
}

/// Maintenance that runs beside a worker. Dropping it stops the rounds; a running refresh continues.
pub(crate) struct Rounds {
    first: JoinHandle<usize>,
    later: Option<AbortOnDropHandle<usize>>,
}

impl Maintenance {
    /// Starts one round now, concurrently with the caller, and one every hour for a long-running worker.
    pub(crate) fn begin(&self, longest: Option<Duration>) -> Rounds {
        let stays = longest.is_none_or(|longest| longest >= STAYS);
        let parts = self.clone();
        let first = self.lifetime.spawn(async move {
            let refreshed = parts.refresh().await;
            noted("old attempts were not removed", parts.publisher.maintain().await);
            if stays {
                tokio::select! {
                    () = parts.clean() => {}
                    () = parts.lifetime.stopping() => {}
                }
            }
            refreshed
        });
        let parts = self.clone();
        let later = stays.then(|| {
            AbortOnDropHandle::new(tokio::spawn(async move {
                loop {
                    tokio::select! {
                        () = tokio::time::sleep(SWEEP) => {}
                        () = parts.lifetime.stopping() => return 0,
                    }
                    parts.refresh().await;
                    parts.clean().await;
                }
            }))
        });
        Rounds { first, later }
    }

    async fn refresh(&self) -> usize {
        let refreshed = self.accounts.refresh_idle().await;
        noted("idle accounts could not be looked at", refreshed).unwrap_or_default()
    }

    /// Looks at names, pictures and numbers that are due, and removes what nobody needs any more.
    pub(crate) async fn clean(&self) {
        noted("no channel's name and picture was looked at", self.accounts.look_at_all().await);
        noted("no samples of numbers were taken", self.accounts.sample_all().await);
        noted("no samples of the numbers of posts were taken", self.accounts.sample_all_posts().await);
        noted("old uploads were not removed", self.uploads.sweep().await);
        noted("old addresses of media were not removed", self.media.sweep_links().await);
        noted("old attempts were not removed", self.publisher.maintain().await);
        noted("old events were not removed", self.outbox.prune().await);
        noted("unused components were not unloaded", self.apps.maintain().await);
    }
}

impl Rounds {
    /// How many idle accounts the first round refreshed. Waits for the round only if `wait` is true.
    pub(crate) async fn end(self, wait: bool) -> usize {
        drop(self.later);
        if wait || self.first.is_finished() { self.first.await.unwrap_or_default() } else { 0 }
    }
}

fn noted<T>(what: &str, done: Result<T>) -> Option<T> {
    done.map_err(|error| tracing::warn!(%error, "{what}")).ok()
}
