//! `sample-video FILE BYTES`: writes a playable MP4 of exactly that size.

use std::path::Path;

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: sample-video FILE BYTES";
    let file = arguments.next().context(usage)?;
    let size = arguments.next().and_then(|size| size.replace('_', "").parse().ok()).context(usage)?;
    sample_video::write(Path::new(&file), size)
}
