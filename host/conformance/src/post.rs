//! What can be judged with a post: the form and the checks, publishing it, and what comes of every interruption.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use social_channel_runtime::form::{self, Problem};
use social_channel_runtime::model::{Field, OptionValue, Post, PublishForm, Severity};
use social_channel_runtime::{Account, Effect, ErrorKind, NextStep, Resume};

use crate::description::Description;
use crate::drive::{self, Announced, Ending, REQUESTS, Run};
use crate::fault::{Kind, Strike};
use crate::report::Report;
use crate::rule::{
    BEGIN_HAS_NO_EFFECT, CANCEL_IS_TRUE, EFFECT_IS_ANNOUNCED, ENDINGS_ARE_TRUE, FORMS_AND_CHECKS_AGREE,
    IDEMPOTENT_REPEATS, INTERRUPTED_IS_HONOURED, LOST_ANSWER_IS_UNKNOWN, POSTS_ONCE, PUBLISH_RESUMES,
    PUBLISHES, STEPS_ARE_BOUNDED,
};
use crate::stage::Stage;

/// Interruptions of one provider: more take minutes, and the first steps are the ones that differ.
const INTERRUPTIONS: usize = 240;
/// Time between two publishes, where it can be moved: a small post is processed, and allowances of a day are there again.
const BETWEEN: Duration = Duration::from_secs(26 * 3600);

/// What the form offers, and what the checks say.
pub(crate) async fn forms(stage: &Stage, report: &mut Report, account: &Account, post: &Post) {
    report.judged(FORMS_AND_CHECKS_AGREE);
    let form = stage.provider.get_publish_form(stage.cx("get-publish-form"), account).await;
    let form = match stage.see("get-publish-form", form) {
        Ok(form) => form,
        Err(error) => return report.broke(FORMS_AND_CHECKS_AGREE, error.into_error().message),
    };
    for problem in form::validate(&form, post).problems {
        report.broke(FORMS_AND_CHECKS_AGREE, format!("the form excludes the post: {}", problem.said()));
    }
    match refused(stage, account, post).await {
        Ok(None) => {}
        Ok(Some(why)) => report.broke(FORMS_AND_CHECKS_AGREE, format!("check-post refuses the post: {why}")),
        Err(why) => report.broke(FORMS_AND_CHECKS_AGREE, format!("check-post: {why}")),
    }
    for (what, bad) in excluded(&form, post) {
        match refused(stage, account, &bad).await {
            Ok(Some(_)) => {}
            Ok(None) => report.broke(FORMS_AND_CHECKS_AGREE, format!("check-post accepts {what}")),
            Err(why) => report.broke(FORMS_AND_CHECKS_AGREE, format!("check-post of {what}: {why}")),
        }
        let begun = stage.provider.begin_publish(stage.cx_with_media("begin-publish"), account, &bad).await;
        if let Ok(step) = stage.see("begin-publish", begun)
            && !matches!(step.next, NextStep::Failed(_))
        {
            report.broke(FORMS_AND_CHECKS_AGREE, format!("begin-publish accepts {what}"));
        }
    }
}

/// Why a check refuses a post; None: it does not.
async fn refused(stage: &Stage, account: &Account, post: &Post) -> Result<Option<String>, String> {
    let found = stage.provider.check_post(stage.cx_with_media("check-post"), account, post).await;
    let found = stage.see("check-post", found).map_err(|error| error.into_error().message)?;
    for finding in &found {
        stage.said("a finding of check-post", finding.message.clone());
    }
    Ok(found.into_iter().find(|finding| finding.severity == Severity::Error).map(|it| it.message))
}

/// The post, each time with one thing that the form excludes.
fn excluded(form: &PublishForm, post: &Post) -> Vec<(String, Post)> {
    let mut posts = vec![
        ("a kind that is not offered".to_owned(), Post { kind: "no-such-kind".to_owned(), ..post.clone() }),
        ("an option that is not offered".to_owned(), {
            let mut other = post.clone();
            other.options.insert("no-such-option".to_owned(), OptionValue::Boolean(true));
            other
        }),
    ];
    let own = |field: &&Field| field.applies_to.is_empty() || field.applies_to.contains(&post.kind);
    for field in form.fields.iter().filter(own) {
        let with = |value: Option<String>| {
            let mut other = post.clone();
            match field.name.as_str() {
                "title" => other.title = value,
                "text" => other.text = value,
                "visibility" => other.visibility = value,
                name => match value {
                    Some(value) => drop(other.options.insert(name.to_owned(), OptionValue::Text(value))),
                    None => drop(other.options.remove(name)),
                },
            }
            other
        };
        let longest = field.limits.iter().find_map(|limit| limit.maximum);
        if let Some(maximum) = longest.filter(|_| matches!(field.kind.as_str(), "text" | "multiline")) {
            let text = "x ".repeat(maximum as usize / 2 + 1);
            posts.push((format!("a `{}` of more than {maximum}", field.name), with(Some(text))));
        }
        if field.kind == "choice" {
            let value = "no-such-choice".to_owned();
            posts.push((format!("a `{}` that is not offered", field.name), with(Some(value))));
        }
        if field.required {
            posts.push((format!("a post without `{}`", field.name), with(None)));
        }
    }
    // Some of it the form may allow after all, by its rules or because the limit has a measure of its own.
    let excluded = |other: &Post| {
        let problems = form::validate(form, other).problems;
        problems.iter().any(|it| !matches!(it, Problem::Blocked { .. }))
    };
    posts.retain(|(_, other)| excluded(other));
    posts
}

/// One publish on a stage of its own, with its number of posts.
struct Published {
    run: Run,
    posts: usize,
    stage: Stage,
    account: Account,
}

/// Where publishes happen: on one stage, or on a fresh one each.
pub(crate) struct Place<'a> {
    pub(crate) first: &'a Stage,
    /// With its newest credentials.
    pub(crate) account: Mutex<Account>,
    pub(crate) description: &'a Description,
}

impl Place<'_> {
    async fn stage(&self) -> Result<(Stage, Account), String> {
        let message = |error: social_channel_runtime::Error| error.message;
        if self.description.server.fresh {
            let stage = Stage::with_server(&self.first.provider, self.description).await.map_err(message)?;
            let stage = stage.noting_in(self.first);
            let connection = stage.connect(self.description, &self.description.connect.inputs).await;
            let connection = connection.map_err(|error| error.into_error().message)?;
            return Ok((stage, connection.account));
        }
        Ok((self.first.again(), self.account.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    /// Publishes, disturbed at a point.
    async fn publish(&self, post: &Post, planned: Option<(usize, Strike)>) -> Result<Published, String> {
        let (stage, mut account) = self.stage().await?;
        if self.description.clock.is_some() {
            // The host refreshes shortly before credentials end.
            let fresh = stage.provider.refresh_credentials(stage.cx("refresh-credentials"), &account).await;
            if let Ok(fresh) = stage.see("refresh-credentials", fresh) {
                account = fresh.account;
            }
        }
        let before = stage.posts(&account, self.description).await?;
        stage.points.plan(planned);
        let (run, account) = drive::publish(&stage, account, post, self.description).await?;
        account.clone_into(&mut self.account.lock().unwrap_or_else(PoisonError::into_inner));
        // Counting must not be disturbed.
        stage.points.quiet(true);
        if self.description.clock.is_some() {
            stage.pass(BETWEEN, self.description, true).await?;
        }
        let posts = stage.posts(&account, self.description).await?.saturating_sub(before);
        Ok(Published { run, posts, stage, account })
    }
}

/// Publishes the post: undisturbed, then disturbed at every point, then cancelled.
pub(crate) async fn publish(place: &Place<'_>, report: &mut Report, post: &Post) -> Result<(), String> {
    if !place.first.can_count(place.description) {
        let why = "the description does not say how posts are counted";
        report.not_checked(|rule| rule.id == PUBLISHES, why);
        return Ok(());
    }
    let clean = place.publish(post, None).await?;
    report.judged(PUBLISHES);
    report.judged(ENDINGS_ARE_TRUE);
    calls(report, &clean.run, place.first.wire.knows_posts());
    if !matches!(clean.run.ending, Ending::Published) {
        if !matches!(clean.run.ending, Ending::Endless) {
            report.broke(PUBLISHES, format!("it ended as {}", clean.run.ending.words()));
        }
        let why = "the post of the description is not published";
        for id in [LOST_ANSWER_IS_UNKNOWN, INTERRUPTED_IS_HONOURED, IDEMPOTENT_REPEATS, POSTS_ONCE] {
            report.not_checked(|rule| rule.id == id, why);
        }
        report.not_checked(|rule| [PUBLISH_RESUMES, CANCEL_IS_TRUE].contains(&rule.id), why);
        return Ok(());
    }
    match clean.posts {
        1 => {}
        0 => report.broke(ENDINGS_ARE_TRUE, "it said `published`, and there is no post"),
        many => report.broke(PUBLISHES, format!("{many} posts came of it")),
    }
    if clean.posts == 1 {
        interruptions(place, report, post, &clean.stage.points.passed()).await?;
        cancel(place, report, post).await?;
    }
    Ok(())
}

/// What every call of a publish must keep.
fn calls(report: &mut Report, run: &Run, knows_posts: bool) {
    report.judged(BEGIN_HAS_NO_EFFECT);
    report.judged(STEPS_ARE_BOUNDED);
    if matches!(run.ending, Ending::Endless) {
        report.broke(STEPS_ARE_BOUNDED, "the publish does not end");
    }
    let has_announced = run.calls.iter().flat_map(|call| &call.exchanges).any(|exchange| exchange.posts);
    for call in &run.calls {
        let requests = call.exchanges.len();
        if requests > REQUESTS {
            report.broke(STEPS_ARE_BOUNDED, format!("one call made {requests} requests"));
        }
        if !knows_posts {
            continue;
        }
        let posting = call.exchanges.iter().find(|exchange| exchange.posts);
        match (call.announced, posting) {
            (Announced::Begin, Some(request)) => {
                report.broke(BEGIN_HAS_NO_EFFECT, format!("begin-publish sent {}", request.what));
            }
            (Announced::As(Effect::Safe), Some(request)) => {
                report.broke(EFFECT_IS_ANNOUNCED, format!("a step announced as safe sent {}", request.what));
            }
            (Announced::As(_), Some(_)) => report.judged(EFFECT_IS_ANNOUNCED),
            (_, None) => {}
        }
    }
    let why = if !knows_posts {
        "the description names no requests of which a post comes"
    } else if !has_announced {
        "none of the requests was sent that the description names"
    } else {
        "no step that announced the post lost its answer"
    };
    report.not_checked(|rule| [EFFECT_IS_ANNOUNCED, LOST_ANSWER_IS_UNKNOWN].contains(&rule.id), why);
}

/// Disturbs a publish at every point, one after the other.
async fn interruptions(
    place: &Place<'_>,
    report: &mut Report,
    post: &Post,
    points: &[(Kind, String)],
) -> Result<(), String> {
    let mut planned: Vec<(usize, Strike)> = Vec::new();
    for (at, (kind, _)) in points.iter().enumerate() {
        let strikes = Strike::ALL.into_iter();
        // The host's own storage is not lost.
        let of_kind = |strike: &Strike| {
            *kind == Kind::Request || matches!(strike, Strike::KillBefore | Strike::KillAfter)
        };
        planned.extend(strikes.filter(of_kind).map(|strike| (at, strike)));
    }
    let every = planned.len().div_ceil(INTERRUPTIONS).max(1);
    for planned in planned.into_iter().step_by(every) {
        let published = place.publish(post, Some(planned)).await?;
        let Some(struck) = published.stage.points.struck() else { continue };
        report.interruptions += 1;
        judge(report, &published, &struck, planned.1);
    }
    report.not_checked(|rule| rule.id == INTERRUPTED_IS_HONOURED, "no step is announced as `once`");
    report.not_checked(|rule| rule.id == IDEMPOTENT_REPEATS, "no step is announced as `idempotent`");
    Ok(())
}

/// What came of one interruption.
fn judge(report: &mut Report, published: &Published, struck: &str, strike: Strike) {
    let Published { run, posts, .. } = published;
    calls(report, run, published.stage.wire.knows_posts());
    let Some(call) = run.struck() else { return };
    let of_post = call.exchanges.iter().any(|exchange| exchange.posts);
    let seen = format!("{struck}: {posts} posts, and the publish ended as {}", run.ending.words());
    if strike == Strike::Lose
        && of_post
        && matches!(call.announced, Announced::As(effect) if effect != Effect::Safe)
    {
        report.judged(LOST_ANSWER_IS_UNKNOWN);
        if let Some(kind) = call.error.filter(|kind| {
            !matches!(kind, ErrorKind::OutcomeUnknown | ErrorKind::ProviderFault | ErrorKind::LimitExceeded)
        }) {
            report.broke(LOST_ANSWER_IS_UNKNOWN, format!("{struck}: it answered `{kind}`"));
            // What the host did then follows from it.
            return;
        }
    }
    let rule = match call.announced {
        Announced::Begin => BEGIN_HAS_NO_EFFECT,
        Announced::As(Effect::Once) => INTERRUPTED_IS_HONOURED,
        Announced::As(Effect::Idempotent) => IDEMPOTENT_REPEATS,
        // It is said already that the step should have been announced.
        Announced::As(Effect::Safe) if of_post => EFFECT_IS_ANNOUNCED,
        Announced::As(Effect::Safe) => POSTS_ONCE,
    };
    report.judged(POSTS_ONCE);
    report.judged(rule);
    report.judged(PUBLISH_RESUMES);
    match (&run.ending, *posts) {
        (_, 2..) => report.broke(rule, seen),
        (Ending::Published, 0) | (Ending::Failed(_) | Ending::Cancelled, 1) => {
            report.broke(ENDINGS_ARE_TRUE, seen);
        }
        (Ending::Published, _) => {}
        (Ending::Unknown(_), _) if call.announced == Announced::As(Effect::Once) => {}
        // Said by `steps-are-bounded`.
        (Ending::Endless, _) => {}
        (Ending::Failed(_) | Ending::Cancelled | Ending::Paused(_) | Ending::Unknown(_), _) => {
            report.broke(PUBLISH_RESUMES, seen);
        }
    }
}

/// Cancels a publish that has not begun, and one whose last answer was lost.
async fn cancel(place: &Place<'_>, report: &mut Report, post: &Post) -> Result<(), String> {
    report.judged(CANCEL_IS_TRUE);
    let published = place.publish(post, None).await?;
    let Published { run, stage, account, .. } = &published;
    let Some(posting) = run.posting.as_ref().filter(|_| published.posts == 1) else { return Ok(()) };
    let before = stage.posts(account, place.description).await?;
    let resume = Resume { interrupted: true, evidence: None };
    let cx = stage.cx("cancel-publish");
    let answer = stage.provider.cancel_publish(cx, account, post, &posting.state, resume).await;
    if let Ok(step) = stage.see("cancel-publish", answer)
        && matches!(step.next, NextStep::Cancelled)
        && stage.posts(account, place.description).await? >= before
    {
        report.broke(
            CANCEL_IS_TRUE,
            "a publish that was out was called cancelled, and its post is still there",
        );
    }
    Ok(())
}
