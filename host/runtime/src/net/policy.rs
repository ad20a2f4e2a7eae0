//! What the operator grants: which origins a provider may call, and to which targets they are mapped.
//!
//! | origin | allows |
//! | --- | --- |
//! | `https://api.example.com` | this host, port 443 |
//! | `https://api.example.com:8443` | this host, this port |
//! | `https://*.example.com` | any name below `example.com`, not `example.com` itself, port 443 |
//! | `https://*` | any public host, port 443 |
//! | `http://api.example.com` | this host without encryption, port 80; only exact hosts |
//!
//! An empty list grants nothing. Hosts are compared in lower case and in ASCII form; an address literal is
//! compared as an address. Only scheme, host and port are allowed: no user, path,
//! query or fragment.
//!
//! [`crate::net::egress`] checks whether an address is private, because granting a name does not grant every
//! address that it resolves to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::error::{Error, ErrorKind, Result};

/// What one app may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Origins that may be called; none by default.
    pub origins: Vec<OriginPattern>,
    /// Whether private, loopback and link-local addresses may be reached.
    pub allow_private_networks: bool,
    /// Maps requests to an origin to another target, for tests and sandboxes. The requests include tokens, so
    /// the target must be on this machine unless `allow_remote_targets` is set.
    pub connect_to: Vec<ConnectTo>,
    /// Whether `connect_to` may name other machines.
    pub allow_remote_targets: bool,
}

impl Policy {
    /// A policy that grants these origins and nothing else.
    ///
    /// # Errors
    /// `InvalidArgument` for text that is not an origin.
    pub fn granting<I: IntoIterator<Item = S>, S: AsRef<str>>(origins: I) -> Result<Self> {
        let origins = origins.into_iter().map(|origin| origin.as_ref().parse()).collect::<Result<_>>()?;
        Ok(Policy { origins, ..Policy::default() })
    }

    /// Whether the URL has a granted origin.
    pub fn grants(&self, url: &Url) -> bool {
        self.origins.iter().any(|origin| origin.matches(url))
    }

    /// Those of `wanted` that are not granted, for which a new component waits.
    pub fn missing(&self, wanted: &[OriginPattern]) -> Vec<OriginPattern> {
        let granted = |want: &&OriginPattern| !self.origins.iter().any(|origin| origin.covers(want));
        wanted.iter().filter(granted).cloned().collect()
    }

    /// Refuses mappings to other machines, unless they are allowed.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the mapping.
    pub fn check(&self) -> Result<()> {
        for mapping in &self.connect_to {
            if !self.allow_remote_targets && !is_loopback(&mapping.to) {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("connect-to {mapping} would send tokens to another machine"),
                )
                .with_remedy("Name a target on 127.0.0.1 or [::1], or set `allow_remote_targets`."));
            }
        }
        Ok(())
    }

    /// Where a request to this URL is sent; the first matching mapping applies.
    pub(crate) fn target(&self, url: &Url) -> Option<&Url> {
        self.connect_to.iter().find(|mapping| mapping.from.matches(url)).map(|mapping| &mapping.to)
    }
}

/// `connect-to FROM = TO`: requests to an origin are sent to another one, and keep their `Host` header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectTo {
    /// The origin that the provider requests.
    pub from: OriginPattern,
    /// Scheme, host and port of the target.
    #[serde(with = "target")]
    #[schemars(with = "String")]
    pub to: Url,
}

impl fmt::Display for ConnectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.from, self.to.as_str().trim_end_matches('/'))
    }
}

impl FromStr for ConnectTo {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((from, to)) = text.split_once('=') else {
            return Err(Error::new(ErrorKind::InvalidArgument, format!("`{text}` is not a mapping"))
                .with_remedy("Write it as https://api.example.com = http://127.0.0.1:4010."));
        };
        Ok(ConnectTo { from: from.trim().parse()?, to: parse_target(to.trim())? })
    }
}

fn parse_target(text: &str) -> Result<Url> {
    let wrong = || {
        Error::new(ErrorKind::InvalidArgument, format!("`{text}` is not a target for connect-to"))
            .with_remedy("Write scheme, host and port, for example http://127.0.0.1:4010.")
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !bare || !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong());
    }
    Ok(url)
}

mod target {
    use serde::{Deserialize, Deserializer, Serializer};
    use url::Url;

    pub(super) fn serialize<S: Serializer>(url: &Url, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(url.as_str().trim_end_matches('/'))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Url, D::Error> {
        super::parse_target(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// An origin, or a pattern of origins. The module's table lists the forms.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct OriginPattern {
    https: bool,
    host: HostPattern,
    port: u16,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum HostPattern {
    Exact(Host<String>),
    /// The domain, without the leading `*.`.
    Below(String),
    Any,
}

impl OriginPattern {
    /// Whether the URL has this origin.
    pub fn matches(&self, url: &Url) -> bool {
        let scheme = if self.https { "https" } else { "http" };
        url.scheme() == scheme
            && url.port_or_known_default() == Some(self.port)
            && url.host().is_some_and(|host| match &self.host {
                HostPattern::Exact(exact) => *exact == host.to_owned(),
                HostPattern::Below(suffix) => match host {
                    Host::Domain(name) => is_below(name, suffix),
                    Host::Ipv4(_) | Host::Ipv6(_) => false,
                },
                HostPattern::Any => true,
            })
    }

    /// Whether this pattern allows everything that `other` allows.
    pub fn covers(&self, other: &OriginPattern) -> bool {
        self.https == other.https
            && self.port == other.port
            && match (&self.host, &other.host) {
                (HostPattern::Any, _) => true,
                (HostPattern::Exact(one), HostPattern::Exact(two)) => one == two,
                (HostPattern::Below(suffix), HostPattern::Exact(Host::Domain(name))) => {
                    is_below(name, suffix)
                }
                (HostPattern::Below(suffix), HostPattern::Below(other)) => {
                    suffix == other || is_below(other, suffix)
                }
                (HostPattern::Exact(_) | HostPattern::Below(_), _) => false,
            }
    }

    /// The origin of a URL, for messages that say what to grant.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        Some(OriginPattern {
            https: url.scheme() == "https",
            host: HostPattern::Exact(url.host()?.to_owned()),
            port: url.port_or_known_default()?,
        })
    }
}

fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

impl FromStr for OriginPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_origin(text).map_err(|why| {
            Error::new(ErrorKind::InvalidArgument, format!("`{text}` is not an origin: {why}")).with_remedy(
                "Write https://api.example.com, https://*.example.com or https://*, with a port other than 443 \
                 written out.",
            )
        })
    }
}

fn parse_origin(text: &str) -> Result<OriginPattern, &'static str> {
    let (https, rest) = if let Some(rest) = text.strip_prefix("https://") {
        (true, rest)
    } else if let Some(rest) = text.strip_prefix("http://") {
        (false, rest)
    } else {
        return Err("it must begin with https:// (or http://, if that is intended)");
    };
    if rest.contains(['/', '?', '#', '@', '\\']) || rest.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        return Err("it must have only scheme, host and port");
    }
    // The colons of an address literal are inside its brackets.
    let after_literal = rest.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match rest[after_literal..].split_once(':') {
        Some((before, port)) => (&rest[..after_literal + before.len()], Some(port)),
        None => (rest, None),
    };
    let port = match port {
        None if https => 443,
        None => 80,
        Some(port) => {
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let number = port.parse().ok().filter(|number| digits && *number != 0);
            number.ok_or("the port must be a number from 1 to 65535")?
        }
    };
    let exact = |host: &str| match Host::parse(host) {
        Ok(Host::Domain(name)) if name.is_empty() || name.ends_with('.') || name.contains('*') => {
            Err("the host is not a name or an address")
        }
        Ok(host) => Ok(host),
        Err(_) => Err("the host is not a name or an address"),
    };
    let host = if host == "*" {
        HostPattern::Any
    } else if let Some(suffix) = host.strip_prefix("*.") {
        match exact(suffix)? {
            Host::Domain(name) if name.contains('.') => HostPattern::Below(name),
            Host::Domain(_) => return Err("a wildcard needs at least two labels after the star"),
            Host::Ipv4(_) | Host::Ipv6(_) => return Err("addresses have no subdomains"),
        }
    } else {
        HostPattern::Exact(exact(host)?)
    };
    if !https && !matches!(host, HostPattern::Exact(_)) {
        return Err("without encryption every host must be named in full");
    }
    Ok(OriginPattern { https, host, port })
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.https { "https://" } else { "http://" })?;
        match &self.host {
            HostPattern::Exact(host) => write!(f, "{host}")?,
            HostPattern::Below(suffix) => write!(f, "*.{suffix}")?,
            HostPattern::Any => f.write_str("*")?,
        }
        match (self.https, self.port) {
            (true, 443) | (false, 80) => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

impl fmt::Debug for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TryFrom<String> for OriginPattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<OriginPattern> for String {
    fn from(origin: OriginPattern) -> String {
        origin.to_string()
    }
}

/// Checks the text, not what a name resolves to: `localhost` counts, any other name does not.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn origins_match_what_the_table_says() {
        for (origin, address, allowed) in [
            ("https://api.example.com", "https://api.example.com/v2/x?y", true),
            ("https://api.example.com", "https://API.Example.com/", true),
            ("https://api.example.com", "https://api.example.com:443/", true),
            ("https://api.example.com", "https://api.example.com:8443/", false),
            ("https://api.example.com", "http://api.example.com/", false),
            ("https://api.example.com", "https://api.example.com.evil.test/", false),
            ("https://api.example.com", "https://evil.test/api.example.com", false),
            ("https://api.example.com", "https://api.example.com./", false),
            ("https://api.example.com:8443", "https://api.example.com:8443/", true),
            ("https://api.example.com:8443", "https://api.example.com/", false),
            ("https://*.example.com", "https://a.example.com/", true),
            ("https://*.example.com", "https://a.b.example.com/", true),
            ("https://*.example.com", "https://example.com/", false),
            ("https://*.example.com", "https://evilexample.com/", false),
            ("https://*", "https://anything.test/", true),
            ("https://*", "https://anything.test:8443/", false),
            ("https://*", "http://anything.test/", false),
            ("http://127.0.0.1:4010", "http://127.1:4010/", true),
            ("http://[::1]:4010", "http://[0:0:0:0:0:0:0:1]:4010/", true),
            ("https://bücher.example", "https://xn--bcher-kva.example/", true),
        ] {
            let pattern: OriginPattern = origin.parse().unwrap();
            assert_eq!(pattern.matches(&url(address)), allowed, "{origin} and {address}");
        }
    }

    #[test]
    fn other_text_is_no_origin() {
        for text in [
            "",
            "api.example.com",
            "ftp://api.example.com",
            "https://",
            "https://api.example.com/",
            "https://api.example.com/path",
            "https://user@api.example.com",
            "https://api.example.com?x",
            "https://api.example.com#x",
            "https://api.example.com:0",
            "https://api.example.com:",
            "https://api.example.com:+1",
            "https://api.example.com:99999",
            "https://a*.example.com",
            "https://*.com",
            "https://*.10.0.0.1",
            "https://**",
            "http://*",
            "http://*.example.com",
            "https://api.example.com.",
            "https:// api.example.com",
            "https://[::1",
        ] {
            let error = text.parse::<OriginPattern>().unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidArgument, "{text}");
            assert!(error.remedy.unwrap().contains("https://*.example.com"), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let policy = Policy::granting(["https://*.example.com", "https://one.test"]).unwrap();
        let wanted: Vec<OriginPattern> = [
            "https://a.example.com",
            "https://*.b.example.com",
            "https://one.test",
            "https://two.test",
            "https://*",
        ]
        .map(|text| text.parse().unwrap())
        .to_vec();
        let missing: Vec<_> = policy.missing(&wanted).iter().map(ToString::to_string).collect();
        assert_eq!(missing, ["https://two.test", "https://*"]);
    }

    #[test]
    fn mappings_stay_on_this_machine_unless_allowed() {
        let mapping = |text: &str| text.parse::<ConnectTo>().unwrap();
        for target in ["http://127.0.0.1:4010", "http://127.9.9.9:1", "http://[::1]:1", "http://localhost:1"]
        {
            let policy = Policy {
                connect_to: vec![mapping(&format!("https://api.example.com = {target}"))],
                ..Policy::default()
            };
            policy.check().unwrap();
        }
        for target in ["http://10.0.0.1", "https://evil.test", "http://localhost.evil.test"] {
            let mut policy = Policy {
                connect_to: vec![mapping(&format!("https://api.example.com = {target}"))],
                ..Policy::default()
            };
            assert_eq!(policy.check().unwrap_err().kind, ErrorKind::InvalidArgument);
            policy.allow_remote_targets = true;
            policy.check().unwrap();
        }
        for text in ["https://api.example.com", "a = b", "https://a.test = http://127.0.0.1/path"] {
            assert!(text.parse::<ConnectTo>().unwrap_err().remedy.is_some(), "{text}");
        }
    }

    #[test]
    fn json_and_back() {
        let policy = Policy {
            origins: vec!["https://*.example.com:8443".parse().unwrap()],
            allow_private_networks: true,
            connect_to: vec!["https://api.example.com = http://127.0.0.1:4010".parse().unwrap()],
            allow_remote_targets: false,
        };
        let json = serde_json::to_value(&policy).unwrap();
        assert_eq!(json["connect_to"][0]["to"], "http://127.0.0.1:4010");
        assert_eq!(serde_json::from_value::<Policy>(json).unwrap(), policy);
        assert!(serde_json::from_str::<Policy>(r#"{"origin":[]}"#).is_err());
        assert_eq!(serde_json::from_str::<Policy>("{}").unwrap(), Policy::default());
    }
}
