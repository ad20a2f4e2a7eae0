//! Wakes those in this process who wait: workers when there may be work, readers when something may have happened. They
//! also look by themselves; this only makes them look sooner.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Shared by the code that changes what is stored and those who wait for it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wake {
    work: Arc<Notify>,
    news: Arc<Notify>,
}

impl Wake {
    /// Wakes every waiting worker.
    pub(crate) fn all(&self) {
        self.work.notify_waiters();
    }

    /// Resolves at the next wake-up from now on, even if it happens before the future is polled. Dropping it changes
    /// nothing.
    pub(crate) fn woken(&self) -> Notified<'_> {
        self.work.notified()
    }

    /// Wakes everybody who waits for events: one may have been stored.
    pub(crate) fn told(&self) {
        self.news.notify_waiters();
    }

    /// As [`Wake::woken`], for events.
    pub(crate) fn heard(&self) -> Notified<'_> {
        self.news.notified()
    }
}
