//! Against Debian's real registry, with TLS and a password: what is pushed, signed, fetched, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::LazyLock;

use registry_server::{NAME, Server};
use social_channel_registry::{
    About, Client, Credentials, ErrorKind, Evidence, Image, Network, Password, PublicKey, Reference,
    SigningKey, Trust, TrustedKey,
};

/// One for all tests of this file; each has repositories of its own.
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start().unwrap());

fn network() -> Network {
    Network {
        authorities: std::fs::read(SERVER.authority()).unwrap(),
        credentials: Credentials::default().with(&SERVER.host(), NAME, Password::new(SERVER.password())),
        ..Network::default()
    }
}

fn client() -> Client {
    Client::new(network()).unwrap()
}

fn image(name: &str) -> Image {
    format!("{}/{name}", SERVER.host()).parse().unwrap()
}

fn reference(name: &str) -> Reference {
    Reference::Image(image(name))
}

fn about() -> About {
    About { created: "2026-11-30T00:00:00Z".to_owned(), version: "1.0.0".to_owned(), ..About::default() }
}

/// A key made by OpenSSL.
fn key() -> SigningKey {
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .output()
        .unwrap();
    SigningKey::parse(&String::from_utf8(made.stdout).unwrap()).unwrap()
}

fn trusting(key: &PublicKey) -> Trust {
    let key = TrustedKey { name: "acme".to_owned(), key: key.clone(), references: Vec::new() };
    Trust { keys: vec![key], ..Trust::default() }
}

#[tokio::test]
async fn what_was_pushed_and_signed_comes_back_with_its_signer() {
    let key = key();
    let pushed =
        client().push(&image("a/signed:1.2"), "component".into(), &about(), Some(&key)).await.unwrap();
    assert_eq!(pushed.signed_by, Some(key.public().fingerprint()));
    let fetched = client().fetch(&reference("a/signed:1.2")).await.unwrap();
    assert_eq!(fetched.bytes, "component");
    assert_eq!(fetched.source, Reference::Image(pushed.image.clone()));
    let source = fetched.source.to_string();
    let judge = |trust: &Trust| trust.judge(Some(&source), fetched.evidence.as_ref(), &fetched.bytes, &[]);
    assert_eq!(judge(&trusting(&key.public())).unwrap().unwrap().name, "acme");
    // By its digest alone, too; and a second push changes nothing.
    let by_digest = Reference::Image(Image { tag: None, ..pushed.image.clone() });
    assert!(client().fetch(&by_digest).await.unwrap().evidence.unwrap().is_signed());
    assert_eq!(client().digest(&reference("a/signed:1.2")).await.unwrap(), pushed.image.digest);
    let again = client().push(&image("a/signed:1.2"), "component".into(), &about(), None).await.unwrap();
    assert_eq!(again.image, pushed.image);
    // Somebody else's key.
    assert_eq!(judge(&trusting(&self::key().public())).unwrap_err().kind, ErrorKind::Refused);
}

#[tokio::test]
async fn a_signature_that_was_taken_away_is_missed() {
    let key = key();
    let pushed =
        client().push(&image("a/stripped:1"), "component".into(), &about(), Some(&key)).await.unwrap();
    let list = format!("sha256-{}", pushed.image.digest.as_ref().unwrap());
    std::fs::remove_dir_all(SERVER.tag("a/stripped", &list)).unwrap();
    let fetched = client().fetch(&reference("a/stripped:1")).await.unwrap();
    assert!(!fetched.evidence.as_ref().unwrap().is_signed());
    let trust = trusting(&key.public());
    let judged = trust.judge(Some("x"), fetched.evidence.as_ref(), &fetched.bytes, &[]).unwrap_err();
    assert!(judged.kind == ErrorKind::Refused && judged.message.contains("not signed"), "{judged}");
}

#[tokio::test]
async fn a_second_signer_stands_beside_the_first() {
    let (first, second) = (key(), key());
    for key in [&first, &second] {
        client().push(&image("a/two:1"), "component".into(), &about(), Some(key)).await.unwrap();
    }
    let fetched = client().fetch(&reference("a/two:1")).await.unwrap();
    let Some(Evidence::Image { bundles, .. }) = &fetched.evidence else { panic!("{fetched:?}") };
    assert_eq!(bundles.len(), 2);
    for key in [&first, &second] {
        let trust = trusting(&key.public());
        assert!(trust.judge(Some("x"), fetched.evidence.as_ref(), &fetched.bytes, &[]).unwrap().is_some());
    }
}

#[tokio::test]
async fn a_digest_holds_when_the_tag_has_moved() {
    let first = client().push(&image("a/moved:1"), "one".into(), &about(), None).await.unwrap();
    let second = client().push(&image("a/moved:1"), "two".into(), &about(), None).await.unwrap();
    assert_ne!(first.image.digest, second.image.digest);
    assert_eq!(client().digest(&reference("a/moved:1")).await.unwrap(), second.image.digest);
    let fetched = client().fetch(&Reference::Image(first.image)).await.unwrap();
    assert_eq!(fetched.bytes, "one");
}

#[tokio::test]
async fn a_layer_that_is_cut_off_or_another_is_refused() {
    type Spoil = fn(&mut Vec<u8>);
    let spoils: [(&str, Spoil); 3] = [
        ("a/cut:1", |bytes| bytes.truncate(5)),
        ("a/other:1", |bytes| bytes[0] ^= 1),
        ("a/long:1", |bytes| bytes.extend([0; 100])),
    ];
    for (name, spoil) in spoils {
        let content = format!("component {name}");
        let pushed = client().push(&image(name), content.clone().into(), &about(), None).await.unwrap();
        let manifest = std::fs::read_to_string(SERVER.blob(pushed.image.digest.as_ref().unwrap())).unwrap();
        let layer =
            manifest.split("\"application/wasm\",\"digest\":\"sha256:").nth(1).unwrap()[..64].to_owned();
        let mut bytes = std::fs::read(SERVER.blob(&layer)).unwrap();
        assert_eq!(bytes, content.as_bytes());
        spoil(&mut bytes);
        std::fs::write(SERVER.blob(&layer), bytes).unwrap();
        let error = client().fetch(&reference(name)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt, "{name}: {error}");
    }
}

#[tokio::test]
async fn a_large_layer_is_refused_before_it_is_begun() {
    let big = vec![0_u8; 300 << 20];
    client().push(&image("a/large:1"), big.into(), &about(), None).await.unwrap();
    let error = client().fetch(&reference("a/large:1")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
    let log = SERVER.log();
    assert!(log.contains("GET /v2/a/large/manifests/1"), "{log}");
    assert!(!log.contains("GET /v2/a/large/blobs/"), "the layer was begun");
}

#[tokio::test]
async fn credentials_and_certificates_are_needed() {
    client().push(&image("a/private:1"), "component".into(), &about(), None).await.unwrap();
    let of = |network: Network| Client::new(network).unwrap();
    let none = of(Network { credentials: Credentials::default(), ..network() });
    let error = none.fetch(&reference("a/private:1")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    let wrong = Credentials::default().with(&SERVER.host(), NAME, Password::new("wrong"));
    let error =
        of(Network { credentials: wrong, ..network() }).fetch(&reference("a/private:1")).await.unwrap_err();
    assert!(error.kind == ErrorKind::Unauthorized && error.message.contains("does not take"), "{error}");
    let error = of(Network { authorities: Vec::new(), ..network() })
        .fetch(&reference("a/private:1"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    let plain = of(Network { plain_http: true, ..network() }).fetch(&reference("a/private:1")).await;
    assert!(plain.is_err(), "nothing is had without TLS from a registry that has it");
    let missing = client().fetch(&reference("a/private:2")).await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound, "{missing}");
    let missing = client().fetch(&reference("a/nothing:1")).await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound, "{missing}");
}

#[tokio::test]
async fn a_registry_that_is_down_is_said_to_be() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let gone: Reference = format!("{free}/x:1").parse().unwrap();
    let error = client().fetch(&gone).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_asked() {
    // No address is public for this client, so any name leads to a private one; which one does not matter.
    let nowhere = Network { is_public: |_: IpAddr| false, ..network() };
    let error = Client::new(nowhere).unwrap().fetch(&"10.0.0.1/x:1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn a_plain_file_is_signed_by_minisign() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let ran = Command::new("minisign").args(words).current_dir(&folder).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    run(&["-G", "-W", "-p", "signer.pub", "-s", "signer.key"]);
    std::fs::write(folder.path().join("plugin.wasm"), "component").unwrap();
    run(&["-S", "-s", "signer.key", "-m", "plugin.wasm"]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/plugin.wasm", listener.local_addr().unwrap());
    let files = folder.path().to_owned();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let name = head.split_whitespace().nth(1).unwrap().trim_start_matches('/').to_owned();
            let body = std::fs::read(files.join(name)).unwrap();
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        }
    });
    let fetched = client().fetch(&url.parse().unwrap()).await.unwrap();
    server.abort();
    let key = std::fs::read_to_string(folder.path().join("signer.pub")).unwrap();
    let trust = Trust { keys: vec![TrustedKey::read("acme", &key).unwrap()], ..Trust::default() };
    let judge = |bytes: &[u8]| trust.judge(Some(&url), fetched.evidence.as_ref(), bytes, &[]);
    assert_eq!(judge(&fetched.bytes).unwrap().unwrap().name, "acme");
    assert_eq!(judge(b"tampered").unwrap_err().kind, ErrorKind::Refused);
}
