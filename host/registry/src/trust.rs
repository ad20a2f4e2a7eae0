//! Who may sign, and what must be signed.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::identity::TrustedIdentity;
use crate::key::PublicKey;
use crate::signature::Evidence;

/// What must be signed by a trusted key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signed {
    /// Everything, files of this machine too.
    All,
    /// What comes from a registry or a URL. The default as soon as a key is trusted.
    Fetched,
    /// Nothing. The default without keys.
    Nothing,
}

/// A key that may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// What the operator calls its owner.
    pub name: String,
    /// The key.
    pub key: PublicKey,
    /// Beginnings of references that it may sign for, such as `ghcr.io/acme/`. Empty: all.
    pub references: Vec<String>,
}

impl TrustedKey {
    /// From the text of a key, for all references.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn read(name: impl Into<String>, text: &str) -> Result<Self> {
        Ok(TrustedKey { name: name.into(), key: PublicKey::parse(text)?, references: Vec::new() })
    }
}

/// Whether a signer with these beginnings of references may sign for `source`.
fn may_sign(references: &[String], source: Option<&str>) -> bool {
    // A file of this machine has no reference.
    references.is_empty()
        || source.is_some_and(|source| references.iter().any(|start| source.starts_with(start.as_str())))
}

/// The operator's policy.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// What must be signed. None: see [`Signed`].
    pub signed: Option<Signed>,
    /// Who may sign, by a key.
    pub keys: Vec<TrustedKey>,
    /// Who may sign, by an identity that somebody vouches for.
    pub identities: Vec<TrustedIdentity>,
}

/// Who signed a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// What the operator calls them.
    pub name: String,
    /// The key's fingerprint, or what stands for the identity: SHA-256 as hexadecimal digits.
    pub key: String,
    /// The identity, if it is no key, and who vouches for it.
    pub identity: Option<(String, String)>,
}

impl Trust {
    /// What must be signed.
    pub fn required(&self) -> Signed {
        match self.signed {
            Some(signed) => signed,
            None if self.keys.is_empty() && self.identities.is_empty() => Signed::Nothing,
            None => Signed::Fetched,
        }
    }

    /// Who signed a component that came from `source` (None: a file of this machine), among the policy's keys and `more`.
    /// None: nobody known, and nobody has to.
    ///
    /// # Errors
    /// `Refused` if somebody who may sign should have.
    pub fn judge(
        &self,
        source: Option<&str>,
        evidence: Option<&Evidence>,
        component: &[u8],
        more: &[TrustedKey],
    ) -> Result<Option<Signer>> {
        let mut keys = self.keys.iter().chain(more).filter(|one| may_sign(&one.references, source));
        let key = evidence.and_then(|evidence| keys.find(|one| evidence.proves(component, &one.key)));
        if let Some(TrustedKey { name, key, .. }) = key {
            return Ok(Some(Signer { name: name.clone(), key: key.fingerprint(), identity: None }));
        }
        let mut identities = self.identities.iter().filter(|one| may_sign(&one.references, source));
        let identity = evidence.and_then(|evidence| identities.find(|one| one.proves(evidence, component)));
        if let Some(one) = identity {
            return Ok(Some(Signer {
                name: one.name.clone(),
                key: one.fingerprint(),
                identity: Some((one.identity.clone(), one.issuer.clone())),
            }));
        }
        let is_needed = match self.required() {
            Signed::All => true,
            Signed::Fetched => source.is_some(),
            Signed::Nothing => !more.is_empty(),
        };
        if !is_needed {
            return Ok(None);
        }
        let what = source.unwrap_or("the file");
        Err(match evidence.is_some_and(Evidence::is_signed) {
            true => Error::new(
                ErrorKind::Refused,
                format!("{what} is signed, but by nobody who may sign it"),
                "ask its author for the public key, make sure that it is theirs, and trust it: --trust-key FILE, or `keys` in the policy of providers; an identity that signs without a key stands in `identities`",
            ),
            false => Error::new(
                ErrorKind::Refused,
                format!("{what} is not signed"),
                "ask its author to sign it; to take unsigned ones nevertheless, say `signed = \"nothing\"` in the policy of providers",
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\nRUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\ntrusted comment: timestamp:1556193335\tfile:test\ny/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==";
    const SOURCE: Option<&str> = Some("https://example.com/plugin.wasm");

    #[test]
    fn without_keys_all_is_taken_and_with_one_what_comes_from_elsewhere_must_be_signed() {
        let evidence = Evidence::Minisign { signature: SIGNATURE.to_owned() };
        let none = Trust::default();
        assert_eq!(none.judge(SOURCE, None, b"test", &[]).unwrap(), None);
        assert_eq!(none.judge(SOURCE, Some(&evidence), b"test", &[]).unwrap(), None);
        let key = TrustedKey::read("acme", KEY).unwrap();
        let one = Trust { keys: vec![key.clone()], ..Trust::default() };
        let signer = one.judge(SOURCE, Some(&evidence), b"test", &[]).unwrap().unwrap();
        assert_eq!((signer.name.as_str(), signer.key), ("acme", key.key.fingerprint()));
        let unsigned = one.judge(SOURCE, None, b"test", &[]).unwrap_err();
        assert!(unsigned.kind == ErrorKind::Refused && unsigned.message.contains("not signed"));
        let other = one.judge(SOURCE, Some(&evidence), b"tampered", &[]).unwrap_err();
        assert!(other.kind == ErrorKind::Refused && other.message.contains("nobody who may"));
        assert_eq!(one.judge(None, None, b"test", &[]).unwrap(), None, "a file of this machine");
        let all = Trust { signed: Some(Signed::All), ..one.clone() };
        assert_eq!(all.judge(None, None, b"test", &[]).unwrap_err().kind, ErrorKind::Refused);
        let nothing = Trust { signed: Some(Signed::Nothing), ..one };
        assert_eq!(nothing.judge(SOURCE, None, b"test", &[]).unwrap(), None);
    }

    #[test]
    fn a_key_signs_only_for_the_references_it_is_trusted_for() {
        let evidence = Evidence::Minisign { signature: SIGNATURE.to_owned() };
        let mut key = TrustedKey::read("acme", KEY).unwrap();
        key.references = vec!["https://example.com/".to_owned()];
        let trust = Trust { keys: vec![key.clone()], ..Trust::default() };
        assert!(trust.judge(SOURCE, Some(&evidence), b"test", &[]).unwrap().is_some());
        let elsewhere = trust.judge(Some("https://example.org/plugin.wasm"), Some(&evidence), b"test", &[]);
        assert_eq!(elsewhere.unwrap_err().kind, ErrorKind::Refused);
        // A key that is named for one call must have signed.
        key.references.clear();
        let none = Trust::default();
        assert_eq!(none.judge(SOURCE, None, b"test", &[key]).unwrap_err().kind, ErrorKind::Refused);
    }
}
