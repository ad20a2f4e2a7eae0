//! A strict simulator of TikTok's servers: Login Kit v2, Display API v2 and the Content Posting API
//! (Direct Post and drafts), with a virtual clock, scripted faults and a log of every request.
//!
//! In process:
//!
//! ```no_run
//! # async fn story() -> anyhow::Result<()> {
//! use tiktok_simulator::{Action, Fault, Simulator, World};
//!
//! let simulator = Simulator::start(World::demo()).await?;
//! println!("point your client at {}", simulator.origin());
//! simulator.faults().add(Fault::new(Action::Reset).path("/v2/oauth/token/").after());
//! // ... drive the client ...
//! simulator.clock().advance(std::time::Duration::from_secs(7200));
//! assert!(simulator.violations().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! As a program, see `README.md`. It refuses what TikTok is documented or known to refuse, and names the
//! rule in the header `x-simulator-reason` and in the log. Rule numbers are sections of the project's TikTok
//! contract; the README describes each.

mod auth;
mod authorize;
mod call;
mod catalogue;
mod clock;
mod control;
mod creator;
mod describe;
mod display;
mod draft;
mod envelope;
mod faults;
mod html;
mod inspect;
mod limits;
mod log;
mod media;
mod oauth;
mod outbound;
mod page;
mod picture;
mod plan;
mod platform;
mod post;
#[cfg(feature = "proxy")]
mod proxy;
mod publish;
mod pull;
mod random;
mod reading;
mod route;
mod rules;
mod schedule;
mod server;
mod simulator;
mod state;
mod status;
mod switches;
mod upload;
mod webhooks;
mod wire;
mod world;

pub use catalogue::{CODES, CodeEntry};
pub use clock::Clock;
pub use describe::{DescribedApp, Description, Mapping};
pub use faults::{Action, Fault, Faults, Match, When};
pub use inspect::{GrantView, Inspection, PublishState, PublishView};
pub use log::{Exchange, Finding, RefreshUse, Refusal, Violation};
pub use platform::Platform;
pub use post::{Kind, Post};
pub use rules::{RULES, Rule, explain};
pub use simulator::Simulator;
pub use state::Counts;
pub use switches::{
    AutoConsent, DraftEnd, FailureData, IdForm, Megabyte, MissingScope, ParamCode, Switches, TokenProfile,
    UploadedBytes,
};
pub use webhooks::Delivery;
pub use world::{Account, App, SCOPES, Secret, Stage, Video, World};
