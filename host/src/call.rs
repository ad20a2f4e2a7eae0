//! One call of a provider: what it may use, and what it has done so far.
//!
//! [`CallContext`] is what the caller hands in. [`Call`] is the running tally, shared by the store, the
//! streams that outlive a host function, and the watchdog. Nothing here knows wasmtime's stores.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::clock::{Clock, SystemClock};
use crate::egress::{Egress, Refusal};
use crate::limits::Limits;
use crate::media::MediaItem;
use crate::secret::SecretText;

/// What one call may use.
pub(crate) struct CallContext {
    /// The app's settings, by name.
    pub(crate) settings: Arc<Vec<(String, SecretText)>>,
    /// What the app may reach.
    pub(crate) egress: Arc<Egress>,
    pub(crate) storage: Arc<dyn ProviderStorage>,
    /// The time of day that the provider sees: the same by which jobs are due.
    pub(crate) clock: Arc<dyn Clock>,
    /// The media of the post, in its order.
    pub(crate) media: Vec<Arc<MediaItem>>,
    /// Asked before each outgoing request is opened.
    pub(crate) gate: Option<Arc<dyn Gate>>,
    /// Told how many bytes of media this call has moved so far.
    pub(crate) progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
    /// For logs only.
    pub(crate) account_id: Option<String>,
}

impl CallContext {
    /// For calls that use nothing: no settings, no network, no storage.
    pub(crate) fn pure() -> Self {
        CallContext {
            settings: Arc::default(),
            egress: Arc::new(Egress::closed()),
            storage: Arc::new(NoStorage),
            clock: Arc::new(SystemClock),
            media: Vec::new(),
            gate: None,
            progress: None,
            account_id: None,
        }
    }
}

/// Whether a call still has the right to act, for example a lease.
pub(crate) trait Gate: Send + Sync {
    /// False once the lease is gone or its time has passed.
    fn may_send(&self) -> bool;
}

/// The app's durable values, by the rules of the contract's `storage`. Keys and values have been measured
/// before these functions are called.
#[async_trait]
pub(crate) trait ProviderStorage: Send + Sync {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StorageError>;
    /// Returns the new version.
    async fn set(&self, key: &str, value: &[u8], options: SetOptions) -> Result<u64, StorageError>;
    async fn delete(&self, key: &str) -> Result<(), StorageError>;
    /// Keys that start with `prefix`, in byte order, at most 100 after `after`.
    async fn list_keys(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StorageError>;
}

/// A stored value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) value: Vec<u8>,
    /// Grows with every write of the key; never 0.
    pub(crate) version: u64,
}

/// How to store a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SetOptions {
    /// Only if the key has this version now; 0: only if it does not exist.
    pub(crate) if_version: Option<u64>,
    /// Forget the key after this time.
    pub(crate) ttl: Option<Duration>,
}

/// Why storage refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// Somebody else wrote first.
    Conflict,
    /// Key or value too long, or the allowance used up.
    LimitExceeded,
    /// It cannot be reached now, and why.
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

/// Which limit a call has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Idle,
    Total,
    Memory,
    Crossing,
    Handles,
}

/// The running tally of one call.
pub(crate) struct Call {
    started: Instant,
    /// Milliseconds after `started` of the last answer or byte.
    progressed: AtomicU64,
    /// Requests that may have reached a server.
    opened: AtomicU32,
    /// The store is gone, or about to go: nothing may be sent any more.
    ended: AtomicBool,
    media_failed: AtomicBool,
    media_moved: AtomicU64,
    refusal: Mutex<Option<Refusal>>,
    /// What the embedding program said of a request that it could not send.
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

    /// An answer came or a byte moved.
    pub(crate) fn progressed(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progressed.store(now, Ordering::Relaxed);
    }

    /// When the call ends if nothing moves from now on, and by which limit.
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

    /// The request of the last `opened` never reached a server.
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

    /// Keeps the first refusal: what the operator has to grant.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(refusal);
    }

    /// Keeps why the last request was not sent, which no code of `wasi:http` can tell the provider.
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
