//! The platforms of an app, and their rules for redirect URIs (contract 3.1, 3.2). The two never overlap: a desktop
//! redirect leads to this machine, a web redirect to a public host, so the URI determines its platform.

use std::fmt;

use anyhow::{Context, ensure};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use url::{Host, Url};

/// Platform under which an app is registered; decides redirect and PKCE rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// `https` redirects to public hosts, PKCE optional.
    #[default]
    Web,
    /// Loopback redirects with a port, PKCE (hex) required.
    Desktop,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Web => "web",
            Self::Desktop => "desktop",
        })
    }
}

impl Platform {
    pub(crate) const ALL: [Self; 2] = [Self::Web, Self::Desktop];

    /// The platform whose rules apply to a redirect URI. Its port may be `*`.
    pub(crate) fn of(uri: &str) -> Self {
        match parse(uri) {
            Some(url) if is_loopback(&url) => Self::Desktop,
            _ => Self::Web,
        }
    }
}

/// `*` is not a valid port for a URL parser, so it is replaced with a number.
fn parse(uri: &str) -> Option<Url> {
    Url::parse(&uri.replacen(":*", ":65000", 1)).ok()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// The portal's checks when a redirect URI is registered with an app of these platforms.
pub(crate) fn check_redirect(platforms: &[Platform], uri: &str) -> anyhow::Result<()> {
    ensure!(uri.chars().count() < 512, "must be shorter than 512 characters");
    let url = parse(uri).filter(Url::has_host).context(
        "is no absolute URL; write one such as https://app.example.com/callback/ or http://127.0.0.1:*/callback/",
    )?;
    ensure!(url.query().is_none(), "must have no query; take away what follows the ?");
    ensure!(url.fragment().is_none(), "must have no fragment; take away what follows the #");
    let platform = Platform::of(uri);
    if !platforms.contains(&platform) {
        let (have, lead) = match platform {
            Platform::Desktop => ("web", "public hosts only; write another host"),
            Platform::Web => ("desktop", "localhost or 127.0.0.1 only; write one of them"),
        };
        anyhow::bail!("a {have} app redirects to {lead}, or add \"{platform}\" to the platforms of the app");
    }
    match platform {
        Platform::Web => {
            ensure!(url.scheme() == "https", "a web redirect needs https; write https:// in front");
            ensure!(!uri.contains(":*"), "a web redirect has no wildcard port; take away :*");
        }
        Platform::Desktop => {
            ensure!(
                matches!(url.scheme(), "http" | "https"),
                "a desktop redirect needs http or https; write http:// in front"
            );
            ensure!(
                matches!(url.host_str(), Some("localhost" | "127.0.0.1")),
                "a desktop redirect needs the host localhost or 127.0.0.1; write one of them"
            );
            ensure!(
                url.port().is_some(),
                "a desktop redirect needs a port; write one behind the host, or :* for any"
            );
        }
    }
    Ok(())
}

/// Reads a list of platforms, or a single one, as in older files.
pub(crate) fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Platform>, D::Error> {
    struct OneOrSeveral;

    impl<'de> Visitor<'de> for OneOrSeveral {
        type Value = Vec<Platform>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\"web\", \"desktop\" or a list of both")
        }

        fn visit_str<E: Error>(self, one: &str) -> Result<Self::Value, E> {
            Platform::deserialize(one.into_deserializer()).map(|one| vec![one])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, several: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(several))
        }
    }

    deserializer.deserialize_any(OneOrSeveral)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_tells_its_platform() {
        for uri in ["http://127.0.0.1:*/callback", "https://localhost:3456/callback", "http://[::1]:1/"] {
            assert_eq!(Platform::of(uri), Platform::Desktop, "{uri}");
        }
        for uri in ["https://app.example.com/callback/", "https://localhost.example.com/", "nonsense"] {
            assert_eq!(Platform::of(uri), Platform::Web, "{uri}");
        }
    }

    #[test]
    fn registrations_the_portal_refuses_are_refused() {
        let both = [Platform::Web, Platform::Desktop];
        let (web, desktop) = (&both[..1], &both[1..]);
        for (platforms, uri, remedy) in [
            (web, "http://app.example.com/callback", "https://"),
            (web, "https://localhost/callback", "\"desktop\""),
            (web, "https://127.0.0.1:8443/callback", "\"desktop\""),
            (web, "https://[::1]:8443/callback", "\"desktop\""),
            (web, "https://app.example.com/callback?a=1", "?"),
            (web, "https://app.example.com/callback#x", "#"),
            (web, "https://app.example.com:*/callback", ":*"),
            (web, "/callback", "https://app.example.com"),
            (web, "https://", "https://app.example.com"),
            (web, "mailto:someone", "https://app.example.com"),
            (desktop, "http://127.0.0.1/callback", ":*"),
            (desktop, "http://127.0.0.2:80/callback", "127.0.0.1"),
            (desktop, "ftp://localhost:80/callback", "http://"),
            (desktop, "http://app.example.com:80/callback", "\"web\""),
            (&both, "http://127.0.0.1/callback", ":*"),
            (&both, "http://app.example.com:80/callback", "https://"),
        ] {
            let error = check_redirect(platforms, uri).unwrap_err().to_string();
            assert!(error.contains(remedy), "{uri}: {error}");
        }
        for uri in
            ["https://app.example.com/callback/", "http://127.0.0.1:*/callback", "https://localhost:1/"]
        {
            check_redirect(&both, uri).unwrap();
        }
    }
}
