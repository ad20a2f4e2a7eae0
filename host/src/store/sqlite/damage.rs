//! What a damaged row does to the others: nothing. Every kind of garbage is written into every column of every table,
//! as the schema names them.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use sqlx::AssertSqlSafe;

use super::*;
use crate::store::conformance::{LONG, Opened, digest, sealed, tenant, update};

/// As a disk, a person or another program may leave it, in SQL.
const GARBAGE: [&str; 6] = [
    "NULL",
    "x'FF00'",
    // No UTF-8.
    "CAST(x'61FF' AS TEXT)",
    "'neither a number nor JSON nor a known word'",
    "9223372036854775807",
    "0.5",
];

/// The rows that are damaged have this in one of their texts.
const BAD: &str = "bad";
const BOTH: [&str; 2] = ["good", BAD];

/// Two of everything.
async fn fill(db: &Opened) {
    db.with_app().await;
    for name in BOTH {
        let component = ComponentRow {
            digest: digest(name),
            provider: name.to_owned(),
            version: name.to_owned(),
            size: 2,
            added_at: db.now(),
            installed: true,
        };
        db.one.install_component(&component, name.as_bytes(), &[]).await.unwrap();
        let app = AppRow {
            id: name.to_owned(),
            tenant: None,
            provider: name.to_owned(),
            digest: digest(name),
            settings: sealed(name),
            grants: "[]".to_owned(),
            redirect_uri: None,
            listing: None,
            created_at: db.now(),
            updated_at: db.now(),
            revision: 0,
        };
        assert!(db.one.put_app(&app).await.unwrap());
        let former = db.account(&format!("former-{name}"), &format!("former-{name}"));
        db.one.connect_account(tenant(), &former, &|_| Ok(sealed("credentials"))).await.unwrap();
        db.one.delete_account(tenant(), &former.channel, db.now()).await.unwrap();
        let account =
            NewAccount { grant: Some(name.to_owned()), refresh_due_at: Some(0), ..db.account(name, name) };
        db.one.connect_account(tenant(), &account, &|_| Ok(sealed("credentials"))).await.unwrap();
        db.one.insert_sample(tenant(), name, 5, "{}").await.unwrap();
        let numbers = [(name.to_owned(), "{}".to_owned())];
        db.one.insert_post_samples(tenant(), name, 5, &numbers).await.unwrap();
        let upload = UploadRow {
            id: name.to_owned(),
            tenant: tenant().as_str().to_owned(),
            file_name: None,
            content_type: None,
            size: 1,
            held: false,
            created_at: db.now(),
        };
        assert!(db.one.insert_upload(&upload, None, None).await.unwrap());
        let link = MediaLinkRow {
            id: name.to_owned(),
            tenant: tenant().as_str().to_owned(),
            reference: sealed(name),
            created_at: db.now(),
        };
        let media = JobMedia { uploads: vec![name.to_owned()], links: vec![link] };
        let job = JobRow { idempotency_key: Some(name.to_owned()), ..db.job(name, name) };
        assert!(matches!(
            db.one.insert_job(tenant(), &job, &media, i64::MAX).await.unwrap(),
            InsertedJob::Stored
        ));
        let only = [name.to_owned()];
        let ask = AskForJob { now: db.now(), length: LONG, only: Some(&only), without: &[] };
        let (_, row, lease) = db.one.acquire_job(&ask).await.unwrap().unwrap();
        let history = HistoryRow {
            at_ms: db.now(),
            call: "begin_publish".to_owned(),
            phase: name.to_owned(),
            result: name.to_owned(),
            message: None,
            code: None,
            trace_id: None,
            by: None,
        };
        let step = JobUpdate {
            history: Some(history),
            reference: Some(name.to_owned()),
            state: Some(sealed(name)),
            ..update(&row)
        };
        db.one.store_step(name, &lease, &step, db.now()).await.unwrap().unwrap();
        db.one.insert_event(&EventRow { account: None, ..db.event(name, name) }).await.unwrap();
        db.one.set("app", name, name.as_bytes(), None, None).await.unwrap();
        db.one.set_meta(name, name.as_bytes()).await.unwrap();
        let session = SessionRow {
            id: name.to_owned(),
            tenant: tenant().as_str().to_owned(),
            app: "app".to_owned(),
            owner: "browser".to_owned(),
            payload: sealed(name),
            expires_at: i64::MAX,
        };
        db.one.insert_session(&session, 0).await.unwrap();
        let document = Document {
            kind: "kind".to_owned(),
            id: name.to_owned(),
            facts: "{}".to_owned(),
            body: None,
            created_at: 0,
            expires_at: None,
        };
        db.one.change_documents(&[DocumentChange::Put(document)]).await.unwrap();
        let draft = DraftRow {
            id: name.to_owned(),
            content: sealed(name),
            created_at: db.now(),
            expires_at: i64::MAX,
        };
        db.one.put_draft(tenant(), &draft).await.unwrap();
        db.one.insert_endpoint(tenant(), &db.endpoint(name, None)).await.unwrap();
        // An event of the channel, which is delivered to both at most.
        let (_, row, lease) = db.one.acquire_job(&ask).await.unwrap().unwrap();
        let step = JobUpdate { status: JobStatus::Paused, wake_at: Some(db.now()), ..update(&row) };
        db.one.store_step(name, &lease, &step, db.now()).await.unwrap().unwrap();
    }
    // What happened is on its way to both.
    for _ in BOTH {
        let held = db.one.acquire_endpoint(i64::MAX, LONG).await.unwrap().unwrap();
        let attempt =
            AttemptRow { at: db.now(), took_ms: 1, status: Some(500), failure: Some("no".to_owned()) };
        let after = AfterAttempt::Failed { due_at: Some(0), resume_at: 0 };
        let (next, _) = db.one.next_delivery(&held.row.id, i64::MAX).await.unwrap().unwrap();
        db.one.store_attempt(&held.row.id, &held.lease, next.number, &attempt, &after).await.unwrap();
    }
}

/// Calls every list and every get. The good ones are there; what is damaged is an error that names its table and its
/// row, or is left out.
async fn look(db: &Opened, case: &str) {
    let store = &db.one;
    let table = case.split('.').next().unwrap();
    let good = |what: &str, names: Vec<String>| {
        assert!(names.iter().any(|name| name == "good"), "{case}: {what}: {names:?}");
    };
    good("apps", store.apps().await.unwrap().into_iter().map(|it| it.id).collect());
    good("components", store.components().await.unwrap().into_iter().map(|it| it.version).collect());
    good("accounts", store.accounts(tenant()).await.unwrap().into_iter().map(|it| it.channel).collect());
    let of_all = |pairs: Vec<(TenantId, String)>| pairs.into_iter().map(|(_, channel)| channel).collect();
    good("refresh", of_all(store.accounts_to_refresh(i64::MAX).await.unwrap()));
    good("look", of_all(store.accounts_to_look_at(i64::MAX).await.unwrap()));
    good("sample", of_all(store.channels_to_sample(6).await.unwrap()));
    good("sample posts", of_all(store.channels_to_sample_posts(i64::MAX).await.unwrap()));
    good("uploads", store.uploads(tenant(), 99, None).await.unwrap().into_iter().map(|it| it.id).collect());
    good("drafts", store.drafts(tenant()).await.unwrap().into_iter().map(|it| it.id).collect());
    good("documents", store.documents("kind").await.unwrap().into_iter().map(|it| it.id).collect());
    good("keys", store.list_keys("app", "", None, 9).await.unwrap());
    let filter = |limit| JobFilter { limit, ..JobFilter::default() };
    good("jobs", store.jobs(tenant(), &filter(9)).await.unwrap().into_iter().map(|it| it.id).collect());
    // Also by pages of one.
    let (mut names, mut page) = (Vec::new(), filter(1));
    while let Some(job) = store.jobs(tenant(), &page).await.unwrap().pop() {
        page.before = Some(job.id.clone());
        names.push(job.id);
        assert!(names.len() < 9, "{case}: the pages end: {names:?}");
    }
    good("pages of jobs", names);
    let sealed_rows: Vec<String> = db.sealed_values().await.into_iter().map(|it| it.row).collect();
    for row in ["good", "default/good", "app/good"] {
        assert!(sealed_rows.iter().any(|name| name == row), "{case}: {row}: {sealed_rows:?}");
    }
    let ids = BOTH.map(str::to_owned);
    good("times", store.job_times(&ids).await.unwrap().into_iter().map(|(id, ..)| id).collect());
    good("known uploads", store.known_uploads(&ids).await.unwrap());
    // The gets, and lists of one: the good one has its own, and of the bad one an error has a name.
    for name in BOTH {
        let gets = [
            ("component", store.component_bytes(&digest(name)).await.map(|it| it.is_some())),
            ("installed", store.installed_component(name).await.map(|it| it.is_some())),
            ("app", store.app(name).await.map(|it| it.is_some())),
            ("account", store.account(tenant(), name).await.map(|it| it.is_some())),
            ("grant", store.accounts_of_grant("app", Some(name), "").await.map(|it| !it.is_empty())),
            ("samples", store.samples(tenant(), name, 0).await.map(|it| !it.is_empty())),
            ("newest sample", store.newest_sample(tenant(), name).await.map(|it| it.is_some())),
            ("post samples", store.post_samples(tenant(), name, name, 0).await.map(|it| !it.is_empty())),
            ("posts sampled", store.posts_sampled_at(tenant(), name).await.map(|it| it.is_some())),
            ("job", store.job(tenant(), name).await.map(|it| it.is_some())),
            ("job of key", store.job_of_key(tenant(), name).await.map(|it| it.is_some())),
            ("other attempt", store.other_attempt(tenant(), name).await.map(|_| name == "good")),
            ("history", store.job_history(tenant(), name, 0, 99).await.map(|it| !it.is_empty())),
            ("event", store.waiting_event(name).await.map(|it| it.is_some())),
            ("upload", store.upload(tenant(), name).await.map(|it| it.is_some())),
            ("link", store.media_link(name).await.map(|it| it.is_some())),
            ("draft", store.draft(tenant(), name).await.map(|it| it.is_some())),
            ("document", store.document("kind", name).await.map(|it| it.is_some())),
            (
                "value",
                store
                    .get("app", name)
                    .await
                    .map(|it| it.is_some())
                    .map_err(|error| Error::internal(format!("{error:?}"))),
            ),
        ];
        for (what, got) in gets {
            match got {
                Ok(found) => assert!(found || name == BAD, "{case}: {what} {name}"),
                Err(error) => {
                    assert_eq!(name, BAD, "{case}: {what}: {error}");
                    assert!(error.message.contains(table), "{case}: {what}: {error}");
                }
            }
        }
    }
    // Events and addresses.
    let told = store.outbox(tenant(), 0, 99).await.unwrap().events;
    let mut channels: Vec<String> = told.into_iter().filter_map(|event| event.channel).collect();
    good("events", channels.clone());
    // By pages of one, each of which goes on.
    let (mut read, mut pages) = (0, 0);
    channels.clear();
    loop {
        let page = store.outbox(tenant(), read, 1).await.unwrap();
        if page.read == read {
            break;
        }
        read = page.read;
        pages += 1;
        assert!(pages < 99, "{case}: the pages of events end");
        channels.extend(page.events.into_iter().filter_map(|event| event.channel));
    }
    good("pages of events", channels);
    good("endpoints", store.endpoints(tenant()).await.unwrap().into_iter().map(|it| it.id).collect());
    assert!(store.endpoint(tenant(), "good").await.unwrap().is_some(), "{case}");
    assert!(!store.deliveries(tenant(), "good", None, 9).await.unwrap().is_empty(), "{case}");
    assert!(store.next_delivery("good", i64::MAX).await.unwrap().is_some(), "{case}");
    let again = store.release_endpoint("good", &Lease { fence: 1 }).await;
    again.unwrap();
    let mut sent = Vec::new();
    for _ in 0..5 {
        // Nobody is kept from his turn by a damaged one.
        let Some(held) = store.acquire_endpoint(i64::MAX, LONG).await.unwrap() else { continue };
        sent.push(held.row.id);
    }
    good("addresses", sent);
    // A consent is found damaged, and its owner begins another.
    for name in BOTH {
        let consumed = store.consume_session(tenant(), name, "browser").await;
        assert!(matches!(consumed, Ok(ConsumedSession::Now(_))) || name == BAD, "{case}: {consumed:?}");
    }
    // A worker passes over the bad one.
    let mut taken = Vec::new();
    while let Some((row, lease)) = db.acquire(store, LONG).await {
        let id = row.id.clone();
        let step = JobUpdate { status: JobStatus::Paused, wake_at: None, ..update(&row) };
        let stored = store.store_step(&id, &lease, &step, db.now()).await.unwrap();
        assert!(stored.is_some(), "{case}: {id} is not held");
        assert!(taken.len() < 9, "{case}: the worker comes to an end: {taken:?}");
        taken.push(id);
    }
    good("worker", taken);
    // Events, removals and new jobs of others go on.
    let event = EventRow { account: None, ..db.event("new", "good") };
    assert!(store.insert_event(&event).await.unwrap(), "{case}");
    store.prune_history(i64::MAX).await.unwrap();
    store.prune_jobs(i64::MAX, i64::MAX).await.unwrap();
    store.take_finished_uploads(0).await.unwrap();
    let numbers = BOTH.map(|name| (name.to_owned(), "{}".to_owned()));
    store.insert_post_samples(tenant(), "good", 7, &numbers).await.unwrap();
    assert!(store.begin_post_samples(tenant(), "good", 8, 8).await.unwrap(), "{case}");
    store.delete_finished_media_links(0).await.unwrap();
    db.store_job(JobRow { idempotency_key: Some("new".to_owned()), ..db.job("new", "good") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_ends_nothing_and_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.sqlite");
    let clock = Arc::new(social_channel_runtime::clock::MovedClock::default());
    let open = async || Sqlite::open(&path, clock.clone()).await.unwrap();
    open().await.close().await;
    // Without the checks of the schema, which a damaged file does not keep either.
    let url = format!("sqlite://{}", path.display());
    let mut hand = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(replace(replace(sql, ' NOT NULL', ''), ') STRICT, ', ') '), ') STRICT', ')')
         WHERE type = 'table';
         PRAGMA writable_schema = RESET;",
    )
    .execute(&mut hand)
    .await
    .unwrap();
    let (mut one, other) = (open().await, Arc::new(open().await));
    // It is about what is read, so nothing waits for the disk.
    sqlx::raw_sql("PRAGMA synchronous = OFF").execute(&one.writer).await.unwrap();
    one.log = None;
    let one = Arc::new(one);
    let db = Opened { one, other, clock: clock.clone(), _keep: Box::new(folder) };
    fill(&db).await;
    let mut hand = SqliteConnection::connect_with(
        &SqliteConnectOptions::from_str(&url)
            .unwrap()
            .foreign_keys(false)
            .synchronous(SqliteSynchronous::Off),
    )
    .await
    .unwrap();
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY 1",
    )
    .fetch_all(&mut hand)
    .await
    .unwrap();
    let tables: std::collections::BTreeSet<&str> = columns.iter().map(|(table, _)| table.as_str()).collect();
    let keep: String = tables
        .iter()
        .map(|table| format!("CREATE TEMP TABLE kept_{table} AS SELECT * FROM {table};"))
        .collect();
    let back: String = tables
        .iter()
        .map(|table| {
            // Not `*`, which names columns that are computed too.
            let names: Vec<&str> =
                columns.iter().filter(|(of, _)| of == table).map(|(_, name)| name.as_str()).collect();
            let names = names.join(", ");
            format!("DELETE FROM {table}; INSERT INTO {table} ({names}) SELECT {names} FROM kept_{table};")
        })
        .collect();
    sqlx::raw_sql(AssertSqlSafe(keep)).execute(&mut hand).await.unwrap();
    let mut untouched = tables.clone();
    let (mut cases, mut failed) = (0, 0);
    for (table, column) in &columns {
        let texts: Vec<String> = columns
            .iter()
            .filter(|(of, _)| of == table)
            .map(|(_, name)| format!("CAST(\"{name}\" AS TEXT)"))
            .collect();
        for garbage in GARBAGE {
            let case = format!("{table}.{column} = {garbage}");
            let damage = format!(
                "UPDATE {table} SET \"{column}\" = {garbage} WHERE concat_ws('|', {}) LIKE '%{BAD}%'",
                texts.join(", ")
            );
            // A key that may not be NULL is one even without the schema's checks.
            let Ok(done) = sqlx::raw_sql(AssertSqlSafe(damage)).execute(&mut hand).await else { continue };
            if done.rows_affected() == 0 {
                continue;
            }
            untouched.remove(table.as_str());
            cases += 1;
            // All of them are told, not only the first.
            failed += usize::from(AssertUnwindSafe(look(&db, &case)).catch_unwind().await.is_err());
            sqlx::raw_sql(AssertSqlSafe(back.clone())).execute(&mut hand).await.unwrap();
        }
    }
    assert_eq!(
        untouched.into_iter().collect::<Vec<_>>(),
        ["counters", "outbox_heads", "tenant_queue"],
        "every other table"
    );
    assert!(cases > 500, "{cases}");
    assert_eq!(failed, 0, "of {cases} cases");
}
