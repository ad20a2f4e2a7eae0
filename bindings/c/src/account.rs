//! Reading a channel's account and posts from the platform.

use std::ffi::c_char;

use social_channel::model::ListQuery;

use crate::argument::{document, required};
use crate::host::tenant_call;
use crate::text::Out;
use crate::{socialchannel_error, socialchannel_host, socialchannel_status};

/// Reads the account's profile from the platform. On success `*profile_out` is a document (schema: Profile).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_get_profile(
    host: *const socialchannel_host,
    tenant: *const c_char,
    channel: *const c_char,
    profile_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("profile_out", profile_out), error_out, |tenant| {
            let channel = required("channel", channel)?.to_owned();
            Ok(async move { tenant.profile(&channel).await })
        })
    }
}

/// Reads the account's statistics from the platform. On success `*stats_out` is a document (schema: Stats); an
/// absent number is unknown, never zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_get_stats(
    host: *const socialchannel_host,
    tenant: *const c_char,
    channel: *const c_char,
    stats_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("stats_out", stats_out), error_out, |tenant| {
            let channel = required("channel", channel)?.to_owned();
            Ok(async move { tenant.stats(&channel).await })
        })
    }
}

/// Lists one page of the account's posts, newest first. `query` is a JSON document (schema: ListQuery), for example
/// `{"limit": 20}`; for the next page add `"cursor"` with the `next_cursor` of the page before.
///
/// On success `*page_out` is the page (schema: PostPage); without `next_cursor` it is the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_list_posts(
    host: *const socialchannel_host,
    tenant: *const c_char,
    channel: *const c_char,
    query: *const c_char,
    page_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("page_out", page_out), error_out, |tenant| {
            let channel = required("channel", channel)?.to_owned();
            let query: ListQuery = document("query", query)?;
            Ok(async move { tenant.list_posts(&channel, &query).await })
        })
    }
}

/// Reads posts by id, with current statistics and covers. `ids` is a JSON array of texts. Posts that are deleted,
/// private or of another account are left out. On success `*posts_out` is an array (schema of an item:
/// PostSummary).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_get_posts(
    host: *const socialchannel_host,
    tenant: *const c_char,
    channel: *const c_char,
    ids: *const c_char,
    posts_out: *mut *mut c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        tenant_call(host, tenant, Out::new("posts_out", posts_out), error_out, |tenant| {
            let channel = required("channel", channel)?.to_owned();
            let ids: Vec<String> = document("ids", ids)?;
            Ok(async move { tenant.get_posts(&channel, &ids).await })
        })
    }
}
