//! A primary that is gone in the middle, and its standby that takes over: nothing is posted twice.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod machines;

use std::net::SocketAddr;
use std::sync::Arc;

use cli_tests::Stage;
use library_tests::until;
use machines::{connect, published, service, workers};
use postgres_server::Server;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Below the platform's limit of six posts a minute and account.
const POSTS_OF_AN_ACCOUNT: usize = 5;
const ACCOUNTS: usize = 10;
const POSTS: usize = POSTS_OF_AN_ACCOUNT * ACCOUNTS;
/// Published when the primary ends: the others wait, or are under way.
const BEFORE: usize = 12;

/// The address that programs know, as a proxy or a virtual address in front of the two servers.
struct Front {
    address: SocketAddr,
    target: watch::Sender<SocketAddr>,
}

impl Front {
    async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Front { address: listener.local_addr().unwrap(), target: watch::Sender::new(target) };
        let targets = front.target.subscribe();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut targets = targets.clone();
                tokio::spawn(async move {
                    let target = *targets.borrow_and_update();
                    let Ok(mut server) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = targets.changed() => {}
                    }
                });
            }
        });
        front
    }
}

struct Pair {
    stage: Stage,
    primary: Arc<Server>,
    standby: Arc<Server>,
    front: Front,
}

impl Pair {
    async fn start(settings: &'static [&'static str]) -> Self {
        let (primary, standby) = tokio::task::spawn_blocking(|| {
            let primary = Server::start(settings).unwrap();
            let standby = primary.standby().unwrap();
            (Arc::new(primary), Arc::new(standby))
        })
        .await
        .unwrap();
        let front = Front::before(primary.address()).await;
        let mut stage = Stage::empty().await.unwrap();
        let url = primary.url();
        stage.database = Some(url.replace(&primary.address().to_string(), &front.address.to_string()));
        stage.add_app().await.unwrap();
        Pair { stage, primary, standby, front }
    }

    /// The primary is gone, and the standby is where programs look for it.
    async fn fail_over(&self) {
        let (primary, standby) = (self.primary.clone(), self.standby.clone());
        tokio::task::spawn_blocking(move || {
            primary.kill().unwrap();
            standby.promote().unwrap();
        })
        .await
        .unwrap();
        self.front.target.send_replace(self.standby.address());
    }
}

fn captions() -> Vec<String> {
    (0..POSTS).map(|number| format!("post {number}")).collect()
}

/// What a server says.
fn ask(server: &Server, sql: &str) -> String {
    server.run(sql).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_standby_that_is_waited_for_every_post_is_published_once() {
    let pair = Pair::start(&["synchronous_standby_names=*"]).await;
    let (service, api) = service(&pair.stage).await;
    let mut programs = workers(&pair.stage, 2);
    programs.push(service);
    let channels = connect(&pair.stage, &api, ACCOUNTS).await;
    let video = std::fs::read(pair.stage.video(400_000).unwrap()).unwrap();
    let mut captions = captions();
    let posting = captions
        .iter()
        .enumerate()
        .map(|(number, caption)| api.publish(&channels[number % ACCOUNTS], &video, caption));
    let failing = async {
        until("some are published", async || (published(&pair.stage).len() >= BEFORE).then_some(())).await;
        pair.fail_over().await;
    };
    // Whoever asked in the middle asks again.
    futures::future::join(futures::future::join_all(posting), failing).await;
    captions.sort();
    until("all have ended", async || {
        (ask(&pair.standby, "SELECT count(*) FROM social_channel.jobs WHERE ended_at IS NOT NULL")
            == POSTS.to_string())
        .then_some(())
    })
    .await;
    assert_eq!(published(&pair.stage), captions, "each once");
    assert_eq!(ask(&pair.standby, "SELECT DISTINCT status FROM social_channel.jobs"), "published");
    for program in programs {
        program.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_standby_lacks_that_nobody_waited_for_is_unknown_and_never_posted_again() {
    let pair = Pair::start(&[]).await;
    let (service, api) = service(&pair.stage).await;
    let channels = connect(&pair.stage, &api, ACCOUNTS).await;
    let video = std::fs::read(pair.stage.video(400_000).unwrap()).unwrap();
    for (number, caption) in captions().iter().enumerate() {
        api.publish(&channels[number % ACCOUNTS], &video, caption).await;
    }
    until("the standby has all jobs", async || {
        (ask(&pair.standby, "SELECT count(*) FROM social_channel.jobs") == POSTS.to_string()).then_some(())
    })
    .await;
    // From here on it falls behind, as one does over a slow line.
    pair.standby.cut_off().unwrap();
    let mut programs = workers(&pair.stage, 2);
    programs.push(service);
    until("some are published", async || (published(&pair.stage).len() >= BEFORE).then_some(())).await;
    pair.fail_over().await;
    until("all have ended", async || {
        (ask(&pair.standby, "SELECT count(*) FROM social_channel.jobs WHERE ended_at IS NOT NULL")
            == POSTS.to_string())
        .then_some(())
    })
    .await;
    for program in programs {
        program.end().await;
    }
    let posted = published(&pair.stage);
    let mut once = posted.clone();
    once.dedup();
    assert_eq!(posted, once, "each at most once");
    assert!(posted.len() >= BEFORE);
    // Nobody can know of any of them, so none is called published, failed or cancelled.
    assert_eq!(ask(&pair.standby, "SELECT DISTINCT status FROM social_channel.jobs"), "unknown");
    let said = ask(&pair.standby, "SELECT DISTINCT error FROM social_channel.jobs");
    assert!(said.contains("failed over") && said.contains("newest posts"), "{said}");
}
