//! [`Environment`] implemented with the imports of the component. Natively these imports do not exist: native
//! code uses [`crate::testing::FakeEnvironment`].

use crate::bindings::social::channel::media::{Item, MediaError, MediaInfo};
use crate::bindings::social::channel::storage::{self, Entry, SetOptions, StorageError};
use crate::bindings::wasi::clocks::{monotonic_clock, system_clock};
use crate::bindings::wasi::config::store;
use crate::bindings::wasi::http::client;
use crate::bindings::wasi::http::types::{self as wasi, ErrorCode, Fields, Scheme};
use crate::bindings::wasi::random::random;
use crate::bindings::{wit_future, wit_stream};
use crate::environment::{Environment, Media};
use crate::http::{Body, Method, Request, Response, SendError, split_url};
use crate::types::{Error, ErrorKind};
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

/// The number of body bytes read from the host at a time.
const READ_SIZE: usize = 16 * 1024;

/// The host of this component.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostEnvironment;

impl Media for Item {
    fn info(&self) -> MediaInfo {
        Item::info(self)
    }
}

impl Environment for HostEnvironment {
    type Media = Item;

    fn now_ms(&self) -> u64 {
        let now = system_clock::now();
        // A clock before 1970 is wrong; 0 is used then.
        u64::try_from(now.seconds).unwrap_or(0) * 1000 + u64::from(now.nanoseconds / 1_000_000)
    }

    async fn sleep_ms(&self, milliseconds: u64) {
        monotonic_clock::wait_for(milliseconds.saturating_mul(1_000_000)).await;
    }

    fn random(&self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        // The host may return fewer bytes than requested.
        while bytes.len() < length {
            bytes.extend(random::get_random_bytes((length - bytes.len()) as u64));
        }
        bytes.truncate(length);
        bytes
    }

    fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        store::get(name).map_err(|_| {
            Error::new(ErrorKind::Unavailable, format!("The setting `{name}` cannot be read at the moment."))
        })
    }

    async fn send(&self, request: Request<'_, Item>) -> Result<Response, SendError> {
        send(request).await
    }

    async fn storage_get(&self, key: &str) -> Result<Option<Entry>, StorageError> {
        storage::get(key.to_owned()).await
    }

    async fn storage_set(&self, key: &str, value: Vec<u8>, options: SetOptions) -> Result<u64, StorageError> {
        storage::set(key.to_owned(), value, options).await
    }

    async fn storage_delete(&self, key: &str) -> Result<(), StorageError> {
        storage::delete(key.to_owned()).await
    }

    async fn storage_keys(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StorageError> {
        storage::list_keys(prefix.to_owned(), after.map(str::to_owned)).await
    }
}

async fn send(request: Request<'_, Item>) -> Result<Response, SendError> {
    let unfit = |what: &str| SendError::NotSent(format!("the request has an unfit {what}"));
    let (scheme, authority, path) = split_url(&request.url).ok_or_else(|| unfit("address"))?;

    let mut headers: Vec<(String, Vec<u8>)> =
        request.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    // Without a length the body would be sent with chunked encoding, which upload servers refuse.
    let length = match &request.body {
        Body::Empty => (request.method != Method::Get).then_some(0),
        Body::Bytes(bytes) => Some(bytes.len() as u64),
        Body::Media { length, .. } => Some(*length),
    };
    if let Some(length) = length {
        headers.push(("content-length".to_owned(), length.to_string().into_bytes()));
    }
    let headers = Fields::from_list(&headers).map_err(|_| unfit("header"))?;

    let mut media_end: Option<FutureReader<Result<(), MediaError>>> = None;
    let contents: Option<StreamReader<u8>> = match request.body {
        Body::Empty => None,
        Body::Bytes(bytes) => {
            let (mut writer, reader) = wit_stream::new();
            wit_bindgen::spawn_local(async move {
                writer.write_all(bytes).await;
            });
            Some(reader)
        }
        Body::Media { item, offset, length } => {
            let (reader, end) = item.read(offset, length);
            media_end = Some(end);
            Some(reader)
        }
    };

    let (trailers_writer, trailers) = wit_future::new(|| Ok(None));
    // Dropping the writer sends the default: no trailers.
    drop(trailers_writer);
    let (outgoing, sent) = wasi::Request::new(headers, contents, trailers, None);
    let method = match request.method {
        Method::Get => wasi::Method::Get,
        Method::Post => wasi::Method::Post,
        Method::Put => wasi::Method::Put,
        Method::Patch => wasi::Method::Patch,
        Method::Delete => wasi::Method::Delete,
    };
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => Scheme::Other(other.to_owned()),
    };
    outgoing.set_method(&method).map_err(|()| unfit("method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| unfit("scheme"))?;
    outgoing.set_authority(Some(authority)).map_err(|()| unfit("host name"))?;
    outgoing.set_path_with_query(Some(&path)).map_err(|()| unfit("path"))?;

    let answer = client::send(outgoing).await;
    drop(sent);
    match answer {
        Ok(response) => Ok(receive(response, request.max_answer).await),
        Err(code) => {
            // The contract of `media.item.read`: check the media first if such a request fails. Only a failed
            // connection leaves the media unread, and its future pending.
            let error = send_error(&code);
            match (media_end, &error) {
                (Some(end), SendError::Lost(_)) => match end.await {
                    Err(media) => Err(SendError::Media(media)),
                    Ok(()) => Err(error),
                },
                _ => Err(error),
            }
        }
    }
}

async fn receive(response: wasi::Response, max_answer: usize) -> Response {
    let mut answer = Response { status: response.get_status_code(), ..Response::default() };
    for (name, value) in response.get_headers().copy_all() {
        answer.headers.push((name.to_ascii_lowercase(), String::from_utf8_lossy(&value).into_owned()));
    }
    let (done_writer, done) = wit_future::new(|| Ok(()));
    drop(done_writer);
    let (mut stream, end) = wasi::Response::consume_body(response, done);
    loop {
        let (result, bytes) = stream.read(Vec::with_capacity(READ_SIZE)).await;
        answer.body.extend_from_slice(&bytes);
        if answer.body.len() > max_answer {
            answer.body.truncate(max_answer);
            answer.truncated = true;
            return answer;
        }
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    drop(stream);
    answer.truncated = end.await.is_err();
    answer
}

/// Which failures prove that the platform did not receive the request. Failures that can also occur on an
/// established connection (an unreachable network, TLS alerts) prove nothing.
fn send_error(code: &ErrorCode) -> SendError {
    let text = match code {
        ErrorCode::InternalError(Some(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited | ErrorCode::ConfigurationError => {
            SendError::Denied(text)
        }
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong => SendError::NotSent(text),
        _ => SendError::Lost(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_precedes_a_connection_proves_that_nothing_was_sent() {
        for code in [ErrorCode::ConnectionRefused, ErrorCode::ConnectionTimeout, ErrorCode::DnsTimeout] {
            assert!(matches!(send_error(&code), SendError::NotSent(_)), "{code:?}");
        }
        for code in [
            ErrorCode::ConnectionTerminated,
            ErrorCode::ConnectionReadTimeout,
            ErrorCode::DestinationUnavailable,
            ErrorCode::TlsProtocolError,
            ErrorCode::HttpResponseIncomplete,
            ErrorCode::InternalError(None),
        ] {
            assert!(matches!(send_error(&code), SendError::Lost(_)), "{code:?}");
        }
        assert!(matches!(send_error(&ErrorCode::HttpRequestDenied), SendError::Denied(_)));
    }
}
