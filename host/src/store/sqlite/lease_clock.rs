//! The clock of leases: monotonic milliseconds, the same for all processes since the machine's start.
//!
//! All processes on one SQLite file share a machine, so they agree.

use social_channel_runtime::clock::{Clock as _, SystemClock};
use social_channel_runtime::error::{Error, Result};

use super::process;
use crate::lease::ticks;

/// Close to the system time, but monotonic.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeaseClock {
    /// The offset that is added to the ticks.
    anchor: i64,
}

impl LeaseClock {
    /// Uses the current system time as the offset of the current ticks.
    pub(super) fn of_now() -> Self {
        LeaseClock { anchor: SystemClock.now_ms().saturating_sub(ticks()) }
    }

    /// The name under which the machine's processes share the offset; None: this process needs no shared offset.
    pub(super) fn name() -> Option<String> {
        let machine = process::machine();
        if machine.is_empty() || cfg!(not(target_os = "linux")) {
            return None;
        }
        Some(format!("lease-clock/{}", machine.split(' ').next().unwrap_or_default()))
    }

    pub(super) fn to_bytes(self) -> [u8; 8] {
        self.anchor.to_be_bytes()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let bytes =
            bytes.try_into().map_err(|_| Error::internal("the database's clock of leases cannot be read"))?;
        Ok(LeaseClock { anchor: i64::from_be_bytes(bytes) })
    }

    /// Milliseconds.
    pub(super) fn now_ms(self) -> i64 {
        self.anchor.saturating_add(ticks())
    }
}
