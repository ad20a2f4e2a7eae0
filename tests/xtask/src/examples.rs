//! Runs the examples as a new user would.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::simulator::Simulator;
use crate::{browser, guests, run};

/// `examples/rust`, with the browser that its consent needs.
pub(crate) fn rust() -> Result<()> {
    run::cargo(["build", "--bins"])?;
    let folder = run::target().join("examples");
    std::fs::create_dir_all(&folder)?;
    let video = folder.join("video.mp4");
    sample_video::write(&video, 70_000_000)?;
    let simulator = Simulator::start()?;
    let mut story = Command::new(run::program("example-rust"))
        .arg(guests::component("plugin_tiktok"))
        .arg(&video)
        .arg(&simulator.origin)
        .stdout(Stdio::piped())
        .spawn()
        .context("example-rust cannot be run")?;
    let mut published = false;
    for line in BufReader::new(story.stdout.take().context("no output")?).lines() {
        let line = line?;
        println!("{line}");
        if let Some(address) = line.strip_prefix("open ") {
            let page = address.trim().replace("https://www.tiktok.com", &simulator.origin);
            browser::follow(&page)?;
        }
        published |= line.starts_with("published  https://");
    }
    let status = story.wait()?;
    if !status.success() || !published {
        bail!("examples/rust published nothing: {status}");
    }
    Ok(())
}
