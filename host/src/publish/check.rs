//! Checks a post that is not published yet: what a publish would refuse, what is wrong with its media, and what the
//! provider says, in one list.

use std::sync::Arc;

use futures::future::BoxFuture;
use social_channel_runtime::error::{Error, Result};
use social_channel_runtime::form::{self, Problem};
use social_channel_runtime::media::MediaItem;
use social_channel_runtime::model::{Finding, Media, Post, Severity};
use social_channel_runtime::{CallContext, Provider};

use super::bounds::{check_said, last_until, publish_at, times};
use super::job::PublishRequest;
use super::publisher::Publisher;
use super::request::addresses;
use crate::tenant_id::TenantId;

impl Publisher {
    /// The same of a whole request, with its times.
    pub(crate) async fn check_request(
        &self,
        tenant: &TenantId,
        channel: &str,
        request: &PublishRequest,
    ) -> Result<Vec<Finding>> {
        let findings = self.check(tenant, channel, &request.post, &request.media).await?;
        let now = self.clock.now_ms();
        let untimely = |request: &PublishRequest| {
            let at = publish_at(request.publish_at, now)?;
            let (begin, _) = times(at, request.deadline_at, now)?;
            let addresses =
                request.media.iter().flat_map(|one| addresses(&one.source, one.public_url.as_ref()));
            last_until(addresses, begin, now)
        };
        Ok(match untimely(request) {
            Ok(()) => findings,
            Err(error) => verdict([vec![finding(error)], findings].concat()),
        })
    }

    /// All findings. Only those of severity `error` prevent a post.
    pub(crate) async fn check(
        &self,
        tenant: &TenantId,
        channel: &str,
        post: &Post,
        media: &[Media],
    ) -> Result<Vec<Finding>> {
        check_said(post, media)?;
        let account = self.accounts.row(tenant, channel).await?;
        let app = self.apps.of_account(tenant, &account).await?;
        let items = self.media.open_all(tenant, media, &app).await?;
        let mut findings: Vec<Finding> = items.iter().filter_map(MediaItem::fault).map(finding).collect();
        let form = self.form_for(tenant, &account, &app, post).await;
        let form = form.map(|known| known.form).filter(|form| form.blocked.is_none());
        let unfit: Vec<Finding> = form
            .map(|form| form::validate(&form, post).problems)
            .unwrap_or_default()
            .iter()
            .map(Problem::error)
            .map(finding)
            .collect();
        let items: Vec<_> =
            items.into_iter().map(|item| Arc::new(self.media.would_link(item, &app))).collect();
        let call = |provider: Provider, mut context: CallContext, account| -> BoxFuture<'static, _> {
            context.media.clone_from(&items);
            let post = post.clone();
            Box::pin(async move { provider.check_post(context, &account, &post).await })
        };
        let mut said = self.accounts.call_with(tenant, account, &app, None, &call).await?;
        // What the form refuses is said once, as a publish says it.
        said.retain(|one| {
            one.severity != Severity::Error || unfit.iter().all(|known| known.subject != one.subject)
        });
        findings.extend(unfit);
        findings.extend(said);
        Ok(verdict(findings))
    }
}

/// One verdict: beside what is wrong, nothing says that all is well.
fn verdict(mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        findings.retain(|finding| finding.severity != Severity::Ok);
    }
    findings
}

/// What stands against a post.
fn finding(error: Error) -> Finding {
    Finding {
        severity: Severity::Error,
        subject: error.field.unwrap_or_else(|| "media".to_owned()),
        message: error.message,
        remedy: error.remedy,
        code: error.code,
        details: Default::default(),
    }
}
