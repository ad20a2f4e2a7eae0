//! Providers are compiled by a child process of the program, which has limits and ends with the process that waits for it.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use cli_tests::{Stage, component, finish};
use library_tests::{hostile, until};
use social_channel::{Compile, ErrorKind, Host, HostBuilder, KeySource, Limits, SecretText};
use tokio::process::Command;

fn guest(name: &str) -> Vec<u8> {
    std::fs::read(component(name).unwrap()).unwrap()
}

/// Minutes for a compiler, within every limit of structure.
fn slow() -> Vec<u8> {
    hostile::tangled(&guest("minimal_provider"), 1_500, 200, 1_000)
}

fn limits(memory: u64, time: Duration) -> Limits {
    let mut limits = Limits::default();
    limits.compile_memory = memory;
    limits.compile_time = time;
    limits
}

/// The program at a path of this stage alone, by which its child is known among those of other tests.
fn own_program(stage: &Stage) -> PathBuf {
    let program = stage.path("social-channel");
    if !program.exists() {
        std::os::unix::fs::symlink(stage.program(), &program).unwrap();
    }
    program
}

/// A host of its own, by the program's child.
async fn embedded(stage: &Stage, limits: Limits) -> Host {
    let compile = Compile::Program(own_program(stage));
    Host::builder().compile(compile).limits(limits).open().await.unwrap()
}

/// Children of a process that compile, started by this path.
fn compilers(parent: u32, program: &Path) -> Vec<u32> {
    let wanted = format!("{}\0compile-component\0", program.display());
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the name, which may contain anything: state and parent.
        let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
        let is_child = rest.next()? != "Z" && rest.next()? == parent.to_string();
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        (is_child && command.starts_with(&wanted)).then_some(pid)
    });
    processes.collect()
}

fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_no_sane_structure_is_refused_before_it_is_compiled() {
    let stage = Stage::empty().await.unwrap();
    let provider = guest("minimal_provider");
    for (bytes, word) in [
        (hostile::many_functions(&provider), "functions"),
        (hostile::nested_loops(&provider), "inside each other"),
    ] {
        let file = stage.path("hostile.wasm");
        std::fs::write(&file, &bytes).unwrap();
        let ran = stage.run(["providers", "add", file.to_str().unwrap(), "--format", "json"]).await.unwrap();
        assert_eq!(ran.error()["kind"], "limit_exceeded", "{ran:?}");
        assert!(ran.error()["message"].as_str().unwrap().contains(word), "{ran:?}");
        // Nor by a program that compiles in its own process.
        let host = Host::builder().open().await.unwrap();
        assert_eq!(host.load_provider(&bytes).await.unwrap_err().kind, ErrorKind::LimitExceeded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compiling_is_limited_in_memory_and_time() {
    let stage = Stage::empty().await.unwrap();
    let host = embedded(&stage, limits(64 << 20, Duration::from_secs(300))).await;
    let error = host.load_provider(&slow()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LimitExceeded, "{error:?}");
    assert!(error.message.contains("64 MiB"), "{error:?}");
    // What is ordinary needs less.
    host.load_provider(&guest("plugin_tiktok")).await.unwrap();

    let host = embedded(&stage, limits(1 << 30, Duration::from_millis(1_500))).await;
    let error = host.load_provider(&slow()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LimitExceeded, "{error:?}");
    assert!(error.message.contains("1.5 seconds"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_component_holds_no_other_and_ends_with_its_future() {
    let stage = Stage::empty().await.unwrap();
    let host = embedded(&stage, Limits::default()).await;
    let loading = tokio::spawn({
        let host = host.clone();
        async move { host.load_provider(&slow()).await.map(drop) }
    });
    let (me, program) = (std::process::id(), own_program(&stage));
    let child = until("the child compiles", async || compilers(me, &program).first().copied()).await;
    host.load_provider(&guest("minimal_provider")).await.unwrap();
    assert!(is_running(child) && !loading.is_finished());
    loading.abort();
    until("the child is ended", async || (!is_running(child)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_child_ends_with_a_killed_parent() {
    let stage = Stage::empty().await.unwrap();
    let file = stage.path("slow.wasm");
    std::fs::write(&file, slow()).unwrap();
    let mut program = stage.command(["providers", "add", file.to_str().unwrap()]).spawn().unwrap();
    let id = program.id().unwrap();
    let child =
        until("the child compiles", async || compilers(id, Path::new("/proc/self/exe")).first().copied())
            .await;
    program.kill().await.unwrap();
    until("the child is ended", async || (!is_running(child)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_compiles_nothing_takes_what_was_added_before() {
    let stage = Stage::empty().await.unwrap();
    let component = component("minimal_provider").unwrap();
    let bytes = guest("minimal_provider");
    // With the program's data folder and key.
    let key = || KeySource::Text(SecretText::new("00112233445566778899aabbccddeeff".repeat(2)));
    let open = async || {
        let data = stage.path("data");
        std::fs::create_dir_all(&data).unwrap();
        let host = Host::builder().database(data.join("social-channel.sqlite")).cache(data.join("cache"));
        host.key(key()).compile(Compile::Cached).open().await.unwrap()
    };
    let error = open().await.load_provider(&bytes).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LoadFailed, "{error:?}");
    assert!(error.remedy.unwrap().contains("same data folder"));
    stage.run(["providers", "add", component.to_str().unwrap()]).await.unwrap().done();
    open().await.load_provider(&bytes).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_is_named_for_what_it_is() {
    let with = async |program: &str| {
        let builder: HostBuilder = Host::builder().compile(Compile::Program(program.into()));
        builder.open().await.unwrap().load_provider(&guest("minimal_provider")).await.unwrap_err()
    };
    for program in ["/nonexistent/social-channel", "/bin/true", "/bin/echo", "/bin/false"] {
        let error = with(program).await;
        assert_eq!(error.kind, ErrorKind::Misconfigured, "{program}: {error:?}");
        assert!(error.message.contains(program) && error.remedy.is_some(), "{error:?}");
    }
}

/// Runs the program through another one that takes something away first.
async fn under(stage: &Stage, launcher: [&str; 3], words: &[&str]) -> cli_tests::Ran {
    let plain = stage.command(words);
    let mut command = Command::new(launcher[0]);
    command.args(&launcher[1..]).arg(stage.program()).args(words).env_clear();
    for (name, value) in plain.as_std().get_envs() {
        command.env(name, value.unwrap());
    }
    command.current_dir(stage.folder.path());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    finish(command.spawn().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gigabytes_of_address_space_are_enough() {
    let (stage, channel) = Stage::connected().await.unwrap();
    // Compiled again under the limit, too.
    std::fs::remove_dir_all(stage.path("data/cache")).unwrap();
    let little = ["sh", "-c", r#"ulimit -v 2097152; exec "$0" "$@""#];
    under(&stage, little, &["profile", &channel]).await.done();
    under(&stage, little, &["list", &channel]).await.done();
    // The other way round: what was compiled for little serves nobody else, and is compiled once more.
    stage.run(["profile", &channel]).await.unwrap().done();
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_may_not_be_executed_is_named() {
    assert!(Path::new("/usr/bin/perl").exists(), "perl is missing: it sets what no shell can set");
    let prctl = if cfg!(target_arch = "x86_64") { 157 } else { 167 };
    // PR_SET_MDWE, which Linux has since 6.3.
    let script = format!("syscall({prctl}, 65, 1, 0, 0, 0) == 0 or exit 77; exec @ARGV");
    let stage = Stage::empty().await.unwrap();
    let component = component("minimal_provider").unwrap();
    let words = ["providers", "add", component.to_str().unwrap(), "--format", "json"];
    let ran = under(&stage, ["/usr/bin/perl", "-e", &script], &words).await;
    if ran.code == 77 {
        eprintln!("not tried: this kernel cannot forbid it");
        return;
    }
    let error = ran.error();
    assert_eq!(error["kind"], "misconfigured", "{error}");
    assert!(error["remedy"].as_str().unwrap().contains("MemoryDenyWriteExecute"), "{error}");
}
