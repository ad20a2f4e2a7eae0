//! Addresses at which a browser comes back.

use social_channel::callback_query;

/// An address is taken apart once and whole: encoding and parsing again gives the same values.
///
/// # Panics
/// If it is not.
pub fn callback_address(input: &[u8]) {
    let pairs = callback_query(&String::from_utf8_lossy(input));
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&pairs);
    assert_eq!(callback_query(&format!("https://app.example.com/callback/?{}", query.finish())), pairs);
}
