//! Checks before something is sent: the account's current options, and its remaining allowances.
//!
//! A person filled in a form, and agreed to its words, when the job was created. Hours later the account may
//! offer fewer options, or the platform may require different words. Then the job pauses and asks. A job that
//! starts at once is not checked: the provider validates it, and its creator is still present.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use social_channel_runtime::Provider;
use social_channel_runtime::error::{Error, ErrorKind};
use social_channel_runtime::form::{self, Problem};
use social_channel_runtime::model::{Post, PublishForm, Quota};

use super::decide::{Decision, asks, holds};
use super::forms::FRESH_MS;
use super::job_run::{JobRun, spread};
use super::request::to_json;
use crate::account::Operation;

/// The result of the preflight.
pub(super) enum Verdict {
    Send,
    Hold(Box<Decision>),
    /// The call was dropped on a signal.
    Dropped,
}

impl JobRun {
    /// Requests the account's form before the first step, and again after a pause, until something may have
    /// been posted.
    pub(super) async fn preflight(&mut self, provider: &Provider) -> Verdict {
        let now = self.publisher.clock.now_ms();
        let is_fresh = self.row.asked_at.is_some_and(|at| (at..at + FRESH_MS).contains(&now));
        // Without a state, no step of this process is stored yet, and one more request is cheap.
        if self.row.non_idempotent_begun || self.row.non_idempotent || self.row.status.has_ended() {
            return Verdict::Send;
        }
        if is_fresh && self.row.state.is_some() {
            return Verdict::Send;
        }
        // The form was asked for when the job was stored, a moment ago: it took the post, and told the allowances.
        if is_fresh && self.row.asked_at == Some(self.row.created_at) {
            let quotas =
                self.row.quotas.as_deref().and_then(|text| serde_json::from_str::<Vec<Quota>>(text).ok());
            let Some(decision) = self.used_up(&quotas.unwrap_or_default(), now) else { return Verdict::Send };
            self.call_name = "publish_form";
            return Verdict::Hold(Box::new(decision));
        }
        let before = std::mem::replace(&mut self.call_name, "publish_form");
        let operation: Arc<Operation<'static, PublishForm>> = Arc::new(|provider, context, account| {
            Box::pin(async move { provider.get_publish_form(context, &account).await })
        });
        let form = match self.make(provider, operation).await {
            Ok(None) => return Verdict::Dropped,
            Ok(Some(Ok(form))) => form,
            Ok(Some(Err(error))) | Err(error) => {
                return match holds(self.position(), &error, spread()) {
                    Some(decision) => Verdict::Hold(Box::new(decision)),
                    // The next call will report what the form cannot.
                    None => {
                        self.call_name = before;
                        Verdict::Send
                    }
                };
            }
        };
        self.form = to_json(&form.quotas).ok().map(|quotas| (quotas, now));
        if now.saturating_sub(self.row.created_at) >= FRESH_MS {
            let consent = self.row.consent.as_deref().and_then(|text| serde_json::from_str(text).ok());
            if let Some(question) = question(&form, &self.request.post, consent.as_ref()) {
                return Verdict::Hold(Box::new(asks(self.position(), &question)));
            }
        }
        if let Some(decision) = self.used_up(&form.quotas, now) {
            return Verdict::Hold(Box::new(decision));
        }
        self.call_name = before;
        Verdict::Send
    }

    /// Holds the job where an allowance is used up, unless a person said to try all the same.
    fn used_up(&self, quotas: &[Quota], now: i64) -> Option<Decision> {
        let error = used_up(quotas, now).filter(|_| !self.row.forced)?;
        holds(self.position(), &error, spread())
    }
}

/// The allowance that blocks the account longest. An allowance without a reset time does not block, because the
/// platform will refuse the call; nor one that a post does not use up, because only the reads wait for it.
fn used_up(quotas: &[Quota], now_ms: i64) -> Option<Error> {
    let now = u64::try_from(now_ms / 1000).unwrap_or_default();
    let has_room = |quota: &Quota| match (quota.cost, quota.maximum) {
        (Some(cost), Some(maximum)) => quota.used.saturating_add(cost) <= maximum,
        _ => true,
    };
    let used_up = |quota: &&Quota| !has_room(quota) && quota.resets_at.is_some_and(|at| at > now);
    let quota = quotas.iter().filter(used_up).max_by_key(|quota| quota.resets_at)?;
    let wait = quota.resets_at?.saturating_sub(now);
    Some(
        Error::new(
            ErrorKind::QuotaExceeded,
            format!(
                "the allowance {} is used up ({} of {})",
                quota.name,
                quota.used,
                quota.maximum.unwrap_or_default()
            ),
        )
        .with_code(quota.name.clone())
        .with_remedy("the job continues automatically; to try at once anyway, resume it")
        .with_retry_after(Duration::from_secs(wait)),
    )
}

/// What the person must answer before this post may be sent: a choice that is no longer offered, or words that
/// nobody agreed to yet. Choices that were never valid are reported by the provider.
fn question(form: &PublishForm, post: &Post, consent: Option<&BTreeMap<String, String>>) -> Option<Error> {
    let judged = form::validate(form, post);
    let problem = judged.problems.iter().find(|problem| !matches!(problem, Problem::Missing { .. }));
    if let Some(problem) = problem {
        let message = match problem {
            Problem::NotOffered { .. } => format!("the account no longer offers {}", problem.said()),
            _ => problem.said(),
        };
        return Some(asked(message, problem.field()));
    }
    let words = consent?.get("words")?;
    let missing = judged.words.iter().find(|notice| !words.contains(notice.as_str()))?;
    Some(asked(format!("the platform now requires consent to different words: {missing}"), "consent"))
}

fn asked(message: String, field: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
        .with_field(field)
        .with_remedy("nothing was posted: open the form again and change the job, or cancel it")
}
