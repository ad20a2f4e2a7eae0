//! Every code that the platform is known to answer with has a kind, a sentence and a remedy of its own.
//!
//! Knows the source of neither side: the list of codes is what the simulator tells of itself, and the component
//! is asked through the library. That a code is known shows by its sentence: of a code that does not exist
//! the component can only say that there was one.

use std::collections::{BTreeMap, BTreeSet};

use library_tests::{OWNER, Stage, connect, consent, request};
use social_channel::{Error, ErrorKind, JobStatus};
use tiktok_simulator::{Action, CODES, CodeEntry, Fault};

/// No platform has such a code.
const NEVER: &str = "no_such_code_anywhere";

fn codes(families: &[&str]) -> Vec<&'static CodeEntry> {
    let codes: Vec<_> = CODES.iter().filter(|entry| families.contains(&entry.family)).collect();
    assert!(codes.len() > 8, "{families:?}");
    codes
}

/// An error without its code: what is left is what the component knows of it.
fn sentence(error: &Error, code: &str) -> String {
    format!("{:?} {} {}", error.kind, error.message, error.remedy.as_deref().unwrap_or_default())
        .replace(code, "CODE")
}

fn assert_known(error: &Error, code: &str, unknown: &Error) {
    assert_eq!(error.code.as_deref(), Some(code), "{error:?}");
    assert!(error.remedy.as_deref().is_some_and(|remedy| !remedy.is_empty()), "{code}: {error:?}");
    assert_ne!(sentence(error, code), sentence(unknown, NEVER), "{code} is treated as one that is not known");
}

fn refuse(stage: &Stage, path: &str, status: u16, code: &str) {
    let action = Action::Status { status, code: Some(code.to_owned()), retry_after: None };
    stage.simulator.faults().add(Fault::new(action).path(path));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_of_the_interface_is_known_by_itself_whatever_the_status() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap();
    for entry in codes(&["all", "display", "posting"]) {
        // The host takes these up itself: the one is refreshed, the other closes the allowance for a minute.
        if matches!(entry.code, "ok" | "access_token_invalid" | "rate_limit_exceeded") {
            continue;
        }
        // Posting codes come with 200 too, and one day perhaps all of them.
        let statuses = if entry.family == "posting" { vec![entry.status, 200] } else { vec![entry.status] };
        let mut kinds = BTreeSet::new();
        for status in statuses {
            let mut errors = Vec::new();
            // An unknown code with 401 is taken for a dead token: the host refreshes, and the call succeeds.
            let other = if status == 401 { 403 } else { status };
            for (code, status) in [(entry.code, status), (NEVER, other)] {
                refuse(&stage, "/v2/user/info/", status, code);
                errors.push(stage.tenant.stats(&channel.id).await.unwrap_err());
            }
            assert_known(&errors[0], entry.code, &errors[1]);
            kinds.insert(format!("{:?}", errors[0].kind));
        }
        assert_eq!(kinds.len(), 1, "{} means the same whatever the status: {kinds:?}", entry.code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_post_gets_a_form_that_says_so() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap();
    for code in ["spam_risk_too_many_posts", "spam_risk_user_banned_from_posting", "reached_active_user_cap"]
    {
        refuse(&stage, "/v2/post/publish/creator_info/query/", 200, code);
        let blocked = stage.tenant.publish_form(&channel.id).await.unwrap().blocked.unwrap().0;
        assert_eq!(blocked.code.as_deref(), Some(code));
        assert!(blocked.remedy.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_of_the_token_endpoint_is_known() {
    let stage = Stage::new().await.unwrap();
    let fails = async |status, code: &str| {
        refuse(&stage, "/v2/oauth/token/", status, code);
        let callback = consent(&stage.tenant, None).await.unwrap();
        stage.tenant.complete_connect(OWNER, callback).await.unwrap_err()
    };
    for entry in codes(&["oauth"]) {
        let status = if entry.code == "access_denied" { 400 } else { entry.status };
        let known = fails(status, entry.code).await;
        assert_known(&known, entry.code, &fails(status, NEVER).await);
    }
    // Where it really comes from.
    stage.simulator.edit(|world| world.switches.auto_consent.cancel = true);
    let callback = consent(&stage.tenant, None).await.unwrap();
    let error = stage.tenant.complete_connect(OWNER, callback).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::AuthorizationDenied, Some("access_denied")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_of_a_failed_post_is_known() {
    let stage = Stage::new().await.unwrap();
    // Ends the last job and its channel with it, so it comes last.
    let mut reasons: Vec<&str> = codes(&["fail_reason"]).iter().map(|entry| entry.code).collect();
    reasons.retain(|reason| *reason != "auth_removed");
    reasons.extend([NEVER, "auth_removed"]);
    let mut channels = Vec::new();
    for account in ["demo.kitchen", "walk.in", "private.pottery"] {
        stage.simulator.edit(|world| world.switches.auto_consent.account = Some(account.to_owned()));
        channels.push(connect(&stage.tenant, None).await.unwrap().id);
    }
    let mut ended: BTreeMap<String, Error> = BTreeMap::new();
    let (last, rest) = reasons.split_last().unwrap();
    for group in [rest, &[*last]] {
        for reason in group {
            let body = serde_json::json!({
                "data": { "status": "FAILED", "fail_reason": reason, "publicaly_available_post_id": [] },
                "error": { "code": "ok", "message": "", "log_id": "L" },
            });
            let content_type = "application/json".to_owned();
            let action = Action::Answer { status: 200, content_type, body: body.to_string() };
            stage.simulator.faults().add(Fault::new(action).path("/v2/post/publish/status/fetch/"));
        }
        // Which job gets which reason is open: each asks once, and each answer is given once.
        let mut jobs = Vec::new();
        for index in 0..group.len() {
            let channel = &channels[index % channels.len()];
            let mut request = request("A test", stage.video(100_000 + index as u64).unwrap());
            request.post.visibility = Some("SELF_ONLY".to_owned());
            jobs.push(stage.tenant.publish(channel, request).await.unwrap());
        }
        for job in jobs {
            let job = stage.wait(&job.id).await.unwrap();
            assert_eq!(job.status, JobStatus::Failed, "{job:?}");
            let error = job.error.unwrap();
            ended.insert(error.code.clone().unwrap(), error);
        }
    }
    let seen: BTreeSet<&str> = ended.keys().map(String::as_str).collect();
    assert_eq!(seen, reasons.iter().copied().collect());
    let unknown = ended.remove(NEVER).unwrap();
    for (code, error) in &ended {
        assert_known(error, code, &unknown);
    }
}
