//! What a person has put into the publish page so far: read from the posted form, turned into the library's
//! words, and shown again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use social_channel::model::{FormField, Media, MediaSource, OptionValue, Post, PublishForm};
use social_channel::rule;

use super::part;
use crate::auth::Form;

/// The form's fields are named with this before them, so that none can pass for one of the page's own.
pub(super) const FIELD: &str = "f.";

/// A medium that was uploaded from the browser, as the page carries it along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Uploaded {
    pub(super) upload: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) size: u64,
    #[serde(default)]
    pub(super) alt: String,
}

/// What was put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) values: BTreeMap<String, String>,
    pub(super) uploads: Vec<Uploaded>,
    /// Addresses, one a line.
    pub(super) urls: String,
    pub(super) later: bool,
    /// As the field holds it.
    pub(super) at_text: String,
    /// What it comes to; seconds since 1970.
    pub(super) at: Option<i64>,
    /// What the person agrees to, as it was shown.
    pub(super) words: String,
    pub(super) key: String,
}

impl Draft {
    /// An empty page, with what the provider fills in by itself.
    pub(super) fn new(form: &PublishForm, kind: &str) -> Self {
        let filled = rule::fields(form, kind)
            .filter_map(|field| Some((field.name.clone(), rule::text(field.default_value.as_ref()?))));
        Draft { values: filled.collect(), ..Draft::default() }
    }

    /// What a job's post holds.
    pub(super) fn of_post(post: &Post) -> Self {
        Draft { values: rule::chosen(post), ..Draft::default() }
    }

    /// What was posted.
    pub(super) fn read(posted: &Form) -> Self {
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &posted.fields {
            if let Some(name) = name.strip_prefix(FIELD) {
                // Browsers write line ends as CR LF; platforms count characters.
                let value = value.replace("\r\n", "\n");
                if !value.is_empty() {
                    values.insert(name.to_owned(), value);
                }
            }
        }
        let field = |name| posted.get(name).unwrap_or_default();
        let at_text = field("at").to_owned();
        // A script knows the person's time zone; without one the field is in UTC.
        let at = field("at_seconds").parse().ok().or_else(|| part::read_instant(&at_text));
        Draft {
            values,
            uploads: posted.all("media").filter_map(|text| serde_json::from_str(text).ok()).collect(),
            urls: field("urls").replace("\r\n", "\n"),
            later: field("when") == "later",
            at,
            at_text,
            words: field("words").replace("\r\n", "\n"),
            key: field("key").to_owned(),
        }
    }

    /// The media, uploads first.
    pub(super) fn media(&self) -> Vec<Media> {
        let uploads = self.uploads.iter().map(|uploaded| Media {
            source: MediaSource::Upload(uploaded.upload.clone()),
            alt_text: Some(uploaded.alt.clone()).filter(|alt| !alt.is_empty()),
            public_url: None,
            content_type: None,
        });
        let urls = self.urls.lines().map(str::trim).filter(|url| !url.is_empty()).map(Media::url);
        uploads.chain(urls).collect()
    }

    /// The post, from what the rules left of the values.
    pub(super) fn post(form: &PublishForm, kind: &str, values: &BTreeMap<String, String>) -> Post {
        let own = |name: &str| values.get(name).cloned();
        let options = rule::fields(form, kind)
            .filter(|field| !matches!(field.name.as_str(), "title" | "text" | "visibility"))
            .filter_map(|field| Some((field.name.clone(), option(field, values.get(&field.name)?))))
            .collect();
        Post {
            kind: kind.to_owned(),
            title: own("title"),
            text: own("text"),
            visibility: own("visibility"),
            options,
        }
    }
}

/// A value in the field's own type; what is no number stays text, and the check says so.
fn option(field: &FormField, value: &str) -> OptionValue {
    match field.kind.as_str() {
        "flag" => OptionValue::Flag(value == "true"),
        "number" => {
            value.trim().parse().map_or_else(|_| OptionValue::Text(value.to_owned()), OptionValue::Number)
        }
        "texts" => OptionValue::Texts(
            value.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        ),
        _ => OptionValue::Text(value.to_owned()),
    }
}

/// How long a text is, in a unit that can be counted here.
pub(super) fn measured(text: &str, unit: &str) -> Option<usize> {
    match unit {
        "utf-16" => Some(text.encode_utf16().count()),
        "characters" => Some(text.chars().count()),
        "bytes" => Some(text.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_measured_as_the_platform_counts() {
        assert_eq!(measured("añ🎬", "utf-16"), Some(4));
        assert_eq!(measured("añ🎬", "characters"), Some(3));
        assert_eq!(measured("añ🎬", "bytes"), Some(7));
        assert_eq!(measured("a", "tokens"), None);
    }

    #[test]
    fn a_post_is_shown_again_as_it_was() {
        let options = [
            ("duet".to_owned(), OptionValue::Flag(true)),
            ("cover".to_owned(), OptionValue::Number(1500)),
            ("tags".to_owned(), OptionValue::Texts(vec!["a".to_owned(), "b".to_owned()])),
        ];
        let post = Post {
            kind: "video".to_owned(),
            title: None,
            text: Some("Hello".to_owned()),
            visibility: Some("all".to_owned()),
            options: options.into_iter().collect(),
        };
        let field = |name: &str, kind: &str| FormField {
            name: name.to_owned(),
            label: name.to_owned(),
            help: None,
            kind: kind.to_owned(),
            choices: Vec::new(),
            required: false,
            default_value: None,
            max_length: None,
            applies_to: Vec::new(),
        };
        let form = PublishForm {
            account_name: String::new(),
            account_avatar_url: None,
            kinds: Vec::new(),
            fields: vec![
                field("text", "text"),
                field("visibility", "choice"),
                field("duet", "flag"),
                field("cover", "number"),
                field("tags", "texts"),
            ],
            rules: Vec::new(),
            quotas: Vec::new(),
            blocked: None,
        };
        assert_eq!(Draft::post(&form, "video", &Draft::of_post(&post).values), post);
    }
}
