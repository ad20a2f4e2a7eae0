//! Which authorization server an account signs in at, and where its endpoints are.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use social_channel_provider::http::{Method, Request};
use social_channel_provider::{Environment, Error, ErrorKind, json};

use crate::errors;
use crate::identity;
use crate::settings::Settings;

/// An authorization server, as its metadata says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Issuer {
    pub(crate) issuer: String,
    pub(crate) par: String,
    pub(crate) authorize: String,
    pub(crate) token: String,
    pub(crate) revoke: Option<String>,
}

async fn metadata<E: Environment>(environment: &E, origin: &str, name: &str) -> Result<Value, Error> {
    let url = format!("{origin}/.well-known/{name}");
    let response =
        environment.send(Request::new(Method::Get, url)).await.map_err(|it| it.of_read("Bluesky"))?;
    if !response.is_success() {
        return Err(errors::of(environment, &response));
    }
    errors::body(&response)
}

/// The authorization server of the service that the operator named: itself, or the one that it names.
pub(crate) async fn of_service<E: Environment>(environment: &E, service: &str) -> Result<Issuer, Error> {
    let issuer = match of_server(environment, service).await {
        Ok(issuer) => issuer,
        // An entry point such as bsky.social keeps no accounts and signs people in itself.
        Err(error) if error.kind == ErrorKind::NotFound => service.to_owned(),
        Err(error) => return Err(error),
    };
    let told = metadata(environment, &issuer, "oauth-authorization-server").await?;
    // A server that speaks for another one is not believed.
    let is_own = json::text(&told, "issuer").as_deref() == Some(issuer.as_str());
    let endpoint = |name: &str| {
        json::text(&told, name)
            .filter(|url| url.strip_prefix(&issuer).is_some_and(|rest| rest.starts_with('/')))
    };
    match (
        endpoint("pushed_authorization_request_endpoint"),
        endpoint("authorization_endpoint"),
        endpoint("token_endpoint"),
    ) {
        (Some(par), Some(authorize), Some(token)) if is_own => {
            Ok(Issuer { par, authorize, token, revoke: endpoint("revocation_endpoint"), issuer })
        }
        _ => Err(Error::new(
            ErrorKind::Misconfigured,
            "The service offers no sign-in for other programs (OAuth).",
        )
        .remedy("Connect with an app password, or correct the setting `service`.")
        .field("service")),
    }
}

/// The authorization server that a server of accounts names.
async fn of_server<E: Environment>(environment: &E, server: &str) -> Result<String, Error> {
    let told = metadata(environment, server, "oauth-protected-resource").await?;
    let issuer = json::list(&told, "authorization_servers").first().and_then(Value::as_str);
    issuer.map(|issuer| issuer.trim_end_matches('/').to_owned()).ok_or_else(errors::unreadable)
}

/// The account's server and handle, proved from its id on: whoever has the say over the id names the server, and the
/// server names the issuer. Without it any issuer could sign anybody in.
pub(crate) async fn prove<E: Environment>(
    environment: &E,
    settings: &Settings,
    did: &str,
    issuer: &str,
) -> Result<(String, String), Error> {
    let document = identity::document(environment, settings, did).await?;
    let server = identity::server_of(&document).ok_or_else(errors::unreadable)?;
    if server != issuer && of_server(environment, &server).await? != issuer {
        return Err(Error::new(
            ErrorKind::AuthorizationDenied,
            "The server that signed the person in has no say over this account.",
        )
        .remedy("Connect the account at the server that keeps it."));
    }
    Ok((server, identity::handle_of(&document).unwrap_or_else(|| did.to_owned())))
}
