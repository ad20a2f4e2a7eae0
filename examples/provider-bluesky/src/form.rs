//! What may be posted, as data to draw a form from. Numbers are those of Bluesky's lexicon.

use social_channel_provider::channel::{MediaRule, PostKind, PublishForm};
use social_channel_provider::{Account, Choice, Error, Field, Property, TextLimit, Value};

use crate::credentials::Credentials;

/// Of a text: characters as readers count them, and bytes.
pub(crate) const TEXT: (u32, u32) = (300, 3000);
/// Of a description of a picture or a video, in characters as readers count them: what Bluesky's own app allows.
pub(crate) const ALT: u32 = 2000;
pub(crate) const IMAGES: u32 = 4;
pub(crate) const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "image/gif"];
/// Bytes.
pub(crate) const IMAGE_SIZE: u64 = 2_000_000;
/// Of the picture of a link, in bytes.
pub(crate) const THUMBNAIL_SIZE: u64 = 1_000_000;
pub(crate) const VIDEO_TYPES: [&str; 1] = ["video/mp4"];
/// Bytes.
pub(crate) const VIDEO_SIZE: u64 = 300_000_000;
/// Milliseconds: what Bluesky's video service takes.
pub(crate) const VIDEO_LENGTH: u64 = 180_000;
pub(crate) const SUBTITLES: u32 = 20;
/// Bytes.
pub(crate) const SUBTITLES_SIZE: u64 = 20_000;
pub(crate) const LANGUAGES: usize = 3;
/// Posts that may follow the first of a thread. Bluesky knows no limit; each is a request.
pub(crate) const PARTS: u32 = 24;
/// A link and its texts, in bytes: more than any page shows.
pub(crate) const LINK: u32 = 2000;

/// By name, with the words of Bluesky's app.
pub(crate) const WARNINGS: [(&str, &str); 4] =
    [("sexual", "Suggestive"), ("nudity", "Nudity"), ("porn", "Adult"), ("graphic-media", "Graphic media")];

pub(crate) fn get(account: &Account) -> Result<PublishForm, Error> {
    let credentials = Credentials::of(account)?;
    Ok(PublishForm {
        account_avatar_url: credentials.avatar_url,
        kinds: kinds(),
        fields: fields(),
        ..PublishForm::new(credentials.display_name.unwrap_or(credentials.handle))
    })
}

pub(crate) fn kinds() -> Vec<PostKind> {
    let kind = |name, label, media| PostKind { max_parts: PARTS, ..PostKind::new(name, label, media) };
    vec![
        kind("text", "Text", Vec::new()),
        kind("images", "Pictures", vec![images()]),
        PostKind { max_media: 1, ..kind("video", "Video", vec![video(), subtitles()]) },
        kind("link", "Link", vec![thumbnail()]),
    ]
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

fn alt_text() -> Field {
    Field {
        help: Some("What it shows, for people who cannot see it.".to_owned()),
        limits: vec![TextLimit::at_most(ALT, "graphemes")],
        ..Field::new("alt-text", "Description", "multiline")
    }
}

fn images() -> MediaRule {
    MediaRule {
        content_types: owned(&IMAGE_TYPES),
        max_size: Some(IMAGE_SIZE),
        fields: vec![alt_text()],
        ..MediaRule::new("media", "Pictures", 1, IMAGES)
    }
}

fn video() -> MediaRule {
    MediaRule {
        content_types: owned(&VIDEO_TYPES),
        max_size: Some(VIDEO_SIZE),
        max_duration: Some(VIDEO_LENGTH),
        fields: vec![alt_text()],
        ..MediaRule::new("media", "Video", 1, 1)
    }
}

fn subtitles() -> MediaRule {
    let language = Field {
        required: true,
        help: Some("As in `en` or `pt-BR`.".to_owned()),
        details: vec![format("language")],
        ..Field::new("language", "Language", "text")
    };
    MediaRule {
        content_types: owned(&["text/vtt"]),
        max_size: Some(SUBTITLES_SIZE),
        fields: vec![language],
        ..MediaRule::new("subtitles", "Subtitles", 0, SUBTITLES)
    }
}

fn thumbnail() -> MediaRule {
    MediaRule {
        content_types: owned(&IMAGE_TYPES),
        max_size: Some(THUMBNAIL_SIZE),
        ..MediaRule::new("thumbnail", "Picture of the link", 0, 1)
    }
}

fn format(name: &str) -> Property {
    Property::new("format", Value::Text(name.to_owned()))
}

fn fields() -> Vec<Field> {
    let limits = vec![TextLimit::at_most(TEXT.0, "graphemes"), TextLimit::at_most(TEXT.1, "bytes")];
    let text = |required, kinds: &[&str]| Field {
        required,
        limits: limits.clone(),
        applies_to: owned(kinds),
        help: Some("@names, #tags and links become links.".to_owned()),
        ..Field::new("text", "Text", "multiline")
    };
    let of_link = |name: &str, label: &str, kind: &str, required| Field {
        required,
        limits: vec![TextLimit::at_most(LINK, "bytes")],
        applies_to: owned(&["link"]),
        ..Field::new(name, label, kind)
    };
    let suggested = [
        ("en", "English"),
        ("de", "Deutsch"),
        ("es", "Español"),
        ("fr", "Français"),
        ("ja", "日本語"),
        ("pt-BR", "Português"),
    ];
    let languages = Field {
        help: Some(format!("Languages of the text, at most {LANGUAGES}, as in `en` or `pt-BR`.")),
        choices: suggested.map(|(value, label)| Choice::new(value, label)).to_vec(),
        details: vec![format("language"), Property::new("maximum-items", Value::Number(LANGUAGES as i64))],
        ..Field::new("languages", "Languages", "text-list")
    };
    let warning = Field {
        help: Some("People who do not want to see it are warned.".to_owned()),
        choices: WARNINGS.map(|(value, label)| Choice::new(value, label)).to_vec(),
        applies_to: owned(&["images", "video"]),
        ..Field::new("content-warning", "Content warning", "choice")
    };
    vec![
        text(true, &["text"]),
        text(false, &["images", "video", "link"]),
        of_link("link", "Link", "url", true),
        of_link("link-title", "Title of the link", "text", true),
        of_link("link-description", "Description of the link", "multiline", false),
        languages,
        warning,
    ]
}
