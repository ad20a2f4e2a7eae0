//! The database's clock.

use sqlx::postgres::PgConnection;

/// Milliseconds since 1970.
pub(super) async fn now(db: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT now_ms()").fetch_one(db).await
}
