//! Record keys: 13 characters that sort by time (TID), chosen before the post is made so that making it again changes
//! nothing.

use social_channel_provider::Environment;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const DIGITS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// `count` keys in order. The last digits are random, so that two machines choose different ones in the same microsecond.
pub(crate) fn choose<E: Environment>(environment: &E, count: usize) -> Vec<String> {
    let random = environment.random(2).into_iter().fold(0_u64, |number, byte| number << 8 | u64::from(byte));
    let first = environment.now_ms().saturating_mul(1000);
    (0..count as u64).map(|at| tid(first.saturating_add(at), random & 1023)).collect()
}

fn tid(microseconds: u64, clock: u64) -> String {
    let number = (microseconds << 10 | clock) & (u64::MAX >> 1);
    let digit = |place: u32| DIGITS[(number >> (5 * place) & 31) as usize] as char;
    (0..13).rev().map(digit).collect()
}

/// As records write a time.
pub(crate) fn written(milliseconds: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000);
    // Years after 9999 are not written, and no clock is there.
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}

/// Seconds of a time that somebody's program wrote.
pub(crate) fn read(text: &str) -> Option<u64> {
    u64::try_from(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use social_channel_provider::testing::FakeEnvironment;

    #[test]
    fn keys_sort_by_time_and_are_each_other_s_neighbours() {
        let environment = FakeEnvironment::new();
        let keys = choose(&environment, 3);
        environment.advance_ms(1);
        let later = choose(&environment, 1);
        assert!(keys[0] < keys[1] && keys[1] < keys[2] && keys[2] < later[0], "{keys:?} {later:?}");
        for key in keys.iter().chain(&later) {
            assert_eq!(key.len(), 13);
            assert!("234567abcdefghij".contains(&key[..1]), "{key}");
        }
        // The example of the specification: 3jzfcijpj2z2a.
        assert_eq!(tid(1_688_137_381_887_007, 6), "3jzfcijpj2z2a");
    }

    #[test]
    fn times_are_written_and_read() {
        assert_eq!(written(1_795_000_000_123), "2026-11-18T11:06:40.123Z");
        assert_eq!(read("2026-11-18T12:06:40.123+01:00"), Some(1_795_000_000));
        assert_eq!(read("yesterday"), None);
    }
}
