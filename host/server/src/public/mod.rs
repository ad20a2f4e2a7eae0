//! Routes for others: platforms (callbacks, webhooks, media, files that they request), and monitoring
//! (probes, metrics).

mod callback;
mod file;
mod media;
mod probes;
mod routes;
mod webhook;

pub(crate) use callback::router as callback_router;
pub(crate) use file::fallback;
pub(crate) use routes::router;
