//! Shared parts of pages. Everything from a provider is shown as text; links are https only, pictures come from here.

use crate::auth::Form;
use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use social_channel::model::{Copyable, Finding, Link, Scope, Severity};
use social_channel::{Error, Health, Job, JobStatus};
use time::{Date, Month, OffsetDateTime, Time};

/// A failure: what happened, what to do now, and the platform's references.
pub(super) fn failure(error: &Error) -> Markup {
    html! { div role="alert" { (failure_words(error)) } }
}

/// The same inside of what is read out anyway: an alert in a status would be spoken twice.
pub(super) fn failure_words(error: &Error) -> Markup {
    html! {
        div.note.bad {
            p { strong { (sentence(&error.message)) } }
            @if let Some(remedy) = &error.remedy { p { (sentence(remedy)) } }
            (references(error))
        }
    }
}

/// The references that the platform's support asks for.
pub(super) fn references(error: &Error) -> Markup {
    html! {
        @if error.code.is_some() || error.trace_id.is_some() {
            p.fine {
                @if let Some(code) = &error.code { "Code " code { (code) } }
                @if error.code.is_some() && error.trace_id.is_some() { " · " }
                @if let Some(trace) = &error.trace_id { "Reference " code { (trace) } }
            }
        }
    }
}

/// Backticks in pairs as quotation marks.
fn quoted(text: &str) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    // Without its partner it is something else.
    if pieces.len().is_multiple_of(2) {
        return text.to_owned();
    }
    let mark = |at: usize| match at {
        0 => "",
        at if at % 2 == 1 => "“",
        _ => "”",
    };
    pieces.iter().enumerate().flat_map(|(at, piece)| [mark(at), piece]).collect()
}

/// The library's messages start in lower case, end without a full stop, and mark names and commands as Markdown does; on a
/// page they become sentences with quotation marks.
pub(super) fn sentence(text: &str) -> String {
    let text = quoted(text.trim());
    let text = text.as_str();
    let mut letters = text.chars();
    let mut out: String = match letters.next() {
        // A word such as `redirect-uri` or a host name keeps its spelling.
        Some(first)
            if text.split(' ').next().is_some_and(|word| !word.contains(['_', '.', '-', '/', ':'])) =>
        {
            first.to_uppercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    };
    if !out.is_empty() && !out.ends_with(['.', '!', '?', ':', '…']) {
        out.push('.');
    }
    out
}

fn severity(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Ok => ("good", "Passed"),
        Severity::Info => ("info", "Note"),
        Severity::Warning => ("warn", "Warning"),
        Severity::Error => ("bad", "Fix"),
    }
}

/// What a check found: problems first, each with a link to where it is mended (`place`), and what passed folded.
pub(super) fn findings(found: &[Finding], place: &dyn Fn(&str) -> Option<String>) -> Markup {
    let rank = |finding: &&Finding| match finding.severity {
        Severity::Error => 0,
        Severity::Warning => 1,
        Severity::Info => 2,
        Severity::Ok => 3,
    };
    let mut sorted: Vec<&Finding> = found.iter().collect();
    sorted.sort_by_key(rank);
    let passed = sorted.iter().filter(|finding| finding.severity == Severity::Ok).count();
    let (open, passed) = sorted.split_at(sorted.len() - passed);
    let list = |findings: &[&Finding]| {
        // Notes with one remedy are one note.
        let same = |one: &&Finding, next: &&Finding| {
            one.severity == Severity::Info && one.remedy.is_some() && one.remedy == next.remedy
        };
        html! { ul.findings { @for alike in findings.chunk_by(same) { (finding(alike, place)) } } }
    };
    html! {
        @if !open.is_empty() || passed.is_empty() { (list(open)) }
        @match passed {
            [] => {},
            // Nothing else is there to read.
            [_] if open.is_empty() => (list(passed)),
            passed => details { summary { (passed.len()) " passed" } (list(passed)) },
        }
    }
}

/// Findings of one severity and remedy.
fn finding(alike: &[&Finding], place: &dyn Fn(&str) -> Option<String>) -> Markup {
    let Some(first) = alike.first() else { return html! {} };
    let (class, word) = severity(first.severity);
    let place = |subject: &str| place(subject).filter(|_| first.severity != Severity::Ok);
    html! {
        li.finding.(class) {
            span.tag { (word) }
            div {
                @for finding in alike {
                    p {
                        (sentence(&finding.message)) " "
                        // The sentence itself says what it is about.
                        @if let Some(place) = place(&finding.subject) { a.subject href=(place) { "Change" span.hidden { " " (words(&finding.subject)) } } }
                    }
                    @if let Some(code) = &finding.code { p.fine { "Code " code { (code) } } }
                }
                @if let Some(remedy) = &first.remedy { p.remedy { (sentence(remedy)) } }
            }
        }
    }
}

/// A picture of an account, at an address of ours, or the first letter of its name.
pub(super) fn avatar(picture: Option<String>, name: &str) -> Markup {
    let letter: String =
        name.chars().find(|c| c.is_alphanumeric()).map(|c| c.to_uppercase().collect()).unwrap_or_default();
    html! {
        span.avatar {
            span.letter aria-hidden="true" { (letter) }
            @if let Some(picture) = picture {
                img src=(picture) alt="" width="48" height="48" loading="lazy" data-fallback="hide";
            }
        }
    }
}

/// A URL that may be used in a page.
pub(super) fn https(url: &str) -> Option<&str> {
    url.starts_with("https://").then_some(url)
}

/// An external link, or nothing.
pub(super) fn outward(url: Option<&str>, text: &str) -> Markup {
    html! {
        @if let Some(url) = url.and_then(https) {
            a href=(url) target="_blank" rel="noopener noreferrer" { (text) span.hidden { " (opens in a new tab)" } }
        }
    }
}

/// A text whose parts may be links, otherwise unchanged.
pub(super) fn linked(text: &str, links: &[Link]) -> Markup {
    let mut rest = text;
    let mut out = String::new();
    let mut links: Vec<&Link> = links.iter().filter(|link| https(&link.url).is_some()).collect();
    while let Some((at, index)) =
        links.iter().enumerate().filter_map(|(index, link)| rest.find(&link.text).map(|at| (at, index))).min()
    {
        let link = links.remove(index);
        let (before, after) = rest.split_at(at);
        out.push_str(
            &html! { (before) a href=(link.url) target="_blank" rel="noopener noreferrer" { (link.text) } }
                .into_string(),
        );
        rest = after.strip_prefix(link.text.as_str()).unwrap_or(after);
    }
    out.push_str(&html! { (rest) }.into_string());
    PreEscaped(out)
}

/// Markdown of a few sentences: emphasis, code, lists and https links. HTML in it is text.
pub(super) fn markdown(text: &str) -> Markup {
    let events = Parser::new(text).filter_map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Some(Event::Text(html)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => None,
        // The end tag of an omitted link has no start tag, which browsers ignore.
        Event::Start(Tag::Link { dest_url, .. }) => https(&dest_url).map(|url| {
            let whole = html! { a href=(url) target="_blank" rel="noopener noreferrer" {} }.into_string();
            Event::InlineHtml(whole.trim_end_matches("</a>").to_owned().into())
        }),
        event => Some(event),
    });
    let mut out = String::new();
    pulldown_cmark::html::push_html(&mut out, events);
    PreEscaped(out)
}

/// Values to copy, each with its button.
pub(super) fn copyables(values: &[Copyable]) -> Markup {
    html! {
        @if !values.is_empty() {
            dl.copies { @for value in values { (copyable(&value.label, &value.value)) } }
        }
    }
}

/// A value to copy, as a term and its description.
pub(super) fn copyable(label: &str, value: &str) -> Markup {
    html! {
        div.copy {
            dt { (label) }
            dd { code { (value) } button.plain type="button" data-copy=(value) hidden { "Copy" span.hidden { " " (label) } } }
        }
    }
}

/// An account's health.
pub(super) fn health(health: Health) -> Markup {
    let (class, word) = match health {
        Health::Active => ("good", "Connected"),
        Health::Limited => ("warn", "Permissions missing"),
        Health::NeedsReconnect => ("bad", "Reconnect"),
    };
    html! { span.badge.(class) { (word) } }
}

/// A job's status.
pub(super) fn status(job: &Job) -> Markup {
    let (class, word) = match job.status {
        JobStatus::Active if job.is_scheduled() => ("quiet", "Scheduled"),
        JobStatus::Active => ("info", "In progress"),
        JobStatus::Paused => ("warn", "Needs attention"),
        JobStatus::Published => ("good", "Published"),
        JobStatus::Failed => ("bad", "Failed"),
        JobStatus::Unknown => ("bad", "Outcome unknown"),
        JobStatus::Cancelled => ("quiet", "Cancelled"),
    };
    html! { span.badge.(class) { (word) } }
}

/// An instant that is over, or soon; a script says how long ago, or when.
pub(super) fn moment(seconds: i64) -> Markup {
    let (machine, human) = instant_text(seconds);
    html! { time datetime=(machine) data-relative { (human) } }
}

/// An instant, in UTC; a script shows it in the person's time zone.
pub(super) fn instant(seconds: i64) -> Markup {
    let (machine, human) = instant_text(seconds);
    html! { time datetime=(machine) { (human) } }
}

/// The day of an instant.
pub(super) fn day(seconds: i64) -> Markup {
    let (machine, human) = instant_text(seconds);
    html! { time datetime=(machine) data-day { (human.get(..10).unwrap_or_default()) } }
}

pub(super) fn instant_text(seconds: i64) -> (String, String) {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(seconds) else { return (String::new(), String::new()) };
    let day = format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day());
    (
        format!("{day}T{:02}:{:02}:{:02}Z", at.hour(), at.minute(), at.second()),
        format!("{day} {:02}:{:02} UTC", at.hour(), at.minute()),
    )
}

/// An instant that a person chose: scripts tell it exactly (`at_seconds`), without them the field `at` is in UTC.
pub(super) fn chosen_instant(posted: &Form) -> Option<i64> {
    let field = |name| posted.get(name).unwrap_or_default();
    field("at_seconds").parse().ok().or_else(|| read_instant(field("at")))
}

/// A field for an instant; a script changes it to the person's time zone (`enliven` in `app.js`).
pub(super) fn instant_field(label: &str, seconds: Option<i64>, text: &str) -> Markup {
    let known = seconds.map(|seconds| instant_text(seconds).0);
    html! {
        label for="at" { (label) }
        input id="at" name="at" type="datetime-local" value=(known.as_deref().map_or(text, |known| known.get(..16).unwrap_or_default())) data-at=[known.as_deref()] aria-describedby="at-help";
        input name="at_seconds" type="hidden" value="";
        p.help id="at-help" { "In UTC." }
    }
}

/// The value of a `datetime-local` field, interpreted as UTC.
pub(super) fn read_instant(text: &str) -> Option<i64> {
    let (day, clock) = text.trim().split_once('T')?;
    let mut day = day.splitn(3, '-').map(str::parse::<i32>);
    let (year, month, day) = (day.next()?.ok()?, day.next()?.ok()?, day.next()?.ok()?);
    let mut clock = clock.splitn(3, ':');
    let (hour, minute) = (clock.next()?.parse().ok()?, clock.next()?.parse().ok()?);
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
    Some(date.with_time(Time::from_hms(hour, minute, 0).ok()?).assume_utc().unix_timestamp())
}

/// A number, with thin spaces between thousands.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A short number for a label, rounded down: 12.3k, 999k, 4.5M.
pub(super) fn short_number(value: u64) -> String {
    let (part, unit) = match value {
        0..1_000 => return value.to_string(),
        1_000..1_000_000 => (value / 100, "k"),
        1_000_000..1_000_000_000 => (value / 100_000, "M"),
        _ => (value / 100_000_000, "G"),
    };
    if part % 10 == 0 || part >= 1000 {
        format!("{}{unit}", part / 10)
    } else {
        format!("{}.{}{unit}", part / 10, part % 10)
    }
}

/// Bytes, in readable form.
pub(super) fn bytes(value: u64) -> String {
    match value {
        0..1_000 => format!("{value} bytes"),
        1_000..1_000_000 => format!("{} kB", value / 1_000),
        1_000_000..1_000_000_000 => format!("{}.{} MB", value / 1_000_000, value / 100_000 % 10),
        _ => format!("{}.{} GB", value / 1_000_000_000, value / 100_000_000 % 10),
    }
}

/// Content types as people call them: "MP4, MOV".
pub(super) fn formats(content_types: &[String]) -> String {
    content_types.iter().map(|it| format(it)).collect::<Vec<_>>().join(", ")
}

/// A content type as people call it.
pub(super) fn format(content_type: &str) -> String {
    match content_type {
        "video/quicktime" => "MOV".to_owned(),
        "video/webm" => "WebM".to_owned(),
        "image/webp" => "WebP".to_owned(),
        other => other.rsplit('/').next().unwrap_or(other).to_uppercase(),
    }
}

/// A duration: 1:05, 1:00:00.
pub(super) fn length(ms: u64) -> String {
    let seconds = ms / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A name as words: `posts-per-day` is "Posts per day".
pub(super) fn words(name: &str) -> String {
    let text = name.replace(['-', '_'], " ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A permission in words, with the network's name for it.
pub(super) fn scope(name: &str, scopes: &[Scope]) -> Markup {
    html! {
        @if let Some(scope) = scopes.iter().find(|scope| scope.name == name) { (scope.purpose) " " }
        code { (name) }
    }
}

/// Text encoded for a query or path.
pub(super) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_for_people() {
        for (text, shown) in [
            ("run `a b` or `c`", "Run “a b” or “c”."),
            ("`a` is wrong", "“a” is wrong."),
            ("one ` alone", "One ` alone."),
            ("redirect-uri is missing", "redirect-uri is missing."),
        ] {
            assert_eq!(sentence(text), shown);
        }
    }

    #[test]
    fn what_a_provider_says_is_text() {
        let shown =
            markdown("**Bold** <script>alert(1)</script> [x](javascript:alert(1)) ![p](https://a/b.png) [z](https://z.example/?a=1&b=\"2\")")
                .into_string();
        assert!(shown.contains("<strong>Bold</strong>"), "{shown}");
        let link = r#"<a href="https://z.example/?a=1&amp;b=&quot;2&quot;" target="_blank" rel="noopener noreferrer">z</a>"#;
        assert!(shown.contains(link), "{shown}");
        assert!(
            !shown.contains("<script") && !shown.contains("javascript:") && !shown.contains("<img"),
            "{shown}"
        );
        let link = |text: &str, url: &str| Link { text: text.to_owned(), url: url.to_owned() };
        let shown = linked(
            "By <b>posting</b>, Policy and Policy",
            &[link("Policy", "https://x.example/?a=1&b=2"), link("and", "javascript:x")],
        );
        assert_eq!(
            shown.into_string(),
            "By &lt;b&gt;posting&lt;/b&gt;, <a href=\"https://x.example/?a=1&amp;b=2\" target=\"_blank\" rel=\"noopener noreferrer\">Policy</a> and Policy"
        );
    }

    #[test]
    fn instants_are_read_as_they_are_written() {
        assert_eq!(instant_text(1_764_064_800).1, "2025-11-25 10:00 UTC");
        assert_eq!(read_instant("2025-11-25T10:00"), Some(1_764_064_800));
        for wrong in ["", "2025-11-25", "2025-02-30T10:00", "2025-11-25T25:00", "x-y-zT1:2"] {
            assert_eq!(read_instant(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        let shown: Vec<_> =
            [999, 1_000, 1_250, 12_345, 999_999, 4_500_000].into_iter().map(short_number).collect();
        assert_eq!(shown, ["999", "1k", "1.2k", "12.3k", "999k", "4.5M"]);
        assert_eq!((length(65_000), length(3_600_000)), ("1:05".to_owned(), "1:00:00".to_owned()));
        assert_eq!(sentence("the key is wrong"), "The key is wrong.");
        assert_eq!(sentence("redirect-uri is wrong."), "redirect-uri is wrong.");
        let types =
            ["video/mp4", "video/quicktime", "video/webm", "image/jpeg", "image/webp"].map(str::to_owned);
        assert_eq!(formats(&types), "MP4, MOV, WebM, JPEG, WebP");
    }
}
