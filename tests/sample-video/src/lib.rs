//! Real MP4 files of an exact size, without an encoder: uncompressed H.264 pictures, thirty a second.
//!
//! Platforms look into what they are sent, so a file of zeros tests little. Where a test only moves bytes, [`write_sparse`]
//! makes a file that takes no room: whole by its index, and black.

mod h264;

use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use mp4_atom::{
    Avc1, Avcc, Codec, Dinf, Dref, DrefEntry, Encode as _, Ftyp, Hdlr, Mdhd, Mdia, Minf, Moov, Mvhd, Stbl,
    Stco, Stsc, StscEntry, Stsd, Stsz, StszSamples, Stts, SttsEntry, Tkhd, Trak, Url, Visual, Vmhd,
};

/// Frames a second.
const RATE: u32 = 30;
/// The head of a box: its length and its name.
const BOX_HEAD: u64 = 8;

/// Writes a playable MP4 of exactly `size` bytes.
///
/// # Errors
/// When not even one frame fits (about 400 kB), when `size` exceeds what a 32-bit box can contain, or when
/// the file cannot be written.
pub fn write(path: &Path, size: u64) -> Result<()> {
    if size > u32::MAX.into() {
        bail!("{size} bytes are more than 4 GiB");
    }
    // Pictures with different ids may differ in length by about a byte.
    let longest = (h264::picture(0).len().max(h264::picture(1).len()) + 4) as u64;
    let head = |frames: u64| -> Result<Vec<u8>> {
        header(&StszSamples::Different { sizes: vec![longest as u32; frames as usize] })
    };
    let mut frames = size / longest;
    while frames > 0 && head(frames)?.len() as u64 + 2 * BOX_HEAD + frames * longest > size {
        frames -= 1;
    }
    if frames == 0 {
        bail!("a video has at least {} bytes", longest + head(1)?.len() as u64 + 2 * BOX_HEAD);
    }
    let mut pictures = Vec::new();
    for number in 0..frames as usize {
        pictures.push((h264::picture(number).len() + 4) as u32);
        // Only the parity of the number changes the length.
        if number == 1 {
            break;
        }
    }
    let sizes: Vec<u32> =
        (0..frames as usize).filter_map(|number| pictures.get(number % pictures.len()).copied()).collect();
    let content: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
    let header = header(&StszSamples::Different { sizes })?;
    let file =
        std::fs::File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    file.write_all(&header)?;
    file.write_all(&u32::try_from(content + BOX_HEAD)?.to_be_bytes())?;
    file.write_all(b"mdat")?;
    for number in 0..frames as usize {
        let picture = h264::picture(number);
        file.write_all(&u32::try_from(picture.len())?.to_be_bytes())?;
        file.write_all(&picture)?;
    }
    // The remaining bytes, in a box that players skip.
    let rest = size - header.len() as u64 - BOX_HEAD - content;
    file.write_all(&u32::try_from(rest)?.to_be_bytes())?;
    file.write_all(b"free")?;
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), rest - BOX_HEAD), &mut file)?;
    file.flush()?;
    Ok(())
}

/// Writes an MP4 of exactly `size` bytes that is whole by its index: one second, whose pictures are zeros, and zeros up to
/// the end. Nothing but its beginning takes room.
///
/// # Errors
/// When the beginning does not fit (about 700 bytes), or the file cannot be written.
pub fn write_sparse(path: &Path, size: u64) -> Result<()> {
    let head = head()?;
    let least = head.len() as u64 + u64::from(RATE);
    if size < least {
        bail!("a video has at least {least} bytes");
    }
    std::fs::write(path, head).with_context(|| format!("{} cannot be written", path.display()))?;
    std::fs::OpenOptions::new().write(true).open(path)?.set_len(size)?;
    Ok(())
}

/// What a file of [`write_sparse`] begins with, whatever its size. `examples/head.mp4` holds these bytes for programs
/// in other languages.
///
/// # Errors
/// Never, unless the writer of boxes changes.
pub fn head() -> Result<Vec<u8>> {
    let samples = StszSamples::Identical { count: RATE, size: 1 };
    let mut bytes = header(&samples)?;
    // Of no length: to the end of the file.
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(b"mdat");
    Ok(bytes)
}

/// Everything before the pictures. Its length depends on their number only.
fn header(samples: &StszSamples) -> Result<Vec<u8>> {
    let mut first = 0;
    for _ in 0..2 {
        let bytes = header_at(samples, first)?;
        let length = u32::try_from(bytes.len() + BOX_HEAD as usize)?;
        if first == length {
            return Ok(bytes);
        }
        first = length;
    }
    header_at(samples, first)
}

fn header_at(samples: &StszSamples, first: u32) -> Result<Vec<u8>> {
    let frames = match samples {
        StszSamples::Identical { count, .. } => *count,
        StszSamples::Different { sizes } => u32::try_from(sizes.len())?,
    };
    let duration = u64::from(frames);
    let (width, height) = (h264::WIDTH as u16, h264::HEIGHT as u16);
    let table = Stbl {
        stsd: Stsd {
            codecs: vec![Codec::Avc1(Avc1 {
                visual: Visual { data_reference_index: 1, width, height, ..Visual::default() },
                avcc: Avcc {
                    configuration_version: 1,
                    avc_profile_indication: h264::PROFILE,
                    profile_compatibility: h264::CONSTRAINTS,
                    avc_level_indication: h264::LEVEL,
                    length_size: 4,
                    sequence_parameter_sets: vec![h264::sequence_parameters()],
                    picture_parameter_sets: vec![h264::picture_parameters()],
                    ext: None,
                },
                ..Avc1::default()
            })],
        },
        stts: Stts { entries: vec![SttsEntry { sample_count: frames, sample_delta: 1 }] },
        stsc: Stsc {
            entries: vec![StscEntry {
                first_chunk: 1,
                samples_per_chunk: frames,
                sample_description_index: 1,
            }],
        },
        stsz: Stsz { samples: samples.clone() },
        stco: Some(Stco { entries: vec![first] }),
        ..Stbl::default()
    };
    let track = Trak {
        tkhd: Tkhd {
            track_id: 1,
            duration,
            enabled: true,
            in_movie: true,
            width: width.into(),
            height: height.into(),
            ..Tkhd::default()
        },
        mdia: Mdia {
            mdhd: Mdhd { timescale: RATE, duration, language: "und".to_owned(), ..Mdhd::default() },
            hdlr: Hdlr { handler: b"vide".into(), name: "video".to_owned() },
            minf: Minf {
                vmhd: Some(Vmhd::default()),
                dinf: Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } },
                stbl: table,
                ..Minf::default()
            },
        },
        ..Trak::default()
    };
    let movie = Moov {
        mvhd: Mvhd {
            timescale: RATE,
            duration,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: 2,
            ..Mvhd::default()
        },
        trak: vec![track],
        ..Moov::default()
    };
    let mut bytes = Vec::new();
    let kind = Ftyp {
        major_brand: b"isom".into(),
        minor_version: 512,
        compatible_brands: vec![b"isom".into(), b"avc1".into(), b"mp41".into()],
    };
    kind.encode(&mut bytes)?;
    movie.encode(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mp4_atom::{Any, ReadFrom as _};

    #[test]
    fn the_file_has_exactly_the_size_and_can_be_read() {
        let folder = std::env::temp_dir().join(format!("sample-video-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for size in [500_000, 1_000_000, 5_242_881] {
            let path = folder.join(format!("{size}.mp4"));
            write(&path, size).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
            let mut file = std::fs::File::open(&path).unwrap();
            let mut boxes = Vec::new();
            while let Ok(Some(one)) = Option::<Any>::read_from(&mut file) {
                boxes.push(one);
            }
            let [Any::Ftyp(_), Any::Moov(movie), Any::Mdat(content), Any::Free(_)] = &boxes[..] else {
                panic!("{} boxes", boxes.len());
            };
            let track = &movie.trak[0];
            let StszSamples::Different { sizes } = &track.mdia.minf.stbl.stsz.samples else { panic!() };
            assert_eq!(sizes.iter().map(|size| *size as usize).sum::<usize>(), content.data.len());
            assert_eq!(u64::from(movie.mvhd.timescale), 30);
            assert_eq!(movie.mvhd.duration, sizes.len() as u64);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_sparse_file_is_whole_and_other_languages_have_its_beginning() {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/head.mp4");
        assert!(
            std::fs::read(&kept).unwrap() == head().unwrap(),
            "write it again: cargo run --bin sample-video -- --head examples/head.mp4"
        );
        let path = std::env::temp_dir().join(format!("sample-video-sparse-{}.mp4", std::process::id()));
        write_sparse(&path, 5 << 30).unwrap();
        let mut file = std::fs::File::open(&path).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 5 << 30);
        let Some(Any::Ftyp(_)) = Option::<Any>::read_from(&mut file).unwrap() else { panic!() };
        let Some(Any::Moov(movie)) = Option::<Any>::read_from(&mut file).unwrap() else { panic!() };
        let first = movie.trak[0].mdia.minf.stbl.stco.as_ref().unwrap().entries[0];
        assert_eq!(first as usize, head().unwrap().len());
        std::fs::remove_file(&path).unwrap();
        assert!(write_sparse(&path, 100).unwrap_err().to_string().contains("at least"));
    }

    #[test]
    fn a_size_that_holds_no_frame_is_refused() {
        assert!(write(Path::new("/nonexistent/x.mp4"), 1000).unwrap_err().to_string().contains("at least"));
    }
}
