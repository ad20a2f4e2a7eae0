//! `form`: what the account may post now, as the provider describes it.

use anyhow::Result;
use clap::Args;
use console::style;
use indicatif::DecimalBytes;
use social_channel::form::is_known;
use social_channel::model::{Consequence, Field, PostKind, PublishForm};

use crate::global::Global;
use crate::output::{Column, Fields, plain, quotas, table};
use crate::session::Session;

/// Flags of `form`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The channel: its id, or its account's name or @username; optional if there is only one
    channel: Option<String>,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let session = Session::open(global, false).await?;
    let channel = session.channel(flags.channel.as_deref()).await?;
    let form = session.tenant.publish_form(&channel.id).await?;
    session.output.answer(&form, show)?;
    Ok(0)
}

/// The values that a field accepts, as they are entered.
pub(crate) fn choices(field: &Field) -> String {
    let items =
        field.choices.iter().map(|choice| format!("{} ({})", plain(&choice.value), plain(&choice.label)));
    items.collect::<Vec<_>>().join(", ")
}

/// The flag that sets a field.
pub(crate) fn flag(name: &str) -> String {
    match name {
        "text" | "title" | "visibility" => format!("--{name}"),
        name => format!("--option {}=…", plain(name)),
    }
}

/// What may go with a post besides what it shows, and how many posts may follow it.
fn besides(mut head: Fields, kind: &PostKind) -> Fields {
    for rule in kind.media.iter().filter(|rule| rule.role != "media") {
        let size = rule.max_size.map(|size| format!(", up to {}", DecimalBytes(size)));
        let text = format!(
            "{} to {} of {}{}",
            rule.minimum,
            rule.maximum,
            rule.content_types.join(", "),
            size.unwrap_or_default()
        );
        head = head.with(&format!("  --role {}", plain(&rule.role)), text);
    }
    if kind.max_parts > 0 {
        head = head.with("  --part", format!("up to {} that follow as a thread", kind.max_parts));
    }
    head
}

fn show(form: &PublishForm) -> String {
    let mut head = Fields::default().with("account", &form.account_name);
    for kind in &form.kinds {
        if kind.max_media == 0 {
            head = head.with(&format!("--kind {}", plain(&kind.name)), "no media");
            head = besides(head, kind);
            continue;
        }
        let size = kind.max_size.map(|size| format!(", up to {}", DecimalBytes(size)));
        let length = kind.max_duration.map(|length| format!(", up to {} s", length / 1000));
        let count = if kind.min_media == kind.max_media {
            kind.max_media.to_string()
        } else {
            format!("{} to {}", kind.min_media, kind.max_media)
        };
        let public = if kind.needs_public_url { ", each with a public address" } else { "" };
        head = head.with(
            &format!("--kind {}", plain(&kind.name)),
            format!(
                "{count} of {}{}{}{public}",
                kind.content_types.join(", "),
                size.unwrap_or_default(),
                length.unwrap_or_default()
            ),
        );
        head = besides(head, kind);
    }
    if !form.quotas.is_empty() {
        head = head.with("allowances", quotas(&form.quotas));
    }
    let rows = form.fields.iter().filter(|field| is_known(field)).map(|field| {
        let mut takes = match field.kind.as_str() {
            "choice" | "multi-choice" => choices(field),
            "boolean" => "true or false".to_owned(),
            kind => kind.to_owned(),
        };
        for limit in &field.limits {
            for (word, length) in [("at least", limit.minimum), ("at most", limit.maximum)] {
                if let Some(length) = length {
                    takes = format!("{takes}, {word} {length} {}", limit.unit);
                }
            }
        }
        let label = if field.required { format!("{} (required)", field.label) } else { field.label.clone() };
        vec![flag(&field.name), field.applies_to.join(", "), label, takes]
    });
    let columns = ["FLAG", "FOR", "MEANING", "TAKES"].map(Column::Text);
    let mut text = format!("{}\n\n{}", head.show(), table(&columns, rows.collect()));
    let always = form.rules.iter().filter(|rule| rule.conditions.is_empty());
    for rule in always {
        let words = match &rule.consequence {
            Consequence::Notice(notice) => plain(&notice.text),
            Consequence::Block(why) => plain(why),
            Consequence::Disable(what) => format!("{}: {}", plain(&what.field), plain(&what.because)),
            Consequence::Require(field) => format!("{} is required", plain(field)),
            Consequence::Hide(_) => continue,
        };
        text.push_str(&format!("\n\n{words}"));
    }
    if let Some(blocked) = &form.blocked {
        let remedy = blocked.0.remedy.as_deref().map(|remedy| format!("\n{}", plain(remedy)));
        let label = style("cannot post now:").yellow().bold();
        text.push_str(&format!("\n\n{label} {}{}", plain(&blocked.0.message), remedy.unwrap_or_default()));
    }
    text
}
