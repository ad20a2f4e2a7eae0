//! Proofs of ownership of an address: a TXT record in the zone of a domain, or a file that this service serves.

use crate::site::{Site, SiteFile};
use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect};
use axum::routing::post;
use maud::{Markup, html};
use social_channel::model::Finding;
use social_channel::{App, AppConfig, DOMAIN_RECORD, DomainRecord, Listing};

use super::layout::{Answer, Frame};
use super::part;
use crate::State;
use crate::auth::{Form, Operator};
use crate::extract::Path;
use crate::problem::Problem;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/settings/apps/{app}/domains", post(add_domain))
        .route("/settings/apps/{app}/domains/remove", post(remove_domain))
        .route("/settings/apps/{app}/files", post(add_file))
        .route("/settings/apps/{app}/files/remove", post(remove_file))
}

#[derive(serde::Deserialize)]
struct Named {
    app: String,
}

/// The records to copy into the zone, each with its current state at the name servers.
pub(super) fn domains(frame: &Frame, app: &App, findings: &[Finding]) -> Markup {
    let here = format!("/settings/apps/{}", part::encoded(&app.id));
    let records = &app.listing.domain_records;
    // One finding for each record, in their order.
    let mut seen = findings.iter().filter(|finding| finding.subject == DOMAIN_RECORD);
    html! {
        section.card aria-labelledby="domains" {
            h3 id="domains" { "Domains that are yours" }
            p { "To prove that you own a domain and its subdomains, networks show a text to add to its zone. Enter here what the portal shows; the service asks the name servers whether it is visible." }
            @for record in records {
                div.proof {
                    dl.copies {
                        (part::copyable("Name", &record.domain))
                        (part::copyable("Type", "TXT"))
                        (part::copyable("Value", &record.value))
                    }
                    @if let Some(finding) = seen.next() { (part::findings(std::slice::from_ref(finding), &|_| None)) }
                    form method="post" action={(here) "/domains/remove"} {
                        (frame.token())
                        input type="hidden" name="domain" value=(record.domain);
                        input type="hidden" name="value" value=(record.value);
                        button.danger type="submit" { "Forget" span.hidden { " the record of " (record.domain) } }
                    }
                }
            }
            form method="post" action={(here) "/domains"} {
                (frame.token())
                div.field {
                    label for="domain" { "Domain" }
                    input id="domain" name="domain" required autocomplete="off" spellcheck="false" aria-describedby="domain-help";
                    p.help id="domain-help" { "For example example.com. In the zone editor, the record for the domain itself is often named @." }
                }
                div.field {
                    label for="value" { "Value of the TXT record" }
                    input id="value" name="value" required autocomplete="off" spellcheck="false" aria-describedby="value-help";
                    p.help id="value-help" { "The whole text, as the portal shows it." }
                }
                button type="submit" { "Check this record" }
            }
        }
    }
}

async fn add_domain(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { app }): Path<Named>,
    form: Form,
) -> Answer {
    change_records(&state, &app, |records| records.push(posted(&form))).await?;
    Ok(back(&app, "domains"))
}

async fn remove_domain(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { app }): Path<Named>,
    form: Form,
) -> Answer {
    let gone = posted(&form);
    change_records(&state, &app, |records| records.retain(|record| *record != gone)).await?;
    Ok(back(&app, "domains"))
}

fn posted(form: &Form) -> DomainRecord {
    let own = |name: &str| form.get(name).unwrap_or_default().to_owned();
    DomainRecord { domain: own("domain"), value: own("value") }
}

async fn change_records(
    state: &State,
    app: &str,
    change: impl FnOnce(&mut Vec<DomainRecord>),
) -> Result<(), Problem> {
    let mut listing: Listing = state.host().app(app).await?.listing;
    change(&mut listing.domain_records);
    state.host().put_app(app, AppConfig { listing: Some(listing), ..AppConfig::default() }).await?;
    Ok(())
}

pub(super) fn files(frame: &Frame, state: &State, app: &App, files: &[SiteFile]) -> Markup {
    let here = format!("/settings/apps/{}", part::encoded(&app.id));
    html! {
        section.card aria-labelledby="files" {
            h3 id="files" { "Files that the network requests" }
            p { "To verify a path, networks request a file with a given name. Paste it here and the service serves it." @if state.host().public_address().is_none() { " The service has no public address yet." } }
            ul.rows {
                @for file in files {
                    li {
                        div {
                            code { "/" (file.path) } p.fine { (part::bytes(file.size)) " · added " (part::instant(file.added_at)) @if let Some(url) = &file.url { " · " a href=(url) { (url) } } }
                        }
                        form method="post" action={(here) "/files/remove"} {
                            (frame.token())
                            input type="hidden" name="path" value=(file.path);
                            button.danger type="submit" { "Remove" span.hidden { " " (file.path) } }
                        }
                    }
                }
            }
            form method="post" action={(here) "/files"} {
                (frame.token())
                div.field {
                    label for="path" { "Name of the file" }
                    input id="path" name="path" required autocomplete="off" spellcheck="false";
                    p.help { "For example verification.txt, or media/verification.txt below the prefix of the media." }
                }
                div.field {
                    label for="content" { "Content" }
                    textarea id="content" name="content" rows="3" required spellcheck="false" {}
                }
                button type="submit" { "Serve this file" }
            }
        }
    }
}

fn back(app: &str, place: &str) -> axum::response::Response {
    Redirect::to(&format!("/settings/apps/{}/guide#{place}", part::encoded(app))).into_response()
}

async fn add_file(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { app }): Path<Named>,
    form: Form,
) -> Answer {
    let path = form.get("path").unwrap_or_default().trim().trim_start_matches('/');
    let content = form.get("content").unwrap_or_default().trim();
    put(&state, path, content).await?;
    Ok(back(&app, "files"))
}

async fn put(state: &State, path: &str, content: &str) -> Result<(), Problem> {
    Site::of(state.host()).put(path, None, content.as_bytes().to_vec()).await?;
    Ok(())
}

async fn remove_file(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { app }): Path<Named>,
    form: Form,
) -> Answer {
    Site::of(state.host()).remove(form.get("path").unwrap_or_default()).await?;
    Ok(back(&app, "files"))
}
