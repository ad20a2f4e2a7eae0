//! Where a call is disturbed: every request and every use of storage is one point, counted over a publish.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    /// The host dies before the request leaves.
    KillBefore,
    /// The host dies after the answer has arrived, before the provider gets it.
    KillAfter,
    /// The answer is lost.
    Lose,
    /// The server cannot be reached.
    NotSent,
}

impl Strike {
    pub(crate) const ALL: [Strike; 4] =
        [Strike::KillBefore, Strike::KillAfter, Strike::Lose, Strike::NotSent];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Strike::KillBefore => "the host died before",
            Strike::KillAfter => "the host died after",
            Strike::Lose => "the answer was lost of",
            Strike::NotSent => "the server could not be reached for",
        }
    }
}

/// What is done at a point: a request, or a use of storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Storage,
}

/// The points of a run, and the one that is struck.
#[derive(Default)]
pub(crate) struct Points {
    inner: Mutex<Inner>,
    killed: Notify,
}

#[derive(Default)]
struct Inner {
    passed: Vec<(Kind, String)>,
    planned: Option<(usize, Strike)>,
    struck: Option<String>,
    quiet: bool,
}

impl Points {
    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts from the beginning, and strikes at this point.
    pub(crate) fn plan(&self, planned: Option<(usize, Strike)>) {
        self.with(|inner| *inner = Inner { planned, ..Inner::default() });
    }

    /// The points that were passed.
    pub(crate) fn passed(&self) -> Vec<(Kind, String)> {
        self.with(|inner| inner.passed.clone())
    }

    /// What was struck.
    pub(crate) fn struck(&self) -> Option<String> {
        self.with(|inner| inner.struck.clone())
    }

    /// Whether what happens now is no part of the run: it is not counted, and nothing is struck.
    pub(crate) fn quiet(&self, quiet: bool) {
        self.with(|inner| inner.quiet = quiet);
    }

    /// A point is reached: what happens there.
    pub(crate) fn reach(&self, kind: Kind, what: &str) -> Option<Strike> {
        self.with(|inner| {
            if inner.quiet {
                return None;
            }
            let at = inner.passed.len();
            inner.passed.push((kind, what.to_owned()));
            let (_, strike) = inner.planned.take_if(|(planned, _)| *planned == at)?;
            inner.struck = Some(format!("{} {what}", strike.words()));
            Some(strike)
        })
    }

    /// The host dies: whoever waits for [`Points::killed`] drops the call, and this never returns.
    pub(crate) async fn die(&self) -> ! {
        self.killed.notify_one();
        std::future::pending().await
    }

    pub(crate) async fn killed(&self) {
        self.killed.notified().await;
    }
}
