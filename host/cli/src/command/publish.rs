//! `publish`: stores a job and follows it to its end.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use social_channel::model::{Finding, Media, MediaInfo, MediaSource, Notice, OptionValue, Part, Severity};
use social_channel::{Channel, Error, ErrorKind, Job, JobStatus, PublishRequest, form as rules};

use super::form;
use crate::global::Global;
use crate::input;
use crate::output::{Format, describe_job, finding, now, parse_instant, plain};
use crate::progress;
use crate::session::{Session, warn_of_mappings};

/// Flags of `publish`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The channel: its id, or its account's name or @username
    channel: String,
    /// A file, an https URL, or `upload:ID` for an upload of the service
    media: Vec<String>,
    /// `video`, `images`, `text`, or another of the form; by default detected from the media
    #[arg(long)]
    kind: Option<String>,
    /// Caption or text
    #[arg(long, visible_alias = "caption")]
    text: Option<String>,
    /// Title, where the platform has titles
    #[arg(long)]
    title: Option<String>,
    /// Who can see it; `social-channel form` shows the values
    #[arg(long)]
    visibility: Option<String>,
    /// The text of a post that follows as a thread; repeat for more
    #[arg(long = "part", value_name = "TEXT")]
    parts: Vec<String>,
    /// Another field of the form: true, false, a whole number, or text; of a list, once for each
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = input::pair)]
    options: Vec<(String, String)>,
    /// The whole request as JSON, overridden by the flags; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What the media shows, for people who cannot see it; once for each item
    #[arg(long, value_name = "TEXT")]
    alt_text: Vec<String>,
    /// What the media is for, as `social-channel form` lists it: `media`, `thumbnail`, `subtitles`…; once for each item
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// The content type of the media, instead of the detected one; once for each item
    #[arg(long, value_name = "TYPE")]
    content_type: Vec<String>,
    /// Where the platform can fetch the media; once for each item
    #[arg(long, value_name = "URL")]
    public_url: Vec<String>,
    /// Idempotency key: repeating the same key and request returns the same job
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Not before this instant: 2026-12-24T18:00:00+01:00, or +2h. A worker then publishes it
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    publish_at: Option<i64>,
    /// The job fails if it has not ended at this instant
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    deadline: Option<i64>,
    /// -100 to 100: among due jobs, the higher goes first
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Only check the post, and publish nothing
    #[arg(long)]
    check: bool,
    /// Store the job and leave it to a worker
    #[arg(long)]
    no_wait: bool,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let (check, no_wait) = (flags.check, flags.no_wait);
    let name = flags.channel.clone();
    let mut request = read(flags)?;
    // If the time has already passed, the job runs here and not in a worker.
    let later = no_wait || request.publish_at.is_some_and(|at| at > now());
    let session = Session::open(global, !later && !check).await?;
    warn_of_mappings(&session.place);
    let channel = session.channel(Some(&name)).await?;
    in_types_of_the_form(&session, &channel, &mut request).await;
    if check {
        return report(&session, &session.tenant.check_publish(&channel.id, &request).await?);
    }
    // With a key, the request must reach the library: its job may already be running, even if the form refuses it
    // now.
    if request.idempotency_key.is_none() {
        refuse_second(&session, &channel, &request).await?;
        refuse_unsound(&session, &channel, &request).await?;
    }
    agree(&session, &channel, &mut request).await;
    let job = session.tenant.publish(&channel.id, request).await?;
    if later {
        session.output.answer(&job, describe_job)?;
        session.output.note("\na worker publishes it: `social-channel work`, or the service");
        return Ok(0);
    }
    session.output.note(&format!("job {} is stored; it can be resumed after any interruption", job.id));
    let job = progress::follow(&session, &job.id, None).await?;
    end(&session, &job)
}

/// One value of a list is a list of one. Where the form is not available, the check says what is wrong.
async fn in_types_of_the_form(session: &Session, channel: &Channel, request: &mut PublishRequest) {
    if !request.post.options.values().any(|value| matches!(value, OptionValue::Text(_))) {
        return;
    }
    let Ok(form) = session.tenant.publish_form(&channel.id).await else { return };
    let kind = request.post.kind.clone();
    for field in
        rules::fields(&form, &kind).filter(|it| matches!(it.kind.as_str(), "text-list" | "multi-choice"))
    {
        if let Some(OptionValue::Text(text)) = request.post.options.get(&field.name) {
            let list = OptionValue::TextList(vec![text.clone()]);
            request.post.options.insert(field.name.clone(), list);
        }
    }
}

/// Prints what the platform requires a person to read before the post is sent, and stores it with the job: running
/// the command is the agreement. If the form is not available now, the job requests it again later.
async fn agree(session: &Session, channel: &Channel, request: &mut PublishRequest) {
    let Ok(form) = session.tenant.publish_form(&channel.id).await else { return };
    let post = &request.post;
    let drawn = rules::draw(&form, &post.kind, &rules::chosen(post));
    for field in rules::fields(&form, &post.kind) {
        for notice in drawn.notices(&form, Some(&field.name)) {
            session.output.note(&format!("{}: {}", plain(&field.label), words(notice)));
        }
    }
    for notice in drawn.notices(&form, None) {
        session.output.note(&words(notice));
    }
    if request.consent.is_none() {
        let consent =
            [("by", "command line".to_owned()), ("at", now().to_string()), ("words", drawn.words(&form))];
        request.consent = Some(consent.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    }
}

/// A notice, followed by the URLs of its links.
fn words(notice: &Notice) -> String {
    let links = notice.links.iter().map(|link| format!("\n  {}: {}", plain(&link.text), plain(&link.url)));
    format!("{}{}", plain(&notice.text), links.collect::<String>())
}

fn read(flags: Flags) -> Result<PublishRequest> {
    let mut request: PublishRequest = match &flags.json {
        Some(path) => input::json(path)?,
        None => PublishRequest::default(),
    };
    if !flags.media.is_empty() {
        request.media = flags.media.iter().map(|text| media(text)).collect::<Result<_, _>>()?;
    }
    let details = [&flags.alt_text, &flags.content_type, &flags.public_url, &flags.role];
    if let Some(most) = details.iter().map(|list| list.len()).max().filter(|most| *most > request.media.len())
    {
        return Err(crate::failure::wrong(
            format!("{most} details were given for {} media", request.media.len()),
            "give --alt-text, --content-type, --public-url and --role once for each, in the order of the media",
        )
        .into());
    }
    for (item, text) in request.media.iter_mut().zip(flags.alt_text) {
        item.alt_text = Some(text);
    }
    for (item, text) in request.media.iter_mut().zip(flags.content_type) {
        item.content_type = Some(text);
    }
    for (item, text) in request.media.iter_mut().zip(flags.public_url) {
        item.public_url = Some(text);
    }
    for (item, text) in request.media.iter_mut().zip(flags.role) {
        item.role = Some(text).filter(|role| role != "media");
    }
    let post = &mut request.post;
    if !flags.parts.is_empty() {
        post.parts =
            flags.parts.into_iter().map(|text| Part { text: Some(text), ..Part::default() }).collect();
    }
    fill(&mut post.text, flags.text);
    fill(&mut post.title, flags.title);
    fill(&mut post.visibility, flags.visibility);
    for (name, value) in options(flags.options) {
        post.options.insert(name, value);
    }
    if let Some(kind) = flags.kind {
        post.kind = kind;
    } else if post.kind.is_empty() {
        kind_of(&request.media).clone_into(&mut post.kind);
    }
    fill(&mut request.idempotency_key, flags.idempotency_key);
    fill(&mut request.publish_at, flags.publish_at);
    fill(&mut request.deadline_at, flags.deadline);
    if let Some(priority) = flags.priority {
        request.priority = priority;
    }
    Ok(request)
}

/// A name that comes several times is a list.
fn options(given: Vec<(String, String)>) -> BTreeMap<String, OptionValue> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in given {
        values.entry(name).or_default().push(value);
    }
    let value = |mut texts: Vec<String>| match (texts.len(), texts.pop()) {
        (1, Some(text)) => input::option_value(&text),
        (_, last) => OptionValue::TextList(texts.into_iter().chain(last).collect()),
    };
    values.into_iter().map(|(name, texts)| (name, value(texts))).collect()
}

fn fill<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

fn media(text: &str) -> Result<Media, Error> {
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(Media::url(text));
    }
    match text.strip_prefix("upload:") {
        Some(id) => Ok(Media::upload(id)),
        None => Ok(Media::file(input::absolute(text)?)),
    }
}

/// By the file names only; the library checks the bytes.
fn kind_of(media: &[Media]) -> &'static str {
    let media: Vec<&Media> = media.iter().filter(|item| item.role.is_none()).collect();
    const PHOTOS: [&str; 6] = ["jpg", "jpeg", "png", "webp", "gif", "heic"];
    let is_photo = |item: &Media| {
        let name = match &item.source {
            MediaSource::File(path) => path.to_string_lossy().into_owned(),
            MediaSource::Url(url) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
            MediaSource::Upload(name) | MediaSource::Name(name) => name.clone(),
        };
        let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        item.content_type
            .as_deref()
            .map_or(PHOTOS.contains(&ending.as_str()), |kind| kind.starts_with("image/"))
    };
    match media.as_slice() {
        [] => "text",
        media if media.iter().all(|item| is_photo(item)) => "images",
        _ => "video",
    }
}

/// Prints the findings of a check.
fn report(session: &Session, findings: &[Finding]) -> Result<u8> {
    session.output.answer(findings, |findings| {
        if findings.is_empty() {
            return "no problems found".to_owned();
        }
        findings.iter().map(finding).collect::<Vec<_>>().join("\n")
    })?;
    Ok(u8::from(findings.iter().any(|finding| finding.severity == Severity::Error)))
}

/// A command that was broken off is easily given again: then its job is there already, and goes on by `jobs resume`. With a
/// key the library knows; without one it is seen by what is published.
async fn refuse_second(session: &Session, channel: &Channel, request: &PublishRequest) -> Result<()> {
    /// Jobs of one channel that are open at once are few.
    const LOOKED_AT: u32 = 100;
    for status in [JobStatus::Active, JobStatus::Paused, JobStatus::Unknown] {
        let jobs = session.tenant.jobs(Some(&channel.id), Some(status), LOOKED_AT).await?;
        let Some(job) = jobs.iter().find(|job| job.publish_at == request.publish_at && is_same(job, request))
        else {
            continue;
        };
        let goes_on = if job.publish_at.is_some() {
            "it is published at its time, by a worker; see `social-channel jobs show"
        } else if status == JobStatus::Unknown {
            "look at the account's posts, and say what you found with `social-channel jobs resolve"
        } else {
            "go on with it: `social-channel jobs resume"
        };
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("the job {} publishes the same, and its end is not known yet", job.id),
        )
        .with_field("idempotency_key")
        .with_remedy(format!(
            "{goes_on} {}`; to post the same once more, give it an --idempotency-key of its own",
            job.id
        ))
        .into());
    }
    Ok(())
}

fn is_same(job: &Job, request: &PublishRequest) -> bool {
    let same_media = |(known, given): (&MediaInfo, &Media)| match &given.source {
        MediaSource::File(path) => {
            path.file_name().and_then(|name| name.to_str()) == known.file_name.as_deref()
        }
        // What an address or an upload is called, the library finds out.
        MediaSource::Url(_) | MediaSource::Upload(_) | MediaSource::Name(_) => true,
    };
    job.post == request.post
        && job.media.len() == request.media.len()
        && job.media.iter().zip(&request.media).all(same_media)
}

/// Checks before anything is stored, so that a typing error does not create a failed job.
async fn refuse_unsound(session: &Session, channel: &Channel, request: &PublishRequest) -> Result<()> {
    let findings = session.tenant.check_publish(&channel.id, request).await?;
    let (errors, others): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Error);
    for other in others.iter().filter(|finding| finding.severity == Severity::Warning) {
        session.output.warn(&format!("{}: {}", plain(&other.subject), plain(&other.message)));
    }
    let Some(first) = errors.first() else { return Ok(()) };
    let message = match errors.as_slice() {
        [only] => only.message.clone(),
        several => {
            let lines = several.iter().map(|finding| format!("\n  {}: {}", finding.subject, finding.message));
            format!("the post cannot be published as it is:{}", lines.collect::<String>())
        }
    };
    let mut hints: Vec<String> = Vec::new();
    if let Ok(form) = session.tenant.publish_form(&channel.id).await {
        for finding in &errors {
            let field = form.fields.iter().find(|field| {
                field.name == finding.subject
                    && (field.applies_to.is_empty() || field.applies_to.contains(&request.post.kind))
            });
            match field {
                Some(field) if !field.choices.is_empty() => {
                    hints.push(format!("{} takes {}", form::flag(&field.name), form::choices(field)));
                }
                _ => hints.extend(finding.remedy.clone()),
            }
        }
    } else {
        hints.extend(errors.iter().filter_map(|finding| finding.remedy.clone()));
    }
    let mut error = Error::new(ErrorKind::InvalidRequest, message).with_field(first.subject.as_str());
    error.code.clone_from(&first.code);
    if !hints.is_empty() {
        error = error.with_remedy(hints.join("\n      "));
    }
    Err(error.into())
}

/// The output of every command that follows a job: the job, and its failure if it has one.
pub(crate) fn end(session: &Session, job: &Job) -> Result<u8> {
    session.output.answer(job, describe_job)?;
    let failed = |kind, message: &str| job.error.clone().unwrap_or_else(|| Error::new(kind, message));
    let error = match job.status {
        JobStatus::Published => return Ok(0),
        // The caller's time limit has passed; the job is fine.
        JobStatus::Active => failed(ErrorKind::Unavailable, "the job has not ended yet").with_remedy(
            format!("`social-channel jobs wait {}` waits for it, `jobs resume` runs it", job.id),
        ),
        JobStatus::Paused => {
            let error = failed(ErrorKind::Other, "the job waits for a person");
            let what = error.remedy.clone().map(|remedy| format!("{remedy}; ")).unwrap_or_default();
            error.with_remedy(format!("{what}then `social-channel jobs resume {}`", job.id))
        }
        JobStatus::Failed => failed(ErrorKind::Other, "the job failed; nothing was posted"),
        JobStatus::Unknown => {
            let mut error = failed(ErrorKind::OutcomeUnknown, "whether it was posted is not known");
            error.kind = ErrorKind::OutcomeUnknown;
            let what = error.remedy.clone().map(|remedy| format!("{remedy}; ")).unwrap_or_default();
            error.with_remedy(format!(
                "{what}then `social-channel jobs resolve {id} --posted` or `--not-posted`",
                id = job.id
            ))
        }
        JobStatus::Cancelled => {
            let remedy = format!("`social-channel jobs retry {}` creates a new job for it", job.id);
            Error::new(ErrorKind::Rejected, "the job was cancelled; nothing was posted").with_remedy(remedy)
        }
    };
    if session.output.format == Format::Text {
        session.output.note("");
    }
    Err(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_given_twice_is_a_list() {
        let given =
            [("a", "1"), ("b", "en"), ("b", "de")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = options(given.to_vec());
        assert_eq!(options["a"], OptionValue::Number(1));
        assert_eq!(options["b"], OptionValue::TextList(vec!["en".to_owned(), "de".to_owned()]));
    }

    #[test]
    fn the_kind_follows_from_the_media() {
        assert_eq!(kind_of(&[]), "text");
        assert_eq!(
            kind_of(&[Media::url("https://cdn.example.com/a.JPG?x=1"), Media::url("https://b/c.png")]),
            "images"
        );
        assert_eq!(
            kind_of(&[Media::url("https://cdn.example.com/a.jpg"), Media::url("https://b/c.mp4")]),
            "video"
        );
        let typed = Media { content_type: Some("image/webp".to_owned()), ..Media::upload("upload_1") };
        assert_eq!(kind_of(&[typed]), "images");
    }
}
