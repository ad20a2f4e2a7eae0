//! A service and two workers on one PostgreSQL, as on several machines: the server is killed in the middle.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod machines;

use std::sync::Arc;
use std::time::Duration;

use cli_tests::{Stage, finish};
use futures::future::join_all;
use library_tests::until;
use machines::{connect, published, service, workers};
use postgres_server::Server;

/// Below the platform's limit of six posts a minute and account.
const POSTS_OF_AN_ACCOUNT: usize = 5;
const ACCOUNTS: usize = 50;

/// A stage whose data is in a fresh server.
async fn stage() -> (Stage, Arc<Server>) {
    let server = tokio::task::spawn_blocking(|| Server::start(&[]).unwrap()).await.unwrap();
    let mut stage = Stage::empty().await.unwrap();
    stage.database = Some(server.url());
    (stage, Arc::new(server))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_and_a_service_publish_everything_once_though_postgresql_is_killed() {
    let (stage, server) = stage().await;
    stage.add_app().await.unwrap();
    let (service, api) = service(&stage).await;
    let mut programs = vec![service];
    programs.extend(workers(&stage, 2));
    let channels = connect(&stage, &api, ACCOUNTS).await;
    let video = std::fs::read(stage.video(400_000).unwrap()).unwrap();
    let mut captions = Vec::new();
    for round in 0..POSTS_OF_AN_ACCOUNT {
        let posts = channels.iter().enumerate().map(|(number, channel)| {
            let caption = format!("post {round} of {number}");
            captions.push(caption.clone());
            let (api, video) = (&api, &video);
            async move { api.publish(channel, video, &caption).await }
        });
        let killing = server.clone();
        let killed = tokio::task::spawn_blocking(move || {
            // Twice while posts are stored and published.
            if round == 1 || round == 3 {
                killing.kill().unwrap();
                killing.start_again().unwrap();
            }
        });
        join_all(posts.collect::<Vec<_>>()).await;
        killed.await.unwrap();
    }
    captions.sort();
    until("everything is published", async || (published(&stage).len() >= captions.len()).then_some(()))
        .await;
    // Whatever is under way has ended: nothing is open any more.
    until("no job is open", async || {
        let open = server.run("SELECT count(*) FROM social_channel.jobs WHERE ended_at IS NULL").unwrap();
        (open == "0").then_some(())
    })
    .await;
    assert_eq!(published(&stage), captions, "each once");
    let ends = server.run("SELECT DISTINCT status FROM social_channel.jobs").unwrap();
    assert_eq!(ends, "published");
    let url = server.url();
    let password = url.split([':', '@']).nth(2).unwrap();
    for program in programs {
        let said = program.end().await;
        assert!(!said.contains(password), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_database_needs_its_key_and_shows_no_password() {
    let (stage, server) = stage().await;
    let url = server.url();
    let password = url.split([':', '@']).nth(2).unwrap().to_owned();
    let run = async |arguments: &[&str], key: Option<&str>| {
        let mut command = stage.command(arguments);
        match key {
            Some(key) => command.env("SOCIAL_CHANNEL_MASTER_KEY", key),
            None => command.env_remove("SOCIAL_CHANNEL_MASTER_KEY"),
        };
        let ran = finish(command.spawn().unwrap()).await.unwrap();
        assert!(!ran.stdout.contains(&password) && !ran.stderr.contains(&password), "{ran:?}");
        ran
    };
    let none = run(&["channels"], None).await;
    assert_eq!(none.code, 1, "{none:?}");
    assert!(
        none.stderr.contains("none is made by itself") && none.stderr.contains("openssl rand -hex 32"),
        "{none:?}"
    );
    let one = "11".repeat(32);
    assert_eq!(run(&["channels"], Some(&one)).await.code, 0);
    let other = run(&["channels"], Some(&"22".repeat(32))).await;
    assert_eq!(other.code, 1, "{other:?}");
    assert!(other.stderr.contains("not the one this database was made with"), "{other:?}");
    let doctor = run(&["doctor"], Some(&one)).await;
    assert!(doctor.stdout.contains("postgres://postgres@127.0.0.1:"), "{doctor:?}");
    assert!(!stage.path("data/social-channel.sqlite").exists() && !stage.path("data/master.key").exists());
    // A weaker promise is named.
    server.run("ALTER SYSTEM SET synchronous_commit = off; ").unwrap();
    server.run("SELECT pg_reload_conf()").unwrap();
    until("the setting holds", async || {
        (server.run("SHOW synchronous_commit").unwrap() == "off").then_some(())
    })
    .await;
    let doctor = run(&["doctor"], Some(&one)).await;
    assert!(doctor.stdout.contains("synchronous_commit = off"), "{doctor:?}");
    // A path with its scheme is the file.
    let path = stage.path("named.sqlite");
    let named = format!("sqlite:{}", path.display());
    assert_eq!(run(&["--database", &named, "channels"], Some(&one)).await.code, 0);
    assert!(path.exists());
    let unknown = run(&["--database", "mysql://me:hidden@h/d", "channels"], Some(&one)).await;
    assert!(unknown.code == 1 && !unknown.stderr.contains("hidden"), "{unknown:?}");
    tokio::time::timeout(Duration::from_secs(60), async { server.stop().unwrap() }).await.unwrap();
    let away = run(&["channels"], Some(&one)).await;
    assert!(away.stderr.contains("cannot be reached"), "{away:?}");
}
