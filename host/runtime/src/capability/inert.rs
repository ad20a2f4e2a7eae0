//! WASI 0.2: what runtimes of languages import besides the contract, because they cannot be built without it.
//!
//! | interface | here |
//! | --- | --- |
//! | `cli/environment`, `cli/stdin` | empty |
//! | `cli/stdout` | dropped |
//! | `cli/stderr` | the first bytes go to the log |
//! | `cli/exit` | ends the call as a fault |
//! | `cli/terminal-*` | there is no terminal |
//! | `clocks/*`, `random/*` | as in the contract: the host's clock, random bytes within a limit |
//! | `io/*` | for the above |
//! | `filesystem/*`, `sockets/*` | every function answers that access is denied, and nothing lies behind it |
//!
//! The list is fixed: a component that imports anything else of WASI 0.2 is refused. What is inert has no implementation in
//! this process that a mistake could open: a function without an answer that says no is a trap.

use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem, Type};
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Val};
use wasmtime::{StoreContextMut, bail};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::p2::bindings::{cli, random};
use wasmtime_wasi::random::WasiRandom;

/// The line of versions.
pub(crate) const LINE: &str = "0.2";

/// Interfaces that have an implementation.
const ANSWERED: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Interfaces of which every function says no, with the resources that each defines itself.
const INERT: &[(&str, &[&str])] = &[
    ("wasi:cli/terminal-input", &["terminal-input"]),
    ("wasi:cli/terminal-output", &["terminal-output"]),
    ("wasi:cli/terminal-stdin", &[]),
    ("wasi:cli/terminal-stdout", &[]),
    ("wasi:cli/terminal-stderr", &[]),
    ("wasi:filesystem/preopens", &[]),
    ("wasi:filesystem/types", &["descriptor", "directory-entry-stream"]),
    ("wasi:sockets/instance-network", &[]),
    ("wasi:sockets/ip-name-lookup", &["resolve-address-stream"]),
    ("wasi:sockets/network", &["network"]),
    ("wasi:sockets/tcp", &["tcp-socket"]),
    ("wasi:sockets/tcp-create-socket", &[]),
    ("wasi:sockets/udp", &["udp-socket", "incoming-datagram-stream", "outgoing-datagram-stream"]),
    ("wasi:sockets/udp-create-socket", &[]),
];

/// How the error codes of files and sockets say no.
const DENIALS: [&str; 2] = ["access-denied", "access"];

/// Whether a component may import this interface, without its version, of WASI 0.2.
pub(crate) fn offers(interface: &str) -> bool {
    ANSWERED.contains(&interface) || INERT.iter().any(|(name, _)| *name == interface)
}

/// Links what has an implementation.
pub(super) fn link<T: WasiView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    cli::environment::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::exit::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    random::insecure::add_to_linker::<T, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<T, WasiRandom>(linker, |state| state.ctx().ctx.random())
}

/// What of a resource is behind its handle: nothing.
struct Nothing;

/// The linker for one component: the common one, and what this component imports of the inert interfaces. Their functions are
/// taken from the component, because each version of WASI 0.2 has some more.
pub(crate) fn linker<T: WasiView>(common: &Linker<T>, component: &Component) -> wasmtime::Result<Linker<T>> {
    let mut linker = common.clone();
    let engine = component.engine();
    for (import, item) in component.component_type().imports(engine) {
        let Some((name, version)) = import.split_once('@') else { continue };
        let Some((_, resources)) = INERT.iter().find(|(inert, _)| *inert == name) else { continue };
        let ComponentItem::ComponentInstance(interface) = item.ty else { continue };
        if version.starts_with(LINE) {
            define(&mut linker.instance(import)?, name, resources, &interface, component)?;
        }
    }
    Ok(linker)
}

fn define<T: WasiView>(
    instance: &mut LinkerInstance<'_, T>,
    interface: &str,
    resources: &[&str],
    ty: &ComponentInstance,
    component: &Component,
) -> wasmtime::Result<()> {
    for resource in resources {
        instance.resource(resource, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
    }
    for (name, item) in ty.exports(component.engine()) {
        if let ComponentItem::ComponentFunc(_) = item.ty {
            let full = format!("{interface}#{name}");
            instance
                .func_new(name, move |store, ty, given, results| no(store, &ty, given, results, &full))?;
        }
    }
    Ok(())
}

/// Says no in the words of the function's type: an empty list, nothing, access denied, a handle to nothing.
fn no<T: WasiView>(
    mut store: StoreContextMut<'_, T>,
    ty: &ComponentFunc,
    given: &[Val],
    results: &mut [Val],
    name: &str,
) -> wasmtime::Result<()> {
    for handle in given {
        // A handle that was lent is given back before the call ends.
        if let Val::Resource(handle) = handle
            && !handle.owned()
        {
            handle.try_into_resource::<Nothing>(&mut store)?;
        }
    }
    let answer = match ty.results().next() {
        Some(Type::List(_)) => Some(Val::List(Vec::new())),
        Some(Type::Option(_)) => Some(Val::Option(None)),
        Some(Type::Result(result)) => {
            denial(result.err()).map(|error| Val::Result(Err(Some(Box::new(error)))))
        }
        Some(Type::Own(_)) => {
            let handle = Resource::<Nothing>::new_own(0);
            Some(Val::Resource(ResourceAny::try_from_resource(handle, store)?))
        }
        _ => None,
    };
    match (answer, results.first_mut()) {
        (Some(answer), Some(result)) => *result = answer,
        _ => bail!("{name} is not there for providers"),
    }
    Ok(())
}

fn denial(error: Option<Type>) -> Option<Val> {
    let Some(Type::Enum(codes)) = error else { return None };
    let code = DENIALS.iter().find(|denial| codes.names().any(|name| name == **denial))?;
    Some(Val::Enum((*code).to_owned()))
}
