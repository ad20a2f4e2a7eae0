//! Reads of one row that every call makes, on the thread that asks. sqlx gives each connection a thread of its own, and going
//! there and back takes ten times as long as such a read: it touches a few pages, nearly always in memory, and in WAL no
//! writer makes it wait. What cannot be read in this way (a lock, a damaged row, a broken disk) is read again by sqlx, which
//! waits or says why.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension as _, Params, Row};

use super::failure::is_doubted;

/// Reads at the same moment; further ones go to sqlx. As many threads run calls on a small machine.
const CONNECTIONS: usize = 4;

/// Connections that only read.
pub(super) struct Direct {
    path: PathBuf,
    kept: [Mutex<Option<Kept>>; CONNECTIONS],
    closed: AtomicBool,
}

struct Kept {
    connection: Connection,
    opened: Instant,
}

impl Direct {
    pub(super) fn new(path: &Path) -> Self {
        Direct { path: path.to_owned(), kept: Default::default(), closed: AtomicBool::new(false) }
    }

    /// Closes all connections. What is read later goes to sqlx, which says that the database is closed.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for kept in &self.kept {
            // At most one read long.
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// The row of a query, or None in it. None outside: ask sqlx.
    pub(super) fn row<T>(
        &self,
        query: &'static str,
        parameters: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Option<Option<T>> {
        let mut kept = self.kept.iter().find_map(|kept| kept.try_lock().ok())?;
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        // As sqlx tells of its statements, so that whoever listens sees all of them.
        tracing::debug!(target: "sqlx::query", summary = query);
        // A connection goes on with the pages that it has, also with damaged ones after the file was mended.
        if kept.as_ref().is_none_or(|kept| is_doubted(kept.opened.elapsed())) {
            *kept = Some(Kept { connection: self.open().ok()?, opened: Instant::now() });
        }
        let connection = &kept.as_ref()?.connection;
        let asked = |mut statement: CachedStatement<'_>| statement.query_row(parameters, read).optional();
        let row = connection.prepare_cached(query).and_then(asked);
        if row.is_err() {
            // Whatever it was: the next read begins with a new one.
            *kept = None;
        }
        row.ok()
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        // Waiting is for threads that have nothing else to do.
        connection.busy_timeout(Duration::ZERO)?;
        Ok(connection)
    }
}
