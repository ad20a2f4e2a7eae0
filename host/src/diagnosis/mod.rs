//! Help for the operator: checks of an app's settings, and the guide through the platform's portal. The
//! provider knows its platform; the host adds what it can see of itself.

use crate::error::{ErrorKind, Result};
use crate::host::{Host, Inner};
use crate::model::{Finding, GuideStep, Severity};
use crate::provider::CallError;

impl Host {
    /// Everything that can be found out about an app without a person: by the host about itself, and by the
    /// provider about the platform. May take some seconds.
    ///
    /// # Errors
    /// `NotFound`, and the provider's failures.
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
        let app = self.app_for_webhooks(id).await?;
        let addresses = self.addresses(&app.id, app.redirect_uri.as_deref());
        let mut findings = Vec::new();
        match app.provider.check_settings(app.context(None, None), addresses).await {
            Ok(found) => findings.extend(found),
            Err(error) => match error.into_error() {
                // It has nothing to say about its platform; what the host sees stands.
                error if error.kind == ErrorKind::Unsupported => {}
                error => findings.push(Finding {
                    severity: Severity::Error,
                    subject: "settings".to_owned(),
                    message: error.message,
                    remedy: error.remedy,
                    code: error.code,
                }),
            },
        }
        Ok(findings)
    }
}
