//! Every error code of the simulated endpoints, where, and under which HTTP status (contract sections 7, 8.5,
//! 9.1, 9.2, 10A, 11.1, 12, 14 and 18). Handlers take status and message from here, so the list is complete. One code
//! is never returned without a fault: `invalid_file_upload`.

use serde::Serialize;

/// One row of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CodeEntry {
    /// `error.code`, or the OAuth `error`.
    pub code: &'static str,
    /// `oauth`, `display`, `posting`, `all` (both v2 families) or `fail_reason`.
    pub family: &'static str,
    /// HTTP status; 0 for a `fail_reason`. `creator_info/query` answers three of the posting codes with 200.
    pub status: u16,
    /// The message that goes with it.
    pub message: &'static str,
}

const GUIDELINES: &str = "Please review our integration guidelines at https://developers.tiktok.com/doc/content-sharing-guidelines/";

const fn entry(code: &'static str, family: &'static str, status: u16, message: &'static str) -> CodeEntry {
    CodeEntry { code, family, status, message }
}

/// The table.
pub const CODES: &[CodeEntry] = &[
    entry("ok", "all", 200, ""),
    entry("access_token_invalid", "all", 401, "The access token is invalid or not found in the request."),
    entry(
        "scope_not_authorized",
        "all",
        401,
        "The user did not authorize the scope required for completing this request.",
    ),
    entry(
        "scope_permission_missed",
        "display",
        400,
        "Access token is invalid, some fields need additional scopes. Please ask the user to authorize them.",
    ),
    entry("invalid_params", "all", 400, "One or more fields in request is invalid."),
    entry("invalid_param", "posting", 400, "One or more fields in request is invalid."),
    entry("rate_limit_exceeded", "all", 429, "The API rate limit was exceeded. Please try again later."),
    entry("internal_error", "all", 500, "Something is wrong. Please try again later."),
    entry("spam_risk_too_many_posts", "posting", 403, GUIDELINES),
    entry("spam_risk_user_banned_from_posting", "posting", 403, GUIDELINES),
    entry("reached_active_user_cap", "posting", 403, GUIDELINES),
    entry("unaudited_client_can_only_post_to_private_accounts", "posting", 403, GUIDELINES),
    entry("url_ownership_unverified", "posting", 403, GUIDELINES),
    entry("privacy_level_option_mismatch", "posting", 403, GUIDELINES),
    entry("invalid_publish_id", "posting", 400, "The publish_id does not exist."),
    entry(
        "token_not_authorized_for_specified_publish_id",
        "posting",
        400,
        "The access token is not authorized for the specified publish_id.",
    ),
    entry("publish_not_cancellable", "posting", 400, "The post can no longer be cancelled."),
    entry("app_version_check_failed", "posting", 400, "The user's TikTok app is too old for this feature."),
    entry("invalid_file_upload", "all", 400, "The uploaded file does not meet the API specifications."),
    entry("spam_risk_too_many_pending_share", "posting", 403, GUIDELINES),
    entry("access_denied", "oauth", 302, "The user or the server denied the request."),
    entry("invalid_client", "oauth", 400, "Client key or secret is incorrect."),
    entry("invalid_grant", "oauth", 400, "Authorization code is expired."),
    entry("invalid_request", "oauth", 400, "The request parameters are malformed."),
    entry("invalid_scope", "oauth", 400, "The requested scope is invalid or malformed."),
    entry("unauthorized_client", "oauth", 400, "The client may not use this flow."),
    entry("unsupported_grant_type", "oauth", 400, "The grant type is not supported."),
    entry("unsupported_response_type", "oauth", 400, "The response type is not supported."),
    entry("server_error", "oauth", 500, "Something is wrong. Please try again later."),
    entry("temporarily_unavailable", "oauth", 503, "The service is temporarily unavailable."),
    entry("file_format_check_failed", "fail_reason", 0, ""),
    entry("duration_check_failed", "fail_reason", 0, ""),
    entry("frame_rate_check_failed", "fail_reason", 0, ""),
    entry("picture_size_check_failed", "fail_reason", 0, ""),
    entry("internal", "fail_reason", 0, ""),
    entry("video_pull_failed", "fail_reason", 0, ""),
    entry("photo_pull_failed", "fail_reason", 0, ""),
    entry("publish_cancelled", "fail_reason", 0, ""),
    entry("auth_removed", "fail_reason", 0, ""),
    entry("spam_risk_too_many_posts", "fail_reason", 0, ""),
    entry("spam_risk_user_banned_from_posting", "fail_reason", 0, ""),
    entry("spam_risk_text", "fail_reason", 0, ""),
    entry("spam_risk", "fail_reason", 0, ""),
];

fn find(code: &str) -> Option<&'static CodeEntry> {
    CODES.iter().find(|entry| entry.code == code && entry.family != "fail_reason")
}

pub(crate) fn status_of(code: &str) -> u16 {
    find(code).map_or(500, |entry| entry.status)
}

pub(crate) fn message_of(code: &str) -> &'static str {
    find(code).map_or("", |entry| entry.message)
}
