//! Brings a database to the schema of this program, and refuses one that cannot be used.

use std::collections::BTreeSet;

use social_channel_runtime::Digest;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::failover::Naming;
use super::failure::{failure, is_away, number, passing};
use super::lock::LOCKS;
use super::tables::Tables;
use super::text::{Text, plain};
use crate::store::remote::{CONNECTING, Tries};
use crate::store::schema::{OLDEST, SchemaStep, check_newer};

/// Applied in order; the table `schema_version` counts them. Forward only.
pub(super) const SCHEMAS: [SchemaStep; 3] = [
    SchemaStep::alone(1, include_str!("schema_1.sql")),
    SchemaStep::alone(2, include_str!("schema_2.sql")),
    SchemaStep { sql: include_str!("schema_3.sql"), oldest: 2 },
];

/// A column that is there already. MySQL's `ADD COLUMN` cannot ask first, as MariaDB's can; one statement adds all or none.
const DUPLICATE_COLUMN: u16 = 1060;

/// Seconds for which a process waits while another one changes the schema.
const UPGRADE: i64 = 600;

/// Returns the version that the schema has then, which is that of `steps` or a later one beside which they work, and how the
/// server and its replicas are told apart.
///
/// # Errors
/// `Misconfigured` for a server that is too old, `Unavailable` for one that cannot be reached or written, or that a newer
/// program has changed.
pub(super) async fn prepare(
    connect: &MySqlConnectOptions,
    tables: &Tables,
    steps: &[SchemaStep],
) -> Result<(usize, Naming)> {
    let mut db = reach(connect).await?;
    let done = async {
        check_server(&mut db).await?;
        let done = upgrade(&mut db, tables, steps).await?;
        Ok((done, Naming::of(&mut db).await.map_err(failure)?))
    }
    .await;
    // Also a refused connection is closed, and with it the lock of an upgrade; what that says tells nothing more.
    let _ = db.close().await;
    done
}

/// A first connection. A server that is just starting is waited for; one that is not there is not.
async fn reach(connect: &MySqlConnectOptions) -> Result<MySqlConnection> {
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

async fn check_server(db: &mut MySqlConnection) -> Result<()> {
    let (version, read_only): (Text, i64) = sqlx::query_as(
        "SELECT VERSION(), CAST(@@GLOBAL.read_only AS SIGNED) + CAST(@@GLOBAL.innodb_read_only AS SIGNED)",
    )
    .fetch_one(db)
    .await
    .map_err(failure)?;
    if read_only != 0 {
        return Err(Error::new(ErrorKind::Unavailable, "it is read-only, as a replica is")
            .with_remedy("name the primary in the database's URL"));
    }
    check_version(&version.0)
}

/// Older ones get no fixes any more, or lack what is needed here (SKIP LOCKED, indexes in descending order).
fn check_version(version: &str) -> Result<()> {
    let is_mariadb = version.to_ascii_lowercase().contains("mariadb");
    // MariaDB calls itself 5.5.5 first where old programs ask.
    let plain = version.strip_prefix("5.5.5-").filter(|_| is_mariadb).unwrap_or(version);
    let mut numbers = plain.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or_default());
    let found = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let (name, oldest, said) = match is_mariadb {
        true => ("MariaDB", (10, 11), "10.11"),
        false => ("MySQL", (8, 0), "8.0"),
    };
    if found >= oldest {
        return Ok(());
    }
    let message = format!("it is {name} {}.{}, and this program needs {said} or newer", found.0, found.1);
    Err(Error::new(ErrorKind::Misconfigured, message).with_remedy(format!("upgrade {name}")))
}

async fn upgrade(db: &mut MySqlConnection, tables: &Tables, steps: &[SchemaStep]) -> Result<usize> {
    db.execute("SET NAMES utf8mb4, SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00', SESSION autocommit = 1")
        .await
        .map_err(failure)?;
    // Every statement of an upgrade commits by itself, so a lock of this connection is held to its end.
    let name = lock_name(&mut *db, tables).await.map_err(failure)?;
    let got: Option<i64> = sqlx::query_scalar("SELECT CAST(GET_LOCK(?, ?) AS SIGNED)")
        .bind(name)
        .bind(UPGRADE)
        .fetch_one(&mut *db)
        .await
        .map_err(failure)?;
    if got != Some(1) {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "another process has been changing its schema for ten minutes",
        )
        .with_remedy("see SHOW PROCESSLIST, and start this program again when that has ended"));
    }
    let done = version(db, tables).await.map_err(failure)?;
    let known = steps.len();
    if done > known {
        let oldest: Option<Vec<u8>> =
            sqlx::query_scalar(tables.sql("SELECT value FROM {meta} WHERE name = ?"))
                .bind(OLDEST)
                .fetch_optional(&mut *db)
                .await
                .map_err(failure)?;
        check_newer(done, known, oldest.as_deref())?;
    }
    if done >= known {
        return check_columns(db, tables, steps).await.map(|()| done);
    }
    apply(db, tables, done, steps).await.map_err(failure)?;
    Ok(known)
}

/// What the server's named locks for these tables are called, which are known to all of its databases.
pub(super) async fn lock_name(db: &mut MySqlConnection, tables: &Tables) -> sqlx::Result<String> {
    let database: Text = sqlx::query_scalar("SELECT DATABASE()").fetch_one(db).await?;
    let name = Digest::of(format!("{}/{}", database.0, tables.prefix()).as_bytes());
    let name = name.as_str().trim_start_matches("sha256:").get(..40).unwrap_or_default();
    Ok(format!("social-channel {name}"))
}

/// How many of the schemas were applied.
async fn version(db: &mut MySqlConnection, tables: &Tables) -> sqlx::Result<usize> {
    let exists: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
    )
    .bind(format!("{}schema_version", tables.prefix()))
    .fetch_one(&mut *db)
    .await?;
    if exists == 0 {
        return Ok(0);
    }
    let version: Option<i64> =
        sqlx::query_scalar(tables.sql("SELECT MAX(version) FROM {schema_version}")).fetch_one(db).await?;
    Ok(version.and_then(|version| usize::try_from(version).ok()).unwrap_or_default())
}

/// Applies what is missing after version `done`, and notes the columns that there are then. Run again after it was cut off,
/// it goes on.
async fn apply(
    db: &mut MySqlConnection,
    tables: &Tables,
    done: usize,
    steps: &[SchemaStep],
) -> sqlx::Result<()> {
    db.execute(sqlx::raw_sql(tables.sql(
        "CREATE TABLE IF NOT EXISTS {schema_version} (version BIGINT NOT NULL PRIMARY KEY,
         known_columns MEDIUMBLOB NOT NULL, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB",
    )))
    .await?;
    for (index, step) in steps.iter().enumerate().skip(done) {
        let done = db.execute(sqlx::raw_sql(tables.sql(step.sql))).await;
        if let Err(error) = done
            && number(&error) != Some(DUPLICATE_COLUMN)
        {
            return Err(error);
        }
        if index == 0 {
            let rows: Vec<String> = (0..LOCKS).map(|number| format!("({number})")).collect();
            let fill = format!(
                "INSERT INTO {{locks}} (number) VALUES {} ON DUPLICATE KEY UPDATE number = number",
                rows.join(", ")
            );
            db.execute(sqlx::raw_sql(tables.sql(&fill))).await?;
        }
        let columns = columns(db, tables, steps).await?;
        let columns = serde_json::to_string(&columns).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query(tables.sql("INSERT INTO {schema_version} (version, known_columns) VALUES (?, ?)"))
            .bind(i64::try_from(index + 1).unwrap_or(i64::MAX))
            .bind(columns)
            .execute(&mut *db)
            .await?;
        sqlx::query(tables.sql("REPLACE INTO {meta} (name, value) VALUES (?, ?)"))
            .bind(OLDEST)
            .bind(step.oldest.to_string().into_bytes())
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// Every column of the schema's tables that there is, as `table.column`.
async fn columns(
    db: &mut MySqlConnection,
    tables: &Tables,
    steps: &[SchemaStep],
) -> sqlx::Result<Vec<String>> {
    let found: Vec<Text> = sqlx::query_scalar(
        "SELECT CONCAT(table_name, '.', column_name) AS name FROM information_schema.columns
         WHERE table_schema = DATABASE() AND LEFT(table_name, ?) = ? ORDER BY name",
    )
    .bind(i64::try_from(tables.prefix().len()).unwrap_or(i64::MAX))
    .bind(tables.prefix())
    .fetch_all(db)
    .await?;
    // Another installation's prefix may begin as ours does.
    let own = names(steps);
    let mut found: Vec<String> = plain(found)
        .into_iter()
        .filter_map(|name| name.strip_prefix(tables.prefix()).map(str::to_owned))
        .filter(|name| name.split_once('.').is_some_and(|(table, _)| own.contains(table)))
        .collect();
    found.sort();
    Ok(found)
}

/// The tables of all schemas.
fn names(steps: &[SchemaStep]) -> BTreeSet<&'static str> {
    let names = steps.iter().flat_map(|step| step.sql.split('{').skip(1));
    names.filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}

/// The version alone proves nothing: somebody may have changed the tables, or restored half of them. Such a database is
/// refused when it is opened, and not by the first job that needs what is missing.
async fn check_columns(db: &mut MySqlConnection, tables: &Tables, steps: &[SchemaStep]) -> Result<()> {
    let missing = async {
        let wanted: Vec<u8> =
            sqlx::query_scalar(tables.sql("SELECT known_columns FROM {schema_version} WHERE version = ?"))
                .bind(i64::try_from(steps.len()).unwrap_or(i64::MAX))
                .fetch_one(&mut *db)
                .await?;
        let wanted: Vec<String> =
            serde_json::from_slice(&wanted).map_err(|error| sqlx::Error::Decode(error.into()))?;
        let found = columns(db, tables, steps).await?;
        Ok(wanted.into_iter().filter(|column| !found.contains(column)).collect())
    };
    let missing: Vec<String> = missing.await.map_err(failure)?;
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("its schema is version {}, but it lacks {}", steps.len(), missing.join(", "));
    Err(Error::new(ErrorKind::Unavailable, message)
        .with_remedy("restore the last backup; changes of the tables by hand are not supported"))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn servers_that_are_too_old_are_refused_by_their_names() {
        for good in
            ["10.11.19-MariaDB-0+deb12u1", "5.5.5-11.4.2-MariaDB-log", "8.0.36", "8.4.0-commercial", "9.1.0"]
        {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for (bad, said) in
            [("10.6.18-MariaDB", "MariaDB 10.6"), ("5.7.44-log", "MySQL 5.7"), ("", "MySQL 0.0")]
        {
            let error = check_version(bad).unwrap_err();
            assert!(error.message.contains(said), "{error:?}");
        }
    }

    #[test]
    fn every_statement_of_a_schema_can_be_run_again() {
        for step in SCHEMAS {
            let text: String = step.sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
            let statements: Vec<&str> = text.split_terminator(';').map(str::trim).collect();
            // A single one that adds columns fails without a change where they are.
            let adds = |it: &str| {
                it.starts_with("ALTER TABLE {") && it.split(',').all(|part| part.contains("ADD COLUMN "))
            };
            let again = |it: &&str| {
                it.starts_with("CREATE TABLE IF NOT EXISTS {")
                    || (it.starts_with("INSERT INTO {") && it.contains("ON DUPLICATE KEY UPDATE"))
            };
            assert!(
                statements.iter().all(again) || (statements.len() == 1 && adds(statements[0])),
                "{}",
                step.sql
            );
        }
        assert!(
            names(&SCHEMAS).contains("jobs") && !names(&SCHEMAS).contains("name"),
            "{:?}",
            names(&SCHEMAS)
        );
    }
}
