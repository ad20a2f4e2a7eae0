//! The posts of an account, with their numbers.

use serde_json::Value;
use social_channel_provider::channel::{ListQuery, Metric, PostMedia, PostPage, PostSummary};
use social_channel_provider::{Account, Environment, Error, json};

use crate::key;
use crate::links;
use crate::xrpc::Caller;

/// What one page and one question may hold.
const PAGE: u32 = 100;
const IDS: usize = 25;

pub(crate) async fn list<E: Environment>(
    environment: &E,
    account: &Account,
    query: &ListQuery,
) -> Result<PostPage, Error> {
    let caller = Caller::new(environment, account)?;
    let limit = query.limit.clamp(1, PAGE).to_string();
    let mut asked =
        vec![("actor", account.id.as_str()), ("limit", &limit), ("filter", "posts_and_author_threads")];
    if let Some(cursor) = &query.cursor {
        asked.push(("cursor", cursor));
    }
    let answer = caller.get("app.bsky.feed.getAuthorFeed", &asked).await?;
    // What somebody else wrote and this account only passed on is not its own.
    let own = json::list(&answer, "feed").iter().map(|entry| &entry["post"]);
    let posts = own.filter_map(|post| summary(post, &account.id)).collect();
    Ok(PostPage::new(posts, json::text(&answer, "cursor")))
}

pub(crate) async fn get<E: Environment>(
    environment: &E,
    account: &Account,
    ids: &[String],
) -> Result<Vec<PostSummary>, Error> {
    let caller = Caller::new(environment, account)?;
    let own: Vec<&str> = ids
        .iter()
        .map(String::as_str)
        .filter(|id| links::split(id).is_some_and(|(did, _)| did == account.id))
        .collect();
    let mut posts = Vec::new();
    for some in own.chunks(IDS) {
        let asked: Vec<_> = some.iter().map(|&id| ("uris", id)).collect();
        let answer = caller.get("app.bsky.feed.getPosts", &asked).await?;
        posts.extend(json::list(&answer, "posts").iter().filter_map(|post| summary(post, &account.id)));
    }
    Ok(posts)
}

/// None if it is somebody else's.
fn summary(post: &Value, did: &str) -> Option<PostSummary> {
    if post["author"]["did"] != did {
        return None;
    }
    let id = json::text(post, "uri")?;
    let record = &post["record"];
    // What the author's program wrote, which may be anything; else when the network saw it.
    let time = |from: &Value, name: &str| json::text(from, name).as_deref().and_then(key::read);
    let media = media(&post["embed"]);
    let kind = match media.first().map(|media| media.kind.as_str()) {
        Some("video") => "video",
        Some(_) => "images",
        None if post["embed"]["external"].is_object() => "link",
        None => "text",
    };
    Some(PostSummary {
        text: json::text(record, "text"),
        url: links::post(&id),
        thumbnail_url: media
            .first()
            .and_then(|media| media.thumbnail_url.clone())
            .or_else(|| json::text(&post["embed"]["external"], "thumb")),
        created_at: time(record, "createdAt").or_else(|| time(post, "indexedAt")),
        media,
        metrics: Metric::known(&[
            ("likes", json::number(post, "likeCount")),
            ("replies", json::number(post, "replyCount")),
            ("reposts", json::number(post, "repostCount")),
            ("quotes", json::number(post, "quoteCount")),
            ("saves", json::number(post, "bookmarkCount")),
        ]),
        ..PostSummary::new(id, kind)
    })
}

/// The pictures or the video of an embed, also beside a quoted post.
fn media(embed: &Value) -> Vec<PostMedia> {
    let shown = if embed["media"].is_object() { &embed["media"] } else { embed };
    let size =
        |of: &Value, name| json::number(&of["aspectRatio"], name).and_then(|it| u32::try_from(it).ok());
    let images = json::list(shown, "images").iter().map(|image| PostMedia {
        url: json::text(image, "fullsize"),
        thumbnail_url: json::text(image, "thumb"),
        alt_text: json::text(image, "alt"),
        width: size(image, "width"),
        height: size(image, "height"),
        ..PostMedia::new("image")
    });
    let video = json::text(shown, "playlist").map(|playlist| PostMedia {
        url: Some(playlist),
        thumbnail_url: json::text(shown, "thumbnail"),
        alt_text: json::text(shown, "alt"),
        width: size(shown, "width"),
        height: size(shown, "height"),
        ..PostMedia::new("video")
    });
    images.chain(video).collect()
}
