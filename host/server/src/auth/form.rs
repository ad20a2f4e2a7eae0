//! A posted form of a page: its token is checked before its fields are used.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::{Browser, CSRF_FIELD, CSRF_HEADER};
use crate::State;
use crate::extract::Raw;
use crate::problem::Problem;

/// A form (`application/x-www-form-urlencoded`) that a page of this service sent, as names and values in order.
#[derive(Clone, Debug)]
pub struct Form {
    /// The browser that sent it.
    pub browser: Browser,
    /// Names and values, in order, without the token.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// A [`Form`] of the frame around pages, which concerns the browser and no tenant: it is taken from a page that was drawn
/// for another tenant, too.
#[derive(Clone, Debug)]
pub(crate) struct FrameForm(pub(crate) Form);

impl FromRequest<State> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, state: &State) -> Result<Self, Response> {
        read(request, state, Browser::has_sent_for_this_tenant).await.map_err(Problem::into_response)
    }
}

impl FromRequest<State> for FrameForm {
    type Rejection = Response;

    async fn from_request(request: Request, state: &State) -> Result<Self, Response> {
        let sent = |browser: &Browser, state: &State, token: &str| Ok(browser.has_sent(state, token));
        read(request, state, sent).await.map(FrameForm).map_err(Problem::into_response)
    }
}

async fn read(
    request: Request,
    state: &State,
    has_sent: impl FnOnce(&Browser, &State, &str) -> Result<bool, Problem>,
) -> Result<Form, Problem> {
    use axum::extract::FromRequestParts as _;
    let (mut parts, body) = request.into_parts();
    let browser = Browser::from_request_parts(&mut parts, state).await?;
    let header = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let form = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !form.is_some_and(|form| form.starts_with("application/x-www-form-urlencoded")) {
        return Err(Problem::wrong_type("application/x-www-form-urlencoded"));
    }
    let bytes = Raw(body).all(state.config().max_body, state).await?;
    let mut fields: Vec<(String, String)> = url::form_urlencoded::parse(&bytes).into_owned().collect();
    let field = fields.iter().position(|(name, _)| name == CSRF_FIELD).map(|at| fields.remove(at).1);
    let proven = header.or(field).map(|token| has_sent(&browser, state, &token)).transpose()?;
    if proven != Some(true) {
        return Err(Problem::not_allowed(
            "this form was not sent by a page of this service, or the page is too old",
            "load the page again and repeat the action; cookies must be allowed",
        ));
    }
    Ok(Form { browser, fields })
}
