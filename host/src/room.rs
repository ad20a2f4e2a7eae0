//! What one tenant may keep, so that nobody fills the database or the disk for all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use social_channel_runtime::error::{Error, ErrorKind, Result};

use crate::store::{Kept, Store};
use crate::tenant_id::TenantId;

/// Channels of a tenant: ten times as many as the largest platform that was heard of.
const CHANNELS: u64 = 100_000;
/// Consents that were begun within the last two hours; a person begins one with each press.
const CONSENTS: u64 = 10_000;
/// Drafts, of up to a mebibyte each.
const DRAFTS: u64 = 500;
/// Uploads: each is a file, and folders with many more are slow.
const UPLOADS: u64 = 10_000;

/// The part of the disk's reserve that is for work which is under way: what is new may use the rest.
const UNDER_WAY: u64 = 8;

/// Whether there is room for what a tenant wants to add.
pub(crate) struct Room {
    store: Arc<dyn Store>,
    /// The folder of the database; None: it is in memory.
    disk: Option<PathBuf>,
    /// Bytes that are left free for the jobs that are stored already.
    reserve: u64,
}

impl Room {
    /// `reserve`: what uploads leave free.
    pub(crate) fn new(store: Arc<dyn Store>, disk: Option<PathBuf>, reserve: u64) -> Self {
        Room { store, disk, reserve: reserve / UNDER_WAY }
    }

    /// Refuses one more of a kind, where the tenant has as many as it may have, or the disk is almost full.
    pub(crate) async fn check(&self, tenant: &TenantId, what: Kept) -> Result<()> {
        self.check_disk()?;
        self.check_number(tenant, what).await
    }

    /// Refuses one more of a kind, where the tenant has as many as it may have. Callers at the same moment may each be
    /// let in: the bounds are far from what hurts.
    pub(crate) async fn check_number(&self, tenant: &TenantId, what: Kept) -> Result<()> {
        let (most, remedy) = match what {
            Kept::Channels => (CHANNELS, "disconnect some that are not used"),
            Kept::Consents => (CONSENTS, "wait an hour: consents that nobody completed are forgotten"),
            Kept::Drafts => (DRAFTS, "publish or delete some of them"),
            Kept::Uploads => (UPLOADS, "delete some, or wait until their jobs have published"),
        };
        if self.store.kept(tenant, what).await? < most {
            return Ok(());
        }
        Err(full(&format!("{most} {}", what.name()), remedy))
    }

    /// Refuses what is new while the disk has hardly room for what is under way.
    pub(crate) fn check_disk(&self) -> Result<()> {
        match self.disk.as_deref().and_then(free_space) {
            Some(free) if free < self.reserve => Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "the disk of the database has {} MiB left, which are kept for jobs under way",
                    free >> 20
                ),
            )
            .with_remedy("make room on that disk, and try again")),
            _ => Ok(()),
        }
    }
}

/// The error of a tenant that has as many as it may have.
pub(crate) fn full(what: &str, remedy: &str) -> Error {
    Error::new(ErrorKind::QuotaExceeded, format!("this tenant has {what}, and may not have more"))
        .with_remedy(remedy)
}

/// Bytes of the disk below a folder that this user may still take, if the system says.
#[cfg(unix)]
pub(crate) fn free_space(folder: &Path) -> Option<u64> {
    let facts = rustix::fs::statvfs(folder).ok()?;
    Some(facts.f_bavail.saturating_mul(facts.f_frsize))
}

#[cfg(not(unix))]
pub(crate) fn free_space(_folder: &Path) -> Option<u64> {
    None
}

impl Kept {
    fn name(self) -> &'static str {
        match self {
            Kept::Channels => "channels",
            Kept::Consents => "consents that nobody completed",
            Kept::Drafts => "drafts",
            Kept::Uploads => "uploads",
        }
    }
}
