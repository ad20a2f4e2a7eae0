//! What happened, for a program that does not ask for each job.

use std::ffi::c_char;
use std::time::Duration;

use crate::argument::optional_document;
use crate::border::enter;
use crate::document::EventQuery;
use crate::handle;
use crate::text::Out;
use crate::{socialchannel_error, socialchannel_host, socialchannel_status};

/// Reads what happened to a tenant's jobs and channels, oldest first. `query` is NULL or a JSON document (schema:
/// EventQuery). On success `*page_out` is a document (schema: EventPage); pass its `next` as `after` to the next call, and
/// store it with what you do about the events: then none is missed, and none comes again. Events are kept for a week.
///
/// Without any event it waits for one, at most `longest_ms`; UINT64_MAX waits without an end, which is for programs that
/// do nothing else. When the time is up, or if a signal handler of the program ran on the calling thread, the page is
/// empty; this is not an error.
///
/// INVALID_REQUEST with the code `unknown_event`: `after` is yet to come, as after an older backup was restored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_list_events(
    host: *const socialchannel_host,
    tenant: *const c_char,
    query: *const c_char,
    longest_ms: u64,
    page_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let (out, handle) = (Out::new("page_out", page_out)?, handle::host(host)?);
            let tenant = handle.host().tenant(crate::argument::tenant(tenant)?);
            let EventQuery { after, limit } = optional_document("query", query)?;
            let longest = Duration::from_millis(longest_ms);
            let waiting = tenant.clone();
            let read = handle.run_until_signal(async move { waiting.events(after, limit, longest).await })?;
            out.json(&match read {
                Some(page) => page,
                None => handle.run(async move { tenant.events(after, limit, Duration::ZERO).await })?,
            })
        })
    }
}
