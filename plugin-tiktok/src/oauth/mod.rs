//! Connecting an account: the authorization page, the code, the tokens and their revocation (Login Kit).
//!
//! The host generates and checks `state`, and prevents concurrent refreshes.

mod bring;
mod redirect;
mod token;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use social_channel_provider::channel::{ConnectRequest, ConnectStep, Connection, Redirect};
use social_channel_provider::http::{Method, Request};
use social_channel_provider::{Account, Environment, Error, ErrorKind, form, json};

pub(crate) use self::bring::inputs;
pub(crate) use self::redirect::check_redirect;
use crate::api::API;
use crate::credentials::{Credentials, connection, scope_list};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::{errors, profile};

const AUTHORIZE: &str = "https://www.tiktok.com/v2/auth/authorize/";

/// How long a person may take on TikTok's pages: signing in with a code from another device takes
/// minutes, but a forgotten tab should not stay valid for hours.
const CONNECT_WITHIN_MS: u64 = 15 * 60 * 1000;

/// The data that `complete_connect` needs.
#[derive(Serialize, Deserialize)]
struct Session {
    redirect_uri: String,
    /// Only if a challenge was sent.
    #[serde(default)]
    verifier: Option<Secret>,
    scopes: Vec<String>,
}

/// Connects with tokens that were brought along, or begins with the address of TikTok's consent page.
pub(crate) async fn connect<E: Environment>(
    environment: &E,
    request: &ConnectRequest,
) -> Result<ConnectStep, Error> {
    match bring::connect(environment, request).await? {
        Some(connection) => Ok(ConnectStep::Connected(vec![connection])),
        None => begin(environment, request),
    }
}

/// The address of TikTok's consent page.
pub(crate) fn begin<E: Environment>(environment: &E, request: &ConnectRequest) -> Result<ConnectStep, Error> {
    let settings = Settings::read(environment)?;
    check_redirect(&settings, &request.redirect_uri)?;
    let scopes = settings.scopes.join(",");
    let mut query = vec![
        ("client_key", settings.client_key.as_str()),
        ("response_type", "code"),
        ("scope", scopes.as_str()),
        ("redirect_uri", request.redirect_uri.as_str()),
        ("state", request.state.as_str()),
    ];
    // Only desktop registrations use PKCE (D-LKD); web registrations do not.
    let verifier = settings.desktop.then(|| hex::encode(environment.random(32)));
    let challenge = verifier.as_deref().map(challenge);
    if let Some(challenge) = &challenge {
        query.push(("code_challenge", challenge));
        query.push(("code_challenge_method", "S256"));
    }
    // Without it, a signed-in browser returns at once with its current account (trap 55).
    if request.choose_account && !settings.desktop {
        query.push(("disable_auto_auth", "1"));
    }
    let url = form::with_query(AUTHORIZE, query);
    let session = Session {
        redirect_uri: request.redirect_uri.clone(),
        verifier: verifier.map(Secret::new),
        scopes: settings.scopes,
    };
    let session = serde_json::to_vec(&session).unwrap_or_default();
    Ok(ConnectStep::Redirect(Redirect::new(url, session, CONNECT_WITHIN_MS)))
}

/// TikTok requires the hash in hexadecimal, not in base64url as in RFC 7636 (D-LKD).
fn challenge(verifier: &str) -> String {
    hex::encode(Sha256::digest(verifier.as_bytes()))
}

/// Handles the callback: exchanges the code for tokens, and reads the account.
pub(crate) async fn complete<E: Environment>(
    environment: &E,
    session: &[u8],
    callback: &[(String, String)],
) -> Result<Vec<Connection>, Error> {
    let settings = Settings::read(environment)?;
    let session: Session = serde_json::from_slice(session).map_err(|_| {
        Error::new(ErrorKind::InvalidRequest, "This attempt to connect was not started by this provider.")
            .remedy("Start again.")
    })?;
    let parameter = |name: &str| {
        callback
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    };
    if let Some(error) = parameter("error") {
        return Err(callback_error(error, parameter("error_type"), parameter("error_description")));
    }
    let Some(code) = parameter("code") else {
        return Err(Error::new(ErrorKind::InvalidRequest, "TikTok sent the browser back without a code.")
            .remedy("Start again, and do not reload the page to which TikTok returns."));
    };
    let mut fields = vec![
        ("client_key", settings.client_key.as_str()),
        ("client_secret", settings.client_secret.reveal()),
        ("code", code),
        ("grant_type", "authorization_code"),
        ("redirect_uri", session.redirect_uri.as_str()),
    ];
    if let Some(verifier) = &session.verifier {
        fields.push(("code_verifier", verifier.reveal()));
    }
    let answer = token::request(environment, fields).await?;
    let granted = answer
        .scopes
        .or_else(|| parameter("scopes").map(scope_list))
        .unwrap_or_else(|| session.scopes.clone());
    let mut credentials = answer.credentials;
    // The account is connected now; its tokens must not be lost because its name cannot be read.
    let user = profile::summary(environment, &answer.open_id, &credentials).await;
    credentials.display_name = json::text(&user, "display_name");
    credentials.avatar_url = profile::https(json::text(&user, "avatar_url"));
    let made = connection(answer.open_id, credentials, granted, &session.scopes);
    Ok(vec![profile::identified(made, &user)])
}

/// Refreshes the tokens. TikTok issues both again, and the old ones stop working at once.
pub(crate) async fn refresh<E: Environment>(environment: &E, account: Account) -> Result<Connection, Error> {
    let settings = Settings::read(environment)?;
    let old = Credentials::of(&account)?;
    let Some(refresh_token) = &old.refresh_token else {
        return Err(Error::new(ErrorKind::Unauthorized, "This TikTok account cannot be refreshed.")
            .remedy("Connect the account again."));
    };
    let fields = vec![
        ("client_key", settings.client_key.as_str()),
        ("client_secret", settings.client_secret.reveal()),
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.reveal()),
    ];
    let answer = token::request(environment, fields).await?;
    if answer.open_id != account.id {
        return Err(Error::new(ErrorKind::Other, "TikTok answered for another account than was asked for.")
            .remedy("Connect the account again."));
    }
    // With the older rules, the refresh token stays the same.
    let mut credentials = answer.credentials;
    if credentials.refresh_token.is_none() {
        credentials.refresh_token = old.refresh_token;
        credentials.refresh_expires_at = credentials.refresh_expires_at.or(old.refresh_expires_at);
    }
    // No further request here: the new token must be stored before it is used (trap 2).
    (credentials.display_name, credentials.avatar_url) = (old.display_name, old.avatar_url);
    let scopes = answer.scopes.unwrap_or(account.scopes);
    Ok(connection(account.id, credentials, scopes, &settings.scopes))
}

/// Removes the app from the account's list of connected apps.
pub(crate) async fn revoke<E: Environment>(environment: &E, account: &Account) -> Result<(), Error> {
    let settings = Settings::read(environment)?;
    let credentials = Credentials::of(account)?;
    // TikTok requires the access token and does not document whether a stale one is accepted.
    if credentials.expires_at.is_some_and(|at| at <= environment.now()) {
        return Err(Error::new(ErrorKind::CredentialsExpired, "The access token has expired.")
            .remedy("It is refreshed, and this is tried again."));
    }
    let request = Request::new(Method::Post, format!("{API}/v2/oauth/revoke/"))
        .header("cache-control", "no-cache")
        .form([
            ("client_key", settings.client_key.as_str()),
            ("client_secret", settings.client_secret.reveal()),
            ("token", credentials.access_token.reveal()),
        ]);
    let response = environment.send(request).await.map_err(|error| error.of_effect("TikTok"))?;
    let failure = response.json().as_ref().and_then(|answer| token::failure(answer, &response));
    match failure {
        Some(error) => Err(error),
        None if response.is_success() => Ok(()),
        None => Err(errors::by_status(response.status)),
    }
    .map_err(|error: Error| {
        error.remedy("Remove the app in the TikTok app: Settings and privacy, Security and permissions, Apps and services.")
    })
}

/// Whether TikTok accepts this key and secret. TikTok checks them before the token, so an invalid token is enough
/// for the test.
pub(crate) async fn probe<E: Environment>(environment: &E, settings: &Settings) -> Result<(), Error> {
    let fields = vec![
        ("client_key", settings.client_key.as_str()),
        ("client_secret", settings.client_secret.reveal()),
        ("grant_type", "refresh_token"),
        ("refresh_token", "rft.settings-check"),
    ];
    match token::request(environment, fields).await {
        Err(error) if error.code.as_deref() == Some("invalid_grant") => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

/// Translates an error of the authorization page. `error_type` is more specific than `error`.
fn callback_error(error: &str, error_type: Option<&str>, description: Option<&str>) -> Error {
    match error_type {
        Some("non_sandbox_target") => Error::new(
            ErrorKind::AuthorizationDenied,
            "This TikTok account is not a target user of the sandbox, so TikTok did not let it connect.",
        )
        .remedy("The operator must add the account under Target users of the sandbox (it can take an hour to take effect), or use the live app.")
        .code("non_sandbox_target"),
        Some("client_key") => errors::oauth("unauthorized_client", description, 400),
        Some("redirect_uri") => errors::misconfigured(error, errors::Cause::Redirect),
        Some("code_challenge") => errors::misconfigured(error, errors::Cause::Proof),
        Some("scope") => errors::oauth("invalid_scope", description, 400),
        _ => errors::oauth(error, description, 400),
    }
}

#[cfg(test)]
mod tests;
