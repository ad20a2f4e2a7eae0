//! Encryption at rest: XChaCha20-Poly1305 with a master key that is never stored in the database.
//!
//! Every ciphertext names its key, so that keys can be rotated, and is bound to its place (table, row,
//! column), so that a value moved elsewhere cannot be decrypted. The store accepts only [`Sealed`] values, so
//! that a plain secret cannot be stored by mistake.
//!
//! A key is 32 bytes, written as 64 hexadecimal digits. A key source has one key per line (in the environment:
//! separated by commas); the first key encrypts, all of them decrypt.

mod key;
mod served;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use serde::Serialize;
use serde::de::DeserializeOwned;
use social_channel_runtime::SecretBytes;
use social_channel_runtime::error::{Error, ErrorKind, Result};

use crate::tenant_id::TenantId;

pub(crate) use key::Beside;
pub use key::{KEY_VARIABLE, KeySource, default_key_file, new_key};
pub(crate) use served::served;

const KEY_LENGTH: usize = 32;
const KEY_ID_LENGTH: usize = 8;
const NONCE_LENGTH: usize = 24;
/// The first byte of a ciphertext: the version of its layout.
const LAYOUT: u8 = 1;

/// Encrypted bytes, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed(pub(crate) Vec<u8>);

/// The place of a sealed value. It can only be decrypted for this place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'a str,
    /// The row's key. It includes the tenant, so rows of different tenants never share a key.
    pub(crate) row: &'a str,
    pub(crate) column: &'a str,
}

/// The place of the key for [`keyed_hash`].
pub(crate) const HASH_KEY: Place<'static> = Place { table: "meta", row: "hash-key", column: "value" };

/// The place of a value for checking that the key is correct.
pub(crate) const KEY_CHECK: Place<'static> = Place { table: "meta", row: "key-check", column: "value" };
pub(crate) const KEY_CHECK_VALUE: &[u8] = b"social-channel";

struct Key {
    id: [u8; KEY_ID_LENGTH],
    cipher: XChaCha20Poly1305,
    master: Zeroizing<[u8; KEY_LENGTH]>,
}

impl Key {
    fn new(master: Zeroizing<[u8; KEY_LENGTH]>) -> Self {
        let derived = derive(&master, b"social-channel seal v1");
        let digest = Sha256::digest(derive(&master, b"social-channel key id v1").as_slice());
        let mut id = [0; KEY_ID_LENGTH];
        for (to, from) in id.iter_mut().zip(digest) {
            *to = from;
        }
        Key { id, cipher: XChaCha20Poly1305::new((&*derived).into()), master }
    }
}

fn derive(master: &[u8; KEY_LENGTH], label: &[u8]) -> Zeroizing<[u8; KEY_LENGTH]> {
    keyed_hash(master, label)
}

/// A hash that says nothing about `bytes` to somebody without the key, not even whether a guess is right.
pub(crate) fn keyed_hash(key: &[u8], bytes: &[u8]) -> Zeroizing<[u8; KEY_LENGTH]> {
    // HMAC accepts keys of any length, so the error cannot occur; a zero key would not decrypt anything.
    let mut out = Zeroizing::new([0; KEY_LENGTH]);
    if let Ok(mut mac) = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key) {
        mac.update(bytes);
        out.copy_from_slice(&mac.finalize().into_bytes());
    }
    out
}

/// The keys of one database.
pub(crate) struct Vault {
    keys: Vec<Key>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(****)")
    }
}

impl Vault {
    /// Reads the keys.
    pub(crate) fn open(source: &KeySource, beside: Beside<'_>) -> Result<Self> {
        Self::from_text(&source.text(beside)?)
    }

    fn from_text(text: &str) -> Result<Self> {
        let mut keys = Vec::new();
        for line in text.split(['\n', ',']).map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut master = Zeroizing::new([0; KEY_LENGTH]);
            hex::decode_to_slice(line, master.as_mut_slice()).map_err(|_| {
                Error::new(ErrorKind::Misconfigured, "the master key is not 64 hexadecimal digits")
                    .with_remedy("make one with `openssl rand -hex 32`")
            })?;
            keys.push(Key::new(master));
        }
        if keys.is_empty() {
            return Err(Error::new(ErrorKind::Misconfigured, "the master key is empty")
                .with_remedy("make one with `openssl rand -hex 32`"));
        }
        Ok(Vault { keys })
    }

    /// Encrypts `plain` for its place with the first key.
    pub(crate) fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Sealed> {
        let key = self.keys.first().ok_or_else(|| Error::internal("no master key"))?;
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce)
            .map_err(|error| Error::internal("the system gives no random numbers").with_source(error))?;
        let cipher = key
            .cipher
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: &associated(place) })
            .map_err(|_| Error::internal("encryption failed"))?;
        let mut sealed = Vec::with_capacity(1 + KEY_ID_LENGTH + NONCE_LENGTH + cipher.len());
        sealed.push(LAYOUT);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&cipher);
        Ok(Sealed(sealed))
    }

    /// Decrypts a value that [`Vault::seal`] made for the same place.
    pub(crate) fn open_sealed(&self, place: Place<'_>, sealed: &Sealed) -> Result<SecretBytes> {
        let (layout, rest) = sealed.0.split_first().ok_or_else(|| damaged(place))?;
        if *layout != LAYOUT {
            return Err(
                damaged(place).with_remedy("a newer version of the program wrote it: use that version")
            );
        }
        let (id, rest) = rest.split_at_checked(KEY_ID_LENGTH).ok_or_else(|| damaged(place))?;
        let (nonce, cipher) = rest.split_at_checked(NONCE_LENGTH).ok_or_else(|| damaged(place))?;
        let key = self.keys.iter().find(|key| key.id == id).ok_or_else(wrong_key)?;
        let plain = key
            .cipher
            .decrypt(XNonce::from_slice(nonce), Payload { msg: cipher, aad: &associated(place) })
            .map_err(|_| damaged(place))?;
        Ok(SecretBytes::new(plain))
    }

    /// Whether it was sealed with an older key than the first.
    pub(crate) fn is_outdated(&self, sealed: &Sealed) -> bool {
        self.keys.first().is_some_and(|key| sealed.0.get(1..=KEY_ID_LENGTH) != Some(&key.id[..]))
    }

    /// A new key for [`keyed_hash`], sealed for its place.
    pub(crate) fn new_hash_key(&self) -> Result<Sealed> {
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        getrandom::fill(key.as_mut_slice())
            .map_err(|error| Error::internal("the system gives no random numbers").with_source(error))?;
        self.seal(HASH_KEY, key.as_slice())
    }

    /// A key for another purpose. It changes with the first key.
    pub(crate) fn derive(&self, label: &str) -> [u8; KEY_LENGTH] {
        self.keys.first().map_or([0; KEY_LENGTH], |key| *derive(&key.master, label.as_bytes()))
    }
}

/// Seals a serialisable value. The plain text is wiped.
pub(crate) fn seal_json(vault: &Vault, place: Place<'_>, value: &impl Serialize) -> Result<Sealed> {
    let plain = serde_json::to_vec(value)
        .map_err(|error| Error::internal("a value cannot be written as JSON").with_source(error))?;
    vault.seal(place, SecretBytes::new(plain).expose())
}

/// Decrypts a value that [`seal_json`] sealed.
pub(crate) fn open_json<T: DeserializeOwned>(vault: &Vault, place: Place<'_>, sealed: &Sealed) -> Result<T> {
    let plain = vault.open_sealed(place, sealed)?;
    serde_json::from_slice(plain.expose()).map_err(|error| {
        // Not the error itself: it repeats the value, and is logged.
        let (line, column) = (error.line(), error.column());
        let cause = format!("{:?} error at line {line} column {column}", error.classify());
        Error::internal(format!("a stored {} cannot be read", place.column)).with_source(cause)
    })
}

/// The key of a tenant's row in its [`Place`], unique to the tenant.
pub(crate) fn row_key(tenant: &TenantId, id: &str) -> String {
    format!("{tenant}/{id}")
}

/// Length-prefixed, so that two places never have the same encoding.
fn associated(place: Place<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for part in [place.table, place.row, place.column] {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    out
}

pub(crate) fn wrong_key() -> Error {
    Error::new(ErrorKind::Misconfigured, "the master key is not the one this database was made with")
        .with_remedy(format!(
            "set {KEY_VARIABLE}, or restore the file master.key that belongs to the database; what is stored is unchanged"
        ))
}

fn damaged(place: Place<'_>) -> Error {
    Error::internal(format!("a stored value ({}.{}) is damaged or was moved", place.table, place.column))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::key::{create_key_file, new_key_text, read_key_file};
    use super::*;

    const HERE: Place<'static> = Place { table: "accounts", row: "a/b", column: "credentials" };

    fn vault(text: &str) -> Vault {
        Vault::from_text(text).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let vault = vault(&new_key_text().unwrap());
        let sealed = vault.seal(HERE, b"act.secret").unwrap();
        assert!(!sealed.0.windows(3).any(|window| window == b"act"));
        assert_eq!(vault.open_sealed(HERE, &sealed).unwrap().expose(), b"act.secret");
        let elsewhere = Place { row: "a/c", ..HERE };
        assert_eq!(vault.open_sealed(elsewhere, &sealed).unwrap_err().kind, ErrorKind::Internal);
        let mut bent = sealed.clone();
        *bent.0.last_mut().unwrap() ^= 1;
        vault.open_sealed(HERE, &bent).unwrap_err();
        for length in 0..sealed.0.len() {
            vault.open_sealed(HERE, &Sealed(sealed.0[..length].to_vec())).unwrap_err();
        }
    }

    #[test]
    fn a_wrong_key_is_named_as_such() {
        let sealed = vault(&"11".repeat(32)).seal(HERE, b"x").unwrap();
        let error = vault(&"22".repeat(32)).open_sealed(HERE, &sealed).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured);
        assert!(error.message.contains("master key"), "{error}");
    }

    #[test]
    fn an_older_key_opens_and_a_newer_seals() {
        let (old, new) = ("11".repeat(32), "22".repeat(32));
        let sealed = vault(&old).seal(HERE, b"x").unwrap();
        let both = vault(&format!("{new}\n{old}\n"));
        assert!(both.is_outdated(&sealed));
        assert_eq!(both.open_sealed(HERE, &sealed).unwrap().expose(), b"x");
        let again = both.seal(HERE, b"x").unwrap();
        assert!(!both.is_outdated(&again));
        assert_eq!(vault(&new).open_sealed(HERE, &again).unwrap().expose(), b"x");
    }

    #[test]
    fn a_malformed_key_says_how_to_make_one() {
        for text in ["", "abc", &"zz".repeat(32), &"11".repeat(31)] {
            let error = Vault::from_text(text).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Misconfigured);
            assert!(error.remedy.unwrap().contains("openssl rand"));
        }
    }

    #[test]
    fn processes_that_start_at_once_share_one_key_file() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("data.sqlite");
        let sealed: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let path = default_key_file(&database);
                        let text = match read_key_file(&path).unwrap() {
                            Some(text) => text,
                            None => create_key_file(&path).unwrap(),
                        };
                        vault(&text).seal(HERE, b"x").unwrap()
                    })
                })
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let vault = Vault::open(&KeySource::File(default_key_file(&database)), Beside::Memory).unwrap();
        for sealed in &sealed {
            assert_eq!(vault.open_sealed(HERE, sealed).unwrap().expose(), b"x");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn a_missing_key_file_beside_a_database_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("data.sqlite");
        fs::write(&database, b"something").unwrap();
        let error = KeySource::Default.text(Beside::File(&database)).unwrap_err();
        assert!(error.message.contains("master.key is missing"), "{error}");
        assert!(error.remedy.unwrap().contains("backup"));
        assert!(!default_key_file(&database).exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        create_key_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Vault::open(&KeySource::File(path), Beside::Memory).unwrap_err();
        assert!(error.remedy.unwrap().starts_with("run `chmod 600"), "says how");
    }
}
