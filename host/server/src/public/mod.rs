//! Routes for others: platforms (callbacks, webhooks, media, files that they request), and monitoring
//! (probes, metrics).

/// For answers whose bytes a provider, a tenant or a platform chose: a page among them loads and runs nothing, and is
/// of no origin.
const FOREIGN_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

mod callback;
mod file;
mod media;
mod probes;
mod routes;
mod webhook;

pub(crate) use callback::router as callback_router;
pub(crate) use file::fallback;
pub(crate) use routes::router;
