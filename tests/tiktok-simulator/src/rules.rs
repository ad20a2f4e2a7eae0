//! Descriptions of the rules that refusals and findings name, one sentence each. Numbers are sections of the
//! project's TikTok contract; traps are mistakes that were seen in public clients.

use serde::Serialize;

/// A rule and its description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// As named in a reason: `10.1 C8`, or `trap 23`.
    pub name: &'static str,
    /// Its description.
    pub text: &'static str,
}

const fn rule(name: &'static str, text: &'static str) -> Rule {
    Rule { name, text }
}

/// All of them.
pub const RULES: &[Rule] = &[
    rule("0.3", "Token lives and rotation: obey expires_in; each refresh token works once."),
    rule("1.1", "Hosts and paths: paths end in a slash, upload URLs are used byte for byte."),
    rule(
        "1.3",
        "Content types and authorization: forms at the token endpoint, JSON and a bearer token elsewhere, no bearer on uploads.",
    ),
    rule(
        "1.5",
        "Rate limits: 600 a minute for each display endpoint; per token 20 creator info, 6 init, 30 status a minute.",
    ),
    rule("2", "Scopes: separated by commas, added to the app, granted by the person."),
    rule("3", "The authorization request: client_key, response_type, scope, redirect_uri, state."),
    rule("3.1", "Redirect URIs: registered, and sent byte for byte, slash and port included."),
    rule("3.2", "PKCE: the challenge is the lower-case hex SHA-256 of the verifier, not base64url."),
    rule("3.3", "The callback: code or error, state, scopes."),
    rule("4", "Exchanging the code: once, soon, decoded once, with the same redirect_uri."),
    rule("5", "Refreshing: with the newest refresh token."),
    rule("6", "Revoking: with the access token, key and secret."),
    rule("7", "Errors of OAuth: flat body, known codes."),
    rule("7.1", "The life of a token: refresh once on access_token_invalid, then connect again."),
    rule("8", "Display: fields stand in the query, and only known ones."),
    rule("8.1", "User info: each field needs its scope."),
    rule("8.2", "Listing videos: paging in the body, at most 20, cursor in milliseconds."),
    rule("8.3", "Querying videos: up to 20 ids, as strings."),
    rule("8.4", "Links to covers live six hours, to avatars two."),
    rule("9.1", "Creator info: asked for whenever the form is shown; its body is empty."),
    rule("9.2", "Init: privacy level from creator info, right types, both brand toggles, one source."),
    rule("9.3", "Uploading: one PUT after the other, exact ranges and lengths, within an hour."),
    rule("10.1 C1", "total_chunk_count is floor(video_size / chunk_size); the rest joins the last chunk."),
    rule("10.1 C2", "Every chunk but the last has 5 to 64 MB."),
    rule("10.1 C3", "The last chunk has at most 128 MB."),
    rule("10.1 C4", "A file below 5 MB is one chunk of its size."),
    rule("10.1 C5", "A file above 64 MB has more than one chunk."),
    rule("10.1 C6", "1 to 1000 chunks."),
    rule("10.1 C7", "Chunks go one after the other."),
    rule("10.1 C8", "One chunk means chunk_size = video_size."),
    rule("10.1 C9", "Rounding the chunk count up is refused."),
    rule("10.1 C10", "Whether MB is decimal or binary is not said: stay within 5,242,880 and 64,000,000."),
    rule(
        "10A",
        "Drafts: scope video.upload, source_info alone, at most 5 unfinished ones of an account in 24 hours; the person finishes them in the app.",
    ),
    rule("10.4", "Media limits: MP4, MOV, WebM up to 4 GB; JPEG and WebP up to 20 MB."),
    rule("11", "Pulls: https, a verified domain or prefix, no redirect, within an hour."),
    rule("11.1", "Cancelling: best effort, and never after the end."),
    rule("12", "Photos: by pull only, 1 to 35, title up to 90, description up to 4000."),
    rule("13.1", "Stages of an app: sandbox for target users, nobody before approval."),
    rule("13.2", "Before the audit: the account itself is private, and the post is SELF_ONLY."),
    rule("13.3", "Caps of a day: posts of a creator, active users of an app."),
    rule("14.1", "Status: ask with the token of the account and app that began it."),
    rule("16.7", "What the creator has disabled is greyed out in the form and never switched on."),
    rule("16.14", "Branded content cannot be private."),
    rule("17", "Webhooks."),
    rule("19.13", "Drafts are refused altogether: the switch refuse_video_upload is on."),
    rule("trap 1", "A fixed token life instead of expires_in."),
    rule("trap 2", "Keeping the old refresh token."),
    rule("trap 3", "Two refreshes at once."),
    rule("trap 5", "base64url PKCE."),
    rule("trap 6", "client_id, or JSON at the token endpoint."),
    rule("trap 12", "Assuming that all scopes were granted."),
    rule("trap 13", "Taking non_sandbox_target for a cancel."),
    rule("trap 14", "Decoding the code twice, or not at all."),
    rule("trap 15", "A redirect URI that is almost equal."),
    rule("trap 16", "fields in the JSON body."),
    rule("trap 17", "Seconds for milliseconds."),
    rule("trap 22", "Rounding the chunk count up."),
    rule("trap 23", "One chunk with another chunk_size."),
    rule("trap 24", "Dropping the tail of the last chunk."),
    rule("trap 25", "Chunks in parallel or out of order."),
    rule("trap 28", "An old upload URL."),
    rule("trap 29", "The bearer token on an upload, or a changed upload URL."),
    rule("trap 31", "SELF_ONLY as the cure for a public account."),
    rule("trap 32", "Public by default."),
    rule("trap 33", "A fixed list of privacy levels."),
    rule("trap 35", "Inverted switches: the form says allow, the API disable."),
    rule("trap 36", "The cover time in source_info."),
    rule("trap 37", "Video fields on photos."),
    rule("trap 38", "PNG photos, or an unverified host."),
    rule("trap 39", "Signed addresses of a storage provider."),
    rule("trap 40", "Counting characters instead of UTF-16 units."),
    rule("trap 41", "Disconnecting people on the app's user cap."),
    rule("trap 48", "Keeping links of covers and avatars."),
    rule("trap 50", "Keys of another app or mode."),
    rule("trap 52", "Paging flat out."),
    rule("trap 53", "Looking for private posts in the list."),
];

/// The rules that a reason such as `10.1 C2, C10, trap 23` or `9.2, traps 32 and 33` names, in its order.
/// Unknown names are left out.
pub fn explain(reason: &str) -> Vec<&'static Rule> {
    names(reason).iter().filter_map(|name| RULES.iter().find(|rule| rule.name == name)).collect()
}

fn names(reason: &str) -> Vec<String> {
    let mut section = String::new();
    let mut trap = false;
    let mut names = Vec::new();
    for word in reason.split([',', ' ']).filter(|word| !word.is_empty()) {
        match word {
            "trap" | "traps" => trap = true,
            "and" => {}
            number if trap => names.push(format!("trap {number}")),
            chunk if chunk.starts_with('C') => {
                // `10.1` alone is the prefix of a C rule; it is not a rule by itself.
                if names.last() == Some(&section) {
                    names.pop();
                }
                names.push(format!("{section} {chunk}"));
            }
            number => {
                section = number.to_string();
                names.push(section.clone());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_taken_apart() {
        let names = |reason: &str| explain(reason).iter().map(|rule| rule.name).collect::<Vec<_>>();
        assert_eq!(names("10.1 C2, C10, trap 23"), ["10.1 C2", "10.1 C10", "trap 23"]);
        assert_eq!(names("9.2, traps 32 and 33"), ["9.2", "trap 32", "trap 33"]);
        assert_eq!(names("9.2, 16.14"), ["9.2", "16.14"]);
        assert_eq!(names("10A, 12"), ["10A", "12"]);
        assert!(names("99").is_empty());
    }

    /// Checks that every reason in the sources can be explained completely.
    #[test]
    fn every_reason_in_the_sources_is_explained() {
        let mut seen = 0;
        let mut unexplained = Vec::new();
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap() {
            let path = entry.unwrap().path();
            // These have quoted numbers that are not reasons.
            let skip = ["rules.rs", "clock.rs", "media.rs", "page.rs"];
            if path.is_dir() || skip.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for text in source.lines().flat_map(|line| line.split('"').skip(1).step_by(2)) {
                let words = text.split([',', ' ']).filter(|word| !word.is_empty());
                let is_word = |word: &str| {
                    let number = word.strip_prefix('C').unwrap_or(word).trim_end_matches('A');
                    matches!(word, "trap" | "traps" | "and")
                        || (number.len() < 6
                            && number.split('.').count() < 3
                            && number.parse::<f32>().is_ok_and(|number| number < 60.0))
                };
                let is_reason = words.clone().count() > 0 && words.clone().all(is_word);
                if is_reason && text.starts_with(|c: char| c.is_ascii_digit()) && text != "0" && text != "1" {
                    if explain(text).len() != names(text).len() {
                        unexplained.push(format!("{}: {text}", path.display()));
                    }
                    seen += 1;
                }
            }
        }
        assert!(unexplained.is_empty(), "{unexplained:#?}");
        assert!(seen > 60, "{seen}");
    }
}
