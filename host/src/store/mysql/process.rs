//! Which processes have these tables open: a copy of the database is refused meanwhile. MySQL knows who is connected, but
//! programs of a platform may share its user and its database. So each process of ours holds a named lock of its own, over
//! one connection that lives as long as the process: one that was killed holds none.
//!
//! Such locks are known on one server of a cluster only; Galera has no LOCK TABLES either, which a copy needs.

use sqlx::mysql::MySqlConnection;

use super::lock::LOCKS;
use super::schema::lock_name;
use super::tables::Tables;
use crate::store::lock::lock_number;

/// Takes a free place among the processes. Where all are taken, this one is not seen, and enough others are.
pub(super) async fn enter(db: &mut MySqlConnection, tables: &Tables, owner: &str) -> sqlx::Result<()> {
    let name = lock_name(&mut *db, tables).await?;
    let first = lock_number("process", &[owner]);
    for place in 0..LOCKS {
        let got: Option<i64> = sqlx::query_scalar("SELECT CAST(GET_LOCK(CONCAT(?, '.', ?), 0) AS SIGNED)")
            .bind(&name)
            .bind(first.wrapping_add(place) % LOCKS)
            .fetch_one(&mut *db)
            .await?;
        if got == Some(1) {
            break;
        }
    }
    Ok(())
}

/// How many processes are there.
pub(super) async fn count(db: &mut MySqlConnection, tables: &Tables) -> sqlx::Result<i64> {
    let name = lock_name(&mut *db, tables).await?;
    sqlx::query_scalar(tables.sql("SELECT COUNT(IS_USED_LOCK(CONCAT(?, '.', number))) FROM {locks}"))
        .bind(name)
        .fetch_one(db)
        .await
}
