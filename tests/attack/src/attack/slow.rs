//! Clients that hold places: half a header, a body that stands still or drips, an answer that nobody reads.

use std::time::Duration;

use anyhow::{Result, bail};
use futures::future::try_join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{Scene, eventually};

/// More than the service may open files.
const HALF_HEADERS: usize = 1_500;
const HALF_BODIES: usize = 100;
const UNREAD: usize = 100;
/// Uploads of a tenant, who is displaced by nobody.
const DRIPPING: usize = 50;
/// Between two bytes of them: less than any connection may stand still.
const DRIP: Duration = Duration::from_millis(200);
/// What the other tenant and the service itself have open at a time.
const OWN: usize = 16;

pub(super) async fn attack(scene: &Scene<'_>) -> Result<()> {
    let at = &scene.victim.at;
    let files = scene.victim.files()?;
    let mut held = Vec::new();
    let mut open = async |bytes: String| {
        let socket = TcpSocket::new_v4()?;
        // What is not read does not lie here.
        socket.set_recv_buffer_size(4_096)?;
        let mut stream = socket.connect(at.parse()?).await?;
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
    let (dripped, worked) =
        tokio::join!(try_join_all((0..DRIPPING).map(|_| drip(scene))), scene.neighbour.works_on(40));
    worked?;
    dripped?;
    // All are still open on this side.
    eventually("who neither sends nor reads loses the connection", async || {
        Ok((scene.victim.files()? <= files + OWN).then_some(()))
    })
    .await?;
    drop(held);
    scene.neighbour.works_on(10).await
}

/// An upload of which now and then a byte comes: it must be told that this is too slow.
async fn drip(scene: &Scene<'_>) -> Result<()> {
    let (mut read, mut write) = TcpStream::connect(&scene.victim.at).await?.into_split();
    let head = format!(
        "POST /api/v1/uploads HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-length: 100000\r\n\r\n",
        scene.victim.at, scene.template.mallory.key
    );
    write.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    let dripping = async {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(DRIP).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        // A reset is an end too, and what came before it counts.
        _ended = read.read_to_end(&mut answer) => {}
        () = dripping => {}
        () = tokio::time::sleep(library_tests::PATIENCE) => bail!("an upload drips for ever"),
    }
    let answer = String::from_utf8_lossy(&answer);
    if !answer.starts_with("HTTP/1.1 408") && !answer.starts_with("HTTP/1.1 429") {
        bail!("an upload that drips: {answer}");
    }
    Ok(())
}
