//! `chaos [--publishes N] [--seed N] [--workers N] [--accounts N] [--database sqlite|postgres|mariadb]`: the long version.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use chaos::{Kind, Plan, run, worker};

#[tokio::main]
async fn main() -> Result<()> {
    if std::env::var_os("SOCIAL_CHANNEL_LOG").is_some() {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, folder, origin] = arguments.as_slice()
        && first == "worker"
    {
        return worker(Path::new(folder), origin).await;
    }
    let (mut publishes, mut workers, mut accounts) = (2_000, 6, 48);
    let mut database = Kind::Sqlite;
    let mut seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let mut words = arguments.iter();
    while let Some(flag) = words.next() {
        let value = words.next().with_context(|| format!("{flag} wants a value"))?;
        match flag.as_str() {
            "--publishes" => publishes = value.parse()?,
            "--workers" => workers = value.parse()?,
            "--accounts" => accounts = value.parse()?,
            "--seed" => seed = value.parse()?,
            "--database" => database = value.parse()?,
            other => bail!("there is no flag {other}"),
        }
    }
    println!("seed {seed}: {publishes} publishes, {workers} workers, {accounts} accounts, {database:?}");
    let begun = Instant::now();
    let verdict = run(Plan {
        seed,
        publishes,
        workers,
        accounts,
        database,
        program: std::env::current_exe()?,
        longest: Duration::from_secs(300 + 4 * publishes as u64),
    })
    .await?;
    println!(
        "{} s; {} requests, {} disturbed by a fault; {} refreshes, {} with a token that a lost answer had replaced; {}",
        begun.elapsed().as_secs(),
        verdict.requests,
        verdict.disturbed,
        verdict.refreshes,
        verdict.second_uses,
        verdict.course
    );
    println!("{:?} {:?}", verdict.ends, verdict.reasons);
    if verdict.faults.is_empty() {
        println!("all held");
        return Ok(());
    }
    for fault in &verdict.faults {
        println!("FAULT: {fault}");
    }
    bail!("{} faults, seed {seed}", verdict.faults.len())
}
