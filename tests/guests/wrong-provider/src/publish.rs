//! Publishing a text, by a key of its own or once.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use social_channel_provider::channel::{
    Effect, NextStep, Post, PostKind, Publication, PublishForm, PublishStep, PublishedPost,
};
use social_channel_provider::storage::{Change, update};
use social_channel_provider::{
    Account, Environment, Error, ErrorKind, Field, Finding, HostEnvironment, Severity, TextLimit,
};

use crate::breaks;
use crate::network::{Session, post as send, records};

const LONGEST: usize = 300;

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Stage {
    Mark,
    Post,
    Look,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct State {
    key: String,
    stage: Stage,
}

impl State {
    pub(crate) fn new() -> Self {
        let random = HostEnvironment.random(8);
        let key = random.iter().fold(String::new(), |key, byte| format!("{key}{byte:02x}"));
        State { key, stage: Stage::Post }
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes)
            .map_err(|_| Error::new(ErrorKind::Unsupported, "The state is of another version."))
    }

    fn step(&self, next: NextStep) -> PublishStep {
        PublishStep::new(serde_json::to_vec(self).unwrap(), "checking", next)
    }

    fn published(&self, uri: &str) -> PublishStep {
        let publication = Publication::of(PublishedPost::public(Some(uri.to_owned()), None));
        PublishStep { publication, ..self.step(NextStep::Published(None)) }
    }
}

fn is_once() -> bool {
    HostEnvironment.setting("way").ok().flatten().is_some_and(|way| way == "once")
}

fn announced() -> Effect {
    if breaks("effect-is-announced") {
        Effect::Safe
    } else if is_once() {
        Effect::Once
    } else {
        Effect::Idempotent
    }
}

pub(crate) fn form(session: &Session) -> PublishForm {
    let limits = vec![TextLimit::at_most(LONGEST as u32, "code-points")];
    PublishForm {
        kinds: vec![PostKind::new("text", "Text", Vec::new())],
        fields: vec![Field { required: true, limits, ..Field::new("text", "Text", "multiline") }],
        ..PublishForm::new(session.handle.clone())
    }
}

pub(crate) fn check(post: &Post, media: usize) -> Vec<Finding> {
    let length = post.text.as_deref().unwrap_or_default().chars().count();
    let too_long = length > LONGEST && !breaks("forms-and-checks-agree");
    let mut findings = Vec::new();
    for (wrong, subject) in [
        (post.kind != "text", "kind"),
        (length == 0 || too_long, "text"),
        (media > 0, "media"),
        (!post.options.is_empty(), "options"),
        (post.title.is_some() || post.visibility.is_some() || !post.parts.is_empty(), "post"),
    ] {
        if wrong {
            findings.push(Finding::new(Severity::Error, subject, format!("The {subject} cannot be posted.")));
        }
    }
    findings
}

pub(crate) async fn begin(session: &Session, post: &Post, media: usize) -> Result<PublishStep, Error> {
    if let Some(finding) = check(post, media).into_iter().next() {
        return Err(Error::new(ErrorKind::InvalidRequest, finding.message).field(finding.subject));
    }
    let mut state = State::new();
    if breaks("begin-has-no-effect") {
        put(session, post, &state).await?;
        state.stage = Stage::Look;
    }
    if breaks("publish-resumes") {
        state.stage = Stage::Mark;
        return Ok(state.step(NextStep::Proceed(Effect::Safe)));
    }
    Ok(state.step(NextStep::Proceed(announced())))
}

fn record(post: &Post, state: &State) -> Value {
    json!({
        "$type": "app.bsky.feed.post",
        "text": post.text,
        "createdAt": "2026-11-30T00:00:00Z",
        "tags": [state.key],
    })
}

async fn put(session: &Session, post: &Post, state: &State) -> Result<String, Error> {
    let record = record(post, state);
    let create = is_once() || breaks("idempotent-repeats");
    let mut body = json!({"repo": session.did, "collection": "app.bsky.feed.post", "record": record});
    if let Some(body) = body.as_object_mut().filter(|_| !create) {
        body.insert("rkey".to_owned(), json!(state.key));
    }
    let name = if create { "com.atproto.repo.createRecord" } else { "com.atproto.repo.putRecord" };
    let answer = send(name, Some(&session.access), Some(&body)).await.map_err(|error| error.of_effect())?;
    let uri = answer.get("uri").and_then(Value::as_str);
    uri.map(str::to_owned)
        .ok_or_else(|| Error::new(ErrorKind::OutcomeUnknown, "The answer has another form."))
}

/// The post of this publish, if it is out.
async fn find(session: &Session, state: &State) -> Result<Option<String>, Error> {
    let (records, _) = records(session, 100, None).await?;
    let own = |record: &&Value| record.pointer("/value/tags/0").and_then(Value::as_str) == Some(&state.key);
    Ok(records.iter().find(own).and_then(|record| record.get("uri")?.as_str().map(str::to_owned)))
}

pub(crate) async fn go_on(
    account: &Account,
    post: &Post,
    mut state: State,
    interrupted: bool,
) -> Result<PublishStep, Error> {
    let rejected = || Error::new(ErrorKind::Rejected, "The network does not want it.");
    let session = Session::read(account)?;
    match state.stage {
        Stage::Mark => {
            let key = format!("begun/{}", state.key);
            let is_new = update(&HostEnvironment, &key, |bytes| match bytes {
                Some(_) => Change::Keep(false),
                None => Change::Write(b"begun".to_vec(), None, true),
            })
            .await;
            if !is_new.unwrap_or_default() {
                return Ok(state.step(NextStep::Failed(rejected())));
            }
            state.stage = Stage::Post;
            Ok(state.step(NextStep::Proceed(announced())))
        }
        Stage::Post => {
            if breaks("publishes") {
                return Ok(state.step(NextStep::Failed(rejected())));
            }
            if breaks("steps-are-bounded") {
                for _ in 0..5 {
                    find(&session, &state).await?;
                }
            }
            if interrupted
                && is_once()
                && !breaks("interrupted-is-honoured")
                && let Some(uri) = find(&session, &state).await?
            {
                return Ok(match breaks("endings-are-true") {
                    true => state.step(NextStep::Failed(rejected())),
                    false => state.published(&uri),
                });
            }
            let uri = put(&session, post, &state).await?;
            if breaks("posts-once") {
                state.stage = Stage::Look;
                return Ok(state.step(NextStep::Proceed(Effect::Safe)));
            }
            Ok(state.published(&uri))
        }
        Stage::Look => match find(&session, &state).await {
            Ok(Some(uri)) => Ok(state.published(&uri)),
            Err(_) if breaks("posts-once") => {
                // As if nothing had been posted: with another key.
                let state = State::new();
                Ok(state.step(NextStep::Proceed(announced())))
            }
            Ok(None) => Ok(state.step(NextStep::Failed(rejected()))),
            Err(error) => Err(error),
        },
    }
}

pub(crate) async fn cancel(account: &Account, state: State) -> Result<PublishStep, Error> {
    let session = Session::read(account)?;
    match find(&session, &state).await? {
        Some(uri) if !breaks("cancel-is-true") => Ok(state.published(&uri)),
        _ => Ok(state.step(NextStep::Cancelled)),
    }
}
