//! Media to publish: its source, its type, and reading it by ranges.
//!
//! A [`MediaItem`] is open; a [`MediaReference`] is stored in the job's row, so that another process can
//! reopen the same bytes and detect changes. Nothing here depends on guests or platforms: `capability::media`
//! passes the streams on.

mod expiry;
mod file;
mod item;
mod kept;
mod kind;
mod picture;
mod probe;
mod reference;
mod source;
mod url;

pub use expiry::expires_at;
pub use item::MediaItem;
pub use kept::{At, KeptBytes};
pub use picture::{Picture, picture, typed_picture};
pub use reference::{Absent, Facts, MediaReference, MediaStream, ReadError, Version};
