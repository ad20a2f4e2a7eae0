//! Leases: their clock, and what a call under one may still do.
//!
//! A lease ends by time, so that clock must not be moved by somebody who sets the machine's. It counts from
//! the machine's start, asleep or awake. All processes on one database share a machine, so they agree.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::{Clock as _, SystemClock, millis};
use crate::error::{Error, Result};
use crate::provider::Gate;
use crate::store::Store;

/// A request that is opened this shortly before the lease ends could outlive it: it is not opened.
const MARGIN: Duration = Duration::from_secs(2);

/// Milliseconds that nobody sets, from an instant that is the same for all processes since the machine's start.
#[cfg(target_os = "linux")]
fn ticks() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
}

/// Where no such clock is at hand, the machine's own must do.
#[cfg(not(target_os = "linux"))]
fn ticks() -> i64 {
    SystemClock.now_ms()
}

/// What leases in the database are measured by: near to the time of day, and moved by nobody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseClock {
    /// Added to the ticks.
    anchor: i64,
}

impl LeaseClock {
    /// The first process after the machine's start says how ticks and time of day belong together; a lease
    /// from before that start has then ended, or ends soon.
    pub(crate) async fn open(store: &dyn Store) -> Result<Self> {
        let machine = crate::process::machine();
        if machine.is_empty() || cfg!(not(target_os = "linux")) {
            return Ok(LeaseClock { anchor: SystemClock.now_ms().saturating_sub(ticks()) });
        }
        let boot = machine.split(' ').next().unwrap_or_default();
        let ours = SystemClock.now_ms().saturating_sub(ticks());
        let stored = store.meta_or_insert(&format!("lease-clock/{boot}"), &ours.to_be_bytes()).await?;
        let bytes: [u8; 8] = stored
            .as_slice()
            .try_into()
            .map_err(|_| Error::internal("the database's clock of leases cannot be read"))?;
        Ok(LeaseClock { anchor: i64::from_be_bytes(bytes) })
    }

    /// Milliseconds.
    pub(crate) fn now_ms(self) -> i64 {
        self.anchor.saturating_add(ticks())
    }
}

/// Shared between whoever prolongs a lease and the calls made under it.
#[derive(Debug)]
pub(crate) struct LeaseGate {
    /// Ticks.
    until: AtomicI64,
    margin: i64,
    lost: AtomicBool,
}

impl LeaseGate {
    pub(crate) fn new(length: Duration) -> Self {
        LeaseGate {
            until: AtomicI64::new(ticks().saturating_add(millis(length))),
            margin: millis(MARGIN.min(length / 4)),
            lost: AtomicBool::new(false),
        }
    }

    /// To be asked before the store is.
    pub(crate) fn before(&self) -> Since {
        Since(ticks())
    }

    /// The store holds it for `length` from `since` on.
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

/// An instant from which a lease counts.
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
