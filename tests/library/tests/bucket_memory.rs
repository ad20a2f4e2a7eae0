//! A large file passes through little memory on its way into a bucket. Alone in its process, whose memory is measured.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use library_tests::{Stage, world};
use s3_server::Server;
use social_channel::NewUpload;

/// Bytes of a file that is much larger than what may be held.
const LARGE: u64 = 300 << 20;
/// How much memory may grow while it passes: a part of five MiB, its way through TLS and sockets, and what the allocator
/// keeps.
const HELD: u64 = 64 << 20;

/// Bytes of memory that this process has: `VmRSS`, or `VmHWM` for the most it ever had.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_passes_through_little_memory() {
    let server = tokio::task::spawn_blocking(|| Server::start().unwrap()).await.unwrap();
    let url = server.url("shop");
    let stage = Stage::in_world(world(), |builder| builder.blob(url.as_str())).await.unwrap();
    let coming =
        || futures::stream::iter((0..LARGE >> 16).map(|at| Ok(vec![at.to_le_bytes()[0]; 1 << 16].into())));
    let new = NewUpload { limit: 1 << 30, size: Some(LARGE), ..NewUpload::default() };
    let before = memory("VmRSS");
    // The most is counted from now on.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let upload = stage.tenant.keep_upload(new.clone(), coming()).await.unwrap();
    let most = memory("VmHWM");
    assert!(most < before + HELD, "{} MiB more", (most - before) >> 20);
    let parts = stage.tenant.begin_upload(new).await.unwrap();
    let whole = stage.tenant.append_upload(&parts.id, 0, coming()).await.unwrap();
    assert_eq!((whole.received, upload.size), (LARGE, LARGE));
    let most = memory("VmHWM");
    assert!(most < before + HELD, "{} MiB more", (most - before) >> 20);
    assert!(server.wire.passed() > 2 * LARGE);
}
