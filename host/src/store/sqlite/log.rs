//! Brings the write-ahead log to the disk, once for all who wait at the same moment.
//!
//! With `synchronous=FULL` SQLite does this at every commit, and holds the only place of a writer meanwhile: then a disk that
//! takes a millisecond allows a thousand writes a second of all processes together, and the processors wait. So commits
//! leave it out (`synchronous=NORMAL`), and who needs it waits here for a flush that begins after the commit. What the log
//! holds is in its order: a flush brings every commit before it to the disk, also those of other processes. Others may see a
//! commit a moment before it is on the disk; whoever acts upon it writes something, which is flushed with it.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use social_channel_runtime::error::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

/// The log's file.
fn file(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    PathBuf::from(path)
}

/// The log of one database.
pub(super) struct Log {
    sync: Arc<dyn Fn() -> io::Result<()> + Send + Sync>,
    /// Flushes that were asked for.
    asked: AtomicU64,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    /// Those that were asked for up to this one have been carried out.
    until: u64,
    /// The last failure, and what it concerned: the system reports it once, and may have dropped what it could not write.
    failed: Option<(u64, Error)>,
}

impl Log {
    pub(super) fn of(database: &Path) -> Self {
        let path = file(database);
        Log::new(move || sync(&path))
    }

    fn new(sync: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        Log { sync: Arc::new(sync), asked: AtomicU64::new(0), done: Mutex::default() }
    }

    /// Returns when everything that was committed before this call is on the disk. If the future is dropped, that may come
    /// later.
    ///
    /// # Errors
    /// `Unavailable` if the disk fails. What was committed is seen by all until the machine stops, and may be lost then.
    pub(super) async fn flush(&self) -> Result<()> {
        let own = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = self.done.lock().await;
        if done.until < own {
            // All who have asked until now.
            let until = self.asked.load(Ordering::SeqCst);
            let sync = self.sync.clone();
            let synced = tokio::task::spawn_blocking(move || sync()).await.map_err(io::Error::other);
            if let Err(error) = synced.and_then(|synced| synced) {
                done.failed = Some((until, failing(error)));
            }
            done.until = until;
        }
        match &done.failed {
            Some((until, error)) if own <= *until => Err(error.clone()),
            _ => Ok(()),
        }
    }

    #[cfg(test)]
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Nothing is taken back, so that it may be there.
fn failing(error: io::Error) -> Error {
    let message =
        format!("the disk fails ({error}), so what was stored last may be lost when the machine stops");
    Error::new(ErrorKind::Unavailable, message)
        .with_remedy("check the disk, and look whether it is there before doing it again")
        .with_source(error)
}

/// By its name each time: SQLite makes another file after all processes have closed the database. On Windows only a file
/// that is open for writing is flushed.
fn sync(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => file.sync_data(),
        // Who closed the database last has brought all of it into its file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;

    use futures::future::join_all;

    use super::*;

    /// A disk that holds every flush until it is let go, and counts them.
    #[derive(Default)]
    struct Disk {
        /// Flushes that have begun, and how many may end.
        state: std::sync::Mutex<(u64, u64)>,
        changed: Condvar,
    }

    impl Disk {
        fn log(self: &Arc<Self>, fails: bool) -> Arc<Log> {
            let disk = self.clone();
            Arc::new(Log::new(move || {
                let mut state = disk.state.lock().unwrap();
                state.0 += 1;
                let own = state.0;
                disk.changed.notify_all();
                drop(disk.changed.wait_while(state, |state| state.1 < own).unwrap());
                if fails && own == 1 { Err(io::Error::other("no")) } else { Ok(()) }
            }))
        }

        fn wait_for(&self, begun: u64) {
            let state = self.state.lock().unwrap();
            drop(self.changed.wait_while(state, |state| state.0 < begun).unwrap());
        }

        fn let_go(&self, flushes: u64) {
            self.state.lock().unwrap().1 = flushes;
            self.changed.notify_all();
        }

        fn begun(&self) -> u64 {
            self.state.lock().unwrap().0
        }
    }

    fn ask(log: &Arc<Log>) -> tokio::task::JoinHandle<Result<()>> {
        let log = log.clone();
        tokio::spawn(async move { log.flush().await })
    }

    async fn until_asked(log: &Log, count: u64) {
        while log.asked() < count {
            tokio::task::yield_now().await;
        }
    }

    /// A wrong name would be a file that is not there, which counts as flushed.
    #[tokio::test]
    async fn the_file_that_is_flushed_is_the_one_that_sqlite_writes() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(social_channel_runtime::clock::SystemClock);
        for name in ["database.sqlite", "no-suffix", "ü.db"] {
            let path = folder.path().join(name);
            let store = crate::store::Sqlite::open(&path, clock.clone()).await.unwrap();
            assert!(file(&path).metadata().unwrap().len() > 0, "{name}");
            store.flush().await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn who_asks_during_a_flush_waits_for_the_next_one_and_all_of_them_for_the_same() {
        let disk = Arc::new(Disk::default());
        let log = disk.log(false);
        let first = ask(&log);
        disk.wait_for(1);
        let others: Vec<_> = (0..50).map(|_| ask(&log)).collect();
        until_asked(&log, 51).await;
        disk.let_go(1);
        first.await.unwrap().unwrap();
        // The flush that ran while they came is not theirs.
        disk.wait_for(2);
        assert!(others.iter().all(|other| !other.is_finished()));
        disk.let_go(u64::MAX);
        assert!(join_all(others).await.into_iter().all(|other| other.unwrap().is_ok()));
        assert_eq!(disk.begun(), 2);
        log.flush().await.unwrap();
        assert_eq!(disk.begun(), 3, "later commits need another one");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_disk_that_fails_is_told_to_all_who_relied_on_it_and_to_nobody_later() {
        let disk = Arc::new(Disk::default());
        let log = disk.log(true);
        let first = ask(&log);
        disk.wait_for(1);
        let later = ask(&log);
        until_asked(&log, 2).await;
        disk.let_go(u64::MAX);
        let error = first.await.unwrap().unwrap_err();
        assert!(error.message.contains("may be lost") && error.remedy.is_some(), "{error:?}");
        later.await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_flush_whose_caller_went_away_lets_the_next_one_begin() {
        let disk = Arc::new(Disk::default());
        let log = disk.log(false);
        let first = ask(&log);
        disk.wait_for(1);
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        let next = ask(&log);
        disk.wait_for(2);
        disk.let_go(u64::MAX);
        next.await.unwrap().unwrap();
    }
}
