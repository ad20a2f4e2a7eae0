//! A throw-away S3: the server of moto (PyPI), which keeps everything in memory and temporary files.
//!
//! A shell stands between this process and the server. When this process ends, however it ends, the pipe to the shell is
//! closed, and the shell kills the server and removes its folder. Clients reach the server through a [`Wire`] that a test can
//! cut. It listens on 127.0.0.1 only.

mod wire;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

pub use wire::Wire;

/// Python takes seconds to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// The bucket that is there from the beginning.
pub const BUCKET: &str = "media";

/// The shell in between. Signals from a terminal go to the test alone, which then closes the pipe.
const BETWEEN: &str = r#"
trap '' INT TERM HUP
folder=$1
shift
"$@" </dev/null >"$folder/log" 2>&1 &
pid=$!
read -r end
kill -KILL "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
rm -rf "$folder"
"#;

/// A running server. Dropping it ends the server and removes all data.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    address: SocketAddr,
    /// Between clients and the server.
    pub wire: Wire,
    shell: Child,
    // Closed first, which ends the shell.
    pipe: Option<ChildStdin>,
}

impl Server {
    /// Starts it, with an empty bucket.
    ///
    /// # Errors
    /// If moto is not installed, or does not start.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("s3-of-a-test-").tempdir()?.keep();
        std::fs::write(
            folder.join("keys"),
            "[default]\naws_access_key_id = key-of-a-test\naws_secret_access_key = secret-of-a-test\n",
        )?;
        // Another process may take the port in between; then the next one is tried.
        for _ in 0..5 {
            let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
            let mut shell = Command::new("sh");
            shell.args(["-c", BETWEEN, "s3-of-a-test"]).arg(&folder).env("TMPDIR", &folder);
            shell.arg(python()).args(["-m", "moto.server", "--host", "127.0.0.1", "--port"]);
            shell.arg(address.port().to_string());
            shell.current_dir("/").stdin(Stdio::piped());
            let mut shell = shell.spawn().context("no shell")?;
            let pipe = shell.stdin.take();
            let server = Server { folder: folder.clone(), address, wire: Wire::to(address)?, shell, pipe };
            if server.is_ready() {
                ensure!(server.ask("PUT", &format!("/{BUCKET}"))?.0 == 200, "no bucket: {}", server.log());
                return Ok(server);
            }
            let log = server.log();
            ensure!(
                !log.contains("No module named"),
                "moto is not installed: tests/s3-server/install.sh, or `cargo xtask test rust`, which does it"
            );
        }
        bail!("moto does not start")
    }

    fn is_ready(&self) -> bool {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.ask("GET", "/").is_ok_and(|(status, _)| status == 200) {
                return true;
            }
            if self.log().contains("Error") || self.log().contains("in use") {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        false
    }

    /// A place of files in the bucket, reached through the wire, with its keys in a file.
    pub fn url(&self, prefix: &str) -> String {
        self.url_in(BUCKET, prefix)
    }

    /// The same in another bucket, which may not exist.
    pub fn url_in(&self, bucket: &str, prefix: &str) -> String {
        format!(
            "s3://{bucket}/{prefix}?endpoint=http://{}&region=us-east-1&credentials={}",
            self.wire.address(),
            self.folder.join("keys").display()
        )
    }

    /// The names of all objects in the bucket.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn objects(&self) -> Result<Vec<String>> {
        self.listed("?list-type=2", "Key")
    }

    /// The uploads in parts that nobody has completed or aborted.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn uploads(&self) -> Result<Vec<String>> {
        self.listed("?uploads", "UploadId")
    }

    /// Removes an object.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn delete(&self, name: &str) -> Result<()> {
        self.ask("DELETE", &format!("/{BUCKET}/{name}")).map(drop)
    }

    /// What the server has logged: a line for each request.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn listed(&self, query: &str, name: &str) -> Result<Vec<String>> {
        let (status, body) = self.ask("GET", &format!("/{BUCKET}{query}"))?;
        ensure!(status == 200, "{status}: {body}");
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let found = body.split(open.as_str()).skip(1).filter_map(|rest| rest.split(close.as_str()).next());
        Ok(found.map(str::to_owned).collect())
    }

    /// A request past the wire, without a signature, which moto does not ask for.
    fn ask(&self, method: &str, path: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: s3.amazonaws.com\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok((status, body.to_owned()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // It ends at once: all it does is to kill the server and to remove the folder.
        let _ = self.shell.wait();
    }
}

/// The Python that has moto: the one that `install.sh` made, or the system's.
fn python() -> PathBuf {
    const VERSION: &str = "5.2.5";
    let test = std::env::current_exe().unwrap_or_default();
    let made = |folder: &Path| folder.join("tools").join(format!("moto-{VERSION}")).join("bin/python3");
    test.ancestors().map(made).find(|python| python.exists()).unwrap_or_else(|| PathBuf::from("python3"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_an_empty_bucket_and_leaves_nothing() {
        let server = Server::start().unwrap();
        assert_eq!(server.objects().unwrap(), [""; 0]);
        assert_eq!(server.uploads().unwrap(), [""; 0]);
        let (folder, address) = (server.folder.clone(), server.address);
        drop(server);
        assert!(!folder.exists());
        TcpListener::bind(address).expect("nobody listens there any more");
    }
}
