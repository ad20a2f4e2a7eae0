//! Who holds a lease: this process, in words another process can check.
//!
//! A lease normally ends by time. Where its owner is certainly dead (same machine since its start, same
//! process namespace, no process of that number and start time), nobody has to wait for that.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// This process, and nobody else ever; a child of fork is somebody else.
pub(crate) fn owner() -> &'static str {
    static OWNERS: Mutex<Vec<(u32, &'static str)>> = Mutex::new(Vec::new());
    let pid = std::process::id();
    let mut owners = OWNERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, owner)) = owners.iter().find(|(process, _)| *process == pid) {
        return owner;
    }
    let mut nonce = [0; 8];
    // Without random numbers two owners of one process could not be told apart, but there is only one.
    let _ = getrandom::fill(&mut nonce);
    let owner =
        format!("{}|{pid}|{}|{}", machine(), start_of(pid).unwrap_or_default(), hex::encode(nonce)).leak();
    owners.push((pid, owner));
    owner
}

/// Whether this is a child of a process that used this library before it forked. Threads that a dependency
/// keeps for the whole process (rayon's, for compiling) are gone then, and asking them waits for ever.
pub(crate) fn has_forked() -> bool {
    static FIRST: AtomicU32 = AtomicU32::new(0);
    let pid = std::process::id();
    match FIRST.compare_exchange(0, pid, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => false,
        Err(first) => first != pid,
    }
}

/// Certain only: when in doubt, it lives.
pub(crate) fn is_dead(owner: &str) -> bool {
    let mut parts = owner.split('|');
    let (Some(theirs), Some(pid), Some(start)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Ok(pid) = pid.parse() else { return false };
    if theirs.is_empty() || theirs != machine() || start.is_empty() {
        return false;
    }
    start_of(pid).as_deref() != Some(start)
}

/// Boot and process namespace; empty where they cannot be told.
pub(crate) fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        if boot.is_empty() || space.as_os_str().is_empty() {
            return String::new();
        }
        format!("{} {}", boot.trim(), space.display())
    })
}

/// The 22nd field of /proc/PID/stat. The name before it may hold anything, even `)`.
fn start_of(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace();
    // A zombie has ended: it only waits for its parent to ask.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_an_ended_one_does_not() {
        assert!(!is_dead(owner()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let start = start_of(pid);
        child.wait().unwrap();
        let start = start.unwrap_or_else(|| "1".to_owned());
        assert!(is_dead(&format!("{}|{pid}|{start}|00", machine())));
    }

    #[test]
    fn of_another_machine_nothing_is_certain() {
        assert!(!is_dead("other-boot pid:[1]|1|1|00"));
        assert!(!is_dead("nonsense"));
        assert!(!is_dead(""));
    }
}
