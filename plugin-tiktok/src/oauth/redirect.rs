//! The rules for redirect URIs of web and desktop registrations (D-LKW, D-LKD).

use social_channel_provider::http::split_url;
use social_channel_provider::{Error, ErrorKind};

use crate::settings::Settings;

/// "Less than 512 characters" (D-LKW, D-LKD).
const MAX_REDIRECT: usize = 511;

/// Refuses a redirect URI that TikTok does not allow to register.
pub(crate) fn check_redirect(settings: &Settings, redirect: &str) -> Result<(), Error> {
    let refuse = |message: &str, remedy: &str| {
        Err(Error::new(ErrorKind::Misconfigured, message).remedy(remedy).field("redirect-uri"))
    };
    if redirect.len() > MAX_REDIRECT || redirect.contains(['?', '#']) {
        return refuse(
            "TikTok takes redirect addresses below 512 characters, without query and fragment.",
            "Choose a shorter or plainer address for the callback.",
        );
    }
    let Some((scheme, authority, _)) = split_url(redirect) else {
        return refuse("The redirect address is not an absolute URL.", "Set the public address of the host.");
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    };
    let loopback = matches!(host, "localhost" | "127.0.0.1");
    if settings.desktop {
        if !matches!(scheme, "http" | "https") || !loopback || port.is_none_or(str::is_empty) {
            return refuse(
                "A desktop registration at TikTok takes only redirect addresses on localhost or 127.0.0.1 with a port.",
                "Use the address of the loopback callback, or set `kind` to `web`.",
            );
        }
    } else if scheme != "https" || loopback || host == "[::1]" {
        return refuse(
            "A web registration at TikTok takes only public https redirect addresses.",
            "Run the host at a public https address, or register the address under Desktop and set `kind` to `desktop`.",
        );
    }
    Ok(())
}
