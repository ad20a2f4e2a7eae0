//! Bytes of media as an answer: with ranges (RFC 9110), tags, and nothing that a browser would run.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    IF_RANGE, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use social_channel::ServedMedia;

/// For answers whose bytes a provider, a tenant or a platform chose: a page among them loads and runs nothing, and is
/// of no origin.
pub(crate) const FOREIGN_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// The requested part of a media file.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(u64, u64),
    Nothing,
}

/// Parses one range (RFC 9110). Multiple or invalid ranges return the complete file.
fn wanted(range: Option<&str>, size: u64) -> Wanted {
    let Some(range) = range.and_then(|range| range.strip_prefix("bytes=")) else { return Wanted::All };
    let Some((first, last)) = range.split_once('-') else { return Wanted::All };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(0) => Wanted::Nothing,
            Some(length) => Wanted::Part(size.saturating_sub(length), size),
            None => Wanted::All,
        },
        (first, "") => match number(first) {
            Some(first) if first < size => Wanted::Part(first, size),
            Some(_) => Wanted::Nothing,
            None => Wanted::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first > last => Wanted::All,
            (Some(first), Some(_)) if first >= size => Wanted::Nothing,
            (Some(first), Some(last)) => Wanted::Part(first, last.saturating_add(1).min(size)),
            _ => Wanted::All,
        },
    }
}

/// The bytes that the request asks for.
pub(crate) fn answer(
    media: &ServedMedia,
    method: &Method,
    headers: &HeaderMap,
) -> social_channel::Result<Response> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let size = media.size();
    let tag = format!("\"{}\"", media.tag());
    let same = text(IF_RANGE).is_none_or(|asked| asked == tag);
    let wanted = wanted(text(RANGE).filter(|_| same), size);
    let unchanged = text(IF_NONE_MATCH).is_some_and(|asked| asked == tag);
    let (status, begin, end) = match wanted {
        _ if unchanged => (StatusCode::NOT_MODIFIED, 0, 0),
        Wanted::All => (StatusCode::OK, 0, size),
        Wanted::Part(begin, end) => (StatusCode::PARTIAL_CONTENT, begin, end),
        Wanted::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    let body = if method == Method::HEAD || begin == end {
        Body::empty()
    } else {
        Body::from_stream(media.read(begin, end - begin)?)
    };
    let mut response = (status, body).into_response();
    let out = response.headers_mut();
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            out.insert(name, value);
        }
    };
    set(ACCEPT_RANGES, "bytes".to_owned());
    set(ETAG, tag);
    set(CONTENT_SECURITY_POLICY, FOREIGN_POLICY.to_owned());
    if status != StatusCode::NOT_MODIFIED {
        set(CONTENT_TYPE, media.served_type().to_owned());
        set(CONTENT_LENGTH, (end - begin).to_string());
    }
    match status {
        StatusCode::PARTIAL_CONTENT => set(CONTENT_RANGE, format!("bytes {begin}-{}/{size}", end - 1)),
        StatusCode::RANGE_NOT_SATISFIABLE => set(CONTENT_RANGE, format!("bytes */{size}")),
        _ => {}
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (range, expected) in [
            (None, Wanted::All),
            (Some("bytes=0-0"), Wanted::Part(0, 1)),
            (Some("bytes=10-19"), Wanted::Part(10, 20)),
            (Some("bytes=90-200"), Wanted::Part(90, 100)),
            (Some("bytes=90-"), Wanted::Part(90, 100)),
            (Some("bytes=-10"), Wanted::Part(90, 100)),
            (Some("bytes=-1000"), Wanted::Part(0, 100)),
            (Some("bytes=-0"), Wanted::Nothing),
            (Some("bytes=100-"), Wanted::Nothing),
            (Some("bytes=100-110"), Wanted::Nothing),
            (Some("bytes=5-2"), Wanted::All),
            (Some("bytes=0-1,5-6"), Wanted::All),
            (Some("items=0-1"), Wanted::All),
            (Some("bytes=x-1"), Wanted::All),
            (Some("bytes=18446744073709551615-"), Wanted::Nothing),
            (Some("bytes=0-18446744073709551615"), Wanted::Part(0, 100)),
        ] {
            assert_eq!(wanted(range, 100), expected, "{range:?}");
        }
    }
}
