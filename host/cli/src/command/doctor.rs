//! `doctor`: all checks that need no person, and the guide through the platform's portal.

use std::net::SocketAddr;

use anyhow::Result;
use clap::Args;
use console::style;
use indicatif::DecimalBytes;
use serde::Serialize;
use social_channel::model::{Finding, GuideStep, Severity};
use social_channel::{App, ErrorKind, Host};

use crate::global::Global;
use crate::output::{finding, instant, now, plain};
use crate::session::Place;
use crate::variable;

/// Flags of `doctor`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Only this app
    app: Option<String>,
    /// Show the guide through the platform's portal, with values to copy
    #[arg(long, requires = "app")]
    guide: bool,
    /// Name server for checks of domains; default: the system's
    #[arg(long, value_name = "ADDRESS", env = variable::DNS_SERVER, hide_env = true)]
    dns_server: Option<SocketAddr>,
}

/// Findings about one app, or about this installation.
#[derive(Serialize)]
struct Part {
    /// The app; absent: this installation.
    app: Option<String>,
    findings: Vec<Finding>,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let place = Place::find(global).await?;
    if let (Some(app), true) = (&flags.app, flags.guide) {
        let host = place.builder().background(false).open().await?;
        place.prepare(&host).await?;
        let steps = host.guide(app).await?;
        place.output.answer(&steps, |steps| guide(steps))?;
        return Ok(0);
    }
    let mut parts = vec![Part { app: None, findings: Vec::new() }];
    let own = &mut parts[..];
    if let Some(own) = own.first_mut() {
        own.findings.extend(installation(&place));
    }
    let builder = place.builder().background(false);
    let builder = match flags.dns_server {
        Some(server) => builder.dns_server(server),
        None => builder,
    };
    match builder.open().await {
        Err(error) => {
            if let Some(own) = parts.first_mut() {
                own.findings.push(failed("database and key", &error));
            }
        }
        Ok(host) => {
            place.prepare(&host).await?;
            if let Some(own) = parts.first_mut() {
                own.findings.extend(opened(&place, &host).await);
            }
            let apps = match &flags.app {
                Some(app) => vec![host.app(app).await?],
                None => host.apps().await?,
            };
            for app in apps {
                parts.push(Part { findings: check_app(&host, &app).await, app: Some(app.id) });
            }
        }
    }
    place.output.answer(&parts, |parts| show(parts))?;
    let bad = parts.iter().flat_map(|part| &part.findings).any(|found| found.severity == Severity::Error);
    Ok(u8::from(bad))
}

fn found(severity: Severity, subject: &str, message: impl Into<String>) -> Finding {
    let subject = subject.to_owned();
    Finding {
        severity,
        subject,
        message: message.into(),
        remedy: None,
        code: None,
        details: Default::default(),
    }
}

fn failed(subject: &str, error: &social_channel::Error) -> Finding {
    Finding {
        remedy: error.remedy.clone(),
        code: error.code.clone(),
        ..found(Severity::Error, subject, error.message.as_str())
    }
}

/// Findings that need no open host.
fn installation(place: &Place) -> Vec<Finding> {
    let mut findings = vec![
        found(Severity::Ok, "version", env!("CARGO_PKG_VERSION")),
        found(Severity::Ok, "data folder", place.folder.display().to_string()),
    ];
    for mapping in &place.policy.connect_to {
        findings.push(Finding {
            remedy: Some(
                "tokens are sent there; for the real platform remove it from the policy file".to_owned(),
            ),
            ..found(
                Severity::Warning,
                "mapping",
                format!("requests are mapped to another address: {mapping}"),
            )
        });
    }
    if place.policy.allow_private_networks {
        findings.push(found(Severity::Warning, "policy", "providers may reach private networks"));
    }
    findings
}

/// Findings that need the open host.
async fn opened(place: &Place, host: &Host) -> Vec<Finding> {
    let database = place.database();
    let size =
        database.path().map(|path| std::fs::metadata(path).map(|facts| facts.len()).unwrap_or_default());
    let size = size.map_or_else(String::new, |size| format!(" ({})", DecimalBytes(size)));
    let mut findings = vec![
        found(Severity::Ok, "database", format!("{database} opens{size}")),
        found(Severity::Ok, "master key", format!("{} fits the database", place.key())),
        cache(place),
    ];
    findings.extend(host.doubts().iter().cloned());
    if let Some(blob) = place.blob.as_ref().filter(|blob| blob.path().is_none()) {
        findings.push(match host.check_uploads().await {
            Ok(()) => found(Severity::Ok, "uploads", format!("{blob} can be used")),
            Err(error) => failed("uploads", &error),
        });
    }
    match host.apps().await {
        Ok(apps) => findings.push(clock(&apps)),
        Err(error) => findings.push(failed("apps", &error)),
    }
    match host.providers().await {
        Ok(providers) => {
            if !providers.iter().any(|info| info.installed) {
                findings.push(Finding {
                    remedy: Some("`social-channel providers add FILE`".to_owned()),
                    ..found(Severity::Warning, "providers", "none is installed")
                });
            }
            findings.extend(providers.iter().filter(|info| info.installed).map(|info| {
                let (id, version) = (&info.descriptor.id, &info.descriptor.version);
                found(Severity::Ok, "provider", format!("{id} {version} loads ({})", info.digest.short()))
            }));
        }
        Err(error) => findings.push(failed("providers", &error)),
    }
    findings
}

/// If the folder cannot be used, the library compiles again, and reports it only in the log.
fn cache(place: &Place) -> Finding {
    let folder = place.cache();
    let usable = tempfile::NamedTempFile::new_in(&folder).is_ok();
    if usable {
        return found(Severity::Ok, "compiled code", format!("kept in {}", folder.display()));
    }
    Finding {
        remedy: Some("make the folder writable; it must belong to this user, with mode 0700".to_owned()),
        ..found(Severity::Warning, "compiled code", format!("cannot be kept in {}", folder.display()))
    }
}

/// Whether the clock went backwards. The provider's checks compare it with the platform's clock.
fn clock(apps: &[App]) -> Finding {
    let newest = apps.iter().map(|app| app.updated_at).max().unwrap_or_default();
    let now = now();
    if now + 60 < newest {
        return Finding {
            remedy: Some("set the clock; tokens would seem valid for too long".to_owned()),
            ..found(
                Severity::Error,
                "clock",
                format!("it says {}, but something was stored at {}", instant(now), instant(newest)),
            )
        };
    }
    found(Severity::Ok, "clock", instant(now))
}

async fn check_app(host: &Host, app: &App) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in &app.missing_settings {
        findings.push(Finding {
            remedy: Some(format!("`social-channel settings set {} {name}`", app.id)),
            ..found(Severity::Error, name, "it has no value")
        });
    }
    match social_channel_server::Site::of(host).check_settings(&app.id).await {
        // Missing settings were already reported.
        Ok(more) => findings.extend(
            more.into_iter()
                .filter(|one| !findings.iter().any(|known| known.subject == one.subject))
                .collect::<Vec<_>>(),
        ),
        Err(error) if error.kind == ErrorKind::Unsupported => {}
        Err(error) => findings.push(failed("settings", &error)),
    }
    if findings.is_empty() {
        findings.push(found(Severity::Ok, "settings", "all required ones have a value"));
    }
    findings
}

fn show(parts: &[Part]) -> String {
    let texts = parts.iter().map(|part| {
        let head = match &part.app {
            Some(app) => format!("app {}", plain(app)),
            None => "this installation".to_owned(),
        };
        let lines: Vec<String> = part.findings.iter().map(finding).collect();
        format!("{}\n{}", style(head).bold(), lines.join("\n"))
    });
    texts.collect::<Vec<_>>().join("\n\n")
}

fn guide(steps: &[GuideStep]) -> String {
    let texts = (1..).zip(steps).map(|(number, step)| {
        let mut text = format!("{}\n", style(format!("{number}. {}", plain(&step.title))).bold());
        for line in step.body.lines() {
            text.push_str(&format!("   {}\n", plain(line)));
        }
        for value in &step.copy {
            let label = style(format!("{}:", plain(&value.label))).dim();
            for line in value.value.lines() {
                text.push_str(&format!("   {label} {}\n", plain(line)));
            }
        }
        text
    });
    texts.collect::<Vec<_>>().join("\n")
}
