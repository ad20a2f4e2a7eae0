//! Social Channel: social networks as WebAssembly providers.

pub mod error;
pub mod model;
mod secret;

pub use error::{Error, ErrorKind, Outcome, Result};
pub use secret::{SecretBytes, SecretText};
