//! Listening, working and stopping.

use crate::access::Access;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use http::Extensions;
use social_channel::{Error, ErrorKind, Host, HostBuilder, Result, SecretText};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::auth::{Arrival, is_open};
use crate::connection::{self, Line, Places};
use crate::{Config, Listen, State, router};

/// A service that has bound its addresses but does not serve yet. Dropping it releases them.
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

/// A socket file, removed on drop.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may already be removed.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Serves until `stop` resolves: [`Server::bind`] and [`Server::run`] in one call, for a host that does not need the
/// addresses. If the future is dropped, see there.
///
/// # Errors
/// Those of both calls.
pub async fn serve(host: Host, config: Config, stop: impl Future<Output = ()> + Send) -> Result<()> {
    Server::bind(config).await?.run(host, stop).await
}

impl Server {
    /// Binds the addresses. If the future is dropped, the addresses are released.
    ///
    /// # Errors
    /// `Misconfigured` if an address cannot be bound, with the reason.
    pub async fn bind(config: Config) -> Result<Self> {
        if config.listen.is_empty() {
            return Err(Error::new(ErrorKind::Misconfigured, "the service has no address to listen on")
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

    /// The bound addresses, with the actual ports.
    pub fn addresses(&self) -> Vec<Listen> {
        self.bound
            .iter()
            .map(|bound| match bound {
                Bound::Tcp(_, address) => Listen::Tcp(*address),
                Bound::Unix(_, file) => Listen::Unix(file.0.clone()),
            })
            .collect()
    }

    /// The address for browsers: the public address, otherwise the first port on loopback.
    pub fn address(&self) -> Option<String> {
        self.config.public_address.clone().or_else(|| {
            self.bound.iter().find_map(|bound| match bound {
                Bound::Tcp(_, address) if address.ip().is_loopback() => Some(format!("http://{address}")),
                _ => None,
            })
        })
    }

    /// Sets the address at which platforms fetch media. It may depend on the bound port.
    pub fn set_media_address(&mut self, address: String) {
        self.config.media_address = Some(address);
    }

    /// Applies the configuration to a host: its public address, folders and background work.
    ///
    /// # Errors
    /// Currently none.
    pub fn prepare(&self, builder: HostBuilder) -> Result<HostBuilder> {
        Ok(self.config.apply(builder, self.address()))
    }

    /// Serves until `stop` resolves. Then it accepts no new request, ends event streams, waits for running requests and
    /// calls, and stops the workers, so that the next start continues the jobs. If the future is dropped, connections
    /// break off and no new work starts; running jobs continue, and [`Host::shutdown`] waits for them.
    ///
    /// # Errors
    /// `Misconfigured` if the service would be open to everyone.
    pub async fn run(self, host: Host, stop: impl Future<Output = ()> + Send) -> Result<()> {
        if let Some(path) = &self.config.password_file {
            read_password(&host, path).await?;
        }
        refuse_open(&self, &host).await?;
        let workers = self.config.workers;
        let longest = Duration::from_secs(self.config.stop_seconds);
        let state = State::new(host.clone(), self.config)?;
        say_what_is_open(&self.bound, &state).await?;
        let app = router(state.clone());
        let places = Places::new(state.config().max_connections);
        let mut serving = JoinSet::new();
        for bound in self.bound {
            serving.spawn(serve_one(bound, app.clone(), state.clone(), places.clone()));
        }
        let worker = workers.then(|| AbortOnDropHandle::new(tokio::spawn(work(host.clone()))));
        tokio::select! {
            () = stop => tracing::info!("stopping"),
            // A listener ends without a stop only if it failed.
            _ = serving.join_next() => tracing::error!("a listener failed; stopping"),
        }
        state.0.stop.cancel();
        let begun = tokio::time::Instant::now();
        let served = async { while serving.join_next().await.is_some() {} };
        if tokio::time::timeout(longest, served).await.is_err() {
            tracing::warn!("requests were still running when the time was up");
        }
        host.shutdown(longest.saturating_sub(begun.elapsed()).max(Duration::from_secs(1))).await;
        if let Some(worker) = worker {
            // The worker ends once the host is shut down; a failed worker is already logged.
            let _ = tokio::time::timeout(Duration::from_secs(1), worker).await;
        }
        Ok(())
    }
}

/// Runs the worker, and restarts it after a database failure.
async fn work(host: Host) {
    loop {
        match host.work(None).await {
            Ok(_) => return,
            Err(error) => {
                tracing::error!(%error, "the worker stopped; it starts again in five seconds");
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        }
    }
}

/// Takes connections until the service stops, then waits for those under way.
async fn serve_one(bound: Bound, app: Router, state: State, places: Arc<Places>) {
    let mut connections = JoinSet::new();
    let stop = state.0.stop.clone();
    let mut said = None;
    loop {
        // Those that ended.
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = bound.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                cannot_accept(&error, &places, &mut said).await;
                continue;
            }
        };
        let ip = peer.map(|peer| peer.ip());
        let Some(place) = places.take(ip) else {
            if is_time_to_say(&mut said) {
                tracing::warn!(
                    "all connections are being answered, those kept for the operator too, so a new one was refused; `max_connections` says how many there may be"
                );
            }
            stream.refuse();
            continue;
        };
        if place.is_extra() && is_time_to_say(&mut said) {
            tracing::warn!(
                "all connections are being answered; only the operator comes in, see `max_connections`"
            );
        }
        let mut extensions = Extensions::new();
        extensions.insert(bound.arrival());
        if let Some(peer) = peer {
            extensions.insert(ConnectInfo(peer));
        }
        let idle = Duration::from_secs(state.config().idle_seconds);
        let line = Line { place, extensions, idle, stop: stop.clone() };
        let app = app.clone();
        connections.spawn(async move {
            match stream {
                Accepted::Tcp(stream) => connection::serve(stream, app, line).await,
                Accepted::Unix(stream) => connection::serve(stream, app, line).await,
            }
        });
    }
    // Nobody is to wait in the queue of a port at which nobody answers.
    drop(bound);
    while connections.join_next().await.is_some() {}
}

enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Accepted {
    /// Says that there is no place, as far as that can be said without waiting.
    fn refuse(self) {
        const FULL: &[u8] =
            b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let _ = match self {
            Accepted::Tcp(stream) => stream.try_write(FULL),
            Accepted::Unix(stream) => stream.try_write(FULL),
        };
    }
}

impl Bound {
    async fn accept(&self) -> std::io::Result<(Accepted, Option<SocketAddr>)> {
        match self {
            Bound::Tcp(listener, _) => {
                let (stream, peer) = listener.accept().await?;
                // Events and answers are small: each goes at once. Where that fails, they come a little later.
                let _ = stream.set_nodelay(true);
                Ok((Accepted::Tcp(stream), Some(peer)))
            }
            Bound::Unix(listener, _) => Ok((Accepted::Unix(listener.accept().await?.0), None)),
        }
    }

    fn arrival(&self) -> Arrival {
        match self {
            Bound::Tcp(_, address) if address.ip().is_loopback() => Arrival::Loopback,
            Bound::Tcp(..) => Arrival::Network,
            Bound::Unix(..) => Arrival::Unix,
        }
    }
}

/// What happens with every connection of a flood is said every ten seconds.
fn is_time_to_say(said: &mut Option<Instant>) -> bool {
    let due = said.is_none_or(|said| said.elapsed() >= Duration::from_secs(10));
    if due {
        *said = Some(Instant::now());
    }
    due
}

/// What failed is one connection, or all for a while: where no file can be opened, the one that waits longest makes room.
async fn cannot_accept(error: &std::io::Error, places: &Places, said: &mut Option<Instant>) {
    use std::io::ErrorKind as Kind;
    if matches!(error.kind(), Kind::ConnectionAborted | Kind::ConnectionReset | Kind::ConnectionRefused) {
        return;
    }
    let room = places.make_room();
    if is_time_to_say(said) {
        tracing::warn!(%error, room, "a connection could not be taken");
    }
    // The queue stays as it is, so without a pause this would go round and round.
    tokio::time::sleep(Duration::from_millis(if room { 20 } else { 500 })).await;
}

/// What a listener that is open to everybody on this machine must say.
async fn say_what_is_open(bound: &[Bound], state: &State) -> Result<()> {
    for listener in bound {
        if let Bound::Tcp(_, address) = listener
            && is_open(state, Some(&listener.arrival())).await?
        {
            tracing::warn!(
                "http://{address} is open to everybody on this machine until a password is set; what comes through a proxy is refused there"
            );
        }
    }
    if state.config().is_public() && state.config().trusted_proxies.is_empty() {
        tracing::info!(
            "all that come through a proxy count as one address when passwords are tried; `trusted_proxies` names proxies whose word on addresses is taken"
        );
    }
    Ok(())
}

/// The backlog of pending connections. With the default of 128, some of two hundred browsers that reconnect after a
/// restart would wait a second to retry.
const WAITING: u32 = 4096;

fn bind_tcp(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Like tokio's own `bind`: a restart does not wait for old connections.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Creates the socket for this user only, from the start.
fn bind_unix(path: &Path) -> std::io::Result<Bound> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(std::io::Error::other("another file exists there"));
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, "another process listens there"));
        }
        // Left behind by a killed process.
        std::fs::remove_file(path)?;
    }
    // Bound in a private folder, and moved after its permissions are set: otherwise anyone could connect
    // between `bind` and `chmod`.
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
        std::io::ErrorKind::AddrInUse => "stop the other program, or listen on another address",
        std::io::ErrorKind::PermissionDenied => {
            "choose a port above 1023, or a folder that this user may write"
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
        .with_remedy("check the path and the permissions of the file")
        .with_source(error)
    })?;
    let password = SecretText::new(text.trim_end_matches(['\r', '\n']));
    // Set again only if it changed, so that signed-in browsers stay signed in after a restart.
    if Access::of(host).check_password(password.clone()).await? {
        Ok(())
    } else {
        Access::of(host).set_password(Some(password)).await
    }
}

/// Access from other machines requires a password or a key.
async fn refuse_open(server: &Server, host: &Host) -> Result<()> {
    let elsewhere = server.bound.iter().find_map(|bound| match bound {
        Bound::Tcp(_, address) if !address.ip().is_loopback() => Some(format!("listen at {address}")),
        _ => None,
    });
    let public = server.config.is_public().then(|| "be reached from outside".to_owned());
    let Some(what) = elsewhere.or(public) else { return Ok(()) };
    if Access::of(host).has_password().await? || Access::of(host).has_api_keys().await? {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Misconfigured,
        format!("the service would {what} without a password or an API key"),
    )
    .with_field("listen")
    .with_remedy(
        "set a password (`social-channel keys password`, or `password_file`) or create a key (`social-channel keys create`), or listen on 127.0.0.1 only",
    ))
}
