//! Connections: how many at once, how long one may stand still, and who makes room when all places are taken.
//!
//! A place is taken for as long as a connection lasts. Who has sent no whole request yet gives theirs up first, the
//! longest there before the others; who has shown a key or a cookie that opens something, and who is being answered,
//! keeps it. So half-sent requests by the thousand keep nobody out who sends a whole one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Extensions, Request};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use social_channel::fair::may_take;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Bytes of a request's head, and of what is read ahead: twice what nginx takes. Half-sent heads by the thousand must not
/// fill the memory.
const HEAD: usize = 64 << 10;
/// How long a stop waits for the rest of an answer to leave, and for the other half of a request.
const GRACE: Duration = Duration::from_secs(2);
/// Answered to who begins with HTTP/2: without TLS nobody has agreed on it.
const NO_HTTP2: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain; charset=utf-8\r\n\
connection: close\r\ncontent-length: 66\r\n\r\nThis port speaks HTTP/1.1. A proxy in front of it may speak HTTP/2";

/// The places of a service.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    kept: usize,
    begun: Instant,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: BTreeMap<u64, Arc<Seat>>,
}

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct Seat {
    begun: Instant,
    /// Milliseconds since `begun` at which it last came to wait for its client.
    waits_since: AtomicU64,
    /// A request of it is being answered.
    working: AtomicBool,
    /// A request of it was the operator's or a tenant's.
    proven: AtomicBool,
    /// For whom its last request is.
    tenant: Mutex<Option<String>>,
    places: Weak<Places>,
    end: CancellationToken,
}

impl Seat {
    fn works(&self) {
        self.working.store(true, Ordering::Relaxed);
    }

    fn waits(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.waits_since.store(now, Ordering::Relaxed);
        self.working.store(false, Ordering::Relaxed);
    }

    fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// Somebody whom the service knows: others do not displace this connection.
    pub(crate) fn proves(extensions: &Extensions) {
        if let Some(seat) = extensions.get::<Arc<Seat>>() {
            seat.proven.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a tenant's request is answered now: one tenant has a share of the connections, and the rest is left to the
    /// others. Event streams and slow calls last long.
    pub(crate) fn is_within_share(extensions: &Extensions, tenant: &str) -> bool {
        let Some(seat) = extensions.get::<Arc<Seat>>() else { return true };
        seat.places.upgrade().is_none_or(|places| places.has_share(seat, tenant))
    }

    fn works_for(&self, tenant: &str) -> bool {
        self.tenant.lock().is_ok_and(|own| own.as_deref() == Some(tenant))
    }
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    id: u64,
    seat: Arc<Seat>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(mut taken) = self.places.taken.lock() {
            taken.seats.remove(&self.id);
        }
    }
}

impl Places {
    /// As many as wanted, and as the process may open files for: a quarter is left to the database, to uploads and to
    /// what the service asks of networks.
    pub(crate) fn new(wanted: u32) -> Arc<Self> {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = files.map_or(usize::MAX, |files| usize::try_from(files / 4 * 3).unwrap_or(usize::MAX));
        let most = usize::try_from(wanted).unwrap_or(usize::MAX).min(files).max(8);
        if files < usize::try_from(wanted).unwrap_or(usize::MAX) {
            tracing::info!(
                most,
                wanted,
                "fewer connections than configured: the process may open too few files"
            );
        }
        Self::of(most)
    }

    fn of(most: usize) -> Arc<Self> {
        // Kept for this machine: its operator, its probes.
        let kept = (most / 16).clamp(1, 64);
        Arc::new(Places { most, kept, begun: Instant::now(), taken: Mutex::default() })
    }

    /// A place for a peer; `None` is a Unix socket's. Without one free, who waits longest makes room; the connection whose
    /// place it was ends a moment later.
    pub(crate) fn take(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Place> {
        let local = peer.is_none_or(|peer| peer.to_canonical().is_loopback());
        let most = if local { self.most } else { self.most - self.kept };
        let mut taken = self.taken.lock().ok()?;
        if taken.seats.len() >= most && !taken.make_room() {
            return None;
        }
        let seat = Arc::new(Seat {
            begun: self.begun,
            waits_since: AtomicU64::new(0),
            working: AtomicBool::new(false),
            proven: AtomicBool::new(false),
            tenant: Mutex::default(),
            places: Arc::downgrade(self),
            end: CancellationToken::new(),
        });
        seat.waits();
        let id = taken.next;
        taken.next += 1;
        taken.seats.insert(id, seat.clone());
        Some(Place { places: self.clone(), id, seat })
    }

    fn has_share(&self, seat: &Arc<Seat>, tenant: &str) -> bool {
        let Ok(taken) = self.taken.lock() else { return true };
        let mut is_within = true;
        // A quarter of all is within every share, and most of the time there are no more.
        if taken.seats.len() > self.most / 4 {
            let others = taken.seats.values().filter(|other| !Arc::ptr_eq(other, seat));
            let answered: Vec<_> = others.filter(|other| other.working.load(Ordering::Relaxed)).collect();
            let own = answered.iter().filter(|other| other.works_for(tenant)).count();
            is_within = may_take(own, self.most.saturating_sub(answered.len()));
        }
        if let Ok(mut own) = seat.tenant.lock() {
            *own = is_within.then(|| tenant.to_owned());
        }
        is_within
    }

    /// Ends the connection that waits longest. False: all are being answered.
    pub(crate) fn make_room(&self) -> bool {
        self.taken.lock().is_ok_and(|mut taken| taken.make_room())
    }
}

impl Taken {
    fn make_room(&mut self) -> bool {
        let waiting = self.seats.iter().filter(|(_, seat)| !seat.working.load(Ordering::Relaxed));
        let order =
            |(_, seat): &(&u64, &Arc<Seat>)| (seat.is_proven(), seat.waits_since.load(Ordering::Relaxed));
        let Some((&id, _)) = waiting.min_by_key(order) else { return false };
        if let Some(seat) = self.seats.remove(&id) {
            seat.end.cancel();
        }
        true
    }
}

/// What a connection carries to its requests.
pub(crate) struct Line {
    pub(crate) place: Place,
    /// Added to every request: who is at the other end.
    pub(crate) extensions: Extensions,
    /// How long it may stand still.
    pub(crate) idle: Duration,
    pub(crate) stop: CancellationToken,
}

/// Serves a connection to its end.
pub(crate) async fn serve<I>(stream: I, app: Router, line: Line)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Line { place, extensions, idle, stop } = line;
    let seat = place.seat.clone();
    let service = service_fn(|request: Request<Incoming>| {
        seat.works();
        let mut request = request.map(|body| Body::new(Coming::new(body, seat.clone(), idle)));
        request.extensions_mut().extend(extensions.clone());
        request.extensions_mut().insert(seat.clone());
        let answering = app.clone().oneshot(request);
        let going = Going(seat.clone());
        async move {
            let response = answering.await.unwrap_or_else(|never| match never {});
            Ok::<_, Infallible>(response.map(|body| Answer { body, _going: going }))
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Counts from the end of the request before, so it bounds an idle connection as well.
        .header_read_timeout(idle)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let ended = {
        let mut stopped = pin!(stop.cancelled());
        let mut grace = pin!(tokio::time::sleep(GRACE));
        let mut stopping = false;
        loop {
            tokio::select! {
                ended = Pin::new(&mut connection) => break ended,
                () = place.seat.end.cancelled() => return,
                () = &mut stopped, if !stopping => {
                    stopping = true;
                    grace.as_mut().reset(tokio::time::Instant::now() + GRACE);
                    Pin::new(&mut connection).graceful_shutdown();
                }
                () = &mut grace, if stopping => {
                    if !seat.working.load(Ordering::Relaxed) {
                        return;
                    }
                    grace.as_mut().reset(tokio::time::Instant::now() + GRACE);
                }
            }
        }
    };
    match ended {
        Ok(()) => {}
        Err(error) if error.is_parse_version_h2() => {
            let mut stream = connection.into_parts().io.into_inner();
            // Who does not read it learns no less than from a closed connection.
            let _ = tokio::time::timeout(idle, stream.write_all(NO_HTTP2)).await;
            let _ = tokio::time::timeout(idle, stream.shutdown()).await;
        }
        // Clients that went away, or took too long.
        Err(error) => tracing::trace!(%error, "a connection ended"),
    }
}

/// A request's body, which must go on: it breaks off where nothing comes for too long.
struct Coming {
    body: Incoming,
    seat: Arc<Seat>,
    idle: Duration,
    patience: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Coming {
    fn new(body: Incoming, seat: Arc<Seat>, idle: Duration) -> Self {
        Coming { body, seat, idle, patience: None }
    }
}

impl http_body::Body for Coming {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.patience = None;
            this.seat.works();
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        let idle = this.idle;
        let seat = &this.seat;
        let patience = this.patience.get_or_insert_with(|| {
            // A stranger who lets the service wait for a body is as one who lets it wait for a header.
            if !seat.is_proven() {
                seat.waits();
            }
            Box::pin(tokio::time::sleep(idle))
        });
        patience
            .as_mut()
            .poll(cx)
            .map(|()| Some(Err(axum::Error::new("nothing of the body came for too long"))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The client is waited for again once the answer is out, or given up.
struct Going(Arc<Seat>);

impl Drop for Going {
    fn drop(&mut self) {
        self.0.waits();
    }
}

struct Answer {
    body: Body,
    _going: Going,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(place: &Place) -> bool {
        place.seat.end.is_cancelled()
    }

    #[test]
    fn who_waits_longest_makes_room_and_who_is_known_last() {
        let places = Places::of(4);
        let network = Some(IpAddr::from([203, 0, 113, 1]));
        let [first, second, third] = [0; 3].map(|_| places.take(network).unwrap());
        first.seat.proven.store(true, Ordering::Relaxed);
        second.seat.waits_since.store(5, Ordering::Relaxed);
        third.seat.waits_since.store(3, Ordering::Relaxed);
        let local = places.take(Some(IpAddr::from([127, 0, 0, 1]))).unwrap();
        assert!(!ended(&first) && !ended(&third), "a place was kept for this machine");
        local.seat.works();

        let fourth = places.take(network).unwrap();
        assert!(ended(&third) && !ended(&second) && !ended(&first));
        drop(third);
        fourth.seat.works();
        let fifth = places.take(network).unwrap();
        assert!(ended(&second) && !ended(&first));
        fifth.seat.works();
        let sixth = places.take(network).unwrap();
        assert!(ended(&first), "known, but it waits, and nobody else does");
        sixth.seat.works();
        assert!(places.take(network).is_none(), "all are being answered");
        assert!(!ended(&fourth) && !ended(&fifth) && !ended(&sixth) && !ended(&local));
        drop(fourth);
        drop(fifth);
        assert!(places.take(network).is_some());
    }

    #[test]
    fn an_answer_has_the_length_it_says() {
        let text = std::str::from_utf8(NO_HTTP2).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
