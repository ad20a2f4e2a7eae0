//! A plugin of Extism that does what TikTok's provider does for a profile and for one chunk of a video. It keeps no quotas, no
//! states and no secrets, and knows two errors; so it is the least that somebody would write.

use extism_pdk::{Error, FnResult, HttpRequest, Json, http, plugin_fn};
use serde::Deserialize;
use serde_json::{Value, json};

const FIELDS: &str =
    "open_id,display_name,avatar_url,avatar_large_url,bio_description,profile_deep_link,is_verified,username";

/// Where the platform is, and as whom.
#[derive(Deserialize)]
struct Account {
    origin: String,
    token: String,
}

/// Where a chunk goes. It is the first line of an input; the bytes follow.
#[derive(Deserialize)]
struct Chunk {
    url: String,
    range: String,
}

fn answered(status: u16, body: &[u8]) -> Result<Value, Error> {
    let answer: Value = serde_json::from_slice(body)?;
    match answer.pointer("/error/code").and_then(Value::as_str) {
        Some("ok") if status == 200 => Ok(answer),
        code => Err(Error::msg(format!("{status} {}", code.unwrap_or("without a code")))),
    }
}

/// The profile, as one document.
#[plugin_fn]
pub fn profile(Json(account): Json<Account>) -> FnResult<String> {
    let request = HttpRequest::new(format!("{}/v2/user/info/?fields={FIELDS}", account.origin))
        .with_header("authorization", format!("Bearer {}", account.token));
    let answer = http::request::<Vec<u8>>(&request, None)?;
    let answer = answered(answer.status_code(), &answer.body())?;
    let user = |name: &str| answer.pointer(&format!("/data/user/{name}")).cloned().unwrap_or_default();
    let profile = json!({
        "id": user("open_id"),
        "username": user("username"),
        "display_name": user("display_name"),
        "bio": user("bio_description"),
        "url": user("profile_deep_link"),
        "avatar_url": user("avatar_large_url"),
        "verified": user("is_verified"),
    });
    Ok(profile.to_string())
}

/// Sends one chunk; returns the status.
#[plugin_fn]
pub fn chunk(input: Vec<u8>) -> FnResult<String> {
    let end = input.iter().position(|byte| *byte == b'\n').ok_or_else(|| Error::msg("no first line"))?;
    let (head, rest) = input.split_at(end);
    let chunk: Chunk = serde_json::from_slice(head)?;
    let request = HttpRequest::new(chunk.url)
        .with_method("PUT")
        .with_header("content-type", "video/mp4")
        .with_header("content-range", chunk.range);
    let answer = http::request(&request, rest.get(1..))?;
    Ok(answer.status_code().to_string())
}
