//! Where a request began. A proxy says it in a header that anybody can write, so only proxies that the operator named
//! are believed; and a proxy in front of a port that is open to this machine is noticed.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::header::{FORWARDED, VIA};
use http::request::Parts;
use http::{HeaderMap, Version};

use crate::Config;

/// The header that most proxies write.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// What else proxies and the networks in front of them say of a request's way.
const OF_PROXIES: [&str; 6] =
    ["x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "cf-ray", "x-cluster-client-ip"];

/// What shows that a request came through a proxy: one of its headers, or a version that only proxies speak (nginx,
/// unless it is told otherwise).
pub(super) fn sign_of_a_proxy(version: Version, headers: &HeaderMap) -> Option<&str> {
    let written = headers.keys().map(http::HeaderName::as_str).find(|name| {
        *name == FORWARDED.as_str()
            || *name == VIA.as_str()
            || name.starts_with("x-forwarded")
            || OF_PROXIES.contains(name)
    });
    written.or_else(|| (version <= Version::HTTP_10).then_some("HTTP/1.0"))
}

/// The address that a request came from: the peer's, or what trusted proxies say, from the last to the first.
pub(super) fn client(parts: &Parts, config: &Config) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
    let trusted = |address: IpAddr| config.trusted_proxies.iter().any(|network| network.contains(address));
    if !trusted(peer) {
        return Some(peer);
    }
    let mut client = peer;
    for said in said(&parts.headers).into_iter().rev() {
        // What is no address ends the chain: beyond it nothing can be believed.
        let Some(address) = said else { break };
        client = address;
        if !trusted(address) {
            break;
        }
    }
    Some(client)
}

/// The addresses in the order of the way, from the client to the last proxy.
fn said(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = |name: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|line| line.split(',')).map(str::to_owned).collect::<Vec<_>>()
    };
    let listed = lines(FORWARDED_FOR);
    if !listed.is_empty() {
        return listed.iter().map(|entry| address(entry)).collect();
    }
    let named = |entry: &String| {
        let pairs = entry.split(';').filter_map(|pair| pair.split_once('='));
        let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        named.next().and_then(|(_, value)| address(value))
    };
    lines(FORWARDED.as_str()).iter().map(named).collect()
}

/// An address with or without port, brackets and quotes.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse::<IpAddr>().ok();
    parsed.or_else(|| text.parse::<SocketAddr>().ok().map(|found| found.ip())).map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(peer: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        parts
    }

    #[test]
    fn only_named_proxies_are_believed() {
        let config = Config::parse(r#"trusted_proxies = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]"#).unwrap();
        for (peer, headers, client_is) in [
            ("203.0.113.1", vec![("x-forwarded-for", "198.51.100.1")], "203.0.113.1"),
            ("127.0.0.1", vec![], "127.0.0.1"),
            ("127.0.0.1", vec![("x-forwarded-for", "198.51.100.1")], "198.51.100.1"),
            ("::ffff:127.0.0.1", vec![("x-forwarded-for", "198.51.100.1:4711")], "198.51.100.1"),
            // What the client itself wrote stands before what the proxy saw.
            ("127.0.0.1", vec![("x-forwarded-for", "192.0.2.9, 198.51.100.1, 10.1.2.3")], "198.51.100.1"),
            (
                "127.0.0.1",
                vec![("x-forwarded-for", "192.0.2.9"), ("x-forwarded-for", "nonsense, 10.1.2.3")],
                "10.1.2.3",
            ),
            (
                "fd00::1",
                vec![("forwarded", r#"for=192.0.2.9, For="[2001:db8::1]:80";proto=https"#)],
                "2001:db8::1",
            ),
            ("fd00::1", vec![("forwarded", "for=_hidden")], "fd00::1"),
        ] {
            let found = client(&parts(peer, &headers), &config);
            assert_eq!(found, Some(client_is.parse().unwrap()), "{peer} {headers:?}");
        }
        let nobody = client(&parts("127.0.0.1", &[("x-forwarded-for", "198.51.100.1")]), &Config::default());
        assert_eq!(nobody, Some("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_proxy_shows_itself() {
        let sign = |version, headers: &[(&str, &str)]| {
            sign_of_a_proxy(version, &parts("127.0.0.1", headers).headers).map(str::to_owned)
        };
        assert_eq!(sign(Version::HTTP_11, &[("accept", "*/*"), ("host", "127.0.0.1:1")]), None);
        assert_eq!(sign(Version::HTTP_10, &[]).as_deref(), Some("HTTP/1.0"));
        for name in ["x-forwarded-for", "X-Forwarded-Host", "forwarded", "via", "x-real-ip", "cf-ray"] {
            assert_eq!(sign(Version::HTTP_11, &[(name, "x")]), Some(name.to_lowercase()), "{name}");
        }
    }
}
