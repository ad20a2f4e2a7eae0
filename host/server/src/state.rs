//! What all requests share.

use std::sync::Arc;

use social_channel::{Host, Result, SecretBytes, Tenant, TenantId};
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::limit::Limiter;
use crate::observe::Metrics;

/// The host, how the service is to be, and what it counts. Cheap to clone.
#[derive(Clone)]
pub struct State(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) config: Config,
    pub(crate) tenant: TenantId,
    /// Tokens against forged forms are made with it.
    pub(crate) csrf_key: SecretBytes,
    pub(crate) sign_ins: Limiter,
    pub(crate) webhooks: Limiter,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl State {
    /// Puts a host behind the service.
    ///
    /// # Errors
    /// `InvalidArgument` for a tenant in the configuration that is none.
    pub fn new(host: Host, config: Config) -> Result<Self> {
        Ok(State(Arc::new(Shared {
            tenant: config.tenant.parse()?,
            csrf_key: host.derive_key("csrf"),
            sign_ins: Limiter::new(config.sign_in_attempts),
            webhooks: Limiter::new(config.webhook_rate),
            metrics: Metrics::new(),
            stop: CancellationToken::new(),
            host,
            config,
        })))
    }

    /// The library.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// How the service is to be.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// What the pages show: the configured tenant's view.
    pub fn tenant(&self) -> Tenant {
        self.0.host.tenant(self.0.tenant.clone())
    }
}
