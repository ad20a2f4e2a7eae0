//! The documents that cross this border, and their schemas. They are the library's own types.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use social_channel::model::{
    Finding, GuideStep, ListQuery, Post, PostPage, PostSummary, Profile, PublishForm, Stats,
};
use social_channel::{
    App, AppConfig, Channel, Connect, ConnectOptions, Connected, Disconnected, Error, HistoryRow, HostConfig,
    Job, JobChange, JobStatus, Loaded, ProviderInfo, PublishRequest, Resolution, WebhookAnswer, Worked,
};

/// Which jobs to list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobQuery {
    /// Of this channel only.
    pub channel: Option<String>,
    /// In this state only.
    pub status: Option<JobStatus>,
    /// At most this many; 100 by default.
    pub limit: u32,
    /// Only those that come after this job in the list: its next page.
    pub before: Option<String>,
}

impl Default for JobQuery {
    fn default() -> Self {
        JobQuery { channel: None, status: None, limit: 100, before: None }
    }
}

/// What a platform sent to a webhook address, besides its body.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookHead {
    /// `GET` or `POST`.
    pub(crate) method: String,
    /// What stands behind `?` in the address, as received.
    #[serde(default)]
    pub(crate) query: String,
    /// Names and values, in the order received; names may be repeated, their case does not matter.
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
}

/// What to answer a platform's webhook, besides the body.
#[derive(Clone, Debug, serde::Serialize, JsonSchema)]
pub(crate) struct WebhookReply {
    /// None: an empty body.
    pub(crate) content_type: Option<String>,
    /// Events that were not known before.
    pub(crate) new_events: usize,
}

impl From<&WebhookAnswer> for WebhookReply {
    fn from(answer: &WebhookAnswer) -> Self {
        WebhookReply { content_type: answer.content_type.clone(), new_events: answer.new_events }
    }
}

/// The JSON Schema (2020-12) of every document that a function takes or gives: by name in `$defs`.
pub fn schemas() -> serde_json::Value {
    let mut generator = SchemaGenerator::default();
    macro_rules! documents {
        ($($document:ty),* $(,)?) => { $( generator.subschema_for::<$document>(); )* };
    }
    documents!(
        App,
        AppConfig,
        Channel,
        Connect,
        ConnectOptions,
        Connected,
        Disconnected,
        Error,
        Finding,
        GuideStep,
        HistoryRow,
        HostConfig,
        Job,
        JobChange,
        JobQuery,
        ListQuery,
        Loaded,
        Post,
        PostPage,
        PostSummary,
        Profile,
        ProviderInfo,
        PublishForm,
        PublishRequest,
        Resolution,
        Stats,
        WebhookHead,
        WebhookReply,
        Worked,
    );
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Social Channel",
        "description": "Every document that the C, PHP, Python and HTTP interfaces take and give.",
        "$defs": generator.take_definitions(true),
    })
}
