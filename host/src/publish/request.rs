//! The stored part of a job's request, and the default deadline.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use social_channel_runtime::error::{Error, Result};
use social_channel_runtime::media::MediaReference;
use social_channel_runtime::model::{MediaSource, Post};

use crate::vault::Place;

/// A job that has not ended by then fails. Within two days a used-up daily allowance renews.
pub(super) const DEADLINE: Duration = Duration::from_secs(48 * 3600);

/// The part of the request that is stored with the job, sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredRequest {
    pub(super) post: Post,
    pub(super) media: Vec<MediaReference>,
}

/// Where media lies that lies elsewhere, and where a platform fetches it.
pub(super) fn addresses<'a>(
    source: &'a MediaSource,
    public_url: Option<&'a String>,
) -> impl Iterator<Item = &'a String> {
    let own = match source {
        MediaSource::Url(address) => Some(address),
        _ => None,
    };
    own.into_iter().chain(public_url)
}

pub(super) fn place<'a>(row: &'a str, column: &'a str) -> Place<'a> {
    Place { table: "jobs", row, column }
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::internal("a value cannot be written as JSON").with_source(error))
}
