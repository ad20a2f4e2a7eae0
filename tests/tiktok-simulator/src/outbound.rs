//! The only outbound connections: plain HTTP to loopback, or to the targets of the world's `connect_to`. A
//! simulator must not reach the internet by accident, so everything else counts as unreachable.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::{Host, Url};

/// A receiver that does not respond within this (real) time counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(20);

/// The target of `url`: address, and the `Host` header for the receiver.
fn route(connect_to: &BTreeMap<String, String>, url: &Url) -> Result<(String, String), String> {
    let host_header = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_string(),
        _ => return Err("the URL has no host".into()),
    };
    let origin = url.origin().ascii_serialization();
    let target = match connect_to.iter().find(|(from, _)| from.trim_end_matches('/') == origin) {
        Some((_, to)) => Url::parse(to).map_err(|error| format!("connect_to {origin}: {error}"))?,
        None => url.clone(),
    };
    let loopback = match target.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    let mapped = target.origin() != url.origin();
    if target.scheme() != "http" || !(loopback || mapped) {
        return Err(format!("{origin} is not mapped by connect_to, and the simulator contacts nothing else"));
    }
    let host = target.host_str().unwrap_or_default();
    Ok((format!("{host}:{}", target.port_or_known_default().unwrap_or(80)), host_header))
}

/// Sends one request. Redirects are not followed.
pub(crate) async fn send(
    connect_to: &BTreeMap<String, String>,
    method: &str,
    url: &str,
    headers: &[(&str, String)],
    body: Bytes,
) -> Result<Response<Incoming>, String> {
    let url = Url::parse(url).map_err(|error| error.to_string())?;
    let (address, host) = route(connect_to, &url)?;
    let exchange = async {
        let stream = TcpStream::connect(&address).await.map_err(|error| format!("{address}: {error}"))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_string(),
        };
        let mut request = Request::builder().method(method).uri(path).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        sender.send_request(request).await.map_err(|error| error.to_string())
    };
    tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| "no answer".to_string())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_mapped_origins_are_contacted() {
        let map =
            BTreeMap::from([("https://media.example.com".to_string(), "http://127.0.0.1:8000".to_string())]);
        let to = |text: &str| route(&map, &Url::parse(text).unwrap()).map(|(address, _)| address);
        assert_eq!(to("https://media.example.com/a?b=c").unwrap(), "127.0.0.1:8000");
        assert_eq!(to("http://127.0.0.1:9/x").unwrap(), "127.0.0.1:9");
        assert!(to("https://other.example.com/a").is_err());
        assert!(to("http://other.example.com/a").is_err());
        assert!(to("https://127.0.0.1/x").is_err());
    }
}
