//! Components that come with this program: in an installation, beside the program, or in the build folder of a checkout.

use std::path::PathBuf;

const BEGINNING: &str = "plugin_";
const ENDING: &str = ".wasm";

/// Where they may lie, below the folder of this program and the two above it.
const PLACES: [&str; 4] = ["share/social-channel/providers", "providers", "", "wasm32-wasip2/guest"];

/// The folder with components.
pub(crate) fn folder() -> Option<PathBuf> {
    folders().find(|folder| {
        folder.read_dir().is_ok_and(|mut files| {
            files.any(|file| file.is_ok_and(|file| is_component(&file.file_name().to_string_lossy())))
        })
    })
}

/// The component of a provider.
pub(crate) fn component(provider: &str) -> Option<PathBuf> {
    let name = format!("{BEGINNING}{}{ENDING}", provider.replace('-', "_"));
    folders().map(|folder| folder.join(&name)).find(|path| path.is_file())
}

fn folders() -> impl Iterator<Item = PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let above: Vec<PathBuf> = program.ancestors().skip(1).take(3).map(PathBuf::from).collect();
    above.into_iter().flat_map(|folder| PLACES.map(|place| folder.join(place)))
}

fn is_component(name: &str) -> bool {
    name.starts_with(BEGINNING) && name.ends_with(ENDING)
}
