//! Calls of a connected account to the server that keeps it.

use serde_json::Value;
use social_channel_provider::http::{Body, Method, Request, Response};
use social_channel_provider::{Account, Environment, Error, form};

use crate::credentials::Credentials;
use crate::dpop::{Key, Nonce, Server, wants_nonce};
use crate::errors;

/// What a call sends.
pub(crate) enum Payload<'a, M> {
    Json(&'a Value),
    /// A whole item. Its bytes go from the host to the server.
    Media {
        item: &'a M,
        length: u64,
        content_type: &'a str,
    },
}

/// One account at its server.
pub(crate) struct Caller<'a, E> {
    environment: &'a E,
    pub(crate) credentials: Credentials,
    key: Option<Key>,
}

impl<'a, E: Environment> Caller<'a, E> {
    pub(crate) fn new(environment: &'a E, account: &Account) -> Result<Self, Error> {
        Self::with(environment, Credentials::of(account)?)
    }

    pub(crate) fn with(environment: &'a E, credentials: Credentials) -> Result<Self, Error> {
        let key = credentials.oauth.as_ref().map(|oauth| Key::read(&oauth.key)).transpose()?;
        Ok(Self { environment, credentials, key })
    }

    /// A query, which changes nothing.
    pub(crate) async fn get(&self, method: &str, query: &[(&str, &str)]) -> Result<Value, Error> {
        let address = form::with_query(&self.url(method), query.iter().copied());
        let response = self.send(Method::Get, &address, None, false).await?;
        if !response.is_success() {
            return Err(errors::of(self.environment, &response));
        }
        errors::body(&response)
    }

    /// A procedure whose repetition does nothing more; `seen`: others can see what it does.
    pub(crate) async fn post(
        &self,
        method: &str,
        payload: Payload<'_, E::Media>,
        seen: bool,
    ) -> Result<Value, Error> {
        if self.key.is_some() && matches!(payload, Payload::Media { .. }) {
            // A file is not sent only to be told the next nonce.
            self.get("com.atproto.server.getSession", &[]).await?;
        }
        let response = self.send(Method::Post, &self.url(method), Some(&payload), seen).await?;
        if !response.is_success() {
            return Err(match seen {
                true => errors::of_effect(self.environment, &response),
                false => errors::of(self.environment, &response),
            });
        }
        Ok(response.json().unwrap_or_default())
    }

    fn url(&self, method: &str) -> String {
        format!("{}/xrpc/{method}", self.credentials.pds)
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        payload: Option<&Payload<'_, E::Media>>,
        seen: bool,
    ) -> Result<Response, Error> {
        let lost = |error: social_channel_provider::http::SendError| match seen {
            true => error.of_effect("Bluesky"),
            false => error.of_read("Bluesky"),
        };
        let access = &self.credentials.access;
        let Some(key) = &self.key else {
            let request = filled(Request::new(method, url).bearer(access.reveal()), payload);
            return self.environment.send(request).await.map_err(lost);
        };
        let mut nonce = Nonce::read(self.environment, Server::Resource, url).await;
        let mut again = true;
        loop {
            let proof = key.proof(self.environment, method, url, nonce.value.as_deref(), Some(access));
            let request = Request::new(method, url)
                .header("authorization", format!("DPoP {}", access.reveal()))
                .header("dpop", proof);
            let response = self.environment.send(filled(request, payload)).await.map_err(lost)?;
            nonce.note(self.environment, &response).await;
            if !(again && wants_nonce(&response)) {
                return Ok(response);
            }
            again = false;
        }
    }
}

fn filled<'a, M>(request: Request<'a, M>, payload: Option<&Payload<'a, M>>) -> Request<'a, M> {
    match payload {
        None => request,
        Some(Payload::Json(value)) => {
            let mut request = request.header("content-type", "application/json");
            request.body = Body::Bytes(value.to_string().into_bytes());
            request
        }
        Some(Payload::Media { item, length, content_type }) => {
            request.header("content-type", *content_type).media(*item, 0, *length)
        }
    }
}
