//! `jobs`: shows and manages publish jobs.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use social_channel::{HistoryRow, Job, JobChange, JobStatus, Resolution};

use super::publish::end;
use crate::global::Global;
use crate::input;
use crate::output::{Column, describe_job, history, job_line, parse_instant, table};
use crate::progress;
use crate::session::Session;

/// Commands below `jobs`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Jobs, newest first
    List {
        /// Only jobs of this channel
        #[arg(long, value_name = "CHANNEL")]
        channel: Option<String>,
        /// Only jobs with this status
        #[arg(long, value_enum)]
        status: Option<Status>,
        /// The maximum number
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: u32,
        /// Only jobs after this one in the list (the next page)
        #[arg(long, value_name = "JOB")]
        before: Option<String>,
    },
    /// One job, with every attempt
    Show {
        /// The job
        job: String,
    },
    /// Every attempt of a job
    History {
        /// The job
        job: String,
    },
    /// Wait until another process has run it to its end
    Wait {
        /// The job
        job: String,
        /// The maximum number of seconds
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Request its cancellation, and wait for the result
    Cancel {
        /// The job
        job: String,
    },
    /// Continue it here and now: after Ctrl-C, a crash, a pause, or a change
    Resume {
        /// The job
        job: String,
        /// Leave it to a worker
        #[arg(long)]
        no_wait: bool,
    },
    /// Continue it with the component that its app currently runs, for example a repaired one
    Move {
        /// The job
        job: String,
        /// Leave it to a worker
        #[arg(long)]
        no_wait: bool,
    },
    /// A new job for what an ended one did not publish; given again it is the same new job, until that fails too
    Retry {
        /// The job
        job: String,
        /// After `unknown`: I have checked, and it was not posted
        #[arg(long)]
        looked: bool,
        /// Leave it to a worker
        #[arg(long)]
        no_wait: bool,
    },
    /// Record what you found after a job ended `unknown`
    Resolve(Found),
    /// Change a job of which nothing can have been posted yet, and continue it
    Change(Box<Change>),
}

/// What a person found.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("found").required(true).args(["posted", "not_posted"])))]
pub(crate) struct Found {
    /// The job
    job: String,
    /// The post is there
    #[arg(long)]
    posted: bool,
    /// I have checked, and it is not there
    #[arg(long)]
    not_posted: bool,
    /// The platform's id of the post
    #[arg(long, value_name = "ID", conflicts_with = "not_posted")]
    post_id: Option<String>,
    /// The post's page
    #[arg(long, value_name = "URL", conflicts_with = "not_posted")]
    url: Option<String>,
}

/// The changes.
#[derive(Args, Debug)]
pub(crate) struct Change {
    /// The job
    job: String,
    /// Caption or text
    #[arg(long)]
    text: Option<String>,
    /// Title
    #[arg(long)]
    title: Option<String>,
    /// Who can see it
    #[arg(long)]
    visibility: Option<String>,
    /// Another field of the form
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = input::pair)]
    options: Vec<(String, String)>,
    /// Not before this instant
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    publish_at: Option<i64>,
    /// The job fails if it has not ended at this instant
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    deadline: Option<i64>,
    /// -100 to 100
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// The change as JSON, completed by the flags; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// [`JobStatus`], for the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Status {
    Active,
    Paused,
    Published,
    Failed,
    Unknown,
    Cancelled,
}

impl From<Status> for JobStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => JobStatus::Active,
            Status::Paused => JobStatus::Paused,
            Status::Published => JobStatus::Published,
            Status::Failed => JobStatus::Failed,
            Status::Unknown => JobStatus::Unknown,
            Status::Cancelled => JobStatus::Cancelled,
        }
    }
}

/// A job and every attempt of it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    job: Job,
    history: Vec<HistoryRow>,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<u8> {
    let drives = match &command {
        Command::Cancel { .. } => true,
        Command::Resume { no_wait, .. } | Command::Move { no_wait, .. } | Command::Retry { no_wait, .. } => {
            !no_wait
        }
        _ => false,
    };
    let session = Session::open(global, drives).await?;
    let (tenant, output) = (&session.tenant, session.output);
    match command {
        Command::List { channel, status, limit, before } => {
            let channel = match channel {
                Some(name) => Some(session.channel(Some(&name)).await?.id),
                None => None,
            };
            let status = status.map(JobStatus::from);
            let jobs = tenant.jobs_before(channel.as_deref(), status, limit, before.as_deref()).await?;
            output.answer(&jobs, |jobs| list(jobs))?;
        }
        Command::Show { job } => {
            let shown = Shown { job: tenant.job(&job).await?, history: tenant.job_history(&job).await? };
            output.answer(&shown, |shown| {
                let attempts = if shown.history.is_empty() {
                    "no attempt yet".to_owned()
                } else {
                    history(&shown.history)
                };
                format!("{}\n\n{attempts}", describe_job(&shown.job))
            })?;
        }
        Command::History { job } => {
            output.answer(&tenant.job_history(&job).await?, |rows| history(rows))?;
        }
        Command::Wait { job, timeout } => {
            let job = progress::follow(&session, &job, timeout.map(Duration::from_secs)).await?;
            return end(&session, &job);
        }
        Command::Cancel { job } => {
            tenant.cancel_job(&job).await?;
            let job = progress::follow(&session, &job, None).await?;
            if job.status == JobStatus::Cancelled {
                output.answer(&job, describe_job)?;
                return Ok(0);
            }
            if job.status == JobStatus::Published {
                output.warn("it was published before the cancellation arrived");
            }
            return end(&session, &job);
        }
        Command::Resume { job, no_wait } => {
            let job = tenant.resume_job(&job).await?;
            return driven(&session, job, no_wait).await;
        }
        Command::Move { job, no_wait } => {
            let job = tenant.move_job(&job).await?;
            return driven(&session, job, no_wait).await;
        }
        Command::Retry { job, looked, no_wait } => {
            let job = tenant.retry_job(&job, looked).await?;
            output.note(&format!("job {} is stored", job.id));
            return driven(&session, job, no_wait).await;
        }
        Command::Resolve(found) => {
            let resolution = Resolution { posted: found.posted, post_id: found.post_id, url: found.url };
            let job = tenant.resolve_job(&found.job, resolution).await?;
            output.answer(&job, describe_job)?;
            if job.status == JobStatus::Failed {
                output.note(&format!("\n`social-channel jobs retry {}` creates a new job for it", job.id));
            }
        }
        Command::Change(change) => {
            let job = change_job(&session, *change).await?;
            output.answer(&job, describe_job)?;
        }
    }
    Ok(0)
}

async fn driven(session: &Session, job: Job, no_wait: bool) -> Result<u8> {
    if no_wait {
        session.output.answer(&job, describe_job)?;
        return Ok(0);
    }
    let job = progress::follow(session, &job.id, None).await?;
    end(session, &job)
}

async fn change_job(session: &Session, flags: Change) -> Result<Job> {
    let mut change: JobChange = match &flags.json {
        Some(path) => input::json(path)?,
        None => JobChange::default(),
    };
    let of_post = flags.text.is_some()
        || flags.title.is_some()
        || flags.visibility.is_some()
        || !flags.options.is_empty();
    if of_post {
        let mut post = match change.post.take() {
            Some(post) => post,
            None => session.tenant.job(&flags.job).await?.post,
        };
        post.text = flags.text.or(post.text);
        post.title = flags.title.or(post.title);
        post.visibility = flags.visibility.or(post.visibility);
        for (name, value) in flags.options {
            post.options.insert(name, input::option_value(&value));
        }
        change.post = Some(post);
    }
    change.publish_at = flags.publish_at.or(change.publish_at);
    change.deadline_at = flags.deadline.or(change.deadline_at);
    change.priority = flags.priority.or(change.priority);
    Ok(session.tenant.change_job(&flags.job, change).await?)
}

fn list(jobs: &[Job]) -> String {
    if jobs.is_empty() {
        return "no jobs".to_owned();
    }
    let columns = [
        Column::Text("JOB"),
        Column::Text("STATUS"),
        Column::Text("PHASE"),
        Column::Number("SENT"),
        Column::Text("CHANNEL"),
        Column::Text("WHEN"),
        Column::Text(""),
    ];
    table(&columns, jobs.iter().map(job_line).collect())
}
