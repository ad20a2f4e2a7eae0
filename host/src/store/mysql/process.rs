//! Which processes have these tables open. MySQL knows who is connected, but programs of a platform share its user and its
//! database; so each process of ours says that it is there, from time to time.

use std::time::Duration;

use social_channel_runtime::clock::millis;
use sqlx::mysql::MySqlConnection;

use super::tables::Tables;

/// Three times what lies between two notes ([`MEASURE`](crate::store::clock::MEASURE)): a process that is slow is there.
pub(super) const GONE: Duration = Duration::from_secs(90);
/// Notes of processes that were killed are kept for a day.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3_600);

/// Notes that this process is there.
pub(super) async fn note(db: &mut MySqlConnection, tables: &Tables, owner: &str) -> sqlx::Result<()> {
    sqlx::query(tables.sql(concat!(
        "INSERT INTO {processes} (owner, seen_at) VALUES (?, ",
        now_ms!(),
        ") ON DUPLICATE KEY UPDATE seen_at = ",
        now_ms!()
    )))
    .bind(owner)
    .execute(db)
    .await
    .map(drop)
}

/// Notes that this process ends, and forgets those that ended long ago.
pub(super) async fn leave(db: &mut MySqlConnection, tables: &Tables, owner: &str) -> sqlx::Result<()> {
    sqlx::query(tables.sql(concat!(
        "DELETE FROM {processes} WHERE owner = ? OR seen_at < ",
        now_ms!(),
        " - ?"
    )))
    .bind(owner)
    .bind(millis(FORGOTTEN))
    .execute(db)
    .await
    .map(drop)
}

/// How many processes are there.
pub(super) async fn count(db: &mut MySqlConnection, tables: &Tables) -> sqlx::Result<i64> {
    sqlx::query_scalar(tables.sql(concat!(
        "SELECT COUNT(*) FROM {processes} WHERE seen_at > ",
        now_ms!(),
        " - ?"
    )))
    .bind(millis(GONE))
    .fetch_one(db)
    .await
}
