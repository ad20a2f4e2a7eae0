//! Installs what a C program needs below a prefix, like a package: header, libraries, pkg-config files,
//! schemas, components; and the programs.
//!
//! | below the prefix | contents |
//! | --- | --- |
//! | `include/social_channel.h` | the header |
//! | `lib/libsocialchannel.so`, `.a` | the library |
//! | `lib/pkgconfig/socialchannel.pc` | how to compile and link with the `.so` |
//! | `lib/pkgconfig/socialchannel-static.pc` | the same with the `.a` |
//! | `share/social-channel/social_channel.schema.json` | the documents |
//! | `share/social-channel/providers/*.wasm` | the providers |
//! | `bin/` | `social-channel`, `tiktok-simulator` |

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{guests, run};

const HELP: &str = "usage: cargo xtask install --prefix DIR [--debug]";
/// The system libraries that the static library needs, as printed by `cargo rustc -p social-channel-c -- --print
/// native-static-libs`.
const PRIVATE_LIBRARIES: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

/// `--prefix DIR`, and `--debug` to use the tests' build instead of making a release build.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut prefix = None;
    let mut profile = "release";
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--prefix" => prefix = rest.next().map(PathBuf::from),
            "--debug" => profile = "debug",
            other => bail!("{other} is not known\n\n{HELP}"),
        }
    }
    let prefix = prefix.context(HELP)?;
    let prefix = std::path::absolute(&prefix)?;
    match profile {
        // The same build as for the tests: with only one package some features would differ, and much would be
        // built twice.
        "debug" => run::cargo(["build"])?,
        _ => {
            let packages = ["social-channel-c", "social-channel-cli", "tiktok-simulator"];
            run::cargo(
                ["build", "--release"]
                    .into_iter()
                    .chain(packages.into_iter().flat_map(|it| ["--package", it])),
            )?;
        }
    }
    guests::build()?;
    put_all(&prefix, profile)?;
    eprintln!("installed below {}", prefix.display());
    Ok(())
}

fn put_all(prefix: &Path, profile: &str) -> Result<()> {
    let built = run::target().join(profile);
    let c = run::root().join("bindings/c");
    put(&c.join("include/social_channel.h"), &prefix.join("include"), 0o644)?;
    put(&built.join("libsocialchannel.so"), &prefix.join("lib"), 0o755)?;
    put(&built.join("libsocialchannel.a"), &prefix.join("lib"), 0o644)?;
    put(&c.join("schema/social_channel.schema.json"), &prefix.join("share/social-channel"), 0o644)?;
    put(&guests::component("plugin_tiktok"), &prefix.join("share/social-channel/providers"), 0o644)?;
    for program in ["social-channel", "tiktok-simulator"] {
        put(&built.join(program), &prefix.join("bin"), 0o755)?;
    }
    let folder = prefix.join("lib/pkgconfig");
    fs::create_dir_all(&folder)?;
    for name in ["socialchannel.pc", "socialchannel-static.pc"] {
        let text = fs::read_to_string(c.join(format!("{name}.in")))?
            .replace("@PREFIX@", &prefix.display().to_string())
            .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
            .replace("@LIBS_PRIVATE@", PRIVATE_LIBRARIES);
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

fn put(from: &Path, folder: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(folder)?;
    let to = folder.join(from.file_name().context("a file has a name")?);
    // A library in use must not be overwritten, so a new file replaces it.
    let fresh = folder.join(".fresh");
    fs::copy(from, &fresh).with_context(|| format!("cannot copy {}", from.display()))?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(mode))?;
    fs::rename(&fresh, &to)?;
    Ok(())
}
