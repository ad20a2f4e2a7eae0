//! The calls of one job, under its lease.
//!
//! One call at a time. A step is stored before the next call; the intent of a `once` step is on disk before
//! its call (in the same transaction as the step that announced it). A `once` call is waited for, whatever
//! happens around it; a repeatable one is dropped when somebody cancels, the process ends or the lease is gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;

use super::ask::Asked;
use super::decide::{
    Act, Decision, Position, Sight, Then, act, after_cancel, after_error, after_step, begun, ended, is_armed,
    told,
};
use super::*;
use crate::accounts::Operation;
use crate::lease::LeaseGate;
use crate::provider::{Gate, NextStep, Provider, PublishStep, Resume};
use crate::store::Lease;

/// Shorter waits are spent under the lease: giving the job back and taking it again costs two writes.
pub(super) const SHORT_WAIT: Duration = Duration::from_secs(2);
/// Steps of one job without a pause between them. A 4 GB upload takes a thousand chunks at most.
const STEPS: u32 = 10_000;

/// Why a job was laid down.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Laid {
    /// It has ended, or waits for its time or for a person.
    Down,
    /// The lease is gone, or the process ends: somebody else goes on.
    Away,
}

/// What happens around a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Around {
    lost: bool,
    cancel: bool,
}

pub(super) struct Work {
    pub(super) inner: Arc<Inner>,
    pub(super) tenant: TenantId,
    pub(super) row: JobRow,
    pub(super) lease: Lease,
    pub(super) gate: Arc<LeaseGate>,
    pub(super) driven: Arc<Driven>,
    around: watch::Sender<Around>,
    pub(super) request: Arc<StoredRequest>,
    media: Vec<Arc<MediaItem>>,
    /// The intent of the coming `once` call is on disk.
    pub(super) armed: bool,
    /// What a webhook said, on its way with the present call.
    pub(super) event: Option<i64>,
    /// What the history calls the present step.
    pub(super) asked: &'static str,
    /// What the form said, until it is stored: the allowances as JSON, and when.
    pub(super) form: Option<(String, i64)>,
}

impl Inner {
    /// Works on a leased job until it can be laid down.
    pub(super) async fn drive(self: &Arc<Self>, tenant: TenantId, row: JobRow, lease: Lease) -> Result<Laid> {
        let id = row.id.clone();
        let gate = Arc::new(LeaseGate::new(self.takeover));
        let driven = Arc::new(Driven::default());
        driven.bytes_sent.store(row.bytes_sent.cast_unsigned(), Ordering::Relaxed);
        if let Ok(mut jobs) = self.driven_jobs.lock() {
            jobs.insert(id.clone(), driven.clone());
        }
        let around = watch::Sender::new(Around { lost: false, cancel: row.cancel_requested });
        let heart = tokio::spawn(heartbeat(
            self.clone(),
            id.clone(),
            lease,
            gate.clone(),
            driven.clone(),
            around.clone(),
        ));
        let key = row_key(&tenant, &id);
        let request = open_json::<StoredRequest>(&self.vault, place(&key, "request"), &row.request);
        let laid = match request {
            Ok(request) => {
                let mut work = Work {
                    armed: false,
                    event: None,
                    asked: "begin_publish",
                    form: None,
                    inner: self.clone(),
                    tenant,
                    row,
                    lease,
                    gate,
                    driven,
                    around,
                    request: Arc::new(request),
                    media: Vec::new(),
                };
                work.armed = is_armed(work.position());
                work.run().await
            }
            Err(error) => Err(error),
        };
        heart.abort();
        if let Ok(mut jobs) = self.driven_jobs.lock() {
            jobs.remove(&id);
        }
        self.note_job(&id);
        // The channel's next job may begin.
        self.wake_workers();
        laid
    }
}

/// Prolongs the lease, and passes on what others want.
async fn heartbeat(
    inner: Arc<Inner>,
    id: String,
    lease: Lease,
    gate: Arc<LeaseGate>,
    driven: Arc<Driven>,
    tell: watch::Sender<Around>,
) {
    // Often enough that two failures in a row lose nothing.
    let pause = inner.takeover / 4;
    loop {
        let cancelled = tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = driven.cancel.notified() => true,
        };
        if cancelled {
            tell.send_modify(|around| around.cancel = true);
            continue;
        }
        let since = gate.before();
        let until = inner.leases.now_ms().saturating_add(millis(inner.takeover));
        match inner.store.extend_job_lease(&id, &lease, until).await {
            Ok(Some(signals)) => {
                gate.prolonged(since, inner.takeover);
                if signals.cancel_requested {
                    tell.send_modify(|around| around.cancel = true);
                }
            }
            Ok(None) => {
                gate.lose();
                tell.send_modify(|around| around.lost = true);
                return;
            }
            Err(error) => {
                tracing::warn!(job = id, %error, "the job's lease could not be prolonged");
                if !gate.may_send() {
                    gate.lose();
                    tell.send_modify(|around| around.lost = true);
                    return;
                }
            }
        }
    }
}

impl Work {
    async fn run(mut self) -> Result<Laid> {
        for _ in 0..STEPS {
            let around = *self.around.borrow();
            let sight = Sight {
                leaves: around.lost || self.inner.is_stopping(),
                overdue: self.inner.clock.now_ms() >= self.deadline(),
                cancel: around.cancel,
                has_state: self.row.state.is_some(),
                armed: self.armed,
            };
            let act = act(self.position(), sight);
            self.asked = match act {
                Act::GiveUp => "deadline",
                Act::Drop | Act::Cancel => "cancel_publish",
                Act::Begin => "begin_publish",
                Act::Continue | Act::HandBack | Act::Arm => "continue_publish",
            };
            let (decision, step) = match act {
                Act::HandBack => return self.hand_back().await,
                Act::GiveUp => {
                    let error = Error::new(ErrorKind::Unavailable, "the job's time is up")
                        .with_remedy("publish it again as a new job");
                    (ended(self.position(), &error), None)
                }
                Act::Drop => (after_step(self.position(), &NextStep::Cancelled), None),
                Act::Cancel => {
                    self.around.send_modify(|around| around.cancel = false);
                    self.cancel().await
                }
                Act::Arm => {
                    if !self.arm().await? {
                        return Ok(Laid::Away);
                    }
                    continue;
                }
                Act::Begin | Act::Continue => match self.call().await? {
                    Some(answer) => answer,
                    // Dropped: somebody wants something else.
                    None => continue,
                },
            };
            let cancel = matches!(act, Act::Drop | Act::Cancel) && !decision.send_back;
            let then = decision.then;
            if !self.store(decision, step, cancel).await? {
                return Ok(Laid::Away);
            }
            match then {
                Then::Now => {}
                Then::After(wait) if wait <= SHORT_WAIT => {
                    let mut around = self.around.subscribe();
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        _ = around.changed() => {}
                        () = self.inner.stopping() => {}
                    }
                }
                Then::After(_) | Then::Person | Then::Never => return Ok(Laid::Down),
            }
        }
        let error =
            Error::new(ErrorKind::ProviderFault, format!("the provider took {STEPS} steps without an end"))
                .with_remedy("replace the provider");
        let decision = ended(self.position(), &error);
        self.store(decision, None, false).await.map(|_| Laid::Down)
    }

    /// After it the job is given up. What may be out is watched all the same, as long as by default: the
    /// platform's verdict comes late.
    pub(super) fn deadline(&self) -> i64 {
        let watched = self.row.sent_at.map_or(0, |at| at.saturating_add(millis(DEADLINE)));
        self.row.deadline_at.max(watched)
    }

    pub(super) fn position(&self) -> Position {
        Position {
            once: self.row.once,
            interrupted: self.row.interrupted,
            once_begun: self.row.once_begun,
            ended: self.row.status.has_ended().then_some(self.row.status),
            attempts: self.row.attempts,
            moved: self.row.moved_from.is_some(),
        }
    }

    /// Somebody wants it cancelled.
    pub(super) fn note_cancel(&self) {
        self.around.send_if_modified(|around| !std::mem::replace(&mut around.cancel, true));
    }

    /// The next call. None: it was dropped, and nothing is to be concluded from it.
    async fn call(&mut self) -> Result<Option<(Decision, Option<PublishStep>)>> {
        let position = self.position();
        let prepared = self.prepare().await;
        let (provider, media) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Some((after_error(position, &error, spread()), None))),
        };
        match self.ask_first(&provider).await {
            Asked::GoOn => {}
            Asked::Hold(decision) => return Ok(Some((*decision, None))),
            Asked::Dropped => return Ok(None),
        }
        let base = self.row.bytes_sent.cast_unsigned();
        let state = match &self.row.state {
            None => None,
            Some(sealed) => {
                let key = row_key(&self.tenant, &self.row.id);
                Some(Arc::new(self.inner.vault.open_sealed(place(&key, "state"), sealed)?))
            }
        };
        let position = begun(self.position());
        self.row.once_begun = position.once_begun;
        let interrupted = told(position);
        let evidence = match self.inner.store.waiting_event(&self.row.id).await? {
            Some(waiting) if state.is_some() => {
                let place = Place { table: "events", row: &waiting.row, column: "evidence" };
                self.event = Some(waiting.rowid);
                Some(self.inner.vault.open_sealed(place, &waiting.evidence)?)
            }
            _ => None,
        };
        let (request, driven) = (self.request.clone(), self.driven.clone());
        let operation: Arc<Operation<'static, PublishStep>> =
            Arc::new(move |provider, mut context, account| {
                let (request, state, media, driven) =
                    (request.clone(), state.clone(), media.clone(), driven.clone());
                let evidence = evidence.clone();
                Box::pin(async move {
                    context.media = media;
                    context.progress = Some(Arc::new(move |moved| {
                        driven.bytes_sent.store(base.saturating_add(moved), Ordering::Relaxed);
                    }));
                    match &state {
                        None => provider.begin_publish(context, &account, &request.post).await,
                        Some(state) => {
                            let resume = Resume { interrupted, evidence };
                            provider.continue_publish(context, &account, state, resume).await
                        }
                    }
                })
            });
        let Some(answer) = self.make(&provider, operation).await? else { return Ok(None) };
        Ok(Some(match answer {
            Ok(step) => (after_step(position, &step.next), Some(step)),
            Err(error) => {
                tracing::info!(job = self.row.id, %error, kind = %error.kind, "a publish call failed");
                (after_error(position, &error, spread()), None)
            }
        }))
    }

    /// Makes a call in the account's name. A `once` call is waited for; another one is dropped when somebody
    /// wants something else: then None.
    pub(super) async fn make<T: Send + 'static>(
        &self,
        provider: &Provider,
        operation: Arc<Operation<'static, T>>,
    ) -> Result<Option<Result<T>>> {
        let (inner, tenant, channel) = (self.inner.clone(), self.tenant.clone(), self.row.channel.clone());
        let (provider, gate) = (provider.clone(), self.gate.clone());
        // A task of its own: only its limits end a `once` call.
        let mut task = self.inner.tasks.spawn(async move {
            let account = inner.account_row(&tenant, &channel).await?;
            let app = inner.live_app(&tenant, &account.app).await?;
            inner.call_account_with(&tenant, account, &app, Some((&provider, gate)), &*operation).await
        });
        let mut around = self.around.subscribe();
        let droppable = !self.row.once;
        let wanted = *around.borrow_and_update();
        if droppable && (wanted.lost || wanted.cancel) {
            return drop_call(task).await;
        }
        let answer = loop {
            tokio::select! {
                answer = &mut task => break answer,
                changed = around.changed(), if droppable => {
                    let now = *around.borrow();
                    if changed.is_err() || now.lost || now.cancel {
                        return drop_call(task).await;
                    }
                }
                () = self.inner.stopping(), if droppable => return drop_call(task).await,
            }
        };
        answer.map(Some).map_err(|error| Error::internal("a call broke off").with_source(error))
    }

    /// Puts the wish to cancel to the provider.
    async fn cancel(&mut self) -> (Decision, Option<PublishStep>) {
        let position = self.position();
        let asked = async {
            let (provider, media) = self.prepare().await?;
            let key = row_key(&self.tenant, &self.row.id);
            let sealed = self.row.state.as_ref().ok_or_else(|| Error::internal("nothing to cancel"))?;
            let state = Arc::new(self.inner.vault.open_sealed(place(&key, "state"), sealed)?);
            let account = self.inner.account_row(&self.tenant, &self.row.channel).await?;
            let app = self.inner.live_app(&self.tenant, &account.app).await?;
            let call = Some((&provider, self.gate.clone() as Arc<dyn Gate>));
            self.inner
                .call_account_with(&self.tenant, account, &app, call, &|provider, mut context, account| {
                    let (state, media) = (state.clone(), media.clone());
                    Box::pin(async move {
                        context.media = media;
                        provider.cancel_publish(context, &account, &state).await
                    })
                })
                .await
        };
        match asked.await {
            Ok(step) => (after_cancel(position, Ok(&step.next)), Some(step)),
            Err(error) => {
                tracing::warn!(job = self.row.id, %error, "the provider could not cancel");
                (after_cancel(position, Err(&error)), None)
            }
        }
    }

    /// The component the job began with, and its media.
    async fn prepare(&mut self) -> Result<(Provider, Vec<Arc<MediaItem>>)> {
        let provider = self.inner.provider(&self.row.digest).await?;
        if self.media.is_empty() && !self.request.media.is_empty() {
            let account = self.inner.account_row(&self.tenant, &self.row.channel).await?;
            let app = self.inner.live_app(&self.tenant, &account.app).await?;
            let mut media = Vec::new();
            for reference in &self.request.media {
                media.push(Arc::new(match self.inner.reopen_media(&self.tenant, reference, &app).await {
                    Ok(item) => item,
                    Err(error) if self.row.state.is_none() => return Err(error),
                    Err(error) => {
                        tracing::warn!(job = self.row.id, %error, "the media cannot be opened again");
                        MediaItem::lost(reference, &error)
                    }
                }));
            }
            if media.iter().any(|item| item.is_lost()) {
                // Not kept: it may be there again at the next call.
                return Ok((provider, media));
            }
            self.media = media;
        }
        Ok((provider, self.media.clone()))
    }
}

/// Ends a repeatable call, and is sure that it has ended: there is one call of a job at a time.
async fn drop_call<T>(task: tokio::task::JoinHandle<Result<T>>) -> Result<Option<Result<T>>> {
    task.abort();
    let _ = task.await;
    Ok(None)
}

/// Random, between 0 and 1.
pub(super) fn spread() -> f64 {
    let mut byte = [0; 1];
    // Without random numbers jobs come back together, which is no fault.
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}
