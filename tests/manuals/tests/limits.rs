//! The page about the service names every limit that its configuration sets.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use manual_tests::root;

#[test]
fn every_key_of_the_reference_is_on_the_page_of_the_service() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let page = read("docs/service.md");
    let reference = read("host/server/src/reference.toml");
    let keys: Vec<&str> = reference
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(" = ")?.0))
        .collect();
    assert!(keys.len() > 20, "{keys:?}");
    let missing: Vec<&&str> = keys.iter().filter(|key| !page.contains(&format!("`{key}"))).collect();
    assert!(missing.is_empty(), "docs/service.md does not name {missing:?}");
}
