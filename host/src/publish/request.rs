//! The stored part of a job's request, and the default deadline.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use social_channel_runtime::SecretBytes;
use social_channel_runtime::error::{Error, Result};
use social_channel_runtime::media::MediaReference;
use social_channel_runtime::model::{MediaSource, Post, Publication};

use crate::vault::Place;

/// A job that has not ended by then fails. Within two days a used-up daily allowance renews.
pub(super) const DEADLINE: Duration = Duration::from_secs(48 * 3600);

/// The part of the request that is stored with the job, sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredRequest {
    pub(super) post: Post,
    pub(super) media: Vec<MediaReference>,
}

/// Begins what is stored of a step. Before it, a provider's state stood there alone, and no state begins so.
const STEP: &[u8] = b"\0social-channel-step\0";

/// What is stored of a provider's last step, sealed.
#[derive(Clone, Debug)]
pub(super) struct StoredStep {
    /// As the provider returned it.
    pub(super) state: SecretBytes,
    pub(super) said: Said,
}

/// What the step said that no column holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Said {
    /// The next call may create the post, and repeating it creates no second one.
    #[serde(default)]
    pub(super) idempotent: bool,
    /// What is known to be published.
    #[serde(default)]
    pub(super) publication: Publication,
}

impl StoredStep {
    pub(super) fn write(&self) -> Result<SecretBytes> {
        let said = to_json(&self.said)?;
        let length = u32::try_from(said.len()).map_err(|_| Error::internal("a step is too long"))?;
        let parts = [STEP, &length.to_le_bytes(), said.as_bytes(), self.state.expose()];
        Ok(SecretBytes::new(parts.concat()))
    }

    pub(super) fn read(stored: SecretBytes) -> Result<Self> {
        let Some(rest) = stored.expose().strip_prefix(STEP) else {
            return Ok(StoredStep { state: stored, said: Said::default() });
        };
        let damaged = || Error::internal("a stored step is damaged");
        let (length, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| damaged())?;
        let (said, state) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let said = serde_json::from_slice(said).map_err(|error| damaged().with_source(error))?;
        Ok(StoredStep { state: SecretBytes::new(state.to_vec()), said })
    }
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

#[cfg(test)]
mod tests {
    use social_channel_runtime::model::PublishedPost;

    use super::*;

    #[test]
    fn a_step_is_read_as_it_was_written_and_a_state_of_before_as_it_stands() {
        let post = PublishedPost {
            id: Some("1".to_owned()),
            url: None,
            role: "post".to_owned(),
            state: "public".to_owned(),
            public_at: None,
            details: Default::default(),
        };
        let publication = Publication { posts: vec![post], ..Publication::default() };
        let said = Said { idempotent: true, publication: publication.clone() };
        for state in [&b""[..], b"{}", b"\0social-channel-step\0"] {
            let step = StoredStep { state: SecretBytes::new(state.to_vec()), said: said.clone() };
            let again = StoredStep::read(step.write().unwrap()).unwrap();
            assert_eq!(again.state.expose(), state);
            assert_eq!((again.said.idempotent, &again.said.publication), (true, &publication));
        }
        let before = StoredStep::read(SecretBytes::new(b"{\"stage\":\"Upload\"}".to_vec())).unwrap();
        assert_eq!(before.state.expose(), b"{\"stage\":\"Upload\"}");
        assert!(!before.said.idempotent && before.said.publication.posts.is_empty());
        for cut in [STEP.len(), STEP.len() + 4, STEP.len() + 20] {
            let whole =
                StoredStep { state: SecretBytes::new(Vec::new()), said: said.clone() }.write().unwrap();
            assert!(StoredStep::read(SecretBytes::new(whole.expose()[..cut].to_vec())).is_err(), "{cut}");
        }
    }
}
