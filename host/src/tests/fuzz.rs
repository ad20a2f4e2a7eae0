//! What strangers hand to the host itself: media of any bytes, the answers of any server that media is fetched from,
//! addresses of callbacks. Kept inputs first, then damaged ones (`tests/fuzz`). Answers of platforms pass through the
//! host unread; the provider's own tests play those.

use fuzz_inputs::{corpus, damaged};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::io::AsyncWriteExt as _;

use super::server::{read_head, scripted};
use super::*;
use crate::accounts::callback_query;
use crate::error::ErrorKind;
use crate::media::MediaItem;
use crate::model::Media;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Plays the corpus of a parser, and then damaged inputs.
fn play(parser: &str, mut target: impl FnMut(&[u8])) {
    for (name, input) in corpus(parser) {
        println!("{parser}/{name}");
        target(&input);
    }
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let target = std::cell::RefCell::new(target);
    let result = TestRunner::new(config).run(&damaged(parser), |input| {
        (target.borrow_mut())(&input);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{parser}: {failure}");
    }
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

#[test]
fn addresses_of_callbacks_are_taken_apart_once_and_whole() {
    play("callback-address", |input| {
        let address = String::from_utf8_lossy(input).into_owned();
        let pairs = callback_query(&address);
        // Written again and read again they are the same: nothing is decoded twice, nothing lost.
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&pairs);
        assert_eq!(callback_query(&format!("https://app.example.com/callback/?{}", query.finish())), pairs);
    });
}
