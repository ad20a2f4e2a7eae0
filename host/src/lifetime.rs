//! Tasks that must finish before the process ends, and the signal to stop.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by every part that starts tasks. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lifetime {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Lifetime {
    /// Starts a task that shutdown waits for.
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Resolves once the host shuts down. Dropping it changes nothing.
    pub(crate) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Signals the shutdown; then `ended` can be awaited.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Resolves when every task has ended. Dropping it changes nothing.
    pub(crate) async fn ended(&self) {
        self.tasks.wait().await;
    }
}
