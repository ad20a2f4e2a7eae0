//! How wasmtime is configured, for running components and for compiling them.

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::limits::Limits;

/// Instances of one component: the program, and the shims of its adapter.
const INSTANCES_PER_CALL: u32 = 8;
/// Stacks of one call: one for starting the instance, one for each of its tasks that waits.
const STACKS_PER_CALL: u32 = 3;
/// Memories and tables of one call.
const MEMORIES_PER_CALL: u32 = 2;
/// Bytes of a used memory that are reset and kept instead of returned to the kernel; a Rust provider touches about half as
/// much in a call. What is returned has to be faulted in again, and every processor is told.
const KEPT_MEMORY: usize = 512 << 10;
const KEPT_TABLE: usize = 64 << 10;
const KEPT_STACK: usize = 64 << 10;
/// What must be returned is returned for so many at once.
const DECOMMITS: usize = 32;
/// Memories, tables and stacks beyond those of all calls: what another thread is just returning to the kernel, a batch in each
/// thread, is nobody's for that moment, and a call that has its place must not fail for it.
const SPARE: u32 = 8 * DECOMMITS as u32;

/// How the memory of instances is reserved, which compiled code depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Address space for all calls at once.
    Pool,
    /// As little as possible, for each call.
    Narrow,
}

/// The configuration of an engine; without `runs`, of one that only compiles for another.
pub(crate) fn config(limits: &Limits, room: Room, runs: bool) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.wasm_component_model_async(true);
    config.epoch_interruption(true);
    config.parallel_compilation(!crate::fork::has_forked());
    // Compiled code without it is a third smaller, and traps still name functions.
    config.generate_address_map(false);
    if room == Room::Narrow {
        // Memories grow by moving, and every access is checked.
        config.memory_reservation(0).memory_reservation_for_growth(1 << 20).memory_guard_size(0);
    } else if runs {
        let calls = u32::try_from(limits.calls).unwrap_or(u32::MAX);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(calls)
            .total_core_instances(calls.saturating_mul(INSTANCES_PER_CALL))
            .total_memories(calls.saturating_mul(MEMORIES_PER_CALL).saturating_add(SPARE))
            .total_tables(calls.saturating_mul(MEMORIES_PER_CALL).saturating_add(SPARE))
            .total_stacks(calls.saturating_mul(STACKS_PER_CALL).saturating_add(SPARE))
            .max_memory_size(limits.memory)
            .table_elements(limits.table_elements)
            .linear_memory_keep_resident(KEPT_MEMORY)
            .table_keep_resident(KEPT_TABLE)
            .async_stack_keep_resident(KEPT_STACK)
            .decommit_batch_size(DECOMMITS)
            // Only pages that were written are reset (Linux 6.7; elsewhere all of those that are kept).
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}
