//! `call FILE...`: what a provider costs by itself, whatever it is written in: compiling, loading its compiled code, one call.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use social_channel_runtime::{CallContext, Engine, EngineOptions, Provider};

use crate::table::Figure;

const LOADS: usize = 5;
const CALLS: usize = 200;

pub(crate) async fn measure(files: &[String]) -> Result<()> {
    println!(
        "| component | size | compiled in | loaded in | one `describe`, fresh instance |\n| --- | --- | --- | --- | --- |"
    );
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("{file} cannot be read"))?;
        // Beside the program, in a folder that the engine makes: compiled code is not kept where others may enter.
        let own = std::env::current_exe()?;
        let cache = tempfile::tempdir_in(own.parent().context("no folder")?)?;
        let engine = || {
            Engine::new(EngineOptions {
                cache_dir: Some(cache.path().join("code")),
                cache_key: Some([7; 32]),
                ..EngineOptions::default()
            })
        };
        let begun = Instant::now();
        Provider::load(&engine()?, &bytes).await?;
        let compiled = begun.elapsed();
        let mut loads = Vec::new();
        for _ in 0..LOADS {
            let engine = engine()?;
            let begun = Instant::now();
            Provider::load(&engine, &bytes).await?;
            loads.push(begun.elapsed());
        }
        let provider = Provider::load(&engine()?, &bytes).await?;
        let mut calls = Vec::new();
        for _ in 0..CALLS {
            let begun = Instant::now();
            provider.describe(CallContext::pure()).await.map_err(|error| error.into_error())?;
            calls.push(begun.elapsed());
        }
        let millis = |times: &[Duration]| times.iter().map(|it| it.as_secs_f64() * 1e3).collect();
        println!(
            "| {} | {:.2} MB | {:.1} s | {} | {} |",
            provider.descriptor().name,
            bytes.len() as f64 / 1e6,
            compiled.as_secs_f64(),
            Figure::of(millis(&loads), "ms").text,
            Figure::of(millis(&calls), "ms").text,
        );
    }
    Ok(())
}
