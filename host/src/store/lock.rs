//! Numbers of locks for what no row stands for yet.

use social_channel_runtime::Digest;

/// The number of a lock: the same for the same words, and never negative.
pub(super) fn lock_number(what: &str, parts: &[&str]) -> i64 {
    let mut name = format!("social-channel {what}");
    for part in parts {
        name.push('\0');
        name.push_str(part);
    }
    let digest = Digest::of(name.as_bytes());
    let first = digest.as_str().get(..64).unwrap_or_default();
    let hex: String = first.chars().filter(char::is_ascii_hexdigit).take(15).collect();
    i64::from_str_radix(&hex, 16).unwrap_or_default()
}

/// The locks under which a webhook and the steps of jobs meet: of the reference that the webhook names, and of its account.
pub(super) fn meeting(app: &str, reference: Option<&str>, account: Option<&str>) -> Vec<i64> {
    let reference = reference.map(|reference| lock_number("reference", &[app, reference]));
    let account = account.map(|account| lock_number("events of account", &[app, account]));
    reference.into_iter().chain(account).collect()
}
