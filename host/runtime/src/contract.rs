//! The contract's text, for tools that make new providers.

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        /// Each file of the contract: its path below `wit/`, and its text.
        pub const CONTRACT: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../wit/", $path)))),*];
    };
}

files!(
    "channel.wit",
    "deps/cli.wit",
    "deps/clocks.wit",
    "deps/config/store.wit",
    "deps/config/world.wit",
    "deps/filesystem.wit",
    "deps/http.wit",
    "deps/random.wit",
    "deps/sockets.wit",
    "diagnostics.wit",
    "media.wit",
    "storage.wit",
    "types.wit",
    "webhooks.wit",
    "world.wit",
);

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn count(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }

    #[test]
    fn no_file_of_the_contract_is_left_out() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
        assert_eq!(super::CONTRACT.len(), count(&folder));
    }
}
