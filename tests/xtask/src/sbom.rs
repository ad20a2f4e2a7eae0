//! The bill of materials: which crates and scripts are in what is shipped, in the format CycloneDX.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{bundled, package, run};

/// The system of the shipped programs and libraries.
const SYSTEM: &str = "x86_64-unknown-linux-gnu";

/// Prints it, or writes it to a file.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let text = serde_json::to_string_pretty(&made()?)?;
    match arguments {
        [] => println!("{text}"),
        [file] => std::fs::write(file, text + "\n").with_context(|| format!("cannot write {file}"))?,
        _ => bail!("usage: cargo xtask sbom [FILE]"),
    }
    Ok(())
}

/// Checks that it can be made, with the licence of every crate, and without what only tests need.
pub(crate) fn check() -> Result<()> {
    let bill = made()?;
    let components = bill["components"].as_array().context("it has no components")?;
    let names: BTreeSet<&str> = components.iter().filter_map(|it| it["name"].as_str()).collect();
    let without: Vec<_> = components.iter().filter(|it| it["licenses"][0]["expression"].is_null()).collect();
    if !without.is_empty() {
        bail!("these components name no licence: {without:?}");
    }
    if !names.contains("wasmtime") || !names.contains("tus-js-client") || names.contains("proptest") {
        bail!(
            "it must have what is shipped, such as wasmtime and the pages' tus-js-client, and not what only tests need, \
             such as proptest"
        );
    }
    eprintln!("{} components", components.len());
    Ok(())
}

fn made() -> Result<Value> {
    let output = Command::new(run::cargo_program())
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", SYSTEM])
        .current_dir(run::root())
        .output()
        .context("cargo cannot be run")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    let shipped: BTreeSet<String> = package::published()?.into_iter().map(|it| it.name).collect();
    let mut bill = bill(&serde_json::from_slice(&output.stdout)?, &shipped)?;
    bundled::add(&mut bill)?;
    Ok(bill)
}

/// From the answer of `cargo metadata`, everything that the `shipped` packages are built from and with.
fn bill(metadata: &Value, shipped: &BTreeSet<String>) -> Result<Value> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages: BTreeMap<String, Value> =
        list(&metadata["packages"]).into_iter().map(|package| (text(&package["id"]), package)).collect();
    let needs: BTreeMap<String, Vec<String>> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| {
            let of_tests = |it: &Value| list(&it["dep_kinds"]).iter().all(|kind| kind["kind"] == "dev");
            let needed =
                list(&node["deps"]).iter().filter(|it| !of_tests(it)).map(|it| text(&it["pkg"])).collect();
            (text(&node["id"]), needed)
        })
        .collect();
    let roots =
        packages.iter().filter(|(_, it)| it["source"].is_null() && shipped.contains(&text(&it["name"])));
    let mut open: VecDeque<String> = roots.map(|(id, _)| id.clone()).collect();
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop_front() {
        if found.insert(id.clone()) {
            open.extend(needs.get(&id).context("a package has no dependencies listed")?.iter().cloned());
        }
    }
    let reference = |id: &String| {
        let package = &packages[id];
        format!("pkg:cargo/{}@{}", text(&package["name"]), text(&package["version"]))
    };
    let component = |id: &String| {
        let package = &packages[id];
        json!({
            "type": "library",
            "bom-ref": reference(id),
            "purl": reference(id),
            "name": package["name"],
            "version": package["version"],
            // Old manifests separate two licences by a slash.
            "licenses": [{ "expression": package["license"].as_str().map(|it| it.replace('/', " OR ")) }],
        })
    };
    let depends = |id: &String| {
        let on: BTreeSet<String> = needs[id].iter().map(reference).collect();
        json!({ "ref": reference(id), "dependsOn": on })
    };
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "social-channel",
                "version": package::value(&package::manifest(".")?, "version")?,
            },
        },
        "components": found.iter().map(component).collect::<Vec<_>>(),
        "dependencies": found.iter().map(depends).collect::<Vec<_>>(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_what_is_shipped_and_not_what_only_tests_need() {
        let package = |name: &str, source: Option<&str>| json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "source": source });
        let needs = |name: &str, kind: Option<&str>| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let crates_io = Some("registry");
        let metadata = json!({
            "packages": [
                package("program", None), package("test", None), package("used", crates_io),
                package("builder", crates_io), package("checker", crates_io), package("below", crates_io),
            ],
            "resolve": { "nodes": [
                { "id": "program", "deps": [needs("used", None), needs("builder", Some("build")), needs("checker", Some("dev"))] },
                { "id": "test", "deps": [needs("checker", None)] },
                { "id": "used", "deps": [needs("below", None)] },
                { "id": "builder", "deps": [] }, { "id": "checker", "deps": [] }, { "id": "below", "deps": [] },
            ] },
        });
        let bill = bill(&metadata, &["program".to_owned()].into()).unwrap();
        let components = bill["components"].as_array().unwrap();
        let names: Vec<&str> = components.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["below", "builder", "program", "used"]);
        assert_eq!(components[0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(
            bill["dependencies"][3],
            json!({ "ref": "pkg:cargo/used@1.0.0", "dependsOn": ["pkg:cargo/below@1.0.0"] })
        );
    }
}
