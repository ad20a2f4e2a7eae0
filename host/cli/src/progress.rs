//! Shows what takes long: a provider that is being compiled, and a job until it ends, pauses, or the user stops the program.

use std::time::{Duration, Instant};

use anyhow::Result;
use console::style as style_text;
use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use social_channel::{Job, JobStatus};

use crate::failure::Stopped;
use crate::output::{Output, instant, now, plain};
use crate::session::Session;
use crate::signal;

/// How often the progress is drawn.
const LOOK: Duration = Duration::from_millis(60);
/// The maximum wait for a call that must not be interrupted; the same as the library's limit for a call.
const SHUTDOWN: Duration = Duration::from_secs(15 * 60);

/// Shows a job's progress. On a request to stop, the job is released and kept.
pub(crate) async fn follow(session: &Session, id: &str, longest: Option<Duration>) -> Result<Job> {
    let mut bar = Bar::new(session.output.moves());
    let end = longest.map(|longest| tokio::time::Instant::now() + longest);
    let stop = signal::stop();
    tokio::pin!(stop);
    loop {
        let job = tokio::select! {
            job = session.tenant.wait_for_job(id, LOOK) => job?,
            () = &mut stop => {
                bar.say("stopping; waiting for calls that must not be interrupted (press Ctrl-C again to stop at once)");
                session.host.shutdown(SHUTDOWN).await;
                bar.clear();
                let job = session.tenant.job(id).await?;
                if job.has_ended() {
                    return Ok(job);
                }
                return Err(Stopped {
                    message: format!("the job {id} is kept in its current state ({})", standing(&job)),
                    remedy: format!("`social-channel jobs resume {id}` continues it"),
                }
                .into());
            }
        };
        if job.status != JobStatus::Active || end.is_some_and(|end| tokio::time::Instant::now() >= end) {
            bar.sum_up(&job);
            bar.clear();
            return Ok(job);
        }
        bar.show(&job);
    }
}

/// Shows that a provider is being compiled, and for how long. Ctrl-C ends it with the program.
pub(crate) async fn loading<T>(output: Output, work: impl Future<Output = T>) -> T {
    timed(output, LOADING, work).await
}

/// Shows that a provider is being tested, and for how long. Ctrl-C ends it with the program.
pub(crate) async fn testing<T>(output: Output, work: impl Future<Output = T>) -> T {
    timed(output, TESTING, work).await
}

async fn timed<T>(output: Output, template: &str, work: impl Future<Output = T>) -> T {
    let target = if output.moves() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target).with_style(style(template));
    bar.enable_steady_tick(LOOK);
    let done = work.await;
    bar.finish_and_clear();
    done
}

fn standing(job: &Job) -> String {
    if job.bytes_total == 0 {
        return job.phase.clone();
    }
    format!("{} of {} bytes sent", job.bytes_sent, job.bytes_total)
}

/// The progress line: a spinner, and a bar during an upload. The summary of an upload stays above it.
struct Bar {
    bar: ProgressBar,
    upload: Option<Upload>,
}

/// The bytes that this process sends.
struct Upload {
    begun: Instant,
    from: u64,
}

impl Bar {
    fn new(shown: bool) -> Self {
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target).with_style(spinner());
        bar.enable_steady_tick(LOOK);
        Bar { bar, upload: None }
    }

    fn show(&mut self, job: &Job) {
        let uploading = job.phase == "uploading" && job.bytes_total > 0 && job.error.is_none();
        if uploading && self.upload.is_none() {
            self.upload = Some(Upload { begun: Instant::now(), from: job.bytes_sent });
            self.bar.set_length(job.bytes_total);
            // For a resumed job the rate also starts here.
            self.bar.set_position(job.bytes_sent);
            self.bar.reset_eta();
            self.bar.set_style(upload());
        }
        if uploading {
            self.bar.set_position(job.bytes_sent);
        } else {
            self.sum_up(job);
            self.bar.set_message(words(job));
        }
    }

    /// Ends the upload, and prints its summary.
    fn sum_up(&mut self, job: &Job) {
        let Some(upload) = self.upload.take() else { return };
        self.bar.set_style(spinner());
        if job.bytes_sent < job.bytes_total {
            return;
        }
        let passed = upload.begun.elapsed();
        let moved = job.bytes_total.saturating_sub(upload.from);
        let rate = u128::from(moved) * 1000 / passed.as_millis().max(1);
        let rate = DecimalBytes(u64::try_from(rate).unwrap_or(u64::MAX));
        let total = DecimalBytes(job.bytes_total);
        let line = style_text("━".repeat(WIDTH)).for_stderr().cyan();
        self.bar
            .println(format!("uploaded  {line} 100%  {total} in {:.1} s  {rate}/s", passed.as_secs_f64()));
    }

    fn say(&mut self, text: &str) {
        self.upload = None;
        self.bar.set_style(spinner());
        self.bar.set_message(text.to_owned());
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn words(job: &Job) -> String {
    let next = job.next_attempt_at.filter(|at| *at > now() + 1);
    match (&job.error, next) {
        (Some(error), Some(at)) => format!("{}; trying again at {}", plain(&error.message), instant(at)),
        (None, Some(at)) if job.phase == "waiting" => format!("waiting until {}", instant(at)),
        _ if job.phase == "processing" => "processing at the platform".to_owned(),
        _ => plain(&job.phase),
    }
}

/// The width of the bar in columns.
const WIDTH: usize = 30;
const LOADING: &str = "{spinner:.cyan} checking and compiling {elapsed} (press Ctrl-C to stop)";
const TESTING: &str = "{spinner:.cyan} compiling and testing {elapsed} (press Ctrl-C to stop)";
const SPINNER: &str = "{spinner:.cyan} {wide_msg}";
const UPLOAD: &str = "uploading {bar:30.cyan/dim} {percent:>3}%  {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left";

fn spinner() -> ProgressStyle {
    style(SPINNER)
}

fn upload() -> ProgressStyle {
    style(UPLOAD).progress_chars("━╸─")
}

/// A progress style from a template, which a test parses; if the template is invalid, the default style.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_well_formed() {
        for template in [LOADING, TESTING, SPINNER, UPLOAD] {
            ProgressStyle::with_template(template).unwrap();
        }
        assert!(UPLOAD.contains(&format!("{{bar:{WIDTH}.")));
    }
}
