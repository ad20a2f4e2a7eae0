//! WebM and Matroska: a segment of elements, of which the first tell what the clusters hold.

use std::io::Cursor;

use matroska_demuxer::{MatroskaFile, TrackType};

use super::super::reference::Facts;
use super::damage::Damage;
use super::looked::{Looked, rounded, survived};
use super::reader::{Reader, Stop};

/// Bytes of the parts that tell something.
const TRACKS: u64 = 1 << 20;

pub(super) const EBML_HEADER: u32 = 0x1a45_dfa3;
pub(super) const SEGMENT: u32 = 0x1853_8067;
pub(super) const INFO: u32 = 0x1549_a966;
pub(super) const TRACK_LIST: u32 = 0x1654_ae6b;
const CLUSTER: u32 = 0x1f43_b675;
/// A size of which every bit is one: the element goes on to the end.
const UNKNOWN_SIZE: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
/// The longest id and the longest size.
const LONGEST_HEADER: u64 = 12;

/// What the walk has met.
#[derive(Default)]
struct Walk {
    /// The EBML header, the segment's info and its tracks, as a small file of their own: nothing in it can point
    /// outside, nor declare more than is there.
    small: Vec<u8>,
    info: bool,
    tracks: bool,
    clusters: bool,
    /// Nothing that could follow was left out.
    to_the_end: bool,
}

pub(super) async fn look(reader: &mut Reader) -> Result<Looked, Stop> {
    let mut walk = Walk::default();
    let cut = match walk_over(reader, &mut walk).await {
        Ok(cut) => cut,
        Err(Stop::Enough) => None,
        Err(stop) => return Err(stop),
    };
    let seen = (walk.tracks, walk.clusters, walk.to_the_end);
    let told = survived(|| told(walk.small));
    let damage = cut.or(match (seen, &told) {
        ((false, _, true), _) => Some(Damage::NoIndex),
        ((true, false, true), _) => Some(Damage::NoPicture),
        (_, Told { read: true, pictures: false, .. }) => Some(Damage::NoPicture),
        _ => None,
    });
    Ok(Looked { facts: told.facts, damage })
}

/// Id, length of the header, length of the content; none where the content goes on to the end.
fn element(bytes: &[u8]) -> Option<(u32, u64, Option<u64>)> {
    let id_length = bytes.first()?.leading_zeros() as usize + 1;
    let id = bytes.get(..id_length).filter(|id| id.len() <= 4)?;
    let id = id.iter().fold(0u32, |id, byte| id << 8 | u32::from(*byte));
    let size = bytes.get(id_length..)?;
    let size_length = size.first()?.leading_zeros() as usize + 1;
    let size = size.get(..size_length).filter(|size| size.len() <= 8)?;
    let mask = (1u64 << (7 * size_length)) - 1;
    let value = size.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte)) & mask;
    let header = (id_length + size_length) as u64;
    Some((id, header, (value != mask).then_some(value)))
}

async fn walk_over(reader: &mut Reader, walk: &mut Walk) -> Result<Option<Damage>, Stop> {
    let size = reader.size();
    let cut = |wants| Ok(Some(Damage::CutVideo { has: size, wants }));
    let first = element(&reader.read(0, LONGEST_HEADER).await?);
    let Some((EBML_HEADER, header, Some(content))) = first else { return Ok(Some(Damage::BrokenIndex)) };
    let mut at = header.saturating_add(content);
    if at > size || content > TRACKS {
        return cut(at);
    }
    walk.small = reader.read(0, at).await?.to_vec();
    let Some((SEGMENT, header, segment)) = element(&reader.read(at, LONGEST_HEADER).await?) else {
        return if size.saturating_sub(at) < LONGEST_HEADER {
            cut(at.saturating_add(LONGEST_HEADER))
        } else {
            Ok(Some(Damage::BrokenIndex))
        };
    };
    walk.small.extend_from_slice(&SEGMENT.to_be_bytes());
    walk.small.extend_from_slice(&UNKNOWN_SIZE);
    at = at.saturating_add(header);
    let end = segment.map_or(size, |segment| at.saturating_add(segment));
    if end > size {
        return cut(end);
    }
    while at < end {
        let Some((id, header, content)) = element(&reader.read(at, LONGEST_HEADER).await?) else { break };
        walk.clusters |= id == CLUSTER;
        // Where everything is known, nothing that follows matters; the parts of a live recording have no length.
        let is_known = walk.info && walk.tracks && walk.clusters && segment.is_some();
        let Some(content) = content.filter(|_| !is_known) else { break };
        let next = at.saturating_add(header).saturating_add(content);
        if next > end {
            if matches!(id, CLUSTER | TRACK_LIST) {
                return cut(next);
            }
            break;
        }
        if matches!(id, INFO | TRACK_LIST) && content <= TRACKS {
            walk.small.extend_from_slice(&reader.read(at, next - at).await?);
            walk.info |= id == INFO;
            walk.tracks |= id == TRACK_LIST;
        }
        at = next;
    }
    walk.to_the_end = true;
    Ok(None)
}

/// What the library finds in the small file.
#[derive(Default)]
struct Told {
    read: bool,
    pictures: bool,
    facts: Facts,
}

fn told(mut small: Vec<u8>) -> Told {
    small.extend_from_slice(&CLUSTER.to_be_bytes());
    small.push(0x80);
    let Ok(file) = MatroskaFile::open(Cursor::new(small)) else { return Told::default() };
    let scale = file.info().timestamp_scale().get() as f64;
    let duration = file.info().duration().map(|ticks| ticks * scale / 1e6);
    let track = file.tracks().iter().find(|track| track.track_type() == TrackType::Video);
    let video = track.and_then(|track| track.video());
    let facts = Facts {
        duration: duration.filter(|it| it.is_finite() && *it > 0.0 && *it < 1e15).map(|it| it.round() as u64),
        width: video.and_then(|video| u32::try_from(video.pixel_width().get()).ok()),
        height: video.and_then(|video| u32::try_from(video.pixel_height().get()).ok()),
        frame_rate: track
            .and_then(|track| track.default_duration())
            .and_then(|nanoseconds| rounded(1e9 / nanoseconds.get() as f64)),
        codec: track.map(|track| codec(track.codec_id())),
    };
    Told { read: true, pictures: track.is_some(), facts }
}

fn codec(id: &str) -> String {
    match id {
        "V_VP8" => "vp8".to_owned(),
        "V_VP9" => "vp9".to_owned(),
        "V_AV1" => "av1".to_owned(),
        "V_MPEG4/ISO/AVC" => "h264".to_owned(),
        "V_MPEGH/ISO/HEVC" => "h265".to_owned(),
        other => other.chars().filter(char::is_ascii_graphic).take(64).collect(),
    }
}
