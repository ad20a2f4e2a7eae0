//! The log of the library: a program reads it when it likes, and nothing of the program is called.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_char;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, Once, TryLockError};
use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::Serialize;
use social_channel::{Error, ErrorKind, Result};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_core::callsite::rebuild_interest_cache;

use crate::argument::{invalid, required};
use crate::border::enter;
use crate::text::Out;
use crate::{socialchannel_error, socialchannel_status};

/// Bytes that are kept, of texts: some thousand lines.
const KEPT: usize = 1 << 20;
/// Bytes of one text in an entry.
const TEXT: usize = 4 << 10;
/// Fields of one entry.
const FIELDS: usize = 32;
/// What a reader gets at once.
const READ: u32 = 1_000;
/// Looks at the lock before an entry is given up: its holder writes or reads some lines. After fork() it may be
/// held by a thread that is not there.
const LOOKS: u32 = 100_000;

/// One line of the library's log.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LogEntry {
    /// Counts from 1. A gap in what was read: the lines between were dropped before they were read.
    pub number: u64,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// `error`, `warn`, `info`, `debug`, `trace`.
    pub level: String,
    /// The part of the library that says it.
    pub target: String,
    /// What happened.
    pub message: String,
    /// What it is about, such as `job`, `channel`, `error`. Never a secret.
    pub fields: BTreeMap<String, String>,
}

impl LogEntry {
    fn size(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| name.len() + value.len());
        self.target.len() + self.message.len() + fields.sum::<usize>() + size_of::<Self>()
    }
}

#[derive(Default)]
struct Log {
    entries: VecDeque<LogEntry>,
    bytes: usize,
    last: u64,
}

impl Log {
    fn add(&mut self, mut entry: LogEntry) {
        self.last += 1;
        entry.number = self.last;
        self.bytes += entry.size();
        self.entries.push_back(entry);
        while self.bytes > KEPT
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= oldest.size();
        }
    }

    fn after(&self, number: u64, limit: usize) -> Vec<LogEntry> {
        self.entries.iter().filter(|entry| entry.number > number).take(limit).cloned().collect()
    }
}

static LOG: Mutex<Log> = Mutex::new(Log { entries: VecDeque::new(), bytes: 0, last: 0 });
/// As [`rank`] counts. At first: info.
static LEVEL: AtomicU8 = AtomicU8::new(3);
static BEGUN: Once = Once::new();

fn kept() -> Option<MutexGuard<'static, Log>> {
    for _ in 0..LOOKS {
        match LOG.try_lock() {
            Ok(log) => return Some(log),
            Err(TryLockError::Poisoned(log)) => return Some(log.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
    None
}

/// 1 for errors to 5 for traces.
fn rank(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// Begins to keep the log. A program in Rust that has a subscriber of its own keeps that.
pub(crate) fn begin() {
    BEGUN.call_once(|| {
        let _ = tracing::subscriber::set_global_default(Keeper);
    });
}

/// Keeps events. Spans tell who called whom, which a line of a log need not.
struct Keeper;

impl Subscriber for Keeper {
    /// Of what the library stands upon only warnings: its finer words hold what was sent.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let wanted = LEVEL.load(Ordering::Relaxed);
        let wanted = if metadata.target().starts_with("social_channel") { wanted } else { wanted.min(2) };
        metadata.is_event() && rank(*metadata.level()) <= wanted
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let level = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        let wanted = usize::from(LEVEL.load(Ordering::Relaxed));
        Some(wanted.checked_sub(1).and_then(|at| level.get(at)).map_or(LevelFilter::OFF, |it| (*it).into()))
    }

    fn event(&self, event: &Event<'_>) {
        let mut said = Said::default();
        event.record(&mut said);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let entry = LogEntry {
            number: 0,
            at_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            level: event.metadata().level().as_str().to_ascii_lowercase(),
            target: event.metadata().target().to_owned(),
            message: said.message,
            fields: said.fields,
        };
        if let Some(mut log) = kept() {
            log.add(entry);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Said {
    message: String,
    fields: BTreeMap<String, String>,
}

impl Said {
    fn note(&mut self, field: &Field, mut text: String) {
        if text.len() > TEXT {
            text.truncate(text.floor_char_boundary(TEXT));
            text.push('\u{2026}');
        }
        if field.name() == "message" {
            self.message = text;
        } else if self.fields.len() < FIELDS {
            self.fields.insert(field.name().to_owned(), text);
        }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note(field, format!("{value:?}"));
    }
}

/// Says how much of its work the library notes in its log, from now on, for all hosts of the process: `off`, `error`,
/// `warn`, `info` (as it begins), `debug` or `trace`. The log is kept from the first host that is opened, or from this
/// call if it comes earlier.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_log_level(
    level: *const c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let levels = ["off", "error", "warn", "info", "debug", "trace"];
            let wanted = required("level", level)?;
            let rank = levels.iter().position(|one| *one == wanted);
            let rank = rank.and_then(|rank| u8::try_from(rank).ok()).ok_or_else(|| {
                invalid("level", "unknown_level", "is no level of a log")
                    .with_remedy(format!("give one of {}", levels.join(", ")))
            })?;
            LEVEL.store(rank, Ordering::Relaxed);
            begin();
            // Who speaks is remembered by the level that was.
            rebuild_interest_cache();
            Ok(())
        })
    }
}

/// Reads the library's log: what it has to say besides results and errors, such as why a database refused or what a
/// provider wrote to its standard error. `after` is the number of the last entry that was read, at first 0; at most
/// `limit` entries come, and never more than 1,000. On success `*entries_out` is an array, oldest first (schema of an
/// item: LogEntry); empty: there is nothing new.
///
/// The newest entries are kept in memory, about 1 MiB, whether anybody reads them or not, and for any number of readers.
/// Call it now and then, from any thread; it waits for nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_log_read(
    after: u64,
    limit: u32,
    entries_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let out = Out::new("entries_out", entries_out)?;
            out.json(&entries(after, limit)?)
        })
    }
}

fn entries(after: u64, limit: u32) -> Result<Vec<LogEntry>> {
    let limit = usize::try_from(limit.min(READ)).unwrap_or(usize::MAX);
    let log = kept().ok_or_else(|| {
        Error::new(ErrorKind::Unavailable, "the log is being written by somebody who does not end")
            .with_remedy("read it in the process that opened the host, not in a child of fork()")
    })?;
    Ok(log.after(after, limit))
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::ptr;

    use super::*;

    fn entry(text: &str) -> LogEntry {
        LogEntry {
            number: 0,
            at_ms: 0,
            level: "info".to_owned(),
            target: "social_channel".to_owned(),
            message: text.to_owned(),
            fields: BTreeMap::new(),
        }
    }

    #[test]
    fn the_newest_are_kept_within_a_bound_and_read_from_where_one_was() {
        let mut log = Log::default();
        for number in 1..=3 {
            log.add(entry(&number.to_string()));
        }
        let read =
            |after, limit| log.after(after, limit).iter().map(|entry| entry.number).collect::<Vec<_>>();
        assert_eq!(
            (read(0, 9), read(0, 2), read(2, 9), read(3, 9)),
            (vec![1, 2, 3], vec![1, 2], vec![3], vec![])
        );
        for _ in 0..2_000 {
            log.add(entry(&"x".repeat(TEXT)));
        }
        assert!(log.bytes <= KEPT, "{}", log.bytes);
        assert!(log.entries.len() > 100);
        assert_eq!(log.entries.back().unwrap().number, 2_003);
        assert!(log.after(3, 1)[0].number > 4, "a gap tells what was dropped");
    }

    #[test]
    fn what_happens_is_read_with_its_fields_at_the_level_that_was_asked_for() {
        let level = |text: &CStr| {
            // SAFETY: text that ends with a NUL; no error is wanted.
            unsafe { socialchannel_log_level(text.as_ptr(), ptr::null_mut()) }
        };
        assert_eq!(level(c"info"), socialchannel_status::Ok);
        assert_eq!(level(c"loud"), socialchannel_status::InvalidArgument);
        let begin = entries(0, READ).unwrap().last().map_or(0, |entry| entry.number);
        tracing::warn!(target: "social_channel::x", job = "job_1", count = 3, "it waits");
        tracing::info!(target: "social_channel::x", "{}", "\u{e9}".repeat(TEXT));
        tracing::debug!(target: "social_channel::x", "not asked for");
        tracing::info!(target: "hyper::x", "of somebody else");
        let read = || {
            let mut out = ptr::null_mut();
            // SAFETY: `out` may be written; no error is wanted.
            let status = unsafe { socialchannel_log_read(begin, 9, &raw mut out, ptr::null_mut()) };
            assert_eq!(status, socialchannel_status::Ok);
            // SAFETY: written on success, freed once.
            let text = unsafe { std::ffi::CString::from_raw(out) };
            let all: Vec<serde_json::Value> = serde_json::from_slice(text.as_bytes()).unwrap();
            all.into_iter()
                .filter(|entry| entry["target"].as_str().unwrap().ends_with("::x"))
                .collect::<Vec<_>>()
        };
        let seen = read();
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert_eq!((&seen[0]["level"], &seen[0]["message"]), (&"warn".into(), &"it waits".into()));
        assert_eq!(seen[0]["fields"], serde_json::json!({"job": "job_1", "count": "3"}));
        assert!(seen[1]["message"].as_str().unwrap().len() <= TEXT + 4, "a long text is cut");
        assert_eq!(level(c"debug"), socialchannel_status::Ok);
        tracing::debug!(target: "social_channel::x", "asked for now");
        assert_eq!(read().len(), 3);
        assert_eq!(level(c"off"), socialchannel_status::Ok);
        tracing::error!(target: "social_channel::x", "nobody listens");
        assert_eq!(read().len(), 3);
        assert_eq!(level(c"info"), socialchannel_status::Ok);
    }
}
