//! The data folder that every attack begins with: two tenants, each with an account and a key.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use library_tests::{APP, Stage, component};
use social_channel::{AppConfig, Connect, ConnectOptions, Connected, Host, SecretText, TenantId};
use social_channel_server::Access;
use tiktok_simulator::Simulator;

/// The app of the provider that misbehaves.
pub(crate) const HOSTILE_APP: &str = "hostile";
/// The operator's password.
pub(crate) const PASSWORD: &str = "correct horse";
/// Where the policy sends requests to a media server on the internet.
pub(crate) const MEDIA_SERVER: &str = "https://media.example.com";

/// What a program of one tenant has.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) key: String,
    pub(crate) channel: String,
}

/// See the module documentation.
pub(crate) struct Template {
    pub(crate) simulator: Simulator,
    folder: tempfile::TempDir,
    /// The operator's key.
    pub(crate) operator: String,
    /// The tenant who only wants to work.
    pub(crate) alice: Account,
    /// The tenant who attacks, with an account of the hostile provider.
    pub(crate) mallory: Account,
}

impl Template {
    pub(crate) async fn make() -> Result<Self> {
        let mut world = library_tests::world();
        // The platform's limits are not what is attacked.
        world.switches.rate_limit_divisor = 0;
        world.switches.processing_ms = 0;
        let Stage { simulator, host, folder, .. } =
            Stage::in_world(world, |builder| builder.background(false)).await?;
        host.load_provider(&component("test_provider")?).await?;
        let app = AppConfig { provider: Some("test-provider".to_owned()), ..AppConfig::default() };
        host.put_app(HOSTILE_APP, app).await?;
        let alice: TenantId = "alice".parse()?;
        let mallory: TenantId = "mallory".parse()?;
        let alice = Account {
            channel: library_tests::connect(&host.tenant(alice.clone()), None).await?.id,
            key: key(&host, &alice).await?,
        };
        let mallory =
            Account { channel: hostile_channel(&host, &mallory).await?, key: key(&host, &mallory).await? };
        let access = Access::of(&host);
        access.set_password(Some(SecretText::new(PASSWORD))).await?;
        let operator = access.create_api_key("attack", None).await?.text.expose().to_owned();
        host.close(library_tests::PATIENCE).await;
        Ok(Template { simulator, folder, operator, alice, mallory })
    }

    /// A copy of the folder below `place`.
    pub(crate) fn copy_to(&self, place: &Path) -> Result<PathBuf> {
        let copy = place.join("data");
        let done = Command::new("cp").arg("-a").arg(self.folder.path()).arg(&copy).status()?;
        if !done.success() {
            bail!("the data folder cannot be copied: {done}");
        }
        Ok(copy)
    }
}

async fn key(host: &Host, tenant: &TenantId) -> Result<String> {
    Ok(Access::of(host).create_api_key("attack", Some(tenant)).await?.text.expose().to_owned())
}

async fn hostile_channel(host: &Host, tenant: &TenantId) -> Result<String> {
    let tenant = host.tenant(tenant.clone());
    let options = ConnectOptions {
        owner: "browser".to_owned(),
        redirect_uri: Some("http://127.0.0.1:9123/callback".to_owned()),
        ..ConnectOptions::default()
    };
    let Connect::Redirect { state, .. } = tenant.begin_connect(HOSTILE_APP, options).await? else {
        bail!("a redirect was expected");
    };
    match tenant.complete_connect("browser", vec![("state".to_owned(), state)]).await? {
        Connected::Channel(channel) => Ok(channel.id),
        _ => bail!("one account was expected"),
    }
}

/// The policy of the service: TikTok is the simulator, and one media server on the internet is `media`.
pub(crate) fn policy(simulator: &str, media: &str) -> Result<String> {
    let mut policy = serde_json::to_value(library_tests::policy(simulator)?)?;
    policy
        .get_mut("connect_to")
        .and_then(serde_json::Value::as_array_mut)
        .with_context(|| format!("the policy for {APP} has no connections"))?
        .push(serde_json::json!({"from": MEDIA_SERVER, "to": media}));
    Ok(policy.to_string())
}
