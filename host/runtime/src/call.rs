//! One call of a provider: what it may use, and what it has done so far.
//!
//! [`CallContext`] is passed in by the caller. [`Call`] records what the call has done so far; it is shared by
//! the store, the streams that outlive a host function, and the watchdog. Nothing here depends on wasmtime's
//! stores.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::clock::{Clock, SystemClock};
use crate::limits::Limits;
use crate::media::MediaItem;
use crate::net::egress::{Egress, Refusal};
use crate::secret::SecretText;

/// Gets the text that a call has written to standard error.
pub type Listener = Arc<dyn Fn(&str) + Send + Sync>;

/// What one call may use.
pub struct CallContext {
    /// The app's settings, by name.
    pub settings: Arc<Vec<(String, SecretText)>>,
    /// What the app may reach.
    pub egress: Arc<Egress>,
    /// The app's storage.
    pub storage: Arc<dyn ProviderStorage>,
    /// The system time that the provider sees, from the same clock as due jobs.
    pub clock: Arc<dyn Clock>,
    /// Instead of the system's random numbers: these bytes, again and again. For recordings that are replayed, and never for
    /// an account of anybody: whoever knows them knows the keys that the provider makes of them.
    pub random: Option<Vec<u8>>,
    /// The media of the post, in its order.
    pub media: Vec<Arc<MediaItem>>,
    /// Checked before each outgoing request.
    pub gate: Option<Arc<dyn Gate>>,
    /// Called with the number of media bytes that this call has sent so far.
    pub progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
    /// Gets what the call has written to standard error, besides the log: at most [`Limits::stderr`] bytes, when it ends
    /// by itself or by a limit.
    pub output: Option<Listener>,
    /// Grows by the WebAssembly instructions that the call has executed, if the engine counts them
    /// ([`EngineOptions::count_instructions`](crate::EngineOptions::count_instructions)).
    pub instructions: Option<Arc<AtomicU64>>,
    /// For logs only.
    pub account_id: Option<String>,
    /// For whom the call is, such as a tenant: its calls wait behind each other for a place, and not behind those of
    /// others.
    pub line: Arc<str>,
}

impl CallContext {
    /// For calls that use nothing: no settings, no network, no storage.
    pub fn pure() -> Self {
        CallContext {
            settings: Arc::default(),
            egress: Arc::new(Egress::closed()),
            storage: Arc::new(NoStorage),
            clock: Arc::new(SystemClock),
            random: None,
            media: Vec::new(),
            gate: None,
            progress: None,
            output: None,
            instructions: None,
            account_id: None,
            line: Arc::from(""),
        }
    }
}

/// Whether a call still has the right to act, for example a lease.
pub trait Gate: Send + Sync {
    /// False once the lease is gone or its time has passed.
    fn may_send(&self) -> bool;
}

/// The app's storage, by the rules of the contract's `storage`. Lengths of keys and values are checked
/// before these functions are called. A future that is dropped has had its whole effect or none.
#[async_trait]
pub trait ProviderStorage: Send + Sync {
    /// The value of a key, or None.
    async fn get(&self, key: &str) -> Result<Option<Entry>, StorageError>;
    /// Returns the new version.
    async fn set(&self, key: &str, value: &[u8], options: SetOptions) -> Result<u64, StorageError>;
    /// Deletes a key; succeeds if it does not exist.
    async fn delete(&self, key: &str) -> Result<(), StorageError>;
    /// Keys that start with `prefix`, in byte order, at most 100 after `after`.
    async fn list_keys(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StorageError>;
}

/// A stored value.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The stored bytes.
    pub value: Vec<u8>,
    /// Increases with every write of the key; never 0.
    pub version: u64,
}

/// How to store a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetOptions {
    /// Store only if the key has this version now; 0: only if it does not exist.
    pub if_version: Option<u64>,
    /// Delete the key after this time.
    pub ttl: Option<Duration>,
}

/// Why a storage operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// The key was changed by another call.
    Conflict,
    /// Key or value is too long, or the storage is full.
    LimitExceeded,
    /// The storage is not available now; the text says why.
    Unavailable(String),
}

struct NoStorage;

#[async_trait]
impl ProviderStorage for NoStorage {
    async fn get(&self, _: &str) -> Result<Option<Entry>, StorageError> {
        Err(StorageError::Unavailable("this call has no storage".to_owned()))
    }

    async fn set(&self, _: &str, _: &[u8], _: SetOptions) -> Result<u64, StorageError> {
        Err(StorageError::Unavailable("this call has no storage".to_owned()))
    }

    async fn delete(&self, _: &str) -> Result<(), StorageError> {
        Err(StorageError::Unavailable("this call has no storage".to_owned()))
    }

    async fn list_keys(&self, _: &str, _: Option<&str>) -> Result<Vec<String>, StorageError> {
        Err(StorageError::Unavailable("this call has no storage".to_owned()))
    }
}

/// The limit that a call has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Idle,
    Total,
    Memory,
    Crossing,
    Handles,
}

/// The record of one running call.
pub(crate) struct Call {
    started: Instant,
    /// The time of the last response or byte, in milliseconds after `started`.
    progressed: AtomicU64,
    /// Requests that may have reached a server.
    opened: AtomicU32,
    /// The store is dropped, or about to be: nothing more may be sent.
    ended: AtomicBool,
    media_failed: AtomicBool,
    media_moved: AtomicU64,
    refusal: Mutex<Option<Refusal>>,
    /// The embedding program's reason why it could not send a request.
    unsent: Mutex<Option<String>>,
    memory: AtomicBool,
    pub(crate) limits: Arc<Limits>,
    pub(crate) egress: Arc<Egress>,
    gate: Option<Arc<dyn Gate>>,
    progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
}

impl Call {
    pub(crate) fn new(
        limits: Arc<Limits>,
        egress: Arc<Egress>,
        gate: Option<Arc<dyn Gate>>,
        progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
    ) -> Self {
        Call {
            started: Instant::now(),
            progressed: AtomicU64::new(0),
            opened: AtomicU32::new(0),
            ended: AtomicBool::new(false),
            media_failed: AtomicBool::new(false),
            media_moved: AtomicU64::new(0),
            refusal: Mutex::new(None),
            unsent: Mutex::new(None),
            memory: AtomicBool::new(false),
            limits,
            egress,
            gate,
            progress,
        }
    }

    /// A response or a byte has arrived or was sent.
    pub(crate) fn progressed(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progressed.store(now, Ordering::Relaxed);
    }

    /// When the call ends if there is no further progress, and by which limit.
    pub(crate) fn deadline(&self) -> (Instant, Limit) {
        let idle = self.last_progress() + self.limits.idle;
        let total = self.started + self.limits.total;
        if idle < total { (idle, Limit::Idle) } else { (total, Limit::Total) }
    }

    /// The instant of the last progress.
    pub(crate) fn last_progress(&self) -> Instant {
        self.started + Duration::from_millis(self.progressed.load(Ordering::Relaxed))
    }

    /// Whether a request may be opened now.
    pub(crate) fn may_send(&self) -> bool {
        !self.ended()
            && Instant::now() < self.deadline().0
            && self.gate.as_ref().is_none_or(|gate| gate.may_send())
    }

    pub(crate) fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// The request of the last `opened` did not reach a server.
    pub(crate) fn not_opened(&self) {
        self.opened.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether any request may have reached a server.
    pub(crate) fn has_opened(&self) -> bool {
        self.opened.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn media_moved(&self, bytes: u64) {
        let moved = self.media_moved.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.progressed();
        if let Some(progress) = &self.progress {
            progress(moved);
        }
    }

    pub(crate) fn fail_media(&self) {
        self.media_failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_failed_media(&self) -> bool {
        self.media_failed.load(Ordering::Relaxed)
    }

    pub(crate) fn hit_memory(&self) {
        self.memory.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_hit_memory(&self) -> bool {
        self.memory.load(Ordering::Relaxed)
    }

    /// Stores the first refusal: what the operator has to grant.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(refusal);
    }

    /// Stores why the last request was not sent, which no error code of `wasi:http` can express.
    pub(crate) fn explain(&self, why: &str) {
        *self.unsent.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
    }

    pub(crate) fn unsent(&self) -> Option<String> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Ends a call's right to send when its future ends or is dropped.
pub(crate) struct Ended<'a>(pub(crate) &'a Call);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Runs a call until it ends or reaches a time limit.
pub(crate) async fn watched<T>(call: &Call, work: impl Future<Output = T>) -> Result<T, Limit> {
    let mut work = std::pin::pin!(work);
    loop {
        let (deadline, limit) = call.deadline();
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = tokio::time::sleep_until(deadline.into()) => {
                // Progress in the meantime may have extended the deadline.
                if call.deadline().0 <= deadline {
                    return Err(limit);
                }
            }
        }
    }
}
