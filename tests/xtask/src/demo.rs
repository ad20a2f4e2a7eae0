//! The demo.
use anyhow::Result;

pub(crate) fn run() -> Result<()> {
    crate::guests::build()
}
