//! A throw-away MariaDB server, made from the programs of Debian's package `mariadb-server`.
//!
//! It ends with this process ([`throw_away`]), listens on 127.0.0.1 only, with a password, and has the defaults of MariaDB
//! where they say what reaches the disk. Where they say how texts and times are read it has odd ones: what a connection
//! needs it must ask for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use throw_away::{LOOK, PATIENCE, Process, Signals};

/// Who runs it.
const USER: &str = "mysql";
const PROGRAM: &str = "/usr/sbin/mariadbd";
/// The user of tests. It may do everything in databases of tests, and nothing else: no `SUPER`.
const TESTER: &str = "tester";
/// The platform's database, in which our tables are some of many.
const DATABASE: &str = "shop";
/// The user as whom a replica reads its primary's log.
const REPLICA: &str = "replica";

/// Settings of a server of which there are replicas.
pub const PRIMARY: [&str; 3] = ["server-id=1", "log-bin=binlog", "sync-binlog=1"];

/// A running server. Dropping it ends the server and removes all data.
#[derive(Debug)]
pub struct Server {
    process: Process,
    port: u16,
    password: String,
}

impl Server {
    /// Makes a server and starts it. `settings` are the program's flags without dashes, as `name=value`.
    ///
    /// # Errors
    /// If MariaDB is not installed, or does not start.
    pub fn start(settings: &[&str]) -> Result<Self> {
        Self::start_with(throw_away::password()?, settings)
    }

    /// Makes a replica of this server, which was started with [`PRIMARY`], and waits until it follows. `waits`: each commit
    /// waits for it from then on, before it counts and for ever.
    ///
    /// # Errors
    /// If it does not start, and what one of both says.
    pub fn replica(&self, waits: bool) -> Result<Self> {
        let follows = ["server-id=2", "read-only=1", "rpl-semi-sync-slave-enabled=1", "log-bin=binlog"];
        let replica = Self::start_with(self.password.clone(), &follows)?;
        self.run(&format!(
            "SET sql_log_bin = 0; CREATE USER {REPLICA}@127.0.0.1 IDENTIFIED BY '{}';
             GRANT REPLICATION SLAVE ON *.* TO {REPLICA}@127.0.0.1",
            self.password
        ))?;
        if waits {
            // Not from its start on: what it writes then would wait for ever.
            self.run(
                "SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC, rpl_semi_sync_master_timeout = 4294967295,
                 rpl_semi_sync_master_enabled = ON",
            )?;
        }
        replica.run(&format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = '{REPLICA}',
             MASTER_PASSWORD = '{}', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1; START SLAVE",
            self.port, self.password
        ))?;
        let began = Instant::now();
        while self.run("SHOW GLOBAL STATUS LIKE 'Slaves_connected'")? != "Slaves_connected\t1" {
            ensure!(began.elapsed() < PATIENCE, "it does not follow: {}", replica.run("SHOW SLAVE STATUS")?);
            std::thread::sleep(LOOK);
        }
        Ok(replica)
    }

    /// A replica that is cut off from its primary: what that one commits from now on is not here.
    ///
    /// # Errors
    /// What the server says.
    pub fn cut_off(&self) -> Result<()> {
        self.run("STOP SLAVE").map(drop)
    }

    /// Makes a replica the primary, once it has done what it has read of its primary's log.
    ///
    /// # Errors
    /// What the server says.
    pub fn promote(&self) -> Result<()> {
        // The row is empty where it was cut off before.
        self.run("STOP SLAVE IO_THREAD")?;
        let began = Instant::now();
        while !self.run("SHOW SLAVE STATUS")?.contains("Slave has read all relay log") {
            ensure!(began.elapsed() < PATIENCE, "it does not come to the end of what it has read");
            if self.run("SELECT COUNT(*) FROM information_schema.processlist WHERE command = 'Slave_SQL'")?
                == "0"
            {
                break;
            }
            std::thread::sleep(LOOK);
        }
        self.run("STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = 0").map(drop)
    }

    /// The address of its port.
    pub fn address(&self) -> std::net::SocketAddr {
        (std::net::Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn start_with(password: String, settings: &[&str]) -> Result<Self> {
        let made = template()?;
        let folder = throw_away::folder()?;
        match Self::start_in(&made, &folder, password, settings) {
            Ok(server) => Ok(server),
            Err(error) => {
                let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                // Best effort: the error is what matters.
                let _ = std::fs::remove_dir_all(&folder);
                Err(error.context(log))
            }
        }
    }

    fn start_in(made: &Path, folder: &Path, password: String, settings: &[&str]) -> Result<Self> {
        let data = folder.join("data");
        throw_away::run(Command::new("cp").args(["-R", "--sparse=always", "--"]).arg(made).arg(&data))?;
        // Run at every start.
        let first = folder.join("first.sql");
        let grants = ["shop", "case\\_%"].map(|of| format!("GRANT ALL ON `{of}`.* TO {TESTER}@127.0.0.1;\n"));
        let sql = format!(
            "CREATE DATABASE IF NOT EXISTS {DATABASE};\n\
             CREATE USER IF NOT EXISTS {TESTER}@127.0.0.1 IDENTIFIED BY '{password}';\n{}",
            grants.concat()
        );
        std::fs::write(&first, sql)?;
        throw_away::give_to(USER, folder)?;
        // Another process may take the port in between; then the next one is tried.
        for _ in 0..5 {
            let port = throw_away::free_port()?;
            let mut command = throw_away::program_of(USER, Path::new(PROGRAM));
            command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"]);
            command.args([
                "--max-connections=400",
                "--character-set-server=latin1",
                "--default-time-zone=+05:30",
            ]);
            command.args(["--sql-mode=", "--innodb-log-file-size=96M"]);
            command.arg(format!("--port={port}"));
            for (flag, name) in
                [("datadir", "data"), ("socket", "socket"), ("pid-file", "pid"), ("init-file", "first.sql")]
            {
                command.arg(format!("--{flag}={}", folder.join(name).display()));
            }
            // Its own: a server that starts deletes what it takes for its own old files there, and so another's.
            command.arg(format!("--tmpdir={}", folder.display()));
            for setting in settings {
                command.arg(format!("--{setting}"));
            }
            let signals = Signals { stop: "TERM", last: "KILL" };
            let process = Process::new(folder, signals, &command)?;
            let server = Server { process, port, password: password.clone() };
            if server.start_again().is_ok() {
                return Ok(server);
            }
            // Its end would remove the folder.
            std::mem::forget(server);
        }
        bail!("MariaDB does not start")
    }

    /// Where the server is, with the platform's database.
    pub fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// The same for another database, which a test has made; its name begins with `case_`.
    pub fn url_of(&self, database: &str) -> String {
        format!("mysql://{TESTER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// The same for a fresh database of this name.
    ///
    /// # Errors
    /// What the server says.
    pub fn url_in(&self, database: &str) -> Result<String> {
        self.run(&format!("CREATE DATABASE {database}"))?;
        Ok(self.url_of(database))
    }

    /// Starts a server that was stopped or killed, and waits until it takes connections.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_again(&self) -> Result<()> {
        self.process.start(|| self.is_ready())
    }

    /// See [`Process::kill`].
    ///
    /// # Errors
    /// If the shell in between is gone.
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// See [`Process::stop`].
    ///
    /// # Errors
    /// If the shell in between is gone.
    pub fn stop(&self) -> Result<()> {
        self.process.stop()
    }

    /// Runs SQL in the platform's database as the server's administrator, and returns what it prints.
    ///
    /// # Errors
    /// What the server says.
    pub fn run(&self, sql: &str) -> Result<String> {
        throw_away::run(
            Command::new("mariadb")
                .args(["--no-defaults", "--user=root", "--batch", "--skip-column-names", "--raw"])
                .arg(format!("--socket={}", self.process.folder().join("socket").display()))
                .args(["--database", DATABASE, "--execute", sql]),
        )
    }

    /// Cuts every connection of tests.
    ///
    /// # Errors
    /// What the server says.
    pub fn cut(&self) -> Result<()> {
        self.run(&format!("KILL HARD CONNECTION USER {TESTER}@127.0.0.1")).map(drop)
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    fn is_ready(&self) -> bool {
        // Also the network: the socket is there a moment earlier.
        self.run("SELECT 1").is_ok()
            && std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, self.port)).is_ok()
    }
}

/// A folder of data that every server begins with. Making one takes some seconds, and copying it none, so it is kept in the
/// folder of builds.
fn template() -> Result<PathBuf> {
    ensure!(
        Path::new(PROGRAM).is_file(),
        "MariaDB is not installed: apt-get install mariadb-server, or `cargo xtask test store`, which does it"
    );
    let said = throw_away::run(Command::new(PROGRAM).args(["--no-defaults", "--version"]))?;
    let version = said.split_whitespace().nth(2).context("MariaDB does not tell its version")?;
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let known = target.join(format!("mariadb-{version}"));
    if known.is_dir() {
        return Ok(known);
    }
    let fresh = throw_away::folder()?;
    throw_away::give_to(USER, &fresh)?;
    throw_away::run(
        throw_away::program_of(USER, Path::new("mariadb-install-db"))
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(["--skip-name-resolve", "--innodb-log-file-size=16M"])
            .arg(format!("--datadir={}", fresh.join("data").display()))
            .current_dir("/"),
    )?;
    // Two processes may make one at once: the second finds that of the first.
    std::fs::create_dir_all(&target)?;
    let moved = tempfile::Builder::new().prefix("mariadb-").tempdir_in(&target)?.keep();
    throw_away::run(
        Command::new("cp")
            .args(["-R", "--sparse=always", "--"])
            .arg(fresh.join("data"))
            .arg(moved.join("data")),
    )?;
    std::fs::remove_dir_all(&fresh)?;
    let renamed = std::fs::rename(moved.join("data"), &known);
    std::fs::remove_dir_all(&moved)?;
    match renamed {
        Err(error) if !known.is_dir() => Err(error.into()),
        _ => Ok(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_server_starts_again_with_its_data_and_leaves_nothing_at_the_end() {
        let server = Server::start(&[]).unwrap();
        assert_eq!(server.run("SELECT @@innodb_flush_log_at_trx_commit").unwrap(), "1");
        server.run("CREATE TABLE kept (it integer); INSERT INTO kept VALUES (7)").unwrap();
        server.kill().unwrap();
        assert!(!server.is_ready());
        server.start_again().unwrap();
        assert_eq!(server.run("SELECT it FROM kept").unwrap(), "7");
        assert!(server.log().contains("crash recovery"), "{}", server.log());
        server.stop().unwrap();
        server.start_again().unwrap();
        server.cut().unwrap();
        let (folder, port) = (server.process.folder().to_owned(), server.port);
        drop(server);
        assert!(!folder.exists());
        std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port))
            .expect("nobody listens there any more");
    }
}
