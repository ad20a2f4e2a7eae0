//! Every function that accepts a document handles any document: it returns a status and an error that contains no
//! value of it, and leaves outputs untouched. Values may be misplaced secrets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]
#![expect(unsafe_code, reason = "calls the library as C does")]

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use proptest::prelude::*;
use serde_json::{Value, json};
use socialchannel::*;

/// Contained in every text of a document.
const SECRET: &str = "s3cr3t-v4lu3";

/// A valid document for each function, which the test then damages.
fn whole() -> Vec<Value> {
    vec![
        json!({"post": {"kind": SECRET, "text": SECRET, "options": {"x": [SECRET], "z": 1}},
               "media": [{"file": SECRET, "content_type": SECRET}], "publish_at": 1, "priority": 0,
               "idempotency_key": SECRET}),
        json!({"limit": 3, "cursor": SECRET}),
        json!({"owner": SECRET, "inputs": {"a": SECRET}, "choose_account": true, "reconnect": SECRET}),
        json!({"provider": SECRET, "settings": {"a": SECRET}, "origins": ["https://a.test"], "tenant": "t"}),
        json!({"method": SECRET, "query": SECRET, "headers": [[SECRET, SECRET]]}),
        json!({"posted": true, "url": SECRET}),
        json!({"publish_at": 7, "post": {"kind": SECRET}}),
        json!({"channel": SECRET, "status": "active", "limit": 3}),
        json!([SECRET]),
        json!({"data": "/nowhere", "key": SECRET, "policy": {"origins": [], "connect_to": []}, "limits": {"calls": 0}}),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::from(SECRET)),
        Just(Value::from(format!("{SECRET}\u{0}, expected `x`"))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{1,8}", inner), 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Puts `with` at the `at`th place of a document, counted in its order.
fn damage(value: &mut Value, at: &mut usize, with: &Value) {
    if *at == 0 {
        *value = with.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| damage(item, at, with)),
        Value::Object(members) => members.values_mut().for_each(|member| damage(member, at, with)),
        _ => {}
    }
}

fn any_document() -> impl Strategy<Value = String> {
    let whole = whole();
    prop_oneof![
        3 => (0..whole.len(), 0..12_usize, any_value()).prop_map(move |(which, mut at, with)| {
            let mut document = whole[which].clone();
            damage(&mut document, &mut at, &with);
            document.to_string()
        }),
        1 => any_value().prop_map(|value| value.to_string()),
        // Truncated.
        1 => (0..self::whole().len(), 0..200_usize).prop_map(|(which, length)| {
            let text = self::whole()[which].to_string();
            text.chars().take(length).collect()
        }),
        1 => "[^\\x00]{0,40}",
    ]
}

/// The error of a call, as JSON.
fn said(error: *mut socialchannel_error) -> String {
    // SAFETY: the text lives until the error is freed, which is below.
    let text = unsafe { CStr::from_ptr(socialchannel_error_json(error)) }.to_str().unwrap().to_owned();
    socialchannel_error_free(error);
    text
}

fn host() -> *mut socialchannel_host {
    let mut host = ptr::null_mut();
    // SAFETY: both may be written.
    let status = unsafe { socialchannel_host_open(c"{}".as_ptr(), &raw mut host, ptr::null_mut()) };
    assert_eq!(status, socialchannel_status::Ok);
    host
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1_500), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_document_is_answered_and_no_value_is_repeated(text in any_document()) {
        let host = shared();
        let document = CString::new(text.clone()).unwrap();
        let document = document.as_ptr();
        let none = c"none".as_ptr();
        let untouched = ptr::dangling_mut::<c_char>();
        type Call<'a> = (&'a str, &'a dyn Fn(*mut *mut c_char, *mut *mut socialchannel_error) -> socialchannel_status);
        // SAFETY: in all of them texts end with a NUL and live until the test ends; outputs may be written.
        let calls: [Call<'_>; 9] = unsafe { [
            ("publish", &|out, error| socialchannel_host_publish(host, ptr::null(), none, document, out, error)),
            ("check_post", &|out, error| socialchannel_host_check_post(host, ptr::null(), none, document, out, error)),
            ("list_posts", &|out, error| socialchannel_host_list_posts(host, ptr::null(), none, document, out, error)),
            ("get_posts", &|out, error| socialchannel_host_get_posts(host, ptr::null(), none, document, out, error)),
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
                    host, none, document, ptr::null(), 0, out, &raw mut answer, &raw mut length, error,
                );
                assert!(answer.is_null() && length == 0);
                status
            }),
        ] };
        for (name, call) in calls {
            let (mut out, mut error) = (untouched, ptr::null_mut());
            let status = call(&raw mut out, &raw mut error);
            prop_assert_ne!(status, socialchannel_status::Ok, "{}", name);
            prop_assert_ne!(status, socialchannel_status::Internal, "{}", name);
            prop_assert_eq!(out, untouched, "{}", name);
            let said = said(error);
            // The error may contain the name of a setting, but not its value.
            let malformed = said.contains("malformed_json");
            prop_assert!(!malformed || !said.contains(SECRET), "{}: {}", name, said);
        }
    }

    #[test]
    fn any_query_of_jobs_is_answered(text in any_document()) {
        let document = CString::new(text).unwrap();
        let (mut out, mut error) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: as above.
        let status = unsafe {
            socialchannel_host_list_jobs(shared(), ptr::null(), document.as_ptr(), &raw mut out, &raw mut error)
        };
        if status == socialchannel_status::Ok {
            // SAFETY: written by the call, freed once.
            unsafe { socialchannel_string_free(out) };
        } else {
            prop_assert_eq!(status, socialchannel_status::InvalidArgument);
            prop_assert!(!said(error).contains(SECRET));
        }
    }
}

/// One host for all cases: opening one takes longer than a hundred calls.
fn shared() -> *mut socialchannel_host {
    static HOST: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *HOST.get_or_init(|| host() as usize) as *mut socialchannel_host
}
