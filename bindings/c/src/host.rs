//! A host for C: the library's [`Host`] and its threads.

use std::ffi::c_char;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use social_channel::{Error, ErrorKind, Host, HostConfig, Result, Tenant};
use tokio::runtime::{Builder, Runtime};

use crate::argument::{document, whole_paths};
use crate::border::{enter, enter_quietly};
use crate::callback::is_inside;
use crate::document::Worked;
use crate::handle::{self, Handle, OpenHost};
use crate::http::{ProgramHttp, socialchannel_http};
use crate::interrupt::{Task, Waited, joined};
use crate::log;
use crate::storage::{ProgramStorage, socialchannel_storage};
use crate::text::Out;
use crate::{socialchannel_error, socialchannel_host, socialchannel_status};

/// The runtime's threads. They mostly wait for the network and run short sections of a provider's code, and
/// many processes (PHP) each have a host, so a few threads are enough on any machine.
const THREADS: usize = 4;
/// How long freeing a host waits for a request that must not be interrupted.
const FREE_WAITS: Duration = Duration::from_secs(30);

type Round = Task<social_channel::Worked>;

/// An open host and its threads.
pub(crate) struct HostHandle {
    host: Host,
    /// Taken on drop.
    runtime: Option<Runtime>,
    /// Whether it runs jobs without being told to.
    background: bool,
    /// Rounds of work whose calls returned because of a signal. They continue.
    rounds: Mutex<Vec<Round>>,
    _counted: OpenHost,
}

impl Drop for HostHandle {
    fn drop(&mut self) {
        // Waiting here could deadlock, because the last call may end on any thread.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl HostHandle {
    fn open(config: HostConfig, storage: Option<ProgramStorage>, http: Option<ProgramHttp>) -> Result<Self> {
        log::begin();
        whole_paths(&config)?;
        let counted = OpenHost::new()?;
        let runtime = runtime()?;
        let background = config.background.unwrap_or(true);
        let mut builder = config.builder()?;
        let took_over =
            (storage.as_ref().map(ProgramStorage::took_over), http.as_ref().map(ProgramHttp::took_over));
        if let Some(storage) = storage {
            builder = builder.storage(Arc::new(storage));
        }
        if let Some(http) = http {
            builder = builder.http(Arc::new(http));
        }
        let host = on(&runtime, builder.open())?;
        // Only now: if opening fails, the program keeps the tables.
        if let Some(storage) = took_over.0 {
            storage();
        }
        if let Some(http) = took_over.1 {
            http();
        }
        Ok(HostHandle {
            host,
            runtime: Some(runtime),
            background,
            rounds: Mutex::default(),
            _counted: counted,
        })
    }

    pub(crate) fn host(&self) -> Host {
        self.host.clone()
    }

    /// Refuses a wait without an end where only a worker runs jobs: under a web server, without a worker, the page would
    /// wait until the server is stopped.
    pub(crate) fn may_wait(&self, longest_ms: u64) -> Result<()> {
        if self.background || longest_ms != u64::MAX {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidArgument,
            "this host runs no jobs (`background` is false), so without a worker this wait would never end",
        )
        .with_code("unbounded_wait")
        .with_field("longest_ms")
        .with_remedy("give the milliseconds to wait, and ask again later; a worker runs the jobs meanwhile"))
    }

    /// Runs a call on the host's threads and waits for it on the caller's thread.
    pub(crate) fn run<T, F>(&self, call: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        on(self.runtime()?, call)
    }

    fn runtime(&self) -> Result<&Runtime> {
        self.runtime.as_ref().ok_or_else(|| Error::internal("the host is being closed"))
    }

    fn rounds(&self) -> std::sync::MutexGuard<'_, Vec<Round>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs jobs for `longest`, or until a signal handler of the program runs on this thread.
    fn work(&self, longest: Option<Duration>) -> Result<Worked> {
        not_inside()?;
        let runtime = self.runtime()?;
        let end = longest.and_then(|longest| Instant::now().checked_add(longest));
        let left = || end.map(|end| end.saturating_duration_since(Instant::now()));
        let mut worked = Worked::default();
        // Before a new round starts, so that a program with many signals has only one round.
        let held = if longest == Some(Duration::ZERO) { None } else { self.rounds().pop() };
        let mut own = held.is_none();
        let mut round = held.map_or_else(|| self.round(left()), Ok)?;
        loop {
            // This round ends when its time is up, after finishing its current work.
            match round.wait(if own { None } else { left() }) {
                Waited::Done => worked.add(round.result(runtime)?),
                Waited::TimeUp => {
                    self.rounds().push(round);
                    return Ok(worked);
                }
                Waited::Interrupted => {
                    self.rounds().push(round);
                    worked.interrupted = true;
                    return Ok(worked);
                }
            }
            if own || left().is_some_and(|left| left.is_zero()) {
                return Ok(worked);
            }
            own = true;
            round = self.round(left())?;
        }
    }

    /// Like [`HostHandle::run`], for a call that only waits. None: a signal handler of the program ran, and the call
    /// was aborted.
    pub(crate) fn run_until_signal<T, F>(&self, call: F) -> Result<Option<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        not_inside()?;
        let runtime = self.runtime()?;
        let task = Task::begin(runtime, call)?;
        match task.wait(None) {
            Waited::Interrupted => {
                task.abort();
                Ok(None)
            }
            Waited::Done | Waited::TimeUp => task.result(runtime).map(Some),
        }
    }

    fn round(&self, longest: Option<Duration>) -> Result<Round> {
        let host = self.host();
        Task::begin(self.runtime()?, async move { host.work(longest).await })
    }

    /// Ends the work, including continued rounds.
    fn end_work(&self, longest: Duration) -> Result<()> {
        let end = Instant::now().checked_add(longest);
        let host = self.host();
        self.run(async move {
            host.shutdown(longest).await;
            Ok(())
        })?;
        for round in std::mem::take(&mut *self.rounds()) {
            let left = || end.map(|end| end.saturating_duration_since(Instant::now()));
            // A signal does not shorten it, because calls that must not be interrupted are waited for.
            while matches!(round.wait(left()), Waited::Interrupted) {}
        }
        Ok(())
    }
}

/// Runs on the library's threads: their stack size is known, whereas the caller's thread may have too little
/// stack, or no alternate stack for the trap handlers.
fn on<T, F>(runtime: &Runtime, call: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    not_inside()?;
    joined(runtime.block_on(runtime.spawn(call)))
}

/// Refuses calls from a callback, because the call that it belongs to waits for its thread.
fn not_inside() -> Result<()> {
    if !is_inside() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidArgument,
        "a callback of the library called the library: this would deadlock",
    )
    .with_code("called_from_callback")
    .with_remedy("make the call on another thread, after the callback has returned"))
}

fn runtime() -> Result<Runtime> {
    let threads = std::thread::available_parallelism().map_or(THREADS, |cores| cores.get().clamp(2, THREADS));
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("social-channel")
        .on_thread_start(leave_signals_to_the_program)
        .enable_all()
        .build()
        .map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the system gives no threads")
                .with_remedy("check the limits on processes and threads (ulimit -u)")
                .with_source(error)
        })
}

/// Blocks signals on the library's threads, because the program's handlers expect the program's own threads:
/// those of PHP and Python would run concurrently with the interpreter. Synchronous signals (a provider's trap)
/// stay enabled, because they are handled on the thread that raised them.
fn leave_signals_to_the_program() {
    use libc::{SIG_BLOCK, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is filled by the first call before the others read it; the old mask is not asked for.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for raised in [SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP] {
            libc::sigdelset(set.as_mut_ptr(), raised);
        }
        libc::pthread_sigmask(SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}

/// The body of most functions: read the arguments, make one call, return its result as JSON.
///
/// The pointers that `arguments` reads are as the header demands.
pub(crate) unsafe fn host_call<T, F>(
    host: *const socialchannel_host,
    out: Result<Out<*mut c_char>>,
    error_out: *mut *mut socialchannel_error,
    arguments: impl FnOnce(Host) -> Result<F>,
) -> socialchannel_status
where
    T: Serialize + Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    // SAFETY: passed on.
    unsafe {
        enter(error_out, || {
            let (out, handle) = (out?, handle::host(host)?);
            out.json(&handle.run(arguments(handle.host())?)?)
        })
    }
}

/// The same for the calls of a tenant.
///
/// `tenant` and the pointers that `arguments` reads are as the header demands.
pub(crate) unsafe fn tenant_call<T, F>(
    host: *const socialchannel_host,
    tenant: *const c_char,
    out: Result<Out<*mut c_char>>,
    error_out: *mut *mut socialchannel_error,
    arguments: impl FnOnce(Tenant) -> Result<F>,
) -> socialchannel_status
where
    T: Serialize + Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    // SAFETY: passed on.
    unsafe {
        host_call(host, out, error_out, |host| arguments(host.tenant(crate::argument::tenant(tenant)?)))
    }
}

/// Opens a host.
///
/// `config` is a JSON document (schema: HostConfig). `{"data": "/var/lib/shop/social-channel"}` stores everything
/// in that folder; with `{}` nothing outlives the process. Several processes may open the same folder at the same
/// time; they share accounts and jobs, and each job is run by one of them at a time. Paths must be absolute.
///
/// On success `*host_out` is a host to free with socialchannel_host_free. On failure it is left untouched.
///
/// INVALID_ARGUMENT: a NULL `config` or `host_out`, a malformed document. INVALID_REQUEST: an empty or relative path
/// (`data: ""` is a variable that was not set), or two keys. MISCONFIGURED: a wrong or unreadable
/// master key, a folder that cannot be used. UNAVAILABLE: the database cannot be opened now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_open(
    config: *const c_char,
    host_out: *mut *mut socialchannel_host,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let out = Out::new("host_out", host_out)?;
            let opened = HostHandle::open(document("config", config)?, None, None)?;
            out.write(handle::insert(Handle::Host(Arc::new(opened))) as *mut socialchannel_host);
            Ok(())
        })
    }
}

/// Opens a host, as socialchannel_host_open does, with the program's own storage for providers, its own HTTP, or both.
/// NULL: the library's. The tables are copied; the object of `userdata` must live until `finalize` is called.
///
/// INVALID_ARGUMENT also for a table without its size (code `wrong_size`) or without one of its functions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_open_with(
    config: *const c_char,
    storage: *const socialchannel_storage,
    http: *const socialchannel_http,
    host_out: *mut *mut socialchannel_host,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let out = Out::new("host_out", host_out)?;
            let (storage, http) = (ProgramStorage::new(storage)?, ProgramHttp::new(http)?);
            let opened = HostHandle::open(document("config", config)?, storage, http)?;
            out.write(handle::insert(Handle::Host(Arc::new(opened))) as *mut socialchannel_host);
            Ok(())
        })
    }
}

/// Stops the work of the host: requests that may be repeated are dropped, others are waited for, for at most
/// `longest_ms`. Unfinished jobs continue when a host is next opened on the same data. A worker
/// (socialchannel_host_work) returns soon. Afterwards the host still accepts calls, but runs no jobs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_shutdown(
    host: *const socialchannel_host,
    longest_ms: u64,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe { enter(error_out, || handle::host(host)?.end_work(Duration::from_millis(longest_ms))) }
}

/// Frees a host. Its work is stopped first, as by socialchannel_host_shutdown with 30 seconds, which is usually
/// immediate; then its database is closed, so that another process or a child may open it. Running calls of other
/// threads finish; new ones are refused.
///
/// It does nothing for NULL, for a host that was already freed, and for a host opened before a fork.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_host_free(host: *mut socialchannel_host) {
    enter_quietly((), || {
        if handle::host(host).is_err() {
            return;
        }
        if let Some(Handle::Host(handle)) = handle::remove(host as usize) {
            if let Err(error) = handle.end_work(FREE_WAITS) {
                tracing::warn!(%error, "a host was freed before its work had ended");
            }
            let host = handle.host();
            // There is nothing left to wait for.
            let _ = handle.run(async move {
                host.close(Duration::ZERO).await;
                Ok(())
            });
        }
    });
}

/// Runs all tenants' due jobs and refreshes idle accounts, for `longest_ms`: for cron, queue workers, and
/// hosts opened with `"background": false`. 0 does what is due now and returns when nothing more is due;
/// UINT64_MAX continues until socialchannel_host_shutdown is called on another thread.
///
/// It returns early if a signal handler of the program runs on the calling thread, as sleep() does; the member
/// `interrupted` is then true. Its jobs continue until the host is shut down or freed, or the time is up.
///
/// On success `*worked_out` is the result (schema: Worked).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_work(
    host: *const socialchannel_host,
    longest_ms: u64,
    worked_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let (out, handle) = (Out::new("worked_out", worked_out)?, handle::host(host)?);
            let longest = (longest_ms != u64::MAX).then(|| Duration::from_millis(longest_ms));
            out.json(&handle.work(longest)?)
        })
    }
}

/// Encrypts everything again with the first of several master keys; the others can then be removed. On success
/// `*changed_out` is the number of changed values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_rotate_keys(
    host: *const socialchannel_host,
    changed_out: *mut u64,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let out = Out::new("changed_out", changed_out)?;
            let handle = handle::host(host)?;
            let host = handle.host();
            out.write(handle.run(async move { host.rotate_keys().await })? as u64);
            Ok(())
        })
    }
}

/// Generates a new master key: 64 hexadecimal digits, for the member `key` of a configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_new_key(
    key_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let out = Out::new("key_out", key_out)?;
            let key = social_channel::new_key()?;
            out.write(crate::text::c_string(key.expose().to_owned()).into_raw());
            Ok(())
        })
    }
}
