//! Requests to registries and web servers, with bounds: how much is read, where a redirect may lead, who learns a password.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, WWW_AUTHENTICATE,
};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use url::{Host, Url};

use crate::credentials::{Credentials, Password};
use crate::error::{Error, ErrorKind, Result};
use crate::reference::{Image, Reference, is_loopback};
use crate::signature::Evidence;

/// The longest time to a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest time without a byte.
const IDLE: Duration = Duration::from_secs(30);
/// Redirects in a row: registries send to a store, which may send to a copy of it.
const REDIRECTS: usize = 4;
/// Bytes of an answer that is only read for its words or its token.
pub(crate) const WORDS: u64 = 64 << 10;
/// Bytes of a `.minisig`; it has four lines.
const MINISIG: u64 = 4 << 10;

/// Where requests may go, and what they may bring.
#[derive(Clone)]
pub struct Network {
    /// Bytes of the largest component; 256 MiB by default, as the runtime's.
    pub largest: u64,
    /// Whether registries may lie in private networks. Those of this machine may if the reference itself says so.
    pub allow_private: bool,
    /// Which addresses are public; by default those that are not obviously private.
    pub is_public: fn(IpAddr) -> bool,
    /// Certificates of further authorities, as PEM.
    pub authorities: Vec<u8>,
    /// An HTTP proxy, which then resolves the names.
    pub proxy: Option<Url>,
    /// Names and passwords.
    pub credentials: Credentials,
    /// Registries of this machine (`localhost`, `127.0.0.1`) are spoken to without TLS.
    pub plain_http: bool,
}

impl Default for Network {
    fn default() -> Self {
        Network {
            largest: 256 << 20,
            allow_private: false,
            is_public,
            authorities: Vec::new(),
            proxy: None,
            credentials: Credentials::default(),
            plain_http: false,
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy's address may hold a password.
        f.debug_struct("Network")
            .field("largest", &self.largest)
            .field("allow_private", &self.allow_private)
            .field("credentials", &self.credentials)
            .field("plain_http", &self.plain_http)
            .finish_non_exhaustive()
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation())
        }
        // Global unicast, without what wraps another address.
        IpAddr::V6(v6) => v6.segments()[0] & 0xe000 == 0x2000 && !matches!(v6.segments()[0], 0x2002 | 0x3fff),
    }
}

/// A component, as it came.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The component.
    pub bytes: Bytes,
    /// Where it came from, with the digest of the manifest for an image.
    pub source: Reference,
    /// Its signatures, not judged yet.
    pub evidence: Option<Evidence>,
}

/// Speaks to registries. Tokens that they give are kept until it is dropped.
pub struct Client {
    http: reqwest::Client,
    pub(crate) network: Network,
    /// By host and scope.
    tokens: Mutex<HashMap<(String, String), Password>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("network", &self.network).finish_non_exhaustive()
    }
}

/// One request, which can be sent again.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: &'a str,
    /// Its type and content.
    pub(crate) body: Option<(&'a str, Bytes)>,
    /// Where the operator said to go: only this host is given credentials.
    pub(crate) home: &'a Url,
    /// The registry as the operator writes it, and the scope of its token.
    pub(crate) sign_in: Option<(&'a str, String)>,
}

impl Client {
    /// # Errors
    /// `Invalid` for authorities that are no certificates.
    pub fn new(network: Network) -> Result<Self> {
        // reqwest uses the process's TLS provider. If an embedding program has installed one, it is kept.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let invalid = |what: &str| {
            Error::new(ErrorKind::Invalid, what, "give a file with certificates as PEM (BEGIN CERTIFICATE)")
        };
        let certificates = reqwest::Certificate::from_pem_bundle(&network.authorities)
            .map_err(|_| invalid("the further authorities are no certificates"))?;
        if certificates.is_empty() && !network.authorities.is_empty() {
            return Err(invalid("there is no certificate among the further authorities"));
        }
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT)
            .read_timeout(IDLE)
            .user_agent(concat!("social-channel/", env!("CARGO_PKG_VERSION")));
        if !certificates.is_empty() {
            builder = builder.tls_certs_merge(certificates);
        }
        builder = match &network.proxy {
            Some(proxy) => builder
                .proxy(reqwest::Proxy::all(proxy.clone()).map_err(|_| invalid("the proxy cannot be used"))?),
            None if network.allow_private => builder,
            None => builder.dns_resolver(Arc::new(PublicOnly(network.is_public))),
        };
        let http = builder.build().map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                format!("the HTTP client cannot be made: {error}"),
                "check that the system's certificates can be read (package ca-certificates)",
            )
        })?;
        Ok(Client { http, network, tokens: Mutex::default() })
    }

    /// Fetches a component with its signatures. Nothing larger than [`Network::largest`] is held, and an image that says
    /// so of itself is not even begun. Dropping the future ends it; nothing is kept.
    ///
    /// # Errors
    /// `NotFound`, `Unauthorized`, `Unavailable`; `TooLarge`; `Corrupt` if what comes is not what its digest says.
    pub async fn fetch(&self, reference: &Reference) -> Result<Fetched> {
        match reference {
            Reference::Image(image) => self.fetch_image(image).await,
            Reference::Url(url) => self.fetch_file(url).await,
        }
    }

    /// What a reference points to now: for an image, the SHA-256 of its manifest. None for a plain file, which has to be
    /// fetched to know. Dropping the future changes nothing.
    ///
    /// # Errors
    /// As [`Client::fetch`].
    pub async fn digest(&self, reference: &Reference) -> Result<Option<String>> {
        match reference {
            Reference::Image(image) => Ok(Some(self.manifest_of(image).await?.1)),
            Reference::Url(_) => Ok(None),
        }
    }

    async fn fetch_file(&self, url: &Url) -> Result<Fetched> {
        let get = async |target: Url, most: u64| {
            let ask =
                Ask { method: Method::GET, url: target, accept: "*/*", body: None, home: url, sign_in: None };
            let response = self.send(&ask).await?;
            match response.status() {
                StatusCode::OK => read(response, most, url.as_str()).await.map(Some),
                StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
                status => Err(answered(status, &shown(url))),
            }
        };
        let Some(bytes) = get(url.clone(), self.network.largest).await? else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("there is nothing at {}", shown(url)),
                "check the address",
            ));
        };
        let mut beside = url.clone();
        beside.set_path(&format!("{}.minisig", url.path()));
        let signature = get(beside, MINISIG).await?;
        let evidence = signature
            .and_then(|bytes| String::from_utf8(bytes.to_vec()).ok())
            .map(|signature| Evidence::Minisign { signature });
        Ok(Fetched { bytes, source: Reference::Url(url.clone()), evidence })
    }

    /// Sends a request to the home of a reference: signs in where asked to, follows redirects. What is refused is not sent.
    pub(crate) async fn send(&self, ask: &Ask<'_>) -> Result<Response> {
        let mut url = ask.url.clone();
        let mut signed_in = false;
        for _ in 0..=REDIRECTS {
            self.check(&url, ask.home)?;
            let at_home = url.origin() == ask.home.origin();
            let mut headers = HeaderMap::new();
            let accept = HeaderValue::from_str(ask.accept).unwrap_or(HeaderValue::from_static("*/*"));
            headers.insert(ACCEPT, accept);
            if at_home && let Some(value) = self.authorization(ask) {
                headers.insert(AUTHORIZATION, value);
            }
            let mut request = self.http.request(ask.method.clone(), url.clone()).headers(headers);
            if let Some((kind, body)) = &ask.body {
                request = request.header(CONTENT_TYPE, *kind).body(body.clone());
            }
            let response = request.send().await.map_err(|error| unreachable(&error, &url))?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && at_home {
                if signed_in && let Some((registry, _)) = &ask.sign_in {
                    return Err(self.wanted(registry));
                }
                signed_in = true;
                self.sign_in(&response, ask).await?;
                continue;
            }
            let leads = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
            if !leads || ask.method != Method::GET {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            url = location
                .and_then(|location| url.join(location).ok())
                .ok_or_else(|| Error::corrupt(format!("{} redirects to nowhere", shown(&url))))?;
        }
        Err(Error::corrupt(format!("{} redirects again and again", shown(&ask.url))))
    }

    /// Refuses an address that a request must not go to.
    fn check(&self, url: &Url, home: &Url) -> Result<()> {
        let refused = |why: &str| {
            Err(Error::new(
                ErrorKind::Refused,
                format!("{} is not asked: {why}", shown(url)),
                "if it is meant, allow private networks in the operator's policy",
            ))
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(url) && home.scheme() == "http")
        {
            return refused("it is not https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused("it holds a name or a password");
        }
        if is_loopback(url) {
            // This machine is asked only if the operator wrote its name.
            return if is_loopback(home) || self.network.allow_private {
                Ok(())
            } else {
                refused("it is this machine")
            };
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        match literal {
            Some(address) if !self.network.allow_private && !(self.network.is_public)(address) => {
                refused("it is a private address")
            }
            _ => Ok(()),
        }
    }

    fn authorization(&self, ask: &Ask<'_>) -> Option<HeaderValue> {
        let (registry, scope) = ask.sign_in.as_ref()?;
        let tokens = self.tokens.lock().ok()?;
        let token = tokens.get(&((*registry).to_owned(), scope.clone()))?;
        let mut value = HeaderValue::from_str(token.expose()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// What a registry wants that does not let in.
    fn wanted(&self, registry: &str) -> Error {
        let (message, remedy) = match self.network.credentials.of(registry) {
            Some(_) => (format!("{registry} does not take this name and password"), "check them"),
            None if self.network.credentials.are_elsewhere(registry) => (
                format!(
                    "{registry} wants a name and password, which the file with credentials leaves to another program"
                ),
                "put them into a file of their own as `auth`: other programs are not started",
            ),
            None => (
                format!("{registry} wants a name and password, or has nothing of that name"),
                "give Docker's config.json with them",
            ),
        };
        Error::new(ErrorKind::Unauthorized, message, remedy)
    }

    /// Does what an answer 401 asks for, so that the next request is signed in.
    async fn sign_in(&self, response: &Response, ask: &Ask<'_>) -> Result<()> {
        let Some((registry, scope)) = &ask.sign_in else {
            return Err(answered(response.status(), &shown(&ask.url)));
        };
        let own = self.network.credentials.of(registry);
        let wanted = || self.wanted(registry);
        let challenges: Vec<Challenge> = response
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .filter_map(Challenge::parse)
            .collect();
        let key = ((*registry).to_owned(), scope.clone());
        let basic = own.map(|(name, password)| {
            let pair = zeroize::Zeroizing::new(format!("{name}:{}", password.expose()));
            Password::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
        });
        let value = if let Some(bearer) = challenges.iter().find(|one| one.scheme == "bearer") {
            let token = self.token(bearer, basic.as_ref(), scope, ask.home).await?.ok_or_else(wanted)?;
            Password::new(format!("Bearer {}", token.expose()))
        } else if challenges.iter().any(|one| one.scheme == "basic") {
            basic.ok_or_else(wanted)?
        } else {
            return Err(wanted());
        };
        let mut tokens = self.tokens.lock().map_err(|_| wanted())?;
        if tokens.insert(key, value.clone()).is_some_and(|old| old.expose() == value.expose()) {
            return Err(wanted());
        }
        Ok(())
    }

    /// Asks the place that a registry names for a token. None: it does not give one.
    async fn token(
        &self,
        bearer: &Challenge,
        basic: Option<&Password>,
        scope: &str,
        home: &Url,
    ) -> Result<Option<Password>> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
        }
        let realm = bearer.parameters.get("realm").and_then(|realm| Url::parse(realm).ok());
        let mut url = realm.ok_or_else(|| Error::corrupt("the registry names no place that gives tokens"))?;
        self.check(&url, home)?;
        if let Some(service) = bearer.parameters.get("service") {
            url.query_pairs_mut().append_pair("service", service);
        }
        url.query_pairs_mut().append_pair("scope", scope);
        let mut request = self.http.get(url.clone());
        if let Some(basic) = basic {
            let mut value = HeaderValue::from_str(basic.expose())
                .map_err(|_| Error::corrupt("the name and password cannot be sent"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(|error| unreachable(&error, &url))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok(None),
            status => return Err(answered(status, &shown(&url))),
        }
        let body = zeroize::Zeroizing::new(read(response, WORDS, &shown(&url)).await?.to_vec());
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| Error::corrupt(format!("{} gives no token", shown(&url))))?;
        Ok(answer.token.or(answer.access_token).map(Password::new))
    }

    /// The address of the registry of an image.
    pub(crate) fn home(&self, image: &Image) -> Result<Url> {
        let url = Url::parse(&format!("https://{}/", image.host())).map_err(|_| {
            Error::new(ErrorKind::Invalid, "the registry's name is not a host", "write HOST/NAME:TAG")
        })?;
        if self.network.plain_http && is_loopback(&url) {
            // The scheme of a URL with a port cannot always be changed, so it is read anew.
            return Url::parse(&format!("http://{}/", image.host()))
                .map_err(|_| Error::corrupt("the registry's name is not a host"));
        }
        Ok(url)
    }
}

/// One of the ways to sign in that a server names.
struct Challenge {
    /// In lower case.
    scheme: String,
    parameters: HashMap<String, String>,
}

impl Challenge {
    /// `Bearer realm="…",service="…"`. None if it is not written so.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, mut rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let mut parameters = HashMap::new();
        while !rest.trim().is_empty() {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let (value, next) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').map_or((after, ""), |(value, next)| (value.trim(), next)),
            };
            let name = name.trim().trim_start_matches(',').trim().to_ascii_lowercase();
            parameters.insert(name, value.to_owned());
            rest = next.trim_start().trim_start_matches(',');
        }
        Some(Challenge { scheme: scheme.to_ascii_lowercase(), parameters })
    }
}

/// Reads an answer of at most `most` bytes. One that says to be longer is not begun.
pub(crate) async fn read(mut response: Response, most: u64, what: &str) -> Result<Bytes> {
    let too_large = || {
        Error::new(
            ErrorKind::TooLarge,
            format!("{what} is larger than {most} bytes"),
            "no component of a provider is that large; check what it is",
        )
    };
    let promised = response.content_length();
    if promised.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    // What is promised is not believed before it comes.
    let mut all =
        Vec::with_capacity(usize::try_from(promised.unwrap_or_default().min(1 << 20)).unwrap_or_default());
    loop {
        let chunk = response
            .chunk()
            .await
            .map_err(|_| Error::new(ErrorKind::Unavailable, format!("{what} broke off"), "try again"))?;
        let Some(chunk) = chunk else { return Ok(all.into()) };
        if (all.len() + chunk.len()) as u64 > most {
            return Err(too_large());
        }
        all.extend_from_slice(&chunk);
    }
}

/// An answer that is not the one hoped for.
pub(crate) fn answered(status: StatusCode, what: &str) -> Error {
    let code = status.as_u16();
    match code {
        401 | 403 => Error::new(
            ErrorKind::Unauthorized,
            format!("{what} may not be used with these credentials (HTTP {code})"),
            "check the name, the password and what they may do",
        ),
        404 => Error::new(ErrorKind::NotFound, format!("{what} is not there"), "check the reference"),
        429 | 500.. => Error::new(
            ErrorKind::Unavailable,
            format!("{what} cannot be had now (HTTP {code})"),
            "try again later; what is installed goes on",
        ),
        _ => Error::corrupt(format!("{what}: unexpected answer (HTTP {code})")),
    }
}

fn unreachable(error: &reqwest::Error, url: &Url) -> Error {
    let mut cause = error.source();
    let mut last = String::new();
    while let Some(one) = cause {
        if one.downcast_ref::<Private>().is_some() {
            return Error::new(
                ErrorKind::Refused,
                format!("{} is not asked: its name leads to a private address", shown(url)),
                "if it is meant, allow private networks in the operator's policy",
            );
        }
        last = one.to_string();
        cause = one.source();
    }
    let why = if last.is_empty() { "no answer".to_owned() } else { last };
    Error::new(
        ErrorKind::Unavailable,
        format!("{} cannot be reached: {why}", shown(url)),
        "try again later; what is installed goes on. A registry of one's own may need the file of its authority",
    )
}

/// Without the query, which can hold a signature of the store that was redirected to, and without a password.
pub(crate) fn shown(url: &Url) -> String {
    let mut plain = url.clone();
    plain.set_query(None);
    // Both fail only where there is no host, and then there is no password either.
    let _ = plain.set_username("");
    let _ = plain.set_password(None);
    plain.to_string()
}

/// Resolves names to public addresses only. `localhost` is let through: [`Client::check`] has decided on it.
struct PublicOnly(fn(IpAddr) -> bool);

/// A name that has no public address.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to a private address")]
struct Private;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let is_public = self.0;
        Box::pin(async move {
            let all: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let usable: Vec<SocketAddr> = match name.as_str() {
                "localhost" => all,
                _ => all.into_iter().filter(|address| is_public(address.ip())).collect(),
            };
            if usable.is_empty() {
                return Err(Box::new(Private) as Box<dyn std::error::Error + Send + Sync>);
            }
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let one =
            Challenge::parse(r#"Bearer realm="https://auth.example/token",service="a, b",scope=x"#).unwrap();
        assert_eq!(one.scheme, "bearer");
        assert_eq!(one.parameters["realm"], "https://auth.example/token");
        assert_eq!((one.parameters["service"].as_str(), one.parameters["scope"].as_str()), ("a, b", "x"));
        assert_eq!(Challenge::parse("Basic").unwrap().scheme, "basic");
        assert!(Challenge::parse("Bearer realm=\"open").is_none());
    }

    #[test]
    fn requests_go_only_where_they_may() {
        let client = Client::new(Network::default()).unwrap();
        let url = |text: &str| Url::parse(text).unwrap();
        let (abroad, here) = (url("https://ghcr.io/"), url("http://localhost:5000/"));
        for (to, home, may) in [
            ("https://store.example/x", &abroad, true),
            ("http://store.example/x", &abroad, false),
            ("https://169.254.169.254/latest", &abroad, false),
            ("https://[::ffff:10.0.0.1]/", &abroad, false),
            ("https://10.0.0.1/x", &abroad, false),
            ("https://localhost/x", &abroad, false),
            ("http://127.0.0.1:5000/x", &abroad, false),
            ("https://me:hidden@store.example/x", &abroad, false),
            ("http://localhost:5000/v2/", &here, true),
            ("http://example.com/", &here, false),
        ] {
            let checked = client.check(&url(to), home);
            assert_eq!(checked.is_ok(), may, "{to}");
            if let Err(error) = checked {
                assert!(error.kind == ErrorKind::Refused && !error.message.contains("hidden"), "{error}");
            }
        }
    }
}
