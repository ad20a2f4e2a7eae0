//! Reads JSON written by a person, and describes an error in one sentence: where it is, and what to write instead.

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::{Deserializer, Error, Value};
use serde_path_to_error::Path;
use url::Url;

/// The maximum number of names listed in a message; if there are more, only the nearest is named.
const LISTED: usize = 15;

/// Reads text. `Err` is the error sentence.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    // Some editors write a byte order mark before the text.
    let mut json = Deserializer::from_str(text.trim_start_matches('\u{feff}'));
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| sentence(Some(error.path()), error.inner()))?;
    json.end().map_err(|error| sentence(None, &error))?;
    Ok(value)
}

/// Like [`read`], for parsed JSON.
pub(crate) fn convert<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| sentence(Some(error.path()), error.inner()))
}

/// Reports a list in place of an object, which serde would accept as the members in order. `pattern` has an object
/// wherever one is expected; the first item of its lists represents all items.
pub(crate) fn no_list_for_object(given: &Value, pattern: &Value, path: &str) -> Result<(), String> {
    match (given, pattern) {
        (Value::Array(_), Value::Object(_)) => {
            let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
            Err(format!("{place}write an object, in {{ and }}, not a list"))
        }
        (Value::Object(given), Value::Object(pattern)) => given.iter().try_for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            no_list_for_object(value, pattern.get(key).unwrap_or(&Value::Null), &path)
        }),
        (Value::Array(given), Value::Array(pattern)) => {
            let pattern = pattern.first().unwrap_or(&Value::Null);
            let mut members = given.iter().enumerate();
            members.try_for_each(|(at, value)| no_list_for_object(value, pattern, &format!("{path}[{at}]")))
        }
        _ => Ok(()),
    }
}

fn sentence(path: Option<&Path>, error: &Error) -> String {
    let place = path.map(ToString::to_string).filter(|path| path != "." && !path.is_empty());
    let at = (error.line() > 0).then(|| format!("line {}, column {}", error.line(), error.column()));
    let text = error.to_string();
    let tail = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&tail).unwrap_or(&text);
    let what = match error.classify() {
        Category::Data => plain(text),
        Category::Eof => {
            "the JSON ends too early; close what was opened, or write {} for nothing".to_string()
        }
        Category::Syntax | Category::Io => format!("this is no JSON: {text}"),
    };
    let places: Vec<String> = [at, place].into_iter().flatten().collect();
    if places.is_empty() { what } else { format!("{}: {what}", places.join(", ")) }
}

/// Translates a message of serde; an unknown message is returned unchanged.
fn plain(text: &str) -> String {
    let names: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    if text.starts_with("unknown field") || text.starts_with("unknown variant") {
        let (Some(given), known) = (names.first(), names.get(1..).unwrap_or_default()) else {
            return text.to_string();
        };
        let quoted: Vec<String> = known.iter().map(|name| format!("\"{name}\"")).collect();
        let advice = match nearest(given, known) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None if known.len() <= LISTED => format!("write one of {}", quoted.join(", ")),
            None => "--print-world prints all that is".to_string(),
        };
        return format!("\"{given}\" is not known here; {advice}");
    }
    if let Some(name) = names.first().filter(|_| text.starts_with("duplicate field")) {
        let alias = if *name == "platforms" { ", or kind, its old name, beside it" } else { "" };
        return format!("\"{name}\" is given twice{alias}; leave one");
    }
    let wrong = text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "));
    if let Some((given, wanted)) = wrong.and_then(|text| text.rsplit_once(", expected ")) {
        let wanted = match wanted {
            "a boolean" => "true or false",
            "u8" | "u16" | "u32" | "u64" => "a whole number that is not negative and not too large",
            "a string" => "text in quotes",
            "a sequence" => "a list, in [ and ]",
            "a map" => "an object, in { and }",
            wanted if wanted.starts_with("struct ") => "an object, in { and }",
            wanted => wanted,
        };
        return format!("write {wanted}, not {given}");
    }
    text.to_string()
}

/// The known name that is most likely meant.
fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let nearest = known.iter().map(|name| (distance(given, name), *name)).min()?;
    // A third of the letters may be wrong; with more, the suggestion would mislead.
    (nearest.0 * 3 <= given.chars().count()).then_some(nearest.1)
}

/// The number of letters to insert, delete or change (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut next = vec![at + 1];
        for (other, pair) in to.iter().zip(row.windows(2)) {
            let [diagonal, above] = pair else { continue };
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(*other != letter)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Checks that `text` is an origin and nothing more; a trailing slash is ignored.
pub(crate) fn origin(text: &str, schemes: &[&str]) -> Result<(), String> {
    let url = Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host());
    let Some(url) = url else {
        return Err(format!(
            "is no origin; write one such as {}://media.example.com",
            schemes.first().unwrap_or(&"http")
        ));
    };
    if url.origin().ascii_serialization() != text.trim_end_matches('/') {
        return Err(format!("write {}, the origin alone", url.origin().ascii_serialization()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[test]
    fn a_mistake_is_told_with_its_place_and_its_remedy() {
        for (text, place, remedy) in [
            ("", "line 1", "write {}"),
            ("{", "line 1", "close"),
            ("{\"apps\": [],}", "line 1, column 13", "no JSON"),
            ("{}\n{}", "line 2", "no JSON"),
            ("{\"app\": []}", "app", "did you mean \"apps\"?"),
            ("{\"apps\": {}}", "apps", "a list, in [ and ]"),
            ("{\"apps\": [{\"colour\": 1}]}", "apps[0]", "write one of \"client_key\""),
            (
                "{\"apps\": [{\"platforms\": [\"ios\"]}]}",
                "apps[0].platforms",
                "write one of \"web\", \"desktop\"",
            ),
            ("{\"apps\": [{\"stage\": \"audted\"}]}", "apps[0].stage", "did you mean \"audited\"?"),
            ("{\n\"seed\": -1}", "line 2", "a whole number"),
            (
                "{\"switches\": {\"auto_consent\": {\"enabled\": \"yes\"}}}",
                "switches.auto_consent.enabled",
                "true or false",
            ),
            ("{\"switches\": {\"no_such\": 1}}", "switches", "--print-world"),
            ("{\"seed\": 1, \"seed\": 2}", "seed", "given twice"),
        ] {
            let error = read::<World>(text).unwrap_err();
            assert!(error.contains(place) && error.contains(remedy), "{text}: {error}");
            assert!(!error.contains('\n') && !error.contains("struct"), "{error}");
        }
        read::<World>("\u{feff}{}").unwrap();
    }

    #[test]
    fn a_list_is_no_object() {
        for (text, path) in [
            ("[]", "write"),
            ("{\"switches\": []}", "switches: write"),
            ("{\"apps\": [{}, []]}", "apps[1]: write"),
            ("{\"accounts\": [{\"videos\": [[]]}]}", "accounts[0].videos[0]: write"),
            ("{\"connect_to\": []}", "connect_to"),
        ] {
            let error = World::from_json(text).unwrap_err().to_string();
            assert!(error.contains(path) && error.contains("an object, in { and }"), "{text}: {error}");
        }
    }

    #[test]
    fn origins_are_told_from_other_urls() {
        origin("https://media.example.com", &["https"]).unwrap();
        origin("http://127.0.0.1:8000/", &["http"]).unwrap();
        for wrong in ["media.example.com", "https://media.example.com/videos", "ftp://a.example", "http://"] {
            origin(wrong, &["https", "http"]).unwrap_err();
        }
    }

    #[test]
    fn distances_count_letters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
