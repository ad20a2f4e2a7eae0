//! Checks that the tests named in `TRAPS.md` exist.

use std::fs;
use std::path::Path;

/// The sources of all tests that a trap may name, below the root of the repository.
const PLACES: [&str; 4] =
    ["plugin-tiktok/src", "tests/library/tests", "tests/fuzz/targets/tests", "host/src"];

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_trap_has_a_line_and_every_named_test_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = Vec::new();
    for place in PLACES {
        sources(&root.join(place), &mut all);
    }
    // A function counts only with a test attribute right above it.
    let is_test = |name: &str| {
        all.iter().any(|source| {
            let mut above = "";
            source.lines().map(str::trim).any(|line| {
                let found = ["fn ", "async fn "].iter().any(|head| {
                    line.strip_prefix(head)
                        .and_then(|rest| rest.strip_prefix(name))
                        .is_some_and(|rest| rest.starts_with('('))
                });
                let is_test = above.starts_with("#[test]") || above.starts_with("#[tokio::test");
                above = line;
                found && is_test
            })
        })
    };
    let rows = include_str!("../TRAPS.md").lines().filter(|line| line.starts_with("| "));
    let mut expected = 1;
    for row in rows.skip(2) {
        let cells: Vec<&str> = row.split(" | ").collect();
        assert_eq!(cells[0].trim_start_matches("| "), expected.to_string());
        expected += 1;
        // Test names are the words in backticks that look like sentences.
        for name in cells[2].split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() >= 2) {
            assert!(is_test(name), "{name}");
        }
    }
    assert_eq!(expected, 56);
}
