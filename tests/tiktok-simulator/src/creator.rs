//! Creator info and the posting caps it shares with init (contract 9.1, 13.2, 13.3).

use std::collections::BTreeSet;

use serde_json::json;

use crate::auth::{need_scope, session, take};
use crate::call::{Call, Notes};
use crate::display::AVATAR_LIFE_MS;
use crate::envelope::Reply;
use crate::post::HOUR_MS;
use crate::state::{Session, State};
use crate::world::Stage;

/// `POST /v2/post/publish/creator_info/query/`
pub(crate) fn query(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    let session = session(state, call, notes)?;
    need_scope(&session, "video.publish")?;
    take(state, "/v2/post/publish/creator_info/query/", &session.token, 20, call)?;
    let body = call.json(state, true)?;
    if !body.is_empty() {
        notes.finding("9.1", "the body of this call is empty");
    }
    notes.refuse_if_asked(state)?;
    // Intentionally with status 200 (D-CI).
    may_post(state, &session, call.now_ms).map_err(|reply| reply.with_status(200))?;
    let Some(account) = state.world.account(&session.username) else {
        return Err(Reply::v2("internal_error", "9.1", "the account is gone"));
    };
    Ok(Reply::data(json!({
        "creator_avatar_url": state.media_url("avatar-168", &account.username, call.now_ms, AVATAR_LIFE_MS),
        "creator_username": account.username,
        "creator_nickname": account.display_name,
        "privacy_level_options": privacy_options(state, &session),
        "comment_disabled": account.comment_disabled,
        "duet_disabled": account.duet_disabled || account.private,
        "stitch_disabled": account.stitch_disabled || account.private,
        "max_video_post_duration_sec": account.max_video_seconds,
    })))
}

/// By the account's privacy, not by the app's audit (9.1), unless a switch says otherwise.
pub(crate) fn privacy_options(state: &State, session: &Session) -> Vec<&'static str> {
    let unaudited = state.world.app(&session.client_key).is_none_or(|app| app.stage != Stage::Audited);
    if unaudited && state.world.switches.unaudited_options_self_only {
        return vec!["SELF_ONLY"];
    }
    match state.world.account(&session.username) {
        Some(account) if !account.private => vec!["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"],
        _ => vec!["FOLLOWER_OF_CREATOR", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"],
    }
}

/// Banned, daily cap of the creator, daily cap of the app, in this order (section 19).
pub(crate) fn may_post(state: &State, session: &Session, now_ms: i64) -> Result<(), Reply> {
    let day_ago = now_ms - 24 * HOUR_MS;
    let (Some(account), Some(app)) =
        (state.world.account(&session.username), state.world.app(&session.client_key))
    else {
        return Err(Reply::v2("internal_error", "9.1", "the account or the app is gone"));
    };
    let name = &account.username;
    if account.banned {
        let text = format!("{name} is banned from posting");
        return Err(Reply::v2("spam_risk_user_banned_from_posting", "9.1", text));
    }
    // Drafts have a separate cap (10A).
    let recent = || state.publishes.values().filter(|publish| !publish.draft && publish.created_ms > day_ago);
    let posted = recent().filter(|publish| publish.username == *name).count();
    let cap = usize::try_from(account.daily_post_cap).unwrap_or(usize::MAX);
    if posted >= cap {
        let text = format!("{name} has made {posted} of {cap} posts in 24 hours, all apps together");
        return Err(Reply::v2("spam_risk_too_many_posts", "13.3", text));
    }
    if let Some(cap) = app.active_user_cap() {
        let active: BTreeSet<&str> = recent()
            .filter(|publish| publish.client_key == app.client_key)
            .map(|publish| publish.username.as_str())
            .collect();
        if !active.contains(name.as_str()) && active.len() >= cap {
            let text = format!("{cap} other users have posted through {} in 24 hours", app.client_key);
            return Err(Reply::v2("reached_active_user_cap", "13.3, trap 41", text));
        }
    }
    Ok(())
}
