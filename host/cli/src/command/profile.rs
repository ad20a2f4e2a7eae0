//! `profile`: the account's profile.

use anyhow::Result;
use clap::Args;

use crate::global::Global;
use crate::output::Fields;
use crate::session::Session;

/// Flags of `profile`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The channel: its id, or its account's name or @username; optional if there is only one
    channel: Option<String>,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let session = Session::open(global, false).await?;
    let channel = session.channel(flags.channel.as_deref()).await?;
    let profile = session.tenant.profile(&channel.id).await?;
    session.output.answer(&profile, |profile| {
        let verified = profile.verified.map(|verified| if verified { "yes" } else { "no" });
        Fields::default()
            .with("name", &profile.display_name)
            .maybe("username", profile.username.as_ref().map(|name| format!("@{name}")))
            .maybe("verified", verified)
            .maybe("bio", profile.bio.as_ref())
            .maybe("page", profile.url.as_ref())
            .maybe("avatar", profile.avatar_url.as_ref())
            .with("id", &profile.id)
            .show()
    })?;
    Ok(0)
}
