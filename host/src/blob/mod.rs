//! Files that the host stores: in a folder, or in a bucket of any S3. Both are places of the one interface `files`, with
//! one folder per tenant and a name that is given once. Bytes pass through in pieces, so memory use is constant.
//!
//! Components are no files of it: they stay in the database. They are few and small, each is needed by every process at its
//! start, and which one an app runs changes in one transaction with the bytes.

mod files;
mod folder;
mod open;
mod part;
mod place;
#[cfg(feature = "s3")]
mod s3;
mod upload;

/// What uploads leave of the disk by default: the database's log grows to some megabytes, and a service beside it has
/// logs of its own.
pub(crate) const DISK_RESERVE: u64 = 256 << 20;

pub(crate) use files::gone;
pub(crate) use open::{OpenBlob, doubt_beside_remote};
pub use part::PartialUpload;
pub use place::Blob;
pub(crate) use upload::Uploads;
pub use upload::{NewUpload, Upload};
