//! Tables of MySQL or MariaDB as one side of a copy.

use futures::TryStreamExt as _;
use social_channel_runtime::error::ErrorKind;
use sqlx::mysql::MySqlArguments;
use sqlx::query::Query;

use super::apps::write_parts;
use super::documents::tenant_of;
use super::*;
use crate::store::copy::{Column, Counters, Kind, Order, Row, Rows, Side, TABLES, Table, Value};
use crate::store::schema::{OLDEST, newer};

/// What a connection of hours needs. A reader waits while the other side writes, and no statement has a limit. What others
/// hold is waited for as long as their transactions may take.
const PATIENT: &str =
    "SET SESSION net_write_timeout = 3600, SESSION net_read_timeout = 3600, SESSION wait_timeout = 28800,
    SESSION lock_wait_timeout = 30 /*M!100311 , SESSION idle_transaction_timeout = 0 */
    /*!80003 , SESSION information_schema_stats_expiry = 0 */";

/// A process that has just ended is seen for a moment: the server must notice first.
const ENDING: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Tables that are made from others, or that a table of the copy is made of.
const OTHERS: [&str; 5] = ["component_parts", "channel_queue", "tenant_queue", "tenant_counts", "counters"];

/// What the driver derives from jobs, all of it.
const DERIVED: [&str; 3] = [
    "INSERT INTO {channel_queue} (tenant, channel, weight, due_at, turn_at)
     SELECT j.tenant, j.channel, j.weight, j.due_at, COALESCE(f.at, 0) FROM
       (SELECT tenant, channel, weight, MIN(wake_at) AS due_at FROM {jobs} WHERE wake_at IS NOT NULL
        GROUP BY tenant, channel, weight) j
     LEFT JOIN {channel_fairness} f ON f.tenant = j.tenant AND f.channel = j.channel",
    "INSERT INTO {tenant_queue} (tenant, due_at, turn_at)
     SELECT tenant, MIN(due_at), MAX(turn_at) FROM {channel_queue} GROUP BY tenant",
    "INSERT INTO {tenant_counts} (tenant, part, open_jobs, kept_jobs)
     SELECT tenant, part, COUNT(*) - COUNT(ended_at), COUNT(*) FROM
       (SELECT tenant, CAST(CRC32(id) % 16 AS SIGNED) AS part, ended_at FROM {jobs}) j GROUP BY tenant, part",
];

/// Tables that nobody else uses.
pub(crate) struct MysqlSide {
    db: MySqlConnection,
    connect: MySqlConnectOptions,
    tables: Tables,
}

impl MysqlSide {
    /// The tables, brought to this program's version.
    ///
    /// # Errors
    /// As [`Mysql::open`].
    pub(crate) async fn open(url: &SecretText) -> Result<Self> {
        let Settings { connect, tables, .. } = Settings::of(url)?;
        let opening = |error: Error| Error {
            message: format!("the database {} cannot be opened: {}", place(&connect), error.message),
            ..error
        };
        let (done, _) = schema::prepare(&connect, &tables, &schema::SCHEMAS).await.map_err(opening)?;
        if done > schema::SCHEMAS.len() {
            // What only a newer program knows would be left behind.
            return Err(opening(newer(done, schema::SCHEMAS.len())));
        }
        let mut db = connect.connect().await.map_err(failure).map_err(opening)?;
        for set in [session(0), PATIENT.to_owned()] {
            db.execute(sqlx::raw_sql(AssertSqlSafe(set))).await.map_err(failure).map_err(opening)?;
        }
        Ok(MysqlSide { db, connect, tables })
    }

    async fn run(&mut self, sql: &str) -> Result<()> {
        let sql = self.tables.sql(sql);
        self.db.execute(sqlx::raw_sql(sql)).await.map(drop).map_err(failure)
    }

    /// Components, whose bytes lie in parts.
    async fn read_components(&mut self, rows: &mut Rows) -> Result<()> {
        let list =
            self.tables.sql("SELECT digest, provider, version, added_at FROM {components} ORDER BY digest");
        let found: Vec<(Text, Text, Text, i64)> =
            sqlx::query_as(list).fetch_all(&mut self.db).await.map_err(failure)?;
        for (digest, provider, version, added_at) in found {
            let parts = self.tables.sql("SELECT bytes FROM {component_parts} WHERE digest = ? ORDER BY part");
            let parts: Vec<Vec<u8>> =
                sqlx::query_scalar(parts).bind(&digest.0).fetch_all(&mut self.db).await.map_err(failure)?;
            let row = vec![
                Value::Text(digest.0),
                Value::Text(provider.0),
                Value::Text(version.0),
                Value::Bytes(parts.concat()),
                Value::Integer(added_at),
            ];
            if !rows.put(row).await {
                break;
            }
        }
        Ok(())
    }

    async fn write_components(&mut self, rows: &[Row]) -> Result<()> {
        let tables = &self.tables;
        let mut transaction = self.db.begin().await.map_err(failure)?;
        for row in rows {
            let [
                Value::Text(digest),
                Value::Text(provider),
                Value::Text(version),
                Value::Bytes(bytes),
                Value::Integer(added_at),
            ] = row.as_slice()
            else {
                return Err(Error::internal("a component has other columns than it should"));
            };
            sqlx::query(tables.sql(
                "INSERT INTO {components} (digest, provider, version, size, added_at) VALUES (?, ?, ?, ?, ?)",
            ))
            .bind(digest)
            .bind(provider)
            .bind(version)
            .bind(i64::try_from(bytes.len()).unwrap_or(i64::MAX))
            .bind(*added_at)
            .execute(&mut *transaction)
            .await
            .map_err(failure)?;
            write_parts(tables, &mut transaction, digest, bytes).await.map_err(failure)?;
        }
        transaction.commit().await.map_err(failure)
    }
}

/// What a column is called here: some names are words of the language.
fn name(table: &Table, column: &str) -> String {
    match (table.name, column) {
        ("meta" | "provider_values", "key") => "name".to_owned(),
        _ => format!("`{column}`"),
    }
}

fn value(row: &MySqlRow, at: usize, kind: Kind) -> sqlx::Result<Value> {
    Ok(match kind {
        Kind::Text => row.try_get::<Option<Text>, _>(at)?.map(|it| Value::Text(it.0)),
        Kind::Name | Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
        Kind::Integer => row.try_get::<Option<i64>, _>(at)?.map(Value::Integer),
        Kind::Small => row.try_get::<Option<i32>, _>(at)?.map(|it| Value::Integer(it.into())),
        Kind::Boolean => row.try_get::<Option<bool>, _>(at)?.map(Value::Boolean),
    }
    .unwrap_or(Value::Null))
}

fn bind<'q>(
    query: Query<'q, sqlx::MySql, MySqlArguments>,
    kind: Kind,
    value: &'q Value,
) -> Query<'q, sqlx::MySql, MySqlArguments> {
    match value {
        Value::Null => query.bind(None::<&[u8]>),
        Value::Text(text) => query.bind(text.as_str()),
        Value::Bytes(bytes) => query.bind(bytes.as_slice()),
        // A priority beyond 32 bits counts for as much as the largest.
        Value::Integer(number) if kind == Kind::Small => {
            query.bind((*number).clamp(i32::MIN.into(), i32::MAX.into()))
        }
        Value::Integer(number) => query.bind(*number),
        Value::Boolean(is) => query.bind(*is),
    }
}

#[async_trait]
impl Side for MysqlSide {
    async fn hold(&mut self) -> Result<()> {
        let mut others = process::count(&mut self.db, &self.tables).await.map_err(failure)?;
        let began = tokio::time::Instant::now();
        while others > 0 && began.elapsed() < ENDING {
            tokio::time::sleep(LOOK).await;
            others = process::count(&mut self.db, &self.tables).await.map_err(failure)?;
        }
        if others > 0 {
            return Err(Error::new(
                ErrorKind::Misconfigured,
                format!("{} is used by other processes: {others} of them", place(&self.connect)),
            )
            .with_field("database")
            .with_remedy(
                "stop all processes that use it: the service, workers, programs that embed the library",
            ));
        }
        // Events get their numbers when somebody asks for them.
        let fresh = self.tables.sql("SELECT DISTINCT tenant FROM {outbox} WHERE number IS NULL");
        let fresh: Vec<Text> = sqlx::query_scalar(fresh).fetch_all(&mut self.db).await.map_err(failure)?;
        for tenant in fresh {
            let mut is_more = true;
            while is_more {
                let mut transaction = self.db.begin().await.map_err(failure)?;
                let numbered = self.tables.number_events(&mut transaction, &tenant.0).await;
                is_more = numbered.map_err(failure)?.1;
                transaction.commit().await.map_err(failure)?;
            }
        }
        // A copy takes as long as it takes. Who wants to write waits, and gives up.
        let names = TABLES.iter().map(|table| table.name).chain(OTHERS);
        let held: Vec<String> = names.map(|name| format!("{{{name}}} WRITE")).collect();
        self.run(&format!("LOCK TABLES {}", held.join(", "))).await.map_err(|error| match error.kind {
            ErrorKind::Misconfigured => {
                error.with_remedy("give the user LOCK TABLES on this database, besides what it has")
            }
            _ => error,
        })
    }

    async fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        let found = self.tables.sql("SELECT value FROM {meta} WHERE name = ?");
        sqlx::query_scalar(found).bind(key).fetch_optional(&mut self.db).await.map_err(failure)
    }

    async fn is_empty(&mut self, table: &Table) -> Result<bool> {
        let sql = self.tables.sql(&format!("SELECT NOT EXISTS (SELECT 1 FROM {{{}}})", table.name));
        sqlx::query_scalar(sql).fetch_one(&mut self.db).await.map_err(failure)
    }

    async fn wipe(&mut self, key: &str, value: &[u8]) -> Result<()> {
        // `meta` goes last, so a wipe that is cut off leaves its mark, or nothing at all.
        let others = OTHERS.iter().filter(|name| **name != "counters");
        for name in others.copied().chain(TABLES.iter().rev().map(|table| table.name)) {
            let kept = if name == "meta" { format!(" WHERE name <> '{OLDEST}'") } else { String::new() };
            self.run(&format!("DELETE FROM {{{name}}}{kept}")).await?;
        }
        self.mark(key, Some(value)).await
    }

    async fn clear(&mut self, table: &Table) -> Result<()> {
        self.run(&format!("DELETE FROM {{{}}}", table.name)).await
    }

    async fn read(&mut self, table: &'static Table, rows: &mut Rows) -> Result<()> {
        if table.name == "components" {
            return self.read_components(rows).await;
        }
        let names: Vec<String> = table.columns.iter().map(|column| name(table, column.name)).collect();
        let order = match table.order {
            Order::By(columns) => columns.iter().map(|it| name(table, it)).collect::<Vec<_>>().join(", "),
            Order::Inserted => "seq".to_owned(),
        };
        let sql = format!("SELECT {} FROM {{{}}} ORDER BY {order}", names.join(", "), table.name);
        let mut found = sqlx::query(self.tables.sql(&sql)).fetch(&mut self.db);
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
        if table.name == "components" {
            return self.write_components(rows).await;
        }
        let mut names: Vec<String> = table.columns.iter().map(|column| name(table, column.name)).collect();
        // This database keeps beside a document what its facts say of a tenant, and beside a value its size.
        let place = |column: &str| table.columns.iter().position(|it| it.name == column);
        let derived = match table.name {
            "documents" => place("facts"),
            "provider_values" => place("value"),
            _ => None,
        };
        if derived.is_some() {
            names.push(if table.name == "documents" { "tenant" } else { "size" }.to_owned());
        }
        let one = format!("({})", marks(names.len()));
        let all = vec![one.as_str(); rows.len()].join(", ");
        let sql = format!("INSERT INTO {{{}}} ({}) VALUES {all}", table.name, names.join(", "));
        let mut query = sqlx::query(self.tables.sql(&sql)).persistent(false);
        for row in rows {
            for (Column { kind, .. }, value) in table.columns.iter().zip(row) {
                query = bind(query, *kind, value);
            }
            match derived.and_then(|at| row.get(at)) {
                Some(Value::Text(facts)) => query = query.bind(tenant_of(facts)),
                Some(Value::Bytes(bytes)) => {
                    query = query.bind(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
                }
                Some(_) => query = query.bind(None::<&[u8]>),
                None => {}
            }
        }
        // One statement is one transaction.
        query.execute(&mut self.db).await.map(drop).map_err(failure)
    }

    async fn counters(&mut self) -> Result<Counters> {
        let apps = self.tables.sql("SELECT value FROM {counters} WHERE name = 'apps'");
        let apps: i64 = sqlx::query_scalar(apps).fetch_one(&mut self.db).await.map_err(failure)?;
        let next: Option<i64> = sqlx::query_scalar(
            "SELECT CAST(auto_increment AS SIGNED) FROM information_schema.tables
             WHERE table_schema = DATABASE() AND table_name = ?",
        )
        .bind(format!("{}provider_values", self.tables.prefix()))
        .fetch_one(&mut self.db)
        .await
        .map_err(failure)?;
        Ok(Counters { apps, values: next.map_or(0, |next| next.saturating_sub(1)) })
    }

    /// Also makes what the driver derives: this comes after all tables.
    async fn set_counters(&mut self, counters: Counters) -> Result<()> {
        let apps = self.tables.sql("UPDATE {counters} SET value = ? WHERE name = 'apps'");
        sqlx::query(apps).bind(counters.apps).execute(&mut self.db).await.map_err(failure)?;
        let next = counters.values.saturating_add(1);
        self.run(&format!("ALTER TABLE {{provider_values}} AUTO_INCREMENT = {next}")).await?;
        for derive in DERIVED {
            self.run(derive).await?;
        }
        Ok(())
    }

    /// Lets go of the tables.
    async fn mark(&mut self, key: &str, value: Option<&[u8]>) -> Result<()> {
        match value {
            Some(value) => {
                let put = "INSERT INTO {meta} (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = ?";
                sqlx::query(self.tables.sql(put))
                    .bind(key)
                    .bind(value)
                    .bind(value)
                    .execute(&mut self.db)
                    .await
            }
            None => {
                let delete = self.tables.sql("DELETE FROM {meta} WHERE name = ?");
                sqlx::query(delete).bind(key).execute(&mut self.db).await
            }
        }
        .map_err(failure)?;
        // From here on each write is a transaction of its own. Nobody opens the database meanwhile, because it is marked.
        self.run("UNLOCK TABLES").await
    }

    async fn close(self: Box<Self>) {
        // What that says tells nothing more: everything is stored.
        let _ = self.db.close().await;
    }
}
