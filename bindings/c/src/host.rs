//! A host as C sees it: the library's [`Host`] and the threads it runs on.

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use social_channel::{Error, ErrorKind, Host, HostConfig, Result, Tenant};
use tokio::runtime::{Builder, Runtime};

use crate::argument::document;
use crate::border::{enter, enter_quietly, panicked};
use crate::callback::is_inside;
use crate::handle::{self, Handle, OpenHost};
use crate::http::{ProgramHttp, socialchannel_http};
use crate::storage::{ProgramStorage, socialchannel_storage};
use crate::text::Out;
use crate::{socialchannel_error, socialchannel_host, socialchannel_status};

/// Threads that drive calls. They only wait for the network and run short bursts of a provider's code, and many
/// processes (PHP) each have a host, so a few are enough whatever the machine has.
const THREADS: usize = 4;
/// How long freeing a host waits for a request that must not be broken off.
const FREE_WAITS: Duration = Duration::from_secs(30);

/// An open host and its threads.
pub(crate) struct HostHandle {
    host: Host,
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    _counted: OpenHost,
}

impl Drop for HostHandle {
    fn drop(&mut self) {
        // Waiting here could wait for ourselves: the last call may end on any thread.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl HostHandle {
    fn open(config: HostConfig, storage: Option<ProgramStorage>, http: Option<ProgramHttp>) -> Result<Self> {
        let counted = OpenHost::new()?;
        let runtime = runtime()?;
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
        // Only now: what could not be opened leaves the tables to the program.
        if let Some(storage) = took_over.0 {
            storage();
        }
        if let Some(http) = took_over.1 {
            http();
        }
        Ok(HostHandle { host, runtime: Some(runtime), _counted: counted })
    }

    pub(crate) fn host(&self) -> Host {
        self.host.clone()
    }

    /// Makes a call on the host's threads and waits for it on the caller's.
    pub(crate) fn run<T, F>(&self, call: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        match &self.runtime {
            Some(runtime) => on(runtime, call),
            None => Err(Error::internal("the host is being closed")),
        }
    }
}

/// On threads of ours: they have stacks of a known size, and the caller's may have neither room nor a place for
/// the handlers that a provider's traps need.
fn on<T, F>(runtime: &Runtime, call: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    if is_inside() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "a callback of the library called the library: it would wait for itself",
        )
        .with_code("called_from_callback")
        .with_remedy("do the call on another thread, after the callback has returned"));
    }
    let task = runtime.spawn(call);
    match runtime.block_on(task) {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => Err(panicked(&*payload)),
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "the host was closed during the call")
                .with_remedy("open a host again, and look what came of the call")),
        },
    }
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
                .with_remedy("look at the limits on processes and threads (ulimit -u)")
                .with_source(error)
        })
}

/// The program's handlers expect its own threads: PHP's and Python's would run beside the interpreter. What the
/// machine itself raises (a provider's trap) stays, for it is answered on the thread that raised it.
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

/// What most functions do: take the arguments in, make one call, hand its result out as JSON.
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
/// `config` is a JSON document (schema: HostConfig). `{"data": "/var/lib/shop/social-channel"}` keeps everything
/// in that folder; `{}` keeps nothing beyond the process. Several processes may open the same folder at the same
/// time; they share accounts and jobs, and each job is driven by one of them at a time.
///
/// On success `*host_out` is a host to free with socialchannel_host_free. On failure it is left untouched.
///
/// INVALID_ARGUMENT: a NULL `config` or `host_out`, a malformed document. MISCONFIGURED: a wrong or unreadable
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

/// Opens a host, as socialchannel_host_open does, with the program's own storage for what providers remember, its own HTTP,
/// or both. NULL: the library's. The tables are copied; what `userdata` points to must live until `finalize` is called.
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

/// Lays the host's jobs down: requests that may be repeated are dropped, others are waited for, at most
/// `longest_ms`. What is not finished goes on when a host is next opened on the same data, and a worker
/// (socialchannel_host_work) returns soon. Afterwards the host answers calls, but drives no jobs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_shutdown(
    host: *const socialchannel_host,
    longest_ms: u64,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let handle = handle::host(host)?;
            let host = handle.host();
            handle.run(async move {
                host.shutdown(Duration::from_millis(longest_ms)).await;
                Ok(())
            })
        })
    }
}

/// Frees a host. Jobs are laid down first, as by socialchannel_host_shutdown with 30 seconds; that usually takes
/// no time. Calls that other threads are making end in their own time; new ones are refused.
///
/// NULL does nothing, nor does a host that was freed already or was opened before a fork.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_host_free(host: *mut socialchannel_host) {
    enter_quietly((), || {
        if handle::host(host).is_err() {
            return;
        }
        if let Some(Handle::Host(handle)) = handle::remove(host as usize) {
            let host = handle.host();
            let laid_down = handle.run(async move {
                host.shutdown(FREE_WAITS).await;
                Ok(())
            });
            if let Err(error) = laid_down {
                tracing::warn!(%error, "a host was freed without laying its jobs down");
            }
        }
    });
}

/// Drives all tenants' due jobs and refreshes idle accounts, for `longest_ms`: for cron, queue workers, and
/// hosts opened with `"background": false`. 0 does what is due now and returns when that is done or laid down;
/// UINT64_MAX goes on until socialchannel_host_shutdown is called on another thread.
///
/// On success `*worked_out` is what was done (schema: Worked).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_work(
    host: *const socialchannel_host,
    longest_ms: u64,
    worked_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("worked_out", worked_out), error_out, |host| {
            let longest = (longest_ms != u64::MAX).then(|| Duration::from_millis(longest_ms));
            Ok(async move { host.work(longest).await })
        })
    }
}

/// Encrypts everything anew under the first of several master keys, after which the others may go. On success
/// `*changed_out` says how many values were changed.
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

/// Makes a new master key: 64 hexadecimal digits, for the member `key` of a configuration.
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
