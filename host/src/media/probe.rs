//! What media is, judged by its bytes: content type, length, pixels, frame rate, codec.
//!
//! The bytes come from strangers. So this module reads a bounded number of them, cuts out the small parts
//! that tell something, and hands only those to the libraries, inside a thread where even a panic of theirs
//! is only an unknown fact. Whatever cannot be found out stays unknown; only unreadable bytes are an error.

use std::io::{self, Cursor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::StreamExt;
use matroska_demuxer::{MatroskaFile, TrackType};
use mp4_atom::{Atom, Mdhd, Mehd, Mvhd, Stts, Tkhd};

use super::{Facts, MediaItem, ReadError, Source};
use crate::error::{Error, ErrorKind, Result};

/// Bytes looked at first; pictures and the tracks of a WebM file are in them.
const HEAD: u64 = 256 << 10;
/// Bytes of a `moov` box. An hour of video at 60 frames a second has about 3 MiB.
const MOOV: u64 = 8 << 20;
/// Boxes walked over in search of `moov`. A fragmented file has its `moov` before thousands of fragments.
const BOXES: usize = 64;
/// Bytes of the parts of a WebM file that tell something.
const TRACKS: usize = 1 << 20;

/// What the bytes say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) content_type: Option<String>,
    pub(super) facts: Facts,
}

/// Looks at media.
pub(super) async fn probe(item: &MediaItem) -> Result<Found> {
    let bytes = Bytes {
        source: item.source.clone(),
        size: item.reference.size,
        runtime: tokio::runtime::Handle::current(),
    };
    let task = tokio::task::spawn_blocking(move || {
        let head = bytes.read(0, HEAD.min(bytes.size))?;
        // A parser that panics has told us nothing, and that is all.
        Ok(catch_unwind(AssertUnwindSafe(|| look(&head, &bytes))).unwrap_or_default())
    });
    let result =
        task.await.map_err(|error| Error::internal("looking at the media was cut off").with_source(error))?;
    result.map_err(|error: io::Error| {
        Error::new(ErrorKind::Unavailable, "the media cannot be read now")
            .with_field("media")
            .with_remedy("Try again; if it stays so, check the disk or the server it lies on.")
            .with_source(error)
    })
}

/// Random access for the blocking thread.
struct Bytes {
    source: Source,
    size: u64,
    runtime: tokio::runtime::Handle,
}

impl Bytes {
    fn read(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let end = offset.checked_add(length).filter(|end| *end <= self.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut buffer = Vec::new();
        match &self.source {
            Source::File(file) => {
                buffer.resize(usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?, 0);
                file.read_exact_at(&mut buffer, offset)?;
            }
            Source::Url(url) => self.runtime.block_on(async {
                let mut stream = Box::pin(super::url::read(Arc::clone(url), offset, end));
                while let Some(chunk) = stream.next().await {
                    let chunk = chunk.map_err(|error: ReadError| io::Error::other(format!("{error:?}")))?;
                    buffer.extend_from_slice(&chunk);
                }
                io::Result::Ok(())
            })?,
            Source::Lost(error) => return Err(io::Error::other(format!("{error:?}"))),
        }
        Ok(buffer)
    }
}

fn look(head: &[u8], bytes: &Bytes) -> Found {
    let content_type = type_of_bytes(head);
    let facts = match content_type {
        Some("video/mp4" | "video/quicktime" | "video/3gpp" | "audio/mp4") => {
            moov(bytes).map(|moov| mp4(&moov)).unwrap_or_default()
        }
        Some("video/webm" | "video/x-matroska") => webm(head),
        Some(kind) if kind.starts_with("image/") => picture(head),
        _ => Facts::default(),
    };
    Found { content_type: content_type.map(str::to_owned), facts }
}

/// The content type by the first bytes.
fn type_of_bytes(head: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, bytes: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
    if at(4, b"ftyp") {
        return Some(match head.get(8..12)? {
            b"qt  " => "video/quicktime",
            b"M4A " | b"M4B " => "audio/mp4",
            b"heic" | b"heix" | b"heim" | b"heis" => "image/heic",
            b"mif1" | b"msf1" => "image/heif",
            b"avif" | b"avis" => "image/avif",
            [b'3', b'g', ..] => "video/3gpp",
            _ => "video/mp4",
        });
    }
    // QuickTime files of old begin with one of these boxes instead.
    if [b"moov", b"mdat", b"wide", b"skip", b"free", b"pnot"].iter().any(|kind| at(4, *kind)) {
        return Some("video/quicktime");
    }
    if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) {
        let webm = head.get(..64).unwrap_or(head).windows(4).any(|window| window == b"webm");
        return Some(if webm { "video/webm" } else { "video/x-matroska" });
    }
    let table: [(usize, &[u8], &'static str); 14] = [
        (0, &[0xff, 0xd8, 0xff], "image/jpeg"),
        (0, b"\x89PNG\r\n\x1a\n", "image/png"),
        (8, b"WEBP", "image/webp"),
        (0, b"GIF8", "image/gif"),
        (8, b"AVI ", "video/x-msvideo"),
        (0, b"FLV\x01", "video/x-flv"),
        (0, &[0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11], "video/x-ms-wmv"),
        (0, &[0x00, 0x00, 0x01, 0xba], "video/mpeg"),
        (0, &[0x00, 0x00, 0x01, 0xb3], "video/mpeg"),
        (0, b"%PDF-", "application/pdf"),
        (0, b"PK\x03\x04", "application/zip"),
        (0, b"<!DOCTYPE html", "text/html"),
        (0, b"<html", "text/html"),
        (0, b"#!", "text/x-script"),
    ];
    if let Some((_, _, kind)) = table.iter().find(|(offset, magic, _)| at(*offset, magic)) {
        return Some(kind);
    }
    // A transport stream repeats its sync byte in every packet of 188 bytes.
    ([0, 188, 376].iter().all(|offset| head.get(*offset) == Some(&0x47))).then_some("video/mp2t")
}

/// The content type by a file name, where the bytes tell none.
pub(super) fn type_of_name(name: &str) -> Option<String> {
    let (_, extension) = name.rsplit_once('.')?;
    Some(
        match extension.to_ascii_lowercase().as_str() {
            "mp4" | "m4v" => "video/mp4",
            "mov" => "video/quicktime",
            "webm" => "video/webm",
            "jpg" | "jpeg" => "image/jpeg",
            "png" => "image/png",
            "webp" => "image/webp",
            "gif" => "image/gif",
            "txt" => "text/plain",
            _ => return None,
        }
        .to_owned(),
    )
}

fn picture(head: &[u8]) -> Facts {
    let Ok(size) = imagesize::blob_size(head) else { return Facts::default() };
    Facts {
        width: u32::try_from(size.width).ok(),
        height: u32::try_from(size.height).ok(),
        ..Facts::default()
    }
}

// ---- MP4 and QuickTime ----------------------------------------------------------------------

/// Kind, length of the header, length of the whole box; a length of 0 means "to the end".
fn box_header(bytes: &[u8]) -> Option<([u8; 4], u64, u64)> {
    let length = u32::from_be_bytes(bytes.get(0..4)?.try_into().ok()?);
    let kind = bytes.get(4..8)?.try_into().ok()?;
    match length {
        1 => {
            let length = u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?);
            (length >= 16).then_some((kind, 16, length))
        }
        0 => Some((kind, 8, 0)),
        length => (length >= 8).then_some((kind, 8, u64::from(length))),
    }
}

/// The content of the file's `moov` box, wherever it stands.
fn moov(bytes: &Bytes) -> Option<Vec<u8>> {
    let mut at = 0u64;
    for _ in 0..BOXES {
        let left = bytes.size.checked_sub(at)?;
        let (kind, header, length) = box_header(&bytes.read(at, left.min(16)).ok()?)?;
        let length = if length == 0 { left } else { length };
        if kind == *b"moov" {
            let content = length.checked_sub(header).filter(|content| *content <= MOOV)?;
            return bytes.read(at + header, content).ok();
        }
        at = at.checked_add(length)?;
    }
    None
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

/// Milliseconds; values that stand for "unknown" and absurd ones are none.
fn milliseconds(duration: u64, timescale: u32) -> Option<u64> {
    let known = duration != 0 && duration != u64::MAX && duration != u64::from(u32::MAX) && timescale != 0;
    known.then(|| u64::try_from(u128::from(duration) * 1000 / u128::from(timescale)).ok()).flatten()
}

fn mp4(moov: &[u8]) -> Facts {
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
    let Some(track) = children(moov).filter(|(kind, _)| kind == b"trak").map(|(_, it)| it).find(is_video)
    else {
        return Facts { duration, ..Facts::default() };
    };
    let size: Option<Tkhd> = atom(track, &[b"tkhd"]);
    let size = size.map(|header| {
        let (width, height) = (u32::from(header.width.integer()), u32::from(header.height.integer()));
        // A quarter turn, as phones write it: what is seen is as wide as the track is high.
        let turned = header.matrix.a == 0 && header.matrix.d == 0 && header.matrix.b != 0;
        if turned { (height, width) } else { (width, height) }
    });
    let media: Option<Mdhd> = atom(track, &[b"mdia", b"mdhd"]);
    let times: Option<Stts> = atom(track, &[b"mdia", b"minf", b"stbl", b"stts"]);
    // Version and flags come before the fields of a full box, and the number of entries before the first.
    let sample = child(track, &[b"mdia", b"minf", b"stbl", b"stsd"]).and_then(|it| it.get(12..16));
    Facts {
        duration: duration.or_else(|| milliseconds(media.as_ref()?.duration, media.as_ref()?.timescale)),
        width: size.map(|(width, _)| width).filter(|it| *it > 0),
        height: size.map(|(_, height)| height).filter(|it| *it > 0),
        frame_rate: times.and_then(|times| frame_rate(&times, media.as_ref()?.timescale)),
        codec: sample.and_then(mp4_codec),
    }
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

/// To thousandths, so that 30000/1001 reads 29.97.
fn rounded(rate: f64) -> Option<f64> {
    (rate.is_finite() && rate > 0.0 && rate < 10_000.0).then(|| (rate * 1000.0).round() / 1000.0)
}

fn mp4_codec(entry: &[u8]) -> Option<String> {
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

// ---- WebM and Matroska ----------------------------------------------------------------------

const EBML_HEADER: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TRACK_LIST: u32 = 0x1654_ae6b;
const CLUSTER: [u8; 4] = 0x1f43_b675u32.to_be_bytes();
/// A size of which every bit is one: the element goes on to the end.
const UNKNOWN_SIZE: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// Id, length of the header, length of the content; none where the content goes on to the end.
fn element(bytes: &[u8]) -> Option<(u32, usize, Option<usize>)> {
    let id_length = bytes.first()?.leading_zeros() as usize + 1;
    let id = bytes.get(..id_length).filter(|id| id.len() <= 4)?;
    let id = id.iter().fold(0u32, |id, byte| id << 8 | u32::from(*byte));
    let size = bytes.get(id_length..)?;
    let size_length = size.first()?.leading_zeros() as usize + 1;
    let size = size.get(..size_length).filter(|size| size.len() <= 8)?;
    let mask = (1u64 << (7 * size_length)) - 1;
    let value = size.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte)) & mask;
    let content = if value == mask { None } else { Some(usize::try_from(value).ok()?) };
    Some((id, id_length + size_length, content))
}

/// The header, the segment's info and its tracks, as a small file of their own: nothing in it can point
/// outside, nor declare more than is there.
fn excerpt(head: &[u8]) -> Option<Vec<u8>> {
    let (id, header, content) = element(head)?;
    let start = header.checked_add(content?)?;
    let mut small = head.get(..start).filter(|_| id == EBML_HEADER)?.to_vec();
    let rest = head.get(start..)?;
    let (id, header, _) = element(rest)?;
    (id == SEGMENT).then_some(())?;
    small.extend_from_slice(&SEGMENT.to_be_bytes());
    small.extend_from_slice(&UNKNOWN_SIZE);
    let mut rest = rest.get(header..)?;
    let mut found = 0;
    while found < 2 {
        let (id, header, content) = element(rest)?;
        let length = header.checked_add(content?)?;
        if matches!(id, INFO | TRACK_LIST) {
            small.extend_from_slice(rest.get(..length).filter(|it| it.len() <= TRACKS)?);
            found += 1;
        }
        rest = rest.get(length..)?;
    }
    small.extend_from_slice(&CLUSTER);
    small.push(0x80);
    Some(small)
}

fn webm(head: &[u8]) -> Facts {
    let Some(file) = excerpt(head).and_then(|small| MatroskaFile::open(Cursor::new(small)).ok()) else {
        return Facts::default();
    };
    let scale = file.info().timestamp_scale().get() as f64;
    let duration = file.info().duration().map(|ticks| ticks * scale / 1e6);
    let track = file.tracks().iter().find(|track| track.track_type() == TrackType::Video);
    let video = track.and_then(|track| track.video());
    Facts {
        duration: duration.filter(|it| it.is_finite() && *it > 0.0 && *it < 1e15).map(|it| it.round() as u64),
        width: video.and_then(|video| u32::try_from(video.pixel_width().get()).ok()),
        height: video.and_then(|video| u32::try_from(video.pixel_height().get()).ok()),
        frame_rate: track
            .and_then(|track| track.default_duration())
            .and_then(|nanoseconds| rounded(1e9 / nanoseconds.get() as f64)),
        codec: track.map(|track| webm_codec(track.codec_id())),
    }
}

fn webm_codec(id: &str) -> String {
    match id {
        "V_VP8" => "vp8".to_owned(),
        "V_VP9" => "vp9".to_owned(),
        "V_AV1" => "av1".to_owned(),
        "V_MPEG4/ISO/AVC" => "h264".to_owned(),
        "V_MPEGH/ISO/HEVC" => "h265".to_owned(),
        other => other.chars().filter(char::is_ascii_graphic).take(64).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use mp4_atom::{Encode, FixedPoint, Matrix, SttsEntry};

    use super::*;
    use crate::egress::Egress;
    use crate::model::Media;

    fn boxed(kind: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        [&(u32::try_from(content.len()).unwrap() + 8).to_be_bytes(), &kind[..], &content].concat()
    }

    fn encoded(atom: &impl Encode) -> Vec<u8> {
        let mut bytes = Vec::new();
        atom.encode(&mut bytes).unwrap();
        bytes
    }

    /// A `moov` box of 12.5 seconds at 30000/1001 frames a second, filmed upright by a phone.
    fn moov_box() -> Vec<u8> {
        let header = Mvhd { timescale: 1000, duration: 12_500, ..Mvhd::default() };
        let turned = Matrix { a: 0, b: 0x10000, u: 0, c: -0x10000, d: 0, v: 0, x: 0, y: 0, w: 0x4000_0000 };
        let track = Tkhd {
            matrix: turned,
            width: FixedPoint::new(1920, 0),
            height: FixedPoint::new(1080, 0),
            ..Tkhd::default()
        };
        let media =
            Mdhd { timescale: 30_000, duration: 375_000, language: "und".to_owned(), ..Mdhd::default() };
        let times = Stts { entries: vec![SttsEntry { sample_count: 375, sample_delta: 1001 }] };
        let handler = |kind: &[u8; 4]| boxed(b"hdlr", &[&[0; 8], kind, &[0; 13]]);
        let sample = boxed(b"stsd", &[&[0; 4], &1u32.to_be_bytes(), &boxed(b"avc1", &[&[0; 78]])]);
        let table = boxed(b"stbl", &[&sample, &encoded(&times)]);
        let sound = boxed(b"trak", &[&encoded(&Tkhd::default()), &boxed(b"mdia", &[&handler(b"soun")])]);
        let picture = boxed(b"mdia", &[&encoded(&media), &handler(b"vide"), &boxed(b"minf", &[&table])]);
        boxed(b"moov", &[&encoded(&header), &sound, &boxed(b"trak", &[&encoded(&track), &picture])])
    }

    fn filmed() -> Facts {
        Facts {
            duration: Some(12_500),
            width: Some(1080),
            height: Some(1920),
            frame_rate: Some(29.97),
            codec: Some("h264".to_owned()),
        }
    }

    fn ebml(id: u32, content: &[u8]) -> Vec<u8> {
        let id = id.to_be_bytes();
        let id = id.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<_>>();
        let size = (u64::try_from(content.len()).unwrap() | 1 << 56).to_be_bytes();
        [&id, &size[..], content].concat()
    }

    fn webm_file() -> Vec<u8> {
        let header =
            ebml(EBML_HEADER, &[ebml(0x4282, b"webm"), ebml(0x4287, &[4]), ebml(0x4285, &[2])].concat());
        let info = [
            ebml(0x2a_d7b1, &1_000_000u32.to_be_bytes()),
            ebml(0x4489, &2_500.0f64.to_be_bytes()),
            ebml(0x4d80, b"test"),
            ebml(0x5741, b"test"),
        ];
        let video =
            ebml(0xe0, &[ebml(0xb0, &640u16.to_be_bytes()), ebml(0xba, &360u16.to_be_bytes())].concat());
        let track = [
            ebml(0xd7, &[1]),
            ebml(0x73c5, &[1]),
            ebml(0x83, &[1]),
            ebml(0x86, b"V_VP9"),
            ebml(0x23_e383, &40_000_000u32.to_be_bytes()),
            video,
        ];
        let tracks = ebml(TRACK_LIST, &ebml(0xae, &track.concat()));
        // A cue list that points far behind the end, as in a file that was cut.
        let seek = ebml(
            0x114d_9b74,
            &ebml(0x4dbb, &[ebml(0x53ab, &0x1c53_bb6bu32.to_be_bytes()), ebml(0x53ac, &[0x7f; 4])].concat()),
        );
        let clusters = ebml(0x1f43_b675, &[0; 1000]);
        let segment = [seek, ebml(INFO, &info.concat()), tracks, clusters].concat();
        [header, ebml(SEGMENT, &segment)].concat()
    }

    async fn found(name: &str, write: impl FnOnce(&mut std::fs::File)) -> crate::model::MediaInfo {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        write(&mut std::fs::File::create(&path).unwrap());
        MediaItem::open(&Media::file(path), &Egress::closed()).await.unwrap().info()
    }

    fn facts(info: crate::model::MediaInfo) -> (String, Facts) {
        let crate::model::MediaInfo { duration, width, height, frame_rate, codec, .. } = info;
        (info.content_type, Facts { duration, width, height, frame_rate, codec })
    }

    #[tokio::test]
    async fn an_mp4_tells_its_facts_wherever_they_stand() {
        let ftyp = boxed(b"ftyp", &[b"isom\0\0\x02\0isomiso2"]);
        let front = [&ftyp[..], &moov_box(), &boxed(b"mdat", &[&[0; 5000]])].concat();
        assert_eq!(
            facts(found("a.mp4", |file| file.write_all(&front).unwrap()).await),
            ("video/mp4".to_owned(), filmed())
        );
        // Behind five gigabytes that nobody has time to read.
        let behind = found("a.bin", |file| {
            let length = 5u64 << 30;
            file.write_all(&ftyp).unwrap();
            file.write_all(&[&1u32.to_be_bytes()[..], b"mdat", &length.to_be_bytes()].concat()).unwrap();
            file.seek(SeekFrom::Start(ftyp.len() as u64 + length)).unwrap();
            file.write_all(&moov_box()).unwrap();
        });
        assert_eq!(facts(behind.await), ("video/mp4".to_owned(), filmed()));
    }

    #[tokio::test]
    async fn a_webm_tells_its_facts() {
        let (kind, facts) = facts(found("a.webm", |file| file.write_all(&webm_file()).unwrap()).await);
        assert_eq!(kind, "video/webm");
        let wanted = Facts {
            duration: Some(2_500),
            width: Some(640),
            height: Some(360),
            frame_rate: Some(25.0),
            codec: Some("vp9".to_owned()),
        };
        assert_eq!(facts, wanted);
    }

    #[tokio::test]
    async fn a_name_that_lies_is_overruled_by_the_bytes() {
        for (bytes, kind) in [
            (&b"\xff\xd8\xff\xe0"[..], "image/jpeg"),
            (b"GIF89a\x10\0\x10\0", "image/gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"\0\0\0\x14ftypqt  ", "video/quicktime"),
            (b"%PDF-1.7", "application/pdf"),
            (b"<!DOCTYPE html>", "text/html"),
            (b"#!/bin/sh", "text/x-script"),
        ] {
            assert_eq!(found("a.mp4", |file| file.write_all(bytes).unwrap()).await.content_type, kind);
        }
        assert_eq!(found("a.mp4", |file| file.write_all(b"?").unwrap()).await.content_type, "video/mp4");
        assert_eq!(
            found("a", |file| file.write_all(b"?").unwrap()).await.content_type,
            "application/octet-stream"
        );
    }

    #[tokio::test]
    async fn garbage_is_survived() {
        let ftyp = boxed(b"ftyp", &[b"isom\0\0\x02\0"]);
        let huge =
            |kind: &[u8; 4], length: u64| [&1u32.to_be_bytes()[..], kind, &length.to_be_bytes()].concat();
        for tail in [
            vec![0xff; 10_000],
            vec![0; 10_000],
            huge(b"moov", u64::MAX),
            huge(b"moov", 1 << 40),
            huge(b"moov", 15),
            huge(b"mdat", u64::MAX - 4),
            boxed(b"moov", &[&huge(b"mvhd", u64::MAX), &[0xff; 100]]),
            boxed(b"free", &[]).repeat(10_000),
        ] {
            let bytes = [ftyp.clone(), tail].concat();
            let (kind, facts) = facts(found("a.mp4", |file| file.write_all(&bytes).unwrap()).await);
            assert_eq!((kind.as_str(), facts), ("video/mp4", Facts::default()));
        }
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_survived() {
        let (moov, webm_bytes) = (moov_box(), webm_file());
        for at in 0..moov.len() {
            mp4(&moov[..at]);
            let mut flipped = moov[8..].to_vec();
            if let Some(byte) = flipped.get_mut(at) {
                *byte ^= 0xff;
            }
            mp4(&flipped);
        }
        for at in 0..webm_bytes.len() {
            webm(&webm_bytes[..at]);
            let mut flipped = webm_bytes.clone();
            flipped[at] ^= 0xff;
            // The library may panic on what it was promised not to get; `probe` catches that.
            let _ = catch_unwind(|| webm(&flipped));
        }
    }
}
