//! Uploads: files that lie at this service, with their sizes, and removing them.

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use http::{HeaderMap, Method, StatusCode};
use maud::html;
use serde::Deserialize;
use social_channel::{Error, ErrorKind};

use super::layout::{Answer, Frame, Section};
use super::part;
use crate::State;
use crate::auth::{Browser, Form, Operator};
use crate::extract::{Path, Query};
use crate::served;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/uploads", get(show))
        .route("/uploads/{upload}/content", get(content))
        .route("/uploads/{upload}/remove", post(remove))
}

/// Uploads on one page: more would be a page of megabytes.
const SHOWN: u32 = 200;

#[derive(Deserialize)]
struct After {
    /// The last upload of the page before.
    after: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    upload: String,
}

/// The app that its job will be of.
#[derive(Deserialize)]
struct OfApp {
    app: String,
}

/// The address of an upload's bytes, for a preview.
pub(super) fn content_address(upload: &str, app: &str) -> String {
    format!("/uploads/{}/content?app={}", part::encoded(upload), part::encoded(app))
}

async fn content(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { upload }): Path<Named>,
    Query(OfApp { app }): Query<OfApp>,
    method: Method,
    headers: HeaderMap,
) -> Answer {
    let media = browser.tenant(&state).upload_content(&app, &upload).await?;
    Ok(served::answer(&media, &method, &headers)?)
}

async fn show(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Query(After { after }): Query<After>,
) -> Answer {
    draw(&state, &browser, after.as_deref(), None).await
}

async fn draw(state: &State, browser: &Browser, after: Option<&str>, refused: Option<&Error>) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let mut uploads = browser.tenant(state).uploads_after(SHOWN + 1, after).await?;
    let more = uploads.len() > SHOWN as usize;
    uploads.truncate(SHOWN as usize);
    let older = uploads.last().filter(|_| more).map(|upload| upload.id.clone());
    let total = uploads.iter().map(|upload| upload.size).sum();
    let body = html! {
        nav.crumbs aria-label="Path" { a href="/jobs" { "Jobs" } " / Uploads" }
        h1 { "Uploads" }
        @if let Some(error) = refused { (part::failure(error)) }
        @if uploads.is_empty() {
            div.empty { p { "No uploads." } p { "Files lie here from when you choose them until their post is published." } }
        } @else {
            p { @if older.is_some() || after.is_some() { "Here " } (uploads.len()) @if uploads.len() == 1 { " file, " } @else { " files, " } (part::bytes(total)) ". Each is removed once its post is published, or when its time is over." }
            ul.rows.jobs {
                @for upload in &uploads {
                    @let name = upload.file_name.as_deref().unwrap_or("File without a name");
                    li {
                        div {
                            strong { (name) }
                            p.fine {
                                (part::bytes(upload.size)) " · uploaded " (part::moment(upload.created_at))
                                " · kept until " (part::instant(upload.expires_at)) ", and as long as an open job needs it"
                                @if upload.held { "; held for a post on several channels" }
                            }
                        }
                        form method="post" action={"/uploads/" (part::encoded(&upload.id)) "/remove"} {
                            (frame.token())
                            button.danger type="submit" { "Remove" span.hidden { " " (name) } }
                        }
                    }
                }
            }
            @if let Some(older) = older {
                a.button href={"/uploads?after=" (part::encoded(&older))} rel="next" { "Older uploads" }
            }
        }
    };
    let status = refused.map_or(StatusCode::OK, |_| StatusCode::CONFLICT);
    Ok(frame.page_at(status, Section::Jobs, "Uploads", &[], &body))
}

async fn remove(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(Named { upload }): Path<Named>,
    _: Form,
) -> Answer {
    match operator.0.tenant(&state).delete_upload(&upload).await {
        // Pressed twice, or removed meanwhile: it is gone.
        Err(error) if error.kind != ErrorKind::NotFound => {
            draw(&state, &operator.0, None, Some(&error)).await
        }
        _ => Ok(Redirect::to("/uploads").into_response()),
    }
}
