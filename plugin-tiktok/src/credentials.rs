//! Credentials: TikTok's pair of tokens, as bytes that the host stores.
//!
//! The format is JSON to which members are only added, because older and newer versions of this provider read
//! the same bytes during a replacement.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use social_channel_provider::channel::Connection;
use social_channel_provider::{Account, Error, ErrorKind, json};

use crate::secret::Secret;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) access_token: Secret,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<Secret>,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<u64>,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_expires_at: Option<u64>,
    /// As of the last connect. A refresh must return the account's name, and must not use the new token to
    /// query it before the host has stored the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) avatar_url: Option<String>,
}

impl Credentials {
    pub(crate) fn of(account: &Account) -> Result<Self, Error> {
        serde_json::from_slice(&account.credentials).map_err(|_| {
            Error::new(
                ErrorKind::Unauthorized,
                "The stored credentials of this TikTok account cannot be read.",
            )
            .remedy("Connect the account again.")
        })
    }

    /// An access token of which nothing else is known.
    pub(crate) fn from_access(access_token: Secret) -> Self {
        Self {
            access_token,
            refresh_token: None,
            expires_at: None,
            refresh_expires_at: None,
            display_name: None,
            avatar_url: None,
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A successful response of the token endpoint. Only the returned lifetimes count: TikTok's documentation is
/// inconsistent (24 hours and a year, or 2 hours and 180 days), and both fields contain the remaining time.
#[derive(Debug)]
pub(crate) struct TokenAnswer {
    pub(crate) open_id: String,
    pub(crate) credentials: Credentials,
    /// None: not in the response.
    pub(crate) scopes: Option<Vec<String>>,
}

impl TokenAnswer {
    /// None if a required member is missing.
    pub(crate) fn parse(answer: &Value, now: u64) -> Option<Self> {
        let instant = |name| json::number(answer, name).map(|seconds| now.saturating_add(seconds));
        Some(Self {
            open_id: json::text(answer, "open_id")?,
            credentials: Credentials {
                access_token: Secret::new(json::text(answer, "access_token")?),
                refresh_token: json::text(answer, "refresh_token").map(Secret::new),
                expires_at: instant("expires_in"),
                refresh_expires_at: instant("refresh_expires_in"),
                display_name: None,
                avatar_url: None,
            },
            scopes: answer.get("scope").and_then(Value::as_str).map(scope_list),
        })
    }
}

/// TikTok writes lists of scopes with commas; the order is not stable, so they are compared as sets.
pub(crate) fn scope_list(text: &str) -> Vec<String> {
    text.split([',', ' ']).map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

/// A connected account. `asked`: the permissions that the app asks for.
pub(crate) fn connection(
    id: String,
    credentials: Credentials,
    scopes: Vec<String>,
    asked: &[String],
) -> Connection {
    let missing_scopes = asked.iter().filter(|scope| !scopes.contains(scope)).cloned().collect();
    let account = Account { id, credentials: credentials.to_bytes(), scopes };
    let name = credentials.display_name.unwrap_or_else(|| "TikTok account".to_owned());
    // One consent returns one account, so there is no grant.
    Connection {
        missing_scopes,
        avatar_url: credentials.avatar_url,
        expires_at: credentials.expires_at,
        refresh_expires_at: credentials.refresh_expires_at,
        ..Connection::new(account, name)
    }
}

/// The error for a missing permission.
pub(crate) fn missing_scope(scope: &str) -> Error {
    Error::new(ErrorKind::Forbidden, format!("The TikTok account has not granted the permission `{scope}`."))
        .remedy(format!("Connect the account again and allow {}.", purpose(scope)))
        .field(scope)
}

/// Refuses a call that the stored grant does not cover, before TikTok is asked.
pub(crate) fn require_scope(account: &Account, scope: &str) -> Result<(), Error> {
    if account.scopes.iter().any(|granted| granted == scope) { Ok(()) } else { Err(missing_scope(scope)) }
}

fn purpose(scope: &str) -> &'static str {
    match scope {
        "user.info.basic" => "reading the name and the picture",
        "user.info.profile" => "reading the profile",
        "user.info.stats" => "reading the numbers of followers, likes and videos",
        "video.list" => "reading the public videos",
        "video.publish" => "posting",
        _ => "it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn account(credentials: &[u8]) -> Account {
        Account { id: "o".to_owned(), credentials: credentials.to_vec(), scopes: Vec::new() }
    }

    #[test]
    fn credentials_survive_members_of_other_versions() {
        let older = Credentials::of(&account(br#"{"access_token":"act.x"}"#)).unwrap();
        assert_eq!(older.access_token.reveal(), "act.x");
        let newer = br#"{"access_token":"act.y","refresh_token":"rft.y","expires_at":9,"cnf":{"a":1}}"#;
        assert_eq!(Credentials::of(&account(newer)).unwrap().expires_at, Some(9));
        assert_eq!(Credentials::of(&account(b"\xff")).unwrap_err().kind, ErrorKind::Unauthorized);
    }

    #[test]
    fn lives_come_from_the_answer_alone() {
        let answer = json!({"open_id": "o", "access_token": "a", "refresh_token": "r",
            "expires_in": 7200, "refresh_expires_in": "15552000", "scope": "b,a", "token_type": "Bearer"});
        let parsed = TokenAnswer::parse(&answer, 1000).unwrap();
        assert_eq!(parsed.credentials.expires_at, Some(8200));
        assert_eq!(parsed.credentials.refresh_expires_at, Some(15_553_000));
        let silent = json!({"open_id": "o", "access_token": "a"});
        assert_eq!(TokenAnswer::parse(&silent, 1000).unwrap().credentials.expires_at, None);
        // One page of TikTok's documentation still shows the format of the first OAuth version.
        assert!(TokenAnswer::parse(&json!({"data": answer, "message": "success"}), 0).is_none());
    }

    #[test]
    fn credentials_do_not_show_in_debug() {
        let credentials = Credentials::of(&account(br#"{"access_token":"act.x"}"#)).unwrap();
        assert!(!format!("{credentials:?}").contains("act.x"));
    }
}
