//! What the host sees of itself: its addresses, its files, its clock, and values that were left as examples.

use url::{Host as UrlHost, Url};

use super::fetch::fetch;
use super::finding;
use crate::app::{App, LiveApp};
use crate::error::Result;
use crate::host::Inner;
use crate::model::{Finding, Severity};

/// Signatures with a time in them are refused beyond some minutes.
const CLOCK_ERROR: i64 = 300;
/// Worth a look.
const CLOCK_WARNING: i64 = 30;
/// Larger than any proof of ownership.
const PROOF: usize = 6 << 20;

impl Inner {
    pub(super) async fn own_checks(&self, shown: &App, app: &LiveApp) -> Result<Vec<Finding>> {
        let mut findings = vec![self.check_public(app).await];
        findings.extend(self.check_callback(shown));
        findings.extend(placeholders(shown));
        findings.extend(self.check_listing(&shown.listing, app).await);
        findings.extend(self.check_domains(&shown.listing.domain_records).await);
        findings.extend(self.clock_is_right(app).await);
        findings.extend(self.site_is_seen(app).await?);
        Ok(findings)
    }

    /// Whether the service is where it is said to be, and over https.
    async fn check_public(&self, app: &LiveApp) -> Finding {
        const SUBJECT: &str = "public-address";
        let Some(url) = &self.public_address else {
            return finding(
                Severity::Info,
                SUBJECT,
                "The host has no public address, so it makes no callback, webhook and media addresses.",
                "Set the public address if a platform is to reach this host.",
            );
        };
        if is_local(url) {
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
                "Put a certificate on the server in front of this host, and write https:// in the public address.",
            );
        }
        let probe = format!("{}/healthz", url.as_str().trim_end_matches('/'));
        match fetch(&probe, &app.egress, 1 << 10).await {
            Ok(fetched) if fetched.status == 200 && fetched.body.starts_with(b"ok") => {
                finding(Severity::Ok, SUBJECT, format!("The service answers at {url} over https."), "")
            }
            Ok(fetched) => finding(
                Severity::Error,
                SUBJECT,
                format!("Something else answers at {url}: status {} for /healthz.", fetched.status),
                "Let the server in front hand every path on to this service.",
            ),
            Err(why) => finding(
                Severity::Error,
                SUBJECT,
                format!("The service does not answer at {url}: {why}."),
                "Check the name, the certificate and the server in front of this host.",
            ),
        }
    }

    /// Platforms compare callback addresses byte for byte.
    fn check_callback(&self, shown: &App) -> Option<Finding> {
        const SUBJECT: &str = "redirect-uri";
        let own = self.with_own_port(shown.redirect_uri.as_deref()?);
        let (ours, short) = (self.callback_url(&shown.id)?, self.at("/callback")?);
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
            "Use this service's address, or complete the consent in the program that answers at the other.",
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

    /// Looks from outside at the files that were added for platforms to find.
    async fn site_is_seen(&self, app: &LiveApp) -> Result<Vec<Finding>> {
        const SUBJECT: &str = "verification-file";
        if self.public_address.as_ref().is_none_or(is_local) {
            return Ok(Vec::new());
        }
        let mut findings = Vec::new();
        for file in self.store.site_files().await? {
            let Some(url) = self.at(&format!("/{}", file.path)) else { continue };
            let Some(kept) = self.store.site_file(&file.path).await? else { continue };
            findings.push(match fetch(&url, &app.egress, PROOF).await {
                Ok(seen) if seen.status == 200 && seen.body == kept.bytes => {
                    finding(Severity::Ok, SUBJECT, format!("{url} is served as it was added."), "")
                }
                Ok(seen) => finding(
                    Severity::Error,
                    SUBJECT,
                    format!("{url} answers status {} with other bytes than were added.", seen.status),
                    "Let the server in front hand this path on to the service, unchanged.",
                ),
                Err(why) => finding(
                    Severity::Error,
                    SUBJECT,
                    format!("{url} cannot be read from outside: {why}."),
                    "Check the name, the certificate and the server in front of this host.",
                ),
            });
        }
        Ok(findings)
    }
}

/// Whether only this machine reaches it.
pub(super) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(UrlHost::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(UrlHost::Ipv4(address)) => address.is_loopback(),
        Some(UrlHost::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Values that were copied from an example and never replaced.
fn placeholders(shown: &App) -> Vec<Finding> {
    let settings = shown.settings.iter().filter(|shown| !shown.is_default);
    let settings = settings.filter_map(|shown| {
        // Of a secret only its end is known here.
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
                format!("{name} still has an example's value: {value}."),
                "Replace it by your own.",
            )
        })
        .collect()
}

fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    // Names that are reserved for examples (RFC 2606) and never resolve to anybody.
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
