//! Inspects a file before any of it is compiled or run.
//!
//! Compiling takes seconds and fails with messages such as "unexpected token". This scan of the outermost
//! sections is fast, and tells the user what kind of file it is and what to do. It does not decide what a
//! component may do; the linker does.

use semver::Version;
use wasmparser::{Encoding, Parser, Payload};

use crate::abi::v0_1;
use crate::capability::inert;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::LARGEST_COMPONENT;

/// Packages and versions that a component may import, so that the error can name what is missing. Of other packages of
/// WASI 0.2 it may import what [`inert`] lists.
const PACKAGES: &[(&str, &str)] = &[
    ("social:channel", "0.1"),
    ("wasi:clocks", "0.3"),
    ("wasi:config", "0.2"),
    ("wasi:http", "0.3"),
    ("wasi:random", "0.3"),
];

/// The names of a component's imports and exports, for example `wasi:http/client@0.3.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interfaces {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

/// Inspects a file.
///
/// # Errors
/// `LoadFailed` if it is not a component, `Incompatible` if it was built for another contract.
pub(crate) fn inspect(bytes: &[u8]) -> Result<Interfaces> {
    if bytes.len() > LARGEST_COMPONENT {
        return Err(no_provider(format!(
            "the file has {} MB, and a provider has at most {} MB",
            bytes.len() >> 20,
            LARGEST_COMPONENT >> 20
        )));
    }
    looks_like_wasm(bytes)?;
    let interfaces = names(bytes)?;
    speaks_our_line(&interfaces)?;
    needs_only_what_we_have(&interfaces)?;
    Ok(interfaces)
}

/// The custom section in which a component names its provider (`display_name!` of the toolkit for providers).
const NAME: &str = "social-channel:name";
/// Characters of a name that a page or a terminal shows in one line.
const LONGEST_NAME: usize = 60;

/// The name by which a component file can be offered before any of it is compiled or run. None: it carries none, or none
/// that can be shown.
#[must_use]
pub fn component_name(bytes: &[u8]) -> Option<String> {
    let mut sections = Parser::new(0).parse_all(bytes).map_while(std::result::Result::ok);
    let name = sections.find_map(|payload| match payload {
        Payload::CustomSection(section) if section.name() == NAME => std::str::from_utf8(section.data()).ok(),
        _ => None,
    })?;
    let is_name = (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    is_name.then(|| name.to_owned())
}

fn no_provider(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::LoadFailed, message).with_remedy(
        "Load the `.wasm` file of a provider, for example one built for the target wasm32-wasip2.",
    )
}

fn looks_like_wasm(bytes: &[u8]) -> Result<()> {
    let text = || std::str::from_utf8(bytes.get(..512).unwrap_or(bytes)).ok().map(str::trim_start);
    let what = match bytes {
        [] => "it is empty",
        [0, b'a', b's', b'm', ..] if bytes.len() >= 8 => return Ok(()),
        [0, b'a', b's', b'm', ..] => "it is cut off after its first bytes",
        [0x7f, b'E', b'L', b'F', ..] => "it is a native program, or code compiled ahead of time",
        [b'M', b'Z', ..] => "it is a Windows program",
        [b'P', b'K', 3, 4, ..] => "it is a ZIP archive; unpack it first",
        [0x1f, 0x8b, ..] => "it is a gzip archive; unpack it first",
        _ if text().is_some_and(|text| text.starts_with("(component") || text.starts_with("(module")) => {
            "it is WebAssembly text; turn it into the binary form first"
        }
        _ if text().is_some_and(|text| text.starts_with('<')) => {
            "it is a web page, perhaps an error page saved by a download"
        }
        _ if text().is_some_and(|text| text.starts_with("version https://git-lfs")) => {
            "it is a Git LFS pointer; fetch the file itself"
        }
        _ if text().is_some() => "it is text",
        _ => "it does not begin with the bytes of a WebAssembly file",
    };
    Err(no_provider(format!("the file is not a provider: {what}")))
}

/// The outermost imports and exports.
fn names(bytes: &[u8]) -> Result<Interfaces> {
    let mut interfaces = Interfaces { imports: Vec::new(), exports: Vec::new() };
    let mut depth = 0usize;
    let broken = |error: wasmparser::BinaryReaderError| {
        // The parser reports the number of missing bytes if the file is truncated.
        let cut = error.message().contains("unexpected end");
        let what = if cut { "it is cut off; copy or download it again" } else { "it is damaged" };
        no_provider(format!("the file is not a provider: {what}")).with_source(error)
    };
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(broken)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(no_provider("the file is not a provider: it is a core module, not a component").with_remedy(
                    "Build it for the target wasm32-wasip2, or turn it into a component with `wasm-tools component \
                     new`.",
                ));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    interfaces.imports.push(import.map_err(broken)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    interfaces.exports.push(export.map_err(broken)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(interfaces)
}

fn speaks_our_line(interfaces: &Interfaces) -> Result<()> {
    let (name, ours) = (v0_1::CHANNEL, v0_1::LINE_NAME);
    let found = interfaces.exports.iter().find_map(|export| {
        let (interface, version) = export.split_once('@')?;
        (interface == name).then(|| version.parse::<Version>().ok())?
    });
    match found {
        Some(version) if format!("{}.{}", version.major, version.minor) == ours => Ok(()),
        Some(version) => Err(Error::new(
            ErrorKind::Incompatible,
            format!("the provider uses social:channel {version}, but this host uses {ours}"),
        )
        .with_remedy(format!("Install a version of the provider that was built for social:channel {ours}."))),
        None => Err(Error::new(
            ErrorKind::Incompatible,
            format!("the component is not a provider: it does not export {name}@{ours}"),
        )
        .with_remedy("Load a component that implements the social:channel contract.")),
    }
}

/// Whether all imports come from a package and version that the host has.
fn needs_only_what_we_have(interfaces: &Interfaces) -> Result<()> {
    let known = |import: &str| {
        let (interface, version) = import.split_once('@').unwrap_or((import, ""));
        let package = interface.split('/').next().unwrap_or_default();
        let of_line = |line: &str| {
            version.strip_prefix(line).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        PACKAGES.iter().any(|(name, line)| *name == package && of_line(line))
            || (of_line(inert::LINE) && inert::offers(interface))
    };
    let missing: Vec<&str> = interfaces.imports.iter().map(String::as_str).filter(|it| !known(it)).collect();
    if missing.is_empty() { Ok(()) } else { Err(lacking(&missing.join(", "))) }
}

/// The error if the provider needs something that this host does not have.
pub(crate) fn lacking(what: &str) -> Error {
    // Ours by name, and of another form: built before 0.1 was frozen.
    let offered =
        ["storage", "media", "types"].map(|name| format!("social:channel/{name}@{}.", v0_1::LINE_NAME));
    if offered.iter().any(|name| what.starts_with(name)) {
        let message = format!("the provider was built for another text of {what} than was released");
        return Error::new(ErrorKind::Incompatible, message).with_remedy(
            "Install a version of the provider that was built for the released contract, or build it again.",
        );
    }
    Error::new(ErrorKind::Incompatible, format!("the provider needs what this host does not offer: {what}"))
        .with_remedy("Install a version of the provider that does not need it, or a newer host.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> Error {
        inspect(bytes).unwrap_err()
    }

    /// The eight bytes at the start of every component.
    const COMPONENT_HEADER: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

    #[test]
    fn other_files_are_named_for_what_they_are() {
        for (bytes, word) in [
            (&b""[..], "empty"),
            (b"\0asm", "cut off"),
            (b"\0asm\x01\0\0\0", "core module"),
            (b"\x7fELF\x02\x01\x01", "native program"),
            (b"PK\x03\x04....", "ZIP"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"  (component)", "WebAssembly text"),
            (b"<!DOCTYPE html><html>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
            (b"hello", "text"),
            (&[0xff, 0xfe, 0, 1, 2], "does not begin with"),
        ] {
            let error = refusal(bytes);
            assert_eq!(error.kind, ErrorKind::LoadFailed);
            assert!(error.message.contains(word), "{word}: {}", error.message);
            assert!(error.remedy.is_some());
        }
    }

    #[test]
    fn a_file_names_its_provider_before_it_is_loaded() {
        let named = |section: &str, name: &[u8]| {
            let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
            let content = [&[length(section.as_bytes())], section.as_bytes(), name].concat();
            component_name(&[COMPONENT_HEADER.as_slice(), &[0, length(&content)], &content].concat())
        };
        assert_eq!(named(NAME, b"A Network").as_deref(), Some("A Network"));
        assert_eq!(named("other", b"A Network"), None);
        for wrong in [&b""[..], b"a\nb", b"\xff", &[b'a'; 61]] {
            assert_eq!(named(NAME, wrong), None);
        }
        assert_eq!(component_name(b"hello"), None);
    }

    #[test]
    fn a_component_without_our_interface_is_no_provider() {
        let error = refusal(&COMPONENT_HEADER);
        assert_eq!(error.kind, ErrorKind::Incompatible);
        assert!(error.message.contains("social:channel/channel@0.1"), "{}", error.message);
    }

    #[test]
    fn a_truncated_component_is_called_cut_off() {
        // A section that declares more bytes than exist.
        let mut bytes = COMPONENT_HEADER.to_vec();
        bytes.extend_from_slice(&[0, 100, 1, b'x']);
        let error = refusal(&bytes);
        assert_eq!(error.kind, ErrorKind::LoadFailed);
        assert!(error.message.contains("cut off"), "{} {:?}", error.message, error.source);
    }

    #[test]
    fn of_wasi_0_2_a_fixed_set_may_be_imported() {
        let refused = |import: &str| {
            let imports = vec![import.to_owned()];
            needs_only_what_we_have(&Interfaces { imports, exports: Vec::new() }).is_err()
        };
        // What componentize-py 0.25 imports, and Rust's standard library.
        for interface in [
            "cli/environment",
            "cli/exit",
            "cli/stderr",
            "cli/stdin",
            "cli/stdout",
            "cli/terminal-input",
            "cli/terminal-output",
            "cli/terminal-stderr",
            "cli/terminal-stdin",
            "cli/terminal-stdout",
            "clocks/monotonic-clock",
            "clocks/wall-clock",
            "filesystem/preopens",
            "filesystem/types",
            "io/error",
            "io/poll",
            "io/streams",
            "random/insecure",
            "random/insecure-seed",
            "random/random",
            "sockets/instance-network",
            "sockets/ip-name-lookup",
            "sockets/network",
            "sockets/tcp",
            "sockets/tcp-create-socket",
            "sockets/udp",
            "sockets/udp-create-socket",
        ] {
            for version in ["0.2.0", "0.2.12"] {
                assert!(!refused(&format!("wasi:{interface}@{version}")), "{interface}@{version}");
            }
            assert!(refused(&format!("wasi:{interface}@0.20.0")) && refused(&format!("wasi:{interface}")));
        }
        for import in [
            "wasi:cli/command@0.2.0",
            "wasi:clocks/timezone@0.2.0",
            "wasi:filesystem/mounts@0.2.0",
            "wasi:sockets/raw@0.2.0",
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:logging/logging@0.2.0",
        ] {
            assert!(refused(import), "{import}");
        }
    }

    #[test]
    fn lines_are_told_apart() {
        let with = |export: &str, imports: &[&str]| {
            let interfaces = Interfaces {
                imports: imports.iter().map(|it| (*it).to_owned()).collect(),
                exports: vec![export.to_owned()],
            };
            speaks_our_line(&interfaces).and_then(|()| needs_only_what_we_have(&interfaces))
        };
        with("social:channel/channel@0.1.0", &[]).unwrap();
        with("social:channel/channel@0.1.7", &["wasi:io/poll@0.2.6", "social:channel/media@0.1.7"]).unwrap();
        let error = with("social:channel/channel@0.2.0", &[]).unwrap_err();
        assert!(
            error.message.contains("0.2.0") && error.message.contains("this host uses 0.1"),
            "{}",
            error.message
        );
        for export in ["social:channel/channel@0.10.0", "social:channel/channel@1.1.0"] {
            assert_eq!(with(export, &[]).unwrap_err().kind, ErrorKind::Incompatible, "{export}");
        }
        let error = with(
            "social:channel/channel@0.1.0",
            &[
                "wasi:keyvalue/store@0.2.0",
                "wasi:http/types@0.2.3",
                "wasi:http/client@0.3.0",
                "wasi:filesystem/types@0.3.0",
                "wasi:sockets/raw@0.2.0",
                "env",
            ],
        )
        .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Incompatible);
        assert!(
            error.message.ends_with(
                "wasi:keyvalue/store@0.2.0, wasi:http/types@0.2.3, wasi:filesystem/types@0.3.0, \
                 wasi:sockets/raw@0.2.0, env"
            ),
            "{}",
            error.message
        );
    }
}
