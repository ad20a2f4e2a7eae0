//! One post on several channels: one upload, each channel's own form and consent, and never two posts on any.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use server_tests::{Answer, Browser, Service};
use social_channel::{Job, JobStatus};
use social_channel_server::{Config, State, router};

use crate::pressing::{key, words};
use crate::story::{connect, post, upload};

/// The channel of an account of the demo world.
async fn connect_as(service: &Service, account: &str) -> String {
    service.stage.simulator.edit(|world| world.switches.auto_consent.account = Some(account.to_owned()));
    connect(service).await
}

/// Three accounts: two that may post, and one whose posts of today are used up.
async fn three(service: &Service) -> [String; 3] {
    [
        connect_as(service, "demo.kitchen").await,
        connect_as(service, "walk.in").await,
        connect_as(service, "busy.bakery").await,
    ]
}

/// A form as a person filled it in.
struct Filled<'a> {
    key: &'a str,
    words: &'a str,
    caption: &'a str,
    media: &'a str,
    action: &'a str,
    also: &'a [&'a str],
}

async fn press(browser: &Browser<'_>, channel: &str, filled: &Filled<'_>) -> Answer {
    let mut fields = vec![
        ("key", filled.key),
        ("kind", "video"),
        ("f.text", filled.caption),
        ("f.visibility", "PUBLIC_TO_EVERYONE"),
        ("words", filled.words),
        ("media", filled.media),
        ("action", filled.action),
    ];
    fields.extend(filled.also.iter().map(|channel| ("also", *channel)));
    browser.submit("/jobs", &format!("/channels/{channel}/publish"), &fields).await.unwrap()
}

/// Where an answer leads.
fn to(answer: &Answer) -> &str {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    answer.headers["location"].to_str().unwrap()
}

/// The rows of the page that says how each channel stands, as text.
fn rows(page: &str) -> Vec<String> {
    let (_, list) = page.split_once(r#"<ul class="rows jobs">"#).unwrap();
    let (list, _) = list.split_once("</ul>").unwrap();
    list.split("<li>").skip(1).map(str::to_owned).collect()
}

async fn jobs_of(service: &Service, channel: &str) -> Vec<Job> {
    service.stage.tenant.jobs(Some(channel), None, 9).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_upload_goes_to_each_channel_by_its_own_form_and_to_none_twice() {
    let mut service = Service::new().await.unwrap();
    let [kitchen, guest, bakery] = three(&service).await;
    let upload = upload(&service, 50_000).await;
    let media = json!({"upload": upload, "name": "one.mp4", "size": 50_000}).to_string();
    let browser = service.browser().await.unwrap();
    let shown = browser.open(&format!("/channels/{kitchen}/publish")).await.unwrap().text();
    for other in [&guest, &bakery] {
        assert!(shown.contains(&format!(r#"name="also" value="{other}">"#)), "offered, and not chosen");
    }
    let (id, words) = (key(&shown), words(&shown));
    let others = [guest.as_str(), bakery.as_str()];
    let soup =
        Filled { key: &id, words: &words, caption: "Soup", media: &media, action: "together", also: &others };
    let here = format!("/crossposts/{id}");

    // Going on sends nothing, however often it is pressed.
    let refused = press(&browser, &kitchen, &Filled { also: &[], ..soup }).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let (one, two) = tokio::join!(press(&browser, &kitchen, &soup), press(&browser, &kitchen, &soup));
    assert_eq!((to(&one), to(&two)), (here.as_str(), here.as_str()));
    assert!(service.stage.tenant.jobs(None, None, 9).await.unwrap().is_empty());
    assert!(service.stage.tenant.upload(&upload).await.unwrap().held);
    assert!(browser.open("/jobs").await.unwrap().text().contains(&here), "it is found again");
    let page = browser.open(&here).await.unwrap().text();
    assert!(page.contains("0 of 3 forms are sent"), "{page}");
    assert!(rows(&page).iter().all(|row| row.contains("Fill in")), "{page}");

    // The next form has the file and the caption, and nothing that its account must choose.
    let form_of = |channel: &str| format!("/channels/{channel}/publish?crosspost={id}");
    let form = browser.open(&form_of(&guest)).await.unwrap().text();
    assert_eq!(key(&form), id);
    assert!(form.contains(">Soup</textarea>") && form.contains("one.mp4"), "{form}");
    assert!(form.contains("Posting as <strong class=\"author-name\">Walk-in Guest"), "{form}");
    assert!(form.contains(r#"<option value="" selected disabled>"#), "no audience is chosen");
    let boxes = form.split(r#"type="checkbox""#).skip(1);
    assert!(
        boxes.clone().count() > 0
            && boxes.into_iter().all(|it| !it.split('>').next().unwrap().contains("checked"))
    );
    let content = format!("/uploads/{upload}/content?app=tiktok-demo");
    assert!(form.contains(&format!(r#"<video src="{content}""#)), "{form}");
    let bytes = browser.open(&content).await.unwrap();
    assert_eq!((bytes.status, bytes.bytes.len()), (StatusCode::OK, 50_000));
    assert_eq!(bytes.header("content-type"), "video/mp4");

    // The first: pressed twice at once, again later, and again with other words.
    let first = Filled { action: "publish", also: &[], ..soup };
    let (one, two) = tokio::join!(press(&browser, &kitchen, &first), press(&browser, &kitchen, &first));
    assert_eq!((to(&one), to(&two)), (here.as_str(), here.as_str()));
    let bread = Filled { caption: "Bread", ..first };
    assert_eq!(to(&press(&browser, &kitchen, &bread).await), here);
    let [job] = &jobs_of(&service, &kitchen).await[..] else { panic!("one job was expected") };
    assert_eq!(service.stage.wait(&job.id).await.unwrap().status, JobStatus::Published);
    assert_eq!(job.consent.as_ref().unwrap()["words"], words);
    assert_eq!(to(&browser.open(&form_of(&kitchen)).await.unwrap()), here, "its form is closed");

    // It is published, and the file stays for the others.
    service.stage.host.maintain().await;
    assert!(service.stage.tenant.upload(&upload).await.is_ok());

    // One is refused, and only that one can be tried again. A restart forgets nothing.
    let refused = press(&browser, &bakery, &first).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
    assert!(refused.text().contains(&here), "the way to the others");
    assert!(jobs_of(&service, &bakery).await.is_empty());
    assert_eq!(to(&press(&browser, &guest, &bread).await), here);
    service.router =
        router(State::new(service.stage.second_host().await.unwrap(), Config::default()).unwrap());
    let browser = service.browser().await.unwrap();
    assert_eq!(to(&press(&browser, &guest, &soup_again(&bread)).await), here);
    let page = browser.open(&here).await.unwrap().text();
    assert!(page.contains("2 of 3 forms are sent"), "{page}");
    let rows = rows(&page);
    for (row, what) in rows.iter().zip(["/jobs/", "/jobs/", "Try again"]) {
        assert!(row.contains(what) && row.contains("Not sent:") == (what == "Try again"), "{row}");
    }
    let [made] = &jobs_of(&service, &guest).await[..] else { panic!("one job was expected") };
    assert_eq!(made.post.text.as_deref(), Some("Bread"), "each form has its own words");
    assert_ne!(made.idempotency_key, job.idempotency_key);

    // The account may post again: the refused form comes back as it was, and is sent.
    service.stage.simulator.edit(|world| {
        let bakery = world.accounts.iter_mut().find(|account| account.username == "busy.bakery");
        bakery.unwrap().daily_post_cap = 15;
    });
    let form = browser.open(&form_of(&bakery)).await.unwrap().text();
    assert!(form.contains(r#"<option value="PUBLIC_TO_EVERYONE" selected"#), "{form}");
    let agreed = crate::pressing::words(&form);
    let again = Filled { words: &agreed, ..first };
    assert_eq!(to(&press(&browser, &bakery, &again).await), here);
    let page = browser.open(&here).await.unwrap().text();
    assert!(page.contains("The form of every channel is sent"), "{page}");
    assert!(!browser.open("/jobs").await.unwrap().text().contains(&here), "nothing is left to do");

    // With the last one the file is let go of.
    for channel in [&kitchen, &guest, &bakery] {
        let [job] = &jobs_of(&service, channel).await[..] else { panic!("one job was expected") };
        assert_eq!(service.stage.wait(&job.id).await.unwrap().status, JobStatus::Published);
    }
    assert_eq!(service.stage.simulator.world().published().len(), 3);
    assert!(!service.stage.tenant.upload(&upload).await.unwrap().held);
    service.stage.host.maintain().await;
    assert!(service.stage.tenant.upload(&upload).await.is_err());
}

/// The same form, pressed again from a window that was left open.
fn soup_again<'a>(filled: &Filled<'a>) -> Filled<'a> {
    Filled { caption: "Soup", ..*filled }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_was_sent_before_more_channels_were_chosen_is_not_sent_again() {
    let service = Service::new().await.unwrap();
    let kitchen = connect_as(&service, "demo.kitchen").await;
    let guest = connect_as(&service, "walk.in").await;
    let upload = upload(&service, 50_000).await;
    let media = json!({"upload": upload, "name": "one.mp4", "size": 50_000}).to_string();
    let browser = service.browser().await.unwrap();
    let shown = browser.open(&format!("/channels/{kitchen}/publish")).await.unwrap().text();
    let (id, words) = (key(&shown), words(&shown));
    // The answer to this one is lost, or it is still under way when more are chosen.
    let alone =
        Filled { key: &id, words: &words, caption: "Soup", media: &media, action: "publish", also: &[] };
    let others = [guest.as_str()];
    let more = Filled { also: &others, ..alone };
    let (lost, gone_on) = tokio::join!(press(&browser, &kitchen, &alone), press(&browser, &kitchen, &more));
    let [job] = &jobs_of(&service, &kitchen).await[..] else { panic!("one job was expected") };
    let job = job.id.as_str();
    let here = format!("/crossposts/{id}");
    assert!([format!("/jobs/{job}"), here.clone()].contains(&to(&lost).to_owned()), "{}", to(&lost));
    assert_eq!(to(&gone_on), here);
    assert_eq!(to(&press(&browser, &kitchen, &more).await), here);
    let page = browser.open(&format!("/crossposts/{id}")).await.unwrap().text();
    assert!(page.contains("1 of 2 forms are sent"), "{page}");
    assert!(rows(&page)[0].contains(job), "{page}");
    // Discarded: the rest is forgotten, and the first form is still no second post, whatever it says now.
    let gone = browser.submit("/jobs", &format!("/crossposts/{id}/discard"), &[]).await.unwrap();
    assert_eq!(to(&gone), "/jobs");
    assert!(!service.stage.tenant.upload(&upload).await.unwrap().held);
    let page = browser.open(&here).await.unwrap().text();
    assert_eq!(rows(&page).len(), 1, "{page}");
    let other = Filled { caption: "Other words", ..alone };
    assert_eq!(to(&press(&browser, &kitchen, &other).await), here);
    assert_eq!(service.stage.tenant.jobs(None, None, 9).await.unwrap().len(), 1);
    // Nor is a later one of several, once what was stored of them is over.
    let shown = browser.open(&format!("/channels/{guest}/publish")).await.unwrap().text();
    let (id, words) = (key(&shown), crate::pressing::words(&shown));
    let others = [kitchen.as_str()];
    let both = Filled { key: &id, words: &words, action: "together", also: &others, ..alone };
    let here = format!("/crossposts/{id}");
    assert_eq!(to(&press(&browser, &guest, &both).await), here);
    let second = Filled { action: "publish", also: &[], ..both };
    assert_eq!(to(&press(&browser, &kitchen, &second).await), here);
    let made = jobs_of(&service, &kitchen).await[0].id.clone();
    service.stage.tenant.delete_draft(&id).await.unwrap();
    assert_eq!(browser.open(&here).await.unwrap().status, StatusCode::NOT_FOUND);
    let other = Filled { caption: "Other words", ..second };
    assert_eq!(to(&press(&browser, &kitchen, &other).await), format!("/jobs/{made}"));
    assert_eq!(jobs_of(&service, &kitchen).await.len(), 2);
    assert!(jobs_of(&service, &guest).await.is_empty());
    // Where nothing was sent, discarding leaves nothing; pressed twice, too.
    let shown = browser.open(&format!("/channels/{guest}/publish")).await.unwrap().text();
    let id = key(&shown);
    let nothing = Filled { key: &id, ..both };
    let here = format!("/crossposts/{id}");
    assert_eq!(to(&press(&browser, &guest, &nothing).await), here);
    assert!(service.stage.tenant.upload(&upload).await.unwrap().held);
    for _ in 0..2 {
        let gone = browser.submit("/jobs", &format!("{here}/discard"), &[]).await.unwrap();
        assert_eq!(to(&gone), "/jobs");
    }
    assert_eq!(browser.open(&here).await.unwrap().status, StatusCode::NOT_FOUND);
    assert!(!service.stage.tenant.upload(&upload).await.unwrap().held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_of_another_provider_says_for_itself_that_it_takes_nothing() {
    let service = crate::foreign::with_a_provider(Config::default()).await;
    let kitchen = connect_as(&service, "demo.kitchen").await;
    let other = crate::foreign::connect_there(&service).await;
    let upload = upload(&service, 50_000).await;
    let media = json!({"upload": upload, "name": "one.mp4", "size": 50_000}).to_string();
    let browser = service.browser().await.unwrap();
    let shown = browser.open(&format!("/channels/{kitchen}/publish")).await.unwrap().text();
    let (id, words) = (key(&shown), words(&shown));
    let others = [other.as_str()];
    let both =
        Filled { key: &id, words: &words, caption: "Soup", media: &media, action: "publish", also: &others };
    assert_eq!(to(&press(&browser, &kitchen, &both).await), format!("/crossposts/{id}"));
    let form = browser.open(&format!("/channels/{other}/publish?crosspost={id}")).await.unwrap();
    assert!(form.text().contains("post nothing of that kind"), "{}", form.text());
    let page = browser.open(&format!("/crossposts/{id}")).await.unwrap().text();
    assert!(page.contains("1 of 2 forms are sent"), "{page}");
    assert_eq!(jobs_of(&service, &kitchen).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_api_an_upload_is_the_media_of_several_jobs() {
    let service = Service::new().await.unwrap();
    let kitchen = connect_as(&service, "demo.kitchen").await;
    let guest = connect_as(&service, "walk.in").await;
    let upload = upload(&service, 50_000).await;
    let publish = async |channel: &str, key: &str| {
        let request = Request::post(format!("/api/v1/channels/{channel}/jobs"))
            .header(AUTHORIZATION, format!("Bearer {}", service.key))
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", key)
            .body(post("Soup", json!({"upload": upload})).to_string().into())
            .unwrap();
        service.send(request).await.unwrap()
    };
    let hold = async |held: bool| {
        let at = format!("/api/v1/uploads/{upload}");
        service.call(Method::PATCH, &at, json!({"held": held})).await.unwrap()
    };
    let published = async |answer: Answer| {
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        let job = service.stage.wait(answer.json()["id"].as_str().unwrap()).await.unwrap();
        assert_eq!(job.status, JobStatus::Published, "{job:?}");
    };
    assert_eq!(hold(true).await.json()["held"], true);
    published(publish(&kitchen, "soup-1").await).await;
    service.stage.host.maintain().await;
    // The first has published, and it is there for the second.
    published(publish(&guest, "soup-2").await).await;
    assert_eq!(hold(false).await.json()["held"], false);
    service.stage.host.maintain().await;
    let gone = publish(&kitchen, "soup-3").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "{}", gone.text());
    assert_eq!(gone.json()["field"], Value::from("media"));
    assert_eq!(hold(true).await.status, StatusCode::NOT_FOUND);
}
