//! Profile and numbers of an account, which the AppView tells through the account's own server.

use serde_json::Value;
use social_channel_provider::channel::{Metric, Profile, Stats};
use social_channel_provider::{Account, Environment, Error, json};

use crate::credentials::Credentials;
use crate::links;
use crate::xrpc::Caller;

async fn read<E: Environment>(caller: &Caller<'_, E>, id: &str) -> Result<Value, Error> {
    caller.get("app.bsky.actor.getProfile", &[("actor", id)]).await
}

/// Adds name and picture to the credentials, as far as they can be read.
pub(crate) async fn complete<E: Environment>(environment: &E, id: &str, credentials: &mut Credentials) {
    let Ok(caller) = Caller::with(environment, credentials.clone()) else { return };
    let Ok(shown) = read(&caller, id).await else { return };
    credentials.display_name = json::text(&shown, "displayName");
    credentials.avatar_url = json::text(&shown, "avatar");
    if let Some(handle) = json::text(&shown, "handle").filter(|handle| handle != "handle.invalid") {
        credentials.handle = handle;
    }
}

pub(crate) async fn get<E: Environment>(environment: &E, account: &Account) -> Result<Profile, Error> {
    let caller = Caller::new(environment, account)?;
    let shown = read(&caller, &account.id).await?;
    let handle = json::text(&shown, "handle").unwrap_or_else(|| caller.credentials.handle.clone());
    let name = json::text(&shown, "displayName").unwrap_or_else(|| handle.clone());
    Ok(Profile {
        bio: json::text(&shown, "description"),
        url: Some(links::profile(&account.id)),
        avatar_url: json::text(&shown, "avatar"),
        verified: json::text(&shown["verification"], "verifiedStatus").map(|status| status == "valid"),
        username: Some(handle),
        ..Profile::new(account.id.clone(), name)
    })
}

pub(crate) async fn stats<E: Environment>(environment: &E, account: &Account) -> Result<Stats, Error> {
    let caller = Caller::new(environment, account)?;
    let shown = read(&caller, &account.id).await?;
    Ok(Stats::new(Metric::known(&[
        ("followers", json::number(&shown, "followersCount")),
        ("following", json::number(&shown, "followsCount")),
        ("posts", json::number(&shown, "postsCount")),
    ])))
}
