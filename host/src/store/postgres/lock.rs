//! Locks of a transaction for what no row stands for yet.

use social_channel_runtime::Digest;
use sqlx::postgres::PgConnection;

/// The number of a lock that no row stands for yet.
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

/// Locks these numbers until the transaction ends, always in the same order.
pub(super) async fn lock(db: &mut PgConnection, mut numbers: Vec<i64>) -> sqlx::Result<()> {
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(number).execute(&mut *db).await?;
    }
    Ok(())
}
