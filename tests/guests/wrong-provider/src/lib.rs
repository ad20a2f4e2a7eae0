//! A provider that breaks one rule of the contract.
//!
//! The setting `behaviour` has the id of the rule that it breaks; without it, it keeps them all. The setting `way` says how
//! it posts: `idempotent`, by a key of its own, or `once`. What a description says cannot depend on settings, so two marks
//! in the component's data can be patched: the id `wrong-provider`, and `ABILITY=flown`.
//!
//! Its network is the one of `tests/conformance`, at `https://api.wrong.example`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::result_large_err,
    missing_docs,
    reason = "a test guest, whose faults are its purpose"
)]

mod network;
mod publish;

use std::hint::black_box;

use social_channel_provider::bindings::social::channel::media::Item;
use social_channel_provider::channel::{
    ConnectRequest, ConnectStep, Connection, Descriptor, Guest, ListQuery, Metric, Post, PostPage,
    PostSummary, Profile, PublishForm, PublishStep, Resume, Stats,
};
use social_channel_provider::{
    Account, Environment, Error, ErrorKind, Field, Finding, HostEnvironment, webhooks,
};

use network::{Session, get, post};

pub struct WrongProvider;

#[cfg(target_family = "wasm")]
social_channel_provider::export_channel!(WrongProvider);
#[cfg(target_family = "wasm")]
social_channel_provider::export_webhooks!(WrongProvider);

static ABILITY: &str = "ABILITY=flown";

pub(crate) fn breaks(rule: &str) -> bool {
    HostEnvironment.setting("behaviour").ok().flatten().is_some_and(|behaviour| behaviour == rule)
}

fn summary(record: &serde_json::Value) -> Option<PostSummary> {
    let uri = record.get("uri")?.as_str()?;
    let text = record.pointer("/value/text")?.as_str()?;
    Some(PostSummary { text: Some(text.to_owned()), ..PostSummary::new(uri, "text") })
}

impl Guest for WrongProvider {
    fn describe() -> Descriptor {
        let mut abilities: Vec<String> = ["profile", "stats", "list", "publish"].map(str::to_owned).to_vec();
        let mark = black_box(ABILITY).trim_start_matches("ABILITY=");
        if mark != "flown" {
            abilities.push(mark.to_owned());
        }
        let name = if breaks("describe-is-pure") { "Wrong today" } else { "Wrong" };
        Descriptor {
            abilities,
            settings: vec![Field::new("behaviour", "Behaviour", "text"), Field::new("way", "Way", "text")],
            connect_inputs: vec![
                Field { required: true, ..Field::new("handle", "Handle", "text") },
                Field { required: true, ..Field::new("password", "Password", "secret") },
            ],
            origins: vec![network::ORIGIN.to_owned()],
            ..Descriptor::new(black_box("wrong-provider"), name, env!("CARGO_PKG_VERSION"))
        }
    }

    async fn begin_connect(request: ConnectRequest) -> Result<ConnectStep, Error> {
        let input = |name: &str| request.inputs.iter().find(|(own, _)| own == name).map(|(_, value)| value);
        let (Some(handle), Some(password)) = (input("handle"), input("password")) else {
            return Err(Error::new(ErrorKind::InvalidRequest, "Handle and password are needed."));
        };
        let body = serde_json::json!({"identifier": handle, "password": password});
        let session = post("com.atproto.server.createSession", None, Some(&body))
            .await
            .map_err(|error| error.to_error(&[("AuthenticationRequired", ErrorKind::AuthorizationDenied)]))?;
        let connection = Session::of(&session)?.connection();
        let none = breaks("connects");
        Ok(ConnectStep::Connected(if none { Vec::new() } else { vec![connection] }))
    }

    async fn complete_connect(_: Vec<u8>, _: Vec<(String, String)>) -> Result<ConnectStep, Error> {
        Err(Error::new(ErrorKind::Unsupported, "Connecting takes one step."))
    }

    async fn refresh_credentials(account: Account) -> Result<Connection, Error> {
        let session = Session::read(&account)?;
        let fresh = post("com.atproto.server.refreshSession", Some(&session.refresh), None).await;
        let fresh = fresh.map_err(|error| error.to_error(&[("ExpiredToken", ErrorKind::Unauthorized)]))?;
        let mut connection = Session::of(&fresh)?.connection();
        if breaks("credentials-round-trip") {
            connection.account.id.push_str("-again");
        }
        Ok(connection)
    }

    async fn disconnect(_: Account) -> Result<(), Error> {
        if breaks("declared-origins") {
            network::elsewhere("https://tracker.example/gone").await?;
        }
        Ok(())
    }

    async fn get_profile(account: Account) -> Result<Profile, Error> {
        if breaks("no-traps") {
            let _: Session = serde_json::from_slice(&account.credentials).unwrap();
        }
        let session = Session::read(&account)?;
        if breaks("nothing-leaks") {
            eprintln!("asking with {}", session.access);
        }
        let query = format!("?actor={}", session.did);
        let profile = get("app.bsky.actor.getProfile", &query, &session).await?;
        let name = profile.get("displayName").and_then(|it| it.as_str()).ok_or_else(network::other_form)?;
        let bio = breaks("sizes-hold").then(|| "x".repeat(70_000));
        Ok(Profile { bio, ..Profile::new(session.did.clone(), name) })
    }

    async fn get_stats(account: Account) -> Result<Stats, Error> {
        let session = Session::read(&account)?;
        let posts = network::records(&session, 100, None).await?.0.len() as u64;
        Ok(Stats::new(vec![Metric::new("posts", posts)]))
    }

    async fn list_posts(account: Account, query: ListQuery) -> Result<PostPage, Error> {
        let session = Session::read(&account)?;
        let round = breaks("pages-end");
        let cursor = query.cursor.filter(|_| !round);
        let (records, next) =
            network::records(&session, query.limit.clamp(1, 100), cursor.as_deref()).await?;
        let next = if round { Some("again".to_owned()) } else { next };
        Ok(PostPage::new(records.iter().filter_map(summary).collect(), next))
    }

    async fn get_posts(account: Account, ids: Vec<String>) -> Result<Vec<PostSummary>, Error> {
        let session = Session::read(&account)?;
        let (records, _) = network::records(&session, 100, None).await?;
        Ok(records.iter().filter_map(summary).filter(|post| ids.contains(&post.id)).collect())
    }

    async fn get_publish_form(account: Account) -> Result<PublishForm, Error> {
        Ok(publish::form(&Session::read(&account)?))
    }

    async fn check_post(_: Account, post: Post, media: Vec<Item>) -> Result<Vec<Finding>, Error> {
        Ok(publish::check(&post, media.len()))
    }

    async fn begin_publish(account: Account, post: Post, media: Vec<Item>) -> Result<PublishStep, Error> {
        publish::begin(&Session::read(&account)?, &post, media.len()).await
    }

    async fn continue_publish(
        account: Account,
        post: Post,
        state: Vec<u8>,
        _: Vec<Item>,
        resume: Resume,
    ) -> Result<PublishStep, Error> {
        let state = match publish::State::read(&state) {
            Err(_) if breaks("foreign-state") => publish::State::new(),
            state => state?,
        };
        publish::go_on(&account, &post, state, resume.interrupted).await
    }

    async fn cancel_publish(
        account: Account,
        _: Post,
        state: Vec<u8>,
        _: Resume,
    ) -> Result<PublishStep, Error> {
        publish::cancel(&account, publish::State::read(&state)?).await
    }
}

impl webhooks::Guest for WrongProvider {
    async fn receive(_: webhooks::Request) -> Result<webhooks::Receipt, Error> {
        if !breaks("unsigned-webhooks") {
            return Err(Error::new(ErrorKind::Forbidden, "It is not signed."));
        }
        let removed = webhooks::AccountRemoved { account_id: "1".to_owned(), at: 0, reason: None };
        let delivery = webhooks::Delivery::new("1", webhooks::Event::AccountRemoved(removed));
        Ok(webhooks::Receipt { deliveries: vec![delivery], response: None })
    }
}
