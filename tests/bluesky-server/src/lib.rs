//! A throw-away Bluesky: the PLC directory, a PDS and the AppView, as its makers publish them, beside a throw-away PostgreSQL.
//!
//! All three are one process of Node.js, which ends with this process ([`throw_away`]) and listens on 127.0.0.1 only. They are
//! reached as `http://localhost:PORT`: ids name their server so, and the directory refuses addresses.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use throw_away::{LOOK, PATIENCE, Process, Signals};

/// What signs tokens of app passwords; the servers of a test have no secrets.
pub const JWT_SECRET: &str = "jwt-secret";
/// Of every account.
const PASSWORD: &str = "password-of-a-test";

/// A running network. Dropping it ends the servers and removes all data.
#[derive(Debug)]
pub struct Server {
    // The servers end before the database does.
    process: Process,
    /// Address of the PDS, where accounts sign in.
    pub pds: String,
    /// Address of the PLC directory.
    pub plc: String,
    _database: postgres_server::Server,
}

/// An account that was made for a test.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub did: String,
    /// Its name.
    pub handle: String,
    /// For the sign-in page.
    pub password: String,
    /// For programs.
    pub app_password: String,
    /// An access token of its own, past the provider.
    pub access: String,
}

impl Server {
    /// Starts it, with no accounts.
    ///
    /// # Errors
    /// If the servers are not installed, or do not start.
    pub fn start() -> Result<Self> {
        let installed = installed()?;
        let database = postgres_server::Server::start(&[])?;
        let folder = throw_away::folder()?;
        let addresses = folder.join("addresses");
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        // The shell in between hands on no variables of this command.
        let mut command = Command::new("env");
        command.arg(format!("TMPDIR={}", folder.display())).arg("LOG_ENABLED=0").arg(installed.node);
        command.arg("--require").arg(here.join("loopback.cjs")).arg(here.join("network.mjs"));
        command.arg(installed.modules).arg(database.url()).arg(&addresses);
        let process = Process::new(&folder, Signals { stop: "TERM", last: "KILL" }, &command)?;
        process.start(|| addresses.exists())?;
        let told: Value = serde_json::from_slice(&std::fs::read(&addresses)?)?;
        let text = |name: &str| told[name].as_str().map(str::to_owned).context("an address is missing");
        Ok(Server { process, pds: text("pds")?, plc: text("plc")?, _database: database })
    }

    /// What the servers have logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// A new account with an app password. Its handle is `NAME.test`.
    ///
    /// # Errors
    /// What the server says.
    pub fn account(&self, name: &str) -> Result<Account> {
        let handle = format!("{name}.test");
        let made = self.call(
            "com.atproto.server.createAccount",
            None,
            &json!({ "handle": handle, "email": format!("{name}@example.test"), "password": PASSWORD }),
        )?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("a member is missing");
        let access = text(&made["accessJwt"])?;
        let app =
            self.call("com.atproto.server.createAppPassword", Some(&access), &json!({ "name": "test" }))?;
        Ok(Account {
            did: text(&made["did"])?,
            handle,
            password: PASSWORD.to_owned(),
            app_password: text(&app["password"])?,
            access,
        })
    }

    /// A procedure of the PDS, which must succeed.
    ///
    /// # Errors
    /// What the server says.
    pub fn call(&self, method: &str, access: Option<&str>, body: &Value) -> Result<Value> {
        let (status, answer) = self.ask("POST", &format!("/xrpc/{method}"), access, Some(body))?;
        ensure!(status == 200, "{method}: {status} {answer}");
        Ok(answer)
    }

    /// A query of the PDS, which must succeed. `query` is encoded.
    ///
    /// # Errors
    /// What the server says.
    pub fn get(&self, method: &str, access: Option<&str>, query: &str) -> Result<Value> {
        let (status, answer) = self.ask("GET", &format!("/xrpc/{method}?{query}"), access, None)?;
        ensure!(status == 200, "{method}: {status} {answer}");
        Ok(answer)
    }

    /// The posts that an account's own server has, the newest first.
    ///
    /// # Errors
    /// What the server says.
    pub fn records(&self, did: &str) -> Result<Vec<Value>> {
        let query = format!("repo={did}&collection=app.bsky.feed.post&limit=100");
        let answer = self.get("com.atproto.repo.listRecords", None, &query)?;
        Ok(answer["records"].as_array().cloned().unwrap_or_default())
    }

    /// Waits for a query to hold: the AppView learns of a post a moment after the PDS has it.
    ///
    /// # Errors
    /// If it does not.
    pub fn until(&self, what: &str, look: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let began = Instant::now();
        while !look(self).unwrap_or(false) {
            ensure!(began.elapsed() < PATIENCE, "{what} does not come about: {}", self.log());
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// A request to the PDS.
    fn ask(
        &self,
        verb: &str,
        path: &str,
        access: Option<&str>,
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let host = self.pds.strip_prefix("http://").context("an unknown address")?;
        let port = host.rsplit(':').next().context("no port")?.parse()?;
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let access = access.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        // Of 1.0, so that the answer comes in one piece.
        write!(
            stream,
            "{verb} {path} HTTP/1.0\r\nhost: {host}\r\n{access}{kind}content-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok((status, serde_json::from_str(body).unwrap_or_default()))
    }
}

/// What `install.sh` made.
struct Installed {
    node: PathBuf,
    modules: PathBuf,
}

fn installed() -> Result<Installed> {
    let test = std::env::current_exe()?;
    let whole = |target: &Path| {
        let tools = std::fs::read_dir(target.join("tools")).ok()?.flatten().map(|entry| entry.path());
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("bluesky-") && path.join("done").exists()
        };
        let tools = tools.into_iter().find(is_ours)?;
        Some(Installed {
            node: target.join("node/node_modules/.bin/node"),
            modules: tools.join("node_modules"),
        })
    };
    test.ancestors().find_map(whole).context(
        "Bluesky's servers are not installed: tests/bluesky-server/install.sh, or `cargo xtask test bluesky`, which does it",
    )
}
