//! The complete workflow, for a person at a terminal or a script. Snapshots check the complete output.

use cli_tests::{APP, Ran, Stage, browser, component, finish, masks};

macro_rules! snapshot {
    ($stage:expr, $name:literal, $ran:expr) => {{
        let ran: &Ran = &$ran;
        insta::with_settings!({
            filters => masks($stage).iter().map(|(pattern, mask)| (pattern.as_str(), *mask)).collect::<Vec<_>>(),
            omit_expression => true,
            prepend_module_to_snapshot => false,
        }, { insta::assert_snapshot!($name, ran.shown()) });
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_reads_well() {
    let stage = Stage::empty().await.unwrap();
    snapshot!(&stage, "nothing-yet-channels", stage.say("channels").await.unwrap());
    snapshot!(&stage, "nothing-yet-profile", stage.say("profile").await.unwrap());
    let component = component("plugin_tiktok").unwrap();
    let add = stage.run(["providers", "inspect", component.to_str().unwrap()]).await.unwrap();
    snapshot!(&stage, "providers-inspect", add);
    stage.run(["providers", "add", component.to_str().unwrap()]).await.unwrap().done();
    snapshot!(&stage, "providers-list", stage.say("providers list").await.unwrap());
    snapshot!(&stage, "apps-add", stage.say("apps add demo --json app.json").await.unwrap());
    snapshot!(&stage, "apps-list", stage.say("apps list").await.unwrap());

    // Connect manually: the printed URL, a browser, the small page.
    let (child, address, _out) = stage.begin(["connect", APP, "--print-url"]).await.unwrap();
    let page = browser(false).unwrap().get(&address).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("Demo Kitchen is connected"), "{page}");
    finish(child).await.unwrap().done();

    snapshot!(&stage, "channels", stage.say("channels").await.unwrap());
    snapshot!(&stage, "profile", stage.say("profile").await.unwrap());
    // Now its handle is known, and it can be called by that.
    let named = stage.say("channels @Demo.Kitchen").await.unwrap().done();
    assert!(named.stdout.contains("@demo.kitchen"), "{}", named.stdout);
    snapshot!(&stage, "channels-known", stage.say("channels").await.unwrap());
    snapshot!(&stage, "stats", stage.say("stats").await.unwrap());
    snapshot!(&stage, "list", stage.say("list --limit 3 --pages 2").await.unwrap());
    snapshot!(&stage, "form", stage.say("form").await.unwrap());
    stage.video(6_000_000).unwrap();
    let published = stage
        .run(["publish", "Demo Kitchen", "clip.mp4", "--text", "Leek soup", "--visibility", "SELF_ONLY"])
        .await
        .unwrap();
    snapshot!(&stage, "publish", published);
    snapshot!(&stage, "jobs-list", stage.say("jobs list").await.unwrap());
    snapshot!(&stage, "disconnect", stage.run(["disconnect", "Demo Kitchen", "--yes"]).await.unwrap());
    assert!(stage.simulator.violations().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn help_names_every_command() {
    let stage = Stage::empty().await.unwrap();
    snapshot!(&stage, "help", stage.say("--help").await.unwrap());
    for command in ["publish", "connect", "jobs", "serve", "doctor", "apps add", "settings set"] {
        let ran = stage.say(&format!("{command} --help")).await.unwrap().done();
        assert!(ran.stdout.contains("Usage: social-channel"), "{command}: {}", ran.stdout);
    }
    let mistaken = stage.say("publsh").await.unwrap();
    assert_eq!(mistaken.code, 1);
    assert!(mistaken.stderr.contains("'publish'"), "{}", mistaken.stderr);
    for shell in ["bash", "zsh", "fish"] {
        let ran = stage.say(&format!("completions {shell}")).await.unwrap().done();
        assert!(ran.stdout.contains("social-channel"), "{shell}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_parses_as_json() {
    let (stage, channel) = Stage::connected().await.unwrap();
    stage.video(6_000_000).unwrap();
    let file = component("plugin_tiktok").unwrap();
    let job = stage
        .say(&format!("publish {channel} clip.mp4 --text x --visibility SELF_ONLY --format json"))
        .await
        .unwrap()
        .done()
        .json();
    assert_eq!(job["status"], "published");
    let job = job["id"].as_str().unwrap().to_owned();
    for words in [
        "providers list".to_owned(),
        format!("providers inspect {}", file.display()),
        format!("providers add {}", file.display()),
        "apps list".to_owned(),
        format!("apps show {APP}"),
        format!("settings show {APP}"),
        format!("settings set {APP} daily-users 50"),
        format!("settings unset {APP} daily-users"),
        "channels".to_owned(),
        format!("channels {channel}"),
        format!("profile {channel}"),
        format!("stats {channel}"),
        format!("stats {channel} --history"),
        format!("list {channel} --limit 2 --pages 2"),
        format!("form {channel}"),
        format!("publish {channel} clip.mp4 --text x --visibility SELF_ONLY --check"),
        "jobs list".to_owned(),
        format!("jobs show {job}"),
        format!("jobs history {job}"),
        format!("jobs wait {job}"),
        "work --once".to_owned(),
        "keys list".to_owned(),
        "keys create one".to_owned(),
        "keys rotate".to_owned(),
        format!("disconnect {channel} --yes"),
        format!("apps remove {APP}"),
    ] {
        let ran = stage.say(&format!("{words} --format json")).await.unwrap();
        assert_eq!(ran.code, 0, "{words}: {ran:?}");
        ran.json();
    }
    let failed = stage.say("profile nobody --format json").await.unwrap();
    assert_eq!((failed.code, failed.stdout.as_str()), (1, ""));
    assert_eq!(failed.error()["kind"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_typed_or_piped_and_shown_masked() {
    let stage = Stage::with_app().await.unwrap();
    let ran =
        stage.type_in("settings set demo client-secret", "topsecret-of-the-day-1234\n").await.unwrap().done();
    assert!(ran.stdout.contains("****1234"), "{ran:?}");
    let ran = stage
        .command(["settings", "set", "demo", "client-secret", "--from-env", "MINE"])
        .env("MINE", "another-secret-of-mine-9876")
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.contains("****9876") && !text.contains("another"), "{text}");
    let shown = stage.say("apps show demo --format json").await.unwrap().done();
    assert!(!shown.stdout.contains("another-secret"), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn persons_are_given_passwords_listed_and_removed() {
    let stage = Stage::empty().await.unwrap();
    let list = async || stage.say("keys password --list --format json").await.unwrap().done().json();
    assert_eq!(list().await, serde_json::json!({"password": false, "people": []}));
    let anna = stage.type_in("keys password --name Anna --format json", "a long password\n").await.unwrap();
    assert_eq!(anna.done().json()["name"], "Anna");
    let short = stage.type_in("keys password --name Ben", "short\n").await.unwrap();
    assert!(short.code == 1 && short.stderr.contains("at least 10 characters"), "{short:?}");
    stage.type_in("keys password", "another long password\n").await.unwrap().done();
    let listed = list().await;
    assert_eq!((&listed["password"], &listed["people"][0]["name"]), (&true.into(), &"Anna".into()));
    let shown = stage.say("keys password --list").await.unwrap().done();
    assert!(shown.stdout.contains("Anna") && shown.stdout.contains("(without a name)"), "{shown:?}");
    assert_eq!(stage.say("keys password --name Carla --remove").await.unwrap().code, 1);
    stage.say("keys password --name anna --remove").await.unwrap().done();
    stage.say("keys password --remove").await.unwrap().done();
    assert_eq!(list().await, serde_json::json!({"password": false, "people": []}));
}

/// As somebody at a terminal, which `script` (of every Linux) provides.
#[cfg(target_os = "linux")]
async fn at_a_terminal(stage: &Stage, words: &str, typed: &str) -> Ran {
    use std::process::Stdio;
    use tokio::io::AsyncWriteExt as _;
    let command = format!("{} {words}", stage.program().display());
    let outside = stage.command([""; 0]);
    let variables = outside.as_std().get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut child = tokio::process::Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("SHELL", "/bin/sh")
        .envs(variables)
        .current_dir(stage.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(typed.as_bytes()).await.unwrap();
    // Open until the end: at the end of its input `script` hangs up.
    let ran = finish(child).await.unwrap();
    drop(stdin);
    ran
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn disconnecting_says_what_stops_and_asks() {
    let (stage, channel) = Stage::connected().await.unwrap();
    stage.video(6_000_000).unwrap();
    let publish = format!(
        "publish {channel} clip.mp4 --text Leeks --visibility SELF_ONLY --publish-at +2h --no-wait --format json"
    );
    let job = stage.say(&publish).await.unwrap().done().json()["id"].as_str().unwrap().to_owned();
    let disconnect = format!("disconnect {channel}");
    let job_line = format!("{job}  scheduled for ");

    // Nobody is there who could be asked.
    let alone = stage.say(&disconnect).await.unwrap();
    assert_eq!(alone.code, 1, "{alone:?}");
    assert!(alone.stderr.contains("Demo Kitchen") && alone.stderr.contains(&job_line), "{alone:?}");
    assert!(
        alone.stderr.contains("1 open job is cancelled") && alone.stderr.contains("hint: add --yes"),
        "{alone:?}"
    );
    let quiet = stage.say(&format!("{disconnect} --quiet --format json")).await.unwrap();
    assert_eq!(quiet.error()["kind"], "invalid_argument", "{quiet:?}");

    let refused = at_a_terminal(&stage, &disconnect, "n\n").await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stdout.contains(&job_line) && refused.stdout.contains("Disconnect it? [y/N]"),
        "{refused:?}"
    );
    assert!(refused.stdout.contains("nothing was disconnected"), "{refused:?}");
    assert_eq!(stage.say("channels --format json").await.unwrap().done().json().as_array().unwrap().len(), 1);
    assert_eq!(
        stage.say(&format!("jobs show {job} --format json")).await.unwrap().json()["status"],
        "active"
    );

    let agreed = at_a_terminal(&stage, &disconnect, "y\n").await;
    assert_eq!(agreed.code, 0, "{agreed:?}");
    assert!(agreed.stdout.contains("Demo Kitchen is disconnected, and the platform"), "{agreed:?}");
    assert_eq!(stage.say("channels --format json").await.unwrap().done().json(), serde_json::json!([]));
    assert_eq!(
        stage.say(&format!("jobs show {job} --format json")).await.unwrap().json()["status"],
        "cancelled"
    );
}

/// An app for browsers elsewhere asks which account, without a flag; the old flag is still taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_consent_asks_which_account() {
    let stage = Stage::with_app().await.unwrap();
    stage.say("settings set demo kind web").await.unwrap().done();
    stage.say("settings set demo client-key simkey-web").await.unwrap();
    for more in [&[][..], &["--choose-account"]] {
        let words =
            ["connect", APP, "--print-url", "--callback", "https://app.example.com/callback", "--paste"];
        let (mut child, address, _out) = stage.begin(words.iter().chain(more)).await.unwrap();
        assert!(address.contains("disable_auto_auth=1"), "{address}");
        child.start_kill().unwrap();
        child.wait().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_accounts_the_named_one_is_connected_and_of_two_of_one_name_none() {
    let stage = Stage::empty().await.unwrap();
    let component = component("test_provider").unwrap();
    stage.run(["providers", "add", component.to_str().unwrap()]).await.unwrap().done();
    stage.say("apps add test --callback http://127.0.0.1:*/back").await.unwrap().done();
    stage.say("settings set test behaviour two-accounts").await.unwrap().done();
    let connect = async |account: &str| stage.run(["connect", "test", "--account", account]).await.unwrap();
    let both = connect("@tester").await;
    assert_ne!(both.code, 0, "{both:?}");
    assert!(both.stderr.contains("Account one (one, @tester)"), "{both:?}");
    assert!(stage.say("channels --format json").await.unwrap().json().as_array().unwrap().is_empty());
    connect("account two").await.done();
    let channels = stage.say("channels --format json").await.unwrap().json();
    assert_eq!(channels[0]["account_id"], "two", "{channels}");
    // Now only one is called so.
    let shown = stage.say("channels @tester").await.unwrap().done();
    assert!(shown.stdout.contains("organisation-1"), "{}", shown.stdout);
}
