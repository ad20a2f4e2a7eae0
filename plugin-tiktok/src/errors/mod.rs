//! Translates TikTok's codes to errors for the caller.
//!
//! The code decides, never the HTTP status (creator info refuses with 200) and never a substring (`internal`
//! is part of other codes). TikTok's own message is shown only if it is more specific than the code: most
//! refusals only refer to the guidelines.

mod table;

use social_channel_provider::{Error, ErrorKind};

use self::table::{API, FAIL_REASONS, OAUTH, RATE_LIMIT, Row};

/// The three refusals that creator info gives with HTTP 200: the account cannot post now.
pub(crate) const BLOCKING: [&str; 3] =
    ["spam_risk_too_many_posts", "spam_risk_user_banned_from_posting", "reached_active_user_cap"];

/// The maximum length of a quoted TikTok message, which is untrusted text.
const MAX_QUOTE: usize = 200;

fn build(row: &Row, platform_message: Option<&str>) -> Error {
    let mut message = row.message.to_owned();
    if let (true, Some(text)) = (row.quote, platform_message) {
        let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_QUOTE).collect();
        if !text.is_empty() {
            message = format!("{} TikTok says: {text}", row.message);
        }
    }
    let mut error = Error::new(row.kind, message).remedy(row.remedy).code(row.code);
    error.field = row.field.map(str::to_owned);
    error.retry_after = row.retry_after;
    error
}

fn find<'a>(table: &'a [Row], code: &str) -> Option<&'a Row> {
    table.iter().find(|row| row.code == code)
}

/// A failure code of the v2 API, for a call that needs `scope`.
pub(crate) fn api(code: &str, platform_message: Option<&str>, status: u16, scope: &str) -> Error {
    match find(API, code).or_else(|| find(OAUTH, code)) {
        Some(row) => {
            let mut error = build(row, platform_message);
            if row.kind == ErrorKind::Forbidden {
                error.field = Some(scope.to_owned());
            }
            error
        }
        None => unknown(code, platform_message, status),
    }
}

/// The cause of a failed connect request, if TikTok's description is more specific than its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The redirect URI is not registered, or differs from the one sent before.
    Redirect,
    /// The proof key is missing or wrong.
    Proof,
    /// The client secret is missing.
    Secret,
}

/// The exact known descriptions (D-OERR, and seen in responses). They are compared as a whole, never in part;
/// for any other text only the code decides.
const DESCRIPTIONS: [(&str, Cause); 3] = [
    ("Redirect_uri is not matched with the uri when requesting code.", Cause::Redirect),
    ("Code verifier or code challenge is invalid.", Cause::Proof),
    ("Client secret is missed in request.", Cause::Secret),
];

fn cause_of(description: Option<&str>) -> Option<Cause> {
    let plain = |text: &str| text.trim().trim_end_matches('.').to_ascii_lowercase();
    let given = plain(description?);
    DESCRIPTIONS.iter().find(|(known, _)| plain(known) == given).map(|(_, cause)| *cause)
}

/// A failure code of the token or revoke endpoint. Only known descriptions are used.
pub(crate) fn oauth(code: &str, description: Option<&str>, status: u16) -> Error {
    let Some(row) = find(OAUTH, code).or_else(|| find(API, code)) else {
        return unknown(code, description, status);
    };
    let error = build(row, description);
    match cause_of(description) {
        Some(cause) if matches!(code, "invalid_request" | "invalid_grant") => by_cause(cause, error),
        _ => error,
    }
}

/// The error for a setting that is known to be wrong.
pub(crate) fn misconfigured(code: &str, cause: Cause) -> Error {
    by_cause(cause, Error::new(ErrorKind::Misconfigured, "").code(code))
}

fn by_cause(cause: Cause, mut error: Error) -> Error {
    let (field, message, remedy) = match cause {
        Cause::Redirect => (
            "redirect-uri",
            "The redirect address is not registered at TikTok, or it is not the one that was sent before.",
            "The operator must register the redirect address byte for byte, in the same mode (sandbox or live) and under the same kind (web or desktop).",
        ),
        Cause::Proof => (
            "kind",
            "TikTok requires a proof key (PKCE) for this app, or received a wrong one.",
            "The operator must set the kind of registration (web or desktop) as it is at TikTok.",
        ),
        Cause::Secret => (
            "client-secret",
            "TikTok received no client secret.",
            "The operator must enter the client secret.",
        ),
    };
    (error.kind, error.message) = (ErrorKind::Misconfigured, message.to_owned());
    error.remedy(remedy).field(field)
}

/// A `fail_reason` of the status endpoint or of a webhook.
pub(crate) fn fail_reason(reason: &str) -> Error {
    match find(FAIL_REASONS, reason) {
        Some(row) => build(row, None),
        None if reason.is_empty() => {
            Error::new(ErrorKind::Rejected, "TikTok did not publish the post and gave no reason.")
                .remedy("Open the TikTok app, which may show the reason, then publish again.")
        }
        None => Error::new(
            ErrorKind::Rejected,
            format!("TikTok did not publish the post, for the reason `{}`.", short(reason)),
        )
        .remedy("Open the TikTok app, which may show the reason, then publish again.")
        .code(reason),
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_QUOTE).collect()
}

/// An undocumented code: the status decides what to do.
fn unknown(code: &str, platform_message: Option<&str>, status: u16) -> Error {
    let code_text = short(code);
    let mut error = by_status(status);
    if error.kind == ErrorKind::Other || status < 400 {
        error = Error::new(ErrorKind::Other, format!("TikTok refused with the code `{code_text}`."))
            .remedy("Look the code up at developers.tiktok.com, or ask TikTok's support with the log id.");
    } else {
        error.message = format!("{} Its code is `{code_text}`.", error.message);
    }
    if let Some(text) = platform_message.map(short).filter(|text| !text.is_empty()) {
        error.message = format!("{} TikTok says: {text}", error.message);
    }
    error.code(code_text)
}

/// A response without a code: a gateway's page, an empty body.
pub(crate) fn by_status(status: u16) -> Error {
    let error = |kind, message: &str, remedy: &str| Error::new(kind, message).remedy(remedy);
    match status {
        429 => build(&RATE_LIMIT, None),
        401 => error(
            ErrorKind::CredentialsExpired,
            "TikTok did not accept the access token.",
            "The token is refreshed. If this comes back, connect the account again.",
        ),
        400 => error(
            ErrorKind::InvalidRequest,
            "TikTok did not accept the request and did not say why.",
            "Check what was entered and try again. If this comes back, report it as a fault of the provider.",
        ),
        403 => error(
            ErrorKind::Rejected,
            "TikTok refused the request and did not say why.",
            "Check in the TikTok app whether the account is restricted, then try again.",
        ),
        404 => error(
            ErrorKind::NotFound,
            "TikTok has nothing at this address.",
            "Check whether it still exists in the TikTok app.",
        ),
        500..=599 => Error::new(ErrorKind::Unavailable, format!("TikTok answered with a server error (HTTP {status})."))
            .remedy("Try again in a few minutes."),
        _ => Error::new(
            ErrorKind::Other,
            format!("TikTok returned an unexpected response (HTTP {status})."),
        )
        .remedy(
            "Try again. If this comes back, check whether a proxy between this host and TikTok changes responses.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorKind as K;
    use super::*;

    #[test]
    fn each_code_stands_once_and_has_a_sentence_and_a_remedy() {
        for table in [API, OAUTH, FAIL_REASONS] {
            for (index, row) in table.iter().enumerate() {
                assert!(row.message.ends_with('.') && row.remedy.ends_with('.'), "{}", row.code);
                assert!(!table[..index].iter().any(|other| other.code == row.code), "{}", row.code);
            }
        }
    }

    #[test]
    fn kinds_follow_what_the_caller_does_next() {
        for (code, status, kind) in [
            ("access_token_invalid", 401, K::CredentialsExpired),
            ("scope_not_authorized", 401, K::Forbidden),
            ("scope_permission_missed", 400, K::Forbidden),
            ("invalid_params", 400, K::InvalidRequest),
            ("invalid_param", 400, K::InvalidRequest),
            ("rate_limit_exceeded", 429, K::RateLimited),
            ("internal_error", 500, K::Unavailable),
            ("spam_risk_too_many_posts", 200, K::QuotaExceeded),
            ("spam_risk_too_many_posts", 403, K::QuotaExceeded),
            ("spam_risk_user_banned_from_posting", 200, K::Rejected),
            ("reached_active_user_cap", 403, K::QuotaExceeded),
            ("unaudited_client_can_only_post_to_private_accounts", 403, K::Rejected),
            ("url_ownership_unverified", 403, K::Misconfigured),
            ("privacy_level_option_mismatch", 403, K::InvalidRequest),
            ("invalid_publish_id", 400, K::NotFound),
            ("brand_new_code", 403, K::Rejected),
            ("brand_new_code", 200, K::Other),
            ("brand_new_code", 503, K::Unavailable),
            ("brand_new_code", 429, K::RateLimited),
            // A longer code that contains a known one is a different code (trap 54).
            ("internal_error_of_yours", 400, K::InvalidRequest),
        ] {
            let error = api(code, Some("see our guidelines"), status, "video.publish");
            assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)), "{code} {status}");
        }
        assert_eq!(api("scope_not_authorized", None, 401, "video.list").field.as_deref(), Some("video.list"));
    }

    #[test]
    fn descriptions_only_name_the_setting() {
        let error = oauth(
            "invalid_request",
            Some("Redirect_uri is not matched with the uri when requesting code."),
            400,
        );
        assert_eq!((error.kind, error.field.as_deref()), (K::Misconfigured, Some("redirect-uri")));
        let error = oauth("invalid_request", Some("Code verifier or code challenge is invalid."), 400);
        assert_eq!(error.field.as_deref(), Some("kind"));
        let error = oauth("invalid_grant", Some("Authorization code is expired."), 400);
        assert_eq!(error.kind, K::Unauthorized);
        // A text that contains a known description among other words does not match.
        let longer =
            "Not this: Redirect_uri is not matched with the uri when requesting code. See also client secret";
        let error = oauth("invalid_request", Some(longer), 400);
        assert_eq!((error.kind, error.field), (K::InvalidRequest, None));
    }

    #[test]
    fn nothing_that_is_refused_lacks_a_remedy() {
        let statuses = [200, 204, 302, 400, 401, 403, 404, 408, 413, 429, 431, 500, 502, 503, 599];
        for status in statuses {
            assert!(by_status(status).remedy.is_some(), "{status}");
            for code in ["brand_new_code", "ok", "", "access_denied", "invalid_param"] {
                assert!(api(code, None, status, "video.publish").remedy.is_some(), "{code} {status}");
                assert!(oauth(code, None, status).remedy.is_some(), "{code} {status}");
            }
        }
        for cause in [Cause::Redirect, Cause::Proof, Cause::Secret] {
            let error = misconfigured("invalid_request", cause);
            assert!(error.remedy.is_some() && error.field.is_some() && !error.message.is_empty());
        }
        assert!(fail_reason("brand_new").remedy.is_some() && fail_reason("").remedy.is_some());
    }

    #[test]
    fn unknown_reasons_are_shown_and_empty_ones_are_not_invented() {
        assert_eq!(fail_reason("spam_risk_text").field.as_deref(), Some("text"));
        let unknown = fail_reason("spam_risk_text_v2");
        assert_eq!((unknown.kind, unknown.code.as_deref()), (K::Rejected, Some("spam_risk_text_v2")));
        assert_eq!(fail_reason("").code, None);
    }
}
