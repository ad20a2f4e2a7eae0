//! Providers: loading, replacing and listing while the host runs.

use std::ffi::c_char;

use social_channel::{Error, ErrorKind, ProviderSource, Result};

use crate::argument::{bytes, document, optional_document, required};
use crate::border::enter;
use crate::handle;
use crate::host::host_call;
use crate::text::Out;
use crate::{socialchannel_error, socialchannel_host, socialchannel_status};

fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, format!("the component {path} cannot be read: {error}"))
            .with_field("path")
            .with_remedy("give the path of a component file (.wasm) that this program may read")
    })
}

/// Installs a provider from the bytes of its component (a `.wasm` file), or replaces the one of the same id while
/// the host runs: new apps run it, and existing apps too, unless it requests origins that they were not granted.
/// Running calls and open jobs continue with the component that started them; other processes on the same data
/// see the change at their next call. On failure nothing changes.
///
/// On success `*loaded_out` names the installed component and the apps that wait for a grant (schema: Loaded).
///
/// LOAD_FAILED: the bytes are not a provider. INCOMPATIBLE: it was built for another version of the contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_load_provider(
    host: *const socialchannel_host,
    component: *const u8,
    component_len: usize,
    loaded_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("loaded_out", loaded_out), error_out, |host| {
            let component = bytes("component", component, component_len)?.to_vec();
            Ok(async move { host.load_provider(&component).await })
        })
    }
}

/// Like socialchannel_host_load_provider, from a file. NOT_FOUND: there is no such file; UNAVAILABLE: it cannot
/// be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_load_provider_file(
    host: *const socialchannel_host,
    path: *const c_char,
    loaded_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("loaded_out", loaded_out), error_out, |host| {
            let component = read(required("path", path)?)?;
            Ok(async move { host.load_provider(&component).await })
        })
    }
}

/// Fetches a provider from a registry or an https address and installs it as socialchannel_host_load_provider does. `source`
/// is a JSON document (schema: ProviderSource) with a `reference`, for example
/// `{"reference": "ghcr.io/acme/bluesky:1.2"}`. Where it came from and who signed it are kept; nothing asks there again
/// before the program does.
///
/// On success `*loaded_out` is as that of socialchannel_host_load_provider.
///
/// DENIED_BY_POLICY: it is not signed by somebody who may (code `signer_changed`: by somebody else than the installed one), or
/// its tag points to another image than when it was installed (code `tag_moved`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_add_provider(
    host: *const socialchannel_host,
    source: *const c_char,
    loaded_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("loaded_out", loaded_out), error_out, |host| {
            let source: ProviderSource = document("source", source)?;
            source.reference()?;
            Ok(async move { host.add_provider(source.reference()?, &source.options()).await })
        })
    }
}

/// Looks for an update where a provider came from, or at another `reference` of `source` (NULL: none). Nothing is installed.
/// On success `*report_out` says what replacing the installed component would change (schema: UpgradeReport).
///
/// NOT_FOUND: the provider is not installed, or nothing is there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_check_provider(
    host: *const socialchannel_host,
    provider: *const c_char,
    source: *const c_char,
    report_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("report_out", report_out), error_out, |host| {
            let provider = required("provider", provider)?.to_owned();
            let source: ProviderSource = optional_document("source", source)?;
            Ok(
                async move {
                    host.check_provider(&provider, source.reference.as_deref(), &source.options()).await
                },
            )
        })
    }
}

/// Installs what there is now where a provider came from, or at another `reference` of `source` (NULL: none). What it replaces
/// is kept for socialchannel_host_roll_back_provider. Fails like socialchannel_host_add_provider.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_update_provider(
    host: *const socialchannel_host,
    provider: *const c_char,
    source: *const c_char,
    loaded_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("loaded_out", loaded_out), error_out, |host| {
            let provider = required("provider", provider)?.to_owned();
            let source: ProviderSource = optional_document("source", source)?;
            Ok(async move {
                host.update_provider(&provider, source.reference.as_deref(), &source.options()).await
            })
        })
    }
}

/// Installs the component again that the installed one of a provider replaced last, from the database; no registry is asked.
/// A second time undoes the first. NOT_FOUND: no earlier one is kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_roll_back_provider(
    host: *const socialchannel_host,
    provider: *const c_char,
    loaded_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("loaded_out", loaded_out), error_out, |host| {
            let provider = required("provider", provider)?.to_owned();
            Ok(async move { host.roll_back_provider(&provider).await })
        })
    }
}

/// Inspects a component without installing it. On success `*provider_out` describes it (schema: ProviderInfo).
/// Fails like socialchannel_host_load_provider.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_inspect_provider(
    host: *const socialchannel_host,
    component: *const u8,
    component_len: usize,
    provider_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("provider_out", provider_out), error_out, |host| {
            let component = bytes("component", component, component_len)?.to_vec();
            Ok(async move { host.inspect_provider(&component).await })
        })
    }
}

/// Lists the installed providers, and components that open jobs still need. On success `*providers_out` is an
/// array (schema of an item: ProviderInfo).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_list_providers(
    host: *const socialchannel_host,
    providers_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("providers_out", providers_out), error_out, |host| {
            Ok(async move { host.providers().await })
        })
    }
}

/// Deletes a provider by its id. NOT_FOUND: it is not installed. INVALID_REQUEST: apps or open jobs still need it;
/// the message names them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_unload_provider(
    host: *const socialchannel_host,
    provider: *const c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let handle = handle::host(host)?;
            let provider = required("provider", provider)?.to_owned();
            let host = handle.host();
            handle.run(async move { host.unload_provider(&provider).await })
        })
    }
}
