//! A service with a simulator, one connected channel, one published job and one upload, for test programs in
//! other languages. Prints its address as one line of JSON and ends with its input.

use social_channel_server::Access;
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
    let bytes = futures::stream::iter([Ok(library_tests::video_bytes(4096)?.into())]);
    let upload = stage.tenant.keep_upload(new, bytes).await?;
    // With a password set the service is closed to callers without a key.
    Access::of(&stage.host).set_password(Some(social_channel::SecretText::new("correct horse"))).await?;
    let key = Access::of(&stage.host).create_api_key("tests", None).await?.text;
    let tenant = Default::default();
    let tenant_key = Access::of(&stage.host).create_api_key("tests", Some(&tenant)).await?.text;
    println!(
        "{}",
        serde_json::json!({
            "address": address, "key": key.expose(), "tenant_key": tenant_key.expose(), "app": library_tests::APP, "channel": channel.id,
            "job": job.id, "upload": upload.id, "pid": std::process::id(),
        })
    );
    let ended = async {
        // Waits for the end of input; nothing is sent.
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    };
    server.run(stage.host.clone(), ended).await?;
    stage.host.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
