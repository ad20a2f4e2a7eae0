//! What the reader of a request finds wrong, in words for who sent it. The reader (serde) speaks of variants and types of
//! Rust.

use social_channel::{Error, ErrorKind};

/// A body that does not fit. `path`: where in it, `.` for the whole.
pub(crate) fn of_body(path: &str, error: &serde_json::Error) -> Error {
    if error.is_syntax() || error.is_eof() {
        let (line, column) = (error.line(), error.column());
        return wrong(format!("the body is no JSON: it breaks at line {line}, column {column}"), None, None);
    }
    let said = error.to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    reworded("the body", path, said)
}

/// A query or a path that does not fit, as axum says it: `limit: invalid digit found in string`.
pub(crate) fn of_address(what: &str, said: &str) -> Error {
    let said = said.split_once("Failed to deserialize query string: ").map_or(said, |(_, said)| said);
    let name = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    match said.split_once(": ") {
        Some((path, said)) if name(path) => reworded(what, path, said),
        _ => reworded(what, ".", said),
    }
}

fn wrong(message: String, field: Option<&str>, remedy: Option<String>) -> Error {
    let remedy = remedy.unwrap_or_else(|| "compare the request with /api/v1/reference".to_owned());
    let error = Error::new(ErrorKind::InvalidRequest, message).with_remedy(remedy);
    match field {
        Some(field) => error.with_field(field),
        None => error,
    }
}

fn reworded(what: &str, path: &str, said: &str) -> Error {
    let inside = |name: &str| if path == "." { name.to_owned() } else { format!("{path}.{name}") };
    let here = (path != ".").then_some(path);
    let subject = here.map_or_else(|| what.to_owned(), |path| format!("{path} in {what}"));
    if let Some(name) = named(said, "missing field ") {
        let field = inside(name);
        return wrong(format!("{field} is missing in {what}"), Some(&field), None);
    }
    if let Some(name) = named(said, "duplicate field ") {
        let field = inside(name);
        return wrong(format!("{field} stands twice in {what}"), Some(&field), None);
    }
    if let Some(name) = named(said, "unknown field ") {
        // The path of an unknown member ends with it.
        let field = if path.rsplit('.').next() == Some(name) { path.to_owned() } else { inside(name) };
        return wrong(format!("{what} knows no {field}"), Some(&field), choices(said));
    }
    if let Some(name) = named(said, "unknown variant ") {
        return wrong(format!("{subject} cannot be {name}"), here, choices(said));
    }
    if let Some((found, expected)) = said.split_once(", expected ")
        && let Some((_, found)) = found.split_once(": ")
    {
        // What belongs there may be a secret, so what stands there may be one.
        let is_secret = path.split(['.', '[']).any(|part| matches!(part, "rows" | "inputs" | "settings"));
        let found = if is_secret && found.starts_with("string") { "a text".to_owned() } else { value(found) };
        let expected = kind(expected);
        return wrong(format!("{subject} is {found}, and {expected} belongs there"), here, None);
    }
    // What serde derives for an object reads lists too, as far as they go.
    if said.starts_with("invalid length ") && said.contains("expected struct ") {
        return wrong(format!("{subject} is a list, and an object belongs there"), here, None);
    }
    match said {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            wrong(format!("{subject} is no whole number"), here, None)
        }
        "number too large to fit in target type" => wrong(format!("{subject} is too large"), here, None),
        "number too small to fit in target type" => wrong(format!("{subject} is too small"), here, None),
        "provided string was not `true` or `false`" => {
            wrong(format!("{subject} is neither true nor false"), here, None)
        }
        // What the types themselves say is said for people.
        own => wrong(format!("{subject} does not fit: {own}"), here, None),
    }
}

/// The name between backticks after this beginning.
fn named<'a>(said: &'a str, beginning: &str) -> Option<&'a str> {
    said.strip_prefix(beginning)?.strip_prefix('`')?.split('`').next()
}

/// What may stand there instead.
fn choices(said: &str) -> Option<String> {
    let (_, listed) = said.split_once(", expected ")?;
    let names: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
    (!names.is_empty()).then(|| format!("take one of: {}", names.join(", ")))
}

fn value(found: &str) -> String {
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    let value = value.trim_matches('`');
    let shown: String = value.chars().take(60).collect();
    match kind {
        "string" => format!("the text {shown}"),
        "integer" | "floating" => format!("the number {}", shown.trim_start_matches("point `")),
        "boolean" => shown,
        "map" => "an object".to_owned(),
        "sequence" => "a list".to_owned(),
        "null" | "unit" => "nothing".to_owned(),
        _ => found.chars().take(60).collect(),
    }
}

fn kind(expected: &str) -> String {
    let known = match expected {
        "a string" | "string" | "a borrowed string" => "text",
        "a boolean" => "true or false",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => {
            "a whole number, not below zero and not too large,"
        }
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a map" => "an object",
        "a sequence" => "a list",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("variant ") || expected.contains("enum ") => "one of its choices",
        other => other,
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is read to find what is wrong")]
    struct Body {
        name: String,
        count: Option<u8>,
        flag: Option<bool>,
        inner: Option<Inner>,
        list: Option<Vec<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Inner {
        One,
        TwoOrMore,
    }

    fn said(text: &str) -> (String, Option<String>, String) {
        let error = crate::strict::read::<Body>(text.as_bytes()).unwrap_err();
        (error.message, error.field, error.remedy.unwrap_or_default())
    }

    #[test]
    fn nobody_has_to_know_rust() {
        for (text, message, field) in [
            ("{", "the body is no JSON: it breaks at line 1, column 1", None),
            ("{}", "name is missing in the body", Some("name")),
            (r#"{"name": "a", "nam": 1}"#, "the body knows no nam", Some("nam")),
            (r#"{"name": 5}"#, "name in the body is the number 5, and text belongs there", Some("name")),
            (r#"{"name": null}"#, "name in the body is nothing, and text belongs there", Some("name")),
            (r#"["a"]"#, "the body is a list, and an object belongs there", None),
            (r#"{"name": "a", "inner": "three"}"#, "inner in the body cannot be three", Some("inner")),
            (r#"{"name": "a", "list": ["one", "x"]}"#, "list[1] in the body cannot be x", Some("list[1]")),
            (
                r#"{"name": "a", "flag": "yes"}"#,
                r#"flag in the body is the text "yes", and true or false belongs there"#,
                Some("flag"),
            ),
            (r#"{"name": "a", "name": "b"}"#, "name stands twice in the body", Some("name")),
        ] {
            let (told, at, _) = said(text);
            assert_eq!((told.as_str(), at.as_deref()), (message, field), "{text}");
        }
        assert_eq!(said(r#"{"name": "a", "inner": "three"}"#).2, "take one of: one, two_or_more");
        assert!(said(r#"{"name": "a", "count": 300}"#).0.starts_with("count in the body is the number 300"));
        let error = of_address(
            "the query",
            "Failed to deserialize query string: limit: invalid digit found in string",
        );
        assert_eq!(error.message, "limit in the query is no whole number");
        let error = of_address("the query", "Failed to deserialize query string: missing field `path`");
        assert_eq!(
            (error.message.as_str(), error.field.as_deref()),
            ("path is missing in the query", Some("path"))
        );
    }
}
