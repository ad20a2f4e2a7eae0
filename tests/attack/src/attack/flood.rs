//! A tenant who asks for more than everybody's share: calls that do not end, media that drips, uploads.

use std::cell::Cell;
use std::sync::Arc;

use anyhow::{Result, bail};
use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Scene, eventually, provider};
use crate::stage::MEDIA_SERVER;

pub(super) const CALLS: usize = 1_500;
const CHECKS: usize = 300;
const UPLOADS: usize = 24;
const UPLOAD: usize = 8 << 20;

pub(super) async fn attack(scene: &Scene<'_>) -> Result<()> {
    // Calls that sleep in the provider until their limit.
    provider::behave(scene, "sleep").await?;
    let profile = format!("/api/v1/channels/{}/profile", scene.template.mallory.channel);
    flood(scene, CALLS, Method::GET, &profile, |_| Value::Null).await?;
    provider::behave(scene, "").await?;
    // Checks of files whose server sends one byte and then nothing.
    let checks = format!("/api/v1/channels/{}/checks", scene.template.mallory.channel);
    flood(scene, CHECKS, Method::POST, &checks, |number| {
        json!({"post": {"kind": "video", "text": "x"}, "media": [{"url": format!("{MEDIA_SERVER}/{number}.mp4")}]})
    })
    .await?;
    let uploads = join_all((0..UPLOADS).map(|_| {
        let request = scene
            .victim
            .request(Method::POST, "/api/v1/uploads?file_name=one.mp4")
            .bearer_auth(&scene.template.mallory.key)
            .body(vec![7; UPLOAD]);
        scene.victim.answer(request)
    }));
    for answer in uploads.await {
        let answer = answer?;
        if answer.status != StatusCode::CREATED && !says_when(answer.status, answer.retry_after.as_deref()) {
            bail!("an upload of the flood: {} {}", answer.status, answer.body);
        }
    }
    scene.neighbour.works_on(10).await
}

/// Keeps so many requests open, looks at what is refused, and goes away when the other tenant has worked on.
async fn flood(
    scene: &Scene<'_>,
    requests: usize,
    method: Method,
    path: &str,
    body: impl Fn(usize) -> Value,
) -> Result<()> {
    let key = &scene.template.mallory.key;
    let mut open: FuturesUnordered<_> =
        (0..requests).map(|number| scene.victim.call(key, method.clone(), path, body(number))).collect();
    let answered = Cell::new(0);
    let attend = async {
        // Until all have arrived: what is not answered has a connection.
        eventually("the flood arrives", async || {
            Ok((scene.victim.files()? >= requests - answered.get()).then_some(()))
        })
        .await?;
        scene.neighbour.works_on(40).await
    };
    let mut attend = std::pin::pin!(attend);
    loop {
        tokio::select! {
            done = &mut attend => return done,
            Some(answer) = open.next() => {
                answered.set(answered.get() + 1);
                // Beyond the connections that the service takes, it may close hers before it has read them.
                let Ok(answer) = answer else { continue };
                let busy = says_when(answer.status, answer.retry_after.as_deref());
                if answer.status.is_server_error() && !busy {
                    bail!("{method} {path} in a flood: {} {}", answer.status, answer.body);
                }
            }
        }
    }
}

/// Whether it is a refusal that says when to come again.
fn says_when(status: StatusCode, retry_after: Option<&str>) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
        && retry_after.is_some_and(|it| it.parse::<u32>().is_ok())
}

/// A media server that promises a file and sends its first byte.
pub(super) struct Dripping {
    at: String,
    task: JoinHandle<()>,
}

impl Dripping {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let at = listener.local_addr()?.to_string();
        let held = Arc::new(tokio::sync::Mutex::new(Vec::new()));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let held = held.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request).await;
                    let head = "HTTP/1.1 206 Partial Content\r\ncontent-type: video/mp4\r\n\
                        content-range: bytes 0-65535/1000000\r\ncontent-length: 65536\r\n\r\n\0";
                    let _ = stream.write_all(head.as_bytes()).await;
                    held.lock().await.push(stream);
                });
            }
        });
        Ok(Dripping { at, task })
    }

    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.at)
    }
}

impl Drop for Dripping {
    fn drop(&mut self) {
        self.task.abort();
    }
}
