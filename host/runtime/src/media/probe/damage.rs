//! What makes bytes unfit for any platform, said in one sentence.

use crate::error::{Error, ErrorKind};

/// Why the bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) enum Damage {
    /// They end too early: the bytes that are there, and the end that the file itself names.
    CutVideo {
        has: u64,
        wants: u64,
    },
    /// The same of a picture, where it names its end.
    CutPicture {
        has: u64,
        wants: u64,
    },
    /// A picture whose end is not there.
    NoEnd,
    /// No index of the pictures: the recording or the export broke off.
    NoIndex,
    /// An index in which nothing can be found.
    BrokenIndex,
    /// Sound only, or nothing at all.
    NoPicture,
    WebPage,
    Text,
    Zeros,
    /// Other bytes than the name, the server or the caller says.
    NotOf(&'static str),
}

impl Damage {
    /// For people. `name` is the file's.
    pub(in crate::media) fn error(self, name: &str) -> Error {
        let (message, remedy) = match self {
            Damage::CutVideo { has, wants } => (
                format!("{name} is cut short: it ends before its video does ({has} of {wants} bytes)"),
                "Copy or upload the whole file again.",
            ),
            Damage::CutPicture { has, wants } => (
                format!("{name} is cut short: it ends before its picture does ({has} of {wants} bytes)"),
                "Copy or upload the whole file again.",
            ),
            Damage::NoEnd => (
                format!("{name} is cut short: it ends before its picture does"),
                "Copy or upload the whole file again.",
            ),
            Damage::NoIndex => (
                format!("{name} has no index, so nobody can play it: its recording or its export broke off"),
                "Export or record it again, and let the program finish.",
            ),
            Damage::BrokenIndex => (
                format!("{name} has an index that nobody can read"),
                "Export it again, and check that it plays.",
            ),
            Damage::NoPicture => (
                format!("{name} holds no picture, only sound or nothing"),
                "Choose a file with a video in it, or export it again with its picture.",
            ),
            Damage::WebPage => (
                format!("{name} is a web page, not the file itself"),
                "Use the file that the page leads to; in a browser, download it and look what it is.",
            ),
            Damage::Text => (
                format!("{name} holds text, not pictures"),
                "Choose another file; if it was downloaded, read what the text says.",
            ),
            Damage::Zeros => (
                format!("{name} holds only zeros: its copy or its download did not finish"),
                "Copy or upload it again.",
            ),
            Damage::NotOf(kind) => (
                format!("{name} is no {kind} file: its bytes are others"),
                "Export it again, and check that it opens.",
            ),
        };
        Error::new(ErrorKind::InvalidRequest, message).with_field("media").with_remedy(remedy)
    }
}

/// What is wrong with bytes that say nothing of themselves, or are a page, where `claimed` is what they should be. Kinds
/// that always begin in a known way cannot begin otherwise.
pub(in crate::media) fn lie(claimed: Option<&str>, found: Option<&str>, head: &[u8]) -> Option<Damage> {
    match found {
        Some("text/html") => return Some(Damage::WebPage),
        Some(_) => return None,
        None => {}
    }
    let name = match claimed?.split(';').next()?.trim() {
        "video/mp4" => "MP4",
        "video/quicktime" => "MOV",
        "video/webm" => "WebM",
        "image/jpeg" => "JPEG",
        "image/png" => "PNG",
        "image/webp" => "WebP",
        "image/gif" => "GIF",
        _ => return None,
    };
    Some(if head.iter().all(|byte| *byte == 0) {
        Damage::Zeros
    } else if is_text(head) {
        Damage::Text
    } else {
        Damage::NotOf(name)
    })
}

fn is_text(head: &[u8]) -> bool {
    let head = head.get(..512).unwrap_or(head);
    let readable = |text: &str| text.chars().all(|it| !it.is_control() || it.is_ascii_whitespace());
    match std::str::from_utf8(head) {
        Ok(text) => readable(text),
        // A character may be cut at the end of what was looked at.
        Err(error) if error.error_len().is_none() => {
            head.get(..error.valid_up_to()).and_then(|it| std::str::from_utf8(it).ok()).is_some_and(readable)
        }
        Err(_) => false,
    }
}
