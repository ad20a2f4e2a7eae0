//! The page at `/`: what exists, what was asked, what was wrong with it. Read only, renders on the server.

use std::fmt::Write as _;

use crate::html::escape;
use crate::inspect::inspect;
use crate::server::Shared;

/// Requests shown.
const SHOWN: usize = 200;

pub(crate) fn render(shared: &Shared) -> String {
    let now_ms = shared.clock.now_ms();
    let mut out = String::from(
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5>\
         <title>TikTok simulator</title><style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem}\
         table{border-collapse:collapse;width:100%;margin-bottom:2rem}td,th{border-bottom:1px solid #ddd;\
         padding:.3rem .6rem;text-align:left;vertical-align:top}code{font-size:13px}.bad{background:#fff0f0}\
         .trap{color:#a15c00}.why{color:#b00020}</style><h1>TikTok simulator</h1>",
    );
    let (view, world) = {
        let state = shared.state();
        (inspect(&state, now_ms), state.world.clone())
    };
    let _ = write!(
        out,
        "<p>Origin <code>{}</code>, virtual time {} UTC. Refreshes every five seconds.</p>",
        escape(&shared.origin),
        crate::clock::compact_utc(now_ms)
    );
    let violations = shared.recorder.violations();
    if !violations.is_empty() {
        out.push_str("<h2 class=why>Violations</h2><ul>");
        for violation in &violations {
            let _ = write!(out, "<li>request {}: {}</li>", violation.exchange, escape(&violation.text));
        }
        out.push_str("</ul>");
    }

    out.push_str("<h2>Requests</h2><table><tr><th>#<th>Request<th>Account<th>Answer<th>Reason</tr>");
    for exchange in shared.recorder.all().iter().rev().take(SHOWN) {
        let bad = exchange.refusal.is_some() || exchange.status == 0;
        let _ = write!(
            out,
            "<tr class=\"{}\"><td>{}<td><code>{} {}{}</code> {}<td>{}<td>{} {}{}<td>",
            if bad { "bad" } else { "" },
            exchange.number,
            escape(&exchange.method),
            escape(&exchange.path),
            if exchange.query.is_empty() { String::new() } else { format!("?{}", escape(&exchange.query)) },
            escape(exchange.content_range.as_deref().unwrap_or_default()),
            escape(exchange.account.as_deref().unwrap_or_default()),
            if exchange.status == 0 { "none".to_string() } else { exchange.status.to_string() },
            escape(exchange.code.as_deref().unwrap_or_default()),
            if exchange.had_effect { ", had its effect" } else { "" },
        );
        if let Some(refusal) = &exchange.refusal {
            let _ = write!(
                out,
                "<div class=why><b>{}</b> {}</div>",
                escape(&refusal.rule),
                escape(&refusal.text)
            );
        }
        for finding in &exchange.findings {
            let _ = write!(
                out,
                "<div class=trap><b>{}</b> {}</div>",
                escape(&finding.rule),
                escape(&finding.text)
            );
        }
        if let Some(fault) = &exchange.fault {
            let _ = write!(out, "<div>fault <code>{}</code></div>", escape(fault));
        }
        out.push_str("</tr>");
    }
    out.push_str(
        "</table><h2>Publishes</h2><table><tr><th>publish_id<th>Account<th>State<th>Bytes<th>Post</tr>",
    );
    for publish in view.publishes.iter().rev() {
        let _ = write!(
            out,
            "<tr><td><code>{}</code><td>{}<td>{:?} {}<td>{} in {} chunks<td>{} {:?}</tr>",
            escape(&publish.publish_id),
            escape(&publish.account),
            publish.state,
            escape(publish.fail_reason.as_deref().unwrap_or_default()),
            publish.bytes,
            publish.chunks,
            escape(&publish.privacy),
            publish.post_ids,
        );
    }
    out.push_str("</table><h2>Webhooks</h2><table><tr><th>Event<th>To<th>Attempts<th>Answer</tr>");
    for delivery in view.webhooks.iter().rev() {
        let _ = write!(
            out,
            "<tr><td>{}<td>{}<td>{}<td>{:?}{}</tr>",
            escape(&delivery.event),
            escape(&delivery.url),
            delivery.attempts,
            delivery.last_status,
            if delivery.dropped { ", dropped" } else { "" },
        );
    }
    out.push_str("</table><h2>Faults waiting</h2><ul>");
    for fault in shared.faults.armed() {
        let text = serde_json::to_string(&fault).unwrap_or_default();
        let _ = write!(out, "<li><code>{}</code></li>", escape(&text));
    }
    out.push_str(
        "</ul><h2>Apps</h2><table><tr><th>client_key<th>Kind<th>Stage<th>Redirect URIs<th>Consents</tr>",
    );
    for app in &world.apps {
        let consents: Vec<String> = view
            .grants
            .iter()
            .filter(|grant| grant.client_key == app.client_key)
            .map(|grant| {
                let ended = if grant.alive { "" } else { " (ended)" };
                format!("{}{ended}: {}", grant.account, grant.scopes.join(", "))
            })
            .collect();
        let _ = write!(
            out,
            "<tr><td><code>{}</code><td>{:?}<td>{:?}<td>{}<td>{}</tr>",
            escape(&app.client_key),
            app.kind,
            app.stage,
            escape(&app.redirect_uris.join(" ")),
            escape(&consents.join("; ")),
        );
    }
    out.push_str("</table><h2>Accounts</h2><table><tr><th>Account<th>Kind<th>Posts<th>Public now</tr>");
    for account in &world.accounts {
        let posts = || view.posts.iter().filter(|post| post.account == account.username);
        let _ = write!(
            out,
            "<tr><td>{} @{}<td>{}{}<td>{}<td>{}</tr>",
            escape(&account.display_name),
            escape(&account.username),
            if account.private { "private" } else { "public" },
            if account.banned { ", banned" } else { "" },
            posts().count(),
            posts().filter(|post| post.is_public(now_ms)).count(),
        );
    }
    out.push_str("</table></html>");
    out
}
