//! A standby that became the primary. What its predecessor did not wait to see there is lost, so what may have been
//! posted counts as posted (see `schema_3.sql`).

use sqlx::postgres::PgConnection;

/// Marks the jobs that may have gone further on a server that is gone. Called by each new connection before its use, and
/// from time to time, because an operator may change what a commit waits for.
pub(super) async fn settle(db: &mut PgConnection) -> sqlx::Result<()> {
    let behind: i64 = sqlx::query_scalar("SELECT settle()").fetch_one(db).await?;
    if behind > 0 {
        tracing::warn!(
            jobs = behind,
            "the database failed over to a server that may lack the last commits; what may have been posted is not posted again"
        );
    }
    Ok(())
}
