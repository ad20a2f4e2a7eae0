//! Bluesky as a Social Channel provider: profile, numbers, posts, and publishing of texts, pictures, videos, links and
//! threads; connected by app password or by OAuth (PAR, PKCE, DPoP).
//!
//! This file connects the component's world with the modules below, which are plain Rust and tested natively.
//! It contains no logic.
#![allow(clippy::result_large_err, reason = "the error record is the contract's, and errors are rare")]

mod check;
mod connect;
mod credentials;
mod dpop;
mod errors;
mod feed;
mod form;
mod guide;
mod identity;
mod key;
mod links;
mod oauth;
mod parts;
mod password;
mod profile;
mod publish;
mod record;
mod secret;
mod settings;
mod text;
mod xrpc;

use social_channel_provider::bindings::social::channel::media::Item;
use social_channel_provider::channel::{
    ConnectRequest, ConnectStep, Connection, Descriptor, Guest, ListQuery, Post, PostPage, PostSummary,
    Profile, PublishForm, PublishStep, Resume, Scope, Stats,
};
use social_channel_provider::{Account, Error, Finding, HostEnvironment, Media, Severity, diagnostics};

/// The provider.
pub struct Bluesky;

impl Guest for Bluesky {
    fn describe() -> Descriptor {
        describe()
    }

    async fn begin_connect(request: ConnectRequest) -> Result<ConnectStep, Error> {
        connect::begin(&HostEnvironment, &request).await
    }

    async fn complete_connect(
        session: Vec<u8>,
        callback: Vec<(String, String)>,
    ) -> Result<ConnectStep, Error> {
        let connection = oauth::complete(&HostEnvironment, &session, &callback).await?;
        Ok(ConnectStep::Connected(vec![connection]))
    }

    async fn refresh_credentials(account: Account) -> Result<Connection, Error> {
        connect::refresh(&HostEnvironment, account).await
    }

    async fn disconnect(account: Account) -> Result<(), Error> {
        connect::disconnect(&HostEnvironment, &account).await
    }

    async fn get_profile(account: Account) -> Result<Profile, Error> {
        profile::get(&HostEnvironment, &account).await
    }

    async fn get_stats(account: Account) -> Result<Stats, Error> {
        profile::stats(&HostEnvironment, &account).await
    }

    async fn list_posts(account: Account, query: ListQuery) -> Result<PostPage, Error> {
        feed::list(&HostEnvironment, &account, &query).await
    }

    async fn get_posts(account: Account, ids: Vec<String>) -> Result<Vec<PostSummary>, Error> {
        feed::get(&HostEnvironment, &account, &ids).await
    }

    async fn get_publish_form(account: Account) -> Result<PublishForm, Error> {
        form::get(&account)
    }

    async fn check_post(account: Account, post: Post, media: Vec<Item>) -> Result<Vec<Finding>, Error> {
        let infos: Vec<_> = media.iter().map(Media::info).collect();
        let mut findings = check::alone(&post, &infos);
        if findings.iter().all(|finding| finding.severity != Severity::Error) {
            let caller = xrpc::Caller::new(&HostEnvironment, &account)?;
            findings.extend(check::people(&caller, &post).await?.1);
        }
        Ok(findings)
    }

    async fn begin_publish(account: Account, post: Post, media: Vec<Item>) -> Result<PublishStep, Error> {
        let infos: Vec<_> = media.iter().map(Media::info).collect();
        publish::begin(&HostEnvironment, &account, &post, &infos).await
    }

    async fn continue_publish(
        account: Account,
        post: Post,
        state: Vec<u8>,
        media: Vec<Item>,
        resume: Resume,
    ) -> Result<PublishStep, Error> {
        publish::advance(&HostEnvironment, &account, &post, &state, &media, &resume).await
    }

    async fn cancel_publish(
        account: Account,
        post: Post,
        state: Vec<u8>,
        resume: Resume,
    ) -> Result<PublishStep, Error> {
        publish::cancel(&HostEnvironment, &account, &post, &state, &resume).await
    }
}

impl diagnostics::Guest for Bluesky {
    async fn check_settings(addresses: diagnostics::Addresses) -> Result<Vec<Finding>, Error> {
        Ok(guide::check(&HostEnvironment, &addresses).await)
    }

    fn guide(addresses: diagnostics::Addresses) -> Vec<diagnostics::GuideStep> {
        guide::guide(&HostEnvironment, &addresses)
    }
}

/// The component's own symbols; a native library does not need them.
#[cfg(target_family = "wasm")]
mod component {
    use super::Bluesky;
    use social_channel_provider::{display_name, export_channel, export_diagnostics};

    export_channel!(Bluesky);
    export_diagnostics!(Bluesky);
    display_name!("Bluesky");
}

/// The description of this provider.
#[must_use]
pub fn describe() -> Descriptor {
    let owned = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
    let scope = |name: &str, purpose: &str, abilities: &[&str]| Scope {
        name: name.to_owned(),
        purpose: purpose.to_owned(),
        abilities: owned(abilities),
    };
    Descriptor {
        abilities: owned(&["profile", "stats", "list", "publish"]),
        settings: settings::describe(),
        connect_inputs: connect::inputs(),
        scopes: vec![
            scope("atproto", "To know which account it is.", &[]),
            scope(
                "transition:generic",
                "To show the profile, its numbers and posts, and to post what the person wrote.",
                &["profile", "stats", "list", "publish"],
            ),
        ],
        // Where people sign in, where accounts live, who says where, and where their pictures are.
        origins: owned(&[
            "https://bsky.social",
            "https://*.bsky.network",
            "https://plc.directory",
            "https://*.bsky.app",
        ]),
        ..Descriptor::new("bluesky", "Bluesky", env!("CARGO_PKG_VERSION"))
    }
}
