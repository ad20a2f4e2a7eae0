//! Modules and dependencies (arrows), seen from one folder, and the cycles among them.
//!
//! The rule, for the crate's root and likewise for every module that has children in files of their own:
//!
//! - Seen from outside, a module and all its descendants are one node. Seen from inside, each child is one node,
//!   and the module's own file (`mod.rs`, `x.rs`, `lib.rs`, `main.rs`) is another one.
//! - An arrow goes from the module that contains a path to the file that defines the named item: re-exports are
//!   followed. So `use super::Format` is an arrow to the sibling that defines `Format` if the parent only
//!   re-exports it.
//! - A parent that declares its children (`mod x;`) or re-exports their items (`pub use x::…`, `pub(crate) use …`)
//!   does not depend on them: no arrow. Any other path from a parent into a child is an arrow.
//! - So either children use items of their parent, or a parent uses its children; both together are a cycle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use crate::source::{Id, Source};

/// The number of lines shown for an arrow.
const SHOWN: usize = 3;

/// Modules and arrows.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: BTreeSet<String>,
    pub(crate) arrows: BTreeMap<(String, String), Vec<Place>>,
}

/// A line that causes an arrow.
#[derive(Debug)]
pub(crate) struct Place {
    file: String,
    line: usize,
    path: String,
}

impl Graph {
    /// The graph seen from inside `folder`.
    pub(crate) fn of(source: &Source, folder: Id) -> Self {
        let mut graph = Graph::default();
        for (id, module) in source.modules.iter().enumerate() {
            if module.holder == id {
                graph.nodes.extend(node(source, folder, id));
            }
        }
        for mention in &source.mentions {
            let from = source.modules[mention.module].holder;
            let Some(to) = source.resolve(mention.module, &mention.path) else { continue };
            if mention.reexport && from == folder {
                continue;
            }
            let (Some(start), Some(end)) = (node(source, folder, from), node(source, folder, to)) else {
                continue;
            };
            if start != end {
                graph.arrows.entry((start, end)).or_default().push(Place {
                    file: source.modules[from].file.clone(),
                    line: mention.line,
                    path: mention.path.join("::"),
                });
            }
        }
        graph
    }

    /// Each set of modules that all reach each other, with the lines that cause it.
    pub(crate) fn circles(&self) -> Vec<String> {
        let mut left = self.nodes.clone();
        let mut found = Vec::new();
        while let Some(node) = left.pop_first() {
            let after = self.reached(&node);
            let circle: BTreeSet<String> =
                after.iter().filter(|other| self.reached(other).contains(&node)).cloned().collect();
            left.retain(|other| !circle.contains(other));
            if circle.len() > 1 {
                found.push(self.describe(&circle));
            }
        }
        found
    }

    fn next<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a String> {
        self.arrows.keys().filter(move |(from, _)| from == node).map(|(_, to)| to)
    }

    fn reached(&self, node: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&String> = self.next(node).collect();
        while let Some(node) = open.pop() {
            if found.insert(node.clone()) {
                open.extend(self.next(node));
            }
        }
        found
    }

    /// The shortest cycle through `start`.
    fn round(&self, start: &str) -> Option<Vec<String>> {
        let mut open = VecDeque::from([vec![start.to_owned()]]);
        let mut seen = BTreeSet::new();
        while let Some(way) = open.pop_front() {
            for next in self.next(way.last()?) {
                if next == start {
                    return Some(way.iter().chain([next]).cloned().collect());
                }
                if seen.insert(next.clone()) {
                    open.push_back(way.iter().chain([next]).cloned().collect());
                }
            }
        }
        None
    }

    fn describe(&self, circle: &BTreeSet<String>) -> String {
        let names: Vec<&str> = circle.iter().map(String::as_str).collect();
        let mut text = format!("a cycle of {}: {}\n", circle.len(), names.join(", "));
        let least = circle.iter().filter_map(|node| self.round(node)).min_by_key(Vec::len);
        if let Some(way) = least {
            let _ = writeln!(text, "  the shortest way round: {}", way.join(" -> "));
        }
        for ((from, to), places) in &self.arrows {
            if circle.contains(from) && circle.contains(to) {
                let _ = writeln!(text, "  {from} -> {to}");
                text.push_str(&listed(places));
            }
        }
        text
    }
}

/// Lines, the first few.
pub(crate) fn listed(places: &[Place]) -> String {
    let mut text = String::new();
    for Place { file, line, path } in places.iter().take(SHOWN) {
        let _ = writeln!(text, "    {file}:{line}: {path}");
    }
    if let Some(more @ 1..) = places.len().checked_sub(SHOWN) {
        let _ = writeln!(text, "    and {more} more");
    }
    text
}

/// The node of a module seen from inside `folder`: the child that contains it, or the folder's own file. `None`:
/// outside.
fn node(source: &Source, folder: Id, module: Id) -> Option<String> {
    let (inside, path) = (&source.modules[folder].path, &source.modules[module].path);
    let rest = path.strip_prefix(inside.as_slice())?;
    let shown: Vec<&str> = inside.iter().chain(rest.first()).map(String::as_str).collect();
    if shown.is_empty() { Some(root_name(source)) } else { Some(shown.join("::")) }
}

/// The name of the root file: `lib`, `main`.
pub(crate) fn root_name(source: &Source) -> String {
    let file = &source.modules[0].file;
    let name = file.rsplit('/').next().unwrap_or(file);
    name.trim_end_matches(".rs").to_owned()
}
