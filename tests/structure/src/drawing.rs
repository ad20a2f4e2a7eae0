//! The drawing of a crate's modules: layers from the top, each module with those it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::graph::{Graph, root_name};
use crate::layer::{Crate, heights};
use crate::source::Source;

/// The label for modules without a layer.
const NOWHERE: &str = "(no layer)";

/// Draws a crate. `counted`: with lines of code, and how many paths make an arrow.
pub(crate) fn draw(it: &Crate, source: &Source, graph: &Graph, counted: bool) -> String {
    let lines = lines(source);
    let heights = heights(it.layers);
    // From the top; without layers, all are on one.
    let mut rows: Vec<(&str, BTreeSet<&str>)> = Vec::new();
    let nowhere: BTreeSet<&str> =
        graph.nodes.iter().map(String::as_str).filter(|node| !heights.contains_key(node)).collect();
    rows.push((if it.layers.is_empty() { "" } else { NOWHERE }, nowhere));
    for layer in it.layers.iter().rev() {
        let there = layer.modules.iter().copied().filter(|module| graph.nodes.contains(*module));
        rows.push((layer.name, there.collect()));
    }
    rows.retain(|(_, modules)| !modules.is_empty());

    let total: usize = lines.values().sum();
    let mut text = it.folder.to_owned();
    if counted {
        let _ = write!(text, ": {total} lines, {} modules, {} arrows", graph.nodes.len(), graph.arrows.len());
    }
    text.push('\n');
    let layer_width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let width = graph.nodes.iter().map(String::len).max().unwrap_or_default();
    for (name, modules) in rows {
        let mut name = name;
        for module in modules {
            let mut line = format!("  {name:layer_width$}  {module:width$}");
            if counted {
                let _ = write!(line, "  {:>5}", lines.get(module).copied().unwrap_or_default());
            }
            let uses = uses(graph, module, counted);
            if !uses.is_empty() {
                let _ = write!(line, "  -> {uses}");
            }
            let _ = writeln!(text, "{}", line.trim_end());
            name = "";
        }
    }
    text
}

fn uses(graph: &Graph, module: &str, counted: bool) -> String {
    let arrows = graph.arrows.iter().filter(|((from, _), _)| from == module);
    let words: Vec<String> = arrows
        .map(|((_, to), places)| if counted { format!("{to} {}", places.len()) } else { to.clone() })
        .collect();
    words.join(", ")
}

/// Lines of code of each top-level module, including its children.
fn lines(source: &Source) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for module in &source.modules {
        let name = module.path.first().cloned().unwrap_or_else(|| root_name(source));
        *lines.entry(name).or_default() += module.lines;
    }
    lines
}
