//! `docs/publishing.md` names tests as evidence: each of them exists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_page_on_publishing_names_exists() {
    let page = std::fs::read_to_string(root().join("docs/publishing.md")).unwrap();
    let mut code = String::new();
    for folder in ["host/src", "plugin-tiktok/src", "tests/library/tests", "tests/chaos/tests"] {
        sources(&root().join(folder), &mut code);
    }
    let mut named = 0;
    // The last column of a table's row, and other words between backticks that look like a test's name.
    for word in page.split('`').skip(1).step_by(2) {
        let words = word.split('_').count();
        if words < 4 || !word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            continue;
        }
        named += 1;
        let is_there = code.contains(&format!("fn {word}()")) || code.contains(&format!("fn {word}(\n"));
        assert!(is_there, "docs/publishing.md names the test {word}, and there is none");
    }
    assert!(named > 30, "the page names its evidence: {named}");
}
