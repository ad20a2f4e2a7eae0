//! The database cost of a job, counted in transactions of the write-ahead log; no time is measured.

use std::time::Duration;

use library_tests::{APP, Stage, post, request, world};
use social_channel::{AppConfig, JobStatus};
use sqlx::Connection as _;

/// Empties the log, so that following transactions can be counted.
async fn empty_log(stage: &Stage) {
    let url = format!("sqlite://{}", stage.folder.path().join("social-channel.sqlite").display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut other).await.unwrap();
    assert_eq!(commits(stage), 0);
}

/// Transactions in the log (sqlite.org/fileformat2.html, section 4): a frame that ends a transaction contains the
/// resulting database size.
fn commits(stage: &Stage) -> usize {
    let log = std::fs::read(stage.folder.path().join("social-channel.sqlite-wal")).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    if log.is_empty() {
        return 0;
    }
    let (page, salt) = (number(8) as usize, &log[16..24]);
    let mut commits = 0;
    let mut at = 32;
    while at + 24 + page <= log.len() {
        if log[at + 8..at + 16] != *salt {
            break;
        }
        commits += usize::from(number(at + 4) > 0);
        at += 24 + page;
    }
    assert!(at < 32 + 1_000 * (24 + page), "the log began again, and what was before is not counted");
    commits
}

/// Publishes a video; returns its chunks, the attempts in its history, and the transactions.
async fn published(size: u64) -> (usize, usize, usize) {
    let (stage, clock) = Stage::for_counting().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(size).unwrap();
    stage.host.work(Some(Duration::ZERO)).await.unwrap();
    empty_log(&stage).await;
    let job = stage.tenant.publish(&channel, request("x", media)).await.unwrap();
    let job = stage.to_the_end(&clock, &job.id).await.unwrap();
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    let attempts = stage.tenant.job_history(&job.id).await.unwrap().len();
    (stage.requests("/upload"), attempts, commits(&stage))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_costs_one_transaction() {
    let (few, few_attempts, few_commits) = published(70_000_000).await;
    let (many, many_attempts, many_commits) = published(250_000_000).await;
    println!("{few} chunks: {few_commits} transactions; {many} chunks: {many_commits}");
    assert!(many >= few + 5, "{few} and {many} chunks");
    assert_eq!(many_attempts - few_attempts, many - few, "each chunk is one attempt");
    assert_eq!(many_commits - few_commits, many - few, "and one transaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_asks_the_platform_once_what_the_account_may_post() {
    let mut world = world();
    world.switches.processing_ms = 0;
    let stage = Stage::in_world(world, |builder| builder).await.unwrap();
    // The app is audited, so that no finding causes another request.
    let audited =
        AppConfig { settings: [("audited".to_owned(), "true".into())].into(), ..AppConfig::default() };
    stage.host.put_app(APP, audited).await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(4_096).unwrap();
    let asked = || stage.requests("/v2/post/publish/creator_info/query/");
    let form = stage.tenant.publish_form(&channel).await.unwrap();
    assert!(form.blocked.is_none());
    let findings = stage.tenant.check_post(&channel, &post("x"), std::slice::from_ref(&media)).await.unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(asked(), 1, "the check knows what the form has shown");
    let job = stage.publish(&channel, media).await.unwrap();
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    assert_eq!(asked(), 2, "and the publish asks once more, before it begins");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_one_chunk_costs_few_transactions() {
    let (chunks, attempts, commits) = published(4_096).await;
    println!("{chunks} chunk: {attempts} attempts, {commits} transactions");
    // Planned, started, sent, and two status requests: one attempt and one transaction each. In addition, the job is
    // stored once and leased for each run, and the provider updates its ledger of allowances.
    assert_eq!((chunks, attempts), (1, 5));
    assert!(commits <= attempts + 11, "{commits}");
}
