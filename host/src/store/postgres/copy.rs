//! A PostgreSQL schema as one side of a copy.

use futures::TryStreamExt as _;
use social_channel_runtime::error::ErrorKind;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{ConnectOptions as _, Connection as _};

use super::documents::tenant_of;
use super::*;
use crate::store::copy::{Column, Counters, Kind, Order, Row, Rows, Side, TABLES, Table, Value, emptied};
use crate::store::schema::newer;

/// What this connection is called, so that it is not counted among the processes.
const OWN: &str = "social-channel-copy";

/// A connection that was just closed is seen for a moment: the server's process of it must end first.
const ENDING: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// A schema that nobody else uses.
pub(crate) struct PostgresSide {
    db: PgConnection,
    connect: PgConnectOptions,
    /// Whether a transaction holds the tables.
    holds: bool,
}

impl PostgresSide {
    /// The schema, brought to this program's version.
    ///
    /// # Errors
    /// As [`Postgres::open`].
    pub(crate) async fn open(url: &SecretText) -> Result<Self> {
        let Settings { connect, .. } = Settings::of(url)?;
        let opening = |error: Error| Error {
            message: format!("the database {} cannot be opened: {}", place(&connect), error.message),
            ..error
        };
        let done = schema::prepare(&connect, &schema::SCHEMAS).await.map_err(opening)?;
        if done > schema::SCHEMAS.len() {
            // What only a newer program knows would be left behind.
            return Err(opening(newer(done, schema::SCHEMAS.len())));
        }
        let own = connect.clone().application_name(OWN);
        let db = own.connect().await.map_err(failure).map_err(opening)?;
        Ok(PostgresSide { db, connect, holds: false })
    }

    /// How many connections other processes have. They say who they are, unless the URL says otherwise.
    async fn others(&mut self) -> Result<i64> {
        sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
             AND application_name = $1",
        )
        .bind(self.connect.get_application_name())
        .fetch_one(&mut self.db)
        .await
        .map_err(failure)
    }
}

fn value(row: &PgRow, at: usize, kind: Kind) -> sqlx::Result<Value> {
    Ok(match kind {
        Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
        Kind::Name | Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
        Kind::Integer => row.try_get::<Option<i64>, _>(at)?.map(Value::Integer),
        Kind::Small => row.try_get::<Option<i32>, _>(at)?.map(|it| Value::Integer(it.into())),
        Kind::Boolean => row.try_get::<Option<bool>, _>(at)?.map(Value::Boolean),
    }
    .unwrap_or(Value::Null))
}

/// The server compares types, so also an absent value has one.
fn bind<'q>(
    query: Query<'q, sqlx::Postgres, PgArguments>,
    kind: Kind,
    value: &'q Value,
) -> Query<'q, sqlx::Postgres, PgArguments> {
    let integer = match value {
        Value::Integer(number) => Some(*number),
        _ => None,
    };
    let bytes = match value {
        Value::Bytes(bytes) => Some(bytes.as_slice()),
        _ => None,
    };
    match kind {
        Kind::Text => query.bind(match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        }),
        Kind::Name | Kind::Bytes => query.bind(bytes),
        Kind::Integer => query.bind(integer),
        // A priority beyond 32 bits counts for as much as the largest.
        Kind::Small => query
            .bind(integer.map(|it| i32::try_from(it).unwrap_or(if it < 0 { i32::MIN } else { i32::MAX }))),
        Kind::Boolean => query.bind(match value {
            Value::Boolean(is) => Some(*is),
            _ => None,
        }),
    }
}

/// What a column is called in SQL: some names are words of the language.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

#[async_trait]
impl Side for PostgresSide {
    async fn hold(&mut self) -> Result<()> {
        let mut others = self.others().await?;
        let began = tokio::time::Instant::now();
        while others > 0 && began.elapsed() < ENDING {
            tokio::time::sleep(LOOK).await;
            others = self.others().await?;
        }
        if others > 0 {
            return Err(Error::new(
                ErrorKind::Misconfigured,
                format!("{} is used by other processes, over {others} connections", place(&self.connect)),
            )
            .with_field("database")
            .with_remedy("stop all processes that use it; if they are another installation's in the same database, add ?application_name=NAME to this URL"));
        }
        // A copy takes as long as it takes. Others may read meanwhile.
        let tables: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        let hold = format!(
            "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET synchronous_commit = off;
             BEGIN ISOLATION LEVEL READ COMMITTED; LOCK TABLE {}, counters IN SHARE ROW EXCLUSIVE MODE",
            tables.join(", ")
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(hold)).execute(&mut self.db).await.map_err(failure)?;
        // Events get their numbers when somebody asks for them.
        sqlx::raw_sql(
            "SELECT number_events(t.tenant) FROM (SELECT DISTINCT tenant FROM outbox WHERE number IS NULL) t",
        )
        .execute(&mut self.db)
        .await
        .map_err(failure)?;
        self.holds = true;
        Ok(())
    }

    async fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        let found = sqlx::query_scalar("SELECT value FROM meta WHERE key = $1").bind(key);
        found.fetch_optional(&mut self.db).await.map_err(failure)
    }

    async fn is_empty(&mut self, table: &Table) -> Result<bool> {
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", table.name);
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut self.db).await.map_err(failure)
    }

    async fn wipe(&mut self, key: &str, value: &[u8]) -> Result<()> {
        let mut deletes = String::new();
        for table in TABLES.iter().rev() {
            deletes.push_str(&emptied(table));
        }
        deletes.push_str("DELETE FROM channel_queue; DELETE FROM tenant_queue; DELETE FROM tenant_counts;");
        sqlx::raw_sql(sqlx::AssertSqlSafe(deletes)).execute(&mut self.db).await.map_err(failure)?;
        // From here on each write is a transaction of its own: one of hours would hold up the server. Nobody opens the database
        // meanwhile, because it is marked.
        self.mark(key, Some(value)).await
    }

    async fn clear(&mut self, table: &Table) -> Result<()> {
        let delete = format!("DELETE FROM {}", table.name);
        sqlx::raw_sql(sqlx::AssertSqlSafe(delete)).execute(&mut self.db).await.map(drop).map_err(failure)
    }

    async fn read(&mut self, table: &'static Table, rows: &mut Rows) -> Result<()> {
        let names: Vec<String> = table.columns.iter().map(|column| quoted(column.name)).collect();
        let order = match table.order {
            Order::By(columns) => columns.iter().map(|it| quoted(it)).collect::<Vec<_>>().join(", "),
            Order::Inserted => "seq".to_owned(),
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
        let mut names: Vec<String> = table.columns.iter().map(|column| quoted(column.name)).collect();
        // This database keeps beside a document what its facts say of a tenant.
        let facts = (table.name == "documents")
            .then(|| table.columns.iter().position(|it| it.name == "facts"))
            .flatten();
        if facts.is_some() {
            names.push("tenant".to_owned());
        }
        let width = names.len();
        let one = |row: usize| {
            let places: Vec<String> = (1..=width).map(|at| format!("${}", row * width + at)).collect();
            format!("({})", places.join(", "))
        };
        let all: Vec<String> = (0..rows.len()).map(one).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES {}", table.name, names.join(", "), all.join(", "));
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).persistent(false);
        for row in rows {
            for (Column { kind, .. }, value) in table.columns.iter().zip(row) {
                query = bind(query, *kind, value);
            }
            if let Some(facts) = facts {
                let tenant = match row.get(facts) {
                    Some(Value::Text(facts)) => tenant_of(facts),
                    _ => None,
                };
                query = query.bind(tenant);
            }
        }
        query.execute(&mut self.db).await.map(drop).map_err(failure)
    }

    async fn counters(&mut self) -> Result<Counters> {
        let (apps, values, is_used): (i64, i64, bool) = sqlx::query_as(
            "SELECT c.value, s.last_value, s.is_called FROM counters c, provider_values_version s WHERE c.name = 'apps'",
        )
        .fetch_one(&mut self.db)
        .await
        .map_err(failure)?;
        Ok(Counters { apps, values: if is_used { values } else { 0 } })
    }

    async fn set_counters(&mut self, counters: Counters) -> Result<()> {
        sqlx::query("UPDATE counters SET value = $1 WHERE name = 'apps'")
            .bind(counters.apps)
            .execute(&mut self.db)
            .await
            .map_err(failure)?;
        let (value, is_used) = (counters.values.max(1), counters.values > 0);
        sqlx::query("SELECT setval('provider_values_version', $1, $2)")
            .bind(value)
            .bind(is_used)
            .execute(&mut self.db)
            .await
            .map(drop)
            .map_err(failure)
    }

    /// Ends the transaction that holds the tables.
    async fn mark(&mut self, key: &str, value: Option<&[u8]>) -> Result<()> {
        // What was written before this was not waited for. It is on the disk with this.
        sqlx::raw_sql("SET synchronous_commit = on").execute(&mut self.db).await.map_err(failure)?;
        let query = match value {
            Some(value) => sqlx::query(
                "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )
            .bind(key)
            .bind(value),
            None => sqlx::query("DELETE FROM meta WHERE key = $1").bind(key),
        };
        query.execute(&mut self.db).await.map_err(failure)?;
        let end = match std::mem::take(&mut self.holds) {
            true => "COMMIT; SET synchronous_commit = off",
            false => "SET synchronous_commit = off",
        };
        sqlx::raw_sql(end).execute(&mut self.db).await.map(drop).map_err(failure)
    }

    async fn close(self: Box<Self>) {
        // What that says tells nothing more: everything is stored.
        let _ = self.db.close().await;
    }
}
