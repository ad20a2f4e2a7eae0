//! `wasi:http/client`: a provider's requests, through the app's egress.
//!
//! [`crate::net::egress`] checks grants and addresses. This module opens a request only while the call may still
//! act, counts it, limits it in both directions, and aborts it if its body fails, so that a platform never takes
//! a partial video for a complete one.
//!
//! `connect-timeout` cannot be distinguished from the wait for the response, so it counts towards that. The
//! client's own connect timeout of ten seconds always applies.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderValue, Method};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks};

use crate::call::Call;
use crate::net::egress::Refusal;
use crate::net::http_client::{Answer, HttpFailure, SendError};
use crate::net::policy::OriginPattern;

/// How long a request without a length waits for its first bytes before it is sent with chunked encoding.
/// Some upload servers refuse chunks, especially an empty chunk.
const FIRST_BYTES: Duration = Duration::from_millis(50);

/// The host's implementation of `wasi:http`.
pub(super) struct Hooks {
    call: Arc<Call>,
}

impl Hooks {
    pub(super) fn new(call: Arc<Call>) -> Self {
        Hooks { call }
    }
}

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<()>> + Send>);

impl WasiHttpHooks for Hooks {
    /// The client sets `Host` itself, and the egress sets it for a mapped origin. `wasi:http` refuses a
    /// guest's own `Host`.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<()>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent>> + Send> {
        let call = Arc::clone(&self.call);
        Box::new(async move {
            let response = send(call, request, options.unwrap_or_default()).await?;
            // The client runs the request itself, so there is nothing to poll.
            Ok((response, Box::new(std::future::ready(Ok(()))) as Box<dyn Future<Output = _> + Send>))
        })
    }
}

async fn send(
    call: Arc<Call>,
    request: http::Request<WasiBody>,
    options: RequestOptions,
) -> Result<http::Response<WasiBody>> {
    let (parts, body) = request.into_parts();
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let url = Url::parse(&parts.uri.to_string()).map_err(|_| Error::HttpRequestUriInvalid)?;
    let route = call.egress.route(&url).map_err(|refusal| {
        let error = match &refusal {
            Refusal::NotGranted(_) | Refusal::ByProgram { .. } => Error::HttpRequestDenied,
            Refusal::Private { .. } => Error::DestinationIpProhibited,
            Refusal::Unencrypted(_) | Refusal::Malformed => Error::HttpRequestUriInvalid,
            Refusal::NoClient(why) => Error::InternalError(Some(why.clone())),
        };
        if !matches!(refusal, Refusal::Malformed) {
            call.refuse(refusal);
        }
        error
    })?;

    let fixed_length = parts.headers.contains_key(CONTENT_LENGTH);
    let activity = Arc::new(Activity(Mutex::new(Instant::now())));
    // The body of a GET, if any, is not worth waiting for.
    let framed = fixed_length || matches!(parts.method, Method::GET | Method::HEAD);
    let body = Outgoing::new(body, fixed_length, framed, Arc::clone(&call), Arc::clone(&activity)).await?;
    let mut outgoing = reqwest::Request::new(parts.method, route.url);
    *outgoing.headers_mut() = parts.headers;
    if body.is_none() && !framed {
        // An empty body is declared explicitly where a body would be expected (RFC 9110, 8.6).
        outgoing.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    if let Some(host) = route.host {
        outgoing.headers_mut().insert(HOST, host);
    }
    *outgoing.body_mut() = body.map(reqwest::Body::wrap);

    // Up to here, nothing has left this process.
    if !call.may_send() {
        // One of the codes that mean that nothing was sent.
        return Err(Error::DestinationUnavailable);
    }
    call.opened();
    let sending = route.client.execute(outgoing);
    let answer = match options.first_byte_timeout {
        None => sending.await,
        Some(patience) => {
            let patience = patience.saturating_add(options.connect_timeout.unwrap_or_default());
            tokio::select! {
                biased;
                answer = sending => answer,
                () = activity.idle_for(patience) => return Err(Error::ConnectionReadTimeout),
            }
        }
    };
    call.progressed();
    let response = answer.map_err(|error| {
        if error.is_unsent() {
            call.not_opened();
        }
        if let Some(address) = error.private_address() {
            let host = url.host_str().unwrap_or_default().to_owned();
            call.refuse(Refusal::Private { host, address: address.clone() });
            return Error::DestinationIpProhibited;
        }
        if let SendError::Program(failure) = &error {
            tracing::warn!(%failure, host = url.host_str(), "the program's own HTTP failed");
            match failure {
                HttpFailure::Refused(why) => {
                    let origin =
                        OriginPattern::of(&url).map_or_else(String::new, |origin| origin.to_string());
                    call.refuse(Refusal::ByProgram { origin, why: why.clone() });
                }
                HttpFailure::NotSent(why) => call.explain(why),
                HttpFailure::TimedOut(_) | HttpFailure::Broken(_) => {}
            }
        }
        wasi_error(error)
    })?;

    let size = header_size(response.headers());
    if size > call.limits.response_headers {
        return Err(Error::HttpResponseHeaderSectionSize(u32::try_from(size).ok()));
    }
    let left = call.limits.response_body;
    if response.body().size_hint().lower() > left {
        return Err(Error::HttpResponseBodySize(Some(response.body().size_hint().lower())));
    }
    Ok(response.map(|body| {
        let between = options.between_bytes_timeout.map(|patience| (patience, None));
        Incoming { body, left, call, between }.boxed_unsync()
    }))
}

fn header_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// When the last part of a request was sent. The response to an upload comes only after its complete body.
struct Activity(Mutex<Instant>);

impl Activity {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    async fn idle_for(&self, patience: Duration) {
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match patience.checked_sub(last.elapsed()) {
                Some(rest) if !rest.is_zero() => tokio::time::sleep(rest).await,
                _ => return,
            }
        }
    }
}

/// The body of an outgoing request.
struct Outgoing {
    first: Option<Frame<Bytes>>,
    /// Only accessed through `&mut`; the mutex makes it `Sync`, as the client requires.
    rest: Mutex<WasiBody>,
    /// The length is in the headers, so an early end is noticed below.
    fixed_length: bool,
    call: Arc<Call>,
    activity: Arc<Activity>,
}

impl Outgoing {
    /// None for a body that is known to be empty, so that no empty chunk is sent for it.
    async fn new(
        mut body: WasiBody,
        fixed_length: bool,
        framed: bool,
        call: Arc<Call>,
        activity: Arc<Activity>,
    ) -> Result<Option<Self>> {
        if body.is_end_stream() {
            return Ok(None);
        }
        // An empty body without a length is only visible once the guest has run.
        let patience = if framed { Duration::ZERO } else { FIRST_BYTES };
        let first = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        let first = match tokio::time::timeout(patience, first).await {
            Ok(None) => return Ok(None),
            Ok(Some(first)) => Some(first?),
            Err(_) => None,
        };
        Ok(Some(Outgoing { first, rest: Mutex::new(body), fixed_length, call, activity }))
    }

    fn rest(&mut self) -> &mut WasiBody {
        self.rest.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        // The call is over: a running request is aborted, not ended.
        if self.call.ended() {
            return Poll::Ready(Some(Err(Error::ConnectionTerminated)));
        }
        let frame = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => ready!(Pin::new(self.rest()).poll_frame(cx)),
        };
        self.call.progressed();
        self.activity.note();
        // Without a length an early end would look like a normal end. The media that it was made of has failed.
        if frame.is_none() && !self.fixed_length && self.call.has_failed_media() {
            return Poll::Ready(Some(Err(Error::ConnectionTerminated)));
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner).size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(first));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint
    }
}

/// The body of an incoming response.
struct Incoming {
    body: Answer,
    left: u64,
    call: Arc<Call>,
    between: Option<(Duration, Option<Pin<Box<tokio::time::Sleep>>>)>,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            if let Some((patience, sleep)) = &mut self.between {
                let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(*patience)));
                ready!(sleep.as_mut().poll(cx));
                return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
            }
            return Poll::Pending;
        };
        self.call.progressed();
        if let Some((_, sleep)) = &mut self.between {
            *sleep = None;
        }
        let frame = match frame {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(wasi_error(error)))),
            Some(Ok(frame)) => frame,
        };
        if let Some(data) = frame.data_ref() {
            let length = data.len() as u64;
            match self.left.checked_sub(length) {
                Some(left) => self.left = left,
                None => {
                    return Poll::Ready(Some(Err(Error::HttpResponseBodySize(Some(
                        self.call.limits.response_body,
                    )))));
                }
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The error code that a provider gets for a failed request. It never contains the URL, which may contain a token.
fn wasi_error(error: SendError) -> Error {
    let error = match error {
        SendError::Library(error) => error,
        SendError::Program(HttpFailure::Refused(_)) => return Error::HttpRequestDenied,
        // The code that most clearly means that nothing was sent.
        SendError::Program(HttpFailure::NotSent(_)) => return Error::ConnectionRefused,
        SendError::Program(HttpFailure::TimedOut(_)) => return Error::ConnectionReadTimeout,
        SendError::Program(HttpFailure::Broken(why)) => return Error::InternalError(Some(why)),
    };
    if error.is_timeout() {
        return if error.is_connect() { Error::ConnectionTimeout } else { Error::ConnectionReadTimeout };
    }
    if error.is_dns() {
        return Error::DnsError { rcode: None, info_code: None };
    }
    // A provider decides by this code whether the request may have been sent.
    let connecting = error.is_connect();
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(this) = cause {
        let io = this.downcast_ref::<io::Error>();
        // TLS errors come wrapped in an io error that has no source.
        if this.is::<rustls::Error>()
            || io.and_then(io::Error::get_ref).is_some_and(|it| it.is::<rustls::Error>())
        {
            return Error::TlsCertificateError;
        }
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return Error::ConnectionRefused,
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) if !connecting => return Error::ConnectionTerminated,
            _ => {}
        }
        cause = this.source();
    }
    if connecting {
        return Error::DestinationUnavailable;
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(this) = cause {
        text = this.to_string();
        cause = this.source();
    }
    match text.as_str() {
        text if text.contains("connection closed before message completed")
            || text.contains("end of file before message length reached") =>
        {
            Error::HttpResponseIncomplete
        }
        _ => Error::InternalError(Some(text)),
    }
}
