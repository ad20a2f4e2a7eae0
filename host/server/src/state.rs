//! The shared state of all requests.

use std::sync::Arc;
use std::time::Instant;

use social_channel::{Host, Result, SecretBytes, Tenant, TenantId};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::limit::{Door, Limiter};
use crate::metrics::Metrics;

/// The host, the configuration and the metrics. Cheap to clone.
#[derive(Clone)]
pub struct State(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) config: Config,
    pub(crate) tenant: TenantId,
    /// The key for CSRF tokens.
    pub(crate) csrf_key: SecretBytes,
    /// The key for addresses of pictures.
    pub(crate) picture_key: SecretBytes,
    pub(crate) door: Door,
    pub(crate) webhooks: Limiter,
    /// Held while a form's key is looked for and made.
    pub(crate) making_keys: tokio::sync::Mutex<()>,
    pub(crate) metrics: Metrics,
    /// When the database last proved that it takes writes, or did not.
    pub(crate) ready: Mutex<Option<(Instant, bool)>>,
    pub(crate) stop: CancellationToken,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl State {
    /// Creates the state for a host.
    ///
    /// # Errors
    /// `InvalidArgument` if the tenant in the configuration is invalid.
    pub fn new(host: Host, config: Config) -> Result<Self> {
        Ok(State(Arc::new(Shared {
            tenant: config.tenant.parse()?,
            csrf_key: host.derive_key("csrf"),
            picture_key: host.derive_key("pictures"),
            door: Door::new(config.sign_in_attempts),
            webhooks: Limiter::new(config.webhook_rate),
            making_keys: tokio::sync::Mutex::default(),
            metrics: Metrics::new(),
            ready: Mutex::default(),
            stop: CancellationToken::new(),
            host,
            config,
        })))
    }

    /// The library.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The tenant of the configuration: that of a browser which chose no other.
    pub fn tenant(&self) -> Tenant {
        self.0.host.tenant(self.0.tenant.clone())
    }

    /// The calls of a tenant, made by somebody.
    pub(crate) fn calls_by(&self, tenant: TenantId, by: Option<&str>) -> Tenant {
        let tenant = self.0.host.tenant(tenant);
        // Names of persons and keys are short lines, so none is refused.
        match by.map(|by| tenant.clone().made_by(by)) {
            Some(Ok(named)) => named,
            Some(Err(_)) | None => tenant,
        }
    }
}
