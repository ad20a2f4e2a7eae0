//! `disconnect`: disconnects a channel.

use anyhow::Result;
use clap::Args;

use crate::global::Global;
use crate::output::plain;
use crate::session::Session;

/// Flags of `disconnect`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Its id, or its account's name
    channel: String,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let session = Session::open(global, true).await?;
    let channel = session.channel(Some(&flags.channel)).await?;
    let gone = session.tenant.disconnect(&channel.id).await?;
    session.output.answer(&gone, |gone| {
        let name = plain(&channel.display_name);
        match (&gone.note, gone.revoked) {
            (_, true) => format!("{name} is disconnected, and the platform has ended the grant"),
            (Some(note), false) => format!("{name} is disconnected here. {}", plain(note)),
            (None, false) => {
                format!("{name} is disconnected here; the grant was not revoked at the platform")
            }
        }
    })?;
    session.output.note("its jobs, consents and numbers are kept: connect the same account to the same app again, and it is the same channel");
    Ok(0)
}
