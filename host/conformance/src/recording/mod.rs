//! Record and replay: what a test server answered to a provider, in one file, and another version run against that file.
//!
//! [`record`] drives a provider once over its test server, undisturbed: it connects, reads, fills a form and publishes.
//! [`replay`] drives another component the same way over the recorded answers, with the same clock and random numbers, and
//! says where it asks or answers otherwise. A recording holds no secrets: values that are named or used as one are replaced,
//! the same everywhere, and of a request stands only its form.

mod journey;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use social_channel_runtime::clock::{Clock as _, SystemClock, rfc3339};
use social_channel_runtime::model::Post;
use social_channel_runtime::net::ConnectTo;
use social_channel_runtime::{Engine, Error, ErrorKind, Provider, Result};

use crate::description::{App, Connect, Description, Publish, Server};
use crate::stage::Stage;
use crate::tape::{self, Body, Difference, Exchange, Form, Part, Secrets, Tape};

/// The form of the file. A reader refuses one that it does not know.
const FORM: u32 = 1;
/// Media of a recording, together: it is a file that people keep beside their tests.
const MEDIA: u64 = 8 << 20;

/// A recording: one document of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    recording: u32,
    /// Name and version of what was recorded.
    pub provider: String,
    /// When.
    pub recorded_at: String,
    connect_to: Vec<ConnectTo>,
    redirect_uri: String,
    settings: BTreeMap<String, String>,
    inputs: BTreeMap<String, String>,
    answers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post: Option<Post>,
    /// Names and contents, in base64.
    media: Vec<(String, String)>,
    parts: Vec<Part>,
}

/// What a replay found.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// Name and version of what was recorded.
    pub recorded: String,
    /// Name and version of what was replayed.
    pub provider: String,
    /// Parts that were replayed, in order.
    pub parts: Vec<String>,
    /// Where the two differ, in words; empty: they do the same.
    pub differences: Vec<Difference>,
}

impl Recording {
    /// Reads the file of a recording.
    ///
    /// # Errors
    /// `InvalidArgument` if it cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(ErrorKind::InvalidArgument, format!("{}: {why}", path.display())).with_remedy(
                "Make a recording with `providers test FILE --server DESCRIPTION --record RECORDING`.",
            )
        };
        let text = std::fs::read(path).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
        let recording: Recording = serde_json::from_slice(&text)
            .map_err(|error| wrong(format!("it is no recording that is known here: {error}")))?;
        if recording.recording != FORM {
            return Err(wrong(format!("its form is {}, and known here is {FORM}", recording.recording)));
        }
        Ok(recording)
    }

    /// Every part with its exchanges and what the provider wrote to standard error, for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            text.push_str(&format!("{}\n", part.name));
            for Exchange { request: Form { method, url, .. }, status, body, .. } in &part.exchanges {
                let (Body::Text(body) | Body::Base64(body)) = body;
                text.push_str(&format!("    {method} {url}: {status}, {} bytes\n", body.len()));
            }
            for line in part.printed.iter().flat_map(|text| text.lines()) {
                text.push_str(&format!("    stderr: {line}\n"));
            }
        }
        text
    }

    /// As its file.
    #[must_use]
    pub fn document(&self) -> String {
        let mut document = serde_json::to_string_pretty(self).unwrap_or_default();
        document.push('\n');
        document
    }

    /// What the journey needs to know, and the folder with its media.
    fn description(&self, folder: &Path) -> Result<Description> {
        let mut media = Vec::new();
        for (name, content) in &self.media {
            // A name of a recording that somebody made is no path out of the folder.
            let name = Path::new(name).file_name().unwrap_or_default();
            let content = tape::decoded(content)?;
            std::fs::write(folder.join(name), content).map_err(|error| {
                Error::new(ErrorKind::Internal, "the media of the recording cannot be written")
                    .with_source(error)
            })?;
            media.push(name.into());
        }
        let publish = self.post.clone().map(|post| Publish { post, media, requests: Vec::new(), key: None });
        Ok(Description {
            server: Server::default(),
            app: App { redirect_uri: Some(self.redirect_uri.clone()), settings: self.settings.clone() },
            connect: Connect { inputs: self.inputs.clone(), answers: self.answers.clone() },
            publish,
            count: None,
            clock: None,
            folder: folder.to_owned(),
        })
    }
}

impl Replay {
    /// For a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            let differences: Vec<_> = self.differences.iter().filter(|it| it.part == *part).collect();
            let word = if differences.is_empty() { "same" } else { "DIFFERS" };
            text.push_str(&format!("{word:8} {part}\n"));
            for difference in differences {
                text.push_str(&format!("{:8} - {}\n", "", difference.what));
            }
        }
        let (provider, recorded) = (&self.provider, &self.recorded);
        text.push_str(&match self.differences.len() {
            0 => format!("{provider} does what {recorded} did.\n"),
            1 => format!("{provider} differs from {recorded} in one place.\n"),
            many => format!("{provider} differs from {recorded} in {many} places.\n"),
        });
        text
    }
}

/// Drives a component once over its test server, and writes down what the server answered. Dropping the future ends it, and
/// the server with it.
///
/// # Errors
/// If the component cannot be loaded, the server cannot be started, or no account can be connected; `InvalidArgument` if a
/// secret is too short to be told from ordinary text, `LimitExceeded` if the media of the description are larger than 8 MiB.
pub async fn record(engine: &Engine, component: &[u8], description: &Description) -> Result<Recording> {
    let provider = Provider::load(engine, component).await?;
    let media = media(description)?;
    let tape = Arc::new(Tape::recorder());
    let stage = Stage::recording(&provider, description, tape.clone()).await?;
    let server = stage.server.clone().ok_or_else(|| Error::new(ErrorKind::Internal, "no server"))?;
    let settings = server.settings.clone();
    let mut secrets = Secrets::default();
    let descriptor = provider.descriptor();
    secrets.declared(&descriptor.settings, &settings)?;
    secrets.declared(&descriptor.connect_inputs, &description.connect.inputs)?;
    // Said only if the provider declares its fields; a wrong declaration must not let one through.
    secrets.add(settings.iter().filter(|(name, _)| tape::is_secret(name)).map(|(_, value)| value));
    journey::drive(&stage, description).await?;
    secrets.add(&stage.secrets());
    let (parts, seen) = tape.written();
    secrets.add(&seen);
    let recording = Recording {
        recording: FORM,
        provider: named(&provider),
        recorded_at: rfc3339(SystemClock.now_ms()),
        connect_to: server.policy.connect_to.clone(),
        redirect_uri: server.redirect_uri.clone(),
        settings,
        inputs: description.connect.inputs.clone(),
        answers: description.connect.answers.clone(),
        post: description.publish.as_ref().map(|publish| publish.post.clone()),
        media,
        parts,
    };
    let mut cut = secrets.cut(&recording)?;
    for (part, recorded) in cut.parts.iter_mut().zip(recording.parts) {
        part.printed = recorded.printed;
    }
    Ok(cut)
}

/// Drives a component over a recording: no network, no server, the recorded time and random numbers.
///
/// # Errors
/// If the component cannot be loaded, or the recording is damaged. What differs is in the result.
pub async fn replay(engine: &Engine, component: &[u8], recording: &Recording) -> Result<Replay> {
    let provider = Provider::load(engine, component).await?;
    let folder = tempfile::tempdir().map_err(|error| {
        Error::new(ErrorKind::Internal, "there is no room for the media of the recording").with_source(error)
    })?;
    let description = recording.description(folder.path())?;
    let tape = Arc::new(Tape::player(recording.parts.clone()));
    let stage = Stage::replaying(&provider, &description, &recording.connect_to, tape.clone()).await?;
    // What fails here is an answer like another.
    if let Err(error) = journey::drive(&stage, &description).await {
        tape.note(error.message);
    }
    let (parts, differences) = tape.compared();
    Ok(Replay { recorded: recording.provider.clone(), provider: named(&provider), parts, differences })
}

fn named(provider: &Provider) -> String {
    let descriptor = provider.descriptor();
    format!("{} {}", descriptor.name, descriptor.version)
}

/// The media of the description's post, by name.
fn media(description: &Description) -> Result<Vec<(String, String)>> {
    let mut media = Vec::new();
    let mut size = 0;
    for path in description.publish.iter().flat_map(|publish| &publish.media) {
        let path = description.folder.join(path);
        let content = std::fs::read(&path).map_err(|error| {
            crate::description::wrong(format!("{} cannot be read: {error}", path.display()))
        })?;
        size += content.len() as u64;
        if size > MEDIA {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                "the media of the post are too large for a recording",
            )
            .with_remedy("Describe a post with media of at most 8 MiB together."));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        media.push((name, tape::encoded(&content)));
    }
    Ok(media)
}
