//! What the calls are about: a host, what is in it, and whether that is whole.

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use library_tests::{APP, Stage, app_config, request, until, video_bytes, world};
use social_channel::model::{Media, OptionValue};
use social_channel::{
    Clock as _, Host, HostBuilder, Job, JobStatus, MovedClock, NewUpload, PublishRequest, Result, TenantId,
};
use tiktok_simulator::{Action, Fault};

/// The bytes of a small video.
const SIZE: usize = 4_096;

/// A host whose jobs are run by `work` only, by a clock that the test moves. A lease that nobody holds any more would
/// last for an hour.
pub(crate) struct Scene {
    stage: Stage,
    clock: Arc<MovedClock>,
    /// Another host on the same database, for calls about keys.
    pub(crate) other: Mutex<Option<Host>>,
}

impl Deref for Scene {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl Scene {
    pub(crate) async fn new(differ: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        let mut world = world();
        world.switches.hash_uploads = false;
        world.switches.processing_ms = 0;
        let clock = Arc::new(MovedClock::default());
        let ours = clock.clone();
        let stage = Stage::in_world(world, |builder| {
            let builder = builder.clock(ours).background(false).takeover(Duration::from_secs(3_600));
            differ(builder.keep_uploads(Duration::from_secs(60)))
        });
        Scene { stage: stage.await.unwrap(), clock, other: Mutex::default() }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now_ms() / 1_000
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.stage.advance(&self.clock, Duration::from_secs(seconds.unsigned_abs()));
    }

    /// The host that can read the database now.
    pub(crate) fn reader(&self) -> Host {
        self.other.lock().unwrap().clone().unwrap_or_else(|| self.host.clone())
    }

    /// The channel, connected if it is not.
    pub(crate) async fn channel(&self) -> String {
        match self.tenant.channels().await.unwrap().into_iter().next() {
            Some(channel) => channel.id,
            None => self.connect().await.unwrap().id,
        }
    }

    pub(crate) async fn disconnect_all(&self) {
        for channel in self.tenant.channels().await.unwrap() {
            self.tenant.disconnect(&channel.id).await.unwrap();
        }
    }

    /// How many channels there are; each is used.
    pub(crate) async fn working_channels(&self) -> usize {
        let channels = self.tenant.channels().await.unwrap();
        for channel in &channels {
            self.tenant.profile(&channel.id).await.unwrap();
        }
        channels.len()
    }

    pub(crate) async fn stored(&self, request: PublishRequest) -> Job {
        self.tenant.publish(&self.channel().await, request).await.unwrap()
    }

    /// A job for tomorrow, of which nothing is sent until somebody wants it.
    pub(crate) async fn scheduled(&self) -> Job {
        let publish_at = Some(self.now() + 86_400);
        self.stored(PublishRequest { publish_at, ..self.post("later") }).await
    }

    pub(crate) fn post(&self, text: &str) -> PublishRequest {
        request(text, self.video(SIZE as u64).unwrap())
    }

    pub(crate) async fn job(&self, id: &str) -> Job {
        self.tenant.job(id).await.unwrap()
    }

    /// Runs what is due.
    pub(crate) async fn work(&self) {
        self.host.work(Some(Duration::ZERO)).await.unwrap();
    }

    /// A job that ended, and its post may exist or not.
    pub(crate) async fn unknown(&self) -> Job {
        let mut config = app_config();
        config.settings.insert("verified-urls".to_owned(), "media.example.com".into());
        self.host.put_app(APP, config).await.unwrap();
        let public_url = Some("https://media.example.com/video.mp4".to_owned());
        let mut pull = request("pulled", Media { public_url, ..self.video(SIZE as u64).unwrap() });
        pull.post.options.insert("transfer".to_owned(), OptionValue::Text("pull".to_owned()));
        let lost = Fault::new(Action::Reset).path("/v2/post/publish/video/init/").after();
        self.simulator.faults().add(lost);
        let job = self.stored(pull).await;
        self.to_the_end(&self.clock, &job.id).await.unwrap()
    }

    /// Begins an upload that comes in parts.
    pub(crate) async fn begun(&self, name: &str) -> Result<String> {
        let size = Some(SIZE as u64);
        let new =
            NewUpload { file_name: Some(name.to_owned()), size, limit: 1 << 20, ..NewUpload::default() };
        Ok(self.tenant.begin_upload(new).await?.id)
    }

    /// Sends what is missing of an upload, as a browser does whose page was reloaded.
    pub(crate) async fn sent(&self, id: &str) -> Result<()> {
        loop {
            let so_far = self.tenant.partial_upload(id).await?;
            if so_far.received == so_far.size {
                return Ok(());
            }
            let from = usize::try_from(so_far.received).unwrap();
            let parts: Vec<_> =
                video_bytes(SIZE).unwrap()[from..].chunks(1_500).map(<[u8]>::to_vec).collect();
            let parts = futures::stream::iter(parts.into_iter().map(|part| Ok(part.into())));
            match self.tenant.append_upload(id, so_far.received, parts).await {
                // The last write of a part that broke off has not come to its end.
                Err(error) if matches!(error.code.as_deref(), Some("upload_busy" | "upload_offset")) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                other => return other.map(drop),
            }
        }
    }

    pub(crate) async fn uploaded(&self, name: &str) -> String {
        let id = self.begun(name).await.unwrap();
        self.sent(&id).await.unwrap();
        id
    }

    /// Works until a job has ended.
    pub(crate) async fn published(&self, id: &str) {
        until("the job's end", async || {
            self.work().await;
            let job = self.job(id).await;
            // Else a run goes on without its worker.
            if let Some(wait @ 1..) = job.next_attempt_at.map(|at| at - self.now()) {
                self.pass(wait + 1);
            }
            (job.status != JobStatus::Active).then_some(())
        })
        .await;
    }

    pub(crate) fn posts(&self, text: &str) -> usize {
        self.simulator.world().published().iter().filter(|post| post.caption == text).count()
    }

    /// What there is can be read, whole.
    pub(crate) async fn is_sound(&self) {
        let host = self.reader();
        let tenant = host.tenant(TenantId::default());
        host.check_database().await.unwrap();
        assert!(host.apps().await.unwrap().iter().all(|app| app.error.is_none()));
        assert!(host.providers().await.unwrap().iter().all(|provider| provider.error.is_none()));
        tenant.channels().await.unwrap();
        let jobs = tenant.jobs(None, None, 1_000).await.unwrap();
        if let Some(newest) = jobs.first() {
            tenant.job_history(&newest.id).await.unwrap();
        }
        for upload in tenant.uploads().await.unwrap() {
            assert_eq!(tenant.upload_content(APP, &upload.id).await.unwrap().size(), upload.size);
        }
        tenant.drafts::<String>().await.unwrap();
        assert!(self.simulator.world().published().len() <= jobs.len(), "no job posts twice");
        assert!(self.simulator.violations().is_empty());
    }
}
