//! A user's storage: a server on this machine that serves one file, complete or by ranges.

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, StatusCode};
use tokio::task::JoinHandle;

/// The server, which ends when it is dropped.
#[derive(Debug)]
pub struct Storage {
    /// Scheme, host and port.
    pub origin: String,
    task: JoinHandle<()>,
}

impl Storage {
    /// Serves a video at any path.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(video: impl Into<Bytes>) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(file).with_state(video.into());
        let task = tokio::spawn(async move {
            // It ends with the test.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Storage { origin, task })
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn file(State(video): State<Bytes>, headers: HeaderMap) -> Result<Response, StatusCode> {
    let whole = video.len();
    let asked =
        headers.get(RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let answer = Response::builder().header(CONTENT_TYPE, "video/mp4").header(ACCEPT_RANGES, "bytes");
    let answer = match asked {
        None => answer.body(Body::from(video)),
        Some((first, last)) => {
            let first: usize = first.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
            let last = last.parse().unwrap_or(usize::MAX).min(whole.saturating_sub(1));
            if first > last {
                return Err(StatusCode::RANGE_NOT_SATISFIABLE);
            }
            answer
                .status(StatusCode::PARTIAL_CONTENT)
                .header(CONTENT_RANGE, format!("bytes {first}-{last}/{whole}"))
                .body(Body::from(video.slice(first..=last)))
        }
    };
    answer.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
