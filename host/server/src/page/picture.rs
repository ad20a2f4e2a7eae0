//! Pictures of accounts and posts, which providers name. The service fetches them, so that a browser asks nobody else.
//!
//! The address of a picture here holds the provider's, with a proof that a page of this service was drawn with it:
//! nobody can make the service fetch anything else. A photo at an address that the operator types is asked for by the
//! publish page with its token.

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};
use serde::Deserialize;
use sha2::Sha256;
use social_channel::Picture;

use super::part;
use crate::State;
use crate::auth::{Form, Operator};
use crate::extract::{Path, Query};
use crate::problem::Problem;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/pictures/{app}", get(serve).post(look))
}

/// The address here of a picture that the app's provider named.
pub(super) fn address(state: &State, app: &str, url: &str) -> Option<String> {
    let proof = URL_SAFE_NO_PAD.encode(proof(state, app, url)?.finalize().into_bytes());
    part::https(url)?;
    let (app, url) = (part::encoded(app), part::encoded(url));
    Some(format!("/pictures/{app}?url={url}&proof={proof}"))
}

fn proof(state: &State, app: &str, url: &str) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(state.0.picture_key.expose()).ok()?;
    // Names of apps have no line ends.
    mac.update(format!("{app}\n{url}").as_bytes());
    Some(mac)
}

#[derive(Deserialize)]
struct Wanted {
    url: String,
    proof: String,
}

async fn serve(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(app): Path<String>,
    Query(Wanted { url, proof: given }): Query<Wanted>,
) -> Result<Response, Problem> {
    let given = URL_SAFE_NO_PAD.decode(given).unwrap_or_default();
    let is_ours = proof(&state, &app, &url).is_some_and(|mac| mac.verify_slice(&given).is_ok());
    if !is_ours {
        return Err(Problem::not_allowed(
            "no page of this service has this picture",
            "open the page of the channel again",
        ));
    }
    Ok(shown(browser.tenant(&state).picture(&app, &url).await?))
}

async fn look(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(app): Path<String>,
    form: Form,
) -> Result<Response, Problem> {
    Ok(shown(browser.tenant(&state).typed_picture(&app, form.get("url").unwrap_or_default()).await?))
}

fn shown(picture: Picture) -> Response {
    let headers = [
        (CONTENT_TYPE, picture.content_type),
        // It may show whom only the operator knows; and addresses of pictures change within hours.
        (CACHE_CONTROL, "private, max-age=3600"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), picture.bytes).into_response()
}
