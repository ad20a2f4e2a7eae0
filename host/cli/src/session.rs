//! Opens the library as the flags say: data folder, policy, key, tenant.

use std::path::{Path, PathBuf};

use anyhow::Result;
use etcetera::AppStrategy as _;
use etcetera::app_strategy::{AppStrategyArgs, choose_native_strategy};
use serde::de::DeserializeOwned;
use social_channel::{
    AppConfig, Blob, Channel, Compile, Database, Error, ErrorKind, Host, HostBuilder, KeySource, Policy,
    ProviderPolicy, Proxy, Tenant, default_key_file,
};

use crate::failure::{unreadable, wrong};
use crate::global::Global;
use crate::output::Output;
use crate::shipped;
use crate::simulator::Simulator;

const DATABASE: &str = "social-channel.sqlite";
const CACHE: &str = "cache";

/// The configuration for opening a host.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) policy: Policy,
    providers: ProviderPolicy,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) key_file: Option<PathBuf>,
    database: Option<Database>,
    pub(crate) blob: Option<Blob>,
    pub(crate) output: Output,
    simulator: Option<Simulator>,
    /// A temporary folder for a simulator, whose accounts do not outlive it either.
    _throw_away: Option<tempfile::TempDir>,
}

/// The open library.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) place: Place,
    pub(crate) host: Host,
    pub(crate) tenant: Tenant,
    pub(crate) output: Output,
}

impl Place {
    /// Resolves the configuration, and starts the simulator if requested.
    pub(crate) async fn find(global: &Global) -> Result<Self> {
        Self::find_with_media(global, None).await
    }

    /// The same; a simulator fetches media from the service at `media`, as a platform does from a public address.
    pub(crate) async fn find_with_media(global: &Global, media: Option<&str>) -> Result<Self> {
        let mut policy: Policy = match &global.policy {
            Some(path) => read_policy(path, "allow_private_networks, connect_to and allow_remote_targets")?,
            None => Policy::default(),
        };
        let providers = match &global.providers {
            Some(path) => read_policy(path, "signed, keys, credentials, authorities and plain_http")?,
            None => ProviderPolicy::default(),
        };
        let simulator = match &global.simulator {
            Some(provider) => Some(Simulator::start(provider.as_deref(), media).await?),
            None => None,
        };
        if let Some(simulator) = &simulator {
            policy.connect_to.extend(simulator.description.connect_to.iter().cloned());
        }
        let mut throw_away = None;
        let folder = match (&global.data, &simulator) {
            (Some(folder), _) => folder.clone(),
            (None, Some(_)) => {
                let folder = tempfile::Builder::new().prefix("social-channel-").tempdir()?;
                throw_away.insert(folder).path().to_owned()
            }
            (None, None) => default_folder()?,
        };
        make_folder(&folder)?;
        Ok(Place {
            folder,
            policy,
            providers,
            proxy: global.proxy()?,
            key_file: global.key_file.clone(),
            database: global.database.clone(),
            blob: global.blob.clone(),
            output: global.output(),
            simulator,
            _throw_away: throw_away,
        })
    }

    /// The address at which the simulator fetches media from here.
    pub(crate) fn media_address(&self) -> Option<String> {
        self.simulator.as_ref()?.description.media_origin.clone()
    }

    pub(crate) fn database(&self) -> Database {
        self.database.clone().unwrap_or_else(|| self.file())
    }

    /// The file in the data folder.
    pub(crate) fn file(&self) -> Database {
        Database::Sqlite(self.folder.join(DATABASE))
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.join(CACHE)
    }

    /// A description of the master key's source.
    pub(crate) fn key(&self) -> String {
        match &self.key_file {
            Some(path) => path.display().to_string(),
            None if std::env::var_os(social_channel::KEY_VARIABLE).is_some() => {
                format!("${}", social_channel::KEY_VARIABLE)
            }
            None => match self.database().path() {
                Some(path) => default_key_file(path).display().to_string(),
                // There is no other place for it.
                None => format!("${}", social_channel::KEY_VARIABLE),
            },
        }
    }

    pub(crate) fn builder(&self) -> HostBuilder {
        let key = self.key_file.clone().map_or(KeySource::Default, KeySource::File);
        let database = self.database();
        let builder = match &self.blob {
            Some(blob) => Host::builder().blob(blob.clone()),
            None => Host::builder(),
        };
        let builder = builder.data(&self.folder).database(database).cache(self.cache()).key(key);
        let builder = builder
            .policy(self.policy.clone())
            .providers(self.providers.clone())
            .compile(Compile::Program(own_program()));
        match &self.proxy {
            Some(proxy) => builder.proxy(proxy.clone()),
            None => builder,
        }
    }

    /// Installs a simulated provider and its app if they are missing.
    pub(crate) async fn prepare(&self, host: &Host) -> Result<()> {
        let Some(simulator) = &self.simulator else { return Ok(()) };
        let wanted = &simulator.description.app;
        let Some(id) = &wanted.provider else { return Ok(()) };
        let installed = host.providers().await?.into_iter().any(|p| p.installed && p.descriptor.id == *id);
        if !installed {
            let path = shipped::component(id).ok_or_else(|| {
                wrong(
                    format!("the component of the provider {id} was not found beside this program"),
                    "add it yourself: `social-channel providers add FILE`",
                )
            })?;
            let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
            host.load_provider(&bytes).await?;
        }
        // The keys may differ from those of an earlier run.
        let config = AppConfig {
            provider: Some(id.clone()),
            settings: wanted.settings.clone(),
            redirect_uri: wanted.redirect_uri.clone(),
            ..AppConfig::default()
        };
        host.put_app(id, config).await?;
        self.output.note(&format!(
            "simulator: {} (its app here is `{id}`; nothing reaches the real platform)",
            simulator.description.origin
        ));
        Ok(())
    }
}

/// This program. Linux knows it also after a newer version was installed in its place.
fn own_program() -> PathBuf {
    const SELF: &str = "/proc/self/exe";
    if Path::new(SELF).exists() {
        return PathBuf::from(SELF);
    }
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("social-channel"))
}

impl Session {
    /// Opens the library. `background`: whether it runs the jobs of this process.
    pub(crate) async fn open(global: &Global, background: bool) -> Result<Self> {
        let place = Place::find(global).await?;
        let host = place.builder().background(background).open().await?;
        place.prepare(&host).await?;
        Ok(Session { tenant: host.tenant(global.tenant.clone()), output: place.output, host, place })
    }

    /// A channel by its id or its account's name or username; without a name, the only channel.
    pub(crate) async fn channel(&self, name: Option<&str>) -> Result<Channel> {
        let channels = self.tenant.channels().await?;
        let Some(name) = name else {
            let mut all = channels.into_iter();
            return match (all.next(), all.next()) {
                (Some(only), None) => Ok(only),
                (None, _) => Err(Error::new(ErrorKind::NotFound, "no account is connected")
                    .with_remedy("connect one first: `social-channel connect APP`")
                    .into()),
                _ => {
                    Err(wrong("there are several channels", "name one; see `social-channel channels`").into())
                }
            };
        };
        if channels.iter().any(|channel| channel.id == name) {
            return Ok(self.tenant.channel(name).await?);
        }
        let mut named = channels.into_iter().filter(|channel| {
            is_called(name, &channel.account_id, &channel.display_name, channel.username.as_deref())
        });
        match (named.next(), named.next()) {
            (Some(one), None) => Ok(one),
            // The library's own error.
            (None, _) => Ok(self.tenant.channel(name).await?),
            _ => Err(wrong(
                format!("several channels are called {name}"),
                "name it by its id; see `social-channel channels`",
            )
            .into()),
        }
    }
}

/// Whether a person who writes this means the account: its platform's id, its name or its username.
pub(crate) fn is_called(name: &str, account_id: &str, display_name: &str, username: Option<&str>) -> bool {
    let handle = name.strip_prefix('@').unwrap_or(name);
    account_id == name
        || display_name.eq_ignore_ascii_case(name)
        || username.is_some_and(|username| username.eq_ignore_ascii_case(handle))
}

/// Warns about mapped origins, because tokens are sent to them.
pub(crate) fn warn_of_mappings(place: &Place) {
    if place.simulator.is_some() {
        return;
    }
    let mut targets: Vec<(&url::Url, Vec<String>)> = Vec::new();
    for mapping in &place.policy.connect_to {
        match targets.iter_mut().find(|(to, _)| *to == &mapping.to) {
            Some((_, from)) => from.push(mapping.from.to_string()),
            None => targets.push((&mapping.to, vec![mapping.from.to_string()])),
        }
    }
    for (to, from) in targets {
        let to = to.as_str().trim_end_matches('/');
        place.output.warn(&format!("by the policy file, requests go to {to} instead of {}", from.join(", ")));
    }
}

fn default_folder() -> Result<PathBuf, Error> {
    let names = AppStrategyArgs {
        top_level_domain: "io".to_owned(),
        author: "social-channel".to_owned(),
        app_name: "social-channel".to_owned(),
    };
    let strategy = choose_native_strategy(names).map_err(|error| {
        Error::new(ErrorKind::Misconfigured, "this user has no home folder")
            .with_remedy("name the data folder: --data DIR")
            .with_source(error)
    })?;
    Ok(strategy.data_dir())
}

/// For its owner only: it contains the encrypted data and also the key.
fn make_folder(folder: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        Error::new(ErrorKind::Misconfigured, format!("the data folder {} cannot be made", folder.display()))
            .with_remedy("name another one: --data DIR")
            .with_source(error)
    })
}

/// TOML, or JSON if it begins with a brace.
fn read_policy<T: DeserializeOwned>(path: &Path, keys: &str) -> Result<T, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, error))?;
    let broken = |why: String| {
        Error::new(ErrorKind::Misconfigured, format!("the policy file {} is wrong: {why}", path.display()))
            .with_remedy(format!("its keys are {keys}"))
    };
    if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|error| broken(error.to_string()))
    } else {
        toml::from_str(&text).map_err(|error| broken(error.to_string().trim_end().to_owned()))
    }
}
