//! Answers of servers that media is fetched from.

use std::sync::{LazyLock, Mutex};

use social_channel::Policy;
use social_channel::model::Media;
use social_channel_runtime::media::MediaItem;
use social_channel_runtime::net::{Clients, Egress};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::RUNTIME;

const ORIGIN: &str = "https://media.example.com";

/// What the server sends.
static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// A way to the server, which answers every request with [`ANSWER`] and closes.
static EGRESS: LazyLock<Egress> = LazyLock::new(|| {
    RUNTIME.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        });
        let policy: Policy = serde_json::from_value(serde_json::json!({
            "origins": [ORIGIN],
            "connect_to": [{ "from": ORIGIN, "to": format!("http://127.0.0.1:{port}") }],
        }))
        .expect("a policy");
        Egress::new(policy, &Clients::default()).expect("an egress")
    })
});

async fn answer(mut stream: TcpStream) {
    let bytes = ANSWER.lock().expect("no panic before").clone();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let _ = stream.write_all(&bytes).await;
}

/// The response of a media server describes a file, or is refused with a remedy.
///
/// # Panics
/// If it is not.
pub fn media_answer(input: &[u8]) {
    input.clone_into(&mut *ANSWER.lock().expect("no panic before"));
    let media = Media::url(format!("{ORIGIN}/movie.mp4"));
    match RUNTIME.block_on(MediaItem::open_at(&media, None, &EGRESS)) {
        Ok(item) => assert!(item.info().size > 0, "a file of no bytes has no first byte"),
        Err(error) => assert!(error.remedy.is_some() && !error.message.is_empty(), "{error:?}"),
    }
}
