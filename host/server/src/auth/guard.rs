//! Refuses requests that another site's page makes a browser send, before they are processed. On loopback
//! without a password neither cookie nor key is required, so this is the only protection.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{ACCEPT, HOST, ORIGIN};
use http::{HeaderMap, Uri};
use url::Url;

use super::client::sign_of_a_proxy;
use super::{Arrival, is_open};
use crate::State;
use crate::problem::Problem;

/// Accepts requests from programs, from pages of this service, and from links.
pub(crate) async fn guard(
    axum::extract::State(state): axum::extract::State<State>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let host = host(headers, request.uri());
    // Anyone who reaches an open port is the operator. Behind a proxy that would be the world.
    if let Some(sign) = sign_of_a_proxy(request.version(), headers)
        && !is_for_others(&request)
    {
        let arrival = request.extensions().get::<Arrival>();
        match is_open(&state, arrival).await {
            Ok(false) => {}
            Ok(true) => return through_a_proxy(sign, arrival).into_response(),
            Err(error) => return Problem::from(error).into_response(),
        }
    }
    // With a name that an attacker points at 127.0.0.1, the browser takes this service for the attacker's site (DNS
    // rebinding).
    let loopback = matches!(request.extensions().get::<Arrival>(), Some(Arrival::Loopback));
    let named = |host: &str| is_ours(host, &state) || is_for_media(host, request.uri().path(), &state);
    if loopback && !host.as_deref().is_some_and(named) {
        return Problem::not_allowed(
            "this service does not answer to that host name",
            "open it by its address (127.0.0.1), or set `public_address`",
        )
        .into_response();
    }
    if !request.method().is_safe()
        && is_foreign(headers, request.uri().path(), host.as_deref(), &state)
        && !is_for_others(&request)
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

fn through_a_proxy(sign: &str, arrival: Option<&Arrival>) -> Problem {
    if matches!(arrival, Some(Arrival::Unix)) {
        return Problem::not_allowed(
            &format!(
                "the request came through a proxy ({sign}) to the socket, whose callers are the operator: everybody whom the proxy lets through would be"
            ),
            "let the proxy hand on to a port (`listen`) and set a password (`social-channel keys password`)",
        );
    }
    Problem::not_allowed(
        &format!(
            "the request came through a proxy ({sign}), and this service has no password: everybody whom the proxy lets through would be its operator"
        ),
        "set a password (`social-channel keys password`), and `public_address` to where the proxy is reached",
    )
}

/// The address that a browser on this machine should use: the host name of the callback, because its cookie
/// would otherwise not be sent there.
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

/// Platforms, their pages and who watches over the service may send there; what comes is checked by itself, and nobody
/// is the operator there.
fn is_for_others(request: &Request) -> bool {
    let path = request.uri().path();
    ["/webhooks/", "/callback", "/media/", "/healthz", "/readyz"].iter().any(|ours| path.starts_with(ours))
}

fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let named = headers.get(HOST).and_then(|value| value.to_str().ok()).map(str::to_owned);
    named.or_else(|| uri.authority().map(|authority| authority.as_str().to_owned()))
}

fn is_ours(host: &str, state: &State) -> bool {
    let Ok(url) = Url::parse(&format!("http://{host}")) else { return false };
    is_loopback(&url) || is_host_of(state.config().public_address.as_deref(), &url)
}

/// Media may have a name of their own, at which nothing else is served.
fn is_for_media(host: &str, path: &str, state: &State) -> bool {
    let Ok(url) = Url::parse(&format!("http://{host}")) else { return false };
    path.starts_with("/media/") && is_host_of(state.config().media_address.as_deref(), &url)
}

fn is_host_of(address: Option<&str>, url: &Url) -> bool {
    address.and_then(|ours| Url::parse(ours).ok()).is_some_and(|ours| ours.host() == url.host())
}

/// Whether the browser's headers name another site as the origin.
fn is_foreign(headers: &HeaderMap, path: &str, host: Option<&str>, state: &State) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    // A browser that keeps to itself where it is says `null`, and over plain http nothing else. Forms of pages prove
    // by their token that they are ours; the API is left to who says where it comes from.
    if origin == "null" && !path.starts_with("/api/") {
        return false;
    }
    let Some(origin) = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok()) else { return true };
    let same = |ours: &str| Url::parse(ours).is_ok_and(|ours| ours.origin() == origin.origin());
    let by_host =
        host.is_some_and(|host| same(&format!("http://{host}")) || same(&format!("https://{host}")));
    !by_host && !state.config().public_address.as_deref().is_some_and(same)
}
