//! A throw-away PostgreSQL server, made from the programs of Debian's package `postgresql`.
//!
//! It ends with this process ([`throw_away`]), listens on 127.0.0.1 only, with a password, and has the defaults of
//! PostgreSQL: commits reach the disk.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use throw_away::{LOOK, PATIENCE, Process, Signals};

/// Who runs it.
const USER: &str = "postgres";

/// A running server. Dropping it ends the server and removes all data.
#[derive(Debug)]
pub struct Server {
    process: Process,
    port: u16,
    password: String,
}

impl Server {
    /// Makes a cluster and starts it. `settings` are lines of `postgresql.conf` as `name=value`.
    ///
    /// # Errors
    /// If PostgreSQL is not installed, or does not start.
    pub fn start(settings: &[&str]) -> Result<Self> {
        let password = throw_away::password()?;
        let made = password.clone();
        Self::start_with(password, settings, |programs, folder| {
            let secret = folder.join("password");
            std::fs::write(&secret, &made)?;
            // Names sort by the rules of a language unless a column says otherwise, as in most databases.
            let mut command = throw_away::program_of(USER, &programs.join("initdb"));
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
            let mut command = throw_away::program_of(USER, &programs.join("pg_basebackup"));
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
        let folder = throw_away::folder()?;
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
        throw_away::give_to(USER, folder)?;
        let data = folder.join("data");
        let made = make.arg(&data).current_dir("/").output().context("no cluster can be made")?;
        ensure!(made.status.success(), "{make:?}: {}", String::from_utf8_lossy(&made.stderr));
        // Another process may take the port in between; then the next one is tried.
        for _ in 0..5 {
            let port = throw_away::free_port()?;
            let mut command = throw_away::program_of(USER, &programs.join("postgres"));
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
            let signals = Signals { stop: "INT", last: "QUIT" };
            let process = Process::new(folder, signals, &command)?;
            let server = Server { process, port, password: password.clone() };
            if server.start_again().is_ok() {
                return Ok(server);
            }
            // Its end would remove the folder.
            std::mem::forget(server);
        }
        bail!("PostgreSQL does not start")
    }

    /// Where the server is, with a database that everybody may write to.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The same by the server's socket, without TCP.
    pub fn url_by_socket(&self) -> String {
        format!("{}?host={}", self.url(), self.process.folder().display())
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

    /// Runs SQL as the owner of everything, and returns what `psql` prints.
    ///
    /// # Errors
    /// What the server says.
    pub fn run(&self, sql: &str) -> Result<String> {
        throw_away::run(
            Command::new(programs()?.join("psql"))
                .args([
                    "--no-psqlrc",
                    "--quiet",
                    "--tuples-only",
                    "--no-align",
                    "--set=ON_ERROR_STOP=1",
                    "--command",
                    sql,
                ])
                .arg(format!("--host={}", self.process.folder().display()))
                .args(["--username=postgres", "--dbname=postgres"])
                .arg(format!("--port={}", self.port))
                .env("PGPASSWORD", &self.password),
        )
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    fn is_ready(&self) -> bool {
        let Ok(programs) = programs() else { return false };
        let asked = Command::new(programs.join("pg_isready"))
            .args(["--quiet", "--host", "127.0.0.1", "--port", &self.port.to_string()])
            .status();
        asked.is_ok_and(|status| status.success())
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process::Stdio;

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
        let (folder, port) = (server.process.folder().to_owned(), server.port);
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
        std::fs::write(std::env::var_os("SAY_WHERE").unwrap(), server.process.folder().to_str().unwrap())
            .unwrap();
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
