//! Checks the architecture of the workspace.

use std::path::Path;

use structure::{CRATES, Crate, DOCUMENT, Files, Folder, breaches, circles, differences, document, strays};

fn workspace() -> Folder {
    Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

type Find = fn(&dyn Files, &Crate) -> Result<Vec<String>, String>;

/// The findings of every crate; an unreadable crate does not hide the others.
fn found(find: Find) -> String {
    let of_each = CRATES.iter().map(|it| find(&workspace(), it).unwrap_or_else(|why| vec![why]));
    of_each.collect::<Vec<_>>().concat().join("\n")
}

#[test]
fn every_file_is_somebodys_module() {
    let found: Vec<String> = CRATES.iter().flat_map(|it| strays(&workspace(), it)).collect();
    assert!(found.is_empty(), "no `mod` declares {}", found.join(", "));
}

#[test]
fn modules_form_no_circle() {
    let found = found(circles);
    assert!(found.is_empty(), "\n{found}");
}

#[test]
fn layers_know_downwards_only() {
    let found = found(breaches);
    assert!(found.is_empty(), "\n{found}");
}

#[test]
fn the_document_names_the_modules_there_are() {
    let found = differences(&workspace(), CRATES).unwrap();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_document_draws_the_modules_as_they_are() {
    if let Some(wanted) = document(&workspace(), CRATES).unwrap() {
        let found = workspace().read(DOCUMENT).unwrap();
        assert!(found == wanted, "{DOCUMENT} is out of date; `cargo xtask modules --write` mends it");
    }
}
