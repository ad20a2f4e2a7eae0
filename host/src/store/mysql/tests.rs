//! What only this store has: the plan of its queries, its sentences, and what others do to its tables.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mariadb_server::Server;
use social_channel_runtime::clock::{MovedClock, SystemClock};
use social_channel_runtime::error::ErrorKind;

use super::*;
use crate::store::conformance::{LONG, Opened, churn, digest, programs_work_side_by_side, tenant, update};

/// One server for all cases. It ends with this process.
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(&[]).unwrap());

/// A URL of a database of one case, which no other uses.
fn fresh_url() -> SecretText {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    SecretText::new(SERVER.url_in(&format!("case_{}", NEXT.fetch_add(1, Ordering::Relaxed))).unwrap())
}

async fn open(url: &SecretText) -> Result<Mysql> {
    Mysql::open(url, Arc::new(SystemClock)).await
}

/// A database and its own type, for what only SQL shows.
async fn opened() -> (Opened, Arc<Mysql>) {
    opened_in(&fresh_url()).await
}

async fn opened_in(url: &SecretText) -> (Opened, Arc<Mysql>) {
    let clock = Arc::new(MovedClock::default());
    let one = Arc::new(Mysql::open(url, clock.clone()).await.unwrap());
    let other = Arc::new(Mysql::open(url, clock.clone()).await.unwrap());
    (Opened { one: one.clone(), other, clock, _keep: Box::new(()) }, one)
}

/// What the next program might add, as MySQL says it.
const EXPANSION: &str = "ALTER TABLE {jobs} ADD COLUMN later TEXT;
    ALTER TABLE {accounts} ADD COLUMN later INT NOT NULL DEFAULT 0;
    ALTER TABLE {media_links} ADD COLUMN later INT;
    ALTER TABLE {documents} ADD COLUMN later INT NOT NULL DEFAULT 0;
    CREATE INDEX jobs_later ON {jobs} (tenant, later(10));
    CREATE TABLE {laters} (id INT PRIMARY KEY)";

/// As a program of so many more steps.
async fn open_as(url: &SecretText, clock: Arc<MovedClock>, more: Vec<SchemaStep>) -> Result<Arc<dyn Store>> {
    let steps = [&schema::SCHEMAS, &more[..]].concat();
    Ok(Arc::new(Mysql::open_as(url, clock, &steps).await?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_old_and_a_new_program_work_side_by_side() {
    let url = fresh_url();
    let (db, _) = opened_in(&url).await;
    let clock = db.clock.clone();
    let open = move |more| {
        let (url, clock) = (url.clone(), clock.clone());
        async move { open_as(&url, clock, more).await }
    };
    programs_work_side_by_side(db, EXPANSION, open).await;
}

/// Fresh tables, opened as two processes would open them.
pub(crate) async fn for_conformance() -> Opened {
    opened().await.0
}

/// Runs SQL by hand.
async fn run(store: &Mysql, sql: &str) {
    sqlx::raw_sql(store.sql(sql)).execute(&store.pool).await.unwrap();
}

// ---- opening --------------------------------------------------------------------------------------

#[tokio::test]
async fn what_cannot_be_opened_says_what_to_do_and_never_the_password() {
    let good = fresh_url();
    let password = url::Url::parse(good.expose()).unwrap().password().unwrap().to_owned();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (url, kind, said) in [
        (good.expose().replace(&password, "hidden"), ErrorKind::Misconfigured, "refused the login"),
        (SERVER.url_of("case_nosuch"), ErrorKind::Misconfigured, "does not exist"),
        (SERVER.url_of("mysql"), ErrorKind::Misconfigured, "may not do this"),
        (format!("mysql://me:hidden@127.0.0.1:{nobody}/d"), ErrorKind::Unavailable, "cannot be reached"),
        (format!("{}?ssl-mode=REQUIRED", good.expose()), ErrorKind::Misconfigured, "encrypted"),
    ] {
        let Err(error) = open(&SecretText::new(url)).await else { panic!("{said}: it was opened") };
        let text = format!("{error:?}");
        assert!(error.message.contains(said), "{text}");
        assert_eq!(error.kind, kind, "{text}");
        assert!(error.remedy.is_some(), "{text}");
        assert!(!text.contains("hidden") && !text.contains(&password), "{text}");
    }
}

#[tokio::test]
async fn processes_that_start_at_once_make_the_schema_once() {
    let url = fresh_url();
    let opening: Vec<_> = (0..6).map(|_| open(&url)).collect();
    for opened in futures::future::join_all(opening).await {
        opened.unwrap();
    }
}

#[tokio::test]
async fn a_schema_that_was_half_made_is_completed() {
    let (db, store) = opened().await;
    store.set_meta("key", b"value").await.unwrap();
    run(&store, "DROP TABLE {tenant_counts}; DELETE FROM {schema_version}").await;
    let url = SecretText::new(SERVER.url_of(&database(&store).await));
    let again = open(&url).await.unwrap();
    assert_eq!(again.meta_or_insert("key", b"").await.unwrap(), b"value");
    db.with_app().await;
    db.store_job(db.job("job", "ch")).await;
}

async fn database(store: &Mysql) -> String {
    let name: Text = sqlx::query_scalar("SELECT DATABASE()").fetch_one(&store.pool).await.unwrap();
    name.0
}

#[tokio::test]
async fn a_schema_that_is_newer_or_damaged_is_refused() {
    let url = fresh_url();
    let store = open(&url).await.unwrap();
    run(&store, "ALTER TABLE {accounts} RENAME COLUMN fence TO elsewhere").await;
    let Err(error) = open(&url).await else { panic!("it lacks a column") };
    assert!(error.message.contains("it lacks accounts.fence"), "{error:?}");
    run(&store, "INSERT INTO {schema_version} (version, known_columns) VALUES (99, '[]')").await;
    run(&store, "UPDATE {meta} SET value = '99' WHERE name = 'schema-oldest'").await;
    let Err(error) = open(&url).await else { panic!("it is newer") };
    assert!(error.message.contains("version 99") && error.remedy.unwrap().contains("newer program"));
}

#[tokio::test]
async fn settings_that_lose_what_was_promised_are_named() {
    let doubts = open(&fresh_url()).await.unwrap().doubts().await.unwrap();
    assert!(doubts.is_empty(), "{doubts:?}");
    let weak = [
        "innodb-flush-log-at-trx-commit=2",
        "skip-innodb-doublewrite",
        "log-bin=binlog",
        "max-allowed-packet=1M",
    ];
    let weak = Server::start(&weak).unwrap();
    let doubts = open(&SecretText::new(weak.url())).await.unwrap().doubts().await.unwrap();
    let said: Vec<&str> = doubts.iter().map(|doubt| doubt.message.as_str()).collect();
    for (number, setting) in
        ["innodb_flush_log_at_trx_commit = 2", "innodb_doublewrite", "sync_binlog = 0", "max_allowed_packet"]
            .into_iter()
            .enumerate()
    {
        assert!(said.get(number).is_some_and(|said| said.contains(setting)), "{setting}: {said:?}");
    }
    assert_eq!(said.len(), 4, "{said:?}");
}

#[tokio::test]
async fn tables_have_a_prefix_and_lie_beside_others_of_the_same_names() {
    let server = Server::start(&[]).unwrap();
    server.run("CREATE TABLE jobs (id integer); CREATE TABLE accounts (id integer)").unwrap();
    let store = open(&SecretText::new(server.url())).await.unwrap();
    store.set_meta("key", b"value").await.unwrap();
    assert_eq!(server.run("SELECT value FROM social_channel_meta WHERE name = 'key'").unwrap(), "value");
    // Two installations in one database, one of which has a name that begins as the other's.
    let second = SecretText::new(format!("{}?table_prefix=social_channel_b_", server.url()));
    let second = open(&second).await.unwrap();
    assert_eq!(second.meta_or_insert("key", b"second").await.unwrap(), b"second");
    server.run("DROP TABLE social_channel_b_job_history").unwrap();
    open(&SecretText::new(server.url())).await.unwrap();
    // A user that may not make tables.
    server
        .run("CREATE USER reader@127.0.0.1 IDENTIFIED BY 'r'; GRANT SELECT ON shop.* TO reader@127.0.0.1")
        .unwrap();
    let url = server.url();
    let at = url.split_once('@').unwrap().1;
    let Err(error) = open(&SecretText::new(format!("mysql://reader:r@{at}?table_prefix=new_"))).await else {
        panic!("it may not make tables")
    };
    assert!(error.remedy.as_ref().unwrap().contains("CREATE"), "{error:?}");
}

#[tokio::test]
async fn a_read_only_server_is_refused_and_says_so_at_a_write() {
    let server = Server::start(&[]).unwrap();
    let url = SecretText::new(server.url());
    let store = open(&url).await.unwrap();
    server.run("SET GLOBAL read_only = 1").unwrap();
    let Err(error) = open(&url).await else { panic!("it is read-only") };
    assert!(error.message.contains("read-only") && error.remedy.unwrap().contains("primary"));
    let error = store.set_meta("key", b"value").await.unwrap_err();
    assert!(error.message.contains("read-only"), "{error:?}");
    assert_eq!(store.accounts(tenant()).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_binary_log_of_statements_is_refused_with_its_setting() {
    let server = Server::start(&["log-bin=binlog", "binlog-format=STATEMENT"]).unwrap();
    let Err(error) = open(&SecretText::new(server.url())).await else { panic!("nothing can be written") };
    assert!(error.remedy.as_ref().unwrap().contains("binlog_format = ROW"), "{error:?}");
}

// ---- cut connections ------------------------------------------------------------------------------

#[tokio::test]
async fn calls_outlive_a_restart_of_the_server_and_cut_connections() {
    let server = Server::start(&[]).unwrap();
    let store = open(&SecretText::new(server.url())).await.unwrap();
    for round in 0..3_u8 {
        // Several connections, all of which are cut.
        let many: Vec<_> =
            (0..6).map(|number| store.set_meta(if number == 0 { "key" } else { "other" }, b"x")).collect();
        assert!(futures::future::join_all(many).await.iter().all(Result::is_ok));
        match round {
            0 => server.cut().unwrap(),
            1 => {
                server.kill().unwrap();
                server.start_again().unwrap();
            }
            _ => {
                server.stop().unwrap();
                server.start_again().unwrap();
            }
        }
        store.set_meta("key", &[round]).await.unwrap();
        assert_eq!(store.meta_or_insert("key", b"").await.unwrap(), [round]);
    }
    server.kill().unwrap();
    let error = store.set_meta("key", b"nobody").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn the_connection_is_as_the_store_needs_it() {
    // The server of the tests has other settings for all of these.
    let store = open(&fresh_url()).await.unwrap();
    let row = sqlx::query(
        "SELECT @@tx_isolation AS isolation, @@sql_mode AS mode, @@time_zone AS zone, @@character_set_client AS charset,
         CAST(@@max_statement_time AS CHAR) AS statement, CAST(@@idle_transaction_timeout AS CHAR) AS idle,
         CAST(@@innodb_lock_wait_timeout AS CHAR) AS wait",
    )
    .fetch_one(&store.pool)
    .await
    .unwrap();
    let said = |name: &str| text(&row, name).unwrap();
    assert_eq!(said("isolation"), "READ-COMMITTED");
    assert!(said("mode").contains("STRICT_ALL_TABLES"), "{}", said("mode"));
    assert_eq!((said("zone"), said("charset")), ("+00:00".to_owned(), "utf8mb4".to_owned()));
    assert!(said("statement").starts_with("30") && said("idle") == "10" && said("wait") == "20");
    let theirs = now(&mut store.pool.acquire().await.unwrap()).await.unwrap();
    assert!((theirs - SystemClock.now_ms()).abs() < 60_000, "{theirs}: hours apart, if in another zone");
}

// ---- failing over ---------------------------------------------------------------------------------

/// On which server the tables were last used.
async fn known(store: &Mysql) -> String {
    String::from_utf8(store.meta(failover::TIMELINE).await.unwrap().unwrap()).unwrap()
}

/// Jobs in several states on a server, after another one, which gave this guarantee, was the primary.
async fn failed_over(guarantee: &str) -> (Opened, Arc<Mysql>, Lease) {
    let (db, store) = opened().await;
    db.with_app().await;
    let later = Some(db.now() + 3_600_000);
    for id in ["new", "begun", "sent", "held"] {
        db.store_job(db.job(id, id)).await;
    }
    db.store_job(JobRow { wake_at: later, publish_at: later, ..db.job("scheduled", "scheduled") }).await;
    let mut held = None;
    for _ in 0..4 {
        let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
        let step = JobUpdate {
            state: (row.id != "new").then(|| Sealed(b"state".to_vec())),
            non_idempotent_begun: row.id == "sent",
            release: row.id != "held",
            ..update(&row)
        };
        db.one.store_step(&row.id, &lease, &step, db.now()).await.unwrap().unwrap();
        if row.id == "held" {
            held = Some(lease);
        }
    }
    run(&store, &format!("UPDATE {{meta}} SET value = '77 {guarantee}' WHERE name = 'timeline'")).await;
    // A new connection; others live on.
    run(&store, "SELECT 1").await;
    store.doubted.note();
    store.meta("any").await.unwrap();
    (db, store, held.unwrap())
}

#[tokio::test]
async fn what_may_have_gone_further_on_a_lost_server_counts_as_sent() {
    let (db, store, held) = failed_over("lags").await;
    assert_eq!(known(&store).await, "1 lags");
    let job = async |id: &str| db.one.job(tenant(), id).await.unwrap().unwrap();
    let (new, begun, sent) = (job("new").await, job("begun").await, job("sent").await);
    for row in [&new, &begun] {
        assert!(row.non_idempotent_begun && row.state.is_none() && row.sent_at.is_some(), "{row:?}");
    }
    assert!(!new.interrupted && sent.interrupted && sent.state.is_some(), "its provider looks");
    let scheduled = job("scheduled").await;
    assert!(!scheduled.non_idempotent_begun, "nobody has begun it");
    // A worker that held its job all the time knows more.
    let row = job("held").await;
    let step =
        JobUpdate { state: Some(Sealed(b"newer".to_vec())), non_idempotent_begun: false, ..update(&row) };
    assert!(db.one.store_step("held", &held, &step, db.now()).await.unwrap().is_some());
    let row = job("held").await;
    assert_eq!((row.state.unwrap().0.as_slice(), row.non_idempotent_begun), (b"newer".as_slice(), false));
    // Once.
    failover::settle(&mut store.pool.acquire().await.unwrap(), &store.tables, store.naming).await.unwrap();
    assert!(!job("held").await.non_idempotent_begun);
}

#[tokio::test]
async fn after_commits_that_waited_for_the_replica_every_job_goes_on() {
    let (db, store, _) = failed_over("waits").await;
    assert_eq!(known(&store).await, "1 lags");
    for id in ["new", "begun", "sent", "held", "scheduled"] {
        let row = db.one.job(tenant(), id).await.unwrap().unwrap();
        assert_eq!(row.non_idempotent_begun, id == "sent", "{row:?}");
        assert!(!row.interrupted && row.state.is_some() != ["new", "scheduled"].contains(&id), "{row:?}");
    }
}

#[tokio::test]
async fn whoever_takes_a_job_notices_another_server_also_behind_a_connection_that_lives_on() {
    let (db, store) = opened().await;
    db.with_app().await;
    db.store_job(db.job("job", "ch")).await;
    run(&store, "UPDATE {meta} SET value = '77 lags' WHERE name = 'timeline'").await;
    let (row, _) = db.acquire(&db.one, LONG).await.unwrap();
    assert!(row.non_idempotent_begun && row.state.is_none(), "it ends as unknown: {row:?}");
    assert_eq!(known(&store).await, "1 lags");
}

#[tokio::test]
async fn a_server_is_itself_after_a_restart_and_its_replica_is_another() {
    let primary = Server::start(&mariadb_server::PRIMARY).unwrap();
    let replica = primary.replica(true).unwrap();
    let url = SecretText::new(primary.url());
    let store = open(&url).await.unwrap();
    assert_eq!(known(&store).await, "1 waits");
    let said = async |store: &Mysql| -> Vec<String> {
        store.doubts().await.unwrap().into_iter().map(|doubt| doubt.message).collect()
    };
    assert_eq!(said(&store).await, [""; 0]);
    // A wait that may end by its limit is none.
    primary.run("SET GLOBAL rpl_semi_sync_master_timeout = 10000").unwrap();
    assert!(said(&store).await[0].contains("does not wait for its replica"));
    store.close().await;
    let store = open(&url).await.unwrap();
    assert_eq!(known(&store).await, "1 lags", "an operator has changed it");
    primary.kill().unwrap();
    primary.start_again().unwrap();
    store.set_meta("key", b"value").await.unwrap();
    assert_eq!(known(&store).await, "1 lags");
    // The replica takes no writes, is refused, and then takes over.
    let there = SecretText::new(replica.url());
    let Err(error) = open(&there).await else { panic!("it is a replica") };
    assert!(error.message.contains("read-only"), "{error:?}");
    replica.promote().unwrap();
    assert_eq!(known(&open(&there).await.unwrap()).await, "2 lags");
}

// ---- which job is next ----------------------------------------------------------------------------

/// Jobs, all of them due, in many channels of some tenants; and the entries of the queues.
async fn flood(store: &Mysql, jobs: i64, now: i64) {
    for table in ["jobs", "channel_queue", "tenant_queue", "tenant_counts", "channel_fairness"] {
        run(store, &format!("DELETE FROM {{{table}}}")).await;
    }
    let insert = format!(
        "INSERT INTO {{jobs}} (id, tenant, app, channel, digest, request, request_hash, priority, once, interrupted,
         once_begun, status, phase, bytes_sent, bytes_total, wake_at, attempts, deadline_at, cancel_requested, created_at,
         updated_at)
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {jobs})
         SELECT CONCAT('job_', n), CONCAT('tenant_', n % 20), 'app', CONCAT('ch_', n % 700), 'd', 'x', 'h', n % 3, FALSE,
         FALSE, FALSE, 'active', 'waiting', 0, 1, {now} - n, 0, {now} + 1000000, FALSE, {now} - n, {now} FROM numbers"
    );
    // So many rows at once may take longer than a call may.
    run(store, &format!("SET STATEMENT max_statement_time = 0 FOR {insert}")).await;
    run(
        store,
        "INSERT INTO {channel_queue} (tenant, channel, weight, due_at, turn_at)
         SELECT tenant, channel, weight, MIN(wake_at), 0 FROM {jobs} GROUP BY tenant, channel, weight;
         INSERT INTO {tenant_queue} (tenant, due_at, turn_at)
         SELECT tenant, MIN(due_at), 0 FROM {channel_queue} GROUP BY tenant",
    )
    .await;
}

/// How many entries of tables and indexes a connection has read.
async fn entries_read(db: &mut MySqlConnection) -> i64 {
    let rows = sqlx::query("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(db).await.unwrap();
    rows.iter().map(|row| text(row, "Value").unwrap().parse::<i64>().unwrap()).sum()
}

#[tokio::test]
async fn the_choice_and_a_page_read_entries_of_indexes_and_never_all_jobs() {
    let (db, store) = opened().await;
    let now = db.now();
    let channel = "ch_7";
    let page = "SELECT j.id, j.request FROM {jobs} j WHERE j.tenant = 'tenant_7' ORDER BY j.created_at DESC, j.id LIMIT 50";
    let mut read = Vec::new();
    for (jobs, analyzed) in [(50_000, false), (500, true), (50_000, true)] {
        flood(&store, jobs, now).await;
        if analyzed {
            run(&store, "ANALYZE TABLE {jobs}; ANALYZE TABLE {channel_queue}; ANALYZE TABLE {tenant_queue}")
                .await;
        }
        let mut connection = store.pool.acquire().await.unwrap();
        let db = &mut *connection;
        let mut counts = Vec::new();
        for number in 0..7 {
            let before = entries_read(&mut *db).await;
            let looked = before - entries_read(&mut *db).await;
            let tenants = [queue::NEXT_TENANTS, " ORDER BY t.since LIMIT 32"].concat();
            let query = match number {
                0 => sqlx::query(store.sql(queue::LAST_TURN)),
                1 => sqlx::query(store.sql(&tenants)).bind(now).bind(now),
                2 => sqlx::query(store.sql(queue::FIRST_DUE)).bind("tenant_7"),
                3 => sqlx::query(store.sql(queue::NEXT_WEIGHT)).bind("tenant_7").bind(-1),
                4 => sqlx::query(store.sql(queue::NEXT_CHANNEL)).bind("tenant_7").bind(0).bind(now).bind(now),
                5 => sqlx::query(store.sql(queue::NEXT_JOB)).bind("tenant_7").bind(channel).bind(0).bind(now),
                _ => sqlx::query(store.sql(page)),
            };
            let begun = entries_read(&mut *db).await;
            query.fetch_all(&mut *db).await.unwrap();
            // What reading the counters costs is not counted.
            counts.push(entries_read(&mut *db).await - begun + looked);
        }
        read.push(counts);
    }
    for counts in &read {
        // At most twenty tenants, four channels, one entry of each other choice, and a page.
        for (count, most) in counts.iter().zip([3, 45, 3, 3, 16, 3, 110]) {
            assert!(*count <= most, "entries that were read: {read:?}");
        }
    }
}

/// The queues, and what they should be.
async fn damaged(store: &Mysql) -> (usize, usize, usize) {
    let count =
        async |sql: &'static str| sqlx::query(store.sql(sql)).fetch_all(&store.pool).await.unwrap().len();
    (
        count(queue::DAMAGED_CHANNELS).await,
        count(queue::DAMAGED_TENANTS).await,
        count(queue::DAMAGED_COUNTS).await,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_queues_agree_with_the_jobs_whatever_many_do_to_them_at_once() {
    let (db, store) = opened().await;
    db.with_app().await;
    let db = Arc::new(db);
    churn(&db).await;
    assert_eq!(damaged(&store).await, (0, 0, 0));
    // Nothing that is due is forgotten.
    run(&store, "UPDATE {jobs} SET lease_owner = NULL").await;
    let due: i64 = sqlx::query_scalar(
        store.sql(concat!("SELECT COUNT(DISTINCT channel) FROM {jobs} WHERE wake_at <= ", now_ms!())),
    )
    .fetch_one(&store.pool)
    .await
    .unwrap();
    for _ in 0..due {
        assert!(db.acquire(&db.other, LONG).await.is_some());
    }
}

#[tokio::test]
async fn of_a_channel_one_job_is_held_whatever_writes() {
    let (db, store) = opened().await;
    db.with_app().await;
    for id in ["a", "b"] {
        db.store_job(db.job(id, "ch")).await;
    }
    let both =
        sqlx::raw_sql(store.sql("UPDATE {jobs} SET lease_owner = 'somebody'")).execute(&store.pool).await;
    assert!(is_duplicate(&both.unwrap_err()));
}

#[tokio::test]
async fn damaged_queues_are_made_again_from_the_jobs() {
    let (db, store) = opened().await;
    db.with_app().await;
    for number in 0..3 {
        db.store_job(db.job(&format!("job_{number}"), &format!("ch_{number}"))).await;
    }
    for damage in [
        "DELETE FROM {channel_queue} WHERE channel = 'ch_1'",
        "UPDATE {channel_queue} SET due_at = 9223372036854775807",
        "UPDATE {tenant_queue} SET due_at = NULL; UPDATE {tenant_counts} SET open_jobs = 17",
        "DELETE FROM {tenant_queue}; DELETE FROM {tenant_counts}",
    ] {
        run(&store, damage).await;
        assert_ne!(damaged(&store).await, (0, 0, 0), "{damage}");
        store.mend_queues().await.unwrap();
        assert_eq!(damaged(&store).await, (0, 0, 0), "{damage}");
    }
    store.mend_queues().await.unwrap();
    assert!(db.acquire(&db.one, LONG).await.is_some());
}

// ---- rows -----------------------------------------------------------------------------------------

#[tokio::test]
async fn a_damaged_row_is_named_and_stands_in_nobodys_way() {
    let (db, store) = opened().await;
    db.with_app().await;
    for id in ["bad", "good"] {
        db.store_job(db.job(id, id)).await;
        db.clock.advance(Duration::from_millis(5));
    }
    for damage in ["status = 'no word of it'", "phase = X'FF'"] {
        run(&store, &format!("UPDATE {{jobs}} SET {damage} WHERE id = 'bad'")).await;
        let error = store.job(tenant(), "bad").await.unwrap_err();
        assert!(error.message.contains("row bad of the table jobs is damaged"), "{error:?}");
    }
    assert_eq!(store.jobs(tenant(), &JobFilter { limit: 9, ..JobFilter::default() }).await.unwrap().len(), 1);
    let (taken, _) = db.acquire(&db.one, LONG).await.unwrap();
    assert_eq!(taken.id, "good");
    assert!(db.acquire(&db.one, LONG).await.is_none(), "it is looked at again later");
}

#[tokio::test]
async fn texts_compare_by_their_bytes() {
    let (db, store) = opened().await;
    db.with_app().await;
    // A collation would call some of these equal.
    let names = ["k", "K", "k ", "k\0", "k\0x", "\u{e9}", "e\u{301}", "\u{1F3AC}"];
    for name in names {
        store.set("app", name, name.as_bytes(), Some(0), None).await.unwrap();
        let new = NewAccount { display_name: name.to_owned(), ..db.account(&format!("ch{name}"), name) };
        store.connect_account(tenant(), &new, &|_| Ok(Sealed(vec![1]))).await.unwrap();
        let job = JobRow { idempotency_key: Some(name.to_owned()), ..db.job(&format!("job{name}"), "ch") };
        assert!(matches!(
            store.insert_job(tenant(), &job, &JobMedia::default(), i64::MAX).await.unwrap(),
            InsertedJob::Stored
        ));
    }
    for name in names {
        assert_eq!(store.get("app", name).await.unwrap().unwrap().value, name.as_bytes(), "{name:?}");
        let row = store.account(tenant(), &format!("ch{name}")).await.unwrap().unwrap();
        assert_eq!((row.account.as_str(), row.display_name.as_str()), (name, name));
        let job = store.job_of_key(tenant(), name).await.unwrap().unwrap();
        assert_eq!(job.id, format!("job{name}"));
    }
    assert_eq!(store.list_keys("app", "k\0", None, 9).await.unwrap(), ["k\0", "k\0x"]);
    let too_long = JobRow { idempotency_key: Some("k".repeat(2_000)), ..db.job("long", "ch") };
    let refused = store.insert_job(tenant(), &too_long, &JobMedia::default(), i64::MAX).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::InvalidRequest, "nothing is cut off: {refused:?}");
}

#[tokio::test]
async fn a_component_may_be_larger_than_what_the_server_takes_at_once() {
    let (db, store) = opened().await;
    let bytes: Vec<u8> = (0..20_u32 << 20).map(|at| (at >> 9) as u8).collect();
    let row = ComponentRow {
        digest: digest("large"),
        provider: "demo".to_owned(),
        version: "1".to_owned(),
        size: 0,
        added_at: db.now(),
        installed: true,
    };
    store.install_component(&row, &bytes, &[]).await.unwrap();
    assert_eq!(store.components().await.unwrap()[0].size, 20 << 20);
    assert!(store.component_bytes(&digest("large")).await.unwrap().unwrap() == bytes);
}

#[tokio::test]
async fn what_is_to_be_sent_is_found_from_the_addresses_and_not_from_all_events() {
    let (_db, store) = opened().await;
    let events: Vec<String> =
        (0..5_000).map(|id| format!("('e{id}', 'quiet', 'job.published', 1)")).collect();
    run(&store, &format!("INSERT INTO {{outbox}} (id, tenant, kind, at) VALUES {}", events.join(", "))).await;
    for (id, tenant) in [("a", "told"), ("b", "silent")] {
        run(
            &store,
            &format!(
                "INSERT INTO {{endpoints}} (id, tenant, target, description, position, created_at, updated_at)
                 VALUES ('{id}', '{tenant}', 'sealed', '', 0, 1, 1)"
            ),
        )
        .await;
    }
    run(&store, "INSERT INTO {outbox} (id, tenant, kind, at) VALUES ('told', 'told', 'job.published', 1)")
        .await;
    for analyzed in [false, true] {
        if analyzed {
            run(&store, "ANALYZE TABLE {outbox}; ANALYZE TABLE {endpoints}").await;
        }
        let mut connection = store.pool.acquire().await.unwrap();
        let before = entries_read(&mut connection).await;
        let found: Vec<Text> = sqlx::query_scalar(store.sql(super::outbox::FRESH_TO_SEND))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        let read = entries_read(&mut connection).await - before;
        assert_eq!(plain(found), ["told"]);
        assert!(read < 1_000, "{read} entries were read");
    }
}
