//! Requests that another site's page makes a browser send. They are refused before anybody looks at them:
//! on loopback without a password the cookie and the key are not asked for, so only this stands in the way.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{ACCEPT, HOST, ORIGIN};
use http::{HeaderMap, Uri};
use url::Url;

use super::Arrival;
use crate::State;
use crate::problem::Problem;

/// Lets through what a program, a page of ours, or a link brought.
pub(crate) async fn guard(
    axum::extract::State(state): axum::extract::State<State>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let host = host(headers, request.uri());
    // A name that an attacker points at 127.0.0.1 makes the browser think that we are the attacker's site.
    let loopback = matches!(request.extensions().get::<Arrival>(), Some(Arrival::Loopback));
    if loopback && !host.as_deref().is_some_and(|host| is_ours(host, &state)) {
        return Problem::not_allowed(
            "this service does not answer to that host name",
            "open it by its address (127.0.0.1), or set `public_address`",
        )
        .into_response();
    }
    if !request.method().is_safe() && is_foreign(headers, host.as_deref(), &state) && !is_for_others(&request)
    {
        return Problem::not_allowed(
            "the request was sent by a page of another site",
            "call the service from its own pages, or from a program",
        )
        .into_response();
    }
    if let Some(address) = proper_address(&request, host.as_deref(), &state) {
        return Redirect::temporary(&address).into_response();
    }
    next.run(request).await
}

/// Where a browser on this machine should be: at the name to which platforms send it back, or its cookie would
/// not come along.
fn proper_address(request: &Request, host: Option<&str>, state: &State) -> Option<String> {
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if request.method() != http::Method::GET || !accepts.contains("text/html") {
        return None;
    }
    let proper = state.host().public_address()?;
    let ours = Url::parse(&proper).ok()?;
    let theirs = Url::parse(&format!("http://{}", host?)).ok()?;
    let both_local = is_loopback(&ours) && is_loopback(&theirs) && ours.port() == theirs.port();
    let path = request.uri().path_and_query()?.as_str();
    (both_local && ours.host() != theirs.host()).then(|| format!("{proper}{path}"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Platforms and their pages may send there; what comes is checked by itself.
fn is_for_others(request: &Request) -> bool {
    let path = request.uri().path();
    path.starts_with("/webhooks/") || path.starts_with("/callback")
}

fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let named = headers.get(HOST).and_then(|value| value.to_str().ok()).map(str::to_owned);
    named.or_else(|| uri.authority().map(|authority| authority.as_str().to_owned()))
}

fn is_ours(host: &str, state: &State) -> bool {
    let Ok(url) = Url::parse(&format!("http://{host}")) else { return false };
    is_loopback(&url)
        || state
            .config()
            .public_address
            .as_deref()
            .and_then(|ours| Url::parse(ours).ok())
            .is_some_and(|ours| ours.host() == url.host())
}

/// A browser says from which site's page it sends.
fn is_foreign(headers: &HeaderMap, host: Option<&str>, state: &State) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let Some(origin) = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok()) else { return true };
    let same = |ours: &str| Url::parse(ours).is_ok_and(|ours| ours.origin() == origin.origin());
    let by_host =
        host.is_some_and(|host| same(&format!("http://{host}")) || same(&format!("https://{host}")));
    !by_host && !state.config().public_address.as_deref().is_some_and(same)
}
