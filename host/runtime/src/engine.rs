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

use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use zeroize::Zeroizing;

use crate::cache::Cache;
use crate::call::{Call, CallContext};
use crate::capability::{self, State, Stderr};
use crate::component::{Interfaces, inspect, lacking};
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::fair::{Bounds, Fair, Place};
use crate::limits::Limits;

/// How long a guest computes before it yields to other tasks.
const TICK: Duration = Duration::from_millis(10);
/// Instances of one component: the program, and the shims of its adapter.
const INSTANCES_PER_CALL: u32 = 8;
/// Stacks of one call: one for starting the instance, one for each of its tasks that waits.
const STACKS_PER_CALL: u32 = 3;
/// Memories and tables of one call.
const MEMORIES_PER_CALL: u32 = 2;
/// Bytes of a used memory that are zeroed and kept instead of returned to the kernel; a Rust provider
/// touches about this much in a call.
const KEPT_MEMORY: usize = 256 << 10;
const KEPT_STACK: usize = 64 << 10;

/// The options of an [`Engine`].
#[derive(Debug, Default)]
pub struct EngineOptions {
    /// The folder for compiled code; by default it is not cached. Used only together with `cache_key`.
    pub cache_dir: Option<PathBuf>,
    /// Authenticates the compiled code.
    pub cache_key: Option<[u8; 32]>,
    /// What one call may use.
    pub limits: Limits,
}

/// Compiles and runs components. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    wasmtime: wasmtime::Engine,
    linker: Linker<State>,
    limits: Arc<Limits>,
    cache: Option<Cache>,
    /// The places of concurrent calls.
    calls: Fair,
    ticker: Ticker,
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
        // (containers with a limit on virtual memory), each call reserves its own.
        let wasmtime = wasmtime::Engine::new(&config(&limits, true))
            .or_else(|error| {
                tracing::debug!(%error, "no address space for a pool of instances");
                wasmtime::Engine::new(&config(&limits, false))
            })
            .map_err(broken)?;
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
        Ok(Engine(Arc::new(Inner { wasmtime, linker, limits: Arc::new(limits), cache, calls, ticker })))
    }

    /// Checks a component's bytes, and compiles them or loads the compiled code. Compiling runs on the blocking
    /// pool.
    pub(crate) async fn compile(&self, bytes: &[u8]) -> Result<Compiled> {
        let engine = self.clone();
        let bytes = bytes.to_vec();
        let task = tokio::task::spawn_blocking(move || {
            let interfaces = inspect(&bytes)?;
            let digest = Digest::of(&bytes);
            let component = engine.compiled(&digest, &bytes)?;
            let pre = engine.0.linker.instantiate_pre(&component).map_err(|error| {
                lacking(&missing(&error.to_string())).with_source(error.into_boxed_dyn_error())
            })?;
            Ok(Compiled { digest, interfaces, pre })
        });
        task.await.map_err(|error| Error::internal("loading was interrupted").with_source(error))?
    }

    fn compiled(&self, digest: &Digest, bytes: &[u8]) -> Result<Component> {
        if let Some(code) = self.0.cache.as_ref().and_then(|cache| cache.get(digest)) {
            match self.deserialized(&code) {
                Ok(component) => return Ok(component),
                Err(error) => {
                    tracing::warn!(%digest, %error, "compiled code cannot be used; compiling again")
                }
            }
        }
        let component = Component::from_binary(&self.0.wasmtime, bytes).map_err(|error| {
            Error::new(ErrorKind::LoadFailed, "the component cannot be compiled")
                .with_remedy("Build the provider again with current tools, or copy the file again.")
                .with_source(error.into_boxed_dyn_error())
        })?;
        if let Some(cache) = &self.0.cache {
            match component.serialize() {
                Ok(code) => cache.put(digest, &code),
                Err(error) => tracing::warn!(%digest, %error, "compiled code cannot be cached"),
            }
        }
        Ok(component)
    }

    #[expect(unsafe_code, reason = "running compiled code that was kept on disk")]
    fn deserialized(&self, code: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: `Component::deserialize` requires bytes that `Component::serialize` of a compatible engine
        // has made. These bytes come from `Cache::get`, which has verified them, in this memory and not in the
        // file, against an authentication code over content, component and engine. Only holders of the master
        // key can make this code; `compiled` above is the only place that does, over the bytes that
        // `serialize` returned.
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

/// The place of a running call.
pub(crate) struct Admission<'a> {
    _place: Place,
    _ticking: Ticking<'a>,
}

fn config(limits: &Limits, pooled: bool) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.wasm_component_model_async(true);
    config.epoch_interruption(true);
    config.parallel_compilation(!crate::fork::has_forked());
    // Compiled code without it is a third smaller, and traps still name functions.
    config.generate_address_map(false);
    if pooled {
        let calls = u32::try_from(limits.calls).unwrap_or(u32::MAX);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(calls)
            .total_core_instances(calls.saturating_mul(INSTANCES_PER_CALL))
            .total_memories(calls.saturating_mul(MEMORIES_PER_CALL))
            .total_tables(calls.saturating_mul(MEMORIES_PER_CALL))
            .total_stacks(calls.saturating_mul(STACKS_PER_CALL))
            .max_memory_size(limits.memory)
            .table_elements(limits.table_elements)
            .linear_memory_keep_resident(KEPT_MEMORY)
            .async_stack_keep_resident(KEPT_STACK);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
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
