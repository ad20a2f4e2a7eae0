//! Makes a function of every block in Rust. What a page leaves to its reader, names and types of values, is here.

use std::fmt::Write as _;

#[path = "src/block.rs"]
#[allow(dead_code, unreachable_pub, reason = "the library uses all of it")]
mod block;

/// What the blocks of a page may use without saying so.
struct Reader {
    page: &'static str,
    uses: &'static str,
    arguments: &'static str,
}

const LIBRARY: &str = "use std::time::Duration; use social_channel::{Host, TenantId};";
const REQUEST: &str = "channel: String, request: social_channel::PublishRequest";

const READERS: [Reader; 6] = [
    Reader { page: "README.md", uses: LIBRARY, arguments: REQUEST },
    Reader { page: "host/README.md", uses: LIBRARY, arguments: REQUEST },
    Reader {
        page: "host/registry/README.md",
        uses: "use social_channel_registry::{Client, Network, Trust, TrustedKey};",
        arguments: "",
    },
    Reader {
        page: "host/runtime/README.md",
        uses: "use social_channel_runtime::{Engine, EngineOptions, Provider};",
        arguments: "",
    },
    Reader {
        page: "host/server/README.md",
        uses: "use social_channel::Host; use social_channel_server::{Config, Server};",
        arguments: "",
    },
    Reader {
        page: "tests/tiktok-simulator/README.md",
        uses: "use std::time::Duration; use tiktok_simulator::{Action, Fault, Simulator, World};",
        arguments: "publish_id: String",
    },
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/block.rs");
    let mut code = String::new();
    let mut compiled = String::new();
    for reader in &READERS {
        println!("cargo::rerun-if-changed={}", block::root().join(reader.page).display());
        for found in block::blocks(reader.page.as_ref())?.iter().filter(|it| it.language == "rust") {
            let line = found.line;
            let name: String = reader
                .page
                .chars()
                .map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
                .collect();
            // A block may end with a value, as a function does.
            let text = if found.text.trim_end().ends_with([';', '}']) || ends_with_a_comment(&found.text) {
                format!("{}\nOk(())", found.text)
            } else {
                format!("Ok({{ {} }}?)", found.text)
            };
            writeln!(
                code,
                "mod {name}_{line} {{\n{}\npub(super) async fn block({}) -> Result<(), Box<dyn std::error::Error>> {{\n{text}\n}}\n}}",
                reader.uses, reader.arguments
            )?;
            writeln!(compiled, "({:?}, {line}),", reader.page)?;
        }
    }
    writeln!(code, "pub const COMPILED: &[(&str, usize)] = &[{compiled}];")?;
    let folder = std::env::var("OUT_DIR")?;
    std::fs::write(format!("{folder}/snippets.rs"), code)?;
    Ok(())
}

/// Whether the last line ends a statement before its comment.
fn ends_with_a_comment(text: &str) -> bool {
    let last = text.trim_end().lines().last().unwrap_or_default();
    last.split_once("//").is_some_and(|(code, _)| code.trim_end().ends_with(';'))
}
