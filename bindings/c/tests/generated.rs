//! Header and schemas match the code. `cargo xtask headers` regenerates them, by running this test
//! with `SOCIAL_CHANNEL_REGENERATE=1`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn hold(path: &Path, fresh: &str) {
    if std::env::var_os("SOCIAL_CHANNEL_REGENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, fresh).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let differs = committed.lines().zip(fresh.lines()).position(|(one, two)| one != two);
    assert!(
        committed == fresh,
        "{} is not what the code says (first at line {}); run `cargo xtask headers`",
        path.display(),
        differs.map_or_else(|| committed.lines().count().min(fresh.lines().count()) + 1, |line| line + 1),
    );
}

#[test]
fn the_header_is_that_of_the_code() {
    let config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new()
        .with_crate(folder())
        .with_config(config)
        .with_parse_deps(false)
        .generate()
        .unwrap();
    let mut text = Vec::new();
    bindings.write(&mut text);
    hold(&folder().join("include/social_channel.h"), &String::from_utf8(text).unwrap());
}

#[test]
fn the_schemas_are_those_of_the_code() {
    let text = serde_json::to_string_pretty(&socialchannel::schemas()).unwrap() + "\n";
    hold(&folder().join("schema/social_channel.schema.json"), &text);
}
