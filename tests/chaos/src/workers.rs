//! Worker processes: started, killed, stopped for longer than a lease, and started again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

pub(crate) struct Workers {
    program: PathBuf,
    folder: PathBuf,
    origin: String,
    children: Vec<Worker>,
    pub(crate) kills: usize,
    pub(crate) stops: usize,
}

struct Worker {
    child: Child,
}

impl Workers {
    pub(crate) fn start(program: &Path, folder: &Path, origin: &str, count: usize) -> Result<Self> {
        let mut workers = Workers {
            program: program.to_owned(),
            folder: folder.to_owned(),
            origin: origin.to_owned(),
            children: Vec::new(),
            kills: 0,
            stops: 0,
        };
        for _ in 0..count {
            let worker = workers.spawn()?;
            workers.children.push(worker);
        }
        Ok(workers)
    }

    fn spawn(&self) -> Result<Worker> {
        let child = Command::new(&self.program)
            .arg("worker")
            .arg(&self.folder)
            .arg(&self.origin)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", self.program.display()))?;
        Ok(Worker { child })
    }

    /// Whether it has opened its host and works.
    pub(crate) fn is_ready(&self, index: usize) -> bool {
        self.children.get(index).is_some_and(|worker| ready(&self.folder, worker.child.id()).exists())
    }

    pub(crate) fn are_ready(&self) -> bool {
        (0..self.children.len()).all(|index| self.is_ready(index))
    }

    pub(crate) fn count(&self) -> usize {
        self.children.len()
    }

    /// SIGSTOP, so that its current work can be read before it is killed. Waits until it is stopped.
    pub(crate) fn freeze(&self, index: usize) -> Result<u32> {
        let Some(worker) = self.children.get(index) else { bail!("there is no worker {index}") };
        let process = worker.child.id();
        signal("-STOP", process)?;
        while !stands_still(process)? {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(process)
    }

    /// SIGKILL, and starts a new process.
    pub(crate) fn kill(&mut self, index: usize) -> Result<()> {
        let fresh = self.spawn()?;
        let Some(place) = self.children.get_mut(index) else { bail!("there is no worker {index}") };
        let mut old = std::mem::replace(place, fresh);
        old.child.kill()?;
        old.child.wait()?;
        self.kills += 1;
        Ok(())
    }

    /// Kills all of them while the clock is moved, because a request in flight must not span the jump.
    pub(crate) fn kill_all(&mut self) -> Result<()> {
        for worker in &mut self.children {
            worker.child.kill()?;
            worker.child.wait()?;
            self.kills += 1;
        }
        Ok(())
    }

    pub(crate) fn start_all(&mut self) -> Result<()> {
        for index in 0..self.children.len() {
            let fresh = self.spawn()?;
            if let Some(place) = self.children.get_mut(index) {
                *place = fresh;
            }
        }
        Ok(())
    }

    /// SIGSTOP: it wakes up late, and must detect that it may no longer act.
    pub(crate) fn stop(&mut self, index: usize, length: Duration) -> Result<()> {
        let Some(worker) = self.children.get_mut(index) else { bail!("there is no worker {index}") };
        let process = worker.child.id();
        signal("-STOP", process)?;
        self.stops += 1;
        // Woken concurrently, because it may hold the database's lock while stopped, for which all others
        // wait. It may already be dead, which is fine.
        std::thread::spawn(move || {
            std::thread::sleep(length);
            let _ = signal("-CONT", process);
        });
        Ok(())
    }

    /// Checks that no worker has ended on its own.
    pub(crate) fn look_after(&mut self) -> Result<()> {
        for worker in &mut self.children {
            if let Some(status) = worker.child.try_wait()? {
                bail!("a worker ended by itself: {status}");
            }
        }
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.children {
            let _ = worker.child.kill();
            let _ = worker.child.wait();
        }
    }
}

/// The third field of /proc/PID/stat, after the name in parentheses. A process that has ended counts as stopped.
fn stands_still(process: u32) -> Result<bool> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let state = stat.rsplit_once(')').and_then(|(_, after)| after.split_whitespace().next());
    Ok(matches!(state, Some("T" | "Z")))
}

/// The file that a worker creates when it has opened its host.
pub(crate) fn ready(folder: &Path, process: u32) -> PathBuf {
    folder.join(format!("ready-{process}"))
}

fn signal(name: &str, process: u32) -> Result<()> {
    // The shell's builtin, because small systems lack the program `kill`.
    let status =
        Command::new("sh").args(["-c", &format!("kill {name} {process}")]).stderr(Stdio::null()).status()?;
    if !status.success() {
        bail!("kill {name} {process}: {status}");
    }
    Ok(())
}
