//! Local servers: one that answers requests, and one that runs a script on its socket.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    /// None: it was interrupted.
    pub(super) body: Option<Bytes>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A server that answers every request by a function of it.
pub(super) struct Server {
    pub(super) port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(
        answer: impl Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self::start_slow(std::time::Duration::ZERO, answer).await
    }

    /// Pauses before each answer.
    async fn start_slow(
        pause: std::time::Duration,
        answer: impl Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (answer, requests, count) = (Arc::new(answer), Arc::clone(&seen), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.ok().map(http_body_util::Collected::to_bytes);
                        let seen = Seen {
                            method: parts.method.to_string(),
                            path: parts.uri.to_string(),
                            headers: parts.headers,
                            body,
                        };
                        requests.lock().unwrap().push(seen.clone());
                        tokio::time::sleep(pause).await;
                        Ok::<_, std::convert::Infallible>(answer(&seen))
                    }
                });
                tokio::spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    // A connection that a test aborts on purpose ends with an error here.
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Server { port, seen, connections, task }
    }

    /// As [`Server::saying`], at the pace of a network: a guest in a loop would use up this machine's ports.
    pub(super) async fn saying_slowly(text: &'static str) -> Self {
        let pause = std::time::Duration::from_millis(20);
        Self::start_slow(pause, move |_| Response::new(Full::new(Bytes::from_static(text.as_bytes())))).await
    }

    /// Answers 200 with this text.
    pub(super) async fn saying(text: &'static str) -> Self {
        Server::start(move |_| Response::new(Full::from(text))).await
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A server that hands every connection to a script. Returns its port and the number of connections.
pub(super) async fn scripted<F, T>(script: F) -> (u16, Arc<AtomicUsize>)
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(script(stream));
        }
    });
    (port, connections)
}

/// Reads one request's head from a socket.
pub(super) async fn read_head(stream: &mut TcpStream) -> String {
    use tokio::io::AsyncReadExt;

    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}
