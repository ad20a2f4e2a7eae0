//! The calls of one job, under its lease.
//!
//! One call at a time. A step is stored before the next call; the intent of a call that may create the post (`once`,
//! `idempotent`) is on disk before it (in the same transaction as the step that announced it). Such a call always runs
//! to its end; a safe one is dropped when the job is cancelled, the process stops or the lease is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::{
    Account, CallContext, CallError, Gate as _, NextStep, Provider, PublishStep, Resume,
};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::decide::{
    Act, Decision, JobContext, Position, Then, act, after_cancel, after_error, after_step, begun, ended,
    is_intent_recorded, is_interrupted,
};
use super::job_run::{JobRun, Outcome, SHORT_WAIT, Signals, is_out, spread};
use super::preflight::Verdict;
use super::publisher::{Publisher, Running};
use super::request::{StoredRequest, StoredStep, place};
use crate::account::Operation;
use crate::lease::LeaseGate;
use crate::store::{JobRow, Lease};
use crate::tenant_id::TenantId;
use crate::vault::{Place, open_json, row_key};

/// Steps of one job without a pause between them. A 4 GB upload takes a thousand chunks at most.
const STEPS: u32 = 10_000;

/// The entry of a job that this process works on. It is removed on drop, also if the run panics or its task is
/// aborted.
struct Entry {
    publisher: Arc<Publisher>,
    id: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Ok(mut jobs) = self.publisher.running.lock() {
            jobs.remove(&self.id);
        }
        self.publisher.note(&self.id);
        // The channel's next job may begin.
        self.publisher.wake.all();
    }
}

impl Publisher {
    /// Works on a held job until its run ends. Dropping the future also stops extending the lease.
    pub(super) async fn run(
        self: &Arc<Self>,
        tenant: TenantId,
        row: JobRow,
        lease: Lease,
    ) -> Result<Outcome> {
        let gate = Arc::new(LeaseGate::new(self.options.takeover));
        let running = Arc::new(Running::default());
        running.bytes_sent.store(row.bytes_sent.cast_unsigned(), Ordering::Relaxed);
        if let Ok(mut jobs) = self.running.lock() {
            jobs.insert(row.id.clone(), running.clone());
        }
        let _entry = Entry { publisher: self.clone(), id: row.id.clone() };
        let signals = watch::Sender::new(Signals { lost: false, cancel: row.cancel_requested });
        let heart =
            heartbeat(self.clone(), row.id.clone(), lease, gate.clone(), running.clone(), signals.clone());
        let _heart = AbortOnDropHandle::new(tokio::spawn(heart));
        let key = row_key(&tenant, &row.id);
        let request = open_json::<StoredRequest>(&self.vault, place(&key, "request"), &row.request)?;
        let last = match &row.state {
            Some(sealed) => Some(StoredStep::read(self.vault.open_sealed(place(&key, "state"), sealed)?)?),
            None => None,
        };
        let mut run = JobRun {
            intent_recorded: false,
            event: None,
            call_name: "begin_publish",
            media_read: false,
            form: None,
            publisher: self.clone(),
            tenant,
            row,
            lease,
            gate,
            running,
            signals,
            request: Arc::new(request),
            last,
            media: Vec::new(),
            caller: None,
        };
        run.intent_recorded = is_intent_recorded(run.position());
        run.drive().await
    }
}

/// Extends the lease, and passes on signals.
async fn heartbeat(
    publisher: Arc<Publisher>,
    id: String,
    lease: Lease,
    gate: Arc<LeaseGate>,
    running: Arc<Running>,
    tell: watch::Sender<Signals>,
) {
    // Often enough that two consecutive failures do not lose the lease.
    let length = publisher.options.takeover;
    let pause = length / 4;
    loop {
        let cancelled = tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = running.cancel.notified() => true,
        };
        if cancelled {
            tell.send_modify(|signals| signals.cancel = true);
            continue;
        }
        let since = gate.before();
        match publisher.store.extend_job(&id, &lease, length).await {
            Ok(Some(signals)) => {
                gate.prolonged(since, length);
                if signals.cancel_requested {
                    tell.send_modify(|signals| signals.cancel = true);
                }
            }
            Ok(None) => {
                gate.lose();
                tell.send_modify(|signals| signals.lost = true);
                return;
            }
            Err(error) => {
                tracing::warn!(job = id, %error, "the job's lease could not be prolonged");
                if !gate.may_send() {
                    gate.lose();
                    tell.send_modify(|signals| signals.lost = true);
                    return;
                }
            }
        }
    }
}

/// The position, with what the step itself says of posts that are out.
fn with(position: Position, step: &PublishStep) -> Position {
    Position { is_out: position.is_out || is_out(&step.publication), ..position }
}

impl JobRun {
    async fn drive(mut self) -> Result<Outcome> {
        for _ in 0..STEPS {
            let signals = *self.signals.borrow();
            let context = JobContext {
                leaves: signals.lost || self.publisher.lifetime.is_stopping(),
                overdue: self.publisher.clock.now_ms() >= self.deadline(),
                cancel: signals.cancel,
                has_state: self.row.state.is_some(),
                intent_recorded: self.intent_recorded,
            };
            let act = act(self.position(), context);
            self.call_name = match act {
                Act::GiveUp => "deadline",
                Act::Doubt => "failover",
                Act::Drop | Act::Cancel => "cancel_publish",
                Act::Begin => "begin_publish",
                Act::Continue | Act::HandBack | Act::RecordIntent => "continue_publish",
            };
            // Not where a call that may have posted waits for its answer, and not between an intent and its call.
            let may_need_media = match act {
                Act::Begin | Act::RecordIntent => true,
                Act::Continue => !self.row.non_idempotent_begun && !self.intent_recorded,
                Act::HandBack | Act::GiveUp | Act::Doubt | Act::Drop | Act::Cancel => false,
            };
            let held = match may_need_media && self.position().ended.is_none() {
                true => self.media_held().await,
                false => None,
            };
            let (decision, step) = match (held, act) {
                (Some(decision), _) => (decision, None),
                (None, Act::HandBack) => return self.hand_back().await,
                (None, Act::GiveUp) => {
                    let error = Error::new(ErrorKind::Unavailable, "the job's time is up")
                        .with_remedy("publish it again as a new job");
                    (ended(self.position(), &error), None)
                }
                (None, Act::Doubt) => {
                    let message = "the database failed over to a server that may lack what this job did last";
                    (ended(self.position(), &Error::new(ErrorKind::OutcomeUnknown, message)), None)
                }
                (None, Act::Drop) => (after_step(self.position(), &NextStep::Cancelled), None),
                (None, Act::Cancel) => {
                    self.signals.send_modify(|signals| signals.cancel = false);
                    self.cancel().await
                }
                (None, Act::RecordIntent) => {
                    if !self.record_intent().await? {
                        return Ok(Outcome::Yielded);
                    }
                    continue;
                }
                (None, Act::Begin | Act::Continue) => match self.call().await? {
                    Some(answer) => answer,
                    // Dropped on a signal.
                    None => continue,
                },
            };
            let cancel = matches!(act, Act::Drop | Act::Cancel) && !decision.send_back;
            let then = decision.then;
            if !self.store(decision, step, cancel).await? {
                return Ok(Outcome::Yielded);
            }
            match then {
                Then::Now => {}
                Then::After(wait) if wait <= SHORT_WAIT => {
                    let mut signals = self.signals.subscribe();
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        _ = signals.changed() => {}
                        () = self.publisher.lifetime.stopping() => {}
                    }
                }
                Then::After(_) | Then::Person | Then::Never => return Ok(Outcome::Parked),
            }
        }
        let error = Error::new(
            ErrorKind::ProviderFault,
            format!("the provider took {STEPS} steps without finishing"),
        )
        .with_remedy("replace the provider");
        let decision = ended(self.position(), &error);
        self.store(decision, None, false).await.map(|_| Outcome::Parked)
    }

    /// The next call. None: it was dropped, and its outcome says nothing.
    async fn call(&mut self) -> Result<Option<(Decision, Option<PublishStep>)>> {
        let position = self.position();
        let prepared = self.prepare().await;
        let (provider, media) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Some((after_error(position, &error, spread()), None))),
        };
        match self.preflight(&provider).await {
            Verdict::Send => {}
            Verdict::Hold(decision) => return Ok(Some((*decision, None))),
            Verdict::Dropped => return Ok(None),
        }
        let base = self.row.bytes_sent.cast_unsigned();
        let state = self.last.as_ref().map(|last| Arc::new(last.state.clone()));
        // Nobody tells anything of a post of which the platform does not know yet.
        let may_be_told = self.row.non_idempotent_begun || !self.row.references.is_empty();
        let position = begun(self.position());
        self.row.non_idempotent_begun = position.may_have_posted;
        let interrupted = is_interrupted(position);
        let waiting = match may_be_told && state.is_some() {
            true => self.publisher.store.waiting_event(&self.row.id).await?,
            false => None,
        };
        let evidence = match waiting {
            Some(waiting) => {
                let place = Place { table: "events", row: &waiting.row, column: "evidence" };
                self.event = Some(waiting.id);
                Some(self.publisher.vault.open_sealed(place, &waiting.evidence)?)
            }
            None => None,
        };
        let (request, running) = (self.request.clone(), self.running.clone());
        let operation: Arc<Operation<'static, PublishStep>> =
            Arc::new(move |provider, mut context, account| {
                let (request, state, media, running) =
                    (request.clone(), state.clone(), media.clone(), running.clone());
                let evidence = evidence.clone();
                Box::pin(async move {
                    context.media = media;
                    context.progress = Some(Arc::new(move |moved| {
                        running.bytes_sent.store(base.saturating_add(moved), Ordering::Relaxed);
                    }));
                    match &state {
                        None => provider.begin_publish(context, &account, &request.post).await,
                        Some(state) => {
                            let resume = Resume { interrupted, evidence };
                            provider.continue_publish(context, &account, &request.post, state, resume).await
                        }
                    }
                })
            });
        let Some(answer) = self.make(&provider, operation).await? else { return Ok(None) };
        Ok(Some(match answer {
            Ok(step) => (after_step(with(position, &step), &step.next), Some(step)),
            Err(error) => {
                tracing::info!(job = self.row.id, %error, kind = %error.kind, "a publish call failed");
                (after_error(position, &error, spread()), None)
            }
        }))
    }

    /// Asks the provider to cancel. The post that the stored request has is the one that it began with.
    async fn cancel(&mut self) -> (Decision, Option<PublishStep>) {
        let position = self.position();
        let asked = async {
            let (provider, media) = self.prepare().await?;
            let last = self.last.as_ref().ok_or_else(|| Error::internal("nothing to cancel"))?;
            let state = Arc::new(last.state.clone());
            let (request, interrupted) = (self.request.clone(), is_interrupted(position));
            let caller = self.caller().await?;
            let call = Some((&provider, self.gate.clone() as _));
            let cancel = |provider: Provider, mut context: CallContext, account: Account| {
                let (state, media, request) = (state.clone(), media.clone(), request.clone());
                let call: futures::future::BoxFuture<'static, Result<PublishStep, CallError>> =
                    Box::pin(async move {
                        context.media = media;
                        let resume = Resume { interrupted, evidence: None };
                        provider.cancel_publish(context, &account, &request.post, &state, resume).await
                    });
                call
            };
            let account = caller.account.clone();
            self.publisher.accounts.call_with(&self.tenant, account, &caller.app, call, &cancel).await
        };
        match asked.await {
            Ok(step) => (after_cancel(with(position, &step), Ok(&step.next)), Some(step)),
            Err(error) => {
                tracing::warn!(job = self.row.id, %error, "the provider could not cancel");
                (after_cancel(position, Err(&error)), None)
            }
        }
    }
}
