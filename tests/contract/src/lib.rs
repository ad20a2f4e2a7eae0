//! The published contract never changes, so that components built against it keep working.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use wit_parser::{PackageId, Resolve, SourceMap, UnresolvedPackageGroup, WorldId};

/// Published version lines, each with the version in its text.
const RELEASED: [(&str, &str); 1] = [("0.1", "0.1.0")];
/// The world with all interfaces.
const WORLD: &str = "full-provider";
/// A version that is never published, so that both texts fit into one `Resolve`.
const STAND_IN: &str = "0.1.999";

/// The folder `wit/`.
fn contract() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")
}

/// Compares `wit/` with every published text in `wit/released/`. The host may offer more than was published;
/// providers must not be required to export more; nothing may differ.
/// # Errors
/// When it differs, naming the difference.
pub fn check() -> Result<()> {
    for (line, version) in RELEASED {
        compare(line, version)
            .with_context(|| format!("wit/ no longer fits what was published as {version}"))?;
    }
    Ok(())
}

fn compare(line: &str, version: &str) -> Result<()> {
    let wit = contract();
    let mut resolve = Resolve::default();
    let current = package(&wit, version, STAND_IN)?;
    let current = resolve.push_groups(current, dependencies(&wit.join("deps"))?)?;
    // Its dependencies are vendored and do not change within a version line.
    let published = resolve.push_group(package(&wit.join("released").join(line), version, version)?)?;
    let (old, new) = (world(&resolve, published)?, world(&resolve, current)?);
    wit_component::semver_check(resolve, old, new)
}

fn world(resolve: &Resolve, package: PackageId) -> Result<WorldId> {
    let found = resolve.packages.get(package).and_then(|package| package.worlds.get(WORLD).copied());
    found.ok_or_else(|| anyhow!("there is no world {WORLD}"))
}

fn package(folder: &Path, from: &str, to: &str) -> Result<UnresolvedPackageGroup> {
    let mut sources = SourceMap::default();
    for path in entries(folder)? {
        if path.extension().is_some_and(|extension| extension == "wit") {
            let text = std::fs::read_to_string(&path)?;
            sources.push(&path, text.replacen(&format!("@{from};"), &format!("@{to};"), 1));
        }
    }
    parse(sources)
}

fn dependencies(folder: &Path) -> Result<Vec<UnresolvedPackageGroup>> {
    let one = |path: PathBuf| {
        let mut sources = SourceMap::default();
        if path.is_dir() {
            sources.push_dir(&path)?
        } else {
            sources.push_file(&path)?
        }
        parse(sources)
    };
    entries(folder)?.into_iter().map(one).collect()
}

fn parse(sources: SourceMap) -> Result<UnresolvedPackageGroup> {
    sources.parse().map_err(|(map, error)| anyhow!("{}", error.render(&map)))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let found = folder.read_dir().with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths: Vec<PathBuf> = found.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published text with one change, as a later version.
    fn changed(from: &str, to: &str) -> Result<()> {
        let folder = contract().join("released/0.1");
        let mut resolve = Resolve::default();
        let dependencies = dependencies(&contract().join("deps")).unwrap();
        let published =
            resolve.push_groups(package(&folder, "0.1.0", "0.1.0").unwrap(), dependencies).unwrap();
        let mut sources = SourceMap::default();
        let mut replaced = 0;
        for path in entries(&folder).unwrap() {
            let text = std::fs::read_to_string(&path).unwrap().replacen("@0.1.0;", "@0.1.999;", 1);
            replaced += text.matches(from).count();
            sources.push(&path, text.replacen(from, to, 1));
        }
        assert!(replaced > 0, "{from:?} is not in the contract");
        let later = resolve.push_group(parse(sources).unwrap()).unwrap();
        let (old, new) = (world(&resolve, published).unwrap(), world(&resolve, later).unwrap());
        wit_component::semver_check(resolve, old, new)
    }

    #[test]
    fn the_contract_fits_what_was_published() {
        check().unwrap();
    }

    #[test]
    fn the_host_may_offer_more() {
        changed("  list-keys: async", "  more: func();\n  list-keys: async").unwrap();
    }

    #[test]
    fn an_interface_that_comes_later_has_a_world_of_its_own() {
        let later = "interface later { find: func(); }\nworld later-provider { include full-provider; export later; }\n";
        changed("world full-provider {", &format!("{later}world full-provider {{")).unwrap();
        // Nothing joins the frozen world: providers of before lack it.
        changed(
            "  export diagnostics;",
            "  export diagnostics;\n  export later: interface { find: func(); }",
        )
        .unwrap_err();
    }

    #[test]
    fn a_changed_record_or_a_new_demand_on_providers_is_found() {
        changed("record copyable { label: string,", "record copyable { title: string,").unwrap_err();
        changed("guide: func(", "more: func();\n  guide: func(").unwrap_err();
        changed("resets-at: option<unix-seconds>", "resets-at: option<u32>").unwrap_err();
        changed("    safe,", "    safe,\n    perhaps,").unwrap_err();
        changed("    ask(prompt),", "").unwrap_err();
        changed("    max-parts: u32,", "    max-parts: u32,\n    later: u32,").unwrap_err();
    }
}
