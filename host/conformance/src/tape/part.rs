//! What stands on a tape: parts of a journey, and in each the requests that were made and their answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A part of a journey: what was asked of the network, and what the provider said in the end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) exchanges: Vec<Exchange>,
    /// What the platform's page sent back, for each consent.
    pub(crate) callbacks: Vec<Vec<(String, String)>>,
    pub(crate) answer: Value,
    /// What the provider wrote to standard error: for its author, and not kept.
    #[serde(skip)]
    pub(crate) printed: Vec<String>,
}

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    pub(crate) request: Form,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// The form of a request: no value of it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    pub(crate) method: String,
    /// Origin and path.
    pub(crate) url: String,
    /// Names.
    pub(crate) query: Vec<String>,
    /// Names.
    pub(crate) headers: Vec<String>,
    pub(crate) content_type: Option<String>,
    /// Members of JSON, names of a form, or the length of anything else.
    pub(crate) body: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Body {
    Text(String),
    Base64(String),
}
