//! Tests of the init of an upload and of a pull.

use super::*;
use crate::creator::FRESH;
use crate::{creator, form, quota};

#[test]
fn refusals_of_init_end_it_or_wait_by_their_code() {
    for (status, code, ends) in [
        (403, "unaudited_client_can_only_post_to_private_accounts", Some(ErrorKind::Rejected)),
        (403, "spam_risk_user_banned_from_posting", Some(ErrorKind::Rejected)),
        (403, "spam_risk_too_many_posts", Some(ErrorKind::QuotaExceeded)),
        (200, "spam_risk_too_many_posts", Some(ErrorKind::QuotaExceeded)),
        (403, "privacy_level_option_mismatch", Some(ErrorKind::InvalidRequest)),
        (400, "invalid_params", Some(ErrorKind::InvalidRequest)),
        (400, "invalid_param", Some(ErrorKind::InvalidRequest)),
        (403, "reached_active_user_cap", None),
        (403, "url_ownership_unverified", None),
        (401, "access_token_invalid", None),
        (401, "scope_not_authorized", None),
        (429, "rate_limit_exceeded", None),
        (500, "internal_error", None),
    ] {
        let mut drive = Drive::video(1000);
        drive.json(status, &failure(code));
        match (drive.try_go(false, None), ends) {
            (Ok(step), Some(kind)) => {
                let NextStep::Failed(error) = step.next else { panic!("{code}") };
                assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)));
                assert_eq!(error.trace_id.as_deref(), Some("L"));
            }
            (Err(error), None) => assert_eq!(error.code.as_deref(), Some(code)),
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[test]
fn a_publish_that_paused_looks_again_what_the_account_offers() {
    let changed =
        ok(json!({"creator_username": "demo", "privacy_level_options": ["FOLLOWER_OF_CREATOR", "SELF_ONLY"],
        "comment_disabled": false, "duet_disabled": true, "stitch_disabled": true}));
    let mut drive = Drive::video(1000);
    drive.environment.advance_ms(FRESH * 1000);
    drive.json(200, &changed);
    assert!(matches!(drive.go(), NextStep::Failed(error) if error.field.as_deref() == Some("visibility")));
    assert_eq!(drive.paths(), ["/publish/creator_info/query/"], "TikTok counts such inits against the app");

    let mut drive = Drive::video(1000);
    drive.environment.advance_ms(FRESH * 1000);
    drive.json(200, &creator_info()).json(200, &init_answer("pub-1"));
    drive.go();
    assert_eq!(drive.step.reference.as_deref(), Some("pub-1"));
}

#[test]
fn a_cap_that_tiktok_names_shows_in_the_ledger() {
    let mut drive = Drive::video(1000);
    drive.json(403, &failure("spam_risk_too_many_posts")).go();
    let ledgers = run(quota::publishing(&drive.environment, "open-1")).unwrap();
    let (used, resets_at) = ledgers.used(&quota::POSTS, drive.environment.now_ms());
    assert_eq!(used, 15);
    assert!(resets_at.is_some_and(|at| at > drive.environment.now()));
}

#[test]
fn the_ledger_waits_before_a_seventh_init() {
    let mut drive = Drive::video(1000);
    for n in 0..6 {
        drive.json(200, &init_answer(&format!("pub-{n}"))).try_go(false, None).unwrap();
    }
    drive.sent();
    let error = drive.try_go(false, None).unwrap_err();
    assert_eq!((error.kind, error.retry_after), (ErrorKind::RateLimited, Some(65_000)));
    assert!(drive.sent().is_empty());
    drive.environment.advance_ms(65_000);
    drive.json(200, &init_answer("pub-7"));
    drive.go();
}

#[test]
fn a_resumed_publish_takes_the_answer_of_the_form_that_was_just_drawn() {
    let changed = ok(json!({"creator_username": "demo", "privacy_level_options": ["SELF_ONLY"]}));
    let mut drive = Drive::video(1000);
    drive.environment.advance_ms(FRESH * 1000);
    drive.json(200, &creator_info());
    run(form::get(&drive.environment, &account())).unwrap();
    drive.json(200, &init_answer("pub-1")).go();
    assert_eq!(drive.paths(), ["/publish/creator_info/query/", "/publish/video/init/"]);

    // The publish does not end: the account may have been changed back since the form.
    let mut drive = Drive::video(1000);
    drive.environment.advance_ms(FRESH * 1000);
    drive.json(200, &changed);
    run(form::get(&drive.environment, &account())).unwrap();
    drive.json(200, &creator_info()).json(200, &init_answer("pub-1")).go();
    assert_eq!(drive.step.reference.as_deref(), Some("pub-1"));
}

#[test]
fn after_a_refused_init_tiktok_is_asked_what_the_account_may_do() {
    for code in ["privacy_level_option_mismatch", "spam_risk_too_many_posts", "reached_active_user_cap"] {
        for mut drive in [Drive::video(1000), Drive::pulling()] {
            let kept = run(creator::recent(&drive.environment, &account())).unwrap();
            assert!(kept.is_kept);
            let _ = drive.json(403, &failure(code)).try_go(false, None);
            drive.json(200, &creator_info());
            assert!(!run(creator::recent(&drive.environment, &account())).unwrap().is_kept, "{code}");
        }
    }
    for (status, code) in [(429, "rate_limit_exceeded"), (503, "internal_error")] {
        let mut drive = Drive::video(1000);
        let _ = drive.json(status, &failure(code)).try_go(false, None);
        assert!(run(creator::recent(&drive.environment, &account())).unwrap().is_kept, "{code}");
    }
}
