//! `/api/v1`: the library's calls over HTTP, and their description.
//!
//! Bodies are the library's own types. Lists are arrays; if a list has another page, the header `Link` (RFC
//! 8288) names it.

mod apps;
mod channels;
mod connects;
mod document;
mod endpoints;
mod events;
mod files;
mod job_events;
mod jobs;
mod keys;
mod page;
mod path;
mod providers;
mod reference;
mod resumable;
mod routes;
mod uploads;

pub(crate) use reference::routes as reference_routes;
pub(crate) use routes::{description, router};
