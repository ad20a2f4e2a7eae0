//! Checks the settings as far as possible without a person.

use social_channel_provider::diagnostics::Addresses;
use social_channel_provider::{Environment, Error, ErrorKind, Finding, Severity};

use crate::finding::finding;
use crate::oauth;
use crate::settings::{SCOPES, Settings};

/// All findings about the settings, including positive ones.
pub(crate) async fn check_settings<E: Environment>(environment: &E, addresses: &Addresses) -> Vec<Finding> {
    let settings = match Settings::examine(environment) {
        Ok(settings) => settings,
        Err(errors) => {
            return errors.into_iter().map(|error| of_error(Severity::Error, "settings", error)).collect();
        }
    };
    let mut findings = Vec::new();
    findings.push(key_and_secret(environment, &settings).await);
    mode(&settings, &mut findings);
    findings.push(match oauth::check_redirect(&settings, &addresses.redirect_uri) {
        Ok(()) => finding(
            Severity::Ok,
            "redirect-uri",
            "The redirect address has the form that TikTok takes.",
            Some("TikTok compares it byte for byte with the one that is registered."),
        ),
        Err(error) => of_error(Severity::Error, "redirect-uri", error),
    });
    counts(&settings, &mut findings);
    webhook(addresses, &mut findings);
    media(&settings, addresses, &mut findings);
    for scope in SCOPES.iter().filter(|scope| !settings.scopes.iter().any(|asked| asked == *scope)) {
        findings.push(finding(
            Severity::Info,
            "scopes",
            &format!("The permission `{scope}` is not requested, so features that need it are missing."),
            Some("Accounts that are connected already must connect again after it is added."),
        ));
    }
    findings
}

fn of_error(severity: Severity, subject: &str, error: Error) -> Finding {
    Finding {
        severity,
        subject: error.field.unwrap_or_else(|| subject.to_owned()),
        message: error.message,
        remedy: error.remedy,
        code: error.code,
        details: Vec::new(),
    }
}

async fn key_and_secret<E: Environment>(environment: &E, settings: &Settings) -> Finding {
    match oauth::probe(environment, settings).await {
        Ok(()) => {
            finding(Severity::Ok, "client-secret", "TikTok knows the client key with this secret.", None)
        }
        Err(error) if error.kind == ErrorKind::Misconfigured => {
            of_error(Severity::Error, "client-secret", error)
        }
        Err(error) => {
            let mut finding = of_error(Severity::Warning, "client-secret", error);
            finding.message = format!("The key and secret could not be checked. {}", finding.message);
            finding
        }
    }
}

fn mode(settings: &Settings, findings: &mut Vec<Finding>) {
    // Observed on all sandbox keys but undocumented, so it is only a hint.
    let looks_like_sandbox = settings.client_key.starts_with("sb");
    if looks_like_sandbox != settings.sandbox {
        let (is, set) = if settings.sandbox { ("a live", "sandbox") } else { ("a sandbox", "live") };
        findings.push(finding(
            Severity::Warning,
            "mode",
            &format!("The client key looks like {is} key, and the mode is `{set}`."),
            Some("Check that key, secret and mode belong together."),
        ));
    }
    findings.push(match settings.audited {
        Some(true) => finding(Severity::Ok, "audited", "The app is audited for posting.", None),
        Some(false) => finding(
            Severity::Info,
            "audited",
            "The app is not audited: posts are for \"Only me\", for private accounts, and for 5 accounts a day.",
            Some("Apply for the audit when the posting page is ready to be shown."),
        ),
        None => finding(
            Severity::Info,
            "audited",
            "Whether TikTok has audited the app for posting is not set, so its refusals cannot be predicted.",
            Some("Set `audited` to true once TikTok has approved the audit, to false before."),
        ),
    });
}

/// Findings about inconsistent numbers and secrets.
fn counts(settings: &Settings, findings: &mut Vec<Finding>) {
    if settings.daily_users.is_some() && settings.audited != Some(true) {
        findings.push(finding(
            Severity::Warning,
            "daily-users",
            "A number of accounts a day is granted in the audit, and `audited` is not set to true.",
            Some(
                "Set `audited` to true if the audit has been passed; before it 5 accounts may post in a day.",
            ),
        ));
    }
    let previous = settings.previous_client_secret.as_ref().map(crate::secret::Secret::reveal);
    if previous == Some(settings.client_secret.reveal()) {
        findings.push(finding(
            Severity::Warning,
            "previous-client-secret",
            "The previous secret is the same as the present one.",
            Some("Empty it, or enter the secret that was used before."),
        ));
    }
}

/// Whether the URL's text looks public: https, and a host name that others can reach.
fn is_public_https(url: &str) -> bool {
    let Some(("https", authority, _)) = social_channel_provider::http::split_url(url) else { return false };
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_ascii_lowercase();
    let is_local = host == "localhost" || host.ends_with(".localhost") || host.ends_with(".local");
    let is_address = host.starts_with('[') || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    !is_local && !is_address
}

fn webhook(addresses: &Addresses, findings: &mut Vec<Finding>) {
    findings.push(match addresses.webhook_url.as_deref() {
        None => finding(
            Severity::Info,
            "webhook-url",
            "There is no address for webhooks: results are polled, and withdrawn permissions are noticed late.",
            Some("Give the host a public https address."),
        ),
        Some(url) if !is_public_https(url) => finding(
            Severity::Error,
            "webhook-url",
            "TikTok sends webhooks to public https addresses only.",
            Some("Give the host a public https address."),
        ),
        Some(_) => finding(Severity::Ok, "webhook-url", "The address for webhooks has the form that TikTok takes.", None),
    });
}

fn media(settings: &Settings, addresses: &Addresses, findings: &mut Vec<Finding>) {
    let Some(prefix) = addresses.media_prefix.as_deref() else {
        findings.push(finding(
            Severity::Info,
            "media-prefix",
            "The host does not serve media, so photos can only be posted from addresses of your own.",
            Some("Give the host a public https address if photos are to be posted."),
        ));
        return;
    };
    findings.push(match settings.is_verified(prefix) {
        _ if !is_public_https(prefix) || !prefix.ends_with('/') => finding(
            Severity::Error,
            "media-prefix",
            "TikTok verifies only public https prefixes with a host name that end in a slash.",
            Some("Give the host a public https address."),
        ),
        Some(true) => finding(Severity::Ok, "verified-urls", "The host's media is below a verified address.", None),
        Some(false) => finding(
            Severity::Error,
            "verified-urls",
            "The host's media is not below the configured verified addresses, so TikTok will not fetch photos.",
            Some("Verify the media prefix under \"URL properties\" of the app, and add it to the setting “Verified addresses” (`verified-urls`)."),
        ),
        None => finding(
            Severity::Warning,
            "verified-urls",
            "No verified address is set; TikTok fetches photos only from verified ones.",
            Some("Verify the media prefix under \"URL properties\" of the app, and add it to the setting “Verified addresses” (`verified-urls`)."),
        ),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::environment;
    use social_channel_provider::testing::{FakeEnvironment, run};

    fn addresses() -> Addresses {
        Addresses {
            redirect_uri: "https://app.example.com/callback/".to_owned(),
            webhook_url: Some("https://app.example.com/hook".to_owned()),
            media_prefix: Some("https://app.example.com/media/".to_owned()),
            details: Vec::new(),
        }
    }

    fn subjects(environment: &FakeEnvironment, addresses: &Addresses, severity: Severity) -> Vec<String> {
        let findings = run(check_settings(environment, addresses)).into_iter();
        findings.filter(|finding| finding.severity == severity).map(|finding| finding.subject).collect()
    }

    #[test]
    fn good_settings_have_only_good_findings() {
        let environment =
            environment().with_setting("audited", "true").with_setting("verified-urls", "app.example.com");
        environment.answer_text(400, r#"{"error":"invalid_grant","error_description":"x","log_id":"L"}"#);
        let findings = run(check_settings(&environment, &addresses()));
        assert!(findings.iter().all(|finding| finding.severity == Severity::Ok), "{findings:?}");
        assert_eq!(findings.len(), 5);
    }

    #[test]
    fn a_wrong_secret_is_found_by_asking() {
        let environment = environment();
        environment.answer_text(401, r#"{"error":"invalid_client"}"#);
        assert_eq!(subjects(&environment, &addresses(), Severity::Error), ["client-secret"]);
        // An outage says nothing about the secret.
        environment.answer_text(502, "<html>");
        assert!(subjects(&environment, &addresses(), Severity::Error).is_empty());
    }

    #[test]
    fn missing_settings_are_named_without_asking() {
        let environment = FakeEnvironment::new();
        assert_eq!(subjects(&environment, &addresses(), Severity::Error), ["client-key", "client-secret"]);
        assert!(environment.take_sent().is_empty());
    }

    #[test]
    fn addresses_are_judged() {
        let environment = environment().with_setting("verified-urls", "other.example");
        environment.answer_text(400, r#"{"error":"invalid_grant"}"#);
        let bad = Addresses {
            redirect_uri: "http://127.0.0.1:7777/callback".to_owned(),
            webhook_url: Some("http://127.0.0.1/hook".to_owned()),
            ..addresses()
        };
        let errors = subjects(&environment, &bad, Severity::Error);
        assert_eq!(errors, ["redirect-uri", "webhook-url", "verified-urls"]);
        for prefix in ["https://203.0.113.7/media/", "https://localhost/media/", "https://[::1]/media/"] {
            environment.answer_text(400, r#"{"error":"invalid_grant"}"#);
            let bad = Addresses { media_prefix: Some(prefix.to_owned()), ..addresses() };
            assert_eq!(subjects(&environment, &bad, Severity::Error), ["media-prefix"], "{prefix}");
        }
    }

    #[test]
    fn settings_that_contradict_each_other_are_named_with_a_remedy() {
        let environment = environment()
            .with_setting("daily-users", "300")
            .with_setting("previous-client-secret", "s3cr3t-example")
            .with_setting("client-key", "sbawexample");
        environment.answer_text(400, r#"{"error":"invalid_grant"}"#);
        let findings = run(check_settings(&environment, &addresses()));
        let warned: Vec<_> =
            findings.iter().filter(|finding| finding.severity == Severity::Warning).collect();
        let subjects: Vec<_> = warned.iter().map(|finding| finding.subject.as_str()).collect();
        assert_eq!(subjects, ["mode", "daily-users", "previous-client-secret", "verified-urls"]);
        assert!(warned.iter().all(|finding| finding.remedy.is_some()));
    }
}
