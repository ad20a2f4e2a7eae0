//! `endpoints`: addresses that get a tenant's events by Standard Webhooks, and what was sent to them.

use std::time::Duration;

use anyhow::Result;
use clap::{ArgGroup, Args, Subcommand};
use social_channel::{
    Delivery, DeliveryAttempt, DeliveryStatus, Endpoint, EndpointChanges, EndpointWithSecret, NewEndpoint,
};

use crate::global::Global;
use crate::output::{Column, Fields, Output, instant, instant_ms, table};
use crate::session::Session;

/// Commands below `endpoints`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All addresses
    List,
    /// One address
    Show {
        /// Its id
        id: String,
    },
    /// Add an address: it gets the events from now on, sent by `serve` and `work`; its secret is shown once
    Add {
        /// Where to send events: https, and reachable from the internet
        url: String,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        /// Only events of this type, such as job.published; may be repeated
        #[arg(long = "type", value_name = "TYPE")]
        types: Vec<String>,
    },
    /// Change an address
    Change(Change),
    /// Give an address another secret, which is shown once
    Rotate {
        /// Its id
        id: String,
        /// How many hours the secret before signs beside it
        #[arg(long, value_name = "HOURS", default_value_t = 24)]
        overlap: u32,
    },
    /// Remove an address and its log
    Remove {
        /// Its id
        id: String,
    },
    /// What was sent to an address and what waits, newest events first
    Log {
        /// Its id
        id: String,
        /// Only events before this number (the next page)
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
        /// The maximum number
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: u32,
    },
    /// The last attempts to send an event
    Attempts {
        /// The address's id
        id: String,
        /// The event's number
        number: u64,
    },
    /// Send an event to an address again, whatever became of it
    Resend {
        /// The address's id
        id: String,
        /// The event's id
        event: String,
    },
}

/// The changes.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("which").args(["types", "all_types"])), group(ArgGroup::new("switch").args(["enable", "disable"])))]
pub(crate) struct Change {
    /// Its id
    id: String,
    /// Where to send events
    #[arg(long)]
    url: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Only events of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Events of all types
    #[arg(long)]
    all_types: bool,
    /// Send what it missed, and what comes
    #[arg(long)]
    enable: bool,
    /// Send nothing until it is enabled
    #[arg(long)]
    disable: bool,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<u8> {
    let session = Session::open(global, false).await?;
    let (tenant, output) = (&session.tenant, session.output);
    match command {
        Command::List => output.answer(&tenant.endpoints().await?, |all| list(all))?,
        Command::Show { id } => output.answer(&tenant.endpoint(&id).await?, show)?,
        Command::Add { url, description, types } => {
            let new = NewEndpoint { url, description, types, secret: None };
            made(output, &tenant.add_endpoint(new).await?)?;
        }
        Command::Change(flags) => {
            let changes = EndpointChanges {
                url: flags.url,
                description: flags.description,
                types: (flags.all_types || !flags.types.is_empty()).then_some(flags.types),
                enabled: (flags.enable || flags.disable).then_some(flags.enable),
            };
            output.answer(&tenant.change_endpoint(&flags.id, changes).await?, show)?;
        }
        Command::Rotate { id, overlap } => {
            let overlap = Duration::from_secs(u64::from(overlap) * 3600);
            made(output, &tenant.rotate_endpoint(&id, None, Some(overlap)).await?)?;
        }
        Command::Remove { id } => {
            tenant.delete_endpoint(&id).await?;
            output.note(&format!("nothing is sent to {id} any more"));
            output.answer(&serde_json::json!({"removed": id}), |_| String::new())?;
        }
        Command::Log { id, before, limit } => {
            output.answer(&tenant.deliveries(&id, before, limit).await?, |all| log(all))?;
        }
        Command::Attempts { id, number } => {
            output.answer(&tenant.delivery_attempts(&id, number).await?, |all| attempts(all))?;
        }
        Command::Resend { id, event } => {
            tenant.send_event_again(&id, &event).await?;
            output.note(&format!("the event {event} is sent again"));
            output.answer(&serde_json::json!({"event": event}), |_| String::new())?;
        }
    }
    Ok(0)
}

fn made(output: Output, made: &EndpointWithSecret) -> Result<()> {
    let mut facts = serde_json::to_value(&made.endpoint)?;
    if let Some(facts) = facts.as_object_mut() {
        facts.insert("secret".to_owned(), made.secret.expose().into());
    }
    output.answer(&facts, |_| format!("{}\nsecret  {}", made.endpoint.id, made.secret.expose()))?;
    output.note("the secret is shown only once; the receiver verifies with it what it gets");
    Ok(())
}

fn state(endpoint: &Endpoint) -> String {
    match (&endpoint.disabled, endpoint.failures) {
        (Some(why), _) => format!("disabled: {why}"),
        (None, 0) => "good".to_owned(),
        (None, 1) => "1 failure".to_owned(),
        (None, failures) => format!("{failures} failures"),
    }
}

fn types(endpoint: &Endpoint) -> String {
    if endpoint.types.is_empty() { "all".to_owned() } else { endpoint.types.join(", ") }
}

fn list(endpoints: &[Endpoint]) -> String {
    if endpoints.is_empty() {
        return "no addresses; add one with `social-channel endpoints add URL`".to_owned();
    }
    let rows = endpoints.iter().map(|endpoint| {
        vec![
            endpoint.id.clone(),
            endpoint.url.clone(),
            types(endpoint),
            state(endpoint),
            endpoint.description.clone(),
        ]
    });
    table(&["ENDPOINT", "URL", "TYPES", "STATE", ""].map(Column::Text), rows.collect())
}

fn show(endpoint: &Endpoint) -> String {
    Fields::default()
        .with("endpoint", &endpoint.id)
        .with("url", &endpoint.url)
        .with("types", types(endpoint))
        .with("state", state(endpoint))
        .maybe("failing since", endpoint.failing_since.map(instant))
        .with("secrets", endpoint.secrets.to_string())
        .with("added", instant(endpoint.created_at))
        .with("for", &endpoint.description)
        .show()
}

fn log(deliveries: &[Delivery]) -> String {
    if deliveries.is_empty() {
        return "nothing was sent yet".to_owned();
    }
    let rows = deliveries.iter().map(|delivery| {
        let state = match delivery.status {
            DeliveryStatus::Waiting => "waiting",
            DeliveryStatus::Delivered => "delivered",
            DeliveryStatus::Failed => "failed",
        };
        vec![
            delivery.number.to_string(),
            delivery.event.clone(),
            delivery.kind.clone(),
            delivery.timestamp.clone(),
            state.to_owned(),
            delivery.attempts.to_string(),
            delivery.next_attempt_at.map(instant).unwrap_or_default(),
        ]
    });
    let columns = [
        Column::Number("NUMBER"),
        Column::Text("EVENT"),
        Column::Text("TYPE"),
        Column::Text("HAPPENED"),
        Column::Text("STATE"),
        Column::Number("ATTEMPTS"),
        Column::Text("NEXT"),
    ];
    table(&columns, rows.collect())
}

fn attempts(attempts: &[DeliveryAttempt]) -> String {
    if attempts.is_empty() {
        return "no attempt yet".to_owned();
    }
    let rows = attempts.iter().map(|attempt| {
        vec![
            instant_ms(attempt.at_ms),
            attempt.status.map(|status| status.to_string()).unwrap_or_default(),
            format!("{} ms", attempt.took_ms),
            attempt.failure.clone().unwrap_or_else(|| "accepted".to_owned()),
        ]
    });
    table(&["WHEN", "STATUS", "TOOK", ""].map(Column::Text), rows.collect())
}
