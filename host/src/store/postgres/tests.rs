//! What only PostgreSQL's store has: the plan of its queries, its sentences, and what others do to its tables.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use postgres_server::Server;
use social_channel_runtime::clock::{MovedClock, SystemClock};
use social_channel_runtime::error::ErrorKind;

use super::*;
use crate::store::conformance::{EXPANSION, LONG, Opened, churn, programs_work_side_by_side, tenant, update};

/// One server for all cases. It ends with this process.
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(&[]).unwrap());

/// A URL for tables of one case, which no other uses.
fn fresh_url() -> SecretText {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    SecretText::new(SERVER.url_in(&format!("case_{}", NEXT.fetch_add(1, Ordering::Relaxed))))
}

async fn open(url: &SecretText) -> Result<Postgres> {
    Postgres::open(url, Arc::new(SystemClock), Wake::default()).await
}

/// A database and its own type, for what only SQL shows.
async fn opened() -> (Opened, Arc<Postgres>) {
    opened_in(&fresh_url()).await
}

async fn opened_in(url: &SecretText) -> (Opened, Arc<Postgres>) {
    let clock = Arc::new(MovedClock::default());
    let one = Arc::new(Postgres::open(url, clock.clone(), Wake::default()).await.unwrap());
    let other = Arc::new(Postgres::open(url, clock.clone(), Wake::default()).await.unwrap());
    (Opened { one: one.clone(), other, clock, _keep: Box::new(()) }, one)
}

/// As a program of so many more steps.
async fn open_as(url: &SecretText, clock: Arc<MovedClock>, more: Vec<SchemaStep>) -> Result<Arc<dyn Store>> {
    let steps = [&schema::SCHEMAS, &more[..]].concat();
    Ok(Arc::new(Postgres::open_as(url, clock, Wake::default(), &steps).await?))
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

/// A fresh schema, opened as two processes would open it.
pub(crate) async fn for_conformance() -> Opened {
    opened().await.0
}

/// Runs SQL by hand.
async fn run(store: &Postgres, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&store.pool).await.unwrap();
}

// ---- opening --------------------------------------------------------------------------------------

#[tokio::test]
async fn what_cannot_be_opened_says_what_to_do_and_never_the_password() {
    let good = fresh_url();
    let password = url::Url::parse(good.expose()).unwrap().password().unwrap().to_owned();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (url, kind, said) in [
        (good.expose().replace(&password, "hidden"), ErrorKind::Misconfigured, "refused the login"),
        (good.expose().replace("/postgres?", "/nosuch?"), ErrorKind::Misconfigured, "does not exist"),
        (format!("postgres://me:hidden@127.0.0.1:{nobody}/d"), ErrorKind::Unavailable, "cannot be reached"),
        (format!("{}&sslmode=require", good.expose()), ErrorKind::Misconfigured, "encrypted"),
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
async fn a_schema_that_is_newer_or_damaged_is_refused() {
    let url = fresh_url();
    let store = open(&url).await.unwrap();
    run(&store, "ALTER TABLE accounts RENAME COLUMN fence TO elsewhere").await;
    let Err(error) = open(&url).await else { panic!("it lacks a column") };
    assert!(error.message.contains("it lacks accounts.fence"), "{error:?}");
    run(
        &store,
        "INSERT INTO schema_version (version, columns) VALUES (99, '{}');
         UPDATE meta SET value = '99' WHERE key = 'schema-oldest'",
    )
    .await;
    let Err(error) = open(&url).await else { panic!("it is newer") };
    assert!(error.message.contains("version 99") && error.remedy.unwrap().contains("newer program"));
}

#[tokio::test]
async fn settings_that_lose_what_was_promised_are_named() {
    let url = fresh_url();
    assert!(open(&url).await.unwrap().doubts().await.unwrap().is_empty());
    let weak = SecretText::new(format!("{}&options[synchronous_commit]=off", url.expose()));
    let doubts = open(&weak).await.unwrap().doubts().await.unwrap();
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    assert!(doubts[0].message.contains("synchronous_commit"), "{doubts:?}");
    let weak = Server::start(&["fsync=off", "full_page_writes=off"]).unwrap();
    let doubts = open(&SecretText::new(weak.url())).await.unwrap().doubts().await.unwrap();
    assert_eq!(doubts.len(), 2, "{doubts:?}");
    let primary = Server::start(&[]).unwrap();
    let standby = primary.standby().unwrap();
    let doubts = open(&SecretText::new(primary.url())).await.unwrap().doubts().await.unwrap();
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    assert!(doubts[0].message.contains("does not wait for its standby"), "{doubts:?}");
    let Err(error) = open(&SecretText::new(standby.url())).await else { panic!("it is a standby") };
    assert!(error.message.contains("standby") && error.remedy.unwrap().contains("primary"));
}

#[tokio::test]
async fn tables_lie_in_a_schema_of_their_own_beside_others_of_the_same_names() {
    let server = Server::start(&[]).unwrap();
    server.run("CREATE TABLE public.jobs (id integer); CREATE TABLE public.accounts (id integer)").unwrap();
    let store = open(&SecretText::new(server.url())).await.unwrap();
    store.set_meta("key", b"value").await.unwrap();
    assert_eq!(server.run("SELECT count(*) FROM social_channel.meta WHERE key = 'key'").unwrap(), "1");
    // Also for a user that may do nothing but use its schema.
    server.run("CREATE ROLE shop LOGIN PASSWORD 'shop'; CREATE SCHEMA shop AUTHORIZATION shop; REVOKE ALL ON SCHEMA public FROM PUBLIC").unwrap();
    let url = server.url();
    let at = url.split_once('@').unwrap().1;
    let own = format!("postgres://shop:shop@{at}?options[search_path]=shop");
    open(&SecretText::new(own)).await.unwrap();
    let Err(error) =
        open(&SecretText::new(format!("postgres://shop:shop@{at}?options[search_path]=other"))).await
    else {
        panic!("it may not make a schema")
    };
    assert!(error.remedy.as_ref().unwrap().contains("CREATE SCHEMA"), "{error:?}");
}

#[tokio::test]
async fn a_read_only_database_is_refused_or_says_so_at_the_first_write() {
    let url = fresh_url();
    drop(open(&url).await.unwrap());
    let read_only = SecretText::new(format!("{}&options[default_transaction_read_only]=on", url.expose()));
    let store = open(&read_only).await.unwrap();
    let error = store.set_meta("key", b"value").await.unwrap_err();
    assert!(error.message.contains("read-only"), "{error:?}");
    assert_eq!(store.accounts(tenant()).await.unwrap().len(), 0);
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
            0 => drop(server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'social-channel'").unwrap()),
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
async fn others_are_woken_when_a_job_is_stored() {
    let url = fresh_url();
    let (wake, clock) = (Wake::default(), Arc::new(MovedClock::default()));
    let hearing = Arc::new(Postgres::open(&url, clock.clone(), wake.clone()).await.unwrap());
    let telling = Arc::new(Postgres::open(&url, clock.clone(), Wake::default()).await.unwrap());
    let db = Opened { one: telling.clone(), other: hearing, clock, _keep: Box::new(()) };
    db.with_app().await;
    // Until it listens there is nobody to tell.
    loop {
        let listens: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE state = 'idle' AND query LIKE 'LISTEN%'
             AND query LIKE '%' || current_schema() || '%' AND pid NOT IN (SELECT pg_backend_pid()))",
        )
        .fetch_one(&telling.pool)
        .await
        .unwrap();
        if listens {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for number in 0.. {
        let woken = wake.woken();
        db.store_job(db.job(&format!("job_{number}"), "ch")).await;
        if tokio::time::timeout(Duration::from_secs(2), woken).await.is_ok() {
            break;
        }
        assert!(number < 10, "nothing is heard");
    }
}

// ---- failing over ----------------------------------------------------------------------------------

/// Jobs of every kind on a server whose commits waited for its standby or not; then the standby's first connection.
async fn failed_over(guarantee: &str) -> (Opened, Arc<Postgres>, Lease) {
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
    run(&store, &format!("UPDATE meta SET value = '00000000 {guarantee}' WHERE key = 'timeline'")).await;
    let mut connection = store.pool.acquire().await.unwrap();
    failover::settle(&mut connection).await.unwrap();
    (db, store, held.unwrap())
}

#[tokio::test]
async fn what_may_have_gone_further_on_a_lost_server_counts_as_sent() {
    let (db, store, held) = failed_over("lags").await;
    let job = async |id: &str| db.one.job(tenant(), id).await.unwrap().unwrap();
    let (new, begun, sent) = (job("new").await, job("begun").await, job("sent").await);
    for row in [&new, &begun] {
        assert!(row.non_idempotent_begun && row.state.is_none() && row.sent_at.is_some(), "{row:?}");
    }
    assert!(sent.interrupted && sent.state.is_some(), "its provider looks");
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
    let mut connection = store.pool.acquire().await.unwrap();
    failover::settle(&mut connection).await.unwrap();
    assert!(!job("held").await.non_idempotent_begun);
}

#[tokio::test]
async fn after_commits_that_waited_for_the_standby_every_job_goes_on() {
    let (db, ..) = failed_over("waits").await;
    for id in ["new", "begun", "sent", "held", "scheduled"] {
        let row = db.one.job(tenant(), id).await.unwrap().unwrap();
        assert_eq!(row.non_idempotent_begun, id == "sent", "{row:?}");
        assert!(!row.interrupted && row.state.is_some() != ["new", "scheduled"].contains(&id), "{row:?}");
    }
}

// ---- which job is next ----------------------------------------------------------------------------

#[tokio::test]
async fn a_step_and_a_webhook_meet_under_the_same_numbers() {
    let (_db, store) = opened().await;
    for (what, part, other) in
        [("reference", "app", "p_1"), ("events of account", "", "ä\u{1F600}"), ("", "a b", "'")]
    {
        let number: i64 = sqlx::query_scalar("SELECT lock_number($1, $2, $3)")
            .bind(what)
            .bind(part)
            .bind(other)
            .fetch_one(&store.pool)
            .await
            .unwrap();
        assert_eq!(number, crate::store::lock::lock_number(what, &[part, other]), "{what} {part} {other}");
    }
}

/// Jobs, all of them due, in many channels of some tenants.
async fn flood(store: &Postgres, jobs: i64, now: i64) {
    let insert = format!(
        "INSERT INTO jobs (id, tenant, app, channel, digest, request, request_hash, priority, once, interrupted, once_begun,
         status, phase, bytes_sent, bytes_total, wake_at, attempts, deadline_at, cancel_requested, created_at, updated_at)
         SELECT 'job_' || n, 'tenant_' || n % 20, 'app', 'ch_' || n % 700, 'd', 'x', 'h', n % 3, false, false, false,
         'active', 'waiting', 0, 1, {now} - n, 0, {now} + 1000000, false, {now}, {now} FROM generate_series(1, {jobs}) n"
    );
    // So many rows at once may take longer than a call may.
    run(store, &format!("BEGIN; SET LOCAL statement_timeout = 0; {insert}; COMMIT")).await;
}

#[tokio::test]
async fn the_choice_reads_entries_of_indexes_and_never_all_jobs() {
    let (db, store) = opened().await;
    db.with_app().await;
    let now = db.now();
    let without = vec!["other".to_owned()];
    let explained = async |sql: &str| -> Vec<String> {
        let explain = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS) {sql}");
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(explain)).bind(now).bind(&without).bind(32_i64);
        let query = match sql == queue::TAKE_NEXT {
            true => query.bind(60_000_i64).bind("somebody").bind(1_000_i64).bind(now),
            false => query,
        };
        query.fetch_all(&store.pool).await.unwrap()
    };
    let pages = |plan: &[String]| -> u64 {
        let line = plan.iter().find(|line| line.contains("Buffers:")).unwrap();
        let of = |name: &str| {
            let (_, rest) = line.split_once(name)?;
            rest.split(|it: char| !it.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        of("hit=").unwrap_or_default() + of("read=").unwrap_or_default()
    };
    let mut read = Vec::new();
    // Until the server has looked at a table that was just filled, it may read all jobs of a channel, but never all jobs.
    for (jobs, analyzed) in [(50_000, false), (500, true), (50_000, true)] {
        run(&store, "TRUNCATE jobs, channel_queue, tenant_queue, tenant_counts, channel_fairness CASCADE")
            .await;
        flood(&store, jobs, now).await;
        for table in ["jobs", "channel_queue", "tenant_queue", "channel_fairness"] {
            run(&store, &format!("VACUUM {} {table}", if analyzed { "ANALYZE" } else { "" })).await;
        }
        let tenants = explained(queue::NEXT_TENANTS).await;
        let chosen = explained(queue::TAKE_NEXT).await;
        for plan in [&tenants, &chosen] {
            let scans = ["Seq Scan on jobs", "Seq Scan on channel_queue"];
            let scans = plan.iter().filter(|step| scans.iter().any(|scan| step.contains(scan)));
            assert_eq!(scans.count(), 0, "{plan:#?}");
        }
        if analyzed {
            read.push((pages(&tenants), pages(&chosen)));
        }
    }
    let [few, many] = read.as_slice() else { panic!("{read:?}") };
    assert!(many.0 <= few.0 * 2 && many.1 <= few.1 * 2, "pages that were read: {read:?}");
}

/// The queues, and what they should be.
async fn damaged(store: &Postgres) -> (usize, usize, usize) {
    let count = async |sql: &'static str| sqlx::query(sql).fetch_all(&store.pool).await.unwrap().len();
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
    let held: i64 = sqlx::query_scalar(
        "SELECT coalesce(max(held), 0) FROM (SELECT count(*) AS held FROM jobs WHERE lease_owner IS NOT NULL
         GROUP BY tenant, channel) h",
    )
    .fetch_one(&store.pool)
    .await
    .unwrap();
    assert!(held <= 1, "jobs of one channel are held at once");
    // Nothing that is due is forgotten.
    run(&store, "UPDATE jobs SET lease_owner = NULL").await;
    let due: i64 = sqlx::query_scalar("SELECT count(DISTINCT channel) FROM jobs WHERE wake_at <= now_ms()")
        .fetch_one(&store.pool)
        .await
        .unwrap();
    for _ in 0..due {
        assert!(db.acquire(&db.other, LONG).await.is_some());
    }
}

#[tokio::test]
async fn damaged_queues_are_made_again_from_the_jobs() {
    let (db, store) = opened().await;
    db.with_app().await;
    for number in 0..3 {
        db.store_job(db.job(&format!("job_{number}"), &format!("ch_{number}"))).await;
    }
    for damage in [
        "DELETE FROM channel_queue WHERE channel = 'ch_1'",
        "UPDATE channel_queue SET due_at = 9223372036854775807",
        "UPDATE tenant_queue SET due_at = NULL; UPDATE tenant_counts SET open = 17",
        "DELETE FROM tenant_queue; DELETE FROM tenant_counts",
    ] {
        run(&store, damage).await;
        assert_ne!(damaged(&store).await, (0, 0, 0), "{damage}");
        store.mend_queues().await.unwrap();
        assert_eq!(damaged(&store).await, (0, 0, 0), "{damage}");
    }
    store.mend_queues().await.unwrap();
    assert!(db.acquire(&db.one, LONG).await.is_some());
}

// ---- events out -----------------------------------------------------------------------------------

/// Transactions commit in another order than the one in which they wrote.
#[tokio::test]
async fn an_event_that_commits_late_comes_after_what_was_read_meanwhile() {
    let (db, store) = opened().await;
    let insert =
        |kind: &str| format!("INSERT INTO outbox (tenant, kind, at) VALUES ('default', '{kind}', 1)");
    let mut late = store.pool.begin().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(insert("late"))).execute(&mut *late).await.unwrap();
    run(&store, &insert("early")).await;
    let kinds = async |after| -> Vec<(i64, String)> {
        let page = db.other.outbox(tenant(), after, 9).await.unwrap();
        page.events.into_iter().map(|event| (event.number, event.kind)).collect()
    };
    // Nobody waits for the one that is late, and it is not passed by.
    assert_eq!(kinds(0).await, [(1, "early".to_owned())]);
    late.commit().await.unwrap();
    assert_eq!(kinds(1).await, [(2, "late".to_owned())]);
    // One that is rolled back leaves no gap.
    let mut never = store.pool.begin().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(insert("never"))).execute(&mut *never).await.unwrap();
    never.rollback().await.unwrap();
    run(&store, &insert("last")).await;
    assert_eq!(kinds(2).await, [(3, "last".to_owned())]);
}

#[tokio::test]
async fn an_event_is_heard_of_in_another_process() {
    let url = fresh_url();
    let (wake, clock) = (Wake::default(), Arc::new(MovedClock::default()));
    let hearing = Arc::new(Postgres::open(&url, clock.clone(), wake.clone()).await.unwrap());
    let telling = Arc::new(Postgres::open(&url, clock.clone(), Wake::default()).await.unwrap());
    let db = Opened { one: telling.clone(), other: hearing, clock, _keep: Box::new(()) };
    db.with_app().await;
    // Until it listens there is nobody to tell.
    for number in 0.. {
        let heard = wake.heard();
        let account = db.account(&format!("ch_{number}"), &number.to_string());
        telling.connect_account(tenant(), &account, &|_| Ok(Sealed(vec![1]))).await.unwrap();
        if tokio::time::timeout(Duration::from_secs(2), heard).await.is_ok() {
            break;
        }
        assert!(number < 20, "nothing is heard");
    }
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
    run(&store, "UPDATE jobs SET status = 'no word of it' WHERE id = 'bad'").await;
    let error = store.job(tenant(), "bad").await.unwrap_err();
    assert!(error.message.contains("row bad of the table jobs is damaged"), "{error:?}");
    assert_eq!(store.jobs(tenant(), &JobFilter { limit: 9, ..JobFilter::default() }).await.unwrap().len(), 1);
    let (taken, _) = db.acquire(&db.one, LONG).await.unwrap();
    assert_eq!(taken.id, "good");
    assert!(db.acquire(&db.one, LONG).await.is_none(), "it is looked at again later");
}

#[tokio::test]
async fn texts_may_hold_what_postgresql_cannot() {
    let (db, store) = opened().await;
    db.with_app().await;
    let account = NewAccount { display_name: "a\0b".to_owned(), ..db.account("ch", "4\x002") };
    for _ in 0..2 {
        let channel = store.connect_account(tenant(), &account, &|_| Ok(Sealed(vec![1]))).await.unwrap();
        assert_eq!(channel, "ch");
    }
    let row = store.account(tenant(), "ch").await.unwrap().unwrap();
    assert_eq!(row.display_name, "a\u{FFFD}b");
    assert!(store.job(tenant(), "no\0such").await.unwrap().is_none());
    for key in ["k", "k\0", "k\0x"] {
        store.set("app", key, key.as_bytes(), Some(0), None).await.unwrap();
    }
    assert_eq!(store.list_keys("app", "k\0", None, 9).await.unwrap(), ["k\0", "k\0x"]);
    assert_eq!(store.get("app", "k\0").await.unwrap().unwrap().value, b"k\0");
    let sealed: Vec<String> = db.sealed_values().await.into_iter().map(|it| it.row).collect();
    assert!(sealed.contains(&"app/k\0x".to_owned()), "{sealed:?}");
}
