//! The minimal provider: a fictitious network, whose text posts are kept in the host's storage.
//!
//! ```text
//! cargo build -p provider-minimal --target wasm32-wasip2 --profile guest
//! social-channel providers inspect target/wasm32-wasip2/guest/provider_minimal.wasm
//! ```
//!
//! It connects without a browser, publishes in one step that is idempotent (the id of the post is chosen
//! beforehand and is in the state), and lists the posts. It calls no network; a provider that does
//! adds its origins to `describe` and sends through `Environment::send`.
#![allow(clippy::result_large_err, reason = "the error record is the contract's, and errors are rare")]

mod hello;

use social_channel_provider::bindings::social::channel::media::Item;
use social_channel_provider::channel::{
    ConnectRequest, ConnectStep, Connection, Descriptor, Guest, ListQuery, Post, PostPage, PostSummary,
    Profile, PublishForm, PublishStep, Resume, Stats,
};
use social_channel_provider::{Account, Error, Finding, HostEnvironment};

/// The provider. Its functions are plain Rust in `hello`; this module only exports them.
pub struct Hello;

// The exports of the component, which a native library does not need.
#[cfg(target_family = "wasm")]
social_channel_provider::export_channel!(Hello);

impl Guest for Hello {
    fn describe() -> Descriptor {
        hello::describe()
    }

    async fn begin_connect(request: ConnectRequest) -> Result<ConnectStep, Error> {
        hello::connect(&request)
    }

    async fn complete_connect(_: Vec<u8>, _: Vec<(String, String)>) -> Result<ConnectStep, Error> {
        Err(hello::unsupported("Connecting needs no browser."))
    }

    async fn refresh_credentials(_: Account) -> Result<Connection, Error> {
        Err(hello::unsupported("The credentials never expire."))
    }

    async fn disconnect(_: Account) -> Result<(), Error> {
        Ok(())
    }

    async fn get_profile(account: Account) -> Result<Profile, Error> {
        Ok(hello::profile(account))
    }

    async fn get_stats(account: Account) -> Result<Stats, Error> {
        hello::stats(&HostEnvironment, &account).await
    }

    async fn list_posts(account: Account, query: ListQuery) -> Result<PostPage, Error> {
        hello::list(&HostEnvironment, &account, &query).await
    }

    async fn get_posts(account: Account, ids: Vec<String>) -> Result<Vec<PostSummary>, Error> {
        hello::get(&HostEnvironment, &account, &ids).await
    }

    async fn get_publish_form(account: Account) -> Result<PublishForm, Error> {
        Ok(hello::form(account))
    }

    async fn check_post(_: Account, post: Post, media: Vec<Item>) -> Result<Vec<Finding>, Error> {
        Ok(hello::check(&post, media.len()))
    }

    async fn begin_publish(_: Account, post: Post, media: Vec<Item>) -> Result<PublishStep, Error> {
        hello::begin(&HostEnvironment, &post, media.len())
    }

    async fn continue_publish(
        account: Account,
        _: Post,
        state: Vec<u8>,
        _: Vec<Item>,
        _: Resume,
    ) -> Result<PublishStep, Error> {
        hello::publish(&HostEnvironment, &account, &state).await
    }

    async fn cancel_publish(
        account: Account,
        _: Post,
        state: Vec<u8>,
        _: Resume,
    ) -> Result<PublishStep, Error> {
        hello::cancel(&HostEnvironment, &account, state).await
    }
}
