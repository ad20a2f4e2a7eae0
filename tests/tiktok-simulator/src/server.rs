//! The server: accepts connections and passes each request through faults, handler and log. It contains no
//! rules of endpoints; events without a request are in `schedule`.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
#[cfg(feature = "proxy")]
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::call::{Call, Notes};
use crate::clock::Clock;
use crate::control;
use crate::envelope::Reply;
use crate::faults::{Action, Fault, Faults, Target, When};
use crate::log::{Exchange, Recorder, masked_form, shown_body};
use crate::route;
use crate::schedule;
use crate::state::State;
use crate::upload;
use crate::wire::{Script, Socket};
use crate::world::World;

/// JSON and form bodies are far smaller; more is refused with 413.
const MAX_BODY: usize = 1_048_576;

/// The shared state of all tasks.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) recorder: Recorder,
    state: Mutex<State>,
    last_answers: Mutex<HashMap<String, Answer>>,
    /// Wakes the scheduler.
    pub(crate) wake: Notify,
    pub(crate) origin: String,
    #[cfg(feature = "proxy")]
    pub(crate) authority: crate::proxy::Authority,
    #[cfg(feature = "proxy")]
    tunnels: mpsc::UnboundedSender<Tunnel>,
}

/// A task that outlives its request and must end with the simulator.
#[cfg(feature = "proxy")]
pub(crate) type Tunnel = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A rendered response.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    content_type: Option<String>,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// Ends the connection without a response.
#[derive(Debug)]
struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault ended the connection")
    }
}

impl std::error::Error for Aborted {}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<String, Answer>> {
        self.last_answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Binds and starts serving; the task ends with all its connections when aborted.
pub(crate) async fn start(
    world: World,
    address: SocketAddr,
) -> anyhow::Result<(Arc<Shared>, tokio::task::JoinHandle<()>)> {
    world.validate()?;
    let listener = TcpListener::bind(address).await.with_context(|| match address.port() {
        0 => format!("cannot listen on {}", address.ip()),
        port => format!("cannot listen on {}, port {port}; port 0 takes a free one", address.ip()),
    })?;
    let mut bound = listener.local_addr().context("the listener has no address")?;
    if bound.ip().is_unspecified() {
        // Links must contain a reachable address.
        bound.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let origin = format!("http://{bound}");
    let clock = Clock::start();
    #[cfg(feature = "proxy")]
    let (authority, (sender, tunnels)) = (crate::proxy::Authority::new(&world)?, mpsc::unbounded_channel());
    let state = State::new(world, origin.clone(), clock.now_ms());
    let shared = Arc::new(Shared {
        clock,
        faults: Faults::default(),
        recorder: Recorder::default(),
        state: Mutex::new(state),
        last_answers: Mutex::new(HashMap::new()),
        wake: Notify::new(),
        origin,
        #[cfg(feature = "proxy")]
        authority,
        #[cfg(feature = "proxy")]
        tunnels: sender,
    });
    let task = tokio::spawn(accept(
        Arc::clone(&shared),
        listener,
        #[cfg(feature = "proxy")]
        tunnels,
    ));
    Ok((shared, task))
}

async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    #[cfg(feature = "proxy")] mut tunnels: mpsc::UnboundedReceiver<Tunnel>,
) {
    // All tasks live in this set, so that dropping the simulator ends them together.
    let mut tasks = JoinSet::new();
    tasks.spawn(schedule::run(Arc::clone(&shared)));
    loop {
        #[cfg(feature = "proxy")]
        let tunnel = tunnels.recv();
        #[cfg(not(feature = "proxy"))]
        let tunnel = std::future::pending::<Option<std::future::Ready<()>>>();
        tokio::select! {
            Some(tunnel) = tunnel => {
                tasks.spawn(tunnel);
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tasks.spawn(connection(Arc::clone(&shared), stream));
                }
                Err(error) => {
                    // Out of file descriptors, for example; try again instead of spinning.
                    tracing::warn!("accept: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    // Small responses should not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Socket::new(stream, Arc::clone(&reset)));
    converse(shared, io, reset).await;
}

/// Handles the requests of one connection, over any transport.
pub(crate) async fn converse<T>(shared: Arc<Shared>, io: T, reset: Arc<AtomicBool>)
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = service_fn(move |request| serve(Arc::clone(&shared), request, Arc::clone(&reset)));
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await;
    if let Err(error) = served {
        tracing::debug!("connection: {error}");
    }
}

/// Records an exchange even if the client disconnects during it.
struct Pending<'a> {
    shared: &'a Shared,
    exchange: Exchange,
    open: bool,
}

impl Pending<'_> {
    fn close(&mut self) {
        self.open = false;
        self.shared.recorder.record(std::mem::take(&mut self.exchange));
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if self.open {
            self.exchange.answer_lost = true;
            self.close();
        }
    }
}

async fn serve(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    reset: Arc<AtomicBool>,
) -> Result<Response<Script>, Aborted> {
    #[cfg(feature = "proxy")]
    if request.method() == hyper::Method::CONNECT {
        let reply = match crate::proxy::tunnel(Arc::clone(&shared), request, reset) {
            Ok(tunnel) => {
                // The receiver lives as long as the accept task, which owns this task.
                let _ = shared.tunnels.send(tunnel);
                return Ok(Response::new(Script::whole(Bytes::new())));
            }
            Err(reply) => reply,
        };
        let mut response = Response::new(Script::whole(Bytes::new()));
        *response.status_mut() = hyper::StatusCode::from_u16(reply.status).unwrap_or_default();
        if let Some(refusal) = reply.refusal
            && let Ok(value) = HeaderValue::try_from(format!("{}: {}", refusal.rule, refusal.text))
        {
            response.headers_mut().insert("x-simulator-reason", value);
        }
        return Ok(response);
    }
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_string();
    let query = parts.uri.query().unwrap_or_default().to_string();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let authority = parts.uri.authority().map(ToString::to_string);
    let host = authority.or_else(|| header("host").map(ToString::to_string)).unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).to_ascii_lowercase();
    let mut call = Call {
        method: parts.method.as_str().to_string(),
        path,
        query,
        headers: parts.headers.clone(),
        body: Bytes::new(),
        now_ms: shared.clock.now_ms(),
    };
    if control::is_ours(&call.path) {
        call.body = match collect(body).await {
            Ok(bytes) => bytes,
            Err(reply) => return Ok(respond(&render(&shared, &call, &reply, &[]), None)),
        };
        let reply = control::handle(&shared, &call).unwrap_or_else(|reply| reply);
        return Ok(respond(&render(&shared, &call, &reply, &[]), None));
    }

    let bearer = call.header("authorization").and_then(|text| text.strip_prefix("Bearer "));
    let (client_key, account) = {
        let state = shared.state();
        let grant = bearer.and_then(|token| state.owner_of(token));
        (grant.map(|grant| grant.client_key.clone()), grant.map(|grant| grant.username.clone()))
    };
    let content_range = call.header("content-range").map(ToString::to_string);
    let fault = shared.faults.strike(&Target {
        method: &call.method,
        path: &call.path,
        host: &host,
        account: account.as_deref(),
        content_range: content_range.as_deref(),
    });
    let mut pending = Pending {
        shared: &shared,
        exchange: Exchange {
            number: shared.recorder.next_number(),
            time_ms: call.now_ms,
            method: call.method.clone(),
            host: host.clone(),
            path: call.path.clone(),
            query: masked_form(&call.query),
            header_names: call.headers.keys().map(ToString::to_string).collect(),
            content_type: call.header("content-type").map(ToString::to_string),
            content_range,
            client_key,
            account,
            fault: fault.as_ref().and_then(|fault| serde_json::to_string(fault).ok()),
            ..Exchange::default()
        },
        open: true,
    };
    let action = fault.as_ref().map(|fault| (fault.when, &fault.action));
    if let Some((When::Before, Action::Delay { ms })) = action {
        tokio::time::sleep(Duration::from_millis(*ms)).await;
        call.now_ms = shared.clock.now_ms();
    }

    let stopped = fault.as_ref().filter(|fault| stops_before(fault));
    let reply = if let Some(fault) = stopped {
        pending.exchange.body_bytes = read_some(body, &fault.action).await;
        None
    } else {
        Some(perform(&shared, &mut call, body, &host, &mut pending.exchange).await)
    };

    if let Some((When::After, Action::Delay { ms })) = action {
        tokio::time::sleep(Duration::from_millis(*ms)).await;
    }
    if let Some((_, Action::Reset | Action::CutRequest { .. })) = action {
        pending.exchange.answer_lost = true;
        reset.store(true, Ordering::SeqCst);
        return Err(Aborted);
    }
    let findings = pending.exchange.findings.clone();
    let mut answer = reply.as_ref().map(|reply| render(&shared, &call, reply, &findings));
    pending.exchange.code = reply.as_ref().and_then(|reply| reply.code().map(ToString::to_string));
    let key = format!("{} {} {:?}", call.method, call.path, pending.exchange.account);
    if let Some((_, action)) = action
        && let Some(replaced) = replacement(&shared, &call, action, &key)
    {
        pending.exchange.code = code_of(&replaced);
        answer = Some(replaced);
    } else if let Some(answer) = &answer {
        shared.answers().insert(key, answer.clone());
    }
    let Some(answer) = answer else { return Err(Aborted) };
    pending.exchange.status = answer.status;
    if let Some((_, Action::CutBody { .. })) = action {
        pending.exchange.answer_lost = true;
    }
    pending.close();
    Ok(respond(&answer, action.map(|(_, action)| action)))
}

/// Whether the fault keeps the request from its handler.
fn stops_before(fault: &Fault) -> bool {
    match fault.action {
        Action::CutRequest { .. } => true,
        Action::Delay { .. } | Action::CutBody { .. } | Action::SlowBody { .. } => false,
        _ => fault.when == When::Before,
    }
}

/// Reads the body of a request that will have no effect: all of it, or up to the fault's limit.
async fn read_some(mut body: Incoming, action: &Action) -> u64 {
    let most = match action {
        Action::CutRequest { after_bytes } => *after_bytes,
        Action::Reset => 0,
        _ => u64::MAX,
    };
    let mut read = 0;
    while read < most {
        match body.frame().await {
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, |data| data.len() as u64),
            _ => break,
        }
    }
    read
}

async fn collect(body: Incoming) -> Result<Bytes, Reply> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(Reply::refused(413, "1.3", format!("the body could not be read: {error}"))),
    }
}

/// The request has its effect.
async fn perform(
    shared: &Shared,
    call: &mut Call,
    body: Incoming,
    host: &str,
    exchange: &mut Exchange,
) -> Reply {
    let mut notes = Notes::default();
    let reply = if upload::is_upload(&call.path, &call.query) && call.method == "PUT" {
        shared.state().settle(call.now_ms);
        let (reply, read) = match route::check_host(host, route::Place::Upload) {
            Ok(()) => upload::put(shared, call, body, &mut notes).await,
            Err(reply) => (reply, 0),
        };
        exchange.body_bytes = read;
        reply
    } else {
        match collect(body).await {
            Ok(bytes) => {
                exchange.body_bytes = bytes.len() as u64;
                exchange.body = shown_body(&bytes, call.is_form());
                call.body = bytes;
                let mut state = shared.state();
                state.settle(call.now_ms);
                route::handle(&mut state, call, host, &mut notes).unwrap_or_else(|reply| reply)
            }
            Err(reply) => reply,
        }
    };
    for text in notes.violations {
        shared.recorder.violation(exchange.number, text);
    }
    exchange.client_key = notes.client_key.or(exchange.client_key.take());
    exchange.account = notes.account.or(exchange.account.take());
    exchange.findings = notes.findings;
    exchange.had_effect = notes.effect;
    exchange.refresh = notes.refresh;
    exchange.refusal = reply.refusal.as_deref().cloned();
    if notes.effect {
        shared.wake.notify_one();
    }
    reply
}

/// The response with which a fault replaces the real one.
fn replacement(shared: &Shared, call: &Call, action: &Action, key: &str) -> Option<Answer> {
    let answer = |status, content_type: &str, body: String| Answer {
        status,
        content_type: Some(content_type.to_string()),
        headers: Vec::new(),
        body: Bytes::from(body),
    };
    match action {
        Action::Status { status, code, retry_after } => {
            let oauth = call.path.starts_with("/v2/oauth/");
            let log_id = shared.state().log_id(call.now_ms);
            let body = if upload::is_upload(&call.path, &call.query) {
                String::new()
            } else if oauth {
                let error = code.as_deref().unwrap_or("server_error");
                let text = "Something is wrong. Please try again later.";
                serde_json::json!({"error": error, "error_description": text, "log_id": log_id}).to_string()
            } else {
                let code = code.as_deref().unwrap_or("internal_error");
                let message = crate::catalogue::message_of(code);
                serde_json::json!({"error": {"code": code, "message": message, "log_id": log_id}}).to_string()
            };
            let mut answer = answer(*status, "application/json; charset=utf-8", body);
            if let Some(seconds) = retry_after {
                answer.headers.push(("retry-after".into(), seconds.to_string()));
            }
            answer.headers.push(("x-tt-logid".into(), log_id));
            Some(answer)
        }
        Action::Html { status } => {
            let page =
                "<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>";
            Some(answer(*status, "text/html", page.into()))
        }
        Action::WrongJson { body } => {
            let body = body.clone().unwrap_or_else(|| r#"[{"unexpected":true},null,17]"#.into());
            Some(answer(200, "application/json", body))
        }
        Action::Answer { status, content_type, body } => Some(answer(*status, content_type, body.clone())),
        // Without an older response, a gateway's 502 is returned.
        Action::Stale => {
            let old = shared.answers().get(key).cloned();
            Some(old.unwrap_or_else(|| answer(502, "text/plain", "no earlier answer".into())))
        }
        Action::Delay { .. }
        | Action::Reset
        | Action::CutRequest { .. }
        | Action::CutBody { .. }
        | Action::SlowBody { .. } => None,
    }
}

fn code_of(answer: &Answer) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let error = value.get("error")?;
    error.get("code").unwrap_or(error).as_str().map(ToString::to_string)
}

fn render(shared: &Shared, call: &Call, reply: &Reply, findings: &[crate::log::Finding]) -> Answer {
    let (log_id, content_type, body) = {
        let mut state = shared.state();
        let log_id = state.log_id(call.now_ms);
        let (content_type, body) = reply.render(&log_id, &state.world.switches);
        (log_id, content_type, body)
    };
    let mut headers: Vec<(String, String)> =
        reply.headers.iter().map(|(name, value)| ((*name).to_string(), value.clone())).collect();
    headers.push(("x-tt-logid".into(), log_id));
    if let Some(refusal) = &reply.refusal {
        headers.push(("x-simulator-reason".into(), format!("{}: {}", refusal.rule, refusal.text)));
    }
    for finding in findings {
        headers.push(("x-simulator-finding".into(), format!("{}: {}", finding.rule, finding.text)));
    }
    Answer { status: reply.status, content_type: content_type.map(ToString::to_string), headers, body }
}

fn respond(answer: &Answer, action: Option<&Action>) -> Response<Script> {
    let body = match action {
        Some(Action::CutBody { keep }) => Script::cut(&answer.body, *keep),
        Some(Action::SlowBody { pieces, pause_ms }) => {
            Script::slow(&answer.body, *pieces, Duration::from_millis(*pause_ms))
        }
        _ => Script::whole(answer.body.clone()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(answer.status).unwrap_or_default();
    let headers = response.headers_mut();
    let pairs = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let content_type = answer.content_type.as_deref().map(|value| ("content-type", value));
    for (name, value) in pairs.chain(content_type) {
        // Reasons quote the client, but a header allows only visible ASCII.
        let clean: String =
            value.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' }).collect();
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(clean)) {
            headers.append(name, value);
        }
    }
    response
}
