//! `media`: the post's files as handles, their ranges as streams.
//!
//! A range is represented like the body of a request inside `wasi:http`. If a provider passes the stream on to
//! a request, the host connects its own two ends, and the bytes go from the disk to the socket without
//! entering guest memory. A failed read makes that request fail too; the request never ends early without an
//! error.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use wasmtime::AsContextMut;
use wasmtime::component::{Access, FutureReader, HasSelf, Resource, StreamReader};
use wasmtime_wasi_http::p3::bindings::http::types::{ErrorCode, HostRequestWithStore};
use wasmtime_wasi_http::p3::{Request, bindings::http::types as http_types};
use wasmtime_wasi_http::{Error as HttpError, FieldMap, WasiHttp, WasiHttpView};

use super::State;
use crate::abi::Item;
use crate::abi::v0_1::imports::media::{Host, HostItem, HostItemWithStore, MediaError, MediaInfo};
use crate::abi::v0_1::properties_in;
use crate::call::Call;
use crate::media::{MediaItem, MediaStream, ReadError};

impl State {
    /// Creates handles for the post's media, in order.
    pub(crate) fn media(&mut self, media: &[Arc<MediaItem>]) -> wasmtime::Result<Vec<Resource<Item>>> {
        media.iter().map(|item| Ok(self.table.push(Item(Arc::clone(item)))?)).collect()
    }
}

impl Host for State {}

impl HostItem for State {
    fn info(&mut self, item: Resource<Item>) -> wasmtime::Result<MediaInfo> {
        let info = self.table.get(&item)?.0.info();
        Ok(MediaInfo {
            role: info.role,
            size: info.size,
            content_type: info.content_type,
            file_name: info.file_name,
            alt_text: info.alt_text,
            duration: info.duration,
            width: info.width,
            height: info.height,
            frame_rate: info.frame_rate,
            codec: info.codec,
            public_url: info.public_url,
            options: properties_in(&info.options),
            details: Vec::new(),
        })
    }

    fn drop(&mut self, item: Resource<Item>) -> wasmtime::Result<()> {
        self.table.delete(item)?;
        Ok(())
    }
}

impl HostItemWithStore<State> for HasSelf<State> {
    fn read(
        mut store: Access<'_, State, Self>,
        item: Resource<Item>,
        offset: u64,
        length: u64,
    ) -> wasmtime::Result<(StreamReader<u8>, FutureReader<Result<(), MediaError>>)> {
        let state = store.get();
        let call = Arc::clone(&state.call);
        let range = state.table.get(&item)?.0.read(offset, length);
        let (result, ended) = oneshot::channel();
        let body = match range {
            Ok(stream) => MediaBody { stream: Some(stream), left: length, result: Some(result), call },
            Err(error) => {
                let _ = result.send(Err(error));
                MediaBody { stream: None, left: 0, result: None, call }
            }
        };
        // The sender was dropped without an error: a reader that stops early has seen no error.
        let result = FutureReader::new(&mut store, async move {
            Ok::<_, wasmtime::Error>(ended.await.unwrap_or(Ok(())).map_err(media_error))
        })?;
        let stream = body_stream(&mut store, body)?;
        Ok((stream, result))
    }
}

fn media_error(error: ReadError) -> MediaError {
    match error {
        ReadError::OutOfRange => MediaError::OutOfRange,
        ReadError::Changed => MediaError::Changed,
        ReadError::Unavailable => MediaError::Unavailable,
    }
}

/// A stream that `wasi:http` recognises as one of its own bodies.
fn body_stream(
    store: &mut Access<'_, State, HasSelf<State>>,
    body: MediaBody,
) -> wasmtime::Result<StreamReader<u8>> {
    let (carrier, _processed) =
        Request::new(::http::Method::GET, None, None, None, FieldMap::default(), None, body);
    let carrier: Resource<http_types::Request> = store.get().table.push(carrier)?;
    let processed = async { Ok::<Result<(), ErrorCode>, wasmtime::Error>(Ok(())) };
    let processed = FutureReader::new(&mut *store, processed)?;
    let access = Access::<_, WasiHttp>::new(store.as_context_mut(), <State as WasiHttpView>::http);
    let (stream, mut trailers) = WasiHttp::consume_body(access, carrier, processed)?;
    trailers.close(&mut *store)?;
    Ok(stream)
}

/// The bytes of one range, counted as progress.
struct MediaBody {
    stream: Option<MediaStream>,
    left: u64,
    result: Option<oneshot::Sender<Result<(), ReadError>>>,
    call: Arc<Call>,
}

impl MediaBody {
    fn end(&mut self, result: Result<(), ReadError>) {
        self.stream = None;
        if result.is_err() {
            self.call.fail_media();
        }
        if let Some(sender) = self.result.take() {
            let _ = sender.send(result);
        }
    }
}

impl Body for MediaBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let Some(stream) = self.stream.as_mut() else { return Poll::Ready(None) };
        let error = match ready!(stream.as_mut().poll_next(cx)) {
            Some(Ok(bytes)) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                self.call.media_moved(bytes.len() as u64);
                if self.left == 0 {
                    self.end(Ok(()));
                }
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Some(Err(error)) => error,
            None if self.left == 0 => {
                self.end(Ok(()));
                return Poll::Ready(None);
            }
            None => ReadError::Unavailable,
        };
        self.end(Err(error));
        Poll::Ready(Some(Err(HttpError::InternalError(Some("the media cannot be read".to_owned())))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
