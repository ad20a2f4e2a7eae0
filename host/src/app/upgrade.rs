//! What a replacement of a provider would change, said before it is done.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use social_channel_runtime::model::Descriptor;
use social_channel_runtime::{Digest, Provider};

use super::origin::ProviderOrigin;

/// What replacing a provider's component would change.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UpgradeReport {
    /// The provider's id.
    pub provider: String,
    /// The installed component.
    pub from: UpgradeSide,
    /// The other one.
    pub to: UpgradeSide,
    /// Both are the same component: there is nothing to replace.
    pub same: bool,
    /// What appears, changes and vanishes.
    pub changes: Vec<UpgradeChange>,
    /// Apps that would keep their older component, and the origins that they would have to grant.
    pub waiting: Vec<WaitingApp>,
    /// Jobs that are under way with the installed component. They finish with it.
    pub open_jobs: u64,
    /// How many of these, the newest twenty at most, the other component was asked about by a call without network and storage:
    /// only those whose publishing has begun, and only if the same signer signed it.
    pub asked_jobs: u64,
    /// Those of them whose state it cannot read. They finish with the installed component, and must not be moved.
    pub unreadable_jobs: Vec<String>,
    /// Somebody else signed it, or nobody: the operator must agree.
    pub signer_changed: bool,
}

/// An app whose grants do not cover a new component.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WaitingApp {
    /// Its name.
    pub app: String,
    /// The origins it would have to grant.
    pub missing_origins: Vec<String>,
}

/// One of two components.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UpgradeSide {
    /// The component.
    pub digest: Digest,
    /// Its version, by its own word.
    pub version: String,
    /// Where it came from. Absent for what an older version of this program installed.
    pub origin: Option<ProviderOrigin>,
}

/// A difference between two components.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UpgradeChange {
    /// `added`, `changed` or `removed`.
    pub change: &'static str,
    /// `interface`, `import`, `ability`, `origin`, `permission`, `setting` or `input`.
    pub kind: &'static str,
    /// What differs.
    pub name: String,
}

type Names = BTreeMap<String, String>;

fn plain<'a>(names: impl IntoIterator<Item = &'a String>) -> Names {
    names.into_iter().map(|name| (name.clone(), String::new())).collect()
}

/// With what is said about each, to see changes.
fn described<T: Serialize>(items: &[T], name: impl Fn(&T) -> &String) -> Names {
    items.iter().map(|item| (name(item).clone(), serde_json::to_string(item).unwrap_or_default())).collect()
}

fn names(provider: &Provider) -> [(&'static str, Names); 7] {
    let Descriptor { abilities, settings, connect_inputs, scopes, origins, .. } = provider.descriptor();
    [
        ("interface", plain(provider.exports())),
        ("import", plain(provider.imports())),
        ("ability", plain(abilities)),
        ("origin", plain(origins)),
        ("permission", described(scopes, |scope| &scope.name)),
        ("setting", described(settings, |setting| &setting.name)),
        ("input", described(connect_inputs, |input| &input.name)),
    ]
}

/// The differences between two components, in the order of their kinds and names.
pub(super) fn changes(from: &Provider, to: &Provider) -> Vec<UpgradeChange> {
    let (from, to) = (names(from), names(to));
    let mut all = Vec::new();
    for ((kind, old), (_, new)) in from.iter().zip(&to) {
        all.extend(between(kind, old, new));
    }
    all
}

fn between(kind: &'static str, old: &Names, new: &Names) -> Vec<UpgradeChange> {
    let removed = old.keys().filter(|name| !new.contains_key(*name)).map(|name| ("removed", name));
    let others = new.iter().filter_map(|(name, about)| match old.get(name) {
        None => Some(("added", name)),
        Some(before) if before != about => Some(("changed", name)),
        Some(_) => None,
    });
    removed.chain(others).map(|(change, name)| UpgradeChange { change, kind, name: name.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_appears_changes_and_vanishes_is_named() {
        let of = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, about)| ((*name).to_owned(), (*about).to_owned())).collect::<Names>()
        };
        let found = between(
            "setting",
            &of(&[("a", "1"), ("b", "1"), ("c", "1")]),
            &of(&[("b", "1"), ("c", "2"), ("d", "1")]),
        );
        let found: Vec<_> = found.iter().map(|one| (one.change, one.name.as_str())).collect();
        assert_eq!(found, [("removed", "a"), ("changed", "c"), ("added", "d")]);
    }
}
