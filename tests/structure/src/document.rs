//! Compares `ARCHITECTURE.md` with the source tree: its tables of modules, and the drawing between two marks.

use crate::source::Source;

pub(crate) const BEGIN: &str = "<!-- modules: made by `cargo xtask modules --write` -->";
pub(crate) const END: &str = "<!-- end of modules -->";

/// The modules that the table below a heading names, or nothing if there is no such heading.
pub(crate) fn named(document: &str, heading: &str) -> Option<Vec<Vec<String>>> {
    let mut lines = document.lines().skip_while(|line| line.trim() != format!("## {heading}"));
    lines.next()?;
    let rows = lines.take_while(|line| !line.starts_with("## ")).filter_map(|line| line.strip_prefix('|'));
    let mut found = Vec::new();
    for row in rows {
        let cell = row.split('|').next().unwrap_or_default();
        // Every second piece is between backticks.
        for span in cell.split('`').skip(1).step_by(2) {
            let (before, list) = match span.split_once('{') {
                Some((before, list)) => (before, list.trim_end_matches('}')),
                None => ("", span),
            };
            for name in list.split(',') {
                let path = format!("{before}{}", name.trim().trim_end_matches('/'));
                found.push(path.split("::").map(str::to_owned).collect());
            }
        }
    }
    Some(found)
}

/// The differences between a table and a crate, as sentences.
pub(crate) fn differences(heading: &str, named: &[Vec<String>], source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for path in named {
        if source.modules.iter().all(|module| module.path != *path) {
            let path = path.join("::");
            found.push(format!(
                "ARCHITECTURE.md, \"{heading}\", names the module `{path}`, which is not there\n"
            ));
        }
    }
    for name in source.modules[0].children.keys() {
        if named.iter().all(|path| path.first() != Some(name)) {
            found.push(format!("ARCHITECTURE.md, \"{heading}\", does not name the module `{name}`\n"));
        }
    }
    found
}

/// The document with this drawing between the marks; nothing if it has none.
pub(crate) fn with_drawing(document: &str, drawing: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n```text\n{drawing}```\n{END}{after}"))
}
