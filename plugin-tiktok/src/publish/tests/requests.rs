//! Tests of the number of requests for one post. TikTok allows 20 creator info queries, 6 inits and 30 status
//! queries per minute and account, so each unnecessary request reduces the number of posts.

use std::collections::BTreeMap;

use super::*;
use social_channel_provider::{MediaInfo, Severity};

use crate::{check, form};

/// Answers as TikTok does in the successful case.
fn well(request: &SentRequest) -> Response {
    let json =
        |body: Value| Response { status: 200, body: body.to_string().into_bytes(), ..Response::default() };
    match request.url.rsplit_once("/v2/post/publish/").map_or("", |(_, path)| path) {
        "creator_info/query/" => json(creator_info()),
        "video/init/" => json(init_answer("pub-1")),
        "content/init/" => json(ok(json!({"publish_id": "pub-1"}))),
        "status/fetch/" => {
            json(status_answer("PUBLISH_COMPLETE", json!({"publicaly_available_post_id": [7]})))
        }
        _ => {
            let range = request.header("content-range").unwrap();
            let (sent, total) = range.split_once('-').unwrap().1.split_once('/').unwrap();
            let is_last = sent.parse::<u64>().unwrap() + 1 == total.parse::<u64>().unwrap();
            Response { status: if is_last { 201 } else { 206 }, ..Response::default() }
        }
    }
}

/// Makes all calls of a host for one post: the page's form, its check, the form again before sending, and the
/// publish to its end. Returns the number of requests per URL.
fn whole_publish(environment: FakeEnvironment, post: &Post, media: &[FakeMedia]) -> BTreeMap<String, usize> {
    environment.respond(|request| Ok(well(request)));
    let infos: Vec<_> = media.iter().map(Media::info).collect();
    run(form::get(&environment, &account())).unwrap();
    environment.advance_ms(60_000);
    run(check::report(&environment, &account(), post, &infos)).unwrap();
    run(form::get(&environment, &account())).unwrap();
    let mut step = run(begin(&environment, &account(), post, &infos)).unwrap();
    while !matches!(step.next, NextStep::Published(_)) {
        if let NextStep::Wait(milliseconds) = step.next {
            environment.advance_ms(milliseconds);
        }
        let resume = Resume::new(false);
        step = run(advance(&environment, &account(), &step.state, media, &resume)).unwrap();
    }
    let mut asked = BTreeMap::new();
    for request in environment.take_sent() {
        let name = request.url.rsplit_once("/publish/").map_or("chunk", |(_, name)| name);
        *asked.entry(name.to_owned()).or_default() += 1;
    }
    asked
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
}

#[test]
fn a_publish_asks_no_more_than_its_forms_and_its_steps_need() {
    let audited = || environment().with_setting("audited", "true");
    assert_eq!(
        whole_publish(audited(), &video(), &[FakeMedia::video(30_000_000)]),
        counts(&[("creator_info/query/", 2), ("video/init/", 1), ("chunk", 3), ("status/fetch/", 1)])
    );
    let photos = [FakeMedia(photo(Some("https://media.example.com/1.jpg")))];
    assert_eq!(
        whole_publish(
            audited().with_setting("verified-urls", "media.example.com"),
            &Post { kind: "images".to_owned(), ..video() },
            &photos
        ),
        counts(&[("creator_info/query/", 2), ("content/init/", 1), ("status/fetch/", 1)])
    );
    // The check has a finding here, and reports it only after it has queried TikTok.
    assert_eq!(
        whole_publish(environment(), &video(), &[FakeMedia::video(1_000)]),
        counts(&[("creator_info/query/", 3), ("video/init/", 1), ("chunk", 1), ("status/fetch/", 1)])
    );
}

#[test]
fn an_alternative_text_that_will_not_be_sent_is_said_and_prevents_nothing() {
    let environment = environment().with_setting("audited", "true");
    let described = MediaInfo { alt_text: Some("a bowl of soup".to_owned()), ..FakeMedia::video(1_000).0 };
    let empty = MediaInfo { alt_text: Some(String::new()), ..described.clone() };
    for (media, expected) in [(described, 1), (empty, 0)] {
        environment.answer_json(200, &creator_info());
        let findings = run(check::report(&environment, &account(), &video(), &[media])).unwrap();
        assert_eq!(findings.len(), expected, "{findings:?}");
        assert!(
            findings
                .iter()
                .all(|finding| finding.severity == Severity::Warning && finding.subject == "media")
        );
    }
}

#[test]
fn nothing_is_said_against_a_post_before_tiktok_was_asked_again() {
    let private = ok(json!({"creator_username": "demo", "privacy_level_options": ["FOLLOWER_OF_CREATOR"]}));
    let environment = environment().with_setting("audited", "true");
    let media = [FakeMedia::video(1_000).0];
    environment.answer_json(200, &private);
    run(form::get(&environment, &account())).unwrap();
    // The person makes the account public in the TikTok app, and checks again.
    environment.answer_json(200, &creator_info());
    assert_eq!(run(check::report(&environment, &account(), &video(), &media)).unwrap(), []);
    environment.answer_json(200, &private);
    run(form::get(&environment, &account())).unwrap();
    environment.answer_json(200, &creator_info());
    run(begin(&environment, &account(), &video(), &media)).unwrap();
    // A finding that still applies is reported.
    environment.answer_json(200, &private);
    run(form::get(&environment, &account())).unwrap();
    environment.answer_json(200, &private);
    let error = run(begin(&environment, &account(), &video(), &media)).unwrap_err();
    assert_eq!((error.field.as_deref(), environment.unused_answers()), (Some("visibility"), 0));
}

#[test]
fn an_init_is_never_later_than_five_minutes_after_tiktok_was_asked() {
    let environment = environment();
    let media = [FakeMedia::video(1_000)];
    environment.answer_json(200, &creator_info());
    run(form::get(&environment, &account())).unwrap();
    environment.advance_ms(200_000);
    let mut drive = {
        let step = run(begin(&environment, &account(), &video(), &[media[0].0.clone()])).unwrap();
        environment.take_sent();
        Drive { environment, media: media.to_vec(), step }
    };
    // Five minutes after the response, not after the start of the publish.
    drive.environment.advance_ms(100_000);
    drive.json(200, &creator_info()).json(200, &init_answer("pub-1")).go();
    assert_eq!(drive.paths(), ["/publish/creator_info/query/", "/publish/video/init/"]);
}
