//! Fetches a page as an anonymous visitor: without cookies, with the address rules for media.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HOST, LOCATION};
use http::{HeaderValue, Method, Response};
use http_body_util::BodyExt as _;
use url::Url;

use super::egress::{Egress, Refusal, Route};
use super::http_client::{Answer, SendError};

/// Redirects followed; content networks use one or two.
const REDIRECTS: usize = 5;
/// The longest wait for the head of a response.
const PATIENCE: Duration = Duration::from_secs(30);

/// A fetched page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The HTTP status.
    pub status: u16,
    /// The body, up to the requested limit.
    pub body: Vec<u8>,
    /// The server's clock, seconds since 1970.
    pub date: Option<i64>,
}

/// Reads at most `limit` bytes. Dropping the future ends it.
///
/// # Errors
/// A sentence that says why nothing was read.
pub async fn fetch(address: &str, egress: &Egress, limit: usize) -> Result<Fetched, String> {
    let url = Url::parse(address).map_err(|_| "it is not an address".to_owned())?;
    let mut response =
        get(&url, egress, Egress::route_media, &[]).await.map_err(|failure| match failure {
            Failure::Refused(refusal) => refusal.error().message,
            Failure::Redirected { to, refusal } => {
                format!("it redirects to {to}, which is not followed because {}", refusal.because())
            }
            Failure::Network(_) => "no server responds there".to_owned(),
            Failure::Redirects => "it has too many redirects".to_owned(),
        })?;
    let date = response.headers().get(http::header::DATE).and_then(|value| value.to_str().ok());
    let date = date.and_then(http_date);
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let reading = async {
        while let Ok(Some(bytes)) = chunk(&mut response).await {
            body.extend_from_slice(&bytes);
            if body.len() > limit {
                break;
            }
        }
    };
    // A page that arrives too slowly is not waited for; what has arrived is used.
    let _ = tokio::time::timeout(Duration::from_secs(20), reading).await;
    Ok(Fetched { status, body, date })
}

/// Why a request returned nothing.
pub(crate) enum Failure {
    Refused(Refusal),
    /// It redirects to somewhere that is not asked; `to` is without a query.
    Redirected {
        to: String,
        refusal: Refusal,
    },
    Network(Box<dyn std::error::Error + Send + Sync>),
    Redirects,
}

/// The first response that is not a redirect; `route` decides about each URL on the way.
pub(crate) async fn get(
    url: &Url,
    egress: &Egress,
    route: fn(&Egress, &Url) -> Result<Route, Refusal>,
    headers: &[(http::HeaderName, HeaderValue)],
) -> Result<Response<Answer>, Failure> {
    let first = url;
    let mut url = url.clone();
    for _ in 0..=REDIRECTS {
        let refused = |refusal| {
            if url == *first {
                return Failure::Refused(refusal);
            }
            let to = format!("{}{}", url.origin().ascii_serialization(), url.path());
            Failure::Redirected { to, refusal }
        };
        let route = route(egress, &url).map_err(refused)?;
        let mut request = reqwest::Request::new(Method::GET, route.url);
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(host) = route.host {
            request.headers_mut().insert(HOST, host);
        }
        for (name, value) in headers {
            request.headers_mut().insert(name, value.clone());
        }
        let response = match tokio::time::timeout(PATIENCE, route.client.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                return Err(match error.private_address() {
                    Some(address) => {
                        let host = url.host_str().unwrap_or_default().to_owned();
                        refused(Refusal::Private { host, address: address.clone() })
                    }
                    None => Failure::Network(error.into()),
                });
            }
            Err(late) => return Err(Failure::Network(late.into())),
        };
        if !response.status().is_redirection() {
            return Ok(response);
        }
        let next = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        url = match next.and_then(|next| url.join(next).ok()) {
            Some(next) => next,
            None => return Err(Failure::Redirects),
        };
    }
    Err(Failure::Redirects)
}

/// The next bytes of a response; None at its end.
pub(crate) async fn chunk(response: &mut Response<Answer>) -> Result<Option<Bytes>, SendError> {
    while let Some(frame) = response.body_mut().frame().await {
        // A frame without data contains trailers, which are ignored.
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that servers may send (RFC 9110, section 5.6.7).
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split_once(", ")?.1.split([' ', ':']);
    let day: i64 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let month = i64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()? + 1;
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (year, hour, minute, second) = (number()?, number()?, number()?, number()?);
    Some(crate::clock::seconds_of([year, month, day], [hour, minute, second]))
}

#[cfg(test)]
mod tests {
    use super::http_date;

    #[test]
    fn dates_of_servers_are_read() {
        for (text, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
            ("Wed, 25 Nov 2026 15:21:00 GMT", Some(1_795_620_060)),
            ("yesterday", None),
            ("Sun, 06 Foo 1994 08:49:37 GMT", None),
            ("", None),
        ] {
            assert_eq!(http_date(text), expected, "{text}");
        }
    }
}
