//! Providers that break one rule each: every rule finds its own, and no other rule does.
//!
//! `tests/guests/wrong-provider` is all of them; it posts to the small network of this crate.

use social_channel_conformance::{Description, RULES, Report, Verdict, check};

use crate::shared::{description, engine, guest};

/// How a provider has to post to break a rule: after a step announced as `once`, where the rule is about that.
fn way(rule: &str) -> &'static str {
    match rule {
        "interrupted-is-honoured" | "endings-are-true" | "posts-once" => "once",
        _ => "idempotent",
    }
}

fn network(behaviour: &str, way: &str) -> Description {
    description(&format!(
        "[server]\nfresh = true\n[app.settings]\nbehaviour = '{behaviour}'\nway = '{way}'\n\
         [connect.inputs]\nhandle = 'alice.test'\npassword = 'app-password-0001'\n\
         [publish]\npost = {{ kind = 'text', text = 'Hello' }}\nkey = '/rkey'\n\
         requests = ['POST /xrpc/com.atproto.repo.putRecord', 'POST /xrpc/com.atproto.repo.createRecord']\n\
         [count]\nurl = '{{origin}}/_network/records'\npointer = '/records'"
    ))
}

/// The component with some bytes of its data replaced.
fn patched(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = guest("wrong_provider");
    let at: Vec<usize> =
        (0..=bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!at.is_empty(), "no `{from}` in the guest");
    for at in at {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

async fn report(rule: &str, way: &str) -> Report {
    let component = match rule {
        "loads" => patched("wrong-provider", "Wrong Provider"),
        "descriptor-agrees" => patched("ABILITY=flown", "ABILITY=flies"),
        _ => guest("wrong_provider"),
    };
    check(engine(), &component, Some(&network(rule, way))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_breaks_no_rule_keeps_them_all() {
    for (way, only) in [("idempotent", "interrupted-is-honoured"), ("once", "idempotent-repeats")] {
        let report = report("", way).await;
        assert!(report.passed(), "{way}\n{}", report.text());
        assert!(report.interruptions > 3, "{}", report.text());
        for line in report.rules {
            let checked = matches!(line.verdict, Verdict::Holds);
            assert_eq!(checked, line.rule.id != only, "{way}: {}: {:?}", line.rule.id, line.verdict);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_finds_the_provider_that_breaks_it_and_no_other_does() {
    let mut wrong = String::new();
    for rule in RULES {
        let report = report(rule.id, way(rule.id)).await;
        if report.broken() != [rule.id] {
            wrong.push_str(&format!(
                "\n--- {} is found by {:?}\n{}\n",
                rule.id,
                report.broken(),
                report.text()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_what_needs_none_is_judged() {
    let report = check(engine(), &guest("wrong_provider"), None).await.unwrap();
    assert!(report.passed(), "{}", report.text());
    for line in report.rules {
        let checked = matches!(line.verdict, Verdict::Holds);
        let needs_nothing = line.rule.needs == social_channel_conformance::Needs::Nothing;
        assert_eq!(checked, needs_nothing, "{}: {:?}", line.rule.id, line.verdict);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_provider_breaks_the_first_rule() {
    let report = check(engine(), b"hello", None).await.unwrap();
    assert_eq!(report.broken(), ["loads"]);
    assert!(report.text().contains("it is text"), "{}", report.text());
}
