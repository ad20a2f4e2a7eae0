//! Everything that changes while the simulator runs, behind one lock: tokens, publishes, posts,
//! windows, webhook deliveries. Holds data and small look-ups; each endpoint's rules are in its own file.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::compact_utc;
use crate::limits::Limits;
use crate::post::{Post, Publish};
use crate::random::{Random, stable_id};
use crate::webhooks::Outbox;
use crate::world::World;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) random: Random,
    pub(crate) started_ms: i64,
    /// The simulator's own origin, for links that switches set to `self`.
    pub(crate) origin: String,
    pub(crate) codes: HashMap<String, Code>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) access: HashMap<String, AccessToken>,
    pub(crate) refresh: HashMap<String, RefreshToken>,
    pub(crate) counts: Counts,
    pub(crate) publishes: BTreeMap<String, Publish>,
    /// Publishes that time can still change.
    pub(crate) open: BTreeSet<String>,
    /// Drafts in the inbox that are neither finished nor deleted.
    pub(crate) inbox: BTreeSet<String>,
    pub(crate) posts: Vec<Post>,
    pub(crate) limits: Limits,
    pub(crate) outbox: Outbox,
}

/// An authorization code.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) client_key: String,
    pub(crate) username: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) issued_ms: i64,
    pub(crate) used: bool,
}

/// The consent of one account to one app.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) client_key: String,
    pub(crate) username: String,
    pub(crate) open_id: String,
    pub(crate) scopes: BTreeSet<String>,
    /// The time of the newest consent.
    pub(crate) consented_ms: i64,
    pub(crate) alive: bool,
}

#[derive(Debug)]
pub(crate) struct AccessToken {
    /// Index into `grants`.
    pub(crate) grant: usize,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) expires_ms: i64,
    pub(crate) revoked: bool,
}

#[derive(Debug)]
pub(crate) struct RefreshToken {
    pub(crate) grant: usize,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) expires_ms: i64,
    /// When the first token of this line was issued; the legacy profile counts from here.
    pub(crate) first_ms: i64,
    pub(crate) dead: Option<Dead>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dead {
    Rotated,
    Revoked,
}

/// Statistics of the token endpoint.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Counts {
    /// Codes issued by the consent page.
    pub codes_issued: u64,
    /// Codes exchanged for tokens.
    pub codes_exchanged: u64,
    /// Successful refreshes.
    pub refreshed: u64,
    /// Refreshes refused because the token had been replaced.
    pub refreshed_with_rotated_token: u64,
    /// Grants ended by revoke.
    pub revoked: u64,
}

/// A valid access token and its owner.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) client_key: String,
    pub(crate) username: String,
    pub(crate) open_id: String,
    pub(crate) scopes: BTreeSet<String>,
}

impl State {
    pub(crate) fn new(world: World, origin: String, now_ms: i64) -> Self {
        let mut state = Self {
            random: Random::new(world.seed),
            started_ms: now_ms,
            origin,
            codes: HashMap::new(),
            grants: Vec::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            counts: Counts::default(),
            publishes: BTreeMap::new(),
            open: BTreeSet::new(),
            inbox: BTreeSet::new(),
            posts: Vec::new(),
            limits: Limits::default(),
            outbox: Outbox::default(),
            world,
        };
        crate::post::populate(&mut state);
        state
    }

    /// `YYYYMMDDhhmmss` and 20 hex digits, as in the contract's examples.
    pub(crate) fn log_id(&mut self, now_ms: i64) -> String {
        format!("{}{}", compact_utc(now_ms), self.random.hex_upper(20))
    }

    pub(crate) fn open_id(client_key: &str, username: &str) -> String {
        stable_id(&["open", client_key, username])
    }

    pub(crate) fn union_id(&self, client_key: &str, username: &str) -> String {
        let developer = self.world.app(client_key).map_or(client_key, |app| app.developer.as_str());
        stable_id(&["union", developer, username])
    }

    /// `max_video_post_duration_sec` of the account that a publish belongs to.
    pub(crate) fn max_seconds(&self, publish_id: &str) -> u32 {
        let username = self.publishes.get(publish_id).map(|publish| publish.username.as_str());
        username.and_then(|name| self.world.account(name)).map_or(0, |account| account.max_video_seconds)
    }

    /// Username a bearer token belongs to, valid or not; for faults and the log.
    pub(crate) fn owner_of(&self, token: &str) -> Option<&Grant> {
        self.access.get(token).and_then(|access| self.grants.get(access.grant))
    }

    /// The session of an access token that is alive.
    pub(crate) fn session(&self, token: &str, now_ms: i64) -> Result<Session, &'static str> {
        let access = self.access.get(token).ok_or("the token is unknown")?;
        let grant = self.grants.get(access.grant).ok_or("the token is unknown")?;
        if access.revoked || !grant.alive {
            return Err("the grant was removed or revoked");
        }
        if now_ms >= access.expires_ms {
            return Err("the token has expired; its life is what expires_in said");
        }
        Ok(Session {
            token: token.to_string(),
            client_key: grant.client_key.clone(),
            username: grant.username.clone(),
            open_id: grant.open_id.clone(),
            scopes: access.scopes.intersection(&grant.scopes).cloned().collect(),
        })
    }

    pub(crate) fn grant_of(&self, client_key: &str, username: &str) -> Option<usize> {
        self.grants.iter().position(|grant| grant.client_key == client_key && grant.username == username)
    }

    /// Ends a grant: all its tokens are revoked, running posts fail with `auth_removed`, and
    /// `authorization.removed` is sent if `reason` is given.
    pub(crate) fn end_grant(&mut self, index: usize, reason: Option<u8>, now_ms: i64) {
        let Some(grant) = self.grants.get_mut(index) else { return };
        grant.alive = false;
        let (client_key, username, open_id) =
            (grant.client_key.clone(), grant.username.clone(), grant.open_id.clone());
        for access in self.access.values_mut().filter(|access| access.grant == index) {
            access.revoked = true;
        }
        for refresh in self.refresh.values_mut().filter(|refresh| refresh.grant == index) {
            refresh.dead.get_or_insert(Dead::Revoked);
        }
        if let Some(reason) = reason {
            let content = serde_json::json!({ "reason": reason });
            self.send_event(&client_key, "authorization.removed", &open_id, &content, now_ms);
        }
        let unfinished: Vec<String> = self
            .open
            .iter()
            .filter(|id| {
                self.publishes
                    .get(*id)
                    .is_some_and(|publish| publish.client_key == client_key && publish.username == username)
            })
            .cloned()
            .collect();
        for id in unfinished {
            self.fail(&id, "auth_removed", now_ms);
        }
    }

    /// A signed link on the media host that really expires (contract 8.4, 9.1).
    pub(crate) fn media_url(&self, kind: &str, name: &str, now_ms: i64, life_ms: i64) -> String {
        let origin = match self.world.switches.media_origin.as_str() {
            "self" => self.origin.as_str(),
            other => other,
        };
        let expires = (now_ms + life_ms) / 1000;
        let path = format!("/media/{kind}/{name}.jpeg");
        let signature = self.media_signature(&path, expires);
        format!("{origin}{path}?x-expires={expires}&x-signature={signature}")
    }

    pub(crate) fn media_signature(&self, path: &str, expires: i64) -> String {
        stable_id(&["media", &self.world.seed.to_string(), path, &expires.to_string()]).replace('-', "")
    }
}
