//! The way through TikTok's developer portal, with the values to copy (D-APP, D-SB, D-ARG, D-CSG, D-WO).
//!
//! Works with settings that are still missing; calls nothing.

use social_channel_provider::Environment;
use social_channel_provider::diagnostics::{Addresses, Copyable, GuideStep};

use crate::settings::{SCOPES, Settings};

fn step(title: &str, body: &str, copy: Vec<Copyable>) -> GuideStep {
    GuideStep { title: title.to_owned(), body: body.to_owned(), copy }
}

fn copyable(label: &str, value: &str) -> Copyable {
    Copyable { label: label.to_owned(), value: value.to_owned() }
}

/// The steps for the mode that is set; for a sandbox if none is, since that is where everybody starts.
pub(crate) fn guide<E: Environment>(environment: &E, addresses: &Addresses) -> Vec<GuideStep> {
    let settings = Settings::read(environment).ok();
    let chosen = |name: &str| environment.setting(name).ok().flatten().map(|value| value.trim().to_owned());
    let sandbox = match &settings {
        Some(settings) => settings.sandbox,
        None => chosen("mode").as_deref() != Some("live"),
    };
    let desktop = match &settings {
        Some(settings) => settings.desktop,
        None => chosen("kind").as_deref() == Some("desktop"),
    };
    let scopes = settings.map_or_else(|| SCOPES.map(str::to_owned).to_vec(), |settings| settings.scopes);

    let mut steps = vec![register()];
    if sandbox {
        steps.push(step(
            "Create a sandbox",
            "On the page of the app switch to **Sandbox** and create one. It needs no review, has a client key and secret of its own, and keeps its own list of redirect addresses and its own Direct Post switch.",
            Vec::new(),
        ));
    }
    steps.push(products(&scopes));
    steps.push(redirect(addresses, desktop));
    if sandbox {
        steps.push(step(
            "Add target users",
            "Under **Sandbox settings** add each TikTok account that will connect (up to 10) by signing in to it. It can take an hour until it counts. Any other account is turned away with the word `non_sandbox_target`.",
            Vec::new(),
        ));
    }
    steps.push(step(
        "Enter key and secret here",
        "Copy **Client key** and **Client secret** from the page of the app into the settings, and choose the same mode. A sandbox key does not work with the live secret, nor the other way round.",
        Vec::new(),
    ));
    steps.push(verify(addresses));
    steps.push(webhooks(addresses));
    steps.push(step(
        "Try a post",
        "Until the audit TikTok takes posts only for accounts that are **private**: in the TikTok app open Settings and privacy, Privacy, and switch on Private account. Choosing \"Only me\" for the post is needed too, and does not replace it. At most 5 accounts may post in 24 hours.",
        Vec::new(),
    ));
    steps.extend(review(&scopes));
    steps
}

fn register() -> GuideStep {
    step(
        "Register the app",
        "At developers.tiktok.com create an app, best owned by an organization. Give it an icon (1024 x 1024 pixels, JPEG or PNG, up to 5 MB), the name of your product (no social network in it), a category, a description of what people use it for, and your official website. The website must show its Terms and its Privacy Policy without opening a menu, and must not be a mere sign-in page.",
        Vec::new(),
    )
}

fn products(scopes: &[String]) -> GuideStep {
    step(
        "Add products and scopes",
        "Add **Login Kit**. To post, add **Content Posting API** and switch on **Direct Post**: only then `video.publish` appears. Then add exactly these scopes. Scopes that are added later count only for accounts that connect again, and unused ones are a reason to refuse the app.",
        vec![copyable("Scopes", &scopes.join(","))],
    )
}

fn redirect(addresses: &Addresses, desktop: bool) -> GuideStep {
    let body = if desktop {
        "In Login Kit choose **Desktop** and add this redirect address. It must be on localhost or 127.0.0.1 and have a port; `*` stands for any port. TikTok compares byte for byte, with the slash at the end."
    } else {
        "In Login Kit choose **Web** and add this redirect address. It must be https and public, without query and fragment; up to 10 are possible. TikTok compares byte for byte, with the slash at the end."
    };
    step("Register the redirect address", body, vec![copyable("Redirect URI", &addresses.redirect_uri)])
}

fn verify(addresses: &Addresses) -> GuideStep {
    let prefix = addresses.media_prefix.as_deref().map(|prefix| copyable("URL prefix", prefix));
    step(
        "Verify the address of the media",
        "TikTok fetches photos, and videos where you choose so, only from addresses that are yours. Under **URL properties** (in production mode) verify a domain by a DNS record, or a prefix that ends in a slash by a file served below it. Leave record or file in place, and enter the domain or prefix under `verified-urls` here. Sending videos by upload needs none of this.",
        prefix.into_iter().collect(),
    )
}

fn webhooks(addresses: &Addresses) -> GuideStep {
    let url = addresses.webhook_url.as_deref().map(|url| copyable("Callback URL", url));
    step(
        "Set the address for webhooks",
        "Under **Webhooks** enter this callback address; it gets all events at once. There is one for the whole app. TikTok signs what it sends with the client secret: after changing it, keep the old one under `previous-client-secret` for some days.",
        url.into_iter().collect(),
    )
}

fn review(scopes: &[String]) -> Vec<GuideStep> {
    let purposes = crate::describe().scopes.into_iter();
    let purposes = purposes.filter(|scope| scopes.contains(&scope.name));
    vec![
        step(
            "Submit the app for review",
            "Explain each product and each scope, and add 1 to 5 videos (up to 50 MB each) that show the whole way: connecting, the consent page, every scope in use. A first app is recorded in a sandbox. The address shown in the video must be that of the website. It takes days to two weeks; each later change is reviewed again, while the live version keeps working.",
            purposes.map(|scope| copyable(&scope.name, &scope.purpose)).collect(),
        ),
        step(
            "Apply for the posting audit",
            "Direct Post is audited by a form of its own, with an estimate of use and a video of the posting page. Reviewers go through it in order: the creator's name and picture; the audience without a default; comments, Duet and Stitch switched off at first, and grey where the creator forbids them; disclosure off at first, its labels only after a choice; \"Only me\" and branded content excluding each other; the line of consent beside the button; a preview; what became of the post. The form that this provider hands out has all of it. An app for your own accounts only is not accepted.",
            Vec::new(),
        ),
        step(
            "After the audit",
            "Set `audited` to true and enter the number of accounts a day that TikTok granted under `daily-users`. More can be asked for from TikTok's support.",
            Vec::new(),
        ),
    ]
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
            media_prefix: None,
        }
    }

    fn titles(environment: &FakeEnvironment) -> Vec<String> {
        guide(environment, &addresses()).into_iter().map(|step| step.title).collect()
    }

    #[test]
    fn it_works_without_settings_and_leads_through_a_sandbox() {
        assert!(titles(&FakeEnvironment::new()).contains(&"Add target users".to_owned()));
        assert!(!titles(&environment()).contains(&"Add target users".to_owned()));
        assert!(
            titles(&environment().with_setting("mode", "sandbox")).contains(&"Add target users".to_owned())
        );
    }

    #[test]
    fn values_to_copy_are_those_of_this_host() {
        let environment = environment().with_setting("scopes", "user.info.basic\nvideo.list");
        let copied: Vec<_> = guide(&environment, &addresses())
            .into_iter()
            .flat_map(|step| step.copy)
            .map(|copy| (copy.label, copy.value))
            .collect();
        let has = |label: &str, value: &str| copied.contains(&(label.to_owned(), value.to_owned()));
        assert!(has("Scopes", "user.info.basic,video.list"));
        assert!(has("Redirect URI", "https://app.example.com/callback/"));
        assert!(has("Callback URL", "https://app.example.com/hook"));
        assert!(!copied.iter().any(|(label, _)| label == "video.publish" || label == "URL prefix"));
    }
}
