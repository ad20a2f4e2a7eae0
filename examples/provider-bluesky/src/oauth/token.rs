//! Requests to an authorization server: a form, a proof of the key, and the server's nonce.

use serde_json::Value;
use social_channel_provider::http::{Method, Request, Response, SendError};
use social_channel_provider::{Environment, json};

use crate::dpop::{Key, Nonce, Server, wants_nonce};

/// Sends a form, and sends it again if the server only wanted its nonce.
pub(crate) async fn send<E: Environment>(
    environment: &E,
    key: &Key,
    url: &str,
    fields: &[(&str, &str)],
) -> Result<Response, SendError> {
    let mut nonce = Nonce::read(environment, Server::Authorization, url).await;
    let mut again = true;
    loop {
        let proof = key.proof(environment, Method::Post, url, nonce.value.as_deref(), None);
        let request = Request::new(Method::Post, url).header("dpop", proof).form(fields.iter().copied());
        let response = environment.send(request).await?;
        nonce.note(environment, &response).await;
        if !(again && wants_nonce(&response)) {
            return Ok(response);
        }
        again = false;
    }
}

/// Tokens, as the token endpoint gives them.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) did: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) expires_at: Option<u64>,
    pub(crate) scopes: Vec<String>,
}

impl Tokens {
    /// None if something is missing, or if they are not bound to the key.
    pub(crate) fn parse(answer: &Value, now: u64) -> Option<Self> {
        let is_bound = json::text(answer, "token_type")?.eq_ignore_ascii_case("DPoP");
        is_bound.then_some(Self {
            did: json::text(answer, "sub").filter(|sub| sub.starts_with("did:"))?,
            access: json::text(answer, "access_token")?,
            refresh: json::text(answer, "refresh_token")?,
            expires_at: json::number(answer, "expires_in").map(|seconds| now.saturating_add(seconds)),
            scopes: json::text(answer, "scope")?.split(' ').map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_bound_tokens_are_taken() {
        let answer = json!({"access_token": "a", "refresh_token": "r", "sub": "did:plc:a", "expires_in": 3600,
            "scope": "atproto transition:generic", "token_type": "DPoP"});
        let tokens = Tokens::parse(&answer, 100).unwrap();
        assert_eq!((tokens.expires_at, tokens.scopes.len()), (Some(3700), 2));
        for (name, value) in [("token_type", "Bearer"), ("sub", "ada"), ("refresh_token", "")] {
            let mut other = answer.clone();
            other[name] = value.into();
            assert!(Tokens::parse(&other, 0).is_none(), "{name}");
        }
    }
}
