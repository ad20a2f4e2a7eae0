//! Copies between real databases, there and back; and one that is killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use postgres_server::Server;
use social_channel_runtime::SecretText;
use social_channel_runtime::clock::SystemClock;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, MySqlConnection, PgConnection, SqliteConnection};

use super::tables::{DERIVED, LEFT_OUT};
use super::*;
use crate::store::{JobStore as _, MetaStore as _, Mysql, MysqlSide, PostgresSide, Sqlite, SqliteSide};
use crate::{Database, Host, KeySource, copy_database, new_key};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(&[]).unwrap());
static MARIADB: LazyLock<mariadb_server::Server> =
    LazyLock::new(|| mariadb_server::Server::start(&[]).unwrap());

/// A row or more in every table, with what is hard to move: no text, any text, bytes, numbers at their ends, a lease.
const ROWS: &str = "
  INSERT INTO meta VALUES ('one', x'00ff'), ('lease-clock/boot', x'01');
  INSERT INTO components VALUES ('d1', 'net', '1', zeroblob(3000000), 1), ('d2', 'net', '2', x'00', -2);
  INSERT INTO providers VALUES ('net', 'd2');
  INSERT INTO apps (id, tenant, provider, digest, settings, grants, created_at, updated_at, revision, listing)
    VALUES ('app', NULL, 'net', 'd1', x'0102', '[]', 1, 2, 3, '{\"name\":\"ü\"}');
  INSERT INTO sessions VALUES ('s', 't', 'app', '', x'', 9223372036854775807, 1);
  INSERT INTO accounts (channel, tenant, app, account, display_name, credentials, credentials_revision, issued_at, scopes,
    missing_scopes, health, connected_at, updated_at, lease_owner, lease_until, fence)
    VALUES ('ch', 't', 'app', 'Acc', 'a' || char(0) || 'b', x'ff', 4, 5, '', '', 'ok', 6, 7, 'somebody', 99, 17);
  INSERT INTO former_channels VALUES ('t', 'app', 'old', 'ch0', 1, 2);
  INSERT INTO channel_fairness VALUES ('t', 'ch', 12);
  INSERT INTO jobs (id, tenant, app, channel, digest, request, request_hash, idempotency_key, priority, once, interrupted,
    once_begun, status, phase, bytes_sent, bytes_total, wake_at, attempts, deadline_at, cancel_requested, created_at,
    updated_at, ended_at, lease_owner, lease_until, fence)
    VALUES ('j1', 't', 'app', 'ch', 'd1', x'01', 'h', NULL, 500, 1, 0, 1, 'active', 'p', 1, 2, 100, 3, 4, 0, 5, 6, NULL, 'w', 7, 41),
      ('j2', 't', 'app', 'ch', 'd1', x'02', 'h', 'key', -1, 0, 1, 0, 'published', 'p', 1, 2, NULL, 3, 4, 1, 5, 6, 8, NULL, 0, 0);
  INSERT INTO job_references VALUES ('app', 'ref', 'j1'), ('app', 'Ref', 'j1');
  INSERT INTO job_history (job, at_ms, call, phase, result, made_by)
    VALUES ('j2', 9, 'c', 'p', 'third', NULL), ('j1', 9, 'c', 'p', 'first', 'me'), ('j1', 8, 'c', 'p', 'second', NULL);
  INSERT INTO provider_values VALUES ('app', 'a' || char(0) || 'ü', x'00', 31, NULL);
  UPDATE counters SET value = 33 WHERE name = 'provider_values';
  UPDATE counters SET value = 5 WHERE name = 'apps';
  INSERT INTO events VALUES ('app', 'e2', 'ref', NULL, x'01', 1, 'j1', 0), ('app', 'e1', NULL, 'Acc', NULL, 2, NULL, 1);
  INSERT INTO documents VALUES ('k', 'B', '{\"tenant\":\"t\"}', x'00', 1, NULL), ('k', 'a', 'no json', NULL, 1, 2);
  INSERT INTO drafts VALUES ('t', 'd', x'09', 1, 2);
  INSERT INTO uploads VALUES ('u', 't', 'ü.mp4', NULL, 7, 1, 1);
  INSERT INTO upload_jobs VALUES ('u', 'j1');
  INSERT INTO media_links VALUES ('l', 't', x'01', 'j1', 1);
  INSERT INTO stats_samples VALUES ('t', 'ch', 1, '{}');
  INSERT INTO post_samples VALUES ('t', 'ch', 'p', 1, '{}');
  INSERT INTO endpoints (id, tenant, target, description, kinds, position, due_at, created_at, updated_at, lease_owner,
    lease_until, fence) VALUES ('ep', 't', x'07', 'd', '[\"job.failed\"]', 0, 1, 2, 3, 'w', 9, 5);
  UPDATE jobs SET status = 'failed', error = '{}' WHERE id = 'j1';
  UPDATE jobs SET status = 'active', error = NULL WHERE id = 'j1';
  INSERT INTO deliveries VALUES ('ep', 2, 'e', 'job.failed', 4, 1, 5, NULL);
  INSERT INTO delivery_attempts (endpoint, number, at, took_ms, status, failure)
    VALUES ('ep', 2, 6, 7, 500, 'no'), ('ep', 2, 5, 7, NULL, 'away');";

async fn file(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

/// A database in a folder, with these rows.
async fn filled(folder: &Path, more: &str) -> PathBuf {
    let path = folder.join("from.sqlite");
    Sqlite::open(&path, Arc::new(SystemClock)).await.unwrap().close().await;
    let mut db = file(&path).await;
    // `uploads` has got its column `held` later, so it is the last one there.
    let rows = ROWS.replace(
        "INTO uploads VALUES",
        "INTO uploads (id, tenant, file_name, content_type, size, held, created_at) VALUES",
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{rows}{more}"))).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
    path
}

/// A database of its own, because who uses one is known by database, with a schema of the same name.
async fn postgres(name: &'static str) -> String {
    let made = tokio::task::spawn_blocking(move || {
        SERVER.run(&format!("CREATE DATABASE {name}")).unwrap();
        format!("{}?options[search_path]={name}", SERVER.url_of(name))
    });
    made.await.unwrap()
}

/// A database of its own.
async fn mariadb(name: &'static str) -> String {
    tokio::task::spawn_blocking(move || MARIADB.url_in(&format!("case_{name}")).unwrap()).await.unwrap()
}

/// What the server of MariaDB says.
async fn ask_mariadb(url: &str, sql: &str) -> Vec<String> {
    let mut db = MySqlConnection::connect(url).await.unwrap();
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut db).await.unwrap()
}

async fn side(database: &Database) -> Box<dyn Side> {
    match database {
        Database::Sqlite(path) => {
            Box::new(SqliteSide::open(path, false, Arc::new(SystemClock)).await.unwrap())
        }
        Database::Postgres(url) => Box::new(PostgresSide::open(url).await.unwrap()),
        Database::Mysql(url) => Box::new(MysqlSide::open(url).await.unwrap()),
        Database::Other(_) => panic!("{database}"),
    }
}

/// All rows of all tables, and the counters.
async fn everything(database: &Database) -> (Vec<Vec<Row>>, Counters) {
    let mut side = side(database).await;
    let mut all = Vec::new();
    for table in TABLES {
        // Room for all batches: they are taken out after the last one.
        let (to, mut from) = mpsc::channel(10_000);
        let mut rows = Rows { to, batch: Vec::new(), size: 0 };
        side.read(table, &mut rows).await.unwrap();
        rows.flush().await;
        drop(rows);
        let mut found = Vec::new();
        while let Some(mut batch) = from.recv().await {
            batch.retain(|row| is_moved(table, row));
            batch.iter_mut().for_each(plain);
            found.extend(batch);
        }
        all.push(found);
    }
    let counters = side.counters().await.unwrap();
    side.close().await;
    (all, counters)
}

async fn open(database: &Database, key: &SecretText) -> Result<Host> {
    let folder = tempfile::tempdir().unwrap();
    let builder = Host::builder().background(false).database(written(database)).upload_folder(folder.path());
    builder.key(KeySource::Text(key.clone())).open().await
}

/// As a person would write it.
fn written(database: &Database) -> PathBuf {
    match database {
        Database::Sqlite(path) => path.clone(),
        Database::Postgres(url) | Database::Mysql(url) | Database::Other(url) => url.expose().into(),
    }
}

#[tokio::test]
async fn every_column_is_moved_or_left_out_for_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path(), "").await;
    let mut of_sqlite: Vec<String> = sqlx::query_scalar(
        "SELECT t.name || '.' || c.name FROM sqlite_schema t JOIN pragma_table_xinfo(t.name) c WHERE t.type = 'table'",
    )
    .fetch_all(&mut file(&path).await)
    .await
    .unwrap();
    let url = postgres("columns").await;
    PostgresSide::open(&SecretText::new(url.as_str())).await.unwrap();
    let of_postgres: Vec<String> = sqlx::query_scalar(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'columns'",
    )
    .fetch_all(&mut PgConnection::connect(&url).await.unwrap())
    .await
    .unwrap();
    let url = mariadb("columns").await;
    MysqlSide::open(&SecretText::new(url.as_str())).await.unwrap();
    let of_mariadb = ask_mariadb(
        &url,
        "SELECT CONVERT(CONCAT(SUBSTRING(table_name, 16), '.', column_name) USING utf8mb4)
         FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name LIKE 'social\\_channel\\_%'",
    )
    .await;
    assert!(of_sqlite.len() > 100 && of_postgres.len() > 100 && of_mariadb.len() > 100);
    of_sqlite.extend(of_postgres);
    of_sqlite.extend(of_mariadb);
    for column in of_sqlite {
        let (table, name) = column.split_once('.').unwrap();
        let moved = TABLES.iter().any(|it| it.name == table && it.columns.iter().any(|it| it.name == name));
        let left = DERIVED.contains(&table) || LEFT_OUT.iter().any(|(it, _)| *it == column);
        assert!(moved != left, "{column}: it is not moved, or it is in two lists");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_and_back_again_and_only_one_database_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let from = Database::from(filled(folder.path(), "").await);
    let url = postgres("there").await;
    let there = Database::from(url.as_str());
    let key = new_key().unwrap();
    let before = everything(&from).await;
    let mut told = Vec::new();
    let copied =
        copy_database(&from, &there, false, |table, rows| told.push((table.to_owned(), rows))).await.unwrap();
    assert_eq!(copied.len(), TABLES.len());
    assert!(copied.iter().all(|table| table.rows > 0), "{copied:?}");
    assert!(told.contains(&("job_history".to_owned(), 3)));
    assert_eq!(everything(&there).await, before);

    // What PostgreSQL derives.
    let mut db = PgConnection::connect(&url).await.unwrap();
    let row: (i64, i64, String, Option<String>, i64, i64) = sqlx::query_as(
        "SELECT (SELECT sum(open)::bigint FROM tenant_counts), (SELECT sum(kept)::bigint FROM tenant_counts),
         (SELECT tenant FROM documents WHERE id = 'B'), (SELECT lease_owner FROM jobs WHERE id = 'j1'),
         (SELECT fence FROM jobs WHERE id = 'j1'), nextval('provider_values_version')",
    )
    .fetch_one(&mut db)
    .await
    .unwrap();
    assert_eq!(row, (1, 2, "t".to_owned(), None, 41, 34));
    let queue: (i32, Option<i64>, i64) =
        sqlx::query_as("SELECT weight, due_at, turn_at FROM channel_queue").fetch_one(&mut db).await.unwrap();
    assert_eq!(queue, (100, Some(100), 12));

    // The source is refused by everybody from now on, and by another copy.
    let error = open(&from, &key).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(error.message.contains("moved to postgres://") && !error.message.contains("hidden"), "{error}");
    let elsewhere = Database::from(folder.path().join("elsewhere.sqlite"));
    let error = copy_database(&from, &elsewhere, false, |_, _| {}).await.unwrap_err();
    assert!(error.message.contains("was moved"), "{error}");
    open(&there, &key).await.unwrap().close(Duration::ZERO).await;

    let back = Database::from(folder.path().join("back.sqlite"));
    let host = open(&back, &key).await.unwrap();
    // Of a database that was only opened, nothing is kept.
    host.close(Duration::ZERO).await;
    copy_database(&there, &back, true, |_, _| {}).await.unwrap();
    let (mut all, mut counters) = everything(&back).await;
    // What the host wrote meanwhile: the check of its key, and its key of hashes.
    all[0].retain(|row| matches!(&row[0], Value::Text(key) if key == "one"));
    counters.values -= 1;
    assert_eq!((all, counters), before);
    open(&there, &key).await.unwrap().close(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_passes_through_all_kinds_of_databases_in_all_directions() {
    let folder = tempfile::tempdir().unwrap();
    let first = Database::from(filled(folder.path(), "").await);
    let before = everything(&first).await;
    let file = |name: &str| Database::from(folder.path().join(name));
    let (one, other) = (mariadb("around").await, mariadb("back_around").await);
    let path = [
        first,
        Database::from(postgres("around").await.as_str()),
        Database::from(one.as_str()),
        file("second.sqlite"),
        Database::from(other.as_str()),
        Database::from(postgres("back_around").await.as_str()),
        file("third.sqlite"),
    ];
    for pair in path.windows(2) {
        let [from, to] = pair else { panic!("a pair") };
        let copied = copy_database(from, to, false, |_, _| {}).await.unwrap();
        assert!(copied.iter().all(|table| table.rows > 0), "{from} to {to}: {copied:?}");
        assert!(everything(to).await == before, "{from} to {to}");
        let error = open(from, &new_key().unwrap()).await.unwrap_err();
        assert!(error.message.contains("was moved"), "{from}: {error}");
    }
    // What MariaDB derives.
    let derived = "SELECT CONVERT(CONCAT_WS(' ', (SELECT SUM(open_jobs) FROM social_channel_tenant_counts),
        (SELECT SUM(kept_jobs) FROM social_channel_tenant_counts),
        (SELECT tenant FROM social_channel_documents WHERE id = 'B'),
        (SELECT COUNT(lease_owner) FROM social_channel_jobs), (SELECT fence FROM social_channel_jobs WHERE id = 'j1'),
        (SELECT size FROM social_channel_provider_values), (SELECT SUM(size) FROM social_channel_components),
        q.weight, q.due_at, q.turn_at, t.due_at, t.turn_at) USING utf8mb4)
        FROM social_channel_channel_queue q JOIN social_channel_tenant_queue t ON t.tenant = q.tenant";
    assert_eq!(ask_mariadb(&other, derived).await, ["1 2 t 0 41 1 3000001 100 100 12 100 12"]);
    // It is used: nothing is to be mended, and the next version of a value is the next number.
    let run = "DELETE FROM social_channel_meta WHERE name = 'copied-to'";
    sqlx::raw_sql(run).execute(&mut MySqlConnection::connect(&other).await.unwrap()).await.unwrap();
    let store = Mysql::open(&SecretText::new(other.as_str()), Arc::new(SystemClock)).await.unwrap();
    store.mend_queues().await.unwrap();
    assert_eq!(ask_mariadb(&other, derived).await, ["1 2 t 0 41 1 3000001 100 100 12 100 12"]);
    let version = crate::kv::KeyValueStore::set(&store, "app", "new", b"value", None, None).await.unwrap();
    assert_eq!(version, 34);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_use_or_not_empty_is_refused_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let from = Database::from(filled(folder.path(), "").await);
    let url = postgres("refused").await;
    let to = Database::from(url.as_str());
    let key = new_key().unwrap();
    let refused = async |from: &Database, to: &Database, said: &str| {
        let error = copy_database(from, to, false, |_, _| {}).await.unwrap_err();
        assert!(error.message.contains(said) && error.remedy.is_some(), "{error:?}");
        let password = url::Url::parse(&url).unwrap().password().unwrap().to_owned();
        assert!(!format!("{error:?}").contains(&password), "{error:?}");
    };
    refused(&from, &from, "itself").await;
    refused(&Database::from(folder.path().join("nosuch.sqlite")), &to, "there is no database").await;
    refused(&from, &Database::from("oracle://h/d"), "kind that is not known").await;
    let host = open(&from, &key).await.unwrap();
    refused(&from, &to, "is used by another process").await;
    host.close(Duration::ZERO).await;
    let shared = Database::from(mariadb("refused").await.as_str());
    for to in [&to, &shared] {
        let host = open(to, &key).await.unwrap();
        refused(&from, to, "is used by other processes").await;
        refused(to, &from, "is used by").await;
        host.close(Duration::ZERO).await;
    }
    let other = tempfile::tempdir().unwrap();
    let full = Database::from(filled(other.path(), "").await);
    let before = everything(&full).await;
    refused(&from, &full, "not empty").await;
    assert_eq!(everything(&full).await, before);
    open(&from, &key).await.unwrap().close(Duration::ZERO).await;
    copy_database(&from, &to, true, |_, _| {}).await.unwrap();
    open(&from, &key).await.unwrap().close(Duration::ZERO).await;
    copy_database(&from, &shared, true, |_, _| {}).await.unwrap();
    let before = everything(&shared).await;
    refused(&from, &shared, "not empty").await;
    assert_eq!(everything(&shared).await, before);
}

/// The other process of the next test.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the next one"]
async fn a_process_that_is_killed() {
    let of = |name: &str| Database::from(std::env::var_os(name).unwrap());
    copy_database(&of("FROM_OF_A_TEST"), &of("TO_OF_A_TEST"), false, |_, _| {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_killed_begins_anew_and_nobody_uses_half_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let many = "
      INSERT INTO job_history (job, at_ms, call, phase, result) WITH RECURSIVE n (i) AS
        (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT 'j1', i, 'c', 'p', 'r' || i FROM n;";
    let from = Database::from(filled(folder.path(), many).await);
    let before = everything(&from).await;
    let url = postgres("killed").await;
    let file = folder.path().join("killed.sqlite");
    // One connection for all looks: to connect takes as long as much of the copy.
    let mut looking = PgConnection::connect(&url).await.unwrap();
    let shared = mariadb("killed").await;
    let mut looking_there = MySqlConnection::connect(&shared).await.unwrap();
    for to in [Database::from(url.as_str()), Database::from(shared.as_str()), Database::from(file.clone())] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "store::copy::tests::a_process_that_is_killed"])
            .env("FROM_OF_A_TEST", written(&from))
            .env("TO_OF_A_TEST", written(&to))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = std::time::Instant::now();
        loop {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not begin");
            assert!(child.try_wait().unwrap().is_none(), "it has ended before it was killed");
            let there = match &to {
                Database::Sqlite(path) => {
                    path.with_extension("sqlite-wal").metadata().map_or(0, |it| it.len()) > 1 << 20
                }
                // Until there is such a table, or while others may not read it.
                Database::Mysql(_) => {
                    let look = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM social_channel_job_history)");
                    look.fetch_one(&mut looking_there).await.unwrap_or(false)
                }
                _ => sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM job_history)")
                    .fetch_one(&mut looking)
                    .await
                    .unwrap_or(false),
            };
            if there {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let key = new_key().unwrap();
        let error = open(&to, &key).await.unwrap_err();
        assert!(error.message.contains("not whole"), "{error}");
        let error =
            copy_database(&to, &Database::from(folder.path().join("x.sqlite")), false, |_, _| {}).await;
        assert!(error.unwrap_err().message.contains("not whole"));
        // The server may still be ending the killed one's last statement.
        let copied = loop {
            match copy_database(&from, &to, true, |_, _| {}).await {
                Ok(copied) => break copied,
                Err(error) => assert!(began.elapsed() < Duration::from_secs(60), "{error:?}"),
            }
        };
        assert_eq!(copied.iter().find(|it| it.table == "job_history").unwrap().rows, 100_003);
        assert!(everything(&to).await == before);
        open(&to, &key).await.unwrap().close(Duration::ZERO).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_is_wrong_with_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let url = postgres("checked").await;
    let key = new_key().unwrap();
    let check = async |place: PathBuf, key: &SecretText| {
        let builder = Host::builder().database(place).upload_folder(folder.path().join("uploads"));
        builder.key(KeySource::Text(key.clone())).check_database().await
    };
    let errors = |found: &[crate::model::Finding]| -> Vec<String> {
        let bad = found.iter().filter(|it| it.severity != crate::model::Severity::Ok);
        bad.map(|it| format!("{} {:?}", it.message, it.remedy)).collect()
    };
    let path = folder.path().join("a.sqlite");
    assert!(errors(&check(path.clone(), &key).await)[0].contains("there is no database"));
    assert!(!path.exists(), "none is made");
    let shared = mariadb("checked").await;
    for place in [path.clone(), PathBuf::from(&url), PathBuf::from(&shared)] {
        let database = Database::from(place.clone());
        open(&database, &key).await.unwrap().close(Duration::ZERO).await;
        let found = check(place.clone(), &key).await;
        assert_eq!(errors(&found), [""; 0], "{found:?}");
        assert!(found.iter().any(|it| it.message.contains("schema of version")), "{found:?}");
        assert!(found.iter().any(|it| it.message.contains("key fits")), "{found:?}");
        let wrong = check(place, &new_key().unwrap()).await;
        assert!(errors(&wrong)[0].contains("key"), "{wrong:?}");
    }
    // Settings that lose what was promised.
    let found = check(PathBuf::from(format!("{url}&options[synchronous_commit]=off")), &key).await;
    assert!(errors(&found)[0].contains("synchronous_commit"), "{found:?}");
    let found = check(PathBuf::from(format!("{url}&options[default_transaction_read_only]=on")), &key).await;
    assert!(!errors(&found).is_empty(), "{found:?}");
    // A row that refers to none.
    let mut db = file(&path).await;
    sqlx::raw_sql("PRAGMA foreign_keys = OFF; INSERT INTO upload_jobs VALUES ('nosuch', 'j')")
        .execute(&mut db)
        .await
        .unwrap();
    db.close().await.unwrap();
    let found = check(path, &key).await;
    assert!(errors(&found)[0].contains("1 rows refer"), "{found:?}");
}
