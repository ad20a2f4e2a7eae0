//! Before a post is stored: does the account's form take it? A kind, an option or a visibility that is refused is told
//! the one who asks, who is still there, and makes no job that fails later.

use std::sync::Arc;
use std::time::Duration;

use social_channel_runtime::error::{Error, Result};
use social_channel_runtime::form;
use social_channel_runtime::model::{Post, PublishForm};
use social_channel_runtime::{CallContext, Provider};

use super::publisher::Publisher;
use super::request::to_json;
use crate::app::LiveApp;
use crate::store::AccountRow;
use crate::tenant_id::TenantId;

/// Somebody waits for the answer to a publish: longer than a network that works, shorter than a proxy's patience.
const PATIENCE: Duration = Duration::from_secs(15);

impl Publisher {
    /// Refuses a post that the account's form does not take. Returns the allowances, as JSON, where the form was asked
    /// for now.
    ///
    /// A form that cannot be had refuses nothing: the platform may be out of reach for a minute, and a post that was
    /// asked for in that minute must not be lost. It is stored, and its job asks again before anything is sent.
    /// Nor does a block of the whole account refuse: such a form offers nothing, and the block may have ended
    /// when the job begins. Until then the job waits and says why.
    pub(super) async fn must_fit(
        &self,
        tenant: &TenantId,
        account: &AccountRow,
        app: &Arc<LiveApp>,
        post: &Post,
    ) -> Result<Option<String>> {
        let remembered = self.forms.get(account, self.clock.now_ms());
        // What an old form refuses a new one may take: the person was told what to change, and did.
        if remembered.is_some_and(|form| form.blocked.is_none() && refusal(&form, post).is_none()) {
            return Ok(None);
        }
        let ask =
            |provider: Provider, context: CallContext, account| -> futures::future::BoxFuture<'static, _> {
                Box::pin(async move { provider.get_publish_form(context, &account).await })
            };
        let call = self.accounts.call_with(tenant, account.clone(), app, None, &ask);
        let form = match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok(form)) => Arc::new(form),
            Ok(Err(error)) => {
                tracing::info!(channel = account.channel, %error, "a post is stored without its form");
                return Ok(None);
            }
            Err(_) => {
                tracing::info!(
                    channel = account.channel,
                    "a post is stored without its form: no answer in time"
                );
                return Ok(None);
            }
        };
        self.forms.keep(account, form.clone(), self.clock.now_ms());
        match refusal(&form, post) {
            Some(error) => Err(error),
            None => to_json(&form.quotas).map(Some),
        }
    }
}

/// The first reason, with the field that it is about; the others stand behind it.
fn refusal(form: &PublishForm, post: &Post) -> Option<Error> {
    if form.blocked.is_some() {
        return None;
    }
    let mut errors = form::validate(form, post).problems.into_iter().map(|problem| problem.error());
    let mut first = errors.next()?;
    for other in errors {
        first.message.push_str("; ");
        first.message.push_str(&other.message);
    }
    Some(first)
}
