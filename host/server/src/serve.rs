//! Listening, working and stopping.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::{Extension, Router};
use social_channel::{Error, ErrorKind, Host, HostBuilder, Result, SecretText};
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::auth::Arrival;
use crate::{Config, Listen, State, router};

/// A service that has its addresses and does not answer yet. Dropping it frees them.
#[derive(Debug)]
pub struct Server {
    config: Config,
    bound: Vec<Bound>,
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

/// A socket's file, removed with it.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Serves until `stop` comes true: [`Server::bind`] and [`Server::run`] in one, for a host that needs to know
/// nothing of the addresses.
///
/// # Errors
/// As these.
pub async fn serve(host: Host, config: Config, stop: impl Future<Output = ()> + Send) -> Result<()> {
    Server::bind(config).await?.run(host, stop).await
}

impl Server {
    /// Takes the addresses.
    ///
    /// # Errors
    /// `Misconfigured` where one cannot be taken, saying why.
    pub async fn bind(config: Config) -> Result<Self> {
        if config.listen.is_empty() {
            return Err(Error::new(ErrorKind::Misconfigured, "the service has no address to listen at")
                .with_field("listen"));
        }
        let mut bound = Vec::new();
        for listen in &config.listen {
            bound.push(match listen {
                Listen::Tcp(address) => {
                    let listener = bind_tcp(*address).map_err(|error| cannot(listen, error))?;
                    let address = listener.local_addr().map_err(|error| cannot(listen, error))?;
                    Bound::Tcp(listener, address)
                }
                Listen::Unix(path) => bind_unix(path).map_err(|error| cannot(listen, error))?,
            });
        }
        Ok(Server { config, bound })
    }

    /// Where it listens now, with the ports it was given.
    pub fn addresses(&self) -> Vec<Listen> {
        self.bound
            .iter()
            .map(|bound| match bound {
                Bound::Tcp(_, address) => Listen::Tcp(*address),
                Bound::Unix(_, file) => Listen::Unix(file.0.clone()),
            })
            .collect()
    }

    /// Where browsers reach it: the public address, else the first port on loopback.
    pub fn address(&self) -> Option<String> {
        self.config.public_address.clone().or_else(|| {
            self.bound.iter().find_map(|bound| match bound {
                Bound::Tcp(_, address) if address.ip().is_loopback() => Some(format!("http://{address}")),
                _ => None,
            })
        })
    }

    /// Tells a host what the configuration says of it: its public address, folders and background work.
    ///
    /// # Errors
    /// None at present.
    pub fn prepare(&self, builder: HostBuilder) -> Result<HostBuilder> {
        Ok(self.config.apply(builder, self.address()))
    }

    /// Serves until `stop` comes true; then takes no new request, ends event streams, waits for what is under
    /// way, and lays jobs down so that the next start goes on with them.
    ///
    /// # Errors
    /// `Misconfigured` where the service would be open to the world.
    pub async fn run(self, host: Host, stop: impl Future<Output = ()> + Send) -> Result<()> {
        if let Some(path) = &self.config.password_file {
            read_password(&host, path).await?;
        }
        refuse_open(&self, &host).await?;
        let workers = self.config.workers;
        let longest = Duration::from_secs(self.config.stop_seconds);
        let state = State::new(host.clone(), self.config)?;
        let app = router(state.clone());
        let mut serving = tokio::task::JoinSet::new();
        for bound in self.bound {
            serving.spawn(serve_one(bound, app.clone(), state.clone()));
        }
        let worker = workers.then(|| tokio::spawn(work(host.clone())));
        tokio::select! {
            () = stop => tracing::info!("stopping"),
            // A listener ends by itself only when it broke.
            _ = serving.join_next() => tracing::error!("a listener broke; stopping"),
        }
        state.0.stop.cancel();
        let begun = tokio::time::Instant::now();
        let served = async { while serving.join_next().await.is_some() {} };
        if tokio::time::timeout(longest, served).await.is_err() {
            tracing::warn!("requests were still under way when the time was up");
        }
        host.shutdown(longest.saturating_sub(begun.elapsed()).max(Duration::from_secs(1))).await;
        if let Some(worker) = worker {
            // The worker ends by itself once the host is shut down; a broken one was in the log already.
            let _ = tokio::time::timeout(Duration::from_secs(1), worker).await;
        }
        Ok(())
    }
}

/// Drives jobs, and begins anew where the database failed for a while.
async fn work(host: Host) {
    loop {
        match host.work(None).await {
            Ok(_) => return,
            Err(error) => {
                tracing::error!(%error, "the worker stopped; it begins anew in five seconds");
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        }
    }
}

async fn serve_one(bound: Bound, app: Router, state: State) {
    let stop = state.0.stop.clone();
    let served = match bound {
        Bound::Tcp(listener, address) => {
            let arrival = if address.ip().is_loopback() { Arrival::Loopback } else { Arrival::Network };
            let app = app.layer(Extension(arrival)).into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
        }
        Bound::Unix(listener, file) => {
            let app = app.layer(Extension(Arrival::Unix));
            let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await;
            drop(file);
            served
        }
    };
    if let Err(error) = served {
        tracing::error!(%error, "a listener failed");
    }
}

/// Connections that wait to be taken. By default 128: of two hundred browsers that come back after a restart, some would
/// wait a second for their next try.
const WAITING: u32 = 4096;

fn bind_tcp(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the short way does: a restart does not wait for connections of before.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Makes the socket for this user only, from its first moment on.
fn bind_unix(path: &Path) -> std::io::Result<Bound> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(std::io::Error::other("something else lies there"));
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, "another process listens there"));
        }
        // Left behind by a process that was killed.
        std::fs::remove_file(path)?;
    }
    // Bound under a name in a folder that only we can enter, and moved when its rights are set: between
    // `bind` and `chmod` anybody could connect otherwise.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let hidden = parent.join(format!(
        ".{}.{}",
        std::process::id(),
        path.file_name().unwrap_or_default().to_string_lossy()
    ));
    std::fs::create_dir(&hidden)?;
    let made = (|| {
        std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o700))?;
        let inner = hidden.join("s");
        let listener = UnixListener::bind(&inner)?;
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&inner, path)?;
        Ok(Bound::Unix(listener, SocketFile(path.to_owned())))
    })();
    let _ = std::fs::remove_dir(&hidden);
    made
}

fn cannot(listen: &Listen, error: std::io::Error) -> Error {
    let remedy = match error.kind() {
        std::io::ErrorKind::AddrInUse => "stop the other program, or listen at another address",
        std::io::ErrorKind::PermissionDenied => {
            "take a port above 1023, or a folder that this user may write"
        }
        _ => "check the address",
    };
    Error::new(ErrorKind::Misconfigured, format!("cannot listen at {listen}: {error}"))
        .with_field("listen")
        .with_remedy(remedy)
        .with_source(error)
}

async fn read_password(host: &Host, path: &Path) -> Result<()> {
    let text = tokio::fs::read_to_string(path).await.map_err(|error| {
        Error::new(
            ErrorKind::Misconfigured,
            format!("the password file {} cannot be read: {error}", path.display()),
        )
        .with_field("password_file")
        .with_remedy("check the path and the rights of the file")
        .with_source(error)
    })?;
    let password = SecretText::new(text.trim_end_matches(['\r', '\n']));
    // Set anew only where it changed: browsers that are signed in stay so over a restart.
    if host.check_password(password.clone()).await? {
        Ok(())
    } else {
        host.set_password(Some(password)).await
    }
}

/// Beyond this machine nobody may come in without a password or a key.
async fn refuse_open(server: &Server, host: &Host) -> Result<()> {
    let elsewhere = server.bound.iter().find_map(|bound| match bound {
        Bound::Tcp(_, address) if !address.ip().is_loopback() => Some(format!("listen at {address}")),
        _ => None,
    });
    let public = server.config.is_public().then(|| "be reached from outside".to_owned());
    let Some(what) = elsewhere.or(public) else { return Ok(()) };
    if host.has_password().await? || host.has_api_keys().await? {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Misconfigured,
        format!("the service would {what} without a password or an API key"),
    )
    .with_field("listen")
    .with_remedy(
        "set a password (`social-channel keys password`, or `password_file`) or make a key (`social-channel keys create`), or listen on 127.0.0.1 only",
    ))
}
