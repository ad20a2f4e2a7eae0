//! `disconnect`: disconnects a channel, after saying what that does.

use anyhow::Result;
use clap::Args;
use social_channel::{Channel, Job, JobStatus};

use crate::failure::{Stopped, wrong};
use crate::global::Global;
use crate::input;
use crate::output::{Output, instant, plain};
use crate::session::Session;

/// Jobs listed by name; more are counted.
const SHOWN: usize = 10;
/// Jobs looked for; more than anybody schedules on one channel.
const LOOKED_FOR: u32 = 500;

/// Flags of `disconnect`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Its id, or its account's name or @username
    channel: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let session = Session::open(global, true).await?;
    let channel = session.channel(Some(&flags.channel)).await?;
    let said = consequences(&channel, &open_jobs(&session, &channel).await?);
    if flags.yes {
        session.output.note(&said);
    } else {
        ask(&channel, &said)?;
    }
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

/// The jobs that disconnecting ends.
async fn open_jobs(session: &Session, channel: &Channel) -> Result<Vec<Job>> {
    let mut open = Vec::new();
    for status in [JobStatus::Active, JobStatus::Paused] {
        open.extend(session.tenant.jobs(Some(&channel.id), Some(status), LOOKED_FOR).await?);
    }
    Ok(open)
}

fn consequences(channel: &Channel, jobs: &[Job]) -> String {
    let (name, app) = (plain(&channel.display_name), &channel.app);
    let mut said = format!(
        "{name} ({}, app {app}) is about to be disconnected: its access is deleted here and ended at the platform",
        channel.id
    );
    match jobs.len() {
        0 => said.push_str("; no job of it is open"),
        1 => said.push_str("; 1 open job is cancelled:"),
        count => said.push_str(&format!("; {count} open jobs are cancelled:")),
    }
    for job in jobs.iter().take(SHOWN) {
        said.push_str(&format!("\n  {}  {}", job.id, about(job)));
    }
    if jobs.len() > SHOWN {
        said.push_str(&format!(
            "\n  and {} more: `social-channel jobs list --channel {}`",
            jobs.len() - SHOWN,
            channel.id
        ));
    }
    said
}

/// When a job begins, and what it posts.
fn about(job: &Job) -> String {
    let when = match job.publish_at.filter(|_| job.is_scheduled()) {
        Some(at) => format!("scheduled for {}", instant(at)),
        None if job.status == JobStatus::Paused => "paused".to_owned(),
        None => "under way".to_owned(),
    };
    let words =
        job.post.title.as_ref().or(job.post.text.as_ref()).map(|text| plain(text)).unwrap_or_default();
    format!("{when}  {}", words.chars().take(50).collect::<String>()).trim_end().to_owned()
}

fn ask(channel: &Channel, said: &str) -> Result<()> {
    if !input::can_ask() {
        return Err(wrong(said, "add --yes if that is what you want").into());
    }
    // Also with --quiet: it is the question.
    Output { quiet: false, ..Output::default() }.note(said);
    if input::agreed("Disconnect it?")? {
        return Ok(());
    }
    Err(Stopped {
        message: "nothing was disconnected".to_owned(),
        remedy: format!("`social-channel disconnect {}` asks again", channel.id),
    }
    .into())
}
