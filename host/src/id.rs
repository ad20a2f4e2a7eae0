//! Random ids.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use social_channel_runtime::error::{Error, Result};

/// 256 random bits, as 43 characters that are safe in URLs.
pub(crate) fn secret() -> Result<String> {
    random::<32>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// A new id, such as `job_9f86d081884c7d65`.
pub(crate) fn new(prefix: &str) -> Result<String> {
    random::<10>().map(|bytes| format!("{prefix}_{}", hex::encode(bytes)))
}

/// The hash that is stored instead of a secret value.
pub(crate) fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal("the system gives no random numbers").with_source(error))?;
    Ok(bytes)
}
