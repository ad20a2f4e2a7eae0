//! Pages and their blocks of code.

use std::path::{Path, PathBuf};

/// A block between two lines of three backticks.
#[derive(Clone, Debug)]
pub struct Block {
    /// The page, from the root of the repository.
    pub page: String,
    /// The line with the first backticks.
    pub line: usize,
    /// The word behind them.
    pub language: String,
    /// What is between them.
    pub text: String,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every page, from the root of the repository, in order. What is built or installed is none.
///
/// # Errors
/// When a folder cannot be read.
pub fn pages() -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && name != "target" && name != "node_modules" && !name.starts_with('.') {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.strip_prefix(root()).unwrap_or(&path).to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The blocks of a page.
///
/// # Errors
/// When it cannot be read.
pub fn blocks(page: &Path) -> std::io::Result<Vec<Block>> {
    let text = std::fs::read_to_string(root().join(page))?;
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(language), None) => {
                open = Some(Block {
                    page: page.to_string_lossy().into_owned(),
                    line: number + 1,
                    language: language.trim().to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(block)) => found.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    // One that is not closed is shown as code to the end of the page.
    found.extend(open);
    Ok(found)
}
