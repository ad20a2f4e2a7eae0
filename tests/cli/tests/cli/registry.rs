//! Providers from a real OCI registry: signed, looked at, replaced, rolled back; and what is refused.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Instant;

use cli_tests::{APP, Ran, Stage, component};
use registry_server::{NAME, Server};
use serde_json::{Value, json};

/// One for all tests of this file; each has repositories of its own.
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start().unwrap());

/// A data folder, and files that say who may sign.
struct Scene {
    stage: Stage,
    server: &'static Server,
    repository: String,
}

impl Scene {
    async fn new(name: &str, app: bool) -> Self {
        Self::on(&SERVER, name, app).await
    }

    async fn on(server: &'static Server, name: &str, app: bool) -> Self {
        let stage = if app { Stage::with_app().await } else { Stage::empty().await }.unwrap();
        let scene = Scene { stage, server, repository: format!("{}/tests/{name}", server.host()) };
        let credentials =
            json!({"auths": {server.host(): {"username": NAME, "password": server.password()}}});
        std::fs::write(scene.path("config.json"), credentials.to_string()).unwrap();
        for signer in ["acme", "other"] {
            scene.make_key(signer);
        }
        scene.trust(&["acme"]);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.stage.path(name)
    }

    fn make_key(&self, signer: &str) {
        let openssl = |words: &str| {
            let ran =
                Command::new("openssl").args(words.split(' ')).current_dir(self.stage.folder.path()).output();
            assert!(ran.unwrap().status.success(), "{words}");
        };
        openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {signer}.key"));
        openssl(&format!("pkey -in {signer}.key -pubout -out {signer}.pub"));
    }

    /// From now on these may sign.
    fn trust(&self, signers: &[&str]) {
        let keys: Vec<Value> =
            signers.iter().map(|name| json!({"name": name, "file": format!("{name}.pub")})).collect();
        let policy =
            json!({"authorities": self.server.authority(), "credentials": "config.json", "keys": keys});
        std::fs::write(self.path("providers.json"), policy.to_string()).unwrap();
    }

    async fn say(&self, words: &str) -> Ran {
        let command = format!("--providers providers.json --format json providers {words}");
        self.stage.say(&command).await.unwrap()
    }

    /// Pushes a component, and returns its reference with the digest.
    async fn push(&self, bytes: &[u8], tag: &str, signer: Option<&str>) -> String {
        std::fs::write(self.path("pushed.wasm"), bytes).unwrap();
        let key = signer.map_or_else(String::new, |signer| format!(" --sign-key {signer}.key"));
        let pushed =
            self.say(&format!("push pushed.wasm {}:{tag}{key}", self.repository)).await.done().json();
        assert_eq!(pushed["signed_by"].is_string(), signer.is_some());
        pushed["reference"].as_str().unwrap().to_owned()
    }

    fn at(&self, tag: &str) -> String {
        format!("{}:{tag}", self.repository)
    }

    async fn installed(&self, provider: &str) -> Option<Value> {
        let all = self.say("list").await.done().json();
        let found = all
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["descriptor"]["id"] == provider && one["installed"] == true);
        found.cloned()
    }
}

/// A provider whose component differs from the built one only in a meaningless custom section.
fn version(number: u8) -> Vec<u8> {
    let mut bytes = std::fs::read(component("provider_minimal").unwrap()).unwrap();
    bytes.extend_from_slice(&[0, 3, 1, b'v', number]);
    bytes
}

fn patched(name: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(component(name).unwrap()).unwrap();
    let found: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!found.is_empty(), "no {from} in {name}");
    for at in found {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_provider_is_installed_looked_at_replaced_and_rolled_back() {
    let scene = Scene::new("story", false).await;
    let first = scene.push(&version(1), "1", Some("acme")).await;
    let began = Instant::now();
    let added = scene.say(&format!("add {}", scene.at("1"))).await.done().json();
    println!("installed from the registry in {:.1} s", began.elapsed().as_secs_f32());
    let provider = &added["provider"];
    let id = provider["descriptor"]["id"].as_str().unwrap().to_owned();
    assert_eq!(provider["origin"]["reference"], first);
    assert_eq!(provider["origin"]["signer"]["name"], "acme");
    let lock = scene.stage.say("--providers providers.json providers lock").await.unwrap().done().stdout;
    std::fs::write(scene.path("providers.lock"), &lock).unwrap();
    assert!(lock.contains(&first) && lock.contains("acme"), "{lock}");

    // The tag moves: an installation does not follow it silently, an update says what changes.
    let second = scene.push(&version(2), "1", Some("acme")).await;
    let moved = scene.say(&format!("add {}", scene.at("1"))).await;
    assert_eq!(moved.error()["code"], "tag_moved");
    let report = scene.say(&format!("update {id} --check")).await.done().json();
    assert_eq!((&report["same"], &report["signer_changed"]), (&json!(false), &json!(false)));
    assert_eq!(report["to"]["origin"]["reference"], second);
    assert_eq!(report["changes"], json!([]));
    assert_eq!(scene.installed(&id).await.unwrap()["origin"]["reference"], first);
    let updated = scene.say(&format!("update {id}")).await.done().json();
    assert_eq!(updated["provider"]["origin"]["reference"], second);
    assert_eq!(updated["provider"]["previous"], provider["digest"]);
    assert_eq!(scene.say(&format!("update {id}")).await.done().json()["same"], true);

    // Back, with the registry out of reach: what is installed, and what was, needs nobody.
    let back = format!("rollback {id}");
    let without = json!({"keys": [{"name": "acme", "file": "acme.pub"}]});
    std::fs::write(scene.path("providers.json"), without.to_string()).unwrap();
    let rolled = scene.say(&back).await.done().json();
    assert_eq!(
        (&rolled["provider"]["digest"], &rolled["provider"]["origin"]["reference"]),
        (&provider["digest"], &json!(first))
    );
    assert_eq!(scene.installed(&id).await.unwrap()["origin"]["signer"]["name"], "acme");
    assert_eq!(scene.say(&back).await.done().json()["provider"]["origin"]["reference"], second);
    let down = scene.say(&format!("update {id}")).await;
    assert_eq!(down.error()["kind"], "unavailable", "the authority is not known now: {down:?}");

    // The lock file brings the first one back, here and on another machine, wherever the tag points to.
    scene.trust(&["acme"]);
    assert_eq!(scene.say("sync").await.done().json()["installed"], json!([id]));
    assert_eq!(scene.installed(&id).await.unwrap()["digest"], provider["digest"]);
    assert_eq!(scene.say("sync").await.done().json()["installed"], json!([]));
    scene.trust(&["other"]);
    let elsewhere =
        ["--data", "elsewhere", "--providers", "providers.json", "--format", "json", "providers", "sync"];
    assert_eq!(scene.stage.run(elsewhere).await.unwrap().error()["kind"], "denied_by_policy");
    scene.trust(&["acme"]);
    assert_eq!(scene.stage.run(elsewhere).await.unwrap().done().json()["installed"], json!([id]));
    scene.say(&format!("remove {id}")).await.done();
    assert!(scene.installed(&id).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_not_sign_is_refused_and_a_new_signer_needs_a_word() {
    let scene = Scene::new("signers", false).await;
    // Not signed, and signed by somebody else.
    scene.push(&version(1), "plain", None).await;
    scene.push(&version(2), "other", Some("other")).await;
    for (tag, said) in [("plain", "not signed"), ("other", "nobody who may")] {
        let refused = scene.say(&format!("add {}", scene.at(tag))).await.error();
        assert_eq!(refused["kind"], "denied_by_policy");
        assert!(refused["message"].as_str().unwrap().contains(said), "{refused}");
    }
    let added = scene.push(&version(3), "1", Some("acme")).await;
    scene.say(&format!("add {}", scene.at("1"))).await.done();
    let id = scene.say("list").await.json()[0]["descriptor"]["id"].as_str().unwrap().to_owned();
    // Both may sign now, but it was one of them until now.
    scene.trust(&["acme", "other"]);
    scene.push(&version(4), "1", Some("other")).await;
    let report = scene.say(&format!("update {id} --check")).await.done().json();
    assert_eq!(report["signer_changed"], true);
    assert_eq!(scene.say(&format!("update {id}")).await.error()["code"], "signer_changed");
    assert_eq!(scene.installed(&id).await.unwrap()["origin"]["reference"], added);
    let taken = scene.say(&format!("update {id} --accept-signer")).await.done().json();
    assert_eq!(taken["provider"]["origin"]["signer"]["name"], "other");
    // The signature is taken away.
    let stripped = scene.push(&version(5), "2", Some("other")).await;
    let image = stripped.rsplit_once("@sha256:").unwrap().1;
    std::fs::remove_dir_all(SERVER.tag("tests/signers", &format!("sha256-{image}"))).unwrap();
    let refused = scene.say(&format!("update {id} --from {}", scene.at("2"))).await.error();
    assert!(refused["message"].as_str().unwrap().contains("not signed"), "{refused}");
    // What is installed is verified whenever it is loaded: a key that is trusted no longer ends its use.
    scene.trust(&["acme"]);
    let listed = scene.installed(&id).await.unwrap();
    assert_eq!(listed["error"]["kind"], "denied_by_policy");
    // Without keys unsigned ones are taken, which is said; one key can be named for one provider.
    scene.trust(&[]);
    scene.say(&format!("remove {id}")).await.done();
    let said = scene
        .stage
        .say(&format!("--providers providers.json providers add {}", scene.at("plain")))
        .await
        .unwrap();
    assert!(said.done().stderr.contains("not signed"));
    scene.say(&format!("remove {id}")).await.done();
    let wrong = scene.say(&format!("add {} --trust-key acme.pub", scene.at("other"))).await;
    assert_eq!(wrong.error()["kind"], "denied_by_policy");
    scene.say(&format!("add {} --trust-key other.pub", scene.at("other"))).await.done();
    scene.push(&version(6), "other", Some("acme")).await;
    let refused = scene.say(&format!("update {id}")).await.error();
    assert_eq!(refused["kind"], "denied_by_policy", "the key that was named goes on to be needed: {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wider_origins_wait_and_another_line_of_the_contract_is_refused() {
    let scene = Scene::new("tiktok", true).await;
    let wide = patched("plugin_tiktok", "open.tiktokapis.com", "wide.tiktokapis.org");
    scene.push(&wide, "2", Some("acme")).await;
    let before = scene.installed("tiktok").await.unwrap();
    let report = scene.say(&format!("update tiktok --check --from {}", scene.at("2"))).await.done().json();
    assert_eq!(report["waiting"][0]["app"], APP);
    let added = |kind: &str| {
        let changes = report["changes"].as_array().unwrap();
        changes.iter().any(|one| one["change"] == "added" && one["kind"] == kind)
    };
    assert!(added("origin"), "{report}");
    let replaced = scene.say(&format!("update tiktok --from {}", scene.at("2"))).await.done().json();
    assert!(replaced["waiting"][0]["missing_origins"][0].as_str().unwrap().contains("wide.tiktokapis.org"));
    let app = scene.stage.say(&format!("apps show {APP} --format json")).await.unwrap().done().json();
    assert_eq!(app["digest"], before["digest"], "the app keeps its component until it grants the origins");
    for line in ["@0.0.9", "@0.2.0"] {
        let old = patched("provider_minimal", "@0.1.0", line);
        std::fs::write(scene.path("old.wasm"), &old).unwrap();
        let refused = scene.say(&format!("push old.wasm {}", scene.at("old"))).await.error();
        assert_eq!(refused["kind"], "incompatible", "{refused}");
        assert!(refused["message"].as_str().unwrap().contains(&line[1..]), "{refused}");
        let refused = scene.say("add old.wasm").await.error();
        assert_eq!(refused["kind"], "incompatible", "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_an_identity_may_sign_a_key_proves_nothing() {
    let scene = Scene::new("identities", false).await;
    let identity = json!({"identity": "https://github.com/acme/bluesky/.github/workflows/release.yml@refs/heads/main",
        "issuer": "https://token.actions.githubusercontent.com"});
    let policy = |identity: &Value| json!({"authorities": scene.server.authority(), "credentials": "config.json", "identities": [identity]});
    scene.push(&version(1), "1", Some("acme")).await;
    scene.push(&version(2), "unsigned", None).await;
    std::fs::write(scene.path("providers.json"), policy(&identity).to_string()).unwrap();
    for tag in ["1", "unsigned"] {
        let refused = scene.say(&format!("add {}", scene.at(tag))).await.error();
        assert_eq!(refused["kind"], "denied_by_policy", "{refused}");
    }
    let refused = scene.say(&format!("add {}", scene.at("1"))).await.error();
    assert!(refused["remedy"].as_str().unwrap().contains("`identities`"), "{refused}");
    // A root that is none is named before anything is fetched.
    let mut own = identity;
    own["trusted_root"] = json!("root.json");
    std::fs::write(scene.path("root.json"), "no root").unwrap();
    std::fs::write(scene.path("providers.json"), policy(&own).to_string()).unwrap();
    let refused = scene.say("list").await.error();
    assert!(refused["message"].as_str().unwrap().contains("trusted root"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_a_replacement_the_new_component_is_asked_about_the_jobs_under_way() {
    let scene = Scene::new("under-way", true).await;
    let channel = scene.stage.connect(&[]).await.unwrap().done();
    let signed = |number| {
        let mut bytes = std::fs::read(component("plugin_tiktok").unwrap()).unwrap();
        bytes.extend_from_slice(&[0, 3, 1, b'v', number]);
        bytes
    };
    scene.push(&signed(1), "1", Some("acme")).await;
    scene.say(&format!("update tiktok --from {}", scene.at("1"))).await.done();
    // A post that TikTok processes for longer than this test lasts.
    scene.stage.simulator.edit(|world| world.switches.processing_ms = 3_600_000);
    scene.stage.video(6_000_000).unwrap();
    let channels = scene.stage.say("channels --format json").await.unwrap().done().json();
    let id = channels[0]["id"].as_str().unwrap_or_else(|| panic!("{channel:?}"));
    let words = format!("publish {id} clip.mp4 --text x --visibility SELF_ONLY --no-wait");
    scene.stage.say(&words).await.unwrap().done();
    scene.stage.say("work --once").await.unwrap().done();
    scene.push(&signed(2), "2", Some("acme")).await;
    let report = scene.say(&format!("update tiktok --check --from {}", scene.at("2"))).await.done().json();
    assert_eq!(
        (&report["open_jobs"], &report["asked_jobs"], &report["unreadable_jobs"]),
        (&json!(1), &json!(1), &json!([])),
        "{report}"
    );
    // Whoever else signed it gets nothing of an account, not even here.
    scene.trust(&["acme", "other"]);
    scene.push(&signed(3), "3", Some("other")).await;
    let report = scene.say(&format!("update tiktok --check --from {}", scene.at("3"))).await.done().json();
    assert_eq!((&report["signer_changed"], &report["asked_jobs"]), (&json!(true), &json!(0)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spoiled_on_the_way_changes_nothing() {
    let scene = Scene::new("spoiled", false).await;
    // The registry has each component once for all repositories: these are of this test alone.
    let first = scene.push(&version(101), "1", Some("acme")).await;
    let added = scene.say(&format!("add {}", scene.at("1"))).await.done().json();
    let id = added["provider"]["descriptor"]["id"].as_str().unwrap();
    scene.push(&version(102), "2", Some("acme")).await;
    let sum = Command::new("sha256sum").arg(scene.path("pushed.wasm")).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let digest = sum.split_whitespace().next().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(SERVER.blob(digest)).unwrap();
    file.set_len(1000).unwrap();
    let cut = scene.say(&format!("update {id} --from {}", scene.at("2"))).await.error();
    assert_eq!(cut["kind"], "load_failed", "{cut}");
    file.set_len(300 << 20).unwrap();
    let long = scene.say(&format!("update {id} --from {}", scene.at("2"))).await.error();
    assert_eq!(long["kind"], "load_failed", "{long}");
    assert_eq!(scene.installed(id).await.unwrap()["origin"]["reference"], first);
    // A typing error is not asked of a registry.
    for wrong in ["nothing.wasm", "./nothing.wasm", "ghcr.io/acme/x", "http://example.com/x.wasm"] {
        assert_eq!(scene.say(&format!("add {wrong}")).await.code, 1, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_installed_goes_on_while_the_registry_is_down() {
    // Its shell ends it with this process.
    let server: &'static Server = Box::leak(Box::new(Server::start().unwrap()));
    let scene = Scene::on(server, "down", false).await;
    let first = scene.push(&version(1), "1", Some("acme")).await;
    let added = scene.say(&format!("add {}", scene.at("1"))).await.done().json();
    let id = added["provider"]["descriptor"]["id"].as_str().unwrap();
    scene.push(&version(2), "1", Some("acme")).await;
    server.stop().unwrap();
    for command in [format!("update {id}"), format!("update {id} --check"), format!("add {}", scene.at("2"))]
    {
        assert_eq!(scene.say(&command).await.error()["kind"], "unavailable", "{command}");
    }
    // Every command is a process of its own, which loads and verifies what is installed.
    let installed = scene.installed(id).await.unwrap();
    assert_eq!((&installed["origin"]["reference"], &installed["error"]), (&json!(first), &Value::Null));
    server.start_again().unwrap();
    scene.say(&format!("update {id}")).await.done();
    server.stop().unwrap();
    let back = scene.say(&format!("rollback {id}")).await.done().json();
    assert_eq!(back["provider"]["origin"]["reference"], first);
}
