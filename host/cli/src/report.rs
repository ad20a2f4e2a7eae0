//! The output of a failure, and its exit code. The code comes from the library's table of failures.

use std::fmt::Write as _;
use std::io::Write as _;

use social_channel::{Error, ErrorKind};

use crate::failure::Stopped;
use crate::output::{Format, plain, span};

/// Prints the failure and returns the exit code.
pub(crate) fn report(error: &anyhow::Error, format: Format) -> u8 {
    let text = match format {
        Format::Text => text(error),
        Format::Json => json(error),
    };
    // If standard error is gone, there is nothing to report to.
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
            // Libraries repeat their causes in their own messages.
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

/// Keeps line breaks, and removes other control characters.
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
