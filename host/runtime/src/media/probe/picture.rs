//! JPEG, PNG and WebP: is the end there? What a picture shows is for those who draw it.

use super::super::reference::Facts;
use super::damage::Damage;
use super::looked::{Looked, survived};
use super::reader::{Reader, Stop};

/// Bytes at the end in which the end of a picture is looked for: cameras and editors put their own behind it.
const TAIL: u64 = 64 << 10;
/// Bytes read on where it is not there, as behind a photo with a film in it.
const SCAN: u64 = 8 << 20;
/// Bytes read at once by then.
const STRIDE: u64 = 256 << 10;

pub(super) async fn look(reader: &mut Reader, kind: &str, head: &[u8]) -> Result<Looked, Stop> {
    let mut facts = survived(|| size_of(head));
    let damage = match kind {
        "image/jpeg" => jpeg(reader, &mut facts).await,
        "image/png" => png(reader).await,
        "image/webp" => webp(reader, head),
        _ => Ok(None),
    };
    match damage {
        Ok(damage) => Ok(Looked { facts, damage }),
        Err(Stop::Enough) => Ok(Looked { facts, damage: None }),
        Err(stop) => Err(stop),
    }
}

fn size_of(head: &[u8]) -> Facts {
    let Ok(size) = imagesize::blob_size(head) else { return Facts::default() };
    Facts {
        width: u32::try_from(size.width).ok(),
        height: u32::try_from(size.height).ok(),
        ..Facts::default()
    }
}

/// Segments up to the first scan, over which there is no way but to its end.
async fn jpeg(reader: &mut Reader, facts: &mut Facts) -> Result<Option<Damage>, Stop> {
    let mut at = 2u64;
    let mut has_frame = false;
    let scan = loop {
        let segment = reader.read(at, 9).await?;
        let [0xff, marker, rest @ ..] = &*segment else {
            // What is no marker is for those who draw it.
            return Ok((segment.len() < 2).then_some(Damage::NoEnd));
        };
        match marker {
            0xff => {
                at += 1;
                continue;
            }
            0x01 | 0xd0..=0xd8 => {
                at += 2;
                continue;
            }
            0xd9 => return Ok(Some(Damage::NoPicture)),
            _ => {}
        }
        let Some(length) = rest.first_chunk::<2>().map(|it| u64::from(u16::from_be_bytes(*it))) else {
            return Ok(Some(Damage::NoEnd));
        };
        // Start of frame: precision, lines, samples in a line.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            has_frame = true;
            if let (None, [_, _, _, lines @ ..]) = (facts.height, rest)
                && let [a, b, c, d] = lines
            {
                // A photo with large notes of its camera before it.
                facts.height = Some(u32::from(u16::from_be_bytes([*a, *b])));
                facts.width = Some(u32::from(u16::from_be_bytes([*c, *d])));
            }
        }
        at += 2 + length.max(2);
        if *marker == 0xda {
            break at;
        }
    };
    if !has_frame {
        return Ok(Some(Damage::NoPicture));
    }
    let has_end = |bytes: &[u8]| bytes.windows(2).any(|it| it == [0xff, 0xd9]);
    let size = reader.size();
    if scan >= size {
        return Ok(Some(Damage::NoEnd));
    }
    let tail = size.saturating_sub(TAIL).max(scan);
    // Within a scan these two bytes never follow each other.
    if has_end(&reader.read(tail, TAIL).await?) {
        return Ok(None);
    }
    let mut at = scan;
    while at < tail {
        if at - scan >= SCAN {
            return Err(Stop::Enough);
        }
        // One byte of the next, for an end between two of them.
        if has_end(&reader.read(at, STRIDE + 1).await?) {
            return Ok(None);
        }
        at += STRIDE;
    }
    Ok(Some(Damage::NoEnd))
}

/// Chunks, of which the last is empty and says so.
async fn png(reader: &mut Reader) -> Result<Option<Damage>, Stop> {
    let size = reader.size();
    let tail = reader.read(size.saturating_sub(TAIL), TAIL).await?;
    let has_data = |bytes: &[u8]| bytes.windows(4).any(|it| it == b"IDAT");
    if tail.windows(8).any(|it| it == b"\0\0\0\0IEND") {
        // A picture without one has its empty end right behind its head.
        let is_empty = size < TAIL && !has_data(&tail);
        return Ok(is_empty.then_some(Damage::NoPicture));
    }
    let mut at = 8u64;
    loop {
        let chunk = reader.read(at, 8).await?;
        let Some((length, kind)) = chunk.split_first_chunk::<4>() else { return Ok(Some(Damage::NoEnd)) };
        if kind == b"IEND" {
            return Ok(None);
        }
        // Length and name before the content, a check sum behind it.
        at += u64::from(u32::from_be_bytes(*length)) + 12;
        if at > size {
            return Ok(Some(Damage::CutPicture { has: size, wants: at }));
        }
    }
}

/// The file says at its beginning how long it is.
fn webp(reader: &Reader, head: &[u8]) -> Result<Option<Damage>, Stop> {
    let length = head.get(4..8).and_then(|it| it.first_chunk::<4>()).map(|it| u32::from_le_bytes(*it));
    let wants = u64::from(length.unwrap_or_default()) + 8;
    if wants > reader.size() {
        return Ok(Some(Damage::CutPicture { has: reader.size(), wants }));
    }
    Ok((!matches!(head.get(12..15), Some(b"VP8"))).then_some(Damage::NoPicture))
}
