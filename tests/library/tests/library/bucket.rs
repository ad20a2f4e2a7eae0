//! A video is published from a bucket.

use std::sync::Arc;

use library_tests::{Stage, world};
use s3_server::Server;
use sha2::{Digest as _, Sha256};
use social_channel::model::Media;
use social_channel::{JobStatus, NewUpload};

async fn server() -> Arc<Server> {
    Arc::new(tokio::task::spawn_blocking(|| Server::start().unwrap()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_published_from_a_bucket_though_its_wire_is_cut() {
    let server = server().await;
    let url = server.url("shop");
    let stage = Stage::in_world(world(), |builder| builder.blob(url.as_str())).await.unwrap();
    let channel = stage.connect().await.unwrap();
    let Media { source, .. } = stage.video(70_000_000).unwrap();
    let social_channel::model::MediaSource::File(path) = source else { panic!("{source:?}") };
    let bytes = std::fs::read(path).unwrap();
    let new =
        NewUpload { limit: 100 << 20, content_type: Some("video/mp4".to_owned()), ..NewUpload::default() };
    let chunks: Vec<_> = bytes.chunks(1 << 20).map(|chunk| Ok(chunk.to_vec().into())).collect();
    let upload = stage.tenant.keep_upload(new, futures::stream::iter(chunks)).await.unwrap();
    server.wire.cut_after(100);
    let mended = server.clone();
    let mend = std::thread::spawn(move || {
        while !mended.wire.is_cut() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        mended.wire.mend();
    });
    let job = stage.publish(&channel.id, Media::upload(&upload.id)).await.unwrap();
    mend.join().unwrap();
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    let received: Vec<_> =
        stage.simulator.world().publishes.into_iter().filter_map(|publish| publish.sha256).collect();
    assert_eq!(received, [hex::encode(Sha256::digest(&bytes))], "byte for byte");
    stage.host.maintain().await;
    let server = server.clone();
    let left = tokio::task::spawn_blocking(move || server.objects().unwrap()).await.unwrap();
    assert_eq!(left, ["shop/social-channel.owner"], "what is published is removed");
}
