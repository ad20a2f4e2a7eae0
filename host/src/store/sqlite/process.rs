//! The owner of a lease: an identifier of this process that another process can check.
//!
//! A lease normally ends by time. If its owner is certainly dead (same boot of the machine, same process
//! namespace, no process with that id and start time), it can be taken over at once.

use std::sync::{Mutex, OnceLock, PoisonError};

/// The unique identifier of this process; a child after fork has a different one.
pub(crate) fn owner() -> &'static str {
    static OWNERS: Mutex<Vec<(u32, &'static str)>> = Mutex::new(Vec::new());
    let pid = std::process::id();
    let mut owners = OWNERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, owner)) = owners.iter().find(|(process, _)| *process == pid) {
        return owner;
    }
    let mut nonce = [0; 8];
    // Without random numbers two owners of one process could not be distinguished, but there is only one.
    let _ = getrandom::fill(&mut nonce);
    let owner =
        format!("{}|{pid}|{}|{}", machine(), start_of("/proc", pid).unwrap_or_default(), hex::encode(nonce))
            .leak();
    owners.push((pid, owner));
    owner
}

/// True only if it is certain; in doubt the process counts as alive.
pub(crate) fn is_dead(owner: &str) -> bool {
    is_dead_by("/proc", owner)
}

fn is_dead_by(proc: &str, owner: &str) -> bool {
    let mut parts = owner.split('|');
    let (Some(theirs), Some(pid), Some(start)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Ok(pid) = pid.parse() else { return false };
    if theirs.is_empty() || theirs != machine() || start.is_empty() {
        return false;
    }
    match start_of(proc, pid) {
        Some(found) => found != start,
        // Another user's process may be hidden in /proc (`hidepid`), but the kernel still reports that it exists.
        None => !may_live(proc, pid),
    }
}

/// False only if the kernel has no process with this id, or only a zombie.
fn may_live(proc: &str, pid: u32) -> bool {
    let Some(number) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return true };
    match rustix::process::test_kill_process(number) {
        // A zombie has ended and only waits for its parent.
        Ok(()) => !is_zombie(proc, pid),
        Err(error) => error != rustix::io::Errno::SRCH,
    }
}

/// Boot id and process namespace; empty if they are unknown.
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

/// The 22nd field of /proc/PID/stat. The name before it may contain any character, even `)`.
fn start_of(proc: &str, pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("{proc}/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

fn is_zombie(proc: &str, pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("{proc}/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, after)| after.trim_start().starts_with('Z'))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_an_ended_one_does_not() {
        assert!(!is_dead(owner()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let start = start_of("/proc", pid);
        child.wait().unwrap();
        let start = start.unwrap_or_else(|| "1".to_owned());
        assert!(is_dead(&format!("{}|{pid}|{start}|00", machine())));
    }

    #[test]
    fn a_process_that_proc_does_not_show_lives_as_long_as_the_kernel_knows_it() {
        // Process 1 always exists; its entry in /proc may be hidden.
        assert!(may_live("/proc", 1));
        assert!(may_live("/proc", std::process::id()));
        // Above any process id of Linux (4,194,304).
        assert!(!may_live("/proc", 5_000_000));
        // Whole, where nothing is shown at all.
        let hidden = tempfile::tempdir().unwrap();
        let hidden = hidden.path().to_str().unwrap();
        assert!(!is_dead_by(hidden, owner()), "it lives");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let owner = format!("{}|{}|1|00", machine(), child.id());
        child.wait().unwrap();
        assert!(is_dead_by(hidden, &owner), "it has ended");
    }

    #[test]
    fn of_another_machine_nothing_is_certain() {
        assert!(!is_dead("other-boot pid:[1]|1|1|00"));
        assert!(!is_dead("nonsense"));
        assert!(!is_dead(""));
    }
}
