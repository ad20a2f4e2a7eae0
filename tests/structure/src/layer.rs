//! The layers of each crate, as data. Change them here when a module is added or removed.
//!
//! A layer may use itself and the layers before it in the list; the first layer has no dependencies. Cycles are
//! not allowed within a layer either.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::graph::{Graph, listed};

/// A crate whose modules are checked.
#[derive(Debug)]
pub struct Crate {
    /// Its folder.
    pub folder: &'static str,
    /// Its root file.
    pub root: &'static str,
    /// From the bottom; without layers, only cycles are checked.
    pub layers: &'static [Layer],
}

/// Modules of one layer, by their names below the crate's root. The root itself is `lib` or `main`.
#[derive(Debug)]
pub struct Layer {
    /// Its name in `ARCHITECTURE.md`.
    pub name: &'static str,
    /// Modules at the top of the crate.
    pub modules: &'static [&'static str],
}

const fn layer(name: &'static str, modules: &'static [&'static str]) -> Layer {
    Layer { name, modules }
}

/// Every crate that is checked. A missing crate is skipped.
pub const CRATES: &[Crate] = &[
    Crate {
        folder: "host/runtime",
        root: "host/runtime/src/lib.rs",
        layers: &[
            layer(
                "vocabulary",
                &["clock", "digest", "error", "fair", "fork", "form", "limits", "model", "secret"],
            ),
            layer("net", &["net"]),
            layer("media", &["media"]),
            layer("call", &["abi", "call"]),
            layer("capability", &["capability"]),
            layer(
                "engine",
                &["cache", "compile", "component", "configuration", "engine", "fault", "structure"],
            ),
            layer("runtime", &["contract", "descriptor", "provider", "lib"]),
        ],
    },
    Crate {
        folder: "host/conformance",
        root: "host/conformance/src/lib.rs",
        layers: &[
            layer("vocabulary", &["description", "fault", "report", "rule"]),
            layer("stage", &["server", "stage", "storage", "tape", "wire"]),
            layer("check", &["account", "alone", "drive", "post", "recording", "lib"]),
        ],
    },
    Crate {
        folder: "host/registry",
        root: "host/registry/src/lib.rs",
        layers: &[
            layer("vocabulary", &["credentials", "error", "key", "manifest", "reference"]),
            layer("signature", &["identity", "signature", "trust"]),
            layer("client", &["client", "oci", "push", "lib"]),
        ],
    },
    Crate {
        folder: "host",
        root: "host/src/lib.rs",
        layers: &[
            layer("vocabulary", &["address", "database", "id", "lease", "lifetime", "tenant_id", "wake"]),
            layer("vault", &["kv", "vault"]),
            layer("store", &["blob", "document", "draft", "room", "store"]),
            layer("app", &["app", "diagnosis", "media"]),
            layer("account", &["account"]),
            layer("publish", &["publish"]),
            layer("event", &["event"]),
            layer("maintenance", &["maintenance"]),
            // The facade: no lower layer uses it.
            layer("host", &["builder", "config", "host", "tenant", "transfer", "lib"]),
        ],
    },
    Crate {
        folder: "host/cli",
        root: "host/cli/src/main.rs",
        layers: &[
            layer("machine", &["browser", "failure", "loopback", "shipped", "signal", "trace", "variable"]),
            layer("words", &["input", "output", "report"]),
            layer("session", &["global", "progress", "session", "simulator"]),
            layer("command", &["command"]),
            layer("program", &["args", "main"]),
        ],
    },
    Crate {
        folder: "host/server",
        root: "host/server/src/lib.rs",
        layers: &[
            layer(
                "vocabulary",
                &[
                    "access",
                    "config",
                    "connection",
                    "limit",
                    "metrics",
                    "problem",
                    "served",
                    "site",
                    "strict",
                    "wording",
                ],
            ),
            layer("state", &["state"]),
            layer("request", &["auth", "extract", "observe"]),
            layer("routes", &["api", "page", "public", "router"]),
            layer("service", &["serve", "lib"]),
        ],
    },
    Crate { folder: "plugin-tiktok", root: "plugin-tiktok/src/lib.rs", layers: &[] },
];

/// The layer index of each module.
pub(crate) fn heights(layers: &[Layer]) -> BTreeMap<&'static str, usize> {
    let mut heights = BTreeMap::new();
    for (height, layer) in layers.iter().enumerate() {
        for module in layer.modules {
            heights.insert(*module, height);
        }
    }
    heights
}

/// Violations of the layers, as sentences.
pub(crate) fn breaches(it: &Crate, graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    if it.layers.is_empty() {
        return found;
    }
    let heights = heights(it.layers);
    for module in &graph.nodes {
        if !heights.contains_key(module.as_str()) {
            found.push(format!(
                "{}: the module `{module}` has no layer; add it to the list of `{}` in \
                 tests/structure/src/layer.rs, to the lowest layer that may use all it uses\n",
                it.folder, it.folder
            ));
        }
    }
    for module in heights.keys().filter(|module| !graph.nodes.contains(**module)) {
        found.push(format!(
            "{}: there is no module `{module}`; take it from the list of `{}` in tests/structure/src/layer.rs\n",
            it.folder, it.folder
        ));
    }
    for ((from, to), places) in &graph.arrows {
        if let (Some(low), Some(high)) = (heights.get(from.as_str()), heights.get(to.as_str()))
            && low < high
        {
            let mut text = format!(
                "{}: `{from}` (layer {}) uses `{to}` (layer {}), which stands above it\n",
                it.folder, it.layers[*low].name, it.layers[*high].name
            );
            let _ = write!(text, "{}", listed(places));
            found.push(text);
        }
    }
    found
}
