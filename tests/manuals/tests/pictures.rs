//! Every picture of the manuals is shown by a page and made by a program, by its name.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::collections::BTreeSet;

use manual_tests::{pages, root};

const FOLDER: &str = "docs/pictures";
const MAKER: &str = "tests/browser/docs.mjs";

/// What pages show, from the root of the repository; pictures elsewhere in the world have a scheme.
fn shown() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for page in pages().unwrap() {
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        for link in text.split("![").skip(1) {
            let Some((_, link)) = link.split_once("](") else { continue };
            let path = link.split(')').next().unwrap_or_default();
            if !path.contains("://") {
                found.insert(page.with_file_name(path).to_string_lossy().into_owned());
            }
        }
    }
    found
}

#[test]
fn every_picture_is_shown_by_a_page_and_has_a_maker() {
    let there: BTreeSet<String> = std::fs::read_dir(root().join(FOLDER))
        .unwrap()
        .map(|entry| format!("{FOLDER}/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    assert_eq!(there, shown(), "pictures that there are, and pictures that pages show");
    let maker = std::fs::read_to_string(root().join(MAKER)).unwrap();
    for picture in there {
        let name = picture.rsplit('/').next().unwrap();
        assert!(maker.contains(&format!("\"{name}\": ")), "{MAKER} makes no {name}");
    }
}
