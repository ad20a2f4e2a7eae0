//! What other networks need of the contract, through the whole host: questions while connecting, threads, posts with a key
//! of the provider's own.

use std::collections::BTreeMap;
use std::time::Duration;

use library_tests::component;
use social_channel::model::{Part, Post, Severity};
use social_channel::{
    AppConfig, Channel, Connect, ConnectOptions, Connected, Host, Job, JobStatus, PublishRequest, TenantId,
};

const OWNER: &str = "a browser";

struct Scene {
    host: Host,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn of(provider: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("social-channel.sqlite");
        let host = Host::builder().database(database).background(false).open().await.unwrap();
        let loaded = host.load_provider(&component(provider).unwrap()).await.unwrap();
        let config = AppConfig {
            provider: Some(loaded.provider.descriptor.id),
            redirect_uri: Some("http://127.0.0.1:5000/callback".to_owned()),
            ..AppConfig::default()
        };
        host.put_app("app", config).await.unwrap();
        Scene { host, _folder: folder }
    }

    async fn behave(&self, behaviour: &str) {
        let settings = [("behaviour".to_owned(), behaviour.into())].into();
        self.host.put_app("app", AppConfig { settings, ..AppConfig::default() }).await.unwrap();
    }

    async fn begin(&self, inputs: &[(&str, &str)]) -> Connect {
        let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let options = ConnectOptions { owner: OWNER.to_owned(), inputs, ..ConnectOptions::default() };
        self.host.tenant(TenantId::default()).begin_connect("app", options).await.unwrap()
    }

    async fn answer(&self, state: &str, code: &str) -> Connected {
        let answers = [("state", state), ("code", code)];
        let answers = answers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        self.host.tenant(TenantId::default()).complete_connect(OWNER, answers).await.unwrap()
    }

    async fn asked(&self) -> Channel {
        self.behave("asks").await;
        let Connect::Ask(question) = self.begin(&[]).await else { panic!("a question is expected") };
        match self.answer(&question.state, "1234").await {
            Connected::Channel(channel) => channel,
            other => panic!("{other:?}"),
        }
    }

    async fn publish(&self, channel: &Channel, post: Post) -> Job {
        let tenant = self.host.tenant(TenantId::default());
        let request = PublishRequest::new(post, Vec::new());
        let job = tenant.publish(&channel.id, request).await.unwrap();
        self.host.work(Some(Duration::ZERO)).await.unwrap();
        tenant.job(&job.id).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_until_it_is_answered_and_each_answer_counts_once() {
    let scene = Scene::of("test_provider").await;
    scene.behave("asks").await;
    let Connect::Ask(first) = scene.begin(&[]).await else { panic!("a question is expected") };
    assert_eq!(first.prompt.text, "Which code was sent to you?");
    assert!(first.prompt.fields[0].required);
    let Connected::Ask(second) = scene.answer(&first.state, "0000").await else { panic!("it asks again") };
    assert_ne!(first.state, second.state);
    let tenant = scene.host.tenant(TenantId::default());
    let spent = vec![("state".to_owned(), first.state), ("code".to_owned(), "1234".to_owned())];
    tenant.complete_connect(OWNER, spent).await.unwrap_err();
    let stolen = vec![("state".to_owned(), second.state.clone()), ("code".to_owned(), "1234".to_owned())];
    tenant.complete_connect("another browser", stolen).await.unwrap_err();
    let Connected::Channel(channel) = scene.answer(&second.state, "1234").await else { panic!("connected") };
    assert_eq!(channel.display_name, "Test");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_one_name_are_told_apart() {
    let scene = Scene::of("test_provider").await;
    scene.behave("two-accounts").await;
    let Connect::Done(Connected::Choose { choice, candidates }) = scene.begin(&[]).await else {
        panic!("two accounts are expected")
    };
    assert_eq!(candidates[0].username.as_deref(), Some("tester"));
    assert_eq!(candidates[0].kind.as_deref(), Some("page"));
    assert_eq!(candidates[0].parent_id.as_deref(), Some("organisation-1"));
    // The channel keeps what the person chose by.
    let tenant = scene.host.tenant(TenantId::default());
    let channel = tenant.choose_account(OWNER, &choice, &candidates[0].account_id).await.unwrap();
    assert_eq!(
        (&channel.username, &channel.kind, &channel.parent_id),
        (&candidates[0].username, &candidates[0].kind, &candidates[0].parent_id)
    );
    assert_eq!(tenant.channels().await.unwrap(), [channel]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_stops_half_way_is_published_and_says_what_is_missing() {
    let scene = Scene::of("test_provider").await;
    let channel = scene.asked().await;
    scene.behave("half-a-thread").await;
    let part = |text: &str| Part { text: Some(text.to_owned()), ..Part::default() };
    let post = Post {
        kind: "text".to_owned(),
        text: Some("first".to_owned()),
        parts: vec![part("second"), part("third")],
        ..Post::default()
    };
    let job = scene.publish(&channel, post.clone()).await;
    assert_eq!((job.status, &job.error.is_none()), (JobStatus::Published, &true), "{job:?}");
    assert_eq!((job.posts.len(), job.post_id.as_deref()), (1, Some("2")), "the provider saw both parts");
    let finding = &job.findings[0];
    assert_eq!((finding.severity, finding.message.as_str()), (Severity::Error, "the second part is refused"));
    assert_eq!(job.post, post, "the job shows its parts");
    // What the job says outlives the process.
    let listed = scene.host.tenant(TenantId::default()).jobs(None, None, 10).await.unwrap();
    assert_eq!((&listed[0].posts, &listed[0].findings), (&job.posts, &job.findings));
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_name_media_that_exist_and_each_of_them_once() {
    let scene = Scene::of("test_provider").await;
    let channel = scene.asked().await;
    let tenant = scene.host.tenant(TenantId::default());
    let post = Post {
        kind: "text".to_owned(),
        parts: vec![Part { media: vec![0], ..Part::default() }],
        ..Post::default()
    };
    let error = tenant.publish(&channel.id, PublishRequest::new(post, Vec::new())).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("parts"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_with_a_key_of_the_providers_own_counts_as_begun() {
    let scene = Scene::of("provider_minimal").await;
    let Connect::Done(Connected::Channel(channel)) = scene.begin(&[("name", "ada")]).await else {
        panic!("no browser is needed")
    };
    let post = Post { kind: "text".to_owned(), text: Some("hello".to_owned()), ..Post::default() };
    let job = scene.publish(&channel, post).await;
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    assert!(job.sent_at.is_some(), "it was announced as one of which the post may come");
    let tenant = scene.host.tenant(TenantId::default());
    let query = social_channel::model::ListQuery { limit: 10, cursor: None };
    let page = tenant.list_posts(&channel.id, &query).await.unwrap();
    assert_eq!(page.posts.len(), 1);
    assert_eq!(job.posts[0].id.as_ref(), Some(&page.posts[0].id));
}

#[test]
fn the_word_of_before_is_read_as_the_word_of_now() {
    let post: Post = serde_json::from_str(r#"{"kind": "photos", "title": "Soups"}"#).unwrap();
    assert_eq!(post.kind, "images");
    // A post without parts is written as it was, so that its hash is the same.
    let written = serde_json::to_value(&post).unwrap();
    let members: BTreeMap<String, serde_json::Value> = serde_json::from_value(written).unwrap();
    assert_eq!(members.keys().collect::<Vec<_>>(), ["kind", "options", "text", "title", "visibility"]);
}
