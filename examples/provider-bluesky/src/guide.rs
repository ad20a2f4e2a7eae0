//! Help for the operator: what has to be done for signing in at Bluesky's own page, and whether it was.

use serde_json::Value;
use social_channel_provider::diagnostics::{Addresses, Copyable, GuideStep};
use social_channel_provider::http::{Method, Request};
use social_channel_provider::{Environment, Finding, Severity};

use crate::oauth;
use crate::settings::Settings;

pub(crate) fn guide<E: Environment>(environment: &E, addresses: &Addresses) -> Vec<GuideStep> {
    let step = |title: &str, body: &str, copy: Vec<Copyable>| GuideStep {
        title: title.to_owned(),
        body: body.to_owned(),
        copy,
        details: Vec::new(),
    };
    let id = Settings::read(environment).ok().and_then(|settings| settings.client_id);
    let id = id.unwrap_or_else(|| "https://YOUR-SITE/social-channel.json".to_owned());
    let document = oauth::document(&id, &addresses.redirect_uri);
    let document = serde_json::to_string_pretty(&document).unwrap_or_default();
    vec![
        step(
            "Connect with an app password",
            "Nothing has to be registered. Each person makes an app password at Bluesky (*Settings*, *Privacy and \
             security*, *App passwords*) and enters it with the handle when connecting.",
            Vec::new(),
        ),
        step(
            "Or let people sign in at Bluesky's own page",
            "Put this document at an https address of yours, with the type `application/json`, and enter that address as \
             **Client id**. The address inside must be the same. A service on your own machine (`http://127.0.0.1`) needs \
             none.",
            vec![Copyable { label: "Client metadata".to_owned(), value: document }],
        ),
        step(
            "Accounts of another server",
            "For accounts that do not live at Bluesky, enter their server (PDS) as **Service**, and grant its address to \
             this app under *Addresses it may call*.",
            Vec::new(),
        ),
    ]
}

pub(crate) async fn check<E: Environment>(environment: &E, addresses: &Addresses) -> Vec<Finding> {
    let settings = match Settings::read(environment) {
        Ok(settings) => settings,
        Err(error) => {
            let subject = error.field.unwrap_or_else(|| "settings".to_owned());
            let finding = Finding::new(Severity::Error, subject, error.message);
            return vec![Finding { remedy: error.remedy, ..finding }];
        }
    };
    let ask = async |url: String| {
        let response = environment.send(Request::new(Method::Get, url)).await;
        response.ok().filter(|response| response.is_success()).and_then(|response| response.json())
    };
    let mut findings = Vec::new();
    let server = ask(format!("{}/xrpc/com.atproto.server.describeServer", settings.service)).await;
    findings.push(match server {
        Some(server) if server["did"].is_string() => {
            Finding::new(Severity::Ok, "service", format!("{} answers.", settings.service))
        }
        _ => Finding {
            remedy: Some("Correct the address, and grant it to the app.".to_owned()),
            ..Finding::new(
                Severity::Error,
                "service",
                format!("{} does not answer as a Bluesky server.", settings.service),
            )
        },
    });
    if let Some(id) = &settings.client_id {
        let wanted = oauth::document(id, &addresses.redirect_uri);
        findings.push(judged(ask(id.clone()).await.as_ref(), &wanted));
    }
    findings
}

/// Whether the operator's document says what ours says; it may say more.
fn judged(found: Option<&Value>, wanted: &Value) -> Finding {
    let remedy = Some("Put the document that the guide shows at that address.".to_owned());
    let wrong = |message: String| Finding {
        remedy: remedy.clone(),
        ..Finding::new(Severity::Error, "client-id", message)
    };
    let Some(found) = found else {
        return wrong("The client metadata cannot be read.".to_owned());
    };
    let covers = |name: &str| match (&found[name], &wanted[name]) {
        (Value::Array(found), Value::Array(wanted)) => wanted.iter().all(|one| found.contains(one)),
        (found, wanted) => found == wanted,
    };
    let names = ["client_id", "redirect_uris", "grant_types", "scope", "dpop_bound_access_tokens"];
    match names.into_iter().find(|name| !covers(name)) {
        Some(name) => wrong(format!("In the client metadata, `{name}` is another than it must be.")),
        None => Finding::new(Severity::Ok, "client-id", "The client metadata is right."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_may_say_more_but_not_less() {
        let wanted = oauth::document("https://a/c.json", "https://a/callback/b");
        assert_eq!(judged(Some(&wanted), &wanted).severity, Severity::Ok);
        let mut more = wanted.clone();
        more["redirect_uris"] = json!(["https://other", "https://a/callback/b"]);
        more["logo_uri"] = json!("https://a/logo.png");
        assert_eq!(judged(Some(&more), &wanted).severity, Severity::Ok);
        more["redirect_uris"] = json!(["https://other"]);
        assert!(judged(Some(&more), &wanted).message.contains("`redirect_uris`"));
        assert_eq!(judged(None, &wanted).severity, Severity::Error);
    }
}
