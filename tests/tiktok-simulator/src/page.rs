//! The page at `/`: objects, requests, errors and the rules they violate; with buttons for the control API.
//! It is rendered here completely; its script only reloads it.

use std::fmt::Write as _;

use serde_json::json;

use crate::faults::When;
use crate::html::escape;
use crate::inspect::{Inspection, PublishState, PublishView, inspect};
use crate::log::Exchange;
use crate::rules::explain;
use crate::server::Shared;
use crate::world::{Stage, World};

/// Requests shown.
const SHOWN: usize = 200;

/// Paths offered for a fault.
const PATHS: [(&str, &str); 11] = [
    ("*", "anything"),
    ("/v2/oauth/token/", "token"),
    ("/v2/user/info/", "user info"),
    ("/v2/video/list/", "video list"),
    ("/v2/video/query/", "video query"),
    ("/v2/post/publish/creator_info/query/", "creator info"),
    ("/v2/post/publish/video/init/", "video init"),
    ("/v2/post/publish/content/init/", "photo init"),
    ("/v2/post/publish/inbox/video/init/", "draft init"),
    ("/upload*", "upload"),
    ("/v2/post/publish/status/fetch/", "status"),
];

/// Actions offered for a fault, which the script translates.
const ACTIONS: [(&str, &str); 10] = [
    ("500", "500 internal_error"),
    ("429", "429 rate_limit_exceeded"),
    ("401", "401 access_token_invalid"),
    ("reset", "reset the connection"),
    ("html", "502 as HTML"),
    ("wrong_json", "JSON of another shape"),
    ("cut_body", "cut the answer"),
    ("slow_body", "drip the answer"),
    ("delay", "wait 3 seconds"),
    ("stale", "the last answer again"),
];

pub(crate) fn render(shared: &Shared) -> String {
    let now_ms = shared.clock.now_ms();
    let (view, world) = {
        let state = shared.state();
        (inspect(&state, now_ms), state.world.clone())
    };
    let log = shared.recorder.all();
    let mut out = String::with_capacity(64 * 1024);
    out.push_str("<!doctype html><html lang=en><meta charset=utf-8>");
    out.push_str("<meta name=viewport content='width=device-width, initial-scale=1'><title>TikTok simulator</title><style>");
    out.push_str(include_str!("page/style.css"));
    out.push_str("</style>");
    head(&mut out, shared, &log, now_ms);
    out.push_str("<main><div>");
    violations(&mut out, shared, &world);
    requests(&mut out, &log);
    out.push_str("</div><div>");
    publishes(&mut out, &view);
    faults(&mut out, shared);
    webhooks(&mut out, &view);
    apps(&mut out, &world, &view);
    accounts(&mut out, &world, &view, now_ms);
    out.push_str("</div></main><script>");
    out.push_str(include_str!("page/script.js"));
    out.push_str("</script></html>");
    out
}

/// `2026-11-25 16:20:07`.
fn time(ms: i64) -> String {
    let compact = crate::clock::compact_utc(ms);
    let part = |from: usize, to: usize| compact.get(from..to).unwrap_or_default();
    format!("{}-{}-{} {}:{}:{}", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14))
}

fn button(label: &str, method: &str, path: &str, body: Option<&serde_json::Value>) -> String {
    let body = body.map(|body| format!(" data-body=\"{}\"", escape(&body.to_string()))).unwrap_or_default();
    format!(
        "<button type=button data-method={method} data-path=\"{}\"{body}>{}</button>",
        escape(path),
        escape(label)
    )
}

fn head(out: &mut String, shared: &Shared, log: &[Exchange], now_ms: i64) {
    let refused = log.iter().filter(|exchange| exchange.refusal.is_some()).count();
    let found = log.iter().filter(|exchange| !exchange.findings.is_empty()).count();
    let _ = write!(
        out,
        "<header><div class=bar><h1>TikTok simulator</h1><code>{}</code><span class=dim id=state role=status></span>\
         <span class=space></span><span class=dim>Virtual time <span class=mono id=clock data-live>{}</span></span>{}{}{}\
         <button type=button data-pause aria-pressed=false>Pause</button></div><div class=bar id=sums data-live>\
         <span>{} requests</span><span class=bad>{refused} refused</span><span class=trap>{found} with findings</span></div></header>",
        escape(&shared.origin),
        time(now_ms),
        button("+1 min", "POST", "/clock/advance", Some(&json!({ "seconds": 60 }))),
        button("+2 h", "POST", "/clock/advance", Some(&json!({ "seconds": 7200 }))),
        button("+24 h", "POST", "/clock/advance", Some(&json!({ "seconds": 86_400 }))),
        log.len(),
    );
}

/// If drafts are refused, each request for one is shown as an error of the client; otherwise it is normal.
fn violations(out: &mut String, shared: &Shared, world: &World) {
    out.push_str("<div id=violations data-live>");
    let violations = shared.recorder.violations();
    if world.switches.refuse_video_upload && !violations.is_empty() {
        out.push_str("<section class=violations><div class=head><h2 class=bad>Drafts, which must never be asked for</h2></div><ul class=rows>");
        for violation in &violations {
            let _ = write!(out, "<li>Request {}: {}</li>", violation.exchange, escape(&violation.text));
        }
        out.push_str("</ul></section>");
    }
    out.push_str("</div>");
}

fn requests(out: &mut String, log: &[Exchange]) {
    out.push_str(
        "<section><div class=head><h2>Requests</h2>\
         <button type=button data-filter=all aria-pressed=true>All</button>\
         <button type=button data-filter=refused aria-pressed=false>Refused</button>\
         <button type=button data-filter=found aria-pressed=false>Findings</button>\
         <input id=search type=search placeholder='Path, account, rule' aria-label='Search requests'>",
    );
    out.push_str(&button("Clear", "DELETE", "/log", None));
    out.push_str("</div><div id=requests data-live>");
    for exchange in log.iter().rev().take(SHOWN) {
        request(out, exchange);
    }
    if log.len() > SHOWN {
        let _ = write!(
            out,
            "<div class=empty>The newest {SHOWN} of {}; all are at <code>/_simulator/log</code>.</div>",
            log.len()
        );
    }
    let text = if log.is_empty() {
        "Nothing has been asked yet. Point a client at the origin above; the manual says how."
    } else {
        "No request fits."
    };
    let hidden = if log.is_empty() { "" } else { " hidden" };
    let _ = write!(out, "<div class=empty id=none{hidden}>{text}</div></div></section>");
}

fn request(out: &mut String, exchange: &Exchange) {
    let lost = exchange.status == 0 || exchange.answer_lost;
    let mut classes = String::from("exchange");
    if exchange.refusal.is_some() {
        classes.push_str(" refused");
    }
    if !exchange.findings.is_empty() {
        classes.push_str(" found");
    }
    let color = match exchange.status {
        0 => "bad",
        200..=399 if exchange.refusal.is_none() => "good",
        _ => "bad",
    };
    let status = match exchange.status {
        0 => "no answer".to_string(),
        status => match exchange.code.as_deref().filter(|code| *code != "ok") {
            Some(code) => format!("{status} {code}"),
            None => status.to_string(),
        },
    };
    let _ = write!(
        out,
        "<details class='{classes}' id=r{0}><summary><span class=dim>{0}</span><span class=path><code><b>{1}</b> {2}</code> \
         <span class=dim>{3} {4}</span></span><span class='status mono {color}'>{5}</span>",
        exchange.number,
        escape(&exchange.method),
        escape(&exchange.path),
        escape(exchange.account.as_deref().unwrap_or_default()),
        escape(exchange.content_range.as_deref().unwrap_or_default()),
        escape(&status),
    );
    if let Some(refusal) = &exchange.refusal {
        reason(out, "bad", "Refused", &refusal.rule, &refusal.text);
    }
    for finding in &exchange.findings {
        reason(out, "trap", "Finding", &finding.rule, &finding.text);
    }
    if let Some(fault) = &exchange.fault {
        let _ = write!(out, "<span class=why>Fault played: <code>{}</code></span>", escape(fault));
    }
    out.push_str("</summary><div class=more><dl>");
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = write!(out, "<dt>{name}<dd><pre>{}</pre>", escape(value));
        }
    };
    row("At", &time(exchange.time_ms));
    row("Host", &exchange.host);
    row("Query", &exchange.query);
    row("App", exchange.client_key.as_deref().unwrap_or_default());
    row("Content-Type", exchange.content_type.as_deref().unwrap_or_default());
    row("Headers", &exchange.header_names.join(", "));
    row("Body", exchange.body.as_deref().unwrap_or_default());
    row("Bytes", &if exchange.body_bytes > 0 { exchange.body_bytes.to_string() } else { String::new() });
    row("Effect", if exchange.had_effect { "it changed something" } else { "" });
    row("Answer", if lost { "did not arrive whole" } else { "" });
    out.push_str("</dl></div></details>");
}

fn reason(out: &mut String, class: &str, word: &str, rule: &str, text: &str) {
    let _ = write!(
        out,
        "<span class='why {class}'><span class=rule>{word}, rule {}</span>: {}",
        escape(rule),
        escape(text)
    );
    for rule in explain(rule) {
        let _ = write!(out, "<br><span class=dim>{}: {}</span>", escape(rule.name), escape(rule.text));
    }
    out.push_str("</span>");
}

fn publishes(out: &mut String, view: &Inspection) {
    out.push_str(
        "<section><div class=head><h2>Publishes</h2></div><div id=publishes data-live><ul class=rows>",
    );
    for publish in view.publishes.iter().rev().take(50) {
        let (word, class) = match publish.state {
            PublishState::Transfer => ("transfer", "dim"),
            PublishState::Processing => ("processing", "dim"),
            PublishState::Inbox => ("in the inbox", "good"),
            PublishState::Deleted => ("draft deleted", "dim"),
            PublishState::Complete => ("posted", "good"),
            PublishState::Failed => ("failed", "bad"),
        };
        let _ = write!(
            out,
            "<li><span class='{class}'>{word} {}</span> <span class=dim>{} @{} {}{}</span><br>{}<br>\
             <span class=dim>{} bytes, chunks: {}</span> {}<br><code>{}</code></li>",
            escape(publish.fail_reason.as_deref().unwrap_or_default()),
            time(publish.created_ms),
            escape(&publish.account),
            if publish.draft { "draft " } else { "" },
            escape(&publish.privacy),
            if publish.caption.is_empty() {
                "<span class=dim>no caption</span>".to_string()
            } else {
                escape(&short(&publish.caption))
            },
            publish.bytes,
            publish.chunks,
            posts(publish),
            escape(&publish.publish_id),
        );
    }
    out.push_str("</ul>");
    if view.publishes.is_empty() {
        out.push_str("<div class=empty>Nothing has been published.</div>");
    }
    out.push_str("</div></section>");
}

fn posts(publish: &PublishView) -> String {
    if publish.state == PublishState::Inbox {
        let path = |verb| format!("/drafts/{}/{verb}", publish.publish_id);
        return format!(
            "{}{}",
            button("Finish and post", "POST", &path("finish"), None),
            button("Delete draft", "POST", &path("delete"), None)
        );
    }
    let post = |id: &u64| {
        format!(
            "<code>{id}</code> {}{}",
            button("Hide", "POST", &format!("/posts/{id}/hide"), None),
            button("Make public", "POST", &format!("/posts/{id}/show"), None)
        )
    };
    publish.post_ids.iter().map(post).collect::<Vec<_>>().join(" ")
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(120).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn faults(out: &mut String, shared: &Shared) {
    out.push_str("<section><div class=head><h2>Faults</h2>");
    out.push_str(&button("Disarm all", "DELETE", "/faults", None));
    out.push_str("</div><div id=faults data-live><ul class=rows>");
    let armed = shared.faults.armed();
    for fault in &armed {
        let action = serde_json::to_value(&fault.action).unwrap_or_default();
        let kind = action.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
        let _ = write!(
            out,
            "<li><code>{}</code> {} <span class=dim>{}, {}</span><br><code class=dim>{}</code></li>",
            escape(fault.matches.path.as_deref().unwrap_or("*")),
            escape(kind),
            if fault.when == When::After { "after the effect" } else { "before the effect" },
            if fault.times == 0 { "always".to_string() } else { format!("{} times", fault.times) },
            escape(&action.to_string()),
        );
    }
    out.push_str("</ul>");
    if armed.is_empty() {
        out.push_str("<div class=empty>None waits for its request.</div>");
    }
    out.push_str("</div><form class=fault id=fault><label class=wide>At<select name=path>");
    options(out, &PATHS);
    out.push_str("</select></label><label class=wide>What happens<select name=action>");
    options(out, &ACTIONS);
    out.push_str("</select></label><label>When<select name=when>");
    options(out, &[("before", "before the effect"), ("after", "after the effect")]);
    out.push_str("</select></label><label>How often<select name=times>");
    options(out, &[("1", "once"), ("3", "three times"), ("0", "always")]);
    out.push_str("</select></label><button class=wide>Arm</button></form></section>");
}

fn options(out: &mut String, options: &[(&str, &str)]) {
    for (value, label) in options {
        let _ = write!(out, "<option value=\"{value}\">{label}</option>");
    }
}

fn webhooks(out: &mut String, view: &Inspection) {
    out.push_str(
        "<section><div class=head><h2>Webhooks</h2></div><div id=webhooks data-live><ul class=rows>",
    );
    for delivery in view.webhooks.iter().rev().take(50) {
        let (word, class) = match (delivery.delivered, delivery.dropped, delivery.last_status) {
            (true, ..) => ("delivered".to_string(), "good"),
            (_, true, _) => ("given up".to_string(), "bad"),
            (_, _, Some(status)) => (format!("answered {status}, is repeated"), "trap"),
            _ if delivery.attempts > 0 => ("no answer, is repeated".to_string(), "trap"),
            _ => ("waits".to_string(), "dim"),
        };
        let _ = write!(
            out,
            "<li>{} <span class={class}>{word}</span><br><span class=dim>{} attempts, {}</span></li>",
            escape(&delivery.event),
            delivery.attempts,
            escape(&delivery.url),
        );
    }
    out.push_str("</ul>");
    if view.webhooks.is_empty() {
        out.push_str("<div class=empty>None. They go to the <code>webhook_url</code> of an app.</div>");
    }
    out.push_str("</div></section>");
}

fn apps(out: &mut String, world: &World, view: &Inspection) {
    out.push_str("<section><div class=head><h2>Apps</h2></div><div id=apps data-live><ul class=rows>");
    for app in &world.apps {
        let platforms = app.platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        let stage = match app.stage {
            Stage::Sandbox => "sandbox",
            Stage::Unapproved => "not approved",
            Stage::Unaudited => "live, not audited",
            Stage::Audited => "audited",
        };
        let _ = write!(
            out,
            "<li><code>{}</code> <span class=dim>{platforms}, {stage}</span><br><code class=dim>{}</code>",
            escape(&app.client_key),
            escape(&app.redirect_uris.join(" "))
        );
        for grant in view.grants.iter().filter(|grant| grant.client_key == app.client_key) {
            let body = json!({ "client_key": app.client_key, "account": grant.account, "reason": 1 });
            let _ = write!(
                out,
                "<br>@{} <span class=dim>{}</span> {}",
                escape(&grant.account),
                escape(&grant.scopes.join(", ")),
                if grant.alive {
                    button("Disconnect in TikTok", "POST", "/grants/remove", Some(&body))
                } else {
                    "<span class=bad>ended</span>".to_string()
                }
            );
        }
        out.push_str("</li>");
    }
    out.push_str("</ul></div></section>");
}

fn accounts(out: &mut String, world: &World, view: &Inspection, now_ms: i64) {
    out.push_str(
        "<section><div class=head><h2>Accounts</h2></div><div id=accounts data-live><ul class=rows>",
    );
    for account in &world.accounts {
        let posts = || view.posts.iter().filter(|post| post.account == account.username);
        let path = format!("/accounts/{}", account.username);
        let privacy = json!({ "private": !account.private });
        let ban = json!({ "banned": !account.banned });
        let _ = write!(
            out,
            "<li>{} <span class=dim>@{}, {}{}{}, {} posts, {} public now</span><br>{} {}</li>",
            escape(&account.display_name),
            escape(&account.username),
            if account.private { "private" } else { "public" },
            if account.banned { ", banned" } else { "" },
            if account.daily_post_cap == 0 { ", no posts left today" } else { "" },
            posts().count(),
            posts().filter(|post| post.is_public(now_ms)).count(),
            button(
                if account.private { "Make public" } else { "Make private" },
                "PATCH",
                &path,
                Some(&privacy)
            ),
            button(if account.banned { "Lift the ban" } else { "Ban" }, "PATCH", &path, Some(&ban)),
        );
    }
    out.push_str("</ul></div></section>");
}
