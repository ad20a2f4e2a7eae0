//! Keys of signers: P-256 and Ed25519 as PEM, and minisign's.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// What stands before the point in a public key of P-256: RFC 5480, with no choice left.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The same for Ed25519: RFC 8410.
const ED25519_KEY: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The key with which somebody's signatures are checked.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    /// The point, uncompressed.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
    Minisign(minisign_verify::PublicKey, String),
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

fn wrong(why: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("that is no public key: {why}"),
        "give a P-256 or Ed25519 key as PEM (`openssl pkey -in signer.key -pubout`), or minisign's public key",
    )
}

impl PublicKey {
    /// From PEM (`BEGIN PUBLIC KEY`), or the line or file of minisign.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains("-----BEGIN") {
            let der = pem(text, "PUBLIC KEY").ok_or_else(|| wrong("it is not PEM with PUBLIC KEY"))?;
            if let Some(point) = der.strip_prefix(&P256)
                && point.len() == 65
                && point.first() == Some(&4)
            {
                return Ok(PublicKey(Kind::P256(point.to_vec())));
            }
            return match der.strip_prefix(&ED25519_KEY) {
                Some(key) if key.len() == 32 => Ok(PublicKey(Kind::Ed25519(key.to_vec()))),
                _ => Err(wrong("it is neither P-256 nor Ed25519")),
            };
        }
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let key = minisign_verify::PublicKey::from_base64(line)
            .map_err(|_| wrong("it is neither PEM nor a key of minisign"))?;
        Ok(PublicKey(Kind::Minisign(key, line.to_owned())))
    }

    /// As it is stored: [`PublicKey::parse`] reads it.
    pub fn text(&self) -> String {
        match &self.0 {
            Kind::Minisign(_, line) => line.clone(),
            Kind::P256(_) | Kind::Ed25519(_) => {
                let encoded = STANDARD.encode(self.der());
                let lines: Vec<&str> =
                    encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
                format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
            }
        }
    }

    fn der(&self) -> Vec<u8> {
        match &self.0 {
            Kind::P256(point) => [&P256[..], point].concat(),
            Kind::Ed25519(key) => [&ED25519_KEY[..], key].concat(),
            Kind::Minisign(_, line) => STANDARD.decode(line).unwrap_or_default(),
        }
    }

    /// Tells two keys apart: SHA-256 of the key's DER, or of minisign's bytes, as 64 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        hex::encode(digest(&SHA256, &self.der()))
    }

    /// Whether it made this signature of a message. Never true for a key of minisign, which signs files only.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Kind::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok()
            }
            Kind::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok(),
            Kind::Minisign(..) => false,
        }
    }

    /// Whether it made this file of minisign for these bytes.
    pub(crate) fn verifies_file(&self, bytes: &[u8], signature: &str) -> bool {
        let Kind::Minisign(key, _) = &self.0 else { return false };
        minisign_verify::Signature::decode(signature)
            // minisign signs a hash of the file since 2016; the older form reads it several times and is not made any more.
            .is_ok_and(|signature| key.verify(bytes, &signature, false).is_ok())
    }
}

/// The key with which somebody signs: P-256, as PKCS#8.
pub struct SigningKey(EcdsaKeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(****)")
    }
}

impl SigningKey {
    /// From PEM (`BEGIN PRIVATE KEY`), as
    /// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signer.key` makes it.
    ///
    /// # Errors
    /// `Invalid`. The message holds nothing of the key.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(
                ErrorKind::Invalid,
                "that is no private key of P-256 as PEM without a password",
                "make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signer.key",
            )
        };
        let der = Zeroizing::new(pem(text, "PRIVATE KEY").ok_or_else(wrong)?);
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, &SystemRandom::new())
            .map(SigningKey)
            .map_err(|_| wrong())
    }

    /// The key that others check with.
    pub fn public(&self) -> PublicKey {
        PublicKey(Kind::P256(self.0.public_key().as_ref().to_vec()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signature = self.0.sign(&SystemRandom::new(), message).map_err(|_| {
            Error::new(ErrorKind::Unavailable, "the system gives no random numbers", "try again")
        })?;
        Ok(signature.as_ref().to_vec())
    }
}

/// The bytes of the first block with this label.
fn pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let joined = Zeroizing::new(body.split_whitespace().collect::<String>());
    STANDARD.decode(joined.as_bytes()).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A fresh key.
    pub(crate) fn fresh() -> SigningKey {
        let made =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        let text = STANDARD.encode(made.as_ref());
        SigningKey::parse(&format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"))
            .unwrap()
    }

    #[test]
    fn a_key_verifies_what_its_other_half_signed_and_nothing_else() {
        let (key, other) = (fresh(), fresh());
        let signature = key.sign(b"a message").unwrap();
        assert!(key.public().verifies(b"a message", &signature));
        assert!(!key.public().verifies(b"a massage", &signature));
        assert!(!other.public().verifies(b"a message", &signature));
        let read = PublicKey::parse(&key.public().text()).unwrap();
        assert!(read == key.public() && read.fingerprint() != other.public().fingerprint());
        assert!(!format!("{key:?}").contains('4'));
    }

    #[test]
    fn keys_of_other_programs_are_read() {
        // `openssl genpkey -algorithm ed25519 | openssl pkey -pubout`, RFC 8410's example.
        let ed25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----";
        assert_eq!(PublicKey::parse(ed25519).unwrap().text().trim(), ed25519);
        // minisign's own example.
        let minisign = "untrusted comment: minisign public key\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n";
        let key = PublicKey::parse(minisign).unwrap();
        assert_eq!(PublicKey::parse(&key.text()).unwrap(), key);
        for wrong in [
            "",
            "RW",
            "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----",
            "-----BEGIN RSA PUBLIC KEY-----",
        ] {
            assert_eq!(PublicKey::parse(wrong).unwrap_err().kind, ErrorKind::Invalid);
        }
        assert_eq!(SigningKey::parse(ed25519).unwrap_err().kind, ErrorKind::Invalid);
    }
}
