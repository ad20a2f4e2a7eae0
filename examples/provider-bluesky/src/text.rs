//! Texts: how long they are, and what in them is a link, a mention or a tag (facets, whose places are counted in bytes).

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::identity::is_handle;

/// A tag, in characters as readers count them, and in bytes.
const TAG: (usize, usize) = (64, 640);

/// Characters as readers count them.
pub(crate) fn graphemes(text: &str) -> usize {
    text.graphemes(true).count()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Link(String),
    /// A handle, in lower case.
    Mention(String),
    Tag(String),
}

/// Something in a text, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) at: Range<usize>,
    pub(crate) kind: Kind,
}

/// Links, mentions and tags, in their order. They begin a word, or follow a bracket.
pub(crate) fn find(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut start = 0;
    for word in text.split(char::is_whitespace) {
        let opened = word.trim_start_matches(['(', '[', '"', '“', '«', '„']);
        let from = start + (word.len() - opened.len());
        if let Some((length, kind)) = read(opened) {
            found.push(Found { at: from..from + length, kind });
        }
        start += word.len();
        start += text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    }
    found
}

/// What a word is, and how many of its bytes belong to it.
fn read(word: &str) -> Option<(usize, Kind)> {
    let lower = word.get(..8).unwrap_or(word).to_ascii_lowercase();
    if let Some(scheme) = ["https://", "http://"].into_iter().find(|scheme| lower.starts_with(scheme)) {
        let link = without_end(word);
        let has_host = link.get(scheme.len()..).is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
        return has_host.then(|| (link.len(), Kind::Link(link.to_owned())));
    }
    if let Some(rest) = word.strip_prefix('@') {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let handle = rest.get(..end)?.trim_end_matches(['.', '-']);
        return is_handle(handle).then(|| (1 + handle.len(), Kind::Mention(handle.to_ascii_lowercase())));
    }
    let sign = word.chars().next().filter(|first| matches!(first, '#' | '＃'))?;
    let rest = word.get(sign.len_utf8()..)?;
    let end = rest.find(['#', '＃']).unwrap_or(rest.len());
    let tag = rest
        .get(..end)?
        .trim_end_matches(|c: char| c.is_ascii_punctuation() && c != '_' || "…»”’".contains(c));
    let is_tag = !tag.is_empty()
        && !tag.chars().all(|c| c.is_ascii_digit())
        && graphemes(tag) <= TAG.0
        && tag.len() <= TAG.1;
    is_tag.then(|| (sign.len_utf8() + tag.len(), Kind::Tag(tag.to_owned())))
}

/// A link without the punctuation of the sentence around it. A bracket that the link itself opened stays.
fn without_end(link: &str) -> &str {
    let mut link = link;
    loop {
        let shorter = match link.chars().next_back() {
            Some('.' | ',' | ';' | ':' | '!' | '?' | '\'' | '"' | '”' | '»' | '…') => true,
            Some(')') => link.matches(')').count() > link.matches('(').count(),
            Some(']') => link.matches(']').count() > link.matches('[').count(),
            _ => false,
        };
        match link.char_indices().next_back() {
            Some((at, _)) if shorter => link = link.get(..at).unwrap_or_default(),
            _ => return link,
        }
    }
}

/// The handles that a text mentions.
pub(crate) fn mentions(text: &str) -> Vec<String> {
    let handles = find(text).into_iter().filter_map(|found| match found.kind {
        Kind::Mention(handle) => Some(handle),
        Kind::Link(_) | Kind::Tag(_) => None,
    });
    handles.collect()
}

/// The facets of a text. `ids`: who is behind a handle; one that nobody has stays plain text.
pub(crate) fn facets(text: &str, ids: &BTreeMap<String, String>) -> Vec<Value> {
    let facet = |Found { at, kind }| {
        let feature = match kind {
            Kind::Link(uri) => json!({ "$type": "app.bsky.richtext.facet#link", "uri": uri }),
            Kind::Mention(handle) => {
                json!({ "$type": "app.bsky.richtext.facet#mention", "did": ids.get(&handle)? })
            }
            Kind::Tag(tag) => json!({ "$type": "app.bsky.richtext.facet#tag", "tag": tag }),
        };
        Some(json!({ "index": { "byteStart": at.start, "byteEnd": at.end }, "features": [feature] }))
    };
    find(text).into_iter().filter_map(facet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marked(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|found| &text[found.at]).collect()
    }

    #[test]
    fn what_a_reader_can_press_is_found() {
        for (text, expected) in [
            ("no links here", vec![]),
            ("see https://a.example/x?y=1#z.", vec!["https://a.example/x?y=1#z"]),
            ("(https://a.example/b_(c))", vec!["https://a.example/b_(c)"]),
            ("HTTPS://A.example, http://b.example!", vec!["HTTPS://A.example", "http://b.example"]),
            ("https:// and http://", vec![]),
            ("hi @ada.bsky.social, and @Bob.test.", vec!["@ada.bsky.social", "@Bob.test"]),
            ("mail a@b.example or @nobody", vec![]),
            ("👨‍👩‍👧‍👦 #familie, #größe! #2026 #a_b", vec!["#familie", "#größe", "#a_b"]),
            ("#one#two ##", vec!["#one"]),
            ("日本語 ＃タグ　#次", vec!["＃タグ", "#次"]),
            ("a\n@ada.test\u{a0}#x", vec!["@ada.test", "#x"]),
        ] {
            assert_eq!(marked(text), expected, "{text}");
        }
    }

    #[test]
    fn places_are_counted_in_bytes_and_unknown_people_stay_text() {
        let ids = BTreeMap::from([("ada.test".to_owned(), "did:plc:ada".to_owned())]);
        let text = "é🍲 @ada.test @bob.test #x";
        let made = facets(text, &ids);
        assert_eq!(made.len(), 2);
        assert_eq!(made[0]["index"], json!({ "byteStart": 7, "byteEnd": 16 }));
        assert_eq!(made[0]["features"][0]["did"], "did:plc:ada");
        assert_eq!(made[1]["features"][0]["tag"], "x");
    }

    #[test]
    fn a_family_is_one_character() {
        assert_eq!(graphemes("👨‍👩‍👧‍👦é"), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_within_its_bounds(text in any::<String>()) {
            let mut end = 0;
            for found in find(&text) {
                prop_assert!(found.at.start >= end);
                prop_assert!(text.get(found.at.clone()).is_some_and(|piece| !piece.is_empty()));
                end = found.at.end;
            }
        }
    }
}
