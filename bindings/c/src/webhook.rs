//! Webhooks from the platform, passed in by the program's web server.

use std::ffi::c_char;

use social_channel::{Webhook, callback_query};

use crate::argument::{bytes, document, required};
use crate::border::enter;
use crate::document::{WebhookHead, WebhookReply};
use crate::handle;
use crate::text::{Out, c_bytes};
use crate::{socialchannel_error, socialchannel_host, socialchannel_status};

/// Receives a webhook that a platform sent to an app's address. Anyone may call that address; the provider
/// verifies from the raw bytes that the platform did. When this returns, its events are stored.
///
/// `request` is a JSON document (schema: WebhookHead): `{"method": "POST", "query": "", "headers": [["name",
/// "value"]]}`. `body` is the received body, byte for byte; NULL if `body_len` is 0.
///
/// On success respond with the status and the content type in `*reply_out` (schema: WebhookReply), if there is one, and
/// the `*answer_len_out` bytes at `*answer_out`, which are freed with socialchannel_bytes_free.
///
/// FORBIDDEN: the platform did not send this; respond with 403. UNSUPPORTED: the provider has no webhooks; respond
/// with 404. LIMIT_EXCEEDED: more than 1 MiB; respond with 413. Any other error is a failure of the host: respond
/// with 503, so that the platform sends it again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_host_receive_webhook(
    host: *const socialchannel_host,
    app: *const c_char,
    request: *const c_char,
    body: *const u8,
    body_len: usize,
    reply_out: *mut *mut c_char,
    answer_out: *mut *mut u8,
    answer_len_out: *mut usize,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let reply_out = Out::new("reply_out", reply_out)?;
            let answer_out = Out::new("answer_out", answer_out)?;
            let length_out = Out::new("answer_len_out", answer_len_out)?;
            let handle = handle::host(host)?;
            let app = required("app", app)?.to_owned();
            let head: WebhookHead = document("request", request)?;
            let webhook = Webhook {
                method: head.method,
                query: callback_query(&format!("?{}", head.query)),
                raw_query: Some(head.query.trim_start_matches('?').to_owned()),
                headers: head
                    .headers
                    .into_iter()
                    .map(|(name, value)| (name.to_ascii_lowercase(), value))
                    .collect(),
                body: bytes("body", body, body_len)?.to_vec(),
            };
            let host = handle.host();
            let answer = handle.run(async move { host.receive_webhook(&app, webhook).await })?;
            reply_out.json(&WebhookReply::from(&answer))?;
            let (pointer, length) = c_bytes(answer.body);
            answer_out.write(pointer);
            length_out.write(length);
            Ok(())
        })
    }
}
