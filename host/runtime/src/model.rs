//! The shared types, which are also the JSON documents everywhere, named as in the contract (`wit/`).
//!
//! Types only, no behaviour. Absent means unknown, never zero. Instants are seconds since 1970-01-01T00:00:00Z
//! and end in `_at`; lengths of time end in `_ms`; sizes are bytes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What a document may carry besides its members, by names that networks share. Absent if empty.
pub type Details = BTreeMap<String, OptionValue>;

/// A detail of connections and profiles, a text: names the account in every app of the one who registered the apps, where the
/// account's id is another one in each app.
pub const IDENTITY: &str = "identity";

/// A value that somebody fills in: the operator, the person who connects, the person who posts. Forms are built from
/// these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Field {
    /// Kebab-case. Of a post, `title`, `text` and `visibility` fill these members of [`Post`], and any other name is an
    /// option.
    pub name: String,
    /// For people.
    pub label: String,
    /// A sentence below it.
    pub help: Option<String>,
    /// `text`, `multiline`, `secret`, `url`, `number`, `decimal`, `boolean`, `choice`, `multi-choice`, `text-list`,
    /// `date-time` (seconds since 1970), `json`. Leave out a field of another kind.
    pub kind: String,
    /// Of a `choice` or `multi-choice`; suggestions for a `text-list`.
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// Must be filled in.
    pub required: bool,
    /// Absent: unticked, empty, nothing chosen. Of a setting: used if nothing is set.
    pub default_value: Option<OptionValue>,
    /// Limits of a text, or of each text of a list. All of them hold.
    #[serde(default)]
    pub limits: Vec<TextLimit>,
    /// Kinds of post it belongs to; empty: every kind.
    #[serde(default)]
    pub applies_to: Vec<String>,
    /// For example `minimum`, `maximum`, `pattern`, `format`.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
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
    /// `profile`, `stats`, `list`, `publish`.
    pub abilities: Vec<String>,
    /// Settings for the operator.
    pub settings: Vec<Field>,
    /// Inputs for the person who connects an account.
    pub connect_inputs: Vec<Field>,
    /// Permissions that it may request.
    pub scopes: Vec<Scope>,
    /// Origins that it calls and the operator must grant.
    pub origins: Vec<String>,
    /// What else the provider tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

/// A named number that has no field of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Eq)]
pub struct Metric {
    /// The platform's name for it.
    pub name: String,
    /// For people, if the platform has its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
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
    /// What else the provider tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
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
    /// Replies, or comments.
    #[serde(alias = "comments")]
    pub replies: Option<u64>,
    /// Reposts, or shares.
    #[serde(alias = "shares")]
    pub reposts: Option<u64>,
    /// Other numbers of the platform.
    pub other: Vec<Metric>,
}

/// One item of a post's media, as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostMedia {
    /// `image`, `video`, `audio`, `document`, or the platform's own term.
    pub kind: String,
    /// The bytes, or a smaller form of them. May stop working after some hours.
    pub url: Option<String>,
    /// May stop working after some hours.
    pub thumbnail_url: Option<String>,
    /// What it shows, for people who cannot see it.
    pub alt_text: Option<String>,
    /// Milliseconds.
    #[serde(rename = "duration_ms")]
    pub duration: Option<u64>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// What else the provider tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

/// A post, as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostSummary {
    /// Exact: large numeric ids stay text.
    pub id: String,
    /// As in [`Post::kind`], or the platform's own term.
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
    pub thumbnail_url: Option<String>,
    /// When it was posted.
    pub created_at: Option<u64>,
    /// Milliseconds, of the first medium.
    #[serde(rename = "duration_ms")]
    pub duration: Option<u64>,
    /// Pixels, of the first medium.
    pub width: Option<u32>,
    /// Pixels, of the first medium.
    pub height: Option<u32>,
    /// Its media, in order; empty where the platform does not tell.
    #[serde(default)]
    pub media: Vec<PostMedia>,
    /// Its statistics.
    pub stats: PostStats,
    /// What else the provider tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
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
    Boolean(bool),
    /// A whole number; also an instant, in seconds since 1970.
    Number(i64),
    /// Another number.
    Decimal(f64),
    /// Text, or the value of a choice.
    Text(String),
    /// Several texts.
    TextList(Vec<String>),
    /// What has a structure.
    Json(serde_json::Value),
}

/// What follows the first post of a thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its text.
    #[serde(default)]
    pub text: Option<String>,
    /// Its media, by their places in the list of all media, from 0. Media that no part names belong to the first post.
    #[serde(default)]
    pub media: Vec<u32>,
    /// Options by the names of the form's fields.
    #[serde(default)]
    pub options: BTreeMap<String, OptionValue>,
}

/// What to publish, without the media.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// One of the form's kinds: `video`, `images`, `text`, …
    #[serde(deserialize_with = "kind_of_post")]
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
    /// What follows it, as a thread; empty: one post.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// Versions before the contract was frozen said `photos`, and so do posts that they stored.
fn kind_of_post<'a, D: serde::Deserializer<'a>>(from: D) -> Result<String, D::Error> {
    let kind = String::deserialize(from)?;
    Ok(if kind == "photos" { "images".to_owned() } else { kind })
}

/// What one item of a post may be. An absent limit is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MediaRule {
    /// `media` (what the post shows), `thumbnail`, `cover`, `subtitles`, or the platform's own term. An item keeps the
    /// first rule of its role that takes its content type.
    pub role: String,
    /// For people.
    pub label: String,
    /// Fewest items.
    pub minimum: u32,
    /// Most items.
    pub maximum: u32,
    /// For example `video/mp4`.
    pub content_types: Vec<String>,
    /// The maximum size of each item, in bytes.
    pub max_size: Option<u64>,
    /// Milliseconds.
    #[serde(rename = "min_duration_ms")]
    pub min_duration: Option<u64>,
    /// Milliseconds.
    #[serde(rename = "max_duration_ms")]
    pub max_duration: Option<u64>,
    /// The platform fetches the bytes: every item must have a `public_url`.
    pub needs_public_url: bool,
    /// What each item carries: `alt-text` fills that member, any other name is one of its options. Ask for nothing
    /// else.
    pub fields: Vec<Field>,
    /// What else the provider tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

/// A kind of post and its media. An absent limit is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostKind {
    /// As in [`Post::kind`].
    pub name: String,
    /// For people.
    pub label: String,
    /// Fewest media items of the role `media`.
    pub min_media: u32,
    /// Most media items of the role `media`.
    pub max_media: u32,
    /// Of all rules of the role `media`, for example `video/mp4`.
    pub content_types: Vec<String>,
    /// The maximum size of each item, in bytes; of several rules the largest.
    pub max_size: Option<u64>,
    /// Milliseconds; of several rules the longest.
    #[serde(rename = "max_duration_ms")]
    pub max_duration: Option<u64>,
    /// The platform fetches the bytes: every item must have a `public_url`.
    pub needs_public_url: bool,
    /// What each item may be, by role.
    #[serde(default)]
    pub media: Vec<MediaRule>,
    /// How many parts may follow it as a thread; 0: none.
    #[serde(default)]
    pub max_parts: u32,
    /// What else the provider tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

/// One choice of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// The value that is sent.
    pub value: String,
    /// The label that is shown.
    pub label: String,
    /// What else the provider tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

/// How long a text may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TextLimit {
    /// The minimum length, in units.
    #[serde(default)]
    pub minimum: Option<u32>,
    /// The maximum length, in units.
    pub maximum: Option<u32>,
    /// `utf-16` (code units), `code-points`, `graphemes`, `bytes`, or the platform's own unit, in which only a check
    /// can count.
    pub unit: String,
    /// Every link counts as this many units.
    #[serde(default)]
    pub link_length: Option<u32>,
}

/// Holds while the test is true of `field`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// A field's name, or `kind`, `media-count`, `media-types`.
    pub field: String,
    /// `is` (one of `values`), `is-not`, `filled`, `empty`, `contains`, `at-least`, `at-most`. A rule with another test
    /// does not apply.
    #[serde(default = "is")]
    pub test: String,
    /// A switch is `true` or `false`; a list is its texts, one per line; a field without a value is the empty text.
    pub values: Vec<String>,
}

fn is() -> String {
    "is".to_owned()
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
    /// The field must have a value.
    Require(String),
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
    /// For people.
    #[serde(default)]
    pub label: String,
    /// How much is used.
    pub used: u64,
    /// The maximum; absent if the platform does not tell.
    pub maximum: Option<u64>,
    /// When it renews.
    pub resets_at: Option<u64>,
    /// What one post takes of it. A job waits while not enough is left. Absent: it delays nothing.
    #[serde(default)]
    pub cost: Option<u64>,
    /// What else the provider tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
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
    pub fields: Vec<Field>,
    /// Applied in order.
    pub rules: Vec<Rule>,
    /// Allowances.
    pub quotas: Vec<Quota>,
    /// Why the account cannot currently post.
    pub blocked: Option<BlockedForm>,
    /// What else the provider tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
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
    /// What else the provider tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

/// One of the posts that a publish made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedPost {
    /// Absent while the platform has not made it public or does not report it.
    pub id: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// `post`, `part` (of a thread), `comment`, or the platform's own term.
    pub role: String,
    /// `public`, `processing`, `in-review`, `scheduled` (the platform publishes it at `public_at`), `refused`,
    /// `removed`, or the platform's own term.
    pub state: String,
    /// Seconds since 1970.
    pub public_at: Option<u64>,
    /// What else the provider tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

impl PublishedPost {
    /// Whether it exists for those whom it is meant for, or will without any further request.
    pub fn is_out(&self) -> bool {
        !matches!(self.state.as_str(), "processing" | "in-review" | "refused" | "removed")
    }
}

/// The result of a publish.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Publication {
    /// The post itself first; the parts of a thread in order.
    pub posts: Vec<PublishedPost>,
    /// What was not published as intended.
    pub findings: Vec<Finding>,
    /// What else the provider tells.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

/// What the host knows about a media item. Absent means unknown, not zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MediaInfo {
    /// What it is for, as [`MediaRule::role`] names it.
    #[serde(default = "media")]
    pub role: String,
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
    /// Options by the names of [`MediaRule::fields`].
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub options: Details,
}

pub(crate) fn media() -> String {
    "media".to_owned()
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
    /// What it is for, as the form's media rules name it. Absent: `media`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Options by the names of the fields of its media rule.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub options: Details,
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
    fn at(source: MediaSource) -> Self {
        Media {
            source,
            alt_text: None,
            public_url: None,
            content_type: None,
            role: None,
            options: Details::new(),
        }
    }

    /// A file on this machine.
    pub fn file(path: impl Into<std::path::PathBuf>) -> Self {
        Media::at(MediaSource::File(path.into()))
    }

    /// An `https` URL.
    pub fn url(url: impl Into<String>) -> Self {
        Media::at(MediaSource::Url(url.into()))
    }

    /// A stored upload.
    pub fn upload(id: impl Into<String>) -> Self {
        Media::at(MediaSource::Upload(id.into()))
    }

    /// A file below the operator's media folder.
    pub fn named(name: impl Into<String>) -> Self {
        Media::at(MediaSource::Name(name.into()))
    }
}
