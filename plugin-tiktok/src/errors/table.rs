//! The table of all TikTok error codes with kind, sentence and remedy. It contains only data.

use social_channel_provider::ErrorKind as K;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// A row of the table.
pub(super) struct Row {
    pub(super) code: &'static str,
    pub(super) kind: K,
    pub(super) message: &'static str,
    pub(super) remedy: &'static str,
    pub(super) field: Option<&'static str>,
    pub(super) retry_after: Option<u64>,
    /// Whether TikTok's message names the wrong value and is quoted.
    pub(super) quote: bool,
}

const fn row(code: &'static str, kind: K, message: &'static str, remedy: &'static str) -> Row {
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

/// Also used for a response with status 429 and without a code.
pub(super) const RATE_LIMIT: Row = after(
    MINUTE,
    row(
        "rate_limit_exceeded",
        K::RateLimited,
        "TikTok was asked too often in a minute.",
        "Wait a minute and try again. A publish continues automatically.",
    ),
);

/// Codes of the v2 API (D-ERR, D-CI, D-DP, D-PH, D-ST, D-MTG).
pub(super) const API: &[Row] = &[
    row(
        "access_token_invalid",
        K::CredentialsExpired,
        "TikTok no longer accepts the access token.",
        "The token is refreshed. If this comes back, connect the account again.",
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
    RATE_LIMIT,
    row("internal_error", K::Unavailable, "TikTok had an internal error.", "Try again in a few minutes."),
    after(
        // The window is a sliding one of 24 hours: a slot may become free much earlier, but retrying
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
        "Open the TikTok app: it shows the reason and how long the ban lasts.",
    ),
    after(
        24 * HOUR,
        row(
            "reached_active_user_cap",
            K::QuotaExceeded,
            "As many accounts as TikTok allows this app have posted in the last 24 hours.",
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
            "The address of the media is not verified for this app at TikTok.",
            "The operator must verify the domain or prefix under \"URL properties\" of the app and add it to the setting “Verified addresses” (`verified-urls`). Videos can also be sent by upload.",
        ),
    ),
    at(
        "visibility",
        row(
            "privacy_level_option_mismatch",
            K::InvalidRequest,
            "This account cannot post to the chosen audience now.",
            "Open the form again and choose one of the audiences that it offers.",
        ),
    ),
    row(
        "invalid_publish_id",
        K::NotFound,
        "TikTok has no publish with this id.",
        "Look at the TikTok profile before you post again.",
    ),
    row(
        "token_not_authorized_for_specified_publish_id",
        K::NotFound,
        "This publish belongs to another account or another app.",
        "Connect the account that started it.",
    ),
    row(
        "publish_not_cancellable",
        K::Rejected,
        "It is too late to cancel this publish.",
        "Delete the post in the TikTok app once it shows there.",
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
pub(super) const OAUTH: &[Row] = &[
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
        "Start again. If this comes back, check the settings.",
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
        "TikTok does not accept how this provider asks for a token.",
        "Report this as a fault of the provider.",
    ),
    row(
        "unsupported_response_type",
        K::Other,
        "TikTok does not accept how this provider asks for permission.",
        "Report this as a fault of the provider.",
    ),
    row("server_error", K::Unavailable, "TikTok had an internal error.", "Try again in a few minutes."),
    row(
        "temporarily_unavailable",
        K::Unavailable,
        "TikTok is not available at the moment.",
        "Try again in a few minutes.",
    ),
];

/// Why a post failed (D-ST, section `fail_reason`).
pub(super) const FAIL_REASONS: &[Row] = &[
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
            "Videos need 360 to 4096 pixels on each side; photos at most 1080 x 1920 pixels and 20 MB.",
        ),
    ),
    row(
        "internal",
        K::Unavailable,
        "TikTok had an internal error, and nothing was posted.",
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
        "The permission was withdrawn in TikTok, and nothing was posted.",
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
        "Open the TikTok app: it shows the reason and how long the ban lasts.",
    ),
    at(
        "text",
        row(
            "spam_risk_text",
            K::Rejected,
            "TikTok rates the text as spam or as risky.",
            "Change the text and publish again.",
        ),
    ),
    row(
        "spam_risk",
        K::Rejected,
        "TikTok rates the post as spam or as risky.",
        "Change the post. Publishing it again unchanged does not help.",
    ),
];
