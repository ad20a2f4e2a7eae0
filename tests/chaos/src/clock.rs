//! One clock for several processes: real time plus an offset in a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use social_channel::{Clock, SystemClock};

/// Read at every access; the file is a few bytes in the page cache.
#[derive(Debug)]
pub(crate) struct FileClock(PathBuf);

impl FileClock {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        FileClock(folder.join("clock"))
    }

    pub(crate) fn advance(&self, by: Duration) -> Result<()> {
        let ahead = self.ahead() + i64::try_from(by.as_millis())?;
        // Renamed into place, so that no process reads a partial number.
        let fresh = self.0.with_extension("new");
        std::fs::write(&fresh, ahead.to_string())?;
        Ok(std::fs::rename(fresh, &self.0)?)
    }

    fn ahead(&self) -> i64 {
        std::fs::read_to_string(&self.0).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

impl Clock for FileClock {
    fn now_ms(&self) -> i64 {
        SystemClock.now_ms() + self.ahead()
    }
}
