//! What differs, in words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::part::Form;

/// Values are shown to this length.
const SHOWN: usize = 80;
/// Differences of one answer: a list that is in another order differs everywhere.
const MOST: usize = 10;

/// The members of a document, as `a.b[].c`.
pub(super) fn members(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(all) => {
            for (name, value) in all {
                members(value, &below(at, name), found);
            }
        }
        Value::Array(all) => all.iter().for_each(|value| members(value, &format!("{at}[]"), found)),
        _ => found.push(if at.is_empty() { "a value".to_owned() } else { at.to_owned() }),
    }
}

fn below(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// Where two requests for the same differ.
pub(super) fn of_forms(before: &Form, now: &Form) -> Vec<String> {
    let of = format!("{} {}", now.method, now.url);
    let mut differences = Vec::new();
    let lists = [
        ("the query", &before.query, &now.query),
        ("the headers", &before.headers, &now.headers),
        ("the body", &before.body, &now.body),
    ];
    for (what, before, now) in lists {
        let (old, new): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), now.iter().collect());
        let named =
            |names: Vec<&&String>| names.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
        let (more, less) =
            (new.difference(&old).collect::<Vec<_>>(), old.difference(&new).collect::<Vec<_>>());
        if !more.is_empty() {
            differences.push(format!("{of}: {what} now has {}", named(more)));
        }
        if !less.is_empty() {
            differences.push(format!("{of}: {what} no longer has {}", named(less)));
        }
    }
    if before.content_type != now.content_type {
        let words = |it: &Option<String>| it.clone().unwrap_or_else(|| "nothing".to_owned());
        let (old, new) = (words(&before.content_type), words(&now.content_type));
        differences.push(format!("{of}: its content type was {old} and is {new}"));
    }
    differences
}

/// Where two answers differ.
pub(super) fn of_answers(before: &Value, now: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(before, now, "", &mut found);
    let more = found.len().saturating_sub(MOST);
    found.truncate(MOST);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    found
}

fn compare(before: &Value, now: &Value, at: &str, found: &mut Vec<String>) {
    match (before, now) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let value = |all: &serde_json::Map<String, Value>| all.get(name).cloned().unwrap_or_default();
                compare(&value(old), &value(new), &below(at, name), found);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for place in 0..old.len().max(new.len()) {
                let value = |all: &[Value]| all.get(place).cloned().unwrap_or_default();
                compare(&value(old), &value(new), &format!("{at}[{place}]"), found);
            }
        }
        _ if before == now => {}
        _ => {
            let at = if at.is_empty() { "the answer" } else { at };
            found.push(format!("{at} was {} and is {}", shown(before), shown(now)));
        }
    }
}

fn shown(value: &Value) -> String {
    if value.is_null() {
        return "absent".to_owned();
    }
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named_by_its_place() {
        let before = json!({"posts": [{"id": "1", "text": "a"}], "next": null});
        let now = json!({"posts": [{"id": "1", "text": "b"}, {"id": "2"}]});
        assert_eq!(
            of_answers(&before, &now),
            [r#"posts[0].text was "a" and is "b""#, r#"posts[1] was absent and is {"id":"2"}"#]
        );
        assert!(of_answers(&now, &now).is_empty());
    }

    #[test]
    fn members_are_named_once_a_place() {
        let mut found = Vec::new();
        members(&json!({"a": {"b": 1}, "c": [{"d": 2}, {"d": 3}]}), "", &mut found);
        assert_eq!(found, ["a.b", "c[].d", "c[].d"]);
    }
}
