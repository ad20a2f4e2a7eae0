//! Formatting and parsing of instants. Everything is UTC, because a machine's time zone is often wrong.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use social_channel::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::failure::wrong;

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |passed| i64::try_from(passed.as_secs()).unwrap_or(i64::MAX))
}

/// From seconds since 1970.
pub(crate) fn instant(seconds: i64) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(form).ok())
        .unwrap_or_else(|| seconds.to_string())
}

/// From milliseconds since 1970.
pub(crate) fn instant_ms(milliseconds: i64) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3]");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000)
        .ok()
        .and_then(|at| at.format(form).ok())
        .unwrap_or_else(|| milliseconds.to_string())
}

/// A time to wait, rounded up, so that a caller is not too early.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_millis().div_ceil(1000);
    match seconds {
        1 => "1 second".to_owned(),
        0..120 => format!("{seconds} seconds"),
        120..7200 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3600)),
    }
}

/// `2026-12-24T18:00:00+01:00`, `2026-12-24T17:00:00Z`, `+90m`, or seconds since 1970.
pub(crate) fn parse_instant(text: &str) -> Result<i64, Error> {
    parse_at(text, now()).ok_or_else(|| {
        wrong(
            format!("{text} is not an instant"),
            "write 2026-12-24T18:00:00+01:00, 2026-12-24T17:00:00Z, or relative to now +30m, +2h, +1d",
        )
    })
}

fn parse_at(text: &str, now: i64) -> Option<i64> {
    if let Some(rest) = text.strip_prefix('+') {
        return now.checked_add(parse_span(rest)?);
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

/// `90s`, `30m`, `2h`, `1d`, in seconds.
fn parse_span(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_written() {
        for (text, expected) in [
            ("2026-12-24T18:00:00+01:00", Some(1_798_131_600)),
            ("2026-12-24T17:00:00Z", Some(1_798_131_600)),
            ("+90s", Some(1090)),
            ("+2h", Some(8200)),
            ("1798131600", Some(1_798_131_600)),
            ("2026-12-24 18:00", None),
            ("+h", None),
            ("+-1h", None),
            ("+99999999999999999d", None),
            ("", None),
        ] {
            assert_eq!(parse_at(text, 1000), expected, "{text}");
        }
    }

    #[test]
    fn waits_are_rounded_up() {
        for (milliseconds, text) in
            [(1, "1 second"), (61_500, "62 seconds"), (150_000, "3 minutes"), (7_200_001, "3 hours")]
        {
            assert_eq!(span(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn instants_are_shown_in_utc() {
        assert_eq!(instant(1_798_131_600), "2026-12-24 17:00:00 UTC");
        assert_eq!(instant_ms(1_798_131_600_045), "2026-12-24 17:00:00.045");
    }
}
