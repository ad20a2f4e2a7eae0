//! What media is, judged by its bytes: content type, length, pixels, frame rate, codec, and whether it is whole.
//!
//! The bytes come from strangers. So this module reads a bounded number of them, cuts out the small parts
//! that tell something, and hands only those to the libraries, where even a panic of theirs is only an unknown fact.
//! Whatever cannot be found out stays unknown and is no fault; only unreadable bytes are an error.
//!
//! | file | job |
//! | --- | --- |
//! | `reader` | bounded reads from anywhere in a file or at an address |
//! | `iso`, `matroska`, `picture` | one family of formats each |
//! | `looked` | what each of them says, and what they share |
//! | `damage` | what is wrong, in one sentence |

mod damage;
mod iso;
mod looked;
mod matroska;
mod picture;
mod reader;

use bytes::Bytes;

use self::looked::Looked;
use self::reader::{Reader, Stop};
use super::kind;
use super::reference::Facts;
use super::source::Source;
use crate::error::{Error, ErrorKind, Result};

pub(super) use self::damage::{Damage, lie};

/// Bytes looked at first; pictures and the tracks of a WebM file are in them.
const HEAD: u64 = 256 << 10;

/// What the bytes say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) content_type: Option<&'static str>,
    pub(super) facts: Facts,
    /// What makes them unfit for any platform.
    pub(super) damage: Option<Damage>,
    pub(super) head: Bytes,
}

/// Looks at media. Dropping the future ends the look.
pub(super) async fn probe(source: &Source, size: u64) -> Result<Found> {
    let mut reader = Reader::new(source.clone(), size);
    look(&mut reader).await.or_else(|stop| match stop {
        Stop::Enough => Ok(Found::default()),
        Stop::Unreadable(error) => Err(Error::new(ErrorKind::Unavailable, "the media cannot be read now")
            .with_field("media")
            .with_remedy("Try again; if it stays so, check the disk or the server it lies on.")
            .with_source(error)),
    })
}

async fn look(reader: &mut Reader) -> Result<Found, Stop> {
    let head = reader.head(HEAD).await?;
    let content_type = kind::of_bytes(&head);
    let looked = match content_type {
        Some("video/mp4" | "video/quicktime" | "video/3gpp") => iso::look(reader, true).await?,
        Some("audio/mp4") => iso::look(reader, false).await?,
        Some("video/webm" | "video/x-matroska") => matroska::look(reader).await?,
        Some(kind) if kind.starts_with("image/") => picture::look(reader, kind, &head).await?,
        _ => Looked::default(),
    };
    Ok(Found { content_type, facts: looked.facts, damage: looked.damage, head })
}

#[cfg(test)]
mod tests;
