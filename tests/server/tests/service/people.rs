//! Named persons: how they sign in and are signed out, and that what is done says who did it.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use server_tests::{Browser, Service};
use social_channel::SecretText;
use social_channel_server::Access;

use crate::story::{connect, post, upload};

const ANNA: &str = "annas long password";

async fn set(service: &Service, name: &str, password: &str) {
    Access::of(&service.stage.host).set_person(name, SecretText::new(password)).await.unwrap();
}

async fn is_inside(browser: &Browser<'_>) -> bool {
    browser.open("/jobs").await.unwrap().status == StatusCode::OK
}

async fn signed_in<'a>(service: &'a Service, name: Option<&str>, password: &str) -> Browser<'a> {
    let (answer, browser) = service.sign_in(name, password).await.unwrap();
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/".to_owned()));
    assert!(is_inside(&browser).await);
    browser
}

/// A job that waits for hours.
async fn scheduled(service: &Service, channel: &str) -> Value {
    let upload = upload(service, 50_000).await;
    let mut body = post("Soup", json!({"upload": upload}));
    body["publish_at"] = json!(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 7_200);
    let made = service.call(Method::POST, &format!("/api/v1/channels/{channel}/jobs"), body).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    made.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_says_who_did_it() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let connected = service.get(&format!("/api/v1/channels/{channel}")).await.unwrap().json();
    assert_eq!(connected["connected_by"], "API key tests");
    let job = scheduled(&service, &channel).await;
    assert_eq!(job["submitted_by"], "API key tests");
    let at = format!("/jobs/{}", job["id"].as_str().unwrap());

    set(&service, "Anna", ANNA).await;
    let anna = signed_in(&service, Some("anna "), ANNA).await;
    let page = anna.open(&at).await.unwrap().text();
    let shown = anna.open(&format!("/channels/{channel}")).await.unwrap().text();
    assert!(shown.contains(" by API key tests"), "{shown}");
    assert!(page.contains("Submitted by") && page.contains("API key tests"), "{page}");
    assert!(page.contains(r#"Sign out<span class="who"> Anna</span>"#), "the frame says who is signed in");
    let time = [("at", "2027-01-05T10:00"), ("at_seconds", "")];
    let answer = anna.submit(&at, &format!("{at}/time"), &time).await.unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let patch = json!({"priority": 1});
    service.call(Method::PATCH, &format!("/api/v1{at}"), patch).await.unwrap();
    for _ in 0..2 {
        anna.submit(&at, &format!("{at}/cancel"), &[]).await.unwrap();
    }
    service.stage.wait(job["id"].as_str().unwrap()).await.unwrap();
    let history = service.get(&format!("/api/v1{at}/history")).await.unwrap().json();
    let said: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["call"].as_str().unwrap(), row["by"].as_str()))
        .filter(|(call, by)| by.is_some() || *call == "cancel")
        .collect();
    let expected = [("change", Some("Anna")), ("change", Some("API key tests")), ("cancel", Some("Anna"))];
    assert_eq!(said, expected, "asked for twice it is one cancellation");
    let page = anna.open(&at).await.unwrap().text();
    for line in ["Changed by Anna", "Changed by API key tests", "Cancelled by Anna"] {
        assert!(page.contains(line), "{line}: {page}");
    }

    let answer = anna.submit(&at, &format!("{at}/retry"), &[]).await.unwrap();
    let again = service.get(&format!("/api/v1{}", answer.header("location"))).await.unwrap().json();
    assert_eq!((again["submitted_by"].as_str(), &again["retry_of"]), (Some("Anna"), &job["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_without_a_name_goes_on_working_and_says_nobody() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    service.browser().await.unwrap();
    let (page, _) = service.sign_in(None, "wrong horse").await.unwrap();
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text().contains("This is not the password"), "{}", page.text());
    assert!(!page.text().contains(r#"name="name""#), "no names, no field for one");
    set(&service, "Anna", ANNA).await;
    let browser = signed_in(&service, Some(""), "correct horse").await;
    assert!(service.sign_in(None, "x").await.unwrap().0.text().contains(r#"name="name""#));
    let job = scheduled(&service, &channel).await;
    let at = format!("/jobs/{}", job["id"].as_str().unwrap());
    browser.submit(&at, &format!("{at}/resume"), &[]).await.unwrap();
    let history = service.get(&format!("/api/v1{at}/history")).await.unwrap().json();
    assert_eq!((&history[0]["call"], &history[0]["by"]), (&json!("resume"), &Value::Null), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_or_gets_another_password_is_signed_out_and_nobody_else() {
    let service = Service::new().await.unwrap();
    let operator = service.browser().await.unwrap();
    set(&service, "Anna", ANNA).await;
    set(&service, "Ben", "bens long password").await;
    let anna = signed_in(&service, Some("Anna"), ANNA).await;
    let ben = signed_in(&service, Some("ben"), "bens long password").await;

    set(&service, "anna", "annas other password").await;
    assert!(!is_inside(&anna).await);
    assert_eq!(service.sign_in(Some("Anna"), ANNA).await.unwrap().0.status, StatusCode::FORBIDDEN);
    let anna = signed_in(&service, Some("Anna"), "annas other password").await;
    assert!(is_inside(&ben).await && is_inside(&operator).await);

    let page = operator.open("/settings/people").await.unwrap().text();
    assert!(page.contains("anna") && page.contains("Ben") && page.contains("without a name"), "{page}");
    let here = "/settings/people";
    let gone = operator.submit(here, "/settings/people/remove", &[("name", "Anna")]).await.unwrap();
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
    assert!(!is_inside(&anna).await);
    let again = service.sign_in(Some("Anna"), "annas other password").await.unwrap().0;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(is_inside(&ben).await && is_inside(&operator).await);

    // The operator's password changes, and Ben stays.
    let access = Access::of(&service.stage.host);
    access.set_password(Some(SecretText::new("another horse"))).await.unwrap();
    assert!(is_inside(&ben).await && !is_inside(&operator).await);
    access.set_password(None).await.unwrap();
    assert!(access.has_password().await.unwrap(), "a person's password keeps the door shut too");
    let last = ben.submit(here, "/settings/people/remove", &[("name", "Ben")]).await.unwrap();
    assert_eq!(last.status, StatusCode::BAD_REQUEST);
    assert!(last.text().contains("last person who can sign in"), "{}", last.text());
    assert!(is_inside(&ben).await);
    assert_eq!(access.remove_person("nobody").await.unwrap_err().field.as_deref(), Some("name"));
    access.remove_person("BEN").await.unwrap();
    assert!(!is_inside(&ben).await && !access.has_password().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_added_on_the_pages() {
    let service = Service::new().await.unwrap();
    let operator = service.browser().await.unwrap();
    let here = "/settings/people";
    let add = async |name: &str, password: &str| {
        operator.submit(here, here, &[("name", name), ("password", password)]).await
    };
    let added = add("Anna", ANNA).await.unwrap();
    assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text());
    for (name, password, because) in [
        ("ANNA", ANNA, "already a person called ANNA"),
        ("Ben", "short", "at least 10 characters"),
        ("operator", ANNA, "stand for somebody else"),
        ("API key Shop", ANNA, "stand for somebody else"),
        ("", ANNA, "not 1 to 100 characters"),
    ] {
        let refused = add(name, password).await.unwrap();
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{name}");
        assert!(refused.text().contains(because), "{name}: {}", refused.text());
    }
    let anna = signed_in(&service, Some("Anna"), ANNA).await;
    let fields = [("name", "Anna"), ("password", "annas other password")];
    let changed = anna.submit(here, "/settings/people/password", &fields).await.unwrap();
    assert_eq!(changed.status, StatusCode::SEE_OTHER, "{}", changed.text());
    assert!(!is_inside(&anna).await, "also where it was changed");
    signed_in(&service, Some("Anna"), "annas other password").await;
    let fields = [("name", "Nobody"), ("password", "a password for nobody")];
    let nobody = operator.submit(here, "/settings/people/password", &fields).await.unwrap();
    assert_eq!(nobody.status, StatusCode::BAD_REQUEST);
    assert_eq!(Access::of(&service.stage.host).people().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_which_names_exist() {
    let service = Service::with(social_channel_server::Config {
        sign_in_attempts: 100,
        ..social_channel_server::Config::default()
    })
    .await
    .unwrap();
    set(&service, "Anna", ANNA).await;
    let mut least = [Duration::MAX; 3];
    let mut pages = Vec::new();
    for _ in 0..4 {
        pages.clear();
        // A wrong password, a name that does not exist, and a password without a name that does not exist.
        for (name, least) in ["Anna", "Anno", ""].into_iter().zip(&mut least) {
            let begun = std::time::Instant::now();
            let (answer, _) = service.sign_in(Some(name), "a wrong password").await.unwrap();
            *least = (*least).min(begun.elapsed());
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
            let text = answer.text();
            assert!(text.contains("Name and password do not belong together"), "{text}");
            pages.push(text.replace(&format!("value=\"{name}\""), ""));
        }
    }
    // What was typed stands in the field again, and nothing else differs.
    let plain = |page: &str| page.replace(" autofocus", "").replace("  ", " ");
    assert_eq!(plain(&pages[0]), plain(&pages[1]));
    for other in [least[1], least[2]] {
        assert!(other > least[0] / 3 && other < least[0] * 3, "{least:?}");
    }
}
