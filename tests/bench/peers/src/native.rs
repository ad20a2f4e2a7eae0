//! Rust with reqwest.

use std::io::SeekFrom;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::AT_ONCE;
use crate::peer::{Begun, Task, Work, resident, say_piece, say_times};

const FIELDS: &str =
    "open_id,display_name,avatar_url,avatar_large_url,bio_description,profile_deep_link,is_verified,username";

pub(crate) async fn run(task: &Task) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let profile = || profile(&http, task);
    profile().await?;
    let idle = resident("VmRSS:")?;
    match &task.work {
        Work::Profile(count) => {
            let mut times = Vec::new();
            for _ in 0..*count {
                let begun = Instant::now();
                profile().await?;
                times.push(begun.elapsed());
            }
            say_times(&times);
        }
        Work::AtOnce(count) => {
            let begun = Instant::now();
            futures::stream::iter(0..*count)
                .map(|_| profile())
                .buffer_unordered(AT_ONCE)
                .try_collect::<Vec<Value>>()
                .await?;
            say_piece(begun, idle)?;
        }
        Work::Upload(path) => {
            let size = std::fs::metadata(path)?.len();
            let request = http
                .post(format!("{}/v2/post/publish/video/init/", task.origin))
                .bearer_auth(&task.token)
                .header("content-type", "application/json; charset=UTF-8")
                .body(Begun::request(size).to_string());
            let answer = serde_json::from_slice(&request.send().await?.bytes().await?)?;
            let upload = Begun::answered(&task.origin, size, &answer)?;
            let begun = Instant::now();
            for (first, length, range) in upload.chunks() {
                let mut file = tokio::fs::File::open(path).await?;
                file.seek(SeekFrom::Start(first)).await?;
                let stream = tokio_util::io::ReaderStream::with_capacity(file.take(length), 512 << 10);
                let request = http
                    .put(&upload.url)
                    .header("content-type", "video/mp4")
                    .header("content-length", length)
                    .header("content-range", range)
                    .body(reqwest::Body::wrap_stream(stream));
                let status = request.send().await?.status();
                if !status.is_success() {
                    bail!("a chunk was refused: {status}");
                }
            }
            say_piece(begun, idle)?;
        }
    }
    Ok(())
}

async fn profile(http: &reqwest::Client, task: &Task) -> Result<Value> {
    let request = http.get(format!("{}/v2/user/info/?fields={FIELDS}", task.origin)).bearer_auth(&task.token);
    let answer: Value = serde_json::from_slice(&request.send().await?.bytes().await?)?;
    answer.pointer("/data/user").cloned().with_context(|| format!("no user: {answer}"))
}
