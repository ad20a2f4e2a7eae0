//! Browsers: each gets one cookie of 256 random bits. Signing in creates a new one, so that a previously
//! planted cookie becomes useless.
//!
//! A browser acts for one tenant at a time, which is kept with its cookie in the database. CSRF tokens are derived from
//! the cookie and that tenant: what a page sends that was drawn for another one is noticed, and refused.

use crate::access::{Access, SignedIn};
use std::convert::Infallible;
use std::net::IpAddr;

use aide::OperationInput;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::{Cookie, SameSite};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use http::header::{COOKIE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};
use social_channel::{Error, SecretText, Tenant, TenantId};
use subtle::ConstantTimeEq as _;

use super::client::client;
use super::{Arrival, is_open};
use crate::connection::Seat;
use crate::limit::network_of;
use crate::problem::Problem;
use crate::{Config, State};

/// The name of the form field that carries [`Browser::csrf`].
pub const CSRF_FIELD: &str = "csrf";
/// The header with the token if a script calls the API.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// The lifetime of a cookie. The server stores whether the browser is signed in, so the lifetime is the same
/// for both.
const COOKIE_DAYS: i64 = 30;

/// The characters of a token's proof; the rest of it is the tenant's name.
const PROOF: usize = 43;

/// A cookie, or the one that its browser is about to get.
#[derive(Clone, Debug)]
struct Arrived {
    cookie: SecretText,
    address: Option<IpAddr>,
    /// Whether it sent the cookie; otherwise the cookie is new.
    known: bool,
}

/// A browser, signed in or not.
#[derive(Clone, Debug)]
pub struct Browser {
    cookie: SecretText,
    csrf: String,
    address: Option<IpAddr>,
    known: bool,
    /// The tenant that it acts for.
    tenant: TenantId,
    /// The person who signed in, once that is known.
    person: Option<String>,
}

impl Browser {
    async fn new(arrived: Arrived, state: &State) -> Result<Self, Problem> {
        let Arrived { cookie, address, known } = arrived;
        let chosen = match known {
            true => Access::of(state.host()).chosen_tenant(&cookie).await?,
            false => None,
        };
        let tenant = chosen.unwrap_or_else(|| state.0.tenant.clone());
        let csrf = csrf(&cookie, tenant.as_str(), state);
        Ok(Browser { cookie, csrf, address, known, tenant, person: None })
    }

    /// The browser of a request, once it is known whether it has a cookie.
    pub(super) async fn of(parts: &mut Parts, state: &State) -> Result<Option<Self>, Problem> {
        // One request acts for one tenant, also while another request chooses another.
        if let Some(browser) = parts.extensions.get::<Browser>() {
            return Ok(Some(browser.clone()));
        }
        let arrived = match parts.extensions.get::<Arrived>() {
            // For pages, a layer has created the cookie; the API accepts only browsers that send theirs.
            Some(arrived) => Some(arrived.clone()),
            None => arrived(parts, state.config()),
        };
        let Some(arrived) = arrived else { return Ok(None) };
        let browser = Browser::new(arrived, state).await?;
        parts.extensions.insert(browser.clone());
        Ok(Some(browser))
    }

    /// The token that every form of a page sends in the field [`CSRF_FIELD`].
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// The owner reference with which this browser begins and completes consents.
    pub fn owner(&self) -> String {
        format!("browser-{}", hex::encode(Sha256::digest(self.cookie.expose().as_bytes())))
    }

    /// The person who signed in; None: without a name, or nobody has to sign in.
    pub fn person(&self) -> Option<&str> {
        self.person.as_deref()
    }

    /// The tenant that it acts for.
    pub(crate) fn tenant_id(&self) -> &TenantId {
        &self.tenant
    }

    /// The calls of that tenant, made by this browser's person.
    pub(crate) fn tenant(&self, state: &State) -> Tenant {
        state.calls_by(self.tenant.clone(), self.person())
    }

    /// Acts for another tenant from the next request on; None: for the one of the configuration.
    pub(crate) async fn choose_tenant(
        &self,
        state: &State,
        tenant: Option<&TenantId>,
    ) -> social_channel::Result<()> {
        Access::of(state.host()).choose_tenant(&self.cookie, tenant).await
    }

    /// Refuses what a page was drawn for that showed another tenant.
    pub(crate) fn acts_for(&self, drawn: &str) -> Result<(), Problem> {
        if drawn == self.tenant.as_str() {
            Ok(())
        } else {
            Err(Problem::other_tenant(drawn, self.tenant.as_str()))
        }
    }

    /// The browser of somebody who has signed in, or does not need to.
    pub(crate) async fn operator(
        self,
        state: &State,
        arrival: Option<&Arrival>,
    ) -> social_channel::Result<Option<Self>> {
        let signed_in = match self.known {
            true => Access::of(state.host()).signed_in(&self.cookie).await?,
            false => None,
        };
        match signed_in {
            Some(SignedIn { person }) => Ok(Some(Browser { person, ..self })),
            None => Ok(is_open(state, arrival).await?.then_some(self)),
        }
    }

    /// Whether a form or a script of this service sent this, no matter which tenant its page was drawn for.
    pub(crate) fn has_sent(&self, state: &State, token: &str) -> bool {
        let drawn = token.get(PROOF..).unwrap_or_default();
        let proof = csrf(&self.cookie, drawn, state);
        self.known && bool::from(token.as_bytes().ct_eq(proof.as_bytes()))
    }

    /// The same, and refuses what was sent by a page that was drawn for another tenant.
    pub(crate) fn has_sent_for_this_tenant(&self, state: &State, token: &str) -> Result<bool, Problem> {
        if !self.has_sent(state, token) {
            return Ok(false);
        }
        self.acts_for(token.get(PROOF..).unwrap_or_default()).map(|()| true)
    }

    /// Signs in with the password of this name, or with the one that has no name. The response must include the
    /// returned cookie. If the future is dropped, the attempt counts, and a session may be stored whose cookie nobody
    /// has.
    ///
    /// # Errors
    /// A problem for the person: a wrong name or password (the problem does not say which), or too many attempts.
    pub async fn sign_in(
        &self,
        state: &State,
        person: Option<&str>,
        password: SecretText,
    ) -> Result<SignIn, Problem> {
        if !Access::of(state.host()).has_password().await? {
            return Err(Problem::not_allowed(
                "no password is set, so sign-in is not possible",
                "set one on the server with `social-channel keys password`",
            ));
        }
        let name = self.address.map_or_else(|| "unknown".to_owned(), network_of);
        let turn = state.0.door.turn(&name).await;
        let _turn = turn.map_err(|wait| {
            Problem::too_many("too many wrong passwords came from this address, and others wait", wait)
        })?;
        let cookie = new_cookie()?;
        let Some(who) = Access::of(state.host()).sign_in_as(&cookie, person, password).await? else {
            tracing::warn!(address = name, "a wrong password");
            return Err(wrong_password(state).await?);
        };
        state.0.door.opened(&name);
        tracing::info!(address = name, person = who.person, "signed in");
        Ok(SignIn(set_cookie(&cookie, state.config())))
    }

    /// Signs out. The browser's cookie no longer gives access. If the future is dropped, the browser is signed out or
    /// not.
    ///
    /// # Errors
    /// The database's.
    pub async fn sign_out(&self, state: &State) -> Result<SignIn, Problem> {
        Access::of(state.host()).sign_out(&self.cookie).await?;
        Ok(SignIn(set_cookie(&new_cookie()?, state.config())))
    }
}

/// The same whether the name is wrong or the password: who has not signed in learns no names.
async fn wrong_password(state: &State) -> social_channel::Result<Problem> {
    Ok(match Access::of(state.host()).people().await?.is_empty() {
        true => Problem::not_allowed("this is not the password", "try again; it is case-sensitive"),
        false => Problem::not_allowed(
            "name and password do not belong together",
            "try again; the password is case-sensitive, and the password without a name needs the name left empty",
        ),
    })
}

/// The header that gives a browser its new cookie: `(sign_in, Redirect::to("/"))`.
#[derive(Debug)]
pub struct SignIn(HeaderValue);

impl axum::response::IntoResponseParts for SignIn {
    type Error = Infallible;

    fn into_response_parts(
        self,
        mut response: axum::response::ResponseParts,
    ) -> Result<axum::response::ResponseParts, Infallible> {
        response.headers_mut().insert(SET_COOKIE, self.0);
        Ok(response)
    }
}

impl FromRequestParts<State> for Browser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let browser = Browser::of(parts, state).await?;
        browser.ok_or_else(|| Problem::unauthenticated("the request has neither a key nor a cookie"))
    }
}

impl OperationInput for Browser {}

/// The operator's browser. Other browsers are redirected to `/sign-in`, and return to the requested page.
#[derive(Clone, Debug)]
pub struct Operator(pub Browser);

impl FromRequestParts<State> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let browser = Browser::from_request_parts(parts, state).await.map_err(Problem::into_response)?;
        let arrival = parts.extensions.get::<Arrival>().cloned();
        let operator = browser.operator(state, arrival.as_ref()).await;
        if let Some(browser) = operator.map_err(|error| Problem::from(error).into_response())? {
            Seat::proves_operator(&parts.extensions);
            return Ok(Operator(browser));
        }
        let wanted = match parts.method {
            http::Method::GET => parts.uri.path_and_query().map_or("/", |path| path.as_str()),
            _ => "/",
        };
        let query: String = form_urlencoded(wanted);
        Err(Redirect::to(&format!("/sign-in?next={query}")).into_response())
    }
}

fn form_urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Gives every browser that requests a page its cookie.
pub(crate) async fn keep_cookie(
    axum::extract::State(state): axum::extract::State<State>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let (arrived, fresh) = match arrived(&parts, state.config()) {
        Some(arrived) => (arrived, None),
        None => match new_cookie() {
            Ok(cookie) => {
                let header = set_cookie(&cookie, state.config());
                let address = client(&parts, state.config());
                (Arrived { cookie, address, known: false }, Some(header))
            }
            Err(error) => return Problem::from(error).into_response(),
        },
    };
    parts.extensions.insert(arrived);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(header) = fresh {
        response.headers_mut().entry(SET_COOKIE).or_insert(header);
    }
    response
}

fn arrived(parts: &Parts, config: &Config) -> Option<Arrived> {
    let cookie = read_cookie(&parts.headers, config)?;
    Some(Arrived { cookie, address: client(parts, config), known: true })
}

/// A proof, and the name of the tenant that it is for.
fn csrf(cookie: &SecretText, tenant: &str, state: &State) -> String {
    // HMAC accepts keys of any length, so the error cannot occur; an empty token matches nothing.
    let Ok(mut mac) = <Hmac<Sha256> as hmac::Mac>::new_from_slice(state.0.csrf_key.expose()) else {
        return String::new();
    };
    // A cookie has no line end.
    mac.update(cookie.expose().as_bytes());
    mac.update(b"\n");
    mac.update(tenant.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()) + tenant
}

fn new_cookie() -> Result<SecretText, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal("the system gives no random numbers").with_source(error))?;
    Ok(SecretText::new(URL_SAFE_NO_PAD.encode(bytes)))
}

fn is_https(config: &Config) -> bool {
    config.public_address.as_deref().is_some_and(|address| address.starts_with("https://"))
}

/// `__Host-` prevents other hosts of the domain from planting a cookie; browsers accept it over https only.
fn cookie_name(config: &Config) -> &'static str {
    if is_https(config) { "__Host-social-channel" } else { "social-channel" }
}

fn set_cookie(cookie: &SecretText, config: &Config) -> HeaderValue {
    let mut out = Cookie::new(cookie_name(config), cookie.expose());
    out.set_http_only(true);
    out.set_path("/");
    out.set_secure(is_https(config));
    // Lax and not Strict, because the platform's consent page redirects back here.
    out.set_same_site(SameSite::Lax);
    // The seconds as text, which avoids the time crate behind `set_max_age`.
    let text = format!("{out}; Max-Age={}", COOKIE_DAYS * 24 * 3600);
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

fn read_cookie(headers: &HeaderMap, config: &Config) -> Option<SecretText> {
    let name = cookie_name(config);
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut values = cookies.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    });
    // Valid cookies have 43 characters; others were not created here.
    values.find(|value| value.len() == 43).map(SecretText::new)
}
