//! Channels: connecting, listing and disconnecting the accounts of one tenant.

use std::ffi::c_char;

use social_channel::{ConnectOptions, Import, callback_query};

use crate::argument::{document, required};
use crate::host::tenant_call;
use crate::text::Out;
use crate::{socialchannel_error, socialchannel_host, socialchannel_status};

/// Begins to connect an account. `options` is a JSON document (schema: ConnectOptions); its `owner` identifies who
/// begins, such as a hash of the browser's session, and must be given again to complete; any other value
/// is refused.
///
/// On success `*connect_out` is the next step (schema: Connect): `{"redirect": {"url": ...}}`: send the
/// person's browser there; `{"ask": {"state": ..., "text": ..., "fields": [...]}}`: ask the person, and complete with
/// the answers; `{"done": ...}`: no browser was needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_begin_connect(
    host: *const socialchannel_host,
    tenant: *const c_char,
    app: *const c_char,
    options: *const c_char,
    connect_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("connect_out", connect_out), error_out, |tenant| {
            let app = required("app", app)?.to_owned();
            let options: ConnectOptions = document("options", options)?;
            Ok(async move { tenant.begin_connect(&app, options).await })
        })
    }
}

/// Connects accounts without a browser, of which the caller holds what replaces it, such as refresh tokens. `import` is a JSON
/// document (schema: Import). Returns when all rows are done; on success `*report_out` says what became of each (schema:
/// ImportReport), so look at its rows. Rows that are done are left alone when the same ones are given again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_import_channels(
    host: *const socialchannel_host,
    tenant: *const c_char,
    app: *const c_char,
    import: *const c_char,
    report_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("report_out", report_out), error_out, |tenant| {
            let app = required("app", app)?.to_owned();
            let import: Import = document("import", import)?;
            Ok(async move { tenant.import_channels(&app, import, &|_| ()).await })
        })
    }
}

/// Completes a connect. `callback` is the query of the callback URL, exactly as received (not decoded), or the
/// whole URL; for a question, `state=...` and the answers by the names of its fields, encoded as a query. `owner` is the one given to socialchannel_host_begin_connect.
///
/// On success `*connected_out` is the result (schema: Connected): `{"channel": {"id": ...}}`, or
/// `{"choose": {"choice": ..., "candidates": [...]}}`: let the person pick one of several accounts and call
/// socialchannel_host_choose_account. `{"ask": ...}` and `{"redirect": ...}` are one more step, as when beginning.
///
/// AUTHORIZATION_DENIED: the person declined. INVALID_REQUEST: the callback is unknown, was used already, or has
/// another owner.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_complete_connect(
    host: *const socialchannel_host,
    tenant: *const c_char,
    owner: *const c_char,
    callback: *const c_char,
    connected_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("connected_out", connected_out), error_out, |tenant| {
            let owner = required("owner", owner)?.to_owned();
            let callback = callback_query(required("callback", callback)?);
            Ok(async move { tenant.complete_connect(&owner, callback).await })
        })
    }
}

/// Connects one of several accounts that a consent returned. `choice` and `account_id` come from the document
/// of socialchannel_host_complete_connect. On success `*channel_out` is the channel (schema: Channel).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_choose_account(
    host: *const socialchannel_host,
    tenant: *const c_char,
    owner: *const c_char,
    choice: *const c_char,
    account_id: *const c_char,
    channel_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("channel_out", channel_out), error_out, |tenant| {
            let owner = required("owner", owner)?.to_owned();
            let choice = required("choice", choice)?.to_owned();
            let account_id = required("account_id", account_id)?.to_owned();
            Ok(async move { tenant.choose_account(&owner, &choice, &account_id).await })
        })
    }
}

/// Lists the tenant's channels (connected accounts). On success `*channels_out` is an array (schema of an item:
/// Channel).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_list_channels(
    host: *const socialchannel_host,
    tenant: *const c_char,
    channels_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("channels_out", channels_out), error_out, |tenant| {
            Ok(async move { tenant.channels().await })
        })
    }
}

/// Reads one channel (schema: Channel). NOT_FOUND: the tenant has no channel with that id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_get_channel(
    host: *const socialchannel_host,
    tenant: *const c_char,
    channel: *const c_char,
    channel_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("channel_out", channel_out), error_out, |tenant| {
            let channel = required("channel", channel)?.to_owned();
            Ok(async move { tenant.channel(&channel).await })
        })
    }
}

/// Cancels the channel's jobs, tells the platform, and deletes the access. Jobs, consents and numbers are kept: the same
/// account connected to the same app again is the same channel, with the same id. On success `*disconnected_out` says
/// whether the platform was told (schema: Disconnected).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_disconnect(
    host: *const socialchannel_host,
    tenant: *const c_char,
    channel: *const c_char,
    disconnected_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("disconnected_out", disconnected_out), error_out, |tenant| {
            let channel = required("channel", channel)?.to_owned();
            Ok(async move { tenant.disconnect(&channel).await })
        })
    }
}
