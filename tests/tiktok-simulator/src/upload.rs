//! PUT of chunks: sequence, lengths, expiry, progress (contract 9.3 and 10). Bytes are hashed while they are
//! received and never stored.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use sha2::{Digest, Sha256};

use crate::call::{Call, Notes};
use crate::envelope::Reply;
use crate::media::Scanner;
use crate::server::Shared;
use crate::state::State;
use crate::switches::UploadedBytes;

/// A refused body is read up to this size, so that the client can read the response; longer bodies are
/// aborted.
const DRAINED: u64 = 192 * 1_048_576;

/// The decision about a PUT before its body is read.
struct Ticket {
    id: String,
    attempt: u64,
    first: u64,
    length: u64,
    is_last: bool,
    hasher: Option<Sha256>,
    scanner: Option<Scanner>,
}

enum Begin {
    Store(Box<Ticket>),
    /// Accepted again without effect (switch).
    Again(Reply),
}

/// Paths that an upload URL can have (contract 1.1).
pub(crate) const PATHS: [&str; 4] = ["/upload", "/upload/", "/video", "/video/"];

/// Whether this request goes to an upload URL.
pub(crate) fn is_upload(path: &str, query: &str) -> bool {
    PATHS.contains(&path) && query.contains("upload_id=")
}

/// Executes one PUT. Returns the reply and the bytes read.
pub(crate) async fn put(shared: &Shared, call: &Call, body: Incoming, notes: &mut Notes) -> (Reply, u64) {
    let begun = begin(&mut shared.state(), call, notes);
    match begun {
        Ok(Begin::Store(ticket)) => store(shared, call, body, notes, *ticket).await,
        Ok(Begin::Again(reply)) => (reply, drain(body).await),
        Err(reply) => {
            // With `Expect: 100-continue` the client waits before sending; it gets the refusal instead.
            let read = if call.header("expect").is_some() { 0 } else { drain(body).await };
            (reply, read)
        }
    }
}

async fn drain(mut body: Incoming) -> u64 {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, |data| data.len() as u64);
        if read > DRAINED {
            break;
        }
    }
    read
}

fn begin(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Begin, Reply> {
    let refuse = |status, rule: &str, text: String| Err(Reply::refused(status, rule, text));
    let number = call.query_value("upload_id").and_then(|text| text.parse::<u64>().ok());
    let token = call.query_value("upload_token").unwrap_or_default();
    let found = state
        .publishes
        .values()
        .find(|publish| Some(publish.number) == number)
        .and_then(|publish| publish.upload.as_ref().map(|upload| (publish, upload)));
    let Some((publish, upload)) = found else {
        return refuse(404, "9.3", "no such upload task".into());
    };
    if upload.token != token {
        return refuse(404, "9.3, trap 29", "the upload_token is wrong; use upload_url byte for byte".into());
    }
    notes.account = Some(publish.username.clone());
    notes.client_key = Some(publish.client_key.clone());
    if call.now_ms >= upload.expires_ms {
        return refuse(403, "9.3, trap 28", "the upload_url has expired; it lives one hour".into());
    }
    if publish.end.is_some() {
        return refuse(404, "9.3, trap 28", "this publish has ended; its upload task is gone".into());
    }
    if call.header("authorization").is_some() {
        let text = "the bearer token was sent to the upload host; the URL alone is the credential";
        notes.finding("1.3, trap 29", text);
    }
    match call.content_type().as_deref() {
        Some("video/mp4" | "video/quicktime" | "video/webm") => {}
        other => {
            let given = other.unwrap_or("absent");
            let text =
                format!("Content-Type must be video/mp4, video/quicktime or video/webm, it is {given}");
            return refuse(400, "9.3", text);
        }
    }
    if call.header("transfer-encoding").is_some() {
        return refuse(400, "9.3", "Transfer-Encoding is not taken; Content-Length is required".into());
    }
    let Some(length) = call.header("content-length").and_then(|text| text.parse::<u64>().ok()) else {
        return refuse(400, "9.3", "Content-Length is missing".into());
    };
    let Some(range) = call.header("content-range") else {
        return refuse(400, "9.3", "Content-Range is missing".into());
    };
    let Some((first, last, total)) = parse_range(range) else {
        return refuse(
            400,
            "9.3",
            format!("Content-Range must be `bytes FIRST-LAST/TOTAL`, it is `{range}`"),
        );
    };
    if total != upload.size {
        let text = format!("the total {total} is not the video_size {} given at init", upload.size);
        return refuse(400, "9.3", text);
    }
    if last >= total {
        let text = format!("LAST is inclusive; {last} lies outside {total} bytes");
        return refuse(400, "9.3", text);
    }
    if last - first + 1 != length {
        let text = format!("Content-Length {length} does not fit the range of {} bytes", last - first + 1);
        return refuse(400, "9.3", text);
    }
    notes.refuse_if_asked(state)?;
    let progress = progress(state, upload.received, upload.size);
    if first != upload.received {
        let repeat = upload.chunks > 0
            && first == (upload.chunks - 1) * upload.chunk_size
            && last + 1 == upload.received;
        if repeat && state.world.switches.accept_repeated_chunk {
            let whole = state.world.switches.final_upload_status;
            let status = if upload.received == upload.size { whole } else { 206 };
            return Ok(Begin::Again(Reply::nothing(status).header("content-range", progress)));
        }
        let (rule, text) = if upload.received == upload.size {
            ("9.3", "all bytes have arrived already; poll the status".to_string())
        } else if repeat {
            ("9.3", "this chunk has been accepted already; go on behind it".to_string())
        } else if first > upload.received {
            let text = format!("a gap: the next byte is {}, the chunk begins at {first}", upload.received);
            ("10.1 C7, trap 25", text)
        } else {
            let text = format!("the next byte is {}, the chunk begins at {first}", upload.received);
            ("10.1 C7", text)
        };
        return Err(Reply::refused(416, rule, text).header("content-range", progress));
    }
    let is_last = upload.chunks + 1 == upload.count;
    let due = if is_last { upload.size - first } else { upload.chunk_size };
    if length != due {
        let (rule, why) = match (is_last, length < due) {
            (true, _) => ("10.1 C1, C3, trap 24", "the last chunk takes all that is left"),
            (false, true) => ("10.1 C2", "every chunk but the last has exactly chunk_size bytes"),
            (false, false) => ("10.1 C1", "only the last chunk may be longer than chunk_size"),
        };
        let text = format!("{why}: {due} bytes, not {length}");
        return Err(Reply::refused(400, rule, text).header("content-range", progress));
    }
    let (id, hasher, scanner) = (publish.id.clone(), upload.hasher.clone(), upload.scanner.clone());
    let mut attempt = 0;
    if let Some(upload) = state.publishes.get_mut(&id).and_then(|publish| publish.upload.as_mut()) {
        upload.attempt += 1;
        attempt = upload.attempt;
    }
    Ok(Begin::Store(Box::new(Ticket { id, attempt, first, length, is_last, hasher, scanner })))
}

async fn store(
    shared: &Shared,
    call: &Call,
    mut body: Incoming,
    notes: &mut Notes,
    mut ticket: Ticket,
) -> (Reply, u64) {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            let text = format!("the connection broke after {read} of {} bytes", ticket.length);
            return (Reply::refused(400, "9.3", text), read);
        };
        let Some(data) = frame.data_ref() else { continue };
        read += data.len() as u64;
        if let Some(scanner) = &mut ticket.scanner {
            scanner.update(data);
        }
        if let Some(hasher) = &mut ticket.hasher {
            hasher.update(data);
        }
    }
    if read != ticket.length {
        let text = format!("{read} bytes came, {} were announced", ticket.length);
        return (Reply::refused(400, "9.3", text), read);
    }
    // The clock may have moved while the bytes arrived.
    let now_ms = shared.clock.now_ms();
    let mut state = shared.state();
    state.settle(now_ms);
    let max_seconds = state.max_seconds(&ticket.id);
    let Some(publish) = state.publishes.get_mut(&ticket.id) else {
        return (Reply::refused(404, "9.3", "no such upload task"), read);
    };
    let ended = publish.end.is_some();
    let Some(upload) = publish.upload.as_mut() else {
        return (Reply::refused(404, "9.3", "no such upload task"), read);
    };
    if ended {
        return (Reply::refused(404, "9.3", "the publish ended while the chunk was sent"), read);
    }
    if now_ms >= upload.expires_ms {
        return (
            Reply::refused(403, "9.3, trap 28", "the upload_url expired while the chunk was sent"),
            read,
        );
    }
    if upload.attempt != ticket.attempt || upload.received != ticket.first {
        let (received, size) = (upload.received, upload.size);
        let text = "a newer PUT of the same chunk has taken over; send one at a time";
        let progress = progress(&state, received, size);
        return (Reply::refused(416, "10.1 C7, trap 25", text).header("content-range", progress), read);
    }
    upload.received += ticket.length;
    upload.chunks += 1;
    upload.scanner = ticket.scanner;
    upload.hasher = ticket.hasher;
    let (received, size) = (upload.received, upload.size);
    if ticket.is_last {
        let hasher = upload.hasher.take();
        let verdict = upload.scanner.take().and_then(|scanner| scanner.verdict(max_seconds));
        publish.sha256 = hasher.map(|hasher| hex::encode(hasher.finalize()));
        publish.bytes = size;
        publish.received_ms = Some(now_ms);
        publish.doomed = verdict.map(ToString::to_string);
    }
    notes.effect = true;
    tracing::trace!(id = ticket.id, path = call.path, received, "chunk stored");
    let status = if ticket.is_last { state.world.switches.final_upload_status } else { 206 };
    (Reply::nothing(status).header("content-range", progress(&state, received, size)), read)
}

fn progress(state: &State, received: u64, size: u64) -> String {
    match state.world.switches.uploaded_bytes {
        UploadedBytes::Count => format!("bytes 0-{received}/{size}"),
        UploadedBytes::LastIndex if received == 0 => format!("bytes */{size}"),
        UploadedBytes::LastIndex => format!("bytes 0-{}/{size}", received - 1),
    }
}

fn parse_range(text: &str) -> Option<(u64, u64, u64)> {
    let number = |text: &str| {
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse().ok())
            .flatten()
    };
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total): (u64, u64, u64) = (number(first)?, number(last)?, number(total)?);
    (first <= last).then_some((first, last, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_strictly() {
        assert_eq!(parse_range("bytes 0-9/10"), Some((0, 9, 10)));
        for wrong in
            ["bytes=0-9/10", "bytes 0-9", "bytes 9-0/10", "bytes 0-9/*", "bytes +0-9/10", "0-9/10", ""]
        {
            assert_eq!(parse_range(wrong), None, "{wrong}");
        }
    }
}
