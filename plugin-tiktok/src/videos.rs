//! The account's public videos, page by page and by id (D-VL, D-VQ, D-VO).

use serde_json::{Value, json};
use social_channel_provider::channel::{ListQuery, Metric, PostMedia, PostPage, PostSummary};
use social_channel_provider::{Account, Environment, Error, ErrorKind, json};

use crate::api::{Call, Effect, call};
use crate::credentials::{Credentials, require_scope};
use crate::profile::https;
use crate::quota;
use crate::settings::SCOPE_LIST;

const FIELDS: &str = "id,create_time,cover_image_url,share_url,video_description,duration,height,width,\
                      title,embed_link,like_count,comment_count,share_count,view_count";

/// The maximum number of items per page and per query.
const MAX_ITEMS: usize = 20;

/// About 36 pages without a pause caused a 429, far below the documented 600 a minute.
const PAGE_DISTANCE_MS: u64 = 1000;

pub(crate) async fn list<E: Environment>(
    environment: &E,
    account: &Account,
    query: &ListQuery,
) -> Result<PostPage, Error> {
    let credentials = Credentials::of(account)?;
    require_scope(account, SCOPE_LIST)?;
    let mut body = json!({ "max_count": query.limit.clamp(1, MAX_ITEMS as u32) });
    let before = match &query.cursor {
        None => None,
        Some(cursor) => Some(cursor.parse::<u64>().map_err(|_| {
            Error::new(ErrorKind::InvalidRequest, "The cursor is not one that this provider gave out.")
                .remedy("Start from the first page.")
                .field("cursor")
        })?),
    };
    if let (Some(before), Some(members)) = (before, body.as_object_mut()) {
        members.insert("cursor".to_owned(), before.into());
    }
    if before.is_some() {
        quota::space(environment, &quota::VIDEO_LIST, &account.id, PAGE_DISTANCE_MS).await;
    }
    let asked = Call {
        path: "/v2/video/list/",
        scope: SCOPE_LIST,
        effect: Effect::None,
        fields: Some(FIELDS),
        body: Some(body),
    };
    let data = quota::limited(environment, &quota::VIDEO_LIST, &account.id, || {
        call(environment, &credentials, asked)
    })
    .await?;
    let posts: Vec<PostSummary> = json::list(&data, "videos").iter().filter_map(summary).collect();
    // `has_more` alone ends the list: pages can be short, and the last one carries a cursor too.
    let next = if json::flag(&data, "has_more") == Some(true) {
        json::number(&data, "cursor")
            .or_else(|| {
                posts.last().and_then(|post| post.created_at).map(|seconds| seconds.saturating_mul(1000))
            })
            // An unchanged cursor would cause an endless loop.
            .filter(|next| Some(*next) != before)
    } else {
        None
    };
    Ok(PostPage::new(posts, next.map(|cursor| cursor.to_string())))
}

pub(crate) async fn get<E: Environment>(
    environment: &E,
    account: &Account,
    ids: &[String],
) -> Result<Vec<PostSummary>, Error> {
    let credentials = Credentials::of(account)?;
    require_scope(account, SCOPE_LIST)?;
    // A publish id is not a video id, and TikTok would refuse the whole query because of it.
    let ids: Vec<&String> = ids
        .iter()
        .filter(|id| !id.is_empty() && id.len() <= 20 && id.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    let mut posts = Vec::new();
    for part in ids.chunks(MAX_ITEMS) {
        let asked = Call {
            path: "/v2/video/query/",
            scope: SCOPE_LIST,
            effect: Effect::None,
            fields: Some(FIELDS),
            body: Some(json!({ "filters": { "video_ids": part } })),
        };
        let data = quota::limited(environment, &quota::VIDEO_QUERY, &account.id, || {
            call(environment, &credentials, asked)
        })
        .await?;
        posts.extend(json::list(&data, "videos").iter().filter_map(summary));
    }
    Ok(posts)
}

fn summary(video: &Value) -> Option<PostSummary> {
    let id = json::text(video, "id").or_else(|| json::number(video, "id").map(|id| id.to_string()))?;
    let url = https(json::text(video, "share_url")).map(|url| plain_link(&url));
    let size = |name| json::number(video, name).and_then(|n| u32::try_from(n).ok()).filter(|&n| n > 0);
    let is_photos = url.as_deref().is_some_and(|url| url.contains("/photo/"));
    let thumbnail_url = https(json::text(video, "cover_image_url"));
    let media = PostMedia {
        thumbnail_url: thumbnail_url.clone(),
        // Photos have none, and TikTok returns 0 then.
        duration: json::number(video, "duration")
            .filter(|&seconds| seconds > 0)
            .map(|seconds| seconds.saturating_mul(1000)),
        width: size("width"),
        height: size("height"),
        ..PostMedia::new(if is_photos { "image" } else { "video" })
    };
    Some(PostSummary {
        title: json::text(video, "title"),
        text: json::text(video, "video_description"),
        url,
        embed_url: https(json::text(video, "embed_link")),
        thumbnail_url,
        created_at: json::number(video, "create_time"),
        media: vec![media],
        metrics: Metric::known(&[
            ("views", json::number(video, "view_count")),
            ("likes", json::number(video, "like_count")),
            ("replies", json::number(video, "comment_count")),
            ("reposts", json::number(video, "share_count")),
        ]),
        ..PostSummary::new(id, if is_photos { "images" } else { "video" })
    })
}

/// TikTok adds tracking parameters that name our client key; the link works without them.
fn plain_link(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or(url).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::environment;
    use social_channel_provider::testing::run;

    fn account() -> Account {
        Account {
            id: "open-1".to_owned(),
            credentials: br#"{"access_token":"act.1"}"#.to_vec(),
            scopes: vec!["video.list".to_owned()],
        }
    }

    fn page(videos: Value, rest: Value) -> Value {
        let mut data = json!({ "videos": videos });
        data.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({"data": data, "error": {"code": "ok", "message": "", "log_id": "l"}})
    }

    fn query(limit: u32, cursor: Option<&str>) -> ListQuery {
        ListQuery::new(limit, cursor.map(str::to_owned))
    }

    #[test]
    fn fields_go_into_the_query_and_paging_into_the_body() {
        let environment = environment();
        environment.answer_json(200, &page(json!([]), json!({"has_more": false, "cursor": 5})));
        let page = run(list(&environment, &account(), &query(50, Some("1795339000000")))).unwrap();
        assert_eq!(page.next_cursor, None, "the last page has none, though TikTok sends one");
        let sent = environment.take_sent();
        assert!(
            sent[0].url.starts_with("https://open.tiktokapis.com/v2/video/list/?fields=id%2Ccreate_time%2C")
        );
        assert_eq!(sent[0].json(), json!({"max_count": 20, "cursor": 1_795_339_000_000_u64}));
    }

    #[test]
    fn videos_keep_their_exact_ids_and_units() {
        let environment = environment();
        let video = json!({"id": "7570000000000000123", "create_time": 1_795_337_212, "duration": 41,
            "share_url": "https://www.tiktok.com/@d/video/7570000000000000123?utm_source=key", "like_count": 0});
        environment.answer_json(200, &page(json!([video, {"title": "no id"}]), json!({"has_more": true})));
        let page = run(list(&environment, &account(), &query(10, None))).unwrap();
        assert_eq!(page.posts.len(), 1);
        let post = &page.posts[0];
        assert_eq!(post.id, "7570000000000000123");
        assert_eq!(post.url.as_deref(), Some("https://www.tiktok.com/@d/video/7570000000000000123"));
        assert_eq!(post.media[0].duration, Some(41_000));
        assert_eq!(post.metrics, [Metric::new("likes", 0)], "what TikTok does not tell is absent");
        assert_eq!(
            page.next_cursor.as_deref(),
            Some("1795337212000"),
            "from the last video if TikTok gives none"
        );
    }

    #[test]
    fn pages_keep_a_distance_and_first_pages_do_not_wait() {
        let environment = environment();
        let begin = environment.now_ms();
        for cursor in [None, None, Some("5"), Some("4")] {
            environment.answer_json(200, &page(json!([]), json!({"has_more": false})));
            run(list(&environment, &account(), &query(20, cursor))).unwrap();
        }
        assert_eq!(environment.now_ms() - begin, 2000, "trap 52");
    }

    #[test]
    fn a_foreign_cursor_is_refused_before_the_request() {
        let error = run(list(&environment(), &account(), &query(10, Some("abc")))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest);
    }

    #[test]
    fn queries_hold_twenty_ids_and_no_publish_ids() {
        let environment = environment();
        let mut ids: Vec<String> = (0..21).map(|n| format!("75700000000000000{n:02}")).collect();
        ids.push("v_pub_file~v2-1.7570000000000000999".to_owned());
        environment.answer_json(200, &page(json!([{"id": "1"}]), json!({})));
        environment.answer_json(200, &page(json!([]), json!({"cursor": 0, "has_more": false})));
        assert_eq!(run(get(&environment, &account(), &ids)).unwrap().len(), 1);
        let sent = environment.take_sent();
        assert_eq!(sent[0].json()["filters"]["video_ids"].as_array().unwrap().len(), 20);
        assert_eq!(sent[1].json()["filters"]["video_ids"].as_array().unwrap().len(), 1);
    }
}
