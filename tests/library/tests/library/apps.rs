//! Apps: how a change affects every process that uses the app.

use library_tests::{APP, CALLBACK, OWNER, Stage, app_config};
use social_channel::{AppConfig, Connect, ConnectOptions, Tenant, TenantId};

async fn connect_url(tenant: &Tenant) -> String {
    let options = ConnectOptions {
        owner: OWNER.to_owned(),
        redirect_uri: Some(CALLBACK.to_owned()),
        ..ConnectOptions::default()
    };
    match tenant.begin_connect(APP, options).await.unwrap() {
        Connect::Redirect { url, .. } => url,
        other => panic!("a browser was expected: {other:?}"),
    }
}

fn with_key(key: &str) -> AppConfig {
    let mut config = app_config();
    config.settings.insert("client-key".to_owned(), key.into());
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn other_processes_see_a_changed_app_at_their_next_call() {
    let stage = Stage::new().await.unwrap();
    let other = stage.second_host().await.unwrap().tenant(TenantId::default());
    assert!(connect_url(&other).await.contains("simkey-desktop"));

    stage.host.put_app(APP, with_key("simkey-changed")).await.unwrap();
    assert!(connect_url(&other).await.contains("simkey-changed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_made_again_is_never_taken_for_the_one_before() {
    let stage = Stage::new().await.unwrap();
    let other = stage.second_host().await.unwrap().tenant(TenantId::default());
    assert!(connect_url(&other).await.contains("simkey-desktop"));

    stage.host.delete_app(APP).await.unwrap();
    stage.host.put_app(APP, with_key("simkey-changed")).await.unwrap();
    assert!(connect_url(&other).await.contains("simkey-changed"));
}
