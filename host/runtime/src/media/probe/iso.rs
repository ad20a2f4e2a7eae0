//! MP4, QuickTime and their family: boxes in boxes.
//!
//! The boxes of the file are walked over by their headers alone. Whole is a file in which every box with pictures ends
//! before the file does, and whose index (`moov`) names pictures that are there.

use mp4_atom::{Atom, Co64, Mdhd, Mehd, Mvhd, Sidx, Stco, Stsc, Stsz, StszSamples, Stts, Tkhd};

use super::super::reference::Facts;
use super::damage::Damage;
use super::looked::{Looked, rounded, survived};
use super::reader::{Reader, Stop};

/// Bytes of a `moov` box. An hour of video at 60 frames a second has about 3 MiB.
const MOOV: u64 = 8 << 20;
/// Bytes of a `sidx` box, which has 12 for each of at most 65,535 parts.
const SIDX: u64 = 1 << 20;

/// What the walk has met.
#[derive(Default)]
struct Walk {
    movie: Option<Movie>,
    /// There is an index, and it is too large to be read here.
    unread: bool,
    /// A box with pictures or sound.
    content: bool,
    fragments: bool,
    /// All boxes were seen.
    to_the_end: bool,
}

/// What the index says.
#[derive(Default)]
struct Movie {
    facts: Facts,
    tracks: bool,
    pictures: bool,
    /// The index names no pictures, for each part of the file has its own.
    in_fragments: bool,
    /// Packed, as QuickTime once did: nothing can be said.
    packed: bool,
    /// The index names no picture at all.
    empty: bool,
    /// Where the last picture ends, where that can be told.
    end: Option<u64>,
}

pub(super) async fn look(reader: &mut Reader, needs_picture: bool) -> Result<Looked, Stop> {
    let mut walk = Walk::default();
    let damage = match walk_over(reader, &mut walk).await {
        Ok(Some(damage)) => Some(damage),
        Ok(None) | Err(Stop::Enough) => judge(&walk, reader.size(), needs_picture),
        Err(stop) => return Err(stop),
    };
    Ok(Looked { facts: walk.movie.unwrap_or_default().facts, damage })
}

/// What is against a file whose boxes are whole.
fn judge(walk: &Walk, size: u64, needs_picture: bool) -> Option<Damage> {
    let Some(movie) = &walk.movie else {
        return (walk.to_the_end && !walk.unread).then_some(Damage::NoIndex);
    };
    if movie.packed {
        return None;
    }
    if !movie.tracks {
        return Some(Damage::BrokenIndex);
    }
    if let Some(end) = movie.end.filter(|end| *end > size) {
        return Some(Damage::CutVideo { has: size, wants: end });
    }
    let in_parts = movie.in_fragments && (walk.fragments || !walk.to_the_end);
    let has_pictures = movie.pictures && (!movie.empty || in_parts);
    (needs_picture && !has_pictures).then_some(Damage::NoPicture)
}

async fn walk_over(reader: &mut Reader, walk: &mut Walk) -> Result<Option<Damage>, Stop> {
    let size = reader.size();
    let mut at = 0u64;
    while let Some(left) = size.checked_sub(at).filter(|left| *left >= 8) {
        let header = reader.read(at, left.min(16)).await?;
        // Behind the last box there may be padding, which is no box.
        let Some((kind, header, length)) = box_header(&header) else { break };
        let length = if length == 0 { left } else { length };
        let Some(mut next) = at.checked_add(length) else {
            return Ok(Some(Damage::CutVideo { has: size, wants: u64::MAX }));
        };
        let is_needed = matches!(&kind, b"mdat" | b"moov" | b"moof");
        if next > size && is_needed {
            return Ok(Some(Damage::CutVideo { has: size, wants: next }));
        }
        let content = length.saturating_sub(header);
        match &kind {
            b"moov" if content > MOOV => walk.unread = true,
            b"moov" => {
                let bytes = reader.read(at + header, content).await?;
                walk.movie = Some(survived(|| movie(&bytes)));
            }
            b"mdat" => walk.content |= content > 0,
            b"moof" => walk.fragments = true,
            b"sidx" if content <= SIDX && next <= size => {
                let bytes = reader.read(at + header, content).await?;
                // It says how long the parts are that follow: no need to look at each.
                if let Some(parts) = survived(|| parts(&bytes)) {
                    let Some(end) = next.checked_add(parts).filter(|end| *end <= size) else {
                        let wants = next.saturating_add(parts);
                        return Ok(Some(Damage::CutVideo { has: size, wants }));
                    };
                    walk.fragments |= parts > 0;
                    next = end;
                }
            }
            _ => {}
        }
        at = next;
        // Where everything is named by one index, nothing that follows matters.
        let is_known = walk.movie.as_ref().is_some_and(|movie| !movie.in_fragments);
        if walk.content && (is_known || walk.unread) {
            break;
        }
    }
    walk.to_the_end = true;
    Ok(None)
}

/// Kind, length of the header, length of the whole box; a length of 0 means "to the end".
fn box_header(bytes: &[u8]) -> Option<([u8; 4], u64, u64)> {
    let length = u32::from_be_bytes(bytes.get(0..4)?.try_into().ok()?);
    let kind: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
    if kind == [0; 4] {
        return None;
    }
    match length {
        1 => {
            let length = u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?);
            (length >= 16).then_some((kind, 16, length))
        }
        0 => Some((kind, 8, 0)),
        length => (length >= 8).then_some((kind, 8, u64::from(length))),
    }
}

/// The boxes inside a box, in order; ends at the first that makes no sense.
fn children(content: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = content;
    std::iter::from_fn(move || {
        let (kind, header, length) = box_header(rest)?;
        let length = if length == 0 { rest.len() } else { usize::try_from(length).ok()? };
        let child = rest.get(usize::try_from(header).ok()?..length)?;
        rest = rest.get(length..)?;
        Some((kind, child))
    })
}

fn child<'a>(content: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter()
        .try_fold(content, |content, kind| children(content).find(|(it, _)| it == *kind).map(|(_, it)| it))
}

fn atom<A: Atom>(content: &[u8], path: &[&[u8; 4]]) -> Option<A> {
    A::decode_body(&mut child(content, path)?).ok()
}

/// Bytes of the parts that a `sidx` box names, the distance to the first included.
fn parts(content: &[u8]) -> Option<u64> {
    let index = Sidx::decode_body(&mut &*content).ok()?;
    index
        .references
        .iter()
        .try_fold(index.first_offset, |sum, part| sum.checked_add(u64::from(part.referenced_size)))
}

/// Milliseconds; values that stand for "unknown" and absurd ones are none.
fn milliseconds(duration: u64, timescale: u32) -> Option<u64> {
    let known = duration != 0 && duration != u64::MAX && duration != u64::from(u32::MAX) && timescale != 0;
    known.then(|| u64::try_from(u128::from(duration) * 1000 / u128::from(timescale)).ok()).flatten()
}

fn movie(moov: &[u8]) -> Movie {
    let header: Option<Mvhd> = atom(moov, &[b"mvhd"]);
    let timescale = header.as_ref().map_or(0, |header| header.timescale);
    let fragments: Option<Mehd> = atom(moov, &[b"mvex", b"mehd"]);
    let duration = header
        .and_then(|header| milliseconds(header.duration, header.timescale))
        .or_else(|| milliseconds(fragments?.fragment_duration, timescale));
    let is_video = |track: &&[u8]| {
        child(track, &[b"mdia", b"hdlr"])
            .and_then(|handler| handler.get(8..12))
            .is_some_and(|it| it == b"vide")
    };
    let mut tracks = children(moov).filter(|(kind, _)| kind == b"trak").map(|(_, it)| it).peekable();
    let movie = Movie {
        tracks: tracks.peek().is_some(),
        in_fragments: child(moov, &[b"mvex"]).is_some(),
        packed: child(moov, &[b"cmov"]).is_some(),
        ..Movie::default()
    };
    let Some(track) = tracks.find(is_video) else {
        return Movie { facts: Facts { duration, ..Facts::default() }, ..movie };
    };
    let size: Option<Tkhd> = atom(track, &[b"tkhd"]);
    let size = size.map(|header| {
        let (width, height) = (u32::from(header.width.integer()), u32::from(header.height.integer()));
        // A quarter turn, as phones write it: what is seen is as wide as the track is high.
        let turned = header.matrix.a == 0 && header.matrix.d == 0 && header.matrix.b != 0;
        if turned { (height, width) } else { (width, height) }
    });
    let media: Option<Mdhd> = atom(track, &[b"mdia", b"mdhd"]);
    let table = child(track, &[b"mdia", b"minf", b"stbl"]).unwrap_or_default();
    let times: Option<Stts> = atom(table, &[b"stts"]);
    // Version and flags come before the fields of a full box, and the number of entries before the first.
    let sample = child(table, &[b"stsd"]).and_then(|it| it.get(12..16));
    let facts = Facts {
        duration: duration.or_else(|| milliseconds(media.as_ref()?.duration, media.as_ref()?.timescale)),
        width: size.map(|(width, _)| width).filter(|it| *it > 0),
        height: size.map(|(_, height)| height).filter(|it| *it > 0),
        frame_rate: times.and_then(|times| frame_rate(&times, media.as_ref()?.timescale)),
        codec: sample.and_then(codec),
    };
    // Version and flags, and the one size of all; then their number.
    let empty = child(table, &[b"stsz"]).and_then(|it| it.get(8..12)).is_some_and(|count| count == [0; 4]);
    let end = lies_here(track).then(|| end_of_samples(table)).flatten();
    Movie { facts, pictures: true, empty, end, ..movie }
}

/// Whether the samples lie in this file: an editor's may name another one.
fn lies_here(track: &[u8]) -> bool {
    // Version, flags, number of entries; of the first entry length, kind, version, and flags, of which the last bit says so.
    let references = child(track, &[b"mdia", b"minf", b"dinf", b"dref"]);
    references.and_then(|it| it.get(19)).is_none_or(|flags| flags & 1 == 1)
}

/// Where the last sample of a track ends. None: it has none here, or that cannot be told.
fn end_of_samples(table: &[u8]) -> Option<u64> {
    let mut sizes: Box<dyn Iterator<Item = u32>> = match atom::<Stsz>(table, &[b"stsz"])?.samples {
        StszSamples::Identical { count, size } => {
            Box::new(std::iter::repeat_n(size, usize::try_from(count).ok()?))
        }
        StszSamples::Different { sizes } => Box::new(sizes.into_iter()),
    };
    let offsets: Vec<u64> = match atom::<Stco>(table, &[b"stco"]) {
        Some(offsets) => offsets.entries.into_iter().map(u64::from).collect(),
        None => atom::<Co64>(table, &[b"co64"])?.entries,
    };
    let runs = atom::<Stsc>(table, &[b"stsc"])?.entries;
    let mut run = runs.iter().peekable();
    let (mut in_chunk, mut end) = (0u32, None);
    for (number, offset) in (1u32..).zip(offsets) {
        while let Some(next) = run.next_if(|run| run.first_chunk <= number) {
            in_chunk = next.samples_per_chunk;
        }
        let mut chunk = offset;
        for size in sizes.by_ref().take(usize::try_from(in_chunk).ok()?) {
            chunk = chunk.checked_add(u64::from(size))?;
            end = end.max(Some(chunk));
        }
    }
    end
}

/// The mean over the whole track.
fn frame_rate(times: &Stts, timescale: u32) -> Option<f64> {
    let (mut frames, mut length) = (0u64, 0u128);
    for entry in &times.entries {
        frames = frames.saturating_add(u64::from(entry.sample_count));
        length = length.saturating_add(u128::from(entry.sample_count) * u128::from(entry.sample_delta));
    }
    let rate = frames as f64 * f64::from(timescale) / length as f64;
    rounded(rate)
}

fn codec(entry: &[u8]) -> Option<String> {
    let name = match entry {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" => "h264",
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => "h265",
        b"av01" => "av1",
        b"vp08" => "vp8",
        b"vp09" => "vp9",
        b"mp4v" => "mpeg4",
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "prores",
        other => {
            let text = std::str::from_utf8(other).ok()?.trim();
            return text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| text.to_owned());
        }
    };
    Some(name.to_owned())
}
