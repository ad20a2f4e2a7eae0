//! Who may use the service: who has a password, browsers that signed in with one, and API keys. They are stored as
//! documents of the service in the host's database.
//!
//! Passwords are stored as slow Argon2id hashes; keys and cookies are 256 random bits, so a plain hash is
//! enough. `auth` decides what a caller may do.

mod key;
mod password;
mod session;

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use social_channel::{Error, Host, Result};

pub use key::{ApiKey, CreatedApiKey};
pub(crate) use key::{is_key_id, new_key_id};
pub use password::Person;
pub(crate) use session::SignedIn;

/// Who may use the service in front of a host.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a>(&'a Host);

impl<'a> Access<'a> {
    /// The access data of the service in front of this host.
    pub fn of(host: &'a Host) -> Self {
        Access(host)
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// The hash that is stored instead of a secret value.
fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn random<const LENGTH: usize>() -> Result<String> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal("the system gives no random numbers").with_source(error))?;
    Ok(hex::encode(bytes))
}
