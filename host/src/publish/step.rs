//! Storing the result of a call: state, intent, status and lease in one small transaction under the fence.

use std::sync::atomic::Ordering;
use std::time::Duration;

use social_channel_runtime::PublishStep;
use social_channel_runtime::clock::millis;
use social_channel_runtime::error::Result;
use social_channel_runtime::model::{Details, Finding, Severity};

use super::decide::{Decision, Then, marks};
use super::job_run::{JobRun, Outcome, SHORT_WAIT};
use super::request::{Said, StoredStep, place, to_json};
use crate::store::{HistoryRow, JobStatus, JobUpdate};
use crate::vault::row_key;

impl JobRun {
    /// Stores the result of a call. False: the lease is lost, and nothing was written.
    pub(super) async fn store(
        &mut self,
        decision: Decision,
        step: Option<PublishStep>,
        cancel_answered: bool,
    ) -> Result<bool> {
        let now = self.publisher.clock.now_ms();
        let has_answered = step.is_some();
        let step = step.filter(|_| decision.take_step);
        let last = step.as_ref().map(|step| self.said(step, &decision));
        let goes_on = matches!(decision.then, Then::Now)
            || matches!(decision.then, Then::After(wait) if wait <= SHORT_WAIT);
        let marks = marks(self.position(), &decision);
        let state = match &last {
            Some(last) => {
                let key = row_key(&self.tenant, &self.row.id);
                Some(self.publisher.vault.seal(place(&key, "state"), last.write()?.expose())?)
            }
            None => None,
        };
        // The columns have the post itself; what else came of it is in the step.
        let published = last.as_ref().filter(|_| decision.status == JobStatus::Published);
        let post = published.and_then(|last| last.said.publication.posts.first());
        let later = match decision.then {
            Then::After(wait) => Some(now.saturating_add(millis(wait))),
            Then::Now | Then::Person | Then::Never => None,
        };
        let (quotas, asked_at) = self.form.take().unzip();
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let error = decision.error.as_ref();
        let update = JobUpdate {
            digest: self.row.digest.clone(),
            send_back: decision.send_back,
            // One that is stored already is not bound to the job again: that would only take locks.
            reference: step
                .as_ref()
                .and_then(|step| step.reference.clone())
                .filter(|reference| !self.row.references.contains(reference)),
            non_idempotent: marks.may_post,
            interrupted: marks.interrupted,
            non_idempotent_begun: marks.may_have_posted,
            status: decision.status,
            phase: step.as_ref().map_or_else(|| self.row.phase.clone(), |step| step.phase.clone()),
            bytes_sent: step.as_ref().map_or(self.row.bytes_sent, |step| signed(step.bytes_sent)),
            bytes_total: step.as_ref().map_or(self.row.bytes_total, |step| signed(step.bytes_total)),
            wake_at: match decision.then {
                // A job that was due stays due since then: under its lease nobody takes it, and the order of due jobs
                // need not be changed for each step.
                Then::Now => Some(self.row.wake_at.filter(|at| *at <= now).unwrap_or(now)),
                Then::After(_) if decision.status.has_ended() => later,
                // No longer waits for a platform or a person.
                Then::After(_) => later.map(|at| at.min(self.deadline())),
                Then::Person => Some(self.deadline()),
                Then::Never => None,
            },
            attempts: decision.attempts,
            post_id: post.and_then(|post| post.id.clone()),
            url: post.and_then(|post| post.url.clone()),
            error: match error {
                Some(error) => Some(to_json(error)?),
                // An ended job keeps its error until more is known.
                None if self.row.status.has_ended() && decision.status == self.row.status => {
                    self.row.error.clone()
                }
                None => None,
            },
            // After a failed call the event is passed to the next call.
            event_taken: self.event.take().filter(|_| has_answered),
            cancel_answered,
            release: !goes_on,
            quotas,
            asked_at,
            history: Some(HistoryRow {
                at_ms: now,
                call: self.call_name.to_owned(),
                phase: step.as_ref().map_or_else(|| self.row.phase.clone(), |step| step.phase.clone()),
                result: error
                    .map_or_else(|| decision.status.name().to_owned(), |error| error.kind.to_string()),
                message: error.map(|error| error.message.clone()),
                code: error.and_then(|error| error.code.clone()),
                trace_id: error.and_then(|error| error.trace_id.clone()),
                by: None,
            }),
            state,
        };
        let mut pause = Duration::from_millis(50);
        let held = loop {
            match self.publisher.store.store_step(&self.row.id, &self.lease, &update, now).await {
                Ok(held) => break held,
                // The call has had its effect, so the write is retried until the lease is lost.
                Err(error) if !self.gate.is_lost() && pause < self.publisher.options.takeover => {
                    tracing::error!(job = self.row.id, %error, "a step is not stored yet");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(error) => return Err(error),
            }
        };
        if let Some(signals) = held {
            self.note_seen(signals);
            if signals.cancel_requested && !cancel_answered {
                self.note_cancel();
            }
            let row = &mut self.row;
            if let Some(digest) = row.moved_from.take_if(|_| update.send_back) {
                row.digest = digest;
            }
            if update.state.is_some() {
                row.state = update.state;
                row.moved_from = None;
                self.last = last;
            }
            row.references.extend(update.reference);
            row.non_idempotent = update.non_idempotent;
            row.interrupted = marks.call_interrupted;
            self.intent_recorded = marks.intent_recorded;
            row.status = update.status;
            row.phase = update.phase;
            row.bytes_sent = update.bytes_sent;
            row.bytes_total = update.bytes_total;
            row.attempts = update.attempts;
            row.wake_at = update.wake_at;
            row.error = update.error;
            row.sent_at = row.sent_at.or(update.non_idempotent_begun.then_some(now));
            row.asked_at = update.asked_at.or(row.asked_at);
            self.running.bytes_sent.store(row.bytes_sent.cast_unsigned(), Ordering::Relaxed);
            self.publisher.note(&self.row.id);
            if update.status != JobStatus::Active || update.url.is_some() {
                self.publisher.wake.told();
            }
        }
        Ok(held.is_some())
    }

    /// What is kept of a step. What an earlier one told of posts stays where this one tells nothing.
    fn said(&self, step: &PublishStep, decision: &Decision) -> StoredStep {
        let told = &step.publication;
        let is_empty = told.posts.is_empty() && told.findings.is_empty();
        let mut publication = match &self.last {
            Some(last) if is_empty => last.said.publication.clone(),
            _ => told.clone(),
        };
        // The host says what is missing where the provider called it a failure.
        if let Some(error) = &decision.missing {
            publication.findings.push(Finding {
                severity: Severity::Error,
                subject: "post".to_owned(),
                message: error.message.clone(),
                remedy: error.remedy.clone(),
                code: error.code.clone(),
                details: Details::new(),
            });
        }
        StoredStep { state: step.state.clone(), said: Said { idempotent: decision.idempotent, publication } }
    }

    /// Stores durably that the next call must not be repeated blindly.
    pub(super) async fn record_intent(&mut self) -> Result<bool> {
        let update = JobUpdate { interrupted: true, non_idempotent_begun: true, ..self.as_it_stands() };
        let now = self.publisher.clock.now_ms();
        let held = self.publisher.store.store_step(&self.row.id, &self.lease, &update, now).await?;
        if let Some(signals) = held {
            self.note_seen(signals);
            if signals.cancel_requested {
                self.note_cancel();
            }
        }
        self.intent_recorded = held.is_some();
        Ok(self.intent_recorded)
    }

    /// Gives the job back. An intent whose call was never made is withdrawn.
    pub(super) async fn hand_back(self) -> Result<Outcome> {
        let update = JobUpdate { release: true, ..self.as_it_stands() };
        self.publisher
            .store
            .store_step(&self.row.id, &self.lease, &update, self.publisher.clock.now_ms())
            .await?;
        Ok(Outcome::Yielded)
    }

    fn as_it_stands(&self) -> JobUpdate {
        let row = &self.row;
        JobUpdate {
            digest: row.digest.clone(),
            send_back: false,
            state: None,
            reference: None,
            non_idempotent: row.non_idempotent,
            interrupted: row.interrupted,
            non_idempotent_begun: row.non_idempotent_begun,
            status: row.status,
            phase: row.phase.clone(),
            bytes_sent: row.bytes_sent,
            bytes_total: row.bytes_total,
            wake_at: row.wake_at,
            attempts: row.attempts,
            post_id: None,
            url: None,
            error: row.error.clone(),
            event_taken: None,
            cancel_answered: false,
            release: false,
            quotas: None,
            asked_at: None,
            history: None,
        }
    }
}
