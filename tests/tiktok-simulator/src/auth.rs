//! The bearer check of the v2 endpoints, scopes, and the windows per token.

use crate::call::{Call, Notes};
use crate::envelope::Reply;
use crate::state::{Session, State};

/// One minute, the window of every documented rate limit.
const MINUTE_MS: i64 = 60_000;

/// The session of the caller, by `Authorization: Bearer`.
pub(crate) fn session(state: &State, call: &Call, notes: &mut Notes) -> Result<Session, Reply> {
    let invalid = |text: &str| Reply::v2("access_token_invalid", "1.3", text);
    let Some(header) = call.header("authorization") else {
        return Err(invalid("there is no Authorization header"));
    };
    let Some(token) = header.strip_prefix("Bearer ") else {
        return Err(invalid("Authorization must be `Bearer` and the access token"));
    };
    if token.starts_with("rft.") {
        return Err(invalid("a refresh token was sent as access token"));
    }
    let session = state.session(token, call.now_ms).map_err(|text| {
        let rule = if text.contains("expired") { "0.3, trap 1" } else { "7.1" };
        Reply::v2("access_token_invalid", rule, text)
    })?;
    notes.account = Some(session.username.clone());
    notes.client_key = Some(session.client_key.clone());
    if state.world.account(&session.username).is_none() || state.world.app(&session.client_key).is_none() {
        return Err(invalid("the account or the app has been taken out of the world"));
    }
    Ok(session)
}

/// The scope for a whole endpoint (video list, posting).
pub(crate) fn need_scope(session: &Session, scope: &str) -> Result<(), Reply> {
    need_one_of(session, &[scope])
}

/// For endpoints that accept any one of several scopes.
pub(crate) fn need_one_of(session: &Session, scopes: &[&str]) -> Result<(), Reply> {
    if scopes.iter().any(|scope| session.scopes.contains(*scope)) {
        return Ok(());
    }
    let text = format!("the grant of {} lacks {}", session.username, scopes.join(" or "));
    Err(Reply::v2("scope_not_authorized", "2, trap 12", text))
}

/// Counts a call against a per-minute limit.
pub(crate) fn take(
    state: &mut State,
    endpoint: &str,
    key: &str,
    most: u32,
    call: &Call,
) -> Result<(), Reply> {
    let divisor = state.world.switches.rate_limit_divisor;
    if divisor == 0 {
        return Ok(());
    }
    let most = usize::try_from((most / divisor).max(1)).unwrap_or(1);
    let taken = state.limits.take(&format!("{endpoint} {key}"), call.now_ms, most, MINUTE_MS);
    taken.map_err(|wait_ms| over(state, &format!("{endpoint} takes {most} calls a minute"), wait_ms))
}

pub(crate) fn over(state: &State, text: &str, wait_ms: i64) -> Reply {
    let reply = Reply::v2("rate_limit_exceeded", "1.5", format!("{text}; the next fits in {wait_ms} ms"));
    if state.world.switches.retry_after {
        return reply.header("retry-after", (wait_ms / 1000 + 1).to_string());
    }
    reply
}
