//! Properties of a video, parsed from its bytes while they are received: container, codec, picture, frame
//! rate, duration (contract 10.4). Supports MP4 and MOV; WebM is only recognised. Keeps only the `moov` box.

/// A larger `moov` is not read, and the file's properties are unknown. An hour of video needs about 3 MB.
const MAX_MOOV: u64 = 16 * 1_048_576;

/// The number of first bytes that are kept.
const HEAD: usize = 16;

/// Reads a file piece by piece, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanner {
    head: Vec<u8>,
    /// Header of the top-level box being read.
    header: Vec<u8>,
    /// The remaining bytes of the current box.
    skip: u64,
    /// The `moov` box, and how long it will be.
    moov: Vec<u8>,
    moov_size: u64,
    done: bool,
}

/// Properties of a video track; None: unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) seconds: Option<f64>,
    pub(crate) picture: Option<(u32, u32)>,
    pub(crate) frames_per_second: Option<f64>,
    pub(crate) codec: Option<[u8; 4]>,
}

impl Scanner {
    pub(crate) fn update(&mut self, mut data: &[u8]) {
        if self.head.len() < HEAD {
            self.head.extend_from_slice(&data[..data.len().min(HEAD - self.head.len())]);
        }
        while !data.is_empty() && !self.done {
            if self.skip > 0 {
                let pass = usize::try_from(self.skip).unwrap_or(usize::MAX).min(data.len());
                data = &data[pass..];
                self.skip -= pass as u64;
            } else if self.moov_size > 0 {
                let missing = usize::try_from(self.moov_size).unwrap_or(0) - self.moov.len();
                let take = missing.min(data.len());
                self.moov.extend_from_slice(&data[..take]);
                data = &data[take..];
                self.done = take == missing;
            } else {
                data = self.read_header(data);
            }
        }
    }

    fn read_header<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let long = self.header.get(..4) == Some(&[0, 0, 0, 1]);
        let want = if long { 16 } else { 8 };
        let take = (want - self.header.len()).min(data.len());
        self.header.extend_from_slice(&data[..take]);
        let complete = |header: &[u8]| header.len() == if header.starts_with(&[0, 0, 0, 1]) { 16 } else { 8 };
        if complete(&self.header) {
            let header = std::mem::take(&mut self.header);
            let size = match number(&header, 0, 4) {
                Some(1) => number(&header, 8, 8),
                size => size,
            };
            match size.and_then(|size| size.checked_sub(header.len() as u64)) {
                // Size 0 means "to the end"; such a box is the last. Invalid data also ends the scan.
                None => self.done = true,
                Some(rest) if header.get(4..8) == Some(b"moov") && rest <= MAX_MOOV && rest > 0 => {
                    self.moov_size = rest;
                }
                Some(rest) => self.skip = rest,
            }
        }
        &data[take..]
    }

    /// MP4 and MOV have a box type at byte 4; WebM is EBML.
    pub(crate) fn looks_like_video(&self) -> bool {
        let box_type = self.head.get(4..8);
        matches!(box_type, Some(b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free"))
            || self.head.starts_with(&[0x1A, 0x45, 0xDF, 0xA3])
    }

    /// JPEG or WebP, the formats photos may have.
    pub(crate) fn looks_like_photo(&self) -> bool {
        self.head.starts_with(&[0xFF, 0xD8, 0xFF])
            || (self.head.starts_with(b"RIFF") && self.head.get(8..12) == Some(b"WEBP"))
    }

    /// The `fail_reason` for this video, as far as its properties are known.
    pub(crate) fn verdict(&self, max_seconds: u32) -> Option<&'static str> {
        if !self.looks_like_video() {
            return Some("file_format_check_failed");
        }
        let facts = facts(&self.moov);
        const CODECS: [&[u8; 4]; 6] = [b"avc1", b"avc3", b"hvc1", b"hev1", b"vp08", b"vp09"];
        if facts.codec.is_some_and(|codec| !CODECS.contains(&&codec)) {
            return Some("file_format_check_failed");
        }
        if facts.seconds.is_some_and(|seconds| seconds > f64::from(max_seconds) + 0.999) {
            return Some("duration_check_failed");
        }
        // Half a frame of tolerance: 23.976 and 59.94 are in common use, and averages are not exact.
        if facts.frames_per_second.is_some_and(|rate| !(22.5..=60.5).contains(&rate)) {
            return Some("frame_rate_check_failed");
        }
        let fits = |side: u32| (360..=4096).contains(&side);
        if facts.picture.is_some_and(|(width, height)| !fits(width) || !fits(height)) {
            return Some("picture_size_check_failed");
        }
        None
    }
}

fn number(data: &[u8], at: usize, bytes: usize) -> Option<u64> {
    data.get(at..at + bytes).map(|part| part.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
}

/// The boxes directly inside `data`.
fn boxes(mut data: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    while let (Some(size), Some(name)) = (number(data, 0, 4), data.get(4..8)) {
        let size = usize::try_from(size).unwrap_or(0);
        let (Some(body), Ok(name)) = (data.get(8..size), name.try_into()) else { break };
        found.push((name, body));
        data = &data[size..];
    }
    found
}

fn inside<'a>(data: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    let Some((first, rest)) = path.split_first() else { return Some(data) };
    boxes(data).into_iter().find(|(name, _)| name == *first).and_then(|(_, body)| inside(body, rest))
}

/// Time scale and duration of `mvhd` or `mdhd`, whose version decides the widths.
fn time(data: &[u8]) -> Option<(u64, u64)> {
    let (scale, length) = match data.first()? {
        1 => (number(data, 20, 4)?, number(data, 24, 8)?),
        _ => (number(data, 12, 4)?, number(data, 16, 4)?),
    };
    // 0 and "all ones" mean unknown.
    let unknown = length == 0 || length == u64::from(u32::MAX) || length == u64::MAX;
    (scale > 0 && !unknown).then_some((scale, length))
}

#[expect(clippy::cast_precision_loss, reason = "durations and counts are far below 2^52")]
fn facts(moov: &[u8]) -> Facts {
    let seconds = |(scale, length): (u64, u64)| length as f64 / scale as f64;
    let mut facts =
        Facts { seconds: inside(moov, &[b"mvhd"]).and_then(time).map(seconds), ..Facts::default() };
    let is_video = |track: &[u8]| {
        inside(track, &[b"mdia", b"hdlr"]).is_some_and(|handler| handler.get(8..12) == Some(b"vide"))
    };
    let track = boxes(moov).into_iter().find(|(name, body)| name == b"trak" && is_video(body));
    let Some((_, track)) = track else { return facts };
    facts.codec = inside(track, &[b"mdia", b"minf", b"stbl", b"stsd"])
        .and_then(|table| table.get(12..16))
        .and_then(|name| name.try_into().ok());
    // Width and height are 16.16 fixed point, the last eight bytes of tkhd.
    facts.picture = inside(track, &[b"tkhd"]).and_then(|header| {
        let at = header.len().checked_sub(8)?;
        let side = |at| number(header, at, 4).and_then(|fixed| u32::try_from(fixed >> 16).ok());
        Some((side(at)?, side(at + 4)?)).filter(|(width, height)| *width > 0 && *height > 0)
    });
    let samples = inside(track, &[b"mdia", b"minf", b"stbl", b"stts"]).map(|table| {
        table
            .get(8..)
            .unwrap_or_default()
            .chunks_exact(8)
            .filter_map(|entry| number(entry, 0, 4))
            .sum::<u64>()
    });
    let length = inside(track, &[b"mdia", b"mdhd"]).and_then(time).map(seconds);
    if let (Some(samples), Some(length)) = (samples.filter(|&samples| samples > 0), length) {
        facts.frames_per_second = Some(samples as f64 / length);
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).unwrap();
        [&size.to_be_bytes()[..], name, body].concat()
    }

    /// An MP4 with one video track and `mdat` bytes in front of `moov`.
    fn mp4(codec: &[u8; 4], seconds: u32, rate: u32, width: u32, height: u32, mdat: usize) -> Vec<u8> {
        let time =
            [[0; 12].to_vec(), 1000_u32.to_be_bytes().to_vec(), (seconds * 1000).to_be_bytes().to_vec()]
                .concat();
        let hdlr = [&[0; 8][..], b"vide", &[0; 12]].concat();
        let stsd = [&[0; 8][..], &boxed(codec, &[0; 70])].concat();
        let stts = [&[0; 7][..], &[1], &(seconds * rate).to_be_bytes(), &1_u32.to_be_bytes()].concat();
        let stbl = [boxed(b"stsd", &stsd), boxed(b"stts", &stts)].concat();
        let minf = boxed(b"minf", &boxed(b"stbl", &stbl));
        let mdia = [boxed(b"mdhd", &time), boxed(b"hdlr", &hdlr), minf].concat();
        let tkhd = [&[0; 76][..], &(width << 16).to_be_bytes(), &(height << 16).to_be_bytes()].concat();
        let trak = [boxed(b"tkhd", &tkhd), boxed(b"mdia", &mdia)].concat();
        let moov = [boxed(b"mvhd", &time), boxed(b"trak", &trak)].concat();
        let ftyp = boxed(b"ftyp", b"isom\0\0\0\0");
        [ftyp, boxed(b"mdat", &vec![7; mdat]), boxed(b"moov", &moov)].concat()
    }

    fn verdict(file: &[u8], piece: usize) -> Option<&'static str> {
        let mut scanner = Scanner::default();
        for part in file.chunks(piece) {
            scanner.update(part);
        }
        scanner.verdict(600)
    }

    #[test]
    fn facts_are_read_whatever_the_pieces() {
        let file = mp4(b"avc1", 41, 30, 1080, 1920, 5000);
        for piece in [1, 7, 64, 100_000] {
            let mut scanner = Scanner::default();
            file.chunks(piece).for_each(|part| scanner.update(part));
            let facts = facts(&scanner.moov);
            assert_eq!(facts.seconds, Some(41.0));
            assert_eq!(facts.picture, Some((1080, 1920)));
            assert_eq!(facts.frames_per_second, Some(30.0));
            assert_eq!(facts.codec, Some(*b"avc1"));
            assert_eq!(scanner.verdict(600), None);
        }
    }

    #[test]
    fn each_limit_has_its_reason() {
        assert_eq!(verdict(&mp4(b"mp4v", 41, 30, 1080, 1920, 10), 50), Some("file_format_check_failed"));
        assert_eq!(verdict(&mp4(b"hvc1", 601, 30, 1080, 1920, 10), 50), Some("duration_check_failed"));
        assert_eq!(verdict(&mp4(b"avc1", 600, 30, 1080, 1920, 10), 50), None);
        assert_eq!(verdict(&mp4(b"avc1", 41, 15, 1080, 1920, 10), 50), Some("frame_rate_check_failed"));
        assert_eq!(verdict(&mp4(b"avc1", 41, 120, 1080, 1920, 10), 50), Some("frame_rate_check_failed"));
        assert_eq!(verdict(&mp4(b"avc1", 41, 60, 320, 1920, 10), 50), Some("picture_size_check_failed"));
        assert_eq!(verdict(&mp4(b"avc1", 41, 24, 2160, 4320, 10), 50), Some("picture_size_check_failed"));
        assert_eq!(verdict(b"GIF89a, not a video", 4), Some("file_format_check_failed"));
        // For WebM nothing more is known.
        assert_eq!(verdict(&[0x1A, 0x45, 0xDF, 0xA3, 0, 0, 0, 0, 0], 4), None);
    }

    #[test]
    fn broken_boxes_do_no_harm() {
        let good = mp4(b"avc1", 41, 30, 1080, 1920, 100);
        for cut in 0..good.len() {
            verdict(&good[..cut], 13);
            let mut bent = good.clone();
            bent[cut] ^= 0xFF;
            verdict(&bent, 4096);
        }
    }
}
