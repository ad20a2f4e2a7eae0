//! Locks of a transaction for what no row stands for yet.

use sqlx::postgres::PgConnection;

/// Locks these numbers until the transaction ends, always in the same order.
pub(super) async fn lock(db: &mut PgConnection, mut numbers: Vec<i64>) -> sqlx::Result<()> {
    numbers.sort_unstable();
    numbers.dedup();
    // In the order of the array.
    sqlx::query("SELECT pg_advisory_xact_lock(number) FROM unnest($1::bigint[]) number")
        .bind(numbers)
        .execute(db)
        .await
        .map(drop)
}
