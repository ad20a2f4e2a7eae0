//! The Display API: user info, video list, video query (contract section 8), and the signed media links.

use serde_json::{Map, Value, json};

use crate::auth::{need_scope, over, session, take};
use crate::call::{Call, Fields, Notes};
use crate::envelope::Reply;
use crate::picture;
use crate::post::{HOUR_MS, Kind, Post};
use crate::state::{Session, State};
use crate::switches::MissingScope;

/// Cover links are valid for six hours (8.4), avatars for two (9.1).
const COVER_LIFE_MS: i64 = 6 * HOUR_MS;
pub(crate) const AVATAR_LIFE_MS: i64 = 2 * HOUR_MS;

/// Calls a minute of each display endpoint (D-RATE).
const PER_MINUTE: u32 = 600;

const USER_FIELDS: [(&str, &str); 14] = [
    ("open_id", "user.info.basic"),
    ("union_id", "user.info.basic"),
    ("avatar_url", "user.info.basic"),
    ("avatar_url_100", "user.info.basic"),
    ("avatar_large_url", "user.info.basic"),
    ("display_name", "user.info.basic"),
    ("bio_description", "user.info.profile"),
    ("profile_deep_link", "user.info.profile"),
    ("is_verified", "user.info.profile"),
    ("username", "user.info.profile"),
    ("follower_count", "user.info.stats"),
    ("following_count", "user.info.stats"),
    ("likes_count", "user.info.stats"),
    ("video_count", "user.info.stats"),
];

const VIDEO_FIELDS: [&str; 16] = [
    "id",
    "create_time",
    "cover_image_url",
    "share_url",
    "video_description",
    "duration",
    "height",
    "width",
    "title",
    "embed_html",
    "embed_link",
    "like_count",
    "comment_count",
    "share_count",
    "view_count",
    "is_aigc",
];

/// `GET /v2/user/info/`
pub(crate) fn user_info(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    let session = session(state, call, notes)?;
    take(state, "/v2/user/info/", &window_key(&session), PER_MINUTE, call)?;
    let asked = fields(call, |name| USER_FIELDS.iter().any(|(known, _)| *known == name))?;
    let granted = |name: &str| {
        USER_FIELDS.iter().any(|(known, scope)| *known == name && session.scopes.contains(*scope))
    };
    let missing = asked.iter().filter(|name| !granted(name)).count();
    let refuse = |code: &'static str| {
        let names: Vec<&str> = asked.iter().filter(|name| !granted(name)).map(String::as_str).collect();
        Err(Reply::v2(
            code,
            "8.1, trap 12",
            format!("not covered by the granted scopes: {}", names.join(", ")),
        ))
    };
    match state.world.switches.missing_scope {
        _ if missing == 0 => {}
        MissingScope::Omit => {}
        MissingScope::NotAuthorized => return refuse("scope_not_authorized"),
        MissingScope::PermissionMissed => return refuse("scope_permission_missed"),
        MissingScope::ByShare if missing == asked.len() => return refuse("scope_not_authorized"),
        MissingScope::ByShare => return refuse("scope_permission_missed"),
    }
    let mut user = Map::new();
    for name in asked.iter().filter(|name| granted(name)) {
        user.insert(name.clone(), user_field(state, &session, name, call.now_ms));
    }
    Ok(Reply::data(json!({ "user": user })))
}

fn user_field(state: &State, session: &Session, name: &str, now_ms: i64) -> Value {
    let Some(account) = state.world.account(&session.username) else { return Value::Null };
    let hours = u64::try_from((now_ms - state.started_ms) / HOUR_MS).unwrap_or(0);
    let avatar = |size| state.media_url(&format!("avatar-{size}"), &account.username, now_ms, AVATAR_LIFE_MS);
    let public =
        || state.posts.iter().filter(|post| post.account == account.username && post.is_public(now_ms));
    match name {
        "open_id" => json!(session.open_id),
        "union_id" => json!(state.union_id(&session.client_key, &session.username)),
        "avatar_url" => json!(avatar("168")),
        "avatar_url_100" => json!(avatar("100")),
        "avatar_large_url" => json!(avatar("1080")),
        "display_name" => json!(account.display_name),
        "bio_description" => json!(account.bio),
        "profile_deep_link" => json!(format!("https://vm.tiktok.com/Z{}/", &session.open_id[..8])),
        "is_verified" => json!(account.verified),
        "username" => json!(account.username),
        "follower_count" => json!(account.followers + hours * account.followers_per_hour),
        "following_count" => json!(account.following),
        "likes_count" => json!(public().map(|post| likes(post, state, now_ms)).sum::<u64>()),
        "video_count" => json!(public().count()),
        _ => Value::Null,
    }
}

/// `POST /v2/video/list/`
pub(crate) fn video_list(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    let session = session(state, call, notes)?;
    need_scope(&session, "video.list")?;
    take(state, "/v2/video/list/", &window_key(&session), PER_MINUTE, call)?;
    if let Some(most) = state.world.switches.list_burst_per_10_seconds {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let taken = state.limits.take(&format!("burst {}", window_key(&session)), call.now_ms, most, 10_000);
        taken.map_err(|wait| over(state, "too many pages in a row (trap 52)", wait))?;
    }
    let body = display_json(state, call, true)?;
    let asked = video_fields(call, &body)?;
    let body = Fields { object: &body, name: "", state };
    for key in body.unknown(&["cursor", "max_count"]) {
        notes.finding("8.2", format!("{key} is no member of this body"));
    }
    let display = |reply: Reply| spelled_params(reply);
    let max = body.integer("max_count").map_err(display)?.unwrap_or(10);
    if !(1..=20).contains(&max) {
        return Err(params("8.2", format!("max_count must be 1 to 20, it is {max}")));
    }
    let cursor = body.integer("cursor").map_err(display)?;
    if cursor.is_some_and(|cursor| cursor < 0) {
        return Err(params("8.2", "cursor must not be negative"));
    }
    // TikTok began in 2016; an instant of 1973 in milliseconds is a time in seconds.
    if cursor.is_some_and(|cursor| cursor > 0 && cursor < 100_000_000_000) {
        notes.finding("8.2, trap 17", "the cursor is in milliseconds; this one looks like seconds");
    }
    notes.refuse_if_asked(state)?;
    // 0 is sent by clients that cannot omit it: the first page.
    let before = cursor.filter(|&cursor| cursor > 0).unwrap_or(i64::MAX);
    let photos = state.world.switches.list_photos;
    let mut posts: Vec<&Post> = state
        .posts
        .iter()
        .filter(|post| post.account == session.username && post.is_public(call.now_ms))
        .filter(|post| photos || post.kind != Kind::Photo)
        .filter(|post| seconds(post.created_ms) * 1000 < before)
        .collect();
    posts.sort_by_key(|post| std::cmp::Reverse((post.created_ms, post.id)));
    let mut take_now = usize::try_from(max).unwrap_or(10);
    if state.world.switches.short_pages {
        take_now = take_now.div_ceil(2);
    }
    let has_more = posts.len() > take_now;
    posts.truncate(take_now);
    let next = posts.last().map_or(cursor.unwrap_or(0), |post| seconds(post.created_ms) * 1000);
    let videos: Vec<Value> =
        posts.iter().map(|post| video(state, &session, post, &asked, call.now_ms)).collect();
    Ok(Reply::data(json!({ "videos": videos, "cursor": next, "has_more": has_more })))
}

/// `POST /v2/video/query/`
pub(crate) fn video_query(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    let session = session(state, call, notes)?;
    need_scope(&session, "video.list")?;
    take(state, "/v2/video/query/", &window_key(&session), PER_MINUTE, call)?;
    let body = display_json(state, call, false)?;
    let asked = video_fields(call, &body)?;
    let wrong = |text: &str| params("8.3", text);
    let ids = body
        .get("filters")
        .and_then(Value::as_object)
        .ok_or_else(|| wrong("filters is required and an object"))?
        .get("video_ids")
        .and_then(Value::as_array)
        .ok_or_else(|| wrong("filters.video_ids is required and an array"))?;
    if ids.is_empty() || ids.len() > 20 {
        return Err(wrong(&format!("1 to 20 video ids, not {}", ids.len())));
    }
    let mut videos = Vec::new();
    for id in ids {
        let id = id.as_str().ok_or_else(|| wrong("video ids are strings; numbers lose digits (trap 18)"))?;
        if id.contains('~') {
            notes.finding("8.3", format!("{id} is a publish_id, not a video id"));
        }
        let post = state.posts.iter().find(|post| {
            post.account == session.username && post.id.to_string() == id && post.is_public(call.now_ms)
        });
        // Unknown, private, deleted or of another account: left out without error (8.3).
        videos.extend(post.map(|post| video(state, &session, post, &asked, call.now_ms)));
    }
    notes.refuse_if_asked(state)?;
    if state.world.switches.query_carries_cursor {
        return Ok(Reply::data(json!({ "videos": videos, "cursor": 0, "has_more": false })));
    }
    Ok(Reply::data(json!({ "videos": videos })))
}

/// `GET /media/...`: covers and avatars; the links really expire (trap 48).
pub(crate) fn media(state: &State, call: &Call) -> Result<Reply, Reply> {
    let expires: i64 = call.query_value("x-expires").and_then(|text| text.parse().ok()).unwrap_or(0);
    let signature = call.query_value("x-signature").unwrap_or_default();
    if signature != state.media_signature(&call.path, expires) {
        return Err(Reply::refused(403, "8.4", "the link's signature is wrong; use links byte for byte"));
    }
    if call.now_ms / 1000 >= expires {
        return Err(Reply::refused(403, "8.4, trap 48", "the link has expired; ask for a fresh one"));
    }
    let name = call.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".jpeg");
    Ok(Reply::bytes("image/png", picture::png(name)))
}

fn window_key(session: &Session) -> String {
    // It is unknown what TikTok counts by (question 7); by app and user is the strictest for one user.
    format!("{} {}", session.client_key, session.username)
}

fn params(rule: &str, text: impl Into<String>) -> Reply {
    Reply::v2("invalid_params", rule, text)
}

/// The spelling switch is for posting endpoints; display pages agree on `invalid_params`.
fn spelled_params(reply: Reply) -> Reply {
    let refusal = reply.refusal;
    let mut spelled = params("8", "");
    spelled.refusal = refusal;
    spelled
}

fn display_json(state: &State, call: &Call, may_be_empty: bool) -> Result<Map<String, Value>, Reply> {
    call.json(state, may_be_empty).map_err(spelled_params)
}

fn fields(call: &Call, known: impl Fn(&str) -> bool) -> Result<Vec<String>, Reply> {
    let text = call.query_value("fields").unwrap_or_default();
    if text.is_empty() {
        return Err(params("8", "fields is missing in the query"));
    }
    let mut asked: Vec<String> = Vec::new();
    for name in text.split(',') {
        if !known(name) {
            return Err(params("8", format!("`{name}` is no field of this endpoint")));
        }
        if !asked.iter().any(|other| other == name) {
            asked.push(name.to_string());
        }
    }
    Ok(asked)
}

fn video_fields(call: &Call, body: &Map<String, Value>) -> Result<Vec<String>, Reply> {
    let asked = fields(call, |name| VIDEO_FIELDS.contains(&name));
    if asked.is_err() && body.contains_key("fields") {
        return Err(params("8.2, trap 16", "fields belongs in the query string, not in the JSON body"));
    }
    asked
}

fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1000)
}

fn views(post: &Post, state: &State, now_ms: i64) -> u64 {
    let since = post.public_ms.unwrap_or(post.created_ms).max(state.started_ms);
    let hours = u64::try_from((now_ms - since) / HOUR_MS).unwrap_or(0);
    post.views + hours * post.views_per_hour
}

fn likes(post: &Post, state: &State, now_ms: i64) -> u64 {
    views(post, state, now_ms) / 15
}

fn video(state: &State, session: &Session, post: &Post, asked: &[String], now_ms: i64) -> Value {
    let id = post.id;
    let words = if post.kind == Kind::Photo { "photo" } else { "video" };
    // Documented maximum of title and description here is 150, shorter than what can be posted.
    let short: String = post.caption.chars().take(150).collect();
    let player = format!("https://www.tiktok.com/player/v1/{id}");
    let mut out = Map::new();
    for name in asked {
        let value = match name.as_str() {
            "id" => json!(id.to_string()),
            "create_time" => json!(seconds(post.created_ms)),
            "cover_image_url" => json!(state.media_url("cover", &id.to_string(), now_ms, COVER_LIFE_MS)),
            "share_url" => json!(format!(
                "https://www.tiktok.com/@{}/{words}/{id}?utm_campaign=tt4d_open_api&utm_source={}",
                post.account, session.client_key
            )),
            "title" | "video_description" => json!(short),
            "duration" => json!(post.duration),
            "height" => json!(post.height),
            "width" => json!(post.width),
            "embed_html" => {
                json!(format!("<blockquote class=\"tiktok-embed\" data-video-id=\"{id}\"></blockquote>"))
            }
            "embed_link" => json!(player),
            "view_count" => json!(views(post, state, now_ms)),
            "like_count" => json!(likes(post, state, now_ms)),
            "comment_count" => json!(views(post, state, now_ms) / 600),
            "share_count" => json!(views(post, state, now_ms) / 900),
            _ => json!(false),
        };
        out.insert(name.clone(), value);
    }
    Value::Object(out)
}
