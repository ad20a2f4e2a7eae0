//! Before a post is stored: does the account's form take it? A kind, an option or a visibility that is refused is
//! reported to the caller, who is still there, and makes no job that fails later.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
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

/// A form, and whether it was asked for just now.
pub(super) struct KnownForm {
    pub(super) form: Arc<PublishForm>,
    is_new: bool,
}

impl Publisher {
    /// What the account may post now. It is remembered for what follows: a check, a publish.
    pub(crate) async fn form(&self, tenant: &TenantId, channel: &str) -> Result<PublishForm> {
        let account = self.accounts.row(tenant, channel).await?;
        let app = self.apps.of_account(tenant, &account).await?;
        self.new_form(tenant, &account, &app).await.map(Arc::unwrap_or_clone)
    }

    /// The form that was asked for last, however old, and a new one only where none is remembered.
    pub(crate) async fn last_form(&self, tenant: &TenantId, channel: &str) -> Result<PublishForm> {
        self.accounts.row(tenant, channel).await?;
        match self.forms.last(channel) {
            Some(form) => Ok(Arc::unwrap_or_clone(form)),
            None => self.form(tenant, channel).await,
        }
    }

    /// Its name and picture of the account are the form's alone: a provider that could not ask the platform puts a
    /// general name there, which must not replace the channel's. `Accounts::profile` keeps both.
    async fn new_form(
        &self,
        tenant: &TenantId,
        account: &AccountRow,
        app: &Arc<LiveApp>,
    ) -> Result<Arc<PublishForm>> {
        let ask = |provider: Provider, context: CallContext, account| -> BoxFuture<'static, _> {
            Box::pin(async move { provider.get_publish_form(context, &account).await })
        };
        let form = self.accounts.call_with(tenant, account.clone(), app, None, &ask).await?;
        let form = Arc::new(form);
        self.forms.keep(account, form.clone(), self.clock.now_ms());
        Ok(form)
    }

    /// The form that a post is judged by. None: it cannot be had.
    pub(super) async fn form_for(
        &self,
        tenant: &TenantId,
        account: &AccountRow,
        app: &Arc<LiveApp>,
        post: &Post,
    ) -> Option<KnownForm> {
        // What an old form refuses a new one may take: the person was told what to change, and did.
        let fits = |form: &Arc<PublishForm>| form.blocked.is_none() && refusal(form, post).is_none();
        if let Some(form) = self.forms.get(account, self.clock.now_ms()).filter(fits) {
            return Some(KnownForm { form, is_new: false });
        }
        let channel = &account.channel;
        match tokio::time::timeout(PATIENCE, self.new_form(tenant, account, app)).await {
            Ok(Ok(form)) => return Some(KnownForm { form, is_new: true }),
            Ok(Err(error)) => tracing::info!(channel, %error, "a post is not compared with its form"),
            Err(_) => tracing::info!(channel, "a post is not compared with its form: no answer in time"),
        }
        None
    }

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
        let Some(KnownForm { form, is_new }) = self.form_for(tenant, account, app, post).await else {
            return Ok(None);
        };
        match refusal(&form, post) {
            Some(error) => Err(error),
            None if is_new => to_json(&form.quotas).map(Some),
            None => Ok(None),
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
