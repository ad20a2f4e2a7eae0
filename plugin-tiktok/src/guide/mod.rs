//! The guide through TikTok's developer portal, with the values to copy (D-APP, D-SB, D-LKW, D-LKD, D-WO).
//!
//! The steps are in order, for the configured mode: a sandbox, with which everyone starts and in which the
//! review video is recorded, or live, through review and audit. It works with missing settings and makes no
//! calls. The texts for the reviewers are in `review`.

mod review;
mod way;

use social_channel_provider::diagnostics::{Addresses, GuideStep};
use social_channel_provider::{Environment, http};

use self::way::{Way, copyable, step};
use crate::settings::{SCOPES, Settings};

/// The steps for the configured mode; by default for a sandbox, since everyone starts there.
pub(crate) fn guide<E: Environment>(environment: &E, addresses: &Addresses) -> Vec<GuideStep> {
    let settings = Settings::read(environment).ok();
    let chosen = |name: &str| environment.setting(name).ok().flatten().map(|value| value.trim().to_owned());
    let way = Way {
        sandbox: match &settings {
            Some(settings) => settings.sandbox,
            None => chosen("mode").as_deref() != Some("live"),
        },
        desktop: match &settings {
            Some(settings) => settings.desktop,
            None => chosen("kind").as_deref() == Some("desktop"),
        },
        scopes: settings.map_or_else(|| SCOPES.map(str::to_owned).to_vec(), |settings| settings.scopes),
        addresses,
    };
    if way.sandbox { sandbox(&way) } else { live(&way) }
}

fn sandbox(way: &Way<'_>) -> Vec<GuideStep> {
    let mut steps = vec![
        register(),
        step(
            "Create a sandbox",
            "On the page of the app switch from Production to **Sandbox** and create one (up to 5). It needs no review. It has a client key and secret of its own, its own list of redirect addresses and its own Direct Post switch: settings under Production do not apply here, and the other way round.",
            Vec::new(),
        ),
        products(way),
        redirect(way),
        step(
            "Add target users",
            "Under **Sandbox settings** add each TikTok account that will connect (up to 10): sign in to it there and accept the terms. It can take an hour to take effect. TikTok refuses any other account with `non_sandbox_target`, which looks like a cancel but is not one.",
            Vec::new(),
        ),
        keys(way),
    ];
    if way.posts() {
        steps.push(make_private());
        steps.push(verify(way));
    }
    steps.push(webhooks(way));
    steps.push(connect(way));
    if way.posts() {
        steps.push(try_post());
    }
    steps.push(when_connecting_fails(way));
    steps.push(review::record(way));
    steps.push(step(
        "Go on to the live app",
        "When all of this works, make a second app here with the mode `live` and the production key, and follow its guide. The portal can import the settings of a sandbox into the production draft, which overwrites the draft; check its redirect addresses and its Direct Post switch afterwards. Accounts that were connected to the sandbox must connect again.",
        Vec::new(),
    ));
    steps
}

fn live(way: &Way<'_>) -> Vec<GuideStep> {
    let mut steps = vec![register(), products(way), redirect(way), urls(way)];
    if way.posts() {
        steps.push(verify(way));
    }
    steps.push(webhooks(way));
    steps.push(keys(way));
    steps.extend([
        review::products(way),
        review::scopes(way),
        review::record(way),
        review::submit(),
        review::refused(),
        connect(way),
    ]);
    if way.posts() {
        steps.push(make_private());
        steps.push(try_post());
        steps.extend([review::audit_page(), review::audit(), review::audit_refused(), review::after_audit()]);
    }
    steps.push(when_connecting_fails(way));
    steps.push(review::later_changes());
    steps
}

fn register() -> GuideStep {
    step(
        "Register the app",
        "At developers.tiktok.com create an app, preferably owned by an organization. TikTok asks for:\n\n- an icon of 1024 x 1024 pixels, JPEG or PNG, up to 5 MB, that cannot be taken for a known brand;\n- the name of your product or site, without the name of a social network; it shows on the consent page;\n- a category, and a description of at most 120 characters of what people use it for; not \"in development\", not private use;\n- your official website: complete, more than a landing or sign-in page, with links to Terms and Privacy Policy that show without opening a menu;\n- the platform **Web** or **Desktop**, with the address of that site.\n\nNever give the client secret to anybody, and never put it into a program that you hand out.",
        Vec::new(),
    )
}

fn products(way: &Way<'_>) -> GuideStep {
    let mut body = "Add **Login Kit**.".to_owned();
    if way.shows() {
        body.push_str(" Add the **Display API** for the profile, the numbers and the list of videos.");
    }
    if way.posts() {
        body.push_str(" Add the **Content Posting API** and switch on **Direct Post** in it: only then `video.publish` appears.");
    }
    body.push_str(" Then add exactly these scopes, and remove all others: unused ones are a reason to refuse the app. A scope that is added later counts only for accounts that connect again. Never add `video.upload`: it only makes drafts.");
    let scopes = way.scopes.iter().map(|scope| copyable("Scope", scope));
    step("Add products and scopes", &body, scopes.collect())
}

fn redirect(way: &Way<'_>) -> GuideStep {
    let rules = if way.desktop {
        "In Login Kit choose **Desktop** and add this redirect address. It must be on localhost or 127.0.0.1 and have a port; `*` stands for any port."
    } else {
        "In Login Kit choose **Web** and add this redirect address. It must be https and public, without query and fragment; addresses on this computer are refused there."
    };
    let list = if way.sandbox { "the sandbox" } else { "Production" };
    let body = format!(
        "{rules} Add it in the list of {list}. Up to 10 are possible, each below 512 characters. TikTok compares byte for byte: the slash at the end, the port and the case count."
    );
    step("Register the redirect address", &body, vec![copyable("Redirect URI", &way.addresses.redirect_uri)])
}

fn keys(way: &Way<'_>) -> GuideStep {
    let (mode, hint) = if way.sandbox {
        ("sandbox", "A sandbox key has been seen to start with `sb`.")
    } else {
        ("live", "A key of a sandbox does not work here.")
    };
    let kind = if way.desktop { "desktop" } else { "web" };
    let body = format!(
        "Copy **Client key** and **Client secret** from the page of the app into the settings `client-key` and `client-secret`. {hint} Set `mode` and `kind` to these values. Then check the settings: TikTok is asked whether it knows the key with this secret."
    );
    step("Enter key and secret here", &body, vec![copyable("mode", mode), copyable("kind", kind)])
}

/// The host's public name, if its addresses contain one.
fn host(way: &Way<'_>) -> Option<String> {
    let prefix = way.addresses.media_prefix.as_deref()?;
    let (_, authority, _) = http::split_url(prefix)?;
    Some(authority.split(':').next().unwrap_or_default().to_owned())
}

fn verify(way: &Way<'_>) -> GuideStep {
    let mut copy = Vec::new();
    if let Some(host) = host(way) {
        copy.push(copyable("Domain", &host));
        copy.push(copyable("TXT record, name", &host));
        copy.push(copyable(
            "TXT record, value",
            "tiktok-developers-site-verification=<the text that TikTok shows>",
        ));
    }
    if let Some(prefix) = way.addresses.media_prefix.as_deref() {
        copy.push(copyable("URL prefix", prefix));
        copy.push(copyable("verified-urls", prefix));
    }
    step(
        "Verify the address of the media",
        "TikTok fetches photos, and videos with the option `transfer` set to `pull`, only from addresses that are verified as yours, in a sandbox too. The button **URL properties** is on the page of the app under Production.\n\n- By **domain**: TikTok shows a text; add it to DNS as a TXT record. It covers all subdomains. This is the simpler way.\n- By **URL prefix**: TikTok gives a file; serve it under the prefix with its name unchanged. The prefix ends in a slash, and its host is a name, not an IP address.\n\nLeave the record or file in place, and enter the domain or prefix in the setting `verified-urls`. Addresses of a storage provider cannot be verified. Sending videos by upload needs none of this.",
        copy,
    )
}

fn urls(way: &Way<'_>) -> GuideStep {
    let copy = http::split_url(&way.addresses.redirect_uri).filter(|_| !way.desktop).map(
        |(scheme, authority, _)| copyable("Address of this service", &format!("{scheme}://{authority}/")),
    );
    step(
        "Verify the addresses of the app",
        "Before an app can be submitted, TikTok wants the addresses of its Terms, its Privacy Policy and its website verified under **URL properties**, by a TXT record or a file (apps made before September 2024 are exempt). Whether the host of the redirect address counts too is not clear, so verify it as well.",
        copy.into_iter().collect(),
    )
}

fn webhooks(way: &Way<'_>) -> GuideStep {
    let url = way.addresses.webhook_url.as_deref().map(|url| copyable("Callback URL", url));
    let missing = if url.is_none() {
        " This host has no public https address yet, so leave this step out: TikTok is then asked for results."
    } else {
        ""
    };
    let body = format!(
        "Under **Webhooks** enter this callback address; there is one for the whole app, and it gets all events. TikTok signs what it sends with the client secret: after changing the secret, keep the old one under `previous-client-secret` for some days. Whether a sandbox sends webhooks is not documented; without them TikTok is asked for results.{missing}"
    );
    step("Set the address for webhooks", &body, url.into_iter().collect())
}

fn connect(way: &Way<'_>) -> GuideStep {
    let who = if way.sandbox { "one of the target users" } else { "any TikTok account" };
    let body = format!(
        "Connect {who} here, and leave all permissions ticked on TikTok's page. Permissions that were unticked show as missing afterwards, with what does not work without them. If the browser is signed in to another account, sign out of tiktok.com or use a private window first."
    );
    step("Connect an account", &body, Vec::new())
}

fn make_private() -> GuideStep {
    step(
        "Make the account private",
        "Until the audit TikTok takes posts only for accounts that are **private** at that moment. In the TikTok app: Profile, menu, **Settings and privacy**, **Privacy**, switch on **Private account**. Choosing \"Only me\" for the post is needed too, and does not replace it. At most 5 accounts may post in 24 hours.",
        Vec::new(),
    )
}

fn try_post() -> GuideStep {
    step(
        "Try a post",
        "Post a short video for \"Only me\". It takes seconds to minutes until TikTok reports it as published. It then shows in the TikTok app under the lock on the profile; it gets no public link and never appears in the list of videos here. To show it to others later, make the account public and change the audience of the post in the TikTok app.",
        Vec::new(),
    )
}

fn when_connecting_fails(way: &Way<'_>) -> GuideStep {
    let environment = if way.sandbox { "sandbox" } else { "production" };
    let body = format!(
        "What TikTok's page says, and what to do:\n\n- `access_denied`: the person pressed cancel; try again.\n- `non_sandbox_target`: the account is not a target user of the sandbox; add it and wait up to an hour.\n- `client_key` or `unauthorized_client`: wrong key, Login Kit not added, or the live app is not approved yet.\n- `redirect_uri`: not registered byte for byte, or only in the other list; this app needs it in the {environment} list.\n- `code_challenge`: the app is registered as Desktop; set `kind` to `desktop`.\n- `scope`: a scope in the settings is not added to the app; add it, or take it out of `scopes`.\n- HTTP 431: the browser holds too many cookies of tiktok.com; use a private window.\n- After the page, `invalid_client`: key and secret do not belong together.\n- The wrong account was connected: sign out of tiktok.com, or use a private window."
    );
    step("If connecting fails", &body, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::environment;
    use social_channel_provider::testing::FakeEnvironment;

    fn addresses() -> Addresses {
        Addresses {
            redirect_uri: "https://app.example.com/callback/".to_owned(),
            webhook_url: Some("https://app.example.com/hook".to_owned()),
            media_prefix: Some("https://app.example.com/media/".to_owned()),
            details: Vec::new(),
        }
    }

    fn steps(environment: &FakeEnvironment) -> Vec<GuideStep> {
        guide(environment, &addresses())
    }

    fn titles(environment: &FakeEnvironment) -> Vec<String> {
        steps(environment).into_iter().map(|step| step.title).collect()
    }

    #[test]
    fn it_works_without_settings_and_leads_through_a_sandbox() {
        let expected = [
            "Register the app",
            "Create a sandbox",
            "Add products and scopes",
            "Register the redirect address",
            "Add target users",
            "Enter key and secret here",
            "Make the account private",
            "Verify the address of the media",
            "Set the address for webhooks",
            "Connect an account",
            "Try a post",
            "If connecting fails",
            "Record the video for the review",
            "Go on to the live app",
        ];
        assert_eq!(titles(&FakeEnvironment::new()), expected);
        assert_eq!(titles(&environment().with_setting("mode", "sandbox")), expected);
    }

    #[test]
    fn live_leads_through_review_and_audit_in_order() {
        let titles = titles(&environment());
        let place = |title: &str| titles.iter().position(|known| known == title).unwrap();
        let order = [
            "Register the app",
            "Verify the addresses of the app",
            "Enter key and secret here",
            "Explain each product",
            "Explain each scope",
            "Record the video for the review",
            "Submit the app for review",
            "If the review refuses the app",
            "Connect an account",
            "Compare the posting page with TikTok's list",
            "Apply for the posting audit",
            "If the audit is refused",
            "After the audit",
            "Change the app later",
        ];
        assert!(order.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{titles:?}");
        assert!(!titles.contains(&"Add target users".to_owned()));
    }

    #[test]
    fn who_does_not_post_is_not_led_through_the_audit() {
        let environment = environment().with_setting("scopes", "user.info.basic\nvideo.list");
        let steps = steps(&environment);
        assert!(steps.iter().all(|step| !step.title.contains("audit")));
        let scopes: Vec<_> =
            steps.iter().flat_map(|step| &step.copy).filter(|copy| copy.label == "Scope").collect();
        assert_eq!(
            scopes.iter().map(|copy| copy.value.as_str()).collect::<Vec<_>>(),
            ["user.info.basic", "video.list"]
        );
    }

    #[test]
    fn values_to_copy_are_those_of_this_host() {
        let steps = steps(&environment());
        let value = |label: &str| {
            steps
                .iter()
                .flat_map(|step| &step.copy)
                .find(|copy| copy.label == label)
                .map(|copy| copy.value.as_str())
        };
        assert_eq!(value("Redirect URI"), Some("https://app.example.com/callback/"));
        assert_eq!(value("Callback URL"), Some("https://app.example.com/hook"));
        assert_eq!(value("URL prefix"), Some("https://app.example.com/media/"));
        assert_eq!(value("Domain"), Some("app.example.com"));
        assert_eq!(value("Address of this service"), Some("https://app.example.com/"));
        assert_eq!((value("mode"), value("kind")), (Some("live"), Some("web")));
    }

    #[test]
    fn every_product_and_every_scope_that_is_asked_for_is_explained() {
        let steps = steps(&environment());
        let copied = |title: &str| -> Vec<String> {
            let step = steps.iter().find(|step| step.title == title).unwrap();
            step.copy.iter().map(|copy| copy.label.clone()).collect()
        };
        assert_eq!(
            copied("Explain each product"),
            ["Login Kit", "Display API", "Content Posting API", "Webhooks"]
        );
        assert_eq!(copied("Explain each scope"), SCOPES);
    }

    #[test]
    fn desktop_and_missing_addresses_have_their_own_words() {
        let bare = Addresses {
            redirect_uri: "http://127.0.0.1:*/callback".to_owned(),
            webhook_url: None,
            media_prefix: None,
            details: Vec::new(),
        };
        let steps = guide(&environment().with_setting("kind", "desktop"), &bare);
        let body = |title: &str| steps.iter().find(|step| step.title == title).unwrap().body.clone();
        assert!(body("Register the redirect address").contains("**Desktop**"));
        assert!(body("Set the address for webhooks").contains("leave this step out"));
        assert!(steps.iter().flat_map(|step| &step.copy).all(|copy| !copy.value.is_empty()));
    }
}
