//! Tests of each way to connect, and of each failure.

use super::*;
use crate::settings::tests::environment;
use serde_json::{Value, json};
use social_channel_provider::http::SendError;
use social_channel_provider::testing::{FakeEnvironment, run};

const REDIRECT: &str = "https://app.example.com/connect/callback/";

fn request(redirect: &str) -> ConnectRequest {
    ConnectRequest {
        state: "st&te".to_owned(),
        redirect_uri: redirect.to_owned(),
        choose_account: true,
        inputs: Vec::new(),
        details: Vec::new(),
    }
}

fn redirect(environment: &FakeEnvironment, uri: &str) -> Redirect {
    match begin(environment, &request(uri)).unwrap() {
        ConnectStep::Redirect(redirect) => redirect,
        ConnectStep::Ask(_) | ConnectStep::Connected(_) => panic!("TikTok needs a browser"),
    }
}

fn tokens() -> Value {
    json!({"access_token": "act.1", "expires_in": 7200, "open_id": "open-1",
        "refresh_expires_in": 15_552_000, "refresh_token": "rft.1", "token_type": "Bearer",
        "scope": "video.publish,user.info.basic"})
}

fn user() -> Value {
    json!({"data": {"user": {"open_id": "open-1", "union_id": "union-1", "display_name": "Demo Kitchen",
        "avatar_url": "https://p.example/a"}}, "error": {"code": "ok", "message": "", "log_id": "l"}})
}

fn account() -> Account {
    Account {
        id: "open-1".to_owned(),
        credentials: br#"{"access_token":"act.0","refresh_token":"rft.0","expires_at":1795000100,"display_name":"Demo Kitchen"}"#
            .to_vec(),
        scopes: vec!["user.info.basic".to_owned()],
    }
}

fn callback(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn challenge_is_lower_case_hex() {
    assert_eq!(
        challenge("Simulator-verifier_0123456789.abcdefghij~KLMNOPQRST"),
        "fa5767f4fcf0b0a824efdb01a8e9f2c90d5362ce59d6930a1ac27b57a356e474"
    );
}

#[test]
fn a_web_app_sends_no_challenge_and_forces_the_choice() {
    let url = redirect(&environment(), REDIRECT).url;
    assert!(url.starts_with("https://www.tiktok.com/v2/auth/authorize/?client_key=awexamplekey01&"));
    assert!(url.contains("&redirect_uri=https%3A%2F%2Fapp.example.com%2Fconnect%2Fcallback%2F&"));
    assert!(url.contains(
        "&scope=user.info.basic%2Cuser.info.profile%2Cuser.info.stats%2Cvideo.list%2Cvideo.publish&"
    ));
    assert!(url.contains("&state=st%26te&disable_auto_auth=1"));
    assert!(!url.contains("code_challenge") && !url.contains("video.upload"));
}

#[test]
fn a_desktop_app_proves_itself_with_the_verifier_of_its_challenge() {
    let environment = environment().with_setting("kind", "desktop");
    let redirect = redirect(&environment, "http://127.0.0.1:7777/callback/");
    assert!(!redirect.url.contains("disable_auto_auth"));
    environment.answer_json(200, &tokens()).answer_json(200, &user());
    let callback = callback(&[("code", "Zx9*1!7001"), ("scopes", "user.info.basic")]);
    run(complete(&environment, &redirect.session, &callback)).unwrap();
    let body = environment.take_sent()[0].text();
    let verifier = body.split("code_verifier=").nth(1).unwrap();
    assert_eq!(verifier.len(), 64);
    assert!(
        redirect.url.contains(&format!("code_challenge={}&code_challenge_method=S256", challenge(verifier)))
    );
    assert!(body.contains("code=Zx9*1%217001&"), "decoded once, encoded once: {body}");
    assert!(body.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A7777%2Fcallback%2F"));
}

#[test]
fn redirect_addresses_follow_the_kind_of_registration() {
    for (kind, uri, good) in [
        ("web", REDIRECT, true),
        ("web", "http://app.example.com/cb", false),
        ("web", "https://localhost:8080/cb", false),
        ("web", "https://app.example.com/cb?x=1", false),
        ("web", "https://app.example.com/cb#f", false),
        ("desktop", "http://localhost:1234/cb/", true),
        ("desktop", "http://127.0.0.1/cb/", false),
        ("desktop", REDIRECT, false),
    ] {
        let result = begin(&environment().with_setting("kind", kind), &request(uri));
        assert_eq!(result.is_ok(), good, "{kind} {uri}");
        if let Err(error) = result {
            assert_eq!(error.field.as_deref(), Some("redirect-uri"));
        }
    }
}

#[test]
fn a_partial_grant_names_what_is_missing() {
    let environment = environment();
    let session = redirect(&environment, REDIRECT).session;
    environment.answer_json(200, &tokens()).answer_json(200, &user());
    let made = run(complete(&environment, &session, &callback(&[("code", "c")]))).unwrap();
    assert_eq!(made[0].display_name, "Demo Kitchen");
    assert_eq!(made[0].account.id, "open-1");
    assert_eq!(made[0].expires_at, Some(1_795_007_200));
    assert_eq!(made[0].missing_scopes, ["user.info.profile", "user.info.stats", "video.list"]);
    assert!(
        environment.take_sent()[1].url.ends_with("fields=open_id%2Cunion_id%2Cdisplay_name%2Cavatar_url")
    );
}

#[test]
fn tokens_are_kept_though_the_profile_fails() {
    let environment = environment();
    let session = redirect(&environment, REDIRECT).session;
    environment.answer_json(200, &tokens()).answer_text(500, "<html>");
    let made = run(complete(&environment, &session, &callback(&[("code", "c")]))).unwrap();
    assert_eq!(made[0].display_name, "TikTok account");
}

#[test]
fn each_refusal_of_the_consent_page_has_its_kind() {
    let environment = environment();
    let session = redirect(&environment, REDIRECT).session;
    for (pairs, kind, field) in [
        (&[("error", "access_denied")][..], ErrorKind::AuthorizationDenied, None),
        (
            &[("error", "access_denied"), ("error_type", "non_sandbox_target")][..],
            ErrorKind::AuthorizationDenied,
            None,
        ),
        (
            &[("error", "unauthorized_client"), ("error_type", "client_key")][..],
            ErrorKind::Misconfigured,
            Some("client-key"),
        ),
        (
            &[("error", "invalid_request"), ("error_type", "redirect_uri")][..],
            ErrorKind::Misconfigured,
            Some("redirect-uri"),
        ),
        (
            &[("error", "invalid_request"), ("error_type", "code_challenge")][..],
            ErrorKind::Misconfigured,
            Some("kind"),
        ),
        (&[("error", "x"), ("error_type", "scope")][..], ErrorKind::Misconfigured, Some("scopes")),
        (&[("scopes", "a")][..], ErrorKind::InvalidRequest, None),
    ] {
        let error = run(complete(&environment, &session, &callback(pairs))).unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (kind, field), "{pairs:?}");
    }
    let target = callback(&[("error", "access_denied"), ("error_type", "non_sandbox_target")]);
    let error = run(complete(&environment, &session, &target)).unwrap_err();
    assert!(error.message.contains("target user"), "not a cancel (trap 13)");
}

#[test]
fn failures_of_the_token_endpoint_count_whatever_their_status() {
    for (status, body, kind) in [
        (400, r#"{"error":"invalid_grant","error_description":"x","log_id":"L"}"#, ErrorKind::Unauthorized),
        (200, r#"{"error":"invalid_grant","error_description":"x","log_id":"L"}"#, ErrorKind::Unauthorized),
        (401, r#"{"error":"invalid_client"}"#, ErrorKind::Misconfigured),
        (503, r#"{"error":"temporarily_unavailable"}"#, ErrorKind::Unavailable),
        (502, "<html>", ErrorKind::OutcomeUnknown),
        (200, "{}", ErrorKind::OutcomeUnknown),
        (200, "", ErrorKind::OutcomeUnknown),
        (429, "", ErrorKind::RateLimited),
    ] {
        let environment = environment();
        environment.answer_text(status, body);
        let error = run(refresh(&environment, account())).unwrap_err();
        assert_eq!(error.kind, kind, "{status} {body}");
    }
}

#[test]
fn a_refresh_returns_the_new_pair_and_the_shrunken_scopes() {
    let environment = environment();
    environment.answer_json(200, &tokens());
    let made = run(refresh(&environment, account())).unwrap();
    assert_eq!(Credentials::of(&made.account).unwrap().refresh_token.unwrap().reveal(), "rft.1");
    assert_eq!(made.account.scopes, ["video.publish", "user.info.basic"]);
    assert_eq!(made.display_name, "Demo Kitchen");
    let sent = environment.take_sent();
    assert_eq!(sent.len(), 1, "the new token is not used before the host has stored it");
    assert!(!sent[0].text().contains("redirect_uri"));
}

#[test]
fn a_lost_refresh_is_unknown_and_an_unsent_one_is_an_outage() {
    let environment = environment();
    environment.answer(Err(SendError::Lost("reset".to_owned())));
    assert_eq!(run(refresh(&environment, account())).unwrap_err().kind, ErrorKind::OutcomeUnknown);
    environment.answer(Err(SendError::NotSent("refused".to_owned())));
    assert_eq!(run(refresh(&environment, account())).unwrap_err().kind, ErrorKind::Unavailable);
}

#[test]
fn another_account_is_never_taken_for_this_one() {
    let environment = environment();
    environment.answer_json(200, &tokens());
    let other = Account { id: "open-2".to_owned(), ..account() };
    assert_eq!(run(refresh(&environment, other)).unwrap_err().kind, ErrorKind::Other);
}

#[test]
fn revoking_takes_an_empty_answer_and_asks_for_a_fresh_token() {
    let environment = environment();
    environment.answer_text(200, "").answer_text(200, "{}");
    run(revoke(&environment, &account())).unwrap();
    run(revoke(&environment, &account())).unwrap();
    assert!(environment.take_sent()[0].text().ends_with("&token=act.0"));
    environment.advance_ms(200_000);
    assert_eq!(run(revoke(&environment, &account())).unwrap_err().kind, ErrorKind::CredentialsExpired);
}

fn bringing(pairs: &[(&str, &str)]) -> ConnectRequest {
    let inputs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    ConnectRequest { inputs, ..request("https://app.example.com/elsewhere?not=registered") }
}

fn brought(environment: &FakeEnvironment, pairs: &[(&str, &str)]) -> Result<Connection, Error> {
    match run(connect(environment, &bringing(pairs)))? {
        ConnectStep::Connected(mut connections) => Ok(connections.remove(0)),
        ConnectStep::Redirect(_) | ConnectStep::Ask(_) => panic!("a token needs no browser"),
    }
}

#[test]
fn without_a_token_the_browser_is_the_way() {
    let environment = environment();
    let empty =
        ConnectRequest { inputs: vec![("refresh-token".to_owned(), " ".to_owned())], ..request(REDIRECT) };
    for request in [request(REDIRECT), empty] {
        assert!(matches!(run(connect(&environment, &request)).unwrap(), ConnectStep::Redirect(_)));
    }
    assert!(environment.take_sent().is_empty());
}

#[test]
fn a_refresh_token_is_proven_by_one_refresh_and_what_it_answers_is_kept() {
    let environment = environment();
    environment.answer_json(200, &tokens());
    let made = brought(&environment, &[("refresh-token", " rft.old "), ("account-id", "open-9")]).unwrap();
    assert_eq!(made.account.id, "open-1", "whose it is, says the answer alone");
    let kept = Credentials::of(&made.account).unwrap();
    assert_eq!((kept.access_token.reveal(), kept.refresh_token.unwrap().reveal()), ("act.1", "rft.1"));
    assert_eq!(made.account.scopes, ["video.publish", "user.info.basic"]);
    assert_eq!(made.missing_scopes, ["user.info.profile", "user.info.stats", "video.list"]);
    assert_eq!(made.expires_at, Some(1_795_007_200));
    let sent = environment.take_sent();
    assert_eq!(sent.len(), 1, "the new token is not used before the host has stored it");
    assert!(sent[0].text().ends_with("grant_type=refresh_token&refresh_token=rft.old"));
}

#[test]
fn an_access_token_that_works_tells_whose_account_it_is_first() {
    let environment = environment();
    environment.answer_json(200, &user()).answer_json(200, &tokens());
    let all = [("refresh-token", "rft.old"), ("access-token", "act.old"), ("account-id", "open-1")];
    let made = brought(&environment, &all).unwrap();
    assert_eq!((made.display_name.as_str(), made.details.len()), ("Demo Kitchen", 1));
    let sent = environment.take_sent();
    assert_eq!((sent.len(), sent[0].header("authorization")), (2, Some("Bearer act.old")));

    environment.answer_json(200, &user());
    let error = brought(&environment, &[all[0], all[1], ("account-id", "open-9")]).unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("account-id")));
    assert_eq!(environment.take_sent().len(), 1, "the refresh token is not used up for another account");

    let stale = json!({"data": {}, "error": {"code": "access_token_invalid", "message": "m", "log_id": "l"}});
    environment.answer_json(401, &stale).answer_json(200, &tokens());
    assert_eq!(brought(&environment, &all).unwrap().display_name, "TikTok account");
    environment.take_sent();
    environment.answer_text(503, "");
    assert_eq!(brought(&environment, &all).unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(environment.take_sent().len(), 1, "an outage uses nothing up");
}

#[test]
fn what_is_no_token_is_refused_before_anything_is_sent() {
    let environment = environment();
    for (pairs, field) in [
        (&[("access-token", "act.1")][..], "refresh-token"),
        (&[("refresh-token", "act.1")][..], "refresh-token"),
        (&[("refresh-token", "rft.1 rft.2")][..], "refresh-token"),
        (&[("refresh-token", "rft.1"), ("account-id", "a b")][..], "account-id"),
    ] {
        let error = run(connect(&environment, &bringing(pairs))).unwrap_err();
        assert_eq!(
            (error.kind, error.field.as_deref()),
            (ErrorKind::InvalidRequest, Some(field)),
            "{pairs:?}"
        );
    }
    assert!(environment.take_sent().is_empty());
}

#[test]
fn a_dead_token_and_a_lost_answer_are_different_things() {
    let environment = environment();
    environment.answer_json(400, &json!({"error": "invalid_grant", "error_description": "x", "log_id": "L"}));
    let pair = [("refresh-token", "rft.dead")];
    let error = brought(&environment, &pair).unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Unauthorized, Some("invalid_grant")));
    assert!(!format!("{error:?}").contains("rft."), "{error:?}");
    environment.answer(Err(SendError::Lost("reset".to_owned())));
    assert_eq!(brought(&environment, &pair).unwrap_err().kind, ErrorKind::OutcomeUnknown);
}
