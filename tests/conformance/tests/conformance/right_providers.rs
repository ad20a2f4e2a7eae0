//! The providers in Rust of this repository keep every rule that can be judged of them. Those in other languages are built and
//! judged by `run.sh`.

use std::path::Path;

use social_channel_conformance::{Description, Report, Verdict, check};

use crate::shared::{engine, guest, tiktok_server};

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
    let (_simulator, _folder, server) = tiktok_server(6_000_000).await;
    let report = check(engine(), &guest("plugin_tiktok"), Some(&server)).await.unwrap();
    keeps(&report, &["idempotent-repeats"]);
    assert!(report.interruptions >= 20, "{}", report.text());
}
