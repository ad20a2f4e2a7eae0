//! `cargo xtask bench store`: what one job of many costs in each database. It asserts nothing, because machines differ.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::conformance::{LONG, Opened, tenant, update};
use super::*;

/// All of them are due.
const JOBS: usize = 100_000;
const CHANNELS: usize = 10_000;
/// Jobs that are stored at once: as many as callers of a busy service.
const WRITERS: usize = 16;
const SAMPLE: usize = 300;

fn median(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    format!("{:.2?} (p95 {:.2?})", at(50), at(95))
}

async fn measure(name: &str, db: &Opened) {
    let jobs = std::env::var("STORED_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(JOBS);
    db.with_app().await;
    let begun = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = if writer % 2 == 0 { db.one.clone() } else { db.other.clone() };
        let rows: Vec<JobRow> = (writer..jobs)
            .step_by(WRITERS)
            .map(|number| db.job(&format!("job_{number}"), &format!("ch_{}", number % CHANNELS)))
            .collect();
        writers.spawn(async move {
            for row in rows {
                store.insert_job(tenant(), &row, &JobMedia::default(), 1_000_000).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let each = begun.elapsed() / u32::try_from(jobs).unwrap();
    let (mut fresh, mut taking, mut ending, mut listing) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..SAMPLE {
        let row = db.job(&format!("fresh_{number}"), &format!("ch_{number}"));
        let begun = Instant::now();
        db.one.insert_job(tenant(), &row, &JobMedia::default(), 1_000_000).await.unwrap();
        fresh.push(begun.elapsed());
        let begun = Instant::now();
        let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
        taking.push(begun.elapsed());
        let ended = JobUpdate { status: JobStatus::Published, wake_at: None, ..update(&row) };
        let begun = Instant::now();
        db.one.store_step(&row.id, &lease, &ended, db.now()).await.unwrap().unwrap();
        ending.push(begun.elapsed());
        let filter = JobFilter { limit: 50, ..JobFilter::default() };
        let begun = Instant::now();
        assert_eq!(db.one.jobs(tenant(), &filter).await.unwrap().len(), 50);
        listing.push(begun.elapsed());
    }
    println!(
        "| {name} | {jobs} | {each:.2?} | {} | {} | {} | {} |",
        median(fresh),
        median(taking),
        median(ending),
        median(listing)
    );
}

fn head() {
    println!(
        "| database | due jobs | stored by {WRITERS} at once, each | fresh publish | take a due job | store its end | list a page of 50 |"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo xtask bench store"]
async fn sqlite() {
    head();
    measure("SQLite", &sqlite::for_conformance().await).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo xtask bench store"]
async fn postgres() {
    head();
    measure("PostgreSQL", &postgres::for_conformance().await).await;
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo xtask bench store"]
async fn mariadb() {
    head();
    measure("MariaDB", &mysql::for_conformance().await).await;
}
