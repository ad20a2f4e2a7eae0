//! The HTTP control API under `/_simulator/`, for tests in other processes, and the page at `/`.
//! Neither logged nor subject to faults.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::catalogue;
use crate::envelope::Reply;
use crate::faults::Fault;
use crate::inspect::inspect;
use crate::page;
use crate::publish::LEVELS;
use crate::reading;
use crate::rules;
use crate::server::Shared;
use crate::switches::Switches;
use crate::world::{Account, App};

pub(crate) fn is_ours(path: &str) -> bool {
    path == "/" || path == "/favicon.ico" || path.starts_with("/_simulator")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    #[serde(default)]
    seconds: u64,
    #[serde(default)]
    ms: u64,
}

/// How the user finishes a draft.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Finish {
    /// None: the value of the switch `draft_privacy`.
    privacy_level: Option<String>,
}

/// The longest single move of the clock: a hundred years, which exceeds every lifetime and avoids overflow.
const LONGEST_ADVANCE_SECONDS: u64 = 100 * 365 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantChange {
    client_key: String,
    account: String,
    /// Scopes that stay; for `shrink`.
    #[serde(default)]
    keep: Vec<String>,
    /// 0 to 5; for `remove`.
    #[serde(default)]
    reason: u8,
}

pub(crate) fn handle(shared: &Shared, call: &Call) -> Result<Reply, Reply> {
    let now_ms = shared.clock.now_ms();
    let done = || Ok(Reply::json(&json!({ "done": true })));
    let to_value = |value: Result<Value, serde_json::Error>| match value {
        Ok(value) => Ok(Reply::json(&value)),
        Err(error) => Err(wrong(500, &error.to_string())),
    };
    let path = call.path.strip_prefix("/_simulator").unwrap_or(&call.path);
    match (call.method.as_str(), path) {
        ("GET", "/favicon.ico") => Ok(Reply::nothing(204)),
        ("GET", "/") if call.path == "/" => {
            shared.state().settle(now_ms);
            Ok(Reply::html(200, page::render(shared)))
        }
        ("GET", "/log") => to_value(serde_json::to_value(log(shared, call))),
        ("DELETE", "/log") => {
            shared.recorder.clear();
            done()
        }
        ("GET", "/violations") => to_value(serde_json::to_value(shared.recorder.violations())),
        ("GET", "/world") => {
            let mut state = shared.state();
            state.settle(now_ms);
            to_value(serde_json::to_value(inspect(&state, now_ms)))
        }
        #[cfg(feature = "proxy")]
        ("GET", "/ca.pem") => Ok(Reply::bytes("application/x-pem-file", shared.authority.pem.clone())),
        ("GET", "/rules") => to_value(serde_json::to_value(rules::RULES)),
        ("GET", "/codes") => to_value(serde_json::to_value(catalogue::CODES)),
        ("GET", "/switches") => to_value(serde_json::to_value(&shared.state().world.switches)),
        ("PATCH", "/switches") => {
            let mut state = shared.state();
            state.settle(now_ms);
            let switches = merged::<Switches>(&state.world.switches, &body(call)?)?;
            state.world.validate_switches(&switches).map_err(|error| wrong(400, &format!("{error:#}")))?;
            state.world.switches = switches;
            drop(state);
            shared.wake.notify_one();
            done()
        }
        ("GET", "/accounts") => to_value(serde_json::to_value(&shared.state().world.accounts)),
        ("PATCH", path) if path.starts_with("/accounts/") => {
            let name = path.trim_start_matches("/accounts/");
            let mut state = shared.state();
            state.settle(now_ms);
            let account = state.world.accounts.iter_mut().find(|account| account.username == name);
            let account = account.ok_or_else(|| wrong(404, "no such account"))?;
            let changed = merged::<Account>(account, &body(call)?)?;
            changed.validate().map_err(|error| wrong(400, &format!("{error:#}")))?;
            *account = changed;
            done()
        }
        ("PATCH", path) if path.starts_with("/apps/") => {
            let key = path.trim_start_matches("/apps/");
            let mut state = shared.state();
            state.settle(now_ms);
            let at = state.world.apps.iter().position(|app| app.client_key == key);
            let app = at.and_then(|at| state.world.apps.get(at));
            let app = app.ok_or_else(|| wrong(404, "no such app"))?;
            let mut change: Map<String, Value> = body(call)?;
            // Its old name, which a file may also use.
            if let Some(kind) = change.remove("kind")
                && change.insert("platforms".into(), kind).is_some()
            {
                return Err(wrong(400, "kind is the old name of platforms; give one of them"));
            }
            let app = merged::<App>(app, &change)?;
            state.world.validate_app(&app).map_err(|error| wrong(400, &format!("{error:#}")))?;
            if let Some(old) = at.and_then(|at| state.world.apps.get_mut(at)) {
                *old = app;
            }
            done()
        }
        ("GET", "/clock") => Ok(Reply::json(&json!({ "now_ms": now_ms }))),
        ("POST", "/clock/advance") => {
            let by: Advance = body(call)?;
            if by.seconds > LONGEST_ADVANCE_SECONDS || by.ms / 1000 > LONGEST_ADVANCE_SECONDS {
                return Err(wrong(400, &format!("at most {LONGEST_ADVANCE_SECONDS} seconds in one step")));
            }
            shared.clock.advance(Duration::from_secs(by.seconds) + Duration::from_millis(by.ms));
            Ok(Reply::json(&json!({ "now_ms": shared.clock.now_ms() })))
        }
        ("POST", "/clock/freeze") => {
            shared.clock.freeze();
            done()
        }
        ("POST", "/clock/run") => {
            shared.clock.run();
            done()
        }
        ("GET", "/faults") => to_value(serde_json::to_value(shared.faults.armed())),
        ("POST", "/faults") => {
            shared.faults.add(body::<Fault>(call)?);
            done()
        }
        ("DELETE", "/faults") => {
            shared.faults.clear();
            done()
        }
        ("POST", "/grants/shrink") => {
            let change: GrantChange = body(call)?;
            let mut state = shared.state();
            let index = state.grant_of(&change.client_key, &change.account);
            let grant = index.and_then(|index| state.grants.get_mut(index));
            let grant = grant.ok_or_else(|| wrong(404, "no such consent"))?;
            grant.scopes.retain(|scope| change.keep.contains(scope));
            done()
        }
        ("POST", "/grants/remove") => {
            let change: GrantChange = body(call)?;
            let mut state = shared.state();
            let index = state.grant_of(&change.client_key, &change.account);
            state.end_grant(index.ok_or_else(|| wrong(404, "no such consent"))?, Some(change.reason), now_ms);
            drop(state);
            shared.wake.notify_one();
            done()
        }
        ("POST", path) if path.starts_with("/drafts/") => {
            let (id, verb) = path.trim_start_matches("/drafts/").split_once('/').unwrap_or_default();
            let finish: Finish = if call.body.is_empty() { Finish::default() } else { body(call)? };
            let mut state = shared.state();
            state.settle(now_ms);
            let privacy = finish.privacy_level.unwrap_or_else(|| state.world.switches.draft_privacy.clone());
            if !LEVELS.contains(&privacy.as_str()) {
                return Err(wrong(400, &format!("privacy_level must be one of {}", LEVELS.join(", "))));
            }
            let changed = match verb {
                "finish" => state.finish_draft(id, &privacy, now_ms),
                "delete" => state.delete_draft(id),
                _ => return Err(wrong(404, "drafts can be finished (finish) and deleted (delete)")),
            };
            drop(state);
            shared.wake.notify_one();
            if changed { done() } else { Err(wrong(404, "no such draft in the inbox")) }
        }
        ("POST", path) if path.starts_with("/posts/") => {
            let (id, verb) = path.trim_start_matches("/posts/").split_once('/').unwrap_or_default();
            let id = id.parse().unwrap_or(0);
            let mut state = shared.state();
            state.settle(now_ms);
            let changed = match verb {
                "hide" => state.hide_post(id, now_ms),
                "show" => state.show_post(id, now_ms),
                _ => return Err(wrong(404, "posts can be hidden (hide) and shown (show)")),
            };
            drop(state);
            shared.wake.notify_one();
            if changed { done() } else { Err(wrong(404, "no such post")) }
        }
        _ => Err(wrong(404, "no such control; see the README")),
    }
}

fn wrong(status: u16, text: &str) -> Reply {
    Reply::json(&json!({ "error": text })).with_status(status)
}

fn body<T: DeserializeOwned>(call: &Call) -> Result<T, Reply> {
    let text = std::str::from_utf8(&call.body).map_err(|_| wrong(400, "the body is not UTF-8"))?;
    reading::read(text).map_err(|error| wrong(400, &error))
}

/// The old settings, overridden by the members of `change`; nested objects are merged.
fn merged<T: DeserializeOwned + serde::Serialize>(old: &T, change: &Map<String, Value>) -> Result<T, Reply> {
    fn put(old: &mut Value, change: &Value) {
        match (old, change) {
            (Value::Object(old), Value::Object(change)) => {
                for (key, value) in change {
                    put(old.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
            (old, change) => *old = change.clone(),
        }
    }
    let mut value = serde_json::to_value(old).map_err(|error| wrong(500, &error.to_string()))?;
    put(&mut value, &Value::Object(change.clone()));
    reading::convert(value).map_err(|error| wrong(400, &error))
}

/// The log, filtered by `path`, `account`, `rule`, `status`, `refused` and `since` of the query.
fn log(shared: &Shared, call: &Call) -> Vec<crate::log::Exchange> {
    let want = |name: &str| call.query_value(name).filter(|value| !value.is_empty());
    let (path, account, rule) = (want("path"), want("account"), want("rule"));
    let status: Option<u16> = want("status").and_then(|text| text.parse().ok());
    let since: u64 = want("since").and_then(|text| text.parse().ok()).unwrap_or(0);
    let refused = want("refused").is_some();
    let mut all = shared.recorder.all();
    all.retain(|exchange| {
        exchange.number > since
            && path.as_ref().is_none_or(|path| exchange.path.starts_with(path.as_str()))
            && account.as_ref().is_none_or(|account| exchange.account.as_ref() == Some(account))
            && status.is_none_or(|status| exchange.status == status)
            && (!refused || exchange.refusal.is_some())
            && rule.as_ref().is_none_or(|rule| {
                let refusal = exchange.refusal.iter().map(|refusal| &refusal.rule);
                let findings = exchange.findings.iter().map(|finding| &finding.rule);
                refusal.chain(findings).any(|found| found.contains(rule.as_str()))
            })
    });
    all
}
