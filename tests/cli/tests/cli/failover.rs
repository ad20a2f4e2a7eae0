//! A primary that is gone in the middle, and its standby that takes over: nothing is posted twice. The same tests for
//! PostgreSQL and MariaDB.

use std::net::SocketAddr;
use std::sync::Arc;

use cli_tests::Stage;
use library_tests::until;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::machines::{connect, published, service, workers};

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

/// A database server.
enum Server {
    Postgres(postgres_server::Server),
    Mariadb(mariadb_server::Server),
}

impl Server {
    fn url(&self) -> String {
        match self {
            Server::Postgres(server) => server.url(),
            Server::Mariadb(server) => server.url(),
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Server::Postgres(server) => server.address(),
            Server::Mariadb(server) => server.address(),
        }
    }

    fn kill(&self) {
        match self {
            Server::Postgres(server) => server.kill().unwrap(),
            Server::Mariadb(server) => server.kill().unwrap(),
        }
    }

    fn promote(&self) {
        match self {
            Server::Postgres(server) => server.promote().unwrap(),
            Server::Mariadb(server) => server.promote().unwrap(),
        }
    }

    fn cut_off(&self) {
        match self {
            Server::Postgres(server) => server.cut_off().unwrap(),
            Server::Mariadb(server) => server.cut_off().unwrap(),
        }
    }
}

/// A primary and its standby, for which it waits or not.
fn postgres(waits: bool) -> (Server, Server) {
    let settings: &[&str] = if waits { &["synchronous_standby_names=*"] } else { &[] };
    let primary = postgres_server::Server::start(settings).unwrap();
    let standby = primary.standby().unwrap();
    (Server::Postgres(primary), Server::Postgres(standby))
}

fn mariadb(waits: bool) -> (Server, Server) {
    let primary = mariadb_server::Server::start(&mariadb_server::PRIMARY).unwrap();
    let replica = primary.replica(waits).unwrap();
    (Server::Mariadb(primary), Server::Mariadb(replica))
}

struct Pair {
    stage: Stage,
    primary: Arc<Server>,
    standby: Arc<Server>,
    front: Front,
}

impl Pair {
    async fn start(servers: fn(bool) -> (Server, Server), waits: bool) -> Self {
        let (primary, standby) = tokio::task::spawn_blocking(move || servers(waits)).await.unwrap();
        let (primary, standby) = (Arc::new(primary), Arc::new(standby));
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
            primary.kill();
            standby.promote();
        })
        .await
        .unwrap();
        self.front.target.send_replace(self.standby.address());
    }
}

fn captions() -> Vec<String> {
    (0..POSTS).map(|number| format!("post {number}")).collect()
}

/// What a server says. `{jobs}` is our table of jobs.
fn ask(server: &Server, sql: &str) -> String {
    match server {
        Server::Postgres(server) => server.run(&sql.replace("{jobs}", "social_channel.jobs")).unwrap(),
        Server::Mariadb(server) => server.run(&sql.replace("{jobs}", "social_channel_jobs")).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_standby_that_postgresql_waits_for_every_post_is_published_once() {
    every_post_is_published_once(postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_replica_that_mariadb_waits_for_every_post_is_published_once() {
    every_post_is_published_once(mariadb).await;
}

async fn every_post_is_published_once(servers: fn(bool) -> (Server, Server)) {
    let pair = Pair::start(servers, true).await;
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
        (ask(&pair.standby, "SELECT count(*) FROM {jobs} WHERE ended_at IS NOT NULL") == POSTS.to_string())
            .then_some(())
    })
    .await;
    assert_eq!(published(&pair.stage), captions, "each once");
    assert_eq!(ask(&pair.standby, "SELECT DISTINCT status FROM {jobs}"), "published");
    for program in programs {
        program.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_standby_of_postgresql_lacks_is_unknown_and_never_posted_again() {
    what_nobody_waited_for_is_unknown(postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_of_mariadb_lacks_is_unknown_and_never_posted_again() {
    what_nobody_waited_for_is_unknown(mariadb).await;
}

async fn what_nobody_waited_for_is_unknown(servers: fn(bool) -> (Server, Server)) {
    let pair = Pair::start(servers, false).await;
    let (service, api) = service(&pair.stage).await;
    let channels = connect(&pair.stage, &api, ACCOUNTS).await;
    let video = std::fs::read(pair.stage.video(400_000).unwrap()).unwrap();
    for (number, caption) in captions().iter().enumerate() {
        api.publish(&channels[number % ACCOUNTS], &video, caption).await;
    }
    until("the standby has all jobs", async || {
        (ask(&pair.standby, "SELECT count(*) FROM {jobs}") == POSTS.to_string()).then_some(())
    })
    .await;
    // From here on it falls behind, as one does over a slow line.
    pair.standby.cut_off();
    let mut programs = workers(&pair.stage, 2);
    programs.push(service);
    until("some are published", async || (published(&pair.stage).len() >= BEFORE).then_some(())).await;
    pair.fail_over().await;
    until("all have ended", async || {
        (ask(&pair.standby, "SELECT count(*) FROM {jobs} WHERE ended_at IS NOT NULL") == POSTS.to_string())
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
    assert_eq!(ask(&pair.standby, "SELECT DISTINCT status FROM {jobs}"), "unknown");
    let said = ask(&pair.standby, "SELECT DISTINCT error FROM {jobs}");
    assert!(said.contains("failed over") && said.contains("newest posts"), "{said}");
}
