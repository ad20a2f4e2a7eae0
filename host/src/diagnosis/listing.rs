//! What the portal says about an app: the addresses and the picture that reviewers look at.

use futures::future::join_all;
use social_channel_runtime::model::{Finding, Severity};
use social_channel_runtime::net::{Fetched, fetch};

use super::{Diagnosis, finding};
use crate::app::{Listing, LiveApp};

/// The limit of the platforms' portals.
const ICON_BYTES: usize = 5 << 20;
/// Width and height in pixels.
const ICON_SIDE: usize = 1024;
/// Enough to see that a page has content.
const PAGE: usize = 1 << 20;
/// A page with fewer bytes is a placeholder.
const SAYS_SOMETHING: usize = 200;

impl Diagnosis {
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
        "Set it to the address in the platform's portal.",
    )
}

/// Whether a page is public: https, accessible without signing in, and not empty.
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
            format!("The {called} at {url} is not public: status {}.", seen.status),
            "Make it readable without signing in; reviewers do not sign in.",
        ),
        Ok(seen) if seen.status != 200 => wrong(
            format!("The {called} at {url} returns status {}.", seen.status),
            "Correct the address, or put the page there.",
        ),
        Ok(seen) if seen.body.len() < SAYS_SOMETHING => wrong(
            format!("The {called} at {url} is almost empty."),
            "Let the server send the text itself, not a script that loads it.",
        ),
        Ok(_) => finding(Severity::Ok, name, format!("The {called} is publicly accessible."), ""),
    }
}

fn icon(url: &str, seen: Result<Fetched, String>) -> Finding {
    const NAME: &str = "icon-url";
    const REMEDY: &str = "Export the icon as PNG, 1024 x 1024 pixels, up to 5 MB.";
    let wrong = |message: String| finding(Severity::Error, NAME, message, REMEDY);
    let seen = match seen {
        Ok(seen) if seen.status == 200 => seen,
        Ok(seen) => return wrong(format!("The icon at {url} returns status {}.", seen.status)),
        Err(why) => return wrong(format!("The icon at {url} cannot be opened: {why}.")),
    };
    if seen.body.len() > ICON_BYTES {
        return wrong("The icon has more than 5 MB.".to_owned());
    }
    if !seen.body.starts_with(b"\x89PNG\r\n\x1a\n") {
        return wrong("The icon is not a PNG picture.".to_owned());
    }
    match imagesize::blob_size(&seen.body) {
        Ok(size) if (size.width, size.height) == (ICON_SIDE, ICON_SIDE) => {
            finding(Severity::Ok, NAME, "The icon is a PNG of 1024 x 1024 pixels, below 5 MB.", "")
        }
        Ok(size) => wrong(format!("The icon is {} x {} pixels, not 1024 x 1024.", size.width, size.height)),
        Err(_) => wrong("The icon is not a readable PNG picture.".to_owned()),
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
            [seen(200, b"x"), seen(403, &text), seen(404, &text), Err("no server responds there".to_owned())]
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
