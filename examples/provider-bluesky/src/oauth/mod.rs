//! Connecting by the server's own sign-in page: OAuth as atproto profiles it, with PAR, PKCE and DPoP.

mod client;
mod discovery;
mod token;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use social_channel_provider::channel::{ConnectRequest, ConnectStep, Connection, Redirect};
use social_channel_provider::http::Response;
use social_channel_provider::{Account, Environment, Error, ErrorKind, form, json};

use crate::credentials::{Credentials, Oauth, unauthorized};
use crate::dpop::Key;
use crate::errors;
use crate::profile;
use crate::secret::Secret;
use crate::settings::Settings;

pub(crate) use client::{SCOPE, document};

/// A request that was pushed is kept for five minutes by the server, and the person has to sign in within it.
const CONNECT_WITHIN_MS: u64 = 5 * 60 * 1000;
/// Servers end the session of a program that keeps no secret after two weeks, however often it is refreshed.
const SESSION_S: u64 = 14 * 24 * 3600;

/// What is needed when the browser comes back.
#[derive(Serialize, Deserialize)]
struct Session {
    issuer: discovery::Issuer,
    client_id: String,
    redirect_uri: String,
    verifier: Secret,
    key: Secret,
}

pub(crate) async fn begin<E: Environment>(
    environment: &E,
    settings: &Settings,
    request: &ConnectRequest,
    handle: Option<&str>,
) -> Result<ConnectStep, Error> {
    let client_id = client::id(settings, &request.redirect_uri)?;
    let issuer = discovery::of_service(environment, &settings.service).await?;
    let (key, kept) = Key::new(environment);
    let verifier = URL_SAFE_NO_PAD.encode(environment.random(32));
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
    let mut fields = vec![
        ("client_id", client_id.as_str()),
        ("response_type", "code"),
        ("redirect_uri", request.redirect_uri.as_str()),
        ("scope", SCOPE),
        ("state", request.state.as_str()),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    if let Some(handle) = handle {
        fields.push(("login_hint", handle));
    }
    if request.choose_account {
        fields.push(("prompt", "select_account"));
    }
    let sent = token::send(environment, &key, &issuer.par, &fields).await;
    let response = sent.map_err(|error| error.of_read("Bluesky"))?;
    if !response.is_success() {
        return Err(refused(environment, &response));
    }
    let pushed = json::text(&errors::body(&response)?, "request_uri").ok_or_else(errors::unreadable)?;
    let url = form::with_query(
        &issuer.authorize,
        [("client_id", client_id.as_str()), ("request_uri", pushed.as_str())],
    );
    let redirect_uri = request.redirect_uri.clone();
    let session = Session { issuer, client_id, redirect_uri, verifier: Secret::new(verifier), key: kept };
    let session = serde_json::to_vec(&session).unwrap_or_default();
    Ok(ConnectStep::Redirect(Redirect::new(url, session, CONNECT_WITHIN_MS)))
}

pub(crate) async fn complete<E: Environment>(
    environment: &E,
    session: &[u8],
    callback: &[(String, String)],
) -> Result<Connection, Error> {
    let settings = Settings::read(environment)?;
    let session: Session = serde_json::from_slice(session).map_err(|_| {
        Error::new(ErrorKind::InvalidRequest, "This attempt to connect was not started by this provider.")
            .remedy("Start again.")
    })?;
    let parameter = |name: &str| {
        let found = callback.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    // Who answers must be who was asked (RFC 9207), or a code could be carried to the wrong server.
    if parameter("iss") != Some(session.issuer.issuer.as_str()) {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            "Another server answered than the one that was asked.",
        )
        .remedy("Start again."));
    }
    if let Some(code) = parameter("error") {
        let why = parameter("error_description").unwrap_or("the server did not say why");
        return Err(Error::new(
            ErrorKind::AuthorizationDenied,
            format!("Bluesky did not connect the account: {why}."),
        )
        .remedy("Start again, and allow what is asked for.")
        .code(code));
    }
    let Some(code) = parameter("code") else {
        return Err(Error::new(ErrorKind::InvalidRequest, "Bluesky sent the browser back without a code.")
            .remedy("Start again, and do not reload the page to which Bluesky returns."));
    };
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", session.client_id.as_str()),
        ("code", code),
        ("redirect_uri", session.redirect_uri.as_str()),
        ("code_verifier", session.verifier.reveal()),
    ];
    let key = Key::read(&session.key)?;
    let sent = token::send(environment, &key, &session.issuer.token, &fields).await;
    let response = sent.map_err(|error| error.of_effect("Bluesky"))?;
    if !response.is_success() {
        return Err(refused(environment, &response));
    }
    let tokens =
        token::Tokens::parse(&errors::body(&response)?, environment.now()).ok_or_else(errors::unreadable)?;
    let issuer = session.issuer;
    let (pds, handle) = discovery::prove(environment, &settings, &tokens.did, &issuer.issuer).await?;
    let mut credentials = Credentials {
        access: Secret::new(tokens.access),
        refresh: Secret::new(tokens.refresh),
        pds,
        handle,
        display_name: None,
        avatar_url: None,
        expires_at: tokens.expires_at,
        refresh_expires_at: Some(environment.now().saturating_add(SESSION_S)),
        oauth: Some(Oauth {
            issuer: issuer.issuer,
            token_endpoint: issuer.token,
            revocation_endpoint: issuer.revoke,
            client_id: session.client_id,
            key: session.key,
        }),
    };
    // Connected now; the tokens must not be lost because the name cannot be read.
    profile::complete(environment, &tokens.did, &mut credentials).await;
    Ok(connection(credentials, tokens.did, tokens.scopes))
}

/// One request. The server gives both tokens again; the old refresh token is spent, and a second use ends the session.
pub(crate) async fn refresh<E: Environment>(
    environment: &E,
    account: Account,
    old: Credentials,
    oauth: &Oauth,
) -> Result<Connection, Error> {
    let key = Key::read(&oauth.key)?;
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", oauth.client_id.as_str()),
        ("refresh_token", old.refresh.reveal()),
    ];
    let sent = token::send(environment, &key, &oauth.token_endpoint, &fields).await;
    let response = sent.map_err(|error| error.of_effect("Bluesky"))?;
    if !response.is_success() {
        let error = refused(environment, &response);
        return Err(match error.kind {
            ErrorKind::AuthorizationDenied => Error { kind: ErrorKind::Unauthorized, ..error },
            // A server that breaks off may have spent the token.
            ErrorKind::Unavailable => Error { kind: ErrorKind::OutcomeUnknown, ..error },
            _ => error,
        });
    }
    let answer = response.json().and_then(|body| token::Tokens::parse(&body, environment.now()));
    let tokens = answer.ok_or_else(|| {
        Error::new(ErrorKind::OutcomeUnknown, "Bluesky's answer to the refresh cannot be read.")
    })?;
    if tokens.did != account.id {
        return Err(unauthorized("Bluesky answered for another account than was asked for."));
    }
    let credentials = Credentials {
        access: Secret::new(tokens.access),
        refresh: Secret::new(tokens.refresh),
        expires_at: tokens.expires_at,
        ..old
    };
    Ok(connection(credentials, tokens.did, tokens.scopes))
}

/// Ends the whole session, whichever of its tokens is named.
pub(crate) async fn revoke<E: Environment>(
    environment: &E,
    credentials: &Credentials,
    oauth: &Oauth,
) -> Result<(), Error> {
    let Some(url) = &oauth.revocation_endpoint else { return Ok(()) };
    let key = Key::read(&oauth.key)?;
    let fields = [("client_id", oauth.client_id.as_str()), ("token", credentials.refresh.reveal())];
    let sent = token::send(environment, &key, url, &fields).await;
    let response = sent.map_err(|error| error.of_effect("Bluesky"))?;
    // A token that is unknown, or ended already, is a success, too (RFC 7009).
    match response.is_success() {
        true => Ok(()),
        false => Err(refused(environment, &response)),
    }
}

fn connection(credentials: Credentials, id: String, scopes: Vec<String>) -> Connection {
    let missing = SCOPE.split(' ').filter(|asked| !scopes.iter().any(|scope| scope == asked));
    let missing = missing.map(str::to_owned).collect();
    credentials.connection(id, scopes, missing)
}

/// The error of an authorization server (RFC 6749, RFC 9449).
fn refused<E: Environment>(environment: &E, response: &Response) -> Error {
    let body: Value = response.json().unwrap_or_default();
    let code = json::text(&body, "error");
    let why = json::text(&body, "error_description").unwrap_or_else(|| "it did not say why".to_owned());
    let why = why.trim_end_matches('.');
    let error = |kind, remedy: &str| {
        Error::new(kind, format!("Bluesky's sign-in refused it: {why}."))
            .remedy(remedy)
            .code(code.clone().unwrap_or_default())
    };
    match code.as_deref() {
        Some("invalid_grant" | "access_denied" | "login_required" | "consent_required") => {
            error(ErrorKind::AuthorizationDenied, "Connect the account again.")
        }
        Some(
            "invalid_client" | "invalid_client_metadata" | "invalid_redirect_uri" | "unauthorized_client",
        ) => error(
            ErrorKind::Misconfigured,
            "The operator compares the document at `client-id` with the one that the guide shows.",
        )
        .field("client-id"),
        Some("invalid_scope") => error(
            ErrorKind::Misconfigured,
            "The operator must allow the scope in the document at `client-id`.",
        ),
        _ => errors::of(environment, response),
    }
}
