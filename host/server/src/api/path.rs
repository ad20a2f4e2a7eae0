//! Path parameters that several files use.

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
pub(super) struct NamedApp {
    /// The app's name.
    pub(super) app: String,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct NamedJob {
    /// The job's id.
    pub(super) job: String,
}
