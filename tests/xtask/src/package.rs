//! The published crates, and checks that their packages are complete.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{run, wit};

/// Their folders, each after its dependencies. A missing one is skipped.
const PUBLISHED: [&str; 9] = [
    "host/registry",
    "host/runtime",
    "host/conformance",
    "host",
    "host/server",
    "host/cli",
    "bindings/provider",
    "bindings/c",
    "plugin-tiktok",
];

/// Files in every package: the README for crates.io, and the licences.
const DOCUMENTS: [&str; 3] = ["README.md", "LICENSE-APACHE", "LICENSE-MIT"];

/// A crate that is published.
pub(crate) struct Package {
    pub(crate) name: String,
    /// The folder below the root of the workspace.
    pub(crate) folder: &'static str,
}

impl Package {
    pub(crate) fn path(&self) -> PathBuf {
        run::root().join(self.folder)
    }
}

/// All existing ones.
pub(crate) fn published() -> Result<Vec<Package>> {
    let there = PUBLISHED.into_iter().filter(|folder| run::root().join(folder).join("Cargo.toml").is_file());
    there.map(|folder| Ok(Package { name: value(&manifest(folder)?, "name")?, folder })).collect()
}

/// Checks that every workspace member is published or marked as unpublished, and that every package is complete
/// and can be created.
pub(crate) fn check() -> Result<()> {
    let mut wrong = unmarked()?;
    wrong.extend(wit::differences()?);
    let packages = published()?;
    for package in &packages {
        wrong.extend(missing(package)?);
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    // Without building the packages, which would build the whole workspace again.
    let mut arguments = vec!["package", "--quiet", "--no-verify", "--allow-dirty"];
    for package in &packages {
        arguments.extend(["--package", &package.name]);
    }
    run::cargo(arguments)
}

/// Members that are neither published nor marked as unpublished.
fn unmarked() -> Result<Vec<String>> {
    let workspace = std::fs::read_to_string(run::root().join("Cargo.toml"))?;
    let (_, list) = workspace.split_once("\nmembers = [").context("the workspace has no list of members")?;
    let list = list.split(']').next().unwrap_or_default();
    let mut wrong = Vec::new();
    for folder in list.split('"').skip(1).step_by(2).filter(|folder| !PUBLISHED.contains(folder)) {
        if !manifest(folder)?.lines().any(|line| line == "publish = false") {
            wrong.push(format!(
                "{folder}/Cargo.toml: add `publish = false`, or the folder to PUBLISHED in tests/xtask/src/package.rs"
            ));
        }
    }
    Ok(wrong)
}

/// Missing files of a package.
fn missing(package: &Package) -> Result<Vec<String>> {
    let list = Command::new(run::cargo_program())
        .args(["package", "--list", "--allow-dirty", "--package", &package.name])
        .current_dir(run::root())
        .output()?;
    if !list.status.success() {
        bail!("{}", String::from_utf8_lossy(&list.stderr).trim_end());
    }
    let held: BTreeSet<String> = String::from_utf8(list.stdout)?.lines().map(str::to_owned).collect();
    let mut needed: BTreeSet<String> = DOCUMENTS.map(str::to_owned).into();
    // Files that macros read at build time, of which cargo is not aware.
    needed.extend(files(&package.path(), &["sql", "wit"])?);
    let lacks = needed.difference(&held);
    Ok(lacks.map(|file| format!("{}: the package lacks {file}", package.folder)).collect())
}

/// Files below a folder with one of these extensions, without nested packages.
pub(crate) fn files(folder: &Path, endings: &[&str]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(place) = open.pop() {
        for entry in place.read_dir().with_context(|| format!("cannot read {}", place.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                if !path.join("Cargo.toml").exists() {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|ending| endings.iter().any(|it| ending == *it)) {
                found.push(path.strip_prefix(folder)?.display().to_string());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a `Cargo.toml`.
pub(crate) fn manifest(folder: &str) -> Result<String> {
    let path = run::root().join(folder).join("Cargo.toml");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The first `key = "value"` of a `Cargo.toml`.
pub(crate) fn value(manifest: &str, key: &str) -> Result<String> {
    let lines = manifest.lines().filter_map(|line| line.strip_prefix(key));
    let mut values = lines.filter_map(|rest| rest.trim_start().strip_prefix('=')?.trim().strip_prefix('"'));
    let value = values.next().and_then(|value| value.strip_suffix('"'));
    Ok(value.with_context(|| format!("a Cargo.toml has no {key}"))?.to_owned())
}
