//! The rules of a publish form, taken in order, each seeing what those before it left: what a page or a
//! terminal shows for what was chosen. The service's pages do the same in the browser (`rules.js`); both are held
//! to one set of examples.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Consequence, FormField, Notice, OptionValue, Post, PublishForm};

/// What a form shows for what was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Fields left out.
    pub hidden: BTreeSet<String>,
    /// Fields greyed out, and why.
    pub disabled: BTreeMap<String, String>,
    /// Choices greyed out, and why: by field and choice.
    pub choices: BTreeMap<(String, String), String>,
    /// Words to show: by field, or next to the button.
    pub notices: Vec<(Option<String>, usize)>,
    /// Why the button is grey.
    pub blocks: Vec<String>,
    /// What is left of what was chosen.
    pub values: BTreeMap<String, String>,
}

/// The fields of one kind of post.
pub fn fields<'a>(form: &'a PublishForm, kind: &'a str) -> impl Iterator<Item = &'a FormField> {
    form.fields
        .iter()
        .filter(move |field| field.applies_to.is_empty() || field.applies_to.iter().any(|own| own == kind))
}

/// A value, as a form holds it.
pub fn text(value: &OptionValue) -> String {
    match value {
        OptionValue::Flag(flag) => flag.to_string(),
        OptionValue::Number(number) => number.to_string(),
        OptionValue::Text(text) => text.clone(),
        OptionValue::Texts(texts) => texts.join("\n"),
    }
}

/// What a post chooses, as a form holds it.
pub fn chosen(post: &Post) -> BTreeMap<String, String> {
    let own = [("title", &post.title), ("text", &post.text), ("visibility", &post.visibility)];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
    own.chain(post.options.iter().map(|(name, value)| (name.clone(), text(value)))).collect()
}

/// What the form shows. A flag that is not chosen reads `false`, any other field the empty text.
pub fn draw(form: &PublishForm, kind: &str, chosen: &BTreeMap<String, String>) -> Drawn {
    let mut drawn = Drawn { values: chosen.clone(), ..Drawn::default() };
    drawn.values.insert("kind".to_owned(), kind.to_owned());
    let flags: BTreeSet<&str> =
        fields(form, kind).filter(|field| field.kind == "flag").map(|field| field.name.as_str()).collect();
    for (index, rule) in form.rules.iter().enumerate() {
        let holds = rule.conditions.iter().all(|condition| {
            let value = drawn
                .values
                .get(&condition.field)
                .map(String::as_str)
                .unwrap_or_else(|| if flags.contains(condition.field.as_str()) { "false" } else { "" });
            condition.values.iter().any(|wanted| wanted == value)
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
            Consequence::Notice(notice) => drawn.notices.push((notice.field.clone(), index)),
            Consequence::Block(why) => drawn.blocks.push(why.clone()),
        }
    }
    drawn.values.remove("kind");
    drawn
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

    /// What the person agrees to by pressing the button, one notice a line, exactly as shown.
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
        words: Vec<String>,
        field_notices: BTreeMap<String, Vec<String>>,
        blocks: Vec<String>,
        values: BTreeMap<String, String>,
    }

    #[test]
    fn rules_are_taken_as_the_examples_say() {
        let examples: Examples = serde_json::from_str(include_str!("../server/assets/rules.json")).unwrap();
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
}
