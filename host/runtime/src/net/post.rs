//! Sends a document to an address that a person named, with the address rules for media. It is sent once, and no redirect is
//! followed: the address that answers is the one that was named.

use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use super::egress::{Egress, Refusal};
use super::fetch::chunk;
use crate::error::Result;

/// The longest wait for the head of a response. Receivers should answer first and work later.
const PATIENCE: Duration = Duration::from_secs(15);
/// Of an answer so much is read, so that the connection can be used again. Nobody looks at it.
const ANSWER: usize = 64 << 10;
/// The longest wait for that.
const REST: Duration = Duration::from_secs(2);

/// What the address answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The HTTP status.
    pub status: u16,
    /// When the receiver wants to be asked again, if it says so in seconds.
    pub retry_after: Option<Duration>,
}

impl Egress {
    /// Whether documents may be sent to an address, as far as that can be told without a name server.
    ///
    /// # Errors
    /// `DeniedByPolicy` for an address that is not public, `InvalidRequest` for one that is not encrypted or no address.
    pub fn check_address(&self, url: &Url) -> Result<()> {
        self.route_media(url).map(drop).map_err(|refusal| refusal.error())
    }
}

/// Sends JSON to an address. Dropping the future breaks it off; the receiver may have got it.
///
/// # Errors
/// A sentence that says why there is no answer.
pub async fn post(url: &Url, egress: &Egress, headers: HeaderMap, json: Vec<u8>) -> Result<Posted, String> {
    let route = egress.route_media(url).map_err(|refusal| refusal.error().message)?;
    let mut request = reqwest::Request::new(Method::POST, route.url);
    *request.headers_mut() = headers;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(host) = route.host {
        request.headers_mut().insert(http::header::HOST, host);
    }
    *request.body_mut() = Some(json.into());
    let mut response = match tokio::time::timeout(PATIENCE, route.client.execute(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            if let Some(address) = error.private_address() {
                let host = url.host_str().unwrap_or_default().to_owned();
                return Err(Refusal::Private { host, address: address.clone() }.error().message);
            }
            let unsent = error.is_unsent();
            tracing::debug!(%error, "a document was not accepted");
            return Err(match unsent {
                true => "no connection could be made".to_owned(),
                false => "the connection broke off before an answer".to_owned(),
            });
        }
        Err(_) => return Err(format!("it did not answer within {} seconds", PATIENCE.as_secs())),
    };
    let posted = Posted {
        status: response.status().as_u16(),
        retry_after: response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs),
    };
    let rest = async {
        let mut read = 0;
        while let Ok(Some(bytes)) = chunk(&mut response).await {
            read += bytes.len();
            if read > ANSWER {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(REST, rest).await;
    Ok(posted)
}
