//! A disk that takes nothing more, in the middle of work, and takes writes again later. Whoever only reads goes on.
//!
//! By the limit on the size of a file, which needs no right: every write beyond it fails, in the database as in uploads.

use anyhow::{Result, bail};
use reqwest::{Method, StatusCode};
use rustix::process::Resource;
use serde_json::Value;

use super::{Scene, writing};

/// The first page of nothing.
const FULL: Option<u64> = Some(1);

pub(super) async fn attack(scene: &Scene<'_>) -> Result<()> {
    let victim = &scene.victim;
    let upload = writing::stored(scene).await?;
    victim.limit(Resource::Fsize, FULL)?;
    // Several times: each failed write would spoil one connection to the database.
    for _ in 0..20 {
        let made = writing::make_key(scene).await?;
        let brought = writing::upload(scene).await?;
        let posted = writing::publish(scene, &upload, "while-full").await?;
        for (what, answer) in [("a key", made), ("an upload", brought), ("a post", posted)] {
            if !answer.status.is_server_error() && answer.status != StatusCode::PAYLOAD_TOO_LARGE {
                bail!("{what} on a full disk: {} {}", answer.status, answer.body);
            }
        }
    }
    writing::ready(scene, StatusCode::SERVICE_UNAVAILABLE).await?;
    writing::reads(scene).await?;
    scene.neighbour.works_on(20).await?;
    {
        // Nobody can be promised an answer from rubbish.
        let _pause = scene.neighbour.pause().await;
        damaged(scene).await?;
    }
    writing::goes_on(scene, &upload, "while-full").await?;
    scene.neighbour.works_on(10).await
}

/// Pages of the database turn into rubbish, and are mended by the person who looks after the machine. Nothing is written meanwhile,
/// and then there is room again.
async fn damaged(scene: &Scene<'_>) -> Result<()> {
    let (victim, alice) = (&scene.victim, &scene.template.alice);
    let reads =
        ["/api/v1/jobs", "/api/v1/channels", "/api/v1/uploads", "/api/v1/apps", "/api/v1/providers", "/"];
    for name in ["social-channel.sqlite", "social-channel.sqlite-wal"] {
        let file = victim.data().join(name);
        let whole = std::fs::read(&file)?;
        // The first page says what the file is; rubbish there is another fault.
        let mut rubbish = whole.clone();
        rubbish.iter_mut().skip(4_096).for_each(|byte| *byte = 0xA5);
        std::fs::write(&file, &rubbish)?;
        for path in reads {
            let answer = victim.call(&scene.template.operator, Method::GET, path, Value::Null).await?;
            let told = answer.json().get("kind").is_some();
            if !answer.status.is_success() && !told && path != "/" {
                bail!("{path} of a damaged {name}: {} {}", answer.status, answer.body);
            }
        }
        std::fs::write(&file, &whole)?;
    }
    victim.limit(Resource::Fsize, None)?;
    for path in reads {
        let answer = victim.call(&alice.key, Method::GET, path, Value::Null).await?;
        if answer.status.is_server_error() {
            bail!("{path} after the database was mended: {} {}", answer.status, answer.body);
        }
    }
    Ok(())
}
