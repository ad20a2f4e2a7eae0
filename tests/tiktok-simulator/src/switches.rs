//! The switches: where TikTok is silent or sources disagree (contract sections 19, 20 and 22), one
//! switch chooses the behaviour. Defaults are the strict interpretation, or the latest observed behaviour.

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::publish::LEVELS;
use crate::reading;
use crate::upload;
use crate::world::SCOPES;

/// The maximum number of webhook copies and public ids of a post; each is stored.
const MOST_COPIES: u32 = 100;

/// Lifetime and rotation of tokens (contract 0.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenProfile {
    /// Two hours, 180 days; every refresh replaces the refresh token and kills the old one.
    #[default]
    Current,
    /// A day, 365 days counted from first issue; the refresh token may stay the same.
    Legacy,
}

/// Spelling of the code for bad parameters on posting endpoints (contract section 20).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamCode {
    /// `invalid_params`, as seen in responses.
    #[default]
    InvalidParams,
    /// `invalid_param`, as the posting pages print it.
    InvalidParam,
}

/// The response if a field without a granted scope is requested (contract 8.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingScope {
    /// 401 if no requested field is allowed, 400 if some are.
    #[default]
    ByShare,
    /// (a) always 401 `scope_not_authorized`.
    NotAuthorized,
    /// (b) always 400 `scope_permission_missed`.
    PermissionMissed,
    /// (c) 200 without the fields.
    Omit,
}

/// What 5 MB, 64 MB, 128 MB and 4 GB mean (contract C10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Megabyte {
    /// Only sizes that both interpretations allow; 4 GB up to the binary limit, as in the worked example.
    #[default]
    Intersection,
    /// 1,000,000 bytes.
    Decimal,
    /// 1,048,576 bytes.
    Binary,
}

/// Meaning of the number in the upload response's `Content-Range` (contract 9.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadedBytes {
    /// How many bytes have arrived.
    #[default]
    Count,
    /// Index of the last byte that has arrived.
    LastIndex,
}

/// How ids are written where sources disagree or clients make mistakes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdForm {
    /// A JSON number.
    #[default]
    Number,
    /// A JSON string.
    String,
}

/// The `data` member of a refusal (contract 1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureData {
    /// `{}` or absent, as in the contract's example of the endpoint.
    #[default]
    AsShown,
    /// Always `{}`.
    Object,
    /// Always absent.
    Absent,
    /// Always `null`.
    Null,
}

/// What the user does with a draft in the inbox (contract 10A).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftEnd {
    /// Nothing: it stays in the inbox, unless a test finishes or deletes it.
    #[default]
    Never,
    /// Posts it.
    Finished,
    /// Deletes it. The app is not notified.
    Deleted,
}

/// The account decides automatically on the consent page.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoConsent {
    /// Skip the page.
    pub enabled: bool,
    /// Username; None: the world's first account.
    pub account: Option<String>,
    /// Scopes the user unticks.
    pub withhold: Vec<String>,
    /// The user presses cancel.
    pub cancel: bool,
}

/// Each switch selects one of several reported behaviours. All can be changed while the simulator runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Consent without a person.
    pub auto_consent: AutoConsent,
    /// Lifetime of an authorization code in seconds (unknown at TikTok; section 19 says 5 minutes).
    pub code_life_seconds: u32,
    /// Token lifetimes and rotation.
    pub token_profile: TokenProfile,
    /// Legacy profile only: a refresh returns a new refresh token.
    pub legacy_rotates: bool,
    /// Current profile only: a refresh starts a new 180-day term; false: counted from first consent.
    pub refresh_restarts_term: bool,
    /// Using a rotated refresh token ends the whole grant.
    pub reuse_ends_grant: bool,
    /// HTTP status of OAuth errors (undocumented; 200 and 400 are reported).
    pub oauth_error_status: u16,
    /// Web apps must use PKCE too.
    pub web_requires_pkce: bool,
    /// Invalid authorize requests return to a registered redirect URI; false: they stay on TikTok's page.
    pub authorize_errors_redirect: bool,
    /// Scopes may be separated by spaces (one note claims it).
    pub accept_space_separated_scopes: bool,
    /// Revoke also accepts an expired access token.
    pub revoke_accepts_expired: bool,
    /// Revoke returns `{}`; false: an empty body.
    pub revoke_answers_object: bool,

    /// Missing scopes on display endpoints.
    pub missing_scope: MissingScope,
    /// Spelling for bad parameters on posting endpoints.
    pub param_code: ParamCode,
    /// The log id is called `logid`, as several tables print it.
    pub log_id_as_logid: bool,
    /// Video query also returns `cursor` and `has_more`, as one example shows.
    pub query_carries_cursor: bool,
    /// `data` in refusals.
    pub failure_data: FailureData,
    /// Rate limits are divided by this; 0 switches them off.
    pub rate_limit_divisor: u32,
    /// At most this many list calls in ten seconds and account (36 quick pages drew a 429; contract 1.5).
    pub list_burst_per_10_seconds: Option<u32>,
    /// A 429 carries `Retry-After` (not documented).
    pub retry_after: bool,
    /// Pages of the video list have fewer items than requested, while more follow.
    pub short_pages: bool,
    /// Photo posts appear in the video list (unknown).
    pub list_photos: bool,
    /// Origin of avatar and cover links; `self`: the simulator's own.
    pub media_origin: String,

    /// Only `SELF_ONLY` in creator info of an unaudited app (one client expects it).
    pub unaudited_options_self_only: bool,
    /// `brand_content_toggle` with `SELF_ONLY` is refused at init (unknown at TikTok).
    pub refuse_private_branded: bool,
    /// Both brand toggles must be sent (the table says so, the examples omit them).
    pub require_brand_toggles: bool,
    /// Caps and bans are refused with status 200 at init too (some say so).
    pub init_caps_with_status_200: bool,
    /// A refused init counts towards 6 a minute.
    pub refused_init_counts: bool,
    /// Findings (harmless at TikTok, or unknown) become 400 refusals.
    pub refuse_findings: bool,
    /// Every request about drafts is refused: the scope `video.upload`, the inbox endpoint, `MEDIA_UPLOAD`. For
    /// tests of a client that must never use them.
    pub refuse_video_upload: bool,

    /// What the user does with a draft in the inbox.
    pub draft_end: DraftEnd,
    /// How long after it arrived in the inbox, in milliseconds.
    pub draft_end_ms: u32,
    /// The `privacy_level` that the user chooses.
    pub draft_privacy: String,
    /// The user's TikTok app is older than 31.8: photos for the inbox are refused.
    pub app_version_too_old: bool,

    /// One chunk may be announced with a smaller `chunk_size` (tolerated before August 2026).
    pub accept_small_single_chunk: bool,
    /// Status of the response to the last chunk: 201, or 200, which some clients accept.
    pub final_upload_status: u16,
    /// Meaning of MB.
    pub megabyte: Megabyte,
    /// Origin of `upload_url`; `self`: the simulator's own.
    pub upload_origin: String,
    /// Path of `upload_url`: `/upload`, `/upload/` or `/video/`.
    pub upload_path: String,
    /// SHA-256 of every uploaded video.
    pub hash_uploads: bool,
    /// Count or index in `Content-Range`.
    pub uploaded_bytes: UploadedBytes,
    /// Sending the last accepted chunk again is accepted (unknown); false: 416.
    pub accept_repeated_chunk: bool,
    /// Videos must be MP4, MOV or WebM, and codec, duration, frame rate and picture of MP4 and MOV must be within
    /// the limits, otherwise the post fails with the reason. Off, because tests often upload zeros.
    pub check_video: bool,
    /// Cancel also ends an incomplete FILE_UPLOAD (unknown).
    pub cancel_ends_upload: bool,
    /// An upload URL that expired unused turns the post to FAILED `internal` (unknown); false: it stays processing.
    pub expired_upload_fails: bool,

    /// Processing after the last byte, in milliseconds.
    pub processing_ms: u32,
    /// The minimum number of polls that return PROCESSING after the last byte.
    pub processing_polls: u32,
    /// Every post ends FAILED with this reason.
    pub fail_reason: Option<String>,
    /// From PUBLISH_COMPLETE to the public id, in milliseconds.
    pub moderation_ms: u32,
    /// The public id never comes (a known issue, contract 14.2).
    pub public_id_never: bool,
    /// How many public ids a post gets.
    pub public_id_count: u32,
    /// Public ids as numbers (wire) or strings.
    pub public_id_form: IdForm,
    /// `fail_reason: ""` while a post has not failed; false: absent.
    pub empty_fail_reason: bool,
    /// Status of every post, instead of the true one (an unknown word, for example).
    pub status_word: Option<String>,
    /// Pulls hang in the downloading state until they time out (July 2026).
    pub pull_hangs: bool,

    /// Webhooks wait this long, in milliseconds.
    pub webhook_delay_ms: u32,
    /// Every event is sent this many times more.
    pub webhook_duplicates: u32,
    /// Events are sent in pairs, the later one first.
    pub webhook_reorder: bool,
    /// Retries are signed afresh (unknown); false: with the first time stamp.
    pub webhook_retry_signed_afresh: bool,
    /// `post_id` in webhooks.
    pub webhook_post_id_form: IdForm,
    /// `publish_type` of direct posts (unknown; that of drafts is documented).
    pub webhook_publish_type: String,
    /// The app's own revoke sends `authorization.removed` with reason 5.
    pub webhook_on_revoke: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            auto_consent: AutoConsent::default(),
            code_life_seconds: 300,
            token_profile: TokenProfile::Current,
            legacy_rotates: false,
            refresh_restarts_term: true,
            reuse_ends_grant: false,
            oauth_error_status: 400,
            web_requires_pkce: false,
            authorize_errors_redirect: false,
            accept_space_separated_scopes: false,
            revoke_accepts_expired: false,
            revoke_answers_object: true,
            missing_scope: MissingScope::ByShare,
            param_code: ParamCode::InvalidParams,
            log_id_as_logid: false,
            query_carries_cursor: false,
            failure_data: FailureData::AsShown,
            rate_limit_divisor: 1,
            list_burst_per_10_seconds: None,
            retry_after: false,
            short_pages: false,
            list_photos: false,
            media_origin: "https://p16-sign.tiktokcdn.com".into(),
            unaudited_options_self_only: false,
            refuse_private_branded: false,
            require_brand_toggles: false,
            init_caps_with_status_200: false,
            refused_init_counts: true,
            refuse_findings: false,
            refuse_video_upload: false,
            draft_end: DraftEnd::Never,
            draft_end_ms: 0,
            draft_privacy: "PUBLIC_TO_EVERYONE".into(),
            app_version_too_old: false,
            accept_small_single_chunk: false,
            final_upload_status: 201,
            megabyte: Megabyte::Intersection,
            upload_origin: "https://open-upload-sg.tiktokapis.com".into(),
            upload_path: "/upload".into(),
            hash_uploads: true,
            uploaded_bytes: UploadedBytes::Count,
            accept_repeated_chunk: false,
            check_video: false,
            cancel_ends_upload: true,
            expired_upload_fails: false,
            processing_ms: 1500,
            processing_polls: 1,
            fail_reason: None,
            moderation_ms: 2000,
            public_id_never: false,
            public_id_count: 1,
            public_id_form: IdForm::Number,
            empty_fail_reason: false,
            status_word: None,
            pull_hangs: false,
            webhook_delay_ms: 0,
            webhook_duplicates: 0,
            webhook_reorder: false,
            webhook_retry_signed_afresh: true,
            webhook_post_id_form: IdForm::String,
            webhook_publish_type: "DIRECT_PUBLISH".into(),
            webhook_on_revoke: true,
        }
    }
}

impl Switches {
    /// Checks values that the types do not restrict. Consistency with the accounts is checked by the world.
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        for scope in &self.auto_consent.withhold {
            ensure!(
                SCOPES.contains(&scope.as_str()),
                "switches.auto_consent.withhold: there is no scope {scope}; write some of {}",
                SCOPES.join(", ")
            );
        }
        for (name, value) in [("media_origin", &self.media_origin), ("upload_origin", &self.upload_origin)] {
            if value != "self" {
                reading::origin(value, &["https", "http"])
                    .map_err(anyhow::Error::msg)
                    .with_context(|| format!("switches.{name}: {value}"))?;
            }
        }
        ensure!(
            upload::PATHS.contains(&self.upload_path.as_str()),
            "switches.upload_path: {} is not served; write one of {}",
            self.upload_path,
            upload::PATHS.join(", ")
        );
        ensure!(
            matches!(self.oauth_error_status, 200..=599),
            "switches.oauth_error_status: {} is no status of an answer; write 400 or 200",
            self.oauth_error_status
        );
        ensure!(
            matches!(self.final_upload_status, 200..=299),
            "switches.final_upload_status: {} is no success; write 201 or 200",
            self.final_upload_status
        );
        ensure!(
            LEVELS.contains(&self.draft_privacy.as_str()),
            "switches.draft_privacy: {} is no privacy level; write one of {}",
            self.draft_privacy,
            LEVELS.join(", ")
        );
        for (name, value) in
            [("webhook_duplicates", self.webhook_duplicates), ("public_id_count", self.public_id_count)]
        {
            ensure!(
                value <= MOST_COPIES,
                "switches.{name}: {value} is too many; write at most {MOST_COPIES}"
            );
        }
        Ok(())
    }
}

/// Limits in bytes, for the interpretation of MB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) min_chunk: u64,
    pub(crate) max_chunk: u64,
    pub(crate) max_last_chunk: u64,
    pub(crate) max_video: u64,
    pub(crate) max_photo: u64,
}

impl Megabyte {
    pub(crate) fn sizes(self) -> Sizes {
        const DECIMAL: u64 = 1_000_000;
        const BINARY: u64 = 1_048_576;
        let (min_unit, max_unit) = match self {
            Self::Intersection => (BINARY, DECIMAL),
            Self::Decimal => (DECIMAL, DECIMAL),
            Self::Binary => (BINARY, BINARY),
        };
        Sizes {
            min_chunk: 5 * min_unit,
            max_chunk: 64 * max_unit,
            max_last_chunk: 128 * max_unit,
            // The contract's worked examples contain 4,294,967,296 bytes, so only `decimal` forbids it.
            max_video: if self == Self::Decimal { 4000 * DECIMAL } else { 4096 * BINARY },
            max_photo: 20 * max_unit,
        }
    }
}
