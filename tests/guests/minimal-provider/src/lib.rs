//! A provider without optional interfaces, and with minimal implementations otherwise.
#![allow(unsafe_code, reason = "generated bindings")]

mod bindings {
    #![allow(missing_docs, reason = "generated code")]
    wit_bindgen::generate!({ path: "../../../wit", world: "provider", generate_all });
}

use bindings::exports::social::channel::channel::{
    ConnectRequest, ConnectStep, Connection, Descriptor, Guest, ListQuery, Post, PostPage, PostSummary,
    Profile, PublishForm, PublishStep, Resume, Stats,
};
use bindings::social::channel::media::Item;
use bindings::social::channel::types::{Account, Error, ErrorKind, Finding};

struct MinimalProvider;

bindings::export!(MinimalProvider with_types_in bindings);

fn cannot<T>() -> Result<T, Error> {
    Err(Error {
        kind: ErrorKind::Unsupported,
        message: "this provider can do nothing".to_owned(),
        remedy: None,
        code: None,
        field: None,
        retry_after: None,
        trace_id: None,
        details: Vec::new(),
    })
}

impl Guest for MinimalProvider {
    fn describe() -> Descriptor {
        Descriptor {
            id: "minimal".to_owned(),
            name: "Minimal".to_owned(),
            version: "0.1.0".to_owned(),
            abilities: Vec::new(),
            settings: Vec::new(),
            connect_inputs: Vec::new(),
            scopes: Vec::new(),
            origins: Vec::new(),
            details: Vec::new(),
        }
    }

    async fn begin_connect(_: ConnectRequest) -> Result<ConnectStep, Error> {
        cannot()
    }

    async fn complete_connect(_: Vec<u8>, _: Vec<(String, String)>) -> Result<ConnectStep, Error> {
        cannot()
    }

    async fn refresh_credentials(_: Account) -> Result<Connection, Error> {
        cannot()
    }

    async fn disconnect(_: Account) -> Result<(), Error> {
        cannot()
    }

    async fn get_profile(_: Account) -> Result<Profile, Error> {
        cannot()
    }

    async fn get_stats(_: Account) -> Result<Stats, Error> {
        cannot()
    }

    async fn list_posts(_: Account, _: ListQuery) -> Result<PostPage, Error> {
        cannot()
    }

    async fn get_posts(_: Account, _: Vec<String>) -> Result<Vec<PostSummary>, Error> {
        cannot()
    }

    async fn get_publish_form(_: Account) -> Result<PublishForm, Error> {
        cannot()
    }

    async fn check_post(_: Account, _: Post, _: Vec<Item>) -> Result<Vec<Finding>, Error> {
        cannot()
    }

    async fn begin_publish(_: Account, _: Post, _: Vec<Item>) -> Result<PublishStep, Error> {
        cannot()
    }

    async fn continue_publish(
        _: Account,
        _: Post,
        _: Vec<u8>,
        _: Vec<Item>,
        _: Resume,
    ) -> Result<PublishStep, Error> {
        cannot()
    }

    async fn cancel_publish(_: Account, _: Post, _: Vec<u8>, _: Resume) -> Result<PublishStep, Error> {
        cannot()
    }
}
