//! Everything that the host provides, as one trait, so that a provider's logic is plain Rust.

use crate::bindings::social::channel::storage::{Entry, SetOptions, StorageError};
use crate::http::{Request, Response, SendError};
use crate::types::Error;

pub use crate::bindings::social::channel::media::MediaInfo;

/// Media to publish, kept by the host. The bytes are never read here: a range of them becomes the
/// body of a request ([`crate::http::Body::Media`]).
pub trait Media {
    /// What the host knows about the media.
    fn info(&self) -> MediaInfo;
}

/// Functions of the host: the clock, random bytes, the operator's settings, HTTP and storage.
#[expect(async_fn_in_trait, reason = "a component has one thread, and providers never name these futures")]
pub trait Environment {
    /// The media type of this environment.
    type Media: Media;

    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;

    /// Waits. For pauses of seconds within a call; longer ones belong to the host (`next-step.wait`).
    async fn sleep_ms(&self, milliseconds: u64);

    /// Random bytes that are suitable for secrets.
    fn random(&self, length: usize) -> Vec<u8>;

    /// A setting of the operator, None if it is not set.
    ///
    /// # Errors
    /// `unavailable` if the host cannot read its settings now.
    fn setting(&self, name: &str) -> Result<Option<String>, Error>;

    /// Sends one HTTP request, without retries and redirects.
    ///
    /// # Errors
    /// Whether the request can have reached the platform: see [`SendError`].
    async fn send(&self, request: Request<'_, Self::Media>) -> Result<Response, SendError>;

    /// Reads a key of the provider's storage.
    ///
    /// # Errors
    /// As `storage.get`.
    async fn storage_get(&self, key: &str) -> Result<Option<Entry>, StorageError>;

    /// Writes a key of the provider's storage and returns its new version.
    ///
    /// # Errors
    /// As `storage.set`; `conflict` if `options.if_version` did not match.
    async fn storage_set(&self, key: &str, value: Vec<u8>, options: SetOptions) -> Result<u64, StorageError>;

    /// Removes a key of the provider's storage; nothing happens if it is absent.
    ///
    /// # Errors
    /// As `storage.delete`.
    async fn storage_delete(&self, key: &str) -> Result<(), StorageError>;

    /// At most 100 keys that start with `prefix`, in byte order, after `after`.
    ///
    /// # Errors
    /// As `storage.list-keys`.
    async fn storage_keys(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StorageError>;

    /// The time in whole seconds, as the contract's `unix-seconds`.
    fn now(&self) -> u64 {
        self.now_ms() / 1000
    }
}
