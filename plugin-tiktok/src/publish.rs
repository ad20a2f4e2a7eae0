//! Publishing, step by step (D-DP, D-MTG, D-PH).
//!
//! ```text
//!  by upload:  Init ──(repeatable)──> Upload ──chunks──> Processing ──> Published
//!  by pull:    Init ──(repeatable)──> Pull ──(once)────> Processing ──> Published
//! ```
//!
//! Two requests can make a post: the last chunk of an upload, and the init of a pull. Only these are
//! announced as `once`. An init for an upload may be repeated, since an unused one dies unpublished when its
//! address expires. After the last chunk was begun there is never a new init: TikTok is asked what became of
//! this one.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use social_channel_provider::channel::{
    Effect as StepEffect, NextStep, Post, Publication, PublishStep, Resume,
};
use social_channel_provider::http::{Method, Request, Response, SendError};
use social_channel_provider::{Account, Environment, Error, ErrorKind, Media, MediaInfo, Severity, json};

use crate::api::{Call, Effect, call};
use crate::check::{UNAUDITED, check, media_type};
use crate::chunks::{Plan, plan};
use crate::creator::{self, PUBLIC};
use crate::credentials::Credentials;
use crate::draft::{Kind, option};
use crate::errors;
use crate::quota;
use crate::secret::Secret;
use crate::settings::{SCOPE_PUBLISH, Settings};
use crate::status::{self, Outcome, Status};
use crate::webhook::Evidence;

/// An upload address lives one hour and the whole upload must end within it (D-DP). A minute less, so that
/// a chunk is not begun that TikTok will refuse.
const UPLOAD_WITHIN: u64 = 3600 - 60;

/// How often an upload is begun anew after its address died. A line that fails twice in an hour is too slow.
const MAX_INITS: u32 = 3;

/// How often TikTok and we may disagree about progress before we only watch.
const MAX_REALIGNS: u32 = 5;

/// No answer after a day will not come any more: processing takes minutes.
const GIVE_UP: u64 = 24 * 3600;

/// How long a lost init of a pull waits for a webhook that names it.
const WAIT_FOR_EVIDENCE: u64 = 10 * 60;

/// An init that comes later than this after the last look at what the account may do looks again first: a
/// publish can pause for hours, and TikTok counts posts with stale choices against the app.
const CHECK_AGAIN_AFTER: u64 = 5 * 60;

/// Right after init TikTok may not know the id yet everywhere.
const UNKNOWN_ID_GRACE: u64 = 10 * 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// Nothing has been asked for.
    Init,
    /// The init of a pull is next, or was lost.
    Pull,
    /// The answer to the init of a pull was lost, and with it the id.
    Lost,
    Upload,
    Processing,
    Published,
}

/// What lies in the host between two steps. Members are only ever added.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    stage: Stage,
    photos: bool,
    /// None: TikTok fetches.
    #[serde(default)]
    plan: Option<Plan>,
    #[serde(default)]
    content_type: String,
    total: u64,
    post_info: Value,
    #[serde(default)]
    cover_index: i64,
    /// May a public id ever come?
    public: bool,
    #[serde(default)]
    username: Option<String>,
    /// Unix seconds.
    begun_at: u64,
    /// When the present stage began, unix seconds.
    since: u64,
    /// When TikTok last said what the account may do, unix seconds.
    #[serde(default)]
    checked_at: u64,
    #[serde(default)]
    publish_id: Option<String>,
    /// A credential by itself.
    #[serde(default)]
    upload_url: Option<Secret>,
    #[serde(default)]
    upload_until: u64,
    #[serde(default)]
    next_chunk: u64,
    /// The last chunk may have arrived.
    #[serde(default)]
    last_begun: bool,
    /// TikTok confirmed the last byte.
    #[serde(default)]
    sent_all: bool,
    #[serde(default)]
    downloaded: u64,
    #[serde(default)]
    inits: u32,
    #[serde(default)]
    realigns: u32,
    #[serde(default)]
    polls: u32,
    #[serde(default)]
    cancelling: bool,
    #[serde(default)]
    post_id: Option<String>,
}

impl State {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(|_| {
            Error::new(ErrorKind::Unsupported, "This publish was begun by another version of the provider.")
                .remedy("Let the version that began it end it.")
        })
    }

    fn step(self, next: NextStep) -> PublishStep {
        let phase = match self.stage {
            Stage::Init | Stage::Pull | Stage::Lost => "checking",
            Stage::Upload => "uploading",
            Stage::Processing => "processing",
            Stage::Published => "published",
        };
        let bytes_sent = match (self.stage, &self.plan) {
            (Stage::Upload, Some(plan)) => plan.range(self.next_chunk).0,
            (Stage::Processing, None) => self.downloaded.min(self.total),
            (Stage::Processing | Stage::Published, _) => self.total,
            _ => 0,
        };
        PublishStep {
            state: serde_json::to_vec(&self).unwrap_or_default(),
            reference: self.publish_id.clone(),
            phase: phase.to_owned(),
            bytes_sent,
            bytes_total: self.total,
            next,
        }
    }

    fn enter(&mut self, stage: Stage, now: u64) {
        self.stage = stage;
        self.since = now;
        self.polls = 0;
    }

    /// The last chunk alone can make a post.
    fn upload_effect(&self) -> StepEffect {
        match &self.plan {
            Some(plan) if !plan.is_last(self.next_chunk) => StepEffect::Repeatable,
            _ => StepEffect::Once,
        }
    }

    fn send_chunk(mut self, index: u64, now: u64) -> PublishStep {
        self.next_chunk = index;
        if self.stage != Stage::Upload {
            self.enter(Stage::Upload, now);
        }
        let effect = self.upload_effect();
        self.step(NextStep::Proceed(effect))
    }

    fn watch(mut self, now: u64) -> PublishStep {
        self.enter(Stage::Processing, now);
        self.step(NextStep::Wait(5_000))
    }

    /// Begins the upload anew. Only where nothing can have been posted.
    fn again(mut self, now: u64) -> PublishStep {
        if self.inits >= MAX_INITS {
            let error = Error::new(
                ErrorKind::Unavailable,
                "The upload did not end within the hour that TikTok gives it, and nothing was posted.",
            )
            .remedy("Publish again over a faster connection, or a smaller file.");
            return self.step(NextStep::Failed(error));
        }
        self.enter(Stage::Init, now);
        (self.publish_id, self.upload_url, self.next_chunk) = (None, None, 0);
        (self.last_begun, self.sent_all) = (false, false);
        self.step(NextStep::Proceed(StepEffect::Repeatable))
    }

    /// TikTok disagrees about how far the upload got.
    fn realign(mut self, uploaded: u64, now: u64) -> PublishStep {
        self.realigns = self.realigns.saturating_add(1);
        match self.plan.and_then(|plan| plan.next_after(uploaded)) {
            Some(index) if self.realigns <= MAX_REALIGNS => self.send_chunk(index, now),
            _ => {
                self.last_begun = true;
                self.watch(now)
            }
        }
    }
}

/// Checks once more and plans; asks TikTok only what the account may do.
pub(crate) async fn begin<E: Environment>(
    environment: &E,
    account: &Account,
    post: &Post,
    media: &[MediaInfo],
) -> Result<PublishStep, Error> {
    let settings = Settings::read(environment)?;
    let creator = creator::query(environment, account).await?;
    let (draft, findings) = check(&settings, &creator, post, media);
    if let Some(finding) = findings.into_iter().find(|finding| finding.severity == Severity::Error) {
        let kind = match finding.code.as_deref() {
            Some(UNAUDITED) => ErrorKind::Rejected,
            Some("url_ownership_unverified") => ErrorKind::Misconfigured,
            _ => ErrorKind::InvalidRequest,
        };
        let mut error = Error::new(kind, finding.message).field(finding.subject);
        (error.remedy, error.code) = (finding.remedy, finding.code);
        return Err(error);
    }
    let Some(draft) = draft else {
        return Err(Error::new(ErrorKind::InvalidRequest, "TikTok has no such kind of post.")
            .remedy("Choose a video or photos.")
            .field("kind"));
    };
    let total = media.iter().map(|item| item.size).sum();
    let now = environment.now();
    let state = State {
        stage: Stage::Init,
        photos: draft.kind == Kind::Photos,
        plan: if draft.pull { None } else { plan(total) },
        content_type: media.first().map(|item| media_type(item).to_owned()).unwrap_or_default(),
        total,
        post_info: draft.post_info(),
        cover_index: draft.cover_index,
        public: draft.visibility.as_deref() == Some(PUBLIC),
        username: creator.username,
        begun_at: now,
        since: now,
        checked_at: now,
        publish_id: None,
        upload_url: None,
        upload_until: 0,
        next_chunk: 0,
        last_begun: false,
        sent_all: false,
        downloaded: 0,
        inits: 0,
        realigns: 0,
        polls: 0,
        cancelling: false,
        post_id: None,
    };
    Ok(state.step(NextStep::Proceed(StepEffect::Repeatable)))
}

/// One step further.
pub(crate) async fn advance<E: Environment>(
    environment: &E,
    account: &Account,
    state: &[u8],
    media: &[E::Media],
    resume: &Resume,
) -> Result<PublishStep, Error> {
    let state = State::read(state)?;
    let publish = Publish { environment, account, credentials: Credentials::of(account)?, media };
    let evidence = Evidence::read(resume.evidence.as_deref());
    match state.stage {
        Stage::Init if state.plan.is_some() => publish.init_upload(state).await,
        Stage::Init => publish.reserve_pull(state).await,
        Stage::Pull if resume.interrupted => publish.lost(state, evidence).await,
        Stage::Pull => publish.init_pull(state).await,
        Stage::Lost => publish.lost(state, evidence).await,
        Stage::Upload if resume.interrupted => publish.find_place(state).await,
        Stage::Upload => publish.upload(state).await,
        Stage::Processing => publish.poll(state, evidence).await,
        Stage::Published => publish.look_again(state, evidence).await,
    }
}

/// Cancels where that is still possible.
pub(crate) async fn cancel<E: Environment>(
    environment: &E,
    account: &Account,
    state: &[u8],
) -> Result<PublishStep, Error> {
    let mut state = State::read(state)?;
    let at_last = matches!(state.upload_effect(), StepEffect::Once);
    match state.stage {
        // An upload that lacks bytes posts nothing; its address dies by itself.
        Stage::Init => return Ok(state.step(NextStep::Cancelled)),
        Stage::Upload if !at_last && !state.last_begun => return Ok(state.step(NextStep::Cancelled)),
        Stage::Published => {
            let publication = publication(&state, None);
            return Ok(state.step(NextStep::Published(publication)));
        }
        // Whether the init was sent is not known here: without its id only a webhook can tell.
        Stage::Pull | Stage::Lost => {
            state.cancelling = true;
            if state.stage == Stage::Pull {
                state.enter(Stage::Lost, environment.now());
            }
            return Ok(state.step(NextStep::Wait(60_000)));
        }
        Stage::Upload | Stage::Processing => {}
    }
    let credentials = Credentials::of(account)?;
    let asked = Call {
        path: "/v2/post/publish/cancel/",
        scope: SCOPE_PUBLISH,
        effect: Effect::None,
        fields: None,
        body: Some(json!({ "publish_id": state.publish_id })),
    };
    match call(environment, &credentials, asked).await {
        Ok(_) => {}
        // Final already, or unknown to TikTok: the status tells which.
        Err(error) if error.code.as_deref() == Some("publish_not_cancellable") => {}
        Err(error) if error.kind == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    state.cancelling = true;
    if state.stage == Stage::Upload {
        // The last chunk may have been sent by a call that nobody saw end.
        state.last_begun = true;
    }
    Ok(state.watch(environment.now()))
}

struct Publish<'a, E: Environment> {
    environment: &'a E,
    account: &'a Account,
    credentials: Credentials,
    media: &'a [E::Media],
}

impl<E: Environment> Publish<'_, E> {
    fn now(&self) -> u64 {
        self.environment.now()
    }

    async fn call(&self, path: &str, effect: Effect, body: Value) -> Result<Value, Error> {
        let asked = Call { path, scope: SCOPE_PUBLISH, effect, fields: None, body: Some(body) };
        call(self.environment, &self.credentials, asked).await
    }

    async fn init_upload(&self, mut state: State) -> Result<PublishStep, Error> {
        let Some(plan) = state.plan else { return Ok(state.again(self.now())) };
        if let Some(error) = self.no_longer_offered(&mut state).await? {
            return Ok(state.step(NextStep::Failed(error)));
        }
        let body = json!({
            "post_info": state.post_info,
            "source_info": {
                "source": "FILE_UPLOAD",
                "video_size": plan.size,
                "chunk_size": plan.chunk,
                "total_chunk_count": plan.count,
            },
        });
        let asked_at = self.now();
        let answer = quota::limited(self.environment, &quota::VIDEO_INIT, &self.account.id, || {
            self.call("/v2/post/publish/video/init/", Effect::None, body)
        })
        .await;
        let data = match answer {
            Ok(data) => data,
            Err(error) => {
                self.note_cap(&error).await;
                return refused(state, error);
            }
        };
        let (Some(publish_id), Some(upload_url)) =
            (json::text(&data, "publish_id"), json::text(&data, "upload_url"))
        else {
            // An init without its address is as good as none.
            return Err(Error::new(
                ErrorKind::Unavailable,
                "TikTok's answer lacks the address for the upload.",
            )
            .remedy("It is asked for again; if it stays so, publish later."));
        };
        state.publish_id = Some(publish_id);
        state.upload_url = Some(Secret::new(upload_url));
        state.upload_until = asked_at.saturating_add(UPLOAD_WITHIN);
        state.inits = state.inits.saturating_add(1);
        // An upload that begins anew is the same post.
        if state.inits == 1 {
            self.count_post().await;
        }
        Ok(state.send_chunk(0, self.now()))
    }

    /// Waits for a free place before the one request that must not be repeated.
    async fn reserve_pull(&self, mut state: State) -> Result<PublishStep, Error> {
        if let Some(error) = self.no_longer_offered(&mut state).await? {
            return Ok(state.step(NextStep::Failed(error)));
        }
        let limit = if state.photos { &quota::PHOTO_INIT } else { &quota::VIDEO_INIT };
        if let Err(wait) = quota::take(self.environment, limit, &self.account.id).await {
            return Ok(state.step(NextStep::Wait(wait)));
        }
        state.enter(Stage::Pull, self.now());
        Ok(state.step(NextStep::Proceed(StepEffect::Once)))
    }

    async fn init_pull(&self, mut state: State) -> Result<PublishStep, Error> {
        let urls: Option<Vec<String>> = self.media.iter().map(|item| item.info().public_url).collect();
        let Some(urls) = urls.filter(|urls| !urls.is_empty()) else {
            let error = Error::new(ErrorKind::InvalidRequest, "The media has no public address any more.")
                .remedy("Publish again with media that TikTok can fetch.")
                .field("media");
            return Ok(state.step(NextStep::Failed(error)));
        };
        let (path, body, limit) = if state.photos {
            let body = json!({
                "media_type": "PHOTO",
                "post_mode": "DIRECT_POST",
                "post_info": state.post_info,
                "source_info": {
                    "source": "PULL_FROM_URL",
                    "photo_cover_index": state.cover_index,
                    "photo_images": urls,
                },
            });
            ("/v2/post/publish/content/init/", body, &quota::PHOTO_INIT)
        } else {
            let body = json!({
                "post_info": state.post_info,
                "source_info": { "source": "PULL_FROM_URL", "video_url": urls.first() },
            });
            ("/v2/post/publish/video/init/", body, &quota::VIDEO_INIT)
        };
        let answer = self.call(path, Effect::Post, body).await;
        // It was counted when its place was reserved, in that second.
        let reserved = state.since.saturating_mul(1000).saturating_add(999);
        quota::arrived(self.environment, limit, &self.account.id, reserved).await;
        let data = match answer {
            Ok(data) => data,
            Err(error) => {
                if error.kind == ErrorKind::RateLimited {
                    let wait = error.retry_after.unwrap_or(60_000);
                    quota::close(self.environment, limit, &self.account.id, wait).await;
                }
                self.note_cap(&error).await;
                return refused(state, error);
            }
        };
        let Some(publish_id) = json::text(&data, "publish_id") else {
            return Err(Error::new(
                ErrorKind::OutcomeUnknown,
                "TikTok's answer lacks the id of the publish.",
            )
            .remedy("Look at the TikTok profile before you post again."));
        };
        state.publish_id = Some(publish_id);
        self.count_post().await;
        Ok(state.watch(self.now()))
    }

    /// TikTok counts other apps' posts too, so its refusal corrects what the form shows.
    async fn note_cap(&self, error: &Error) {
        if error.code.as_deref() == Some("spam_risk_too_many_posts") {
            let wait = error.retry_after.unwrap_or(3_600_000);
            quota::close(self.environment, &quota::POSTS, &self.account.id, wait).await;
        }
    }

    /// What the person chose and the account meanwhile no longer offers.
    async fn no_longer_offered(&self, state: &mut State) -> Result<Option<Error>, Error> {
        let now = self.now();
        if now < state.checked_at.saturating_add(CHECK_AGAIN_AFTER) {
            return Ok(None);
        }
        let creator = creator::query(self.environment, self.account).await?;
        state.checked_at = now;
        let offered = |level: &str| creator.privacy.iter().any(|known| known == level);
        let wants = |name: &str| json::flag(&state.post_info, name) == Some(false);
        let longest = self.media.iter().filter_map(|item| item.info().duration).max();
        let field = if !json::text(&state.post_info, "privacy_level").is_some_and(|level| offered(&level)) {
            "visibility"
        } else if creator.comment_disabled && wants("disable_comment") {
            option::COMMENT
        } else if creator.duet_disabled && wants("disable_duet") {
            option::DUET
        } else if creator.stitch_disabled && wants("disable_stitch") {
            option::STITCH
        } else if !state.photos
            && longest > creator.max_seconds.map(|seconds| seconds.saturating_mul(1000)).or(longest)
        {
            "media"
        } else {
            return Ok(None);
        };
        let error = Error::new(
            ErrorKind::InvalidRequest,
            "The account's TikTok settings changed since this was chosen, and nothing was posted.",
        );
        Ok(Some(error.remedy("Open the form again and choose anew.").field(field)))
    }

    async fn count_post(&self) {
        // The ledger is for show here, so what it says does not matter.
        let _ = quota::take(self.environment, &quota::POSTS, &self.account.id).await;
        quota::count_user(self.environment, &self.account.id).await;
    }

    /// The init of a pull was begun and its id never arrived: only a webhook can bring it.
    async fn lost(&self, mut state: State, evidence: Option<Evidence>) -> Result<PublishStep, Error> {
        let now = self.now();
        // Of an earlier publish of this account.
        let evidence = evidence.filter(|evidence| evidence.at.saturating_add(60) >= state.begun_at);
        if let Some(evidence) = evidence {
            state.publish_id = Some(evidence.publish_id.clone());
            state.enter(Stage::Processing, now);
            return self.poll(state, Some(evidence)).await;
        }
        if state.stage != Stage::Lost {
            state.enter(Stage::Lost, now);
        }
        if now >= state.since.saturating_add(WAIT_FOR_EVIDENCE) {
            let error = Error::new(
                ErrorKind::OutcomeUnknown,
                "TikTok's answer was lost, so it is not known whether the post was made.",
            )
            .remedy("Look at the profile and at the notifications in the TikTok app before you post again.");
            return Ok(state.step(NextStep::Unknown(error)));
        }
        Ok(state.step(NextStep::Wait(60_000)))
    }

    /// A chunk was begun and its end is not known: ask how far the upload got.
    async fn find_place(&self, mut state: State) -> Result<PublishStep, Error> {
        if matches!(state.upload_effect(), StepEffect::Once) {
            state.last_begun = true;
        }
        let status = match self.status(&state).await {
            Ok(status) => status,
            // Not known there: if no last chunk was sent, sending on tells more than asking again.
            Err(error) if error.kind == ErrorKind::NotFound => {
                return if state.last_begun { Ok(state.watch(self.now())) } else { self.upload(state).await };
            }
            Err(error) => return Err(error),
        };
        match (&status.outcome, status.uploaded) {
            (Outcome::Processing, Some(uploaded)) => {
                match state.plan.and_then(|plan| plan.next_after(uploaded)) {
                    Some(index) => {
                        // All bytes are not there, so whatever was begun did not arrive.
                        state.last_begun = false;
                        // Another chunk than was announced is a step of its own: it may be the last one,
                        // and the announcement of this call may have been `repeatable`.
                        if index == state.next_chunk {
                            self.upload(state).await
                        } else {
                            Ok(state.send_chunk(index, self.now()))
                        }
                    }
                    None => {
                        state.sent_all = true;
                        Ok(state.watch(self.now()))
                    }
                }
            }
            (Outcome::Processing, None) if !state.last_begun => self.upload(state).await,
            _ => {
                state.enter(Stage::Processing, self.now());
                self.judge(state, status, None)
            }
        }
    }

    async fn upload(&self, state: State) -> Result<PublishStep, Error> {
        let now = self.now();
        let (Some(plan), Some(url)) = (state.plan, state.upload_url.clone()) else {
            return Ok(state.again(now));
        };
        if now >= state.upload_until {
            return Ok(if state.last_begun { state.watch(now) } else { state.again(now) });
        }
        let Some(item) = self.media.first().filter(|item| item.info().size == plan.size) else {
            let error = Error::new(
                ErrorKind::InvalidRequest,
                "The file is not the one that this publish began with.",
            )
            .remedy("Publish again with the file as it is now.")
            .field("media");
            return Ok(give_up(state, error, now));
        };
        let index = state.next_chunk;
        let (first, length) = plan.range(index);
        // No bearer token here: the address is the credential, and the host of it may be another one.
        let request = Request::new(Method::Put, url.reveal())
            .header("content-type", state.content_type.clone())
            .header("content-range", plan.content_range(index))
            .media(item, first, length);
        let answer = self.environment.send(request).await;
        let now = self.now();
        match answer {
            Ok(response) => self.chunk_answered(state, plan, &response).await,
            Err(SendError::Media(reason)) => {
                let error = SendError::Media(reason).of_effect("TikTok");
                match error.kind {
                    ErrorKind::Unavailable => Err(error),
                    _ => Ok(give_up(state, error.field("media"), now)),
                }
            }
            Err(error) => Err(error.of_effect("TikTok")),
        }
    }

    async fn chunk_answered(
        &self,
        mut state: State,
        plan: Plan,
        response: &Response,
    ) -> Result<PublishStep, Error> {
        let now = self.now();
        let index = state.next_chunk;
        let last = plan.is_last(index);
        match response.status {
            201 => {
                state.sent_all = true;
                state.last_begun = true;
                Ok(state.watch(now))
            }
            // Not documented; some clients saw it for 201.
            200 if last => {
                state.sent_all = true;
                state.last_begun = true;
                Ok(state.watch(now))
            }
            200 | 206 => match progress(response) {
                Some(uploaded) if plan.next_after(uploaded) != Some(index.saturating_add(1)) => {
                    Ok(state.realign(uploaded, now))
                }
                // More is expected after what we take for the last one: let the status tell.
                _ if last => {
                    state.last_begun = true;
                    Ok(state.watch(now))
                }
                _ => Ok(state.send_chunk(index.saturating_add(1), now)),
            },
            416 => match progress(response) {
                Some(uploaded) => Ok(state.realign(uploaded, now)),
                None => {
                    let status = self.status(&state).await?;
                    match (&status.outcome, status.uploaded) {
                        (Outcome::Processing, Some(uploaded)) => Ok(state.realign(uploaded, now)),
                        _ => {
                            state.last_begun = true;
                            state.enter(Stage::Processing, now);
                            self.judge(state, status, None)
                        }
                    }
                }
            },
            // The address has died, or the task. Nothing was posted unless all bytes are there.
            403 | 404 if state.last_begun => Ok(state.watch(now)),
            403 | 404 => Ok(state.again(now)),
            429 => Err(errors::by_status(429)
                .retry_after_ms(response.retry_after_ms().unwrap_or(60_000))
                .trace_id(trace(response))),
            500..=599 if last => {
                let error = Error::new(
                    ErrorKind::OutcomeUnknown,
                    format!("TikTok broke down at the last part of the upload (HTTP {}).", response.status),
                )
                .remedy("TikTok is asked what became of it; do not publish it again meanwhile.");
                Err(error.trace_id(trace(response)))
            }
            500..=599 => Err(errors::by_status(response.status).trace_id(trace(response))),
            other => {
                let error = Error::new(
                    ErrorKind::Other,
                    format!("TikTok refused a part of the upload (HTTP {other})."),
                )
                .remedy("Publish again; if it stays, report it with the log id.")
                .code(other.to_string())
                .trace_id(trace(response));
                Ok(give_up(state, error, now))
            }
        }
    }

    async fn status(&self, state: &State) -> Result<Status, Error> {
        let publish_id = state.publish_id.as_deref().unwrap_or_default();
        status::fetch(self.environment, self.account, &self.credentials, publish_id).await
    }

    async fn poll(&self, state: State, evidence: Option<Evidence>) -> Result<PublishStep, Error> {
        match self.status(&state).await {
            Ok(status) => self.judge(state, status, evidence),
            Err(error) if error.kind == ErrorKind::RateLimited => {
                Ok(state.step(NextStep::Wait(error.retry_after.unwrap_or(60_000))))
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                let now = self.now();
                let known = error.code.as_deref() == Some("invalid_publish_id");
                if known && now < state.since.saturating_add(UNKNOWN_ID_GRACE) {
                    return Ok(wait(state, now));
                }
                Ok(state.step(NextStep::Unknown(
                    error.remedy("Look at the TikTok profile before you post again."),
                )))
            }
            Err(error) => Err(error),
        }
    }

    /// What a status means for this publish.
    fn judge(
        &self,
        mut state: State,
        status: Status,
        evidence: Option<Evidence>,
    ) -> Result<PublishStep, Error> {
        let now = self.now();
        match status.outcome {
            Outcome::Complete => {
                state.enter(Stage::Published, now);
                state.post_id = status.post_ids.into_iter().next().or(public_id(evidence));
                let publication = publication(&state, Some(now));
                Ok(state.step(NextStep::Published(publication)))
            }
            Outcome::Failed(reason) if reason == "publish_cancelled" && state.cancelling => {
                Ok(state.step(NextStep::Cancelled))
            }
            Outcome::Failed(reason) => Ok(state.step(NextStep::Failed(errors::fail_reason(&reason)))),
            Outcome::Inbox => {
                let error =
                    Error::new(ErrorKind::Other, "TikTok put the post into the inbox of the app as a draft.")
                        .remedy("Finish it in the TikTok app, and report this as a fault.");
                Ok(state.step(NextStep::Unknown(error)))
            }
            Outcome::Processing => Ok(self.still_processing(state, &status, now)),
        }
    }

    fn still_processing(&self, mut state: State, status: &Status, now: u64) -> PublishStep {
        state.downloaded = status.downloaded.unwrap_or(state.downloaded);
        let missing = match (state.plan, status.uploaded) {
            (Some(plan), Some(uploaded)) if !state.sent_all => plan.next_after(uploaded).map(|_| uploaded),
            _ => None,
        };
        if let Some(uploaded) = missing {
            // Bytes are missing, so nothing was posted.
            if state.cancelling {
                return state.step(NextStep::Cancelled);
            }
            if now >= state.upload_until {
                return state.again(now);
            }
            if state.realigns < MAX_REALIGNS {
                return state.realign(uploaded, now);
            }
        }
        if now >= state.since.saturating_add(GIVE_UP) {
            let error = Error::new(
                ErrorKind::OutcomeUnknown,
                "TikTok has not said for a day what became of the post.",
            )
            .remedy("Look at the TikTok profile before you post again.");
            return state.step(NextStep::Unknown(error));
        }
        wait(state, now)
    }

    /// It is out; its public id may have come meanwhile.
    async fn look_again(&self, mut state: State, evidence: Option<Evidence>) -> Result<PublishStep, Error> {
        if state.post_id.is_none() {
            let told = public_id(evidence);
            match self.status(&state).await {
                Ok(status) => state.post_id = status.post_ids.into_iter().next().or(told),
                Err(_) if told.is_some() => state.post_id = told,
                Err(error) => return Err(error),
            }
        }
        state.polls = state.polls.saturating_add(1);
        let publication = publication(&state, Some(self.now()));
        Ok(state.step(NextStep::Published(publication)))
    }
}

/// An error of an init: what a pause or a new connection can mend goes back as an error, and the step stays;
/// what cannot be mended ends the publish.
fn refused(state: State, error: Error) -> Result<PublishStep, Error> {
    match error.kind {
        ErrorKind::InvalidRequest | ErrorKind::Rejected | ErrorKind::NotFound | ErrorKind::Other => {
            Ok(state.step(NextStep::Failed(error)))
        }
        // Asking again for a capped creator makes it worse, so that is left to a person. The cap of the app
        // is another matter: tomorrow it is simply open again.
        ErrorKind::QuotaExceeded if error.code.as_deref() == Some("spam_risk_too_many_posts") => {
            Ok(state.step(NextStep::Failed(error)))
        }
        _ => Err(error),
    }
}

/// Ends an upload that cannot go on, unless a last chunk of it may have arrived before.
fn give_up(state: State, error: Error, now: u64) -> PublishStep {
    if state.last_begun { state.watch(now) } else { state.step(NextStep::Failed(error)) }
}

/// The next look: soon at first, for small files take seconds; a minute apart later, so that several posts
/// of an account stay below 30 questions a minute; and rarely after an hour.
fn wait(mut state: State, now: u64) -> PublishStep {
    const PAUSES: [u64; 5] = [5, 10, 20, 30, 60];
    let index = usize::try_from(state.polls).unwrap_or(usize::MAX);
    let seconds = if now >= state.since.saturating_add(3600) {
        15 * 60
    } else {
        PAUSES.get(index).copied().unwrap_or(60)
    };
    state.polls = state.polls.saturating_add(1);
    state.step(NextStep::Wait(seconds * 1000))
}

/// The id that TikTok's own, signed message told.
fn public_id(evidence: Option<Evidence>) -> Option<String> {
    evidence.filter(|evidence| evidence.event == "post.publish.publicly_available")?.post_id
}

/// `now` None: no further look is wanted.
fn publication(state: &State, now: Option<u64>) -> Publication {
    let url = match (&state.post_id, &state.username) {
        (Some(id), Some(name)) => {
            let kind = if state.photos { "photo" } else { "video" };
            Some(format!("https://www.tiktok.com/@{name}/{kind}/{id}"))
        }
        _ => None,
    };
    // Private posts never get an id. Public ones get it in a minute, in hours, or never.
    let recheck_after = match now {
        Some(now) if state.public && state.post_id.is_none() && now < state.since.saturating_add(GIVE_UP) => {
            Some((30_000_u64 << state.polls.min(7)).min(3_600_000))
        }
        _ => None,
    };
    Publication { post_id: state.post_id.clone(), url, recheck_after }
}

/// `Content-Range: bytes 0-N/TOTAL` of an answer.
fn progress(response: &Response) -> Option<u64> {
    let range = response.header("content-range")?.trim().strip_prefix("bytes")?.trim();
    range.split_once('-')?.1.split('/').next()?.trim().parse().ok()
}

fn trace(response: &Response) -> Option<String> {
    response.header("x-tt-logid").map(str::to_owned)
}

#[cfg(test)]
mod tests;
