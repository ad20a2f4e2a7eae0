//! The runs of jobs that one worker has under way, and which tenants may have more of them.

use std::collections::HashMap;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use social_channel_runtime::fair::may_take;
use tokio::task::JoinHandle;

use crate::tenant_id::TenantId;

/// The runs of one worker.
pub(super) struct Runs {
    at_once: usize,
    running: FuturesUnordered<BoxFuture<'static, (TenantId, Option<String>)>>,
    held: HashMap<TenantId, usize>,
}

impl Runs {
    /// Up to so many at once.
    pub(super) fn new(at_once: usize) -> Self {
        Runs { at_once, running: FuturesUnordered::new(), held: HashMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.running.len() < self.at_once
    }

    /// The tenants that have their share: what is still free is left to the others.
    pub(super) fn served(&self) -> Vec<TenantId> {
        let free = self.at_once.saturating_sub(self.running.len());
        let served = self.held.iter().filter(|(_, held)| !may_take(**held, free));
        served.map(|(tenant, _)| tenant.clone()).collect()
    }

    /// Adds a run, which returns the id of its job.
    pub(super) fn push(&mut self, tenant: TenantId, run: JoinHandle<String>) {
        *self.held.entry(tenant.clone()).or_default() += 1;
        self.running.push(Box::pin(async move { (tenant, run.await.ok()) }));
    }

    /// The next run that ends: the id of its job, unless it broke off. None: nothing runs.
    pub(super) async fn next(&mut self) -> Option<Option<String>> {
        let (tenant, id) = self.running.next().await?;
        if let Some(held) = self.held.get_mut(&tenant) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&tenant);
            }
        }
        Some(id)
    }
}
