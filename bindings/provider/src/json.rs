//! Reading JSON from a platform: tolerant of missing members, exact with large numbers.

use std::borrow::Cow;

use serde_json::Value;

/// What a platform wrote, if it is JSON. Half a character, such as `"soup \ud83d"` where a title was cut in the middle of an
/// emoji, becomes U+FFFD where it stands, and so do bytes that are no UTF-8: the rest of the answer counts.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Value> {
    // Nearly all answers are whole, and cost nothing more.
    serde_json::from_slice(bytes).ok().or_else(|| {
        let text = String::from_utf8_lossy(bytes);
        serde_json::from_str(&mended(&text)).ok()
    })
}

/// With every escape of half a surrogate pair put right.
fn mended(text: &str) -> Cow<'_, str> {
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        made.push_str(before);
        let (kept, length) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (true, 12),
            (Some(0xD800..=0xDFFF), _) => (false, 6),
            // The character behind the backslash goes with it: it may be another backslash.
            _ => (true, 1 + escape.chars().nth(1).map_or(0, char::len_utf8)),
        };
        let (one, after) = escape.split_at(length);
        made.push_str(if kept { one } else { "\\ufffd" });
        rest = after;
    }
    if made.is_empty() {
        return Cow::Borrowed(text);
    }
    made.push_str(rest);
    Cow::Owned(made)
}

/// The UTF-16 unit of an escape that begins here.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

/// A member as text; None if absent, null, empty or of another type.
#[must_use]
pub fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A member as a whole number, written as a number or as digits in a string; None if it is absent,
/// negative or not a whole number. Never goes through floating point, so 19-digit ids stay exact.
#[must_use]
pub fn number(object: &Value, name: &str) -> Option<u64> {
    object.get(name).and_then(whole)
}

/// A whole number, written as a number or as digits in a string.
#[must_use]
pub fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A member as true or false; None if absent or of another type.
#[must_use]
pub fn flag(object: &Value, name: &str) -> Option<bool> {
    object.get(name).and_then(Value::as_bool)
}

/// A member as a list; empty if absent or of another type.
#[must_use]
pub fn list<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    object.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn large_numbers_stay_exact() {
        let answer: Value =
            serde_json::from_str(r#"{"a":7570000000000001234,"b":"7570000000000001235","c":1.5,"d":-1}"#)
                .unwrap();
        assert_eq!(number(&answer, "a"), Some(7_570_000_000_000_001_234));
        assert_eq!(number(&answer, "b"), Some(7_570_000_000_000_001_235));
        assert_eq!(number(&answer, "c"), None);
        assert_eq!(number(&answer, "d"), None);
    }

    #[test]
    fn half_a_character_costs_nothing_but_itself() {
        for (wrote, read_as) in [
            (r#"{"a":"soup \ud83d","b":1}"#, json!({"a": "soup \u{fffd}", "b": 1})),
            (r#"{"a":"\udf72 soup","b":1}"#, json!({"a": "\u{fffd} soup", "b": 1})),
            (r#"["\ud83d\ud83c\udf72\ud83d"]"#, json!(["\u{fffd}\u{1f372}\u{fffd}"])),
            (r#"["\ud83d\n\ud83dx\ud83d\u0041"]"#, json!(["\u{fffd}\n\u{fffd}x\u{fffd}A"])),
            // A backslash that is meant, before what looks like an escape.
            (r#"["\\ud83d","\ud83d","\"\\"]"#, json!(["\\ud83d", "\u{fffd}", "\"\\"])),
            (r#"{"\ud83d":1}"#, json!({"\u{fffd}": 1})),
            // What is whole stays as it is.
            (r#"["\ud83c\udf72","é🍲"]"#, json!(["🍲", "é🍲"])),
        ] {
            assert_eq!(read(wrote.as_bytes()), Some(read_as), "{wrote}");
        }
        assert_eq!(read(b"[\"a\xed\xa0\xbdb\",1]").unwrap()[1], 1);
        for broken in ["", "{", r#"["\ud83d"#, r#"["\ud8"]"#, r#"["\ud83d\"#, r#"["\uzzzz"]"#, "\\", "<html>"]
        {
            assert_eq!(read(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn absent_is_not_empty() {
        let answer = json!({"a": "", "b": null});
        assert_eq!(text(&answer, "a"), None);
        assert_eq!(text(&answer, "b"), None);
        assert!(list(&answer, "c").is_empty());
    }
}
