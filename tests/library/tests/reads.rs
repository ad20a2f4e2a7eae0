//! What a publish reads from the database: account and app are read once and carried along, so a further chunk reads
//! neither. A file of its own, because it listens to all statements of its process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use library_tests::{Stage, request};
use social_channel::JobStatus;

/// The statements of this process, as sqlx logs them.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<u8>>>);

impl Write for Statements {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Statements {
    /// How many read accounts or apps. Those that store a step tell in the same statement what changed meanwhile.
    fn reads(&self) -> usize {
        let text = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
        let reads = text.lines().filter(|line| line.contains("summary=\"SELECT"));
        reads.filter(|line| line.contains("FROM accounts JOIN apps") || line.contains("FROM apps")).count()
    }
}

/// Publishes a video; returns its chunks, and the reads of all of it.
async fn published(statements: &Statements, size: u64) -> (usize, usize) {
    let (stage, clock) = Stage::for_counting().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(size).unwrap();
    // The first round also looks at idle accounts and old files.
    stage.host.work(Some(Duration::ZERO)).await.unwrap();
    let job = stage.tenant.publish(&channel, request("x", media)).await.unwrap();
    let before = statements.reads();
    stage.host.work(Some(Duration::ZERO)).await.unwrap();
    let reads = statements.reads() - before;
    let sent = stage.requests("/upload");
    let job = stage.to_the_end(&clock, &job.id).await.unwrap();
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    (sent, reads)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_chunk_reads_neither_account_nor_app() {
    let statements = Statements::default();
    let writer = statements.clone();
    tracing_subscriber::fmt()
        .with_env_filter("sqlx::query=debug")
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let (few, few_reads) = published(&statements, 70_000_000).await;
    let (many, many_reads) = published(&statements, 250_000_000).await;
    println!("{few} chunks: {few_reads} reads; {many} chunks: {many_reads}");
    assert!(few_reads > 0, "the statements are not seen");
    assert!(many >= few + 5, "{few} and {many} chunks");
    assert_eq!(few_reads, many_reads);
}
