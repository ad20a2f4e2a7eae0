//! The steps of the setup guide: one that is done is marked and folded, and the first open one is unfolded.
//!
//! Most of a step happens in the network's portal, where only the person can see it, so the person marks it. Where the
//! app itself shows that a step is done, it is marked without a word.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect};
use axum::routing::post;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use social_channel::model::GuideStep;
use social_channel::{App, Document, DocumentChanges, Error, ErrorKind, Host};

use super::layout::{Answer, Frame};
use super::part;
use crate::State;
use crate::auth::{Form, Operator};
use crate::extract::Path;

/// The documents with what persons marked, one for each app.
const KIND: &str = "guide";

pub(super) fn routes() -> Router<State> {
    Router::new().route("/settings/apps/{app}/guide/steps", post(mark))
}

#[derive(Deserialize)]
struct Named {
    app: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Marks {
    /// When the app was made: another app of the same name begins at the first step.
    app_created_at: i64,
    /// Titles of the steps.
    done: BTreeSet<String>,
}

impl Marks {
    async fn of(host: &Host, app: &App) -> Result<Self, Error> {
        let stored = host.document::<Marks>(KIND, &app.id).await?.map(|document| document.facts);
        let own = stored.filter(|marks| marks.app_created_at == app.created_at);
        Ok(own.unwrap_or(Marks { app_created_at: app.created_at, done: BTreeSet::new() }))
    }
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Open,
    Marked,
    /// With what shows it.
    Seen(&'static str),
}

/// How each step stands, for an app with or without a connected channel.
fn standings(app: &App, steps: &[GuideStep], marks: &Marks, connected: bool) -> Vec<Standing> {
    let callback = app.redirect_uri.as_deref();
    let registers = |step: &GuideStep| step.copy.iter().any(|one| Some(one.value.as_str()) == callback);
    // No consent comes back to a callback that is not registered, nor to an app that was not made.
    let proved = if connected { steps.iter().position(registers).map_or(0, |at| at + 1) } else { 0 };
    let stand = |(at, step): (usize, &GuideStep)| {
        if at < proved {
            Standing::Seen("A channel was connected, which takes this step.")
        } else if is_set(app, step) {
            Standing::Seen("The settings of this app have these values.")
        } else if marks.done.contains(&step.title) {
            Standing::Marked
        } else {
            Standing::Open
        }
    };
    steps.iter().enumerate().map(stand).collect()
}

/// Whether a step is about settings of this app, and all are as it says.
fn is_set(app: &App, step: &GuideStep) -> bool {
    let value = |name: &str| {
        app.settings.iter().find(|shown| shown.setting.name == name).map(|shown| shown.value.as_deref())
    };
    let mut wanted = step.copy.iter().filter_map(|one| Some((value(&one.label)?, &one.value))).peekable();
    let agrees = |(value, wanted): (Option<&str>, &String)| {
        value.is_some_and(|value| value.lines().any(|line| line == wanted))
    };
    app.missing_settings.is_empty() && wanted.peek().is_some() && wanted.all(agrees)
}

/// The list.
pub(super) async fn list(
    host: &Host,
    frame: &Frame,
    app: &App,
    steps: &[GuideStep],
    connected: bool,
) -> Result<Markup, Error> {
    let standings = standings(app, steps, &Marks::of(host, app).await?, connected);
    let done = standings.iter().filter(|one| **one != Standing::Open).count();
    let next = standings.iter().position(|one| *one == Standing::Open);
    Ok(html! {
        p { (done) " of " (steps.len()) " steps are done." }
        ol.guide {
            @for (at, (step, standing)) in steps.iter().zip(&standings).enumerate() {
                @let is_done = *standing != Standing::Open;
                li.card.done[is_done] id={"step-" (at + 1)} {
                    details open[next == Some(at)] {
                        summary { h4 { (step.title) @if is_done { span.tickmark aria-hidden="true" { " ✓" } span.hidden { " (done)" } } } }
                        div.prose { (part::markdown(&step.body)) }
                        (part::copyables(&step.copy))
                        (marking(frame, app, step, *standing))
                    }
                }
            }
        }
    })
}

fn marking(frame: &Frame, app: &App, step: &GuideStep, standing: Standing) -> Markup {
    let button = |done: bool, label: &str| {
        html! {
            form method="post" action={"/settings/apps/" (part::encoded(&app.id)) "/guide/steps"} {
                (frame.token())
                input type="hidden" name="step" value=(step.title);
                input type="hidden" name="done" value=(done);
                button type="submit" aria-label={(label) ": " (step.title)} { (label) }
            }
        }
    };
    match standing {
        Standing::Seen(why) => html! { p.fine.quiet { (why) } },
        Standing::Marked => button(false, "Not done yet"),
        Standing::Open => button(true, "Mark as done"),
    }
}

async fn mark(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { app }): Path<Named>,
    form: Form,
) -> Answer {
    let host = state.host();
    let app = host.app(&app).await?;
    let steps = host.guide(&app.id).await?;
    let title = form.get("step").unwrap_or_default();
    let at = steps.iter().position(|step| step.title == title).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the guide has no such step any more")
            .with_remedy("load the page again")
    })?;
    let mut marks = Marks::of(host, &app).await?;
    // What a newer guide does not have is forgotten.
    marks.done.retain(|done| steps.iter().any(|step| step.title == *done));
    if form.get("done") == Some("true") {
        marks.done.insert(title.to_owned());
    } else {
        marks.done.remove(title);
    }
    let document = Document {
        id: app.id.clone(),
        facts: marks,
        body: None,
        created_at: host.clock().now_ms(),
        expires_at: None,
    };
    host.change_documents(DocumentChanges::new().put(KIND, document)?).await?;
    let here = format!("/settings/apps/{}/guide#step-{}", part::encoded(&app.id), at + 1);
    Ok(Redirect::to(&here).into_response())
}
