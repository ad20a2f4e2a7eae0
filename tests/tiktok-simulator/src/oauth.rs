//! The token endpoint and revoke: flat responses, single-use codes and refresh tokens, hex PKCE
//! (contract sections 3.2, 4-7).

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use crate::call::{Call, Notes};
use crate::envelope::Reply;
use crate::log::RefreshUse;
use crate::platform::Platform;
use crate::state::{AccessToken, Dead, Grant, RefreshToken, State};
use crate::switches::TokenProfile;
use crate::world::{App, Stage};

const MALFORMED: &str = "The request parameters are malformed.";
const PKCE_TEXT: &str = "Code verifier or code challenge is invalid.";

/// `POST /v2/oauth/token/`
pub(crate) fn token(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    let form = form(state, call, notes)?;
    let app = client(state, &form, notes)?;
    match form.get("grant_type").map(String::as_str) {
        Some("authorization_code") => exchange(state, call, notes, &form, &app),
        Some("refresh_token") => refresh(state, call, notes, &form, &app),
        Some(other) => {
            let text = format!("grant_type {other} is not one of authorization_code, refresh_token");
            Err(failure(state, "unsupported_grant_type", "Unsupported grant type.", "7", &text))
        }
        None => Err(failure(state, "invalid_request", MALFORMED, "4", "grant_type is missing")),
    }
}

/// `POST /v2/oauth/revoke/`
pub(crate) fn revoke(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    let form = form(state, call, notes)?;
    let app = client(state, &form, notes)?;
    let token = match form.get("token") {
        Some(token) if !token.is_empty() => token,
        _ => return Err(failure(state, "invalid_request", MALFORMED, "6", "token is missing")),
    };
    if token.starts_with("rft.") {
        let text = "revoke wants the access token; a refresh token was sent";
        return Err(failure(state, "invalid_request", MALFORMED, "6", text));
    }
    let Some(access) = state.access.get(token) else {
        return Err(failure(state, "invalid_request", MALFORMED, "6", "the token is unknown"));
    };
    let index = access.grant;
    let expired = call.now_ms >= access.expires_ms && !state.world.switches.revoke_accepts_expired;
    let revoked = access.revoked;
    let theirs = state.grants.get(index).is_none_or(|grant| grant.client_key != app.client_key);
    notes.account = state.grants.get(index).map(|grant| grant.username.clone());
    if theirs {
        let text = "the token belongs to another app";
        return Err(failure(state, "invalid_grant", "Token is invalid.", "6", text));
    }
    if expired || revoked {
        let text = if expired { "the access token has expired; refresh first" } else { "already revoked" };
        return Err(failure(state, "invalid_request", MALFORMED, "6", text));
    }
    let reason = state.world.switches.webhook_on_revoke.then_some(5);
    state.end_grant(index, reason, call.now_ms);
    state.counts.revoked += 1;
    notes.effect = true;
    Ok(if state.world.switches.revoke_answers_object { Reply::flat(json!({})) } else { Reply::nothing(200) })
}

fn failure(state: &State, error: &'static str, description: &str, rule: &str, text: &str) -> Reply {
    Reply::oauth(state.world.switches.oauth_error_status, error, description, rule, text)
}

fn form(state: &State, call: &Call, notes: &mut Notes) -> Result<HashMap<String, String>, Reply> {
    if !call.is_form() {
        let text = format!(
            "Content-Type must be application/x-www-form-urlencoded, it is {}",
            call.header("content-type").unwrap_or("absent")
        );
        return Err(failure(state, "invalid_request", MALFORMED, "1.3, trap 6", &text));
    }
    if call.header("authorization").is_some() {
        notes.finding("1.3", "the token endpoint takes no Authorization header");
    }
    if !call.query.is_empty() {
        notes.finding("1.3", "parameters of the token endpoint belong in the body; the query is ignored");
    }
    let mut form = HashMap::new();
    for (key, value) in form_urlencoded::parse(&call.body) {
        if form.insert(key.to_string(), value.to_string()).is_some() {
            let text = format!("{key} is given twice");
            return Err(failure(state, "invalid_request", MALFORMED, "7", &text));
        }
    }
    Ok(form)
}

fn client(state: &State, form: &HashMap<String, String>, notes: &mut Notes) -> Result<App, Reply> {
    let given = |name: &str| form.get(name).filter(|value| !value.is_empty());
    let Some(key) = given("client_key") else {
        let (rule, text) = if form.contains_key("client_id") {
            ("trap 6", "the parameter is client_key, never client_id")
        } else {
            ("4", "client_key is missing")
        };
        return Err(failure(state, "invalid_request", MALFORMED, rule, text));
    };
    let Some(app) = state.world.app(key) else {
        let text = "no app has this client_key";
        return Err(failure(state, "invalid_client", "Client key or secret is incorrect.", "7", text));
    };
    notes.client_key = Some(app.client_key.clone());
    let Some(secret) = given("client_secret") else {
        let (description, text) = ("Client secret is missed in request.", "client_secret is missing");
        return Err(failure(state, "invalid_request", description, "4", text));
    };
    if *secret != app.client_secret.0 {
        let other = state.world.apps.iter().find(|other| other.client_secret.0 == *secret);
        let text = match other {
            Some(other) => format!("this is the secret of {}", other.client_key),
            None => "the client_secret is wrong".to_string(),
        };
        let description = "Client key or secret is incorrect.";
        return Err(failure(state, "invalid_client", description, "7, trap 50", &text));
    }
    if app.stage == Stage::Unapproved {
        let text = "a production app that is not approved has no API access";
        return Err(failure(state, "unauthorized_client", "Unauthorized client.", "13.1", text));
    }
    Ok(app.clone())
}

fn exchange(
    state: &mut State,
    call: &Call,
    notes: &mut Notes,
    form: &HashMap<String, String>,
    app: &App,
) -> Result<Reply, Reply> {
    let missing = |state: &State, name: &str| {
        failure(state, "invalid_request", MALFORMED, "4", &format!("{name} is missing"))
    };
    let Some(value) = form.get("code").filter(|code| !code.is_empty()) else {
        return Err(missing(state, "code"));
    };
    let Some(redirect_uri) = form.get("redirect_uri").filter(|uri| !uri.is_empty()) else {
        return Err(missing(state, "redirect_uri"));
    };
    let Some(code) = state.codes.get(value) else {
        let decoded: String = url::form_urlencoded::parse(format!("code={value}").as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default();
        let (rule, text) = if state.codes.contains_key(&decoded) {
            ("3.3, trap 14", "the code was not URL-decoded; decode it exactly once")
        } else {
            ("7", "the code is unknown")
        };
        return Err(failure(state, "invalid_grant", "Authorization code is invalid.", rule, text));
    };
    notes.account = Some(code.username.clone());
    if code.client_key != app.client_key {
        let text = format!("the code was issued to {}", code.client_key);
        return Err(failure(state, "invalid_grant", "Authorization code is invalid.", "7", &text));
    }
    if code.used {
        let text = "the code has been used; it is single use";
        return Err(failure(state, "invalid_grant", "Authorization code is expired.", "4", text));
    }
    if call.now_ms >= code.issued_ms + i64::from(state.world.switches.code_life_seconds) * 1000 {
        let text = "the code has expired";
        return Err(failure(state, "invalid_grant", "Authorization code is expired.", "4", text));
    }
    if code.redirect_uri != *redirect_uri {
        let description = "Redirect_uri is not matched with the uri when requesting code.";
        let text = format!("redirect_uri must be {}, byte for byte", code.redirect_uri);
        return Err(failure(state, "invalid_request", description, "3.1, trap 15", &text));
    }
    if let Err((rule, text)) =
        pkce(Platform::of(redirect_uri), code.challenge.as_deref(), form.get("code_verifier"))
    {
        return Err(failure(state, "invalid_request", PKCE_TEXT, rule, text));
    }
    let (username, scopes) = (code.username.clone(), code.scopes.clone());
    if let Some(code) = state.codes.get_mut(value) {
        code.used = true;
    }
    state.counts.codes_exchanged += 1;
    notes.effect = true;
    Ok(Reply::flat(consented(state, &app.client_key, username, scopes, call.now_ms))
        .header("cache-control", "no-store".into()))
}

/// The tokens of a new consent of an account to an app.
pub(crate) fn consented(
    state: &mut State,
    client_key: &str,
    username: String,
    scopes: BTreeSet<String>,
    now_ms: i64,
) -> Value {
    let open_id = State::open_id(client_key, &username);
    let index = if let Some(index) = state.grant_of(client_key, &username) {
        if let Some(grant) = state.grants.get_mut(index) {
            grant.scopes.clone_from(&scopes);
            grant.consented_ms = now_ms;
            grant.alive = true;
        }
        index
    } else {
        state.grants.push(Grant {
            client_key: client_key.to_owned(),
            username,
            open_id: open_id.clone(),
            scopes: scopes.clone(),
            consented_ms: now_ms,
            alive: true,
        });
        state.grants.len() - 1
    };
    issue(state, index, &open_id, scopes, Rotation::First, now_ms)
}

/// `Err` has rule and reason.
fn pkce(
    platform: Platform,
    challenge: Option<&str>,
    verifier: Option<&String>,
) -> Result<(), (&'static str, &'static str)> {
    let Some(challenge) = challenge else {
        // A web client that sends a verifier without a challenge is tolerated (3.2).
        return Ok(());
    };
    let Some(verifier) = verifier else {
        let text = match platform {
            Platform::Desktop => "code_verifier is missing; desktop apps must send it",
            Platform::Web => "a code_challenge was sent to the authorize page, so code_verifier is needed",
        };
        return Err(("3.2", text));
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(allowed) {
        return Err(("3.2", "code_verifier must be 43 to 128 characters out of A-Z a-z 0-9 - . _ ~"));
    }
    let hash = hex::encode(Sha256::digest(verifier.as_bytes()));
    if hash == challenge {
        return Ok(());
    }
    if challenge == verifier {
        return Err(("3.2", "the verifier was sent as challenge (TikTok's sample code has this bug)"));
    }
    if challenge.len() != 64 {
        return Err(("3.2, trap 5", "the challenge must be the lower-case hex SHA-256, not base64url"));
    }
    if challenge.eq_ignore_ascii_case(&hash) {
        return Err(("3.2", "the challenge must be lower-case hex"));
    }
    Err(("3.2", "the verifier does not belong to the challenge"))
}

fn refresh(
    state: &mut State,
    call: &Call,
    notes: &mut Notes,
    form: &HashMap<String, String>,
    app: &App,
) -> Result<Reply, Reply> {
    // Known only from other people's test doubles (section 7).
    const DEAD: &str = "Refresh token is invalid or expired.";
    let Some(value) = form.get("refresh_token").filter(|token| !token.is_empty()) else {
        return Err(failure(state, "invalid_request", MALFORMED, "5", "refresh_token is missing"));
    };
    if form.contains_key("redirect_uri") {
        notes.finding("5", "redirect_uri is not sent with a refresh");
    }
    let Some(token) = state.refresh.get(value) else {
        let text = if value.starts_with("act.") {
            "an access token was sent"
        } else {
            "the refresh token is unknown"
        };
        return Err(failure(state, "invalid_grant", DEAD, "5", text));
    };
    let (index, dead, first_ms) = (token.grant, token.dead, token.first_ms);
    notes.refresh = Some(RefreshUse {
        fingerprint: hex::encode(Sha256::digest(value.as_bytes()).get(..8).unwrap_or_default()),
        was_rotated: matches!(dead, Some(Dead::Rotated)),
    });
    let expires_ms = token.expires_ms;
    let Some(grant) = state.grants.get(index) else {
        return Err(failure(state, "invalid_grant", DEAD, "5", "the refresh token is unknown"));
    };
    notes.account = Some(grant.username.clone());
    let open_id = grant.open_id.clone();
    let scopes: BTreeSet<String> = token.scopes.intersection(&grant.scopes).cloned().collect();
    if grant.client_key != app.client_key {
        let text = format!("the refresh token belongs to {}", grant.client_key);
        return Err(failure(state, "invalid_grant", DEAD, "7", &text));
    }
    match dead {
        Some(Dead::Rotated) => {
            state.counts.refreshed_with_rotated_token += 1;
            if state.world.switches.reuse_ends_grant {
                state.end_grant(index, None, call.now_ms);
                notes.effect = true;
            }
            let text = "this refresh token was replaced by a newer one; it is single use";
            return Err(failure(state, "invalid_grant", DEAD, "0.3, traps 2 and 3", text));
        }
        Some(Dead::Revoked) => {
            return Err(failure(state, "invalid_grant", DEAD, "6", "the grant was removed or revoked"));
        }
        None => {}
    }
    if call.now_ms >= expires_ms {
        let text = "the refresh token has expired; its life is what refresh_expires_in said";
        return Err(failure(state, "invalid_grant", DEAD, "0.3", text));
    }
    let rotate =
        state.world.switches.token_profile == TokenProfile::Current || state.world.switches.legacy_rotates;
    let rotation = if rotate {
        if let Some(token) = state.refresh.get_mut(value) {
            token.dead = Some(Dead::Rotated);
        }
        Rotation::New { first_ms }
    } else {
        Rotation::Keep { token: value.clone(), expires_ms }
    };
    state.counts.refreshed += 1;
    notes.effect = true;
    Ok(Reply::flat(issue(state, index, &open_id, scopes, rotation, call.now_ms))
        .header("cache-control", "no-store".into()))
}

enum Rotation {
    First,
    New { first_ms: i64 },
    Keep { token: String, expires_ms: i64 },
}

fn issue(
    state: &mut State,
    grant: usize,
    open_id: &str,
    scopes: BTreeSet<String>,
    rotation: Rotation,
    now_ms: i64,
) -> Value {
    const HOUR_MS: i64 = 3_600_000;
    const DAY_MS: i64 = 24 * HOUR_MS;
    let (access_ms, refresh_ms) = match state.world.switches.token_profile {
        TokenProfile::Current => (2 * HOUR_MS, 180 * DAY_MS),
        TokenProfile::Legacy => (DAY_MS, 365 * DAY_MS),
    };
    let restarts = state.world.switches.token_profile == TokenProfile::Current
        && state.world.switches.refresh_restarts_term;
    let (refresh_token, refresh_expires_ms) = match rotation {
        Rotation::Keep { token, expires_ms } => (token, expires_ms),
        other => {
            let first_ms = match other {
                Rotation::New { first_ms } => first_ms,
                _ => now_ms,
            };
            let expires_ms = if restarts { now_ms } else { first_ms } + refresh_ms;
            let token = format!("rft.{}!{}", state.random.text(56), state.random.below(9000) + 1000);
            let scopes = scopes.clone();
            state
                .refresh
                .insert(token.clone(), RefreshToken { grant, scopes, expires_ms, first_ms, dead: None });
            (token, expires_ms)
        }
    };
    let access_token = format!("act.{}!{}", state.random.text(56), state.random.below(9000) + 1000);
    let mut words: Vec<String> = scopes.iter().cloned().collect();
    // The order is not stable at TikTok (section 2, trap 11).
    state.random.shuffle(&mut words);
    let expires_ms = now_ms + access_ms;
    state.access.insert(access_token.clone(), AccessToken { grant, scopes, expires_ms, revoked: false });
    json!({
        "access_token": access_token,
        "expires_in": access_ms / 1000,
        "open_id": open_id,
        "refresh_expires_in": (refresh_expires_ms - now_ms) / 1000,
        "refresh_token": refresh_token,
        "scope": words.join(","),
        "token_type": "Bearer",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkce_is_hex() {
        // The contract's test vector (3.2).
        let verifier = "Simulator-verifier_0123456789.abcdefghij~KLMNOPQRST".to_string();
        let right = "fa5767f4fcf0b0a824efdb01a8e9f2c90d5362ce59d6930a1ac27b57a356e474";
        let base64url = "-ldn9PzwsKgk79sBqOnyyQ1TYs5Z1pMKGsJ7V6NW5HQ";
        let desktop = Platform::Desktop;
        assert_eq!(pkce(desktop, Some(right), Some(&verifier)), Ok(()));
        assert_eq!(pkce(desktop, Some(base64url), Some(&verifier)).unwrap_err().0, "3.2, trap 5");
        assert!(pkce(desktop, Some(right), None).is_err());
        assert!(pkce(desktop, Some(&right.to_uppercase()), Some(&verifier)).is_err());
        assert!(pkce(desktop, Some(&verifier), Some(&verifier)).is_err());
        assert_eq!(pkce(Platform::Web, None, Some(&verifier)), Ok(()));
    }
}
