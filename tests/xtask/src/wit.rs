//! Copies of the contract: every published crate that binds it has a copy in its own folder `wit`, since a package
//! contains only files of its crate. The original is `wit/` of the workspace.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::package::{self, Package};
use crate::run;

const MACROS: [&str; 2] = ["generate!(", "bindgen!("];

/// Copies the contract into each crate that binds it.
pub(crate) fn run() -> Result<()> {
    let wanted = original()?;
    for package in package::published()? {
        if binds(&package)?.iter().all(|(_, path)| path != "wit") {
            continue;
        }
        let folder = package.path().join("wit");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        for (name, text) in &wanted {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
            fs::write(path, text)?;
        }
        eprintln!("{}/wit: {} files", package.folder, wanted.len());
    }
    Ok(())
}

/// Copies that differ from the original, and bindings to files that the package will not contain.
pub(crate) fn differences() -> Result<Vec<String>> {
    let wanted = original()?;
    let mut wrong = Vec::new();
    for package in package::published()? {
        let bound = binds(&package)?;
        let copy = package.path().join("wit");
        for (file, path) in &bound {
            if path != "wit" {
                wrong.push(format!(
                    "{}/{file}: binds \"{path}\", which no package holds; write path: \"wit\" and run `cargo xtask wit`",
                    package.folder
                ));
            }
        }
        if (copy.exists() || bound.iter().any(|(_, path)| path == "wit")) && read(&copy)? != wanted {
            wrong.push(format!(
                "{}/wit is not the wit/ of the workspace; run `cargo xtask wit`",
                package.folder
            ));
        }
    }
    Ok(wrong)
}

/// The bound files: the package's files and those of `deps`, without released versions and documentation.
fn original() -> Result<BTreeMap<String, Vec<u8>>> {
    let mut all = read(&run::root().join("wit"))?;
    all.retain(|name, _| !name.contains('/') || name.starts_with("deps/"));
    Ok(all)
}

fn read(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    if !folder.exists() {
        return Ok(BTreeMap::new());
    }
    let names = package::files(folder, &["wit"])?;
    names.into_iter().map(|name| Ok((name.clone(), fs::read(folder.join(name))?))).collect()
}

/// Each binding of a crate: its file, and the path it binds.
fn binds(package: &Package) -> Result<Vec<(String, String)>> {
    let folder: PathBuf = package.path();
    let mut found = Vec::new();
    for file in package::files(&folder.join("src"), &["rs"])? {
        let text = fs::read_to_string(folder.join("src").join(&file))?;
        found.extend(paths(&text).into_iter().map(|path| (format!("src/{file}"), path)));
    }
    Ok(found)
}

/// The `path: "…"` of each bindings macro.
fn paths(source: &str) -> Vec<String> {
    let begins = MACROS.iter().flat_map(|name| source.match_indices(name));
    let mut begins: Vec<usize> = begins.map(|(at, _)| at).collect();
    begins.sort_unstable();
    let macros = begins.into_iter().filter_map(|at| source[at..].split("})").next());
    macros
        .filter_map(|text| {
            let (_, path) = text.split_once("path: \"")?;
            Some(path.split('"').next()?.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_binding_is_found_with_its_path() {
        let source = "wit_bindgen::generate!({ path: \"wit\", world: \"a\" });\n\
                      wasmtime::component::bindgen!({\n    world: \"b\",\n    path: \"../wit\",\n});\n\
                      println!(\"{path}\", path: \"not\")";
        assert_eq!(paths(source), ["wit", "../wit"]);
    }

    #[test]
    fn the_original_is_the_contract_without_its_past() {
        let names: Vec<String> = original().unwrap().into_keys().collect();
        assert!(names.contains(&"world.wit".to_owned()), "{names:?}");
        assert!(names.iter().any(|name| name.starts_with("deps/")), "{names:?}");
        assert!(!names.iter().any(|name| name.starts_with("released/")), "{names:?}");
    }
}
