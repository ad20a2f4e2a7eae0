//! Help for the operator: checks of an app's settings, and the guide through the platform's portal. The
//! provider knows its platform; the host adds what it can see of itself, and of the pages and domains that the
//! portal asks for. Every front door prints the same findings.

mod address;
mod dns;
mod domain;
mod fetch;
mod listing;

use futures::future::join;

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Inner};
use crate::model::{Finding, GuideStep, Severity};
use crate::provider::CallError;

pub use domain::{DOMAIN_RECORD, DomainRecord};
pub use listing::Listing;

impl Host {
    /// Everything that can be found out about an app without a person: by the provider about the platform,
    /// and by the host about its addresses, its clock, and the pages and domains of the app's listing. Uses the network
    /// and may take some seconds.
    ///
    /// # Errors
    /// `NotFound`, and failures of the database.
    pub async fn check_settings(&self, app: &str) -> Result<Vec<Finding>> {
        self.inner.check_app(app).await
    }

    /// The way through the platform's portal, with values to copy.
    ///
    /// # Errors
    /// `NotFound`, `Unsupported` for a provider without a guide.
    pub async fn guide(&self, app: &str) -> Result<Vec<GuideStep>> {
        let app = self.inner.app_for_webhooks(app).await?;
        let addresses = self.inner.addresses(&app.id, app.redirect_uri.as_deref());
        app.provider.guide(app.context(None, None), addresses).await.map_err(CallError::into_error)
    }
}

impl Inner {
    async fn check_app(&self, id: &str) -> Result<Vec<Finding>> {
        let shown = self.show_apps().await?.into_iter().find(|app| app.id == id);
        let shown = shown.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no app {id}")))?;
        let app = self.app_for_webhooks(id).await?;
        let addresses = self.addresses(&app.id, app.redirect_uri.as_deref());
        let provider = app.provider.check_settings(app.context(None, None), addresses);
        let own = self.own_checks(&shown, &app);
        let (provider, own) = join(provider, own).await;
        let mut findings = match provider {
            Ok(found) => found,
            Err(error) => match error.into_error() {
                // It has nothing to say about its platform; what the host sees stands.
                error if error.kind == ErrorKind::Unsupported => Vec::new(),
                error => vec![Finding {
                    severity: Severity::Error,
                    subject: error.field.unwrap_or_else(|| "settings".to_owned()),
                    message: error.message,
                    remedy: error.remedy,
                    code: error.code,
                }],
            },
        };
        findings.extend(own?);
        Ok(findings)
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
    }
}
