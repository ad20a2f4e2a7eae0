//! Outbound requests: every request of this process on behalf of a provider or a person.
//!
//! [`Egress`] combines one app's policy with the HTTP clients of the process. It decides where a request goes
//! and which client sends it; the caller sends it. Addresses are checked when the connection is made, so a
//! name that resolves to the private network is refused even if it was granted. Address literals in a URL do
//! not reach a resolver, so they are checked here.
//!
//! The clients follow no redirects, store no cookies and do not retry. They use the operator's proxy ([`Proxy`]), never
//! one that the environment names; the proxy resolves the names, and only it can judge their addresses. If an embedding
//! program sends requests ([`HttpClient`]), it resolves names and must check the resolved addresses itself.

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::error::{Error, ErrorKind, Result};
use crate::net::address::PrivateAddress;
use crate::net::http_client::{Client, HttpClient};
use crate::net::lookup::lookup;
use crate::net::policy::{OriginPattern, Policy};
use crate::net::proxy::Proxy;

/// The longest time to make a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Shorter than the idle timeout of common load balancers (60 s), because a request on a connection that is
/// being closed would fail.
const IDLE_CONNECTION: Duration = Duration::from_secs(45);
/// Idle connections kept per origin.
const IDLE_CONNECTIONS: usize = 64;
/// Header names in one response. This is hyper's default, set explicitly because it limits memory.
const RESPONSE_HEADERS: usize = 100;
/// Bytes of the decoded headers of one HTTP/2 response.
const H2_HEADER_LIST: u32 = 64 << 10;

/// The HTTP clients of the process. Cheap to clone; connections are shared by all clones.
#[derive(Clone, Default)]
pub struct Clients(Arc<ClientsInner>);

/// Created on first use, because reading the system's certificates takes longer than a whole call.
#[derive(Default)]
struct ClientsInner {
    /// Connects to public addresses only, or to the proxy.
    public: OnceLock<reqwest::Client>,
    /// Connects anywhere, for policies that allow it.
    any: OnceLock<reqwest::Client>,
    /// Connects anywhere, without certificates: for mapped `http` targets and private `http` hosts.
    plain: OnceLock<reqwest::Client>,
    /// The embedding program's client, used instead of the others.
    program: Option<Arc<dyn HttpClient>>,
    /// Requests go through it, unless their origin is mapped.
    proxy: Option<Proxy>,
}

impl Clients {
    /// An embedding program sends everything.
    pub fn of_program(sender: Arc<dyn HttpClient>) -> Self {
        Clients(Arc::new(ClientsInner { program: Some(sender), ..ClientsInner::default() }))
    }

    /// Requests go through this proxy.
    pub fn through(proxy: Proxy) -> Self {
        Clients(Arc::new(ClientsInner { proxy: Some(proxy), ..ClientsInner::default() }))
    }

    fn public(&self) -> Result<Client> {
        if let Some(program) = &self.0.program {
            return Ok(Client::Program(Arc::clone(program)));
        }
        made(&self.0.public, || match &self.0.proxy {
            Some(proxy) => client(true).proxy(proxy.client_proxy()?).build(),
            None => client(true).dns_resolver(Arc::new(PublicOnly)).build(),
        })
    }

    /// Not through the proxy: mapped targets are on this machine, or the operator said that they are not.
    fn any(&self, tls: bool) -> Result<Client> {
        if let Some(program) = &self.0.program {
            return Ok(Client::Program(Arc::clone(program)));
        }
        match tls {
            true => made(&self.0.any, || client(true).build()),
            false => made(&self.0.plain, || client(false).build()),
        }
    }
}

fn made(
    cell: &OnceLock<reqwest::Client>,
    make: impl FnOnce() -> reqwest::Result<reqwest::Client>,
) -> Result<Client> {
    if cell.get().is_none() {
        let client = make().map_err(|error| {
            Error::internal("the HTTP client cannot be made")
                .with_remedy("Check that the system's certificates can be read (package ca-certificates).")
                .with_source(error)
        })?;
        // If another thread was faster, its client is used.
        let _ = cell.set(client);
    }
    let client = cell.get().ok_or_else(|| Error::internal("the HTTP client vanished"))?;
    Ok(Client::Library(client.clone()))
}

fn client(tls: bool) -> reqwest::ClientBuilder {
    // reqwest uses the process's TLS provider. If an embedding program has installed one, it is kept.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http1_max_headers(RESPONSE_HEADERS)
        .http2_max_header_list_size(H2_HEADER_LIST)
        .http2_adaptive_window(true);
    if tls {
        return client;
    }
    match rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
    {
        Ok(config) => client.tls_backend_preconfigured(
            config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth(),
        ),
        Err(_) => client,
    }
}

/// Resolves names and returns public addresses only.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let all = lookup(name.as_str()).await?;
            // For a name with public and private addresses, only the public ones are used.
            let (mut public, mut private): (Vec<SocketAddr>, _) = (Vec::new(), None);
            for address in all {
                match PrivateAddress::of(address.ip()) {
                    None => public.push(address),
                    Some(other) => private = private.or(Some(other)),
                }
            }
            match private {
                Some(private) if public.is_empty() => {
                    Err(Box::new(private) as Box<dyn StdError + Send + Sync>)
                }
                _ => Ok(Box::new(public.into_iter()) as Addrs),
            }
        })
    }
}

/// Why a request may not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No grant covers this origin.
    NotGranted(String),
    /// The host is, or resolves to, an address that is not public.
    Private { host: String, address: PrivateAddress },
    /// Plain `http`, where everybody on the way can read and change what passes.
    Unencrypted(String),
    /// Not a valid URL for a request.
    Malformed,
    /// The embedding program refused to send the request.
    ByProgram { origin: String, why: String },
    /// The HTTP client cannot be created.
    NoClient(String),
}

impl Refusal {
    /// The error for users: what happened, and what the operator can do.
    pub(crate) fn error(&self) -> Error {
        match self {
            Refusal::NotGranted(origin) => Error::new(
                ErrorKind::DeniedByPolicy,
                format!("the provider asked for {origin}, which is not granted"),
            )
            .with_remedy(format!("Ask the operator to grant {origin} to this app, if the provider needs it."))
            .with_field(origin.clone()),
            Refusal::Private { host, address } => Error::new(ErrorKind::DeniedByPolicy, address.told(host))
                .with_remedy(if address.is_made_up() {
                    "A VPN or proxy program on this machine or its router answers names with such addresses: \
                     leave this host out of it there, or ask the operator to set `proxy`."
                } else {
                    "Use a public host, or ask the operator to allow private networks for this app."
                })
                .with_field(host.clone()),
            Refusal::Unencrypted(origin) => Error::new(
                ErrorKind::InvalidRequest,
                format!("{origin} is not encrypted; only https addresses are read"),
            )
            .with_remedy("Use the address that begins with https://."),
            Refusal::Malformed => Error::new(ErrorKind::InvalidRequest, "the address cannot be requested")
                .with_remedy(
                    "Write a full address such as https://example.com/video.mp4, without user and password.",
                ),
            Refusal::ByProgram { origin, why } => Error::new(
                ErrorKind::DeniedByPolicy,
                format!("the program that sends the requests refused one to {origin}: {why}"),
            )
            .with_remedy("Check which requests the HTTP functions of the embedding program allow.")
            .with_field(origin.clone()),
            Refusal::NoClient(why) => Error::internal(why.clone()),
        }
    }
}

impl Refusal {
    /// As the end of a sentence about an address.
    pub(crate) fn because(&self) -> String {
        match self {
            Refusal::NotGranted(_) => "it is not granted".to_owned(),
            Refusal::Private { host, address } => address.told(host),
            Refusal::Unencrypted(_) => "it is not encrypted".to_owned(),
            Refusal::Malformed => "it is no address that can be asked".to_owned(),
            Refusal::ByProgram { why, .. } | Refusal::NoClient(why) => why.clone(),
        }
    }
}

/// Where a request goes and which client sends it.
pub(crate) struct Route {
    /// The URL to request; its origin differs from the caller's if it is mapped.
    pub(crate) url: Url,
    /// The `Host` header of the caller's origin, if it is mapped.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) client: Client,
}

/// The outbound requests of one app. Cheap to clone.
#[derive(Clone)]
pub struct Egress {
    policy: Arc<Policy>,
    clients: Clients,
}

impl Egress {
    /// Combines a policy with the clients.
    ///
    /// # Errors
    /// As [`Policy::check`].
    pub fn new(policy: Policy, clients: &Clients) -> Result<Self> {
        policy.check()?;
        Ok(Egress { policy: Arc::new(policy), clients: clients.clone() })
    }

    /// An egress that refuses every request.
    pub fn closed() -> Self {
        Egress { policy: Arc::default(), clients: Clients::default() }
    }

    /// Decides about a provider's request.
    pub(crate) fn route(&self, url: &Url) -> Result<Route, Refusal> {
        if !self.policy.grants(url) {
            let origin = OriginPattern::of(url).map_or_else(|| url.scheme().to_owned(), |it| it.to_string());
            return Err(Refusal::NotGranted(origin));
        }
        self.routed(url)
    }

    /// Decides about the host's own requests for media that a person named. Any public `https` host is
    /// allowed; `http` only if it is granted.
    pub(crate) fn route_media(&self, url: &Url) -> Result<Route, Refusal> {
        if url.scheme() != "https" && !self.policy.grants(url) {
            return Err(match url.scheme() {
                "http" => Refusal::Unencrypted(url.origin().ascii_serialization()),
                _ => Refusal::Malformed,
            });
        }
        self.routed(url)
    }

    fn routed(&self, url: &Url) -> Result<Route, Refusal> {
        // A user and password would be sent as a header that the caller did not set.
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some()
        {
            return Err(Refusal::Malformed);
        }
        let host = url.host().ok_or(Refusal::Malformed)?;
        let no_client = |error: Error| Refusal::NoClient(error.message);
        if let Some(target) = self.policy.target(url) {
            let client = self.clients.any(target.scheme() == "https").map_err(no_client)?;
            let host = HeaderValue::try_from(match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_string(),
            });
            return Ok(Route { url: moved(url, target), host: host.ok(), client });
        }
        let literal = match host {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        let private = literal.filter(|_| !self.policy.allow_private_networks).and_then(PrivateAddress::of);
        if let Some(address) = private {
            return Err(Refusal::Private { host: host.to_string(), address });
        }
        let client = if self.policy.allow_private_networks && self.clients.0.proxy.is_none() {
            self.clients.any(url.scheme() == "https")
        } else {
            self.clients.public()
        };
        Ok(Route { url: url.clone(), host: None, client: client.map_err(no_client)? })
    }

    /// Whether a provider may send the person's browser there: to `https`, or to an `http` origin that the operator granted
    /// by name, as for a server on this machine.
    pub fn may_browse(&self, url: &Url) -> bool {
        match url.scheme() {
            "https" => true,
            "http" => self.policy.grants(url),
            _ => false,
        }
    }

    /// The URL that a browser must open to reach the same server as the provider.
    pub fn map_url(&self, url: &Url) -> Url {
        self.policy.target(url).map_or_else(|| url.clone(), |target| moved(url, target))
    }
}

/// The same path and query at another origin.
fn moved(url: &Url, target: &Url) -> Url {
    let mut moved = target.clone();
    moved.set_path(url.path());
    moved.set_query(url.query());
    moved.set_fragment(url.fragment());
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(policy: Policy) -> Egress {
        Egress::new(policy, &Clients::default()).unwrap()
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_browser_is_sent_without_encryption_only_where_that_was_granted() {
        let egress = egress(Policy::granting(["https://api.example.com", "http://localhost:2583"]).unwrap());
        assert!(egress.may_browse(&url("https://anything.example/authorize")));
        assert!(egress.may_browse(&url("http://localhost:2583/oauth/authorize?x=1")));
        for other in
            ["http://localhost:2584/", "http://api.example.com/", "http://localhost/", "javascript:alert(1)"]
        {
            assert!(!egress.may_browse(&url(other)), "{other}");
        }
    }

    #[test]
    fn only_granted_origins_leave() {
        let egress = egress(Policy::granting(["https://api.example.com"]).unwrap());
        assert!(egress.route(&url("https://api.example.com/x")).is_ok());
        let refusal = egress.route(&url("https://evil.test/x?token=1")).map(|_| ()).unwrap_err();
        let error = refusal.error();
        assert_eq!(error.kind, ErrorKind::DeniedByPolicy);
        assert!(error.message.contains("https://evil.test") && !error.message.contains("token"));
        assert!(error.remedy.unwrap().contains("https://evil.test"));
    }

    #[test]
    fn inner_addresses_are_refused_in_every_spelling() {
        let egress = egress(Policy::granting(["https://*", "http://127.0.0.1"]).unwrap());
        for text in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://0/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[64:ff9b:1::101:101]/",
            "https://[2002:7f00:1::]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "http://127.0.0.1/",
        ] {
            for refusal in [egress.route(&url(text)).map(|_| ()), egress.route_media(&url(text)).map(|_| ())]
            {
                assert!(matches!(refusal, Err(Refusal::Private { .. })), "{text}: {refusal:?}");
            }
        }
        for text in ["https://[64:ff9b::101:101]/", "https://[::ffff:1.1.1.1]/", "https://1.1.1.1/"] {
            assert!(egress.route(&url(text)).is_ok(), "{text}: what it wraps is public");
        }
        let open = super::tests::egress(Policy { allow_private_networks: true, ..(*egress.policy).clone() });
        assert!(open.route(&url("https://10.0.0.1/")).is_ok());
    }

    #[test]
    fn user_and_password_in_an_address_are_refused() {
        let egress = egress(Policy::granting(["https://*"]).unwrap());
        for text in ["https://user:pass@example.com/", "https://user@example.com/"] {
            assert!(matches!(egress.route(&url(text)), Err(Refusal::Malformed)), "{text}");
        }
    }

    #[test]
    fn media_needs_no_grant_but_encryption() {
        let egress = egress(Policy::default());
        assert!(egress.route_media(&url("https://cdn.example.com/a.mp4")).is_ok());
        assert!(matches!(
            egress.route_media(&url("http://cdn.example.com/a.mp4")),
            Err(Refusal::Unencrypted(_))
        ));
        assert!(matches!(egress.route_media(&url("file:///etc/passwd")), Err(Refusal::Malformed)));
    }

    #[test]
    fn a_mapping_moves_the_origin_and_keeps_the_host() {
        let egress = egress(Policy {
            connect_to: vec!["https://api.example.com = http://127.0.0.1:4010".parse().unwrap()],
            ..Policy::granting(["https://api.example.com"]).unwrap()
        });
        let route = egress.route(&url("https://api.example.com/v2/x?y=1")).unwrap();
        assert_eq!(route.url.as_str(), "http://127.0.0.1:4010/v2/x?y=1");
        assert_eq!(route.host.unwrap(), "api.example.com");
        let browser = egress.map_url(&url("https://api.example.com/auth?state=1#f"));
        assert_eq!(browser.as_str(), "http://127.0.0.1:4010/auth?state=1#f");
        assert_eq!(egress.map_url(&url("https://other.test/")).as_str(), "https://other.test/");
    }

    #[test]
    fn a_mapping_grants_nothing() {
        let egress = egress(Policy {
            connect_to: vec!["https://api.example.com = http://127.0.0.1:4010".parse().unwrap()],
            ..Policy::default()
        });
        assert!(matches!(egress.route(&url("https://api.example.com/")), Err(Refusal::NotGranted(_))));
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_loopback_is_refused() {
        let egress = egress(Policy::granting(["https://localhost"]).unwrap());
        let route = egress.route(&url("https://localhost/")).unwrap();
        let request = reqwest::Request::new(http::Method::GET, route.url);
        let error = route.client.execute(request).await.map(|_| ()).unwrap_err();
        assert!(error.private_address().is_some(), "{error:?}");
    }
}
