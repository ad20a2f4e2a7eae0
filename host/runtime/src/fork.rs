//! Whether this process is a child of one that used this library before it forked.

use std::sync::atomic::{AtomicU32, Ordering};

/// Threads that a dependency keeps for the whole process (rayon's, for compiling) do not exist in a forked child,
/// and waiting for them would never end.
pub(crate) fn has_forked() -> bool {
    static FIRST: AtomicU32 = AtomicU32::new(0);
    let pid = std::process::id();
    match FIRST.compare_exchange(0, pid, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => false,
        Err(first) => first != pid,
    }
}
