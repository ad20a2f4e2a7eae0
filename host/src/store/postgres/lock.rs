//! Locks of a transaction for what no row stands for yet.

use sqlx::postgres::PgConnection;

/// Locks these numbers until the transaction ends, always in the same order.
pub(super) async fn lock(db: &mut PgConnection, mut numbers: Vec<i64>) -> sqlx::Result<()> {
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(number).execute(&mut *db).await?;
    }
    Ok(())
}
