//! Before something is sent: what does the account offer now, and is an allowance left?
//!
//! A person chose from a form, and agreed to its words, when the job was made. Hours later the account may
//! offer less, or the platform may want other words. Then the job stops and asks. Nobody is asked about a job
//! that begins at once: the provider judges it, and who made it is still there.

use super::decide::{Decision, asks, holds};
use super::drive::{Work, spread};
use super::*;
use crate::accounts::Operation;
use crate::model::{Condition, Consequence, FormField, OptionValue, Post, PublishForm, Quota, Restriction};
use crate::provider::Provider;

/// A form is good for this long; choices older than this are compared with a new one.
const FRESH_MS: i64 = 5 * 60_000;

/// What asking came to.
pub(super) enum Asked {
    GoOn,
    Hold(Box<Decision>),
    /// Somebody wants something else.
    Dropped,
}

impl Work {
    /// Asks for the account's form before the first step, and again after a pause, until something may have
    /// been posted.
    pub(super) async fn ask_first(&mut self, provider: &Provider) -> Asked {
        let now = self.inner.clock.now_ms();
        let is_fresh = self.row.asked_at.is_some_and(|at| (at..at + FRESH_MS).contains(&now));
        // Without a state the step of this process has not been stored: one more look costs little.
        if self.row.once_begun || self.row.once || self.row.status.has_ended() {
            return Asked::GoOn;
        }
        if is_fresh && self.row.state.is_some() {
            return Asked::GoOn;
        }
        let before = std::mem::replace(&mut self.asked, "publish_form");
        let operation: Arc<Operation<'static, PublishForm>> = Arc::new(|provider, context, account| {
            Box::pin(async move { provider.get_publish_form(context, &account).await })
        });
        let form = match self.make(provider, operation).await {
            Ok(None) => return Asked::Dropped,
            Ok(Some(Ok(form))) => form,
            Ok(Some(Err(error))) | Err(error) => {
                return match holds(self.position(), &error, spread()) {
                    Some(decision) => Asked::Hold(Box::new(decision)),
                    // What it cannot say, the next call will.
                    None => {
                        self.asked = before;
                        Asked::GoOn
                    }
                };
            }
        };
        self.form = to_json(&form.quotas).ok().map(|quotas| (quotas, now));
        if now.saturating_sub(self.row.created_at) >= FRESH_MS {
            let consent = self.row.consent.as_deref().and_then(|text| serde_json::from_str(text).ok());
            if let Some(question) = question(&form, &self.request.post, consent.as_ref()) {
                return Asked::Hold(Box::new(asks(self.position(), &question)));
            }
        }
        if !self.row.forced
            && let Some(error) = used_up(&form.quotas, now)
            && let Some(decision) = holds(self.position(), &error, spread())
        {
            return Asked::Hold(Box::new(decision));
        }
        self.asked = before;
        Asked::GoOn
    }
}

/// The allowance that holds the account longest. One that does not say when it starts anew holds nobody: the
/// platform will.
fn used_up(quotas: &[Quota], now_ms: i64) -> Option<Error> {
    let now = u64::try_from(now_ms / 1000).unwrap_or_default();
    let used_up = |quota: &&Quota| quota.used >= quota.maximum && quota.resets_at.is_some_and(|at| at > now);
    let quota = quotas.iter().filter(used_up).max_by_key(|quota| quota.resets_at)?;
    let wait = quota.resets_at?.saturating_sub(now);
    Some(
        Error::new(
            ErrorKind::QuotaExceeded,
            format!("the allowance {} is used up ({} of {})", quota.name, quota.used, quota.maximum),
        )
        .with_code(quota.name.clone())
        .with_remedy("it goes on by itself; to try at once all the same, resume it")
        .with_retry_after(Duration::from_secs(wait)),
    )
}

/// What the person must answer before this post may be sent: a choice that is no longer offered, or words that
/// nobody agreed to yet.
fn question(form: &PublishForm, post: &Post, consent: Option<&BTreeMap<String, String>>) -> Option<Error> {
    if !form.kinds.iter().any(|kind| kind.name == post.kind) {
        let offered = form.kinds.iter().map(|kind| kind.name.as_str());
        return Some(no_longer("kind", &post.kind, offered));
    }
    let fields: Vec<&FormField> =
        form.fields.iter().filter(|field| field.applies_to.contains(&post.kind)).collect();
    for (name, value) in chosen(post) {
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            return Some(no_longer(&name, &value, std::iter::empty()));
        };
        if field.kind == "choice" && !field.choices.iter().any(|choice| choice.value == value) {
            let offered = field.choices.iter().map(|choice| choice.value.as_str());
            return Some(no_longer(&name, &value, offered));
        }
    }
    let mut notices = Vec::new();
    for rule in form.rules.iter().filter(|rule| rule.conditions.iter().all(|one| holds_for(one, post))) {
        match &rule.consequence {
            Consequence::Block(why) => return Some(asked(why.clone(), "kind")),
            Consequence::Disable(restriction) if is_chosen(restriction, post) => {
                return Some(asked(restriction.because.clone(), &restriction.field));
            }
            Consequence::Notice(notice) if notice.field.is_none() => notices.push(notice.text.as_str()),
            Consequence::Disable(_) | Consequence::Notice(_) | Consequence::Hide(_) => {}
        }
    }
    let words = consent?.get("words")?;
    let missing = notices.into_iter().find(|notice| !words.contains(notice))?;
    Some(asked(format!("the platform now wants agreement to other words: {missing}"), "consent"))
}

fn no_longer<'a>(field: &str, value: &str, offered: impl Iterator<Item = &'a str>) -> Error {
    let offered: Vec<&str> = offered.collect();
    let instead =
        if offered.is_empty() { String::new() } else { format!("; offered are {}", offered.join(", ")) };
    asked(format!("the account no longer offers {field} {value}{instead}"), field)
}

fn asked(message: String, field: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
        .with_field(field)
        .with_remedy("nothing was posted: open the form again and change the job, or cancel it")
}

/// Fields with a value that a rule or a list of choices can speak of, as conditions read them.
fn chosen(post: &Post) -> Vec<(String, String)> {
    let mut chosen: Vec<(String, String)> = Vec::new();
    if let Some(visibility) = &post.visibility {
        chosen.push(("visibility".to_owned(), visibility.clone()));
    }
    for (name, value) in &post.options {
        match value {
            OptionValue::Flag(false) => {}
            OptionValue::Texts(texts) if texts.is_empty() => {}
            OptionValue::Text(text) if text.is_empty() => {}
            value => chosen.push((name.clone(), read(value))),
        }
    }
    chosen
}

fn read(value: &OptionValue) -> String {
    match value {
        OptionValue::Flag(flag) => flag.to_string(),
        OptionValue::Number(number) => number.to_string(),
        OptionValue::Text(text) => text.clone(),
        OptionValue::Texts(texts) => texts.join(", "),
    }
}

fn value_of(field: &str, post: &Post) -> Option<String> {
    match field {
        "kind" => Some(post.kind.clone()),
        "title" => post.title.clone(),
        "text" => post.text.clone(),
        "visibility" => post.visibility.clone(),
        option => post.options.get(option).map(read),
    }
}

fn holds_for(condition: &Condition, post: &Post) -> bool {
    let value = value_of(&condition.field, post);
    match value {
        Some(value) => condition.values.contains(&value),
        // A flag without a value reads `false`, any other field the empty text.
        None => condition.values.iter().any(|value| value.is_empty() || value == "false"),
    }
}

fn is_chosen(restriction: &Restriction, post: &Post) -> bool {
    let value = chosen(post).into_iter().find(|(name, _)| *name == restriction.field).map(|(_, value)| value);
    match (&restriction.choice, value) {
        (Some(choice), Some(value)) => *choice == value,
        (None, Some(_)) => true,
        (_, None) => false,
    }
}
