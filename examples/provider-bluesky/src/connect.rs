//! The two ways in: an app password, or the server's own sign-in page.

use social_channel_provider::channel::{ConnectRequest, ConnectStep, Connection};
use social_channel_provider::{Account, Environment, Error, ErrorKind, Field};

use crate::credentials::Credentials;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::{oauth, password};

pub(crate) fn inputs() -> Vec<Field> {
    vec![
        Field { help: Some("For example `ada.bsky.social`.".to_owned()), ..Field::new("handle", "Handle", "text") },
        Field {
            help: Some(
                "From Bluesky's settings (Privacy and security, App passwords); never the account's own password. \
                 Empty: sign in at Bluesky's own page."
                    .to_owned(),
            ),
            ..Field::new("app-password", "App password", "secret")
        },
    ]
}

pub(crate) async fn begin<E: Environment>(
    environment: &E,
    request: &ConnectRequest,
) -> Result<ConnectStep, Error> {
    let settings = Settings::read(environment)?;
    let input = |name: &str| {
        let found = request.inputs.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    let handle = input("handle").map(|handle| handle.trim_start_matches('@'));
    match (handle, input("app-password")) {
        (handle, None) => oauth::begin(environment, &settings, request, handle).await,
        (Some(handle), Some(password)) => {
            let connection =
                password::connect(environment, &settings, handle, &Secret::new(password)).await?;
            Ok(ConnectStep::Connected(vec![connection]))
        }
        (None, Some(_)) => {
            Err(Error::new(ErrorKind::InvalidRequest, "An app password needs the handle that it belongs to.")
                .field("handle"))
        }
    }
}

pub(crate) async fn refresh<E: Environment>(environment: &E, account: Account) -> Result<Connection, Error> {
    let credentials = Credentials::of(&account)?;
    match credentials.oauth.clone() {
        None => password::refresh(environment, account, credentials).await,
        Some(oauth) => oauth::refresh(environment, account, credentials, &oauth).await,
    }
}

pub(crate) async fn disconnect<E: Environment>(environment: &E, account: &Account) -> Result<(), Error> {
    let credentials = Credentials::of(account)?;
    match &credentials.oauth {
        None => password::disconnect(environment, &credentials).await,
        Some(oauth) => oauth::revoke(environment, &credentials, oauth).await,
    }
}
