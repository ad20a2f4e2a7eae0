//! What can be judged with an account: connecting, reading, and what errors say.

use std::collections::BTreeSet;

use social_channel_runtime::model::ListQuery;
use social_channel_runtime::{Account, CallError, Connection, ErrorKind};

use crate::alone::foreign_state;
use crate::description::Description;
use crate::report::Report;
use crate::rule::{CONNECTS, CREDENTIALS_ROUND_TRIP, ERRORS_MAP, FOREIGN_STATE, PAGES_END};
use crate::stage::{Stage, own_words};
use crate::wire::Instead;

/// Posts of one page in these checks: few, so that there are several pages.
const PAGE: u32 = 2;
/// Pages that are looked at.
const PAGES: usize = 12;

/// Connects the account of the description.
pub(crate) async fn connect(
    stage: &Stage,
    report: &mut Report,
    description: &Description,
) -> Option<Connection> {
    report.judged(CONNECTS);
    match stage.connect(description, &description.connect.inputs).await {
        Ok(connection) => Some(connection),
        Err(error) => {
            report.broke(CONNECTS, error.into_error().message);
            None
        }
    }
}

/// All of it. Returns the account as it is afterwards.
pub(crate) async fn check(
    stage: &Stage,
    report: &mut Report,
    description: &Description,
    connection: Connection,
) -> Account {
    let account = credentials(stage, report, connection).await;
    if stage.can("list") {
        pages(stage, report, &account).await;
    } else {
        report.not_checked(|rule| rule.id == PAGES_END, "the provider lists no posts");
    }
    errors(stage, report, description, &account).await;
    if stage.can("publish") {
        stage.wire.answer(Some(Instead::Down));
        let error = foreign_state(stage, report, &account).await;
        stage.wire.answer(None);
        if let Some(CallError::Failed(error) | CallError::CredentialsExpired(error)) = error
            && !matches!(error.kind, ErrorKind::Unsupported | ErrorKind::ProviderFault)
        {
            let kind = error.kind;
            report.broke(FOREIGN_STATE, format!("continue-publish answered `{kind}`, and not `unsupported`"));
        }
    }
    account
}

async fn credentials(stage: &Stage, report: &mut Report, connection: Connection) -> Account {
    report.judged(CREDENTIALS_ROUND_TRIP);
    let mut account = connection.account;
    for moment in ["after connecting", "after refreshing"] {
        if let Some(Err(error)) = read(stage, &account, true).await
            && let Some(message) = own_words(error)
        {
            report.broke(CREDENTIALS_ROUND_TRIP, format!("{moment}, with empty storage: {message}"));
        }
        let fresh = stage.provider.refresh_credentials(stage.cx("refresh-credentials"), &account).await;
        match stage.see("refresh-credentials", fresh) {
            Ok(fresh) if fresh.account.id == account.id => account = fresh.account,
            Ok(fresh) => {
                let (before, after) = (&account.id, &fresh.account.id);
                report.broke(CREDENTIALS_ROUND_TRIP, format!("{before} became {after} by a refresh"));
                return Account { id: account.id, ..fresh.account };
            }
            Err(CallError::Failed(error)) if error.kind == ErrorKind::Unsupported => return account,
            Err(error) => {
                if let Some(message) = own_words(error) {
                    report.broke(CREDENTIALS_ROUND_TRIP, format!("refreshing, {moment}: {message}"));
                }
                return account;
            }
        }
    }
    account
}

/// One read, of the first kind that the provider can do; None: it reads nothing.
async fn read(stage: &Stage, account: &Account, afresh: bool) -> Option<Result<(), CallError>> {
    let cx = |operation: &str| match afresh {
        true => stage.cx_without_storage(operation),
        false => stage.cx(operation),
    };
    if stage.can("profile") {
        let answer = stage.provider.get_profile(cx("get-profile"), account).await;
        return Some(stage.see("get-profile", answer).map(|_| ()));
    }
    if stage.can("stats") {
        let answer = stage.provider.get_stats(cx("get-stats"), account).await;
        return Some(stage.see("get-stats", answer).map(|_| ()));
    }
    if stage.can("list") {
        let query = ListQuery { limit: PAGE, cursor: None };
        let answer = stage.provider.list_posts(cx("list-posts"), account, &query).await;
        return Some(stage.see("list-posts", answer).map(|_| ()));
    }
    None
}

async fn pages(stage: &Stage, report: &mut Report, account: &Account) {
    report.judged(PAGES_END);
    let (mut seen, mut cursors, mut cursor) = (BTreeSet::new(), BTreeSet::new(), None);
    let mut some = Vec::new();
    for _ in 0..PAGES {
        let query = ListQuery { limit: PAGE, cursor: cursor.clone() };
        let page = stage.provider.list_posts(stage.cx("list-posts"), account, &query).await;
        let page = match stage.see("list-posts", page) {
            Ok(page) => page,
            Err(error) => {
                if let Some(message) = own_words(error) {
                    report.broke(PAGES_END, message);
                }
                return;
            }
        };
        if page.posts.len() > PAGE as usize {
            report.broke(PAGES_END, format!("{} posts came on a page of {PAGE}", page.posts.len()));
        }
        for post in page.posts {
            if some.len() < PAGE as usize {
                some.push(post.id.clone());
            }
            if !seen.insert(post.id.clone()) {
                report.broke(PAGES_END, format!("the post {} came twice", post.id));
                return;
            }
        }
        cursor = page.next_cursor;
        match &cursor {
            None => break,
            Some(next) if !cursors.insert(next.clone()) => {
                report.broke(PAGES_END, "a cursor led back to itself");
                return;
            }
            Some(_) => {}
        }
    }
    let mut asked = some.clone();
    asked.push("no-post-of-this-account".to_owned());
    let found = stage.provider.get_posts(stage.cx("get-posts"), account, &asked).await;
    match stage.see("get-posts", found) {
        Ok(found) => {
            if let Some(other) = found.iter().find(|post| !some.contains(&post.id)) {
                report.broke(PAGES_END, format!("the post {} came, which nobody had asked for", other.id));
            }
        }
        Err(error) => {
            if let Some(message) = own_words(error) {
                report.broke(
                    PAGES_END,
                    format!("an id that is not there is left out, and no error: {message}"),
                );
            }
        }
    }
}

/// What errors say, by a read and by connecting.
async fn errors(stage: &Stage, report: &mut Report, description: &Description, account: &Account) {
    let html = "<!DOCTYPE html><title>Bad gateway</title>";
    let cases: [(&str, Instead, &[ErrorKind]); 6] = [
        ("nobody answers", Instead::Down, &[ErrorKind::Unavailable]),
        ("the answer is lost", Instead::Lost, &[ErrorKind::Unavailable, ErrorKind::OutcomeUnknown]),
        ("500", Instead::Answer(500, "application/json", "{}"), &[ErrorKind::Unavailable]),
        ("502 with a page", Instead::Answer(502, "text/html", html), &[ErrorKind::Unavailable]),
        ("503", Instead::Answer(503, "application/json", "{}"), &[ErrorKind::Unavailable]),
        (
            "429",
            Instead::Answer(429, "application/json", "{}"),
            &[ErrorKind::RateLimited, ErrorKind::QuotaExceeded],
        ),
    ];
    let before = stage.wire.count();
    let reads = read(stage, account, true).await.is_some() && stage.wire.count() > before;
    if reads {
        report.judged(ERRORS_MAP);
        for (what, instead, kinds) in cases {
            stage.wire.answer(Some(instead));
            match read(stage, account, true).await {
                Some(Err(error)) => {
                    let kind = error.into_error().kind;
                    if !kinds.contains(&kind) && kind != ErrorKind::ProviderFault {
                        report.broke(ERRORS_MAP, format!("{what}: a read answered `{kind}`"));
                    }
                }
                _ => report.broke(ERRORS_MAP, format!("{what}: a read was answered all the same")),
            }
        }
        // Anything but a success or a trap.
        stage.wire.answer(Some(Instead::Answer(200, "text/html", html)));
        if let Some(Ok(())) = read(stage, account, true).await {
            report.broke(ERRORS_MAP, "a page of HTML was taken for an answer");
        }
        stage.wire.answer(None);
    }
    let secrets = stage.descriptor().connect_inputs.iter().filter(|field| field.kind == "secret");
    let secrets: Vec<String> = secrets.map(|field| field.name.clone()).collect();
    let mut wrong = description.connect.inputs.clone();
    for (_, value) in wrong.iter_mut().filter(|(name, _)| secrets.contains(name)) {
        "wrong-secret-of-conformance".clone_into(value);
    }
    if wrong != description.connect.inputs {
        report.judged(ERRORS_MAP);
        match stage.connect(description, &wrong).await {
            Ok(_) => report.broke(ERRORS_MAP, "an account was connected with a wrong secret"),
            Err(error) => {
                let kind = error.into_error().kind;
                if kind.is_retryable() || kind == ErrorKind::OutcomeUnknown {
                    report
                        .broke(ERRORS_MAP, format!("a wrong secret is `{kind}`, as if it could be repeated"));
                }
            }
        }
    }
    report.not_checked(|rule| rule.id == ERRORS_MAP, "no read makes a request");
}
