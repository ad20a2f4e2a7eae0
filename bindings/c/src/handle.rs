//! Handles: numbers represented as pointers.
//!
//! A handle is looked up and never dereferenced. A freed, invalid or wrong handle is therefore refused instead
//! of causing undefined behaviour, and a call that runs while another thread frees the handle keeps its object.
//! Numbers are never reused in a process, nor in processes forked from it.
//!
//! After `fork` the child lacks the library's threads, and locks may be held. Therefore each process has its own
//! table: a child starts with an empty one, without touching its parent's. Handles from before the fork are
//! recognised by their number.

use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use social_channel::{Error, ErrorKind, Result};

use crate::argument::{invalid, null};
pub(crate) use crate::error::ErrorHandle;
pub(crate) use crate::host::HostHandle;
pub(crate) use crate::http::ExchangeHandle;

/// A host: an open library. Create it with socialchannel_host_open and free it with socialchannel_host_free.
#[allow(non_camel_case_types, reason = "named as C names it")]
pub struct socialchannel_host {
    _private: [u8; 0],
}

/// Why a call failed. Created by a failing call; free it with socialchannel_error_free.
#[allow(non_camel_case_types, reason = "named as C names it")]
pub struct socialchannel_error {
    _private: [u8; 0],
}

/// One request of the library that a program's own HTTP sends; see socialchannel_http. It is valid while the
/// function that received it runs.
#[allow(non_camel_case_types, reason = "named as C names it")]
pub struct socialchannel_exchange {
    _private: [u8; 0],
}

/// The object of a handle.
pub(crate) enum Handle {
    Host(Arc<HostHandle>),
    Error(Arc<ErrorHandle>),
    Exchange(Arc<ExchangeHandle>),
}

/// The number of open hosts. A child after fork inherits the number, with the hosts' files and locks.
static OPEN_HOSTS: AtomicUsize = AtomicUsize::new(0);

/// Counts an open host while it exists.
pub(crate) struct OpenHost(u32);

impl OpenHost {
    /// Refuses a child whose parent had a host open when it forked: SQLite keeps the state of file locks per
    /// process, so the child's SQLite would assume that it holds its parent's locks, and could damage the
    /// database.
    pub(crate) fn new() -> Result<Self> {
        let table = table();
        if table.inherited > 0 {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "this process was forked from one that had a host open: no host can be opened here",
            )
            .with_code("used_after_fork")
            .with_remedy("fork before the parent opens a host, or start the child's program again (exec)"));
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
    /// Handles with lower numbers are from before the fork.
    first: usize,
    /// Hosts that were open in the parent when it forked.
    inherited: usize,
    handles: RwLock<HashMap<usize, Handle>>,
}

/// Multiples of 16, as pointers from an allocator are, and far from NULL.
const STEP: usize = 16;
static NEXT: AtomicUsize = AtomicUsize::new(0x5C00_0000);
static CURRENT: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

/// The table of this process. It is accessed without a lock, because a lock might have been held when the process
/// forked.
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
            // SAFETY: another thread of this process was faster; its table is leaked too.
            unsafe { &*theirs }
        }
    }
}

/// Stores an object and returns its handle.
pub(crate) fn insert(handle: Handle) -> usize {
    let table = table();
    let id = NEXT.fetch_add(STEP, Ordering::Relaxed);
    table.handles.write().unwrap_or_else(PoisonError::into_inner).insert(id, handle);
    id
}

/// Removes a handle; None: there is no handle with that number.
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
                "open a separate host in the child: threads and connections do not survive a fork",
            ));
    }
    Err(invalid("host", "freed_handle", "is not an open host: it was freed, or never opened"))
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
