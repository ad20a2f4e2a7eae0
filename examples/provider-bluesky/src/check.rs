//! Whether a post can be made: everything that can be known without posting, field by field.

use std::collections::{BTreeMap, BTreeSet};

use social_channel_provider::channel::Post;
use social_channel_provider::{
    Environment, Error, ErrorKind, Finding, MediaInfo, Property, Severity, Value, json,
};

use crate::form;
use crate::parts::{self, Part, Use, item_option, used};
use crate::text;
use crate::xrpc::Caller;

/// People in one post. Each is a question to the server.
const MENTIONS: usize = 50;

fn error(subject: &str, message: impl Into<String>) -> Finding {
    Finding::new(Severity::Error, subject, message)
}

/// What needs no server.
pub(crate) fn alone(post: &Post, media: &[MediaInfo]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let kinds = form::kinds();
    if !kinds.iter().any(|kind| kind.name == post.kind) {
        findings.push(error("kind", format!("Bluesky has no posts of the kind `{}`.", post.kind)));
        return findings;
    }
    if post.title.is_some() {
        findings.push(error("title", "Posts have no title."));
    }
    if post.visibility.is_some() {
        findings.push(error("visibility", "Everybody can see every post."));
    }
    if post.parts.len() > form::PARTS as usize {
        findings.push(error("parts", format!("At most {} posts can follow the first one.", form::PARTS)));
    }
    let named: Vec<u32> = post.parts.iter().flat_map(|part| part.media.iter().copied()).collect();
    if named.iter().any(|&item| item as usize >= media.len())
        || named.iter().collect::<BTreeSet<_>>().len() != named.len()
    {
        findings.push(error("parts", "Each item belongs to one post of the thread."));
    }
    let all = parts::of(post, media.len());
    for (at, part) in all.iter().enumerate() {
        let before = findings.len();
        part_alone(part, media, &mut findings);
        if at == 0 {
            of_kind(&post.kind, part, media, &mut findings);
        } else if part.text.trim().is_empty() && part.items.is_empty() && part.text_option("link").is_none() {
            findings.push(error("text", "There is nothing in it."));
        }
        for finding in findings.iter_mut().skip(before).filter(|_| at > 0) {
            finding.message = format!("Post {} of the thread: {}", at + 1, finding.message);
        }
    }
    let people: BTreeSet<String> = all.iter().flat_map(|part| text::mentions(part.text)).collect();
    if people.len() > MENTIONS {
        findings.push(error("text", format!("At most {MENTIONS} people can be mentioned.")));
    }
    findings
}

/// The first post must be of the kind that it says.
fn of_kind(kind: &str, part: &Part<'_>, media: &[MediaInfo], findings: &mut Vec<Finding>) {
    let count = |wanted| {
        part.items.iter().filter_map(|&at| media.get(at)).filter(|info| used(info) == wanted).count()
    };
    let (images, videos) = (count(Use::Image), count(Use::Video));
    let own = match kind {
        "images" => (1..=form::IMAGES as usize).contains(&images) && videos == 0,
        "video" => images == 0 && videos == 1,
        _ => images == 0 && videos == 0,
    };
    if !own {
        findings.push(error(
            "media",
            match kind {
                "images" => format!("There must be 1 to {} pictures.", form::IMAGES),
                "video" => "There must be one video.".to_owned(),
                _ => "There must be no pictures and no video.".to_owned(),
            },
        ));
    }
    match (kind, part.text_option("link")) {
        ("link", None) => findings.push(error("link", "There is no link.")),
        ("link", Some(_)) if part.text_option("link-title").is_none() => {
            findings.push(error("link-title", "The link has no title."));
        }
        ("link", Some(_)) => {}
        (_, Some(_)) => findings.push(error("link", "Only posts of the kind `link` have one.")),
        _ => {}
    }
    if kind == "text" && part.text.trim().is_empty() {
        findings.push(error("text", "There is no text."));
    }
}

fn part_alone(part: &Part<'_>, media: &[MediaInfo], findings: &mut Vec<Finding>) {
    let (characters, bytes) = (text::graphemes(part.text), part.text.len());
    if characters > form::TEXT.0 as usize {
        findings.push(error(
            "text",
            format!("The text has {characters} characters; at most {} are allowed.", form::TEXT.0),
        ));
    } else if bytes > form::TEXT.1 as usize {
        findings.push(error(
            "text",
            format!("The text has {bytes} bytes; at most {} are allowed.", form::TEXT.1),
        ));
    }
    options(part.options, findings);
    if let Some(link) = part.text_option("link")
        && !["https://", "http://"].iter().any(|scheme| link.to_ascii_lowercase().starts_with(scheme))
    {
        findings.push(error("link", "The link does not begin with https://."));
    }
    let languages = part.list_option("languages");
    if languages.len() > form::LANGUAGES {
        findings.push(error("languages", format!("At most {} languages are allowed.", form::LANGUAGES)));
    }
    if let Some(wrong) = languages.iter().find(|language| !is_language(language)) {
        findings.push(error("languages", format!("`{wrong}` is no language; write `en` or `pt-BR`.")));
    }
    items(part, media, findings);
}

fn options(options: &[Property], findings: &mut Vec<Finding>) {
    for Property { name, value } in options {
        match (name.as_str(), value) {
            ("link" | "link-title" | "link-description", Value::Text(text)) => {
                if text.len() > form::LINK as usize {
                    findings.push(error(name, format!("At most {} bytes are allowed.", form::LINK)));
                }
            }
            ("content-warning", Value::Text(text)) => {
                if !text.is_empty() && !form::WARNINGS.iter().any(|(known, _)| known == text) {
                    findings.push(error(name, format!("There is no content warning `{text}`.")));
                }
            }
            ("languages", Value::TextList(_)) => {}
            ("link" | "link-title" | "link-description" | "content-warning" | "languages", _) => {
                findings.push(error(name, "It is of the wrong form."));
            }
            _ => findings.push(error(name, "There is no such option.")),
        }
    }
}

/// One post shows pictures, or a video, or a link.
fn items(part: &Part<'_>, media: &[MediaInfo], findings: &mut Vec<Finding>) {
    let (mut images, mut videos, mut subtitles, mut thumbnails) = (0, 0, 0, 0);
    for info in part.items.iter().filter_map(|&at| media.get(at)) {
        let (types, size): (&[&str], u64) = match used(info) {
            Use::Image => {
                images += 1;
                (&form::IMAGE_TYPES, form::IMAGE_SIZE)
            }
            Use::Video => {
                videos += 1;
                (&form::VIDEO_TYPES, form::VIDEO_SIZE)
            }
            Use::Thumbnail => {
                thumbnails += 1;
                (&form::IMAGE_TYPES, form::THUMBNAIL_SIZE)
            }
            Use::Subtitles => {
                subtitles += 1;
                (&["text/vtt"], form::SUBTITLES_SIZE)
            }
            Use::Unknown => {
                findings.push(error("media", format!("Bluesky does not show {}.", info.content_type)));
                continue;
            }
        };
        if !types.contains(&info.content_type.as_str()) {
            findings.push(error("media", format!("Bluesky does not take {} here.", info.content_type)));
        }
        if info.size > size {
            findings.push(error("media", format!("It has {} bytes; at most {size} are allowed.", info.size)));
        }
        if used(info) == Use::Video && info.duration.is_some_and(|it| it > form::VIDEO_LENGTH) {
            findings.push(error("media", "The video is longer than 3 minutes."));
        }
        if used(info) == Use::Subtitles && !item_option(info, "language").is_some_and(is_language) {
            findings.push(error("media", "The subtitles need a language, as in `en`."));
        }
        match &info.alt_text {
            Some(alt) if text::graphemes(alt) > form::ALT as usize => {
                findings.push(error("media", format!("A description has at most {} characters.", form::ALT)));
            }
            _ => {}
        }
    }
    let link = usize::from(part.text_option("link").is_some());
    if usize::from(images > 0) + usize::from(videos > 0) + link > 1 {
        findings.push(error("media", "A post shows pictures, or a video, or a link."));
    }
    if images > form::IMAGES || videos > 1 || thumbnails > 1 || subtitles > form::SUBTITLES {
        findings
            .push(error("media", format!("A post shows at most {} pictures, or one video.", form::IMAGES)));
    }
    if subtitles > 0 && videos == 0 {
        findings.push(error("media", "Subtitles need a video."));
    }
    if thumbnails > 0 && link == 0 {
        findings.push(error("media", "The picture of a link needs a link."));
    }
}

/// As servers take it: letters, and parts of letters and digits behind hyphens.
fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// Who is behind the handles of a post, and a warning for each that nobody has.
pub(crate) async fn people<E: Environment>(
    caller: &Caller<'_, E>,
    post: &Post,
) -> Result<(BTreeMap<String, String>, Vec<Finding>), Error> {
    let handles: BTreeSet<String> =
        parts::of(post, 0).iter().flat_map(|part| text::mentions(part.text)).collect();
    let (mut ids, mut findings) = (BTreeMap::new(), Vec::new());
    for handle in handles {
        let answer = caller.get("com.atproto.identity.resolveHandle", &[("handle", &handle)]).await;
        match answer.map(|answer| json::text(&answer, "did")) {
            Ok(Some(did)) => {
                ids.insert(handle, did);
            }
            Ok(None) => findings.push(nobody(&handle)),
            Err(error) if matches!(error.kind, ErrorKind::Rejected | ErrorKind::NotFound) => {
                findings.push(nobody(&handle));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((ids, findings))
}

fn nobody(handle: &str) -> Finding {
    Finding::new(Severity::Warning, "text", format!("Nobody is called @{handle}: it stays plain text."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use social_channel_provider::channel::Part as Following;
    use social_channel_provider::testing::FakeMedia;

    fn image() -> MediaInfo {
        MediaInfo { content_type: "image/png".to_owned(), ..FakeMedia::video(1000).0 }
    }

    fn text_post(text: &str) -> Post {
        Post { text: Some(text.to_owned()), ..Post::new("text") }
    }

    fn subjects(post: &Post, media: &[MediaInfo]) -> Vec<String> {
        alone(post, media).into_iter().map(|finding| finding.subject).collect()
    }

    fn option(name: &str, text: &str) -> Property {
        Property::new(name, Value::Text(text.to_owned()))
    }

    #[test]
    fn a_text_is_counted_as_readers_do_and_in_bytes() {
        assert!(subjects(&text_post(&"é".repeat(300)), &[]).is_empty());
        assert_eq!(subjects(&text_post(&"x".repeat(301)), &[]), ["text"]);
        // 25 bytes, one character.
        assert!(subjects(&text_post(&"👨‍👩‍👧‍👦".repeat(120)), &[]).is_empty());
        assert_eq!(subjects(&text_post(&"👨‍👩‍👧‍👦".repeat(121)), &[]), ["text"]);
        assert_eq!(subjects(&text_post(" "), &[]), ["text"]);
    }

    #[test]
    fn each_kind_takes_its_own_media() {
        let video = FakeMedia::video(1000).0;
        let post = |kind: &str| Post::new(kind);
        assert!(subjects(&post("images"), &vec![image(); 4]).is_empty());
        assert!(subjects(&post("video"), std::slice::from_ref(&video)).is_empty());
        for (kind, media) in [
            ("images", vec![]),
            ("images", vec![image(), video.clone()]),
            ("images", vec![image(); 5]),
            ("video", vec![video.clone(), video.clone()]),
            ("video", vec![image()]),
            ("images", vec![MediaInfo { size: form::IMAGE_SIZE + 1, ..image() }]),
            ("images", vec![MediaInfo { content_type: "image/tiff".to_owned(), ..image() }]),
            ("video", vec![MediaInfo { duration: Some(180_001), ..video.clone() }]),
            ("video", vec![video.clone(), MediaInfo { role: "subtitles".to_owned(), ..video.clone() }]),
        ] {
            assert!(subjects(&post(kind), &media).contains(&"media".to_owned()), "{kind} {media:?}");
        }
        assert!(subjects(&text_post("x"), &[image()]).contains(&"media".to_owned()));
    }

    #[test]
    fn a_link_has_address_and_title() {
        let post = |options| Post { options, ..Post::new("link") };
        let whole = vec![option("link", "https://a.example"), option("link-title", "A")];
        assert!(subjects(&post(whole.clone()), &[]).is_empty());
        assert_eq!(subjects(&post(vec![]), &[]), ["link"]);
        assert_eq!(subjects(&post(vec![option("link", "https://a.example")]), &[]), ["link-title"]);
        assert_eq!(subjects(&post(vec![option("link", "a"), option("link-title", "A")]), &[]), ["link"]);
        let thumbnail = MediaInfo { role: "thumbnail".to_owned(), ..image() };
        assert!(subjects(&post(whole), &[thumbnail]).is_empty());
        assert_eq!(
            subjects(&Post { options: vec![option("link", "https://a")], ..text_post("x") }, &[]),
            ["link"]
        );
    }

    #[test]
    fn what_it_lacks_is_refused_by_name() {
        let post = Post {
            title: Some("t".to_owned()),
            visibility: Some("all".to_owned()),
            options: vec![option("location", "here"), option("content-warning", "loud")],
            ..text_post("x")
        };
        assert_eq!(subjects(&post, &[]), ["title", "visibility", "location", "content-warning"]);
        assert_eq!(subjects(&Post::new("story"), &[]), ["kind"]);
        let languages = |all: &[&str]| {
            let texts = all.iter().map(|&it| it.to_owned()).collect();
            let options = vec![Property::new("languages", Value::TextList(texts))];
            subjects(&Post { options, ..text_post("x") }, &[])
        };
        assert!(languages(&["en", "pt-BR", "zh-Hant-TW"]).is_empty());
        assert_eq!(languages(&["en", "de", "fr", "es"]), ["languages"]);
        assert_eq!(languages(&["english"]), ["languages"]);
    }

    #[test]
    fn the_posts_of_a_thread_are_judged_one_by_one() {
        let part = |text: &str, media: Vec<u32>| Following {
            text: Some(text.to_owned()),
            media,
            options: Vec::new(),
        };
        let post = |parts| Post { parts, ..text_post("first") };
        assert!(subjects(&post(vec![part("two", vec![]), part("", vec![0])]), &[image()]).is_empty());
        let long = "x".repeat(301);
        let findings = alone(&post(vec![part(&long, vec![]), part("", vec![])]), &[]);
        assert_eq!(
            findings[0].message,
            "Post 2 of the thread: The text has 301 characters; at most 300 are allowed."
        );
        assert_eq!(findings[1].message, "Post 3 of the thread: There is nothing in it.");
        assert_eq!(subjects(&post(vec![part("a", vec![0]), part("b", vec![0])]), &[image()]), ["parts"]);
        assert_eq!(subjects(&post(vec![part("a", vec![7])]), &[]), ["parts"]);
        assert_eq!(subjects(&post(vec![part("a", vec![]); 25]), &[]), ["parts"]);
    }
}
