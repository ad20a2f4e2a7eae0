//! Publishing: the form, the check, and storing a job.

use std::ffi::c_char;

use social_channel::PublishRequest;

use crate::argument::{document, required};
use crate::host::tenant_call;
use crate::text::Out;
use crate::{socialchannel_error, socialchannel_host, socialchannel_status};

/// Reads what the account may post now: kinds, fields, choices, rules, quotas, notices. Call it again for every
/// form shown. On success `*form_out` is a document (schema: PublishForm).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_get_publish_form(
    host: *const socialchannel_host,
    tenant: *const c_char,
    channel: *const c_char,
    form_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("form_out", form_out), error_out, |tenant| {
            let channel = required("channel", channel)?.to_owned();
            Ok(async move { tenant.publish_form(&channel).await })
        })
    }
}

/// Checks a post as far as possible without posting it. `request` as for socialchannel_host_publish; only `post`,
/// `media`, `publish_at` and `deadline_at` are used. On success `*findings_out` is an array (schema of an
/// item: Finding); only findings of severity `error` prevent a post.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_check_post(
    host: *const socialchannel_host,
    tenant: *const c_char,
    channel: *const c_char,
    request: *const c_char,
    findings_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("findings_out", findings_out), error_out, |tenant| {
            let channel = required("channel", channel)?.to_owned();
            let request: PublishRequest = document("request", request)?;
            Ok(async move { tenant.check_publish(&channel, &request).await })
        })
    }
}

/// Stores a publish job. `request` is a JSON document (schema: PublishRequest), for example
/// `{"post": {"kind": "video", "text": "Hello", "visibility": "PUBLIC_TO_EVERYONE"}, "media": [{"file": "/videos/a.mp4"}],
/// "idempotency_key": "order-7"}`. The account's options, such as the choices of `visibility`, are in its form. The job
/// is on disk when this returns; in a host with background work it starts at once. Repeating the same `idempotency_key`
/// and request returns the same job, so a call whose result was lost may be repeated.
/// INVALID_REQUEST: the account's form does not take this kind, option, text or visibility, or a time is over or more
/// than two years ahead; the error's field says which. Nothing was stored.
///
/// On success `*job_out` is the job (schema: Job). Follow it with socialchannel_host_get_job or
/// socialchannel_host_wait_for_job: `bytes_sent` of `bytes_total` is the progress.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_publish(
    host: *const socialchannel_host,
    tenant: *const c_char,
    channel: *const c_char,
    request: *const c_char,
    job_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("job_out", job_out), error_out, |tenant| {
            let channel = required("channel", channel)?.to_owned();
            let request: PublishRequest = document("request", request)?;
            Ok(async move { tenant.publish(&channel, request).await })
        })
    }
}
