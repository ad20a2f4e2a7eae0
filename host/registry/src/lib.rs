//! Where providers come from: references, OCI registries, signatures, and the policy that says who may sign.
//!
//! Knows no database and no WebAssembly: a component is bytes with a digest. Nothing here runs without being asked for.

mod client;
mod credentials;
mod error;
mod identity;
mod key;
mod manifest;
mod oci;
mod push;
mod reference;
mod signature;
mod trust;

pub use client::{Client, Fetched, Network};
pub use credentials::{Credentials, Password};
pub use error::{Error, ErrorKind, Result};
pub use identity::TrustedIdentity;
pub use key::{PublicKey, SigningKey};
pub use push::{About, Pushed};
pub use reference::{Image, Reference};
pub use signature::Evidence;
pub use trust::{Signed, Signer, Trust, TrustedKey};
