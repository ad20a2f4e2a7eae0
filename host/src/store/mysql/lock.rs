//! Locks of a transaction for what no row stands for yet. MySQL's own named locks (`GET_LOCK`) outlive a transaction, and
//! are known on one server of a cluster only; so these are rows of a table that are made with it.

use sqlx::mysql::MySqlConnection;

use super::tables::Tables;

/// Rows of `locks`. Two things that share one wait for each other at most.
pub(super) const LOCKS: i64 = 1024;

/// Locks these numbers until the transaction ends, always in the same order.
pub(super) async fn lock(tables: &Tables, db: &mut MySqlConnection, numbers: Vec<i64>) -> sqlx::Result<()> {
    let mut numbers: Vec<i64> = numbers.into_iter().map(|number| number % LOCKS).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        sqlx::query(tables.sql("SELECT number FROM {locks} WHERE number = ? FOR UPDATE"))
            .bind(number)
            .fetch_one(&mut *db)
            .await?;
    }
    Ok(())
}
