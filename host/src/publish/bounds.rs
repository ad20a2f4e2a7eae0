//! What a caller may say of a post, whatever front door it comes through: how long its texts, how far its times.
//!
//! Everything here is stored with the job and opened again whenever jobs are listed.

use serde::Serialize;
use social_channel_runtime::clock::{millis, utc};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::limits::{ENTRIES, LINE, TEXT, URL};
use social_channel_runtime::media::expires_at;
use social_channel_runtime::model::{Details, Media, MediaSource, OptionValue, Post};

use super::job::{JobChange, PRIORITIES, PublishRequest, Resolution};
use super::request::{DEADLINE, to_json};

/// Keys longer than this are no keys.
const KEY_LENGTH: usize = 255;
/// Bytes of a whole post, or of a whole consent, as JSON: several long texts fit, a book does not.
const WHOLE: usize = 4 * TEXT;
/// The clock of the caller may be behind ours: what has passed by less than this means now.
const CLOCKS_DIFFER_MS: i64 = 60_000;
/// No plan reaches further, and by then the consent, the account and its form are others. Milliseconds that were
/// taken for seconds lie far beyond.
const FURTHEST_MS: i64 = 2 * 366 * 24 * 3_600_000;

pub(super) fn check_request(request: &PublishRequest) -> Result<()> {
    if request.idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_LENGTH) {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("an idempotency key has 1 to {KEY_LENGTH} bytes"),
        )
        .with_field("idempotency_key")
        .with_remedy("give a shorter one, such as the number of your own row; or none"));
    }
    check_said(&request.post, &request.media)?;
    check_consent(request.consent.as_ref())?;
    check_priority(request.priority)
}

/// What is said of a post and its media.
pub(super) fn check_said(post: &Post, media: &[Media]) -> Result<()> {
    check_post(post)?;
    check_parts(post, media.len())?;
    check_media(media)
}

pub(super) fn check_change(change: &JobChange) -> Result<()> {
    if let Some(post) = &change.post {
        check_post(post)?;
    }
    check_consent(change.consent.as_ref())?;
    check_priority(change.priority.unwrap_or_default())
}

pub(super) fn check_resolution(found: &Resolution) -> Result<()> {
    fits("post_id", found.post_id.as_deref(), LINE)?;
    fits("url", found.url.as_deref(), URL)
}

fn check_post(post: &Post) -> Result<()> {
    fits("kind", Some(&post.kind), LINE)?;
    fits("title", post.title.as_deref(), TEXT)?;
    fits("text", post.text.as_deref(), TEXT)?;
    fits("visibility", post.visibility.as_deref(), LINE)?;
    check_options(&post.options)?;
    few("parts", post.parts.len())?;
    for part in &post.parts {
        fits("parts", part.text.as_deref(), TEXT)?;
        few("parts", part.media.len())?;
        check_options(&part.options)?;
    }
    whole("post", post)
}

fn check_options(options: &Details) -> Result<()> {
    few("options", options.len())?;
    for (name, value) in options {
        fits("options", Some(name), LINE)?;
        match value {
            OptionValue::Text(text) => fits(name, Some(text), TEXT)?,
            OptionValue::TextList(texts) => {
                few(name, texts.len())?;
                texts.iter().try_for_each(|text| fits(name, Some(text), TEXT))?;
            }
            OptionValue::Json(value) => fits(name, Some(&to_json(value)?), TEXT)?,
            OptionValue::Boolean(_) | OptionValue::Number(_) | OptionValue::Decimal(_) => {}
        }
    }
    Ok(())
}

/// Every part names media that exist, each of them once.
fn check_parts(post: &Post, media: usize) -> Result<()> {
    let mut named = std::collections::BTreeSet::new();
    for at in post.parts.iter().flat_map(|part| &part.media) {
        if *at as usize >= media || !named.insert(at) {
            let message =
                format!("a part names the media {at}, which is not there or belongs to another part");
            return Err(Error::new(ErrorKind::InvalidRequest, message).with_field("parts").with_remedy(
                "name each of the post's media by its place in the list, from 0, in one part at most",
            ));
        }
    }
    Ok(())
}

fn check_media(media: &[Media]) -> Result<()> {
    few("media", media.len())?;
    for one in media {
        fits("alt_text", one.alt_text.as_deref(), TEXT)?;
        fits("content_type", one.content_type.as_deref(), LINE)?;
        fits("role", one.role.as_deref(), LINE)?;
        check_options(&one.options)?;
        fits("public_url", one.public_url.as_deref(), URL)?;
        let name = match &one.source {
            MediaSource::Url(name) | MediaSource::Upload(name) | MediaSource::Name(name) => name,
            // The system has its own limit.
            MediaSource::File(_) => continue,
        };
        fits("media", Some(name), URL)?;
    }
    Ok(())
}

fn check_consent(consent: Option<&std::collections::BTreeMap<String, String>>) -> Result<()> {
    let Some(consent) = consent else { return Ok(()) };
    few("consent", consent.len())?;
    for (name, value) in consent {
        fits("consent", Some(name), LINE)?;
        fits("consent", Some(value), TEXT)?;
    }
    whole("consent", consent)
}

fn fits(field: &str, text: Option<&str>, most: usize) -> Result<()> {
    let length = text.map_or(0, str::len);
    if length <= most {
        return Ok(());
    }
    Err(too_long(field, format!("{field} has {length} bytes, and at most {most} are taken")))
}

fn few(field: &str, count: usize) -> Result<()> {
    if count <= ENTRIES {
        return Ok(());
    }
    Err(too_long(field, format!("{field} has {count} entries, and at most {ENTRIES} are taken")))
}

fn whole(field: &str, value: &impl Serialize) -> Result<()> {
    let length = to_json(value)?.len();
    if length <= WHOLE {
        return Ok(());
    }
    Err(too_long(field, format!("{field} has {length} bytes as JSON, and at most {WHOLE} are taken")))
}

fn too_long(field: &str, message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
        .with_field(field)
        .with_remedy("shorten it; the account's form says how much the network takes")
}

fn check_priority(priority: i32) -> Result<()> {
    if PRIORITIES.contains(&priority) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidRequest, format!("{priority} is not a priority"))
        .with_field("priority")
        .with_remedy("choose a number from -100 to 100; 0 is the default, higher goes first"))
}

/// Refuses addresses that stop working before a post is due. What is due now was read a moment ago.
pub(super) fn last_until<'a>(
    addresses: impl IntoIterator<Item = &'a String>,
    begin: i64,
    now: i64,
) -> Result<()> {
    if begin <= now {
        return Ok(());
    }
    for address in addresses {
        let Some(end) = expires_at(address).map(|end| end.saturating_mul(1000)).filter(|end| *end <= begin)
        else {
            continue;
        };
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!(
                "the signed address of the media ends at {}, and the post is due at {}",
                utc(end),
                utc(begin)
            ),
        )
        .with_field("media")
        .with_remedy("sign the address for longer, upload the file, or publish earlier"));
    }
    Ok(())
}

/// The instant that a caller named for a post, in milliseconds. Given in seconds.
pub(super) fn publish_at(at: Option<i64>, now: i64) -> Result<Option<i64>> {
    let Some(seconds) = at else { return Ok(None) };
    let at = seconds.saturating_mul(1000);
    if at < now.saturating_sub(CLOCKS_DIFFER_MS) {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("the time to publish at, {}, is over", utc(seconds.saturating_mul(1000))),
        )
        .with_field("publish_at")
        .with_remedy(
            "leave it out to publish now, or name a time to come (a program counts seconds since 1970)",
        ));
    }
    not_too_far("publish_at", "the time to publish at", seconds, now, 0)?;
    Ok(Some(at))
}

/// When a job may begin, and when it is given up, in milliseconds. The deadline is given in seconds.
pub(super) fn times(publish_at: Option<i64>, deadline_at: Option<i64>, now: i64) -> Result<(i64, i64)> {
    let begin = publish_at.map_or(now, |at| at.max(now));
    let Some(seconds) = deadline_at else {
        return Ok((begin, begin.saturating_add(millis(DEADLINE))));
    };
    let deadline = seconds.saturating_mul(1000);
    if deadline <= begin {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            "the deadline is before the time at which the job may start",
        )
        .with_field("deadline_at")
        .with_remedy("name a deadline that is later than now and than `publish_at`"));
    }
    not_too_far("deadline_at", "the deadline", seconds, now, millis(DEADLINE))?;
    Ok((begin, deadline))
}

fn not_too_far(field: &str, name: &str, seconds: i64, now: i64, beyond: i64) -> Result<()> {
    if seconds.saturating_mul(1000) <= now.saturating_add(FURTHEST_MS).saturating_add(beyond) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidRequest,
        format!("{name}, {}, is more than two years ahead", utc(seconds.saturating_mul(1000))),
    )
    .with_field(field)
    .with_remedy("name a nearer time (a program counts seconds since 1970, not milliseconds)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    #[test]
    fn a_time_to_publish_at_is_to_come_and_within_two_years() {
        let at = |seconds| publish_at(Some(seconds), NOW);
        assert_eq!(publish_at(None, NOW).unwrap(), None);
        for good in [NOW / 1000 - 59, NOW / 1000, NOW / 1000 + 1, (NOW + FURTHEST_MS) / 1000] {
            assert_eq!(at(good).unwrap(), Some(good * 1000));
        }
        // 2020, a minute ago, milliseconds, and what no clock says.
        let bad = [1_577_836_800, NOW / 1000 - 61, NOW, (NOW + FURTHEST_MS) / 1000 + 1, 0, -1];
        for bad in bad.into_iter().chain([i64::MIN, i64::MAX, i64::from(i32::MIN)]) {
            let error = at(bad).unwrap_err();
            assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("publish_at")));
            assert!(error.remedy.is_some(), "{bad}");
        }
        // What has just passed begins now.
        assert_eq!(times(at(NOW / 1000 - 59).unwrap(), None, NOW).unwrap(), (NOW, NOW + millis(DEADLINE)));
    }

    #[test]
    fn a_deadline_comes_after_the_beginning_and_within_two_years() {
        let field = |seconds| times(None, Some(seconds), NOW).unwrap_err().field.unwrap();
        assert_eq!(times(None, Some(NOW / 1000 + 9), NOW).unwrap(), (NOW, NOW + 9_000));
        for bad in [i64::MIN, -1, 0, NOW / 1000, NOW, i64::MAX] {
            assert_eq!(field(bad), "deadline_at", "{bad}");
        }
        // What a post gets by itself may also be named.
        let latest = NOW + FURTHEST_MS;
        let given_up = (latest + millis(DEADLINE)) / 1000;
        assert!(times(Some(latest), Some(given_up), NOW).is_ok());
    }

    #[test]
    fn no_text_is_longer_than_any_network_takes() {
        let long = || "x".repeat(TEXT + 1);
        let line = || "x".repeat(LINE + 1);
        let post = || Post { kind: "video".to_owned(), ..Post::default() };
        let option = |value| [("tags".to_owned(), value)].into_iter().collect();
        let refused = |request: PublishRequest, field: &str| {
            let error = check_request(&request).unwrap_err();
            assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some(field)));
            assert!(error.message.len() < 200 && error.remedy.is_some(), "{error:?}");
        };
        check_request(&PublishRequest::new(Post { text: Some("x".repeat(TEXT)), ..post() }, Vec::new()))
            .unwrap();
        for (post, field) in [
            (Post { text: Some(long()), ..post() }, "text"),
            (Post { title: Some(long()), ..post() }, "title"),
            (Post { visibility: Some(line()), ..post() }, "visibility"),
            (Post { kind: line(), ..post() }, "kind"),
            (Post { options: option(OptionValue::Text(long())), ..post() }, "tags"),
            (
                Post { options: option(OptionValue::TextList(vec![String::new(); ENTRIES + 1])), ..post() },
                "tags",
            ),
            (Post { options: option(OptionValue::TextList(vec!["x".repeat(TEXT); 5])), ..post() }, "post"),
        ] {
            let change = JobChange { post: Some(post.clone()), ..JobChange::default() };
            assert_eq!(check_change(&change).unwrap_err().field.as_deref(), Some(field));
            refused(PublishRequest::new(post, Vec::new()), field);
        }
        let url = Media::url(format!("https://cdn.example.com/{}", "x".repeat(URL)));
        refused(PublishRequest::new(post(), vec![url]), "media");
        let alt = Media { alt_text: Some(long()), ..Media::upload("up_1") };
        refused(PublishRequest::new(post(), vec![alt]), "alt_text");
        refused(PublishRequest::new(post(), vec![Media::upload("up_1"); ENTRIES + 1]), "media");
        let consent = Some([("words".to_owned(), long())].into_iter().collect());
        refused(PublishRequest { consent, ..PublishRequest::new(post(), Vec::new()) }, "consent");
        let key = Some("x".repeat(KEY_LENGTH + 1));
        refused(
            PublishRequest { idempotency_key: key, ..PublishRequest::new(post(), Vec::new()) },
            "idempotency_key",
        );
    }
}
