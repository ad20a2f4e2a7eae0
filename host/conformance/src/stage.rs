//! Where a provider is called: its app, its storage, the wire to the server, and what was noticed in all calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use social_channel_runtime::clock::{Clock as _, MovedClock};
use social_channel_runtime::media::MediaItem;
use social_channel_runtime::model::{Descriptor, ListQuery, Media};
use social_channel_runtime::net::{Clients, ConnectTo, Egress, Policy};
use social_channel_runtime::{
    Account, CallContext, CallError, ConnectRequest, ConnectStep, Connection, Error, ErrorKind, Provider,
    Result, SecretText,
};
use url::Url;

use crate::description::Description;
use crate::fault::Points;
use crate::server::Running;
use crate::storage::Storage;
use crate::tape::Tape;
use crate::wire::Wire;

/// The longest that is waited for in real time, where the server's clock cannot be moved.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Steps of a consent, pages, redirects: more is a circle.
const CIRCLE: usize = 20;
/// Shorter secrets stand in ordinary words.
const SHORTEST_SECRET: usize = 6;

/// What was noticed, whatever was called for.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) traps: Vec<String>,
    pub(crate) sizes: Vec<String>,
    pub(crate) denied: Vec<String>,
    /// Texts that people see or that go to a log, and what they came from.
    said: Vec<(String, String)>,
    /// The last line that was written to standard error.
    last_words: String,
    secrets: BTreeSet<String>,
}

/// The last two lines of what a provider printed, without Rust's advice.
fn last_words(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("note: "));
    let lines: Vec<&str> = lines.collect();
    lines.get(lines.len().saturating_sub(2)..).unwrap_or_default().join(" / ")
}

/// What an error says, unless a rule of its own says it: of traps, sizes, origins.
pub(crate) fn own_words(error: CallError) -> Option<String> {
    let error = error.into_error();
    let said =
        matches!(error.kind, ErrorKind::ProviderFault | ErrorKind::LimitExceeded | ErrorKind::DeniedByPolicy);
    (!said).then_some(error.message)
}

/// The stage.
pub(crate) struct Stage {
    pub(crate) provider: Provider,
    pub(crate) points: Arc<Points>,
    pub(crate) wire: Arc<Wire>,
    pub(crate) notes: Arc<Mutex<Notes>>,
    pub(crate) server: Option<Arc<Running>>,
    settings: Arc<Vec<(String, SecretText)>>,
    egress: Arc<Egress>,
    storage: Arc<Storage>,
    clock: Arc<MovedClock>,
    media: Vec<Arc<MediaItem>>,
    tape: Option<Arc<Tape>>,
}

impl Stage {
    /// Without a server: nothing can be reached.
    pub(crate) fn alone(provider: &Provider, settings: &BTreeMap<String, String>) -> Result<Self> {
        Self::new(provider, None, settings, None, None)
    }

    /// With the server of a description.
    pub(crate) async fn with_server(provider: &Provider, description: &Description) -> Result<Self> {
        let running = Running::start(description, &provider.descriptor().origins).await?;
        Self::with(provider, description, running, None).await
    }

    /// With the server of a description, whose answers are written down.
    pub(crate) async fn recording(
        provider: &Provider,
        description: &Description,
        tape: Arc<Tape>,
    ) -> Result<Self> {
        let running = Running::start(description, &provider.descriptor().origins).await?;
        Self::with(provider, description, running, Some(tape)).await
    }

    /// With what a server answered before.
    pub(crate) async fn replaying(
        provider: &Provider,
        description: &Description,
        connect_to: &[ConnectTo],
        tape: Arc<Tape>,
    ) -> Result<Self> {
        let running = Running::recorded(description, connect_to, &provider.descriptor().origins)?;
        Self::with(provider, description, running, Some(tape)).await
    }

    async fn with(
        provider: &Provider,
        description: &Description,
        running: Running,
        tape: Option<Arc<Tape>>,
    ) -> Result<Self> {
        let settings = running.settings.clone();
        let mut stage = Self::new(provider, Some(description), &settings, Some(running), tape)?;
        for name in description.publish.iter().flat_map(|publish| &publish.media) {
            let media = Media::file(description.folder.join(name));
            let path = description.folder.join(name);
            let item = MediaItem::open_at(&media, Some(path.as_path()), &stage.egress).await?;
            stage.media.push(Arc::new(item));
        }
        Ok(stage)
    }

    fn new(
        provider: &Provider,
        description: Option<&Description>,
        settings: &BTreeMap<String, String>,
        server: Option<Running>,
        tape: Option<Arc<Tape>>,
    ) -> Result<Self> {
        let points = Arc::new(Points::default());
        let publish = description.and_then(|it| it.publish.as_ref());
        let wire = Arc::new(Wire::new(points.clone(), publish, tape.clone()));
        let policy = match &server {
            Some(running) => running.policy.clone(),
            None => Policy::granting(&provider.descriptor().origins)?,
        };
        let settings = settings.iter().map(|(name, value)| (name.clone(), SecretText::new(value.clone())));
        let stage = Stage {
            provider: provider.clone(),
            egress: Arc::new(Egress::new(policy, &Clients::of_program(wire.clone()))?),
            storage: Arc::new(Storage::new(points.clone())),
            clock: Arc::new(MovedClock::default()),
            notes: Arc::default(),
            settings: Arc::new(settings.collect()),
            media: Vec::new(),
            points,
            wire,
            server: server.map(Arc::new),
            tape,
        };
        for field in provider.descriptor().settings.iter().filter(|field| field.kind == "secret") {
            for (_, value) in stage.settings.iter().filter(|(name, _)| *name == field.name) {
                stage.secret(value.expose());
            }
        }
        Ok(stage)
    }

    /// Notes in the same place as another stage.
    pub(crate) fn noting_in(mut self, other: &Stage) -> Self {
        self.notes = other.notes.clone();
        self
    }

    pub(crate) fn descriptor(&self) -> &Descriptor {
        self.provider.descriptor()
    }

    pub(crate) fn can(&self, ability: &str) -> bool {
        self.descriptor().abilities.iter().any(|own| own == ability)
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A text that must not be said anywhere.
    pub(crate) fn secret(&self, text: &str) {
        if text.len() >= SHORTEST_SECRET {
            self.notes().secrets.insert(text.to_owned());
        }
    }

    /// A text that people see.
    pub(crate) fn said(&self, operation: &str, text: impl Into<String>) {
        self.notes().said.push((operation.to_owned(), text.into()));
    }

    /// All that must not be said anywhere.
    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        for secret in self.wire.secrets() {
            self.secret(&secret);
        }
        self.notes().secrets.clone()
    }

    /// The texts in which a secret stands, by what they came from.
    pub(crate) fn leaks(&self) -> Vec<String> {
        self.secrets();
        let notes = self.notes();
        let leaks = notes.said.iter().filter(|(_, text)| notes.secrets.iter().any(|it| text.contains(it)));
        leaks.map(|(from, _)| from.clone()).collect()
    }

    /// The context of a call.
    pub(crate) fn cx(&self, operation: &str) -> CallContext {
        let (notes, from) = (self.notes.clone(), format!("standard error of {operation}"));
        let tape = self.tape.clone();
        CallContext {
            settings: self.settings.clone(),
            egress: self.egress.clone(),
            storage: self.storage.clone(),
            clock: self.clock.clone(),
            random: self.tape.as_ref().map(|tape| tape.random()),
            output: Some(Arc::new(move |text: &str| {
                if let Some(tape) = &tape {
                    tape.printed(text);
                }
                let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
                notes.last_words = last_words(text);
                notes.said.push((from.clone(), text.to_owned()));
            })),
            ..CallContext::pure()
        }
    }

    /// The context of a call that gets the media of the post.
    pub(crate) fn cx_with_media(&self, operation: &str) -> CallContext {
        CallContext { media: self.media.clone(), ..self.cx(operation) }
    }

    /// The context of a call that finds nothing of what was stored before.
    pub(crate) fn cx_without_storage(&self, operation: &str) -> CallContext {
        CallContext { storage: Arc::new(Storage::new(Arc::default())), ..self.cx(operation) }
    }

    /// Notes what holds of every answer.
    pub(crate) fn see<T>(&self, operation: &str, answer: Result<T, CallError>) -> Result<T, CallError> {
        if let Err(CallError::Failed(error) | CallError::CredentialsExpired(error)) = &answer {
            self.see_error(operation, error);
        }
        answer
    }

    /// The same of an error inside an answer.
    pub(crate) fn see_error(&self, operation: &str, error: &Error) {
        let texts =
            [Some(&error.message), error.remedy.as_ref(), error.code.as_ref(), error.trace_id.as_ref()];
        for text in texts.into_iter().flatten() {
            self.said(&format!("an error of {operation}"), text.clone());
        }
        let seen = format!("{operation}: {}", error.message);
        let mut notes = self.notes();
        let last_words = std::mem::take(&mut notes.last_words);
        match error.kind {
            ErrorKind::DeniedByPolicy => notes.denied.push(seen),
            ErrorKind::LimitExceeded => notes.traps.push(seen),
            // A value over its limit has no cause below it.
            ErrorKind::ProviderFault if error.source.is_none() => notes.sizes.push(seen),
            ErrorKind::ProviderFault if last_words.is_empty() => notes.traps.push(seen),
            ErrorKind::ProviderFault => notes.traps.push(format!("{seen}; its last words: {last_words}")),
            _ => {}
        }
    }

    /// Moves the provider's clock.
    pub(crate) fn forward(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// The same stage for another publish, with empty storage, so that each meets the same points; the server and what was
    /// noticed are shared.
    pub(crate) fn again(&self) -> Self {
        Stage {
            provider: self.provider.clone(),
            points: self.points.clone(),
            wire: self.wire.clone(),
            notes: self.notes.clone(),
            server: self.server.clone(),
            settings: self.settings.clone(),
            egress: self.egress.clone(),
            storage: Arc::new(Storage::new(self.points.clone())),
            clock: self.clock.clone(),
            media: self.media.clone(),
            tape: self.tape.clone(),
        }
    }

    /// A part of what is recorded or replayed begins, at the time at which it was recorded.
    pub(crate) fn part(&self, name: &str) {
        let now = self.clock.now_ms();
        let Some(at) = self.tape.as_ref().and_then(|tape| tape.part(name, now)) else { return };
        let by = Duration::from_millis(at.abs_diff(now));
        if at > now { self.clock.advance(by) } else { self.clock.turn_back(by) }
    }

    /// What the provider says at the end of a part.
    pub(crate) fn answered(&self, answer: Value) {
        if let Some(tape) = &self.tape {
            tape.answered(answer);
        }
    }

    /// Lets time pass, for the provider and for the server. If the server's clock cannot be moved, its time is waited for
    /// where that is asked for.
    pub(crate) async fn pass(
        &self,
        time: Duration,
        description: &Description,
        wait: bool,
    ) -> Result<(), String> {
        self.clock.advance(time);
        if self.tape.as_ref().is_some_and(|tape| tape.is_player()) {
            return Ok(());
        }
        let (Some(clock), Some(server)) = (&description.clock, &self.server) else {
            if wait {
                tokio::time::sleep(time.min(LONGEST_WAIT)).await;
            }
            return Ok(());
        };
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let body = json!({ clock.member.as_str(): milliseconds }).to_string();
        self.wire.ask("POST", &server.filled(&clock.url), Some(body)).await.map(|_| ())
    }

    /// How many posts there are.
    pub(crate) async fn posts(&self, account: &Account, description: &Description) -> Result<usize, String> {
        if let (Some(count), Some(server)) = (&description.count, &self.server) {
            let body = self.wire.ask("GET", &server.filled(&count.url), None).await?;
            let json: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
            return match json.pointer(&count.pointer) {
                Some(Value::Array(all)) => Ok(all.len()),
                Some(Value::Number(number)) => {
                    Ok(number.as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or_default())
                }
                _ => Err(format!("{} has no list and no number at {}", count.url, count.pointer)),
            };
        }
        if self.wire.knows_posts() {
            return Ok(self.wire.posts());
        }
        let mut ids = BTreeSet::new();
        let mut cursor = None;
        for _ in 0..CIRCLE {
            let query = ListQuery { limit: 100, cursor };
            let page = self.provider.list_posts(self.cx("list-posts"), account, &query).await;
            let page = page.map_err(|error| error.into_error().message)?;
            ids.extend(page.posts.into_iter().map(|post| post.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(ids.len())
    }

    /// Whether posts can be counted at all.
    pub(crate) fn can_count(&self, description: &Description) -> bool {
        description.count.is_some() || self.wire.knows_posts() || self.can("list")
    }

    /// Connects an account, with these inputs.
    pub(crate) async fn connect(
        &self,
        description: &Description,
        inputs: &BTreeMap<String, String>,
    ) -> Result<Connection, CallError> {
        let answered = |message: String| CallError::Failed(Error::new(ErrorKind::Other, message));
        let redirect_uri = self.server.as_ref().map(|it| it.redirect_uri.clone()).unwrap_or_default();
        for field in self.descriptor().connect_inputs.iter().filter(|field| field.kind == "secret") {
            if let Some(value) = inputs.get(&field.name) {
                self.secret(value);
            }
        }
        let request = ConnectRequest {
            state: SecretText::new("state-of-this-consent-0123456789"),
            redirect_uri: redirect_uri.clone(),
            choose_account: false,
            inputs: inputs.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        };
        let begun = self.provider.begin_connect(self.cx("begin-connect"), request).await;
        let mut step = self.see("begin-connect", begun)?;
        for _ in 0..CIRCLE {
            let (session, callback) = match step {
                ConnectStep::Connected(accounts) => {
                    let account = accounts.into_iter().next();
                    return account.ok_or_else(|| answered("no account came of it".to_owned()));
                }
                ConnectStep::Redirect { url, session, .. } => {
                    let callback = self.callback(&url, &redirect_uri).await.map_err(answered)?;
                    (session, callback)
                }
                ConnectStep::Ask { prompt, session, .. } => {
                    let mut answers = Vec::new();
                    for field in &prompt.fields {
                        let Some(answer) = description.connect.answers.get(&field.name) else {
                            return Err(answered(format!(
                                "the description does not answer `{}`",
                                field.name
                            )));
                        };
                        if field.kind == "secret" {
                            self.secret(answer);
                        }
                        answers.push((field.name.clone(), answer.clone()));
                    }
                    (session, answers)
                }
            };
            let next = self.provider.complete_connect(self.cx("complete-connect"), &session, callback).await;
            step = self.see("complete-connect", next)?;
        }
        Err(answered("the consent goes round in a circle".to_owned()))
    }

    /// What the platform's page sends back: now, or when it was recorded.
    async fn callback(&self, url: &str, redirect_uri: &str) -> Result<Vec<(String, String)>, String> {
        match &self.tape {
            None => self.browse(url, redirect_uri).await,
            Some(tape) => {
                let live = match tape.is_player() {
                    true => None,
                    false => Some(self.browse(url, redirect_uri).await?),
                };
                tape.callback(live).ok_or_else(|| "the recording has no consent for this page".to_owned())
            }
        }
    }

    /// Follows a page of the platform to the callback, as a browser of somebody who agrees to everything.
    async fn browse(&self, url: &str, redirect_uri: &str) -> Result<Vec<(String, String)>, String> {
        let mut address = Url::parse(url).map_err(|error| format!("{url} is no address: {error}"))?;
        for _ in 0..CIRCLE {
            let address_here = self.egress.map_url(&address);
            let next = self.wire.redirected(address_here.as_str()).await?;
            let Some(next) = next else {
                return Err(format!(
                    "{} asks a person; the test server must consent by itself",
                    address.path()
                ));
            };
            address = address.join(&next).map_err(|error| format!("{next} is no address: {error}"))?;
            if address.as_str().starts_with(redirect_uri) {
                let query = address.query_pairs();
                return Ok(query.map(|(name, value)| (name.into_owned(), value.into_owned())).collect());
            }
        }
        Err("the platform's pages go round in a circle".to_owned())
    }
}
