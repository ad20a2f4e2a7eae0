//! Connecting by app password, which needs no browser: the person makes one in Bluesky's settings.

use serde_json::{Value, json};
use social_channel_provider::channel::Connection;
use social_channel_provider::http::{Method, Request, Response};
use social_channel_provider::{Account, Environment, Error, ErrorKind, json};

use crate::credentials::{Credentials, expiry, may_do_everything, unauthorized};
use crate::errors;
use crate::identity::server_of;
use crate::profile;
use crate::secret::Secret;
use crate::settings::Settings;

const WHERE: &str = "Make an app password at Bluesky: Settings, Privacy and security, App passwords.";

pub(crate) async fn connect<E: Environment>(
    environment: &E,
    settings: &Settings,
    handle: &str,
    password: &Secret,
) -> Result<Connection, Error> {
    let body = json!({ "identifier": handle, "password": password.reveal() });
    let url = format!("{}/xrpc/com.atproto.server.createSession", settings.service);
    let request = Request::new(Method::Post, url).json(&body);
    let response = environment.send(request).await.map_err(|error| error.of_read("Bluesky"))?;
    if response.status == 401 {
        return Err(refused(&response));
    }
    if !response.is_success() {
        return Err(errors::of(environment, &response));
    }
    let answer = errors::body(&response)?;
    let (id, mut credentials) = session(&answer).ok_or_else(errors::unreadable)?;
    credentials.pds = server_of(&answer["didDoc"]).unwrap_or_else(|| settings.service.clone());
    if may_do_everything(credentials.access.reveal()) {
        // It is not kept, and its session is ended; if that fails it ends by itself.
        let _ = disconnect(environment, &credentials).await;
        return Err(Error::new(ErrorKind::AuthorizationDenied, "This is the account's own password.")
            .remedy(format!("It could do everything with the account, so it is not used. {WHERE}"))
            .field("app-password"));
    }
    // Connected now; the tokens must not be lost because the name cannot be read.
    profile::complete(environment, &id, &mut credentials).await;
    Ok(credentials.connection(id, Vec::new(), Vec::new()))
}

/// A wrong password, or an account that wants more than one.
fn refused(response: &Response) -> Error {
    let body = response.json().unwrap_or_default();
    match json::text(&body, "error").as_deref() {
        Some("AuthFactorTokenRequired") => Error::new(
            ErrorKind::AuthorizationDenied,
            "This is the account's own password; Bluesky wants a code that it sent by mail besides.",
        )
        .remedy(WHERE)
        .field("app-password")
        .code("AuthFactorTokenRequired"),
        Some("AccountTakedown") => {
            Error::new(ErrorKind::AuthorizationDenied, "Bluesky has closed this account.")
                .code("AccountTakedown")
        }
        _ => {
            Error::new(ErrorKind::AuthorizationDenied, "Bluesky does not know this handle and app password.")
                .remedy(format!("Check both for mistyped letters. {WHERE}"))
                .field("app-password")
        }
    }
}

/// Id and tokens of an answer of `createSession` or `refreshSession`; None if one is missing.
fn session(answer: &Value) -> Option<(String, Credentials)> {
    let (access, refresh) = (json::text(answer, "accessJwt")?, json::text(answer, "refreshJwt")?);
    let credentials = Credentials {
        expires_at: expiry(&access),
        refresh_expires_at: expiry(&refresh),
        access: Secret::new(access),
        refresh: Secret::new(refresh),
        pds: String::new(),
        handle: json::text(answer, "handle")?,
        display_name: None,
        avatar_url: None,
        oauth: None,
    };
    Some((json::text(answer, "did")?, credentials))
}

/// One request, and none with the new token: it must be stored before it is used.
pub(crate) async fn refresh<E: Environment>(
    environment: &E,
    account: Account,
    old: Credentials,
) -> Result<Connection, Error> {
    let url = format!("{}/xrpc/com.atproto.server.refreshSession", old.pds);
    let request = Request::new(Method::Post, url).bearer(old.refresh.reveal());
    let response = environment.send(request).await.map_err(|error| error.of_effect("Bluesky"))?;
    if !response.is_success() {
        let error = errors::of_effect(environment, &response);
        // The server has forgotten the session: the app password was removed, or it is too long ago.
        return Err(match error.kind {
            ErrorKind::CredentialsExpired | ErrorKind::Rejected => Error {
                remedy: Some("Connect the account again.".to_owned()),
                ..Error { kind: ErrorKind::Unauthorized, ..error }
            },
            _ => error,
        });
    }
    // Something else than tokens: whether the old ones still work is not known.
    let lost = || Error::new(ErrorKind::OutcomeUnknown, "Bluesky's answer to the refresh cannot be read.");
    let answer = response.json().ok_or_else(lost)?;
    let (id, fresh) = session(&answer).ok_or_else(lost)?;
    if id != account.id {
        return Err(unauthorized("Bluesky answered for another account than was asked for."));
    }
    let (pds, avatar_url) = (server_of(&answer["didDoc"]).unwrap_or(old.pds), old.avatar_url);
    let credentials = Credentials { pds, avatar_url, display_name: old.display_name, ..fresh };
    Ok(credentials.connection(id, account.scopes, Vec::new()))
}

/// Ends the session; the app password itself stays until the person removes it.
pub(crate) async fn disconnect<E: Environment>(
    environment: &E,
    credentials: &Credentials,
) -> Result<(), Error> {
    let url = format!("{}/xrpc/com.atproto.server.deleteSession", credentials.pds);
    let request = Request::new(Method::Post, url).bearer(credentials.refresh.reveal());
    let response = environment.send(request).await.map_err(|error| error.of_effect("Bluesky"))?;
    match response.is_success() {
        true => Ok(()),
        false => match errors::of_effect(environment, &response) {
            // It has ended already.
            error if error.kind == ErrorKind::CredentialsExpired => Ok(()),
            error => Err(error.remedy("Remove the app password in Bluesky's settings.")),
        },
    }
}
