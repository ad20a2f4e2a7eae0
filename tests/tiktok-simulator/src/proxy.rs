//! An HTTPS proxy for clients whose hosts cannot be mapped: `CONNECT` to one of TikTok's hosts is answered here, with
//! TLS and the simulator's own certificate. Other hosts are refused; nothing is ever forwarded.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::envelope::Reply;
use crate::server::{Shared, Tunnel, converse};
use crate::world::World;

/// The certificate authority: created at start; its key is dropped once the server certificate is signed.
pub(crate) struct Authority {
    /// What clients must trust.
    pub(crate) pem: String,
    acceptor: TlsAcceptor,
    hosts: Vec<String>,
}

impl Authority {
    pub(crate) fn new(world: &World) -> anyhow::Result<Self> {
        let mut hosts: Vec<String> =
            ["www.tiktok.com", "tiktok.com", "*.tiktokapis.com", "*.us.tiktokapis.com"]
                .map(String::from)
                .into();
        let media = Url::parse(&world.switches.media_origin).ok();
        hosts.extend(media.and_then(|url| url.host_str().map(ToString::to_string)));

        let ca_key = KeyPair::generate().context("no key for the proxy")?;
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "TikTok simulator (not TikTok)");
        let pem = ca.self_signed(&ca_key).context("no certificate for the proxy")?.pem();
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate().context("no key for the proxy")?;
        let mut server = CertificateParams::new(hosts.clone())?;
        server.use_authority_key_identifier_extension = true;
        server.distinguished_name.push(DnType::CommonName, "TikTok simulator");
        server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = server.signed_by(&key, &issuer).context("no certificate for the proxy")?;

        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { pem, acceptor: TlsAcceptor::from(Arc::new(config)), hosts })
    }

    fn serves(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| match known.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
            None => host == known,
        })
    }
}

/// The task that serves TLS after a `CONNECT`, if its host is one of TikTok's.
pub(crate) fn tunnel(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    reset: Arc<AtomicBool>,
) -> Result<Tunnel, Reply> {
    let host = request.uri().host().unwrap_or_default().to_ascii_lowercase();
    if !shared.authority.serves(&host) || request.uri().port_u16() != Some(443) {
        let text = format!(
            "the simulator stands in for TikTok's hosts only; {host} is none, and nothing is forwarded"
        );
        return Err(Reply::refused(403, "1.1", text));
    }
    let acceptor = shared.authority.acceptor.clone();
    Ok(Box::pin(async move {
        let upgraded = match hyper::upgrade::on(request).await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(host, "no tunnel: {error}"),
        };
        match acceptor.accept(upgraded).await {
            Ok(stream) => converse(shared, TokioIo::new(stream), reset).await,
            // Most often a client that does not trust the certificate.
            Err(error) => tracing::warn!(host, "TLS failed; does the client trust ca.pem? {error}"),
        }
    }))
}
