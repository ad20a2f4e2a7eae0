//! Handles: numbers dressed as pointers.
//!
//! A handle is looked up and never followed, so one that was freed, made up or of another kind is refused
//! instead of being undefined behaviour, and a call that runs while another thread frees the handle keeps what
//! it works on. Numbers are never used twice in a process, nor in those forked from it.
//!
//! `fork` leaves the child without our threads and perhaps with our locks taken. So each process has a table of
//! its own: a child begins an empty one, without touching its parent's. Handles from before the fork are then
//! told apart by their number.

use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use social_channel::{Error, ErrorKind, Result};

use crate::argument::{invalid, null};
pub(crate) use crate::error::ErrorHandle;
pub(crate) use crate::host::HostHandle;
pub(crate) use crate::http::ExchangeHandle;

/// A host: the library, opened. Make one with socialchannel_host_open and free it with socialchannel_host_free.
#[allow(non_camel_case_types, reason = "named as C names it")]
pub struct socialchannel_host {
    _private: [u8; 0],
}

/// Why a call failed. Made by a failing call, freed with socialchannel_error_free.
#[allow(non_camel_case_types, reason = "named as C names it")]
pub struct socialchannel_error {
    _private: [u8; 0],
}

/// One request of the library that a program's own HTTP sends; see socialchannel_http. It is the program's for as
/// long as the function that got it runs.
#[allow(non_camel_case_types, reason = "named as C names it")]
pub struct socialchannel_exchange {
    _private: [u8; 0],
}

/// What a handle stands for.
pub(crate) enum Handle {
    Host(Arc<HostHandle>),
    Error(Arc<ErrorHandle>),
    Exchange(Arc<ExchangeHandle>),
}

/// Hosts that are open. A child of fork inherits the number, and with it their files and locks.
static OPEN_HOSTS: AtomicUsize = AtomicUsize::new(0);

/// Counts an open host for as long as it lives.
pub(crate) struct OpenHost(u32);

impl OpenHost {
    /// Refuses a child whose parent had a host open when it forked: SQLite keeps what it knows of a file's locks
    /// once for the process, so the child's would believe to hold its parent's, and could damage the database.
    pub(crate) fn new() -> Result<Self> {
        let table = table();
        if table.inherited > 0 {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "this process was forked from one that had a host open: no host can be opened here",
            )
            .with_code("used_after_fork")
            .with_remedy("fork before the parent opens a host, or start the child's program anew (exec)"));
        }
        OPEN_HOSTS.fetch_add(1, Ordering::Relaxed);
        Ok(OpenHost(table.process))
    }
}

impl Drop for OpenHost {
    fn drop(&mut self) {
        if self.0 == std::process::id() {
            OPEN_HOSTS.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The handles of one process.
struct Table {
    process: u32,
    /// Numbers below it are from before the fork.
    first: usize,
    /// Hosts that were open in the parent when it forked.
    inherited: usize,
    handles: RwLock<HashMap<usize, Handle>>,
}

/// Multiples of 16, as pointers from an allocator are, and far from NULL.
const STEP: usize = 16;
static NEXT: AtomicUsize = AtomicUsize::new(0x5C00_0000);
static CURRENT: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

/// The table of this process. Taking it touches no lock, for that might have been taken when the process forked.
fn table() -> &'static Table {
    let process = std::process::id();
    let seen = CURRENT.load(Ordering::Acquire);
    // SAFETY: NULL, or a table that was leaked below and is never freed.
    if let Some(table) = unsafe { seen.as_ref() }
        && table.process == process
    {
        return table;
    }
    let first = NEXT.load(Ordering::Relaxed);
    let inherited = if seen.is_null() { 0 } else { OPEN_HOSTS.load(Ordering::Relaxed) };
    let fresh = Box::into_raw(Box::new(Table { process, first, inherited, handles: RwLock::default() }));
    match CURRENT.compare_exchange(seen, fresh, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: just leaked. The parent's table, if there was one, is left alone: its locks may be taken.
        Ok(_) => unsafe { &*fresh },
        Err(theirs) => {
            // SAFETY: `fresh` was made above and nobody else has seen it.
            drop(unsafe { Box::from_raw(fresh) });
            // SAFETY: another thread of this process was quicker; its table is leaked too.
            unsafe { &*theirs }
        }
    }
}

/// Keeps something and names it.
pub(crate) fn insert(handle: Handle) -> usize {
    let table = table();
    let id = NEXT.fetch_add(STEP, Ordering::Relaxed);
    table.handles.write().unwrap_or_else(PoisonError::into_inner).insert(id, handle);
    id
}

/// Forgets a handle; None: there is none of that number.
pub(crate) fn remove(id: usize) -> Option<Handle> {
    table().handles.write().unwrap_or_else(PoisonError::into_inner).remove(&id)
}

/// The host behind a handle.
pub(crate) fn host(handle: *const socialchannel_host) -> Result<Arc<HostHandle>> {
    let id = handle as usize;
    if id == 0 {
        return Err(null("host"));
    }
    let table = table();
    match table.handles.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        Some(Handle::Host(host)) => return Ok(Arc::clone(host)),
        Some(_) => return Err(invalid("host", "wrong_handle", "is a handle, but not a host")),
        None => {}
    }
    if id < table.first {
        return Err(Error::new(ErrorKind::InvalidArgument, "this host was opened before the process forked")
            .with_code("used_after_fork")
            .with_field("host")
            .with_remedy(
                "open a host of its own in the child: threads and connections do not survive a fork",
            ));
    }
    Err(invalid("host", "freed_handle", "is no open host: it was freed, or never opened"))
}

/// The error behind a handle; None: NULL, freed, or of another process.
pub(crate) fn error(handle: *const socialchannel_error) -> Option<Arc<ErrorHandle>> {
    match table().handles.read().unwrap_or_else(PoisonError::into_inner).get(&(handle as usize)) {
        Some(Handle::Error(error)) => Some(Arc::clone(error)),
        _ => None,
    }
}

/// The exchange behind a handle.
pub(crate) fn exchange(handle: *const socialchannel_exchange) -> Result<Arc<ExchangeHandle>> {
    let id = handle as usize;
    if id == 0 {
        return Err(null("exchange"));
    }
    match table().handles.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        Some(Handle::Exchange(exchange)) => Ok(Arc::clone(exchange)),
        Some(_) => Err(invalid("exchange", "wrong_handle", "is a handle, but not an exchange")),
        None => Err(invalid("exchange", "freed_handle", "is over: its function has returned")),
    }
}
