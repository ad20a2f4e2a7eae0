//! Compiled code, kept on disk between processes.
//!
//! Loading compiled code means running it, so anyone who can write here can run code in this process. The
//! folder must therefore belong to this user and be closed to others. Every file has an authentication code,
//! made with the master key, over its content, its component and the engine that compiled it. A file that does
//! not verify is treated as missing: it is compiled again and replaced.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::digest::Digest;

/// The context of these authentication codes under the master key; changes with the file's layout.
const LAYOUT: &[u8] = b"social-channel code cache 1";
const TAG: usize = 32;
/// Unfinished files older than this are abandoned.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// The folder of one engine.
pub(crate) struct Cache {
    folder: PathBuf,
    key: Zeroizing<[u8; 32]>,
    /// Its [`fingerprint`].
    engine: [u8; 32],
}

impl Cache {
    /// Opens the folder, and creates it if needed. Returns None, with a warning, if the folder cannot be
    /// trusted: the host then works without a cache, and only starts more slowly.
    pub(crate) fn open(folder: &Path, key: Zeroizing<[u8; 32]>, engine: &wasmtime::Engine) -> Option<Self> {
        if let Err(error) = private_folder(folder) {
            tracing::warn!(folder = %folder.display(), %error, "compiled code is not cached");
            return None;
        }
        remove_left_behind(folder);
        Some(Cache { folder: folder.to_owned(), key, engine: fingerprint(engine) })
    }

    /// The compiled code of a component, if it exists and is authentic.
    pub(crate) fn get(&self, component: &Digest) -> Option<Vec<u8>> {
        let path = self.path(component);
        let mut bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(file = %path.display(), %error, "compiled code cannot be read");
                }
                return None;
            }
        };
        let (tag, code) = bytes.split_at_checked(TAG)?;
        if self.mac(component, code)?.verify_slice(tag).is_err() {
            tracing::warn!(file = %path.display(), "compiled code is damaged or not authentic; compiling again");
            return None;
        }
        bytes.drain(..TAG);
        Some(bytes)
    }

    /// Stores compiled code. A failure only costs time at the next start.
    pub(crate) fn put(&self, component: &Digest, code: &[u8]) {
        if let Err(error) = self.write(component, code) {
            tracing::warn!(folder = %self.folder.display(), %error, "compiled code cannot be cached");
        }
    }

    fn write(&self, component: &Digest, code: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = self.path(component);
        let tag = self.mac(component, code).ok_or_else(|| io::Error::other("no authentication code"))?;
        // Unique among processes and threads, and never a name that `get` reads.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}.{number}.tmp", std::process::id()));
        let written = (|| {
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&temporary)?;
            file.write_all(&tag.finalize().into_bytes())?;
            file.write_all(code)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn path(&self, component: &Digest) -> PathBuf {
        let engine = hex::encode(self.engine.get(..8).unwrap_or_default());
        self.folder.join(format!("{component}-{engine}.code"))
    }

    fn mac(&self, component: &Digest, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_slice()).ok()?;
        mac.update(LAYOUT);
        mac.update(&self.engine);
        mac.update(component.to_string().as_bytes());
        mac.update(code);
        Some(mac)
    }
}

/// A hash of everything that affects the code that an engine compiles.
pub(crate) fn fingerprint(engine: &wasmtime::Engine) -> [u8; 32] {
    let mut hasher = Sha256Hasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash: [u8; 32] = self.0.clone().finalize().into();
        hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// Whether it is a real folder that belongs to this user and is closed to others.
#[cfg(unix)]
fn private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};

    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Not through a link, whose target another user could change later.
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() {
        return Err(io::Error::other("it is a link or not a folder"));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(io::Error::other("other users may enter it; set its mode to 0700"));
    }
    Ok(())
}

/// This system does not report who else may write to a folder.
#[cfg(not(unix))]
fn private_folder(_: &Path) -> io::Result<()> {
    Err(io::Error::other("this system does not report who else may write there"))
}

fn remove_left_behind(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let old = entry
            .metadata()
            .and_then(|it| it.modified())
            .is_ok_and(|it| it.elapsed().is_ok_and(|age| age > LEFT_BEHIND));
        if old && entry.path().extension().is_some_and(|it| it == "tmp") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn cache(folder: &Path, key: u8) -> Option<Cache> {
        Cache::open(folder, Zeroizing::new([key; 32]), &wasmtime::Engine::default())
    }

    fn only_file(folder: &Path) -> PathBuf {
        let files: Vec<_> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|it| it.path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }

    #[test]
    fn code_comes_back() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("code");
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let first = cache(&folder, 1).unwrap();
        assert_eq!(first.get(&one), None);
        first.put(&one, b"machine code");
        assert_eq!(first.get(&one).unwrap(), b"machine code");
        assert_eq!(first.get(&two), None);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(only_file(&folder)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(cache(&folder, 1).unwrap().get(&one).unwrap(), b"machine code");
    }

    #[test]
    fn what_does_not_verify_is_absent_and_replaced() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("code");
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let first = cache(&folder, 1).unwrap();
        first.put(&one, b"machine code");
        let path = only_file(&folder);
        let good = fs::read(&path).unwrap();
        for bad in [&good[..good.len() - 1], &good[..10], b"", &[good.as_slice(), b"x"].concat()] {
            fs::write(&path, bad).unwrap();
            assert_eq!(first.get(&one), None);
        }
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        fs::write(&path, flipped).unwrap();
        assert_eq!(first.get(&one), None);
        first.put(&one, b"machine code");
        assert!(first.get(&one).is_some());
        // A different key, and the file of a different component.
        assert_eq!(cache(&folder, 2).unwrap().get(&one), None);
        fs::rename(&path, first.path(&two)).unwrap();
        assert_eq!(first.get(&two), None);
    }

    #[test]
    fn a_folder_that_others_can_enter_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(cache(&open, 1).is_none());
        let link = root.path().join("link");
        let real = root.path().join("real");
        assert!(cache(&real, 1).is_some());
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(cache(&link, 1).is_none());
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(cache(&file, 1).is_none());
    }
}
