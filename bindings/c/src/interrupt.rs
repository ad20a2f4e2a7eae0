//! Waiting that the program's signal handlers can interrupt.
//!
//! PHP and Python record a signal at once and handle it when the current call returns. So a call that may last for
//! minutes returns as soon as a handler has run on its thread. The kernel reports this to `poll`, but not to locks.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use social_channel::{Error, ErrorKind, Result};
use tokio::runtime::Runtime;
use tokio::task::{JoinError, JoinHandle};

use crate::border::panicked;

/// How a wait ended.
pub(crate) enum Waited {
    /// The task is done.
    Done,
    /// The time is up.
    TimeUp,
    /// A signal handler of the program ran on this thread.
    Interrupted,
}

/// A task on the host's threads. It continues when this is dropped.
pub(crate) struct Task<T> {
    handle: JoinHandle<Result<T>>,
    /// The task holds the other end; this end becomes readable when the task ends.
    end: UnixStream,
}

/// The task's end of the socket, which is dropped with the task.
struct Held(UnixStream);

impl Drop for Held {
    fn drop(&mut self) {
        // Closing is not enough, because a forked child may have a copy.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl<T: Send + 'static> Task<T> {
    pub(crate) fn begin<F>(runtime: &Runtime, call: F) -> Result<Self>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (end, held) = UnixStream::pair().map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the system allows no more open files")
                .with_remedy("close unneeded files, or raise the limit (ulimit -n)")
                .with_source(error)
        })?;
        let held = Held(held);
        let handle = runtime.spawn(async move {
            let result = call.await;
            drop(held);
            result
        });
        Ok(Task { handle, end })
    }

    /// Waits on the calling thread, at most `longest`.
    pub(crate) fn wait(&self, longest: Option<Duration>) -> Waited {
        let end = longest.and_then(|longest| Instant::now().checked_add(longest));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            // In rounds of a day, because `poll` has a 32-bit timeout. Rounded up, to avoid busy waiting in the last
            // millisecond.
            let milliseconds =
                left.map_or(-1, |left| i32::try_from(left.as_micros().div_ceil(1_000)).unwrap_or(86_400_000));
            let mut asked = libc::pollfd { fd: self.end.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one entry, which lives through the call.
            let found = unsafe { libc::poll(&raw mut asked, 1, milliseconds) };
            match found {
                0 if end.is_some_and(|end| Instant::now() >= end) => return Waited::TimeUp,
                0 => {}
                -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {
                    return Waited::Interrupted;
                }
                // For any other result of `poll`, the task's result is awaited.
                _ => return Waited::Done,
            }
        }
    }

    /// Aborts it. For calls without effects.
    pub(crate) fn abort(self) {
        self.handle.abort();
    }

    /// The result. Waits for it if it is not done.
    pub(crate) fn result(self, runtime: &Runtime) -> Result<T> {
        joined(runtime.block_on(self.handle))
    }
}

/// The result of a task, also of one that panicked or was stopped.
pub(crate) fn joined<T>(result: Result<Result<T>, JoinError>) -> Result<T> {
    match result {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => Err(panicked(&*payload)),
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "the host was closed during the call")
                .with_remedy("open a host again, and check the result of the call")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    #[test]
    fn a_task_that_is_done_gives_its_result() {
        let runtime = runtime();
        let task = Task::begin(&runtime, async { Ok(7) }).unwrap();
        assert!(matches!(task.wait(None), Waited::Done));
        assert_eq!(task.result(&runtime).unwrap(), 7);
    }

    #[test]
    fn a_copy_of_the_task_s_end_holds_nobody_up() {
        let runtime = runtime();
        let (end, held) = UnixStream::pair().unwrap();
        let copy = held.try_clone().unwrap();
        drop(Held(held));
        let task = Task { handle: runtime.spawn(async { Ok(1) }), end };
        assert!(matches!(task.wait(Some(Duration::from_secs(60))), Waited::Done));
        drop(copy);
    }

    #[test]
    fn a_panic_ends_the_wait_and_is_told() {
        let runtime = runtime();
        let task = Task::<()>::begin(&runtime, async { panic!("on purpose") }).unwrap();
        assert!(matches!(task.wait(None), Waited::Done));
        assert!(task.result(&runtime).unwrap_err().message.contains("on purpose"));
    }

    #[test]
    fn a_task_that_takes_longer_is_left_alone() {
        let runtime = runtime();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let task = Task::begin(&runtime, async {
            let _ = gone.await;
            Ok(1)
        })
        .unwrap();
        assert!(matches!(task.wait(Some(Duration::from_millis(20))), Waited::TimeUp));
        go.send(()).unwrap();
        assert!(matches!(task.wait(Some(Duration::from_secs(60))), Waited::Done));
        assert_eq!(task.result(&runtime).unwrap(), 1);
    }
}
