//! Runs `cargo test` and measures the time of each test program.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::run;
use crate::steps::seconds;

/// Faster ones are not listed.
const WORTH_A_LINE: Duration = Duration::from_secs(2);

/// Installs what the tests in Rust need, where it is missing.
pub(crate) fn install() -> Result<()> {
    run::script("tests/manuals/tools.sh")?;
    crate::install_databases()?;
    run::script(crate::S3)?;
    run::script(crate::REGISTRY)
}

/// All tests in Rust; then the seconds of each test program, the slowest first.
pub(crate) fn test() -> Result<()> {
    install()?;
    // One pipe for both, so that each program's name comes before its tests.
    let (reader, writer) = std::io::pipe().context("no pipe")?;
    let mut command = Command::new(run::cargo_program());
    command
        .args(["test", "--no-fail-fast"])
        .current_dir(run::root())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    if std::io::stderr().is_terminal() && std::env::var_os("CARGO_TERM_COLOR").is_none() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = run::as_from_a_shell(&mut command)?.spawn().context("cargo cannot be run")?;
    // It holds the write ends, which must be closed for the reader to end.
    drop(command);
    let mut times = Times::default();
    let mut lines = BufReader::new(reader);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        // If standard output is closed, the tests continue.
        let _ = std::io::stdout().write_all(&line);
        times.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait()?;
    eprint!("{}", times.table());
    if !status.success() {
        bail!("cargo test: {status}");
    }
    Ok(())
}

/// The parsed output of cargo and the test programs.
#[derive(Default)]
struct Times {
    /// The current package, which cargo does not print; it runs each package's unit tests first.
    package: String,
    programs: Vec<(String, Duration)>,
}

impl Times {
    /// Parses `Running unittests src/lib.rs (target/debug/deps/a-0123)`, `Running tests/b.rs (…)`,
    /// `Doc-tests a` and `…; finished in 0.12s`.
    fn read(&mut self, line: &str) {
        let line = without_colours(line);
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("Running ") {
            let (source, program) = rest.split_once(" (").unwrap_or((rest, rest));
            let source = match source.strip_prefix("unittests ") {
                Some(source) => {
                    let program = program.rsplit('/').next().unwrap_or(program);
                    program.rsplit_once('-').map_or(program, |(name, _)| name).clone_into(&mut self.package);
                    source
                }
                None => source,
            };
            self.programs.push((format!("{} {source}", self.package), Duration::ZERO));
        } else if let Some(name) = line.strip_prefix("Doc-tests ") {
            self.programs.push((format!("{name} documentation"), Duration::ZERO));
        } else if let Some((_, took)) = line.split_once("finished in ")
            && line.starts_with("test result:")
            && let Some(took) = took.strip_suffix('s').and_then(|took| took.parse().ok())
            && let Some((_, time)) = self.programs.last_mut()
        {
            *time += Duration::from_secs_f64(took);
        }
    }

    fn table(&self) -> String {
        let mut slow: Vec<_> = self.programs.iter().filter(|(_, time)| *time >= WORTH_A_LINE).collect();
        slow.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
        slow.iter().map(|(name, time)| format!("   {:>8}  {name}\n", seconds(*time))).collect()
    }
}

/// Removes `ESC [ … letter`.
fn without_colours(line: &str) -> String {
    let mut pieces = line.split('\u{1b}');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| c.is_ascii_alphabetic()).map_or(piece.len(), |at| at + 1);
        text.push_str(&piece[end..]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_gets_its_seconds() {
        let mut times = Times::default();
        for line in [
            "   Compiling a v0.1.0 (/a)\n",
            "     Running unittests src/lib.rs (target/debug/deps/social_channel-0123abcd)\n",
            "test running ... ok\n",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 3.50s\n",
            "\u{1b}[1m\u{1b}[92m     Running\u{1b}[0m tests/short.rs (/t/debug/deps/short-0123abcd)\n",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 61.25s\n",
            "     Running tests/quick.rs (target/debug/deps/quick-0123abcd)\n",
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
            "   Doc-tests social_channel\n",
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.00s\n",
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.50s\n",
        ] {
            times.read(line);
        }
        assert_eq!(
            times.table(),
            "       61 s  social_channel tests/short.rs\n      3.5 s  social_channel src/lib.rs\n\
             \x20     2.5 s  social_channel documentation\n"
        );
    }
}
