//! Watching a job: woken by every write to it in this process, and now and then for what others write.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::error::Result;
use crate::host::{Inner, Tenant};
use crate::publisher::Job;

/// Another process drives the job without telling: often enough for a person who looks at it.
const OTHERS: Duration = Duration::from_secs(3);
/// How often bytes that this process moves are looked at: often enough for a moving bar. It costs no read.
const BYTES: Duration = Duration::from_millis(400);

/// Who is told of writes, by the job's id. Jobs that nobody watches have no entry.
pub(crate) type WatchedJobs = Mutex<HashMap<String, watch::Sender<()>>>;

/// Tells when a job may have changed. Made by [`Tenant::watch_job`].
pub struct JobWatch {
    inner: Arc<Inner>,
    id: String,
    told: watch::Receiver<()>,
    /// Bytes that this process had moved when the watcher last looked.
    bytes: Option<u64>,
}

impl std::fmt::Debug for JobWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobWatch").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Tenant {
    /// Watches a job: returns how it stands, and who tells of each change after that.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn watch_job(&self, id: &str) -> Result<(Job, JobWatch)> {
        // Before it is read, so that no change falls between.
        let watch = self.inner.watched(id);
        Ok((self.job(id).await?, watch))
    }
}

impl Inner {
    fn watched(self: &Arc<Self>, id: &str) -> JobWatch {
        let told = match self.watched_jobs.lock() {
            Ok(mut watched) => watched.entry(id.to_owned()).or_default().subscribe(),
            // Then there is only the slow look.
            Err(_) => watch::Sender::new(()).subscribe(),
        };
        JobWatch { inner: self.clone(), id: id.to_owned(), told, bytes: self.bytes_moved(id) }
    }

    /// After every write to a job.
    pub(crate) fn note_job(&self, id: &str) {
        self.job_changed.notify_waiters();
        if let Ok(watched) = self.watched_jobs.lock()
            && let Some(sender) = watched.get(id)
        {
            sender.send_replace(());
        }
    }

    /// Of a job that this process drives.
    fn bytes_moved(&self, id: &str) -> Option<u64> {
        let jobs = self.driven_jobs.lock().ok()?;
        jobs.get(id).map(|driven| driven.bytes_sent.load(Ordering::Relaxed))
    }
}

impl JobWatch {
    /// Waits until the job was written, its bytes move, or it is time for a look at what other processes did.
    pub async fn changed(&mut self) {
        let look = tokio::time::Instant::now() + OTHERS;
        loop {
            tokio::select! {
                told = self.told.changed() => {
                    if told.is_ok() {
                        break;
                    }
                    // Nobody will tell; not seen to happen, since our own entry keeps the sender.
                    tokio::time::sleep_until(look).await;
                    break;
                }
                () = tokio::time::sleep(BYTES) => {}
            }
            if tokio::time::Instant::now() >= look || self.inner.bytes_moved(&self.id) != self.bytes {
                break;
            }
        }
        self.bytes = self.inner.bytes_moved(&self.id);
    }
}

impl Drop for JobWatch {
    fn drop(&mut self) {
        if let Ok(mut watched) = self.inner.watched_jobs.lock()
            // The last one is this one.
            && watched.get(&self.id).is_some_and(|sender| sender.receiver_count() <= 1)
        {
            watched.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use crate::host::Host;

    #[tokio::test]
    async fn a_watch_wakes_for_its_own_job_at_once_and_leaves_nothing_behind() {
        let host = Host::builder().open().await.unwrap();
        let inner = &host.inner;
        let (mut one, mut same) = (inner.watched("job_1"), inner.watched("job_1"));
        inner.note_job("job_2");
        assert!(one.changed().now_or_never().is_none(), "another job's write is none of its business");
        inner.note_job("job_1");
        assert!(one.changed().now_or_never().is_some() && same.changed().now_or_never().is_some());
        assert!(one.changed().now_or_never().is_none(), "told once");
        // A write between two waits is not missed.
        inner.note_job("job_1");
        assert!(one.changed().now_or_never().is_some());
        drop(one);
        assert_eq!(inner.watched_jobs.lock().unwrap().len(), 1);
        drop(same);
        assert!(inner.watched_jobs.lock().unwrap().is_empty());
    }
}
