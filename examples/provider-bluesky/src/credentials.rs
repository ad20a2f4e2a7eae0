//! Credentials: a pair of tokens, and for OAuth the key that they are bound to, as bytes that the host stores.
//!
//! The format is JSON to which members are only added: older and newer versions of this provider read the same bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use social_channel_provider::channel::Connection;
use social_channel_provider::{Account, Error, ErrorKind, json};

use crate::secret::Secret;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) access: Secret,
    pub(crate) refresh: Secret,
    /// The origin of the server (PDS) that keeps the account.
    pub(crate) pds: String,
    /// As of the last connect or refresh: a refresh returns the account's names and must not use the new token for
    /// them before the host has stored it.
    pub(crate) handle: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) avatar_url: Option<String>,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<u64>,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_expires_at: Option<u64>,
    /// None: connected by app password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) oauth: Option<Oauth>,
}

/// What the tokens of an OAuth session are bound to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Oauth {
    pub(crate) issuer: String,
    pub(crate) token_endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revocation_endpoint: Option<String>,
    pub(crate) client_id: String,
    /// The private key of this account alone, hexadecimal.
    pub(crate) key: Secret,
}

impl Credentials {
    pub(crate) fn of(account: &Account) -> Result<Self, Error> {
        serde_json::from_slice(&account.credentials)
            .map_err(|_| unauthorized("The stored credentials of this Bluesky account cannot be read."))
    }

    pub(crate) fn connection(self, id: String, scopes: Vec<String>, missing: Vec<String>) -> Connection {
        let credentials = serde_json::to_vec(&self).unwrap_or_default();
        let account = Account { id, credentials, scopes };
        let name = self.display_name.unwrap_or_else(|| self.handle.clone());
        Connection {
            username: Some(self.handle),
            avatar_url: self.avatar_url,
            kind: Some("person".to_owned()),
            expires_at: self.expires_at,
            refresh_expires_at: self.refresh_expires_at,
            missing_scopes: missing,
            ..Connection::new(account, name)
        }
    }
}

pub(crate) fn unauthorized(message: &str) -> Error {
    Error::new(ErrorKind::Unauthorized, message).remedy("Connect the account again.")
}

/// When a token of an app password's session ends, which only the token itself tells. It is read, not trusted: the server
/// has the last word.
pub(crate) fn expiry(token: &str) -> Option<u64> {
    json::number(&claims(token)?, "exp")
}

/// Whether a session was begun with the account's own password: it may do everything, such as deleting the account.
pub(crate) fn may_do_everything(token: &str) -> bool {
    claims(token).is_some_and(|claims| claims["scope"] == "com.atproto.access")
}

fn claims(token: &str) -> Option<Value> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&claims).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_its_end() {
        let token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(br#"{"exp":1795000100}"#));
        assert_eq!(expiry(&token), Some(1_795_000_100));
        assert_eq!(expiry("no.token"), None);
        assert_eq!(expiry(""), None);
        let scoped =
            |scope: &str| format!("e30.{}.x", URL_SAFE_NO_PAD.encode(format!(r#"{{"scope":"{scope}"}}"#)));
        assert!(may_do_everything(&scoped("com.atproto.access")));
        assert!(!may_do_everything(&scoped("com.atproto.appPass")));
    }

    #[test]
    fn credentials_survive_other_versions_and_show_nothing() {
        let older = br#"{"access":"a","refresh":"r","pds":"https://p","handle":"h.test","later":1}"#;
        let account = Account { id: "did:plc:a".to_owned(), credentials: older.to_vec(), scopes: Vec::new() };
        let credentials = Credentials::of(&account).unwrap();
        assert!(credentials.oauth.is_none());
        assert!(!format!("{credentials:?}").contains("\"a\""));
        let broken = Account { credentials: b"?".to_vec(), ..account };
        assert_eq!(Credentials::of(&broken).unwrap_err().kind, ErrorKind::Unauthorized);
    }
}
