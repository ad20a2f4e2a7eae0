//! When a signed address stops working, as the address itself says.
//!
//! Storage services sign addresses for a time: what is scheduled for later than that cannot be read then.

use url::Url;

use crate::clock::seconds_of;

/// The end of a signed address, in seconds since 1970. None: it does not say, or it is not signed.
///
/// | signed by | the end |
/// | --- | --- |
/// | Amazon S3 and all that speak like it | `X-Amz-Date` + `X-Amz-Expires` |
/// | Google Cloud Storage | `X-Goog-Date` + `X-Goog-Expires` |
/// | Alibaba Cloud OSS | `x-oss-date` + `x-oss-expires` |
/// | CloudFront, and the older ways of the three above | `Expires`, beside a signature |
/// | Azure Blob Storage | `se`, beside `sig` |
/// | Bunny, imgix | `expires`, beside `token` or `s` |
/// | Akamai | `exp` in `hdnts` or `hdnea` |
/// | Tencent Cloud COS | the end in `q-sign-time` |
pub fn expires_at(address: &str) -> Option<i64> {
    let url = Url::parse(address).ok()?;
    let value = |name: &str| {
        url.query_pairs().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.into_owned())
    };
    for vendor in ["x-amz", "x-goog", "x-oss"] {
        if let (Some(since), Some(length)) =
            (value(&format!("{vendor}-date")), value(&format!("{vendor}-expires")))
        {
            return instant(&since)?.checked_add(length.parse().ok()?);
        }
    }
    if value("sig").is_some()
        && let Some(end) = value("se")
    {
        return instant(&end);
    }
    if let Some(token) = value("hdnts").or_else(|| value("hdnea")) {
        return token.split('~').find_map(|part| part.strip_prefix("exp="))?.parse().ok();
    }
    if let Some(times) = value("q-sign-time") {
        return times.split_once(';')?.1.parse().ok();
    }
    let is_signed = ["signature", "key-pair-id", "token", "s"].iter().any(|name| value(name).is_some());
    value("expires").filter(|_| is_signed)?.parse().ok()
}

/// `20261129T081500Z` or `2026-11-29T08:15:00Z`; also without seconds, or the date alone.
fn instant(text: &str) -> Option<i64> {
    let digits: String = text.chars().filter(char::is_ascii_digit).take(14).collect();
    // Nothing but digits, what separates them, and the name of the zone.
    let is_known = text.chars().all(|it| it.is_ascii_digit() || matches!(it, '-' | ':' | 'T' | 'Z' | '.'));
    let number = |from: usize, to: usize| -> Option<i64> {
        if digits.len() < to { Some(0) } else { digits.get(from..to)?.parse().ok() }
    };
    (is_known && digits.len() >= 8).then_some(())?;
    Some(seconds_of(
        [number(0, 4)?, number(4, 6)?, number(6, 8)?],
        [number(8, 10)?, number(10, 12)?, number(12, 14)?],
    ))
}

#[cfg(test)]
mod tests {
    use super::expires_at;

    #[test]
    fn signed_addresses_tell_their_end() {
        let at = "https://cdn.test/a.mp4";
        // 2026-11-29T08:15:00Z
        let since = 1_795_940_100;
        for (query, end) in [
            ("X-Amz-Date=20261129T081500Z&X-Amz-Expires=3600&X-Amz-Signature=x", Some(since + 3600)),
            ("x-amz-expires=3600&x-amz-date=20261129T081500Z", Some(since + 3600)),
            ("X-Goog-Date=20261129T081500Z&X-Goog-Expires=604800&X-Goog-Signature=x", Some(since + 604_800)),
            ("x-oss-date=20261129T081500Z&x-oss-expires=60", Some(since + 60)),
            ("Expires=1795940100&Signature=x&Key-Pair-Id=K", Some(since)),
            ("AWSAccessKeyId=A&Expires=1795940100&Signature=x", Some(since)),
            ("sv=2024-11-04&se=2026-11-29T08%3A15%3A00Z&sr=b&sp=r&sig=x", Some(since)),
            ("se=2026-11-29T08%3A15Z&sig=x", Some(since)),
            ("se=2026-11-29&sig=x", Some(since - 29_700)),
            ("token=x&expires=1795940100&token_path=%2F", Some(since)),
            ("w=1080&expires=1795940100&s=x", Some(since)),
            ("hdnts=st=1795900000~exp=1795940100~acl=/*~hmac=x", Some(since)),
            ("__a=b&hdnea=exp%3D1795940100~acl%3D%2F%2A~hmac%3Dx", Some(since)),
            ("q-sign-algorithm=sha1&q-sign-time=1795900000%3B1795940100&q-signature=x", Some(since)),
            // Not signed, or nothing that can be read.
            ("Expires=1795940100", None),
            ("se=2026-11-29", None),
            ("X-Amz-Date=yesterday&X-Amz-Expires=3600", None),
            ("X-Amz-Date=20261129T081500Z&X-Amz-Expires=9223372036854775807", None),
            ("Expires=soon&Signature=x", None),
            ("hdnts=acl=/*~hmac=x", None),
            ("q-sign-time=1795900000", None),
            ("", None),
        ] {
            assert_eq!(expires_at(&format!("{at}?{query}")), end, "{query}");
        }
        assert_eq!(expires_at("no address"), None);
    }
}
