//! Init of video and photo posts, direct ones and drafts: shape, caps, privacy, audit, ownership, chunk plan, in the order of
//! contract section 19. What happens to a post afterwards is in `post`.

use serde_json::{Map, Value, json};
use url::{Host, Url};

use crate::auth::{need_one_of, session, take};
use crate::call::{Call, Fields, Notes, invalid};
use crate::creator::{may_post, privacy_options};
use crate::draft;
use crate::envelope::Reply;
use crate::plan;
use crate::post::{HOUR_MS, Kind, Publish, Pull, Upload};
use crate::state::{Session, State};
use crate::world::{DRAFTS, Stage};

/// Values of `privacy_level` (9.2).
pub(crate) const LEVELS: [&str; 4] =
    ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY"];

/// Text limits in UTF-16 code units (9.2, 12).
const VIDEO_TITLE: usize = 2200;
const PHOTO_TITLE: usize = 90;
const PHOTO_DESCRIPTION: usize = 4000;

struct Post {
    kind: Kind,
    draft: bool,
    caption: String,
    privacy: Option<String>,
    source: Source,
}

enum Source {
    File { video_size: i64, chunk_size: i64, count: i64 },
    Urls(Vec<Url>),
}

/// The scope of direct posts.
const DIRECT: &str = "video.publish";

/// `POST /v2/post/publish/video/init/`
pub(crate) fn video_init(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    // It does not create a draft here, but the client intended one.
    if post_mode(call).as_deref() == Some("MEDIA_UPLOAD") {
        draft::note(state, notes, "post_mode MEDIA_UPLOAD was sent").map_err(Reply::without_data)?;
    }
    init(state, call, notes, "/v2/post/publish/video/init/", &[DIRECT], video_shape)
}

/// `POST /v2/post/publish/content/init/`
pub(crate) fn content_init(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    let scopes: &[&str] = match post_mode(call).as_deref() {
        Some("MEDIA_UPLOAD") => {
            draft::note(state, notes, "post_mode MEDIA_UPLOAD was sent").map_err(Reply::without_data)?;
            &[DRAFTS]
        }
        Some("DIRECT_POST") => &[DIRECT],
        // It is refused as malformed, unless the token has neither scope.
        _ => &[DIRECT, DRAFTS],
    };
    init(state, call, notes, "/v2/post/publish/content/init/", scopes, photo_shape)
}

/// `POST /v2/post/publish/inbox/video/init/`
pub(crate) fn inbox_init(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    draft::note(state, notes, "the inbox endpoint was called").map_err(Reply::without_data)?;
    init(state, call, notes, "/v2/post/publish/inbox/video/init/", &[DRAFTS], inbox_shape)
}

/// Read before any check, because the required scope depends on it.
fn post_mode(call: &Call) -> Option<String> {
    let body: Value = serde_json::from_slice(&call.body).ok()?;
    body.get("post_mode")?.as_str().map(ToString::to_string)
}

type Shape = fn(&State, &Map<String, Value>, &mut Notes) -> Result<Post, Reply>;

fn init(
    state: &mut State,
    call: &Call,
    notes: &mut Notes,
    path: &str,
    scopes: &[&str],
    shape: Shape,
) -> Result<Reply, Reply> {
    let begin = |state: &mut State, notes: &mut Notes| {
        let session = session(state, call, notes)?;
        need_one_of(&session, scopes)?;
        take(state, path, &session.token, 6, call)?;
        Ok::<_, Reply>(session)
    };
    let session = begin(state, notes).map_err(Reply::without_data)?;
    let result = accept(state, call, notes, &session, shape);
    if result.is_err() && !state.world.switches.refused_init_counts {
        state.limits.give_back(&format!("{path} {}", session.token));
    }
    result.map_err(Reply::without_data)
}

fn accept(
    state: &mut State,
    call: &Call,
    notes: &mut Notes,
    session: &Session,
    shape: Shape,
) -> Result<Reply, Reply> {
    let body = call.json(state, false)?;
    let post = shape(state, &body, notes)?;
    if !post.draft {
        interactions(state, session, &body, post.kind, notes);
    }
    notes.refuse_if_asked(state)?;
    let capped = if post.draft {
        draft::may_send(state, session, post.kind, call.now_ms)
    } else {
        may_post(state, session, call.now_ms)
    };
    capped.map_err(|reply| {
        if state.world.switches.init_caps_with_status_200 { reply.with_status(200) } else { reply }
    })?;
    let mut level = String::new();
    // The user chooses the audience of a draft in the app; the audit restricts only direct posts (10A).
    if !post.draft {
        level = privacy(state, session, post.privacy.as_deref())?;
        audit(state, session, &level)?;
    }
    let plan = match &post.source {
        Source::Urls(urls) => {
            ownership(state, session, urls)?;
            None
        }
        Source::File { video_size, chunk_size, count } => {
            let sizes = state.world.switches.megabyte.sizes();
            // Before August 2026 a single chunk was accepted with any announced size.
            let lenient = state.world.switches.accept_small_single_chunk && *count == 1;
            let chunk_size = if lenient { video_size } else { chunk_size };
            let judged = plan::judge(*video_size, *chunk_size, *count, sizes);
            Some(judged.map_err(|wrong| invalid(state, wrong.rule, wrong.text).with_message(wrong.message))?)
        }
    };
    let (id, number) = state.publish_id(post.kind, post.draft);
    let mut data = json!({ "publish_id": id });
    let upload = plan.map(|(size, chunk_size, count)| {
        let token = state.upload_token(number);
        let switches = &state.world.switches;
        let origin = match switches.upload_origin.as_str() {
            "self" => state.origin.as_str(),
            other => other,
        };
        let url = format!("{origin}{}?upload_id={number}&upload_token={token}", switches.upload_path);
        data["upload_url"] = json!(url);
        Upload {
            token,
            size,
            chunk_size,
            count,
            received: 0,
            chunks: 0,
            expires_ms: call.now_ms + HOUR_MS,
            hasher: switches.hash_uploads.then(Default::default),
            scanner: switches.check_video.then(Default::default),
            attempt: 0,
        }
    });
    let pull = match post.source {
        Source::Urls(urls) => {
            let urls = urls.into_iter().map(String::from).collect();
            Some(Pull { urls, downloaded: 0, started: false })
        }
        Source::File { .. } => None,
    };
    let publish = Publish {
        id: id.clone(),
        number,
        client_key: session.client_key.clone(),
        username: session.username.clone(),
        kind: post.kind,
        created_ms: call.now_ms,
        caption: post.caption,
        privacy: level,
        draft: post.draft,
        inbox_ms: None,
        deleted: false,
        upload,
        pull,
        received_ms: None,
        bytes: 0,
        sha256: None,
        doomed: None,
        polls: 0,
        end: None,
    };
    state.publishes.insert(id.clone(), publish);
    state.open.insert(id);
    notes.effect = true;
    Ok(Reply::data(data))
}

/// Interactions that a correct form would not allow to enable. TikTok disables them anyway, so this is a
/// finding and not a refusal. Only explicit values count; missing members are checked separately.
fn interactions(state: &State, session: &Session, body: &Map<String, Value>, kind: Kind, notes: &mut Notes) {
    let Some(account) = state.world.account(&session.username) else { return };
    for (name, disabled, for_photos) in [
        ("disable_comment", account.comment_disabled, true),
        ("disable_duet", account.duet_disabled || account.private, false),
        ("disable_stitch", account.stitch_disabled || account.private, false),
    ] {
        let value = body.get("post_info").and_then(|info| info.get(name));
        if disabled && (for_photos || kind != Kind::Photo) && value == Some(&Value::Bool(false)) {
            notes.finding(
                "16.7, trap 35",
                format!("{name} is false, and creator info says that {} has it disabled", session.username),
            );
        }
    }
}

fn privacy(state: &State, session: &Session, level: Option<&str>) -> Result<String, Reply> {
    let refuse = |text: String| Err(Reply::v2("privacy_level_option_mismatch", "9.2, traps 32 and 33", text));
    let options = privacy_options(state, session);
    match level {
        None => refuse("privacy_level is missing".into()),
        Some(level) if !LEVELS.contains(&level) => refuse(format!("{level} is no privacy level")),
        Some(level) if !options.contains(&level) => refuse(format!(
            "{level} is not offered to {}; offered are {}",
            session.username,
            options.join(", ")
        )),
        Some(level) => Ok(level.to_string()),
    }
}

fn audit(state: &State, session: &Session, privacy: &str) -> Result<(), Reply> {
    let stage = state.world.app(&session.client_key).map(|app| app.stage);
    if stage == Some(Stage::Audited) {
        return Ok(());
    }
    let refuse = |text: &str| {
        Err(Reply::v2("unaudited_client_can_only_post_to_private_accounts", "13.2, trap 31", text))
    };
    if state.world.account(&session.username).is_none_or(|account| !account.private) {
        return refuse("the app is not audited, so the ACCOUNT must be private; SELF_ONLY does not help");
    }
    if privacy != "SELF_ONLY" {
        return refuse("the app is not audited, so posts must be SELF_ONLY");
    }
    Ok(())
}

fn ownership(state: &State, session: &Session, urls: &[Url]) -> Result<(), Reply> {
    let Some(app) = state.world.app(&session.client_key) else { return Ok(()) };
    match urls.iter().find(|url| !app.owns_url(url)) {
        None => Ok(()),
        Some(url) => {
            let text = format!(
                "{url} lies under no verified domain or prefix of {}; verified are {}",
                app.client_key,
                app.verified_urls.join(", ")
            );
            Err(Reply::v2("url_ownership_unverified", "11, traps 38 and 39", text))
        }
    }
}

fn pull_url(state: &State, text: &str) -> Result<Url, Reply> {
    let wrong = |why: &str| invalid(state, "11", format!("{text}: {why}"));
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if url.scheme() != "https" {
        return Err(wrong("media URLs must be https"));
    }
    if !matches!(url.host(), Some(Host::Domain(_))) {
        return Err(wrong("media URLs must have a host name, not an IP"));
    }
    Ok(url)
}

fn text_limit(state: &State, name: &str, text: &str, most: usize) -> Result<(), Reply> {
    let units = text.encode_utf16().count();
    if units <= most {
        return Ok(());
    }
    let reason = format!("{name} has {units} UTF-16 code units; at most {most}");
    Err(invalid(state, "9.2, 12, trap 40", reason))
}

/// Parts of `post_info` that videos and photos share. Returns `privacy_level`. For a draft only the types are
/// checked, because the user chooses in the app.
fn common(state: &State, info: &Fields<'_>, draft: bool, notes: &mut Notes) -> Result<Option<String>, Reply> {
    let privacy = info.text("privacy_level")?.map(ToString::to_string);
    info.bool("disable_comment")?;
    let content = info.bool("brand_content_toggle")?;
    let organic = info.bool("brand_organic_toggle")?;
    if draft {
        return Ok(privacy);
    }
    if content.is_none() || organic.is_none() {
        let text = "brand_content_toggle and brand_organic_toggle are required by the table; send both";
        if state.world.switches.require_brand_toggles {
            return Err(invalid(state, "9.2", text));
        }
        notes.finding("9.2", text);
    }
    if content == Some(true) && privacy.as_deref() == Some("SELF_ONLY") {
        let text = "branded content cannot be private";
        if state.world.switches.refuse_private_branded {
            return Err(invalid(state, "9.2, 16.14", text));
        }
        notes.finding("16.14", text);
    }
    Ok(privacy)
}

fn video_shape(state: &State, body: &Map<String, Value>, notes: &mut Notes) -> Result<Post, Reply> {
    let body = Fields { object: body, name: "", state };
    for key in body.unknown(&["post_info", "source_info"]) {
        notes.finding("9.2", format!("{key} is no member of this body"));
    }
    let info = Fields { object: body.object("post_info")?, name: "post_info.", state };
    let privacy = common(state, &info, false, notes)?;
    let caption = info.text("title")?.unwrap_or_default();
    text_limit(state, "post_info.title", caption, VIDEO_TITLE)?;
    for name in ["disable_duet", "disable_stitch", "is_aigc"] {
        info.bool(name)?;
    }
    // A missing or invalid value means the first frame, no error (9.2); a wrong type is still a bug.
    info.integer("video_cover_timestamp_ms")?;
    for key in info.unknown(&[
        "privacy_level",
        "title",
        "disable_duet",
        "disable_stitch",
        "disable_comment",
        "video_cover_timestamp_ms",
        "brand_content_toggle",
        "brand_organic_toggle",
        "is_aigc",
    ]) {
        notes.finding("9.2", format!("post_info.{key} is no field of a video post; it has no effect"));
    }
    let (kind, source) = video_source(state, &body, notes)?;
    Ok(Post { kind, draft: false, caption: caption.to_string(), privacy, source })
}

fn inbox_shape(state: &State, body: &Map<String, Value>, notes: &mut Notes) -> Result<Post, Reply> {
    let body = Fields { object: body, name: "", state };
    for key in body.unknown(&["source_info"]) {
        // Clients send it anyway, and are not refused.
        notes.finding("10A", match key {
            "post_info" => {
                "post_info has no effect on a draft: caption and audience are up to the person, in the app".to_string()
            }
            other => format!("{other} is no member of this body"),
        });
    }
    let (kind, source) = video_source(state, &body, notes)?;
    Ok(Post { kind, draft: true, caption: String::new(), privacy: None, source })
}

fn video_source(state: &State, body: &Fields<'_>, notes: &mut Notes) -> Result<(Kind, Source), Reply> {
    let source = Fields { object: body.object("source_info")?, name: "source_info.", state };
    if source.get("video_cover_timestamp_ms").is_some() {
        let text = "video_cover_timestamp_ms belongs in post_info; in source_info it has no effect";
        notes.finding("9.2, trap 36", text);
    }
    let need = |name: &str| {
        source.integer(name)?.ok_or_else(|| invalid(state, "9.2", format!("source_info.{name} is missing")))
    };
    let (kind, source_info, known): (_, _, &[&str]) = match source.text("source")? {
        Some("FILE_UPLOAD") => (
            Kind::VideoFile,
            Source::File {
                video_size: need("video_size")?,
                chunk_size: need("chunk_size")?,
                count: need("total_chunk_count")?,
            },
            &["source", "video_size", "chunk_size", "total_chunk_count", "video_cover_timestamp_ms"],
        ),
        Some("PULL_FROM_URL") => {
            let text = source.text("video_url")?;
            let text = text.ok_or_else(|| invalid(state, "9.2", "source_info.video_url is missing"))?;
            let known = &["source", "video_url", "video_cover_timestamp_ms"];
            (Kind::VideoUrl, Source::Urls(vec![pull_url(state, text)?]), known)
        }
        other => {
            let text = format!(
                "source_info.source must be FILE_UPLOAD or PULL_FROM_URL, it is {}",
                other.unwrap_or("absent")
            );
            return Err(invalid(state, "9.2", text));
        }
    };
    for key in source.unknown(known) {
        notes.finding("9.2", format!("source_info.{key} does not belong to this variant"));
    }
    Ok((kind, source_info))
}

fn photo_shape(state: &State, body: &Map<String, Value>, notes: &mut Notes) -> Result<Post, Reply> {
    let body = Fields { object: body, name: "", state };
    let wrong = |text: String| Err(invalid(state, "12", text));
    let draft = match body.text("post_mode")? {
        Some("DIRECT_POST") => false,
        Some("MEDIA_UPLOAD") => true,
        other => {
            let given = other.unwrap_or("absent");
            return wrong(format!("post_mode must be DIRECT_POST or MEDIA_UPLOAD, it is {given}"));
        }
    };
    match body.text("media_type")? {
        Some("PHOTO") => {}
        other => return wrong(format!("media_type must be PHOTO, it is {}", other.unwrap_or("absent"))),
    }
    for key in body.unknown(&["media_type", "post_mode", "post_info", "source_info"]) {
        notes.finding("12", format!("{key} is no member of this body"));
    }
    let none = Map::new();
    // A draft does not need it.
    let info = if draft && body.get("post_info").is_none() { &none } else { body.object("post_info")? };
    let info = Fields { object: info, name: "post_info.", state };
    let privacy = common(state, &info, draft, notes)?;
    let title = info.text("title")?.unwrap_or_default();
    text_limit(state, "post_info.title", title, PHOTO_TITLE)?;
    let description = info.text("description")?.unwrap_or_default();
    text_limit(state, "post_info.description", description, PHOTO_DESCRIPTION)?;
    info.bool("auto_add_music")?;
    for key in info.unknown(&[
        "privacy_level",
        "title",
        "description",
        "disable_comment",
        "auto_add_music",
        "brand_content_toggle",
        "brand_organic_toggle",
    ]) {
        notes
            .finding("12, trap 37", format!("post_info.{key} is no field of a photo post; it has no effect"));
    }
    let source = Fields { object: body.object("source_info")?, name: "source_info.", state };
    match source.text("source")? {
        Some("PULL_FROM_URL") => {}
        other => {
            let given = other.unwrap_or("absent");
            return wrong(format!("photos come by PULL_FROM_URL only; source is {given}"));
        }
    }
    let Some(images) = source.get("photo_images").and_then(Value::as_array) else {
        return wrong("source_info.photo_images must be a list of URLs".into());
    };
    if images.is_empty() || images.len() > 35 {
        return wrong(format!("1 to 35 photos, not {}", images.len()));
    }
    let mut urls = Vec::new();
    for image in images {
        let Some(text) = image.as_str() else {
            return wrong("source_info.photo_images must be a list of strings".into());
        };
        urls.push(pull_url(state, text)?);
    }
    match source.integer("photo_cover_index")? {
        Some(index) if usize::try_from(index).is_ok_and(|index| index < urls.len()) => {}
        Some(index) => return wrong(format!("photo_cover_index {index} is outside the list")),
        None => return wrong("source_info.photo_cover_index is missing".into()),
    }
    for key in source.unknown(&["source", "photo_images", "photo_cover_index"]) {
        notes.finding("12", format!("source_info.{key} is no field of a photo post"));
    }
    let caption = if description.is_empty() { title } else { description };
    Ok(Post { kind: Kind::Photo, draft, caption: caption.to_string(), privacy, source: Source::Urls(urls) })
}
