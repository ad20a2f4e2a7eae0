//! HTTP API and web pages of Social Channel.
//!
//! A front door like the command line: it translates between HTTP and the library; the library makes all
//! decisions that other front doors need too. [`Server::bind`] binds the addresses, [`Server::prepare`] passes
//! them to the host, [`Server::run`] serves until it is stopped.
//!
//! ```no_run
//! # async fn example() -> social_channel::Result<()> {
//! use social_channel::Host;
//! use social_channel_server::{Config, Server};
//!
//! let server = Server::bind(Config::default()).await?;
//! let host = server.prepare(Host::builder())?.open().await?;
//! server.run(host, async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await
//! # }
//! ```
//!
//! | module | its job |
//! | --- | --- |
//! | [`Config`] | what the operator sets |
//! | `access` | keys, passwords and whose they are, signed-in browsers: what is kept of them |
//! | `connection` | how many connections, how long one may stand still, who makes room |
//! | `auth` | who asks: keys, cookies, CSRF tokens, the limit on guesses |
//! | `api` | `/api/v1`, and its description |
//! | `public` | routes for others: callbacks, webhooks, media, probes, metrics |
//! | `served` | bytes of media as an answer |
//! | `site` | files that platforms request |
//! | `page` | the web pages |
//! | `problem`, `wording` | failures as RFC 9457 documents, in words for who sent the request |

mod access;
mod api;
pub mod auth;
mod config;
mod connection;
mod extract;
mod limit;
mod metrics;
mod observe;
mod page;
mod problem;
mod public;
mod router;
mod serve;
mod served;
mod site;
mod state;
mod strict;
mod wording;

pub use access::{Access, ApiKey, CreatedApiKey, Person};
pub use config::{Config, Listen, Network};
pub use problem::Problem;
pub use router::router;
pub use serve::{Server, serve};
pub use site::{SITE_FILE, Site, SiteFile};
pub use state::State;

/// The description of the API, as it is served.
pub fn openapi() -> serde_json::Value {
    api::description()
}
