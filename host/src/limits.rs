//! Every number that bounds what a provider may use or return.
//!
//! [`Limits`] holds what an embedding program may change. The constants below it are part of the contract
//! or so generous that nobody needs another value. This module only names numbers; who enforces them says
//! so where it does.

use std::time::Duration;

/// What one call of a provider may use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of linear memory, all memories of one instance together. A provider in Rust needs about 2 MiB,
    /// one in Python 16 MiB.
    pub memory: usize,
    /// Elements in all tables of one instance together. A Python runtime needs about 10,000.
    pub table_elements: usize,
    /// The longest time without progress (an answer, a byte moved), waiting and computing alike.
    pub idle: Duration,
    /// The longest time in all. A chunk of 64 MB passes in it at 1 Mbit/s.
    pub total: Duration,
    /// Bytes a guest may hand to the host in one crossing. A small guest memory can describe a huge value:
    /// a million list items that are all the same long text.
    pub crossing: usize,
    /// Handles (streams, requests, headers, media items) that are alive at the same time.
    pub handles: usize,
    /// Calls at the same time in this process; further ones wait.
    pub calls: usize,
    /// Bytes of the body of one answer from the network.
    pub response_body: u64,
    /// Bytes of the headers of one answer, names and values.
    pub response_headers: usize,
    /// Bytes of the headers of one request, names and values, as they lie in memory.
    pub request_headers: usize,
    /// Bytes of standard error kept of one call.
    pub stderr: usize,
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
            response_body: 32 << 20,
            response_headers: 64 << 10,
            request_headers: 64 << 10,
            stderr: 8 << 10,
        }
    }
}

/// Bytes of `account.credentials`, `publish-step.state` and `redirect.session` (contract).
pub(crate) const OPAQUE: usize = 64 << 10;
/// Bytes of what a webhook leaves for `continue-publish`.
pub(crate) const EVIDENCE: usize = 64 << 10;
/// Bytes of the answer to a webhook, such as a challenge.
pub(crate) const WEBHOOK_RESPONSE: usize = 64 << 10;
/// Bytes of an id, a name, a code, a label: whatever stands in one line.
pub(crate) const LINE: usize = 1 << 10;
/// Bytes of a bio, a caption, a notice, a guide's paragraph.
pub(crate) const TEXT: usize = 64 << 10;
/// Bytes of an address.
pub(crate) const URL: usize = 8 << 10;
/// Characters of a provider's error message or remedy; the rest is cut off.
pub(crate) const MESSAGE: usize = 2_000;
/// Entries of a list in a form, a descriptor, an account.
pub(crate) const ENTRIES: usize = 256;
/// Choices of one field: a list of countries or languages fits.
pub(crate) const CHOICES: usize = 1_024;
/// Posts on one page.
pub(crate) const POSTS: usize = 1_000;
/// Deliveries in one webhook request.
pub(crate) const DELIVERIES: usize = 1_000;
/// Bytes of a storage key (contract).
pub(crate) const STORAGE_KEY: usize = 512;
/// Bytes of a storage value (contract).
pub(crate) const STORAGE_VALUE: usize = 64 << 10;
/// Bytes of a component file. A Python provider has 20 MB.
pub(crate) const COMPONENT: usize = 256 << 20;
