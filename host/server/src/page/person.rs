//! Settings → People: who may sign in, so that consents and changes say who made them.

use crate::access::Access;
use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use maud::{Markup, html};
use social_channel::{Error, ErrorKind, SecretText};

use super::layout::{Answer, Frame, Section, settings_tabs};
use super::part;
use crate::State;
use crate::auth::{Browser, Form, Operator};

const HERE: &str = "/settings/people";

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/settings/people", get(show).post(add))
        .route("/settings/people/password", post(change))
        .route("/settings/people/remove", post(remove))
}

async fn show(Shared(state): Shared<State>, Operator(browser): Operator) -> Answer {
    draw(&state, &browser, None).await
}

async fn draw(state: &State, browser: &Browser, error: Option<&Error>) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let access = Access::of(state.host());
    let (people, nameless) = (access.people().await?, access.has_nameless_password().await?);
    let body = html! {
        h1 { "Settings" }
        (settings_tabs(HERE))
        h2 { "People" }
        p { "Each person signs in with a name and a password of their own. Agreements, posts and changes then say who made them. Everybody here may do everything." }
        @if let Some(error) = error { (part::failure(error)) }
        div.columns {
            section.card aria-labelledby="all" {
                h3 id="all" { "Who may sign in" }
                @if people.is_empty() && !nameless { p.quiet { "Nobody has a password: anyone who reaches this address may do everything." } }
                ul.rows {
                    @for person in &people {
                        li {
                            div {
                                strong { (person.name) } @if browser.person() == Some(&person.name) { " (you)" }
                                p.fine { "Password set " (part::moment(person.set_at)) }
                                (another_password(&frame, &person.name))
                            }
                            form method="post" action="/settings/people/remove" {
                                (frame.token())
                                input type="hidden" name="name" value=(person.name);
                                button.danger type="submit" data-confirm={"Remove " (person.name) "? " (person.name) " is signed out everywhere."} { "Remove" span.hidden { " " (person.name) } }
                            }
                        }
                    }
                    @if nameless {
                        li { div { strong { "The password without a name" } p.fine { "What is done with it does not say who did it. Change or remove it on the server: " code { "social-channel keys password" } } } }
                    }
                }
            }
            section.card aria-labelledby="new" {
                h3 id="new" { "Add a person" }
                form method="post" action=(HERE) {
                    (frame.token())
                    div.field {
                        label for="name" { "Name" }
                        input id="name" name="name" required maxlength="100" autocomplete="off" aria-describedby="name-help";
                        p.help id="name-help" { "It is what stands beside everything the person does." }
                    }
                    (password_field("password"))
                    @if people.is_empty() && !nameless { p { "From then on everybody signs in here." } }
                    button.main type="submit" { "Add person" }
                }
            }
        }
    };
    let status = if error.is_some() { http::StatusCode::BAD_REQUEST } else { http::StatusCode::OK };
    Ok(frame.page_at(status, Section::Settings, "People", &[], &body))
}

fn password_field(id: &str) -> Markup {
    html! {
        div.field {
            label for=(id) { "Password" }
            input id=(id) name="password" type="password" required minlength="10" maxlength="1024" autocomplete="new-password" aria-describedby={(id) "-help"};
            p.help id={(id) "-help"} { "At least 10 characters." }
        }
    }
}

fn another_password(frame: &Frame, name: &str) -> Markup {
    html! {
        details {
            summary { "New password" span.hidden { " for " (name) } }
            form method="post" action="/settings/people/password" {
                (frame.token())
                input type="hidden" name="name" value=(name) autocomplete="username";
                (password_field(&format!("password-{}", part::encoded(name))))
                button type="submit" { "Set password" span.hidden { " of " (name) } }
            }
        }
    }
}

fn password(form: &Form) -> SecretText {
    SecretText::new(form.get("password").unwrap_or_default())
}

async fn add(Shared(state): Shared<State>, operator: Operator, form: Form) -> Answer {
    let name = form.get("name").unwrap_or_default().trim();
    let same = |other: &str| other.to_lowercase() == name.to_lowercase();
    if Access::of(state.host()).people().await?.iter().any(|person| same(&person.name)) {
        let error = Error::new(ErrorKind::InvalidRequest, format!("there is already a person called {name}"))
            .with_field("name")
            .with_remedy("give another name, or that person a new password");
        return draw(&state, &operator.0, Some(&error)).await;
    }
    set(&state, &operator.0, name, &form).await
}

async fn change(Shared(state): Shared<State>, operator: Operator, form: Form) -> Answer {
    let name = form.get("name").unwrap_or_default();
    if !Access::of(state.host()).people().await?.iter().any(|person| person.name == name) {
        let error = Error::new(ErrorKind::NotFound, format!("nobody is called {name}"))
            .with_remedy("the person may have been removed already; add the person again");
        return draw(&state, &operator.0, Some(&error)).await;
    }
    set(&state, &operator.0, name, &form).await
}

async fn set(state: &State, browser: &Browser, name: &str, form: &Form) -> Answer {
    match Access::of(state.host()).set_person(name, password(form)).await {
        Ok(_) => Ok(Redirect::to(HERE).into_response()),
        Err(error) => draw(state, browser, Some(&error)).await,
    }
}

async fn remove(Shared(state): Shared<State>, operator: Operator, form: Form) -> Answer {
    let access = Access::of(state.host());
    let people = access.people().await?;
    let name = form.get("name").unwrap_or_default();
    // Without any password nobody could sign in here, or everybody were the operator.
    if people.len() == 1 && !access.has_nameless_password().await? {
        let error = Error::new(ErrorKind::InvalidRequest, "this is the last person who can sign in")
            .with_remedy("add another person first; on the server, `social-channel keys password --name NAME --remove` removes also the last");
        return draw(&state, &operator.0, Some(&error)).await;
    }
    match access.remove_person(name).await {
        // Pressed twice: the person is gone.
        Err(error) if error.kind != ErrorKind::NotFound => draw(&state, &operator.0, Some(&error)).await,
        _ => Ok(Redirect::to(HERE).into_response()),
    }
}
