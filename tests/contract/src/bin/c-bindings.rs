//! Writes the contract for C into a folder, for `examples/provider-c`, as `wit-bindgen c wit -w provider --sync all` does.
//!
//! Half a megabyte of generated code is not worth a place in the repository, and installing `wit-bindgen-cli` takes minutes; this
//! is its library.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use wit_bindgen_core::{AsyncFilterSet, Files};
use wit_parser::Resolve;

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("a folder is missing")?);
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit"))?;
    let world = resolve.select_world(&[package], Some("provider"))?;
    // Blocking functions instead of callbacks that are written by hand.
    let options =
        wit_bindgen_c::Opts { async_: AsyncFilterSet::all(false), ..wit_bindgen_c::Opts::default() };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    std::fs::create_dir_all(&folder)?;
    for (name, bytes) in files.iter() {
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
