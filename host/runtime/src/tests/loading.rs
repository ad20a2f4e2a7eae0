//! What is loaded, what is refused, and what is cached.

use super::*;
use crate::error::{Error, ErrorKind};

/// The test provider, with every occurrence of some bytes replaced with others of the same length.
fn patched(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = guest("test_provider");
    let mut found = 0;
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            found += 1;
        }
    }
    assert!(found > 0, "no `{from}` in the guest");
    bytes
}

async fn refused(bytes: &[u8]) -> Error {
    let options = EngineOptions { limits: short_limits(), ..EngineOptions::default() };
    Provider::load(&Engine::new(options).unwrap(), bytes).await.unwrap_err()
}

#[tokio::test]
async fn a_provider_describes_itself() {
    let provider = patient().await;
    assert_eq!(provider.descriptor().id, "test-provider");
    assert_eq!(provider.digest().to_string().len(), 64);
    assert!(provider.imports().iter().any(|name| name.starts_with("wasi:http/client@0.3")));
    assert!(provider.exports().iter().any(|name| name.starts_with("social:channel/webhooks@0.1")));
}

#[tokio::test]
async fn another_line_is_refused_naming_both() {
    let error = refused(&patched("@0.1.0", "@0.2.0")).await;
    assert_eq!(error.kind, ErrorKind::Incompatible);
    assert!(error.message.contains("0.2.0") && error.message.contains("0.1"), "{error:?}");
    assert!(error.remedy.unwrap().contains("0.1"));
}

#[tokio::test]
async fn a_later_version_of_our_line_is_taken() {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let provider = Provider::load(&engine, &patched("@0.1.0", "@0.1.7")).await.unwrap();
    assert!(provider.has_webhooks());
    bio(&provider, context(&[])).await.unwrap();
}

#[tokio::test]
async fn an_import_we_lack_is_named() {
    // An unknown package, and an unknown interface of a known package.
    for (from, to) in [
        ("wasi:clocks/monotonic-clock@0.3.0", "wasi:clacks/monotonic-clock@0.3.0"),
        ("social:channel/storage@0.1.0", "social:channel/forages@0.1.0"),
    ] {
        let error = refused(&patched(from, to)).await;
        assert_eq!(error.kind, ErrorKind::Incompatible, "{error:?}");
        assert!(error.message.contains(to), "{error:?}");
        assert!(error.remedy.is_some());
    }
}

#[tokio::test]
async fn a_cut_or_damaged_file_is_refused() {
    let whole = guest("test_provider");
    for length in [9, 1_000, whole.len() / 2, whole.len() - 1] {
        let error = refused(&whole[..length]).await;
        assert_eq!(error.kind, ErrorKind::LoadFailed, "{length}: {error:?}");
    }
    let mut damaged = whole.clone();
    damaged[whole.len() / 2..whole.len() / 2 + 64].fill(0xff);
    let error = refused(&damaged).await;
    assert!(matches!(error.kind, ErrorKind::LoadFailed | ErrorKind::ProviderFault), "{error:?}");
}

#[tokio::test]
async fn a_bad_description_is_refused() {
    let error = refused(&patched("test-provider", "Test Provider")).await;
    assert_eq!(error.kind, ErrorKind::ProviderFault);
    assert_eq!(error.field.as_deref(), Some("id"));
    let error = refused(&patched("DESCRIBE=calm", "DESCRIBE=loop")).await;
    assert_eq!(error.kind, ErrorKind::LimitExceeded, "{error:?}");
    let error = refused(&patched("DESCRIBE=calm", "DESCRIBE=trap")).await;
    assert_eq!((error.kind, error.operation.as_deref()), (ErrorKind::ProviderFault, Some("describe")));
}

#[cfg(unix)]
#[tokio::test]
async fn compiled_code_is_kept_and_a_bad_one_replaced() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("code");
    let bytes = guest("minimal_provider");
    let load = async || {
        let options = EngineOptions {
            cache_dir: Some(folder.clone()),
            cache_key: Some([7; 32]),
            ..EngineOptions::default()
        };
        Provider::load(&Engine::new(options).unwrap(), &bytes).await.unwrap()
    };
    load().await;
    let file = || {
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        files[0].clone()
    };
    let good = std::fs::read(file()).unwrap();
    // Loaded from the cache: the file is not written again.
    let written = std::fs::metadata(file()).unwrap().modified().unwrap();
    assert_eq!(load().await.descriptor().id, "minimal");
    assert_eq!(std::fs::metadata(file()).unwrap().modified().unwrap(), written);
    for bad in [&good[..good.len() / 2], &[good.as_slice(), b"x"].concat(), b""] {
        std::fs::write(file(), bad).unwrap();
        assert_eq!(load().await.descriptor().id, "minimal");
        assert_eq!(std::fs::read(file()).unwrap(), good);
    }
}
