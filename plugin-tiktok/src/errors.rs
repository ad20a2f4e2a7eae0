//! Every code that TikTok answers with, and what it means for the caller.
//!
//! The code decides, never the HTTP status (creator info refuses with 200) and never a part of a text
//! (`internal` stands in other codes). TikTok's own message is shown only where it tells more than the
//! code: most refusals merely point at the guidelines.

use social_channel_provider::{Error, ErrorKind};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// A row of the table.
pub(crate) struct Row {
    pub(crate) code: &'static str,
    pub(crate) kind: ErrorKind,
    message: &'static str,
    remedy: &'static str,
    field: Option<&'static str>,
    retry_after: Option<u64>,
    /// TikTok's message says which value is wrong.
    quote: bool,
}

const fn row(code: &'static str, kind: ErrorKind, message: &'static str, remedy: &'static str) -> Row {
    Row { code, kind, message, remedy, field: None, retry_after: None, quote: false }
}

const fn at(field: &'static str, mut row: Row) -> Row {
    row.field = Some(field);
    row
}

const fn after(milliseconds: u64, mut row: Row) -> Row {
    row.retry_after = Some(milliseconds);
    row
}

const fn quoting(mut row: Row) -> Row {
    row.quote = true;
    row
}

use ErrorKind as K;

/// Codes of the v2 API (D-ERR, D-CI, D-DP, D-PH, D-ST, D-MTG).
pub(crate) const API: &[Row] = &[
    row(
        "access_token_invalid",
        K::CredentialsExpired,
        "TikTok no longer accepts the access token.",
        "It is refreshed; if that does not help, connect the account again.",
    ),
    row(
        "scope_not_authorized",
        K::Forbidden,
        "The TikTok account has not granted a permission that this needs.",
        "Connect the account again and allow it.",
    ),
    row(
        "scope_permission_missed",
        K::Forbidden,
        "The TikTok account has not granted all permissions that this needs.",
        "Connect the account again and allow them.",
    ),
    quoting(row(
        "invalid_params",
        K::InvalidRequest,
        "TikTok did not accept a value of the request.",
        "Correct the value that is named and try again.",
    )),
    quoting(row(
        "invalid_param",
        K::InvalidRequest,
        "TikTok did not accept a value of the request.",
        "Correct the value that is named and try again.",
    )),
    at(
        "media",
        quoting(row(
            "invalid_file_upload",
            K::Rejected,
            "TikTok did not accept the file.",
            "Use MP4, MOV or WebM for videos, JPEG or WebP for photos.",
        )),
    ),
    after(
        MINUTE,
        row(
            "rate_limit_exceeded",
            K::RateLimited,
            "TikTok was asked too often in a minute.",
            "Wait a minute; it goes on by itself where it can.",
        ),
    ),
    row("internal_error", K::Unavailable, "TikTok had an internal error.", "Try again in a few minutes."),
    after(
        // The window is 24 hours long and slides: a slot may come free much earlier, but asking again
        // at once makes it worse.
        4 * HOUR,
        row(
            "spam_risk_too_many_posts",
            K::QuotaExceeded,
            "This account has reached TikTok's limit of posts in 24 hours through apps.",
            "Try again later, or post in the TikTok app.",
        ),
    ),
    row(
        "spam_risk_user_banned_from_posting",
        K::Rejected,
        "TikTok has banned this account from posting.",
        "Look into the TikTok app for the reason and for how long it lasts.",
    ),
    after(
        24 * HOUR,
        row(
            "reached_active_user_cap",
            K::QuotaExceeded,
            "The app has reached its number of accounts that may post in 24 hours.",
            "Try again tomorrow. The operator can ask TikTok for more; connecting again changes nothing.",
        ),
    ),
    row(
        "unaudited_client_can_only_post_to_private_accounts",
        K::Rejected,
        "TikTok has not audited the app for posting yet, and the TikTok account is public.",
        "Make the account itself private in the TikTok app (Settings and privacy, Privacy, Private account), or wait for the audit. Choosing \"Only me\" for the post does not help.",
    ),
    at(
        "verified-urls",
        row(
            "url_ownership_unverified",
            K::Misconfigured,
            "TikTok does not know the address of the media as the app's own.",
            "The operator must verify the domain or prefix under \"URL properties\" of the app, or send videos by upload.",
        ),
    ),
    at(
        "visibility",
        row(
            "privacy_level_option_mismatch",
            K::InvalidRequest,
            "The chosen audience is not open to this account now.",
            "Open the form again and choose one of the audiences that it offers.",
        ),
    ),
    row(
        "invalid_publish_id",
        K::NotFound,
        "TikTok does not know this publish.",
        "Look at the profile before you post again.",
    ),
    row(
        "token_not_authorized_for_specified_publish_id",
        K::NotFound,
        "This publish belongs to another account or another app.",
        "Connect the account that began it.",
    ),
    row(
        "publish_not_cancellable",
        K::Rejected,
        "It is too late to cancel this publish.",
        "Delete the post in the TikTok app when it is out.",
    ),
    row(
        "app_version_check_failed",
        K::Rejected,
        "The TikTok app of this account is too old for this kind of post.",
        "Update the TikTok app.",
    ),
    after(
        24 * HOUR,
        row(
            "spam_risk_too_many_pending_share",
            K::QuotaExceeded,
            "Too many drafts of this account wait to be finished.",
            "Finish or delete the drafts in the TikTok app.",
        ),
    ),
];

/// Codes of the token and revoke endpoints and of the authorization page (D-OERR).
pub(crate) const OAUTH: &[Row] = &[
    row(
        "access_denied",
        K::AuthorizationDenied,
        "The TikTok account was not connected, because permission was not given.",
        "Start again and press \"Continue\" on TikTok's page.",
    ),
    at(
        "client-secret",
        row(
            "invalid_client",
            K::Misconfigured,
            "TikTok does not accept the client key with this secret.",
            "The operator must copy both again from the same app and the same mode (sandbox or live).",
        ),
    ),
    row(
        "invalid_grant",
        K::Unauthorized,
        "TikTok no longer accepts this permission: it has expired, was used already or was withdrawn.",
        "Connect the account again.",
    ),
    quoting(row(
        "invalid_request",
        K::InvalidRequest,
        "TikTok did not accept the request to connect.",
        "Start again; if it stays, check the settings.",
    )),
    at(
        "scopes",
        row(
            "invalid_scope",
            K::Misconfigured,
            "The app may not ask for one of the permissions.",
            "The operator must add the products and scopes to the app at developers.tiktok.com, or take them out of the settings.",
        ),
    ),
    at(
        "client-key",
        row(
            "unauthorized_client",
            K::Misconfigured,
            "TikTok does not let this app connect accounts.",
            "The operator must check that the client key is right, that Login Kit is added, and that a live app is approved; a sandbox key belongs to mode sandbox.",
        ),
    ),
    row(
        "unsupported_grant_type",
        K::Other,
        "TikTok did not accept the way in which a token was asked for.",
        "Report this as a fault of the provider.",
    ),
    row(
        "unsupported_response_type",
        K::Other,
        "TikTok did not accept the way in which permission was asked for.",
        "Report this as a fault of the provider.",
    ),
    row("server_error", K::Unavailable, "TikTok had an internal error.", "Try again in a few minutes."),
    row(
        "temporarily_unavailable",
        K::Unavailable,
        "TikTok is out of order for the moment.",
        "Try again in a few minutes.",
    ),
];

/// Why a post failed (D-ST, section `fail_reason`).
pub(crate) const FAIL_REASONS: &[Row] = &[
    at(
        "media",
        row(
            "file_format_check_failed",
            K::Rejected,
            "TikTok cannot read the format of the file.",
            "Use MP4, MOV or WebM with H.264, H.265, VP8 or VP9 for videos, JPEG or WebP for photos.",
        ),
    ),
    at(
        "media",
        row(
            "duration_check_failed",
            K::Rejected,
            "The video is too long or too short for this account.",
            "Cut it to the length that the form shows.",
        ),
    ),
    at(
        "media",
        row(
            "frame_rate_check_failed",
            K::Rejected,
            "The frame rate of the video is not between 23 and 60 a second.",
            "Encode the video again with 30 frames a second.",
        ),
    ),
    at(
        "media",
        row(
            "picture_size_check_failed",
            K::Rejected,
            "The picture is smaller or larger than TikTok takes.",
            "Videos need 360 to 4096 pixels on each side; photos at most 1080p and 20 MB.",
        ),
    ),
    row(
        "internal",
        K::Unavailable,
        "A part of TikTok was out of order, and nothing was posted.",
        "Publish it again in a few minutes.",
    ),
    at(
        "media",
        row(
            "video_pull_failed",
            K::Unavailable,
            "TikTok could not fetch the video from its address, and nothing was posted.",
            "Check that the address answers without a redirect and fast enough, or send the video by upload; then publish it again.",
        ),
    ),
    at(
        "media",
        row(
            "photo_pull_failed",
            K::Unavailable,
            "TikTok could not fetch a photo from its address, and nothing was posted.",
            "Check that the addresses answer without a redirect; then publish it again.",
        ),
    ),
    row(
        "publish_cancelled",
        K::Rejected,
        "The publish was cancelled, and nothing was posted.",
        "Publish it again.",
    ),
    row(
        "auth_removed",
        K::Unauthorized,
        "The TikTok account withdrew its permission meanwhile, and nothing was posted.",
        "Connect the account again and publish again.",
    ),
    row(
        "spam_risk_too_many_posts",
        K::QuotaExceeded,
        "This account has reached TikTok's limit of posts in 24 hours through apps.",
        "Try again later, or post in the TikTok app.",
    ),
    row(
        "spam_risk_user_banned_from_posting",
        K::Rejected,
        "TikTok has banned this account from posting.",
        "Look into the TikTok app for the reason and for how long it lasts.",
    ),
    at(
        "text",
        row(
            "spam_risk_text",
            K::Rejected,
            "TikTok takes the text for spam or for risky.",
            "Change the text and publish again.",
        ),
    ),
    row(
        "spam_risk",
        K::Rejected,
        "TikTok takes the post for spam or for risky.",
        "Change the post; publishing it again unchanged cannot help.",
    ),
];

/// The three refusals that creator info gives with HTTP 200: the account cannot post at present.
pub(crate) const BLOCKING: [&str; 3] =
    ["spam_risk_too_many_posts", "spam_risk_user_banned_from_posting", "reached_active_user_cap"];

/// TikTok's messages are foreign text: enough to be useful, too short to fill a page.
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

/// What is wrong with a request to connect, where TikTok says more than its code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Another redirect address than was registered, or than was sent before.
    Redirect,
    /// The proof key is missing, or another one.
    Proof,
    /// The client secret is missing.
    Secret,
}

/// The descriptions that are known word for word (D-OERR, and seen on the wire). Compared as a whole, never in
/// part: any other text explains nothing, and the code alone decides.
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

/// A failure code of the token or revoke endpoint. Of the description only known sentences count.
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

/// The operator's setting is wrong, and it is known which one.
pub(crate) fn misconfigured(code: &str, cause: Cause) -> Error {
    by_cause(cause, Error::new(ErrorKind::Misconfigured, "").code(code))
}

fn by_cause(cause: Cause, mut error: Error) -> Error {
    let (field, message, remedy) = match cause {
        Cause::Redirect => (
            "redirect-uri",
            "TikTok does not know the redirect address, or saw another one before.",
            "The operator must register the redirect address byte for byte, in the same mode (sandbox or live) and under the same kind (web or desktop).",
        ),
        Cause::Proof => (
            "kind",
            "TikTok wants a proof key for this app, or another one.",
            "The operator must set the kind of registration (web or desktop) as it is at TikTok.",
        ),
        Cause::Secret => (
            "client-secret",
            "TikTok missed the client secret.",
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
                .remedy("Look into the TikTok app, then publish again.")
        }
        None => Error::new(
            ErrorKind::Rejected,
            format!("TikTok did not publish the post, for the reason `{}`.", short(reason)),
        )
        .remedy("Look into the TikTok app, then publish again.")
        .code(reason),
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_QUOTE).collect()
}

/// A code that no page names: the status is all that is left to go by.
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

/// An answer without a code: a gateway's page, an empty body.
pub(crate) fn by_status(status: u16) -> Error {
    let error = |kind, message: &str, remedy: &str| Error::new(kind, message).remedy(remedy);
    match status {
        429 => build(&API[RATE_LIMIT], None),
        401 => error(
            ErrorKind::CredentialsExpired,
            "TikTok did not accept the access token.",
            "It is refreshed; if that does not help, connect the account again.",
        ),
        400 => error(
            ErrorKind::InvalidRequest,
            "TikTok did not accept the request and did not say why.",
            "Check what was entered and try again; if it stays, report it as a fault of the provider.",
        ),
        403 => error(
            ErrorKind::Rejected,
            "TikTok refused the request and did not say why.",
            "Look into the TikTok app whether the account is restricted, then try again.",
        ),
        404 => error(
            ErrorKind::NotFound,
            "TikTok has nothing at this address.",
            "Check whether it still exists in the TikTok app.",
        ),
        500..=599 => Error::new(ErrorKind::Unavailable, format!("TikTok is out of order (HTTP {status})."))
            .remedy("Try again in a few minutes."),
        _ => Error::new(
            ErrorKind::Other,
            format!("TikTok gave an answer that makes no sense (HTTP {status})."),
        )
        .remedy(
            "Try again; if it stays, look whether something between this host and TikTok changes answers.",
        ),
    }
}

/// Where `rate_limit_exceeded` stands in [`API`]; a test holds the two together.
const RATE_LIMIT: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_once_and_has_a_sentence_and_a_remedy() {
        for table in [API, OAUTH, FAIL_REASONS] {
            for (index, row) in table.iter().enumerate() {
                assert!(row.message.ends_with('.') && row.remedy.ends_with('.'), "{}", row.code);
                assert!(!table[..index].iter().any(|other| other.code == row.code), "{}", row.code);
            }
        }
        assert_eq!(API[RATE_LIMIT].code, "rate_limit_exceeded");
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
            // A longer code that holds a known one is another code (trap 54).
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
        // A part of a sentence is no sentence: what holds a known one among other words says nothing.
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
