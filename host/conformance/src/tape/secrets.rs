//! Cuts secrets out of a recording: the same value becomes the same placeholder everywhere, so that a replay still fits.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use social_channel_runtime::model::Field;
use social_channel_runtime::{Error, ErrorKind, Result};
use url::form_urlencoded::byte_serialize;

/// Shorter values stand in ordinary words, and nothing that opens an account is so short.
const SHORTEST: usize = 6;
/// How the names of secrets end, in JSON and in forms: `access_token`, `accessJwt`, `client_secret`.
const NAMES: [&str; 7] = ["token", "secret", "password", "jwt", "assertion", "cookie", "verifier"];

/// Whether a value with this name is one.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|end| name.ends_with(end))
}

/// The secrets in a document, by their names.
pub(super) fn named(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if is_secret(name) => found.push(text.clone()),
                    other => named(other, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| named(value, found)),
        _ => {}
    }
}

/// Secrets, and what stands in their places.
#[derive(Default)]
pub(crate) struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// The values of those fields that are declared as secrets.
    ///
    /// # Errors
    /// `InvalidArgument` for one that cannot be cut out.
    pub(crate) fn declared(&mut self, fields: &[Field], values: &BTreeMap<String, String>) -> Result<()> {
        for field in fields.iter().filter(|field| field.kind == "secret") {
            let Some(value) = values.get(&field.name).filter(|value| !value.is_empty()) else { continue };
            if value.len() < SHORTEST {
                let message = format!(
                    "the secret `{}` is shorter than {SHORTEST} bytes, so it cannot be told from other text and cut out of a recording",
                    field.name
                );
                return Err(Error::new(ErrorKind::InvalidArgument, message)
                    .with_field(field.name.as_str())
                    .with_remedy("Give the test server a longer one."));
            }
            self.add([value]);
        }
        Ok(())
    }

    pub(crate) fn add<'a>(&mut self, secrets: impl IntoIterator<Item = &'a String>) {
        for secret in secrets.into_iter().filter(|secret| secret.len() >= SHORTEST) {
            let number = self.0.len() + 1;
            self.0.entry(secret.clone()).or_insert_with(|| placeholder(secret, number));
        }
    }

    /// A document without them.
    pub(crate) fn cut<T: Serialize + DeserializeOwned>(&self, document: &T) -> Result<T> {
        let failed =
            |error| Error::new(ErrorKind::Internal, "the recording cannot be written").with_source(error);
        let mut document = serde_json::to_value(document).map_err(failed)?;
        // A long one may contain a short one.
        let mut secrets: Vec<(&String, &String)> = self.0.iter().collect();
        secrets.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
        let forms: Vec<(String, String)> =
            secrets.iter().flat_map(|(secret, with)| forms(secret, with)).collect();
        replace(&mut document, &forms);
        serde_json::from_value(document).map_err(failed)
    }
}

/// As long as the secret. A token that says something about itself keeps that and loses its signature, because a provider may
/// read when it ends.
fn placeholder(secret: &str, number: usize) -> String {
    if let Some((said, signature)) = secret.rsplit_once('.')
        && secret.starts_with("eyJ")
        && said.contains('.')
    {
        return format!("{said}.{}", padded(&format!("cut{number}"), signature.len()));
    }
    padded(&format!("cut{number}"), secret.len())
}

fn padded(text: &str, length: usize) -> String {
    format!("{text:x<length$}")
}

/// A secret as it stands in texts: as it is, as in JSON, and as in an address.
fn forms(secret: &str, with: &str) -> Vec<(String, String)> {
    let mut forms = vec![(secret.to_owned(), with.to_owned())];
    let in_json = serde_json::to_string(secret).unwrap_or_default();
    let in_json = in_json.trim_matches('"');
    let encoded: String = byte_serialize(secret.as_bytes()).collect();
    for form in [in_json.to_owned(), in_json.replace('/', "\\/"), encoded] {
        if !forms.iter().any(|(known, _)| *known == form) {
            forms.push((form, with.to_owned()));
        }
    }
    forms
}

fn replace(value: &mut Value, forms: &[(String, String)]) {
    match value {
        Value::String(text) => {
            for (secret, with) in forms {
                if text.contains(secret) {
                    *text = text.replace(secret, with);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, forms)),
        Value::Object(members) => members.values_mut().for_each(|value| replace(value, forms)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_by_their_names_and_addresses_of_them_are_none() {
        let mut found = Vec::new();
        named(
            &json!({"accessJwt": "a", "data": [{"refresh_token": "b", "token_type": "Bearer"}],
                "token_endpoint": "https://x.test", "error": {"code": "access_token_invalid"}}),
            &mut found,
        );
        assert_eq!(found, ["a", "b"]);
    }

    #[test]
    fn a_placeholder_is_as_long_and_a_signed_token_still_says_when_it_ends() {
        assert_eq!(placeholder("abcdefgh", 12), "cut12xxx");
        assert_eq!(placeholder("eyJh.eyJleHAi.c2lnbmF0dXJl", 3), "eyJh.eyJleHAi.cut3xxxxxxxx");
    }

    #[test]
    fn every_form_of_a_secret_is_replaced() {
        let mut secrets = Secrets::default();
        secrets.add(&["a+b/c\"d=".to_owned()]);
        let (secret, with) = secrets.0.iter().next().unwrap();
        let forms = forms(secret, with);
        let mut value = json!([r#"{"t":"a+b\/c\"d="}"#, "code=a%2Bb%2Fc%22d%3D&x", "a+b/c\"d="]);
        replace(&mut value, &forms);
        assert_eq!(value, json!([r#"{"t":"cut1xxxx"}"#, "code=cut1xxxx&x", "cut1xxxx"]));
    }
}
