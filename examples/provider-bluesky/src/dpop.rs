//! DPoP (RFC 9449): every request of an OAuth session carries a proof, signed with the account's own key (ES256), and the
//! nonce that the server asked for last.
//!
//! The authorization server and the resource server have nonces of their own, even at one address: one is refused by the
//! other. They are kept in the host's storage, so that most requests need no second try.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use social_channel_provider::http::{Method, Response};
use social_channel_provider::storage::SetOptions;
use social_channel_provider::{Environment, Error};

use crate::credentials::unauthorized;
use crate::secret::Secret;

/// Servers take a nonce for three minutes; an older one costs one more request.
const NONCE_LIFE_MS: u64 = 180_000;

/// Whose nonce it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Authorization,
    Resource,
}

/// An account's key.
pub(crate) struct Key {
    signing: SigningKey,
    public: Value,
}

impl Key {
    /// A new key, and its private half to keep.
    pub(crate) fn new<E: Environment>(environment: &E) -> (Self, Secret) {
        loop {
            // All but one of 2^32 random numbers are keys.
            if let Ok(secret) = SecretKey::from_slice(&environment.random(32)) {
                let text = URL_SAFE_NO_PAD.encode(secret.to_bytes());
                return (Self::of(&secret), Secret::new(text));
            }
        }
    }

    pub(crate) fn read(kept: &Secret) -> Result<Self, Error> {
        let secret =
            URL_SAFE_NO_PAD.decode(kept.reveal()).ok().and_then(|bytes| SecretKey::from_slice(&bytes).ok());
        let secret = secret
            .ok_or_else(|| unauthorized("The stored credentials of this Bluesky account cannot be read."))?;
        Ok(Self::of(&secret))
    }

    fn of(secret: &SecretKey) -> Self {
        let point = secret.public_key().to_encoded_point(false);
        let half = |bytes: Option<&p256::FieldBytes>| {
            URL_SAFE_NO_PAD.encode(bytes.map(|bytes| bytes.as_slice()).unwrap_or_default())
        };
        let public = json!({ "kty": "EC", "crv": "P-256", "x": half(point.x()), "y": half(point.y()) });
        Self { signing: SigningKey::from(secret), public }
    }

    /// A proof for one request. `access`: the token that goes with it.
    pub(crate) fn proof<E: Environment>(
        &self,
        environment: &E,
        method: Method,
        url: &str,
        nonce: Option<&str>,
        access: Option<&Secret>,
    ) -> String {
        let mut claims = json!({
            "jti": URL_SAFE_NO_PAD.encode(environment.random(16)),
            "htm": name(method),
            // Without query and fragment, as RFC 9449 says.
            "htu": url.split(['?', '#']).next().unwrap_or_default(),
            "iat": environment.now(),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        if let Some(access) = access {
            claims["ath"] = URL_SAFE_NO_PAD.encode(Sha256::digest(access.reveal())).into();
        }
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.public });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature: Signature = self.signing.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

fn name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

/// Whether the server refused the request only because it wants its nonce: nothing was done.
pub(crate) fn wants_nonce(response: &Response) -> bool {
    if !matches!(response.status, 400 | 401) || response.header("dpop-nonce").is_none() {
        return false;
    }
    let told = response.header("www-authenticate").is_some_and(|text| text.contains("use_dpop_nonce"));
    told || response.json().is_some_and(|body| body["error"] == "use_dpop_nonce")
}

/// The nonce of a server, as the host's storage has it.
pub(crate) struct Nonce {
    key: String,
    pub(crate) value: Option<String>,
}

impl Nonce {
    pub(crate) async fn read<E: Environment>(environment: &E, server: Server, url: &str) -> Self {
        let origin = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let server = match server {
            Server::Authorization => "authorization",
            Server::Resource => "resource",
        };
        let key = format!("nonce/{server}/{origin}");
        // Without it the server says which one it wants.
        let entry = environment.storage_get(&key).await.ok().flatten();
        let value = entry.and_then(|entry| String::from_utf8(entry.value).ok());
        Self { key, value }
    }

    /// Keeps the nonce that came with an answer.
    pub(crate) async fn note<E: Environment>(&mut self, environment: &E, response: &Response) {
        let Some(fresh) = response.header("dpop-nonce") else { return };
        if self.value.as_deref() == Some(fresh) {
            return;
        }
        self.value = Some(fresh.to_owned());
        let options = SetOptions { if_version: None, ttl: Some(NONCE_LIFE_MS) };
        // As above: a lost one costs one more request.
        let _ = environment.storage_set(&self.key, fresh.as_bytes().to_vec(), options).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier as _;
    use social_channel_provider::testing::{FakeEnvironment, run};

    #[test]
    fn a_proof_is_signed_by_the_key_that_it_names() {
        let environment = FakeEnvironment::new();
        let (key, kept) = Key::new(&environment);
        let again = Key::read(&kept).unwrap();
        let access = Secret::new("token");
        let url = "https://pds.test/xrpc/a.b.c?x=1";
        let proof = again.proof(&environment, Method::Get, url, Some("n1"), Some(&access));
        let parts: Vec<&str> = proof.split('.').collect();
        let read =
            |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        let (header, claims) = (read(parts[0]), read(parts[1]));
        assert_eq!(header["jwk"], key.public);
        assert_eq!(claims["htu"], "https://pds.test/xrpc/a.b.c");
        assert_eq!((&claims["htm"], &claims["nonce"]), (&json!("GET"), &json!("n1")));
        assert_eq!(claims["ath"], URL_SAFE_NO_PAD.encode(Sha256::digest("token")));
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(parts[2]).unwrap()).unwrap();
        let signed = format!("{}.{}", parts[0], parts[1]);
        VerifyingKey::from(&again.signing).verify(signed.as_bytes(), &signature).unwrap();
        assert_eq!(
            Key::read(&Secret::new("AAAA")).err().unwrap().kind,
            crate::credentials::unauthorized("").kind
        );
    }

    #[test]
    fn nonces_of_two_servers_at_one_address_are_two() {
        let environment = FakeEnvironment::new();
        let url = "http://localhost:1/oauth/token";
        let answer = |nonce: &str| Response {
            status: 400,
            headers: vec![("dpop-nonce".to_owned(), nonce.to_owned())],
            body: br#"{"error":"use_dpop_nonce"}"#.to_vec(),
            truncated: false,
        };
        assert!(wants_nonce(&answer("a")));
        assert!(!wants_nonce(&Response { status: 200, ..answer("a") }));
        run(async {
            let mut nonce = Nonce::read(&environment, Server::Authorization, url).await;
            nonce.note(&environment, &answer("a")).await;
            let read =
                async |server| Nonce::read(&environment, server, "http://localhost:1/xrpc/x").await.value;
            assert_eq!(read(Server::Authorization).await.as_deref(), Some("a"));
            assert_eq!(read(Server::Resource).await, None);
            environment.advance_ms(NONCE_LIFE_MS + 1);
            assert_eq!(read(Server::Authorization).await, None);
        });
    }
}
