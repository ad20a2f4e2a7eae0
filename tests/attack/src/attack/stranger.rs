//! Somebody without a key: invented methods, names, keys and passwords, thousands of each.

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Scene;
use crate::stage::PASSWORD;

/// At once.
const HANDS: usize = 32;
/// All metrics of a service that strangers have visited.
const METRICS: usize = 256 << 10;

pub(super) async fn attack(scene: &Scene<'_>) -> Result<()> {
    let victim = &scene.victim;
    // Methods of 60 kB, as bytes, because no client sends them.
    each(1_000, async |number| {
        let mut stream = TcpStream::connect(&victim.at).await?;
        let head = format!(
            "{}{number} / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            "M".repeat(60_000),
            victim.at
        );
        // The service may close before it has read everything.
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
        Ok(())
    })
    .await?;
    each(3_000, async |number| {
        let method = Method::from_bytes(format!("MADE-UP-{number}").as_bytes())?;
        let answer = victim.answer(victim.request(method, &format!("/made/up/{number}"))).await?;
        refused(answer.status)
    })
    .await?;
    each(2_000, async |number| {
        let path = format!("/webhooks/{}{number}?challenge=1", "x".repeat(8_000));
        let answer = victim.answer(victim.request(Method::POST, &path).body("{}")).await?;
        refused(answer.status)
    })
    .await?;
    each(3_000, async |number| {
        let answer = victim
            .call(&format!("sc_{number}{}", "k".repeat(2_000)), Method::GET, "/api/v1/apps", Value::Null)
            .await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            bail!("an invented key: {} {}", answer.status, answer.body);
        }
        Ok(())
    })
    .await?;
    each(200, async |number| {
        let answer = sign_in(scene, &format!("guess {number}")).await?;
        refused(answer)
    })
    .await?;
    // A person who knows the password comes in, from the same address.
    let status = sign_in(scene, PASSWORD).await?;
    if status != StatusCode::SEE_OTHER && status != StatusCode::OK {
        bail!("the right password after wrong ones: {status}");
    }
    let metrics = victim.call(&scene.template.operator, Method::GET, "/metrics", Value::Null).await?;
    if !metrics.status.is_success() || metrics.body.len() > METRICS || metrics.body.contains("MADE-UP") {
        bail!("/metrics: {}, {} bytes", metrics.status, metrics.body.len());
    }
    Ok(())
}

fn refused(status: StatusCode) -> Result<()> {
    if status.is_success() || status.is_redirection() || status == StatusCode::INTERNAL_SERVER_ERROR {
        bail!("a stranger was answered with {status}");
    }
    Ok(())
}

/// So many times, [`HANDS`] at once.
async fn each(times: usize, act: impl AsyncFn(usize) -> Result<()>) -> Result<()> {
    let mut all = futures::stream::iter(0..times).map(|number| act(number)).buffer_unordered(HANDS);
    while let Some(result) = all.next().await {
        result?;
    }
    Ok(())
}

/// What the form of the page sends.
async fn sign_in(scene: &Scene<'_>, password: &str) -> Result<StatusCode> {
    let victim = &scene.victim;
    let page = victim.request(Method::GET, "/sign-in").send().await?;
    let cookie = page.headers().get("set-cookie").context("the page sets no cookie")?.to_str()?;
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let page = page.text().await?;
    let token = page.split(r#"name="csrf" value=""#).nth(1).and_then(|rest| rest.split('"').next());
    let body = format!(
        "csrf={}&next=%2F&password={}",
        token.context("the page has no token")?,
        password.replace(' ', "+")
    );
    let form = victim
        .request(Method::POST, "/sign-in")
        .header("cookie", cookie)
        .header("origin", format!("http://{}", victim.at))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    Ok(victim.answer(form).await?.status)
}
