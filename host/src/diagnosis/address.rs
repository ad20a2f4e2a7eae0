//! Checks of the host itself: its public address, its callback, its clock, and settings with example values.

use social_channel_runtime::model::{Finding, Severity};
use social_channel_runtime::net::{Proxy, fetch};
use url::Url;

use super::{Diagnosis, finding};
use crate::app::{App, LiveApp};

/// Platforms refuse signed timestamps that are off by more than some minutes.
const CLOCK_ERROR: i64 = 300;
/// From here on a warning is useful.
const CLOCK_WARNING: i64 = 30;

impl Diagnosis {
    pub(super) async fn own_checks(&self, shown: &App, app: &LiveApp) -> Vec<Finding> {
        let mut findings = vec![self.check_public(app).await];
        findings.extend(self.check_proxy());
        findings.extend(self.doubts.iter().cloned());
        findings.extend(self.check_callback(shown));
        findings.extend(placeholders(shown));
        findings.extend(self.check_listing(&shown.listing, app).await);
        findings.extend(self.check_domains(&shown.listing.domain_records).await);
        findings.extend(self.clock_is_right(app).await);
        findings
    }

    /// Whether the service is reachable at its public address, over https.
    async fn check_public(&self, app: &LiveApp) -> Finding {
        const SUBJECT: &str = "public-address";
        let (Some(url), Some(health)) = (self.address.origin(), self.address.health_url()) else {
            return finding(
                Severity::Info,
                SUBJECT,
                "The host has no public address, so it has no callback, webhook or media addresses.",
                "Set the public address if a platform is to reach this host.",
            );
        };
        if !self.address.is_reached_from_outside() {
            return finding(
                Severity::Info,
                SUBJECT,
                format!("The host is reached at {url} from this machine only."),
                "That is enough to try things out; a live app needs a public https address.",
            );
        }
        if url.scheme() != "https" {
            return finding(
                Severity::Error,
                SUBJECT,
                format!("The public address {url} is not https, which platforms refuse."),
                "Install a certificate on the reverse proxy in front of this host, and use https:// in the public address.",
            );
        }
        match fetch(&health, &app.egress, 1 << 10).await {
            Ok(fetched) if fetched.status == 200 && fetched.body.starts_with(b"ok") => {
                finding(Severity::Ok, SUBJECT, format!("The service answers at {url} over https."), "")
            }
            Ok(fetched) => finding(
                Severity::Error,
                SUBJECT,
                format!("Something else answers at {health}: status {}.", fetched.status),
                "Configure the reverse proxy to forward every path to this service.",
            ),
            Err(why) => finding(
                Severity::Error,
                SUBJECT,
                format!("The service does not answer at {url}: {why}."),
                "Check the host name, the certificate and the reverse proxy in front of this host.",
            ),
        }
    }

    /// Which way requests go out, where that is a question.
    fn check_proxy(&self) -> Option<Finding> {
        const SUBJECT: &str = "proxy";
        match (&self.proxy, Proxy::in_environment()) {
            (Some(proxy), _) => Some(finding(
                Severity::Info,
                SUBJECT,
                format!("Requests go through the proxy {proxy}, which resolves the names."),
                "Let the proxy refuse private networks: this host cannot see to which address a name leads there.",
            )),
            (None, Some(variable)) => Some(finding(
                Severity::Warning,
                SUBJECT,
                format!(
                    "The variable {variable} names a proxy, which is not used: requests go out directly."
                ),
                "If this network can be left only through the proxy, name it in the setting `proxy`.",
            )),
            (None, None) => None,
        }
    }

    /// Platforms compare callback addresses byte for byte.
    fn check_callback(&self, shown: &App) -> Option<Finding> {
        const SUBJECT: &str = "redirect-uri";
        let own = self.address.with_own_port(shown.redirect_uri.as_deref()?);
        let (ours, short) = (self.address.callback_url(&shown.id)?, self.address.short_callback_url()?);
        let bare = own.strip_suffix('/').unwrap_or(&own);
        if bare == ours || bare == short {
            return Some(finding(
                Severity::Ok,
                SUBJECT,
                format!("The callback URL is {own}, and this service answers there."),
                "Register exactly this at the platform: every character counts.",
            ));
        }
        Some(finding(
            Severity::Warning,
            SUBJECT,
            format!("The callback URL is {own}, and this service answers at {ours}."),
            "Use this service's address, or complete the consent in the program that serves the other address.",
        ))
    }

    /// Compares clocks with a server of the platform.
    async fn clock_is_right(&self, app: &LiveApp) -> Option<Finding> {
        const SUBJECT: &str = "clock";
        let origins = &app.provider.descriptor().origins;
        let origin = origins.iter().find(|origin| origin.starts_with("https://") && !origin.contains('*'))?;
        let theirs = fetch(origin, &app.egress, 1 << 10).await.ok()?.date?;
        let apart = self.clock.now_ms() / 1000 - theirs;
        Some(match apart.abs() {
            0..=CLOCK_WARNING => finding(Severity::Ok, SUBJECT, "The clock agrees with the platform's.", ""),
            off => finding(
                if off > CLOCK_ERROR { Severity::Error } else { Severity::Warning },
                SUBJECT,
                format!(
                    "The clock is {off} seconds {} the platform's.",
                    if apart > 0 { "ahead of" } else { "behind" }
                ),
                "Switch on the system's time synchronisation (NTP).",
            ),
        })
    }
}

/// Settings that were copied from an example and never replaced.
fn placeholders(shown: &App) -> Vec<Finding> {
    let settings = shown.settings.iter().filter(|shown| !shown.is_default);
    let settings = settings.filter_map(|shown| {
        // Only the end of a secret is known here.
        (shown.setting.kind != "secret").then_some((shown.setting.name.as_str(), shown.value.as_deref()?))
    });
    let uri = shown.redirect_uri.as_deref().map(|uri| ("redirect-uri", uri));
    let listing = shown.listing.addresses().into_iter().filter_map(|(name, url)| Some((name, url?)));
    settings
        .chain(uri)
        .chain(listing)
        .filter(|(_, value)| is_placeholder(value))
        .map(|(name, value)| {
            finding(
                Severity::Error,
                name,
                format!("{name} still has an example value: {value}."),
                "Replace it with your own.",
            )
        })
        .collect()
}

fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    // Names that are reserved for examples (RFC 2606) and never resolve.
    let reserved = |name: &str| {
        ["example", "test", "invalid"].iter().any(|end| name == *end || name.ends_with(&format!(".{end}")))
            || ["example.com", "example.org", "example.net"]
                .iter()
                .any(|own| name == *own || name.ends_with(&format!(".{own}")))
    };
    let host = Url::parse(value).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| reserved(&host))
        || ["your-", "your_", "<your", "changeme", "change-me", "placeholder", "xxxx"]
            .iter()
            .any(|mark| lower.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_examples_are_known() {
        for value in [
            "https://social.example.com/callback/a",
            "https://example.org",
            "https://a.test/",
            "your-client-key",
            "YOUR_APP_ID",
            "<your key>",
            "changeme",
            "xxxxxxxx",
        ] {
            assert!(is_placeholder(value), "{value}");
        }
        for value in
            ["https://social.northwind.app/callback/a", "aw1234567890", "https://myexample.com", "sandbox"]
        {
            assert!(!is_placeholder(value), "{value}");
        }
    }
}
