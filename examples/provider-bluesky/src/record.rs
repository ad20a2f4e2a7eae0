//! Records of posts: the same input makes the same record, byte for byte, or posting it again would change it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use social_channel_provider::MediaInfo;

use crate::links::POST;
use crate::parts::{Part, Use, item_option, used};
use crate::text;

/// A post that is out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) uri: String,
    pub(crate) cid: String,
}

impl Reference {
    fn json(&self) -> Value {
        json!({ "uri": self.uri, "cid": self.cid })
    }
}

/// A file that the server has, as its answer to the upload named it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Blob {
    pub(crate) cid: String,
    pub(crate) mime: String,
    pub(crate) size: u64,
}

impl Blob {
    fn json(&self) -> Value {
        json!({ "$type": "blob", "ref": { "$link": self.cid }, "mimeType": self.mime, "size": self.size })
    }
}

/// What a record is made of besides its part.
pub(crate) struct Given<'a> {
    pub(crate) created_at: String,
    /// Who is behind a handle.
    pub(crate) ids: &'a BTreeMap<String, String>,
    /// All items of the post, and their files.
    pub(crate) media: &'a [MediaInfo],
    pub(crate) blobs: &'a [Blob],
    /// The first post of the thread and the one before.
    pub(crate) after: Option<(&'a Reference, &'a Reference)>,
}

pub(crate) fn make(part: &Part<'_>, given: &Given<'_>) -> Value {
    let mut record = json!({ "$type": POST, "text": part.text, "createdAt": given.created_at });
    let facets = text::facets(part.text, given.ids);
    if !facets.is_empty() {
        record["facets"] = facets.into();
    }
    let languages = part.list_option("languages");
    if !languages.is_empty() {
        record["langs"] = languages.into();
    }
    if let Some(label) = part.text_option("content-warning") {
        record["labels"] =
            json!({ "$type": "com.atproto.label.defs#selfLabels", "values": [{ "val": label }] });
    }
    if let Some((root, parent)) = given.after {
        record["reply"] = json!({ "root": root.json(), "parent": parent.json() });
    }
    if let Some(embed) = embed(part, given) {
        record["embed"] = embed;
    }
    record
}

fn embed(part: &Part<'_>, given: &Given<'_>) -> Option<Value> {
    let items: Vec<(&MediaInfo, &Blob)> = part
        .items
        .iter()
        .filter_map(|&item| Some((given.media.get(item)?, given.blobs.get(item)?)))
        .collect();
    let of = |wanted| items.iter().filter(move |(info, _)| used(info) == wanted);
    if let Some((info, blob)) = of(Use::Video).next() {
        let mut embed = json!({ "$type": "app.bsky.embed.video", "video": blob.json() });
        if let Some(alt) = &info.alt_text {
            embed["alt"] = alt.as_str().into();
        }
        if let Some(ratio) = ratio(info) {
            embed["aspectRatio"] = ratio;
        }
        let captions: Vec<Value> = of(Use::Subtitles)
            .map(|(info, blob)| {
                json!({ "lang": item_option(info, "language").unwrap_or("und"), "file": blob.json() })
            })
            .collect();
        if !captions.is_empty() {
            embed["captions"] = captions.into();
        }
        return Some(embed);
    }
    let images: Vec<Value> = of(Use::Image)
        .map(|(info, blob)| {
            // Without a description it is empty; leaving it out is not allowed.
            let mut image =
                json!({ "image": blob.json(), "alt": info.alt_text.as_deref().unwrap_or_default() });
            if let Some(ratio) = ratio(info) {
                image["aspectRatio"] = ratio;
            }
            image
        })
        .collect();
    if !images.is_empty() {
        return Some(json!({ "$type": "app.bsky.embed.images", "images": images }));
    }
    let uri = part.text_option("link")?;
    let mut card = json!({
        "uri": uri,
        "title": part.text_option("link-title").unwrap_or_default(),
        "description": part.text_option("link-description").unwrap_or_default(),
    });
    if let Some((_, blob)) = of(Use::Thumbnail).next() {
        card["thumb"] = blob.json();
    }
    Some(json!({ "$type": "app.bsky.embed.external", "external": card }))
}

fn ratio(info: &MediaInfo) -> Option<Value> {
    let (width, height) = (info.width.filter(|&it| it > 0)?, info.height.filter(|&it| it > 0)?);
    Some(json!({ "width": width, "height": height }))
}
