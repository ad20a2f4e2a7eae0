//! The lease of a call that is under way: may it still send, and does somebody want it to stop?

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::provider::Gate;

/// A request that is opened this shortly before the lease ends could outlive it: it is not opened.
const MARGIN: Duration = Duration::from_secs(2);

/// Shared between whoever prolongs a lease and the calls made under it.
#[derive(Debug)]
pub(crate) struct LeaseGate {
    until: Mutex<Instant>,
    lost: AtomicBool,
}

impl LeaseGate {
    pub(crate) fn new(length: Duration) -> Self {
        LeaseGate { until: Mutex::new(Instant::now() + length), lost: AtomicBool::new(false) }
    }

    /// The store holds it for `length` from `since` on.
    pub(crate) fn prolonged(&self, since: Instant, length: Duration) {
        if let Ok(mut until) = self.until.lock() {
            *until = since + length;
        }
    }

    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Gate for LeaseGate {
    fn may_send(&self) -> bool {
        !self.is_lost() && self.until.lock().is_ok_and(|until| Instant::now() + MARGIN < *until)
    }
}
