//! Status and cancel (contract sections 10A, 11.1 and 14).

use serde_json::{Map, Value, json};

use crate::auth::{need_one_of, session, take};
use crate::call::{Call, Fields, Notes, invalid};
use crate::envelope::Reply;
use crate::post::{End, Kind, Publish, id_value};
use crate::state::State;
use crate::world::DRAFTS;

/// `POST /v2/post/publish/status/fetch/`
pub(crate) fn fetch(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    let id = target(state, call, notes, Some("/v2/post/publish/status/fetch/"))?;
    let switches = state.world.switches.clone();
    let Some(publish) = state.publishes.get_mut(&id) else { return Ok(Reply::data(json!({}))) };
    let mut data = Map::new();
    let processing =
        if publish.kind == Kind::VideoFile { "PROCESSING_UPLOAD" } else { "PROCESSING_DOWNLOAD" };
    // At least this many polls after the last byte still return PROCESSING (19.11); a failure is returned at once.
    let told = publish.polls >= switches.processing_polls;
    let mut ids = Vec::new();
    let (mut status, mut reason) = (processing, String::new());
    match &publish.end {
        Some(End::Failed { reason: why, .. }) => (status, reason) = ("FAILED", why.clone()),
        Some(End::Complete { posts, .. }) if told => {
            status = "PUBLISH_COMPLETE";
            // Public and moderated now; never for a post that is not public.
            let first = state.posts.iter().find(|post| posts.first() == Some(&post.id));
            if !switches.public_id_never && first.is_some_and(|post| post.is_public(call.now_ms)) {
                ids.clone_from(posts);
            }
        }
        // This status stays for a draft that is never finished, and for a deleted one (10A).
        None if told && publish.inbox_ms.is_some() => status = "SEND_TO_USER_INBOX",
        _ => {}
    }
    if publish.received_ms.is_some() {
        publish.polls = publish.polls.saturating_add(1);
    }
    data.insert("status".into(), json!(switches.status_word.as_deref().unwrap_or(status)));
    if !reason.is_empty() || switches.empty_fail_reason {
        data.insert("fail_reason".into(), json!(reason));
    }
    let ids: Vec<Value> = ids.iter().map(|&id| id_value(id, switches.public_id_form)).collect();
    data.insert("publicaly_available_post_id".into(), json!(ids));
    if let Some(upload) = &publish.upload {
        data.insert("uploaded_bytes".into(), json!(upload.received));
    }
    if let Some(pull) = &publish.pull {
        data.insert("downloaded_bytes".into(), json!(pull.downloaded));
    }
    Ok(Reply::data(Value::Object(data)))
}

/// `POST /v2/post/publish/cancel/`
pub(crate) fn cancel(state: &mut State, call: &Call, notes: &mut Notes) -> Result<Reply, Reply> {
    // No limit is stated for cancel (1.5).
    let id = target(state, call, notes, None).map_err(Reply::without_data)?;
    let refuse = |text: &str| Err(Reply::v2("publish_not_cancellable", "11.1", text).without_data());
    let Some(publish) = state.publishes.get(&id) else { return refuse("it is gone") };
    if publish.end.is_some() {
        return refuse("the post has ended already; read its status");
    }
    if publish.received_ms.is_some() {
        let text = "all bytes are there; processing cannot be stopped, nor a draft be taken out of the inbox";
        return refuse(text);
    }
    if publish.upload.is_some() && !state.world.switches.cancel_ends_upload {
        return refuse("a FILE_UPLOAD cannot be cancelled (switch cancel_ends_upload)");
    }
    state.fail(&id, "publish_cancelled", call.now_ms);
    notes.effect = true;
    Ok(Reply::done())
}

/// The publish named in the body, if the token may see it.
fn target(state: &mut State, call: &Call, notes: &mut Notes, limited: Option<&str>) -> Result<String, Reply> {
    let session = session(state, call, notes)?;
    need_one_of(&session, &["video.publish", DRAFTS])?;
    if let Some(path) = limited {
        take(state, path, &session.token, 30, call)?;
    }
    let body = call.json(state, false)?;
    let fields = Fields { object: &body, name: "", state };
    for key in fields.unknown(&["publish_id"]) {
        notes.finding("14.1", format!("{key} is no member of this body"));
    }
    notes.refuse_if_asked(state)?;
    let Some(id) = fields.text("publish_id")?.filter(|id| !id.is_empty()) else {
        return Err(invalid(state, "14.1", "publish_id is missing"));
    };
    let Some(publish) = state.publishes.get(id) else {
        return Err(Reply::v2("invalid_publish_id", "14.1", format!("{id} is unknown")));
    };
    check_owner(publish, &session.client_key, &session.username)?;
    Ok(id.to_string())
}

fn check_owner(publish: &Publish, client_key: &str, username: &str) -> Result<(), Reply> {
    if publish.client_key == client_key && publish.username == username {
        return Ok(());
    }
    let text = format!("it belongs to {} through {}", publish.username, publish.client_key);
    Err(Reply::v2("token_not_authorized_for_specified_publish_id", "14.1", text))
}
