//! Holds `TRAPS.md` to the tests that it names.

const SOURCES: [&str; 18] = [
    include_str!("api.rs"),
    include_str!("check.rs"),
    include_str!("chunks.rs"),
    include_str!("credentials.rs"),
    include_str!("diagnosis.rs"),
    include_str!("errors.rs"),
    include_str!("form.rs"),
    include_str!("guide.rs"),
    include_str!("oauth.rs"),
    include_str!("profile.rs"),
    include_str!("properties.rs"),
    include_str!("properties/at_most_once.rs"),
    include_str!("publish/tests.rs"),
    include_str!("quota.rs"),
    include_str!("settings.rs"),
    include_str!("status.rs"),
    include_str!("videos.rs"),
    include_str!("webhook.rs"),
];

#[test]
fn every_trap_has_a_line_and_every_named_test_exists() {
    let rows = include_str!("../TRAPS.md").lines().filter(|line| line.starts_with("| "));
    let mut expected = 1;
    for row in rows.skip(2) {
        let cells: Vec<&str> = row.split(" | ").collect();
        assert_eq!(cells[0].trim_start_matches("| "), expected.to_string());
        expected += 1;
        // Names of tests are what stands in backticks and looks like a sentence.
        for name in cells[2].split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() >= 2) {
            let test = format!("#[test]\n    fn {name}(");
            let free = format!("#[test]\nfn {name}(");
            assert!(SOURCES.iter().any(|source| source.contains(&test) || source.contains(&free)), "{name}");
        }
    }
    assert_eq!(expected, 56);
}
