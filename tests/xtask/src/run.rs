//! Running programs, and paths.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The variable with folders that the system's loader searches first.
const LIBRARIES: &str = "LD_LIBRARY_PATH";

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Where builds go.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// A program of the workspace, built by `cargo build`.
pub(crate) fn program(name: &str) -> PathBuf {
    target().join("debug").join(name)
}

/// The `cargo` that runs this program.
pub(crate) fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// `cargo` in the root of the workspace.
pub(crate) fn cargo(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<()> {
    run(Command::new(cargo_program()).args(arguments))
}

/// Runs a program in the root of the workspace; if it fails, the error names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = as_from_a_shell(command)?
        .current_dir(root())
        .status()
        .with_context(|| format!("cannot run {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

/// Runs a script of the workspace; scripts install missing tools and say so.
pub(crate) fn script(path: &str) -> Result<()> {
    run(&mut Command::new(root().join(path)))
}

/// Removes the variables that `cargo run` set. Build scripts read them, so everything that depends on `ring` would be
/// rebuilt after a build from a shell; and with cargo's library folders every loader would find the library without
/// configuration.
pub(crate) fn as_from_a_shell(command: &mut Command) -> Result<&mut Command> {
    for (name, _) in std::env::vars_os() {
        let of_the_package =
            ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_NAME", "CARGO_CRATE_NAME", "OUT_DIR"];
        if of_the_package.iter().any(|beginning| name.to_string_lossy().starts_with(beginning)) {
            command.env_remove(&name);
        }
    }
    if let Some(folders) = std::env::var_os(LIBRARIES) {
        let others = std::env::split_paths(&folders).filter(|folder| !folder.starts_with(target()));
        command.env(LIBRARIES, std::env::join_paths(others)?);
    }
    Ok(command)
}

fn show(command: &Command) -> String {
    let mut words = vec![Path::new(command.get_program()).file_name().unwrap_or_default()];
    words.extend(command.get_args());
    words.join(OsStr::new(" ")).to_string_lossy().into_owned()
}

/// Prints a title that stands out from build output.
pub(crate) fn title(text: &str) {
    eprintln!("\n== {text}");
}
