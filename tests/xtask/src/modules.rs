//! The drawing of modules, for printing and for `ARCHITECTURE.md`. `tests/structure` reads the modules and checks
//! its rules.

use anyhow::{Context as _, Error, Result, bail};
use structure::{CRATES, DOCUMENT, Folder};

use crate::run;

/// Prints the drawing with numbers, or with `--write` writes the drawing without numbers into the document.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let files = Folder(run::root());
    match arguments {
        [] => print!("{}", structure::drawing(&files, CRATES, true).map_err(Error::msg)?),
        [flag] if flag == "--write" => {
            let text = structure::document(&files, CRATES).map_err(Error::msg)?;
            let text = text
                .with_context(|| format!("{DOCUMENT} has no marks; `{}`", structure::MARKS.join("`, `")))?;
            std::fs::write(run::root().join(DOCUMENT), text)?;
        }
        _ => bail!("usage: cargo xtask modules [--write]"),
    }
    Ok(())
}
