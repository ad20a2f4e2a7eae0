//! The shared types, which are also the JSON documents everywhere, named as in the contract (`wit/`).
//!
//! Types only, no behaviour. Absent means unknown, never zero. Instants are seconds since 1970-01-01T00:00:00Z
//! and end in `_at`; lengths of time end in `_ms`; sizes are bytes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A value that the operator or the person enters; forms are built from these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// Kebab-case, for example `client-key`.
    pub name: String,
    /// Its label in the form.
    pub label: String,
    /// A sentence below it.
    pub help: Option<String>,
    /// `text`, `secret`, `url`, `choice`, `flag` (`true` or `false`), `list` (one value per line).
    pub kind: String,
    /// Values of a `choice`, or suggestions for a `list`.
    pub choices: Vec<String>,
    /// Whether it is required.
    pub required: bool,
    /// Used if nothing is set.
    pub default_value: Option<String>,
}

/// A permission at the platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// As the platform names it.
    pub name: String,
    /// Why it is needed, for the platform's app review.
    pub purpose: String,
    /// Abilities lost without it.
    pub abilities: Vec<String>,
}

/// How a provider describes itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Descriptor {
    /// Lower-case, stable, for example `tiktok`.
    pub id: String,
    /// For people.
    pub name: String,
    /// The provider's version (semver).
    pub version: String,
    /// `profile`, `stats`, `list`, `publish-video`, `publish-photos`, `publish-text`.
    pub abilities: Vec<String>,
    /// Settings for the operator.
    pub settings: Vec<Setting>,
    /// Inputs for the person who connects an account.
    pub connect_inputs: Vec<Setting>,
    /// Permissions that it may request.
    pub scopes: Vec<Scope>,
    /// Origins that it calls and the operator must grant.
    pub origins: Vec<String>,
}

/// A named number that has no field of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Eq)]
pub struct Metric {
    /// The platform's name for it.
    pub name: String,
    /// The number.
    pub value: u64,
}

/// An account's profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// The platform's stable id.
    pub id: String,
    /// The handle, without `@`.
    pub username: Option<String>,
    /// The shown name; may change.
    pub display_name: String,
    /// The account's own description.
    pub bio: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// May stop working after some hours.
    pub avatar_url: Option<String>,
    /// Whether it has a verification badge.
    pub verified: Option<bool>,
}

/// Statistics of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stats {
    /// Accounts that follow it.
    pub followers: Option<u64>,
    /// Accounts it follows.
    pub following: Option<u64>,
    /// Over all posts.
    pub likes: Option<u64>,
    /// Public posts.
    pub posts: Option<u64>,
    /// Other numbers of the platform.
    pub other: Vec<Metric>,
}

/// Statistics of a post.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostStats {
    /// Times seen.
    pub views: Option<u64>,
    /// Likes.
    pub likes: Option<u64>,
    /// Comments.
    pub comments: Option<u64>,
    /// Shares.
    pub shares: Option<u64>,
    /// Other numbers of the platform.
    pub other: Vec<Metric>,
}

/// A post, as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostSummary {
    /// Exact: large numeric ids stay text.
    pub id: String,
    /// `video`, `photos`, `text`, or the platform's own term.
    pub kind: String,
    /// Its title.
    pub title: Option<String>,
    /// Its text.
    pub text: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// The URL of an embeddable player.
    pub embed_url: Option<String>,
    /// May stop working after some hours.
    pub cover_url: Option<String>,
    /// When it was posted.
    pub created_at: Option<u64>,
    /// Milliseconds.
    #[serde(rename = "duration_ms")]
    pub duration: Option<u64>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Its statistics.
    pub stats: PostStats,
}

/// Which posts to list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// The maximum number of posts; the provider lowers it to the platform's limit.
    pub limit: u32,
    /// `next_cursor` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// One page of posts, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostPage {
    /// The posts; may be fewer than requested.
    pub posts: Vec<PostSummary>,
    /// Absent only on the last page.
    pub next_cursor: Option<String>,
}

/// The value of an option or a form field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OptionValue {
    /// A switch.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// Text, or the value of a choice.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
}

/// What to publish, without the media.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// `video`, `photos`, `text`.
    pub kind: String,
    /// The title, if the platform has titles.
    #[serde(default)]
    pub title: Option<String>,
    /// Caption or text.
    #[serde(default)]
    pub text: Option<String>,
    /// A choice of the form's `visibility` field.
    #[serde(default)]
    pub visibility: Option<String>,
    /// Options by the names of the form's other fields.
    #[serde(default)]
    pub options: BTreeMap<String, OptionValue>,
}

/// A kind of post and its media. An absent limit is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostKind {
    /// As in [`Post::kind`].
    pub name: String,
    /// For people.
    pub label: String,
    /// Fewest media items.
    pub min_media: u32,
    /// Most media items.
    pub max_media: u32,
    /// For example `video/mp4`.
    pub content_types: Vec<String>,
    /// The maximum size of each item, in bytes.
    pub max_size: Option<u64>,
    /// Milliseconds.
    #[serde(rename = "max_duration_ms")]
    pub max_duration: Option<u64>,
    /// The platform fetches the bytes: every item must have a `public_url`.
    pub needs_public_url: bool,
}

/// One choice of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// The value that is sent.
    pub value: String,
    /// The label that is shown.
    pub label: String,
}

/// How long a text may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TextLimit {
    /// The maximum length, in units.
    pub maximum: u32,
    /// `utf-16` (code units), `characters` (code points), `graphemes`, `bytes`, or the platform's own unit.
    pub unit: String,
}

/// A field of the publish form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FormField {
    /// `title`, `text` and `visibility` fill these members of [`Post`]; any other name is an option.
    pub name: String,
    /// For people.
    pub label: String,
    /// A sentence below it.
    pub help: Option<String>,
    /// `flag`, `number`, `text`, `texts`, `choice`, `url`.
    pub kind: String,
    /// The choices of a `choice`.
    pub choices: Vec<Choice>,
    /// Must be filled in.
    pub required: bool,
    /// Absent: unticked, empty, nothing chosen.
    pub default_value: Option<OptionValue>,
    /// The maximum length of a text.
    pub max_length: Option<TextLimit>,
    /// Kinds of post it belongs to.
    pub applies_to: Vec<String>,
}

/// Holds while `field` has one of `values`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// A field's name, or `kind`.
    pub field: String,
    /// A flag is `true` or `false`; a field without a value is the empty text.
    pub values: Vec<String>,
}

/// What is disabled, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Restriction {
    /// The field.
    pub field: String,
    /// One choice of it; absent: the whole field.
    pub choice: Option<String>,
    /// The reason, shown in exactly these words.
    pub because: String,
}

/// A link inside a notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// A part of the notice's text.
    pub text: String,
    /// `https`.
    pub url: String,
}

/// A notice, shown in exactly these words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// The field it belongs to; absent: next to the publish button.
    pub field: Option<String>,
    /// The words.
    pub text: String,
    /// Parts of the text that are links.
    pub links: Vec<Link>,
}

/// What a rule does to the form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// Leave the field out; it has no value.
    Hide(String),
    /// Disable the field or choice; it has no value.
    Disable(Restriction),
    /// Show this notice.
    Notice(Notice),
    /// Disable the publish button, for this reason.
    Block(String),
}

/// Applies while all conditions hold, and always if there are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// What the rule does.
    pub consequence: Consequence,
}

/// An allowance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quota {
    /// What is counted. Of posts, it ends with the time they are counted in: `posts-per-day`.
    pub name: String,
    /// How much is used.
    pub used: u64,
    /// The maximum.
    pub maximum: u64,
    /// When it renews.
    pub resets_at: Option<u64>,
}

/// What an account may post now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PublishForm {
    /// The name that will be shown as the author.
    pub account_name: String,
    /// May stop working after some hours.
    pub account_avatar_url: Option<String>,
    /// What may be posted.
    pub kinds: Vec<PostKind>,
    /// In the order in which they are shown.
    pub fields: Vec<FormField>,
    /// Applied in order.
    pub rules: Vec<Rule>,
    /// Allowances.
    pub quotas: Vec<Quota>,
    /// Why the account cannot currently post.
    pub blocked: Option<BlockedForm>,
}

/// How serious a finding is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Copy, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Checked, no problem.
    Ok,
    /// Information.
    Info,
    /// Works, but may not be intended.
    Warning,
    /// Will not work.
    Error,
}

/// One result of a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Only `error` prevents a post.
    pub severity: Severity,
    /// What was checked: a setting, a post field or a topic.
    pub subject: String,
    /// One plain sentence.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
    /// The platform's own code.
    pub code: Option<String>,
}

/// The result of a publish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Publication {
    /// Absent while the platform has not made it public or does not report it.
    pub post_id: Option<String>,
    /// Its page.
    pub url: Option<String>,
}

/// What the host knows about a media item. Absent means unknown, not zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MediaInfo {
    /// Size in bytes.
    pub size: u64,
    /// For example `video/mp4`.
    pub content_type: String,
    /// The last component of its path.
    pub file_name: Option<String>,
    /// What it shows, for people who cannot see it.
    pub alt_text: Option<String>,
    /// Milliseconds.
    #[serde(rename = "duration_ms")]
    pub duration: Option<u64>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Frames per second.
    pub frame_rate: Option<f64>,
    /// For example `h264`.
    pub codec: Option<String>,
    /// Where the platform can fetch the bytes until the publish has ended.
    pub public_url: Option<String>,
}

/// A value to copy into the platform's portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Copyable {
    /// Its name in the portal.
    pub label: String,
    /// The value.
    pub value: String,
}

/// One step of the guide through the platform's portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GuideStep {
    /// The title of the step.
    pub title: String,
    /// Markdown, a few sentences.
    pub body: String,
    /// Values to copy into the portal.
    pub copy: Vec<Copyable>,
}

/// Why a form is blocked: an [`Error`], compared by its text only.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct BlockedForm(pub Error);

impl PartialEq for BlockedForm {
    fn eq(&self, other: &Self) -> bool {
        (self.0.kind, &self.0.code, &self.0.message) == (other.0.kind, &other.0.code, &other.0.message)
    }
}

/// Media to publish, as a caller names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Media {
    /// Where the bytes are.
    #[serde(flatten)]
    pub source: MediaSource,
    /// What it shows, for people who cannot see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt_text: Option<String>,
    /// Where the platform can fetch the bytes until the publish has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Of bytes that do not say it themselves. What they say, nothing overrules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// Where bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaSource {
    /// A file on this machine, by its absolute path. For embedding programs and the command line only.
    File(std::path::PathBuf),
    /// An `https` URL, read by ranges.
    Url(String),
    /// The id of a stored upload.
    Upload(String),
    /// A file below the operator's media folder, for example `clips/one.mp4`.
    Name(String),
}

impl Media {
    /// A file on this machine.
    pub fn file(path: impl Into<std::path::PathBuf>) -> Self {
        Media { source: MediaSource::File(path.into()), alt_text: None, public_url: None, content_type: None }
    }

    /// An `https` URL.
    pub fn url(url: impl Into<String>) -> Self {
        Media { source: MediaSource::Url(url.into()), alt_text: None, public_url: None, content_type: None }
    }

    /// A stored upload.
    pub fn upload(id: impl Into<String>) -> Self {
        Media { source: MediaSource::Upload(id.into()), alt_text: None, public_url: None, content_type: None }
    }
}
