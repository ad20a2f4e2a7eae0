//! TikTok as a Social Channel provider: Login Kit, Display API and Content Posting API (Direct Post).
//!
//! This file connects the component's world with the modules below, which are plain Rust and tested natively.
//! It contains no logic.
#![allow(clippy::result_large_err, reason = "the error record is the contract's, and errors are rare")]

mod api;
mod check;
mod chunks;
mod creator;
mod credentials;
mod diagnosis;
mod draft;
mod errors;
mod finding;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod guide;
mod oauth;
mod profile;
#[cfg(test)]
mod properties;
mod publish;
mod quota;
mod secret;
mod settings;
mod status;
#[cfg(test)]
mod traps;
mod videos;
mod webhook;

use social_channel_provider::bindings::social::channel::media::Item;
use social_channel_provider::channel::{
    ConnectRequest, ConnectStep, Connection, Descriptor, Guest, ListQuery, Post, PostPage, PostSummary,
    Profile, PublishForm, PublishStep, Resume, Scope, Stats,
};
use social_channel_provider::{Account, Error, Finding, HostEnvironment, Media, diagnostics, webhooks};

/// The provider.
pub struct Tiktok;

impl Guest for Tiktok {
    fn describe() -> Descriptor {
        describe()
    }

    async fn begin_connect(request: ConnectRequest) -> Result<ConnectStep, Error> {
        oauth::connect(&HostEnvironment, &request).await
    }

    async fn complete_connect(
        session: Vec<u8>,
        callback: Vec<(String, String)>,
    ) -> Result<ConnectStep, Error> {
        oauth::complete(&HostEnvironment, &session, &callback).await.map(ConnectStep::Connected)
    }

    async fn refresh_credentials(account: Account) -> Result<Connection, Error> {
        oauth::refresh(&HostEnvironment, account).await
    }

    async fn disconnect(account: Account) -> Result<(), Error> {
        oauth::revoke(&HostEnvironment, &account).await
    }

    async fn get_profile(account: Account) -> Result<Profile, Error> {
        profile::get(&HostEnvironment, &account).await
    }

    async fn get_stats(account: Account) -> Result<Stats, Error> {
        profile::stats(&HostEnvironment, &account).await
    }

    async fn list_posts(account: Account, query: ListQuery) -> Result<PostPage, Error> {
        videos::list(&HostEnvironment, &account, &query).await
    }

    async fn get_posts(account: Account, ids: Vec<String>) -> Result<Vec<PostSummary>, Error> {
        videos::get(&HostEnvironment, &account, &ids).await
    }

    async fn get_publish_form(account: Account) -> Result<PublishForm, Error> {
        form::get(&HostEnvironment, &account).await
    }

    async fn check_post(account: Account, post: Post, media: Vec<Item>) -> Result<Vec<Finding>, Error> {
        let infos: Vec<_> = media.iter().map(Media::info).collect();
        check::report(&HostEnvironment, &account, &post, &infos).await
    }

    async fn begin_publish(account: Account, post: Post, media: Vec<Item>) -> Result<PublishStep, Error> {
        let infos: Vec<_> = media.iter().map(Media::info).collect();
        publish::begin(&HostEnvironment, &account, &post, &infos).await
    }

    async fn continue_publish(
        account: Account,
        _: Post,
        state: Vec<u8>,
        media: Vec<Item>,
        resume: Resume,
    ) -> Result<PublishStep, Error> {
        publish::advance(&HostEnvironment, &account, &state, &media, &resume).await
    }

    async fn cancel_publish(
        account: Account,
        _: Post,
        state: Vec<u8>,
        _: Resume,
    ) -> Result<PublishStep, Error> {
        publish::cancel(&HostEnvironment, &account, &state).await
    }
}

impl webhooks::Guest for Tiktok {
    async fn receive(request: webhooks::Request) -> Result<webhooks::Receipt, Error> {
        webhook::receive(&HostEnvironment, &request)
    }
}

impl diagnostics::Guest for Tiktok {
    async fn check_settings(addresses: diagnostics::Addresses) -> Result<Vec<Finding>, Error> {
        Ok(diagnosis::check_settings(&HostEnvironment, &addresses).await)
    }

    fn guide(addresses: diagnostics::Addresses) -> Vec<diagnostics::GuideStep> {
        guide::guide(&HostEnvironment, &addresses)
    }
}

/// The component's own symbols; a native library does not need them.
#[cfg(target_family = "wasm")]
mod component {
    use super::Tiktok;
    use social_channel_provider::{display_name, export_channel, export_diagnostics, export_webhooks};

    export_channel!(Tiktok);
    export_diagnostics!(Tiktok);
    export_webhooks!(Tiktok);
    display_name!("TikTok");
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
        id: "tiktok".to_owned(),
        name: "TikTok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        abilities: owned(&["profile", "stats", "list", "publish"]),
        settings: settings::describe(),
        connect_inputs: oauth::inputs(),
        scopes: vec![
            scope(
                settings::SCOPE_BASIC,
                "To show which TikTok account is connected, with its name and picture.",
                &["profile"],
            ),
            scope(settings::SCOPE_PROFILE, "To show the handle, the bio and the link of the profile.", &[]),
            scope(settings::SCOPE_STATS, "To show followers, likes and the number of videos.", &["stats"]),
            scope(settings::SCOPE_LIST, "To show the public videos with their numbers.", &["list"]),
            scope(
                settings::SCOPE_PUBLISH,
                "To post the videos and photos that the person chose, with the settings they chose.",
                &["publish"],
            ),
        ],
        origins: owned(&api::ORIGINS),
        details: Vec::new(),
    }
}
