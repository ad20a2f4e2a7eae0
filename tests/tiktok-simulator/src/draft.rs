//! Drafts: posts in the user's inbox, which the user finishes in the app or not (contract 10A). Their bytes are
//! received in `upload` and `pull`; the parts of their init that are shared with direct posts are in `publish`.

use serde_json::json;

use crate::call::Notes;
use crate::envelope::Reply;
use crate::post::{HOUR_MS, Kind};
use crate::state::{Session, State};
use crate::switches::DraftEnd;

/// Unfinished drafts of an account in 24 hours. Counted over all apps, as the cap of direct posts is.
const MOST_PENDING: usize = 5;

/// `publish_type` in the webhooks of drafts; the only one that is documented (17.3).
pub(crate) const PUBLISH_TYPE: &str = "INBOX_SHARE";

/// Records that a request is about drafts, and refuses it if drafts are refused.
pub(crate) fn note(state: &State, notes: &mut Notes, text: &str) -> Result<(), Reply> {
    notes.violations.push(text.to_string());
    if state.world.switches.refuse_video_upload {
        let text = format!("{text}; drafts must never be used (switch refuse_video_upload)");
        return Err(Reply::v2("scope_not_authorized", "2, 19.13", text));
    }
    Ok(())
}

/// Whether an account may get one more draft. The audit of the app and the caps of direct posts do not matter.
pub(crate) fn may_send(state: &State, session: &Session, kind: Kind, now_ms: i64) -> Result<(), Reply> {
    let name = &session.username;
    if kind == Kind::Photo && state.world.switches.app_version_too_old {
        let text = format!("the TikTok app of {name} is older than 31.8 (switch app_version_too_old)");
        return Err(Reply::v2("app_version_check_failed", "10A, 12", text));
    }
    if state.world.account(name).is_some_and(|account| account.banned) {
        let text = format!("{name} is banned from posting");
        return Err(Reply::v2("spam_risk_user_banned_from_posting", "9.1", text));
    }
    let day_ago = now_ms - 24 * HOUR_MS;
    let pending = state
        .publishes
        .values()
        .filter(|publish| publish.draft && publish.username == *name && publish.created_ms > day_ago)
        .filter(|publish| publish.end.is_none() && !publish.deleted)
        .count();
    if pending >= MOST_PENDING {
        let text = format!(
            "{name} has {pending} drafts of the last 24 hours to finish, all apps together; at most {MOST_PENDING}"
        );
        return Err(Reply::v2("spam_risk_too_many_pending_share", "10A", text));
    }
    Ok(())
}

impl State {
    /// A draft has been processed: it is now in the inbox, and the user is notified.
    pub(crate) fn deliver(&mut self, id: &str, at_ms: i64) {
        let Some(publish) = self.publishes.get_mut(id) else { return };
        publish.inbox_ms = Some(at_ms);
        let (client_key, username) = (publish.client_key.clone(), publish.username.clone());
        self.open.remove(id);
        self.inbox.insert(id.to_string());
        let content = json!({ "publish_id": id, "publish_type": PUBLISH_TYPE });
        let open_id = State::open_id(&client_key, &username);
        self.send_event(&client_key, "post.publish.inbox_delivered", &open_id, &content, at_ms);
    }

    /// Performs the user's actions that are due.
    pub(crate) fn settle_inbox(&mut self, now_ms: i64) {
        let due: Vec<(String, i64)> = self.inbox_ends().filter(|(_, due)| now_ms >= *due).collect();
        let end = self.world.switches.draft_end;
        let privacy = self.world.switches.draft_privacy.clone();
        for (id, due) in due {
            if end == DraftEnd::Deleted {
                self.delete_draft(&id);
            } else {
                self.finish_draft(&id, &privacy, due);
            }
        }
    }

    /// Drafts in the inbox, and when the user finishes each.
    pub(crate) fn inbox_ends(&self) -> impl Iterator<Item = (String, i64)> {
        let switches = &self.world.switches;
        let wait = (switches.draft_end != DraftEnd::Never).then_some(i64::from(switches.draft_end_ms));
        self.inbox.iter().filter_map(move |id| {
            let arrived = self.publishes.get(id).and_then(|publish| publish.inbox_ms)?;
            Some((id.clone(), arrived + wait?))
        })
    }

    /// The user posts a draft with this privacy. Returns whether it was in the inbox.
    pub(crate) fn finish_draft(&mut self, id: &str, privacy: &str, at_ms: i64) -> bool {
        if !self.inbox.remove(id) {
            return false;
        }
        if let Some(publish) = self.publishes.get_mut(id) {
            let private = self.world.account(&publish.username).is_some_and(|account| account.private);
            // A private account cannot post publicly; followers are its widest audience.
            let privacy =
                if private && privacy == "PUBLIC_TO_EVERYONE" { "FOLLOWER_OF_CREATOR" } else { privacy };
            publish.privacy = privacy.to_string();
        }
        self.complete(id, at_ms);
        true
    }

    /// The user deletes a draft; the app is not notified, and its status stays. Returns whether it was in the
    /// inbox.
    pub(crate) fn delete_draft(&mut self, id: &str) -> bool {
        let was_there = self.inbox.remove(id);
        if let Some(publish) = self.publishes.get_mut(id).filter(|_| was_there) {
            publish.deleted = true;
        }
        was_there
    }
}
