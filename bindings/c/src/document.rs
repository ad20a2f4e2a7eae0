//! The JSON documents of this interface, and their schemas. They are the library's own types.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use social_channel::model::{
    Finding, GuideStep, ListQuery, Post, PostPage, PostSummary, Profile, PublishForm, Stats,
};
use social_channel::{
    App, AppConfig, Channel, Connect, ConnectOptions, Connected, Disconnected, Error, Event, EventPage,
    HistoryRow, HostConfig, Import, ImportReport, Job, JobChange, JobStatus, Loaded, ProviderInfo,
    ProviderSource, PublishRequest, Resolution, UpgradeReport, WebhookAnswer,
};

use crate::log::LogEntry;

/// Which jobs to list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobQuery {
    /// Only jobs of this channel.
    pub channel: Option<String>,
    /// Only jobs with this status.
    pub status: Option<JobStatus>,
    /// The maximum number of jobs; 100 by default.
    pub limit: u32,
    /// Only jobs after this one in the list (the next page).
    pub before: Option<String>,
}

impl Default for JobQuery {
    fn default() -> Self {
        JobQuery { channel: None, status: None, limit: 100, before: None }
    }
}

/// Which events to read.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EventQuery {
    /// The `next` of the page before, or the `number` of an event; absent: from the oldest that is kept.
    pub after: Option<u64>,
    /// The maximum number of events, 1 to 500; 100 by default.
    pub limit: u32,
}

impl Default for EventQuery {
    fn default() -> Self {
        EventQuery { after: None, limit: 100 }
    }
}

/// What a platform sent to a webhook address, besides its body.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookHead {
    /// `GET` or `POST`.
    pub(crate) method: String,
    /// The part of the URL after `?`, as received.
    #[serde(default)]
    pub(crate) query: String,
    /// Names and values, in the order received; names may be repeated, their case does not matter.
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
}

/// The response to a platform's webhook, without the body.
#[derive(Clone, Debug, serde::Serialize, JsonSchema)]
pub(crate) struct WebhookReply {
    /// The status to answer with: 200, unless the platform wants another one.
    pub(crate) status: u16,
    /// None: an empty body.
    pub(crate) content_type: Option<String>,
    /// Events that were not known before.
    pub(crate) new_events: usize,
}

/// The result of a round of work.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, JsonSchema)]
pub struct Worked {
    /// The number of times that a job was worked on.
    pub jobs: usize,
    /// Idle accounts that were refreshed.
    pub accounts: usize,
    /// Whether the call returned early because a signal handler of the program ran. Work that was started continues;
    /// the next call waits for it and includes it in its result.
    pub interrupted: bool,
}

impl Worked {
    pub(crate) fn add(&mut self, other: social_channel::Worked) {
        self.jobs += other.jobs;
        self.accounts += other.accounts;
    }
}

impl From<&WebhookAnswer> for WebhookReply {
    fn from(answer: &WebhookAnswer) -> Self {
        WebhookReply {
            status: answer.status,
            content_type: answer.content_type.clone(),
            new_events: answer.new_events,
        }
    }
}

/// The JSON Schema (2020-12) of every document that a function accepts or returns, by name in `$defs`.
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
        Event,
        EventPage,
        EventQuery,
        Finding,
        GuideStep,
        HistoryRow,
        HostConfig,
        Import,
        ImportReport,
        Job,
        JobChange,
        JobQuery,
        ListQuery,
        Loaded,
        LogEntry,
        Post,
        PostPage,
        PostSummary,
        Profile,
        ProviderInfo,
        ProviderSource,
        PublishForm,
        PublishRequest,
        Resolution,
        Stats,
        UpgradeReport,
        WebhookHead,
        WebhookReply,
        Worked,
    );
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Social Channel",
        "description": "Every document that the C, PHP, Python and HTTP interfaces accept and return.",
        "$defs": generator.take_definitions(true),
    })
}
