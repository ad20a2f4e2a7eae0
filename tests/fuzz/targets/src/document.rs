//! Documents of the C interface: every function that accepts one handles any. It returns a status and an error that
//! repeats no value, which may be a misplaced secret, and leaves outputs untouched.
#![expect(unsafe_code, reason = "calls the library as C does")]

use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::OnceLock;

use socialchannel::*;

/// In every text of the stored documents.
pub const SECRET: &str = "s3cr3t-v4lu3";

type Call<'a> =
    (&'a str, &'a dyn Fn(*mut *mut c_char, *mut *mut socialchannel_error) -> socialchannel_status);

/// Hands a document to every function that takes one; a text with a NUL ends there, as in C.
///
/// # Panics
/// If a function accepts what nothing in the host can be meant by, repeats a value, or touches its output.
pub fn document(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let text = text.split('\0').next().unwrap_or_default();
    let document = CString::new(text).expect("no NUL is left");
    let document = document.as_ptr();
    refused(document);
    listed(document);
}

/// The functions that nothing fits: the host is empty.
fn refused(document: *const c_char) {
    let host = shared();
    let none = c"none".as_ptr();
    let untouched = ptr::dangling_mut::<c_char>();
    // SAFETY: in all of them texts end with a NUL and live until the function ends; outputs may be written.
    let calls: [Call<'_>; 9] = unsafe {
        [
            ("publish", &|out, error| {
                socialchannel_host_publish(host, ptr::null(), none, document, out, error)
            }),
            ("check_post", &|out, error| {
                socialchannel_host_check_post(host, ptr::null(), none, document, out, error)
            }),
            ("list_posts", &|out, error| {
                socialchannel_host_list_posts(host, ptr::null(), none, document, out, error)
            }),
            ("get_posts", &|out, error| {
                socialchannel_host_get_posts(host, ptr::null(), none, document, out, error)
            }),
            ("begin_connect", &|out, error| {
                socialchannel_host_begin_connect(host, ptr::null(), none, document, out, error)
            }),
            ("put_app", &|out, error| socialchannel_host_put_app(host, none, document, out, error)),
            ("change_job", &|out, error| {
                socialchannel_host_change_job(host, ptr::null(), none, document, out, error)
            }),
            ("resolve_job", &|out, error| {
                socialchannel_host_resolve_job(host, ptr::null(), none, document, out, error)
            }),
            ("receive_webhook", &|out, error| {
                let (mut answer, mut length) = (ptr::null_mut(), 0);
                let status = socialchannel_host_receive_webhook(
                    host,
                    none,
                    document,
                    ptr::null(),
                    0,
                    out,
                    &raw mut answer,
                    &raw mut length,
                    error,
                );
                assert!(answer.is_null() && length == 0);
                status
            }),
        ]
    };
    for (name, call) in calls {
        let (mut out, mut error) = (untouched, ptr::null_mut());
        let status = call(&raw mut out, &raw mut error);
        assert_ne!(status, socialchannel_status::Ok, "{name}");
        assert_ne!(status, socialchannel_status::Internal, "{name}");
        assert_eq!(out, untouched, "{name}");
        let said = said(error);
        // Errors of other kinds name what is not there: an account, a provider.
        assert!(!said.contains("malformed_json") || !without_name(&said).contains(SECRET), "{name}: {said}");
    }
}

/// A query of jobs may be right, and then finds none.
fn listed(document: *const c_char) {
    let (mut out, mut error) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: as above.
    let status = unsafe {
        socialchannel_host_list_jobs(shared(), ptr::null(), document, &raw mut out, &raw mut error)
    };
    if status == socialchannel_status::Ok {
        // SAFETY: written by the call, freed once.
        unsafe { socialchannel_string_free(out) };
    } else {
        assert_eq!(status, socialchannel_status::InvalidArgument);
        assert!(!without_name(&said(error)).contains(SECRET));
    }
}

/// An error without the name of a member that it does not know: names are said, values are not.
fn without_name(said: &str) -> String {
    let Some((before, rest)) = said.split_once("unknown field `") else { return said.to_owned() };
    let (_, after) = rest.split_once("`, ").unwrap_or_default();
    format!("{before}{after}")
}

/// The error of a call, as JSON.
fn said(error: *mut socialchannel_error) -> String {
    // SAFETY: the text lives until the error is freed, which is below.
    let text = unsafe { CStr::from_ptr(socialchannel_error_json(error)) }.to_str().expect("UTF-8").to_owned();
    socialchannel_error_free(error);
    text
}

/// One host for all documents: opening one takes longer than a hundred calls.
fn shared() -> *mut socialchannel_host {
    static HOST: OnceLock<usize> = OnceLock::new();
    let host = *HOST.get_or_init(|| {
        let mut host = ptr::null_mut();
        // SAFETY: both may be written.
        let status = unsafe { socialchannel_host_open(c"{}".as_ptr(), &raw mut host, ptr::null_mut()) };
        assert_eq!(status, socialchannel_status::Ok);
        host as usize
    });
    host as *mut socialchannel_host
}
