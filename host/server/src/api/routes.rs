//! The routes below `/api/v1`, and their description.

use aide::axum::ApiRouter;
use aide::openapi::{Info, OpenApi, SecurityScheme, Server, Tag};
use axum::Router;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::{apps, channels, connects, endpoints, events, files, jobs, keys, providers, resumable, uploads};
use crate::State;

/// The introduction of the API description.
const ABOUT: &str = "Social networks behind one interface: connect accounts, read profiles, statistics and posts, \
publish.\n\nSend `Authorization: Bearer KEY`. A key belongs to one tenant; the operator's own key names the \
tenant it acts for in `Social-Channel-Tenant`.\n\nFailures are RFC 9457 documents. `kind` says what to do next, \
`message` what happened, `remedy` what helps; `code` and `trace_id` are the platform's own. Instants are seconds \
since 1970. Lists that go on carry the header `Link` with `rel=\"next\"`.";

fn described() -> (Router<State>, OpenApi) {
    aide::generate::on_error(|error| tracing::error!(%error, "the API's description is wrong"));
    aide::generate::extract_schemas(true);
    let mut api = OpenApi {
        info: Info {
            title: "Social Channel".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: Some(ABOUT.to_owned()),
            ..Info::default()
        },
        servers: vec![Server { url: "/api/v1".to_owned(), ..Server::default() }],
        ..OpenApi::default()
    };
    let tags = [
        ("providers", "Components that communicate with a social network."),
        ("apps", "A provider with one registration at the network, its settings and its grants."),
        ("channels", "Connected accounts: connect them, read them, publish on them."),
        ("jobs", "Publishes, from the moment they are stored to their end."),
        ("events", "What happened to jobs and channels, without asking for each of them."),
        ("uploads", "Media that the service stores until its jobs have ended."),
        ("service", "Keys, and files that a platform requests at this address."),
    ];
    let router = ApiRouter::new()
        .merge(providers::routes())
        .merge(apps::routes())
        .merge(connects::routes())
        .merge(channels::routes())
        .merge(jobs::routes())
        .merge(events::routes())
        .merge(endpoints::routes())
        .merge(uploads::routes())
        .merge(resumable::routes())
        .merge(keys::routes())
        .merge(files::routes())
        .finish_api_with(&mut api, |api| {
            let key = SecurityScheme::Http {
                scheme: "bearer".to_owned(),
                bearer_format: None,
                description: Some("An API key.".to_owned()),
                extensions: Default::default(),
            };
            let api = tags.iter().fold(api, |api, (name, about)| {
                api.tag(Tag {
                    name: (*name).to_owned(),
                    description: Some((*about).to_owned()),
                    ..Tag::default()
                })
            });
            api.security_scheme("key", key)
        });
    (router, api)
}

/// The description alone.
pub(crate) fn description() -> serde_json::Value {
    serde_json::to_value(described().1).unwrap_or_default()
}

/// All routes below `/api/v1`.
pub(crate) fn router() -> Router<State> {
    let (router, api) = described();
    let text = Bytes::from(serde_json::to_vec(&api).unwrap_or_default());
    // Public: it contains nothing that the source code does not.
    let openapi = move || {
        let text = text.clone();
        async move { ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text) }
    };
    router.route("/openapi.json", axum::routing::get(openapi))
}
