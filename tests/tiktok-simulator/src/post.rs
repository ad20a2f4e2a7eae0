//! Publishes and posts over time: processing, moderation, late public ids, hiding (contract 14.2).
//! `status/fetch` is in `status`; the start of a publish is in `publish`.

use serde::Serialize;
use serde_json::json;
use sha2::Sha256;

use crate::draft;
use crate::media::Scanner;
use crate::random::stable_id;
use crate::state::State;
use crate::switches::IdForm;

pub(crate) const HOUR_MS: i64 = 3_600_000;

/// The content of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A video, by upload.
    VideoFile,
    /// A video, pulled from a URL.
    VideoUrl,
    /// Photos, pulled from URLs.
    Photo,
}

/// A publish from init to its end.
#[derive(Debug)]
pub(crate) struct Publish {
    pub(crate) id: String,
    pub(crate) number: u64,
    pub(crate) client_key: String,
    pub(crate) username: String,
    pub(crate) kind: Kind,
    pub(crate) created_ms: i64,
    pub(crate) caption: String,
    /// Empty while a draft is not finished.
    pub(crate) privacy: String,
    /// Whether it is for the user's inbox.
    pub(crate) draft: bool,
    /// When the draft arrived in the inbox.
    pub(crate) inbox_ms: Option<i64>,
    /// Whether the user deleted the draft.
    pub(crate) deleted: bool,
    pub(crate) upload: Option<Upload>,
    pub(crate) pull: Option<Pull>,
    /// When the last byte arrived.
    pub(crate) received_ms: Option<i64>,
    pub(crate) bytes: u64,
    pub(crate) sha256: Option<String>,
    /// The failure found by a format check.
    pub(crate) doomed: Option<String>,
    /// Status responses since the last byte arrived.
    pub(crate) polls: u32,
    pub(crate) end: Option<End>,
}

/// A FILE_UPLOAD in progress.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) token: String,
    pub(crate) size: u64,
    pub(crate) chunk_size: u64,
    pub(crate) count: u64,
    pub(crate) received: u64,
    pub(crate) chunks: u64,
    pub(crate) expires_ms: i64,
    pub(crate) hasher: Option<Sha256>,
    /// Parses the video's properties, with `check_video`.
    pub(crate) scanner: Option<Scanner>,
    /// The number of started PUTs; a newer one invalidates the bytes of an older one.
    pub(crate) attempt: u64,
}

/// A PULL_FROM_URL in progress.
#[derive(Debug)]
pub(crate) struct Pull {
    pub(crate) urls: Vec<String>,
    pub(crate) downloaded: u64,
    pub(crate) started: bool,
}

/// How a publish ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Complete { at_ms: i64, posts: Vec<u64> },
    Failed { at_ms: i64, reason: String },
}

/// A post that exists on an account.
#[derive(Clone, Debug, Serialize)]
pub struct Post {
    /// Item id, above 2^53.
    pub id: u64,
    /// Username.
    pub account: String,
    /// `publish_id`; None: it existed from the start.
    pub publish_id: Option<String>,
    /// App it came through.
    pub client_key: Option<String>,
    /// Video or photos.
    pub kind: Kind,
    /// Title and hashtags.
    pub caption: String,
    /// `privacy_level`.
    pub privacy: String,
    /// Bytes of the media; 0 if it existed from the start.
    pub bytes: u64,
    /// SHA-256 of the whole video, lower-case hex, if hashing is on.
    pub sha256: Option<String>,
    /// Virtual time, milliseconds.
    pub created_ms: i64,
    /// When it became or becomes visible to everyone; None: never.
    pub public_ms: Option<i64>,
    /// Hidden or removed by its owner.
    pub hidden: bool,
    /// Length in seconds.
    pub duration: u32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Views at `created_ms` of a published post, or at the start of the simulator.
    pub views: u64,
    /// Growth per hour of virtual time.
    pub views_per_hour: u64,
}

impl Post {
    pub(crate) fn is_public(&self, now_ms: i64) -> bool {
        !self.hidden && self.public_ms.is_some_and(|at| at <= now_ms)
    }
}

/// Fills the accounts with the videos of the world file.
pub(crate) fn populate(state: &mut State) {
    const TITLES: [&str; 8] = [
        "Leek soup in 40 seconds",
        "What is in my pantry",
        "Never throw this away",
        "One pot, five minutes",
        "You asked for the recipe",
        "Sunday market walk",
        "The knife that changed everything",
        "Answering your questions 🍲",
    ];
    let accounts = state.world.accounts.clone();
    for account in &accounts {
        let mut videos = account.videos.clone();
        for number in 0..account.generate_videos {
            let title = TITLES[(number as usize) % TITLES.len()];
            videos.push(crate::world::Video {
                title: format!("{title} #{} #soup", number + 1),
                // About two days apart, never two in the same second, because the cursor is an instant.
                age_seconds: 7200 + u64::from(number) * 172_800 + state.random.below(80_000),
                duration: 12 + u32::try_from(state.random.below(80)).unwrap_or(0),
                views: 500 + state.random.below(90_000),
                views_per_hour: state.random.below(40),
                ..crate::world::Video::default()
            });
        }
        for video in videos {
            let age_ms = i64::try_from(video.age_seconds).unwrap_or(0) * 1000;
            let created_ms = state.started_ms - age_ms;
            let public = !video.private && !account.private;
            let post = Post {
                id: if video.id == 0 { state.random.id() } else { video.id },
                account: account.username.clone(),
                publish_id: None,
                client_key: None,
                kind: Kind::VideoFile,
                caption: video.title,
                privacy: if public { "PUBLIC_TO_EVERYONE" } else { "SELF_ONLY" }.to_string(),
                bytes: 0,
                sha256: None,
                created_ms,
                public_ms: public.then_some(created_ms),
                hidden: false,
                duration: video.duration,
                width: video.width,
                height: video.height,
                views: video.views,
                views_per_hour: video.views_per_hour,
            };
            state.posts.push(post);
        }
    }
}

impl State {
    /// Processes everything that is due at `now_ms`, each at its own time.
    pub(crate) fn settle(&mut self, now_ms: i64) {
        let open: Vec<String> = self.open.iter().cloned().collect();
        for id in open {
            let Some(publish) = self.publishes.get(&id) else { continue };
            if let Some(received_ms) = publish.received_ms {
                let due = received_ms + i64::from(self.world.switches.processing_ms);
                if now_ms >= due {
                    match publish.doomed.clone().or_else(|| self.world.switches.fail_reason.clone()) {
                        Some(reason) => self.fail(&id, &reason, due),
                        None if publish.draft => self.deliver(&id, due),
                        None => self.complete(&id, due),
                    }
                }
            } else if publish.upload.as_ref().is_some_and(|upload| now_ms >= upload.expires_ms) {
                // Whether TikTok ever ends it is unknown (question 14).
                if self.world.switches.expired_upload_fails {
                    let at = publish.created_ms + HOUR_MS;
                    self.fail(&id, "internal", at);
                } else {
                    self.open.remove(&id);
                }
            } else if publish.pull.is_some() && now_ms >= publish.created_ms + HOUR_MS {
                let at = publish.created_ms + HOUR_MS;
                let reason =
                    if publish.kind == Kind::Photo { "photo_pull_failed" } else { "video_pull_failed" };
                self.fail(&id, reason, at);
            }
        }
        self.settle_inbox(now_ms);
    }

    /// When the next publish changes because of time.
    pub(crate) fn next_change_ms(&self) -> Option<i64> {
        self.open
            .iter()
            .filter_map(|id| self.publishes.get(id))
            .map(|publish| match (publish.received_ms, &publish.upload) {
                (Some(received_ms), _) => received_ms + i64::from(self.world.switches.processing_ms),
                (None, Some(upload)) => upload.expires_ms,
                (None, None) => publish.created_ms + HOUR_MS,
            })
            .chain(self.inbox_ends().map(|(_, due)| due))
            .min()
    }

    pub(crate) fn fail(&mut self, id: &str, reason: &str, at_ms: i64) {
        let Some(publish) = self.publishes.get_mut(id) else { return };
        if publish.end.is_some() {
            return;
        }
        publish.end = Some(End::Failed { at_ms, reason: reason.to_string() });
        let (client_key, username) = (publish.client_key.clone(), publish.username.clone());
        self.open.remove(id);
        let content = json!({ "publish_id": id, "reason": reason, "publish_type": self.publish_type(id) });
        let open_id = State::open_id(&client_key, &username);
        self.send_event(&client_key, "post.publish.failed", &open_id, &content, at_ms);
    }

    /// Its name in webhooks.
    fn publish_type(&self, id: &str) -> String {
        match self.publishes.get(id) {
            Some(publish) if publish.draft => draft::PUBLISH_TYPE.to_string(),
            _ => self.world.switches.webhook_publish_type.clone(),
        }
    }

    pub(crate) fn complete(&mut self, id: &str, at_ms: i64) {
        let switches = self.world.switches.clone();
        let Some(publish) = self.publishes.get(id) else { return };
        let (client_key, username) = (publish.client_key.clone(), publish.username.clone());
        let open_account = self.world.account(&username).is_some_and(|account| !account.private);
        let public_ms = (publish.privacy == "PUBLIC_TO_EVERYONE" && open_account)
            .then(|| at_ms + i64::from(switches.moderation_ms));
        let mut post = Post {
            id: 0,
            account: username.clone(),
            publish_id: Some(id.to_string()),
            client_key: Some(client_key.clone()),
            kind: publish.kind,
            caption: publish.caption.clone(),
            privacy: publish.privacy.clone(),
            bytes: publish.bytes,
            sha256: publish.sha256.clone(),
            created_ms: at_ms,
            public_ms,
            hidden: false,
            duration: 30,
            width: 1080,
            height: 1920,
            views: 0,
            views_per_hour: 60,
        };
        let mut ids = Vec::new();
        for _ in 0..switches.public_id_count.max(1) {
            post.id = self.random.id();
            ids.push(post.id);
        }
        // Several public ids still name one post; the first is the one that is listed.
        post.id = ids.first().copied().unwrap_or(post.id);
        self.posts.push(post);
        if let Some(publish) = self.publishes.get_mut(id) {
            publish.end = Some(End::Complete { at_ms, posts: ids.clone() });
        }
        self.open.remove(id);
        let open_id = State::open_id(&client_key, &username);
        let publish_type = self.publish_type(id);
        let content = json!({ "publish_id": id, "publish_type": publish_type });
        self.send_event(&client_key, "post.publish.complete", &open_id, &content, at_ms);
        // If the id never comes, the post is still in the list (14.2).
        if let Some(public_ms) = public_ms.filter(|_| !switches.public_id_never) {
            for post_id in ids {
                let content = json!({
                    "publish_id": id,
                    "post_id": id_value(post_id, switches.webhook_post_id_form),
                    "publish_type": publish_type,
                });
                let event = "post.publish.publicly_available";
                self.send_event(&client_key, event, &open_id, &content, public_ms);
            }
        }
    }

    /// The owner makes a post public, which sends `publicly_available` (17.3). Returns whether there was one.
    pub(crate) fn show_post(&mut self, id: u64, now_ms: i64) -> bool {
        let switches = self.world.switches.clone();
        let Some(post) = self.posts.iter_mut().find(|post| post.id == id && !post.is_public(now_ms)) else {
            return false;
        };
        post.hidden = false;
        post.public_ms = Some(now_ms);
        post.privacy = "PUBLIC_TO_EVERYONE".to_string();
        let post = post.clone();
        if let (Some(publish_id), Some(client_key)) = (&post.publish_id, &post.client_key) {
            let content = json!({
                "publish_id": publish_id,
                "post_id": id_value(id, switches.webhook_post_id_form),
                "publish_type": self.publish_type(publish_id),
            });
            let open_id = State::open_id(client_key, &post.account);
            self.send_event(client_key, "post.publish.publicly_available", &open_id, &content, now_ms);
        }
        true
    }

    /// The owner hides or removes a post. Returns whether it existed and was visible.
    pub(crate) fn hide_post(&mut self, id: u64, now_ms: i64) -> bool {
        let form = self.world.switches.webhook_post_id_form;
        let Some(post) = self.posts.iter_mut().find(|post| post.id == id && !post.hidden) else {
            return false;
        };
        post.hidden = true;
        let post = post.clone();
        if let (Some(publish_id), Some(client_key)) = (&post.publish_id, &post.client_key)
            && post.public_ms.is_some_and(|at| at <= now_ms)
        {
            let content = json!({
                "publish_id": publish_id,
                "post_id": id_value(id, form),
                "publish_type": self.publish_type(publish_id),
            });
            let open_id = State::open_id(client_key, &post.account);
            // TikTok's own spelling (17.3).
            let event = "post.publish.no_longer_publicaly_available";
            self.send_event(client_key, event, &open_id, &content, now_ms);
        }
        true
    }

    /// A publish_id in TikTok's form. For photos only one is known.
    pub(crate) fn publish_id(&mut self, kind: Kind, draft: bool) -> (String, u64) {
        let number = self.random.id();
        let prefix = match (kind, draft) {
            (Kind::VideoFile, false) => "v_pub_file~v2-1.",
            (Kind::VideoUrl, false) => "v_pub_url~v2.",
            (Kind::VideoFile, true) => "v_inbox_file~v2.",
            (Kind::VideoUrl, true) => "v_inbox_url~v2.",
            (Kind::Photo, _) => "p_pub_url~v2.",
        };
        (format!("{prefix}{number}"), number)
    }

    pub(crate) fn upload_token(&mut self, number: u64) -> String {
        let salt = self.random.text(16);
        stable_id(&["upload", &number.to_string(), &salt])
    }
}

pub(crate) fn id_value(id: u64, form: IdForm) -> serde_json::Value {
    match form {
        IdForm::Number => json!(id),
        IdForm::String => json!(id.to_string()),
    }
}
