//! Pictures that a provider names: what the host fetches for a page, and what it does not.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use super::server::Server;
use super::*;
use crate::error::ErrorKind;
use crate::media::{picture, typed_picture};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand the rest";

/// `https://api.example.com` is granted, `https://evil.test` is not; both are this server.
fn both(port: u16) -> Policy {
    let mut policy = mapped(port);
    policy.connect_to.push(format!("https://evil.test = http://127.0.0.1:{port}").parse().unwrap());
    policy
}

fn own(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}

fn large(size: usize) -> Bytes {
    let mut bytes = PNG.to_vec();
    bytes.resize(size, 0);
    bytes.into()
}

fn served(path: &str) -> Response<Full<Bytes>> {
    let (status, kind, bytes): (u16, &str, Bytes) = match path {
        "/a.png?x=1" => (200, "text/html", own(PNG)),
        "/a.jpeg" => (200, "image/png", own(b"\xff\xd8\xff\xe0jpeg")),
        "/a.webp" => (200, "", own(b"RIFF\0\0\0\0WEBPVP8 ")),
        "/a.gif" => (200, "image/gif", own(b"GIF89a")),
        "/svg" => (200, "image/png", own(b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>")),
        "/page" => (200, "image/png", own(b"<!doctype html><script>1</script>")),
        "/film" => (200, "image/png", own(b"\0\0\0\x18ftypmp42")),
        "/empty" => (200, "image/png", Bytes::new()),
        "/largest" => (200, "image/png", large(5 << 20)),
        "/larger" => (200, "image/png", large((5 << 20) + 1)),
        "/busy" => (503, "image/png", own(PNG)),
        "/led" => (302, "https://api.example.com/a.gif", Bytes::new()),
        "/misled" => (302, "https://evil.test/?token=secret", Bytes::new()),
        "/inward" => (302, "https://127.0.0.1/", Bytes::new()),
        _ => (404, "image/png", own(PNG)),
    };
    let header = if status == 302 { "location" } else { "content-type" };
    Response::builder().status(status).header(header, kind).body(Full::new(bytes)).unwrap()
}

#[tokio::test]
async fn a_picture_is_what_its_bytes_say_and_comes_from_granted_origins_alone() {
    let server = Server::start(|seen| served(&seen.path)).await;
    let egress = egress(both(server.port));
    let get = async |path: &str| picture(&format!("https://api.example.com{path}"), &egress).await;
    for (path, kind) in [
        ("/a.png?x=1", "image/png"),
        ("/a.jpeg", "image/jpeg"),
        ("/a.webp", "image/webp"),
        ("/a.gif", "image/gif"),
        ("/largest", "image/png"),
        ("/led", "image/gif"),
    ] {
        assert_eq!(get(path).await.unwrap().content_type, kind, "{path}");
    }
    assert_eq!(get("/a.png?x=1").await.unwrap().bytes, PNG);
    for (path, kind) in [
        ("/svg", ErrorKind::NotFound),
        ("/page", ErrorKind::NotFound),
        ("/film", ErrorKind::NotFound),
        ("/empty", ErrorKind::NotFound),
        ("/gone?token=secret", ErrorKind::NotFound),
        ("/larger", ErrorKind::LimitExceeded),
        ("/busy", ErrorKind::Unavailable),
        ("/misled", ErrorKind::DeniedByPolicy),
        ("/inward", ErrorKind::DeniedByPolicy),
    ] {
        let error = get(path).await.unwrap_err();
        assert_eq!(error.kind, kind, "{path}: {error}");
        assert!(!error.message.contains("secret"), "{error}");
    }
    for url in ["https://evil.test/?token=secret", "http://api.example.com/a.gif", "https://127.0.0.1/a.gif"]
    {
        assert_eq!(picture(url, &egress).await.unwrap_err().kind, ErrorKind::DeniedByPolicy, "{url}");
    }
    // What a person types needs no grant, as all media; the rest counts.
    assert_eq!(typed_picture("https://evil.test/a.gif", &egress).await.unwrap().content_type, "image/gif");
    for (url, kind) in
        [("https://evil.test/svg", ErrorKind::NotFound), ("https://127.0.0.1/", ErrorKind::DeniedByPolicy)]
    {
        assert_eq!(typed_picture(url, &egress).await.unwrap_err().kind, kind, "{url}");
    }
    assert_eq!(picture("no address", &egress).await.unwrap_err().kind, ErrorKind::InvalidRequest);
    // The provider's misleading led nowhere.
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| !seen.path.contains("token=secret") || seen.path.starts_with("/gone"))
    );
}

#[tokio::test]
async fn a_picture_that_breaks_off_is_none() {
    let (port, _) = super::server::scripted(|mut stream| async move {
        use tokio::io::AsyncWriteExt as _;
        super::server::read_head(&mut stream).await;
        let half = [b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".as_slice(), PNG].concat();
        stream.write_all(&half).await.unwrap();
    })
    .await;
    let error = picture("https://api.example.com/a.png", &egress(mapped(port))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
}
