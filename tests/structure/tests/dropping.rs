//! Every public async function says what happens if its future is dropped: a caller may do that at any await.

use std::path::Path;

use structure::{Files as _, Folder};

/// The crates that programs use.
const SOURCES: [&str; 4] = ["host/src", "host/registry/src", "host/runtime/src", "host/server/src"];

/// What comes before an item: its documentation and attributes.
fn before<'a>(lines: &[&'a str], at: usize) -> Vec<&'a str> {
    let is_before =
        |line: &&&str| line.trim_start().starts_with("///") || line.trim_start().starts_with("#[");
    lines[..at].iter().rev().take_while(is_before).copied().collect()
}

fn says(documentation: &[&str]) -> bool {
    let text = documentation.concat();
    text.contains("future") && (text.contains("dropped") || text.contains("Dropping"))
}

/// The async functions that say nothing of it. What is `pub` in these crates is public, by `unreachable_pub`; of a public
/// trait, which a program implements, one sentence is enough.
fn silent(text: &str) -> (usize, Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    let (mut seen, mut found, mut told) = (0, Vec::new(), None);
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("pub trait ") {
            told = Some(says(&before(&lines, at)));
        } else if *line == "}" {
            told = None;
        }
        let of_trait = told.filter(|_| line.starts_with("    async fn "));
        if line.trim_start().starts_with("pub async fn ") || of_trait.is_some() {
            seen += 1;
            if of_trait != Some(true) && !says(&before(&lines, at)) {
                found.push(format!("line {}: {}", at + 1, line.trim()));
            }
        }
    }
    (seen, found)
}

#[test]
fn every_public_async_function_says_what_dropping_it_does() {
    let workspace = Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let mut seen = 0;
    let mut found = Vec::new();
    for path in SOURCES.iter().flat_map(|folder| workspace.below(folder)) {
        let (here, silent) = silent(&workspace.read(&path).unwrap());
        seen += here;
        found.extend(silent.into_iter().map(|what| format!("{path}, {what}")));
    }
    assert!(seen > 100, "only {seen} were found");
    assert!(
        found.is_empty(),
        "these do not say what happens if their future is dropped:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_function_that_says_nothing_is_found() {
    let text = "
/// Reads. Dropping the future changes nothing.
pub async fn told() {}
/// Writes.
#[must_use]
pub async fn silent() {}
pub(crate) async fn internal() {}
/// A future that is dropped has had its whole effect or none.
pub trait Told {
    async fn one();
}
/// Stores.
pub trait Silent {
    async fn two();
}
";
    let (seen, found) = silent(text);
    assert_eq!(
        (seen, found),
        (4, vec!["line 6: pub async fn silent() {}".to_owned(), "line 14: async fn two();".to_owned()])
    );
}
