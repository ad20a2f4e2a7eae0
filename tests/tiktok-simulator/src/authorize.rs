//! The authorization page: checks of the request, the consent page with scope check boxes, account
//! choice and cancel, and the redirect back (contract section 3).

use std::collections::{BTreeSet, HashMap};

use url::{Url, form_urlencoded};

use crate::call::{Call, Notes};
use crate::envelope::Reply;
use crate::html::escape;
use crate::platform::Platform;
use crate::state::{Code, State};
use crate::world::{App, DRAFTS, SCOPES, Stage};

/// Which account the browser is signed in to.
const COOKIE: &str = "simulator_account";

/// A request that passed all checks that TikTok makes before it trusts the redirect.
struct Asked {
    app: App,
    scopes: Vec<String>,
    redirect_uri: String,
    state: String,
    challenge: Option<String>,
    disable_auto_auth: bool,
}

/// `GET /v2/auth/authorize/`
pub(crate) fn show(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    let query: HashMap<String, String> = call.query_pairs().into_iter().collect();
    let asked = check(state, &query, notes).map_err(|error| error.reply(state, &query))?;
    let signed_in = signed_in(state, call);
    let auto = state.world.switches.auto_consent.clone();
    if auto.enabled {
        let account = auto
            .account
            .or_else(|| state.world.accounts.first().map(|account| account.username.clone()))
            .unwrap_or_default();
        let granted = asked.scopes.iter().filter(|scope| !auto.withhold.contains(scope)).cloned().collect();
        return Ok(answer(state, call, notes, &asked, &account, granted, auto.cancel));
    }
    if !asked.disable_auto_auth
        && let Some(account) = &signed_in
        && let Some(grant) =
            state.grant_of(&asked.app.client_key, account).and_then(|at| state.grants.get(at))
        && grant.alive
        && asked.scopes.iter().all(|scope| grant.scopes.contains(scope))
    {
        let granted = asked.scopes.iter().cloned().collect();
        return Ok(answer(state, call, notes, &asked, account, granted, false));
    }
    Ok(Reply::html(200, page(state, call, &asked, signed_in.as_deref())))
}

/// `POST /v2/auth/authorize/`: the form of the consent page. The query still contains the request.
pub(crate) fn decide(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    let query: HashMap<String, String> = call.query_pairs().into_iter().collect();
    let asked = check(state, &query, notes).map_err(|error| error.reply(state, &query))?;
    let form: Vec<(String, String)> = form_urlencoded::parse(&call.body).into_owned().collect();
    let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let account = value("account").unwrap_or_default().to_string();
    if state.world.account(&account).is_none() {
        return Err(page_of(400, "server_error", "account", "3", "no such account"));
    }
    let ticked: BTreeSet<&str> =
        form.iter().filter(|(key, _)| key == "scope").map(|(_, value)| value.as_str()).collect();
    // user.info.basic cannot be unticked: it comes with Login Kit (section 2).
    let granted = asked
        .scopes
        .iter()
        .filter(|scope| *scope == "user.info.basic" || ticked.contains(scope.as_str()))
        .cloned()
        .collect();
    let cancel = value("decision") != Some("authorize");
    let reply = answer(state, call, notes, &asked, &account, granted, cancel);
    let cookie = format!("{COOKIE}={account}; Path=/v2/auth/authorize/; HttpOnly; SameSite=Lax");
    Ok(reply.header("set-cookie", cookie))
}

fn check(state: &State, query: &HashMap<String, String>, notes: &mut Notes) -> Result<Asked, PageError> {
    let given = |name: &str| query.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let scope_text = given("scope").unwrap_or_default();
    if scope_text.split([',', ' ']).any(|scope| scope == DRAFTS) {
        notes.violations.push("the authorize request asks for video.upload".into());
        if state.world.switches.refuse_video_upload {
            let text = "video.upload must never be asked for (switch refuse_video_upload)";
            return Err(PageError::new(403, "invalid_scope", "scope", "2, 19.13", text));
        }
    }
    let Some(key) = given("client_key") else {
        let (rule, text) = if query.contains_key("client_id") {
            ("trap 6", "the parameter is client_key, never client_id")
        } else {
            ("3", "client_key is missing")
        };
        return Err(PageError::new(400, "unauthorized_client", "client_key", rule, text));
    };
    let Some(app) = state.world.app(key) else {
        let text = "no app has this client_key; are sandbox and production keys mixed up?";
        return Err(PageError::new(400, "unauthorized_client", "client_key", "3.3, trap 50", text));
    };
    notes.client_key = Some(app.client_key.clone());
    if app.stage == Stage::Unapproved {
        let text = "this production app is not approved; nobody can authorize it";
        return Err(PageError::new(400, "unauthorized_client", "client_key", "13.1", text));
    }
    let Some(redirect_uri) = given("redirect_uri") else {
        return Err(PageError::new(400, "invalid_request", "redirect_uri", "3", "redirect_uri is missing"));
    };
    if !app.allows_redirect(redirect_uri) {
        let text = format!(
            "{redirect_uri} is not registered for {key}; registered are {} (exact, trailing slash included)",
            app.redirect_uris.join(", ")
        );
        return Err(PageError::new(400, "invalid_request", "redirect_uri", "3.1, trap 15", &text));
    }
    match given("response_type") {
        Some("code") => {}
        other => {
            let text = format!("response_type must be code, it is {}", other.unwrap_or("absent"));
            return Err(PageError::new(400, "unsupported_response_type", "response_type", "3", &text));
        }
    }
    let Some(state_value) = given("state") else {
        let text = "state is missing; without it anybody can finish a connect";
        return Err(PageError::new(400, "invalid_request", "state", "3", text));
    };
    let scopes = scopes(app, scope_text, state.world.switches.accept_space_separated_scopes)?;
    let challenge = given("code_challenge");
    let needs_pkce =
        Platform::of(redirect_uri) == Platform::Desktop || state.world.switches.web_requires_pkce;
    match (challenge, given("code_challenge_method")) {
        (None, None) if !needs_pkce => {}
        (None, _) => {
            let text = "a desktop redirect needs code_challenge and code_challenge_method=S256";
            return Err(PageError::new(400, "invalid_request", "code_challenge", "3.2", text));
        }
        (Some(_), Some("S256")) => {}
        (Some(_), other) => {
            let text = format!("code_challenge_method must be S256, it is {}", other.unwrap_or("absent"));
            return Err(PageError::new(400, "invalid_request", "code_challenge", "3.2", &text));
        }
    }
    if let Some(challenge) = challenge
        && (challenge.len() != 64 || !challenge.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    {
        // TikTok's page accepts it; the exchange will fail.
        notes.finding("3.2, trap 5", "code_challenge is not lower-case hex; the exchange will refuse it");
    }
    let disable_auto_auth = match given("disable_auto_auth") {
        None | Some("0") => false,
        Some("1") => true,
        Some(other) => {
            let text = format!("disable_auto_auth must be 0 or 1, it is {other}");
            return Err(PageError::new(400, "invalid_request", "disable_auto_auth", "3", &text));
        }
    };
    Ok(Asked {
        app: app.clone(),
        scopes,
        redirect_uri: redirect_uri.to_string(),
        state: state_value.to_string(),
        challenge: challenge.map(ToString::to_string),
        disable_auto_auth,
    })
}

fn scopes(app: &App, text: &str, spaces: bool) -> Result<Vec<String>, PageError> {
    let refuse = |text: &str| Err(PageError::new(400, "invalid_scope", "scope", "2", text));
    if text.is_empty() {
        return refuse("scope is missing");
    }
    let text = if spaces { text.replace(' ', ",") } else { text.to_string() };
    if text.contains(' ') {
        return refuse("scopes are separated by commas, without spaces");
    }
    let mut scopes = Vec::new();
    for scope in text.split(',') {
        if !SCOPES.contains(&scope) {
            return refuse(&format!("{scope} is no known scope; known are {}", SCOPES.join(", ")));
        }
        if !app.has_scope(scope) {
            return refuse(&format!("{scope} has not been added to the app"));
        }
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_string());
        }
    }
    Ok(scopes)
}

/// What is wrong with an authorize request.
struct PageError {
    status: u16,
    error: &'static str,
    error_type: &'static str,
    rule: String,
    text: String,
}

impl PageError {
    fn new(status: u16, error: &'static str, error_type: &'static str, rule: &str, text: &str) -> Self {
        Self { status, error, error_type, rule: rule.to_string(), text: text.to_string() }
    }

    /// It is unknown which errors redirect and which stay on TikTok's page (question 4). By default all stay;
    /// with the switch they go to the redirect URI, if it can be trusted.
    fn reply(self, state: &State, query: &HashMap<String, String>) -> Reply {
        let given = |name: &str| query.get(name).map_or("", String::as_str);
        let uri = given("redirect_uri");
        let trusted = state.world.app(given("client_key")).is_some_and(|app| app.allows_redirect(uri));
        if trusted
            && state.world.switches.authorize_errors_redirect
            && let Ok(mut target) = Url::parse(uri)
        {
            let mut pairs = target.query_pairs_mut();
            pairs.append_pair("error", self.error).append_pair("error_type", self.error_type);
            pairs.append_pair("error_description", "Something is wrong with the app settings.");
            if query.contains_key("state") {
                pairs.append_pair("state", given("state"));
            }
            drop(pairs);
            let reply = Reply::nothing(302).header("location", target.into());
            return reply.because(&self.rule, self.text);
        }
        page_of(self.status, self.error, self.error_type, &self.rule, &self.text)
    }
}

/// TikTok's own error page: nothing is sent to the redirect URI, which is not trusted yet.
fn page_of(status: u16, error: &str, error_type: &str, rule: &str, text: &str) -> Reply {
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>Something went wrong</title>\
         <h1>Something went wrong</h1><p>We couldn't log in with TikTok. This may be due to specific app \
         settings.</p><p>If you're a developer, correct the following and try again:</p>\
         <ul><li>{}</li></ul><p>error={}&amp;error_type={}</p><p>Simulator: rule {}: {}</p>",
        escape(error_type),
        escape(error),
        escape(error_type),
        escape(rule),
        escape(text)
    );
    Reply::html(status, page).because(rule, text)
}

fn signed_in(state: &State, call: &Call) -> Option<String> {
    let cookies = call.header("cookie")?;
    cookies
        .split(';')
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, value)| *name == COOKIE && state.world.account(value).is_some())
        .map(|(_, value)| value.to_string())
}

fn answer(
    state: &mut State,
    call: &Call,
    notes: &mut Notes,
    asked: &Asked,
    account: &str,
    granted: BTreeSet<String>,
    cancel: bool,
) -> Reply {
    notes.account = Some(account.to_string());
    let mut pairs = Vec::new();
    let mut refusal = None;
    if cancel {
        pairs.push(("error", "access_denied".to_string()));
        pairs.push(("error_description", "User cancelled the authorization.".to_string()));
        refusal = Some(("3.3", "the user pressed cancel".to_string()));
    } else if asked.app.stage == Stage::Sandbox && !asked.app.target_users.iter().any(|user| user == account)
    {
        pairs.push(("error", "access_denied".to_string()));
        pairs.push(("error_type", "non_sandbox_target".to_string()));
        let text = "This account is not a target user of the sandbox.";
        pairs.push(("error_description", text.to_string()));
        refusal = Some(("3.3, trap 13", format!("{account} is not a target user of this sandbox")));
    } else {
        // `*` and `!` must survive exactly one decoding (trap 14).
        let code =
            format!("{}*{}!{}", state.random.text(44), state.random.below(10), state.random.below(9000));
        let mut names: Vec<String> = granted.iter().cloned().collect();
        state.random.shuffle(&mut names);
        pairs.push(("code", code.clone()));
        pairs.push(("scopes", names.join(",")));
        state.codes.insert(
            code,
            Code {
                client_key: asked.app.client_key.clone(),
                username: account.to_string(),
                scopes: granted,
                redirect_uri: asked.redirect_uri.clone(),
                challenge: asked.challenge.clone(),
                issued_ms: call.now_ms,
                used: false,
            },
        );
        state.counts.codes_issued += 1;
        notes.effect = true;
    }
    pairs.push(("state", asked.state.clone()));
    let mut target = match Url::parse(&asked.redirect_uri) {
        Ok(url) => url,
        Err(error) => return page_of(400, "invalid_request", "redirect_uri", "3.1", &error.to_string()),
    };
    target.query_pairs_mut().extend_pairs(pairs);
    let reply = Reply::nothing(302).header("location", target.into());
    match refusal {
        Some((rule, text)) => reply.because(rule, text),
        None => reply,
    }
}

fn page(state: &State, call: &Call, asked: &Asked, signed_in: Option<&str>) -> String {
    use std::fmt::Write as _;
    let mut accounts = String::new();
    for (at, account) in state.world.accounts.iter().enumerate() {
        let chosen = signed_in.map_or(at == 0, |name| name == account.username);
        let _ = write!(
            accounts,
            "<label><input type=radio name=account value=\"{0}\"{1}> <b>{2}</b> @{0}{3}</label>",
            escape(&account.username),
            if chosen { " checked" } else { "" },
            escape(&account.display_name),
            if account.private { " (private account)" } else { "" }
        );
    }
    let mut scopes = String::new();
    for scope in &asked.scopes {
        let fixed = scope == "user.info.basic";
        let _ = write!(
            scopes,
            "<label><input type=checkbox name=scope value=\"{0}\" checked{1}> {2} <small>{0}</small></label>",
            escape(scope),
            if fixed { " disabled" } else { "" },
            match scope.as_str() {
                "user.info.basic" => "Read your profile name and picture",
                "user.info.profile" => "Read your bio, username and verified badge",
                "user.info.stats" => "Read your follower, like and video counts",
                "video.list" => "Read your public videos",
                DRAFTS => "Send drafts to your inbox",
                _ => "Post content to TikTok",
            }
        );
    }
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>Authorize {name} (simulator)</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:2rem auto;padding:0 1rem}}\
         label{{display:block;padding:.4rem 0}}small{{color:#666}}fieldset{{border:1px solid #ccc;margin:1rem 0;\
         border-radius:8px}}button{{font:inherit;padding:.6rem 1.4rem;border-radius:6px;border:1px solid #888}}\
         button[value=authorize]{{background:#fe2c55;border-color:#fe2c55;color:#fff}}</style>\
         <p><small>TikTok simulator: no real account is involved.</small>\
         <h1>{name} wants to access your account</h1>\
         <form method=post action=\"/v2/auth/authorize/?{query}\">\
         <fieldset><legend>Account</legend>{accounts}</fieldset>\
         <fieldset><legend>Allow</legend>{scopes}</fieldset>\
         <button name=decision value=authorize>Authorize</button> \
         <button name=decision value=cancel>Cancel</button></form></html>",
        name = escape(&asked.app.name),
        query = escape(&call.query),
    )
}
