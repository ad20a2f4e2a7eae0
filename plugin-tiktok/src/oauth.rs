//! Connecting an account: the authorization page, the code, the tokens and their end (Login Kit).
//!
//! The host makes and checks `state`, and keeps two processes from refreshing at once.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use social_channel_provider::channel::{ConnectRequest, ConnectStep, Connection, Redirect};
use social_channel_provider::http::{Method, Request, Response};
use social_channel_provider::{Account, Environment, Error, ErrorKind, form, json};

use crate::api::{API, log_id};
use crate::credentials::{Credentials, TokenAnswer, scope_list};
use crate::secret::Secret;
use crate::settings::{SCOPE_PROFILE, Settings};
use crate::{errors, profile};

const AUTHORIZE: &str = "https://www.tiktok.com/v2/auth/authorize/";

/// How long a person may take on TikTok's pages: signing in with a code from another device takes
/// minutes, a forgotten tab should not stay a way in for hours.
const CONNECT_WITHIN_MS: u64 = 15 * 60 * 1000;

/// "Less than 512 characters" (D-LKW, D-LKD).
const MAX_REDIRECT: usize = 511;

/// What `complete_connect` needs again.
#[derive(Serialize, Deserialize)]
struct Session {
    redirect_uri: String,
    /// Only where a challenge was sent.
    #[serde(default)]
    verifier: Option<Secret>,
    scopes: Vec<String>,
}

/// The address of TikTok's consent page.
pub(crate) fn begin<E: Environment>(environment: &E, request: &ConnectRequest) -> Result<ConnectStep, Error> {
    let settings = Settings::read(environment)?;
    check_redirect(&settings, &request.redirect_uri)?;
    let scopes = settings.scopes.join(",");
    let mut query = vec![
        ("client_key", settings.client_key.as_str()),
        ("response_type", "code"),
        ("scope", scopes.as_str()),
        ("redirect_uri", request.redirect_uri.as_str()),
        ("state", request.state.as_str()),
    ];
    // Only desktop registrations take part in PKCE (D-LKD); the page for web asks for none.
    let verifier = settings.desktop.then(|| hex::encode(environment.random(32)));
    let challenge = verifier.as_deref().map(challenge);
    if let Some(challenge) = &challenge {
        query.push(("code_challenge", challenge));
        query.push(("code_challenge_method", "S256"));
    }
    // Else a browser that is signed in returns at once with the account it already knows (trap 55).
    if request.choose_account && !settings.desktop {
        query.push(("disable_auto_auth", "1"));
    }
    let url = form::with_query(AUTHORIZE, query);
    let session = Session {
        redirect_uri: request.redirect_uri.clone(),
        verifier: verifier.map(Secret::new),
        scopes: settings.scopes,
    };
    let session = serde_json::to_vec(&session).unwrap_or_default();
    Ok(ConnectStep::Redirect(Redirect { url, session, expires_in: CONNECT_WITHIN_MS }))
}

/// TikTok wants the hash in hexadecimal, not in base64url as RFC 7636 does (D-LKD).
fn challenge(verifier: &str) -> String {
    hex::encode(Sha256::digest(verifier.as_bytes()))
}

/// Registration rules of the redirect address (contract of Login Kit for web and for desktop).
pub(crate) fn check_redirect(settings: &Settings, redirect: &str) -> Result<(), Error> {
    let refuse = |message: &str, remedy: &str| {
        Err(Error::new(ErrorKind::Misconfigured, message).remedy(remedy).field("redirect-uri"))
    };
    if redirect.len() > MAX_REDIRECT || redirect.contains(['?', '#']) {
        return refuse(
            "TikTok takes redirect addresses below 512 characters, without query and fragment.",
            "Choose a shorter or plainer address for the callback.",
        );
    }
    let Some((scheme, authority, _)) = social_channel_provider::http::split_url(redirect) else {
        return refuse("The redirect address is no absolute URL.", "Set the public address of the host.");
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    };
    let loopback = matches!(host, "localhost" | "127.0.0.1");
    if settings.desktop {
        if !matches!(scheme, "http" | "https") || !loopback || port.is_none_or(str::is_empty) {
            return refuse(
                "A desktop registration at TikTok takes only redirect addresses on localhost or 127.0.0.1 with a port.",
                "Use the address of the loopback callback, or set `kind` to `web`.",
            );
        }
    } else if scheme != "https" || loopback || host == "[::1]" {
        return refuse(
            "A web registration at TikTok takes only public https redirect addresses.",
            "Run the host at a public https address, or register the address under Desktop and set `kind` to `desktop`.",
        );
    }
    Ok(())
}

/// The callback: the code becomes tokens, and these an account.
pub(crate) async fn complete<E: Environment>(
    environment: &E,
    session: &[u8],
    callback: &[(String, String)],
) -> Result<Vec<Connection>, Error> {
    let settings = Settings::read(environment)?;
    let session: Session = serde_json::from_slice(session).map_err(|_| {
        Error::new(ErrorKind::InvalidRequest, "This attempt to connect was not begun by this provider.")
            .remedy("Start again.")
    })?;
    let parameter = |name: &str| {
        callback
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    };
    if let Some(error) = parameter("error") {
        return Err(callback_error(error, parameter("error_type"), parameter("error_description")));
    }
    let Some(code) = parameter("code") else {
        return Err(Error::new(ErrorKind::InvalidRequest, "TikTok sent the browser back without a code.")
            .remedy("Start again; do not reload the page that TikTok leads back to."));
    };
    let mut fields = vec![
        ("client_key", settings.client_key.as_str()),
        ("client_secret", settings.client_secret.reveal()),
        ("code", code),
        ("grant_type", "authorization_code"),
        ("redirect_uri", session.redirect_uri.as_str()),
    ];
    if let Some(verifier) = &session.verifier {
        fields.push(("code_verifier", verifier.reveal()));
    }
    let answer = token(environment, fields).await?;
    let granted = answer
        .scopes
        .or_else(|| parameter("scopes").map(scope_list))
        .unwrap_or_else(|| session.scopes.clone());
    let mut credentials = answer.credentials;
    // The account is connected now, whatever becomes of this: its tokens must not be lost for a name.
    let shown = profile::summary(environment, &answer.open_id, &credentials).await;
    (credentials.display_name, credentials.avatar_url) = (shown.display_name, shown.avatar_url);
    Ok(vec![connection(answer.open_id, credentials, granted, &session.scopes)])
}

/// New tokens for old ones. TikTok gives both anew and forgets the old ones at that moment.
pub(crate) async fn refresh<E: Environment>(environment: &E, account: Account) -> Result<Connection, Error> {
    let settings = Settings::read(environment)?;
    let old = Credentials::of(&account)?;
    let Some(refresh_token) = &old.refresh_token else {
        return Err(Error::new(ErrorKind::Unauthorized, "This TikTok account cannot be refreshed.")
            .remedy("Connect the account again."));
    };
    let fields = vec![
        ("client_key", settings.client_key.as_str()),
        ("client_secret", settings.client_secret.reveal()),
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.reveal()),
    ];
    let answer = token(environment, fields).await?;
    if answer.open_id != account.id {
        return Err(Error::new(ErrorKind::Other, "TikTok answered for another account than was asked for.")
            .remedy("Connect the account again."));
    }
    // The older rules let the refresh token stay as it is.
    let mut credentials = answer.credentials;
    if credentials.refresh_token.is_none() {
        credentials.refresh_token = old.refresh_token;
        credentials.refresh_expires_at = credentials.refresh_expires_at.or(old.refresh_expires_at);
    }
    // Nothing more is asked here: the new token must be stored before anything uses it (trap 2).
    (credentials.display_name, credentials.avatar_url) = (old.display_name, old.avatar_url);
    let scopes = answer.scopes.unwrap_or(account.scopes);
    Ok(connection(account.id, credentials, scopes, &settings.scopes))
}

/// Takes the app out of the account's list of connected apps.
pub(crate) async fn revoke<E: Environment>(environment: &E, account: &Account) -> Result<(), Error> {
    let settings = Settings::read(environment)?;
    let credentials = Credentials::of(account)?;
    // TikTok wants the access token and does not say whether a stale one will do.
    if credentials.expires_at.is_some_and(|at| at <= environment.now()) {
        return Err(Error::new(ErrorKind::CredentialsExpired, "The access token has expired.")
            .remedy("It is refreshed; then this is tried again."));
    }
    let request = Request::new(Method::Post, format!("{API}/v2/oauth/revoke/"))
        .header("cache-control", "no-cache")
        .form([
            ("client_key", settings.client_key.as_str()),
            ("client_secret", settings.client_secret.reveal()),
            ("token", credentials.access_token.reveal()),
        ]);
    let response = environment.send(request).await.map_err(|error| error.of_effect("TikTok"))?;
    let failure = response.json().as_ref().and_then(|answer| failure(answer, &response));
    match failure {
        Some(error) => Err(error),
        None if response.is_success() => Ok(()),
        None => Err(errors::by_status(response.status)),
    }
    .map_err(|error: Error| {
        error.remedy("Remove the app in the TikTok app: Settings and privacy, Security and permissions, Apps and services.")
    })
}

/// Does TikTok know this key and secret? It judges them before the token, so a made-up token tells.
pub(crate) async fn probe<E: Environment>(environment: &E, settings: &Settings) -> Result<(), Error> {
    let fields = vec![
        ("client_key", settings.client_key.as_str()),
        ("client_secret", settings.client_secret.reveal()),
        ("grant_type", "refresh_token"),
        ("refresh_token", "rft.settings-check"),
    ];
    match token(environment, fields).await {
        Err(error) if error.code.as_deref() == Some("invalid_grant") => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

/// One request to the token endpoint. Form only: it refuses JSON.
async fn token<E: Environment>(environment: &E, fields: Vec<(&str, &str)>) -> Result<TokenAnswer, Error> {
    let request = Request::new(Method::Post, format!("{API}/v2/oauth/token/"))
        .header("cache-control", "no-cache")
        .form(fields);
    // Codes and refresh tokens are spent by the first request that arrives.
    let response = environment.send(request).await.map_err(|error| error.of_effect("TikTok"))?;
    token_answer(&response, environment.now())
}

fn token_answer(response: &Response, now: u64) -> Result<TokenAnswer, Error> {
    let unknown = |message: &str| {
        Error::new(ErrorKind::OutcomeUnknown, message)
            .remedy("If it stays so, connect the account again.")
            .trace_id(response.header("x-tt-logid").map(str::to_owned))
    };
    let Some(answer) = response.json() else {
        return Err(match response.status {
            // A gateway's page does not say whether TikTok behind it has spent the token.
            200..300 | 500..600 => unknown("TikTok's answer about the token cannot be read."),
            status => errors::by_status(status),
        });
    };
    if let Some(error) = failure(&answer, response) {
        return Err(error);
    }
    match TokenAnswer::parse(&answer, now) {
        Some(parsed) => Ok(parsed),
        None if response.is_success() || response.status >= 500 => {
            Err(unknown("TikTok's answer about the token lacks the token."))
        }
        None => Err(errors::by_status(response.status)),
    }
}

/// The flat failure of OAuth, with whatever status; a v2 envelope in its place is understood too.
fn failure(answer: &Value, response: &Response) -> Option<Error> {
    let trace = log_id(answer).or_else(|| response.header("x-tt-logid").map(str::to_owned));
    match answer.get("error") {
        Some(Value::String(code)) if !code.is_empty() => {
            let description = json::text(answer, "error_description");
            Some(errors::oauth(code, description.as_deref(), response.status).trace_id(trace))
        }
        Some(inner @ Value::Object(_)) => {
            let code = json::text(inner, "code").filter(|code| code != "ok")?;
            let message = json::text(inner, "message");
            let trace = log_id(inner).or(trace);
            Some(errors::oauth(&code, message.as_deref(), response.status).trace_id(trace))
        }
        _ => None,
    }
}

/// What the authorization page sends back instead of a code. `error_type` is finer than `error`.
fn callback_error(error: &str, error_type: Option<&str>, description: Option<&str>) -> Error {
    match error_type {
        Some("non_sandbox_target") => Error::new(
            ErrorKind::AuthorizationDenied,
            "This TikTok account is not a target user of the sandbox, so TikTok did not let it connect.",
        )
        .remedy("The operator must add the account under Target users of the sandbox (it can take an hour to count), or use the live app.")
        .code("non_sandbox_target"),
        Some("client_key") => errors::oauth("unauthorized_client", description, 400),
        Some("redirect_uri") => errors::misconfigured(error, errors::Cause::Redirect),
        Some("code_challenge") => errors::misconfigured(error, errors::Cause::Proof),
        Some("scope") => errors::oauth("invalid_scope", description, 400),
        _ => errors::oauth(error, description, 400),
    }
}

fn connection(id: String, credentials: Credentials, scopes: Vec<String>, asked: &[String]) -> Connection {
    Connection {
        missing_scopes: asked.iter().filter(|scope| !scopes.contains(scope)).cloned().collect(),
        account: Account { id, credentials: credentials.to_bytes(), scopes },
        display_name: credentials.display_name.unwrap_or_else(|| "TikTok account".to_owned()),
        avatar_url: credentials.avatar_url,
        // One consent gives one account.
        grant: None,
        expires_at: credentials.expires_at,
        refresh_expires_at: credentials.refresh_expires_at,
    }
}

/// Do these permissions include the handle? It tells accounts of the same name apart.
pub(crate) fn may_read_handle(account: &Account) -> bool {
    account.scopes.iter().any(|scope| scope == SCOPE_PROFILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::environment;
    use serde_json::json;
    use social_channel_provider::http::SendError;
    use social_channel_provider::testing::{FakeEnvironment, run};

    const REDIRECT: &str = "https://app.example.com/connect/callback/";

    fn request(redirect: &str) -> ConnectRequest {
        ConnectRequest {
            state: "st&te".to_owned(),
            redirect_uri: redirect.to_owned(),
            choose_account: true,
            inputs: Vec::new(),
        }
    }

    fn redirect(environment: &FakeEnvironment, uri: &str) -> Redirect {
        match begin(environment, &request(uri)).unwrap() {
            ConnectStep::Redirect(redirect) => redirect,
            ConnectStep::Connected(_) => panic!("TikTok needs a browser"),
        }
    }

    fn tokens() -> Value {
        json!({"access_token": "act.1", "expires_in": 7200, "open_id": "open-1",
            "refresh_expires_in": 15_552_000, "refresh_token": "rft.1", "token_type": "Bearer",
            "scope": "video.publish,user.info.basic"})
    }

    fn user() -> Value {
        json!({"data": {"user": {"open_id": "open-1", "display_name": "Demo Kitchen",
            "avatar_url": "https://p.example/a"}}, "error": {"code": "ok", "message": "", "log_id": "l"}})
    }

    fn account() -> Account {
        Account {
            id: "open-1".to_owned(),
            credentials: br#"{"access_token":"act.0","refresh_token":"rft.0","expires_at":1795000100,"display_name":"Demo Kitchen"}"#
                .to_vec(),
            scopes: vec!["user.info.basic".to_owned()],
        }
    }

    fn callback(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn challenge_is_lower_case_hex() {
        assert_eq!(
            challenge("Simulator-verifier_0123456789.abcdefghij~KLMNOPQRST"),
            "fa5767f4fcf0b0a824efdb01a8e9f2c90d5362ce59d6930a1ac27b57a356e474"
        );
    }

    #[test]
    fn a_web_app_sends_no_challenge_and_forces_the_choice() {
        let url = redirect(&environment(), REDIRECT).url;
        assert!(url.starts_with("https://www.tiktok.com/v2/auth/authorize/?client_key=awexamplekey01&"));
        assert!(url.contains("&redirect_uri=https%3A%2F%2Fapp.example.com%2Fconnect%2Fcallback%2F&"));
        assert!(url.contains(
            "&scope=user.info.basic%2Cuser.info.profile%2Cuser.info.stats%2Cvideo.list%2Cvideo.publish&"
        ));
        assert!(url.contains("&state=st%26te&disable_auto_auth=1"));
        assert!(!url.contains("code_challenge") && !url.contains("video.upload"));
    }

    #[test]
    fn a_desktop_app_proves_itself_with_the_verifier_of_its_challenge() {
        let environment = environment().with_setting("kind", "desktop");
        let redirect = redirect(&environment, "http://127.0.0.1:7777/callback/");
        assert!(!redirect.url.contains("disable_auto_auth"));
        environment.answer_json(200, &tokens()).answer_json(200, &user());
        let callback = callback(&[("code", "Zx9*1!7001"), ("scopes", "user.info.basic")]);
        run(complete(&environment, &redirect.session, &callback)).unwrap();
        let body = environment.take_sent()[0].text();
        let verifier = body.split("code_verifier=").nth(1).unwrap();
        assert_eq!(verifier.len(), 64);
        assert!(
            redirect
                .url
                .contains(&format!("code_challenge={}&code_challenge_method=S256", challenge(verifier)))
        );
        assert!(body.contains("code=Zx9*1%217001&"), "decoded once, encoded once: {body}");
        assert!(body.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A7777%2Fcallback%2F"));
    }

    #[test]
    fn redirect_addresses_follow_the_kind_of_registration() {
        for (kind, uri, good) in [
            ("web", REDIRECT, true),
            ("web", "http://app.example.com/cb", false),
            ("web", "https://localhost:8080/cb", false),
            ("web", "https://app.example.com/cb?x=1", false),
            ("web", "https://app.example.com/cb#f", false),
            ("desktop", "http://localhost:1234/cb/", true),
            ("desktop", "http://127.0.0.1/cb/", false),
            ("desktop", REDIRECT, false),
        ] {
            let result = begin(&environment().with_setting("kind", kind), &request(uri));
            assert_eq!(result.is_ok(), good, "{kind} {uri}");
            if let Err(error) = result {
                assert_eq!(error.field.as_deref(), Some("redirect-uri"));
            }
        }
    }

    #[test]
    fn a_partial_grant_names_what_is_missing() {
        let environment = environment();
        let session = redirect(&environment, REDIRECT).session;
        environment.answer_json(200, &tokens()).answer_json(200, &user());
        let made = run(complete(&environment, &session, &callback(&[("code", "c")]))).unwrap();
        assert_eq!(made[0].display_name, "Demo Kitchen");
        assert_eq!(made[0].account.id, "open-1");
        assert_eq!(made[0].expires_at, Some(1_795_007_200));
        assert_eq!(made[0].missing_scopes, ["user.info.profile", "user.info.stats", "video.list"]);
        assert!(environment.take_sent()[1].url.ends_with("fields=open_id%2Cdisplay_name%2Cavatar_url"));
    }

    #[test]
    fn tokens_are_kept_though_the_profile_fails() {
        let environment = environment();
        let session = redirect(&environment, REDIRECT).session;
        environment.answer_json(200, &tokens()).answer_text(500, "<html>");
        let made = run(complete(&environment, &session, &callback(&[("code", "c")]))).unwrap();
        assert_eq!(made[0].display_name, "TikTok account");
    }

    #[test]
    fn each_refusal_of_the_consent_page_has_its_kind() {
        let environment = environment();
        let session = redirect(&environment, REDIRECT).session;
        for (pairs, kind, field) in [
            (&[("error", "access_denied")][..], ErrorKind::AuthorizationDenied, None),
            (
                &[("error", "access_denied"), ("error_type", "non_sandbox_target")][..],
                ErrorKind::AuthorizationDenied,
                None,
            ),
            (
                &[("error", "unauthorized_client"), ("error_type", "client_key")][..],
                ErrorKind::Misconfigured,
                Some("client-key"),
            ),
            (
                &[("error", "invalid_request"), ("error_type", "redirect_uri")][..],
                ErrorKind::Misconfigured,
                Some("redirect-uri"),
            ),
            (
                &[("error", "invalid_request"), ("error_type", "code_challenge")][..],
                ErrorKind::Misconfigured,
                Some("kind"),
            ),
            (&[("error", "x"), ("error_type", "scope")][..], ErrorKind::Misconfigured, Some("scopes")),
            (&[("scopes", "a")][..], ErrorKind::InvalidRequest, None),
        ] {
            let error = run(complete(&environment, &session, &callback(pairs))).unwrap_err();
            assert_eq!((error.kind, error.field.as_deref()), (kind, field), "{pairs:?}");
        }
        let target = callback(&[("error", "access_denied"), ("error_type", "non_sandbox_target")]);
        let error = run(complete(&environment, &session, &target)).unwrap_err();
        assert!(error.message.contains("target user"), "not a cancel (trap 13)");
    }

    #[test]
    fn failures_of_the_token_endpoint_count_whatever_their_status() {
        for (status, body, kind) in [
            (
                400,
                r#"{"error":"invalid_grant","error_description":"x","log_id":"L"}"#,
                ErrorKind::Unauthorized,
            ),
            (
                200,
                r#"{"error":"invalid_grant","error_description":"x","log_id":"L"}"#,
                ErrorKind::Unauthorized,
            ),
            (401, r#"{"error":"invalid_client"}"#, ErrorKind::Misconfigured),
            (503, r#"{"error":"temporarily_unavailable"}"#, ErrorKind::Unavailable),
            (502, "<html>", ErrorKind::OutcomeUnknown),
            (200, "{}", ErrorKind::OutcomeUnknown),
            (200, "", ErrorKind::OutcomeUnknown),
            (429, "", ErrorKind::RateLimited),
        ] {
            let environment = environment();
            environment.answer_text(status, body);
            let error = run(refresh(&environment, account())).unwrap_err();
            assert_eq!(error.kind, kind, "{status} {body}");
        }
    }

    #[test]
    fn a_refresh_returns_the_new_pair_and_the_shrunken_scopes() {
        let environment = environment();
        environment.answer_json(200, &tokens());
        let made = run(refresh(&environment, account())).unwrap();
        assert_eq!(Credentials::of(&made.account).unwrap().refresh_token.unwrap().reveal(), "rft.1");
        assert_eq!(made.account.scopes, ["video.publish", "user.info.basic"]);
        assert_eq!(made.display_name, "Demo Kitchen");
        let sent = environment.take_sent();
        assert_eq!(sent.len(), 1, "the new token is not used before the host has stored it");
        assert!(!sent[0].text().contains("redirect_uri"));
    }

    #[test]
    fn a_lost_refresh_is_unknown_and_an_unsent_one_is_an_outage() {
        let environment = environment();
        environment.answer(Err(SendError::Lost("reset".to_owned())));
        assert_eq!(run(refresh(&environment, account())).unwrap_err().kind, ErrorKind::OutcomeUnknown);
        environment.answer(Err(SendError::NotSent("refused".to_owned())));
        assert_eq!(run(refresh(&environment, account())).unwrap_err().kind, ErrorKind::Unavailable);
    }

    #[test]
    fn another_account_is_never_taken_for_this_one() {
        let environment = environment();
        environment.answer_json(200, &tokens());
        let other = Account { id: "open-2".to_owned(), ..account() };
        assert_eq!(run(refresh(&environment, other)).unwrap_err().kind, ErrorKind::Other);
    }

    #[test]
    fn revoking_takes_an_empty_answer_and_asks_for_a_fresh_token() {
        let environment = environment();
        environment.answer_text(200, "").answer_text(200, "{}");
        run(revoke(&environment, &account())).unwrap();
        run(revoke(&environment, &account())).unwrap();
        assert!(environment.take_sent()[0].text().ends_with("&token=act.0"));
        environment.advance_ms(200_000);
        assert_eq!(run(revoke(&environment, &account())).unwrap_err().kind, ErrorKind::CredentialsExpired);
    }
}
