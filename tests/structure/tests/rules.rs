//! Tests of the rules, on small trees.

use std::collections::BTreeMap;

use structure::{Crate, Layer, breaches, circles, differences, document, drawing, strays};

const LAYERS: &[Layer] = &[
    Layer { name: "vault", modules: &["vault"] },
    Layer { name: "store", modules: &["store"] },
    Layer { name: "host", modules: &["host", "lib"] },
];
const HOST: Crate = Crate { folder: "host", root: "host/src/lib.rs", layers: LAYERS };

type Tree = BTreeMap<&'static str, &'static str>;

/// Three layers, a folder with children, and test code that violates every rule.
fn good() -> Tree {
    [
        ("host/src/lib.rs", "mod host;\nmod store;\nmod vault;\npub use host::Host;\npub use store::Row;\n"),
        (
            "host/src/host.rs",
            "use crate::{Row, store::{self, sqlite}};\npub struct Host;\nfn f() { store::open(); sqlite::g() }\n",
        ),
        (
            "host/src/store/mod.rs",
            "pub(crate) mod sqlite;\nmod record;\npub use record::Row;\npub trait Store {}\npub fn open() {}\n\
             #[cfg(test)]\nmod tests { use crate::host::Host; }\n",
        ),
        (
            "host/src/store/sqlite.rs",
            "//! As [`crate::host::Host`] wants it.\nuse super::*;\nuse crate::vault::Key;\nuse super::Row;\n\
             pub fn g() { let text = \"crate::host::Host\"; }\n",
        ),
        ("host/src/store/record.rs", "use super::Store;\npub struct Row;\n"),
        ("host/src/vault.rs", "pub struct Key;\n#[cfg(test)]\nfn f(_: crate::host::Host) -> u8 { 0 }\nfn g() {}\n"),
        (
            "ARCHITECTURE.md",
            "# A\n\n## The library\n\n| module | job |\n| --- | --- |\n| `host` | calls of `x` |\n\
             | `store::{sqlite, record}`, `vault` | rows |\n\n## More\n\n| `nothing` | |\n",
        ),
    ]
    .into()
}

fn changed(path: &'static str, text: &'static str) -> Tree {
    let mut tree = good();
    tree.insert(path, text);
    tree
}

#[test]
fn a_good_tree_passes() {
    let tree = good();
    assert_eq!(strays(&tree, &HOST), Vec::<String>::new());
    assert_eq!(circles(&tree, &HOST), Ok(Vec::new()));
    assert_eq!(breaches(&tree, &HOST), Ok(Vec::new()));
    assert_eq!(differences(&tree, &[HOST]), Ok(Vec::new()));
}

#[test]
fn a_file_that_nobody_declares_is_named() {
    for path in ["host/src/access.rs", "host/src/store/mysql.rs", "host/src/app/mod.rs"] {
        assert_eq!(strays(&changed(path, "fn f() {}\n"), &HOST), [path]);
    }
    for path in ["host/src/bin/tool.rs", "host/src/main.rs", "host/tests/one.rs"] {
        assert!(strays(&changed(path, "fn main() {}\n"), &HOST).is_empty(), "{path}");
    }
}

#[test]
fn a_circle_at_the_top_is_shown_with_its_lines() {
    let tree = changed("host/src/vault.rs", "pub struct Key;\n\nfn f() -> crate::store::Row { panic!() }\n");
    let found = circles(&tree, &HOST).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0],
        "host: a cycle of 2: store, vault\n\
         \x20 the shortest way round: store -> vault -> store\n\
         \x20 store -> vault\n\
         \x20   host/src/store/sqlite.rs:3: crate::vault::Key\n\
         \x20 vault -> store\n\
         \x20   host/src/vault.rs:3: crate::store::Row\n"
    );
}

#[test]
fn every_way_to_write_a_path_is_seen() {
    for text in [
        "use crate::host::Host;",
        "use crate::{host::{b, Host}};",
        "use crate::host::{self as facade};",
        "use crate::host::*;",
        "use crate::Host;",
        "use crate::Host as Facade;",
        "use super::Host;",
        "use super::host;",
        "fn f(_: &mut crate::host::Host) {}",
        "fn f<'a>(_: &'a super::Host) {}",
        "fn f() { g::<crate::Host>() }",
        "fn f() { use crate::Host; }",
        "impl crate::host::T for u8 {}",
        "impl T for crate::Host {}",
        "fn f() { crate::host::m!() }",
        "macro_rules! m { () => { $crate::host::f() } }",
        "#[derive(crate::host::D)] struct S;",
        "mod inner { use super::super::Host; }",
        "mod inner { mod deeper { fn f(_: crate::Host) {} } }",
        "pub use crate::host::Host;",
        "#[cfg(test)] use std::{a, b}; use crate::Host;",
        "#[cfg(test)] const N: [u8; 2] = [0, 1]; use crate::Host;",
        "struct S { #[cfg(test)] a: u8, b: crate::Host }",
        "#[cfg(test)] fn f(a: u8, b: u8) {} fn g(_: crate::Host) {}",
        "#[cfg(test)] impl<const N: usize> S<N> {} fn g(_: crate::Host) {}",
        "#[cfg(not(test))] use crate::Host;",
        "#[cfg(any(test, unix))] use crate::Host;",
        "fn f() -> char { '\"' } use crate::Host; fn g() -> char { '\"' }",
    ] {
        let tree = changed("host/src/vault.rs", text);
        let found = breaches(&tree, &HOST).unwrap();
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(
            found[0]
                .starts_with("host: `vault` (layer vault) uses `host` (layer host), which stands above it\n"),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn what_is_no_path_into_the_crate_is_not_seen() {
    for text in [
        "// use crate::host::Host;",
        "/// [`crate::Host`]\nstruct S;",
        "const A: &str = r#\"crate::host::Host \"\"#;",
        "#[cfg(test)] mod tests { use crate::host::Host; }",
        "#[cfg(all(test, unix))] use crate::host::Host;",
        "#[cfg(test)] #[derive(Debug)] pub(crate) struct S { h: crate::Host }",
        "#[cfg(test)] pub(crate) use crate::{Host, store::Row};",
        "struct S { #[cfg(test)] host: crate::Host, b: u8 }",
        "fn f() { #[cfg(test)] crate::host::f(); }",
        "fn f(x: u8) { match x { #[cfg(test)] 0 => crate::host::f(), _ => () } }",
        "#![cfg(test)]\nuse crate::Host;",
        "use ::host::Host;",
        "use other::host::Host;",
        "fn f() { a.host::<u8>(); other::host::Host }",
        "pub(in crate::host) fn f() {}",
        "pub(crate) fn f() {}",
        "mod host { pub struct Host; } fn f(_: host::Host, _: self::host::Host) {}",
    ] {
        let tree = changed("host/src/vault.rs", text);
        assert_eq!(breaches(&tree, &HOST), Ok(Vec::new()), "{text}");
        assert_eq!(circles(&tree, &HOST), Ok(Vec::new()), "{text}");
    }
}

#[test]
fn what_the_root_passes_on_from_another_crate_is_that_crates() {
    let root = "mod host; mod store; mod vault;\npub use host::Host;\npub use store::Row;\n\
                pub use runtime::{Error, model};\npub use more::*;\n";
    for text in [
        "use crate::Error;",
        "use crate::model::Post;",
        "use super::{model, Error::{self as E}};",
        "use crate::Other;",
    ] {
        let mut tree = changed("host/src/lib.rs", root);
        tree.insert("host/src/vault.rs", text);
        assert_eq!(breaches(&tree, &HOST), Ok(Vec::new()), "{text}");
        tree.insert("host/src/vault.rs", "use crate::Host;");
        assert_eq!(breaches(&tree, &HOST).unwrap().len(), 1);
    }
}

#[test]
fn a_parent_may_drive_its_children_or_serve_them_not_both() {
    let serves = "mod sqlite; mod record;\npub use record::Row;\npub trait Store {}\npub fn open() {}";
    let both = "pub(crate) mod sqlite; mod record;\npub use record::Row;\npub trait Store {}\n\
                pub fn open() { sqlite::g() }";
    assert_eq!(circles(&changed("host/src/store/mod.rs", serves), &HOST), Ok(Vec::new()));
    let found = circles(&changed("host/src/store/mod.rs", both), &HOST).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("host::store: a cycle of 3: store, store::record, store::sqlite\n"),
        "{found:?}"
    );
}

#[test]
fn siblings_that_meet_through_their_parents_re_exports_are_a_circle() {
    let mut tree = changed("host/src/store/record.rs", "use super::g;\npub struct Row;\n");
    tree.insert(
        "host/src/store/mod.rs",
        "mod sqlite; mod record;\npub use record::*;\npub use sqlite::{g as g};\n",
    );
    let found = circles(&tree, &HOST).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("a cycle of 2: store::record, store::sqlite\n"), "{found:?}");
}

#[test]
fn the_root_is_a_module_too() {
    let tree = changed(
        "host/src/lib.rs",
        "mod host;\nmod store;\nmod vault;\npub use store::Row;\nfn f() { vault::g() }\npub struct Host;",
    );
    // `vault` uses the root, which uses `vault`.
    let tree = Tree::from_iter(tree.into_iter().chain([("host/src/vault.rs", "use crate::Host;")]));
    let found = circles(&tree, &HOST).unwrap();
    assert!(found[0].starts_with("host: a cycle of 2: lib, vault\n"), "{found:?}");
}

#[test]
fn a_layer_names_no_module_that_is_gone() {
    let root = "mod host;\nmod store;\npub use host::Host;\npub use store::Row;\n";
    let mut tree = changed("host/src/lib.rs", root);
    tree.insert("host/src/store/sqlite.rs", "pub fn g() {}");
    let found = breaches(&tree, &HOST).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("host: there is no module `vault`; take it from the list of `host`"),
        "{found:?}"
    );
}

#[test]
fn a_module_without_a_layer_is_told_where_to_go() {
    let mut tree = changed(
        "host/src/lib.rs",
        "mod host; mod store; mod vault; mod news;\npub use host::Host; pub use store::Row;",
    );
    tree.insert("host/src/news.rs", "");
    let found = breaches(&tree, &HOST).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .contains("`news` has no layer; add it to the list of `host` in tests/structure/src/layer.rs")
    );
}

#[test]
fn a_file_that_is_missing_or_elsewhere_is_an_error_not_a_pass() {
    let mut tree = good();
    tree.remove("host/src/vault.rs");
    assert!(circles(&tree, &HOST).unwrap_err().contains("`mod vault;`"));
    let tree = changed("host/src/vault.rs", "#[path = \"other.rs\"]\nmod other;");
    assert!(circles(&tree, &HOST).unwrap_err().starts_with("host/src/vault.rs:1: `#[path]`"));
    let tree = changed("host/src/vault.rs", "include!(\"other.rs\");");
    assert!(circles(&tree, &HOST).unwrap_err().starts_with("host/src/vault.rs:1: `include!`"));
}

#[test]
fn the_table_of_modules_is_held_to_the_tree() {
    let tree = changed(
        "ARCHITECTURE.md",
        "## The library\n\n| module | job |\n| --- | --- |\n| `host`, `store::{sqlite, old}` | |\n",
    );
    assert_eq!(
        differences(&tree, &[HOST]),
        Ok(vec![
            "ARCHITECTURE.md, \"The library\", names the module `store::old`, which is not there\n"
                .to_owned(),
            "ARCHITECTURE.md, \"The library\", does not name the module `vault`\n".to_owned(),
        ])
    );
    let tree = changed("ARCHITECTURE.md", "# Nothing\n");
    assert_eq!(differences(&tree, &[HOST]).unwrap().len(), 1);
}

#[test]
fn modules_are_drawn_from_the_top() {
    assert_eq!(
        drawing(&good(), &[HOST], false),
        Ok("host\n\
            \x20 host   host   -> store\n\
            \x20        lib\n\
            \x20 store  store  -> vault\n\
            \x20 vault  vault\n"
            .to_owned())
    );
    let counted = drawing(&good(), &[HOST], true).unwrap();
    assert!(counted.starts_with("host: 21 lines, 4 modules, 2 arrows\n"), "{counted}");
    assert!(counted.contains("  store  store     11  -> vault 1\n"), "{counted}");
}

#[test]
fn the_drawing_lands_between_its_marks() {
    let marks =
        "a\n<!-- modules: made by `cargo xtask modules --write` -->\nold\n<!-- end of modules -->\nb\n";
    let text = document(&changed("ARCHITECTURE.md", marks), &[HOST]).unwrap().unwrap();
    assert!(
        text.starts_with("a\n<!-- modules: made by `cargo xtask modules --write` -->\n```text\nhost\n"),
        "{text}"
    );
    assert!(
        text.ends_with("  vault  vault\n```\n<!-- end of modules -->\nb\n") && !text.contains("old"),
        "{text}"
    );
    assert_eq!(document(&good(), &[HOST]), Ok(None));
}
