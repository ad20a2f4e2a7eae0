//! `application/x-www-form-urlencoded`, for request bodies and query strings.

/// Encodes pairs; everything but letters, digits and `*-._` is percent-encoded, a space becomes `+`.
#[must_use]
pub fn encode<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// `url` with a query appended.
#[must_use]
pub fn with_query<'a>(url: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{}", encode(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_characters_are_encoded() {
        assert_eq!(encode([("scope", "a,b"), ("code", "x*1!2 ü")]), "scope=a%2Cb&code=x*1%212+%C3%BC");
    }

    #[test]
    fn a_query_joins_an_existing_one() {
        assert_eq!(with_query("https://a/b/?x=1", [("y", "2")]), "https://a/b/?x=1&y=2");
    }
}
