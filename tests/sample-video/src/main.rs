//! `sample-video FILE BYTES`: writes a playable MP4 of exactly that size. `sample-video --head FILE`: writes what a sparse
//! one begins with.

use std::path::Path;

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: sample-video FILE BYTES, or sample-video --head FILE";
    let file = arguments.next().context(usage)?;
    if file == "--head" {
        return Ok(std::fs::write(arguments.next().context(usage)?, sample_video::head()?)?);
    }
    let size = arguments.next().and_then(|size| size.replace('_', "").parse().ok()).context(usage)?;
    sample_video::write(Path::new(&file), size)
}
