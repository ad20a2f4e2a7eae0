//! The way out: every request that leaves this process on behalf of a provider or a person.
//!
//! [`Egress`] is one app's policy joined to the HTTP clients of the process. It decides where a request goes
//! and by which client; sending is the caller's part. Addresses are judged where the connection is made, so
//! a name that resolves to the inner network is refused whatever was granted. Address literals in a URL never
//! reach a resolver, so they are judged here.
//!
//! The clients follow no redirect, keep no cookie, use no proxy and repeat nothing. Where an embedding program sends
//! ([`HttpSender`]), it resolves names, and so the judgement over what they resolve to is its own.

use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::address::is_public;
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{Client, HttpSender};
use crate::policy::{OriginPattern, Policy};

/// The longest time to make a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Shorter than the time after which common load balancers drop an idle connection (60 s): a request that
/// meets a connection just being closed would fail.
const IDLE_CONNECTION: Duration = Duration::from_secs(45);
/// Idle connections kept for one origin.
const IDLE_CONNECTIONS: usize = 64;
/// Names in one answer; hyper's own default, named because it bounds memory.
const RESPONSE_HEADERS: usize = 100;
/// Bytes of the headers of one HTTP/2 answer as they are decoded.
const H2_HEADER_LIST: u32 = 64 << 10;

/// The HTTP clients of the process. Cheap to clone; connections are shared by all clones.
#[derive(Clone, Default)]
pub(crate) struct Clients(Arc<ClientsInner>);

/// Made on first use: reading the system's certificates takes longer than a whole call.
#[derive(Default)]
struct ClientsInner {
    /// Connects to public addresses only.
    public: OnceLock<reqwest::Client>,
    /// Connects anywhere, for policies that allow it.
    any: OnceLock<reqwest::Client>,
    /// Connects anywhere and knows no certificate: for mapped `http` targets and private `http` hosts.
    plain: OnceLock<reqwest::Client>,
    /// Instead of all of these.
    program: Option<Arc<dyn HttpSender>>,
}

impl Clients {
    /// An embedding program sends everything.
    pub(crate) fn of_program(sender: Arc<dyn HttpSender>) -> Self {
        Clients(Arc::new(ClientsInner { program: Some(sender), ..ClientsInner::default() }))
    }

    fn public(&self) -> Result<Client> {
        if let Some(program) = &self.0.program {
            return Ok(Client::Program(Arc::clone(program)));
        }
        made(&self.0.public, || client(true).dns_resolver(Arc::new(PublicOnly)).build())
    }

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
        // Another thread may have been quicker; then its client is the one.
        let _ = cell.set(client);
    }
    let client = cell.get().ok_or_else(|| Error::internal("the HTTP client vanished"))?;
    Ok(Client::Library(client.clone()))
}

fn client(tls: bool) -> reqwest::ClientBuilder {
    // reqwest takes the process's provider. An embedding program that has chosen one keeps it.
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

/// Resolves names, and gives back public addresses only.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let all = tokio::net::lookup_host((name.as_str(), 0)).await?;
            // A name with addresses of both kinds is reached at its public ones.
            let public: Vec<SocketAddr> = all.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(Box::new(PrivateAddress) as Box<dyn StdError + Send + Sync>);
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// The cause inside a failed connection whose name resolves to inner addresses only.
#[derive(Debug)]
pub(crate) struct PrivateAddress;

impl fmt::Display for PrivateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name resolves to private addresses only")
    }
}

impl StdError for PrivateAddress {}

/// Why a request may not leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No grant covers this origin.
    NotGranted(String),
    /// The host is, or resolves to, an inner address.
    Private(String),
    /// Not an address that can be asked at all.
    Malformed,
    /// The embedding program, which sends, does not send this.
    ByProgram { origin: String, why: String },
    /// The HTTP client itself cannot be made.
    NoClient(String),
}

impl Refusal {
    /// For people: what happened, and what the operator can do.
    pub(crate) fn error(&self) -> Error {
        match self {
            Refusal::NotGranted(origin) => Error::new(
                ErrorKind::DeniedByPolicy,
                format!("the provider asked for {origin}, which is not granted"),
            )
            .with_remedy(format!("Ask the operator to grant {origin} to this app, if the provider needs it."))
            .with_field(origin.clone()),
            Refusal::Private(host) => Error::new(
                ErrorKind::DeniedByPolicy,
                format!("{host} lies in a private network, which is not granted"),
            )
            .with_remedy("Use a public host, or ask the operator to allow private networks for this app.")
            .with_field(host.clone()),
            Refusal::Malformed => Error::new(ErrorKind::InvalidRequest, "the address cannot be asked")
                .with_remedy(
                    "Write a full address such as https://example.com/video.mp4, without user and password.",
                ),
            Refusal::ByProgram { origin, why } => Error::new(
                ErrorKind::DeniedByPolicy,
                format!("the program that sends the requests refused one to {origin}: {why}"),
            )
            .with_remedy("Look at what the HTTP functions of the embedding program let out.")
            .with_field(origin.clone()),
            Refusal::NoClient(why) => Error::internal(why.clone()),
        }
    }
}

/// Where a request goes and who sends it.
pub(crate) struct Route {
    /// What to ask for; another origin than the caller named where a mapping holds.
    pub(crate) url: Url,
    /// The `Host` header of the origin the caller named, where a mapping holds.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) client: Client,
}

/// One app's way out. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Egress {
    policy: Arc<Policy>,
    clients: Clients,
}

impl Egress {
    /// Joins a policy to the clients.
    ///
    /// # Errors
    /// As [`Policy::check`].
    pub(crate) fn new(policy: Policy, clients: &Clients) -> Result<Self> {
        policy.check()?;
        Ok(Egress { policy: Arc::new(policy), clients: clients.clone() })
    }

    /// An egress that lets nothing out.
    pub(crate) fn closed() -> Self {
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

    /// Decides about a fetch of the host's own: media that a person named. Any public `https` host will do;
    /// `http` only where it is granted.
    pub(crate) fn route_media(&self, url: &Url) -> Result<Route, Refusal> {
        if url.scheme() != "https" && !self.policy.grants(url) {
            return Err(Refusal::Malformed);
        }
        self.routed(url)
    }

    fn routed(&self, url: &Url) -> Result<Route, Refusal> {
        // A user and password would be sent as a header that the caller never wrote.
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
        let client = if self.policy.allow_private_networks {
            self.clients.any(url.scheme() == "https")
        } else if literal.is_some_and(|address| !is_public(address)) {
            return Err(Refusal::Private(host.to_string()));
        } else {
            self.clients.public()
        };
        Ok(Route { url: url.clone(), host: None, client: client.map_err(no_client)? })
    }

    /// The address that a browser must open for it to meet the same server as the provider.
    pub(crate) fn map_url(&self, url: &Url) -> Url {
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
            "https://[2002:7f00:1::]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "http://127.0.0.1/",
        ] {
            for refusal in [egress.route(&url(text)).map(|_| ()), egress.route_media(&url(text)).map(|_| ())]
            {
                assert!(matches!(refusal, Err(Refusal::Private(_))), "{text}: {refusal:?}");
            }
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
        assert!(matches!(egress.route_media(&url("http://cdn.example.com/a.mp4")), Err(Refusal::Malformed)));
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
        assert!(error.is_private_address(), "{error:?}");
    }
}
