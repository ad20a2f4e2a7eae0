//! Media of every sort, whole and not. `fixtures/media/make.sh` says how each file was made.

use std::io::{Seek, SeekFrom, Write};

use mp4_atom::{Encode, FixedPoint, Matrix, Mdhd, Mvhd, Stts, SttsEntry, Tkhd};

use super::matroska::{EBML_HEADER, INFO, SEGMENT, TRACK_LIST};
use super::*;
use crate::error::ErrorKind;
use crate::media::MediaItem;
use crate::model::Media;
use crate::net::egress::Egress;

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
    let media = Mdhd { timescale: 30_000, duration: 375_000, language: "und".to_owned(), ..Mdhd::default() };
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
    let header = ebml(EBML_HEADER, &[ebml(0x4282, b"webm"), ebml(0x4287, &[4]), ebml(0x4285, &[2])].concat());
    let info = [
        ebml(0x2a_d7b1, &1_000_000u32.to_be_bytes()),
        ebml(0x4489, &2_500.0f64.to_be_bytes()),
        ebml(0x4d80, b"test"),
        ebml(0x5741, b"test"),
    ];
    let video = ebml(0xe0, &[ebml(0xb0, &640u16.to_be_bytes()), ebml(0xba, &360u16.to_be_bytes())].concat());
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
    crate::media::MediaItem::open(&Media::file(path), &Egress::closed()).await.unwrap().info()
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
    let huge = |kind: &[u8; 4], length: u64| [&1u32.to_be_bytes()[..], kind, &length.to_be_bytes()].concat();
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

fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

async fn opened(name: &str, bytes: &[u8]) -> MediaItem {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    MediaItem::open(&Media::file(path), &Egress::closed()).await.unwrap()
}

/// What stands against these bytes under this name, in one sentence.
async fn fault(name: &str, bytes: &[u8]) -> Option<String> {
    opened(name, bytes).await.fault().map(|error| {
        assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("media")));
        assert!(error.remedy.is_some(), "{error:?}");
        error.message
    })
}

/// Name, content type, codec.
const GOOD: [(&str, &str, Option<&str>); 21] = [
    ("index-last.mp4", "video/mp4", Some("h264")),
    ("index-first.mp4", "video/mp4", Some("h264")),
    ("with-sound.mp4", "video/mp4", Some("h264")),
    ("fragments.mp4", "video/mp4", Some("h264")),
    ("fragments-indexed.mp4", "video/mp4", Some("h264")),
    ("fragments-dash.mp4", "video/mp4", Some("h264")),
    ("turned.mp4", "video/mp4", Some("h264")),
    ("hevc.mp4", "video/mp4", Some("h265")),
    ("quicktime.mov", "video/quicktime", Some("h264")),
    ("motion-jpeg.mov", "video/quicktime", Some("jpeg")),
    ("variable-rate.mp4", "video/mp4", Some("h264")),
    ("edit-list.mp4", "video/mp4", Some("h264")),
    ("edit-list-cut.mp4", "video/mp4", Some("h264")),
    ("vp8.webm", "video/webm", Some("vp8")),
    ("vp9.webm", "video/webm", Some("vp9")),
    ("live.webm", "video/webm", Some("vp8")),
    ("photo.jpg", "image/jpeg", None),
    ("photo.png", "image/png", None),
    ("photo.webp", "image/webp", None),
    ("lossless.webp", "image/webp", None),
    ("sound.m4a", "audio/mp4", None),
];

#[tokio::test]
async fn what_phones_and_encoders_make_is_whole() {
    for (name, kind, codec) in GOOD {
        let bytes = fixture(name);
        // Whatever it is called.
        for name in [name, "a.mp4", "a.webp", "a"] {
            let item = opened(name, &bytes).await;
            let info = item.info();
            assert!(item.fault().is_none(), "{name}: {:?}", item.fault());
            assert_eq!((info.content_type.as_str(), info.codec.as_deref()), (kind, codec), "{name}");
        }
        let info = opened(name, &bytes).await.info();
        let wanted = match name {
            "sound.m4a" => (None, None),
            "turned.mp4" => (Some(48), Some(64)),
            _ => (Some(64), Some(48)),
        };
        assert_eq!((info.width, info.height), wanted, "{name}");
    }
}

#[tokio::test]
async fn a_file_that_was_cut_is_noticed_wherever_it_was_cut() {
    for (name, spare) in [
        ("index-last.mp4", 0),
        ("index-first.mp4", 0),
        ("with-sound.mp4", 0),
        ("turned.mp4", 0),
        ("hevc.mp4", 0),
        ("quicktime.mov", 0),
        ("edit-list.mp4", 0),
        ("vp8.webm", 0),
        ("vp9.webm", 0),
        ("photo.jpg", 0),
        // The check sum of the last chunk, which is empty.
        ("photo.png", 4),
        ("photo.webp", 0),
        ("lossless.webp", 0),
    ] {
        let bytes = fixture(name);
        for length in (1..bytes.len() - spare).rev().step_by(bytes.len() / 150 + 1).chain(12..40) {
            let said = fault(name, &bytes[..length]).await;
            assert!(said.is_some(), "{name} at {length} of {}", bytes.len());
        }
    }
    // Parts that say nothing of each other: inside of any of them.
    for name in ["fragments.mp4", "fragments-dash.mp4", "fragments-indexed.mp4", "live.webm"] {
        let bytes = fixture(name);
        let mark: &[u8] = if name == "live.webm" { &[0x1f, 0x43, 0xb6, 0x75] } else { b"mdat" };
        let last = bytes.windows(4).rposition(|it| it == mark).unwrap();
        assert!(fault(name, &bytes[..last + 12]).await.is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_fault_is_said_in_one_sentence() {
    let (first, last) = (fixture("index-first.mp4"), fixture("index-last.mp4"));
    let jpeg = fixture("photo.jpg");
    for (name, bytes, said) in [
        (
            "cut.mp4",
            &first[..1900],
            format!("cut.mp4 is cut short: it ends before its video does (1900 of {} bytes)", first.len()),
        ),
        ("cut.jpg", &jpeg[..700], "cut.jpg is cut short: it ends before its picture does".to_owned()),
        (
            "a.mp4",
            &[0; 100_000],
            "a.mp4 holds only zeros: its copy or its download did not finish".to_owned(),
        ),
        ("a.mp4", b"<!doctype html><p>x", "a.mp4 is a web page, not the file itself".to_owned()),
        ("a.jpg", b"\xef\xbb\xbf\r\n <HTML><body>", "a.jpg is a web page, not the file itself".to_owned()),
        ("a.webm", "{\"fehler\": \"größer\"}".as_bytes(), "a.webm holds text, not pictures".to_owned()),
        ("a.mov", b"\x01\x02\x03", "a.mov is no MOV file: its bytes are others".to_owned()),
        ("a.mp4", &fixture("sound.mp4"), "a.mp4 holds no picture, only sound or nothing".to_owned()),
        ("a.webm", &fixture("sound.webm"), "a.webm holds no picture, only sound or nothing".to_owned()),
    ] {
        assert_eq!(fault(name, bytes).await, Some(said));
    }
    let end = last.windows(4).position(|it| it == b"moov").unwrap() - 4;
    let said = fault("a.mp4", &last[..end]).await.unwrap();
    assert!(said.contains("has no index"), "{said}");
    let mut broken = last.clone();
    broken[end + 8..].fill(0);
    let said = fault("a.mp4", &broken).await.unwrap();
    assert!(said.contains("has an index that nobody can read"), "{said}");
    // Only its beginning: no part with pictures follows.
    let parts = fixture("fragments.mp4");
    let first = parts.windows(4).position(|it| it == b"moof").unwrap() - 4;
    assert!(fault("a.mp4", &parts[..first]).await.unwrap().contains("holds no picture"));
    // The pictures of an index go on behind the end, though the box that holds them goes to the end.
    let mut open = fixture("index-first.mp4");
    let mdat = open.windows(4).position(|it| it == b"mdat").unwrap();
    open[mdat - 4..mdat].fill(0);
    assert!(fault("a.mp4", &open).await.is_none());
    open.truncate(open.len() - 1);
    assert!(fault("a.mp4", &open).await.unwrap().contains("ends before its video does"));
}

#[tokio::test]
async fn a_file_of_many_parts_is_looked_through() {
    let free = boxed(b"free", &[]);
    let (ftyp, rest) = (fixture("index-last.mp4"), 32);
    // In front of the index, and instead of it.
    let padded = [&ftyp[..rest], &free.repeat(10_000)].concat();
    assert!(fault("a.mp4", &padded).await.unwrap().contains("has no index"));
    let fragments = fixture("fragments.mp4");
    let first = fragments.windows(4).position(|it| it == b"moof").unwrap() - 4;
    let end = fragments.windows(4).position(|it| it == b"mfra").unwrap() - 4;
    let parts = fragments[first..end].repeat(800);
    let long = [&fragments[..first], &parts].concat();
    assert!(fault("a.mp4", &long).await.is_none());
    assert!(fault("a.mp4", &long[..long.len() - 1]).await.unwrap().contains("ends before its video does"));
}

#[tokio::test]
async fn what_cameras_put_behind_a_picture_does_no_harm() {
    for name in ["photo.jpg", "photo.png", "photo.webp", "index-first.mp4", "vp8.webm"] {
        for behind in [vec![0; 700_000], vec![0xaa; 700_000], fixture("index-last.mp4")] {
            let bytes = [fixture(name), behind].concat();
            assert_eq!(fault(name, &bytes).await, None, "{name}");
        }
    }
}

#[tokio::test]
async fn every_flipped_byte_is_survived() {
    for (name, ..) in GOOD {
        let bytes = fixture(name);
        for at in (0..bytes.len()).step_by(bytes.len() / 200 + 1) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0xff;
            opened(name, &flipped).await;
        }
    }
}
