//! Listens on loopback for the browser that returns from the platform, and responds with a small page.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use social_channel::{Error, ErrorKind};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use url::{Host, Url};

/// A browser that returned.
pub(crate) struct Callback {
    /// The URL's query, not decoded.
    pub(crate) query: String,
    answer: oneshot::Sender<Page>,
}

/// The page for the browser.
pub(crate) struct Page {
    pub(crate) good: bool,
    pub(crate) title: String,
    pub(crate) text: String,
}

impl Callback {
    /// Shows the page.
    pub(crate) fn answer(self, page: Page) {
        // If the browser is gone, it only misses its page.
        let _ = self.answer.send(page);
    }
}

/// A listener on this machine for the returning browser.
pub(crate) struct Loopback {
    /// The URL for the platform.
    pub(crate) redirect_uri: String,
    arrivals: mpsc::Receiver<Callback>,
    stop: Option<oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Loopback {
    /// Listens at `redirect_uri`, on a free port if its port is `*`. None: it is not on this machine.
    pub(crate) async fn bind(redirect_uri: &str) -> Result<Option<Self>, Error> {
        let any_port = redirect_uri.contains(":*");
        let Ok(url) = Url::parse(&redirect_uri.replacen(":*", ":1", 1)) else { return Ok(None) };
        let address = match url.host() {
            Some(Host::Ipv4(address)) if address.is_loopback() => address.into(),
            Some(Host::Ipv6(address)) if address.is_loopback() => address.into(),
            Some(Host::Domain("localhost")) => std::net::Ipv4Addr::LOCALHOST.into(),
            _ => return Ok(None),
        };
        if url.scheme() != "http" {
            return Ok(None);
        }
        let port = if any_port { 0 } else { url.port_or_known_default().unwrap_or(80) };
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Misconfigured, format!("cannot listen for the callback at {redirect_uri}"))
                .with_remedy(
                    "end the program that uses that port, or register a callback URL with another port",
                )
                .with_source(error)
        };
        let listener = TcpListener::bind(SocketAddr::new(address, port)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let (send, arrivals) = mpsc::channel(4);
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, url.path().to_owned(), send, stopped));
        Ok(Some(Loopback {
            redirect_uri: redirect_uri.replacen(":*", &format!(":{port}"), 1),
            arrivals,
            stop: Some(stop),
            serving,
        }))
    }

    /// The next request to the callback's path.
    pub(crate) async fn next(&mut self) -> Option<Callback> {
        self.arrivals.recv().await
    }

    /// Accepts no more requests, and lets sent pages reach their browsers.
    pub(crate) async fn finish(mut self) {
        if let Some(stop) = self.stop.take() {
            // It has already ended.
            let _ = stop.send(());
        }
        // A browser that does not read is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.serving).await;
    }
}

async fn serve(
    listener: TcpListener,
    path: String,
    arrivals: mpsc::Sender<Callback>,
    mut stopped: oneshot::Receiver<()>,
) {
    // The number of concurrent connections; browsers open some in advance.
    const MOST: usize = 32;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST => {
                let Ok((stream, _)) = accepted else { continue };
                let (path, arrivals) = (path.clone(), arrivals.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(request, path.clone(), arrivals.clone()));
                    let connection = hyper::server::conn::http1::Builder::new()
                        .keep_alive(false)
                        .serve_connection(TokioIo::new(stream), service);
                    // Errors here are caused by the browser.
                    let _ = tokio::time::timeout(Duration::from_secs(120), connection).await;
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = &mut stopped => break,
        }
    }
    // Connections that wait for a page already have it; idle ones are dropped.
    drop(arrivals);
    let _ = tokio::time::timeout(Duration::from_millis(500), async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    path: String,
    arrivals: mpsc::Sender<Callback>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != path || request.method() != Method::GET {
        let text = "Only the platform's callback is expected here.".to_owned();
        return Ok(page(
            StatusCode::NOT_FOUND,
            &Page { good: false, title: "Nothing here".to_owned(), text },
        ));
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (send, receive) = oneshot::channel();
    let sent = arrivals.send(Callback { query, answer: send }).await.is_ok();
    Ok(match receive.await {
        Ok(answer) if sent => {
            page(if answer.good { StatusCode::OK } else { StatusCode::BAD_REQUEST }, &answer)
        }
        _ => {
            let text = "This callback is no longer expected. Begin again in the terminal.".to_owned();
            page(StatusCode::GONE, &Page { good: false, title: "Too late".to_owned(), text })
        }
    })
}

fn page(status: StatusCode, page: &Page) -> Response<Full<Bytes>> {
    let (mark, colour) = if page.good { ("&#10003;", "#1a7f37") } else { ("!", "#b35900") };
    let (title, text) = (escape(&page.title), escape(&page.text));
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>\n:root {{ color-scheme: light dark }}\n\
         body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 15vh auto; padding: 0 1.5rem }}\n\
         h1 {{ font-size: 1.5rem }}\nh1 span {{ color: {colour} }}\n</style>\n\
         <h1><span aria-hidden=\"true\">{mark}</span> {title}</h1>\n<p>{text}</p>\n</html>\n"
    );
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        // The URL contains a code.
        (CACHE_CONTROL, "no-store"),
        (hyper::header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
    }
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
