//! Output formats: `text` for people, `json` as the library's own types.

mod describe;
mod table;
mod time;

use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

pub(crate) use describe::{
    channel, describe_job, finding, health, history, job_line, provider, quotas, settings, signer, upgrade,
};
pub(crate) use table::{Column, Fields, table};
pub(crate) use time::{instant, instant_ms, now, parse_instant, span};

/// The output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON document on standard output; a failure as one on standard error.
    Json,
}

/// Writes results and messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Output {
    pub(crate) format: Format,
    pub(crate) quiet: bool,
}

impl Output {
    /// Writes the command's result.
    pub(crate) fn answer<T: Serialize + ?Sized>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        let text = match self.format {
            Format::Text => text(value),
            Format::Json => serde_json::to_string_pretty(value)?,
        };
        self.raw(&text)
    }

    /// Text, in any format.
    pub(crate) fn raw(self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        match write!(out, "{text}{end}").and_then(|()| out.flush()) {
            // The reader has closed the pipe.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            result => Ok(result?),
        }
    }

    /// An additional message.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            // A message that cannot be written is not a failure.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// A warning.
    pub(crate) fn warn(self, text: &str) {
        let label = console::style("warning:").for_stderr().yellow().bold();
        self.note(&format!("{label} {text}"));
    }

    /// Whether progress can be animated.
    pub(crate) fn moves(self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }
}

/// Untrusted text, which must not control the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\r' | '\t' => Some(' '),
            // Characters that change the text direction could make a link look like another.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
            c if c.is_control() => None,
            c => Some(c),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_does_not_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}d\u{7}"), "a[2Jb cd");
    }
}
