//! Configurations of a host.

use std::time::Duration;

use social_channel::{ErrorKind, HostConfig};

use crate::RUNTIME;

/// Any configuration opens a host, or is refused with a remedy.
///
/// # Panics
/// If it is not.
pub fn configuration(input: &[u8]) {
    let Ok(config) = serde_json::from_slice::<HostConfig>(input) else { return };
    // In memory: a damaged path may name anything of this machine.
    let config =
        HostConfig { data: None, database: None, cache: None, key_file: None, media_folder: None, ..config };
    let opened = RUNTIME.block_on(async {
        let host = config.builder()?.open().await?;
        let apps = host.apps().await;
        host.close(Duration::ZERO).await;
        apps
    });
    match opened {
        Ok(apps) => assert!(apps.is_empty()),
        Err(error) => {
            assert!(!error.message.is_empty() && error.kind != ErrorKind::Internal, "{error:?}");
            assert!(error.remedy.is_some_and(|remedy| !remedy.is_empty()), "{}", error.message);
        }
    }
}
