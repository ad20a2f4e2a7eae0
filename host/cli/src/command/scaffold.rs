//! `providers new`: a folder with a provider that builds, and keeps the contract, at once.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use social_channel_conformance::CONTRACT;
use wit_bindgen_core::{AsyncFilterSet, Files};
use wit_parser::Resolve;

use crate::failure::wrong;
use crate::output::Output;

/// What is made.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The provider's id, and the folder's name: lower-case letters, digits and hyphens
    name: String,
    /// The language
    #[arg(long, value_enum, default_value_t)]
    language: Language,
    /// The folder in which the new one is made
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    into: PathBuf,
}

/// A language with a template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Small components, and no tool but Rust itself.
    #[default]
    Rust,
    /// 21 MB, with all of Python inside.
    Python,
    /// 1.6 MB, with a small engine inside; plain ECMAScript without the functions of browsers and Node.
    #[value(name = "javascript")]
    JavaScript,
    /// The smallest components. For networks whose answers need no large library.
    C,
}

/// A file of a template: its path, its text, whether it is a program.
type File = (&'static str, &'static str, bool);

const COMMON: [File; 2] = [
    ("server.toml", include_str!("../../templates/server.toml"), false),
    ("README.md", include_str!("../../templates/README.md.txt"), false),
];
const RUST: [File; 4] = [
    ("Cargo.toml", include_str!("../../templates/rust/Cargo.toml.txt"), false),
    ("src/lib.rs", include_str!("../../templates/rust/src/lib.rs"), false),
    ("build.sh", include_str!("../../templates/rust/build.sh"), true),
    (".gitignore", "/target\n*.wasm\n", false),
];
const PYTHON: [File; 3] = [
    ("{module}.py", include_str!("../../templates/python/provider.py"), false),
    ("build.sh", include_str!("../../templates/python/build.sh"), true),
    (".gitignore", "/.tools\n*.wasm\n__pycache__\n", false),
];
const JAVASCRIPT: [File; 3] = [
    ("provider.js", include_str!("../../templates/javascript/provider.js"), false),
    ("build.sh", include_str!("../../templates/javascript/build.sh"), true),
    (".gitignore", "/.tools\n*.wasm\n", false),
];
const C: [File; 3] = [
    ("provider.c", include_str!("../../templates/c/provider.c"), false),
    ("build.sh", include_str!("../../templates/c/build.sh"), true),
    (".gitignore", "/.tools\n*.wasm\n", false),
];

/// The longest id that a host takes.
const LONGEST: usize = 64;

pub(crate) fn run(output: Output, flags: &Flags) -> Result<()> {
    let Flags { name, language, into } = flags;
    if !is_name(name) {
        return Err(wrong(
            format!("`{name}` is no name for a provider"),
            "use a lower-case letter, then lower-case letters, digits and hyphens, for example my-network",
        )
        .into());
    }
    let folder = into.join(name);
    if folder.exists() {
        let message = format!("{} exists already", folder.display());
        return Err(wrong(message, "choose another name, or another folder with --into").into());
    }
    let own: &[File] = match language {
        Language::Rust => &RUST,
        Language::Python => &PYTHON,
        Language::JavaScript => &JAVASCRIPT,
        Language::C => &C,
    };
    let filled = |text: &str| text.replace("{name}", name).replace("{module}", &name.replace('-', "_"));
    for (path, text, is_program) in own.iter().chain(&COMMON) {
        write(&folder.join(filled(path)), filled(text).as_bytes(), *is_program)?;
    }
    for (path, text) in CONTRACT {
        write(&folder.join("wit").join(path), text.as_bytes(), false)?;
    }
    if *language == Language::C {
        write_bindings(&folder)?;
    }
    output.note(&format!("{} is a provider: see its README.md", folder.display()));
    output.answer(&serde_json::json!({ "folder": folder }), |_| String::new())
}

/// Also a name in each language: no word begins with a digit.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let words = name.split('-').all(|word| !word.is_empty() && word.bytes().all(plain));
    words && name.len() <= LONGEST && name.starts_with(|it: char| it.is_ascii_lowercase())
}

/// The contract for C. Half a megabyte of generated code, for which an author would otherwise build `wit-bindgen-cli` for minutes.
fn write_bindings(folder: &Path) -> Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder.join("wit"))?;
    let world = resolve.select_world(&[package], Some("provider"))?;
    // Blocking functions instead of callbacks that are written by hand.
    let options =
        wit_bindgen_c::Opts { async_: AsyncFilterSet::all(false), ..wit_bindgen_c::Opts::default() };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    for (name, bytes) in files.iter() {
        write(&folder.join("bindings").join(name), bytes, false)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8], is_program: bool) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_program {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o755);
    }
    #[cfg(not(unix))]
    let _ = is_program;
    Ok(options.open(path)?.write_all(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ids_and_names_of_modules() {
        for name in ["a", "my-network", "n2"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "My", "2n", "a--b", "-a", "a_b", "../a", &"a".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
