//! The rules of a publish form. They are applied in order; each rule sees the result of the rules before it.
//!
//! [`draw`] computes what a page or a terminal shows for the chosen values; [`validate`] checks a post against the
//! form. Every front door uses these. The service's pages do the same in the browser (`rules.js`), and both are tested
//! with the same examples. A list is represented as its texts, separated by line breaks.

use std::collections::{BTreeMap, BTreeSet};

use unicode_segmentation::UnicodeSegmentation as _;

use crate::error::{Error, ErrorKind};
use crate::model::{Condition, Consequence, Field, Notice, OptionValue, Post, PublishForm, TextLimit};

/// What a form shows for the chosen values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Hidden fields.
    pub hidden: BTreeSet<String>,
    /// Disabled fields, and why.
    pub disabled: BTreeMap<String, String>,
    /// Fields that must have a value because of the other values.
    pub required: BTreeSet<String>,
    /// Disabled choices, and why: by field and choice.
    pub choices: BTreeMap<(String, String), String>,
    /// Notices to show: by field, or next to the button.
    pub notices: Vec<(Option<String>, usize)>,
    /// Why the button is disabled.
    pub blocks: Vec<String>,
    /// The chosen values that remain.
    pub values: BTreeMap<String, String>,
}

/// The fields of one kind of post.
pub fn fields<'a>(form: &'a PublishForm, kind: &'a str) -> impl Iterator<Item = &'a Field> {
    form.fields
        .iter()
        .filter(move |field| field.applies_to.is_empty() || field.applies_to.iter().any(|own| own == kind))
}

/// A value, as the form's text.
pub fn text(value: &OptionValue) -> String {
    match value {
        OptionValue::Boolean(value) => value.to_string(),
        OptionValue::Number(number) => number.to_string(),
        OptionValue::Decimal(number) => number.to_string(),
        OptionValue::Text(text) => text.clone(),
        OptionValue::TextList(texts) => texts.join("\n"),
        OptionValue::Json(value) => value.to_string(),
    }
}

/// A post's values, as the form's texts.
pub fn chosen(post: &Post) -> BTreeMap<String, String> {
    let own = [("title", &post.title), ("text", &post.text), ("visibility", &post.visibility)];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
    own.chain(post.options.iter().map(|(name, value)| (name.clone(), text(value)))).collect()
}

/// The kinds of field that can be drawn. A field of another kind is left out.
const KINDS: [&str; 12] = [
    "text",
    "multiline",
    "secret",
    "url",
    "number",
    "decimal",
    "boolean",
    "choice",
    "multi-choice",
    "text-list",
    "date-time",
    "json",
];

/// Whether a field can be drawn: its kind is known.
pub fn is_known(field: &Field) -> bool {
    KINDS.contains(&field.kind.as_str())
}

/// Whether a condition holds for its field's value. None: the test is unknown, or its value is not known here.
fn holds(condition: &Condition, field: Option<&Field>, value: Option<&str>) -> Option<bool> {
    let is_list = field.is_some_and(|field| matches!(field.kind.as_str(), "text-list" | "multi-choice"));
    let unset = if field.is_some_and(|field| field.kind == "boolean") { "false" } else { "" };
    // Of the media, only what was said counts.
    if value.is_none() && condition.field.starts_with("media-") {
        return None;
    }
    let value = value.unwrap_or(unset);
    let has = |wanted: &String| match is_list {
        true => value.lines().any(|line| line == wanted),
        false => value.contains(wanted.as_str()),
    };
    let compared =
        || Some((value.trim().parse::<f64>().ok()?, condition.values.first()?.parse::<f64>().ok()?));
    Some(match condition.test.as_str() {
        "is" => condition.values.iter().any(|wanted| wanted == value),
        "is-not" => !condition.values.iter().any(|wanted| wanted == value),
        "filled" => is_set(value),
        "empty" => !is_set(value),
        "contains" => condition.values.iter().any(has),
        "at-least" => compared().is_some_and(|(value, limit)| value >= limit),
        "at-most" => compared().is_some_and(|(value, limit)| value <= limit),
        _ => return None,
    })
}

/// What the form shows. An unset `boolean` is `false`, any other unset field is the empty text.
pub fn draw(form: &PublishForm, kind: &str, chosen: &BTreeMap<String, String>) -> Drawn {
    let mut drawn = Drawn { values: chosen.clone(), ..Drawn::default() };
    drawn.values.insert("kind".to_owned(), kind.to_owned());
    for (index, rule) in form.rules.iter().enumerate() {
        let holds = rule.conditions.iter().all(|condition| {
            let field = fields(form, kind).find(|field| field.name == condition.field);
            let value = drawn.values.get(&condition.field).map(String::as_str);
            holds(condition, field, value).unwrap_or(false)
        });
        if !holds {
            continue;
        }
        match &rule.consequence {
            Consequence::Hide(field) => {
                drawn.values.remove(field);
                drawn.hidden.insert(field.clone());
            }
            Consequence::Disable(off) => match &off.choice {
                None => {
                    drawn.values.remove(&off.field);
                    drawn.disabled.entry(off.field.clone()).or_insert_with(|| off.because.clone());
                }
                Some(choice) => {
                    if drawn.values.get(&off.field) == Some(choice) {
                        drawn.values.remove(&off.field);
                    }
                    let at = (off.field.clone(), choice.clone());
                    drawn.choices.entry(at).or_insert_with(|| off.because.clone());
                }
            },
            Consequence::Require(field) => {
                drawn.required.insert(field.clone());
            }
            Consequence::Notice(notice) => drawn.notices.push((notice.field.clone(), index)),
            Consequence::Block(why) => drawn.blocks.push(why.clone()),
        }
    }
    drawn.values.remove("kind");
    drawn
}

/// Why a post does not fit a form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The form does not offer this value, or has no such field for this kind of post.
    NotOffered {
        /// The field's name, or `kind`.
        field: String,
        /// The post's value.
        value: String,
        /// The offered values; empty if there is no such field.
        offered: Vec<String>,
    },
    /// A required field has no value.
    Missing {
        /// The field's name.
        field: String,
        /// Its label.
        label: String,
    },
    /// The field, or this choice of it, is disabled by the other values.
    Unavailable {
        /// The field's name.
        field: String,
        /// Why, in the form's own words.
        because: String,
    },
    /// Nothing may be published with the chosen values.
    Blocked {
        /// Why, in the form's own words.
        because: String,
    },
    /// A text is shorter than the field allows.
    TooShort {
        /// The field's name.
        field: String,
        /// In the limit's unit.
        length: usize,
        /// In the limit's unit.
        minimum: u32,
    },
    /// A text is longer than the field allows.
    TooLong {
        /// The field's name.
        field: String,
        /// In the limit's unit.
        length: usize,
        /// In the limit's unit.
        maximum: u32,
    },
}

impl Problem {
    /// The affected field.
    pub fn field(&self) -> &str {
        match self {
            Problem::NotOffered { field, .. }
            | Problem::Missing { field, .. }
            | Problem::Unavailable { field, .. }
            | Problem::TooShort { field, .. }
            | Problem::TooLong { field, .. } => field,
            Problem::Blocked { .. } => "kind",
        }
    }

    /// The problem as a sentence, without initial capital and full stop.
    pub fn said(&self) -> String {
        match self {
            Problem::NotOffered { field, value, offered } if offered.is_empty() => format!("{field} {value}"),
            Problem::NotOffered { field, value, offered } => {
                format!("{field} {value}; offered are {}", offered.join(", "))
            }
            Problem::Missing { label, .. } => format!("{label} is not chosen yet"),
            Problem::Unavailable { because, .. } | Problem::Blocked { because } => because.clone(),
            Problem::TooShort { field, length, minimum } => {
                format!("{field} has {length} characters, but at least {minimum} are needed")
            }
            Problem::TooLong { field, length, maximum } => {
                format!("{field} has {length} characters, but at most {maximum} are allowed")
            }
        }
    }

    /// As a refusal: what is wrong, of which field, and what helps.
    pub fn error(&self) -> Error {
        let (message, remedy) = match self {
            Problem::NotOffered { .. } => {
                (format!("the account does not offer {}", self.said()), "choose from what the form shows")
            }
            Problem::Missing { .. } => (self.said(), "choose it; nothing is chosen for you"),
            Problem::TooShort { .. } => (self.said(), "write more"),
            Problem::TooLong { .. } => (self.said(), "shorten it"),
            Problem::Unavailable { .. } => (self.said(), "choose something else"),
            Problem::Blocked { .. } => (self.said(), "choose, then publish again"),
        };
        Error::new(ErrorKind::InvalidRequest, message).with_field(self.field()).with_remedy(remedy)
    }
}

/// The result of [`validate`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// In the order of the form.
    pub problems: Vec<Problem>,
    /// The notices next to the publish button, to which the person agrees by pressing it.
    pub words: Vec<String>,
}

/// Checks a post against a form, as far as the form describes the rules. Only the provider's `check-post` decides: it
/// also checks what a form cannot describe, such as the content of media.
pub fn validate(form: &PublishForm, post: &Post) -> Validation {
    let mut found = Validation::default();
    if !form.kinds.iter().any(|kind| kind.name == post.kind) {
        let offered = form.kinds.iter().map(|kind| kind.name.clone()).collect();
        let (field, value) = ("kind".to_owned(), post.kind.clone());
        found.problems.push(Problem::NotOffered { field, value, offered });
        return found;
    }
    let values = chosen(post);
    let drawn = draw(form, &post.kind, &values);
    for (name, value) in values.iter().filter(|(_, value)| is_set(value)) {
        let Some(field) = fields(form, &post.kind).find(|field| field.name == *name) else {
            // Every post has text and title. If the form lacks these fields, the provider reports it.
            if !matches!(name.as_str(), "title" | "text") {
                let (field, value) = (name.clone(), value.clone());
                found.problems.push(Problem::NotOffered { field, value, offered: Vec::new() });
            }
            continue;
        };
        found.problems.extend(problem_of(field, value, &drawn));
    }
    for field in fields(form, &post.kind) {
        if !field.required && !drawn.required.contains(&field.name) {
            continue;
        }
        let shown = !drawn.hidden.contains(&field.name) && !drawn.disabled.contains_key(&field.name);
        if shown && values.get(&field.name).is_none_or(String::is_empty) {
            found.problems.push(Problem::Missing { field: field.name.clone(), label: field.label.clone() });
        }
    }
    found.problems.extend(drawn.blocks.iter().map(|because| Problem::Blocked { because: because.clone() }));
    found.words = drawn.notices(form, None).map(|notice| notice.text.clone()).collect();
    found
}

/// An unticked box and an empty text count as unset.
fn is_set(value: &str) -> bool {
    !value.is_empty() && value != "false"
}

fn problem_of(field: &Field, value: &str, drawn: &Drawn) -> Option<Problem> {
    let name = &field.name;
    if field.kind == "multi-choice"
        && let Some(other) =
            value.lines().find(|line| !field.choices.iter().any(|choice| choice.value == *line))
    {
        let offered = field.choices.iter().map(|choice| choice.value.clone()).collect();
        return Some(Problem::NotOffered { field: name.clone(), value: other.to_owned(), offered });
    }
    if field.kind == "choice" && !field.choices.iter().any(|choice| choice.value == value) {
        let offered = field.choices.iter().map(|choice| choice.value.clone()).collect();
        return Some(Problem::NotOffered { field: name.clone(), value: value.to_owned(), offered });
    }
    let because = drawn
        .disabled
        .get(name)
        .or_else(|| drawn.choices.get(&(name.clone(), value.to_owned())))
        .cloned()
        .or_else(|| {
            drawn
                .hidden
                .contains(name)
                .then(|| format!("{} has no effect with the other choices", field.label))
        });
    if let Some(because) = because {
        return Some(Problem::Unavailable { field: name.clone(), because });
    }
    let texts: Vec<&str> = match field.kind.as_str() {
        "text-list" => value.lines().collect(),
        _ => vec![value],
    };
    let measured = |limit| texts.iter().filter_map(move |text| length(text, limit));
    for limit in &field.limits {
        let field = || name.clone();
        if let Some(maximum) = limit.maximum
            && let Some(length) = measured(limit).find(|length| *length > maximum as usize)
        {
            return Some(Problem::TooLong { field: field(), length, maximum });
        }
        if let Some(minimum) = limit.minimum
            && let Some(length) = measured(limit).find(|length| *length < minimum as usize)
        {
            return Some(Problem::TooShort { field: field(), length, minimum });
        }
    }
    None
}

/// The length of a text in the unit of a limit. None: only the provider can count in this unit.
pub fn length(text: &str, limit: &TextLimit) -> Option<usize> {
    let count = |text: &str| match limit.unit.as_str() {
        "utf-16" => Some(text.encode_utf16().count()),
        "code-points" => Some(text.chars().count()),
        "graphemes" => Some(text.graphemes(true).count()),
        "bytes" => Some(text.len()),
        _ => None,
    };
    let Some(each) = limit.link_length else { return count(text) };
    text.split_inclusive(char::is_whitespace).try_fold(0_usize, |length, piece| {
        let word = piece.trim_end();
        let is_link = word.starts_with("https://") || word.starts_with("http://");
        let (counted, rest) = if is_link { (each as usize, &piece[word.len()..]) } else { (0, piece) };
        Some(length.saturating_add(counted).saturating_add(count(rest)?))
    })
}

impl Drawn {
    /// The notices of a field, or those next to the button.
    pub fn notices<'a>(
        &'a self,
        form: &'a PublishForm,
        field: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Notice> {
        self.notices.iter().filter(move |(own, _)| own.as_deref() == field).filter_map(|(_, index)| {
            match &form.rules.get(*index)?.consequence {
                Consequence::Notice(notice) => Some(notice),
                _ => None,
            }
        })
    }

    /// The words to which the person agrees by pressing the button, one notice per line, exactly as shown.
    pub fn words(&self, form: &PublishForm) -> String {
        self.notices(form, None).map(|notice| notice.text.as_str()).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Examples {
        form: PublishForm,
        examples: Vec<Example>,
    }

    #[derive(Deserialize)]
    struct Example {
        says: String,
        kind: String,
        chosen: BTreeMap<String, String>,
        hidden: Vec<String>,
        disabled: BTreeMap<String, String>,
        /// `field=choice`
        choices: BTreeMap<String, String>,
        #[serde(default)]
        required: Vec<String>,
        words: Vec<String>,
        field_notices: BTreeMap<String, Vec<String>>,
        blocks: Vec<String>,
        values: BTreeMap<String, String>,
    }

    #[test]
    fn rules_are_taken_as_the_examples_say() {
        let examples: Examples =
            serde_json::from_str(include_str!("../../server/assets/rules.json")).unwrap();
        let form = &examples.form;
        assert!(examples.examples.len() >= 6);
        for example in &examples.examples {
            let drawn = draw(form, &example.kind, &example.chosen);
            let says = &example.says;
            assert_eq!(drawn.hidden.iter().cloned().collect::<Vec<_>>(), example.hidden, "{says}");
            assert_eq!(drawn.disabled, example.disabled, "{says}");
            let choices: BTreeMap<String, String> = drawn
                .choices
                .iter()
                .map(|((field, choice), why)| (format!("{field}={choice}"), why.clone()))
                .collect();
            assert_eq!(choices, example.choices, "{says}");
            assert_eq!(drawn.required.iter().cloned().collect::<Vec<_>>(), example.required, "{says}");
            assert_eq!(drawn.words(form), example.words.join("\n"), "{says}");
            for (field, texts) in &example.field_notices {
                let shown: Vec<_> =
                    drawn.notices(form, Some(field)).map(|notice| notice.text.clone()).collect();
                assert_eq!(&shown, texts, "{says}");
            }
            assert_eq!(drawn.blocks, example.blocks, "{says}");
            assert_eq!(drawn.values, example.values, "{says}");
        }
    }

    fn form() -> PublishForm {
        serde_json::from_str::<Examples>(include_str!("../../server/assets/rules.json")).unwrap().form
    }

    fn post(chosen: &[(&str, &str)]) -> Post {
        let mut post = Post { kind: "video".to_owned(), ..Post::default() };
        for (name, value) in chosen {
            match *name {
                "visibility" => post.visibility = Some((*value).to_owned()),
                "text" => post.text = Some((*value).to_owned()),
                name => {
                    let value = match *value {
                        "true" => OptionValue::Boolean(true),
                        "false" => OptionValue::Boolean(false),
                        text => OptionValue::Text(text.to_owned()),
                    };
                    post.options.insert(name.to_owned(), value);
                }
            }
        }
        post
    }

    #[test]
    fn a_post_fits_a_form_or_the_first_reason_is_told() {
        let form = form();
        let fits = |chosen: &[(&str, &str)]| validate(&form, &post(chosen));
        assert_eq!(fits(&[("visibility", "all")]).problems, []);
        assert_eq!(fits(&[("visibility", "all")]).words, ["plain words"]);
        assert_eq!(fits(&[("visibility", "all"), ("ad", "true"), ("paid", "true")]).words, ["paid words"]);
        for (chosen, field) in [
            (&[("visibility", "friends")][..], "visibility"),
            (&[("visibility", "all"), ("nosuch", "x")], "nosuch"),
            // One field is hidden by a rule; another is disabled by a rule that sees an earlier rule's result.
            (&[("visibility", "all"), ("own", "true")], "own"),
            (&[("visibility", "me"), ("ad", "true"), ("paid", "true")], "paid"),
            (&[("visibility", "all"), ("duet", "true")], "duet"),
            (&[("visibility", "all"), ("ad", "true")], "kind"),
            (&[], "visibility"),
        ] {
            let found = fits(chosen);
            assert_eq!(found.problems.first().map(Problem::field), Some(field), "{chosen:?}: {found:?}");
            assert!(!found.problems[0].said().is_empty());
        }
        // An unticked box counts as unset.
        assert_eq!(fits(&[("visibility", "all"), ("duet", "false"), ("own", "false")]).problems, []);
        let other = Post { kind: "poll".to_owned(), ..Post::default() };
        assert_eq!(validate(&form, &other).problems[0].field(), "kind");
    }

    #[test]
    fn a_field_without_kinds_belongs_to_every_kind() {
        let mut form = form();
        form.fields[0].applies_to.clear();
        assert_eq!(validate(&form, &post(&[("visibility", "all")])).problems, []);
    }

    #[test]
    fn texts_are_measured_in_the_units_of_the_form() {
        let mut form = form();
        for (unit, fits) in [("utf-16", false), ("code-points", true), ("bytes", false), ("graphemes", true)]
        {
            let mut field = form.fields[0].clone();
            field.name = "text".to_owned();
            field.kind = "text".to_owned();
            field.required = false;
            field.limits = vec![limit(Some(3), unit)];
            form.fields.truncate(5);
            form.fields.push(field);
            let found = validate(&form, &post(&[("visibility", "all"), ("text", "ab\u{1f600}")]));
            assert_eq!(found.problems.is_empty(), fits, "{unit}: {found:?}");
        }
    }

    fn limit(maximum: Option<u32>, unit: &str) -> TextLimit {
        TextLimit { minimum: None, maximum, unit: unit.to_owned(), link_length: None }
    }

    #[test]
    fn a_link_counts_as_the_network_counts_it() {
        let limit = TextLimit { link_length: Some(23), ..limit(None, "code-points") };
        let long = format!("see https://example.com/{} now", "x".repeat(100));
        assert_eq!(length(&long, &limit), Some(4 + 23 + 1 + 3));
        assert_eq!(length("no link", &limit), Some(7));
        assert_eq!(length("a", &TextLimit { unit: "tokens".to_owned(), ..limit.clone() }), None);
        let graphemes = TextLimit { unit: "graphemes".to_owned(), link_length: None, ..limit };
        assert_eq!(length("👨‍👩‍👧‍👦é", &graphemes), Some(2));
    }

    #[test]
    fn several_limits_hold_together() {
        let mut form = form();
        let mut field = Field { name: "text".to_owned(), kind: "text".to_owned(), ..Field::default() };
        field.limits = vec![
            limit(Some(300), "graphemes"),
            limit(Some(4), "bytes"),
            TextLimit { minimum: Some(2), ..limit(None, "code-points") },
        ];
        form.fields.push(field);
        let problem = |text: &str| {
            let found = validate(&form, &post(&[("visibility", "all"), ("text", text)])).problems;
            found.first().map(Problem::said)
        };
        assert_eq!(problem("abc"), None);
        assert_eq!(problem("abcde").unwrap(), "text has 5 characters, but at most 4 are allowed");
        assert_eq!(problem("a").unwrap(), "text has 1 characters, but at least 2 are needed");
    }

    #[test]
    fn a_rule_whose_test_is_unknown_does_not_apply() {
        let mut form = form();
        for rule in &mut form.rules {
            rule.conditions.push(Condition {
                field: "visibility".to_owned(),
                test: "rhymes-with".to_owned(),
                values: Vec::new(),
            });
        }
        let drawn = draw(&form, "video", &BTreeMap::new());
        assert_eq!((drawn.hidden, drawn.disabled, drawn.blocks), Default::default());
        assert!(drawn.notices.is_empty());
    }
}
