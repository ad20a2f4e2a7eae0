//! Reading JSON that a platform wrote: tolerant of missing members, exact with large numbers.

use serde_json::Value;

/// A member as text; None if absent, null, empty or of another type.
#[must_use]
pub fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A member as a whole number, written as a number or as digits in a string; None if it is absent,
/// negative or no whole number. Never goes through floating point, so 19-digit ids stay exact.
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
    fn absent_is_not_empty() {
        let answer = json!({"a": "", "b": null});
        assert_eq!(text(&answer, "a"), None);
        assert_eq!(text(&answer, "b"), None);
        assert!(list(&answer, "c").is_empty());
    }
}
