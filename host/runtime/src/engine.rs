//! The only place that configures wasmtime.
//!
//! An [`Engine`] compiles components, caches the compiled code, and creates the store of every call with its
//! limits. One engine per process is enough. A store's data is defined in [`crate::capability`] and used in
//! [`crate::provider`].

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::Store;
use wasmtime::component::{Component, InstancePre, Linker};
use zeroize::Zeroizing;

use crate::cache::{Cache, fingerprint};
use crate::call::{Call, CallContext};
use crate::capability::{self, State, Stderr, inert};
use crate::compile::{Compile, Request, by_program, not_cached, unusable};
use crate::component::{Interfaces, inspect, lacking};
use crate::configuration::{Room, config};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::fair::{Bounds, Fair, Place};
use crate::fault::no_room_for_code;
use crate::limits::Limits;
use crate::structure;

/// Components compiled at once; further ones wait. After an upgrade of the host all that are installed are compiled again,
/// and one that is slow leaves places for others.
const COMPILERS: usize = 4;
/// How long a guest computes before it yields to other tasks.
const TICK: Duration = Duration::from_millis(10);

/// The options of an [`Engine`].
#[derive(Debug, Default)]
pub struct EngineOptions {
    /// The folder for compiled code; by default it is not cached. Used only together with `cache_key`.
    pub cache_dir: Option<PathBuf>,
    /// Authenticates the compiled code.
    pub cache_key: Option<[u8; 32]>,
    /// What one call may use.
    pub limits: Limits,
    /// Where components are compiled.
    pub compile: Compile,
    /// Counts the instructions of calls, for [`CallContext::instructions`]. Code that counts is slower and larger, so this is
    /// for measuring; it is compiled in this process.
    pub count_instructions: bool,
}

/// Compiles and runs components. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    wasmtime: wasmtime::Engine,
    linker: Linker<State>,
    limits: Arc<Limits>,
    cache: Option<Cache>,
    compile: Compile,
    /// Components that are being compiled, each with as much memory as its limit allows.
    compilers: Semaphore,
    room: Room,
    /// The places of concurrent calls.
    calls: Fair,
    ticker: Ticker,
    /// See [`EngineOptions::count_instructions`].
    counts: bool,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl Engine {
    /// Creates an engine.
    ///
    /// # Errors
    /// `Internal` if the machine is not supported or the memory cannot be allocated.
    pub fn new(options: EngineOptions) -> Result<Self> {
        let broken = |error: wasmtime::Error| {
            Error::internal("the WebAssembly engine cannot be started")
                .with_source(error.into_boxed_dyn_error())
        };
        let limits = options.limits;
        // Reserving address space for all calls at once makes instances cheap. If address space is limited
        // (`ulimit -v`, containers), each call allocates what it needs.
        let configured = |room, reserves| {
            let mut config = config(&limits, room, reserves);
            config.consume_fuel(options.count_instructions);
            wasmtime::Engine::new(&config)
        };
        let (wasmtime, room) = match configured(Room::Pool, true) {
            Ok(engine) => (engine, Room::Pool),
            Err(error) => {
                tracing::debug!(%error, "no address space for a pool of instances");
                (configured(Room::Narrow, false).map_err(broken)?, Room::Narrow)
            }
        };
        let mut linker = Linker::new(&wasmtime);
        capability::link(&mut linker).map_err(broken)?;
        let cache = match (options.cache_dir, options.cache_key.map(Zeroizing::new)) {
            (Some(folder), Some(key)) => Cache::open(&folder, key, &wasmtime),
            _ => None,
        };
        let ticker = Ticker::start(wasmtime.weak())?;
        let calls = Fair::new(Bounds {
            what: "calls of providers",
            places: limits.calls,
            waiting: limits.waiting_calls,
            // By then one of the calls that hold the places has ended.
            patience: limits.total,
        });
        let compile = if options.count_instructions { Compile::InProcess } else { options.compile };
        let limits = Arc::new(limits);
        let compilers = Semaphore::new(COMPILERS);
        let counts = options.count_instructions;
        let inner =
            Inner { wasmtime, linker, limits, cache, compile, compilers, room, calls, ticker, counts };
        Ok(Engine(Arc::new(inner)))
    }

    /// Checks a component's bytes, and loads its compiled code, which is compiled first if the cache does not have it.
    pub(crate) async fn compile(&self, bytes: &[u8]) -> Result<Compiled> {
        let (engine, bytes) = (self.clone(), Arc::<[u8]>::from(bytes));
        let (interfaces, digest, cached) = {
            let (engine, bytes) = (engine.clone(), bytes.clone());
            blocking(move || {
                let interfaces = inspect(&bytes)?;
                let digest = Digest::of(&bytes);
                let cached = engine.cached(&digest)?;
                if cached.is_none() {
                    structure::check(&bytes)?;
                }
                Ok((interfaces, digest, cached))
            })
            .await?
        };
        let component = match cached {
            Some(component) => component,
            None => engine.compiled(&digest, bytes).await?,
        };
        let linker = inert::linker(&engine.0.linker, &component).map_err(unusable)?;
        let pre = linker.instantiate_pre(&component).map_err(|error| {
            lacking(&missing(&error.to_string())).with_source(error.into_boxed_dyn_error())
        })?;
        Ok(Compiled { digest, interfaces, pre })
    }

    /// The component by its code in the cache. Code that cannot be used is compiled again.
    fn cached(&self, digest: &Digest) -> Result<Option<Component>> {
        let Some(code) = self.0.cache.as_ref().and_then(|cache| cache.get(digest)) else { return Ok(None) };
        match self.deserialized(&code) {
            Ok(component) => Ok(Some(component)),
            Err(error) => match no_room_for_code(&*error) {
                Some(why) => Err(why),
                None => {
                    tracing::warn!(%digest, %error, "compiled code cannot be used; compiling again");
                    Ok(None)
                }
            },
        }
    }

    async fn compiled(&self, digest: &Digest, bytes: Arc<[u8]>) -> Result<Component> {
        // Never closed, so always a place.
        let _place = self.0.compilers.acquire().await.ok();
        let code = match &self.0.compile {
            Compile::Cached => return Err(not_cached()),
            Compile::Program(program) => {
                let request = Request {
                    engine: hex::encode(fingerprint(&self.0.wasmtime)),
                    room: self.0.room,
                    memory: self.0.limits.compile_memory,
                };
                by_program(program, &request, &self.0.limits, &bytes).await?
            }
            Compile::InProcess => {
                let engine = self.0.wasmtime.clone();
                blocking(move || engine.precompile_component(&bytes).map_err(unusable)).await?
            }
        };
        let (engine, digest) = (self.clone(), digest.clone());
        blocking(move || {
            let component = engine
                .deserialized(&code)
                .map_err(|error| no_room_for_code(&*error).unwrap_or_else(|| unusable(error)))?;
            if let Some(cache) = &engine.0.cache {
                cache.put(&digest, &code);
            }
            Ok(component)
        })
        .await
    }

    #[expect(unsafe_code, reason = "running compiled code that was kept on disk")]
    fn deserialized(&self, code: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: `Component::deserialize` requires bytes that a compatible engine has compiled. These bytes come from
        // this engine, or over a pipe from the program that the operator named for compiling, which has checked
        // that its engine is the same; or from `Cache::get`, which has verified them, in this memory and not in the file,
        // against an authentication code over content, component and engine. Only holders of the master key can make
        // this code; `compiled` above is the only place that does, over bytes of the first two kinds.
        unsafe { Component::deserialize(&self.0.wasmtime, code) }
    }

    /// Waits for a place among the concurrent calls, in the line of the call's caller.
    pub(crate) async fn admit(&self, cx: &CallContext) -> Result<Admission<'_>> {
        let place = self.0.calls.enter(&cx.line).await?;
        Ok(Admission { _place: place, _ticking: self.0.ticker.tick() })
    }

    /// A fresh store for one call.
    pub(crate) fn store(&self, cx: &CallContext) -> (Store<State>, Arc<Call>, Stderr) {
        let call = Arc::new(Call::new(
            Arc::clone(&self.0.limits),
            Arc::clone(&cx.egress),
            cx.gate.clone(),
            cx.progress.clone(),
        ));
        let (state, stderr) = State::new(Arc::clone(&call), cx);
        let mut store = Store::new(&self.0.wasmtime, state);
        store.limiter(State::limiter);
        store.set_hostcall_fuel(self.0.limits.crossing);
        store.set_max_component_handles(self.0.limits.handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        if self.0.counts {
            // Without a limit: it is a counter. Refused by engines that do not count only.
            let _ = store.set_fuel(u64::MAX);
        }
        (store, call, stderr)
    }
}

/// A component that is ready to run.
pub(crate) struct Compiled {
    pub(crate) digest: Digest,
    pub(crate) interfaces: Interfaces,
    pub(crate) pre: InstancePre<State>,
}

/// The name of the import that wasmtime's message quotes; the whole message if it quotes none.
fn missing(message: &str) -> String {
    message.split('`').nth(1).unwrap_or(message).to_owned()
}

/// Runs work that computes on the blocking pool.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal("loading was interrupted").with_source(error))?
}

/// The place of a running call.
pub(crate) struct Admission<'a> {
    _place: Place,
    _ticking: Ticking<'a>,
}

/// Advances the engine's epoch while calls run, and sleeps otherwise.
struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    stop: AtomicBool,
}

impl Ticker {
    fn start(engine: wasmtime::EngineWeak) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let weak = Arc::downgrade(&shared);
        let thread = thread::Builder::new()
            .name("social-channel-tick".to_owned())
            .spawn(move || Ticker::run(&weak, &engine))
            .map_err(|error| Error::internal("no thread can be started").with_source(error))?;
        Ok(Ticker { shared, thread: thread.thread().clone() })
    }

    fn run(shared: &Weak<Shared>, engine: &wasmtime::EngineWeak) {
        while let (Some(shared), Some(engine)) = (shared.upgrade(), engine.upgrade()) {
            if shared.stop.load(Ordering::Acquire) {
                return;
            }
            if shared.running.load(Ordering::Acquire) == 0 {
                drop((shared, engine));
                // A wake-up between the check and this line is not lost, because it makes `park` return at once.
                thread::park();
                continue;
            }
            engine.increment_epoch();
            drop((shared, engine));
            thread::sleep(TICK);
        }
    }

    fn tick(&self) -> Ticking<'_> {
        if self.shared.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
        Ticking(&self.shared)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

struct Ticking<'a>(&'a Shared);

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}
