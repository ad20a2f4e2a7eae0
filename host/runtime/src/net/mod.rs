//! Outbound network access: what the operator grants, which addresses are public, and the HTTP client.
//!
//! `policy` defines grants, `address` which addresses are public, `egress` the outbound requests of one app,
//! `proxy` the operator's proxy, `http_client` sends requests, `lookup` resolves names, `fetch` fetches a page as an anonymous visitor, `post` sends
//! a document. Nothing here depends on
//! providers.

pub(crate) mod address;
pub(crate) mod egress;
mod fetch;
pub(crate) mod http_client;
mod lookup;
pub(crate) mod policy;
mod post;
mod proxy;

pub use address::is_public;
pub use egress::{Clients, Egress};
pub(crate) use fetch::{Failure, chunk, get};
pub use fetch::{Fetched, fetch};
pub use http_client::{HttpBody, HttpClient, HttpFailure};
pub use policy::{ConnectTo, OriginPattern, Policy};
pub use post::{Posted, post};
pub use proxy::Proxy;
