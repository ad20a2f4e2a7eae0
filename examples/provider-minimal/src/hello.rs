//! The network "hello": accounts are names, posts are short texts in the host's storage.

use serde::{Deserialize, Serialize};
use social_channel_provider::channel::{
    ConnectRequest, ConnectStep, Connection, Descriptor, Effect, ListQuery, Metric, NextStep, Post, PostKind,
    PostPage, PostSummary, Profile, Publication, PublishForm, PublishStep, PublishedPost, Stats,
};
use social_channel_provider::storage::{Change, StorageError, update};
use social_channel_provider::{Account, Environment, Error, ErrorKind, Field, Finding, Severity, TextLimit};

/// The maximum length of a text, in code points.
const MAX_TEXT: u32 = 280;

/// All posts of an account are in one value of at most 64 KiB, which is enough for 50 texts of 280 code points.
const MAX_POSTS: usize = 50;

/// The id is chosen before the post is made, so that repeating the step does not make a second post: it is announced as
/// `idempotent`.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    id: String,
    text: String,
    created_at: u64,
}

pub(crate) fn unsupported(message: &str) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

pub(crate) fn describe() -> Descriptor {
    Descriptor {
        abilities: ["profile", "stats", "list", "publish"].map(str::to_owned).to_vec(),
        connect_inputs: vec![Field { required: true, ..Field::new("name", "Your name", "text") }],
        ..Descriptor::new("hello", "Hello", env!("CARGO_PKG_VERSION"))
    }
}

pub(crate) fn connect(request: &ConnectRequest) -> Result<ConnectStep, Error> {
    let name = request.inputs.iter().find(|(name, _)| name == "name").map(|(_, value)| value.trim());
    let Some(name) = name.filter(|name| !name.is_empty() && name.len() <= 100) else {
        return Err(
            Error::new(ErrorKind::InvalidRequest, "A name of at most 100 bytes is needed.").field("name")
        );
    };
    let account = Account { id: name.to_owned(), credentials: Vec::new(), scopes: Vec::new() };
    Ok(ConnectStep::Connected(vec![Connection::new(account, name)]))
}

pub(crate) fn profile(account: Account) -> Profile {
    Profile { username: Some(account.id.clone()), ..Profile::new(account.id.clone(), account.id) }
}

pub(crate) async fn stats<E: Environment>(environment: &E, account: &Account) -> Result<Stats, Error> {
    let posts = read(environment, account).await?.len() as u64;
    Ok(Stats::new(vec![Metric::new("posts", posts)]))
}

pub(crate) async fn list<E: Environment>(
    environment: &E,
    account: &Account,
    query: &ListQuery,
) -> Result<PostPage, Error> {
    // The cursor is the id of the last post shown.
    let posts = read(environment, account).await?;
    let newest_first = posts.iter().rev();
    let mut rest: Vec<&Stored> = match &query.cursor {
        None => newest_first.collect(),
        Some(cursor) => newest_first.skip_while(|post| post.id != *cursor).skip(1).collect(),
    };
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX).clamp(1, 20);
    let more = rest.len() > limit;
    rest.truncate(limit);
    let next = rest.last().filter(|_| more).map(|post| post.id.clone());
    Ok(PostPage::new(rest.into_iter().map(summary).collect(), next))
}

pub(crate) async fn get<E: Environment>(
    environment: &E,
    account: &Account,
    ids: &[String],
) -> Result<Vec<PostSummary>, Error> {
    let posts = read(environment, account).await?;
    Ok(posts.iter().filter(|post| ids.contains(&post.id)).map(summary).collect())
}

pub(crate) fn form(account: Account) -> PublishForm {
    let limits = vec![TextLimit::at_most(MAX_TEXT, "code-points")];
    PublishForm {
        kinds: vec![PostKind::new("text", "Text", Vec::new())],
        fields: vec![Field { required: true, limits, ..Field::new("text", "Text", "multiline") }],
        ..PublishForm::new(account.id)
    }
}

pub(crate) fn check(post: &Post, media: usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut refuse = |subject: &str, message: &str| {
        findings.push(Finding::new(Severity::Error, subject, message));
    };
    if post.kind != "text" {
        refuse("kind", "Only texts can be posted.");
    }
    match post.text.as_deref().map(|text| text.chars().count()) {
        None | Some(0) => refuse("text", "There is no text."),
        Some(length) if length > MAX_TEXT as usize => {
            refuse("text", "The text is longer than 280 characters.")
        }
        Some(_) => {}
    }
    if media > 0 {
        refuse("media", "Texts take no media.");
    }
    // Unsupported members are refused by name, never ignored.
    if post.title.is_some() {
        refuse("title", "Texts have no title.");
    }
    if post.visibility.is_some() {
        refuse("visibility", "Everybody sees every text.");
    }
    if !post.parts.is_empty() {
        refuse("parts", "There are no threads.");
    }
    for option in &post.options {
        refuse(&option.name, "There is no such option.");
    }
    findings
}

pub(crate) fn begin<E: Environment>(
    environment: &E,
    post: &Post,
    media: usize,
) -> Result<PublishStep, Error> {
    if let Some(finding) = check(post, media).into_iter().next() {
        return Err(Error::new(ErrorKind::InvalidRequest, finding.message).field(finding.subject));
    }
    let random = environment.random(8);
    let id = random.iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
    let stored = Stored { id, text: post.text.clone().unwrap_or_default(), created_at: environment.now() };
    let state = serde_json::to_vec(&stored).unwrap_or_default();
    Ok(step(state, "checking", NextStep::Proceed(Effect::Idempotent)))
}

pub(crate) async fn publish<E: Environment>(
    environment: &E,
    account: &Account,
    state: &[u8],
) -> Result<PublishStep, Error> {
    let post = decode_state(state)?;
    let id = post.id.clone();
    update(environment, &key(account), |bytes| {
        let mut posts = decode(bytes);
        if posts.iter().any(|known| known.id == post.id) {
            return Change::Keep(());
        }
        posts.push(post.clone());
        let extra = posts.len().saturating_sub(MAX_POSTS);
        posts.drain(..extra);
        Change::Write(serde_json::to_vec(&posts).unwrap_or_default(), None, ())
    })
    .await
    .map_err(storage_error)?;
    let publication = Publication::of(PublishedPost::public(Some(id), None));
    Ok(PublishStep { publication, ..step(state.to_vec(), "published", NextStep::Published(None)) })
}

/// The step may have been interrupted after its write, so its post is removed.
pub(crate) async fn cancel<E: Environment>(
    environment: &E,
    account: &Account,
    state: Vec<u8>,
) -> Result<PublishStep, Error> {
    let post = decode_state(&state)?;
    update(environment, &key(account), |bytes| {
        let mut posts = decode(bytes);
        posts.retain(|known| known.id != post.id);
        Change::Write(serde_json::to_vec(&posts).unwrap_or_default(), None, ())
    })
    .await
    .map_err(storage_error)?;
    Ok(step(state, "checking", NextStep::Cancelled))
}

fn decode_state(state: &[u8]) -> Result<Stored, Error> {
    serde_json::from_slice(state)
        .map_err(|_| unsupported("This publish was started by another version of the provider."))
}

fn step(state: Vec<u8>, phase: &str, next: NextStep) -> PublishStep {
    PublishStep::new(state, phase, next)
}

fn key(account: &Account) -> String {
    format!("posts/{}", account.id)
}

fn decode(bytes: Option<&[u8]>) -> Vec<Stored> {
    bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
}

async fn read<E: Environment>(environment: &E, account: &Account) -> Result<Vec<Stored>, Error> {
    let entry = environment.storage_get(&key(account)).await.map_err(storage_error)?;
    Ok(decode(entry.as_ref().map(|entry| entry.value.as_slice())))
}

fn storage_error(error: StorageError) -> Error {
    let kind = match error {
        StorageError::LimitExceeded => ErrorKind::QuotaExceeded,
        StorageError::Conflict | StorageError::Unavailable(_) | StorageError::Other(_) => {
            ErrorKind::Unavailable
        }
    };
    Error::new(kind, "The posts cannot be read or written at the moment.")
}

fn summary(post: &Stored) -> PostSummary {
    PostSummary {
        text: Some(post.text.clone()),
        created_at: Some(post.created_at),
        ..PostSummary::new(post.id.clone(), "text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use social_channel_provider::testing::{FakeEnvironment, run};

    fn account() -> Account {
        Account { id: "ada".to_owned(), credentials: Vec::new(), scopes: Vec::new() }
    }

    fn text(text: &str) -> Post {
        Post { text: Some(text.to_owned()), ..Post::new("text") }
    }

    fn post(environment: &FakeEnvironment, words: &str) {
        let state = begin(environment, &text(words), 0).unwrap().state;
        // Twice, as after a lost result.
        run(publish(environment, &account(), &state)).unwrap();
        run(publish(environment, &account(), &state)).unwrap();
    }

    #[test]
    fn posts_are_made_once_and_listed_newest_first() {
        let environment = FakeEnvironment::new();
        for words in ["one", "two", "three"] {
            post(&environment, words);
        }
        let texts = |page: &PostPage| page.posts.iter().filter_map(|p| p.text.clone()).collect::<Vec<_>>();
        let first = run(list(&environment, &account(), &ListQuery::new(2, None))).unwrap();
        assert_eq!(texts(&first), ["three", "two"]);
        let query = ListQuery::new(2, first.next_cursor);
        let second = run(list(&environment, &account(), &query)).unwrap();
        assert_eq!((texts(&second), second.next_cursor), (vec!["one".to_owned()], None));
        assert_eq!(run(stats(&environment, &account())).unwrap().metrics, [Metric::new("posts", 3)]);
    }

    #[test]
    fn a_cancelled_post_is_gone() {
        let environment = FakeEnvironment::new();
        let state = begin(&environment, &text("one"), 0).unwrap().state;
        run(publish(&environment, &account(), &state)).unwrap();
        let step = run(cancel(&environment, &account(), state)).unwrap();
        assert_eq!(step.next, NextStep::Cancelled);
        assert_eq!(run(stats(&environment, &account())).unwrap().metrics, [Metric::new("posts", 0)]);
    }

    #[test]
    fn what_it_lacks_is_refused_by_name() {
        let subjects = |post: &Post, media| {
            check(post, media).into_iter().map(|finding| finding.subject).collect::<Vec<_>>()
        };
        assert!(subjects(&text("hello"), 0).is_empty());
        assert_eq!(subjects(&text(""), 1), ["text", "media"]);
        assert_eq!(subjects(&text(&"x".repeat(281)), 0), ["text"]);
        assert_eq!(subjects(&Post { visibility: Some("all".to_owned()), ..text("x") }, 0), ["visibility"]);
    }
}
