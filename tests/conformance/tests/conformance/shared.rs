//! What the tests of this crate share.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use social_channel_conformance::Description;
use social_channel_runtime::{Engine, EngineOptions};
use tiktok_simulator::{Simulator, World};

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).unwrap().to_owned()
}

/// The bytes of a component that `cargo xtask guests` built.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = target().join("wasm32-wasip2/guest").join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|_| panic!("no {}: run `cargo xtask guests` first", path.display()))
}

/// One engine, whose compiled code is kept for all tests and runs.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let options = EngineOptions {
            cache_dir: Some(target().join("compiled-components/conformance")),
            cache_key: Some([7; 32]),
            ..EngineOptions::default()
        };
        Engine::new(options).unwrap()
    })
}

/// A description whose server is the small network of this crate.
pub(crate) fn description(rest: &str) -> Description {
    let command = format!("server.command = ['{}']\n", env!("CARGO_BIN_EXE_small-network"));
    // The table that `rest` may have is this one, too.
    let text = match rest.strip_prefix("[server]\n") {
        Some(rest) => format!("[server]\ncommand = ['{}']\n{rest}", env!("CARGO_BIN_EXE_small-network")),
        None => format!("{command}{rest}"),
    };
    Description::parse(&text, Path::new("")).unwrap()
}

/// TikTok's simulator, where everybody consents, and its description with a video of this size. Both are gone when they are
/// dropped.
pub(crate) async fn tiktok_server(size: u64) -> (Simulator, tempfile::TempDir, Description) {
    let mut world = World::demo();
    world.switches.auto_consent.enabled = true;
    // A hundred publishes in a few seconds are no day of a person.
    world.switches.rate_limit_divisor = 0;
    let simulator = Simulator::start(world).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    sample_video::write(&folder.path().join("video.mp4"), size).unwrap();
    let origin = simulator.origin();
    let server = format!(
        "[server]\norigin = '{origin}'\nconnect_to = ['https://www.tiktok.com = {{origin}}', \
         'https://*.tiktokapis.com = {{origin}}', 'https://*.tiktokcdn.com = {{origin}}']\n\
         [app]\nredirect_uri = 'http://127.0.0.1:9123/callback'\n\
         [app.settings]\nclient-key = 'simkey-desktop'\nclient-secret = 'simsecret-desktop-0001'\n\
         kind = 'desktop'\nmode = 'live'\naudited = 'true'\n\
         [publish]\npost = {{ kind = 'video', text = 'Hello', visibility = 'PUBLIC_TO_EVERYONE' }}\n\
         media = ['video.mp4']\nrequests = ['PUT /upload*', 'PUT /video*']\n\
         [count]\nurl = '{{origin}}/_simulator/world'\npointer = '/posts'\n\
         [clock]\nurl = '{{origin}}/_simulator/clock/advance'\nmember = 'ms'"
    );
    let server = Description::parse(&server, folder.path()).unwrap();
    (simulator, folder, server)
}
