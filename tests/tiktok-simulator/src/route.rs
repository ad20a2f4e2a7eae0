//! Which handler answers which path, under which method and host (contract 1.1).

use crate::call::{Call, Notes};
use crate::envelope::Reply;
use crate::state::State;
use crate::{authorize, creator, display, oauth, publish, status};

/// What a host serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Login,
    Api,
    Upload,
    Media,
}

type Handler = fn(&mut State, &Call, &mut Notes) -> Result<Reply, Reply>;

const ROUTES: &[(&str, &str, Place, Handler)] = &[
    ("GET", "/v2/auth/authorize/", Place::Login, authorize::show),
    ("POST", "/v2/auth/authorize/", Place::Login, authorize::decide),
    ("POST", "/v2/oauth/token/", Place::Api, oauth::token),
    ("POST", "/v2/oauth/revoke/", Place::Api, oauth::revoke),
    ("GET", "/v2/user/info/", Place::Api, display::user_info),
    ("POST", "/v2/video/list/", Place::Api, display::video_list),
    ("POST", "/v2/video/query/", Place::Api, display::video_query),
    ("POST", "/v2/post/publish/creator_info/query/", Place::Api, creator::query),
    ("POST", "/v2/post/publish/video/init/", Place::Api, publish::video_init),
    ("POST", "/v2/post/publish/content/init/", Place::Api, publish::content_init),
    ("POST", "/v2/post/publish/inbox/video/init/", Place::Api, publish::inbox_init),
    ("POST", "/v2/post/publish/status/fetch/", Place::Api, status::fetch),
    ("POST", "/v2/post/publish/cancel/", Place::Api, status::cancel),
];

/// Refuses a path on a TikTok host that does not serve it. Other hosts (the simulator's own) serve all.
pub(crate) fn check_host(host: &str, place: Place) -> Result<(), Reply> {
    let serves = match host {
        "www.tiktok.com" => place == Place::Login,
        "open.tiktokapis.com" => place == Place::Api,
        other if other.ends_with(".tiktokapis.com") => place == Place::Upload,
        _ => true,
    };
    if serves {
        return Ok(());
    }
    Err(Reply::refused(404, "1.1", format!("{host} does not serve this path")))
}

pub(crate) fn handle(state: &mut State, call: &Call, host: &str, notes: &mut Notes) -> Result<Reply, Reply> {
    if call.path.starts_with("/media/") && call.method == "GET" {
        check_host(host, Place::Media)?;
        return display::media(state, call);
    }
    if crate::upload::is_upload(&call.path, &call.query) {
        return Err(Reply::refused(405, "9.3", "an upload_url takes PUT only"));
    }
    let found = ROUTES.iter().find(|(method, path, ..)| *path == call.path && *method == call.method);
    if let Some((_, _, place, handler)) = found {
        check_host(host, *place)?;
        return handler(state, call, notes);
    }
    let known = |path: &str| ROUTES.iter().find(|route| route.1 == path);
    if let Some((method, ..)) = known(&call.path) {
        let text = format!("this endpoint takes {method}, not {}", call.method);
        return Err(Reply::refused(405, "1.3", text));
    }
    let reply = if known(&format!("{}/", call.path)).is_some() {
        Reply::refused(404, "1.1", "the path ends in a slash; it is missing here")
    } else if call.path.starts_with("/v2/post/publish/inbox/") {
        crate::draft::note(state, notes, &format!("{} was called", call.path))?;
        let text = "no such endpoint; the inbox takes /v2/post/publish/inbox/video/init/, and photos go to \
                    /v2/post/publish/content/init/ with post_mode MEDIA_UPLOAD";
        Reply::refused(404, "10A", text)
    } else {
        Reply::refused(404, "1.1", "no such endpoint")
    };
    Err(reply)
}
