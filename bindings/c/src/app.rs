//! Apps: a provider with one registration at the network.

use std::ffi::c_char;

use social_channel::AppConfig;

use crate::argument::{document, required};
use crate::border::enter;
use crate::handle;
use crate::host::host_call;
use crate::text::Out;
use crate::{socialchannel_error, socialchannel_host, socialchannel_status};

/// Creates an app (a provider with one set of settings, that is one registration at the network), or changes the
/// members of an existing app that `config` has. `app` is its name: 1 to 64 of letters, digits, `.`, `_` and `-`.
/// `config` is a JSON document (schema: AppConfig), for example
/// `{"provider": "...", "redirect_uri": "https://shop.example/callback", "settings": {"client-key": "..."}}`.
///
/// On success `*app_out` is the app with secrets masked; its `missing_settings` lists what is still needed
/// (schema: App).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_put_app(
    host: *const socialchannel_host,
    app: *const c_char,
    config: *const c_char,
    app_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("app_out", app_out), error_out, |host| {
            let app = required("app", app)?.to_owned();
            let config: AppConfig = document("config", config)?;
            Ok(async move { host.put_app(&app, config).await })
        })
    }
}

/// Lists all apps; secrets are masked. On success `*apps_out` is an array (schema of an item: App).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_list_apps(
    host: *const socialchannel_host,
    apps_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("apps_out", apps_out), error_out, |host| {
            Ok(async move { host.apps().await })
        })
    }
}

/// Reads one app; secrets are masked (schema: App). NOT_FOUND: there is no app with that name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_get_app(
    host: *const socialchannel_host,
    app: *const c_char,
    app_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("app_out", app_out), error_out, |host| {
            let app = required("app", app)?.to_owned();
            Ok(async move { host.app(&app).await })
        })
    }
}

/// Deletes an app. INVALID_REQUEST: it still has channels; disconnect them first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_delete_app(
    host: *const socialchannel_host,
    app: *const c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let handle = handle::host(host)?;
            let app = required("app", app)?.to_owned();
            let host = handle.host();
            handle.run(async move { host.delete_app(&app).await })
        })
    }
}

/// Why what this host stores may not be safe, as found when it was opened: a key in a folder that a web server seems to
/// serve (subject `key`), a disk or a database server that may lose what was stored (`database`). On success
/// `*doubts_out` is an array (schema of an item: Finding), empty if there are none. socialchannel_host_check_app names
/// them, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_get_doubts(
    host: *const socialchannel_host,
    doubts_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("doubts_out", doubts_out), error_out, |host| {
            Ok(async move { Ok(host.doubts().to_vec()) })
        })
    }
}

/// Checks an app's settings, also by calling the platform. On success `*findings_out`
/// is an array (schema of an item: Finding).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_check_app(
    host: *const socialchannel_host,
    app: *const c_char,
    findings_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("findings_out", findings_out), error_out, |host| {
            let app = required("app", app)?.to_owned();
            Ok(async move { host.check_settings(&app).await })
        })
    }
}

/// Reads the steps through the platform's portal to a working app, with the values to copy there. On success
/// `*guide_out` is an array (schema of an item: GuideStep). UNSUPPORTED: the provider has no guide.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_get_app_guide(
    host: *const socialchannel_host,
    app: *const c_char,
    guide_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        host_call(host, Out::new("guide_out", guide_out), error_out, |host| {
            let app = required("app", app)?.to_owned();
            Ok(async move { host.guide(&app).await })
        })
    }
}
