//! A program's own HTTP: implements the library's [`HttpClient`] with one function that performs a complete exchange.
//! It pulls the request body and pushes the response body.

use std::ffi::{CStr, CString, c_char, c_void};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use social_channel::{Error, ErrorKind, HttpBody, HttpClient, HttpFailure, Result};
use tokio::runtime::Handle as Threads;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::argument::{bytes, invalid, null};
use crate::border::enter;
use crate::callback::{Userdata, inside};
use crate::handle::{self, Handle};
use crate::storage::checked;
use crate::text::Out;
use crate::{socialchannel_error, socialchannel_exchange, socialchannel_status};

/// The number of concurrent exchanges. Each blocks one of the runtime's 512 blocking threads. Files are read on
/// these too, so some must remain for the bodies that exchanges wait for.
const EXCHANGES: usize = 256;
/// The number of buffered pieces of a response.
const PIECES: usize = 2;
/// The size of a piece: data written in one call is copied in such pieces.
const PIECE: usize = 64 << 10;

/// The result of the function of socialchannel_http.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "named as C names it")]
pub enum socialchannel_http_result {
    /// The complete response was passed on.
    Done = 0,
    /// The program refuses this request. Nothing was sent. The call fails with DENIED_BY_POLICY.
    Refused = 1,
    /// The server could not be reached. Nothing was sent, so the request can be repeated safely.
    NotSent = 2,
    /// No response in time. The request may have been sent.
    TimedOut = 3,
    /// The connection was lost, or socialchannel_exchange_read or _write failed. The request may have been sent. Any
    /// other number means the same.
    Broken = 4,
}

/// A header: both texts end with a NUL.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "named as C names it")]
pub struct socialchannel_header {
    /// For example `content-type`; the case does not matter.
    pub name: *const c_char,
    /// The value as transmitted.
    pub value: *const c_char,
}

/// A request to send. Everything it points to is borrowed until the function returns.
#[repr(C)]
#[allow(non_camel_case_types, reason = "named as C names it")]
pub struct socialchannel_http_request {
    /// `GET`, `POST`, `PUT` ...
    pub method: *const c_char,
    /// The complete URL. Its query may contain credentials: keep it out of logs.
    pub url: *const c_char,
    /// All headers to send, except `Host` (included only if it differs from the URL's host), `Connection` and
    /// `Transfer-Encoding`. They contain credentials.
    pub headers: *const socialchannel_header,
    /// The number of headers.
    pub headers_len: usize,
    /// The length of the body in bytes, as in `content-length`; 0: no body; -1: unknown, use chunked encoding.
    pub body_len: i64,
}

/// A program's own HTTP, for socialchannel_host_open_with: it sends every request, those of providers and those of the
/// library itself (media at a URL).
///
/// WHAT THE LIBRARY HAS CHECKED: the origin is granted to the app (or it is the URL of a person's media), the URL
/// contains no private IP address, mapped origins are mapped. WHAT YOU MUST CHECK: a host name may resolve to a private
/// address. You resolve it, so you must refuse it (REFUSED), unless the policy allows private networks; the library's
/// own HTTP does this. Otherwise anyone who may publish from a URL could read your private network.
///
/// HOW TO SEND: exactly once, whatever fails (publishing at most once depends on it); follow no redirects, store no
/// cookies, decode no content (`content-length` counts the bytes that you pass on), and check certificates. The library
/// stops waiting at its own time limits, but cannot stop your function: use timeouts (30 seconds without a byte is
/// usual). When socialchannel_exchange_read or socialchannel_exchange_write fails, abort the connection and return
/// BROKEN: a server must not take a partial body for a complete one.
///
/// THREADS. `exchange` is called on threads of the library, up to 256 at the same time, and may block. Inside it, and
/// only with its own exchange, call socialchannel_exchange_read, _respond and _write, and socialchannel_explain. Of the
/// library's other functions, it may call only those for errors (a call with a host is refused with code
/// `called_from_callback`). It must return normally: no longjmp, no C++ exception, no thread exit.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "named as C names it")]
pub struct socialchannel_http {
    /// sizeof(socialchannel_http), so that later versions can add members.
    pub size: usize,
    /// Passed to every function; may be NULL.
    pub userdata: *mut c_void,
    /// Performs one exchange: sends `request`, reading its body with socialchannel_exchange_read; passes on the
    /// response head with socialchannel_exchange_respond, then the response body with socialchannel_exchange_write;
    /// returns a socialchannel_http_result. The exchange is over when it returns.
    pub exchange: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            request: *const socialchannel_http_request,
            exchange: *mut socialchannel_exchange,
        ) -> u32,
    >,
    /// Called once, when the library no longer uses the table; may be NULL. This is when the host is freed and every
    /// function has returned: possibly shortly after socialchannel_host_free, on any thread. Not called if opening
    /// failed.
    pub finalize: Option<unsafe extern "C" fn(userdata: *mut c_void)>,
}

/// A checked table.
pub(crate) struct ProgramHttp {
    table: Arc<Table>,
    places: Arc<Semaphore>,
}

struct Table {
    functions: socialchannel_http,
    userdata: Userdata,
}

// SAFETY: as for [`Userdata`]; functions are code, which any thread may run.
unsafe impl Send for Table {}
// SAFETY: likewise.
unsafe impl Sync for Table {}

impl ProgramHttp {
    /// `table` is NULL or as the header demands. None: NULL.
    pub(crate) unsafe fn new(table: *const socialchannel_http) -> Result<Option<Self>> {
        // SAFETY: passed on.
        let Some(functions) = (unsafe { checked("http", table, |table| table.size) })? else {
            return Ok(None);
        };
        if functions.exchange.is_none() {
            return Err(null("http.exchange"));
        }
        let userdata = Userdata::new(functions.userdata, functions.finalize);
        let table = Arc::new(Table { functions, userdata });
        Ok(Some(ProgramHttp { table, places: Arc::new(Semaphore::new(EXCHANGES)) }))
    }

    /// Transfers ownership: from now on the library frees the table.
    pub(crate) fn took_over(&self) -> impl FnOnce() + use<> {
        let table = Arc::clone(&self.table);
        move || table.userdata.take()
    }
}

type Head = (StatusCode, HeaderMap);

/// A running exchange.
pub(crate) struct ExchangeHandle {
    threads: Threads,
    request: Mutex<Asked>,
    /// Taken when the response head arrives.
    head: Mutex<Option<oneshot::Sender<Result<Head, HttpFailure>>>>,
    /// Closed when the response is no longer needed.
    pieces: mpsc::Sender<Result<Bytes, HttpFailure>>,
}

/// The body of the request, and the part of it that did not fit into the program's buffer.
struct Asked {
    body: HttpBody,
    rest: Bytes,
}

fn over() -> Error {
    Error::new(ErrorKind::Unavailable, "the call that this exchange belongs to has ended")
        .with_remedy("abort the connection and return BROKEN")
}

impl ExchangeHandle {
    /// Blocks for the next bytes of the request's body; none at its end.
    fn read(&self, longest: usize) -> Result<Bytes> {
        let mut asked = self.request.lock().unwrap_or_else(PoisonError::into_inner);
        while asked.rest.is_empty() {
            let frame = self.threads.block_on(async {
                tokio::select! {
                    biased;
                    () = self.pieces.closed() => Some(Err(over())),
                    frame = asked.body.frame() => frame.map(|frame| frame.map_err(|_| {
                        Error::new(ErrorKind::Unavailable, "the body of the request broke off")
                            .with_remedy("abort the connection and return BROKEN")
                    })),
                }
            });
            match frame {
                None => return Ok(Bytes::new()),
                // Providers cannot send trailers.
                Some(frame) => asked.rest = frame?.into_data().unwrap_or_default(),
            }
        }
        let length = longest.min(asked.rest.len());
        Ok(asked.rest.split_to(length))
    }

    fn respond(&self, head: Head) -> Result<()> {
        let Some(sender) = self.head.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Err(invalid("exchange", "answered_already", "already has a response head"));
        };
        sender.send(Ok(head)).map_err(|_| over())
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        if self.head.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Err(invalid("exchange", "not_answered", "has no response head yet"));
        }
        for piece in bytes.chunks(PIECE) {
            let piece = Ok(Bytes::copy_from_slice(piece));
            self.threads.block_on(self.pieces.send(piece)).map_err(|_| over())?;
        }
        Ok(())
    }

    /// Reports the result after the program's function has returned.
    fn finish(&self, result: u32, why: Option<String>) {
        let head = self.head.lock().unwrap_or_else(PoisonError::into_inner).take();
        let why = |text: &str| why.unwrap_or_else(|| text.to_owned());
        let failure = match result {
            result if result == socialchannel_http_result::Done as u32 => match head {
                None => return,
                Some(_) => HttpFailure::Broken("the function returned without a response".to_owned()),
            },
            // After a response, the request was sent, whatever the function returns.
            result if result == socialchannel_http_result::Refused as u32 && head.is_some() => {
                HttpFailure::Refused(why("no reason was given"))
            }
            result if result == socialchannel_http_result::NotSent as u32 && head.is_some() => {
                HttpFailure::NotSent(why("no reason was given"))
            }
            result if result == socialchannel_http_result::TimedOut as u32 => {
                HttpFailure::TimedOut(why("no answer in time"))
            }
            _ => HttpFailure::Broken(why("the connection broke off")),
        };
        // The receiver may be gone.
        match head {
            Some(head) => drop(head.send(Err(failure))),
            None => drop(self.threads.block_on(self.pieces.send(Err(failure)))),
        }
    }
}

#[async_trait]
impl HttpClient for ProgramHttp {
    async fn send(&self, request: Request<HttpBody>) -> Result<Response<HttpBody>, HttpFailure> {
        let closed = |_| HttpFailure::NotSent("the host is being closed".to_owned());
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(closed)?;
        let (parts, body) = request.into_parts();
        let outgoing = Outgoing::new(&parts, &body)?;
        let (head_sender, head) = oneshot::channel();
        let (pieces, answer) = mpsc::channel(PIECES);
        let exchange = Arc::new(ExchangeHandle {
            threads: Threads::current(),
            request: Mutex::new(Asked { body, rest: Bytes::new() }),
            head: Mutex::new(Some(head_sender)),
            pieces,
        });
        let table = Arc::clone(&self.table);
        let running = tokio::task::spawn_blocking(move || {
            let _place = place;
            let id = handle::insert(Handle::Exchange(Arc::clone(&exchange)));
            let (result, why) = inside(|| outgoing.send(&table, id as *mut socialchannel_exchange));
            drop(handle::remove(id));
            exchange.finish(result, why);
        });
        // It reports through the channels, and runs until the response ends.
        drop(running);
        match head.await {
            Ok(head) => {
                let (status, headers) = head?;
                let mut response = Response::new(Pieces(answer).boxed_unsync());
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                Ok(response)
            }
            Err(_) => Err(HttpFailure::NotSent("the host is being closed".to_owned())),
        }
    }
}

/// The body of a response; dropping it makes the program's function fail at its next write.
struct Pieces(mpsc::Receiver<Result<Bytes, HttpFailure>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = HttpFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpFailure>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// A request as C structures.
struct Outgoing {
    method: CString,
    url: CString,
    headers: Vec<(CString, CString)>,
    body_len: i64,
}

impl Outgoing {
    fn new(parts: &http::request::Parts, body: &HttpBody) -> Result<Self, HttpFailure> {
        // `http` allows no NUL in any of these.
        let text = |bytes: &[u8]| {
            CString::new(bytes).map_err(|_| HttpFailure::NotSent("the request contains a NUL".to_owned()))
        };
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| Ok((text(name.as_str().as_bytes())?, text(value.as_bytes())?)));
        let said = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let body_len = if body.is_end_stream() { Some(0) } else { said.or_else(|| body.size_hint().exact()) };
        Ok(Outgoing {
            method: text(parts.method.as_str().as_bytes())?,
            url: text(parts.uri.to_string().as_bytes())?,
            headers: headers.collect::<Result<_, HttpFailure>>()?,
            body_len: body_len.map_or(-1, |length| i64::try_from(length).unwrap_or(-1)),
        })
    }

    /// Runs the program's function.
    fn send(&self, table: &Table, exchange: *mut socialchannel_exchange) -> u32 {
        let Some(function) = table.functions.exchange else {
            return socialchannel_http_result::NotSent as u32;
        };
        let headers: Vec<socialchannel_header> = self
            .headers
            .iter()
            .map(|(name, value)| socialchannel_header { name: name.as_ptr(), value: value.as_ptr() })
            .collect();
        let request = socialchannel_http_request {
            method: self.method.as_ptr(),
            url: self.url.as_ptr(),
            headers: headers.as_ptr(),
            headers_len: headers.len(),
            body_len: self.body_len,
        };
        // SAFETY: what the request points to lives until the function returns; the exchange is looked up, never followed.
        unsafe { function(table.userdata.get(), &raw const request, exchange) }
    }
}

/// Waits for the next bytes of the request body, copies at most `capacity` of them to `buffer`, and writes their
/// number to `*read_out`; 0: end of the body.
///
/// UNAVAILABLE: the body was interrupted, or its call has ended: abort the connection and return BROKEN.
/// INVALID_ARGUMENT: the exchange is over (code `freed_handle`), `capacity` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_exchange_read(
    exchange: *mut socialchannel_exchange,
    buffer: *mut u8,
    capacity: usize,
    read_out: *mut usize,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let out = Out::new("read_out", read_out)?;
            if buffer.is_null() {
                return Err(null("buffer"));
            }
            if capacity == 0 {
                return Err(invalid("capacity", "no_room", "is 0"));
            }
            let bytes = handle::exchange(exchange)?.read(capacity)?;
            // SAFETY: not NULL, the caller promised `capacity` bytes, and there are no more than that.
            buffer.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            out.write(bytes.len());
            Ok(())
        })
    }
}

/// Passes on the response head: its final status (200 to 999) and its headers, without those of the connection
/// itself (`connection`, `transfer-encoding`). Call it once per exchange.
///
/// UNAVAILABLE: its call has ended. INVALID_ARGUMENT: the exchange is over (code `freed_handle`), already has a response
/// (`answered_already`), or the head is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_exchange_respond(
    exchange: *mut socialchannel_exchange,
    status: u16,
    headers: *const socialchannel_header,
    headers_len: usize,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let exchange = handle::exchange(exchange)?;
            let status = StatusCode::from_u16(status)
                .ok()
                .filter(|status| !status.is_informational())
                .ok_or_else(|| invalid("status", "no_status", "is not the status of a response"))?;
            exchange.respond((status, header_map(headers, headers_len)?))
        })
    }
}

/// Headers that a program gives.
///
/// `headers` points to `length` of them, as the header demands.
unsafe fn header_map(headers: *const socialchannel_header, length: usize) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    if length == 0 {
        return Ok(map);
    }
    if headers.is_null() {
        return Err(null("headers"));
    }
    // SAFETY: not NULL, and the caller promised that many.
    for header in unsafe { std::slice::from_raw_parts(headers, length) } {
        if header.name.is_null() || header.value.is_null() {
            return Err(null("headers"));
        }
        // SAFETY: not NULL, and the caller promised a NUL at the end of each.
        let (name, value) = unsafe { (CStr::from_ptr(header.name), CStr::from_ptr(header.value)) };
        let wrong = |what: &str| invalid("headers", "no_header", what);
        let name = HeaderName::from_bytes(name.to_bytes()).map_err(|_| wrong("contain an invalid name"))?;
        let value = HeaderValue::from_bytes(value.to_bytes())
            .map_err(|_| wrong(&format!("contain an invalid value of {name}")))?;
        map.try_append(name, value).map_err(|_| wrong("are too many"))?;
    }
    Ok(map)
}

/// Passes on bytes of the response body, in order; waits while the library's buffer is full. The bytes are copied.
///
/// UNAVAILABLE: the response is no longer needed: abort the connection and return BROKEN. INVALID_ARGUMENT: the exchange
/// is over (code `freed_handle`), or has no response head yet (`not_answered`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_exchange_write(
    exchange: *mut socialchannel_exchange,
    buffer: *const u8,
    buffer_len: usize,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let exchange = handle::exchange(exchange)?;
            exchange.write(bytes("buffer", buffer, buffer_len)?)
        })
    }
}
