//! A throw-away PostgreSQL server, made from the programs of Debian's package `postgresql`.
//!
//! A shell stands between this process and the server, and reads commands from a pipe. When this process ends, however it
//! ends, the pipe is closed: the shell then kills the server and removes its folder. So a panic, an abort and `kill -9`
//! leave nothing behind. The server listens on 127.0.0.1 only, with a password, and with the defaults of PostgreSQL:
//! commits reach the disk.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// Starting takes a second; after a kill the recovery takes some more, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// The shell in between. Signals from a terminal go to the test alone, which then closes the pipe.
const BETWEEN: &str = r#"
trap '' INT TERM HUP
folder=$1
shift
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
    stop) end INT ;;
    kill) end KILL ;;
    alive) kill -0 "$pid" 2>/dev/null || { echo no; continue; } ;;
    esac
    echo yes
done
end QUIT
rm -rf "$folder"
"#;

/// A running server. Dropping it ends the server and removes all data.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    port: u16,
    password: String,
    between: Mutex<Between>,
}

#[derive(Debug)]
struct Between {
    shell: Child,
    // Closed by `take`, which ends the shell.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// Makes a cluster and starts it. `settings` are lines of `postgresql.conf` as `name=value`.
    ///
    /// # Errors
    /// If PostgreSQL is not installed, or does not start.
    pub fn start(settings: &[&str]) -> Result<Self> {
        let mut password = [0; 12];
        getrandom::fill(&mut password)?;
        let password = hex::encode(password);
        let made = password.clone();
        Self::start_with(password, settings, |programs, folder| {
            let secret = folder.join("password");
            std::fs::write(&secret, &made)?;
            // Names sort by the rules of a language unless a column says otherwise, as in most databases.
            let mut command = as_somebody(&programs.join("initdb"));
            command
                .args(["--auth=scram-sha-256", "--username=postgres", "--encoding=UTF8", "--no-sync"])
                .args(["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"])
                .arg(format!("--pwfile={}", secret.display()))
                .arg("--pgdata");
            Ok(command)
        })
    }

    /// Makes a copy of this server that follows it, and starts it. It takes reads only, until it is promoted.
    ///
    /// # Errors
    /// If it cannot be copied, or the copy does not start.
    pub fn standby(&self) -> Result<Self> {
        Self::start_with(self.password.clone(), &[], |programs, _| {
            let mut command = as_somebody(&programs.join("pg_basebackup"));
            command
                .args(["--host=127.0.0.1", "--username=postgres", "--checkpoint=fast", "--no-sync"])
                .arg(format!("--port={}", self.port))
                .args(["--write-recovery-conf", "--wal-method=stream"])
                .env("PGPASSWORD", &self.password)
                .arg("--pgdata");
            Ok(command)
        })
    }

    /// A standby that is cut off from its primary: what that one commits from now on is not here.
    ///
    /// # Errors
    /// What the server says.
    pub fn cut_off(&self) -> Result<()> {
        self.run("ALTER SYSTEM SET primary_conninfo = ''")?;
        self.run("SELECT pg_reload_conf()")?;
        let began = Instant::now();
        while self.run("SELECT count(*) FROM pg_stat_wal_receiver")? != "0" {
            ensure!(began.elapsed() < PATIENCE, "it is still not cut off");
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Makes a standby the primary, and waits until it takes writes.
    ///
    /// # Errors
    /// What the server says.
    pub fn promote(&self) -> Result<()> {
        ensure!(self.run("SELECT pg_promote()")? == "t", "it is not promoted");
        Ok(())
    }

    /// The address of its port.
    pub fn address(&self) -> std::net::SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn start_with(
        password: String,
        settings: &[&str],
        make: impl FnOnce(&Path, &Path) -> Result<Command>,
    ) -> Result<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("postgres-of-a-test-").tempdir()?.keep();
        match Self::start_in(&programs, &folder, password, settings, make) {
            Ok(server) => Ok(server),
            Err(error) => {
                let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                // Best effort: the error is what matters.
                let _ = std::fs::remove_dir_all(&folder);
                Err(error.context(log))
            }
        }
    }

    fn start_in(
        programs: &Path,
        folder: &Path,
        password: String,
        settings: &[&str],
        make: impl FnOnce(&Path, &Path) -> Result<Command>,
    ) -> Result<Self> {
        let mut make = make(programs, folder)?;
        if is_root() {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
            done(Command::new("chown").arg("-R").arg("postgres:postgres").arg(folder))?;
        }
        let data = folder.join("data");
        let made = make.arg(&data).current_dir("/").output().context("no cluster can be made")?;
        ensure!(made.status.success(), "{make:?}: {}", String::from_utf8_lossy(&made.stderr));
        // Another process may take the port in between; then the next one is tried.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let mut command = as_somebody(&programs.join("postgres"));
            command.arg("-D").arg(&data).args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "max_connections=400",
            ]);
            command.arg("-c").arg(format!("port={port}"));
            command.arg("-c").arg(format!("unix_socket_directories={}", folder.display()));
            for setting in settings {
                command.arg("-c").arg(setting);
            }
            let mut shell = Command::new("sh");
            shell.args(["-c", BETWEEN, "postgres-of-a-test"]).arg(folder);
            shell.arg(command.get_program()).args(command.get_args());
            shell.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut shell = shell.spawn().context("no shell")?;
            let commands = shell.stdin.take();
            let answers = BufReader::new(shell.stdout.take().context("no pipe")?);
            let server = Server {
                folder: folder.to_owned(),
                port,
                password: password.clone(),
                between: Mutex::new(Between { shell, commands, answers }),
            };
            if server.start_again().is_ok() {
                return Ok(server);
            }
            std::mem::forget(server);
        }
        bail!("PostgreSQL does not start")
    }

    /// Where the server is, with a database that everybody may write to.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The same for another database.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// The same for tables in a schema of this name.
    pub fn url_in(&self, schema: &str) -> String {
        format!("{}?options[search_path]={schema}", self.url())
    }

    /// Starts a server that was stopped or killed, and waits until it takes connections.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_again(&self) -> Result<()> {
        let began = Instant::now();
        self.tell("start")?;
        loop {
            if self.is_ready() {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "PostgreSQL takes no connections");
            if !self.tell("alive")? {
                // What was killed before has not quite ended, and holds its memory.
                ensure!(began.elapsed() < PATIENCE / 4, "PostgreSQL has ended: {}", self.log());
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

    /// Runs SQL as the owner of everything, and returns what `psql` prints.
    ///
    /// # Errors
    /// What the server says.
    pub fn run(&self, sql: &str) -> Result<String> {
        let ran = Command::new(programs()?.join("psql"))
            .args([
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
                "--command",
                sql,
            ])
            .arg(format!("--host={}", self.folder.display()))
            .args(["--username=postgres", "--dbname=postgres"])
            .arg(format!("--port={}", self.port))
            .env("PGPASSWORD", &self.password)
            .output()?;
        ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned())
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn is_ready(&self) -> bool {
        let Ok(programs) = programs() else { return false };
        let asked = Command::new(programs.join("pg_isready"))
            .args(["--quiet", "--host", "127.0.0.1", "--port", &self.port.to_string()])
            .status();
        asked.is_ok_and(|status| status.success())
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

impl Drop for Server {
    fn drop(&mut self) {
        let between = self.between.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(between.commands.take());
        // It ends at once: all it does is to kill the server and to remove the folder.
        let _ = between.shell.wait();
    }
}

/// The newest version's folder of programs.
fn programs() -> Result<PathBuf> {
    let root = Path::new("/usr/lib/postgresql");
    let versions = std::fs::read_dir(root).into_iter().flatten().flatten();
    let of = |entry: &std::fs::DirEntry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
    let newest = versions
        .filter(|entry| entry.path().join("bin/initdb").is_file())
        .filter_map(|entry| of(&entry))
        .max()
        .context("PostgreSQL is not installed: apt-get install postgresql, or `cargo xtask test store`, which does it")?;
    Ok(root.join(newest.to_string()).join("bin"))
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uid.is_some_and(|uids| uids.split_whitespace().nth(1) == Some("0"))
}

/// PostgreSQL refuses to run as root.
fn as_somebody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
    command
}

fn done(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_server_starts_again_with_its_data_and_leaves_nothing_at_the_end() {
        let server = Server::start(&[]).unwrap();
        assert_eq!(server.run("SHOW fsync").unwrap(), "on");
        server.run("CREATE TABLE kept (it integer); INSERT INTO kept VALUES (7)").unwrap();
        server.kill().unwrap();
        assert!(!server.is_ready());
        server.start_again().unwrap();
        assert_eq!(server.run("SELECT it FROM kept").unwrap(), "7");
        assert!(server.log().contains("automatic recovery"), "{}", server.log());
        let (folder, port) = (server.folder.clone(), server.port);
        drop(server);
        assert!(!folder.exists());
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("nobody listens there any more");
    }

    #[test]
    fn a_standby_has_what_its_primary_had_before_it_was_cut_off() {
        let primary = Server::start(&["synchronous_standby_names=*"]).unwrap();
        // Nothing waits for a standby that is not there yet.
        primary.run("SET synchronous_commit = local; CREATE TABLE kept (it integer)").unwrap();
        let standby = primary.standby().unwrap();
        primary.run("INSERT INTO kept VALUES (7)").unwrap();
        standby.cut_off().unwrap();
        primary.run("SET synchronous_commit = local; INSERT INTO kept VALUES (8)").unwrap();
        assert!(standby.run("INSERT INTO kept VALUES (9)").unwrap_err().to_string().contains("read-only"));
        primary.kill().unwrap();
        standby.promote().unwrap();
        standby.run("INSERT INTO kept VALUES (9)").unwrap();
        assert_eq!(standby.run("SELECT array_agg(it ORDER BY it) FROM kept").unwrap(), "{7,9}");
    }

    /// The other process of the next test: it starts a server, says where, and waits to be killed.
    #[test]
    #[ignore = "run by the next one"]
    fn a_process_that_is_killed() {
        let server = Server::start(&[]).unwrap();
        std::fs::write(std::env::var_os("SAY_WHERE").unwrap(), server.folder.to_str().unwrap()).unwrap();
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn a_killed_test_leaves_no_server_behind() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().join("where");
        let mut other = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "tests::a_process_that_is_killed"])
            .env("SAY_WHERE", &place)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wait = |done: &dyn Fn() -> bool| {
            let began = Instant::now();
            while !done() {
                assert!(began.elapsed() < PATIENCE);
                std::thread::sleep(LOOK);
            }
        };
        wait(&|| std::fs::read_to_string(&place).is_ok_and(|text| !text.is_empty()));
        let folder = PathBuf::from(std::fs::read_to_string(&place).unwrap());
        assert!(folder.join("data/postmaster.pid").exists());
        other.kill().unwrap();
        other.wait().unwrap();
        wait(&|| !folder.exists());
    }
}
