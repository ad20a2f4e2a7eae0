//! The part alone: made by its constructor from what it is given, without a host.

use social_channel_runtime::clock::MovedClock;
use social_channel_runtime::net::{Clients, Policy};
use social_channel_runtime::{Digest, Engine, EngineOptions, SecretText};

use super::*;
use crate::address::Routes;
use crate::app::{AppParts, ProviderPolicy};
use crate::store::{AppRow, ComponentRow, Sqlite};
use crate::vault::{KeySource, Sealed};

const DAY: Duration = Duration::from_secs(86_400);
const LEASE: Duration = Duration::from_secs(60);

struct Alone {
    accounts: Arc<Accounts>,
    store: Arc<dyn Store>,
    clock: Arc<MovedClock>,
    tenant: TenantId,
}

impl Alone {
    /// With an app whose component is no provider, so that no call succeeds.
    async fn new() -> Self {
        let clock = Arc::new(MovedClock::default());
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory(clock.clone()).await.unwrap());
        let key = KeySource::Text(SecretText::new("1".repeat(64)));
        let vault = Arc::new(Vault::open(&key, crate::vault::Beside::Memory).unwrap());
        let address = Arc::new(PublicAddress::new(None, None, Routes::default()).unwrap());
        let apps = Arc::new(Apps::new(AppParts {
            store: store.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            engine: Engine::new(EngineOptions::default()).unwrap(),
            policy: Policy::default(),
            clients: Clients::default(),
            own_kv: None,
            address: address.clone(),
            sources: ProviderPolicy::default().sources(&Policy::default(), None).unwrap(),
        }));
        let accounts = Arc::new(Accounts::new(AccountParts {
            store: store.clone(),
            vault,
            clock: clock.clone(),
            apps,
            address,
            lifetime: Lifetime::default(),
            wake: Wake::default(),
            sample_every: DAY,
            room: Arc::new(Room::new(store.clone(), None, 0)),
            hash_key: SecretBytes::new(vec![7; 32]),
        }));
        let alone = Alone { accounts, store, clock, tenant: TenantId::default() };
        alone.install().await;
        alone
    }

    async fn install(&self) {
        let (digest, now) = (Digest::of(b"no component"), self.clock.now_ms());
        let component = ComponentRow {
            digest: digest.clone(),
            provider: "demo".to_owned(),
            version: "1".to_owned(),
            size: 12,
            added_at: now,
            installed: true,
        };
        self.store.install_component(&component, b"no component", &[]).await.unwrap();
        let app = AppRow {
            id: "app".to_owned(),
            tenant: None,
            provider: "demo".to_owned(),
            digest,
            settings: Sealed(Vec::new()),
            grants: "[]".to_owned(),
            redirect_uri: None,
            listing: None,
            created_at: now,
            updated_at: now,
            revision: 0,
        };
        assert!(self.store.put_app(&app).await.unwrap());
    }

    /// Connects an account whose connection ends after a hundred days.
    async fn connect(&self) -> AccountRow {
        let end = self.clock.now_ms() / 1_000 + 100 * 86_400;
        let credentials = SecretBytes::new(b"token".to_vec());
        let connection = Connection {
            account: Account { id: "42".to_owned(), credentials, scopes: vec!["post".to_owned()] },
            display_name: "Demo Kitchen".to_owned(),
            username: None,
            kind: None,
            parent_id: None,
            avatar_url: None,
            grant: None,
            expires_at: None,
            refresh_expires_at: Some(end.unsigned_abs()),
            missing_scopes: Vec::new(),
            details: Default::default(),
        };
        let new = self.accounts.new_account("app", "ch".to_owned(), &connection);
        let (vault, tenant) = (self.accounts.vault.clone(), self.tenant.clone());
        let seal = move |channel: &str| {
            let key = row_key(&tenant, channel);
            vault.seal(Place { table: "accounts", row: &key, column: "credentials" }, b"token")
        };
        assert_eq!(self.store.connect_account(&self.tenant, &new, &seal).await.unwrap(), "ch");
        self.accounts.row(&self.tenant, "ch").await.unwrap()
    }
}

#[tokio::test]
async fn a_channel_is_shown_with_a_warning_before_its_connection_ends() {
    let alone = Alone::new().await;
    assert_eq!(
        alone.accounts.channel(&alone.tenant, "ch").await.unwrap_err().kind,
        ErrorKind::NotFound,
        "nothing is connected"
    );
    let row = alone.connect().await;
    assert_eq!(alone.accounts.open_account(&alone.tenant, &row).unwrap().credentials.expose(), b"token");
    let shown = async || alone.accounts.channels(&alone.tenant).await.unwrap().remove(0);
    assert_eq!((shown().await.id.as_str(), shown().await.health), ("ch", Health::Active));
    assert_eq!(shown().await.warning, None);
    alone.clock.advance(DAY * 95);
    assert!(shown().await.warning.unwrap().contains("ends in 4 days"), "{:?}", shown().await);
    let other = "other".parse().unwrap();
    assert_eq!(alone.accounts.channels(&other).await.unwrap(), []);
}

#[tokio::test]
async fn a_refresh_without_a_provider_gives_the_account_back() {
    let alone = Alone::new().await;
    let row = alone.connect().await;
    let refresh = async || {
        let refreshed = alone.accounts.refresh(&alone.tenant, "ch", row.credentials_revision).await;
        refreshed.map(drop).unwrap_err().kind
    };
    assert_eq!(refresh().await, ErrorKind::LoadFailed);
    let lease = alone.store.acquire_account(&alone.tenant, "ch", LEASE).await.unwrap();
    alone.store.release_account(&alone.tenant, "ch", &lease.expect("it is free")).await.unwrap();
    // Nobody asks for an account that a person must connect again first.
    let refused = Error::new(ErrorKind::Unauthorized, "the platform says no");
    alone.accounts.note_unauthorized(&alone.tenant, &row, &refused).await;
    let shown = alone.accounts.channel(&alone.tenant, "ch").await.unwrap();
    assert_eq!(shown.health_detail.as_deref(), Some("the platform says no"));
    assert_eq!(refresh().await, ErrorKind::Unauthorized);
}
