//! Tests of each rule, by the subject of its finding.

use super::*;
use crate::settings::tests::environment;
use social_channel_provider::testing::{FakeEnvironment, FakeMedia};
use social_channel_provider::{Property, Value as Given};

pub(crate) fn creator() -> Creator {
    Creator {
        nickname: Some("Demo".to_owned()),
        privacy: ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"].map(str::to_owned).to_vec(),
        stitch_disabled: true,
        max_seconds: Some(600),
        ..Creator::default()
    }
}

pub(crate) fn video() -> Post {
    Post {
        kind: "video".to_owned(),
        title: None,
        text: Some("soup".to_owned()),
        visibility: Some("PUBLIC_TO_EVERYONE".to_owned()),
        options: Vec::new(),
        parts: Vec::new(),
    }
}

pub(crate) fn with(mut post: Post, name: &str, value: Given) -> Post {
    post.options.push(Property { name: name.to_owned(), value });
    post
}

fn on(post: Post, name: &str) -> Post {
    with(post, name, Given::Boolean(true))
}

pub(crate) fn photo(url: Option<&str>) -> MediaInfo {
    MediaInfo {
        content_type: "image/jpeg".to_owned(),
        public_url: url.map(str::to_owned),
        ..FakeMedia::video(1000).0
    }
}

fn audited() -> FakeEnvironment {
    environment().with_setting("audited", "true").with_setting("verified-urls", "media.example.com")
}

/// Subjects of the errors.
fn errors(environment: &FakeEnvironment, post: &Post, media: &[MediaInfo]) -> Vec<String> {
    let settings = Settings::read(environment).unwrap();
    let (_, findings) = check(&settings, &creator(), post, media);
    findings.into_iter().filter(|f| f.severity == Severity::Error).map(|f| f.subject).collect()
}

#[test]
fn a_sound_video_has_nothing_against_it() {
    let settings = Settings::read(&audited()).unwrap();
    let mut media = FakeMedia::video(70_000_000).0;
    (media.duration, media.width, media.height) = (Some(600_000), Some(1080), Some(1920));
    (media.frame_rate, media.codec) = (Some(59.94), Some("h264".to_owned()));
    let (_, findings) = check(&settings, &creator(), &video(), &[media]);
    assert_eq!(findings, []);
}

#[test]
fn what_tiktok_lacks_is_refused_by_name() {
    let good = [FakeMedia::video(1).0];
    let text = |value: &str| Given::Text(value.to_owned());
    for (post, subject) in [
        (Post { kind: "text".to_owned(), ..video() }, "kind"),
        (Post { title: Some("t".to_owned()), ..video() }, "title"),
        (with(video(), "location", text("x")), "location"),
        (with(video(), "first-comment", text("x")), "first-comment"),
        (on(video(), "auto-music"), "auto-music"),
        (with(video(), "cover-index", Given::Number(0)), "cover-index"),
        (with(video(), "cover-timestamp-ms", Given::Number(-1)), "cover-timestamp-ms"),
        (with(video(), "allow-comment", text("yes")), "allow-comment"),
        (with(video(), "transfer", text("mail")), "transfer"),
        (on(on(video(), "allow-duet"), "allow-duet"), "allow-duet"),
        (on(video(), "allow-stitch"), "allow-stitch"),
        (Post { visibility: None, ..video() }, "visibility"),
        (Post { visibility: Some("FOLLOWER_OF_CREATOR".to_owned()), ..video() }, "visibility"),
        (Post { text: Some("🥣".repeat(1101)), ..video() }, "text"),
        (on(video(), "disclosure"), "disclosure"),
    ] {
        assert_eq!(errors(&audited(), &post, &good), [subject]);
    }
    let exact = Post { text: Some("🥣".repeat(1100)), ..video() };
    assert!(errors(&audited(), &exact, &good).is_empty());
}

#[test]
fn branded_content_and_only_me_exclude_each_other() {
    let private = Post { visibility: Some("SELF_ONLY".to_owned()), ..video() };
    let post = on(on(private, "disclosure"), "branded-content");
    assert_eq!(errors(&audited(), &post, &[FakeMedia::video(1).0]), ["branded-content"]);
    let off = with(on(video(), "your-brand"), "disclosure", Given::Boolean(false));
    assert_eq!(errors(&audited(), &off, &[FakeMedia::video(1).0]), ["disclosure"]);
}

#[test]
fn media_outside_the_limits_is_refused() {
    let change = |change: fn(&mut MediaInfo)| {
        let mut info = FakeMedia::video(1_000_000).0;
        change(&mut info);
        errors(&audited(), &video(), &[info])
    };
    assert_eq!(change(|info| info.size = 0), ["media"]);
    assert_eq!(change(|info| info.size = 4_000_000_001), ["media"]);
    assert_eq!(change(|info| info.content_type = "video/x-msvideo".to_owned()), ["media"]);
    assert_eq!(change(|info| info.duration = Some(600_001)), ["media"]);
    assert_eq!(change(|info| info.frame_rate = Some(15.0)), ["media"]);
    assert_eq!(change(|info| info.width = Some(320)), ["media"]);
    assert_eq!(change(|info| info.codec = Some("mpeg2".to_owned())), ["media"]);
    assert!(change(|info| info.content_type = "video/mp4; codecs=avc1".to_owned()).is_empty());
    assert_eq!(errors(&audited(), &video(), &[]), ["media"]);
}

#[test]
fn what_does_not_fit_is_said_in_words_for_people() {
    let settings = Settings::read(&audited()).unwrap();
    let said = |post: &Post, media: MediaInfo| {
        let (_, findings) = check(&settings, &creator(), post, &[media]);
        findings.into_iter().map(|finding| finding.message).collect::<Vec<_>>()
    };
    let photos = Post { kind: "images".to_owned(), ..video() };
    let good = photo(Some("https://media.example.com/1.jpg"));
    let large = MediaInfo { width: Some(3024), height: Some(4032), ..good.clone() };
    assert_eq!(
        said(&photos, large),
        ["Photo 1 has 3024 x 4032 pixels; TikTok takes at most 1080 x 1920, upright or lying."]
    );
    for (content_type, post, name) in [
        ("image/png", &photos, "a file in the format PNG"),
        ("image/x-odd", &photos, "this kind of picture"),
        ("video/x-msvideo; codecs=x", &video(), "a file in the format AVI"),
        ("audio/mpeg", &video(), "a sound"),
        ("", &video(), "a file of an unknown kind"),
    ] {
        let said = said(post, MediaInfo { content_type: content_type.to_owned(), ..good.clone() });
        let what = if post.kind == "video" { "video" } else { "photo" };
        assert_eq!(said, [format!("TikTok does not take {name} as {what}.")]);
    }
}

#[test]
fn photos_need_verified_addresses_and_no_video_switches() {
    let post = Post { kind: "images".to_owned(), title: Some("t".to_owned()), ..video() };
    let good = photo(Some("https://media.example.com/1.jpg"));
    assert!(errors(&audited(), &post, std::slice::from_ref(&good)).is_empty());
    assert_eq!(errors(&audited(), &post, &[photo(None)]), ["media"]);
    assert_eq!(errors(&audited(), &post, &[photo(Some("http://media.example.com/1.jpg"))]), ["media"]);
    assert_eq!(errors(&audited(), &post, &[photo(Some("https://other.example/1.jpg"))]), ["media"]);
    assert_eq!(errors(&audited(), &post, &vec![good.clone(); 36]), ["media"]);
    let sized = |width, height| MediaInfo { width: Some(width), height: Some(height), ..good.clone() };
    for (width, height) in [(1080, 1920), (1920, 1080), (1080, 1080), (1, 1)] {
        assert!(errors(&audited(), &post, &[sized(width, height)]).is_empty(), "{width} x {height}");
    }
    for (width, height) in [(1081, 1920), (1920, 1081), (1080, 1921), (1440, 1440), (3024, 4032), (20, 4000)]
    {
        assert_eq!(errors(&audited(), &post, &[good.clone(), sized(width, height)]), ["media"]);
    }
    let png = MediaInfo { content_type: "image/png".to_owned(), ..good.clone() };
    assert_eq!(errors(&audited(), &post, &[png]), ["media"]);
    assert_eq!(
        errors(&audited(), &on(post.clone(), "ai-generated"), std::slice::from_ref(&good)),
        ["ai-generated"]
    );
    let cover = with(post, "cover-index", Given::Number(1));
    assert_eq!(errors(&audited(), &cover, &[good]), ["cover-index"]);
}

#[test]
fn an_unaudited_app_posts_only_privately_and_for_private_accounts() {
    let media = [FakeMedia::video(1).0];
    let unaudited = environment().with_setting("audited", "false");
    assert_eq!(errors(&unaudited, &video(), &media), ["visibility", "account"]);
    let settings = Settings::read(&unaudited).unwrap();
    let private =
        Creator { privacy: vec!["FOLLOWER_OF_CREATOR".to_owned(), "SELF_ONLY".to_owned()], ..creator() };
    let post = Post { visibility: Some("SELF_ONLY".to_owned()), ..video() };
    assert_eq!(check(&settings, &private, &post, &media).1, []);
    // Unknown: reported as a warning, and left to TikTok.
    assert!(errors(&environment(), &video(), &media).is_empty());
    let settings = Settings::read(&environment()).unwrap();
    let (_, findings) = check(&settings, &creator(), &video(), &media);
    assert_eq!(findings[0].severity, Severity::Warning);
}

#[test]
fn switches_are_inverted_and_always_sent() {
    let settings = Settings::read(&audited()).unwrap();
    let post = with(on(video(), "allow-comment"), "cover-timestamp-ms", Given::Number(1500));
    let info = check(&settings, &creator(), &post, &[FakeMedia::video(1).0]).0.unwrap().post_info();
    assert_eq!(
        info,
        serde_json::json!({"title": "soup", "privacy_level": "PUBLIC_TO_EVERYONE",
            "disable_comment": false, "disable_duet": true, "disable_stitch": true,
            "video_cover_timestamp_ms": 1500, "brand_content_toggle": false,
            "brand_organic_toggle": false, "is_aigc": false})
    );
}
