//! All limits on what a provider may use or return.
//!
//! [`Limits`] has the values that an embedding program may change. The constants below are part of the
//! contract, or so large that no program needs another value. This module only defines numbers; other modules
//! enforce them.

use std::time::Duration;

/// What one call of a provider may use, and compiling one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of linear memory, all memories of one instance together. A provider in Rust needs about 2 MiB,
    /// one in Python 16 MiB.
    pub memory: usize,
    /// Elements in all tables of one instance together. A Python runtime needs about 10,000.
    pub table_elements: usize,
    /// The longest time without progress (a response, a byte transferred), whether waiting or computing.
    pub idle: Duration,
    /// The longest total time. It is enough for a chunk of 64 MB at 1 Mbit/s.
    pub total: Duration,
    /// Bytes that a guest may pass to the host in one call. Even a small guest memory can describe a huge
    /// value, for example a million list items with the same long text.
    pub crossing: usize,
    /// Handles (streams, requests, headers, media items) that are alive at the same time.
    pub handles: usize,
    /// Concurrent calls in this process; further calls wait. They are shared fairly: one tenant runs three quarters of
    /// them at most.
    pub calls: usize,
    /// Calls of one tenant that may wait; further ones are refused. A waiting call costs some kilobytes.
    pub waiting_calls: usize,
    /// Bytes of the body of one HTTP response.
    pub response_body: u64,
    /// Bytes of the headers of one response, names and values.
    pub response_headers: usize,
    /// Bytes of the headers of one request, names and values, as stored in memory.
    pub request_headers: usize,
    /// Bytes of standard error that are kept for one call.
    pub stderr: usize,
    /// Bytes of memory for compiling one component in a child process. A provider with all of Python needs 400 MB.
    pub compile_memory: u64,
    /// The longest time for compiling one component in a child process. A provider with all of Python needs half a minute
    /// on a busy machine.
    pub compile_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory: 64 << 20,
            table_elements: 32 << 10,
            idle: Duration::from_secs(60),
            total: Duration::from_secs(15 * 60),
            crossing: 8 << 20,
            handles: 1 << 10,
            calls: 1 << 10,
            waiting_calls: 1 << 10,
            response_body: 32 << 20,
            response_headers: 64 << 10,
            request_headers: 64 << 10,
            stderr: 8 << 10,
            compile_memory: 1 << 30,
            compile_time: Duration::from_secs(5 * 60),
        }
    }
}

/// Bytes of `account.credentials`, `publish-step.state` and `redirect.session` (contract).
pub(crate) const OPAQUE: usize = 64 << 10;
/// Bytes of a webhook's evidence for `continue-publish`.
pub(crate) const EVIDENCE: usize = 64 << 10;
/// Bytes of the response to a webhook, such as a challenge.
pub(crate) const WEBHOOK_RESPONSE: usize = 64 << 10;
/// Bytes of an id, a name, a code, a label or other text of one line.
pub const LINE: usize = 1 << 10;
/// Bytes of a bio, a caption, a notice, a guide's paragraph.
pub const TEXT: usize = 64 << 10;
/// Bytes of an address.
pub const URL: usize = 8 << 10;
/// Characters of a provider's error message or remedy; the rest is cut off.
pub(crate) const MESSAGE: usize = 2_000;
/// Entries of a list in a form, a descriptor, an account.
pub const ENTRIES: usize = 256;
/// Choices of one field; enough for a list of countries or languages.
pub(crate) const CHOICES: usize = 1_024;
/// Posts on one page.
pub(crate) const POSTS: usize = 1_000;
/// Deliveries in one webhook request.
pub(crate) const DELIVERIES: usize = 1_000;
/// Bytes of a storage key (contract).
pub const STORAGE_KEY: usize = 512;
/// Bytes of a storage value (contract).
pub const STORAGE_VALUE: usize = 64 << 10;
/// Bytes of a component file. A Python provider has 20 MB.
pub const LARGEST_COMPONENT: usize = 256 << 20;
