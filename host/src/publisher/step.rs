//! What a call came to, stored: state, intent, status and lease in one small transaction under the fence.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::decide::{Decision, Then, marks};
use super::drive::{Laid, SHORT_WAIT, Work};
use super::*;
use crate::provider::{NextStep, PublishStep};
use crate::store::JobUpdate;

impl Work {
    /// Stores what a call came to. False: the lease is gone, and nothing was written.
    pub(super) async fn store(
        &mut self,
        decision: Decision,
        step: Option<PublishStep>,
        cancel_answered: bool,
    ) -> Result<bool> {
        let now = self.inner.clock.now_ms();
        let has_answered = step.is_some();
        let step = step.filter(|_| decision.take_step);
        let goes_on = matches!(decision.then, Then::Now)
            || matches!(decision.then, Then::After(wait) if wait <= SHORT_WAIT);
        let marks = marks(self.position(), &decision);
        let state = match &step {
            Some(step) => {
                let key = row_key(&self.tenant, &self.row.id);
                Some(self.inner.vault.seal(place(&key, "state"), step.state.expose())?)
            }
            None => None,
        };
        let publication = match step.as_ref().map(|step| &step.next) {
            Some(NextStep::Published { publication, .. }) => Some(publication.clone()),
            _ => None,
        };
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
            reference: step.as_ref().and_then(|step| step.reference.clone()),
            once: marks.once,
            interrupted: marks.interrupted,
            once_begun: marks.once_begun,
            status: decision.status,
            phase: step.as_ref().map_or_else(|| self.row.phase.clone(), |step| step.phase.clone()),
            bytes_sent: step.as_ref().map_or(self.row.bytes_sent, |step| signed(step.bytes_sent)),
            bytes_total: step.as_ref().map_or(self.row.bytes_total, |step| signed(step.bytes_total)),
            wake_at: match decision.then {
                Then::Now => Some(now),
                Then::After(_) if decision.status.has_ended() => later,
                // Who is not to be waited for any more: neither a platform nor a person.
                Then::After(_) => later.map(|at| at.min(self.deadline())),
                Then::Person => Some(self.deadline()),
                Then::Never => None,
            },
            attempts: decision.attempts,
            post_id: publication.as_ref().and_then(|publication| publication.post_id.clone()),
            url: publication.as_ref().and_then(|publication| publication.url.clone()),
            error: match error {
                Some(error) => Some(to_json(error)?),
                // An ended job keeps its reason until more is known.
                None if self.row.status.has_ended() && decision.status == self.row.status => {
                    self.row.error.clone()
                }
                None => None,
            },
            // A call that failed takes it again.
            event_taken: self.event.take().filter(|_| has_answered),
            cancel_answered,
            release: !goes_on,
            quotas,
            asked_at,
            history: Some(HistoryRow {
                at_ms: now,
                call: self.asked.to_owned(),
                phase: step.as_ref().map_or_else(|| self.row.phase.clone(), |step| step.phase.clone()),
                result: error
                    .map_or_else(|| decision.status.name().to_owned(), |error| error.kind.to_string()),
                message: error.map(|error| error.message.clone()),
                code: error.and_then(|error| error.code.clone()),
                trace_id: error.and_then(|error| error.trace_id.clone()),
            }),
            state,
        };
        let mut pause = Duration::from_millis(50);
        let held = loop {
            match self.inner.store.store_step(&self.row.id, &self.lease, &update, now).await {
                Ok(held) => break held,
                // The call has had its effect: only the loss of the lease ends the attempts to note it.
                Err(error) if !self.gate.is_lost() && pause < self.inner.takeover => {
                    tracing::error!(job = self.row.id, %error, "a step is not stored yet");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(error) => return Err(error),
            }
        };
        if let Some(signals) = held {
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
            }
            row.once = update.once;
            row.interrupted = marks.told;
            self.armed = marks.armed;
            row.status = update.status;
            row.phase = update.phase;
            row.bytes_sent = update.bytes_sent;
            row.bytes_total = update.bytes_total;
            row.attempts = update.attempts;
            row.wake_at = update.wake_at;
            row.error = update.error;
            row.sent_at = row.sent_at.or(update.once_begun.then_some(now));
            row.asked_at = update.asked_at.or(row.asked_at);
            self.driven.bytes_sent.store(row.bytes_sent.cast_unsigned(), Ordering::Relaxed);
            self.inner.note_job(&self.row.id);
        }
        Ok(held.is_some())
    }

    /// Notes for good that the coming call must not be repeated blindly.
    pub(super) async fn arm(&mut self) -> Result<bool> {
        let update = JobUpdate { interrupted: true, once_begun: true, ..self.as_it_stands() };
        let now = self.inner.clock.now_ms();
        let held = self.inner.store.store_step(&self.row.id, &self.lease, &update, now).await?;
        if held.is_some_and(|signals| signals.cancel_requested) {
            self.note_cancel();
        }
        self.armed = held.is_some();
        Ok(self.armed)
    }

    /// Gives the job back. An intent whose call was never made is taken back.
    pub(super) async fn hand_back(self) -> Result<Laid> {
        let update = JobUpdate { release: true, ..self.as_it_stands() };
        self.inner.store.store_step(&self.row.id, &self.lease, &update, self.inner.clock.now_ms()).await?;
        Ok(Laid::Away)
    }

    fn as_it_stands(&self) -> JobUpdate {
        let row = &self.row;
        JobUpdate {
            digest: row.digest.clone(),
            send_back: false,
            state: None,
            reference: None,
            once: row.once,
            interrupted: row.interrupted,
            once_begun: row.once_begun,
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
