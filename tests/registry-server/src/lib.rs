//! A throw-away OCI registry, made from the program of Debian's package `docker-registry`.
//!
//! It ends with this process ([`throw_away`]), listens on 127.0.0.1 only, speaks TLS with an authority of its own, and takes
//! one name and password. A test may look into its files and spoil them.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use throw_away::{Process, Signals};

/// The name that signs in.
pub const NAME: &str = "tester";

/// A running registry. Dropping it ends the server and removes all data.
#[derive(Debug)]
pub struct Server {
    process: Process,
    port: u16,
    password: String,
}

impl Server {
    /// Starts an empty registry.
    ///
    /// # Errors
    /// If it is not installed, or does not start.
    pub fn start() -> Result<Self> {
        let folder = throw_away::folder()?;
        Self::start_in(&folder).inspect_err(|_| {
            // Best effort: the error is what matters.
            let _ = std::fs::remove_dir_all(&folder);
        })
    }

    fn start_in(folder: &Path) -> Result<Self> {
        let password = throw_away::password()?;
        certificates(folder)?;
        std::fs::write(folder.join("htpasswd"), format!("{NAME}:{}\n", hashed(&password)?))?;
        // Another process may take the port in between; then the next one is tried.
        for _ in 0..5 {
            let port = throw_away::free_port()?;
            let config = folder.join("config.yml");
            std::fs::write(&config, settings(folder, port))?;
            let mut command = Command::new(program()?);
            command.arg("serve").arg(&config);
            let process = Process::new(folder, Signals { stop: "TERM", last: "KILL" }, &command)?;
            let server = Server { process, port, password: password.clone() };
            if server.start_again().is_ok() {
                return Ok(server);
            }
            // Its end would remove the folder.
            std::mem::forget(server);
        }
        bail!("docker-registry does not start")
    }

    /// Its name in references.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The password of [`NAME`].
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The certificate of its authority, as PEM.
    pub fn authority(&self) -> PathBuf {
        self.process.folder().join("ca.pem")
    }

    /// Everything that it keeps, as the distribution project lays it out.
    pub fn files(&self) -> PathBuf {
        self.process.folder().join("data/docker/registry/v2")
    }

    /// The file of a blob, by its SHA-256.
    pub fn blob(&self, sha256: &str) -> PathBuf {
        self.files().join("blobs/sha256").join(&sha256[..2]).join(sha256).join("data")
    }

    /// The folder of a tag.
    pub fn tag(&self, repository: &str, tag: &str) -> PathBuf {
        self.files().join("repositories").join(repository).join("_manifests/tags").join(tag)
    }

    /// What it has logged: every request.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it; what it keeps stays.
    ///
    /// # Errors
    /// If the shell in between is gone.
    pub fn stop(&self) -> Result<()> {
        self.process.stop()
    }

    /// Starts it again.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_again(&self) -> Result<()> {
        self.process.start(|| TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok())
    }
}

fn settings(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "version: 0.1
log: {{accesslog: {{disabled: false}}, level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}
http:
  addr: 127.0.0.1:{port}
  tls: {{certificate: {folder}/server.pem, key: {folder}/server.key}}
auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}
"
    )
}

/// An authority, and a certificate of it for this machine.
fn certificates(folder: &Path) -> Result<()> {
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n")?;
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let openssl = |first: &str, words: &[&str]| {
        throw_away::run(Command::new("openssl").arg(first).args(words).current_dir(folder))
    };
    openssl(
        "req",
        &[
            &["-x509"],
            &curve[..],
            &["-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=tests"],
        ]
        .concat(),
    )?;
    openssl(
        "req",
        &[&curve[..], &["-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"]].concat(),
    )?;
    openssl(
        "x509",
        &[
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            "server.pem",
        ],
    )
    .map(drop)
}

/// As the registry wants passwords: bcrypt, which the C library makes. The salt is made of random digits.
fn hashed(password: &str) -> Result<String> {
    let salt = throw_away::password()?;
    let salt = format!("$2b$04${}", &salt[..22]);
    throw_away::run(Command::new("perl").args(["-e", "print crypt($ARGV[0], $ARGV[1])", password, &salt]))
}

fn program() -> Result<PathBuf> {
    let place = PathBuf::from("/usr/bin/docker-registry");
    place.is_file().then_some(place).context(
        "docker-registry is not installed: apt-get install docker-registry, or `cargo xtask test registry`, which does it",
    )
}
