//! The program: flags, world file, the one line it prints.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::Method;
use tiktok_simulator::World;

use crate::support::*;

struct Running(Child, String);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tiktok-simulator"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Running {
    let mut child = command(arguments).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Running(child, line.trim().to_string())
}

#[tokio::test]
async fn it_prints_its_origin_and_consents_by_itself() {
    let redirect = "desktop:audited:my-key:my-secret:http://localhost:*/back";
    let program = run(&["--port", "0", "--auto-consent-account", "walk.in", "--app", redirect]);
    assert!(program.1.starts_with("http://127.0.0.1:"), "{}", program.1);
    let challenge = challenge();
    let pairs = [
        ("client_key", "my-key"),
        ("response_type", "code"),
        ("scope", "user.info.basic"),
        ("redirect_uri", "http://localhost:5000/back"),
        ("state", "s"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let url = format!("{}/v2/auth/authorize/?{}", program.1, form(&pairs));
    let answer = send(Method::GET, &url, &[], "").await;
    assert!(answer.headers["location"].starts_with("http://localhost:5000/back?code="), "{answer:?}");
}

#[test]
fn a_printed_world_can_be_read_again() {
    let output = command(&["--print-world"]).output().unwrap();
    assert!(output.status.success());
    let world = World::from_json(&String::from_utf8(output.stdout).unwrap()).unwrap();
    assert_eq!(world.apps.len(), World::demo().apps.len());
}

#[test]
fn mistakes_in_flags_and_files_are_named() {
    let folder = std::env::temp_dir().join(format!("tiktok-simulator-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("world.json");
    std::fs::write(&file, r#"{"apps": [{"client_key": "a", "colour": "red"}]}"#).unwrap();
    for (arguments, text) in [
        (vec!["--world", file.to_str().unwrap()], "colour"),
        (vec!["--world", "/nowhere.json"], "/nowhere.json"),
        (vec!["--app", "web:audited:k:s:http://localhost/"], "https"),
        (vec!["--auto-consent-account", "nobody"], "nobody"),
    ] {
        let output = command(&arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(text), "{arguments:?}: {error}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn it_describes_itself_to_a_host() {
    let program = run(&["--port", "0", "--auto-consent", "--describe"]);
    let description: serde_json::Value = serde_json::from_str(&program.1).unwrap();
    let origin = description["origin"].as_str().unwrap();
    let from: Vec<_> = description["connect_to"].as_array().unwrap().iter().map(|m| &m["from"]).collect();
    assert_eq!(from, ["https://www.tiktok.com", "https://open.tiktokapis.com", "https://*.tiktokapis.com"]);
    assert!(description["connect_to"].as_array().unwrap().iter().all(|mapping| mapping["to"] == origin));
    assert_eq!(description["app"]["provider"], "tiktok");
    // The described app is one of the world: its key is known, and its consent page goes on by itself.
    let settings = &description["app"]["settings"];
    let redirect = description["app"]["redirect_uri"].as_str().unwrap().replace('*', "5000");
    let challenge = challenge();
    let pairs = [
        ("client_key", settings["client-key"].as_str().unwrap()),
        ("response_type", "code"),
        ("scope", "user.info.basic"),
        ("redirect_uri", redirect.as_str()),
        ("state", "s"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let answer = send(Method::GET, &format!("{origin}/v2/auth/authorize/?{}", form(&pairs)), &[], "").await;
    assert!(answer.headers["location"].starts_with(&format!("{redirect}?code=")), "{answer:?}");
}

#[test]
fn it_ends_with_its_input_if_asked_to() {
    let mut child = command(&["--port", "0", "--until-eof"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
