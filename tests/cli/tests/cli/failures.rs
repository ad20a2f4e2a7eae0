//! Failures: each kind of the table ends with its exit code, its text and its JSON.

use cli_tests::{Stage, browser, component, finish};
use social_channel::ErrorKind;

/// A stage with the test provider connected, which fails as configured.
async fn obedient() -> (Stage, String) {
    let stage = Stage::empty().await.unwrap();
    let file = component("test_provider").unwrap();
    stage.run(["providers", "add", file.to_str().unwrap()]).await.unwrap().done();
    stage.say("apps add test --callback http://127.0.0.1:*/back").await.unwrap().done();
    let (child, first, mut rest) =
        stage.begin(["connect", "test", "--print-url", "--format", "json"]).await.unwrap();
    let offer: serde_json::Value = serde_json::from_str(&first).unwrap();
    let (uri, state) = (offer["redirect_uri"].as_str().unwrap(), offer["state"].as_str().unwrap());
    // An unexpected request neither ends nor breaks the wait.
    let browser = browser(true).unwrap();
    assert_eq!(browser.get(format!("{uri}?state=forged&code=1")).send().await.unwrap().status(), 400);
    assert_eq!(browser.get(uri.replace("/back", "/favicon.ico")).send().await.unwrap().status(), 404);
    assert_eq!(browser.get(format!("{uri}?state={state}&code=1")).send().await.unwrap().status(), 200);
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut rest, &mut text).await.unwrap();
    finish(child).await.unwrap().done();
    let channel: serde_json::Value = serde_json::from_str(&text).unwrap();
    let id = channel["id"].as_str().unwrap().to_owned();
    (stage, id)
}

/// Kinds that a provider may return, as named in the contract.
const SAID: [&str; 13] = [
    "invalid-request",
    "forbidden",
    "not-found",
    "rejected",
    "rate-limited",
    "unavailable",
    "outcome-unknown",
    "unsupported",
    "misconfigured",
    "authorization-denied",
    "quota-exceeded",
    "other",
    // Last: it marks the channel.
    "unauthorized",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_says_reaches_the_terminal_whole() {
    let (stage, channel) = obedient().await;
    for said in SAID {
        stage.run(["settings", "set", "test", "behaviour", &format!("error {said}")]).await.unwrap().done();
        let ran = stage.say(&format!("profile {channel} --format json")).await.unwrap();
        let error = ran.error();
        let kind = said.replace('-', "_");
        assert_eq!(error["kind"], kind, "{error}");
        let row = ErrorKind::ALL.into_iter().find(|row| row.name() == kind).unwrap();
        assert_eq!(ran.code, i32::from(row.exit_code()), "{said}");
        assert_eq!(error["message"], format!("the platform said {said}"));
        assert_eq!(error["remedy"], "do this now");
        assert_eq!(error["code"], "platform_code_7");
        assert_eq!(error["field"], "title");
        assert_eq!(error["retry_after_ms"], 61_500);
        assert_eq!(error["trace_id"], "20261125LOG");
        assert_eq!(error["operation"], "get-profile");

        let ran = stage.say(&format!("profile {channel}")).await.unwrap();
        assert_eq!(ran.code, i32::from(row.exit_code()), "{said}");
        if said == "unauthorized" {
            // After the first failure, the library returns the error without a call.
            assert!(ran.stderr.contains("must be connected again"), "{}", ran.stderr);
            continue;
        }
        let expected = format!(
            "error: the platform said {said}\n  code: platform_code_7\n  reference: 20261125LOG\n  \
             try again in: 62 seconds\n\nhint: do this now\n"
        );
        assert_eq!(ran.stderr, expected);
        assert_eq!(ran.stdout, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_on_our_side_has_its_row_too() {
    let (stage, channel) = obedient().await;
    std::fs::write(stage.path("not.wasm"), b"no component").unwrap();
    let test = component("test_provider").unwrap();
    let mut newer = std::fs::read(&test).unwrap();
    for place in (0..newer.len()).filter(|at| newer[*at..].starts_with(b"channel@0.1.0")).collect::<Vec<_>>()
    {
        newer[place..place + 13].copy_from_slice(b"channel@0.9.0");
    }
    std::fs::write(stage.path("newer.wasm"), newer).unwrap();
    let profile = format!("profile {channel}");
    let cases = [
        (Some("trap"), profile.as_str(), ErrorKind::ProviderFault),
        (Some("memory"), profile.as_str(), ErrorKind::LimitExceeded),
        (None, "providers add not.wasm", ErrorKind::LoadFailed),
        (None, "providers add newer.wasm", ErrorKind::Incompatible),
        (None, "providers add missing.wasm", ErrorKind::InvalidArgument),
        (None, "apps add other --grant nonsense", ErrorKind::InvalidArgument),
        (None, "settings set test colour red", ErrorKind::InvalidRequest),
        (None, "apps show nothing", ErrorKind::NotFound),
        (None, "jobs show nothing", ErrorKind::NotFound),
    ];
    for (behaviour, words, kind) in cases {
        if let Some(behaviour) = behaviour {
            stage.run(["settings", "set", "test", "behaviour", behaviour]).await.unwrap().done();
        }
        let ran = stage.say(&format!("{words} --format json")).await.unwrap();
        assert_eq!(ran.error()["kind"], kind.name(), "{words}: {ran:?}");
        assert_eq!(ran.code, i32::from(kind.exit_code()), "{words}");
        let ran = stage.say(words).await.unwrap();
        assert!(ran.stderr.starts_with("error: "), "{words}: {ran:?}");
        assert_eq!(ran.code, i32::from(kind.exit_code()), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_and_a_wrong_policy_are_said_before_anything_happens() {
    let stage = Stage::with_app().await.unwrap();
    let wrong = "ff".repeat(32);
    let ran =
        finish(stage.command(["apps", "list"]).env("SOCIAL_CHANNEL_MASTER_KEY", &wrong).spawn().unwrap())
            .await
            .unwrap();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("hint: "), "{ran:?}");
    let doctor = finish(stage.command(["doctor"]).env("SOCIAL_CHANNEL_MASTER_KEY", &wrong).spawn().unwrap())
        .await
        .unwrap();
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(doctor.stdout.contains("database and key"), "{doctor:?}");
    std::fs::write(stage.path("policy.toml"), "conect_to = []\n").unwrap();
    let ran = stage.say("apps list --policy policy.toml").await.unwrap();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("conect_to"), "{ran:?}");
    std::fs::write(
        stage.path("policy.toml"),
        "[[connect_to]]\nfrom = \"https://open.tiktokapis.com\"\nto = \"http://192.0.2.1:80\"\n",
    )
    .unwrap();
    let ran = stage.say("apps list --policy policy.toml").await.unwrap();
    assert!(ran.stderr.contains("would send tokens to another machine"), "{ran:?}");
}

/// A limit for the size of files refuses a write as a full disk does.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_disk_says_so() {
    let stage = Stage::empty().await.unwrap();
    let program = stage.command([""; 0]).as_std().get_program().to_owned();
    // 8 kB: the first page of the database fits, and what its processes share does not.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" apps list --format json";
    let mut limited = tokio::process::Command::new("/bin/sh");
    limited.args(["-c", script]).arg(program).env("SOCIAL_CHANNEL_DATA", stage.path("data"));
    limited.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).kill_on_drop(true);
    let error = finish(limited.spawn().unwrap()).await.unwrap().error();
    assert!(error["message"].as_str().unwrap().contains("the disk is full"), "{error}");
    assert!(error["remedy"].as_str().unwrap().contains("free disk space"), "{error}");
}

/// Of a key that cannot be read it is said whose it is, and who wants to read it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_user_names_both_users() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    const NOBODY: u32 = 65_534;
    let stage = Stage::empty().await.unwrap();
    let we = std::fs::metadata(stage.folder.path()).unwrap().uid();
    let mut command = stage.command(["apps", "list"]);
    command.env_remove("SOCIAL_CHANNEL_MASTER_KEY");
    // Root can read everything, so it runs the program as nobody; anybody else may not read what is root's.
    let (key, user) = if we == 0 {
        let (key, data) = (stage.path("root.key"), stage.path("nobodys"));
        std::fs::write(&key, "00".repeat(32)).unwrap();
        std::fs::create_dir(&data).unwrap();
        chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
        for (path, mode) in [(key.as_path(), 0o600), (stage.folder.path(), 0o755)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        command.env("SOCIAL_CHANNEL_DATA", data).uid(NOBODY).gid(NOBODY);
        (key, NOBODY)
    } else {
        ("/etc/shadow".into(), we)
    };
    let ran = finish(command.arg("--key-file").arg(&key).spawn().unwrap()).await.unwrap();
    assert_eq!(ran.code, i32::from(ErrorKind::Misconfigured.exit_code()), "{ran:?}");
    let said = format!(
        "{} cannot be read: it belongs to user 0, and this program runs as user {user}",
        key.display()
    );
    assert!(ran.stderr.contains(&said) && ran.stderr.contains("chown"), "{ran:?}");

    // What cannot be read for another reason is not a matter of owners.
    let folder = stage.path("folder.key");
    std::fs::create_dir(&folder).unwrap();
    let mut command = stage.command(["apps", "list", "--key-file"]);
    command.arg(&folder).env_remove("SOCIAL_CHANNEL_MASTER_KEY");
    let ran = finish(command.spawn().unwrap()).await.unwrap();
    assert!(ran.stderr.contains("directory") && !ran.stderr.contains("belongs to user"), "{ran:?}");
    assert!(ran.stderr.contains("hint: put a file with the master key there"), "{ran:?}");
}
