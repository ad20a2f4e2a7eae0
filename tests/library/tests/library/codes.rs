//! Every known error code of the platform has its own kind, sentence and remedy.
//!
//! It uses the source of neither side: the list of codes comes from the simulator, and the component is called
//! through the library. A known code has its own sentence; for an unknown code the component only returns a
//! general one.

use std::collections::{BTreeMap, BTreeSet};

use library_tests::{OWNER, Stage, connect, consent, request};
use social_channel::model::{ListQuery, PostSummary};
use social_channel::{Error, ErrorKind, JobStatus};
use tiktok_simulator::{Action, CODES, CodeEntry, Fault};

/// No platform has such a code.
const NEVER: &str = "no_such_code_anywhere";

fn codes(families: &[&str]) -> Vec<&'static CodeEntry> {
    let codes: Vec<_> = CODES.iter().filter(|entry| families.contains(&entry.family)).collect();
    assert!(codes.len() > 8, "{families:?}");
    codes
}

/// An error's text without its code.
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
        // The host handles these itself: one causes a refresh, the other closes the allowance for a minute.
        if matches!(entry.code, "ok" | "access_token_invalid" | "rate_limit_exceeded") {
            continue;
        }
        // Posting codes may also come with status 200.
        let statuses = if entry.family == "posting" { vec![entry.status, 200] } else { vec![entry.status] };
        let mut kinds = BTreeSet::new();
        for status in statuses {
            let mut errors = Vec::new();
            // An unknown code with 401 counts as an expired token: the host refreshes, and the call succeeds.
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
    // The endpoint that actually returns it.
    stage.simulator.edit(|world| world.switches.auto_consent.cancel = true);
    let callback = consent(&stage.tenant, None).await.unwrap();
    let error = stage.tenant.complete_connect(OWNER, callback).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::AuthorizationDenied, Some("access_denied")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_of_a_failed_post_is_known() {
    let stage = Stage::new().await.unwrap();
    // It ends the last job and its channel, so it comes last.
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
        // The assignment of reasons to jobs is not fixed: each job asks once, and each response is used once.
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

/// Titles that were cut in the middle of an emoji leave half of it behind.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_character_in_an_answer_costs_nothing_but_itself() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let answers = |path: &str, data: &str| {
        let body = format!(r#"{{"data":{data},"error":{{"code":"ok","message":"\ud83d","log_id":"L"}}}}"#);
        let content_type = "application/json".to_owned();
        let answer = Action::Answer { status: 200, content_type, body };
        stage.simulator.faults().add(Fault::new(answer).path(path));
    };
    answers("/v2/user/info/", r#"{"user":{"open_id":"x","display_name":"Kitchen \udf72"}}"#);
    assert_eq!(stage.tenant.profile(&channel).await.unwrap().display_name, "Kitchen \u{fffd}");
    let videos =
        r#"{"videos":[{"id":"1","title":"soup \ud83d"},{"id":"2","title":"bread"}],"has_more":false}"#;
    answers("/v2/video/list/", videos);
    let page = stage.tenant.list_posts(&channel, &ListQuery { limit: 5, cursor: None }).await.unwrap();
    let seen = |posts: &[PostSummary]| -> Vec<Option<String>> {
        posts.iter().map(|post| post.title.clone().or(post.text.clone())).collect()
    };
    let expected = vec![Some("soup \u{fffd}".to_owned()), Some("bread".to_owned())];
    assert_eq!(seen(&page.posts), expected);
    answers("/v2/video/query/", videos);
    let ids = ["1".to_owned(), "2".to_owned()];
    assert_eq!(seen(&stage.tenant.get_posts(&channel, &ids).await.unwrap()), expected);
    answers(
        "/v2/post/publish/creator_info/query/",
        r#"{"creator_nickname":"Kitchen \ud83d","privacy_level_options":["SELF_ONLY"]}"#,
    );
    assert_eq!(stage.tenant.publish_form(&channel).await.unwrap().account_name, "Kitchen \u{fffd}");

    // The answers that decide a post: what was refused is known, and what is online is.
    let refused = r#"{"data":{},"error":{"code":"invalid_params","message":"soup \ud83d","log_id":"L"}}"#;
    let answer = |status: u16, body: &str| Action::Answer {
        status,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
    };
    stage.simulator.faults().add(Fault::new(answer(400, refused)).path("/v2/post/publish/video/init/"));
    let failed = stage.publish(&channel, stage.video(4_096).unwrap()).await.unwrap();
    assert_eq!(failed.error.unwrap().code.as_deref(), Some("invalid_params"));
    answers(
        "/v2/post/publish/status/fetch/",
        r#"{"status":"FAILED","fail_reason":"file_format_check_failed","soup":"\ud83d"}"#,
    );
    let failed = stage.publish(&channel, stage.video(4_096).unwrap()).await.unwrap();
    assert_eq!(failed.status, JobStatus::Failed);
    assert_eq!(failed.error.unwrap().code.as_deref(), Some("file_format_check_failed"));
    let callback = consent(&stage.tenant, None).await.unwrap();
    let expired = r#"{"error":"invalid_grant","error_description":"expired \ud83d","log_id":"L"}"#;
    stage.simulator.faults().add(Fault::new(answer(400, expired)).path("/v2/oauth/token/"));
    let error = stage.tenant.complete_connect(OWNER, callback).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("invalid_grant"), "{error:?}");
}
