//! Whether another component can read the jobs that are under way, asked before it takes a provider's place.

use std::sync::Arc;

use social_channel_runtime::error::{ErrorKind, Result};
use social_channel_runtime::net::Egress;
use social_channel_runtime::{CallContext, CallError, Digest, Provider, Resume};

use super::publisher::Publisher;
use super::request::{StoredRequest, StoredStep, place};

use crate::store::JobRow;
use crate::tenant_id::TenantId;
use crate::vault::{open_json, row_key};

/// Jobs that are asked about: the newest are in the states that the installed component writes now, and a report is waited for.
const ASKED: u32 = 20;

/// What a component said of the jobs of another.
pub(crate) struct DryCalls {
    /// Jobs that it was asked about.
    pub(crate) asked: u64,
    /// The ids of those whose state it cannot read.
    pub(crate) unreadable: Vec<String>,
}

impl Publisher {
    /// Asks a component about jobs that run with `digest`. It gets what it would get to go on with them, but no network, no
    /// storage and no media, so that nothing comes of the call; nothing is stored of it.
    pub(crate) async fn dry_calls(&self, provider: &Provider, digest: &Digest) -> Result<DryCalls> {
        let mut calls = DryCalls { asked: 0, unreadable: Vec::new() };
        for (tenant, row) in self.store.begun_jobs_with(digest, ASKED).await? {
            // One whose app, account or state cannot be read here says nothing about the component.
            let Ok(Some(readable)) = self.dry_call(provider, &tenant, &row).await else { continue };
            calls.asked = calls.asked.saturating_add(1);
            if !readable {
                calls.unreadable.push(row.id);
            }
        }
        Ok(calls)
    }

    async fn dry_call(&self, provider: &Provider, tenant: &TenantId, row: &JobRow) -> Result<Option<bool>> {
        let key = row_key(tenant, &row.id);
        let Some(sealed) = &row.state else { return Ok(None) };
        let step = StoredStep::read(self.vault.open_sealed(place(&key, "state"), sealed)?)?;
        let request = open_json::<StoredRequest>(&self.vault, place(&key, "request"), &row.request)?;
        let stored = self.accounts.row(tenant, &row.channel).await?;
        let app = self.apps.of_account(tenant, &stored).await?;
        let account = self.accounts.open_account(tenant, &stored)?;
        let cx = CallContext {
            egress: Arc::new(Egress::closed()),
            storage: CallContext::pure().storage,
            ..app.context(tenant.as_str(), Some(&stored.account), None)
        };
        // As after an interruption, which every step must stand.
        let resume = Resume { interrupted: true, evidence: None };
        let answer = provider.continue_publish(cx, &account, &request.post, &step.state, resume).await;
        let kind = match answer {
            Err(CallError::Failed(error) | CallError::CredentialsExpired(error)) => Some(error.kind),
            Ok(_) => None,
        };
        // By the contract a state that a component did not make and does not know is `unsupported`; some trap.
        Ok(Some(!matches!(kind, Some(ErrorKind::Unsupported | ErrorKind::ProviderFault))))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use social_channel_runtime::model::{ListQuery, Post};
    use social_channel_runtime::{Account, SecretBytes};

    use super::super::request::Said;
    use super::*;
    use crate::store::conformance::update;
    use crate::store::{AskForJob, JobUpdate};
    use crate::{AppConfig, ConnectOptions, Host, PublishRequest};

    #[tokio::test]
    async fn what_a_component_cannot_read_is_named() {
        let exe = std::env::current_exe().unwrap();
        let path = exe.ancestors().nth(3).unwrap().join("wasm32-wasip2/guest/provider_minimal.wasm");
        let bytes = std::fs::read(&path).expect("run `cargo xtask guests` first");
        let host = Host::builder().background(false).open().await.unwrap();
        let info = host.load_provider(&bytes).await.unwrap().provider;
        let config = AppConfig {
            provider: Some(info.descriptor.id.clone()),
            redirect_uri: Some("http://127.0.0.1:9123/callback".to_owned()),
            ..AppConfig::default()
        };
        host.put_app("app", config).await.unwrap();
        let tenant = host.tenant(TenantId::default());
        let publisher = host.parts.publisher.clone();
        let provider = host.parts.apps.provider(&info.digest).await.unwrap();

        let mut jobs = Vec::new();
        for name in ["ada", "bob", "eve"] {
            let inputs = [("name".to_owned(), name.to_owned().into())].into();
            let options = ConnectOptions { owner: "test".to_owned(), inputs, ..ConnectOptions::default() };
            tenant.begin_connect("app", options).await.unwrap();
            let channels = tenant.channels().await.unwrap();
            let channel = channels.iter().find(|channel| channel.display_name == name).unwrap();
            let post = Post { kind: "text".to_owned(), text: Some(name.to_owned()), ..Post::default() };
            let request = PublishRequest { post: post.clone(), ..PublishRequest::default() };
            jobs.push((tenant.publish(&channel.id, request).await.unwrap().id, channel.id.clone(), post));
        }
        // The first has a state of this component, the second one of another version, the third has not begun.
        for (number, (job, channel, post)) in jobs.iter().enumerate().take(2) {
            let row = publisher.accounts.row(&tenant.id, channel).await.unwrap();
            let app = publisher.apps.of_account(&tenant.id, &row).await.unwrap();
            let account = Account {
                id: row.account.clone(),
                ..publisher.accounts.open_account(&tenant.id, &row).unwrap()
            };
            let step = provider.begin_publish(app.context("", None, None), &account, post).await.unwrap();
            let state = if number == 0 { step.state } else { SecretBytes::new(b"v2:\x01".to_vec()) };
            let key = row_key(&tenant.id, job);
            let stored = StoredStep { state, said: Said::default() }.write().unwrap();
            let sealed = publisher.vault.seal(place(&key, "state"), stored.expose()).unwrap();
            let now = publisher.clock.now_ms();
            let only = [job.clone()];
            let ask = AskForJob { now, length: Duration::from_secs(60), only: Some(&only), without: &[] };
            let (_, row, lease) = publisher.store.acquire_job(&ask).await.unwrap().unwrap();
            let step = JobUpdate { state: Some(sealed), ..update(&row) };
            publisher.store.store_step(job, &lease, &step, now).await.unwrap().unwrap();
        }
        let calls = publisher.dry_calls(&provider, &info.digest).await.unwrap();
        assert_eq!((calls.asked, calls.unreadable), (2, vec![jobs[1].0.clone()]));
        // Nothing came of it.
        let query = ListQuery { limit: 5, cursor: None };
        let posts = tenant.list_posts(&jobs[0].1, &query).await.unwrap();
        assert!(posts.posts.is_empty(), "{posts:?}");
        for (job, ..) in &jobs {
            assert_eq!(tenant.job(job).await.unwrap().status, crate::JobStatus::Active);
        }
        let of_nobody = publisher.dry_calls(&provider, &Digest::of(b"another")).await.unwrap();
        assert_eq!(of_nobody.asked, 0);
    }
}
