//! Equivalent native code: reqwest, the same requests, the same parsing.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use library_tests::{APP, CALLBACK, OWNER, Stage, browse};
use serde_json::{Value, json};
use social_channel::{Connect, ConnectOptions};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// Like the provider's: the largest that the platform allows.
const CHUNK: u64 = 64_000_000;
/// The fields that the provider requests.
const FIELDS: &str =
    "open_id,display_name,avatar_url,avatar_large_url,bio_description,profile_deep_link,is_verified,username";

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    origin: String,
}

impl Client {
    pub(crate) fn new(origin: &str) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        Ok(Client { http, origin: origin.to_owned() })
    }

    /// A separate token, from the same kind of consent.
    pub(crate) async fn token(&self, stage: &Stage) -> Result<String> {
        let verifier = "bench-verifier-0123456789-0123456789-0123456789";
        // The host begins, so that the URL is correct; the code is exchanged manually in another consent.
        let options = ConnectOptions {
            owner: OWNER.to_owned(),
            redirect_uri: Some(CALLBACK.to_owned()),
            ..ConnectOptions::default()
        };
        let Connect::Redirect { url, .. } = stage.tenant.begin_connect(APP, options).await? else {
            bail!("a browser was expected");
        };
        let mut url = reqwest::Url::parse(&url)?;
        // The library's digest is SHA-256 in hexadecimal, and so is TikTok's challenge.
        let challenge = social_channel::Digest::of(verifier.as_bytes()).to_string();
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| match name.as_ref() {
                "code_challenge" => (name.into_owned(), challenge.clone()),
                _ => (name.into_owned(), value.into_owned()),
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
        let callback = browse(url.as_str()).await?;
        let code = callback.iter().find(|(name, _)| name == "code").context("no code came back")?;
        let form = [
            ("client_key", "simkey-desktop"),
            ("client_secret", "simsecret-desktop-0001"),
            ("grant_type", "authorization_code"),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
            ("code", &code.1),
        ];
        let body = reqwest::Url::parse_with_params("http://x/", form)?.query().unwrap_or_default().to_owned();
        let answer = self
            .http
            .post(format!("{}/v2/oauth/token/", self.origin))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await?;
        let answer: Value = serde_json::from_slice(&answer.bytes().await?)?;
        Ok(answer.get("access_token").and_then(Value::as_str).context("no token")?.to_owned())
    }

    pub(crate) async fn profile(&self, token: &str) -> Result<Value> {
        let answer = self
            .http
            .get(format!("{}/v2/user/info/?fields={FIELDS}", self.origin))
            .bearer_auth(token)
            .send()
            .await?
            .bytes()
            .await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        answer.pointer("/data/user").cloned().with_context(|| format!("no user: {answer}"))
    }

    pub(crate) async fn upload(&self, token: &str, path: &Path, size: u64) -> Result<()> {
        let chunk = if size <= CHUNK { size } else { CHUNK };
        let count = size / chunk;
        let body = json!({
            "post_info": {"privacy_level": "PUBLIC_TO_EVERYONE", "title": "native",
                "brand_content_toggle": false, "brand_organic_toggle": false},
            "source_info": {"source": "FILE_UPLOAD", "video_size": size, "chunk_size": chunk,
                "total_chunk_count": count},
        });
        let answer = self
            .http
            .post(format!("{}/v2/post/publish/video/init/", self.origin))
            .bearer_auth(token)
            .header("content-type", "application/json; charset=UTF-8")
            .body(body.to_string())
            .send()
            .await?
            .bytes()
            .await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        let url = answer.pointer("/data/upload_url").and_then(Value::as_str);
        let mut url = reqwest::Url::parse(url.with_context(|| format!("no upload: {answer}"))?)?;
        let origin = reqwest::Url::parse(&self.origin)?;
        let _ = url.set_scheme(origin.scheme());
        url.set_host(origin.host_str())?;
        let _ = url.set_port(origin.port());
        for index in 0..count {
            let first = index * chunk;
            let end = if index + 1 == count { size } else { first + chunk };
            let mut file = tokio::fs::File::open(path).await?;
            file.seek(std::io::SeekFrom::Start(first)).await?;
            let stream = tokio_util::io::ReaderStream::with_capacity(file.take(end - first), 512 << 10);
            let answer = self
                .http
                .put(url.clone())
                .header("content-type", "video/mp4")
                .header("content-length", end - first)
                .header("content-range", format!("bytes {first}-{}/{size}", end - 1))
                .body(reqwest::Body::wrap_stream(stream))
                .send()
                .await?;
            if !answer.status().is_success() {
                bail!("chunk {index} was refused: {}", answer.status());
            }
        }
        Ok(())
    }
}

/// From the arrival of the init to the arrival of the first status request, or to now.
pub(crate) fn upload_time(stage: &Stage, before: usize) -> Result<Duration> {
    let log = stage.simulator.log();
    let new = log.get(before..).unwrap_or_default();
    let puts: Vec<i64> =
        new.iter().filter(|exchange| exchange.method == "PUT").map(|exchange| exchange.time_ms).collect();
    let first = puts.first().context("nothing was uploaded")?;
    // The last chunk's arrival, plus the duration of one chunk for the last chunk itself.
    let last = puts.last().context("nothing was uploaded")?;
    let chunks = i64::try_from(puts.len())?;
    let each = if chunks > 1 { (last - first) / (chunks - 1) } else { 0 };
    Ok(Duration::from_millis(u64::try_from(last - first + each)?))
}
