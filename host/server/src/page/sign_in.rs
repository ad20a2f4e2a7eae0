//! The sign-in page, if a password is set. It asks for a name only where there are named persons.

use crate::access::Access;
use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::html;
use serde::Deserialize;
use social_channel::{Error, SecretText};

use super::layout::{Answer, Frame, Section};
use super::part;
use crate::State;
use crate::auth::{Browser, Form, FrameForm};
use crate::extract::Query;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/sign-in", get(show).post(sign_in)).route("/sign-out", post(sign_out))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    next: String,
}

/// The page to continue with: a page of this service, never an external address.
fn own(next: &str) -> &str {
    let ours = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\n', '\r']);
    if ours { next } else { "/" }
}

async fn show(Shared(state): Shared<State>, browser: Browser, Query(wanted): Query<Wanted>) -> Answer {
    if !Access::of(state.host()).has_password().await? {
        let error = Error::new(
            social_channel::ErrorKind::Misconfigured,
            "this service has no password yet, so sign-in is not possible",
        )
        .with_remedy("set one on the server with `social-channel keys password`, then load this page again");
        return draw(&state, &browser, own(&wanted.next), "", Some(&error)).await;
    }
    draw(&state, &browser, own(&wanted.next), "", None).await
}

async fn draw(state: &State, browser: &Browser, next: &str, name: &str, error: Option<&Error>) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let has_names = !Access::of(state.host()).people().await?.is_empty();
    let body = html! {
        section.card.narrow {
            h1 { "Sign in" }
            @if let Some(error) = error { (part::failure(error)) }
            form method="post" action="/sign-in" {
                (frame.token())
                input type="hidden" name="next" value=(next);
                @if has_names {
                    div.field {
                        label for="name" { "Name" }
                        input id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="100" value=(name) autofocus[name.is_empty()] aria-describedby="name-help";
                        p.help id="name-help" { "Leave it empty for the password that has no name." }
                    }
                }
                div.field {
                    label for="password" { "Password" }
                    input id="password" name="password" type="password" autocomplete="current-password" required autofocus[!has_names || !name.is_empty()];
                }
                button.main type="submit" { "Sign in" }
            }
        }
    };
    let status = if error.is_some() { http::StatusCode::FORBIDDEN } else { http::StatusCode::OK };
    Ok(frame.page_at(status, Section::Outside, "Sign in", &[], &body))
}

async fn sign_in(Shared(state): Shared<State>, form: Form) -> Answer {
    let next = own(form.get("next").unwrap_or("/")).to_owned();
    let password = SecretText::new(form.get("password").unwrap_or_default());
    let name = form.get("name").map(str::trim).filter(|name| !name.is_empty());
    match form.browser.sign_in(&state, name, password).await {
        Ok(sign_in) => Ok((sign_in, Redirect::to(&next)).into_response()),
        Err(problem) => {
            let name = name.unwrap_or_default();
            let mut page = draw(&state, &form.browser, &next, name, Some(problem.error())).await?;
            *page.status_mut() = problem.status();
            if let Some(wait) = problem.error().retry_after {
                page.headers_mut().insert(http::header::RETRY_AFTER, wait.as_secs().max(1).into());
            }
            Ok(page)
        }
    }
}

async fn sign_out(Shared(state): Shared<State>, FrameForm(form): FrameForm) -> Answer {
    let sign_out = form.browser.sign_out(&state).await?;
    let response: Response = (sign_out, Redirect::to("/sign-in")).into_response();
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_door_comes_a_page_of_ours() {
        assert_eq!(own("/channels?x=1"), "/channels?x=1");
        for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example", "", "javascript:x"] {
            assert_eq!(own(elsewhere), "/", "{elsewhere}");
        }
    }
}
