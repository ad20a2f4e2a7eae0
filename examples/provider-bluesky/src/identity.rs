//! Who somebody is: names (handles), ids (DIDs), and the server that keeps an account.

use serde_json::Value;
use social_channel_provider::http::{Method, Request};
use social_channel_provider::{Environment, Error, ErrorKind, json};

use crate::errors;
use crate::settings::Settings;

/// The origin of the server in a DID document.
pub(crate) fn server_of(document: &Value) -> Option<String> {
    let services = json::list(document, "service");
    let own = services.iter().find(|service| {
        json::text(service, "id").is_some_and(|id| id.ends_with("#atproto_pds"))
            && service["type"] == "AtprotoPersonalDataServer"
    })?;
    Some(json::text(own, "serviceEndpoint")?.trim_end_matches('/').to_owned())
}

/// The handle in a DID document.
pub(crate) fn handle_of(document: &Value) -> Option<String> {
    let names = json::list(document, "alsoKnownAs");
    names.iter().filter_map(Value::as_str).find_map(|name| name.strip_prefix("at://")).map(str::to_owned)
}

/// An account's document, from who has the say: the directory, or the domain in the id itself.
pub(crate) async fn document<E: Environment>(
    environment: &E,
    settings: &Settings,
    did: &str,
) -> Result<Value, Error> {
    let url = match did.strip_prefix("did:web:") {
        Some(host) if is_host(host) => format!("https://{host}/.well-known/did.json"),
        None if did.starts_with("did:plc:") => format!("{}/{did}", settings.directory),
        _ => return Err(Error::new(ErrorKind::Other, "Bluesky named the account in an unknown way.")),
    };
    let response =
        environment.send(Request::new(Method::Get, url)).await.map_err(|it| it.of_read("The directory"))?;
    if !response.is_success() {
        return Err(errors::of(environment, &response));
    }
    let document = errors::body(&response)?;
    if document["id"] != did {
        return Err(errors::unreadable());
    }
    Ok(document)
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

/// Whether a text can be a handle: a domain name of at least two labels, the last one not beginning with a digit.
pub(crate) fn is_handle(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253
        && labels.len() >= 2
        && labels.iter().all(is_label)
        && labels.last().is_some_and(|last| last.starts_with(|first: char| first.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_names_server_and_handle() {
        let document = json!({
            "id": "did:plc:a",
            "alsoKnownAs": ["https://x", "at://ada.test"],
            "service": [
                {"id": "#other", "type": "Other", "serviceEndpoint": "https://no"},
                {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://pds.test/"},
            ],
        });
        assert_eq!(server_of(&document).as_deref(), Some("https://pds.test"));
        assert_eq!(handle_of(&document).as_deref(), Some("ada.test"));
        assert_eq!(server_of(&json!({})), None);
    }

    #[test]
    fn handles_are_domain_names() {
        for good in ["ada.test", "a-b.bsky.social", "xn--bcher-kva.example"] {
            assert!(is_handle(good), "{good}");
        }
        for bad in ["ada", "", ".test", "ada.", "a..b", "-a.test", "ada.1st", "a_b.test", "ädä.test"] {
            assert!(!is_handle(bad), "{bad}");
        }
    }
}
