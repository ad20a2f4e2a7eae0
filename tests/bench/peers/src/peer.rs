//! What every peer does, and how it says what it measured: one line of JSON.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// The work of one process.
pub(crate) struct Task {
    pub(crate) origin: String,
    pub(crate) token: String,
    pub(crate) work: Work,
}

pub(crate) enum Work {
    /// So many calls, one after the other.
    Profile(usize),
    /// So many calls, [`crate::AT_ONCE`] at a time.
    AtOnce(usize),
    /// A file as one video.
    Upload(PathBuf),
}

impl Task {
    /// `ORIGIN TOKEN profile N`, `at-once N` or `upload FILE`.
    pub(crate) fn read(words: &[String]) -> Result<Self> {
        let word = |index: usize| words.get(index).cloned().context("ORIGIN TOKEN WORK VALUE are needed");
        let value = word(3)?;
        let work = match word(2)?.as_str() {
            "profile" => Work::Profile(value.parse()?),
            "at-once" => Work::AtOnce(value.parse()?),
            "upload" => Work::Upload(value.into()),
            other => bail!("{other} is no work"),
        };
        Ok(Task { origin: word(0)?, token: word(1)?, work })
    }
}

/// Times of single calls; the first tenth warms up.
pub(crate) fn say_times(times: &[Duration]) {
    let micros: Vec<f64> = times.iter().skip(times.len() / 10).map(|it| it.as_secs_f64() * 1e6).collect();
    println!("{}", json!({ "micros": micros }));
}

/// One piece of work, and what it needed above the idle process.
pub(crate) fn say_piece(begun: Instant, idle: u64) -> Result<()> {
    let peak = resident("VmHWM:")?.saturating_sub(idle);
    println!("{}", json!({"seconds": begun.elapsed().as_secs_f64(), "peak_kib": peak}));
    Ok(())
}

/// A line of this process's status, in KiB.
pub(crate) fn resident(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// A video's upload that was begun: where its chunks go.
pub(crate) struct Begun {
    pub(crate) url: String,
    pub(crate) size: u64,
}

/// The largest chunk that the platform takes.
pub(crate) const CHUNK: u64 = 64_000_000;

impl Begun {
    /// The body of the request that begins it.
    pub(crate) fn request(size: u64) -> Value {
        let chunk = size.min(CHUNK);
        json!({
            "post_info": {"privacy_level": "PUBLIC_TO_EVERYONE", "title": "a peer",
                "brand_content_toggle": false, "brand_organic_toggle": false},
            "source_info": {"source": "FILE_UPLOAD", "video_size": size, "chunk_size": chunk,
                "total_chunk_count": size / chunk},
        })
    }

    /// From its answer. The address names the platform's own host.
    pub(crate) fn answered(origin: &str, size: u64, answer: &Value) -> Result<Self> {
        let url = answer.pointer("/data/upload_url").and_then(Value::as_str);
        let mut url = url::Url::parse(url.with_context(|| format!("no upload: {answer}"))?)?;
        let origin = url::Url::parse(origin)?;
        let _ = url.set_scheme(origin.scheme());
        url.set_host(origin.host_str())?;
        let _ = url.set_port(origin.port());
        Ok(Begun { url: url.into(), size })
    }

    /// First byte, length and range of each chunk; the last takes the rest.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (u64, u64, String)> + use<> {
        let (size, chunk) = (self.size, self.size.min(CHUNK));
        let count = size / chunk;
        (0..count).map(move |index| {
            let first = index * chunk;
            let end = if index + 1 == count { size } else { first + chunk };
            (first, end - first, format!("bytes {first}-{}/{size}", end - 1))
        })
    }
}
