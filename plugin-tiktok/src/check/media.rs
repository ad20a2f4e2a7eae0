//! Checks the files: number, size, type and picture, and the URL from which TikTok fetches (D-MTG). Pure functions.

use social_channel_provider::{Finding, MediaInfo};

use crate::chunks::MAX_SIZE;
use crate::creator::Creator;
use crate::draft::{Draft, option};
use crate::finding::{error, warning};
use crate::settings::Settings;

/// D-MTG.
pub(crate) const MAX_PHOTOS: usize = 35;
pub(crate) const MAX_PHOTO_SIZE: u64 = 20_000_000;
pub(crate) const VIDEO_TYPES: [&str; 3] = ["video/mp4", "video/quicktime", "video/webm"];
pub(crate) const PHOTO_TYPES: [&str; 2] = ["image/jpeg", "image/webp"];
/// The shorter and the longer side: "max 1080p" (D-MTG).
const PHOTO_PIXELS: (u32, u32) = (1080, 1920);
const SIDE_PIXELS: std::ops::RangeInclusive<u32> = 360..=4096;
const FRAME_RATE: std::ops::RangeInclusive<f64> = 23.0..=60.0;

/// None of TikTok's requests has a place for them (D-DP, D-PH).
pub(super) fn alt_texts(media: &[MediaInfo], findings: &mut Vec<Finding>) {
    if media.iter().any(|item| item.alt_text.as_ref().is_some_and(|text| !text.is_empty())) {
        findings.push(warning(
            "media",
            "TikTok takes no alternative text, so it will not be sent.",
            "Describe what is to be seen in the caption, if it matters.",
        ));
    }
}

pub(super) fn video(
    settings: &Settings,
    creator: &Creator,
    draft: &Draft,
    media: &[MediaInfo],
    findings: &mut Vec<Finding>,
) {
    let [item] = media else {
        findings.push(error("media", "A video post takes exactly one video.", "Choose one file."));
        return;
    };
    if item.size == 0 {
        findings.push(error("media", "The file is empty.", "Choose another file."));
    }
    if item.size > MAX_SIZE {
        findings.push(error(
            "media",
            "The file is larger than the 4 GB that TikTok takes.",
            "Use a file below 4 GB.",
        ));
    }
    if !VIDEO_TYPES.contains(&media_type(item)) {
        let message = format!("TikTok does not take {} as video.", format_name(item));
        findings.push(error("media", message, "Use MP4, MOV or WebM."));
    }
    if let Some(codec) = &item.codec
        && !known_codec(codec)
    {
        let message = format!("TikTok does not take video encoded as `{codec}`.");
        findings.push(error("media", message, "Encode it as H.264, H.265, VP8 or VP9."));
    }
    if let (Some(duration), Some(maximum)) = (item.duration, creator.max_seconds)
        && duration > maximum.saturating_mul(1000)
    {
        let message =
            format!("The video lasts {} seconds; this account may post {maximum}.", duration.div_ceil(1000));
        findings.push(error("media", message, "Cut it, or post it in the TikTok app."));
    }
    if let Some(rate) = item.frame_rate
        // 59.94 and 23.976 are usual broadcast rates; only rates clearly outside the limits are refused.
        && !FRAME_RATE.contains(&rate.round())
    {
        findings.push(error(
            "media",
            format!("The video has {rate:.2} frames a second; TikTok takes 23 to 60."),
            "Encode it again with 30 frames a second.",
        ));
    }
    for side in [item.width, item.height].into_iter().flatten() {
        if !SIDE_PIXELS.contains(&side) {
            findings.push(error(
                "media",
                format!("A side of the picture has {side} pixels; TikTok takes 360 to 4096."),
                "Scale the video to 360 to 4096 pixels on each side.",
            ));
        }
    }
    if let (Some(cover), Some(duration)) = (draft.cover_timestamp_ms, item.duration)
        && u64::try_from(cover).is_ok_and(|cover| cover > duration)
    {
        findings.push(warning(
            option::COVER_TIME,
            "The chosen time of the cover is after the end of the video, so TikTok uses the first picture.",
            "Choose a time within the video.",
        ));
    }
    if draft.pull {
        pulled(settings, item, findings);
    }
}

pub(super) fn photos(settings: &Settings, draft: &Draft, media: &[MediaInfo], findings: &mut Vec<Finding>) {
    if media.is_empty() || media.len() > MAX_PHOTOS {
        findings.push(error("media", "A photo post takes 1 to 35 photos.", "Choose 1 to 35 photos."));
    }
    if usize::try_from(draft.cover_index).is_ok_and(|index| index >= media.len()) {
        findings.push(error(
            option::COVER_INDEX,
            "There is no photo with that number for the cover.",
            "Choose a lower number; the first photo is 0.",
        ));
    }
    for (index, item) in media.iter().enumerate() {
        if !PHOTO_TYPES.contains(&media_type(item)) {
            let message = format!("TikTok does not take {} as photo.", format_name(item));
            findings.push(error("media", message, "Use JPEG or WebP."));
        }
        if item.size == 0 || item.size > MAX_PHOTO_SIZE {
            findings.push(error(
                "media",
                "A photo is empty or larger than the 20 MB that TikTok takes.",
                "Use a photo below 20 MB.",
            ));
        }
        if let Some((width, height)) = item.width.zip(item.height)
            && (width.min(height) > PHOTO_PIXELS.0 || width.max(height) > PHOTO_PIXELS.1)
        {
            let message = format!(
                "Photo {} has {width} x {height} pixels; TikTok takes at most 1080 x 1920, upright or lying.",
                index + 1
            );
            findings.push(error("media", message, "Scale it to 1080 x 1920 pixels or less."));
        }
        pulled(settings, item, findings);
    }
}

/// Checks the URL from which TikTok fetches.
fn pulled(settings: &Settings, item: &MediaInfo, findings: &mut Vec<Finding>) {
    let Some(url) = item.public_url.as_deref() else {
        findings.push(error(
            "media",
            "TikTok must fetch this from a public address, and there is none.",
            "Give a public https address, or ask the operator to set one for this host.",
        ));
        return;
    };
    if !url.starts_with("https://") {
        findings.push(error("media", "TikTok fetches from https addresses only.", "Use https."));
        return;
    }
    let remedy = "The operator must verify the domain or prefix under \"URL properties\" of the app and name it in the setting “Verified addresses” (`verified-urls`).";
    let message = "TikTok fetches only from addresses that were verified for the app.";
    match settings.is_verified(url) {
        Some(true) => {}
        Some(false) => {
            let mut finding = error("media", message, remedy);
            finding.code = Some("url_ownership_unverified".to_owned());
            findings.push(finding);
        }
        None => findings.push(warning("media", message, remedy)),
    }
}

/// The media type without parameters such as `codecs`.
pub(crate) fn media_type(item: &MediaInfo) -> &str {
    item.content_type.split(';').next().unwrap_or_default().trim()
}

/// What people call a type of files.
fn format_name(item: &MediaInfo) -> String {
    let name = match media_type(item) {
        "video/mp4" | "video/x-m4v" => "MP4",
        "video/quicktime" => "MOV",
        "video/webm" => "WebM",
        "video/x-msvideo" => "AVI",
        "video/x-matroska" => "MKV",
        "video/x-ms-wmv" => "WMV",
        "video/mpeg" => "MPEG",
        "image/jpeg" => "JPEG",
        "image/png" => "PNG",
        "image/gif" => "GIF",
        "image/webp" => "WebP",
        "image/heic" | "image/heif" => "HEIC",
        "image/avif" => "AVIF",
        "image/bmp" => "BMP",
        "image/tiff" => "TIFF",
        "image/svg+xml" => "SVG",
        "application/pdf" => "PDF",
        "" | "application/octet-stream" => return "a file of an unknown kind".to_owned(),
        other => {
            return match other.split('/').next() {
                Some("video") => "this kind of video".to_owned(),
                Some("image") => "this kind of picture".to_owned(),
                Some("audio") => "a sound".to_owned(),
                _ => "this kind of file".to_owned(),
            };
        }
    };
    format!("a file in the format {name}")
}

fn known_codec(codec: &str) -> bool {
    let codec = codec.to_ascii_lowercase();
    ["h264", "h.264", "avc", "h265", "h.265", "hevc", "hvc", "hev1", "vp8", "vp08", "vp9", "vp09"]
        .iter()
        .any(|known| codec.starts_with(known))
}
