//! `channels`: connected accounts.

use anyhow::Result;
use clap::{Args, Subcommand};

use super::import;
use crate::global::Global;
use crate::output::{Column, channel, health, instant, table};
use crate::session::Session;

/// The place of a column that is left out where nobody has one.
const USERNAME: usize = 2;

/// Flags of `channels`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Flags {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only this channel, in full: its id, or its account's name or @username
    channel: Option<String>,
}

/// Commands below `channels`.
#[derive(Debug, Subcommand)]
enum Command {
    /// Connect accounts of which another program holds the tokens, from a file: no browser, and nobody is asked again
    Import(import::Flags),
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    if let Some(Command::Import(flags)) = flags.command {
        return import::run(global, flags).await;
    }
    let session = Session::open(global, false).await?;
    if let Some(name) = &flags.channel {
        session.output.answer(&session.channel(Some(name)).await?, channel)?;
        return Ok(0);
    }
    let channels = session.tenant.channels().await?;
    session.output.answer(&channels, |channels| {
        if channels.is_empty() {
            return "no account is connected; connect one with `social-channel connect`".to_owned();
        }
        let usernames = channels.iter().any(|channel| channel.username.is_some());
        let rows = channels.iter().map(|channel| {
            let about = channel.health_detail.clone().or_else(|| channel.warning.clone());
            let username = channel.username.as_ref().map(|name| format!("@{name}")).unwrap_or_default();
            let mut row = vec![
                channel.id.clone(),
                channel.display_name.clone(),
                username,
                channel.app.clone(),
                health(channel.health).to_owned(),
                instant(channel.connected_at),
                about.unwrap_or_default(),
            ];
            if !usernames {
                row.remove(USERNAME);
            }
            row
        });
        let mut columns =
            ["CHANNEL", "ACCOUNT", "USERNAME", "APP", "HEALTH", "CONNECTED", ""].map(Column::Text).to_vec();
        if !usernames {
            columns.remove(USERNAME);
        }
        table(&columns, rows.collect())
    })?;
    Ok(0)
}
