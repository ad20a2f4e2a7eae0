//! Scripts of others in the pages, for the bill of materials: the comment that begins with `/*!` says what they are.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::run;

/// The crate whose pages load them, and its scripts.
const CRATE: &str = "social-channel-server";
const SCRIPTS: &str = "host/server/assets";

/// Adds every such script, and what it contains, to the bill.
pub(crate) fn add(bill: &mut Value) -> Result<()> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(run::root().join(SCRIPTS))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "js") {
            found.extend(read(&path)?);
        }
    }
    found.sort();
    for packages in found {
        put(bill, &packages)?;
    }
    Ok(())
}

/// A package: its name, version and licence.
type Named = (String, String, String);

/// The script, then what it contains. None: our own.
fn read(path: &Path) -> Result<Option<Vec<Named>>> {
    let text = std::fs::read_to_string(path)?;
    let Some((comment, _)) = text.strip_prefix("/*! ").and_then(|text| text.split_once("*/")) else {
        return Ok(None);
    };
    let packages: Vec<Named> = comment.lines().filter_map(named).collect();
    if comment.lines().next().and_then(named).is_none() {
        bail!("{}: its first line names no `NAME VERSION, LICENCE: …`", path.display());
    }
    Ok(Some(packages))
}

/// `tus-js-client 4.3.1, MIT: anything`.
fn named(line: &str) -> Option<Named> {
    let (package, rest) = line.split_once(", ")?;
    let (licence, _) = rest.split_once(": ")?;
    let (name, version) = package.split_once(' ')?;
    let is_version =
        version.split('.').count() == 3 && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_version.then(|| (name.to_owned(), version.to_owned(), licence.to_owned()))
}

fn put(bill: &mut Value, packages: &[Named]) -> Result<()> {
    let reference = |(name, version, _): &Named| format!("pkg:npm/{name}@{version}");
    let (script, contained) = packages.split_first().context("a script without a name")?;
    let components = bill["components"].as_array_mut().context("the bill has no components")?;
    components.extend(packages.iter().map(|package| {
        json!({
            "type": "library",
            "bom-ref": reference(package),
            "purl": reference(package),
            "name": package.0,
            "version": package.1,
            "licenses": [{ "expression": package.2 }],
        })
    }));
    let dependencies = bill["dependencies"].as_array_mut().context("the bill has no dependencies")?;
    let of_crate = format!("pkg:cargo/{CRATE}@");
    let pages =
        dependencies.iter_mut().find(|it| it["ref"].as_str().is_some_and(|it| it.starts_with(&of_crate)));
    let needs = pages.and_then(|it| it["dependsOn"].as_array_mut());
    needs.with_context(|| format!("{CRATE} is not shipped"))?.push(reference(script).into());
    let inside: Vec<String> = contained.iter().map(reference).collect();
    dependencies.push(json!({ "ref": reference(script), "dependsOn": inside }));
    dependencies.extend(contained.iter().map(|it| json!({ "ref": reference(it), "dependsOn": [] })));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_of_the_pages_are_in_the_bill_with_what_they_contain() {
        let mut bill = json!({
            "components": [],
            "dependencies": [{ "ref": format!("pkg:cargo/{CRATE}@0.1.0"), "dependsOn": ["pkg:cargo/axum@1.0.0"] }],
        });
        add(&mut bill).unwrap();
        let has = |name: &str, licence: &str| {
            let found = bill["components"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap();
            assert_eq!(found["licenses"][0]["expression"], licence);
            found["purl"].as_str().unwrap().to_owned()
        };
        let needs = |reference: &str| {
            let found =
                bill["dependencies"].as_array().unwrap().iter().find(|it| it["ref"] == reference).unwrap();
            found["dependsOn"].as_array().unwrap().clone()
        };
        for (script, inside, licence) in
            [("tus-js-client", "js-base64", "BSD-3-Clause"), ("compressorjs", "is-blob", "MIT")]
        {
            let script = has(script, "MIT");
            let inside = has(inside, licence);
            assert!(needs(&format!("pkg:cargo/{CRATE}@0.1.0")).contains(&script.clone().into()));
            assert!(needs(&script).contains(&inside.clone().into()));
            assert!(needs(&inside).is_empty());
        }
    }

    #[test]
    fn a_package_is_a_name_a_version_and_a_licence() {
        let package = |name: &str, version: &str, licence: &str| {
            Some((name.to_owned(), version.to_owned(), licence.to_owned()))
        };
        assert_eq!(
            named("a-b 1.20.3, BSD-3-Clause: text, more: text"),
            package("a-b", "1.20.3", "BSD-3-Clause")
        );
        assert_eq!(named("publish, distribute, sublicense, and/or sell"), None);
        assert_eq!(named("OR COPYRIGHT, BE: IT"), None);
    }
}
