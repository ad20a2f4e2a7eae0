//! Addresses of people and posts, which stay the same when somebody changes the handle: they are made of ids.

/// Where Bluesky shows people and posts, also those of other servers.
const APP: &str = "https://bsky.app";
/// The collection of posts.
pub(crate) const POST: &str = "app.bsky.feed.post";

pub(crate) fn profile(did: &str) -> String {
    format!("{APP}/profile/{did}")
}

/// The page of a post; None if it is none of a post.
pub(crate) fn post(uri: &str) -> Option<String> {
    let (did, key) = split(uri)?;
    Some(format!("{APP}/profile/{did}/post/{key}"))
}

/// The author's id and the record key of `at://DID/app.bsky.feed.post/KEY`.
pub(crate) fn split(uri: &str) -> Option<(&str, &str)> {
    let (did, rest) = uri.strip_prefix("at://")?.split_once('/')?;
    let key = rest.strip_prefix(POST)?.strip_prefix('/')?;
    (did.starts_with("did:") && !key.is_empty() && !key.contains('/')).then_some((did, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_has_a_page() {
        assert_eq!(
            post("at://did:plc:a/app.bsky.feed.post/3k").as_deref(),
            Some("https://bsky.app/profile/did:plc:a/post/3k")
        );
        for other in
            ["at://did:plc:a/app.bsky.feed.like/3k", "at://a.test/app.bsky.feed.post/3k", "https://x", ""]
        {
            assert_eq!(post(other), None, "{other}");
        }
    }
}
