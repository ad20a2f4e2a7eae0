//! What a job costs the database, counted in its write-ahead log: no time is measured.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::sync::Arc;
use std::time::Duration;

use library_tests::{Stage, request, world};
use social_channel::{Clock as _, JobStatus, MovedClock};
use sqlx::Connection as _;

/// Empties the log, so that what follows can be counted.
async fn empty_log(stage: &Stage) {
    let url = format!("sqlite://{}", stage.folder.path().join("social-channel.sqlite").display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut other).await.unwrap();
    assert_eq!(commits(stage), 0);
}

/// Transactions in the log (sqlite.org/fileformat2.html, section 4): a frame that ends one says how large the database
/// then is.
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
    assert!(at < 32 + 1_000 * (24 + page), "the log was begun anew, and what was before is not counted");
    commits
}

/// Publishes a video; returns its chunks, the attempts in its history, and the transactions.
async fn published(size: u64) -> (usize, usize, usize) {
    let mut world = world();
    world.switches.hash_uploads = false;
    world.switches.processing_ms = 0;
    let clock = Arc::new(MovedClock::default());
    let ours = clock.clone();
    // Leases are prolonged every quarter of this: not while the test runs.
    let stage = Stage::in_world(world, |builder| {
        builder.clock(ours).background(false).takeover(Duration::from_secs(3_600))
    })
    .await
    .unwrap();
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(size).unwrap();
    stage.host.work(Some(Duration::ZERO)).await.unwrap();
    empty_log(&stage).await;
    let job = stage.tenant.publish(&channel, request("x", media)).await.unwrap();
    for _ in 0..10 {
        stage.host.work(Some(Duration::ZERO)).await.unwrap();
        let job = stage.tenant.job(&job.id).await.unwrap();
        if job.status == JobStatus::Published {
            let attempts = stage.tenant.job_history(&job.id).await.unwrap().len();
            return (stage.requests("/upload"), attempts, commits(&stage));
        }
        let wait = job.next_attempt_at.map_or(1, |at| (at - clock.now_ms() / 1000).max(0) + 1);
        stage.simulator.clock().advance(Duration::from_secs(wait.unsigned_abs()));
        clock.advance(Duration::from_secs(wait.unsigned_abs()));
    }
    panic!("the job does not end: {:?}", stage.tenant.job(&job.id).await.unwrap());
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
async fn a_job_of_one_chunk_costs_few_transactions() {
    let (chunks, attempts, commits) = published(4_096).await;
    println!("{chunks} chunk: {attempts} attempts, {commits} transactions");
    // Planned, begun, sent, and two looks at the verdict: an attempt each, and each one transaction. Besides the job is
    // stored once and leased for each turn, and the provider keeps its ledger of allowances.
    assert_eq!((chunks, attempts), (1, 5));
    assert!(commits <= attempts + 11, "{commits}");
}
