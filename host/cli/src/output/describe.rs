//! Output that several commands share.

use console::style;
use indicatif::{DecimalBytes, HumanCount};
use social_channel::model::{Finding, Severity};
use social_channel::{
    Channel, Health, HistoryRow, Job, JobStatus, ProviderInfo, ProviderOrigin, ProviderSigner, ShownSetting,
    UpgradeReport, UpgradeSide,
};

use super::{Column, Fields, instant, instant_ms, plain, table};

/// A channel, in full.
pub(crate) fn channel(channel: &Channel) -> String {
    Fields::default()
        .with("channel", &channel.id)
        .with("account", &channel.display_name)
        .maybe("username", channel.username.as_ref().map(|name| format!("@{name}")))
        .maybe("kind", channel.kind.as_ref())
        .maybe("belongs to", channel.parent_id.as_ref())
        .with("account id", &channel.account_id)
        .with("app", &channel.app)
        .with("health", health(channel.health))
        .maybe("why", channel.health_detail.as_ref())
        .with("permissions", channel.scopes.join(", "))
        .maybe("not granted", (!channel.missing_scopes.is_empty()).then(|| channel.missing_scopes.join(", ")))
        .with("connected", instant(channel.connected_at))
        .maybe("ends", channel.connection_ends_at.map(instant))
        .maybe("warning", channel.warning.as_ref())
        .show()
}

/// A health, in words.
pub(crate) fn health(health: Health) -> &'static str {
    match health {
        Health::Active => "active",
        Health::Limited => "limited",
        Health::NeedsReconnect => "needs reconnecting",
    }
}

/// A component, in full.
pub(crate) fn provider(info: &ProviderInfo) -> String {
    let descriptor = &info.descriptor;
    let scopes = descriptor.scopes.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>();
    let settings = descriptor.settings.iter().map(|setting| {
        if setting.required { format!("{} (required)", setting.name) } else { setting.name.clone() }
    });
    // Sorted, because a component lists them in its linker's order, which differs between builds.
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names.join(", ")
    };
    let mut fields = Fields::default()
        .with("provider", format!("{} ({})", descriptor.id, descriptor.name))
        .with("version", &descriptor.version)
        .with("digest", info.digest.as_str())
        .with("size", DecimalBytes(info.size).to_string())
        .with("implements", sorted(&info.interfaces))
        .with("abilities", descriptor.abilities.join(", "))
        .with("calls", descriptor.origins.join(", "))
        .with("permissions", scopes.join(", "))
        .with("settings", settings.collect::<Vec<_>>().join(", "));
    if !descriptor.connect_inputs.is_empty() {
        let inputs = descriptor.connect_inputs.iter().map(|input| {
            if input.required { input.name.clone() } else { format!("{} (optional)", input.name) }
        });
        fields = fields.with("asks for", inputs.collect::<Vec<_>>().join(", "));
    }
    fields
        .with("needs", sorted(&info.imports))
        .with("installed", if info.installed { "yes" } else { "no" })
        .maybe("from", info.origin.as_ref().and_then(|origin| origin.reference.clone()))
        .maybe("signed by", info.origin.as_ref().and_then(|origin| origin.signer.as_ref()).map(named))
        .maybe("replaced", info.previous.as_ref().map(|digest| digest.short().to_owned()))
        .maybe("apps", (!info.apps.is_empty()).then(|| info.apps.join(", ")))
        .show()
}

fn named(signer: &ProviderSigner) -> String {
    match (&signer.identity, &signer.issuer) {
        (Some(identity), Some(issuer)) if *identity == signer.name => format!("{identity} of {issuer}"),
        (Some(identity), Some(issuer)) => format!("{} ({identity} of {issuer})", signer.name),
        _ => format!("{} (key {})", signer.name, signer.key.get(..12).unwrap_or(&signer.key)),
    }
}

/// Who signed a component, in a word.
pub(crate) fn signer(origin: Option<&ProviderOrigin>) -> String {
    match origin {
        Some(ProviderOrigin { signer: Some(signer), .. }) => signer.name.clone(),
        Some(ProviderOrigin { signed: true, .. }) => "unknown".to_owned(),
        _ => "-".to_owned(),
    }
}

/// What a replacement would change.
pub(crate) fn upgrade(report: &UpgradeReport) -> String {
    let side = |side: &UpgradeSide| {
        let from = side.origin.as_ref().and_then(|origin| origin.reference.clone());
        format!("{} {} {}", side.version, side.digest.short(), from.unwrap_or_else(|| "a file".to_owned()))
    };
    let signed = |side: &UpgradeSide| {
        let signer = side.origin.as_ref().and_then(|origin| origin.signer.as_ref());
        signer.map_or_else(|| "nobody who is trusted".to_owned(), named)
    };
    let mut lines = vec![
        format!("installed: {}, signed by {}", side(&report.from), signed(&report.from)),
        format!("available: {}, signed by {}", side(&report.to), signed(&report.to)),
    ];
    if report.same {
        lines.push("both are the same component".to_owned());
    }
    if report.signer_changed {
        lines.push("the signer is another one: accept that with --accept-signer".to_owned());
    }
    lines.extend(report.changes.iter().map(|one| format!("{}: {} {}", one.change, one.kind, one.name)));
    if !report.same && report.changes.is_empty() {
        lines.push("neither interfaces, settings, origins nor permissions change".to_owned());
    }
    for waiting in &report.waiting {
        lines.push(format!(
            "the app {} waits until it grants {}",
            waiting.app,
            waiting.missing_origins.join(", ")
        ));
    }
    if report.open_jobs > 0 && !report.same {
        lines.push(format!("{} open jobs finish with the installed component", report.open_jobs));
    }
    if report.asked_jobs > 0 {
        lines.push(match report.unreadable_jobs.as_slice() {
            [] => format!("the other can read the {} of them that it was asked about", report.asked_jobs),
            ids => format!(
                "the other cannot read these of the {} that it was asked about, so do not move them: {}",
                report.asked_jobs,
                ids.join(", ")
            ),
        });
    }
    lines.join("\n")
}

/// The settings of an app; the library masks secrets.
pub(crate) fn settings(settings: &[ShownSetting]) -> String {
    let rows = settings.iter().map(|shown| {
        let value = match &shown.value {
            Some(value) => value.lines().collect::<Vec<_>>().join(", "),
            None if shown.setting.required => "(missing)".to_owned(),
            None => "-".to_owned(),
        };
        let about = if shown.is_default { "default" } else { "" };
        vec![shown.setting.name.clone(), value, about.to_owned(), shown.setting.label.clone()]
    });
    let columns = [Column::Text("SETTING"), Column::Text("VALUE"), Column::Text(""), Column::Text("MEANING")];
    table(&columns, rows.collect())
}

/// A status, in its colour.
fn status(status: JobStatus) -> String {
    match status {
        JobStatus::Active => style("active").cyan(),
        JobStatus::Paused => style("paused").yellow(),
        JobStatus::Published => style("published").green(),
        JobStatus::Failed => style("failed").red(),
        JobStatus::Unknown => style("unknown").red(),
        JobStatus::Cancelled => style("cancelled").dim(),
    }
    .to_string()
}

/// The progress in bytes.
fn sent(job: &Job) -> String {
    let total = DecimalBytes(job.bytes_total);
    if job.bytes_sent >= job.bytes_total {
        total.to_string()
    } else {
        format!("{} of {total}", DecimalBytes(job.bytes_sent))
    }
}

/// A job as a row of `jobs list`.
pub(crate) fn job_line(job: &Job) -> Vec<String> {
    let when =
        job.ended_at.or(job.next_attempt_at.filter(|at| *at > job.updated_at)).unwrap_or(job.updated_at);
    let about = job
        .url
        .clone()
        .or_else(|| job.post_id.clone())
        .or_else(|| job.error.as_ref().map(|error| error.message.clone()))
        .unwrap_or_default();
    let name =
        |status: JobStatus| serde_json::to_value(status).ok().and_then(|v| v.as_str().map(str::to_owned));
    vec![
        job.id.clone(),
        name(job.status).unwrap_or_default(),
        job.phase.clone(),
        sent(job),
        job.channel.clone(),
        instant(when),
        about,
    ]
}

/// Why a published job has none.
fn no_link(job: &Job) -> Option<&'static str> {
    let is_looked_for = job.next_attempt_at.is_some();
    (job.status == JobStatus::Published && job.url.is_none()).then_some(if is_looked_for {
        "the platform has not told it yet"
    } else {
        "the platform gives none, as for posts that not everybody can see"
    })
}

/// A job, in full. Ids and links are on their own lines, for copying.
pub(crate) fn describe_job(job: &Job) -> String {
    let caption = job.post.text.as_ref().or(job.post.title.as_ref());
    // Only colours are added here; all other text passes through `plain`.
    let head = format!("{}  {}", style("job").dim(), job.id);
    let error = job.error.as_ref();
    let fields = Fields::default()
        .with("phase", &job.phase)
        .maybe("post", job.post_id.as_ref())
        .maybe("link", job.url.as_ref())
        .maybe("no link", no_link(job))
        .maybe("text", caption)
        .maybe("visible to", job.post.visibility.as_ref())
        .maybe("media", (!job.media.is_empty()).then(|| media(job)))
        .with("bytes", sent(job))
        .with("channel", &job.channel)
        .with("app", &job.app)
        .maybe("why", error.map(|error| error.message.as_str()))
        .maybe("what to do", error.and_then(|error| error.remedy.as_deref()))
        .maybe("code", error.and_then(|error| error.code.as_deref()))
        .maybe("reference", error.and_then(|error| error.trace_id.as_deref()))
        .maybe("platform's id", (!job.references.is_empty()).then(|| job.references.join(", ")))
        .maybe("allowances", (!job.quotas.is_empty()).then(|| quotas(&job.quotas)))
        .maybe("as of", job.quotas_at.map(|at| format!("{}, before it was sent", instant(at))))
        .maybe("attempts", (job.attempts > 0).then(|| HumanCount(job.attempts.into()).to_string()))
        .maybe("publish at", job.publish_at.map(instant))
        .maybe("goes on", job.next_attempt_at.filter(|_| !job.has_ended()).map(instant))
        .maybe("given up", (!job.has_ended()).then(|| instant(job.deadline_at)))
        .maybe("key", job.idempotency_key.as_ref())
        .maybe("repeats", job.retry_of.as_ref())
        .maybe("moved from", job.moved_from.as_ref().map(|digest| digest.short()))
        .maybe(
            "found",
            job.resolution.as_ref().map(|found| if found.posted { "posted" } else { "not posted" }),
        )
        .with("created", instant(job.created_at))
        .maybe("ended", job.ended_at.map(instant))
        .show();
    let wish = if job.cancel_requested && !job.has_ended() { " (asked to cancel)" } else { "" };
    format!("{head}  {}{wish}\n{fields}", status(job.status))
}

fn media(job: &Job) -> String {
    let items = job.media.iter().map(|item| item.file_name.as_deref().unwrap_or(&item.content_type));
    items.collect::<Vec<_>>().join(", ")
}

/// Allowances in a line.
pub(crate) fn quotas(quotas: &[social_channel::model::Quota]) -> String {
    let items = quotas.iter().map(|quota| {
        let resets = quota.resets_at.and_then(|at| i64::try_from(at).ok()).map(instant);
        let resets = resets.map(|at| format!(" (resets at {at})")).unwrap_or_default();
        let of = quota.maximum.map(|maximum| format!(" of {}", HumanCount(maximum))).unwrap_or_default();
        format!("{} {}{of}{resets}", quota.name, HumanCount(quota.used))
    });
    items.collect::<Vec<_>>().join(", ")
}

/// Every attempt of a job.
pub(crate) fn history(rows: &[HistoryRow]) -> String {
    let rows = rows.iter().map(|row| {
        let about = [row.code.as_deref(), row.message.as_deref(), row.trace_id.as_deref()];
        vec![
            instant_ms(row.at_ms),
            row.call.clone(),
            row.phase.clone(),
            row.result.clone(),
            row.by.clone().unwrap_or_default(),
            about.into_iter().flatten().collect::<Vec<_>>().join(", "),
        ]
    });
    let columns = ["TIME (UTC)", "CALL", "PHASE", "RESULT", "BY", "SAID"].map(Column::Text);
    table(&columns, rows.collect())
}

/// A finding, with its remedy below it.
pub(crate) fn finding(finding: &Finding) -> String {
    let mark = match finding.severity {
        Severity::Ok => style("ok     ").green(),
        Severity::Info => style("info   ").cyan(),
        Severity::Warning => style("warning").yellow(),
        Severity::Error => style("error  ").red(),
    };
    let code = finding.code.as_ref().map(|code| format!(" ({})", plain(code))).unwrap_or_default();
    let mut text = format!("{mark}  {}: {}{code}", plain(&finding.subject), plain(&finding.message));
    if let Some(remedy) = &finding.remedy {
        text.push_str(&format!("\n         {}", plain(remedy)));
    }
    text
}
