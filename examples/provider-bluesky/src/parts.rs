//! A post as Bluesky sees it: one record, or several that answer each other (a thread), each with its text and its items.

use social_channel_provider::channel::Post;
use social_channel_provider::{MediaInfo, Property, Value};

/// One record to be.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) text: &'a str,
    pub(crate) options: &'a [Property],
    /// Places of its items in the list of all.
    pub(crate) items: Vec<usize>,
}

/// The first post, then those that follow. Items that no part names belong to the first.
pub(crate) fn of(post: &Post, media: usize) -> Vec<Part<'_>> {
    let named = |at: usize| post.parts.iter().any(|part| part.media.iter().any(|&item| item as usize == at));
    let first = Part {
        text: post.text.as_deref().unwrap_or_default(),
        options: &post.options,
        items: (0..media).filter(|&at| !named(at)).collect(),
    };
    let rest = post.parts.iter().map(|part| Part {
        text: part.text.as_deref().unwrap_or_default(),
        options: &part.options,
        items: part.media.iter().map(|&item| item as usize).filter(|&item| item < media).collect(),
    });
    std::iter::once(first).chain(rest).collect()
}

impl Part<'_> {
    /// A text option that is filled.
    pub(crate) fn text_option(&self, name: &str) -> Option<&str> {
        let found = self.options.iter().find(|option| option.name == name);
        match found.map(|option| &option.value) {
            Some(Value::Text(text)) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// The texts of a list option.
    pub(crate) fn list_option(&self, name: &str) -> Vec<&str> {
        let found = self.options.iter().find(|option| option.name == name);
        match found.map(|option| &option.value) {
            Some(Value::TextList(texts)) => texts.iter().map(|text| text.trim()).collect(),
            _ => Vec::new(),
        }
    }
}

/// What an item is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Image,
    Video,
    Thumbnail,
    Subtitles,
    Unknown,
}

pub(crate) fn used(info: &MediaInfo) -> Use {
    match info.role.as_str() {
        "media" if info.content_type.starts_with("image/") => Use::Image,
        "media" if info.content_type.starts_with("video/") => Use::Video,
        "thumbnail" => Use::Thumbnail,
        "subtitles" => Use::Subtitles,
        _ => Use::Unknown,
    }
}

/// A text option of an item.
pub(crate) fn item_option<'a>(info: &'a MediaInfo, name: &str) -> Option<&'a str> {
    let found = info.options.iter().find(|option| option.name == name);
    match found.map(|option| &option.value) {
        Some(Value::Text(text)) => Some(text.trim()).filter(|text| !text.is_empty()),
        _ => None,
    }
}
