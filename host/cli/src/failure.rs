//! How a failure looks, and the exit code it ends with. The code comes from the library's one table.

use std::fmt::Write as _;
use std::io::Write as _;

use social_channel::{Error, ErrorKind};

use crate::output::{Format, plain, span};

/// The program was asked to stop before the work was done. Nothing failed.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// What was left.
    pub(crate) message: String,
    /// How to go on.
    pub(crate) remedy: String,
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stopped {}

/// A mistake of the user's that only the command line sees.
pub(crate) fn wrong(message: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message).with_remedy(remedy)
}

/// A file that cannot be read.
pub(crate) fn unreadable(path: &std::path::Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{} cannot be read", path.display()))
        .with_remedy("check the path and the rights of the file")
        .with_source(error)
}

/// Prints the failure and returns the exit code.
pub(crate) fn report(error: &anyhow::Error, format: Format) -> u8 {
    let text = match format {
        Format::Text => text(error),
        Format::Json => json(error),
    };
    // Nobody is left to tell when standard error is gone.
    let _ = std::io::stderr().write_all(text.as_bytes());
    code(error)
}

fn code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Error>() {
        Some(error) => error.kind.exit_code(),
        None if error.downcast_ref::<Stopped>().is_some() => 1,
        None => ErrorKind::Internal.exit_code(),
    }
}

fn remedy(error: &anyhow::Error) -> Option<&str> {
    match error.downcast_ref::<Error>() {
        Some(error) => error.remedy.as_deref(),
        None => error.downcast_ref::<Stopped>().map(|stopped| stopped.remedy.as_str()),
    }
}

fn text(error: &anyhow::Error) -> String {
    let label = if error.downcast_ref::<Stopped>().is_some() {
        console::style("stopped:").for_stderr().yellow().bold()
    } else {
        console::style("error:").for_stderr().red().bold()
    };
    let mut out = format!("{label} {}\n", lines(&error.to_string()));
    let mut said = vec![error.to_string()];
    let causes: Vec<String> = error
        .chain()
        .skip(1)
        .map(ToString::to_string)
        .filter(|cause| {
            // Libraries repeat their causes in their own words.
            let new = !said.iter().any(|said| said.contains(cause.as_str()));
            said.push(cause.clone());
            new
        })
        .collect();
    if !causes.is_empty() {
        out.push_str("Caused by:\n");
        for cause in causes {
            let _ = writeln!(out, "  {}", lines(&cause));
        }
    }
    if let Some(error) = error.downcast_ref::<Error>() {
        let facts = [("code", &error.code), ("reference", &error.trace_id)];
        for (name, value) in facts {
            if let Some(value) = value {
                let _ = writeln!(out, "  {name}: {}", plain(value));
            }
        }
        if let Some(wait) = error.retry_after {
            let _ = writeln!(out, "  try again in: {}", span(wait));
        }
    }
    if let Some(remedy) = remedy(error) {
        let hint = console::style("hint:").for_stderr().cyan().bold();
        let _ = writeln!(out, "\n{hint} {}", lines(remedy));
    }
    out
}

/// Line breaks are ours; what else steers a terminal is not.
fn lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

fn json(error: &anyhow::Error) -> String {
    let fallback = match error.downcast_ref::<Stopped>() {
        Some(stopped) => {
            serde_json::json!({"kind": "stopped", "message": stopped.message, "remedy": stopped.remedy})
        }
        None => serde_json::json!({"kind": ErrorKind::Internal, "message": format!("{error:#}")}),
    };
    let member = error.downcast_ref::<Error>().and_then(|error| serde_json::to_value(error).ok());
    format!("{}\n", serde_json::json!({"error": member.unwrap_or(fallback)}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_ends_with_its_own_code() {
        for kind in ErrorKind::ALL {
            let error = anyhow::Error::new(Error::new(kind, "no"));
            assert_eq!(code(&error), kind.exit_code(), "{kind}");
            assert_eq!(code(&error.context("while trying")), kind.exit_code(), "{kind}");
        }
        assert_eq!(code(&anyhow::anyhow!("unforeseen")), 2);
    }

    #[test]
    fn a_failure_says_what_why_and_what_now() {
        console::set_colors_enabled_stderr(false);
        let error = Error::new(ErrorKind::RateLimited, "too \u{1b}[31mfast")
            .with_code("rate_limit_exceeded")
            .with_remedy("wait")
            .with_retry_after(std::time::Duration::from_secs(60))
            .with_source(std::io::Error::other("the wire"));
        let text = text(&anyhow::Error::new(error));
        let expected = "error: too [31mfast\nCaused by:\n  the wire\n  code: rate_limit_exceeded\n  \
                        try again in: 60 seconds\n\nhint: wait\n";
        assert_eq!(text, expected);
    }
}
