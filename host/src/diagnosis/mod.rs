//! Help for the operator: checks of an app's settings, and the guide through the platform's portal. The
//! provider checks its platform; the host checks itself, and the pages and domains that the portal asks for.
//! Every front door shows the same findings.

mod address;
mod dns;
mod domain;
mod listing;

use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::join;
use social_channel_runtime::CallError;
use social_channel_runtime::clock::Clock;
use social_channel_runtime::error::{ErrorKind, Result};
use social_channel_runtime::model::{Finding, GuideStep, Severity};
use social_channel_runtime::net::Proxy;

pub use domain::DOMAIN_RECORD;

use crate::address::PublicAddress;
use crate::app::{Apps, OPERATOR};

/// Checks of the apps of one database.
pub(crate) struct Diagnosis {
    pub(crate) apps: Arc<Apps>,
    pub(crate) address: Arc<PublicAddress>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The name server for checks of domains; None: the system's.
    pub(crate) dns_server: Option<SocketAddr>,
    pub(crate) proxy: Option<Proxy>,
    /// Why what is stored may not be safe.
    pub(crate) doubts: Vec<Finding>,
}

impl Diagnosis {
    /// All checks of an app that need no person.
    pub(crate) async fn check(&self, id: &str) -> Result<Vec<Finding>> {
        let shown = self.apps.get(id).await?;
        let app = self.apps.live_unscoped(id).await?;
        let addresses = self.address.of_app(&app.id, app.redirect_uri.as_deref());
        let provider = app.provider.check_settings(app.context(OPERATOR, None, None), addresses);
        let own = self.own_checks(&shown, &app);
        let (provider, own) = join(provider, own).await;
        let mut findings = match provider {
            Ok(found) => found,
            Err(error) => match error.into_error() {
                // The provider has no checks; the host's own findings remain.
                error if error.kind == ErrorKind::Unsupported => Vec::new(),
                error => vec![Finding {
                    severity: Severity::Error,
                    subject: error.field.unwrap_or_else(|| "settings".to_owned()),
                    message: error.message,
                    remedy: error.remedy,
                    code: error.code,
                    details: Default::default(),
                }],
            },
        };
        findings.extend(own);
        Ok(findings)
    }

    /// The guide through the platform's portal, with values to copy.
    pub(crate) async fn guide(&self, id: &str) -> Result<Vec<GuideStep>> {
        let app = self.apps.live_unscoped(id).await?;
        let addresses = self.address.of_app(&app.id, app.redirect_uri.as_deref());
        app.provider.guide(app.context(OPERATOR, None, None), addresses).await.map_err(CallError::into_error)
    }
}

/// A finding without a platform's code.
fn finding(severity: Severity, subject: &str, message: impl Into<String>, remedy: &str) -> Finding {
    Finding {
        severity,
        subject: subject.to_owned(),
        message: message.into(),
        remedy: (!remedy.is_empty()).then(|| remedy.to_owned()),
        code: None,
        details: Default::default(),
    }
}
