//! Who asks: the client id, which is the address of the operator's own document. Nothing is registered at Bluesky.

use serde_json::{Value, json};
use social_channel_provider::{Error, ErrorKind, form};

use crate::settings::Settings;

/// What is asked for: to act as the account, and to read and write what its own apps do, but for messages and settings.
pub(crate) const SCOPE: &str = "atproto transition:generic";

/// The client id for this callback address.
pub(crate) fn id(settings: &Settings, redirect_uri: &str) -> Result<String, Error> {
    if let Some(id) = &settings.client_id {
        return Ok(id.clone());
    }
    // Servers know every program on the person's own machine by a made-up id that says everything.
    if ["http://127.0.0.1", "http://[::1]"].iter().any(|own| redirect_uri.starts_with(own)) {
        return Ok(form::with_query("http://localhost", [("redirect_uri", redirect_uri), ("scope", SCOPE)]));
    }
    Err(Error::new(ErrorKind::Misconfigured, "Signing in at Bluesky needs a client id, which is not set.")
        .remedy(
            "The operator puts the document that the guide shows at an https address and sets `client-id` to that \
             address; until then, connect with an app password.",
        )
        .field("client-id"))
}

/// The document that belongs at the address of the client id.
pub(crate) fn document(client_id: &str, redirect_uri: &str) -> Value {
    json!({
        "client_id": client_id,
        "client_name": "Social Channel",
        "application_type": "web",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "redirect_uris": [redirect_uri],
        "scope": SCOPE,
        "token_endpoint_auth_method": "none",
        "dpop_bound_access_tokens": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(client_id: Option<&str>) -> Settings {
        Settings { service: String::new(), directory: String::new(), client_id: client_id.map(str::to_owned) }
    }

    #[test]
    fn a_service_elsewhere_needs_a_document() {
        let own = id(&settings(None), "http://127.0.0.1:80/callback/b").unwrap();
        assert_eq!(
            own,
            "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%3A80%2Fcallback%2Fb&scope=atproto+transition%3Ageneric"
        );
        let refused = id(&settings(None), "https://posts.example.com/callback/b").unwrap_err();
        assert_eq!((refused.kind, refused.field.as_deref()), (ErrorKind::Misconfigured, Some("client-id")));
        let set = settings(Some("https://posts.example.com/client.json"));
        assert_eq!(id(&set, "https://x").unwrap(), "https://posts.example.com/client.json");
    }
}
