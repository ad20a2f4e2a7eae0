//! The content type: by the first bytes; only where they tell none, by a name.

/// The content type by the first bytes.
pub(super) fn of_bytes(head: &[u8]) -> Option<&'static str> {
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
    let table: [(usize, &[u8], &'static str); 13] = [
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
        (0, b"#!", "text/x-script"),
        (0, b"WEBVTT", "text/vtt"),
    ];
    if let Some((_, _, kind)) = table.iter().find(|(offset, magic, _)| at(*offset, magic)) {
        return Some(kind);
    }
    // A transport stream repeats its sync byte in every packet of 188 bytes.
    if [0, 188, 376].iter().all(|offset| head.get(*offset) == Some(&0x47)) {
        return Some("video/mp2t");
    }
    is_web_page(head).then_some("text/html")
}

/// How pages begin, as browsers recognise them: in any case, after white space.
fn is_web_page(head: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 10] = [
        b"<!doctype html",
        b"<html",
        b"<head",
        b"<body",
        b"<script",
        b"<title",
        b"<meta",
        b"<style",
        b"<!--",
        b"<p>",
    ];
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    BEGINNINGS
        .iter()
        .any(|beginning| head.get(..beginning.len()).is_some_and(|it| it.eq_ignore_ascii_case(beginning)))
}

/// The content type by a file name, where the bytes tell none.
pub(super) fn of_name(name: &str) -> Option<String> {
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
            "vtt" => "text/vtt",
            _ => return None,
        }
        .to_owned(),
    )
}
