//! Watching a job: woken by every write to it in this process, and periodically for writes of other processes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use social_channel_runtime::error::Result;
use tokio::sync::watch;
use tokio::time::Instant;

use super::job::Job;
use super::publisher::Publisher;
use crate::tenant_id::TenantId;

/// How often to check for writes of another process, which sends no notification: often enough for a person who
/// watches.
const OTHERS: Duration = Duration::from_secs(3);
/// How often the bytes sent by this process are checked: often enough for a progress bar. It costs no read.
const BYTES: Duration = Duration::from_millis(400);

/// Reports when a job may have changed. Created by [`Tenant::watch_job`](crate::Tenant::watch_job).
pub struct JobWatch {
    publisher: Arc<Publisher>,
    id: String,
    told: watch::Receiver<()>,
    /// The bytes that this process had sent at the last check.
    bytes: Option<u64>,
    /// When they are checked next, and when it is time to look for writes of others: kept here, so that a caller that
    /// drops each wait after a moment gets there too.
    bytes_at: Instant,
    others_at: Instant,
}

impl std::fmt::Debug for JobWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobWatch").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Publisher {
    /// The job, and a watch that reports each later change.
    pub(crate) async fn watch(self: &Arc<Self>, tenant: &TenantId, id: &str) -> Result<(Job, JobWatch)> {
        // Subscribed before the read, so that no change is missed.
        let watch = self.watched(id);
        Ok((self.get(tenant, id).await?, watch))
    }

    fn watched(self: &Arc<Self>, id: &str) -> JobWatch {
        let told = match self.watched.lock() {
            Ok(mut watched) => watched.entry(id.to_owned()).or_default().subscribe(),
            // Then there is only slow polling.
            Err(_) => watch::Sender::new(()).subscribe(),
        };
        let (now, bytes) = (Instant::now(), self.bytes_moved(id));
        JobWatch {
            publisher: self.clone(),
            id: id.to_owned(),
            told,
            bytes,
            bytes_at: now + BYTES,
            others_at: now + OTHERS,
        }
    }

    /// Call this after every write to a job.
    pub(super) fn note(&self, id: &str) {
        self.changed.send_replace(());
        if let Ok(watched) = self.watched.lock()
            && let Some(sender) = watched.get(id)
        {
            sender.send_replace(());
        }
    }

    /// The bytes sent of a job that this process runs.
    fn bytes_moved(&self, id: &str) -> Option<u64> {
        let jobs = self.running.lock().ok()?;
        jobs.get(id).map(|running| running.bytes_sent.load(Ordering::Relaxed))
    }
}

/// Reports when any job may have changed. Created by [`Tenant::watch_jobs`](crate::Tenant::watch_jobs).
#[derive(Debug)]
pub struct JobsWatch {
    told: watch::Receiver<()>,
    others_at: Instant,
}

impl Publisher {
    pub(crate) fn watch_all(&self) -> JobsWatch {
        JobsWatch { told: self.changed.subscribe(), others_at: Instant::now() + OTHERS }
    }
}

impl JobsWatch {
    /// Waits until a job was written, or it is time to look for writes of other processes and at the bytes sent. If the
    /// future is dropped, the next wait reports what this one would have.
    pub async fn changed(&mut self) {
        let _ = tokio::time::timeout_at(self.others_at, self.told.changed()).await;
        self.others_at = Instant::now() + OTHERS;
    }
}

impl JobWatch {
    /// Waits until the job was written, its bytes changed, or it is time to check for writes of other processes. If the
    /// future is dropped, the next wait reports what this one would have.
    pub async fn changed(&mut self) {
        loop {
            tokio::select! {
                told = self.told.changed() => {
                    if told.is_ok() {
                        break;
                    }
                    // The sender is gone. This does not happen in practice, since this watch's own entry keeps it.
                    tokio::time::sleep_until(self.others_at).await;
                    break;
                }
                () = tokio::time::sleep_until(self.bytes_at.min(self.others_at)) => {}
            }
            let now = Instant::now();
            self.bytes_at = now + BYTES;
            if now >= self.others_at || self.publisher.bytes_moved(&self.id) != self.bytes {
                break;
            }
        }
        self.others_at = Instant::now() + OTHERS;
        self.bytes = self.publisher.bytes_moved(&self.id);
    }
}

impl Drop for JobWatch {
    fn drop(&mut self) {
        if let Ok(mut watched) = self.publisher.watched.lock()
            // This is the last watcher.
            && watched.get(&self.id).is_some_and(|sender| sender.receiver_count() <= 1)
        {
            watched.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;

    use crate::host::Host;

    #[tokio::test]
    async fn a_watch_wakes_for_its_own_job_at_once_and_leaves_nothing_behind() {
        let host = Host::builder().open().await.unwrap();
        let publisher = &host.parts.publisher;
        let (mut one, mut same) = (publisher.watched("job_1"), publisher.watched("job_1"));
        publisher.note("job_2");
        assert!(one.changed().now_or_never().is_none(), "another job's write does not wake it");
        publisher.note("job_1");
        assert!(one.changed().now_or_never().is_some() && same.changed().now_or_never().is_some());
        assert!(one.changed().now_or_never().is_none(), "told once");
        // A write between two waits is not missed.
        publisher.note("job_1");
        assert!(one.changed().now_or_never().is_some());
        drop(one);
        assert_eq!(publisher.watched.lock().unwrap().len(), 1);
        drop(same);
        assert!(publisher.watched.lock().unwrap().is_empty());
    }

    /// A program that also waits for something else drops the wait again and again, and must learn of other processes'
    /// writes all the same.
    #[tokio::test]
    async fn a_wait_that_is_dropped_again_and_again_ends_when_it_is_time_to_look() {
        const MOMENT: Duration = Duration::from_millis(50);
        let host = Host::builder().open().await.unwrap();
        let publisher = &host.parts.publisher;
        let (mut one, mut all) = (publisher.watched("job_1"), publisher.watch_all());
        let looked = async {
            while tokio::time::timeout(MOMENT, one.changed()).await.is_err() {}
            while tokio::time::timeout(MOMENT, all.changed()).await.is_err() {}
        };
        assert!(tokio::time::timeout(Duration::from_secs(60), looked).await.is_ok());
    }
}
