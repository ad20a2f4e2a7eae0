//! What the portal says about an app: the addresses and the picture that reviewers look at.

use futures::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::domain::{DomainRecord, RECORDS};
use super::fetch::{Fetched, fetch};
use super::finding;
use crate::app::LiveApp;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Inner;
use crate::model::{Finding, Severity};

/// What portals take.
const ICON_BYTES: usize = 5 << 20;
/// Pixels, both ways.
const ICON_SIDE: usize = 1024;
/// Enough to see that a page says something.
const PAGE: usize = 1 << 20;
/// A page with fewer bytes is a placeholder of some kind.
const SAYS_SOMETHING: usize = 200;

/// What the portal says about an app. The host only checks it: each address must open for anybody, each record
/// must be in the zone of its domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Listing {
    /// The product's own page.
    pub website_url: Option<String>,
    /// Its privacy policy.
    pub privacy_url: Option<String>,
    /// Its terms of service.
    pub terms_url: Option<String>,
    /// Its picture.
    pub icon_url: Option<String>,
    /// TXT records that prove who owns a domain, where the portal asks for that.
    pub domain_records: Vec<DomainRecord>,
}

impl Listing {
    /// By their names.
    pub(super) fn addresses(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("website-url", self.website_url.as_deref()),
            ("privacy-url", self.privacy_url.as_deref()),
            ("terms-url", self.terms_url.as_deref()),
            ("icon-url", self.icon_url.as_deref()),
        ]
    }

    /// Empty text forgets an address or a record; anything else must be one.
    pub(crate) fn checked(mut self) -> Result<Self> {
        for (name, url) in [
            ("website_url", &mut self.website_url),
            ("privacy_url", &mut self.privacy_url),
            ("terms_url", &mut self.terms_url),
            ("icon_url", &mut self.icon_url),
        ] {
            *url = url.take().map(|url| url.trim().to_owned()).filter(|url| !url.is_empty());
            let good = url.as_deref().is_none_or(|url| {
                url.len() <= 2000
                    && url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
            });
            if !good {
                return Err(Error::new(ErrorKind::InvalidRequest, format!("{name} is no address"))
                    .with_field(name)
                    .with_remedy("write it with its scheme: https://…"));
            }
        }
        let mut records = Vec::new();
        for record in self.domain_records {
            match record.checked()? {
                Some(record) if !records.contains(&record) => records.push(record),
                _ => {}
            }
        }
        if records.len() > RECORDS {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("an app has at most {RECORDS} domain records"),
            )
            .with_field("domain_records")
            .with_remedy("remove those that the portal does not show any more"));
        }
        self.domain_records = records;
        Ok(self)
    }
}

impl Inner {
    pub(super) async fn check_listing(&self, listing: &Listing, app: &LiveApp) -> Vec<Finding> {
        join_all(listing.addresses().map(|(name, url)| async move {
            match url {
                None => missing(name),
                Some(url) if name == "icon-url" => icon(url, fetch(url, &app.egress, ICON_BYTES).await),
                Some(url) => page(name, url, fetch(url, &app.egress, PAGE).await),
            }
        }))
        .await
    }
}

fn called(name: &str) -> &'static str {
    match name {
        "website-url" => "website",
        "privacy-url" => "privacy policy",
        "terms-url" => "terms of service",
        _ => "icon",
    }
}

fn missing(name: &str) -> Finding {
    finding(
        Severity::Info,
        name,
        format!("The address of the {} is not set, so it was not checked.", called(name)),
        "Set it to what stands in the platform's portal.",
    )
}

/// A page for everybody: https, there without signing in, and not empty.
fn page(name: &str, url: &str, seen: Result<Fetched, String>) -> Finding {
    let called = called(name);
    let wrong = |message: String, remedy: &str| finding(Severity::Error, name, message, remedy);
    if !url.starts_with("https://") {
        return wrong(format!("The address of the {called} is not https."), "Serve the page over https.");
    }
    match seen {
        Err(why) => wrong(
            format!("The {called} at {url} cannot be opened: {why}."),
            "Open the address in a private window of a browser, from another network.",
        ),
        Ok(seen) if matches!(seen.status, 401 | 403) => wrong(
            format!("The {called} at {url} is not for everybody: status {}.", seen.status),
            "Let anybody read it without signing in; reviewers do not sign in.",
        ),
        Ok(seen) if seen.status != 200 => wrong(
            format!("The {called} at {url} answers status {}.", seen.status),
            "Correct the address, or put the page there.",
        ),
        Ok(seen) if seen.body.len() < SAYS_SOMETHING => wrong(
            format!("The {called} at {url} is all but empty."),
            "Let the server send the text itself, not a script that fetches it.",
        ),
        Ok(_) => finding(Severity::Ok, name, format!("The {called} opens for everybody."), ""),
    }
}

fn icon(url: &str, seen: Result<Fetched, String>) -> Finding {
    const NAME: &str = "icon-url";
    const REMEDY: &str = "Export the icon as PNG, 1024 x 1024 pixels, up to 5 MB.";
    let wrong = |message: String| finding(Severity::Error, NAME, message, REMEDY);
    let seen = match seen {
        Ok(seen) if seen.status == 200 => seen,
        Ok(seen) => return wrong(format!("The icon at {url} answers status {}.", seen.status)),
        Err(why) => return wrong(format!("The icon at {url} cannot be opened: {why}.")),
    };
    if seen.body.len() > ICON_BYTES {
        return wrong("The icon has more than 5 MB.".to_owned());
    }
    if !seen.body.starts_with(b"\x89PNG\r\n\x1a\n") {
        return wrong("The icon is no PNG picture.".to_owned());
    }
    match imagesize::blob_size(&seen.body) {
        Ok(size) if (size.width, size.height) == (ICON_SIDE, ICON_SIDE) => {
            finding(Severity::Ok, NAME, "The icon is a PNG of 1024 x 1024 pixels, below 5 MB.", "")
        }
        Ok(size) => wrong(format!("The icon is {} x {} pixels, not 1024 x 1024.", size.width, size.height)),
        Err(_) => wrong("The icon is no PNG picture that can be read.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16, body: &[u8]) -> Result<Fetched, String> {
        Ok(Fetched { status, body: body.to_vec(), date: None })
    }

    fn png(side: u32) -> Vec<u8> {
        let side = side.to_be_bytes();
        [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &side, &side, &[8, 6, 0, 0, 0, 0, 0, 0, 0]].concat()
    }

    #[test]
    fn a_page_opens_for_everybody_and_says_something() {
        let (url, text) = ("https://a.app/privacy", [b'x'; 500]);
        assert_eq!(page("privacy-url", url, seen(200, &text)).severity, Severity::Ok);
        for bad in
            [seen(200, b"x"), seen(403, &text), seen(404, &text), Err("no server answers there".to_owned())]
        {
            let found = page("privacy-url", url, bad);
            assert_eq!(found.severity, Severity::Error, "{found:?}");
            assert!(found.remedy.is_some());
        }
        assert_eq!(page("privacy-url", "http://a.app", seen(200, &text)).severity, Severity::Error);
    }

    #[test]
    fn an_icon_is_a_png_of_the_right_size() {
        let url = "https://a.app/icon.png";
        assert_eq!(icon(url, seen(200, &png(1024))).severity, Severity::Ok);
        let large = [png(1024), vec![0; ICON_BYTES]].concat();
        for bad in
            [seen(200, &png(512)), seen(200, &large), seen(200, b"\xff\xd8\xff"), seen(404, &png(1024))]
        {
            assert_eq!(icon(url, bad).severity, Severity::Error);
        }
    }
}
