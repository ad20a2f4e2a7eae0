//! Connecting without a browser: a platform that already has a refresh token of this app brings it along.
//!
//! The refresh token is proven by one refresh, which uses it up (contract 0.3): what TikTok answers is returned at once, whoever
//! it belongs to, because the host stores nothing else. All that can be refused is refused before that request.

use serde_json::Value;
use social_channel_provider::channel::{ConnectRequest, Connection};
use social_channel_provider::{Environment, Error, ErrorKind, Field, json};

use super::token;
use crate::api::{Call, Effect, call};
use crate::credentials::{Credentials, connection};
use crate::profile;
use crate::secret::Secret;
use crate::settings::{SCOPE_BASIC, Settings};

const REFRESH_TOKEN: &str = "refresh-token";
const ACCESS_TOKEN: &str = "access-token";
const ACCOUNT_ID: &str = "account-id";

/// What a person or a platform may bring along. All of it is optional: without it the browser is the way.
pub(crate) fn inputs() -> Vec<Field> {
    let input = |name: &str, label: &str, kind: &str, help: &str| Field {
        help: Some(help.to_owned()),
        ..Field::new(name, label, kind)
    };
    vec![
        input(
            REFRESH_TOKEN,
            "Refresh token",
            "secret",
            "Only if you have one that TikTok issued to this very app. It works once: stop the program that uses it now before you connect here.",
        ),
        input(
            ACCESS_TOKEN,
            "Access token",
            "secret",
            "The one that came with the refresh token. If it still works, it shows whose account this is before the refresh token is used up.",
        ),
        input(
            ACCOUNT_ID,
            "Open ID",
            "text",
            "The account's ID in this app, as TikTok returned it with the token. With an access token that still works, another account is refused.",
        ),
    ]
}

/// What was brought along. None: nothing, so the browser is the way.
struct Brought {
    refresh_token: Secret,
    access_token: Option<Secret>,
    account_id: Option<String>,
}

impl Brought {
    fn read(request: &ConnectRequest) -> Result<Option<Self>, Error> {
        let given = |name: &str| {
            let (_, value) = request.inputs.iter().find(|(known, _)| known == name)?;
            Some(value.trim()).filter(|value| !value.is_empty())
        };
        let (access_token, account_id) = (given(ACCESS_TOKEN), given(ACCOUNT_ID));
        let Some(refresh_token) = given(REFRESH_TOKEN) else {
            if access_token.is_some() {
                let message = "An access token alone ends within a day, and cannot be renewed.";
                return Err(refused(REFRESH_TOKEN, message)
                    .remedy("Give the refresh token too, or connect with the browser."));
            }
            return Ok(None);
        };
        for (name, value) in
            [(REFRESH_TOKEN, Some(refresh_token)), (ACCESS_TOKEN, access_token), (ACCOUNT_ID, account_id)]
        {
            let is_one_word = |value: &str| !value.chars().any(|c| c.is_whitespace() || c.is_control());
            if !value.is_none_or(is_one_word) {
                return Err(refused(name, "There is a space or a line break inside this value.")
                    .remedy("Give it as TikTok returned it."));
            }
        }
        // Swapped columns are the likeliest mistake, and TikTok would call the token dead.
        if refresh_token.starts_with("act.") {
            return Err(refused(REFRESH_TOKEN, "This is an access token.")
                .remedy("Give the refresh token here; at TikTok it begins with `rft.`."));
        }
        Ok(Some(Self {
            refresh_token: Secret::new(refresh_token),
            access_token: access_token.map(Secret::new),
            account_id: account_id.map(str::to_owned),
        }))
    }
}

fn refused(field: &str, message: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).field(field)
}

/// Connects with what was brought along. None: nothing was.
pub(super) async fn connect<E: Environment>(
    environment: &E,
    request: &ConnectRequest,
) -> Result<Option<Connection>, Error> {
    let Some(brought) = Brought::read(request)? else { return Ok(None) };
    let settings = Settings::read(environment)?;
    let owner = match &brought.access_token {
        Some(access_token) => owner(environment, access_token).await?,
        None => None,
    };
    let owner_id = owner.as_ref().and_then(|user| json::text(user, "open_id"));
    if let (Some(found), Some(wanted)) = (&owner_id, &brought.account_id)
        && found != wanted
    {
        return Err(refused(ACCOUNT_ID, "The access token belongs to another TikTok account.")
            .remedy("Bring the tokens of this account. The refresh token was not used."));
    }
    let fields = vec![
        ("client_key", settings.client_key.as_str()),
        ("client_secret", settings.client_secret.reveal()),
        ("grant_type", "refresh_token"),
        ("refresh_token", brought.refresh_token.reveal()),
    ];
    let answer = token::request(environment, fields).await.map_err(|error| match error.kind {
        ErrorKind::Unauthorized => error.remedy(
            "Connect the account with the browser. A token also counts as dead if another app's key and secret are set here.",
        ),
        _ => error,
    })?;
    let mut credentials = answer.credentials;
    // With the older rules, the refresh token stays the same.
    credentials.refresh_token = credentials.refresh_token.or(Some(brought.refresh_token));
    // No further request: the host stores the new tokens first, and then asks for the name.
    let user = owner.filter(|_| owner_id.as_ref() == Some(&answer.open_id)).unwrap_or_default();
    credentials.display_name = json::text(&user, "display_name");
    credentials.avatar_url = profile::https(json::text(&user, "avatar_url"));
    let scopes = answer.scopes.unwrap_or_else(|| settings.scopes.clone());
    let made = connection(answer.open_id, credentials, scopes, &settings.scopes);
    Ok(Some(profile::identified(made, &user)))
}

/// Whose access token this is. None: it no longer works, or may not tell.
async fn owner<E: Environment>(environment: &E, access_token: &Secret) -> Result<Option<Value>, Error> {
    let credentials = Credentials::from_access(access_token.clone());
    let asked = Call {
        path: "/v2/user/info/",
        scope: SCOPE_BASIC,
        effect: Effect::None,
        fields: Some(profile::SUMMARY),
        body: None,
    };
    match call(environment, &credentials, asked).await {
        Ok(data) => Ok(data.get("user").cloned()),
        // It is older than the refresh token: the usual case.
        Err(error)
            if matches!(
                error.kind,
                ErrorKind::CredentialsExpired | ErrorKind::Unauthorized | ErrorKind::Forbidden
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
