//! Publish jobs: watching, cancelling, resuming, resolving.

use std::ffi::c_char;
use std::time::Duration;

use social_channel::{JobChange, Resolution};

use crate::argument::{document, optional_document, required};
use crate::border::enter;
use crate::document::JobQuery;
use crate::handle;
use crate::host::tenant_call;
use crate::text::Out;
use crate::{socialchannel_error, socialchannel_host, socialchannel_status};

/// Lists jobs, newest first. `query` is NULL or a JSON document (schema: JobQuery). On success `*jobs_out` is an
/// array (schema of an item: Job).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_list_jobs(
    host: *const socialchannel_host,
    tenant: *const c_char,
    query: *const c_char,
    jobs_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("jobs_out", jobs_out), error_out, |tenant| {
            let query: JobQuery = optional_document("query", query)?;
            Ok(async move {
                let (channel, before) = (query.channel.as_deref(), query.before.as_deref());
                tenant.jobs_before(channel, query.status, query.limit, before).await
            })
        })
    }
}

/// Reads one job without waiting (schema: Job), with live progress if this process runs it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_get_job(
    host: *const socialchannel_host,
    tenant: *const c_char,
    job: *const c_char,
    job_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("job_out", job_out), error_out, |tenant| {
            let job = required("job", job)?.to_owned();
            Ok(async move { tenant.job(&job).await })
        })
    }
}

/// Waits until the job has ended (`published`, `failed`, `unknown`, `cancelled`) or pauses (`paused`: a person must
/// do something), at most `longest_ms`, and reads it (schema: Job). When the time is up the job is still `active`;
/// this is not an error. It also returns early, without an error, if a signal handler of the program ran on the calling
/// thread. Call it in a loop with a short time to draw progress.
///
/// UINT64_MAX waits without an end. INVALID_ARGUMENT, `unbounded_wait`: with `"background": false` this host runs no jobs,
/// and without a worker that wait would never end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_wait_for_job(
    host: *const socialchannel_host,
    tenant: *const c_char,
    job: *const c_char,
    longest_ms: u64,
    job_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let (out, handle) = (Out::new("job_out", job_out)?, handle::host(host)?);
            let tenant = handle.host().tenant(crate::argument::tenant(tenant)?);
            let job = required("job", job)?.to_owned();
            handle.may_wait(longest_ms)?;
            let longest = Duration::from_millis(longest_ms);
            let (waiting, awaited) = (tenant.clone(), job.clone());
            let seen =
                handle.run_until_signal(async move { waiting.wait_for_job(&awaited, longest).await })?;
            out.json(&match seen {
                Some(job) => job,
                None => handle.run(async move { tenant.job(&job).await })?,
            })
        })
    }
}

/// Requests the cancellation of a job and reads it (schema: Job). What was already sent may still be posted; the job's
/// final status says so. A job that has ended does not change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_cancel_job(
    host: *const socialchannel_host,
    tenant: *const c_char,
    job: *const c_char,
    job_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("job_out", job_out), error_out, |tenant| {
            let job = required("job", job)?.to_owned();
            Ok(async move { tenant.cancel_job(&job).await })
        })
    }
}

/// Continues a job now: after a crash, a pause, or a change that a person made (schema: Job). INVALID_REQUEST:
/// it has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_resume_job(
    host: *const socialchannel_host,
    tenant: *const c_char,
    job: *const c_char,
    job_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("job_out", job_out), error_out, |tenant| {
            let job = required("job", job)?.to_owned();
            Ok(async move { tenant.resume_job(&job).await })
        })
    }
}

/// Changes a job of which nothing can have been posted yet, and continues it. `change` is a JSON document
/// (schema: JobChange). On success `*job_out` is the job (schema: Job). INVALID_REQUEST: it has ended, or a request
/// that may make the post was started.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_change_job(
    host: *const socialchannel_host,
    tenant: *const c_char,
    job: *const c_char,
    change: *const c_char,
    job_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("job_out", job_out), error_out, |tenant| {
            let job = required("job", job)?.to_owned();
            let change: JobChange = document("change", change)?;
            Ok(async move { tenant.change_job(&job, change).await })
        })
    }
}

/// Makes a new job for what an ended one did not publish (schema: Job). After `unknown`, `looked` must say that the
/// person has looked and found nothing; better say what was found with socialchannel_host_resolve_job. Asked for again
/// it is the same new job, as long as that has not ended without a post.
/// INVALID_REQUEST: it has not ended, has published, or nobody looked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_retry_job(
    host: *const socialchannel_host,
    tenant: *const c_char,
    job: *const c_char,
    looked: bool,
    job_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("job_out", job_out), error_out, |tenant| {
            let job = required("job", job)?.to_owned();
            Ok(async move { tenant.retry_job(&job, looked).await })
        })
    }
}

/// Records what a person found after a job ended `unknown`. `found` is a JSON document (schema: Resolution), for
/// example `{"posted": false}`. If it was posted, the job becomes `published`; if not, it becomes `failed` and
/// may be retried (schema: Job). INVALID_REQUEST: it is not `unknown`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_resolve_job(
    host: *const socialchannel_host,
    tenant: *const c_char,
    job: *const c_char,
    found: *const c_char,
    job_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("job_out", job_out), error_out, |tenant| {
            let job = required("job", job)?.to_owned();
            let found: Resolution = document("found", found)?;
            Ok(async move { tenant.resolve_job(&job, found).await })
        })
    }
}

/// Reads every attempt of a job. On success `*history_out` is an array (schema of an item: HistoryRow).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_get_job_history(
    host: *const socialchannel_host,
    tenant: *const c_char,
    job: *const c_char,
    history_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("history_out", history_out), error_out, |tenant| {
            let job = required("job", job)?.to_owned();
            Ok(async move { tenant.job_history(&job).await })
        })
    }
}
