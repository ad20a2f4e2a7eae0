//! Commands that the gate runs as they stand: a line of `.ci/run`, or one that a suite has.

use anyhow::{Result, bail, ensure};
use manual_tests::{Block, root};

/// Checks every line of a block.
pub(crate) fn check(block: &Block) -> Result<()> {
    let read = |file: &str| std::fs::read_to_string(root().join(file));
    for line in super::lines(&block.text) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            // The suite `pages` reads this line from the page and runs it, for the picture of the demo.
            ["cargo", "xtask", "demo"] => {
                ensure!(read("tests/browser/docs.mjs")?.contains("^cargo xtask demo"), "nothing runs {line}");
            }
            ["cargo", "xtask", ..] => {
                ensure!(read(".ci/run")?.lines().any(|run| run == line), ".ci/run does not run {line}");
            }
            ["python3", script] => {
                ensure!(read("tests/xtask/src/test.rs")?.contains(script), "no suite runs {line}");
            }
            _ => bail!("{line}: this test knows no such command"),
        }
    }
    Ok(())
}
