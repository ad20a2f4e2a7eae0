//! The handle of a running simulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::inspect::{Inspection, inspect};
use crate::log::{Exchange, Violation};
use crate::oauth::consented;
use crate::server::{self, Shared};
use crate::state::State;
use crate::world::{SCOPES, World};

/// A running simulator. It stops, with all its connections, when dropped.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Simulator {
    /// Starts on a free port of 127.0.0.1, in tasks of the current tokio runtime.
    ///
    /// # Errors
    /// When the world breaks a rule of registration, or nothing can be bound.
    pub async fn start(world: World) -> anyhow::Result<Self> {
        Self::start_on(world, 0).await
    }

    /// Starts on this port of 127.0.0.1; 0 means a free one.
    ///
    /// # Errors
    /// Those of [`Simulator::start`]; also when the port is in use.
    pub async fn start_on(world: World, port: u16) -> anyhow::Result<Self> {
        Self::start_at(world, SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
    }

    /// Starts on any address, for containers.
    ///
    /// # Errors
    /// Those of [`Simulator::start_on`].
    pub async fn start_at(world: World, address: SocketAddr) -> anyhow::Result<Self> {
        let (shared, task) = server::start(world, address).await?;
        Ok(Self { shared, task })
    }

    /// `http://127.0.0.1:PORT`; all hosts of TikTok are served here, by path.
    pub fn origin(&self) -> String {
        self.shared.origin.clone()
    }

    /// The certificate (PEM) that a client must trust to use the simulator as its HTTPS proxy. A new one at
    /// every start; its key is never written anywhere.
    #[cfg(feature = "proxy")]
    pub fn ca_pem(&self) -> &str {
        &self.shared.authority.pem
    }

    /// The virtual clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Faults that wait for their request.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The newest 20,000 requests, oldest first.
    pub fn log(&self) -> Vec<Exchange> {
        self.shared.recorder.all()
    }

    /// Removes and returns the log's requests: each is returned once, when it has ended.
    pub fn take_log(&self) -> Vec<Exchange> {
        self.shared.recorder.take()
    }

    /// Requests about drafts: for `video.upload`, to an inbox endpoint, or with `MEDIA_UPLOAD`. Tests of a client
    /// that must never use them should assert that there are none; with the switch
    /// `refuse_video_upload` they are refused too.
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.recorder.violations()
    }

    /// Clears log and violations.
    pub fn clear_log(&self) {
        self.shared.recorder.clear();
    }

    /// What exists now.
    pub fn world(&self) -> Inspection {
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.shared.state();
        state.settle(now_ms);
        inspect(&state, now_ms)
    }

    /// Apps, accounts and switches as they are now.
    pub fn settings(&self) -> World {
        self.shared.state().world.clone()
    }

    /// Changes apps, accounts or switches while running. Videos of accounts are made at the start only.
    /// `change` must not call the simulator itself, which waits for it to end.
    pub fn edit(&self, change: impl FnOnce(&mut World)) {
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.shared.state();
        // Due events are processed with the old settings.
        state.settle(now_ms);
        change(&mut state.world);
        drop(state);
        self.shared.wake.notify_one();
    }

    /// The answer of the token endpoint to a consent of this account to an app, with all scopes, as another program holds
    /// it that uses the same app. None: there is no such app or account.
    pub fn issue_tokens(&self, client_key: &str, username: &str) -> Option<serde_json::Value> {
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.shared.state();
        state.world.account(username)?;
        let scopes = state.world.app(client_key)?.scopes.clone();
        let scopes = if scopes.is_empty() { SCOPES.map(str::to_owned).to_vec() } else { scopes };
        let scopes = scopes.into_iter().filter(|scope| scope != "video.upload").collect();
        Some(consented(&mut state, client_key, username.to_owned(), scopes, now_ms))
    }

    /// The user revokes scopes in TikTok. Returns whether there was such a consent.
    pub fn shrink_grant(&self, client_key: &str, username: &str, keep: &[&str]) -> bool {
        let mut state = self.shared.state();
        let found = state.grant_of(client_key, username);
        if let Some(grant) = found.and_then(|index| state.grants.get_mut(index)) {
            grant.scopes.retain(|scope| keep.contains(&scope.as_str()));
        }
        found.is_some()
    }

    /// The user disconnects the app inside TikTok (or is banned, or deletes the account): all tokens are revoked
    /// and `authorization.removed` is sent with `reason` (contract 17.3). Returns whether there was such a
    /// consent.
    pub fn remove_grant(&self, client_key: &str, username: &str, reason: u8) -> bool {
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.shared.state();
        let found = state.grant_of(client_key, username);
        if let Some(index) = found {
            state.end_grant(index, Some(reason), now_ms);
        }
        drop(state);
        self.shared.wake.notify_one();
        found.is_some()
    }

    /// The owner makes a post public (or shows a hidden one again); `post.publish.publicly_available` is sent.
    /// Returns whether there was one to show.
    pub fn show_post(&self, id: u64) -> bool {
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.shared.state();
        state.settle(now_ms);
        let shown = state.show_post(id, now_ms);
        drop(state);
        self.shared.wake.notify_one();
        shown
    }

    /// The user posts a draft in the inbox with this `privacy_level`. Returns whether there was
    /// one.
    pub fn finish_draft(&self, publish_id: &str, privacy_level: &str) -> bool {
        self.change_inbox(|state, now_ms| state.finish_draft(publish_id, privacy_level, now_ms))
    }

    /// The user deletes a draft in the inbox. Returns whether there was one.
    pub fn delete_draft(&self, publish_id: &str) -> bool {
        self.change_inbox(|state, _| state.delete_draft(publish_id))
    }

    fn change_inbox(&self, change: impl FnOnce(&mut State, i64) -> bool) -> bool {
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.shared.state();
        state.settle(now_ms);
        let changed = change(&mut state, now_ms);
        drop(state);
        self.shared.wake.notify_one();
        changed
    }

    /// The owner hides or deletes a post. Returns whether there was one to hide.
    pub fn hide_post(&self, id: u64) -> bool {
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.shared.state();
        state.settle(now_ms);
        let hidden = state.hide_post(id, now_ms);
        drop(state);
        self.shared.wake.notify_one();
        hidden
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
