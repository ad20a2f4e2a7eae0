//! `channels`: connected accounts.

use anyhow::Result;
use clap::Args;

use crate::global::Global;
use crate::output::{Column, channel, health, instant, table};
use crate::session::Session;

/// Flags of `channels`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Only this channel, in full: its id, or its account's name
    channel: Option<String>,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
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
        let rows = channels.iter().map(|channel| {
            let about = channel.health_detail.clone().or_else(|| channel.warning.clone());
            vec![
                channel.id.clone(),
                channel.display_name.clone(),
                channel.app.clone(),
                health(channel.health).to_owned(),
                instant(channel.connected_at),
                about.unwrap_or_default(),
            ]
        });
        let columns = ["CHANNEL", "ACCOUNT", "APP", "HEALTH", "CONNECTED", ""].map(Column::Text);
        table(&columns, rows.collect())
    })?;
    Ok(0)
}
