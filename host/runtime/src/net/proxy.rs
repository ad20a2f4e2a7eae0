//! The proxy that the operator names for outbound requests.
//!
//! The environment (`HTTPS_PROXY`) is never obeyed silently: a variable that was set for another program would then decide
//! where tokens go.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::error::{Error, ErrorKind, Result};

/// The variables by which other programs find a proxy.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// An HTTP proxy, as `http://proxy.example.com:3128` or `http://user:password@…`. Requests to `https` addresses pass it
/// encrypted (`CONNECT`).
#[derive(Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Proxy(Url);

impl Proxy {
    /// The variable of the environment that names a proxy, if there is one.
    pub fn in_environment() -> Option<&'static str> {
        VARIABLES.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
    }

    /// Its address, which may hold a password.
    pub fn url(&self) -> &Url {
        &self.0
    }

    pub(super) fn client_proxy(&self) -> reqwest::Result<reqwest::Proxy> {
        reqwest::Proxy::all(self.0.clone())
    }
}

impl FromStr for Proxy {
    type Err = Error;

    /// # Errors
    /// `InvalidRequest`, field `proxy`. The text may hold a password, so the message does not repeat it.
    fn from_str(text: &str) -> Result<Self> {
        let url = Url::parse(text.trim()).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
        });
        url.map(Proxy).ok_or_else(|| {
            Error::new(ErrorKind::InvalidRequest, "the proxy is not the address of an HTTP proxy")
                .with_field("proxy")
                .with_remedy("write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT")
        })
    }
}

impl<'a> Deserialize<'a> for Proxy {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(|error: Error| {
            serde::de::Error::custom(format!("{}: {}", error.message, error.remedy.unwrap_or_default()))
        })
    }
}

/// Without user and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_scheme_host_and_port_and_never_shows_its_password() {
        let proxy: Proxy = "http://user:hidden@proxy.example.com:3128".parse().unwrap();
        assert_eq!(
            format!("{proxy} {proxy:?}"),
            "http://proxy.example.com:3128 Proxy(http://proxy.example.com:3128)"
        );
        "https://proxy.example.com".parse::<Proxy>().unwrap();
        for wrong in [
            "",
            "proxy:3128",
            "socks5://proxy:1080",
            "http://proxy/path",
            "http://user:hidden@proxy/?x",
            "http://",
        ] {
            let error = wrong.parse::<Proxy>().unwrap_err();
            assert_eq!(error.field.as_deref(), Some("proxy"), "{wrong}");
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
    }
}
