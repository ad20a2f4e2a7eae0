//! One run of a job under its lease: its data, and how it makes a call.

use std::sync::Arc;
use std::time::Duration;

use social_channel_runtime::Provider;
use social_channel_runtime::clock::millis;
use social_channel_runtime::error::{Error, Result};
use social_channel_runtime::media::MediaItem;
use social_channel_runtime::model::{Publication, PublishedPost};
use tokio::sync::watch;

use super::decide::{Decision, Position, without_media};
use super::publisher::{Publisher, Running};
use super::request::{DEADLINE, StoredRequest, StoredStep};
use crate::account::Operation;
use crate::app::LiveApp;
use crate::lease::LeaseGate;
use crate::store::{AccountRow, JobRow, JobSignals, Lease};
use crate::tenant_id::TenantId;

/// Shorter waits keep the lease, because giving the job back and acquiring it again costs two writes.
pub(super) const SHORT_WAIT: Duration = Duration::from_secs(2);
/// How a run of a job ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has ended, or waits for its time or for a person.
    Parked,
    /// The lease is lost, or the process is stopping: another worker continues.
    Yielded,
}

/// Signals that arrive while a call is running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signals {
    pub(super) lost: bool,
    pub(super) cancel: bool,
}

/// The account and the app of a job, as last read.
pub(super) struct Caller {
    pub(super) account: AccountRow,
    pub(super) app: Arc<LiveApp>,
}

impl Caller {
    /// Whether they are unchanged since.
    fn is_as(&self, seen: JobSignals) -> bool {
        seen.credentials_revision == Some(self.account.credentials_revision)
            && seen.app_revision == Some(self.app.revision)
    }
}

/// One run of a job, under its lease.
pub(super) struct JobRun {
    pub(super) publisher: Arc<Publisher>,
    pub(super) tenant: TenantId,
    pub(super) row: JobRow,
    pub(super) lease: Lease,
    pub(super) gate: Arc<LeaseGate>,
    pub(super) running: Arc<Running>,
    pub(super) signals: watch::Sender<Signals>,
    pub(super) request: Arc<StoredRequest>,
    /// What the provider said last; None: it has not begun.
    pub(super) last: Option<StoredStep>,
    pub(super) media: Vec<Arc<MediaItem>>,
    /// Reused for the next call as long as they are unchanged.
    pub(super) caller: Option<Arc<Caller>>,
    /// The intent of the next call that may create the post is on disk.
    pub(super) intent_recorded: bool,
    /// The webhook event that is passed to the current call.
    pub(super) event: Option<String>,
    /// The name of the current step in the history.
    pub(super) call_name: &'static str,
    /// The media could be read in this turn.
    pub(super) media_read: bool,
    /// Data from the form that is not stored yet: the allowances as JSON, and the time.
    pub(super) form: Option<(String, i64)>,
}

impl JobRun {
    /// After it the job fails. A post that may exist is still watched until the default deadline, because the
    /// platform's status may come late.
    pub(super) fn deadline(&self) -> i64 {
        let watched = self.row.sent_at.map_or(0, |at| at.saturating_add(millis(DEADLINE)));
        self.row.deadline_at.max(watched)
    }

    pub(super) fn position(&self) -> Position {
        let said = self.last.as_ref().map(|last| &last.said);
        Position {
            may_post: self.row.non_idempotent,
            idempotent: said.is_some_and(|said| said.idempotent),
            interrupted: self.row.interrupted,
            may_have_posted: self.row.non_idempotent_begun,
            is_out: said.is_some_and(|said| is_out(&said.publication)),
            ended: self.row.status.has_ended().then_some(self.row.status),
            attempts: self.row.attempts,
            moved: self.row.moved_from.is_some(),
        }
    }

    /// Signals a requested cancellation.
    pub(super) fn note_cancel(&self) {
        self.signals.send_if_modified(|signals| !std::mem::replace(&mut signals.cancel, true));
    }

    /// The account and the app. They are read again only if they changed since the last step was stored, so a
    /// disconnect, a refresh, new settings or grants take effect at the next call.
    pub(super) async fn caller(&mut self) -> Result<Arc<Caller>> {
        if let Some(caller) = &self.caller {
            return Ok(caller.clone());
        }
        let account = self.publisher.accounts.row(&self.tenant, &self.row.channel).await?;
        let app = self.publisher.apps.of_account(&self.tenant, &account).await?;
        let caller = Arc::new(Caller { account, app });
        self.caller = Some(caller.clone());
        Ok(caller)
    }

    /// Stores the revisions of account and app that a write of the job has returned.
    pub(super) fn note_seen(&mut self, seen: JobSignals) {
        self.caller.take_if(|caller| !caller.is_as(seen));
    }

    /// Makes a call on behalf of the account. A call that may create the post always runs to its end; any other call is dropped
    /// on a signal, and the result is then None.
    pub(super) async fn make<T: Send + 'static>(
        &mut self,
        provider: &Provider,
        operation: Arc<Operation<'static, T>>,
    ) -> Result<Option<Result<T>>> {
        let caller = match self.caller().await {
            Ok(caller) => caller,
            Err(error) => return Ok(Some(Err(error))),
        };
        let (publisher, tenant) = (self.publisher.clone(), self.tenant.clone());
        let (provider, gate) = (provider.clone(), self.gate.clone());
        // Its own task, so that only its limits can end a call that may create the post.
        let mut task = self.publisher.lifetime.spawn(async move {
            let call = Some((&provider, gate as _));
            let account = caller.account.clone();
            publisher.accounts.call_with(&tenant, account, &caller.app, call, &*operation).await
        });
        let mut signals = self.signals.subscribe();
        let droppable = !self.row.non_idempotent;
        let wanted = *signals.borrow_and_update();
        if droppable && (wanted.lost || wanted.cancel) {
            return drop_call(task).await;
        }
        let answer = loop {
            tokio::select! {
                answer = &mut task => break answer,
                changed = signals.changed(), if droppable => {
                    let now = *signals.borrow();
                    if changed.is_err() || now.lost || now.cancel {
                        return drop_call(task).await;
                    }
                }
                () = self.publisher.lifetime.stopping(), if droppable => return drop_call(task).await,
            }
        };
        answer.map(Some).map_err(|error| Error::internal("a call broke off").with_source(error))
    }

    /// Looks whether media at an address can still be read before it is wanted: before the platform is asked for
    /// anything, and again after a failure. What it then comes to, if the job cannot go on.
    pub(super) async fn media_held(&mut self) -> Option<Decision> {
        if self.media_read && self.row.attempts == 0 {
            return None;
        }
        // What keeps it from being opened at all, the call that follows finds too.
        let (_, media) = self.prepare().await.ok()?;
        let mut signals = self.signals.subscribe();
        for item in media {
            let looked = tokio::select! {
                looked = item.look() => looked,
                // Somebody wants something else, and the call that follows is dropped for it.
                _ = signals.changed() => return None,
                () = self.publisher.lifetime.stopping() => return None,
            };
            if let Err(absent) = looked {
                tracing::info!(job = self.row.id, ?absent, "the media cannot be read");
                self.call_name = "read_media";
                return without_media(self.position(), &absent, spread());
            }
        }
        self.media_read = true;
        None
    }

    /// A job that failed before its first step goes on with the component that its app runs now: the one that it was stored
    /// with may be what failed, and has nothing of it yet.
    async fn leave_what_failed(&mut self) -> Result<()> {
        if self.row.attempts == 0 || self.row.state.is_some() {
            return Ok(());
        }
        let caller = self.caller().await?;
        let to = caller.app.provider.digest();
        if *to == self.row.digest {
            return Ok(());
        }
        let now = self.publisher.clock.now_ms();
        if self.publisher.store.move_job(&self.tenant, &self.row.id, to, None, now).await? {
            tracing::info!(job = self.row.id, from = %self.row.digest, %to, "a job that has not begun goes on with another component");
            self.row.digest = to.clone();
        }
        Ok(())
    }

    /// Loads the component that the job started with, and its media.
    pub(super) async fn prepare(&mut self) -> Result<(Provider, Vec<Arc<MediaItem>>)> {
        self.leave_what_failed().await?;
        let provider = self.publisher.apps.provider(&self.row.digest).await?;
        if self.media.is_empty() && !self.request.media.is_empty() {
            let caller = self.caller().await?;
            let mut media = Vec::new();
            for reference in &self.request.media {
                media.push(Arc::new(
                    match self.publisher.media.reopen(&self.tenant, reference, &caller.app).await {
                        Ok(item) => item,
                        Err(error) if self.row.state.is_none() => return Err(error),
                        Err(error) => {
                            tracing::warn!(job = self.row.id, %error, "the media cannot be opened again");
                            MediaItem::lost(reference, &error)
                        }
                    },
                ));
            }
            if media.iter().any(|item| item.is_lost()) {
                // The error is not cached: the media may be available again at the next call.
                return Ok((provider, media));
            }
            self.media = media;
        }
        Ok((provider, self.media.clone()))
    }
}

/// Whether a post of it is out.
pub(super) fn is_out(publication: &Publication) -> bool {
    publication.posts.iter().any(PublishedPost::is_out)
}

/// Aborts a safe call and waits for its end, because a job has only one call at a time.
async fn drop_call<T>(task: tokio::task::JoinHandle<Result<T>>) -> Result<Option<Result<T>>> {
    task.abort();
    let _ = task.await;
    Ok(None)
}

/// Random, between 0 and 1.
pub(super) fn spread() -> f64 {
    let mut byte = [0; 1];
    // Without random numbers jobs are retried at the same time, which is harmless.
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}
