//! Moves everything from one database to another, of whatever kind.
//!
//! What is moved is data: the tables below and their columns. A driver reads and writes rows of them ([`Side`]), and derives
//! the rest itself (queues, counts, columns made from others). Sealed values stay as they are: they are bound to table, row
//! and column, whose names are the same everywhere, and the master key stays the same. Leases are left out, because they
//! name processes and clocks of the old database; their fencing numbers go on.
//!
//! A target says that it is not whole until the counts and checksums of all tables agree; then the source says that it was
//! moved. Both are refused by whoever opens them, so that there is never a moment in which two databases have the same jobs
//! and both may post. A copy that was killed is begun again from nothing.

mod tables;
#[cfg(test)]
#[cfg(all(feature = "mysql", feature = "postgres"))]
mod tests;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use tokio::sync::mpsc;

use super::schema::OLDEST;

pub(crate) use self::tables::{Column, Kind, Order, TABLES, Table};

/// In the target's `meta` as long as it is not whole.
pub(crate) const UNDER_WAY: &str = "copy-under-way";
/// In the source's `meta` once everything is elsewhere.
pub(crate) const MOVED: &str = "copied-to";
/// Of database servers: which of those that followed each other this is.
const TIMELINE: &str = "timeline";
/// Rows that are written at once: a statement of 45 columns stays below every database's number of parameters.
const ROWS: usize = 200;
/// Bytes of rows that are written at once. Components are larger, and then alone.
const BYTES: usize = 2 << 20;
/// Batches between reader and writer.
const AHEAD: usize = 2;

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Text(String),
    Bytes(Vec<u8>),
    Integer(i64),
    Boolean(bool),
}

impl Value {
    fn size(&self) -> usize {
        match self {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Null | Value::Integer(_) | Value::Boolean(_) => 8,
        }
    }
}

/// The values of a row, in the order of its table's columns.
pub(crate) type Row = Vec<Value>;

/// Numbers that are no rows in every database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The highest revision of a deleted app.
    pub(crate) apps: i64,
    /// The last version of a provider's value.
    pub(crate) values: i64,
}

/// Where rows go that a driver reads: batches of them.
pub(crate) struct Rows {
    to: mpsc::Sender<Vec<Row>>,
    batch: Vec<Row>,
    size: usize,
}

impl Rows {
    /// Adds a row; waits for the writer. False: nobody takes more.
    pub(crate) async fn put(&mut self, row: Row) -> bool {
        self.size += row.iter().map(Value::size).sum::<usize>();
        self.batch.push(row);
        self.batch.len() < ROWS && self.size < BYTES || self.flush().await
    }

    async fn flush(&mut self) -> bool {
        self.size = 0;
        let batch = std::mem::take(&mut self.batch);
        batch.is_empty() || self.to.send(batch).await.is_ok()
    }
}

/// One database, open for a copy.
#[async_trait]
pub(crate) trait Side: Send {
    /// From now on nobody else writes, and what is read is of one moment.
    ///
    /// # Errors
    /// `Misconfigured` while other processes use the database, as far as that can be known.
    async fn hold(&mut self) -> Result<()>;
    /// A value of `meta`.
    async fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Whether a table has no row.
    async fn is_empty(&mut self, table: &Table) -> Result<bool>;
    /// Deletes everything, and writes `meta` with one row.
    async fn wipe(&mut self, key: &str, value: &[u8]) -> Result<()>;
    /// Deletes all rows of a table.
    async fn clear(&mut self, table: &Table) -> Result<()>;
    /// Reads all rows of a table in its order.
    async fn read(&mut self, table: &'static Table, rows: &mut Rows) -> Result<()>;
    /// Writes rows, all or none of them.
    async fn write(&mut self, table: &'static Table, rows: &[Row]) -> Result<()>;
    async fn counters(&mut self) -> Result<Counters>;
    async fn set_counters(&mut self, counters: Counters) -> Result<()>;
    /// Writes or removes a value of `meta`, for good when this returns.
    async fn mark(&mut self, key: &str, value: Option<&[u8]>) -> Result<()>;
    /// Ends it.
    async fn close(self: Box<Self>);
}

/// What was moved of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) rows: u64,
    /// The sum of the rows' hashes: databases sort differently.
    hash: u128,
}

impl Sum {
    fn add(&mut self, row: &Row) {
        self.rows += 1;
        let mut hash = Sha256::new();
        for value in row {
            let (kind, bytes): (u8, std::borrow::Cow<'_, [u8]>) = match value {
                Value::Null => (0, [].as_slice().into()),
                Value::Text(text) => (1, text.as_bytes().into()),
                Value::Bytes(bytes) => (2, bytes.into()),
                Value::Integer(number) => (3, number.to_be_bytes().to_vec().into()),
                Value::Boolean(is) => (4, [u8::from(*is)].to_vec().into()),
            };
            hash.update([kind]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        let number = hash.finalize().iter().take(16).fold(0, |sum, byte| (sum << 8) | u128::from(*byte));
        self.hash = self.hash.wrapping_add(number);
    }
}

/// Moves everything. `keep_source`: the source stays in use. `told` is called with each table and its rows so far.
pub(crate) async fn copy(
    from: &mut dyn Side,
    to: &mut dyn Side,
    target: &str,
    keep_source: bool,
    told: &mut (dyn FnMut(&'static str, u64) + Send),
) -> Result<Vec<(&'static str, u64)>> {
    from.hold().await?;
    to.hold().await?;
    if from.meta(UNDER_WAY).await?.is_some() {
        return Err(not_whole());
    }
    if to.meta(UNDER_WAY).await?.is_none() {
        // What a database has that was only opened; all of it comes from the source.
        for table in TABLES.iter().filter(|table| table.name != "meta") {
            if !to.is_empty(table).await? {
                return Err(not_empty(table.name));
            }
        }
        if to.meta(MOVED).await?.is_some() {
            return Err(not_empty("meta"));
        }
    }
    if let Some(elsewhere) = from.meta(MOVED).await?
        && elsewhere != target.as_bytes()
    {
        return Err(moved(&elsewhere));
    }
    to.wipe(UNDER_WAY, target.as_bytes()).await?;
    let mut sums = Vec::new();
    for table in TABLES {
        if table.name.starts_with("outbox") {
            // What was written before has told events of its own.
            to.clear(table).await?;
        }
        sums.push(transfer(from, to, table, told).await?);
    }
    let counters = from.counters().await?;
    to.set_counters(counters).await?;
    for (table, sum) in TABLES.iter().zip(&sums) {
        told(table.name, sum.rows);
        let found = sum_of(to, table).await?;
        if found != *sum {
            return Err(Error::internal(format!(
                "of the table {} {} rows were read and {} are there, or they differ",
                table.name, sum.rows, found.rows
            ))
            .with_remedy(
                "run it again; if it stays so, the target's disk or its settings for text are wrong",
            ));
        }
    }
    if to.counters().await? != counters {
        return Err(Error::internal("the counters of the target are not those of the source"));
    }
    if !keep_source {
        from.mark(MOVED, Some(target.as_bytes())).await?;
    }
    to.mark(UNDER_WAY, None).await?;
    Ok(TABLES.iter().zip(sums).map(|(table, sum)| (table.name, sum.rows)).collect())
}

/// Moves one table. Returns what was read.
async fn transfer(
    from: &mut dyn Side,
    to: &mut dyn Side,
    table: &'static Table,
    told: &mut (dyn FnMut(&'static str, u64) + Send),
) -> Result<Sum> {
    let (sender, receiver) = mpsc::channel::<Vec<Row>>(AHEAD);
    let read = async move {
        let mut rows = Rows { to: sender, batch: Vec::new(), size: 0 };
        from.read(table, &mut rows).await?;
        rows.flush().await;
        Ok(())
    };
    let write = async move {
        let mut sum = Sum::default();
        // Owned here: where a write fails, the reader ends because nobody takes its rows.
        let mut receiver = receiver;
        while let Some(mut rows) = receiver.recv().await {
            rows.retain(|row| is_moved(table, row));
            rows.iter_mut().for_each(plain);
            to.write(table, &rows).await?;
            rows.iter().for_each(|row| sum.add(row));
            told(table.name, sum.rows);
        }
        Ok(sum)
    };
    let (read, wrote): (Result<()>, Result<Sum>) = futures::future::join(read, write).await;
    let sum = wrote?;
    read.map(|()| sum)
}

async fn sum_of(side: &mut dyn Side, table: &'static Table) -> Result<Sum> {
    let (sender, mut receiver) = mpsc::channel::<Vec<Row>>(AHEAD);
    let read = async move {
        let mut rows = Rows { to: sender, batch: Vec::new(), size: 0 };
        side.read(table, &mut rows).await?;
        rows.flush().await;
        Ok(())
    };
    let add = async {
        let mut sum = Sum::default();
        while let Some(rows) = receiver.recv().await {
            rows.iter().filter(|row| is_moved(table, row)).for_each(|row| sum.add(row));
        }
        sum
    };
    let (read, sum): (Result<()>, Sum) = futures::future::join(read, add).await;
    read.map(|()| sum)
}

/// The statement that empties a table, but for what is true of the database itself.
pub(crate) fn emptied(table: &Table) -> String {
    match table.name {
        "meta" => format!("DELETE FROM meta WHERE key <> '{OLDEST}';"),
        other => format!("DELETE FROM {other};"),
    }
}

/// Not the clocks of the machine's leases, nor the marks of copies, nor a server's timeline, nor what is true of a schema.
fn is_moved(table: &Table, row: &Row) -> bool {
    let Some(Value::Text(key)) = row.first() else { return true };
    table.name != "meta"
        || !(key.starts_with("lease-clock/") || [UNDER_WAY, MOVED, TIMELINE, OLDEST].contains(&key.as_str()))
}

/// Texts are stored as every database can hold them: without the character NUL, as the PostgreSQL store writes them.
fn plain(row: &mut Row) {
    for value in row {
        if let Value::Text(text) = value
            && text.contains('\0')
        {
            *text = text.replace('\0', "\u{FFFD}");
        }
    }
}

fn not_empty(table: &str) -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        format!("the target is not empty: it has rows in the table {table}"),
    )
    .with_field("to")
    .with_remedy("name a new database; what is there is not overwritten")
}

/// The error of a database into which a copy did not end.
pub(crate) fn not_whole() -> Error {
    Error::new(ErrorKind::Misconfigured, "this database is not whole: a copy into it did not end")
        .with_field("database")
        .with_remedy("run `social-channel database copy` again, which begins anew; or delete it")
}

/// The error of a database that was moved.
pub(crate) fn moved(to: &[u8]) -> Error {
    let to = String::from_utf8_lossy(to);
    Error::new(
        ErrorKind::Misconfigured,
        format!("this database was moved to {to}: two of them with the same jobs would post twice"),
    )
    .with_field("database")
    .with_remedy(
        "use that one; to go back before it was used, delete it, and then the row `copied-to` of the table `meta` here",
    )
}
