//! Looks at a page as the world sees it: without a cookie, under the address rules of media.

use url::Url;

use crate::egress::Egress;
use crate::media::{Failure, chunk, get};

/// What was there.
pub(super) struct Fetched {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// The server's clock, seconds since 1970.
    pub(super) date: Option<i64>,
}

/// Reads at most `limit` bytes.
///
/// # Errors
/// One sentence that says why nothing was read.
pub(super) async fn fetch(address: &str, egress: &Egress, limit: usize) -> Result<Fetched, String> {
    let url = Url::parse(address).map_err(|_| "it is no address".to_owned())?;
    let mut response = get(&url, egress, &[]).await.map_err(|failure| match failure {
        Failure::Refused(refusal) => refusal.error().message,
        Failure::Network(_) => "no server answers there".to_owned(),
        Failure::Redirects => "it leads from one redirect to the next".to_owned(),
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
    // A page that trickles is as good as none; what came until then is judged.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(20), reading).await;
    Ok(Fetched { status, body, date })
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
    // Days since 1970 of a date in the Gregorian calendar, by years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let year = year.rem_euclid(400);
    let days = era * 146_097 + year * 365 + year / 4 - year / 100 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
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
