//! What is done with a provider, once and undisturbed: the same for a recording and for a replay.

use serde::Serialize;
use serde_json::{Value, json};
use social_channel_runtime::model::{ListQuery, Post};
use social_channel_runtime::{Account, CallError, Error, Result};

use crate::description::Description;
use crate::drive;
use crate::stage::Stage;

/// Posts of a page: few, so that there are several pages.
const PAGE: u32 = 2;

/// An answer, or what an error says.
fn said<T: Serialize>(answer: &Result<T, CallError>) -> Value {
    match answer {
        Ok(answer) => serde_json::to_value(answer).unwrap_or_default(),
        Err(CallError::Failed(error) | CallError::CredentialsExpired(error)) => of_error(error),
    }
}

fn of_error(error: &Error) -> Value {
    json!({"error": error.kind.to_string(), "message": error.message, "remedy": error.remedy, "code": error.code})
}

/// All of it.
///
/// # Errors
/// If no account can be connected.
pub(super) async fn drive(stage: &Stage, description: &Description) -> Result<()> {
    stage.part("connect");
    let connection =
        stage.connect(description, &description.connect.inputs).await.map_err(CallError::into_error)?;
    stage.answered(json!({
        "id": connection.account.id,
        "display_name": connection.display_name,
        "username": connection.username,
        "kind": connection.kind,
        "parent_id": connection.parent_id,
        "missing_scopes": connection.missing_scopes,
    }));
    let account = refresh(stage, connection.account).await;
    read(stage, &account).await;
    if let Some(publish) = description.publish.as_ref().filter(|_| stage.can("publish")) {
        post(stage, account, &publish.post, description).await?;
    }
    Ok(())
}

async fn refresh(stage: &Stage, account: Account) -> Account {
    stage.part("refresh-credentials");
    let answer = stage.provider.refresh_credentials(stage.cx("refresh-credentials"), &account).await;
    match stage.see("refresh-credentials", answer) {
        Ok(fresh) => {
            stage.answered(json!({"id": fresh.account.id}));
            fresh.account
        }
        Err(CallError::Failed(error) | CallError::CredentialsExpired(error)) => {
            stage.answered(of_error(&error));
            account
        }
    }
}

async fn read(stage: &Stage, account: &Account) {
    let provider = &stage.provider;
    if stage.can("profile") {
        stage.part("get-profile");
        let answer = provider.get_profile(stage.cx("get-profile"), account).await;
        stage.answered(said(&stage.see("get-profile", answer)));
    }
    if stage.can("stats") {
        stage.part("get-stats");
        let answer = provider.get_stats(stage.cx("get-stats"), account).await;
        stage.answered(said(&stage.see("get-stats", answer)));
    }
    if stage.can("list") {
        let (mut cursor, mut ids) = (None, Vec::new());
        for name in ["list-posts", "list-posts, the second page"] {
            stage.part(name);
            let query = ListQuery { limit: PAGE, cursor: cursor.take() };
            let answer = provider.list_posts(stage.cx("list-posts"), account, &query).await;
            let answer = stage.see("list-posts", answer);
            let mut shown = said(&answer);
            // Text of the provider's own, which only leads to the next page.
            if let Some(next) = shown.get_mut("next_cursor") {
                *next = json!(!next.is_null());
            }
            stage.answered(shown);
            let Ok(page) = answer else { break };
            ids.extend(page.posts.into_iter().map(|post| post.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        stage.part("get-posts");
        ids.truncate(PAGE as usize);
        let answer = provider.get_posts(stage.cx("get-posts"), account, &ids).await;
        stage.answered(said(&stage.see("get-posts", answer)));
    }
}

async fn post(stage: &Stage, account: Account, post: &Post, description: &Description) -> Result<()> {
    stage.part("get-publish-form");
    let answer = stage.provider.get_publish_form(stage.cx("get-publish-form"), &account).await;
    stage.answered(said(&stage.see("get-publish-form", answer)));
    stage.part("check-post");
    let answer = stage.provider.check_post(stage.cx_with_media("check-post"), &account, post).await;
    stage.answered(said(&stage.see("check-post", answer)));
    stage.part("publish");
    let published = drive::publish(stage, account, post, description).await;
    match published {
        Ok((run, _)) => {
            let steps: Vec<Value> =
                run.calls.iter().map(|call| json!(format!("{:?}", call.announced))).collect();
            stage.answered(json!({"ending": run.ending.words(), "steps": steps}));
            Ok(())
        }
        Err(why) => Err(crate::description::wrong(why)),
    }
}
