//! Judges a post against everything that can be known before TikTok is asked to take it.
//!
//! Pure: what the account may do comes in as [`Creator`], what the operator said as [`Settings`].

use social_channel_provider::channel::Post;
use social_channel_provider::{Finding, MediaInfo, Severity};

use crate::chunks::MAX_SIZE;
use crate::creator::{Creator, ONLY_ME};
use crate::draft::{Draft, Kind, finding, option};
use crate::settings::Settings;

/// UTF-16 units (D-DP, D-PH).
pub(crate) const MAX_CAPTION: usize = 2200;
pub(crate) const MAX_PHOTO_TITLE: usize = 90;
pub(crate) const MAX_PHOTO_TEXT: usize = 4000;

/// D-MTG.
pub(crate) const MAX_PHOTOS: usize = 35;
pub(crate) const MAX_PHOTO_SIZE: u64 = 20_000_000;
pub(crate) const VIDEO_TYPES: [&str; 3] = ["video/mp4", "video/quicktime", "video/webm"];
pub(crate) const PHOTO_TYPES: [&str; 2] = ["image/jpeg", "image/webp"];
const SIDE_PIXELS: std::ops::RangeInclusive<u32> = 360..=4096;
const FRAME_RATE: std::ops::RangeInclusive<f64> = 23.0..=60.0;

/// Words that TikTok's audit requires literally (D-CSG).
pub(crate) const CHOOSE_BRAND: &str =
    "You need to indicate if your content promotes yourself, a third party, or both.";
pub(crate) const BRANDED_NOT_PRIVATE: &str = "Branded content visibility cannot be set to private.";

pub(crate) const UNAUDITED: &str = "unaudited_client_can_only_post_to_private_accounts";

fn error(subject: &str, message: impl AsRef<str>, remedy: &str) -> Finding {
    finding(Severity::Error, subject, message.as_ref(), Some(remedy))
}

fn warning(subject: &str, message: &str, remedy: &str) -> Finding {
    finding(Severity::Warning, subject, message, Some(remedy))
}

/// Everything against this post, field by field; and the draft, if its kind exists.
pub(crate) fn check(
    settings: &Settings,
    creator: &Creator,
    post: &Post,
    media: &[MediaInfo],
) -> (Option<Draft>, Vec<Finding>) {
    let (draft, mut findings) = Draft::read(post);
    if let Some(draft) = &draft {
        texts(draft, &mut findings);
        audience(settings, creator, draft, &mut findings);
        interactions(creator, draft, &mut findings);
        disclosure(draft, &mut findings);
        match draft.kind {
            Kind::Video => video(settings, creator, draft, media, &mut findings),
            Kind::Photos => photos(settings, draft, media, &mut findings),
        }
    }
    (draft, findings)
}

fn texts(draft: &Draft, findings: &mut Vec<Finding>) {
    let mut limit = |subject: &str, text: &Option<String>, maximum: usize| {
        // TikTok counts UTF-16 units: an emoji is two.
        let length = text.as_deref().map_or(0, |text| text.encode_utf16().count());
        if length > maximum {
            let message = format!(
                "The {subject} has {length} characters as TikTok counts them; {maximum} are allowed."
            );
            findings.push(error(subject, message, "Shorten it; most emoji count as two."));
        }
    };
    match draft.kind {
        Kind::Video => limit("text", &draft.text, MAX_CAPTION),
        Kind::Photos => {
            limit("title", &draft.title, MAX_PHOTO_TITLE);
            limit("text", &draft.text, MAX_PHOTO_TEXT);
        }
    }
}

fn audience(settings: &Settings, creator: &Creator, draft: &Draft, findings: &mut Vec<Finding>) {
    let code = |mut finding: Finding| {
        finding.code = Some(UNAUDITED.to_owned());
        finding
    };
    match &draft.visibility {
        None => findings.push(error(
            "visibility",
            "Nobody has chosen who may see the post.",
            "Choose an audience.",
        )),
        Some(level) if !creator.privacy.contains(level) => findings.push(error(
            "visibility",
            "The chosen audience is not open to this account now.",
            "Choose one of the audiences that the form offers.",
        )),
        Some(level) if settings.audited == Some(false) && level != ONLY_ME => findings.push(code(error(
            "visibility",
            "Until TikTok has audited the app for posting, posts must be for \"Only me\".",
            "Choose \"Only me\".",
        ))),
        Some(_) => {}
    }
    let remedy = "Make the account itself private in the TikTok app (Settings and privacy, Privacy, Private account). If the audit has been passed, say so in the setting `audited`.";
    match (settings.audited, creator.is_public_account()) {
        (Some(true), _) | (_, Some(false)) => {}
        (Some(false), Some(true)) => findings.push(code(error(
            "account",
            "TikTok has not audited the app for posting, so it takes posts for private accounts only, and this account is public.",
            remedy,
        ))),
        (Some(false), None) => findings.push(code(warning(
            "account",
            "TikTok has not audited the app for posting, so it takes posts for private accounts only, and whether this one is cannot be seen from here.",
            remedy,
        ))),
        (None, Some(true) | None) => findings.push(code(warning(
            "account",
            "If TikTok has not audited the app for posting yet, it will refuse this post unless the account is private.",
            remedy,
        ))),
    }
}

fn interactions(creator: &Creator, draft: &Draft, findings: &mut Vec<Finding>) {
    for (name, wanted, disabled) in [
        (option::COMMENT, draft.allow_comment, creator.comment_disabled),
        (option::DUET, draft.allow_duet, creator.duet_disabled),
        (option::STITCH, draft.allow_stitch, creator.stitch_disabled),
    ] {
        if wanted && disabled {
            findings.push(error(
                name,
                "The account does not allow this in its TikTok settings.",
                "Leave it off, or change the privacy settings in the TikTok app.",
            ));
        }
    }
}

fn disclosure(draft: &Draft, findings: &mut Vec<Finding>) {
    let chosen = draft.your_brand || draft.branded_content;
    match draft.disclosure {
        Some(true) if !chosen => {
            findings.push(error(
                option::DISCLOSURE,
                CHOOSE_BRAND,
                "Choose \"Your brand\", \"Branded content\" or both.",
            ));
        }
        Some(false) if chosen => findings.push(error(
            option::DISCLOSURE,
            "The post is marked as promotional, and the disclosure is switched off.",
            "Switch the disclosure on, or take the marks away.",
        )),
        _ => {}
    }
    if draft.branded_content && draft.visibility.as_deref() == Some(ONLY_ME) {
        findings.push(error(
            option::BRANDED,
            BRANDED_NOT_PRIVATE,
            "Choose another audience, or leave branded content off.",
        ));
    }
}

fn video(
    settings: &Settings,
    creator: &Creator,
    draft: &Draft,
    media: &[MediaInfo],
    findings: &mut Vec<Finding>,
) {
    let [item] = media else {
        findings.push(error("media", "A video post takes exactly one video.", "Choose one file."));
        return;
    };
    if item.size == 0 {
        findings.push(error("media", "The file is empty.", "Choose another file."));
    }
    if item.size > MAX_SIZE {
        findings.push(error(
            "media",
            "The file is larger than the 4 GB that TikTok takes.",
            "Make it smaller.",
        ));
    }
    if !VIDEO_TYPES.contains(&media_type(item)) {
        let message = format!("TikTok does not take files of the type `{}` as video.", item.content_type);
        findings.push(error("media", message, "Use MP4, MOV or WebM."));
    }
    if let Some(codec) = &item.codec
        && !known_codec(codec)
    {
        let message = format!("TikTok does not take video encoded as `{codec}`.");
        findings.push(error("media", message, "Encode it as H.264, H.265, VP8 or VP9."));
    }
    if let (Some(duration), Some(maximum)) = (item.duration, creator.max_seconds)
        && duration > maximum.saturating_mul(1000)
    {
        let message =
            format!("The video lasts {} seconds; this account may post {maximum}.", duration.div_ceil(1000));
        findings.push(error("media", message, "Cut it, or post it in the TikTok app."));
    }
    if let Some(rate) = item.frame_rate
        // 59.94 and 23.976 are the usual broadcast rates; only what is clearly outside is refused.
        && !FRAME_RATE.contains(&rate.round())
    {
        findings.push(error(
            "media",
            format!("The video has {rate:.2} frames a second; TikTok takes 23 to 60."),
            "Encode it again with 30 frames a second.",
        ));
    }
    for side in [item.width, item.height].into_iter().flatten() {
        if !SIDE_PIXELS.contains(&side) {
            findings.push(error(
                "media",
                format!("A side of the picture has {side} pixels; TikTok takes 360 to 4096."),
                "Scale the video.",
            ));
        }
    }
    if let (Some(cover), Some(duration)) = (draft.cover_timestamp_ms, item.duration)
        && u64::try_from(cover).is_ok_and(|cover| cover > duration)
    {
        findings.push(warning(
            option::COVER_TIME,
            "The moment chosen for the cover lies after the end, so TikTok takes the first picture.",
            "Choose a moment within the video.",
        ));
    }
    if draft.pull {
        pulled(settings, item, findings);
    }
}

fn photos(settings: &Settings, draft: &Draft, media: &[MediaInfo], findings: &mut Vec<Finding>) {
    if media.is_empty() || media.len() > MAX_PHOTOS {
        findings.push(error("media", "A photo post takes 1 to 35 photos.", "Choose that many."));
    }
    if usize::try_from(draft.cover_index).is_ok_and(|index| index >= media.len()) {
        findings.push(error(
            option::COVER_INDEX,
            "There is no photo of that number for the cover.",
            "The first photo is 0.",
        ));
    }
    for item in media {
        if !PHOTO_TYPES.contains(&media_type(item)) {
            let message = format!("TikTok does not take files of the type `{}` as photo.", item.content_type);
            findings.push(error("media", message, "Use JPEG or WebP."));
        }
        if item.size == 0 || item.size > MAX_PHOTO_SIZE {
            findings.push(error(
                "media",
                "A photo is empty or larger than the 20 MB that TikTok takes.",
                "Make it smaller.",
            ));
        }
        let sides = item.width.zip(item.height);
        if sides.is_some_and(|(width, height)| width.min(height) > 1080 || width.max(height) > 1920) {
            findings.push(warning(
                "media",
                "A photo is larger than the 1080p that TikTok names as its limit, and may be refused later.",
                "Scale it to 1080 x 1920 pixels or less.",
            ));
        }
        pulled(settings, item, findings);
    }
}

/// The address from which TikTok fetches.
fn pulled(settings: &Settings, item: &MediaInfo, findings: &mut Vec<Finding>) {
    let Some(url) = item.public_url.as_deref() else {
        findings.push(error(
            "media",
            "TikTok must fetch this from a public address, and there is none.",
            "Give the address, or let the operator set a public address for the host.",
        ));
        return;
    };
    if !url.starts_with("https://") {
        findings.push(error("media", "TikTok fetches from https addresses only.", "Use https."));
        return;
    }
    let remedy = "The operator must verify the domain or prefix under \"URL properties\" of the app and name it in the setting `verified-urls`.";
    let message = "TikTok fetches only from addresses that were verified for the app.";
    match settings.is_verified(url) {
        Some(true) => {}
        Some(false) => {
            let mut finding = error("media", message, remedy);
            finding.code = Some("url_ownership_unverified".to_owned());
            findings.push(finding);
        }
        None => findings.push(warning("media", message, remedy)),
    }
}

/// Without parameters such as `codecs`.
pub(crate) fn media_type(item: &MediaInfo) -> &str {
    item.content_type.split(';').next().unwrap_or_default().trim()
}

fn known_codec(codec: &str) -> bool {
    let codec = codec.to_ascii_lowercase();
    ["h264", "h.264", "avc", "h265", "h.265", "hevc", "hvc", "hev1", "vp8", "vp08", "vp9", "vp09"]
        .iter()
        .any(|known| codec.starts_with(known))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::settings::tests::environment;
    use social_channel_provider::channel::{OptionValue, PostOption};
    use social_channel_provider::testing::{FakeEnvironment, FakeMedia};

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
        }
    }

    pub(crate) fn with(mut post: Post, name: &str, value: OptionValue) -> Post {
        post.options.push(PostOption { name: name.to_owned(), value });
        post
    }

    fn on(post: Post, name: &str) -> Post {
        with(post, name, OptionValue::Flag(true))
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
        let text = |value: &str| OptionValue::Text(value.to_owned());
        for (post, subject) in [
            (Post { kind: "text".to_owned(), ..video() }, "kind"),
            (Post { title: Some("t".to_owned()), ..video() }, "title"),
            (with(video(), "location", text("x")), "location"),
            (with(video(), "first-comment", text("x")), "first-comment"),
            (on(video(), "auto-music"), "auto-music"),
            (with(video(), "cover-index", OptionValue::Number(0)), "cover-index"),
            (with(video(), "cover-timestamp-ms", OptionValue::Number(-1)), "cover-timestamp-ms"),
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
        let off = with(on(video(), "your-brand"), "disclosure", OptionValue::Flag(false));
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
    fn photos_need_verified_addresses_and_no_video_switches() {
        let post = Post { kind: "photos".to_owned(), title: Some("t".to_owned()), ..video() };
        let good = photo(Some("https://media.example.com/1.jpg"));
        assert!(errors(&audited(), &post, std::slice::from_ref(&good)).is_empty());
        assert_eq!(errors(&audited(), &post, &[photo(None)]), ["media"]);
        assert_eq!(errors(&audited(), &post, &[photo(Some("http://media.example.com/1.jpg"))]), ["media"]);
        assert_eq!(errors(&audited(), &post, &[photo(Some("https://other.example/1.jpg"))]), ["media"]);
        assert_eq!(errors(&audited(), &post, &vec![good.clone(); 36]), ["media"]);
        let png = MediaInfo { content_type: "image/png".to_owned(), ..good.clone() };
        assert_eq!(errors(&audited(), &post, &[png]), ["media"]);
        assert_eq!(
            errors(&audited(), &on(post.clone(), "ai-generated"), std::slice::from_ref(&good)),
            ["ai-generated"]
        );
        let cover = with(post, "cover-index", OptionValue::Number(1));
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
        // Not known: said, and left to TikTok.
        assert!(errors(&environment(), &video(), &media).is_empty());
        let settings = Settings::read(&environment()).unwrap();
        let (_, findings) = check(&settings, &creator(), &video(), &media);
        assert_eq!(findings[0].severity, Severity::Warning);
    }

    #[test]
    fn switches_are_inverted_and_always_sent() {
        let settings = Settings::read(&audited()).unwrap();
        let post = with(on(video(), "allow-comment"), "cover-timestamp-ms", OptionValue::Number(1500));
        let info = check(&settings, &creator(), &post, &[FakeMedia::video(1).0]).0.unwrap().post_info();
        assert_eq!(
            info,
            serde_json::json!({"title": "soup", "privacy_level": "PUBLIC_TO_EVERYONE",
                "disable_comment": false, "disable_duet": true, "disable_stitch": true,
                "video_cover_timestamp_ms": 1500, "brand_content_toggle": false,
                "brand_organic_toggle": false, "is_aigc": false})
        );
    }
}
