//! The forms that were asked for last, each good for some minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use social_channel_runtime::model::PublishForm;

use crate::store::AccountRow;

/// A form is good for this long; choices older than this are compared with a new one.
pub(super) const FRESH_MS: i64 = 5 * 60_000;
/// Channels whose form is remembered. It saves requests of those that publish much; a form has some 10 kB.
const REMEMBERED: usize = 256;

/// The forms that were asked for last: a hundred posts scheduled at once ask once. Platforms count these questions
/// (TikTok: 20 a minute).
#[derive(Default)]
pub(super) struct Forms(Mutex<HashMap<String, Remembered>>);

struct Remembered {
    at: i64,
    /// Of the account's credentials and of the app: after a reconnect or a change of settings the form is asked for again.
    revisions: (i64, i64),
    form: Arc<PublishForm>,
}

impl Forms {
    pub(super) fn get(&self, account: &AccountRow, now: i64) -> Option<Arc<PublishForm>> {
        let forms = self.0.lock().ok()?;
        let kept = forms.get(&account.channel)?;
        let is_good = kept.is_fresh(now) && kept.revisions == revisions(account);
        is_good.then(|| kept.form.clone())
    }

    /// The last one, however old: good for its words.
    pub(super) fn last(&self, channel: &str) -> Option<Arc<PublishForm>> {
        self.0.lock().ok()?.get(channel).map(|kept| kept.form.clone())
    }

    pub(super) fn keep(&self, account: &AccountRow, form: Arc<PublishForm>, now: i64) {
        let Ok(mut forms) = self.0.lock() else { return };
        if forms.len() >= REMEMBERED {
            forms.retain(|_, kept| kept.is_fresh(now));
        }
        if forms.len() < REMEMBERED || forms.contains_key(&account.channel) {
            forms
                .insert(account.channel.clone(), Remembered { at: now, revisions: revisions(account), form });
        }
    }
}

impl Remembered {
    fn is_fresh(&self, now: i64) -> bool {
        (self.at..self.at.saturating_add(FRESH_MS)).contains(&now)
    }
}

fn revisions(account: &AccountRow) -> (i64, i64) {
    (account.credentials_revision, account.app_revision)
}
