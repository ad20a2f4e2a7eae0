//! Untrusted input to the host itself: media bytes, and responses of servers that media is fetched from. The tests use
//! the stored inputs first, then mutated ones (`tests/fuzz`). The host does not parse responses of platforms; the
//! provider's own tests cover those.

use fuzz_inputs::play;
use tokio::io::AsyncWriteExt as _;

use super::server::{read_head, scripted};
use super::*;
use crate::error::ErrorKind;
use crate::media::MediaItem;
use crate::model::Media;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn media_of_any_bytes_is_looked_at_without_harm() {
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("media");
    play("media", |input| {
        std::fs::write(&path, input).unwrap();
        let opened = runtime.block_on(MediaItem::open(&Media::file(&path), &Egress::closed()));
        match opened {
            Ok(item) => {
                let info = item.info();
                assert_eq!(info.size, input.len() as u64);
                assert!(!info.content_type.is_empty());
                assert!(info.frame_rate.is_none_or(f64::is_finite), "{info:?}");
            }
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
                assert!(error.remedy.is_some(), "{error:?}");
            }
        }
    });
}

#[test]
fn answers_of_any_media_server_are_survived() {
    let runtime = runtime();
    let answer = Arc::new(Mutex::new(Vec::new()));
    let shown = Arc::clone(&answer);
    let (port, _) = runtime.block_on(scripted(move |mut stream| {
        let bytes = shown.lock().unwrap().clone();
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(&bytes).await;
        }
    }));
    let policy: Policy = serde_json::from_value(serde_json::json!({
        "origins": ["https://media.example.com"],
        "connect_to": [{ "from": "https://media.example.com", "to": format!("http://127.0.0.1:{port}") }],
    }))
    .unwrap();
    let egress = runtime.block_on(async { egress(policy) });
    let media = Media::url("https://media.example.com/movie.mp4");
    play("media-answer", |input| {
        *answer.lock().unwrap() = input.to_vec();
        match runtime.block_on(MediaItem::open(&media, &egress)) {
            Ok(item) => assert!(item.info().size > 0, "a file of no bytes has no first byte"),
            Err(error) => assert!(error.remedy.is_some() && !error.message.is_empty(), "{error:?}"),
        }
    });
}
