//! Commands for developers: that they exist, with the words that a page gives them.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use manual_tests::{Block, root};

/// Checks every line of a block.
pub(crate) fn check(block: &Block) -> Result<()> {
    for line in super::lines(&block.text) {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        while words.first().is_some_and(|word| word.contains('=')) {
            words.remove(0);
        }
        match words.as_slice() {
            ["cargo", "xtask", command, rest @ ..] => xtask(command, rest).with_context(|| line.clone())?,
            ["cargo", "test", name] => {
                ensure!(is_a_test(&root(), name)?, "{line}: there is no test {name}");
            }
            ["python3", script] | [script, ..] if root().join(script).is_file() => {}
            _ => bail!("{line}: this test knows no such command"),
        }
    }
    Ok(())
}

/// The command is in the help of `cargo xtask`, a suite or step in its table.
fn xtask(command: &str, rest: &[&str]) -> Result<()> {
    let read = |file: &str| std::fs::read_to_string(root().join("tests/xtask/src").join(file));
    let main = read("main.rs")?;
    let help = main.lines().find(|line| line.starts_with(&format!("  {command} ")));
    let help = help.context("the help of `cargo xtask` does not name it")?;
    for word in rest {
        let known = if command == "test" {
            read("test.rs")?.contains(&format!("(\"{word}\", "))
        } else {
            !word.starts_with('-') || help.contains(word)
        };
        ensure!(known, "it knows no {word}");
    }
    Ok(())
}

fn is_a_test(folder: &Path, name: &str) -> Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let last = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if last != "target" && last != "node_modules" && !last.starts_with('.') && is_a_test(&path, name)?
            {
                return Ok(true);
            }
        } else if last.ends_with(".rs") && std::fs::read_to_string(&path)?.contains(&format!("fn {name}")) {
            return Ok(true);
        }
    }
    Ok(false)
}
