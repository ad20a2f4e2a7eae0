//! The WebAssembly instructions of TikTok's provider, by call: a cost that no busy machine changes. A call that needs a tenth
//! more, or a fifth less, than the table says fails here, so that the table stays true.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use library_tests::{CALLBACK, SECRET, browse, component, policy, post, video, world};
use social_channel_runtime::media::MediaItem;
use social_channel_runtime::model::{ListQuery, MediaSource};
use social_channel_runtime::net::{Clients, Egress, Policy};
use social_channel_runtime::{
    Account, CallContext, ConnectRequest, ConnectStep, Engine, EngineOptions, Entry, NextStep, Provider,
    ProviderStorage, Resume, SecretText, SetOptions, StorageError,
};
use tiktok_simulator::Simulator;

/// A call and its instructions, in thousands; `list-posts` is a page of twenty.
const TABLE: [(&str, u64); 5] = [
    ("describe", 77),
    ("get-profile", 155),
    ("list-posts", 1_930),
    ("begin-publish", 291),
    ("one chunk", 172),
];

/// Values of a provider, in memory.
#[derive(Default)]
struct Shelf(Mutex<(u64, BTreeMap<String, Entry>)>);

#[async_trait]
impl ProviderStorage for Shelf {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StorageError> {
        Ok(self.0.lock().unwrap().1.get(key).cloned())
    }

    async fn set(&self, key: &str, value: &[u8], _: SetOptions) -> Result<u64, StorageError> {
        let mut shelf = self.0.lock().unwrap();
        shelf.0 += 1;
        let version = shelf.0;
        shelf.1.insert(key.to_owned(), Entry { value: value.to_vec(), version });
        Ok(version)
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.0.lock().unwrap().1.remove(key);
        Ok(())
    }

    async fn list_keys(&self, _: &str, _: Option<&str>) -> Result<Vec<String>, StorageError> {
        Ok(self.0.lock().unwrap().1.keys().cloned().collect())
    }
}

/// A provider whose instructions are counted, and the platform that it talks to.
struct Counted {
    provider: Provider,
    settings: Arc<Vec<(String, SecretText)>>,
    egress: Arc<Egress>,
    storage: Arc<Shelf>,
    used: Arc<AtomicU64>,
}

impl Counted {
    async fn new(simulator: &Simulator) -> Self {
        let engine =
            Engine::new(EngineOptions { count_instructions: true, ..EngineOptions::default() }).unwrap();
        let provider = Provider::load(&engine, &component("plugin_tiktok").unwrap()).await.unwrap();
        let granted = Policy::granting(&provider.descriptor().origins).unwrap();
        let policy = Policy { origins: granted.origins, ..policy(&simulator.origin()).unwrap() };
        let settings = [("client-key", "simkey-desktop"), ("client-secret", SECRET), ("kind", "desktop")];
        let settings = settings.map(|(name, value)| (name.to_owned(), SecretText::new(value.to_owned())));
        Counted {
            provider,
            settings: Arc::new(settings.into()),
            egress: Arc::new(Egress::new(policy, &Clients::default()).unwrap()),
            storage: Arc::default(),
            used: Arc::default(),
        }
    }

    fn cx(&self) -> CallContext {
        CallContext {
            settings: self.settings.clone(),
            egress: self.egress.clone(),
            storage: self.storage.clone(),
            instructions: Some(self.used.clone()),
            ..CallContext::pure()
        }
    }

    /// Since it was asked last.
    fn used(&self) -> u64 {
        self.used.swap(0, Ordering::Relaxed)
    }

    async fn connect(&self) -> Account {
        let request = ConnectRequest {
            state: SecretText::new("state-0123456789-0123456789".to_owned()),
            redirect_uri: CALLBACK.to_owned(),
            choose_account: false,
            inputs: Vec::new(),
        };
        let begun = self.provider.begin_connect(self.cx(), request).await.unwrap();
        let ConnectStep::Redirect { url, session, .. } = begun else { panic!("a browser was expected") };
        let url = self.egress.map_url(&url.parse().unwrap());
        let callback = browse(url.as_str()).await.unwrap();
        let step = self.provider.complete_connect(self.cx(), &session, callback).await.unwrap();
        let ConnectStep::Connected(mut accounts) = step else { panic!("an account was expected") };
        accounts.pop().unwrap().account
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_cost_what_the_table_says() {
    let mut world = world();
    world.switches.processing_ms = 0;
    let simulator = Simulator::start(world).await.unwrap();
    let it = Counted::new(&simulator).await;
    let mut counted = Vec::new();
    it.provider.describe(it.cx()).await.unwrap();
    counted.push(it.used());
    let account = it.connect().await;
    it.used();
    // One in ten, picked at random, is counted in the storage, which takes more.
    let mut profiles = Vec::new();
    for _ in 0..6 {
        it.provider.get_profile(it.cx(), &account).await.unwrap();
        profiles.push(it.used());
    }
    counted.push(profiles.into_iter().min().unwrap());
    let query = ListQuery { limit: 20, cursor: None };
    let page = it.provider.list_posts(it.cx(), &account, &query).await.unwrap();
    assert_eq!(page.posts.len(), 20);
    counted.push(it.used());

    let folder = tempfile::tempdir().unwrap();
    let media = video(folder.path(), 20_000_000).unwrap();
    let MediaSource::File(path) = &media.source else { panic!("a file was made") };
    let item = Arc::new(MediaItem::open_at(&media, Some(path.as_path()), &it.egress).await.unwrap());
    let cx = || CallContext { media: vec![item.clone()], ..it.cx() };
    let post = post("A test");
    let mut step = it.provider.begin_publish(cx(), &account, &post).await.unwrap();
    counted.push(it.used());
    // The step after which the bytes are there is the one that has sent them.
    let mut chunk = None;
    for _ in 0..20 {
        if !matches!(step.next, NextStep::Proceed(_)) {
            break;
        }
        let sent = step.bytes_sent;
        let resume = Resume { interrupted: false, evidence: None };
        step = it.provider.continue_publish(cx(), &account, &post, &step.state, resume).await.unwrap();
        let used = it.used();
        if step.bytes_sent > sent {
            chunk = Some(used);
        }
    }
    counted.push(chunk.expect("a chunk was sent"));

    println!("| call | instructions |\n| --- | --- |");
    for ((name, _), used) in TABLE.iter().zip(&counted) {
        println!("| {name} | {used} |");
    }
    for ((name, thousands), used) in TABLE.iter().zip(&counted) {
        let (table, used) = (thousands * 1_000, *used);
        let holds = used * 10 <= table * 11 && used * 10 >= table * 8;
        assert!(holds, "{name} took {used} instructions, the table says {table}");
    }
}
