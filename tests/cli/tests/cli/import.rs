//! `channels import`: a platform with a thousand tokens moves without asking its users again, also when the program is
//! killed in the middle. The platform takes each refresh token once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use cli_tests::{PATIENCE, Ran, Stage, browser, finish};
use serde_json::Value;
use tiktok_simulator::Account;

const KEY: &str = "simkey-desktop";
const LIVE: usize = 1_000;
const DEAD: usize = 20;

/// Adds accounts to the platform, and returns a table of the tokens that another program holds of them. Every
/// fiftieth is dead.
fn table(stage: &Stage, live: usize, dead: usize) -> String {
    let name = |number: usize| format!("user.{number}");
    stage.simulator.edit(|world| {
        world.accounts.extend((0..live + dead).map(|number| Account {
            username: name(number),
            display_name: format!("User {number}"),
            generate_videos: 0,
            ..Account::default()
        }));
    });
    let mut table = "account-id,refresh-token,reference\n".to_owned();
    for number in 0..live + dead {
        let tokens = stage.simulator.issue_tokens(KEY, &name(number)).unwrap();
        let text = |member: &str| tokens[member].as_str().unwrap().to_owned();
        let is_dead = dead > 0 && number % ((live + dead) / dead) == 7;
        if is_dead {
            assert!(stage.simulator.remove_grant(KEY, &name(number), 1));
        }
        let word = if is_dead { "dead" } else { "live" };
        writeln!(table, "{},{},{word} {number}", text("open_id"), text("refresh_token")).unwrap();
    }
    table
}

/// Whether bytes hold a token of the platform: its beginning, and then many letters and digits.
fn has_token(bytes: &[u8]) -> bool {
    let long = |rest: &[u8]| rest.len() >= 40 && rest[..40].iter().all(u8::is_ascii_alphanumeric);
    let starts = |start: &[u8; 4]| {
        (0..bytes.len().saturating_sub(4)).any(|at| &bytes[at..at + 4] == start && long(&bytes[at + 4..]))
    };
    starts(b"rft.") || starts(b"act.")
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => files(&entry.path(), found),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

/// Nothing of a token was printed, or lies in the data folder in clear.
fn nothing_leaked(stage: &Stage, said: &[Ran]) {
    assert!(has_token(b"x rft.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeee"));
    for ran in said {
        assert!(!has_token(ran.stdout.as_bytes()) && !has_token(ran.stderr.as_bytes()), "{ran:?}");
    }
    let mut all = Vec::new();
    files(&stage.path("data"), &mut all);
    assert!(all.iter().any(|file| file.extension().is_some_and(|ending| ending == "sqlite")), "{all:?}");
    for file in all {
        // Compiled components hold texts of the provider only.
        let bytes = std::fs::read(&file).unwrap();
        assert!(!has_token(&bytes), "{}", file.display());
    }
}

fn counts(report: &Value) -> BTreeMap<String, u64> {
    serde_json::from_value(report["counts"].clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_accounts_move_though_the_program_is_killed_again_and_again() {
    let stage = Stage::with_app().await.unwrap();
    std::fs::write(stage.path("accounts.csv"), table(&stage, LIVE, DEAD)).unwrap();
    let words = ["channels", "import", "accounts.csv", "--app", "demo", "--format", "json"];
    let dry = stage.run(words.iter().chain(&["--dry-run"])).await.unwrap().done();
    assert_eq!(counts(&dry.json()), [("ready".to_owned(), (LIVE + DEAD) as u64)].into());
    assert_eq!(stage.simulator.world().tokens.refreshed, 0, "a dry run sends nothing");
    // Killed at once, near the beginning, in the middle and near the end.
    for stop in [1, 40, 333, 334, 600, 990] {
        let mut child = stage.command(words).spawn().unwrap();
        let waited = tokio::time::timeout(PATIENCE, async {
            while stage.simulator.world().tokens.refreshed < stop {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        waited.await.unwrap();
        child.kill().await.unwrap();
    }
    let last = stage.run(words).await.unwrap();
    assert_eq!(last.code, 1, "some rows need a person");
    let report = last.json();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), LIVE + DEAD);
    let (mut lost, mut dead) = (0, BTreeSet::new());
    for (place, row) in rows.iter().enumerate() {
        let reference = row["reference"].as_str().unwrap();
        assert_eq!(row["row"], place + 1);
        assert!(reference.ends_with(&format!(" {place}")), "{row}");
        match (reference.starts_with("dead"), row["status"].as_str().unwrap()) {
            (false, "connected" | "already_connected") => assert!(row["channel"].is_string(), "{row}"),
            (true, "dead") => drop(dead.insert(place)),
            // The platform answered, and the program was killed before it could store that.
            (false, "dead") => {
                assert!(row["error"]["remedy"].as_str().unwrap().contains("was lost"), "{row}");
                lost += 1;
            }
            _ => panic!("{row}"),
        }
    }
    assert_eq!(dead.len(), DEAD);
    let tokens = stage.simulator.world().tokens;
    assert_eq!(tokens.refreshed, LIVE as u64, "each token was used up once");
    // And twice only where an answer was lost; or once more, if the answer to that was lost too. Four rows are under way at
    // once, and the program was killed six times.
    assert!((lost..=lost * 2).contains(&tokens.refreshed_with_rotated_token), "{lost}: {tokens:?}");
    assert!(lost <= 24, "{lost}");
    // Once more: nothing is sent for what is done, nor for what is lost.
    let again = stage.run(words).await.unwrap().json();
    assert_eq!(counts(&again)["already_connected"], LIVE as u64 - lost);
    assert_eq!(counts(&again)["dead"], DEAD as u64 + lost);
    let after = stage.simulator.world().tokens;
    assert_eq!(after.refreshed, tokens.refreshed);
    assert_eq!(after.refreshed_with_rotated_token, tokens.refreshed_with_rotated_token);
    let channels = stage.run(["channels", "--format", "json"]).await.unwrap().done().json();
    let channels = channels.as_array().unwrap().clone();
    assert_eq!(channels.len() as u64, LIVE as u64 - lost);
    for channel in channels.iter().step_by(97) {
        stage.run(["profile", channel["id"].as_str().unwrap()]).await.unwrap().done();
    }
    nothing_leaked(&stage, &[dry, last]);
    assert!(stage.simulator.violations().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_comes_from_standard_input_and_says_what_is_wrong_with_it() {
    let stage = Stage::with_app().await.unwrap();
    let table = table(&stage, 3, 0) + ",,nothing 3\n";
    let loud = async |words: &str, input: &str| {
        let mut command = stage.command(words.split(' '));
        command.env("SOCIAL_CHANNEL_LOG", "trace").stdin(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stdin, input.as_bytes()).await.unwrap();
        drop(stdin);
        finish(child).await.unwrap()
    };
    let ran = loud("channels import - --app demo --file-format csv", &table).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("3 connected, 1 refused") && ran.stdout.contains("nothing 3"), "{ran:?}");
    let unnamed = stage.type_in("channels import - --app demo", &table).await.unwrap();
    assert!(unnamed.code == 1 && unnamed.stderr.contains("--file-format"), "{unnamed:?}");
    // Without a line of names the first token must not be repeated.
    let headless: String = table.lines().skip(1).map(|line| format!("{line}\n")).collect();
    let headless = loud("channels import - --app demo --file-format csv", &headless).await;
    assert!(headless.code == 1 && headless.stderr.contains("does not name its columns"), "{headless:?}");
    let lines = "{\"refresh-token\": \"rft.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeee\"\n";
    let broken = loud("channels import - --app demo --file-format jsonl", lines).await;
    assert!(broken.code == 1 && broken.stderr.contains("line 1"), "{broken:?}");
    nothing_leaked(&stage, &[ran, unnamed, headless, broken]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_typed_and_never_stands_on_the_command_line() {
    let stage = Stage::with_app().await.unwrap();
    let tokens = stage.simulator.issue_tokens(KEY, "demo.kitchen").unwrap();
    let token = tokens["refresh_token"].as_str().unwrap();
    let given = format!("refresh-token={token}");
    let refused = stage.run(["connect", "demo", "--input", &given]).await.unwrap();
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("is a secret") && refused.stderr.contains("standard input"),
        "{refused:?}"
    );
    let typed =
        stage.type_in("connect demo --input refresh-token --format json", token).await.unwrap().done();
    assert_eq!(typed.json()["display_name"], "Demo Kitchen");
    nothing_leaked(&stage, &[refused, typed]);
}

/// The consent page opens for the other app, and the channel is the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_moves_to_another_app_with_one_reconnect() {
    let (stage, channel) = Stage::connected().await.unwrap();
    let app = serde_json::json!({
        "provider": "tiktok",
        "redirect_uri": "http://127.0.0.1:*/callback",
        "settings": {"client-key": "simkey-unaudited", "client-secret": "simsecret-unaudited-0001", "kind": "desktop"},
    });
    std::fs::write(stage.path("next.json"), app.to_string()).unwrap();
    stage.say("apps add next --json next.json").await.unwrap().done();
    let words = ["connect", "next", "--reconnect", &channel, "--print-url", "--format", "json"];
    let (child, first, mut rest) = stage.begin(words).await.unwrap();
    let offer: Value = serde_json::from_str(&first).unwrap();
    browser(false).unwrap().get(offer["url"].as_str().unwrap()).send().await.unwrap().text().await.unwrap();
    let mut ran = finish(child).await.unwrap().done();
    tokio::io::AsyncReadExt::read_to_string(&mut rest, &mut ran.stdout).await.unwrap();
    let moved = ran.json();
    assert_eq!((moved["id"].as_str(), moved["app"].as_str()), (Some(channel.as_str()), Some("next")));
}
