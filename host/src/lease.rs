//! What a call under a lease may still do.
//!
//! The store decides by its own clock how long a lease holds. A process that cannot reach the store must stop
//! sending before its lease ends. It uses a monotonic clock for this, which also counts time asleep.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use social_channel_runtime::Gate;
use social_channel_runtime::clock::millis;

/// A request started this shortly before the lease ends could outlive the lease, so it is not started.
const MARGIN: Duration = Duration::from_secs(2);

/// Monotonic milliseconds, with the same origin for all processes since the machine's start.
#[cfg(target_os = "linux")]
pub(crate) fn ticks() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}

/// Without such a clock, the system time is used.
#[cfg(not(target_os = "linux"))]
pub(crate) fn ticks() -> i64 {
    use social_channel_runtime::clock::{Clock as _, SystemClock};
    SystemClock.now_ms()
}

/// Shared between the task that extends a lease and the calls made under it.
#[derive(Debug)]
pub(crate) struct LeaseGate {
    /// Ticks.
    until: AtomicI64,
    margin: i64,
    lost: AtomicBool,
}

impl LeaseGate {
    /// For a lease that starts now.
    pub(crate) fn new(length: Duration) -> Self {
        LeaseGate {
            until: AtomicI64::new(ticks().saturating_add(millis(length))),
            margin: millis(MARGIN.min(length / 4)),
            lost: AtomicBool::new(false),
        }
    }

    /// Call this before asking the store for the lease.
    pub(crate) fn before(&self) -> Since {
        Since(ticks())
    }

    /// The store extended the lease for `length` from `since` on.
    pub(crate) fn prolonged(&self, since: Since, length: Duration) {
        self.until.store(since.0.saturating_add(millis(length)), Ordering::SeqCst);
    }

    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }
}

/// The instant from which a lease counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since(i64);

impl Gate for LeaseGate {
    fn may_send(&self) -> bool {
        let until = self.until.load(Ordering::SeqCst);
        !self.is_lost() && ticks().saturating_add(self.margin) < until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_closes_before_its_lease_ends_and_opens_when_it_is_prolonged() {
        let gate = LeaseGate::new(Duration::from_secs(8));
        assert!(gate.may_send());
        let since = gate.before();
        gate.prolonged(since, Duration::from_millis(1_500));
        assert!(!gate.may_send(), "too little is left for a request");
        gate.prolonged(since, Duration::from_secs(8));
        assert!(gate.may_send());
        gate.lose();
        assert!(!gate.may_send());
    }
}
