//! The source of the master key: given by the program, in the environment, or in a file that is created if missing.

use std::fs;
use std::io::{ErrorKind as IoKind, Write as _};
use std::path::{Path, PathBuf};

use social_channel_runtime::SecretText;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use super::KEY_LENGTH;

/// The environment variable that [`KeySource::Default`] looks at first.
pub const KEY_VARIABLE: &str = "SOCIAL_CHANNEL_MASTER_KEY";

/// Where the master key comes from.
#[derive(Clone, Debug, Default)]
pub enum KeySource {
    /// The variable [`KEY_VARIABLE`], otherwise the file `master.key` beside the SQLite file, created with a new database.
    /// For a database that several machines share it must be the variable.
    #[default]
    Default,
    /// Given by the embedding program.
    Text(SecretText),
    /// A file, which must exist.
    File(PathBuf),
}

/// Where a key file may be made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Beside<'a> {
    /// Next to this database.
    File(&'a Path),
    /// The database ends with the process, so its key need not last either.
    Memory,
    /// Nowhere: other machines need the same key.
    Remote,
}

impl KeySource {
    /// The file that was named for it.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            KeySource::File(path) => Some(path),
            KeySource::Default | KeySource::Text(_) => None,
        }
    }

    /// The keys as text.
    pub(super) fn text(&self, beside: Beside<'_>) -> Result<Zeroizing<String>> {
        Ok(match self {
            KeySource::Text(text) => Zeroizing::new(text.expose().to_owned()),
            KeySource::File(path) => read_key_file(path)?.ok_or_else(|| {
                Error::new(
                    ErrorKind::Misconfigured,
                    format!("the key file {} does not exist", path.display()),
                )
                .with_remedy("put the master key there, or name the file that holds it")
            })?,
            KeySource::Default => match std::env::var(KEY_VARIABLE) {
                Ok(text) => Zeroizing::new(text),
                Err(_) => match beside {
                    Beside::File(database) => {
                        let path = default_key_file(database);
                        // In this order, because another process may just be making both: the key before the database.
                        let is_old = fs::metadata(database).is_ok_and(|facts| facts.len() > 0);
                        match read_key_file(&path)? {
                            Some(text) => text,
                            None if is_old => return Err(missing_key(&path, database)),
                            None => create_key_file(&path)?,
                        }
                    }
                    Beside::Memory => new_key_text()?,
                    Beside::Remote => return Err(key_of_many()),
                },
            },
        })
    }
}

/// A key that is made here would be known on this machine only.
fn key_of_many() -> Error {
    Error::new(
        ErrorKind::Misconfigured,
        "there is no master key, and none is made by itself for a database that other machines may use",
    )
    .with_remedy(format!(
        "make one with `openssl rand -hex 32`, keep a copy that is not in the database, and give the same one to every \
         process: in the variable {KEY_VARIABLE}, or in a file that is named as the key file"
    ))
}

/// A new key would open nothing of what the database holds, and would stand in the way of the old one.
fn missing_key(path: &Path, database: &Path) -> Error {
    Error::new(
        ErrorKind::Misconfigured,
        format!("the key file {} is missing, and the database {} needs it", path.display(), database.display()),
    )
    .with_remedy(format!(
        "restore the file from a backup, or set {KEY_VARIABLE} to the key; if the key is lost, so are the stored \
         secrets: move the database away to begin a new one; nothing was changed"
    ))
}

/// The key file that [`KeySource::Default`] uses for a database.
pub fn default_key_file(database: &Path) -> PathBuf {
    database.with_file_name("master.key")
}

/// A fresh key, as text.
pub fn new_key() -> Result<SecretText> {
    Ok(SecretText::new(new_key_text()?.as_str()))
}

pub(super) fn new_key_text() -> Result<Zeroizing<String>> {
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    getrandom::fill(key.as_mut_slice())
        .map_err(|error| Error::internal("the system gives no random numbers").with_source(error))?;
    Ok(Zeroizing::new(hex::encode(key.as_slice())))
}

pub(super) fn read_key_file(path: &Path) -> Result<Option<Zeroizing<String>>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            refuse_readable_by_others(path)?;
            Ok(Some(Zeroizing::new(text)))
        }
        Err(error) if error.kind() == IoKind::NotFound => Ok(None),
        Err(error) => {
            let (why, remedy) = match error.kind() {
                IoKind::PermissionDenied => (
                    whose(path),
                    "let the user of this program own the file (chown) and read it (chmod 600), or run the program as its \
                     owner",
                ),
                _ => (
                    error.to_string(),
                    "put a file with the master key there, or name the file that holds it",
                ),
            };
            let message = format!("the key file {} cannot be read: {why}", path.display());
            Err(Error::new(ErrorKind::Misconfigured, message).with_remedy(remedy).with_source(error))
        }
    }
}

/// The owner of a file, and the user that needs it.
#[cfg(unix)]
fn whose(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let we = rustix::process::geteuid().as_raw();
    match fs::metadata(path) {
        Ok(facts) => format!("it belongs to user {}, and this program runs as user {we}", facts.uid()),
        Err(error) => format!("{error}; this program runs as user {we}"),
    }
}

#[cfg(not(unix))]
fn whose(path: &Path) -> String {
    fs::metadata(path).err().map_or_else(|| "no rights".to_owned(), |error| error.to_string())
}

#[cfg(unix)]
fn refuse_readable_by_others(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).map(|facts| facts.permissions().mode()).unwrap_or_default();
    if mode & 0o077 != 0 {
        return Err(Error::new(
            ErrorKind::Misconfigured,
            format!("the key file {} can be read by other users of this machine", path.display()),
        )
        .with_remedy(format!("run `chmod 600 {}`", path.display())));
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_readable_by_others(_path: &Path) -> Result<()> {
    Ok(())
}

/// Written to a temporary file and linked into place: if two processes start at once, one wins, and no
/// process reads a partial key.
pub(super) fn create_key_file(path: &Path) -> Result<Zeroizing<String>> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Misconfigured, format!("the key file {} cannot be made", path.display()))
            .with_remedy("make its folder writable, or set SOCIAL_CHANNEL_MASTER_KEY")
            .with_source(error)
    };
    let text = new_key_text()?;
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix)
        .map_err(|error| Error::internal("the system gives no random numbers").with_source(error))?;
    let aside = path.with_extension(format!("key.{}", hex::encode(suffix)));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&aside).map_err(failed)?;
    let written = writeln!(file, "{}", text.as_str()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&aside, path));
    let _ = fs::remove_file(&aside);
    match linked {
        Ok(()) => {
            if let Some(folder) = path.parent().and_then(|folder| fs::File::open(folder).ok()) {
                // The key must survive a power failure like the data that it encrypts.
                folder.sync_all().map_err(failed)?;
            }
            Ok(text)
        }
        Err(error) if error.kind() == IoKind::AlreadyExists => {
            read_key_file(path)?.ok_or_else(|| failed(IoKind::NotFound.into()))
        }
        Err(error) => Err(failed(error)),
    }
}
