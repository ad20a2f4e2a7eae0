//! The imports of a provider's instance: one file per import.
//!
//! [`State`] is the data of one store. It lives for one call, so only data in the call context outlives it.
//! WASI 0.2, which language runtimes import, is linked without access: [`inert`] has the whole set.

mod config;
pub(crate) mod http;
pub(crate) mod inert;
pub(crate) mod media;
mod stderr;
mod storage;

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{ResourceLimiter, StoreLimits};
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::abi::v0_1::imports;
use crate::call::{Call, CallContext, ProviderStorage};
use crate::clock::Clock;
use crate::secret::SecretText;

pub(crate) use stderr::Stderr;

/// Memories, instances and tables of one component; a componentised Python has about thirty core instances.
const MEMORIES: usize = 8;
const INSTANCES: usize = 128;
const TABLES: usize = 64;
/// Bytes of random numbers in one call.
const RANDOM: u64 = 64 << 10;

/// The data of one store.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    hooks: http::Hooks,
    memory: Memory,
    settings: Arc<Vec<(String, SecretText)>>,
    storage: Arc<dyn ProviderStorage>,
    pub(crate) call: Arc<Call>,
}

impl State {
    /// The state for one call, its standard error, and its media as handles.
    pub(crate) fn new(call: Arc<Call>, cx: &CallContext) -> (Self, Stderr) {
        let stderr = Stderr::new(call.limits.stderr);
        let mut wasi = WasiCtxBuilder::new();
        wasi.stderr(stderr.clone()).max_random_size(RANDOM).wall_clock(TimeOfDay(Arc::clone(&cx.clock)));
        if let Some(bytes) = &cx.random {
            wasi.secure_random(Deterministic::new(bytes.clone()));
        }
        let wasi = wasi.build();
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(call.limits.request_headers);
        let mut table = ResourceTable::new();
        table.set_max_capacity(call.limits.handles);
        let state = State {
            wasi,
            table,
            http,
            hooks: http::Hooks::new(Arc::clone(&call)),
            memory: Memory::new(Arc::clone(&call)),
            settings: Arc::clone(&cx.settings),
            storage: Arc::clone(&cx.storage),
            call,
        };
        (state, stderr)
    }

    pub(crate) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.memory
    }
}

impl imports::types::Host for State {}

/// The host's clock, as the guest sees it.
struct TimeOfDay(Arc<dyn Clock>);

impl HostWallClock for TimeOfDay {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now_ms()).unwrap_or_default())
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Links every import.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    inert::link(linker)?;
    wasmtime_wasi::p3::clocks::add_to_linker(linker)?;
    wasmtime_wasi::p3::random::add_to_linker(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)?;
    imports::config::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    imports::storage::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    imports::media::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    imports::types::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

/// Limits the total memory of an instance, and records if the limit was reached.
struct Memory {
    used: usize,
    table_elements: usize,
    counts: StoreLimits,
    call: Arc<Call>,
}

impl Memory {
    fn new(call: Arc<Call>) -> Self {
        let counts = wasmtime::StoreLimitsBuilder::new()
            .instances(INSTANCES)
            .memories(MEMORIES)
            .tables(TABLES)
            .build();
        Memory { used: 0, table_elements: 0, counts, call }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.call.limits.memory {
            self.call.hit_memory();
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.table_elements.saturating_add(desired.saturating_sub(current));
        if used > self.call.limits.table_elements {
            self.call.hit_memory();
            return Ok(false);
        }
        self.table_elements = used;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.counts.instances()
    }

    fn tables(&self) -> usize {
        self.counts.tables()
    }

    fn memories(&self) -> usize {
        self.counts.memories()
    }
}
