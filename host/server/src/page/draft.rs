//! The current input of the publish page: read from the posted form, converted to the library's types, and
//! shown again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use social_channel::form;
use social_channel::model::{Field, Media, MediaRule, OptionValue, Part, Post, PostKind, PublishForm};

use super::part;
use crate::auth::Form;

/// The prefix of the provider's fields, so that they cannot collide with the page's own fields.
pub(super) const FIELD: &str = "f.";

/// A file that was uploaded from the browser, as the page's form keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Uploaded {
    pub(super) upload: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) size: u64,
    /// The content type, as the browser knows it.
    #[serde(default, rename = "type", skip_serializing_if = "String::is_empty")]
    pub(super) content_type: String,
    /// What it is for; empty: `media`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) role: String,
    /// What was entered beside it, by the names of its rule's fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) fields: BTreeMap<String, String>,
}

impl Uploaded {
    /// What it is for, as the rules name it.
    pub(super) fn role(&self) -> &str {
        if self.role.is_empty() { "media" } else { &self.role }
    }

    /// The rule of a kind of post that it falls under: of its role, the first one that takes its type.
    fn rule<'a>(&self, kind: &'a PostKind) -> Option<&'a MediaRule> {
        let mut own = kind.media.iter().filter(|rule| rule.role == self.role());
        let takes = |rule: &&MediaRule| rule.content_types.contains(&self.content_type);
        own.clone().find(takes).or_else(|| own.next())
    }

    /// With what the kind of post takes of it: a channel that knows no descriptions is given none.
    fn media(&self, kind: &PostKind) -> Option<Media> {
        let mut media = Media::upload(self.upload.clone());
        let Some(rule) = self.rule(kind) else { return (self.role() == "media").then_some(media) };
        if self.role() != "media" {
            media.role = Some(self.role().to_owned());
        }
        for field in &rule.fields {
            let Some(value) = self.fields.get(&field.name).filter(|value| !value.trim().is_empty()) else {
                continue;
            };
            if field.name == "alt-text" {
                media.alt_text = Some(value.clone());
            } else {
                media.options.insert(field.name.clone(), option(field, value));
            }
        }
        Some(media)
    }
}

/// The input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) values: BTreeMap<String, String>,
    pub(super) uploads: Vec<Uploaded>,
    /// Addresses, one per line.
    pub(super) urls: String,
    pub(super) later: bool,
    /// The time as text, as entered.
    pub(super) at_text: String,
    /// The parsed time; seconds since 1970.
    pub(super) at: Option<i64>,
    /// The words to which the person agrees, as shown.
    pub(super) words: String,
    /// The form's own, from its first showing on.
    pub(super) key: String,
    /// More channels that were chosen for the same post.
    pub(super) also: Vec<String>,
    /// Texts that follow the first one as a thread.
    pub(super) parts: Vec<String>,
}

impl Draft {
    /// An empty page, with the provider's default values.
    pub(super) fn new(form: &PublishForm, kind: &str) -> Self {
        let filled = form::fields(form, kind)
            .filter_map(|field| Some((field.name.clone(), form::text(field.default_value.as_ref()?))));
        Draft { values: filled.collect(), ..Draft::default() }
    }

    /// The input for a job's post.
    pub(super) fn of_post(post: &Post) -> Self {
        let parts = post.parts.iter().map(|part| part.text.clone().unwrap_or_default()).collect();
        Draft { values: form::chosen(post), parts, ..Draft::default() }
    }

    /// Reads the posted form.
    pub(super) fn read(posted: &Form) -> Self {
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &posted.fields {
            if let Some(name) = name.strip_prefix(FIELD) {
                // Browsers send line ends as CR LF, which would count as two characters.
                let value = value.replace("\r\n", "\n");
                if !value.is_empty() {
                    // A choice of several comes once for each.
                    let several = values.entry(name.to_owned()).or_default();
                    if !several.is_empty() {
                        several.push('\n');
                    }
                    several.push_str(&value);
                }
            }
        }
        let field = |name| posted.get(name).unwrap_or_default();
        Draft {
            values,
            uploads: posted.all("media").filter_map(|text| serde_json::from_str(text).ok()).collect(),
            urls: field("urls").replace("\r\n", "\n"),
            later: field("when") == "later",
            at: part::chosen_instant(posted),
            at_text: field("at").to_owned(),
            words: field("words").replace("\r\n", "\n"),
            key: field("key").to_owned(),
            also: posted.all("also").map(str::to_owned).collect(),
            parts: posted
                .all("part")
                .map(|text| text.replace("\r\n", "\n"))
                .filter(|text| !text.trim().is_empty())
                .collect(),
        }
    }

    /// When it is to be posted; None: at once.
    pub(super) fn publish_at(&self) -> Option<i64> {
        self.at.filter(|_| self.later)
    }

    /// How many items the post shows: those of the role `media`.
    pub(super) fn shown(&self, kind: &PostKind) -> usize {
        self.media(kind).iter().filter(|media| media.role.is_none()).count()
    }

    /// The media as a kind of post takes them, uploads first.
    pub(super) fn media(&self, kind: &PostKind) -> Vec<Media> {
        let uploads = self.uploads.iter().filter_map(|uploaded| uploaded.media(kind));
        let urls = self.urls.lines().map(str::trim).filter(|url| !url.is_empty()).map(Media::url);
        uploads.chain(urls).collect()
    }

    /// The post, from the values that remain after the rules.
    pub(super) fn post(
        &self,
        form: &PublishForm,
        kind: &PostKind,
        values: &BTreeMap<String, String>,
    ) -> Post {
        let threads = kind.max_parts > 0;
        let parts = self.parts.iter().filter(|_| threads);
        let parts = parts.map(|text| Part { text: Some(text.clone()), ..Part::default() }).collect();
        Post { parts, ..Self::first(form, &kind.name, values) }
    }

    /// The post without what follows it.
    pub(super) fn first(form: &PublishForm, kind: &str, values: &BTreeMap<String, String>) -> Post {
        let own = |name: &str| values.get(name).cloned();
        let options = form::fields(form, kind)
            .filter(|field| !matches!(field.name.as_str(), "title" | "text" | "visibility"))
            .filter_map(|field| Some((field.name.clone(), option(field, values.get(&field.name)?))))
            .collect();
        Post {
            kind: kind.to_owned(),
            title: own("title"),
            text: own("text"),
            visibility: own("visibility"),
            options,
            ..Post::default()
        }
    }
}

/// A value in the field's type; an invalid number stays text, and the check reports it.
fn option(field: &Field, value: &str) -> OptionValue {
    match field.kind.as_str() {
        "boolean" => OptionValue::Boolean(value == "true"),
        "number" => {
            value.trim().parse().map_or_else(|_| OptionValue::Text(value.to_owned()), OptionValue::Number)
        }
        "date-time" => part::read_instant(value)
            .or_else(|| value.trim().parse().ok())
            .map_or_else(|| OptionValue::Text(value.to_owned()), OptionValue::Number),
        "decimal" => {
            value.trim().parse().map_or_else(|_| OptionValue::Text(value.to_owned()), OptionValue::Decimal)
        }
        "json" => serde_json::from_str(value)
            .map_or_else(|_| OptionValue::Text(value.to_owned()), OptionValue::Json),
        "text-list" | "multi-choice" => OptionValue::TextList(
            value.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        ),
        _ => OptionValue::Text(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_shown_again_as_it_was() {
        let options = [
            ("duet".to_owned(), OptionValue::Boolean(true)),
            ("cover".to_owned(), OptionValue::Number(1500)),
            ("tags".to_owned(), OptionValue::TextList(vec!["a".to_owned(), "b".to_owned()])),
        ];
        let post = Post {
            kind: "video".to_owned(),
            title: None,
            text: Some("Hello".to_owned()),
            visibility: Some("all".to_owned()),
            options: options.into_iter().collect(),
            ..Post::default()
        };
        let field = |name: &str, kind: &str| Field {
            name: name.to_owned(),
            label: name.to_owned(),
            kind: kind.to_owned(),
            ..Field::default()
        };
        let form = PublishForm {
            account_name: String::new(),
            account_avatar_url: None,
            kinds: Vec::new(),
            fields: vec![
                field("text", "text"),
                field("visibility", "choice"),
                field("duet", "boolean"),
                field("cover", "number"),
                field("tags", "text-list"),
            ],
            rules: Vec::new(),
            quotas: Vec::new(),
            blocked: None,
            details: BTreeMap::new(),
        };
        assert_eq!(Draft::first(&form, "video", &Draft::of_post(&post).values), post);
    }
}
