//! Brings a database to the schema of this program, and refuses one that cannot be used.

use social_channel_runtime::error::{Error, ErrorKind, Result};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::failure::{failure, is_away, passing};
use super::lock::lock;
use crate::store::lock::lock_number;
use crate::store::remote::{CONNECTING, Tries};
use crate::store::schema::{OLDEST, SchemaStep, check_newer};

/// Applied in order; the table `schema_version` counts them. Forward only.
pub(super) const SCHEMAS: [SchemaStep; 6] = [
    SchemaStep::alone(1, include_str!("schema_1.sql")),
    SchemaStep::alone(2, include_str!("schema_2.sql")),
    SchemaStep::alone(3, include_str!("schema_3.sql")),
    SchemaStep { sql: include_str!("schema_4.sql"), oldest: 3 },
    SchemaStep { sql: include_str!("schema_5.sql"), oldest: 3 },
    SchemaStep { sql: include_str!("schema_6.sql"), oldest: 3 },
];

/// Every column of the schema, as `table.column`.
const COLUMNS: &str = "SELECT c.relname || '.' || a.attname FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace ORDER BY 1";

/// The number of the lock under which one process changes the schema.
const UPGRADE: &str = "upgrade";

/// Returns the version that the schema has then: that of `steps`, or a later one beside which they work.
///
/// # Errors
/// `Misconfigured` for a database of another kind, `Unavailable` for one that cannot be reached or written, or that a
/// newer program has changed.
pub(super) async fn prepare(connect: &PgConnectOptions, steps: &[SchemaStep]) -> Result<usize> {
    let mut db = reach(connect).await?;
    let done = async {
        check_server(&mut db).await?;
        make_schema(&mut db).await?;
        upgrade(&mut db, steps).await
    }
    .await;
    // Also a refused connection is closed; what that says tells nothing more.
    let _ = db.close().await;
    done
}

/// A first connection. A server that is just starting is waited for; one that is not there is not.
async fn reach(connect: &PgConnectOptions) -> Result<PgConnection> {
    let mut tries = Tries::new(passing);
    loop {
        let reached = tokio::time::timeout(CONNECTING, connect.connect()).await;
        match reached.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(db) => return Ok(db),
            Err(error @ sqlx::Error::Database(_)) if is_away(&error) && tries.again(&error).await => {}
            Err(error) => return Err(failure(error)),
        }
    }
}

async fn check_server(db: &mut PgConnection) -> Result<()> {
    let (version, encoding, standby): (i32, String, bool) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::integer, current_setting('server_encoding'), pg_is_in_recovery()",
    )
    .fetch_one(db)
    .await
    .map_err(failure)?;
    if standby {
        return Err(Error::new(ErrorKind::Unavailable, "it is a standby, which takes no writes")
            .with_remedy("name the primary in the database's URL"));
    }
    // Older ones get no fixes any more, and are not tested.
    if version < 130_000 {
        let message = format!("it is PostgreSQL {}, and this program needs 13 or newer", version / 10_000);
        return Err(Error::new(ErrorKind::Misconfigured, message).with_remedy("upgrade PostgreSQL"));
    }
    if encoding != "UTF8" {
        return Err(Error::new(
            ErrorKind::Misconfigured,
            format!("its encoding is {encoding}, and not UTF8"),
        )
        .with_remedy("make a database with `createdb --encoding=UTF8 --template=template0`"));
    }
    Ok(())
}

/// Makes the schema of the search path, if there is none yet.
async fn make_schema(db: &mut PgConnection) -> Result<()> {
    let (path, current): (String, Option<String>) =
        sqlx::query_as("SELECT current_setting('search_path'), current_schema()::text")
            .fetch_one(&mut *db)
            .await
            .map_err(failure)?;
    let first = path.split(',').next().unwrap_or_default().trim().trim_matches('"').to_owned();
    if current.is_some_and(|current| current == first || first == "$user") {
        return Ok(());
    }
    let plain = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
    if !plain(&first) {
        return Err(Error::new(ErrorKind::Misconfigured, "its search path names no schema that exists")
            .with_field("database")
            .with_remedy(
                "make the schema, or name one of letters, digits and `_`: options[search_path]=NAME",
            ));
    }
    let create = format!("CREATE SCHEMA IF NOT EXISTS \"{first}\"");
    match sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(db).await {
        Ok(_) => Ok(()),
        // Another process made it at the same moment.
        Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("42P06" | "23505")) => {
            Ok(())
        }
        Err(error) => Err(failure(error)),
    }
}

async fn upgrade(db: &mut PgConnection, steps: &[SchemaStep]) -> Result<usize> {
    let schema: String =
        sqlx::query_scalar("SELECT current_schema()::text").fetch_one(&mut *db).await.map_err(failure)?;
    let mut transaction =
        db.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await.map_err(failure)?;
    // Of processes that start at once one upgrades, and the others wait for it.
    lock(&mut transaction, vec![lock_number(UPGRADE, &[&schema])]).await.map_err(failure)?;
    let done = version(&mut transaction).await.map_err(failure)?;
    let known = steps.len();
    if done > known {
        let oldest: Option<Vec<u8>> = sqlx::query_scalar("SELECT value FROM meta WHERE key = $1")
            .bind(OLDEST)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failure)?;
        check_newer(done, known, oldest.as_deref())?;
    }
    if done >= known {
        return check_columns(&mut transaction, known).await.map(|()| done);
    }
    apply(&mut transaction, done, steps).await.map_err(failure)?;
    transaction.commit().await.map_err(failure)?;
    Ok(known)
}

/// How many of the schemas were applied.
async fn version(db: &mut PgConnection) -> sqlx::Result<usize> {
    let exists: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_class WHERE relname = 'schema_version'
         AND relnamespace = current_schema()::regnamespace)",
    )
    .fetch_one(&mut *db)
    .await?;
    if !exists {
        return Ok(0);
    }
    let version: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM schema_version").fetch_one(db).await?;
    Ok(version.and_then(|version| usize::try_from(version).ok()).unwrap_or_default())
}

/// Applies what is missing after version `done`, and notes the columns that there are then.
async fn apply(db: &mut PgConnection, done: usize, steps: &[SchemaStep]) -> sqlx::Result<()> {
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS schema_version (version bigint PRIMARY KEY, columns text[] NOT NULL,
         applied_at timestamptz NOT NULL DEFAULT now())",
    )
    .execute(&mut *db)
    .await?;
    for (index, step) in steps.iter().enumerate().skip(done) {
        sqlx::raw_sql(step.sql).execute(&mut *db).await?;
        let columns: Vec<String> = sqlx::query_scalar(COLUMNS).fetch_all(&mut *db).await?;
        sqlx::query("INSERT INTO schema_version (version, columns) VALUES ($1, $2)")
            .bind(i64::try_from(index + 1).unwrap_or(i64::MAX))
            .bind(columns)
            .execute(&mut *db)
            .await?;
        sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
            .bind(OLDEST)
            .bind(step.oldest.to_string().into_bytes())
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// The version alone proves nothing: somebody may have changed the tables, or restored half of them. Such a database is
/// refused when it is opened, and not by the first job that needs what is missing.
async fn check_columns(db: &mut PgConnection, version: usize) -> Result<()> {
    let missing = async {
        let wanted: Vec<String> = sqlx::query_scalar("SELECT columns FROM schema_version WHERE version = $1")
            .bind(i64::try_from(version).unwrap_or(i64::MAX))
            .fetch_one(&mut *db)
            .await?;
        let found: Vec<String> = sqlx::query_scalar(COLUMNS).fetch_all(&mut *db).await?;
        Ok(wanted.into_iter().filter(|column| !found.contains(column)).collect())
    };
    let missing: Vec<String> = missing.await.map_err(failure)?;
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("its schema is version {version}, but it lacks {}", missing.join(", "));
    Err(Error::new(ErrorKind::Unavailable, message)
        .with_remedy("restore the last backup; changes of the tables by hand are not supported"))
}
