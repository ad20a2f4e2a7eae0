//! The description of a test server: one document, TOML or JSON.
//!
//! ```toml
//! [server]
//! # Starts it. It prints one line of JSON when it is ready, and ends when its standard input closes. The line may have
//! # `origin`, `connect_to` and `app` (`settings`, `redirect_uri`), which this document completes. Without a command,
//! # `connect_to` says where it runs.
//! command = ["tiktok-simulator", "--port", "0", "--auto-consent", "--describe", "--until-eof"]
//! connect_to = ["https://api.example.com = {origin}"]
//! # Started again for each publish: for servers that limit how many there may be.
//! fresh = true
//!
//! [app]
//! redirect_uri = "http://127.0.0.1:9123/callback"
//! settings = { client-key = "key" }
//!
//! [connect]
//! inputs = { handle = "alice.test" }      # of `begin-connect`
//! answers = { code = "123456" }           # to its questions
//!
//! [publish]
//! post = { kind = "text", text = "Hello" }
//! media = ["video.mp4"]                   # files, from the folder of this document
//! requests = ["POST /posts/*"]            # of which a post may come; `*` is any text
//! key = "/rkey"                           # the member of their body that makes two of them the same post
//!
//! # How posts are counted. Without it: by the answered requests above, or else by `list-posts`.
//! [count]
//! url = "{origin}/_simulator/world"
//! pointer = "/posts"                      # a list, or a number
//!
//! # How the server's clock is moved. Without it, waits are waited for.
//! [clock]
//! url = "{origin}/_simulator/clock/advance"
//! member = "ms"
//! ```
//!
//! Everything is optional; `{origin}` is the server's. Requests go to this machine only: an origin that `connect_to` does
//! not map is not reached.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use social_channel_runtime::model::Post;
use social_channel_runtime::net::ConnectTo;
use social_channel_runtime::{Error, ErrorKind, Result};

/// A test server, and what to do there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Description {
    pub(crate) server: Server,
    pub(crate) app: App,
    pub(crate) connect: Connect,
    pub(crate) publish: Option<Publish>,
    pub(crate) count: Option<Count>,
    pub(crate) clock: Option<ServerClock>,
    /// Where relative paths begin.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) command: Vec<String>,
    pub(crate) origin: Option<String>,
    pub(crate) connect_to: Vec<String>,
    pub(crate) fresh: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct App {
    pub(crate) redirect_uri: Option<String>,
    pub(crate) settings: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Connect {
    pub(crate) inputs: BTreeMap<String, String>,
    pub(crate) answers: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish {
    pub(crate) post: Post,
    #[serde(default)]
    pub(crate) media: Vec<PathBuf>,
    #[serde(default)]
    pub(crate) requests: Vec<RequestPattern>,
    #[serde(default)]
    pub(crate) key: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Count {
    pub(crate) url: String,
    pub(crate) pointer: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerClock {
    pub(crate) url: String,
    /// Gets milliseconds.
    pub(crate) member: String,
}

/// `METHOD /path`, with `*` for any text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RequestPattern {
    method: String,
    path: String,
}

impl TryFrom<String> for RequestPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(' ') {
            Some((method, path)) if path.starts_with('/') => {
                Ok(RequestPattern { method: method.to_owned(), path: path.to_owned() })
            }
            _ => Err(format!("`{text}` is not of the form `POST /path`")),
        }
    }
}

impl RequestPattern {
    /// Whether a request is meant; its path is without query.
    pub(crate) fn matches(&self, method: &str, path: &str) -> bool {
        self.method == method && fits(&self.path, path)
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| fits(after, &rest[at..]))
}

/// What a server says about itself in its first line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Said {
    pub(crate) origin: Option<String>,
    pub(crate) connect_to: Vec<ConnectTo>,
    pub(crate) app: SaidApp,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SaidApp {
    pub(crate) redirect_uri: Option<String>,
    pub(crate) settings: BTreeMap<String, String>,
}

impl Description {
    /// Reads a description, TOML or JSON. `folder` is where its relative paths begin.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the place.
    pub fn parse(text: &str, folder: &Path) -> Result<Self> {
        let parsed = if text.trim_start().starts_with('{') {
            serde_json::from_str::<Description>(text).map_err(|error| error.to_string())
        } else {
            toml::from_str::<Description>(text).map_err(|error| error.to_string())
        };
        let description =
            parsed.map_err(|why| wrong(format!("the description of the test server is invalid: {why}")))?;
        Ok(Description { folder: folder.to_owned(), ..description })
    }

    /// Reads the file of a description.
    ///
    /// # Errors
    /// `InvalidArgument` if it cannot be read, or as [`Description::parse`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| wrong(format!("{} cannot be read: {error}", path.display())))?;
        // Media are opened by their whole paths.
        let folder = std::path::absolute(path).ok().and_then(|path| Some(path.parent()?.to_owned()));
        Self::parse(&text, &folder.unwrap_or_default())
    }
}

pub(crate) fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
        .with_remedy("Correct the description of the test server; docs/providers.md has its form.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_any_text_at_a_star() {
        let matches = |pattern: &str, method: &str, path: &str| {
            RequestPattern::try_from(pattern.to_owned()).unwrap().matches(method, path)
        };
        assert!(matches("POST /a", "POST", "/a"));
        assert!(!matches("POST /a", "PUT", "/a"));
        assert!(!matches("POST /a", "POST", "/a/b"));
        assert!(matches("PUT /up/*/part", "PUT", "/up/1/2/part"));
        assert!(!matches("PUT /up/*/part", "PUT", "/up/1"));
        assert!(RequestPattern::try_from("POST".to_owned()).is_err());
    }

    #[test]
    fn a_description_is_toml_or_json_and_knows_its_keys() {
        let toml = "[connect]\ninputs = { name = 'ada' }\n[publish]\npost = { kind = 'text', text = 'x' }";
        let read = Description::parse(toml, Path::new("/x")).unwrap();
        assert_eq!(read.connect.inputs["name"], "ada");
        assert_eq!(read.publish.unwrap().post.kind, "text");
        Description::parse(r#"{"server": {"fresh": true}}"#, Path::new("")).unwrap();
        let error = Description::parse("[servers]", Path::new("")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        assert!(error.message.contains("servers"), "{}", error.message);
    }
}
