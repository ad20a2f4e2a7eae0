//! Calls of the operator, and of a service in front.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use library_tests::{APP, app_config, component, signed_webhook};
use social_channel::{
    Document, DocumentChanges, ErrorKind, Host, KeySource, KeyValueStore, Result, SecretText, StorageError,
    StoredValue, TenantId,
};

use super::case::{case, hold, hold_all};
use super::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_and_its_operator_do_is_done_or_not_and_can_be_done_again() {
    hold_all(vec![
        case(
            "receive_webhook",
            |scene, _| async move {
                scene.pass(120);
                scene.connect().await.unwrap();
                let account = scene.simulator.world().grants.last().unwrap().open_id.clone();
                library_tests::removal(&account, scene.now() + 1)
            },
            |scene, body| async move {
                scene.host.receive_webhook(APP, signed_webhook(scene.now(), body)).await.map(drop)
            },
            &[],
            |scene, _| async move {
                let channels = scene.tenant.channels().await.unwrap();
                channels.iter().map(|channel| format!("{:?}", channel.health)).collect()
            },
            "NeedsReconnect",
        ),
        case(
            "unload_provider",
            |scene, _| async move {
                let loaded = scene.host.load_provider(&component("minimal_provider").unwrap()).await;
                loaded.unwrap().provider.descriptor.id
            },
            |scene, id| async move { scene.host.unload_provider(&id).await },
            &[ErrorKind::NotFound],
            |scene, id| async move {
                let providers = scene.host.providers().await.unwrap();
                providers.iter().any(|provider| provider.descriptor.id == id).to_string()
            },
            "false",
        ),
        case(
            "maintain",
            |scene, _| async move {
                let id = scene.uploaded("x.mp4").await;
                scene.pass(61);
                id
            },
            |scene, _| async move {
                scene.host.maintain().await;
                Ok(())
            },
            &[],
            |scene, id| async move { scene.tenant.upload(&id).await.is_ok().to_string() },
            "false",
        ),
        case(
            "change_documents",
            |_, number| async move { format!("kind-{number}") },
            |scene, kind| async move {
                let put = |changes: DocumentChanges, id: &str| {
                    let id = id.to_owned();
                    let document = Document { id, facts: "x", body: None, created_at: 0, expires_at: None };
                    changes.put(&kind, document)
                };
                let changes = put(put(DocumentChanges::new(), "one")?, "other")?;
                scene.host.change_documents(changes).await.map(drop)
            },
            &[],
            |scene, kind| async move { scene.host.documents::<String>(&kind).await.unwrap().len().to_string() },
            "2",
        ),
    ])
    .await;
}

fn key(number: usize) -> String {
    format!("{number:064x}")
}

/// Another host on the same database, with these keys.
async fn opened(scene: &Scene, keys: String) -> Result<Host> {
    let builder = library_tests::builder(scene.folder.path(), &scene.simulator.origin()).unwrap();
    builder.background(false).key(KeySource::Text(SecretText::new(keys))).open().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_keys_that_is_dropped_goes_on_where_it_was() {
    let scene = Scene::new(|builder| builder.key(KeySource::Text(SecretText::new(key(1))))).await;
    scene.scheduled().await;
    scene.tenant.put_draft("draft", &"kept", i64::MAX / 1_000).await.unwrap();
    let rotation = case(
        "rotate_keys",
        |scene, number| async move {
            let (old, new) = (key(number + 1), key(number + 2));
            let host = opened(&scene, format!("{new},{old}")).await.unwrap();
            *scene.other.lock().unwrap() = Some(host);
            new
        },
        |scene, _| async move { scene.reader().rotate_keys().await.map(drop) },
        &[],
        |scene, new| async move {
            // With the new key alone.
            let Ok(host) = opened(&scene, new).await else { return "old".to_owned() };
            let tenant = host.tenant(TenantId::default());
            let draft = tenant.draft::<String>("draft").await.unwrap();
            let (jobs, apps) = (tenant.jobs(None, None, 9).await.unwrap(), host.apps().await.unwrap());
            format!("{} jobs, {}, {:?}", jobs.len(), draft.unwrap().content, apps[0].error)
        },
        "1 jobs, kept, None",
    );
    hold(scene, rotation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_app_whose_deletion_was_dropped_nothing_stays_when_it_is_deleted_again() {
    let shelf = Arc::new(Shelf::default());
    let theirs = shelf.clone();
    let scene = Scene::new(|builder| builder.storage(theirs)).await;
    let kept = shelf.clone();
    let deletion = case(
        "delete_app",
        move |scene, number| {
            let shelf = shelf.clone();
            async move {
                let name = format!("app-{number}");
                scene.host.put_app(&name, app_config()).await.unwrap();
                for key in ["one", "other"] {
                    shelf.set(&name, key, b"x", None, None).await.unwrap();
                }
                name
            }
        },
        |scene, name| async move { scene.host.delete_app(&name).await },
        &[ErrorKind::NotFound],
        move |scene, name| {
            let left = kept.values.lock().unwrap().keys().filter(|(app, _)| *app == name).count();
            async move {
                let exists = scene.host.has_app(&name).await.unwrap();
                if exists || left > 0 { "there".to_owned() } else { "gone".to_owned() }
            }
        },
        "gone",
    );
    hold(scene, deletion).await;
}

/// An embedding program's own store, which lets others go first.
#[derive(Default)]
struct Shelf {
    values: Mutex<BTreeMap<(String, String), StoredValue>>,
}

#[async_trait::async_trait]
impl KeyValueStore for Shelf {
    async fn get(&self, app: &str, key: &str) -> Result<Option<StoredValue>, StorageError> {
        tokio::task::yield_now().await;
        Ok(self.values.lock().unwrap().get(&(app.to_owned(), key.to_owned())).cloned())
    }

    async fn set(
        &self,
        app: &str,
        key: &str,
        value: &[u8],
        if_version: Option<u64>,
        expires_at: Option<i64>,
    ) -> Result<u64, StorageError> {
        tokio::task::yield_now().await;
        let mut values = self.values.lock().unwrap();
        let place = (app.to_owned(), key.to_owned());
        let now = values.get(&place).map_or(0, |stored| stored.version);
        if if_version.is_some_and(|wanted| wanted != now) {
            return Err(StorageError::Conflict);
        }
        values.insert(place, StoredValue { value: value.to_vec(), version: now + 1, expires_at });
        Ok(now + 1)
    }

    async fn delete(&self, app: &str, key: &str) -> Result<(), StorageError> {
        tokio::task::yield_now().await;
        self.values.lock().unwrap().remove(&(app.to_owned(), key.to_owned()));
        Ok(())
    }

    async fn list_keys(
        &self,
        app: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StorageError> {
        tokio::task::yield_now().await;
        let values = self.values.lock().unwrap();
        let keys = values.keys().filter(|(of, key)| of == app && key.starts_with(prefix)).map(|(_, key)| key);
        let keys = keys.filter(|key| after.is_none_or(|after| key.as_str() > after)).cloned();
        Ok(keys.take(limit as usize).collect())
    }
}
