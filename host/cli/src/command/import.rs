//! `channels import`: connects accounts of which another program holds the tokens. They come from a file or from standard
//! input, never from the command line, where a shell would keep them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use clap::{Args, ValueEnum};
use social_channel::{Import, ImportReport, ImportRow, ImportStatus, ImportedRow, TableFormat};

use crate::failure::{Stopped, wrong};
use crate::global::Global;
use crate::input;
use crate::output::{Column, Format, Output, plain, table};
use crate::session::{Session, warn_of_mappings};
use crate::signal;

/// The maximum wait for rows under way when the program is stopped.
const SHUTDOWN: std::time::Duration = std::time::Duration::from_secs(60);
/// Without a terminal a line is written after so many rows.
const EVERY: usize = 100;

/// How the file is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FileFormat {
    /// Comma-separated values; the first line names the columns
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// Flags of `channels import`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The file; `-` is standard input. Columns: the provider's connect inputs, and `account-id` and `reference` if known
    file: PathBuf,
    /// The app that the accounts belong to: tokens work with the registration that they were issued to
    #[arg(long)]
    app: String,
    /// Only check the file: nothing is sent to the platform
    #[arg(long)]
    dry_run: bool,
    /// How the file is written, if its name does not end in .csv or .jsonl
    #[arg(long = "file-format", value_name = "FORMAT", value_enum)]
    form: Option<FileFormat>,
    /// Seconds to wait in all for a platform that takes nothing at the moment
    #[arg(long, value_name = "SECONDS", default_value_t = 24 * 3600)]
    wait: u32,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let format = match flags.form {
        Some(FileFormat::Csv) => TableFormat::Csv,
        Some(FileFormat::Jsonl) => TableFormat::Jsonl,
        None => by_name(&flags.file)?,
    };
    let rows = ImportRow::read(format, &input::bytes(&flags.file)?)?;
    let session = Session::open(global, false).await?;
    warn_of_mappings(&session.place);
    let progress = Progress::new(session.output, rows.len());
    let import = Import { dry_run: flags.dry_run, wait_seconds: flags.wait, rows };
    let told = |row: &ImportedRow| progress.show(row);
    let report = tokio::select! {
        report = session.tenant.import_channels(&flags.app, import, &told) => report,
        () = signal::stop() => {
            session.host.shutdown(SHUTDOWN).await;
            return Err(Stopped {
                message: format!("{} of {} rows are done", progress.done(), progress.all),
                remedy: "give the same file again: rows that are done are left alone".to_owned(),
            }
            .into());
        }
    };
    progress.clear();
    let report = report?;
    session.output.answer(&report, describe)?;
    if report.is_good() {
        if report.dry_run {
            session.output.note("nothing was sent: only the platform knows whether it takes these tokens");
        }
        return Ok(0);
    }
    session.output.note(if report.rows.iter().any(|row| row.status == ImportStatus::NotDone) {
        "give the same file again for the rows that are not done: the others are left alone"
    } else {
        "the accounts of the other rows are connected by a person: `social-channel connect`"
    });
    Ok(1)
}

fn by_name(file: &Path) -> Result<TableFormat> {
    let ending = file.extension().map(|ending| ending.to_ascii_lowercase());
    match ending.as_deref().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok(TableFormat::Csv),
        Some("jsonl" | "ndjson") => Ok(TableFormat::Jsonl),
        _ => Err(wrong(
            format!("how {} is written does not show from its name", file.display()),
            "add --file-format csv or --file-format jsonl",
        )
        .into()),
    }
}

/// The rows that need somebody, and how many there are of each kind.
fn describe(report: &ImportReport) -> String {
    let counts: Vec<String> =
        report.counts.iter().map(|(status, count)| format!("{count} {}", words(*status))).collect();
    let open: Vec<_> =
        report.rows.iter().filter(|row| !row.status.is_good() || row.error.is_some()).collect();
    let counts = counts.join(", ");
    if open.is_empty() {
        return counts;
    }
    let rows = open.into_iter().map(|row| {
        let error = row.error.as_ref();
        let why = error.map(|error| match &error.code {
            Some(code) => format!("{} ({})", plain(&error.message), plain(code)),
            None => plain(&error.message),
        });
        let account = row.account_id.as_deref().or(row.display_name.as_deref());
        vec![
            row.row.to_string(),
            row.reference.as_deref().map(plain).unwrap_or_default(),
            account.map(plain).unwrap_or_default(),
            words(row.status).to_owned(),
            why.unwrap_or_default(),
            error.and_then(|error| error.remedy.as_deref()).map(plain).unwrap_or_default(),
        ]
    });
    let columns = ["ROW", "REFERENCE", "ACCOUNT", "", "WHY", "WHAT TO DO"].map(Column::Text);
    format!("{}\n\n{counts}", table(&columns, rows.collect()))
}

fn words(status: ImportStatus) -> &'static str {
    match status {
        ImportStatus::Ready => "ready",
        ImportStatus::Connected => "connected",
        ImportStatus::Updated => "updated",
        ImportStatus::AlreadyConnected => "connected already",
        ImportStatus::OtherAccount => "connected, but another account",
        ImportStatus::Dead => "dead",
        ImportStatus::Refused => "refused",
        ImportStatus::NotDone => "not done",
    }
}

/// Says how far the import is: in place on a terminal, else a line now and then.
struct Progress {
    output: Output,
    all: usize,
    done: AtomicUsize,
    bad: AtomicUsize,
    term: Mutex<console::Term>,
}

impl Progress {
    fn new(output: Output, all: usize) -> Self {
        let (done, bad) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Progress { output, all, done, bad, term: Mutex::new(console::Term::stderr()) }
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    fn show(&self, row: &ImportedRow) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let bad = self.bad.fetch_add(usize::from(!row.status.is_good()), Ordering::Relaxed)
            + usize::from(!row.status.is_good());
        let line = format!("{done} of {} rows, {bad} of them need a look", self.all);
        if self.output.moves() {
            if let Ok(mut term) = self.term.lock() {
                // A line that cannot be drawn is no failure.
                let _ = term.clear_line().and_then(|()| term.write_all(line.as_bytes()));
            }
        } else if done.is_multiple_of(EVERY) && done < self.all && self.output.format == Format::Text {
            self.output.note(&line);
        }
    }

    fn clear(&self) {
        if self.output.moves()
            && let Ok(term) = self.term.lock()
        {
            let _ = term.clear_line();
        }
    }
}
