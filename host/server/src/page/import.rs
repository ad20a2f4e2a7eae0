//! Importing accounts of which another program holds the tokens: paste a table or choose a file, check it, import it. What
//! was pasted is never shown again.

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::get;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use social_channel::model::Descriptor;
use social_channel::{App, Error, Import, ImportReport, ImportRow, ImportStatus, ImportedRow, TableFormat};

use super::connect::app_and_descriptor;
use super::layout::{Answer, Frame, Section};
use super::part;
use crate::State;
use crate::auth::{Browser, Form, Operator};
use crate::extract::Path;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/channels/import/{app}", get(show).post(import))
}

#[derive(Deserialize)]
struct Named {
    app: String,
}

/// Rows of a report on the page: those that need somebody come first, and the rest is counted.
const SHOWN: usize = 200;

async fn show(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { app }): Path<Named>,
) -> Answer {
    let (app, descriptor) = app_and_descriptor(&state, &app).await?;
    draw(&state, &browser, &app, &descriptor, None).await
}

async fn import(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(Named { app }): Path<Named>,
    form: Form,
) -> Answer {
    let (app, descriptor) = app_and_descriptor(&state, &app).await?;
    let format = match form.get("format") {
        Some("jsonl") => TableFormat::Jsonl,
        _ => TableFormat::Csv,
    };
    let dry_run = form.get("dry_run").is_some();
    let table = form.get("table").unwrap_or_default();
    let done = match ImportRow::read(format, table.as_bytes()) {
        // The page waits for no platform: rows that it does not take now are imported again.
        Ok(rows) => {
            let import = Import { dry_run, wait_seconds: 0, rows };
            operator.0.tenant(&state).import_channels(&app.id, import, &|_| ()).await
        }
        Err(error) => Err(error),
    };
    draw(&state, &operator.0, &app, &descriptor, Some(done)).await
}

async fn draw(
    state: &State,
    browser: &Browser,
    app: &App,
    descriptor: &Descriptor,
    done: Option<Result<ImportReport, Error>>,
) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let columns: Vec<&str> = descriptor.connect_inputs.iter().map(|input| input.name.as_str()).collect();
    // Both are said below. A network may ask for the first one besides.
    let own: Vec<&str> =
        columns.iter().copied().filter(|name| !["account-id", "reference"].contains(name)).collect();
    let failed = matches!(done, Some(Err(_)));
    let body = html! {
        nav.crumbs aria-label="Path" { a href="/channels" { "Channels" } " / " a href="/channels/add" { "Add channel" } " / Import" }
        h1 { "Import " (descriptor.name) " accounts" }
        div id="outcome" {
            @match &done {
                Some(Ok(report)) => (shown(report)),
                Some(Err(error)) => (part::failure(error)),
                None => {}
            }
        }
        @if columns.is_empty() {
            div.note.info { p { (descriptor.name) " connects accounts with a browser only." } p { a href={"/channels/add/" (part::encoded(&app.id))} { "Add a channel" } } }
        } @else {
            section.card aria-labelledby="table" {
                h2 id="table" { "Accounts" }
                p { "For accounts that another program has connected with the keys of this app: nobody is asked again. Stop that program first; most networks replace a token with each use." }
                p { "Columns of the table: " @for (place, name) in own.iter().enumerate() { @if place > 0 { ", " } code { (name) } } ". Two more help: " code { "account-id" } " (an account that is connected and works is left alone) and " code { "reference" } " (your own name for the row)." }
                form id="import" method="post" action={"/channels/import/" (part::encoded(&app.id))} {
                    (frame.token())
                    div.field { label for="file" { "File" } input type="file" id="file" accept=".csv,.jsonl,.ndjson,text/csv"; }
                    div.field {
                        label for="rows" { "Or paste the table" }
                        textarea id="rows" name="table" rows="8" required spellcheck="false" autocomplete="off" placeholder=(columns.join(",")) {}
                    }
                    div.field {
                        label for="format" { "Format" }
                        select id="format" name="format" { option value="csv" { "CSV, with the names of the columns first" } option value="jsonl" { "JSON, one object a line" } }
                    }
                    div.actions {
                        button type="submit" name="dry_run" value="true" { "Check only" }
                        button.main type="submit" { "Import" }
                    }
                }
                p.fine.quiet { "The table is not kept and not shown again. After an interruption, import the same table once more: rows that are done are left alone." }
            }
        }
    };
    let status = if failed { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(frame.page_at(status, Section::Channels, "Import accounts", &["import.js"], &body))
}

fn words(status: ImportStatus) -> &'static str {
    match status {
        ImportStatus::Ready => "Ready",
        ImportStatus::Connected => "Connected",
        ImportStatus::Updated => "Updated",
        ImportStatus::AlreadyConnected => "Connected already",
        ImportStatus::OtherAccount => "Another account",
        ImportStatus::Dead => "Dead token",
        ImportStatus::Refused => "Refused",
        ImportStatus::NotDone => "Not done",
    }
}

fn shown(report: &ImportReport) -> Markup {
    let needs = |row: &&ImportedRow| !row.status.is_good() || row.error.is_some();
    let counts: Vec<String> =
        report.counts.iter().map(|(status, count)| format!("{}: {count}", words(*status))).collect();
    let good = report.is_good();
    html! {
        div.note.good[good].warn[!good] role="status" {
            p { strong { @if report.dry_run { "Checked, nothing was sent." } @else { "Import finished." } } " " (counts.join(" · ")) }
            @if report.dry_run && good { p { "Whether the network takes these tokens is known only once they are imported." } }
            @if report.rows.iter().any(|row| row.status == ImportStatus::NotDone) { p { "Import the same table again for the rows that are not done." } }
        }
        @if report.rows.iter().any(|row| needs(&row)) {
            div.scroll tabindex="0" role="region" aria-label="Rows" {
                table {
                    thead { tr { th scope="col" { "Row" } th scope="col" { "Reference" } th scope="col" { "Account" } th scope="col" { "Result" } th scope="col" { "What to do" } } }
                    tbody {
                        @for row in report.rows.iter().filter(needs).take(SHOWN) {
                            tr {
                                td { (row.row) }
                                td { (row.reference.as_deref().unwrap_or_default()) }
                                td { @if let Some(channel) = &row.channel { a href={"/channels/" (channel)} { (row.display_name.as_deref().unwrap_or(channel)) } } @else { (row.account_id.as_deref().unwrap_or_default()) } }
                                td { (words(row.status)) @if let Some(code) = row.error.as_ref().and_then(|error| error.code.as_deref()) { " " code { (code) } } }
                                td { @if let Some(error) = &row.error { (part::sentence(&error.message)) @if let Some(remedy) = &error.remedy { " " (part::sentence(remedy)) } } }
                            }
                        }
                    }
                }
            }
        }
        @if !report.dry_run { p { a href="/channels" { "See the channels" } } }
    }
}
