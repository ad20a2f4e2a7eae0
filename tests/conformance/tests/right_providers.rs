//! The providers in Rust of this repository keep every rule that can be judged of them. Those in other languages are built and
//! judged by `run.sh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

mod shared;

use std::path::Path;

use shared::{engine, guest};
use social_channel_conformance::{Description, Report, Verdict, check};
use tiktok_simulator::{Simulator, World};

/// That it keeps them, and that no other rules than these were left out.
fn keeps(report: &Report, not_checked: &[&str]) {
    assert!(report.passed(), "{}", report.text());
    let unjudged: Vec<&str> = report
        .rules
        .iter()
        .filter(|line| !matches!(line.verdict, Verdict::Holds))
        .map(|line| line.rule.id)
        .collect();
    assert_eq!(unjudged, not_checked, "{}", report.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_minimal_provider() {
    let server = Description::parse(
        "connect.inputs.name = 'ada'\npublish.post = { kind = 'text', text = 'Hello' }",
        Path::new(""),
    );
    let report = check(engine(), &guest("provider_minimal"), Some(&server.unwrap())).await.unwrap();
    // It calls no network, so nothing is known of requests.
    keeps(
        &report,
        &[
            "unsigned-webhooks",
            "errors-map",
            "effect-is-announced",
            "lost-answer-is-unknown",
            "interrupted-is-honoured",
        ],
    );
    assert!(report.interruptions >= 4, "{}", report.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn tiktok() {
    let mut world = World::demo();
    world.switches.auto_consent.enabled = true;
    // A hundred publishes in a few seconds are no day of a person.
    world.switches.rate_limit_divisor = 0;
    let simulator = Simulator::start(world).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    sample_video::write(&folder.path().join("video.mp4"), 6_000_000).unwrap();
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
    let report = check(engine(), &guest("plugin_tiktok"), Some(&server)).await.unwrap();
    keeps(&report, &["idempotent-repeats"]);
    assert!(report.interruptions >= 20, "{}", report.text());
}
