//! Checks that every test named in `docs/publishing.md`, `docs/security.md` and `docs/accounts.md` exists, and what examples share with the
//! service.

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
fn every_test_that_a_page_names_as_evidence_exists() {
    let mut code = String::new();
    for folder in ["host", "plugin-tiktok/src", "tests"] {
        sources(&root().join(folder), &mut code);
    }
    for (page, at_least) in [("docs/publishing.md", 30), ("docs/security.md", 50), ("docs/accounts.md", 10)] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let mut named = 0;
        // The last column of a table's row, and other words between backticks that look like a test's name.
        for word in text.split('`').skip(1).step_by(2) {
            let words = word.split('_').count();
            if words < 4 || !word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                continue;
            }
            named += 1;
            // A case of the store's conformance suite has a parameter.
            let is_there = code.contains(&format!("fn {word}("));
            assert!(is_there, "{page} names the test {word}, and there is none");
        }
        assert!(named > at_least, "{page} names its evidence: {named}");
    }
}

#[test]
fn the_example_in_php_draws_forms_by_the_service_s_rules() {
    // Which are tested with examples: `rules.json`, `tests/browser/tests/rules.test.mjs`.
    let [own, theirs] = ["host/server/assets/rules.js", "examples/php/rules.js"]
        .map(|path| std::fs::read_to_string(root().join(path)).unwrap());
    assert!(own == theirs, "copy host/server/assets/rules.js over examples/php/rules.js");
}
