//! A SQLite file as one side of a copy.

use std::path::Path;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::*;
use crate::store::copy::{Column, Counters, Kind, Order, Row, Rows, Side, TABLES, Table, Value, emptied};
use crate::store::schema::newer;

/// Other processes end their transactions within it; one that holds the file longer uses it.
const OTHERS: Duration = Duration::from_secs(3);
/// The name of the counter of values' versions.
const VALUES: &str = "provider_values";

/// A file that nobody else uses.
pub(crate) struct SqliteSide {
    db: SqliteConnection,
    shown: String,
}

impl SqliteSide {
    /// The file, brought to this program's schema. `create`: whether it may be new.
    ///
    /// # Errors
    /// `NotFound` for a file that does not exist, and as [`Sqlite::open`].
    pub(crate) async fn open(path: &Path, create: bool, clock: Arc<dyn Clock>) -> Result<Self> {
        if !create && !path.exists() {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no database {}", path.display()))
                .with_field("from")
                .with_remedy("check the path"));
        }
        Sqlite::open(path, clock).await?.close().await;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // Every process that has the file open holds a lock that this one does not share.
            .locking_mode(sqlx::sqlite::SqliteLockingMode::Exclusive)
            .busy_timeout(OTHERS);
        let shown = path.display().to_string();
        let mut db = options.connect().await.map_err(|error| in_use(&shown, error))?;
        let done: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut db).await.map_err(failure)?;
        let done = usize::try_from(done).unwrap_or(usize::MAX);
        if done > SCHEMA.len() {
            // What only a newer program knows would be left behind.
            return Err(newer(done, SCHEMA.len()));
        }
        Ok(SqliteSide { db, shown })
    }

    async fn run(&mut self, sql: String) -> Result<()> {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut self.db).await.map(drop).map_err(failure)
    }
}

fn in_use(shown: &str, error: sqlx::Error) -> Error {
    let is_busy = matches!(&error, sqlx::Error::Database(inner) if matches!(inner.code().as_deref(), Some("5" | "261" | "517")));
    if !is_busy {
        return failure(error);
    }
    Error::new(ErrorKind::Misconfigured, format!("{shown} is used by another process"))
        .with_field("database")
        .with_remedy("stop all processes that use it: the service, workers, programs that embed the library")
}

fn value(row: &SqliteRow, at: usize, kind: Kind) -> sqlx::Result<Value> {
    let integer = |row: &SqliteRow| row.try_get::<Option<i64>, _>(at);
    Ok(match kind {
        Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
        Kind::Name => row.try_get::<Option<String>, _>(at)?.map(|it| Value::Bytes(it.into_bytes())),
        Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
        Kind::Integer | Kind::Small => integer(row)?.map(Value::Integer),
        Kind::Boolean => integer(row)?.map(|it| Value::Boolean(it != 0)),
    }
    .unwrap_or(Value::Null))
}

fn bind<'q>(
    query: Query<'q, sqlx::Sqlite, SqliteArguments>,
    kind: Kind,
    value: &'q Value,
) -> Query<'q, sqlx::Sqlite, SqliteArguments> {
    match value {
        Value::Null => query.bind(None::<i64>),
        Value::Text(text) => query.bind(text.as_str()),
        Value::Bytes(bytes) if kind == Kind::Name => query.bind(String::from_utf8_lossy(bytes).into_owned()),
        Value::Bytes(bytes) => query.bind(bytes.as_slice()),
        Value::Integer(number) => query.bind(*number),
        Value::Boolean(is) => query.bind(i64::from(*is)),
    }
}

#[async_trait]
impl Side for SqliteSide {
    async fn hold(&mut self) -> Result<()> {
        let held = sqlx::raw_sql("BEGIN EXCLUSIVE; COMMIT").execute(&mut self.db).await;
        held.map(drop).map_err(|error| in_use(&self.shown, error))
    }

    async fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        let found = sqlx::query_scalar("SELECT value FROM meta WHERE key = ?").bind(key);
        found.fetch_optional(&mut self.db).await.map_err(failure)
    }

    async fn is_empty(&mut self, table: &Table) -> Result<bool> {
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", table.name);
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut self.db).await.map_err(failure)
    }

    async fn wipe(&mut self, key: &str, value: &[u8]) -> Result<()> {
        let mut deletes = String::from("BEGIN IMMEDIATE;");
        for table in TABLES.iter().rev() {
            deletes.push_str(&emptied(table));
        }
        deletes.push_str("DELETE FROM channel_queue; DELETE FROM tenant_queue;");
        self.run(deletes).await?;
        self.mark(key, Some(value)).await?;
        self.run("COMMIT".to_owned()).await
    }

    async fn clear(&mut self, table: &Table) -> Result<()> {
        self.run(format!("DELETE FROM {}", table.name)).await
    }

    async fn read(&mut self, table: &'static Table, rows: &mut Rows) -> Result<()> {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let order = match table.order {
            Order::By(columns) => columns.join(", "),
            Order::Inserted => "rowid".to_owned(),
        };
        let sql = format!("SELECT {} FROM {} ORDER BY {order}", names.join(", "), table.name);
        let mut found = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch(&mut self.db);
        while let Some(row) = found.try_next().await.map_err(failure)? {
            let values = |row: &_| -> sqlx::Result<Row> {
                table.columns.iter().enumerate().map(|(at, column)| value(row, at, column.kind)).collect()
            };
            let Some(row) = row::one(table.name, Some(row), values)? else { continue };
            if !rows.put(row).await {
                break;
            }
        }
        Ok(())
    }

    async fn write(&mut self, table: &'static Table, rows: &[Row]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let one = format!("({})", vec!["?"; names.len()].join(", "));
        let all = vec![one.as_str(); rows.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES {all}", table.name, names.join(", "));
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).persistent(false);
        for row in rows {
            for (Column { kind, .. }, value) in table.columns.iter().zip(row) {
                query = bind(query, *kind, value);
            }
        }
        // One statement is one transaction.
        query.execute(&mut self.db).await.map(drop).map_err(failure)
    }

    async fn counters(&mut self) -> Result<Counters> {
        let mut of = async |name: &str| -> Result<i64> {
            let found = sqlx::query_scalar("SELECT value FROM counters WHERE name = ?").bind(name);
            found.fetch_one(&mut self.db).await.map_err(failure)
        };
        Ok(Counters { apps: of("apps").await?, values: of(VALUES).await? })
    }

    async fn set_counters(&mut self, counters: Counters) -> Result<()> {
        for (name, value) in [("apps", counters.apps), (VALUES, counters.values)] {
            let set = sqlx::query("UPDATE counters SET value = ? WHERE name = ?").bind(value).bind(name);
            set.execute(&mut self.db).await.map_err(failure)?;
        }
        Ok(())
    }

    async fn mark(&mut self, key: &str, value: Option<&[u8]>) -> Result<()> {
        let query = match value {
            Some(value) => {
                sqlx::query("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)").bind(key).bind(value)
            }
            None => sqlx::query("DELETE FROM meta WHERE key = ?").bind(key),
        };
        query.execute(&mut self.db).await.map(drop).map_err(failure)
    }

    async fn close(self: Box<Self>) {
        // What that says tells nothing more: everything is stored.
        let _ = self.db.close().await;
    }
}
