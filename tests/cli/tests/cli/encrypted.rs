//! Encrypted connections to the database's server, which is known by its certificate.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use cli_tests::Stage;
use serde_json::Value;

/// An authority, and the certificate of a server that is called `localhost`.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The server is another user.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(folder.path().join("names"), "subjectAltName=DNS:localhost").unwrap();
        let made = Self(folder);
        for words in [
            "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=authority",
            "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem -extfile names",
        ] {
            made.run("openssl", words);
        }
        made
    }

    fn run(&self, program: &str, words: &str) {
        let ran = Command::new(program).args(words.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(ran.status.success(), "{program} {words}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// The key, for a server that is run by `user` and refuses one that others may read.
    fn give_key_to(&self, user: &str) {
        let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        if is_root {
            self.run("chown", &format!("{user} server.key"));
        }
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

/// Opens the database at each URL; returns what went wrong.
async fn open(url: &str) -> Option<Value> {
    let stage = Stage::empty().await.unwrap();
    let ran = stage.run(["--database", url, "--format", "json", "apps", "list"]).await.unwrap();
    (ran.code != 0).then(|| ran.error())
}

/// `known` and `unknown` are the parameters for a server that is known by its certificate: with its authority, and without.
async fn judged(url: &str, known: &str, unknown: &str, only_encrypted: &str) {
    let named = url.replace("127.0.0.1", "localhost");
    assert_eq!(open(&format!("{named}?{known}")).await, None);
    assert_eq!(open(&format!("{named}?{only_encrypted}")).await, None);
    // By another name, and by an authority that nobody knows.
    for url in [format!("{url}?{known}"), format!("{named}?{unknown}")] {
        let error = open(&url).await.unwrap();
        assert_eq!(error["kind"], "misconfigured", "{error}");
        assert!(error["message"].as_str().unwrap().contains("certificate"), "{error}");
        assert!(error["remedy"].as_str().unwrap().contains("the server's certificate"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_is_known_by_its_certificate() {
    let made = Certificates::new();
    made.give_key_to("postgres");
    let (cert, key) = (made.path("server.pem"), made.path("server.key"));
    let settings = ["ssl=on".to_owned(), format!("ssl_cert_file={cert}"), format!("ssl_key_file={key}")];
    let server = postgres_server::Server::start(&settings.each_ref().map(String::as_str)).unwrap();
    let ca = made.path("ca.pem");
    let known = format!("sslmode=verify-full&sslrootcert={ca}");
    judged(&server.url(), &known, "sslmode=verify-full", "sslmode=require").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_is_known_by_its_certificate() {
    let made = Certificates::new();
    made.give_key_to("mysql");
    let (cert, key) = (made.path("server.pem"), made.path("server.key"));
    let settings = [format!("ssl-cert={cert}"), format!("ssl-key={key}")];
    let server = mariadb_server::Server::start(&settings.each_ref().map(String::as_str)).unwrap();
    let ca = made.path("ca.pem");
    let known = format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}");
    judged(&server.url(), &known, "ssl-mode=VERIFY_IDENTITY", "ssl-mode=REQUIRED").await;
}
