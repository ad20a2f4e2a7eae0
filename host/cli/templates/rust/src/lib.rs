//! The provider `{name}`: accounts are names, posts are texts in the host's storage. Replace both by a network.

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "provider", generate_all });
}

use bindings::exports::social::channel::channel::{
    ConnectRequest, ConnectStep, Connection, Descriptor, Effect, Guest, ListQuery, NextStep, Post, PostKind,
    PostPage, PostSummary, Profile, Publication, PublishForm, PublishStep, PublishedPost, Resume, Stats,
};
use bindings::social::channel::media::Item;
use bindings::social::channel::storage::{self, SetOptions};
use bindings::social::channel::types::{Account, Error, ErrorKind, Field, Finding, Severity, TextLimit};
use bindings::wasi::random::random::get_random_bytes;
use serde::{Deserialize, Serialize};

/// The longest text, in code points.
const LONGEST: u32 = 280;

struct Provider;

bindings::export!(Provider with_types_in bindings);

/// A post. Its id is chosen before it is made, so that making it again makes no second one.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    id: String,
    text: String,
}

fn error(kind: ErrorKind, message: &str) -> Error {
    Error {
        kind,
        message: message.to_owned(),
        remedy: None,
        code: None,
        field: None,
        retry_after: None,
        trace_id: None,
        details: Vec::new(),
    }
}

fn field(name: &str, label: &str, kind: &str, limits: Vec<TextLimit>) -> Field {
    Field {
        name: name.to_owned(),
        label: label.to_owned(),
        help: None,
        kind: kind.to_owned(),
        choices: Vec::new(),
        required: true,
        default_value: None,
        limits,
        applies_to: Vec::new(),
        details: Vec::new(),
    }
}

fn findings(post: &Post, media: usize) -> Vec<Finding> {
    let length = post.text.as_deref().unwrap_or_default().chars().count();
    let mut wrong = vec![
        (post.kind != "text", "kind"),
        (length == 0 || length > LONGEST as usize, "text"),
        (media > 0, "media"),
        (post.title.is_some(), "title"),
        (post.visibility.is_some(), "visibility"),
        (!post.parts.is_empty(), "parts"),
    ];
    // What is not supported is refused by name, never ignored.
    wrong.extend(post.options.iter().map(|option| (true, option.name.as_str())));
    let wrong = wrong.into_iter().filter(|(is_wrong, _)| *is_wrong);
    wrong
        .map(|(_, subject)| Finding {
            severity: Severity::Error,
            subject: subject.to_owned(),
            message: format!("This {subject} cannot be posted."),
            remedy: None,
            code: None,
            details: Vec::new(),
        })
        .collect()
}

fn step(state: Vec<u8>, phase: &str, next: NextStep, posts: Vec<PublishedPost>) -> PublishStep {
    PublishStep {
        state,
        reference: None,
        phase: phase.to_owned(),
        bytes_sent: 0,
        bytes_total: 0,
        publication: Publication { posts, findings: Vec::new(), details: Vec::new() },
        next,
        details: Vec::new(),
    }
}

fn decoded(state: &[u8]) -> Result<Stored, Error> {
    serde_json::from_slice(state)
        .map_err(|_| error(ErrorKind::Unsupported, "This publish was begun by another version."))
}

async fn posts(account: &Account) -> Result<(Vec<Stored>, u64), Error> {
    let entry = storage::get(account.id.clone()).await;
    let entry = entry.map_err(|_| error(ErrorKind::Unavailable, "The posts cannot be read now."))?;
    Ok(entry.map_or_else(Default::default, |entry| {
        (serde_json::from_slice(&entry.value).unwrap_or_default(), entry.version)
    }))
}

/// Changes the posts, unless another call has changed them meanwhile: then it is asked to come again.
async fn change(account: &Account, change: impl FnOnce(&mut Vec<Stored>)) -> Result<(), Error> {
    let (mut all, version) = posts(account).await?;
    change(&mut all);
    let options = SetOptions { if_version: Some(version), ttl: None };
    let value = serde_json::to_vec(&all).unwrap_or_default();
    let set = storage::set(account.id.clone(), value, options).await;
    set.map(|_| ()).map_err(|_| error(ErrorKind::Unavailable, "The posts cannot be written now."))
}

impl Guest for Provider {
    fn describe() -> Descriptor {
        Descriptor {
            id: "{name}".to_owned(),
            name: "{name}".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            abilities: vec!["profile".to_owned(), "list".to_owned(), "publish".to_owned()],
            settings: Vec::new(),
            connect_inputs: vec![field("name", "Your name", "text", Vec::new())],
            scopes: Vec::new(),
            // Requests go to these only: `https://api.example.com`.
            origins: Vec::new(),
            details: Vec::new(),
        }
    }

    async fn begin_connect(request: ConnectRequest) -> Result<ConnectStep, Error> {
        let name = request.inputs.into_iter().find(|(name, _)| name == "name").map(|(_, value)| value);
        let Some(name) = name.filter(|name| !name.is_empty() && name.len() <= 100) else {
            return Err(error(ErrorKind::InvalidRequest, "A name of at most 100 bytes is needed."));
        };
        Ok(ConnectStep::Connected(vec![Connection {
            account: Account { id: name.clone(), credentials: Vec::new(), scopes: Vec::new() },
            display_name: name.clone(),
            username: Some(name),
            avatar_url: None,
            kind: None,
            parent_id: None,
            grant: None,
            expires_at: None,
            refresh_expires_at: None,
            missing_scopes: Vec::new(),
            details: Vec::new(),
        }]))
    }

    async fn complete_connect(_: Vec<u8>, _: Vec<(String, String)>) -> Result<ConnectStep, Error> {
        Err(error(ErrorKind::Unsupported, "Connecting needs no browser."))
    }

    async fn refresh_credentials(_: Account) -> Result<Connection, Error> {
        Err(error(ErrorKind::Unsupported, "The credentials never expire."))
    }

    async fn disconnect(_: Account) -> Result<(), Error> {
        Ok(())
    }

    async fn get_profile(account: Account) -> Result<Profile, Error> {
        Ok(Profile {
            id: account.id.clone(),
            username: None,
            display_name: account.id,
            bio: None,
            url: None,
            avatar_url: None,
            verified: None,
            details: Vec::new(),
        })
    }

    async fn get_stats(_: Account) -> Result<Stats, Error> {
        Err(error(ErrorKind::Unsupported, "There are no numbers."))
    }

    async fn list_posts(account: Account, query: ListQuery) -> Result<PostPage, Error> {
        let (all, _) = posts(&account).await?;
        let newest = all.iter().rev();
        let mut rest: Vec<&Stored> = match &query.cursor {
            None => newest.collect(),
            Some(cursor) => newest.skip_while(|post| post.id != *cursor).skip(1).collect(),
        };
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX).clamp(1, 50);
        let more = rest.len() > limit;
        rest.truncate(limit);
        let next_cursor = rest.last().filter(|_| more).map(|post| post.id.clone());
        Ok(PostPage { posts: rest.into_iter().map(summary).collect(), next_cursor, details: Vec::new() })
    }

    async fn get_posts(account: Account, ids: Vec<String>) -> Result<Vec<PostSummary>, Error> {
        let (all, _) = posts(&account).await?;
        Ok(all.iter().filter(|post| ids.contains(&post.id)).map(summary).collect())
    }

    async fn get_publish_form(account: Account) -> Result<PublishForm, Error> {
        let limit =
            TextLimit { minimum: None, maximum: Some(LONGEST), unit: "code-points".to_owned(), link_length: None };
        let kind = PostKind {
            name: "text".to_owned(),
            label: "Text".to_owned(),
            min_media: 0,
            max_media: 0,
            media: Vec::new(),
            max_parts: 0,
            details: Vec::new(),
        };
        Ok(PublishForm {
            account_name: account.id,
            account_avatar_url: None,
            kinds: vec![kind],
            fields: vec![field("text", "Text", "multiline", vec![limit])],
            rules: Vec::new(),
            quotas: Vec::new(),
            blocked: None,
            details: Vec::new(),
        })
    }

    async fn check_post(_: Account, post: Post, media: Vec<Item>) -> Result<Vec<Finding>, Error> {
        Ok(findings(&post, media.len()))
    }

    async fn begin_publish(_: Account, post: Post, media: Vec<Item>) -> Result<PublishStep, Error> {
        if let Some(finding) = findings(&post, media.len()).into_iter().next() {
            let refused = error(ErrorKind::InvalidRequest, &finding.message);
            return Err(Error { field: Some(finding.subject), ..refused });
        }
        let id = get_random_bytes(8).iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
        let stored = Stored { id, text: post.text.unwrap_or_default() };
        let state = serde_json::to_vec(&stored).unwrap_or_default();
        Ok(step(state, "publishing", NextStep::Proceed(Effect::Idempotent), Vec::new()))
    }

    async fn continue_publish(
        account: Account,
        _: Post,
        state: Vec<u8>,
        _: Vec<Item>,
        _: Resume,
    ) -> Result<PublishStep, Error> {
        let post = decoded(&state)?;
        change(&account, |all| {
            if all.iter().all(|known| known.id != post.id) {
                all.push(post.clone());
                // A value of the storage has at most 64 KiB.
                let extra = all.len().saturating_sub(50);
                all.drain(..extra);
            }
        })
        .await?;
        let out = PublishedPost {
            id: Some(post.id),
            url: None,
            role: "post".to_owned(),
            state: "public".to_owned(),
            public_at: None,
            details: Vec::new(),
        };
        Ok(step(state, "published", NextStep::Published(None), vec![out]))
    }

    async fn cancel_publish(account: Account, _: Post, state: Vec<u8>, _: Resume) -> Result<PublishStep, Error> {
        let post = decoded(&state)?;
        change(&account, |all| all.retain(|known| known.id != post.id)).await?;
        Ok(step(state, "cancelled", NextStep::Cancelled, Vec::new()))
    }
}

fn summary(post: &Stored) -> PostSummary {
    PostSummary {
        id: post.id.clone(),
        kind: "text".to_owned(),
        title: None,
        text: Some(post.text.clone()),
        url: None,
        embed_url: None,
        thumbnail_url: None,
        created_at: None,
        media: Vec::new(),
        metrics: Vec::new(),
        details: Vec::new(),
    }
}
