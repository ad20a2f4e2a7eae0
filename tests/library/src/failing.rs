//! Components that break when one of their functions is called, as a release with a fault does.

use anyhow::{Context as _, Result};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// `UNREACHABLE` ends a call at once; after it any instruction is valid.
const UNREACHABLE: u8 = 0x00;
const NOP: u8 = 0x01;
const END: u8 = 0x0b;

/// The component with the body of one exported function of its first module (`channel@0.1.0#begin-publish`) replaced by a
/// trap. It describes itself as before.
///
/// # Errors
/// If there is no such function.
pub fn trapping(component: &[u8], export: &str) -> Result<Vec<u8>> {
    let (mut imported, mut index, mut bodies) = (0, None, Vec::new());
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += usize::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::ExportSection(exports) => {
                for one in exports {
                    let one = one?;
                    if one.kind == ExternalKind::Func
                        && one.name.starts_with("[async-lift]")
                        && one.name.ends_with(export)
                    {
                        index = Some(usize::try_from(one.index)?);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                let code = body.get_operators_reader()?.original_position()..body.range().end;
                bodies.push(code);
            }
            // The first module is the provider's; those after it only connect.
            Payload::End(_) if !bodies.is_empty() => break,
            _ => {}
        }
    }
    let body = index.and_then(|index| bodies.get(index.checked_sub(imported)?)).cloned();
    let mut changed = component.to_vec();
    let code = changed
        .get_mut(body.with_context(|| format!("there is no function {export}"))?)
        .context("its code")?;
    code.fill(NOP);
    if let [first, .., last] = code {
        (*first, *last) = (UNREACHABLE, END);
    }
    Ok(changed)
}
