//! HTTP API and web pages of Social Channel.
//!
//! A front door like the command line: it translates between HTTP and the library and decides nothing that
//! another front door would have to decide again. [`Server::bind`] takes the addresses, [`Server::prepare`]
//! tells the host what it must know of them, [`Server::run`] serves until it is told to stop.
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
//! | `auth` | who asks: keys, cookies, CSRF tokens, the limit on guesses |
//! | `api` | `/api/v1`, and its description |
//! | `outside` | what others call: callbacks, webhooks, media, probes, metrics |
//! | `page` | what people see |
//! | `problem` | failures as RFC 9457 documents |

mod api;
pub mod auth;
mod config;
mod extract;
mod limit;
mod observe;
mod outside;
mod page;
mod problem;
mod router;
mod serve;
mod state;
mod strict;

pub use config::{Config, Listen};
pub use problem::Problem;
pub use router::router;
pub use serve::{Server, serve};
pub use state::State;

/// The description of the API, as it is served.
pub fn openapi() -> serde_json::Value {
    api::description()
}
