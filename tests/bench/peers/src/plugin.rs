//! Extism, with a fresh instance for each call as Social Channel has it, or with one that is kept.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use serde_json::{Value, json};

use crate::AT_ONCE;
use crate::peer::{Begun, Task, Work, resident, say_piece, say_times};

/// All that 32 bits can address. The last chunk has nearly twice the size of the others, and stands there several times.
const LARGEST: u64 = 4 << 30;
/// A page of WebAssembly's memory.
const PAGE: u64 = 64 << 10;

/// `fresh`: each call has an instance of its own.
pub(crate) fn run(guest: &Path, fresh: bool, task: &Task) -> Result<()> {
    let origin = url::Url::parse(&task.origin)?;
    let manifest = Manifest::new([Wasm::data(std::fs::read(guest)?)])
        .with_allowed_host(origin.host_str().context("no host")?)
        // A chunk is in the guest's memory, whole and more than once.
        .with_memory_max(u32::try_from(LARGEST / PAGE)?);
    let compiled = PluginBuilder::new(manifest).with_wasi(false).compile()?;
    let account = json!({"origin": task.origin, "token": task.token}).to_string();
    let mut kept = Plugin::new_from_compiled(&compiled)?;
    profile(&mut kept, &account)?;
    let idle = resident("VmRSS:")?;
    match &task.work {
        Work::Profile(count) => {
            let mut times = Vec::new();
            for _ in 0..*count {
                let begun = Instant::now();
                call(&compiled, (!fresh).then_some(&mut kept), &account)?;
                times.push(begun.elapsed());
            }
            say_times(&times);
        }
        Work::AtOnce(count) => {
            let left = AtomicUsize::new(*count);
            let begun = Instant::now();
            std::thread::scope(|scope| {
                let thread = || -> Result<()> {
                    let mut kept = (!fresh).then(|| Plugin::new_from_compiled(&compiled)).transpose()?;
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1))
                        .is_ok()
                    {
                        call(&compiled, kept.as_mut(), &account)?;
                    }
                    Ok(())
                };
                let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(thread)).collect();
                threads
                    .into_iter()
                    .try_for_each(|it| it.join().unwrap_or_else(|_| bail!("a thread panicked")))
            })?;
            say_piece(begun, idle)?;
        }
        Work::Upload(path) => {
            let size = std::fs::metadata(path)?.len();
            let upload = begin(task, size)?;
            let begun = Instant::now();
            let mut file = std::fs::File::open(path)?;
            for (first, length, range) in upload.chunks() {
                let mut input = json!({"url": upload.url, "range": range}).to_string().into_bytes();
                input.push(b'\n');
                file.seek(SeekFrom::Start(first))?;
                (&mut file).take(length).read_to_end(&mut input)?;
                let status = kept.call::<_, String>("chunk", input)?;
                if !matches!(status.as_str(), "201" | "206") {
                    bail!("a chunk was refused: {status}");
                }
            }
            say_piece(begun, idle)?;
        }
    }
    Ok(())
}

fn call(compiled: &CompiledPlugin, kept: Option<&mut Plugin>, account: &str) -> Result<()> {
    match kept {
        Some(plugin) => profile(plugin, account),
        None => profile(&mut Plugin::new_from_compiled(compiled)?, account),
    }
}

fn profile(plugin: &mut Plugin, account: &str) -> Result<()> {
    let answer: Value = serde_json::from_str(&plugin.call::<_, String>("profile", account)?)?;
    if !answer.get("display_name").is_some_and(Value::is_string) {
        bail!("no profile: {answer}");
    }
    Ok(())
}

/// The plain request that begins an upload is not what is measured here, so the host sends it.
fn begin(task: &Task, size: u64) -> Result<Begun> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let request = reqwest::Client::builder()
            .no_proxy()
            .build()?
            .post(format!("{}/v2/post/publish/video/init/", task.origin))
            .bearer_auth(&task.token)
            .header("content-type", "application/json; charset=UTF-8")
            .body(Begun::request(size).to_string());
        let answer = serde_json::from_slice(&request.send().await?.bytes().await?)?;
        Begun::answered(&task.origin, size, &answer)
    })
}
