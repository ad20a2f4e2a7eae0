//! Signers without a key of their own: an identity, such as the workflow that built a component, proven by a certificate that
//! holds for minutes and by a public log of signatures (Sigstore's keyless signing). Everything that proves it lies in the
//! bundle, so nothing is asked over the network.

use std::fmt;
use std::sync::{Arc, Once};

use ring::{digest, signature};
use sigstore_verify::crypto::{self, CryptoProvider, HashContext, SigningScheme, install_default_provider};
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_verify::types::{Bundle, HashAlgorithm, Sha256Hash};
use sigstore_verify::{VerificationPolicy, Verifier};

use crate::error::{Error, Result};
use crate::signature::{Evidence, says_signed};

/// An identity that may sign.
#[derive(Clone)]
pub struct TrustedIdentity {
    /// What the operator calls it.
    pub name: String,
    /// As the certificate has it, exactly: an address of e-mail, or a URL such as that of a workflow.
    pub identity: String,
    /// Who vouches for the identity: the URL of an issuer of OpenID Connect.
    pub issuer: String,
    /// Beginnings of references that it may sign for, such as `ghcr.io/acme/`. Empty: all.
    pub references: Vec<String>,
    verifier: Arc<Verifier>,
    has_certificate_log: bool,
}

impl fmt::Debug for TrustedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedIdentity({} of {})", self.identity, self.issuer)
    }
}

impl TrustedIdentity {
    /// For all references. `root`: a `trusted_root.json` of a deployment of one's own; None: Sigstore's public one, as it was
    /// when this program was built.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn new(
        name: impl Into<String>,
        identity: impl Into<String>,
        issuer: impl Into<String>,
        root: Option<&str>,
    ) -> Result<Self> {
        static CRYPTOGRAPHY: Once = Once::new();
        // A program that has chosen another one before keeps it.
        CRYPTOGRAPHY.call_once(|| {
            let _ = install_default_provider(&Ring);
        });
        let invalid = |error: &dyn fmt::Display| {
            Error::invalid(
                format!("the trusted root of signers is none: {error}"),
                "name a trusted_root.json as Sigstore's tools write it",
            )
        };
        let (identity, issuer) = (identity.into(), issuer.into());
        for (what, text) in [("an identity", &identity), ("the issuer of an identity", &issuer)] {
            if text.trim().is_empty() {
                return Err(Error::invalid(
                    format!("{what} is empty"),
                    "say who signs and who vouches for it, for example https://github.com/acme/bluesky/.github/workflows/release.yml@refs/heads/main \
                     of https://token.actions.githubusercontent.com",
                ));
            }
        }
        let root = TrustedRoot::from_json(root.unwrap_or(SIGSTORE_PRODUCTION_TRUSTED_ROOT))
            .map_err(|error| invalid(&error))?;
        let verifier = Verifier::new(&root).map_err(|error| invalid(&error))?;
        Ok(TrustedIdentity {
            name: name.into(),
            identity,
            issuer,
            references: Vec::new(),
            verifier: Arc::new(verifier),
            has_certificate_log: !root.ctlogs.is_empty(),
        })
    }

    /// Stands for the identity where a key's fingerprint stands for a key.
    pub fn fingerprint(&self) -> String {
        crate::manifest::sha256(format!("{}\n{}", self.issuer, self.identity).as_bytes())
    }

    /// Whether it signed this component.
    pub(crate) fn proves(&self, evidence: &Evidence, component: &[u8]) -> bool {
        let Evidence::Image { manifest, bundles } = evidence else { return false };
        let subject = crate::manifest::sha256(manifest.as_bytes());
        // Of a bundle is read only what is verified.
        let signs = |bundle: &str| self.verifies(bundle, &subject) && says_signed(bundle, &subject);
        evidence.is_about(component) && bundles.iter().any(|bundle| signs(bundle))
    }

    /// Whether the identity made a statement about what has this SHA-256, as certificates and logs prove it.
    fn verifies(&self, bundle: &str, subject: &str) -> bool {
        let Ok(parsed) = serde_json::from_str::<Bundle>(bundle) else { return false };
        let Ok(digest) = Sha256Hash::from_hex(subject) else { return false };
        let policy = VerificationPolicy::new(self.identity.as_str(), self.issuer.as_str());
        // Certificates of a deployment without a log of certificates stand in none.
        let policy = if self.has_certificate_log { policy } else { policy.skip_sct() };
        match self.verifier.verify(digest, &parsed, &policy) {
            Ok(_) => true,
            Err(error) => {
                // For whoever wonders why a signature does not count; it has no secrets.
                tracing::debug!(%error, identity = self.identity, "a bundle does not prove the identity");
                false
            }
        }
    }
}

/// The cryptography of this program for Sigstore's library, which would bring another one along.
#[derive(Debug)]
struct Ring;

struct Hash(digest::Context);

impl HashContext for Hash {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

fn unsupported(what: impl fmt::Debug) -> crypto::Error {
    crypto::Error::UnsupportedAlgorithm(format!("{what:?}"))
}

impl CryptoProvider for Ring {
    fn hash(&self, algorithm: HashAlgorithm) -> crypto::Result<Box<dyn HashContext>> {
        let algorithm = match algorithm {
            HashAlgorithm::Sha2256 => &digest::SHA256,
            HashAlgorithm::Sha2384 => &digest::SHA384,
            HashAlgorithm::Sha2512 => &digest::SHA512,
            other => return Err(unsupported(other)),
        };
        Ok(Box::new(Hash(digest::Context::new(algorithm))))
    }

    fn verify_raw(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        data: &[u8],
        signed: &[u8],
    ) -> crypto::Result<()> {
        let algorithm: &'static dyn signature::VerificationAlgorithm = match scheme {
            SigningScheme::EcdsaP256Sha256 => &signature::ECDSA_P256_SHA256_ASN1,
            SigningScheme::EcdsaP256Sha384 => &signature::ECDSA_P256_SHA384_ASN1,
            SigningScheme::EcdsaP384Sha256 => &signature::ECDSA_P384_SHA256_ASN1,
            SigningScheme::EcdsaP384Sha384 => &signature::ECDSA_P384_SHA384_ASN1,
            SigningScheme::Ed25519 => &signature::ED25519,
            SigningScheme::RsaPkcs1Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            SigningScheme::RsaPkcs1Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            SigningScheme::RsaPkcs1Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            SigningScheme::RsaPssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
            SigningScheme::RsaPssSha384 => &signature::RSA_PSS_2048_8192_SHA384,
            SigningScheme::RsaPssSha512 => &signature::RSA_PSS_2048_8192_SHA512,
            other => return Err(unsupported(other)),
        };
        signature::UnparsedPublicKey::new(algorithm, key)
            .verify(data, signed)
            .map_err(|_| crypto::Error::Verification("the signature does not fit".to_owned()))
    }

    /// Only for signatures of files that are known by their digests. What signs a component signs a statement.
    fn verify_prehashed(&self, scheme: SigningScheme, _: &[u8], _: &[u8], _: &[u8]) -> crypto::Result<()> {
        Err(unsupported(scheme))
    }
}

#[cfg(test)]
mod tests {
    use sigstore_verify::trust_root::SIGSTORE_STAGING_TRUSTED_ROOT;

    use super::*;

    /// What a workflow really signed; see `tests/data`.
    const BUNDLE: &str = include_str!("../tests/data/conda-attestation.sigstore.json");
    const SUBJECT: &str = "54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f";
    const WORKFLOW: &str =
        "https://github.com/prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main";
    const GITHUB: &str = "https://token.actions.githubusercontent.com";

    fn of(identity: &str, issuer: &str, root: Option<&str>) -> TrustedIdentity {
        TrustedIdentity::new("ci", identity, issuer, root).unwrap()
    }

    #[test]
    fn a_workflow_is_proven_by_certificate_and_log_long_after_its_certificate_ended() {
        let workflow = of(WORKFLOW, GITHUB, None);
        assert!(workflow.verifies(BUNDLE, SUBJECT));
        // It says where a package was published, and not that an image is its signer's.
        assert!(!says_signed(BUNDLE, SUBJECT));
        let evidence = Evidence::Image { manifest: "{}".to_owned(), bundles: vec![BUNDLE.to_owned()] };
        assert!(!workflow.proves(&evidence, b"component"));
        assert!(!workflow.proves(&Evidence::Minisign { signature: String::new() }, b"component"));
    }

    #[test]
    fn whoever_else_and_whatever_else_is_not() {
        let others = [
            of(
                "https://github.com/prefix-dev/other/.github/workflows/action.yaml@refs/heads/main",
                GITHUB,
                None,
            ),
            of(&WORKFLOW.replace("main", "mai"), GITHUB, None),
            of(WORKFLOW, "https://gitlab.com", None),
            of(WORKFLOW, GITHUB, Some(SIGSTORE_STAGING_TRUSTED_ROOT)),
        ];
        for other in others {
            assert!(!other.verifies(BUNDLE, SUBJECT), "{other:?}");
        }
        let workflow = of(WORKFLOW, GITHUB, None);
        assert!(!workflow.verifies(BUNDLE, &"0".repeat(64)));
        assert!(!workflow.verifies(BUNDLE, "no digest"));
        // Every part that is signed or proves something, with one character changed.
        let parsed: serde_json::Value = serde_json::from_str(BUNDLE).unwrap();
        let parts = [
            "/dsseEnvelope/payload",
            "/dsseEnvelope/signatures/0/sig",
            "/verificationMaterial/certificate/rawBytes",
            "/verificationMaterial/tlogEntries/0/canonicalizedBody",
            "/verificationMaterial/tlogEntries/0/inclusionProof/rootHash",
            "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp",
        ];
        for part in parts {
            let mut changed = parsed.clone();
            let value = changed.pointer_mut(part).unwrap();
            let text = value.as_str().unwrap();
            let (before, after) = text.split_at(text.len() / 2);
            let other = if after.starts_with('A') { 'B' } else { 'A' };
            *value = format!("{before}{other}{}", &after[1..]).into();
            assert!(!workflow.verifies(&changed.to_string(), SUBJECT), "{part}");
        }
        let mut without = parsed.clone();
        without["verificationMaterial"]["tlogEntries"] = serde_json::json!([]);
        assert!(!workflow.verifies(&without.to_string(), SUBJECT), "in no log");
    }

    #[test]
    fn what_is_no_identity_or_no_root_is_refused_with_what_to_do() {
        for (identity, issuer, root) in [
            ("", GITHUB, None),
            (WORKFLOW, " ", None),
            (WORKFLOW, GITHUB, Some("{}")),
            (WORKFLOW, GITHUB, Some("x")),
        ] {
            let error = TrustedIdentity::new("ci", identity, issuer, root).map(drop);
            // A root without authorities proves nobody.
            if let Err(error) = error {
                assert!(!error.remedy.is_empty());
            } else {
                assert!(!of(identity, issuer, root).verifies(BUNDLE, SUBJECT));
            }
        }
    }

    #[test]
    fn an_identity_is_compared_with_its_issuer() {
        assert_ne!(of("a", "b", None).fingerprint(), of("a", "c", None).fingerprint());
        assert_eq!(of("a", "b", None).fingerprint().len(), 64);
    }
}
