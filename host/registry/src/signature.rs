//! Signatures: Sigstore bundles by key for images, minisign for plain files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::{Error, Result};
use crate::key::{PublicKey, SigningKey};
use crate::manifest::{Manifest, sha256, to_json};

pub(crate) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The beginning that all versions share.
pub(crate) const ANY_BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
const STATEMENT: &str = "application/vnd.in-toto+json";
/// What the signature says: this image is mine. A statement of another kind, such as a list of what is inside, is none.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";
/// Signatures of one image that are looked at.
pub(crate) const MOST: usize = 16;

/// What proves who signed a component. Enough to prove it again later, without the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// For an image: its manifest, which names the component, and the bundles that sign the manifest.
    Image {
        /// As the registry has it, byte for byte.
        manifest: String,
        /// JSON.
        bundles: Vec<String>,
    },
    /// For a plain file: the text of its `.minisig`.
    Minisign {
        /// As it stood beside the file.
        signature: String,
    },
}

impl Evidence {
    /// Whether there is any signature in it, by whomever.
    pub fn is_signed(&self) -> bool {
        match self {
            Evidence::Image { bundles, .. } => !bundles.is_empty(),
            Evidence::Minisign { .. } => true,
        }
    }

    /// Whether `key` signed this component.
    pub(crate) fn proves(&self, component: &[u8], key: &PublicKey) -> bool {
        match self {
            Evidence::Minisign { signature } => key.verifies_file(component, signature),
            Evidence::Image { manifest, bundles } => {
                let subject = sha256(manifest.as_bytes());
                self.is_about(component) && bundles.iter().any(|bundle| bundle_signs(bundle, &subject, key))
            }
        }
    }

    /// Whether the manifest that is signed names this component.
    pub(crate) fn is_about(&self, component: &[u8]) -> bool {
        let Evidence::Image { manifest, .. } = self else { return false };
        let names = |manifest: &Manifest| {
            let layer = manifest.component().and_then(|layer| layer.sha256().map(str::to_owned));
            layer.is_ok_and(|named| named == sha256(component))
        };
        Manifest::parse(manifest.as_bytes()).is_ok_and(|manifest| names(&manifest))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: Digests,
}

#[derive(Deserialize)]
struct Digests {
    sha256: Option<String>,
}

/// What is signed of an envelope: DSSE's pre-authentication encoding.
fn encoded(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {STATEMENT} {} ", STATEMENT.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// The envelope of a bundle, and what it holds.
fn opened(bundle: &str) -> Option<(Envelope, Vec<u8>)> {
    let Bundle { media_type, dsse_envelope } = serde_json::from_str(bundle).ok()?;
    let envelope = dsse_envelope?;
    let payload = STANDARD.decode(&envelope.payload).ok()?;
    (media_type.starts_with(ANY_BUNDLE) && envelope.payload_type == STATEMENT).then_some((envelope, payload))
}

/// Whether a statement says that this image is its signer's.
fn states(payload: &[u8], subject: &str) -> bool {
    serde_json::from_slice::<Statement>(payload).is_ok_and(|statement| {
        statement.predicate_type == SIGNED
            && statement.subject.iter().any(|one| one.digest.sha256.as_deref() == Some(subject))
    })
}

/// Whether a bundle, which is verified already, says that this image is its signer's.
pub(crate) fn says_signed(bundle: &str, subject: &str) -> bool {
    opened(bundle).is_some_and(|(_, payload)| states(&payload, subject))
}

fn bundle_signs(bundle: &str, subject: &str, key: &PublicKey) -> bool {
    let Some((envelope, payload)) = opened(bundle) else { return false };
    let message = encoded(&payload);
    let signed = envelope
        .signatures
        .iter()
        .take(MOST)
        .any(|one| STANDARD.decode(&one.sig).is_ok_and(|signature| key.verifies(&message, &signature)));
    // Only what is signed is read.
    signed && states(&payload, subject)
}

/// A bundle that signs the manifest with this SHA-256.
pub(crate) fn sign(subject: &str, name: &str, key: &SigningKey) -> Result<Vec<u8>> {
    let payload = to_json(&json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": subject}}],
        "predicateType": SIGNED,
        "predicate": {},
    }))?;
    let signature = key.sign(&encoded(&payload))?;
    if !key.public().verifies(&encoded(&payload), &signature) {
        return Err(Error::corrupt("the signature just made does not verify"));
    }
    to_json(&json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": key.public().fingerprint()}},
        "dsseEnvelope": {
            "payload": STANDARD.encode(&payload),
            "payloadType": STATEMENT,
            "signatures": [{"sig": STANDARD.encode(signature)}],
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::tests::fresh;
    use crate::manifest::{Descriptor, WASM, WASM_CONFIG};

    fn image(component: &[u8]) -> String {
        let manifest = Manifest::new(Descriptor::of(WASM_CONFIG, b"{}"), Descriptor::of(WASM, component));
        String::from_utf8(to_json(&manifest).unwrap()).unwrap()
    }

    fn signed(component: &[u8], subject: &str, key: &SigningKey) -> Evidence {
        let bundle = String::from_utf8(sign(subject, "x", key).unwrap()).unwrap();
        Evidence::Image { manifest: image(component), bundles: vec![bundle] }
    }

    #[test]
    fn an_image_is_proved_by_its_signer_s_key_alone() {
        let (key, other) = (fresh(), fresh());
        let subject = sha256(image(b"component").as_bytes());
        let evidence = signed(b"component", &subject, &key);
        assert!(evidence.proves(b"component", &key.public()));
        assert!(!evidence.proves(b"component", &other.public()));
        assert!(!evidence.proves(b"another one", &key.public()));
        let kept = serde_json::to_string(&evidence).unwrap();
        assert_eq!(serde_json::from_str::<Evidence>(&kept).unwrap(), evidence);
    }

    #[test]
    fn a_signature_of_another_image_or_of_another_kind_proves_nothing() {
        let key = fresh();
        let elsewhere = signed(b"component", &sha256(image(b"another one").as_bytes()), &key);
        assert!(elsewhere.is_signed() && !elsewhere.proves(b"component", &key.public()));
        let subject = sha256(image(b"component").as_bytes());
        let bundle = String::from_utf8(sign(&subject, "x", &key).unwrap()).unwrap();
        let of = |payload: &serde_json::Value| {
            let payload = payload.to_string();
            let sig = STANDARD.encode(key.sign(&encoded(payload.as_bytes())).unwrap());
            json!({"mediaType": BUNDLE, "dsseEnvelope": {"payload": STANDARD.encode(payload), "payloadType": STATEMENT,
                "signatures": [{"sig": sig}]}})
            .to_string()
        };
        let statement =
            |kind: &str| json!({"subject": [{"digest": {"sha256": subject}}], "predicateType": kind});
        let one = |bundle: String| Evidence::Image { manifest: image(b"component"), bundles: vec![bundle] };
        assert!(one(of(&statement(SIGNED))).proves(b"component", &key.public()));
        assert!(!one(of(&statement("https://spdx.dev/Document"))).proves(b"component", &key.public()));
        for (from, to) in
            [(STATEMENT, "text/plain"), (ANY_BUNDLE, "application/other"), ("\"sig\":\"", "\"sig\":\"A")]
        {
            assert!(bundle.contains(from));
            assert!(!one(bundle.replace(from, to)).proves(b"component", &key.public()), "{from}");
        }
        for broken in
            ["", "{}", "[]", r#"{"mediaType": "application/vnd.dev.sigstore.bundle", "dsseEnvelope": null}"#]
        {
            assert!(!one(broken.to_owned()).proves(b"component", &key.public()));
        }
    }

    #[test]
    fn what_another_program_signed_is_proved() {
        #[derive(Deserialize)]
        struct Fixture {
            key: String,
            manifest: String,
            bundle: String,
        }
        // The envelope is from securesystemslib 1.6.0 (PyPI), the key from OpenSSL.
        let made: Fixture = serde_json::from_str(include_str!("../fixtures/dsse.json")).unwrap();
        let evidence = Evidence::Image { manifest: made.manifest, bundles: vec![made.bundle] };
        assert!(evidence.proves(b"component", &PublicKey::parse(&made.key).unwrap()));
        assert!(!evidence.proves(b"component", &fresh().public()));
    }

    #[test]
    fn a_file_is_proved_as_minisign_does() {
        // The example of minisign-verify: what `minisign -S` wrote for the text `test`.
        let key = PublicKey::parse("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3").unwrap();
        let signature = "untrusted comment: signature from minisign secret key\nRUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\ntrusted comment: timestamp:1556193335\tfile:test\ny/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==";
        let evidence = Evidence::Minisign { signature: signature.to_owned() };
        assert!(evidence.proves(b"test", &key));
        assert!(!evidence.proves(b"Test", &key) && !evidence.proves(b"test", &fresh().public()));
    }
}
