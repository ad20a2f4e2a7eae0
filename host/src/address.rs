//! The public addresses of the service in front of this host.
//!
//! The host itself does not listen. A service in front of it serves these addresses and configures their paths
//! ([`Routes`]); the library builds the addresses, so that the setup guide, the consent and the media use the same
//! ones.

use social_channel_runtime::Addresses;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use url::{Host, Url};

/// The paths that the service in front of a host serves, below its public address. `{app}` stands for an app's
/// name. The defaults are those of `social-channel serve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// Where platforms send browsers back to.
    pub callback: String,
    /// The same for a program with one app, without the app's name.
    pub short_callback: String,
    /// Where platforms send webhooks.
    pub webhooks: String,
    /// The prefix of media of open jobs; ends with a slash.
    pub media: String,
    /// Answers 200 and `ok`.
    pub health: String,
}

impl Default for Routes {
    fn default() -> Self {
        Routes {
            callback: "/callback/{app}".to_owned(),
            short_callback: "/callback".to_owned(),
            webhooks: "/webhooks/{app}".to_owned(),
            media: "/media/".to_owned(),
            health: "/healthz".to_owned(),
        }
    }
}

/// The public address of the service in front of the host, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublicAddress {
    origin: Option<Url>,
    /// Where media are fetched, if not at `origin`.
    media: Option<Url>,
    routes: Routes,
}

impl PublicAddress {
    /// # Errors
    /// `Misconfigured` if one of the addresses is more than scheme, host and port.
    pub(crate) fn new(origin: Option<&str>, media: Option<&str>, routes: Routes) -> Result<Self> {
        let read = |field, text: Option<&str>| text.map(|text| parse_origin(field, text)).transpose();
        let (origin, media) = (read("public-address", origin)?, read("media-address", media)?);
        Ok(PublicAddress { origin, media, routes })
    }

    pub(crate) fn origin(&self) -> Option<&Url> {
        self.origin.as_ref()
    }

    /// Whether other machines can reach it.
    pub(crate) fn is_reached_from_outside(&self) -> bool {
        self.origin.as_ref().is_some_and(|url| !is_local(url))
    }

    /// A URL of the service.
    pub(crate) fn at(&self, path: &str) -> Option<String> {
        self.origin.as_ref().map(|base| below(base, path))
    }

    /// Where a platform sends browsers back to, unless the app has its own callback.
    pub(crate) fn callback_url(&self, app: &str) -> Option<String> {
        self.at(&self.routes.callback.replace("{app}", app))
    }

    /// The callback without an app's name.
    pub(crate) fn short_callback_url(&self) -> Option<String> {
        self.at(&self.routes.short_callback)
    }

    /// Where a platform sends an app's webhooks.
    pub(crate) fn webhook_url(&self, app: &str) -> Option<String> {
        self.at(&self.routes.webhooks.replace("{app}", app))
    }

    /// The URL prefix of media of open jobs.
    pub(crate) fn media_prefix(&self) -> Option<String> {
        self.media.as_ref().or(self.origin.as_ref()).map(|base| below(base, &self.routes.media))
    }

    pub(crate) fn health_url(&self) -> Option<String> {
        self.at(&self.routes.health)
    }

    /// A loopback callback that is registered for any port, with the port of the service.
    pub(crate) fn with_own_port(&self, redirect_uri: &str) -> String {
        let port = self.origin.as_ref().and_then(|ours| {
            let prefix = format!("{}://{}:*", ours.scheme(), ours.host_str()?);
            redirect_uri.starts_with(&prefix).then(|| ours.port_or_known_default())?
        });
        match port {
            Some(port) => redirect_uri.replacen(":*", &format!(":{port}"), 1),
            None => redirect_uri.to_owned(),
        }
    }

    /// The addresses of an app, as passed to the provider's diagnostics.
    pub(crate) fn of_app(&self, app: &str, redirect_uri: Option<&str>) -> Addresses {
        Addresses {
            redirect_uri: redirect_uri
                .map(|uri| self.with_own_port(uri))
                .or_else(|| self.callback_url(app))
                .unwrap_or_default(),
            webhook_url: self.webhook_url(app),
            media_prefix: self.media_prefix(),
        }
    }
}

fn below(base: &Url, path: &str) -> String {
    format!("{}{path}", base.as_str().trim_end_matches('/'))
}

/// Whether only this machine can reach it.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An origin without path or query; `field` names it in the error.
fn parse_origin(field: &str, text: &str) -> Result<Url> {
    let what = field.replace('-', " ");
    let wrong = |message: String| {
        Error::new(ErrorKind::Misconfigured, message)
            .with_field(field)
            .with_remedy("write only scheme and host, for example https://social.example.com")
    };
    let url = Url::parse(text).map_err(|_| wrong(format!("the {what} {text} is not a URL")))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !bare || !url.username().is_empty() || !url.has_host() {
        return Err(wrong(format!("the {what} {text} is more than scheme, host and port")));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_is_an_origin() {
        for good in ["https://a.example", "https://a.example/", "http://127.0.0.1:8080"] {
            parse_origin("public-address", good).unwrap();
        }
        for bad in
            ["a.example", "ftp://a.example", "https://a.example/x", "https://u@a.example", "https://a?b"]
        {
            assert_eq!(
                parse_origin("public-address", bad).unwrap_err().kind,
                ErrorKind::Misconfigured,
                "{bad}"
            );
        }
    }

    #[test]
    fn addresses_follow_the_routes_of_the_service() {
        let routes = Routes { callback: "/cb/{app}/".to_owned(), ..Routes::default() };
        let address = PublicAddress::new(Some("https://a.example/"), None, routes).unwrap();
        assert_eq!(address.callback_url("live").as_deref(), Some("https://a.example/cb/live/"));
        assert_eq!(address.webhook_url("live").as_deref(), Some("https://a.example/webhooks/live"));
        assert_eq!(PublicAddress::default().media_prefix(), None);
        let media = Some("https://media.example:444");
        let address = PublicAddress::new(Some("https://a.example"), media, Routes::default()).unwrap();
        assert_eq!(address.media_prefix().as_deref(), Some("https://media.example:444/media/"));
        assert_eq!(address.health_url().as_deref(), Some("https://a.example/healthz"));
        let error = PublicAddress::new(None, Some("media.example"), Routes::default()).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("media-address"));
        assert!(error.message.contains("media address media.example"), "{error}");
    }
}
