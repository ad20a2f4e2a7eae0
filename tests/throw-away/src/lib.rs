//! A server of a test, with all its data in one folder.
//!
//! A shell stands between this process and the server, and reads commands from a pipe. When this process ends, however it
//! ends, the pipe is closed: the shell then kills the server and removes its folder. So a panic, an abort and `kill -9`
//! leave nothing behind.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// Starting takes a second; after a kill the recovery takes some more, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
pub const LOOK: Duration = Duration::from_millis(50);

/// The shell in between. Signals from a terminal go to the test alone, which then closes the pipe.
const BETWEEN: &str = r#"
trap '' INT TERM HUP
folder=$1
stop=$2
last=$3
shift 3
pid=
# Ends the server with a signal. What a killed one leaves running ends by itself a moment later.
end() {
    [ -n "$pid" ] || return 0
    kill "-$1" "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    pid=
}
while read -r word; do
    case $word in
    start) "$@" </dev/null >>"$folder/log" 2>&1 & pid=$! ;;
    stop) end "$stop" ;;
    kill) end KILL ;;
    alive) kill -0 "$pid" 2>/dev/null || { echo no; continue; } ;;
    esac
    echo yes
done
end "$last"
rm -rf "$folder"
"#;

/// How a server is ended.
#[derive(Clone, Copy, Debug)]
pub struct Signals {
    /// The name of the signal for an orderly end that cuts all connections.
    pub stop: &'static str,
    /// The name of the one for the last end, after which the data is removed.
    pub last: &'static str,
}

/// A server that was or is running. Dropping it ends the server and removes the folder.
#[derive(Debug)]
pub struct Process {
    folder: PathBuf,
    between: Mutex<Between>,
}

#[derive(Debug)]
struct Between {
    shell: Child,
    // Closed by `take`, which ends the shell.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Prepares to start `command`, whose data is in `folder`. What it says goes to the file `log` there.
    ///
    /// # Errors
    /// If there is no shell.
    pub fn new(folder: &Path, signals: Signals, command: &Command) -> Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", BETWEEN, "server-of-a-test"]).arg(folder).args([signals.stop, signals.last]);
        shell.arg(command.get_program()).args(command.get_args());
        shell.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().context("no shell")?;
        let commands = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().context("no pipe")?);
        Ok(Process { folder: folder.to_owned(), between: Mutex::new(Between { shell, commands, answers }) })
    }

    /// The folder of its data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts it, also after it was stopped or killed, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(&self, is_ready: impl Fn() -> bool) -> Result<()> {
        let began = Instant::now();
        self.tell("start")?;
        loop {
            if is_ready() {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "the server takes no connections");
            if !self.tell("alive")? {
                // What was killed before has not quite ended, and holds its memory.
                ensure!(began.elapsed() < PATIENCE / 4, "the server has ended: {}", self.log());
                std::thread::sleep(LOOK);
                self.tell("start")?;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// `SIGKILL`, as if the machine had lost its power, but for what the system still writes.
    ///
    /// # Errors
    /// If the shell in between is gone.
    pub fn kill(&self) -> Result<()> {
        self.tell("kill").map(drop)
    }

    /// Ends it in an orderly way, cutting all connections.
    ///
    /// # Errors
    /// If the shell in between is gone.
    pub fn stop(&self) -> Result<()> {
        self.tell("stop").map(drop)
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// One command to the shell in between. Returns its answer.
    fn tell(&self, word: &str) -> Result<bool> {
        let mut between = self.between.lock().unwrap_or_else(PoisonError::into_inner);
        let Between { commands, answers, .. } = &mut *between;
        writeln!(commands.as_mut().context("it has ended")?, "{word}")?;
        let mut answer = String::new();
        ensure!(answers.read_line(&mut answer)? > 0, "the shell in between has ended");
        Ok(answer.trim() == "yes")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let between = self.between.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(between.commands.take());
        // It ends at once: all it does is to kill the server and to remove the folder.
        let _ = between.shell.wait();
    }
}

/// A fresh folder for a server.
///
/// # Errors
/// If it cannot be made.
pub fn folder() -> Result<PathBuf> {
    Ok(tempfile::Builder::new().prefix("server-of-a-test-").tempdir()?.keep())
}

/// A fresh password.
///
/// # Errors
/// If the system gives no random numbers.
pub fn password() -> Result<String> {
    let mut password = [0; 12];
    getrandom::fill(&mut password)?;
    Ok(hex::encode(password))
}

/// A port that nobody uses just now. Another process may take it in between; then try the next one.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Servers refuse to run as root.
pub fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uid.is_some_and(|uids| uids.split_whitespace().nth(1) == Some("0"))
}

/// A program, as `user` if this process is root's.
pub fn program_of(user: &str, program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).args(["--init-groups", "--"]);
    command.arg(program);
    command
}

/// Gives a folder and all in it to `user`, if this process is root's.
///
/// # Errors
/// If that fails.
pub fn give_to(user: &str, folder: &Path) -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    run(Command::new("chown").arg("-R").arg(format!("{user}:{user}")).arg(folder)).map(drop)
}

/// Runs a program to its end, and returns what it printed.
///
/// # Errors
/// What it says on standard error, if it fails.
pub fn run(command: &mut Command) -> Result<String> {
    let ran = command.output().with_context(|| format!("{command:?} cannot be run"))?;
    ensure!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned())
}
