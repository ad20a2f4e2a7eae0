//! Checks the architecture: reads the source of a crate and reports violations of its rules.
//!
//! | rule | where |
//! | --- | --- |
//! | every file is declared as a module | `source` |
//! | no cycle between modules, at the top of a crate and inside every folder | `graph` |
//! | layers depend downwards only, and nothing depends on the facade | `layer`, which is also the list to change |
//! | `ARCHITECTURE.md` lists the existing modules, and its drawing is correct | `document` |
//!
//! `cargo test -p structure` checks the workspace, `cargo xtask modules` draws it.

mod document;
mod drawing;
mod graph;
mod layer;
mod source;
mod token;

use crate::graph::Graph;
use crate::source::Source;

pub use crate::layer::{CRATES, Crate, Layer};
pub use crate::source::{Files, Folder};

/// Sections of `ARCHITECTURE.md` with a table of modules, and their crates.
const TABLES: [(&str, &str); 2] = [("The library", "host"), ("The runtime", "host/runtime")];

/// The document that is compared with the source tree.
pub const DOCUMENT: &str = "ARCHITECTURE.md";

/// The two lines around the drawing.
pub const MARKS: [&str; 2] = [document::BEGIN, document::END];

/// Reads a crate; None if it does not exist.
fn read(files: &dyn Files, it: &Crate) -> Result<Option<Source>, String> {
    match files.read(it.root) {
        Some(_) => Source::read(files, it.root).map(Some),
        None => Ok(None),
    }
}

/// The cycles of a crate, each with its arrows and the lines that cause them.
///
/// # Errors
///
/// A module that cannot be read.
pub fn circles(files: &dyn Files, it: &Crate) -> Result<Vec<String>, String> {
    let Some(source) = read(files, it)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (id, module) in source.modules.iter().enumerate() {
        if !module.children.is_empty() && module.holder == id {
            let place = std::iter::once(it.folder).chain(module.path.iter().map(String::as_str));
            let place = place.collect::<Vec<_>>().join("::");
            found.extend(
                Graph::of(&source, id).circles().into_iter().map(|circle| format!("{place}: {circle}")),
            );
        }
    }
    Ok(found)
}

/// Files of a crate that no module declares.
pub fn strays(files: &dyn Files, it: &Crate) -> Vec<String> {
    source::strays(files, it.root)
}

/// Arrows that go up, and modules without a layer.
///
/// # Errors
///
/// A module that cannot be read.
pub fn breaches(files: &dyn Files, it: &Crate) -> Result<Vec<String>, String> {
    Ok(read(files, it)?.map(|source| layer::breaches(it, &Graph::of(&source, 0))).unwrap_or_default())
}

/// The differences between the tables of `ARCHITECTURE.md` and the source tree.
///
/// # Errors
///
/// A module that cannot be read; a document without its table of the library.
pub fn differences(files: &dyn Files, crates: &[Crate]) -> Result<Vec<String>, String> {
    let document = files.read(DOCUMENT).ok_or_else(|| format!("there is no {DOCUMENT}"))?;
    let mut found = Vec::new();
    for (heading, folder) in TABLES {
        let Some(it) = crates.iter().find(|it| it.folder == folder) else { continue };
        match (document::named(&document, heading), read(files, it)?) {
            (Some(named), Some(source)) => found.extend(document::differences(heading, &named, &source)),
            (None, Some(_)) => found.push(format!("{DOCUMENT} has no section \"{heading}\" for {folder}\n")),
            (Some(_), None) => found.push(format!("{DOCUMENT}, \"{heading}\": there is no {folder}\n")),
            (None, None) => {}
        }
    }
    Ok(found)
}

/// The drawing of every crate that has layers. `counted`: with lines of code, and how many paths make an arrow.
///
/// # Errors
///
/// A module that cannot be read.
pub fn drawing(files: &dyn Files, crates: &[Crate], counted: bool) -> Result<String, String> {
    let mut drawn = Vec::new();
    for it in crates.iter().filter(|it| counted || !it.layers.is_empty()) {
        if let Some(source) = read(files, it)? {
            drawn.push(drawing::draw(it, &source, &Graph::of(&source, 0), counted));
        }
    }
    Ok(drawn.join("\n"))
}

/// The correct `ARCHITECTURE.md`, if it has the marks of a drawing. Without numbers, because they would change with
/// almost every commit and cause merge conflicts.
///
/// # Errors
///
/// A module that cannot be read.
pub fn document(files: &dyn Files, crates: &[Crate]) -> Result<Option<String>, String> {
    let document = files.read(DOCUMENT).ok_or_else(|| format!("there is no {DOCUMENT}"))?;
    Ok(document::with_drawing(&document, &drawing(files, crates, false)?))
}
