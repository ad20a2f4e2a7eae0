//! Requests to the network, and its errors.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use social_channel_provider::channel::Connection;
use social_channel_provider::http::{Method, Request, SendError};
use social_channel_provider::{Account, Environment, Error, ErrorKind, HostEnvironment};

use crate::breaks;

pub(crate) const ORIGIN: &str = "https://api.wrong.example";
const NAME: &str = "The network";

/// Credentials.
#[derive(Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) did: String,
    pub(crate) handle: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

pub(crate) fn other_form() -> Error {
    Error::new(ErrorKind::Unavailable, "The answer has another form.")
}

impl Session {
    pub(crate) fn of(answer: &Value) -> Result<Self, Error> {
        let text =
            |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(other_form);
        Ok(Session {
            did: text("did")?,
            handle: text("handle")?,
            access: text("accessJwt")?,
            refresh: text("refreshJwt")?,
        })
    }

    pub(crate) fn read(account: &Account) -> Result<Self, Error> {
        serde_json::from_slice(&account.credentials)
            .map_err(|_| Error::new(ErrorKind::Unauthorized, "The credentials cannot be read."))
    }

    pub(crate) fn connection(self) -> Connection {
        let credentials = serde_json::to_vec(&self).unwrap();
        let account = Account { id: self.did.clone(), credentials, scopes: Vec::new() };
        Connection { username: Some(self.handle.clone()), ..Connection::new(account, self.handle) }
    }
}

/// Why there is no good answer.
pub(crate) enum Failure {
    Send(SendError),
    /// Status, and the network's name for it.
    Refused(u16, String, Option<u64>),
    Form,
}

impl Failure {
    /// The error of a request that changes nothing. Some refusals mean something else where the request is another.
    pub(crate) fn to_error(&self, special: &[(&str, ErrorKind)]) -> Error {
        match self {
            Failure::Send(error) => error.of_read(NAME),
            Failure::Form => other_form(),
            Failure::Refused(status, name, wait) => {
                let kind = match (status, name.as_str()) {
                    (429, _) if breaks("errors-map") => ErrorKind::Rejected,
                    (429, _) => ErrorKind::RateLimited,
                    (500.., _) => ErrorKind::Unavailable,
                    (_, name) => match special.iter().find(|(own, _)| *own == name) {
                        Some((_, kind)) => *kind,
                        None if name == "ExpiredToken" => ErrorKind::CredentialsExpired,
                        None if name == "InvalidToken" || *status == 401 => ErrorKind::Unauthorized,
                        None => ErrorKind::Rejected,
                    },
                };
                let error = Error::new(kind, format!("{NAME} refused it.")).code(name.clone());
                Error { retry_after: *wait, ..error }
            }
        }
    }

    /// The error of a request that posts.
    pub(crate) fn of_effect(&self) -> Error {
        match self {
            Failure::Send(error) if !breaks("lost-answer-is-unknown") => error.of_effect(NAME),
            other => other.to_error(&[]),
        }
    }
}

async fn send(request: Request<'_, <HostEnvironment as Environment>::Media>) -> Result<Value, Failure> {
    let answer = HostEnvironment.send(request).await.map_err(Failure::Send)?;
    let json = answer.json();
    if !answer.is_success() {
        let name = json.as_ref().and_then(|it| it.get("error")?.as_str()).unwrap_or_default().to_owned();
        return Err(Failure::Refused(answer.status, name, answer.retry_after_ms()));
    }
    json.ok_or(Failure::Form)
}

pub(crate) async fn post(name: &str, token: Option<&str>, body: Option<&Value>) -> Result<Value, Failure> {
    let mut request = Request::new(Method::Post, format!("{ORIGIN}/xrpc/{name}"));
    if let Some(token) = token {
        request = request.bearer(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    send(request).await
}

pub(crate) async fn get(name: &str, query: &str, session: &Session) -> Result<Value, Error> {
    let request = Request::new(Method::Get, format!("{ORIGIN}/xrpc/{name}{query}"));
    send(request.bearer(&session.access)).await.map_err(|error| error.to_error(&[]))
}

/// Posts, newest first, and the cursor of the next page.
pub(crate) async fn records(
    session: &Session,
    limit: u32,
    cursor: Option<&str>,
) -> Result<(Vec<Value>, Option<String>), Error> {
    let cursor = cursor.map(|it| format!("&cursor={it}")).unwrap_or_default();
    let did = &session.did;
    let query = format!("?repo={did}&collection=app.bsky.feed.post&limit={limit}{cursor}");
    let answer = get("com.atproto.repo.listRecords", &query, session).await?;
    let records = answer.get("records").and_then(Value::as_array).ok_or_else(other_form)?;
    let next = answer.get("cursor").and_then(Value::as_str).map(str::to_owned);
    Ok((records.clone(), next))
}

/// A request to a place that the description does not name.
pub(crate) async fn elsewhere(url: &str) -> Result<(), Error> {
    let request = Request::new(Method::Get, url);
    HostEnvironment.send(request).await.map(|_| ()).map_err(|error| error.of_read("Somebody"))
}
