//! Pictures that providers name, fetched under the app's grants and kept for a while.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use social_channel_runtime::error::Result;
use social_channel_runtime::fair::{Bounds, Fair};
use social_channel_runtime::media::{Picture, picture};

use crate::app::Apps;
use crate::tenant_id::TenantId;

/// Bytes kept in memory, addresses included: the pictures of some hundred pages.
const KEPT: usize = 32 << 20;
/// Bytes of them that one tenant may hold, so that others keep theirs.
const KEPT_OF_TENANT: usize = KEPT / 4;
/// Signed addresses live for hours, and a picture behind another kind of address may change.
const LIFE: Duration = Duration::from_secs(3600);

/// Whose picture it is, under which grants it was fetched, and from where.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    tenant: TenantId,
    app: String,
    /// Other grants are another revision of the app.
    revision: i64,
    address: String,
}

struct Entry {
    key: Key,
    picture: Picture,
    at: Instant,
}

impl Entry {
    fn size(&self) -> usize {
        self.key.address.len() + self.picture.bytes.len()
    }
}

/// The pictures of one process.
pub(super) struct Pictures {
    apps: Arc<Apps>,
    looks: Fair,
    /// In the order of their last use.
    kept: Mutex<VecDeque<Entry>>,
}

impl Pictures {
    pub(super) fn new(apps: Arc<Apps>, bounds: Bounds) -> Self {
        Pictures { apps, looks: Fair::new(bounds), kept: Mutex::default() }
    }

    pub(super) async fn get(&self, tenant: &TenantId, app: &str, address: &str) -> Result<Picture> {
        let app = self.apps.live(tenant, app).await?;
        let key = Key {
            tenant: tenant.clone(),
            app: app.id.clone(),
            revision: app.revision,
            address: address.to_owned(),
        };
        if let Some(known) = self.known(&key) {
            return Ok(known);
        }
        let _place = self.looks.enter(tenant.as_str()).await?;
        // Another request may have fetched it while this one waited.
        if let Some(known) = self.known(&key) {
            return Ok(known);
        }
        let picture = picture(address, &app.egress).await?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        keep(&mut kept, Entry { key, picture: picture.clone(), at: Instant::now() });
        Ok(picture)
    }

    fn known(&self, key: &Key) -> Option<Picture> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|entry| entry.key == *key)?;
        let entry = kept.remove(at).filter(|entry| entry.at.elapsed() < LIFE)?;
        let picture = entry.picture.clone();
        kept.push_back(entry);
        Some(picture)
    }
}

/// Adds an entry, and removes the ones used longest ago: first the tenant's own, then anybody's.
fn keep(kept: &mut VecDeque<Entry>, entry: Entry) {
    kept.retain(|other| other.key != entry.key && other.at.elapsed() < LIFE);
    let tenant = entry.key.tenant.clone();
    kept.push_back(entry);
    let is_own = |entry: &Entry| entry.key.tenant == tenant;
    while kept.iter().filter(|entry| is_own(entry)).map(Entry::size).sum::<usize>() > KEPT_OF_TENANT
        && let Some(oldest) = kept.iter().position(is_own)
    {
        kept.remove(oldest);
    }
    while kept.iter().map(Entry::size).sum::<usize>() > KEPT {
        kept.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(tenant: &str, address: usize, size: usize) -> Entry {
        Entry {
            key: Key {
                tenant: tenant.parse().unwrap(),
                app: "app".to_owned(),
                revision: 1,
                address: address.to_string(),
            },
            picture: Picture { content_type: "image/png", bytes: vec![0; size].into() },
            at: Instant::now(),
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_one_tenant_pushes_out_its_own() {
        const LARGE: usize = 3 << 20;
        let mut kept = VecDeque::new();
        keep(&mut kept, entry("quiet", 0, LARGE));
        for address in 0..20 {
            keep(&mut kept, entry("busy", address, LARGE));
        }
        let of = |kept: &VecDeque<Entry>, tenant: &str| -> Vec<String> {
            let own = kept.iter().filter(|entry| entry.key.tenant.as_str() == tenant);
            own.map(|entry| entry.key.address.clone()).collect()
        };
        assert_eq!(
            (of(&kept, "quiet"), of(&kept, "busy")),
            (vec!["0".to_owned()], vec!["18".to_owned(), "19".to_owned()])
        );
        for tenant in 0..20 {
            keep(&mut kept, entry(&format!("tenant-{tenant}"), 0, LARGE));
        }
        assert!(kept.iter().map(Entry::size).sum::<usize>() <= KEPT);
        assert_eq!((of(&kept, "quiet").len(), of(&kept, "tenant-19").len()), (0, 1));
        // The same address again takes the place of the old one.
        keep(&mut kept, entry("tenant-19", 0, 1));
        assert_eq!(of(&kept, "tenant-19").len(), 1);
    }
}
