//! Wakes the workers of this process when there may be work. They also poll; this only
//! makes them look sooner.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Shared by the code that makes jobs due and the workers. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wake(Arc<Notify>);

impl Wake {
    /// Wakes every waiting worker.
    pub(crate) fn all(&self) {
        self.0.notify_waiters();
    }

    /// Resolves at the next wake-up from now on, even if it happens before the future is polled. Dropping it changes
    /// nothing.
    pub(crate) fn woken(&self) -> Notified<'_> {
        self.0.notified()
    }
}
