//! A service before a simulated platform, with one connected channel, one published job and one upload, for
//! programs of other languages to test. Prints where it is as one line of JSON and ends with its input.

use std::time::Duration;

use anyhow::{Context as _, Result};
use library_tests::Stage;
use social_channel::NewUpload;
use social_channel_server::{Config, Server};
use tokio::io::AsyncReadExt as _;

#[tokio::main]
async fn main() -> Result<()> {
    let config = Config {
        listen: vec!["127.0.0.1:0".parse()?],
        stop_seconds: 5,
        webhook_rate: 100_000,
        ..Config::default()
    };
    let server = Server::bind(config).await?;
    let address = server.address().context("the service has no address")?;
    let stage =
        Stage::in_world(library_tests::world(), |builder| builder.public_address(address.clone())).await?;
    let channel = stage.connect().await?;
    let job = stage.publish(&channel.id, stage.video(1_000_000)?).await?;
    let new = NewUpload { file_name: Some("one.mp4".to_owned()), limit: 1 << 20, ..NewUpload::default() };
    let bytes = futures::stream::iter([Ok(bytes::Bytes::from_static(&[0; 4096]))]);
    let upload = stage.tenant.keep_upload(new, bytes).await?;
    // With a password set the service is closed to whoever brings no key.
    stage.host.set_password(Some(social_channel::SecretText::new("correct horse"))).await?;
    let key = stage.host.create_api_key("tests", None).await?.text;
    println!(
        "{}",
        serde_json::json!({
            "address": address, "key": key.expose(), "app": library_tests::APP, "channel": channel.id,
            "job": job.id, "upload": upload.id, "pid": std::process::id(),
        })
    );
    let ended = async {
        // Nothing is ever sent; the end is what is waited for.
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    };
    server.run(stage.host.clone(), ended).await?;
    stage.host.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
