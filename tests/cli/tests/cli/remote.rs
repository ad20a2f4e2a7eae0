//! A service and two workers on one database server, as on several machines: it is killed in the middle. The same tests
//! for PostgreSQL and MariaDB.

use std::sync::Arc;
use std::time::Duration;

use cli_tests::{Stage, browser, finish};
use futures::future::join_all;
use library_tests::until;

use crate::machines::{Program, connect, published, service, workers};

/// Of the callers with one expired account.
const PROCESSES: usize = 6;
const CALLERS_OF_A_PROCESS: usize = 5;
/// Below the platform's limit of six posts a minute and account.
const POSTS_OF_AN_ACCOUNT: usize = 5;
const ACCOUNTS: usize = 50;

/// A database server, and how its tables are called.
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

    fn password(&self) -> String {
        self.url().split([':', '@']).nth(2).unwrap().to_owned()
    }

    fn kill(&self) {
        match self {
            Server::Postgres(server) => server.kill().unwrap(),
            Server::Mariadb(server) => server.kill().unwrap(),
        }
    }

    fn stop(&self) {
        match self {
            Server::Postgres(server) => server.stop().unwrap(),
            Server::Mariadb(server) => server.stop().unwrap(),
        }
    }

    fn start_again(&self) {
        match self {
            Server::Postgres(server) => server.start_again().unwrap(),
            Server::Mariadb(server) => server.start_again().unwrap(),
        }
    }

    /// What the server answers. `{jobs}` is our table of jobs.
    fn run(&self, sql: &str) -> String {
        match self {
            Server::Postgres(server) => server.run(&sql.replace("{jobs}", "social_channel.jobs")).unwrap(),
            Server::Mariadb(server) => server.run(&sql.replace("{jobs}", "social_channel_jobs")).unwrap(),
        }
    }

    /// Changes the schema as the next release might, which says that programs of this one go on beside it.
    fn expand(&self) {
        match self {
            Server::Postgres(server) => server.run(
                "SET search_path TO social_channel;
                 BEGIN;
                 ALTER TABLE jobs ADD COLUMN later text;
                 ALTER TABLE accounts ADD COLUMN later text NOT NULL DEFAULT '';
                 CREATE TABLE laters (id text PRIMARY KEY);
                 UPDATE meta SET value = (SELECT convert_to(max(version)::text, 'UTF8') FROM schema_version)
                   WHERE key = 'schema-oldest';
                 INSERT INTO schema_version (version, columns)
                   SELECT version + 1, columns || 'jobs.later'::text FROM schema_version ORDER BY version DESC LIMIT 1;
                 COMMIT",
            ),
            Server::Mariadb(server) => server.run(
                "ALTER TABLE social_channel_jobs ADD COLUMN later TEXT;
                 ALTER TABLE social_channel_accounts ADD COLUMN later INT NOT NULL DEFAULT 0;
                 CREATE TABLE social_channel_laters (id INT PRIMARY KEY);
                 UPDATE social_channel_meta SET value = (SELECT MAX(version) FROM social_channel_schema_version)
                   WHERE name = 'schema-oldest';
                 INSERT INTO social_channel_schema_version (version, known_columns)
                   SELECT version + 1, known_columns FROM social_channel_schema_version ORDER BY version DESC LIMIT 1",
            ),
        }
        .unwrap();
    }

    /// As an operator who goes back.
    fn forget_the_move(&self) {
        match self {
            Server::Postgres(server) => {
                server.run("DELETE FROM social_channel.meta WHERE key = 'copied-to'").unwrap()
            }
            Server::Mariadb(server) => {
                server.run("DELETE FROM social_channel_meta WHERE name = 'copied-to'").unwrap()
            }
        };
    }

    /// Weakens a promise of the server. Returns how that is said.
    fn weaken(&self) -> &'static str {
        match self {
            Server::Postgres(server) => {
                server.run("ALTER SYSTEM SET synchronous_commit = off").unwrap();
                server.run("SELECT pg_reload_conf()").unwrap();
                "synchronous_commit = off"
            }
            Server::Mariadb(server) => {
                server.run("SET GLOBAL innodb_flush_log_at_trx_commit = 2").unwrap();
                "innodb_flush_log_at_trx_commit = 2"
            }
        }
    }
}

fn postgres() -> Server {
    Server::Postgres(postgres_server::Server::start(&[]).unwrap())
}

fn mariadb() -> Server {
    Server::Mariadb(mariadb_server::Server::start(&[]).unwrap())
}

/// A stage whose data is in a fresh server.
async fn stage(start: fn() -> Server) -> (Stage, Arc<Server>) {
    let server = tokio::task::spawn_blocking(start).await.unwrap();
    let mut stage = Stage::empty().await.unwrap();
    stage.database = Some(server.url());
    (stage, Arc::new(server))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_and_a_service_publish_everything_once_though_postgresql_is_killed_and_upgraded() {
    publishes_everything_once_though_it_is_killed_and_upgraded(postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_and_a_service_publish_everything_once_though_mariadb_is_killed_and_upgraded() {
    publishes_everything_once_though_it_is_killed_and_upgraded(mariadb).await;
}

async fn publishes_everything_once_though_it_is_killed_and_upgraded(start: fn() -> Server) {
    let (stage, server) = stage(start).await;
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
            // While posts are stored and published.
            match round {
                1 | 3 => {
                    killing.kill();
                    killing.start_again();
                }
                4 => killing.expand(),
                _ => {}
            }
        });
        join_all(posts.collect::<Vec<_>>()).await;
        killed.await.unwrap();
        if round == 4 {
            // A program of this release that starts again finds the schema of the next. After the last kill: without its
            // database it would not start.
            programs.extend(workers(&stage, 1));
        }
    }
    captions.sort();
    until("everything is published", async || (published(&stage).len() >= captions.len()).then_some(()))
        .await;
    // Whatever is under way has ended: nothing is open any more.
    until("no job is open", async || {
        let open = server.run("SELECT count(*) FROM {jobs} WHERE ended_at IS NULL");
        (open == "0").then_some(())
    })
    .await;
    assert_eq!(published(&stage), captions, "each once");
    let ends = server.run("SELECT DISTINCT status FROM {jobs}");
    assert_eq!(ends, "published");
    for program in programs {
        let said = program.end().await;
        assert!(!said.contains(&server.password()), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_needs_its_key_and_shows_no_password() {
    needs_its_key_and_shows_no_password(postgres, "postgres://postgres@127.0.0.1:").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_needs_its_key_and_shows_no_password() {
    needs_its_key_and_shows_no_password(mariadb, "mysql://tester@127.0.0.1:").await;
}

async fn needs_its_key_and_shows_no_password(start: fn() -> Server, shown: &str) {
    let (stage, server) = stage(start).await;
    let password = server.password();
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
    assert!(doctor.stdout.contains(shown), "{doctor:?}");
    assert!(!stage.path("data/social-channel.sqlite").exists() && !stage.path("data/master.key").exists());
    // Events and their addresses are kept there, and everything moves to a file; over what is left nothing is copied.
    let added = run(&["endpoints", "add", "https://receiver.example/events"], Some(&one)).await;
    assert_eq!(added.code, 0, "{added:?}");
    assert_eq!(run(&["events"], Some(&one)).await.code, 0);
    let there = server.url();
    let file = stage.path("moved.sqlite").display().to_string();
    for (from, to) in [(&there, &file), (&file, &there)] {
        let moved = run(&["database", "copy", "--from", from, "--to", to], Some(&one)).await;
        if from == &there {
            assert_eq!(moved.code, 0, "{moved:?}");
            let list = run(&["--database", to, "endpoints", "list"], Some(&one)).await;
            assert!(list.stdout.contains("receiver.example"), "{list:?}");
            let old = run(&["channels"], Some(&one)).await;
            assert!(old.stderr.contains("was moved to"), "{old:?}");
        } else {
            assert!(moved.stderr.contains("not empty"), "{moved:?}");
        }
    }
    server.forget_the_move();
    assert_eq!(run(&["channels"], Some(&one)).await.code, 0);
    // A weaker promise is named.
    let weaker = server.weaken();
    until("the setting is named", async || {
        let doctor = run(&["doctor"], Some(&one)).await;
        doctor.stdout.contains(weaker).then_some(())
    })
    .await;
    // A path with its scheme is the file.
    let path = stage.path("named.sqlite");
    let named = format!("sqlite:{}", path.display());
    assert_eq!(run(&["--database", &named, "channels"], Some(&one)).await.code, 0);
    assert!(path.exists());
    let unknown = run(&["--database", "oracle://me:hidden@h/d", "channels"], Some(&one)).await;
    assert!(unknown.code == 1 && !unknown.stderr.contains("hidden"), "{unknown:?}");
    tokio::time::timeout(Duration::from_secs(60), async { server.stop() }).await.unwrap();
    let away = run(&["channels"], Some(&one)).await;
    assert!(away.stderr.contains("cannot be reached"), "{away:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_callers_in_six_processes_refresh_an_account_once_on_sqlite() {
    refreshes_once(Stage::empty().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_callers_in_six_processes_refresh_an_account_once_on_postgresql() {
    let (stage, _server) = stage(postgres).await;
    refreshes_once(stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_callers_in_six_processes_refresh_an_account_once_on_mariadb() {
    let (stage, _server) = stage(mariadb).await;
    refreshes_once(stage).await;
}

async fn refreshes_once(stage: Stage) {
    stage.add_app().await.unwrap();
    let connected = stage.connect(&[]).await.unwrap().done();
    let channel = connected.json()["id"].as_str().unwrap().to_owned();
    let mut services = Vec::new();
    for _ in 0..PROCESSES {
        let (child, first, out) =
            stage.begin(["serve", "--listen", "127.0.0.1:0", "--no-workers"]).await.unwrap();
        let address = first.strip_prefix("listening on ").unwrap().to_owned();
        services.push((Program::of(child), address, out));
    }
    // The platform considers the token expired before the hosts do.
    stage.simulator.clock().advance(Duration::from_secs(7_300));
    let asked = || {
        stage.simulator.log().iter().filter(|exchange| exchange.path.starts_with("/v2/oauth/token/")).count()
    };
    let before = asked();
    let client = browser(true).unwrap();
    let calls =
        services.iter().flat_map(|(_, address, _)| vec![address; CALLERS_OF_A_PROCESS]).map(|address| {
            let request = client.get(format!("{address}/api/v1/channels/{channel}/profile"));
            async move {
                let answer = request.send().await.unwrap();
                (answer.status(), answer.text().await.unwrap())
            }
        });
    for (status, text) in join_all(calls.collect::<Vec<_>>()).await {
        assert!(status.is_success(), "{status} {text}");
    }
    assert_eq!(asked() - before, 1, "the others wait for it, and use what it stored");
    for (program, ..) in services {
        program.end().await;
    }
}

// ---- the example of several machines -------------------------------------------------------------

/// What the lines of a file of examples/machines say that begin with this.
fn lines(name: &str, start: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/machines").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter_map(|line| line.strip_prefix(start)).map(str::to_owned).collect()
}

/// A unit as systemd starts it on one machine. Replaced are the program's path, the port and the folder, and in the
/// environment what stands for the operator's own.
fn unit(stage: &Stage, name: &str, machine: &str, blob: &str) -> tokio::process::Command {
    let [line] = lines(name, "ExecStart=/usr/local/bin/social-channel ").try_into().unwrap();
    let mut command = stage.command(line.replace(":%i", ":0").split(' '));
    assert_eq!(lines(name, "Environment=SOCIAL_CHANNEL_DATA="), ["/var/lib/social-channel"]);
    command.env("SOCIAL_CHANNEL_DATA", stage.path(machine));
    for line in lines("environment", "SOCIAL_CHANNEL_") {
        match line.split_once('=').unwrap().0 {
            // The stage's own.
            "DATABASE" | "MASTER_KEY" => {}
            "BLOB" => drop(command.env("SOCIAL_CHANNEL_BLOB", blob)),
            other => unreachable!("{other} is new there"),
        }
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_units_of_the_example_share_database_and_bucket() {
    let (stage, _server) = stage(postgres).await;
    let bucket = tokio::task::spawn_blocking(|| Arc::new(s3_server::Server::start().unwrap())).await.unwrap();
    let blob = bucket.url("uploads");
    stage.add_app().await.unwrap();
    let mut services = Vec::new();
    for machine in ["one", "two"] {
        let command = unit(&stage, "social-channel-web@.service", machine, &blob);
        services.push(crate::machines::served(command).await);
    }
    let workers: Vec<Program> = ["one", "two"]
        .map(|machine| {
            Program::of(unit(&stage, "social-channel-worker@.service", machine, &blob).spawn().unwrap())
        })
        .into();
    let channels = connect(&stage, &services[0].1, 2).await;
    let video = std::fs::read(stage.video(400_000).unwrap()).unwrap();
    // What one machine has received, another one posts.
    for (number, channel) in channels.iter().enumerate() {
        let upload = services[0].1.upload(&video).await;
        services[1].1.post_upload(channel, &upload, &format!("post {number}")).await;
    }
    until("everything is published", async || (published(&stage).len() == channels.len()).then_some(()))
        .await;
    assert_eq!(published(&stage), ["post 0", "post 1"]);
    for program in workers.into_iter().chain(services.into_iter().map(|(program, _)| program)) {
        program.end().await;
    }
}
