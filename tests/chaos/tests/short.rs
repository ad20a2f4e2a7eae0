//! The short version, part of every test run.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::PathBuf;
use std::time::Duration;

use chaos::{Kind, Plan, Verdict, run};

async fn short(database: Kind) -> Verdict {
    let seed = 20_261_125;
    println!("seed {seed}");
    let verdict = run(Plan {
        seed,
        publishes: 40,
        workers: 3,
        accounts: 12,
        database,
        program: PathBuf::from(env!("CARGO_BIN_EXE_chaos")),
        longest: Duration::from_secs(300),
    })
    .await
    .unwrap();
    println!("{verdict:?}");
    assert!(verdict.faults.is_empty(), "seed {seed}: {:#?}", verdict.faults);
    assert_eq!(verdict.ends.values().sum::<usize>(), 40, "no accepted job is lost");
    assert!(verdict.ends.get("published").is_some_and(|published| *published > 20), "{:?}", verdict.ends);
    verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_published_once_whatever_happens() {
    short(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_published_once_also_if_postgresql_is_killed_and_connections_are_cut() {
    let verdict = short(Kind::Postgres).await;
    assert!(!verdict.course.contains("database_kills: 0"), "{}", verdict.course);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_published_once_also_if_mariadb_is_killed_and_connections_are_cut() {
    let verdict = short(Kind::Mariadb).await;
    assert!(!verdict.course.contains("database_kills: 0"), "{}", verdict.course);
}
