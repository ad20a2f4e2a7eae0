//! What reviewers want to read and see (D-ARG, D-CSG, D-FAQ), ready to copy, and what to do if they refuse.
//! The examples of refusals come from public reports of other apps.

use social_channel_provider::diagnostics::GuideStep;

use super::way::{Way, copyable, step};
use crate::settings::{SCOPE_BASIC, SCOPE_LIST, SCOPE_PROFILE, SCOPE_PUBLISH, SCOPE_STATS};

/// A text for each product that is used.
pub(super) fn products(way: &Way<'_>) -> GuideStep {
    let mut copy = vec![copyable(
        "Login Kit",
        "People connect their own TikTok account. On our page of channels they press Connect and choose TikTok; they are sent to TikTok's consent page, and come back to our redirect address. We keep their tokens encrypted on our server, never show them, and refresh them in the background. On the page of the channel they can disconnect at any time; we then revoke the token and delete it.",
    )];
    if way.shows() {
        copy.push(copyable(
            "Display API",
            "After connecting, people see their own account and their own public videos in our service: profile, number of followers, likes and videos, and for each video its cover and its numbers of views, likes, comments and shares, and how these change over time. Only the person who connected the account sees them. We do not publish, sell or pass on these data.",
        ));
    }
    if way.posts() {
        copy.push(copyable(
            "Content Posting API",
            "People publish their own videos and photos to their own profile with Direct Post. Our posting page asks TikTok for the creator info each time it opens and shows the nickname and picture of the account. The person sees a preview, writes the caption, chooses the audience from the list that TikTok returns, without a preset, switches comments, Duet and Stitch on if wanted, and says whether the content is promotional. Nothing is sent to TikTok before the person presses Post beside the consent line. Then we show the progress and the result. We add no watermark, logo, text or link to the content.",
        ));
    }
    copy.push(copyable(
        "Webhooks",
        "We receive the results of posts, and the notice that a person has removed our app in TikTok. We check the signature of each message. After a removal we stop using the account at once and delete its tokens.",
    ));
    step(
        "Explain each product",
        "The form of the review asks for each product how it works in your app. Copy these texts and adapt them to the words and pages that your users see; they describe this software unchanged. On a revision explain the old products as well.",
        copy,
    )
}

/// The purpose of a scope, with the page where a reviewer sees it.
fn purpose(scope: &str) -> &'static str {
    match scope {
        SCOPE_BASIC => {
            "To show which TikTok account is connected, with its display name and picture, on the page of channels and above the posting form, and to recognize the account when it connects again."
        }
        SCOPE_PROFILE => {
            "To show the handle, the bio, the verified badge and the link of the profile on the page of the channel, and to tell two accounts with the same display name apart."
        }
        SCOPE_STATS => {
            "To show the person the number of followers, likes and videos of their own account on the page of the channel, and how they change over time."
        }
        SCOPE_LIST => {
            "To show the person their own public videos with cover, caption and numbers of views, likes, comments and shares on the page of videos, and to refresh these numbers and covers."
        }
        SCOPE_PUBLISH => {
            "To post the video or the photos that the person chose in our posting form directly to their own profile, with the caption, audience and switches chosen there, and to show whether the post is out."
        }
        _ => "",
    }
}

/// A text for each requested scope.
pub(super) fn scopes(way: &Way<'_>) -> GuideStep {
    let copy = way.scopes.iter().map(|scope| copyable(scope, purpose(scope)));
    step(
        "Explain each scope",
        "The form asks for a reason for each scope, on a revision for old ones too. Each of these names the page where the reviewer will see it in the video. Remove a scope that your users do not need, here and in the portal.",
        copy.collect(),
    )
}

/// The script of the demo video.
pub(super) fn record(way: &Way<'_>) -> GuideStep {
    let mut scenes = vec![
        "The address bar with the address of your website: it must be the one that is registered. Open the page of channels as a person who uses the service.",
        "Press Connect, choose TikTok. TikTok's consent page: show all scopes on it, then continue.",
        "Back here: the connected account with its name and picture (user.info.basic).",
    ];
    if way.asks_for(SCOPE_PROFILE) {
        scenes.push("The page of the channel: handle, bio, link (user.info.profile).");
    }
    if way.asks_for(SCOPE_STATS) {
        scenes.push("The numbers of followers, likes and videos (user.info.stats).");
    }
    if way.asks_for(SCOPE_LIST) {
        scenes.push("The list of videos with their numbers (video.list).");
    }
    if way.posts() {
        scenes.extend([
            "Open the posting form: nickname and picture of the account stand at the top. Choose a video; the preview shows.",
            "Type a caption. Open the list of audiences: nothing is preset. Show the switches for comments, Duet and Stitch: all off, and grey where the account forbids them.",
            "Switch the disclosure on: Post is blocked until one is chosen. Tick \"Your brand\": the label \"Promotional content\" shows. Tick \"Branded content\" too: \"Paid partnership\" shows, and \"Only me\" is grey with its reason. Untick all.",
            "Choose \"Only me\". Read out the consent line beside the button. Press Post.",
            "The progress, the notice that it can take some minutes, and the result. Then the same post in the TikTok app, under the lock (video.publish).",
        ]);
    }
    scenes.push(
        "Disconnect the account here; it has gone from Settings and privacy, Apps and services in TikTok.",
    );
    let numbered: Vec<String> =
        scenes.iter().enumerate().map(|(index, scene)| format!("{}. {scene}", index + 1)).collect();
    let numbered = numbered.join("\n");
    let body = format!(
        "Record 1 to 5 videos of up to 50 MB each. They show everything from start to end, with visible clicks. A first app is recorded with a **sandbox** and an account that is a target user and private. Every product and scope that you submit must be seen. The scenes:\n\n{numbered}"
    );
    step("Record the video for the review", &body, vec![copyable("Script", &numbered)])
}

pub(super) fn submit() -> GuideStep {
    step(
        "Submit the app for review",
        "Check before: no product or scope is left that the video does not show; website, Terms and Privacy Policy open without signing in; name and icon are final. Submit. It takes from days to two weeks, and the app cannot be changed until then; you can withdraw it. Reviewers may ask for access: give them a demo account of your service. The client key works for everybody once the state is **Live**; before that TikTok's page refuses it.",
        Vec::new(),
    )
}

pub(super) fn refused() -> GuideStep {
    step(
        "If the review refuses the app",
        "The state is **Not approved**, and the reviewers' comments are on the page of the app. Common ones, and what helps:\n\n- \"The demo video does not show ...\": record that scope or product and name the minute.\n- \"The domain does not match\": record under the registered website.\n- \"The website is incomplete\" or \"not reachable\": it must open from everywhere without signing in, with Terms and Privacy Policy in sight.\n- \"Private or personal use\", \"not acceptable use\": say who uses the service; an app for accounts of your own or your team only is not accepted.\n- \"Unused scopes\": remove them here and there.\n\nChange what is named, answer in the explanation, submit again. A sandbox keeps working.",
        Vec::new(),
    )
}

/// The list of D-CSG, in its order.
pub(super) fn audit_page() -> GuideStep {
    step(
        "Compare the posting page with TikTok's list",
        "The posting page of this service is drawn from the form of this provider and follows the list. If you draw your own page from it, go through it in this order, as the reviewers do:\n\n1. Creator info is asked for each time the page opens; nickname and picture are shown. If the creator cannot post now, the page says so and stops. A video longer than the creator may post is refused before it is sent.\n2. Title or caption can be edited, preset hashtags too. The audience is a list of exactly what creator info returns, with nothing preset. Comment, Duet and Stitch are off at first, and grey where the creator forbids them; photos have Comment only.\n3. The disclosure is off at first, and none of its labels shows. On: \"Your brand\" and \"Branded content\", both may be ticked; with none ticked Post is blocked and says why. \"Your brand\" alone shows \"Promotional content\", else \"Paid partnership\". \"Only me\" and branded content exclude each other, each with its reason on the grey one.\n4. The consent line stands right by the button: Music Usage Confirmation, and with branded content the Branded Content Policy before it, both linked.\n5. A preview; no watermark, logo, text or link is added; nothing is sent before consent; the notice that it can take minutes; the result is shown.",
        Vec::new(),
    )
}

pub(super) fn audit() -> GuideStep {
    step(
        "Apply for the posting audit",
        "Direct Post is audited by a form of its own, after the app is live. It asks for an estimate of the accounts that post in a day, from which the daily number is set, and a video of the posting page in the order of the list. The end of the video must show the post on TikTok: before the audit that needs a private account. No duration is published; two to six weeks are reported. Estimate the peak, not the average: accounts above the number get `reached_active_user_cap`.",
        vec![
            copyable("Form", "https://developers.tiktok.com/application/content-posting-api"),
            copyable(
                "Kind of use",
                "A publishing service for creators and the teams that work for them. Each person connects their own accounts, chooses their own content, and posts it with the settings chosen in the form. Content is not copied from other platforms.",
            ),
        ],
    )
}

pub(super) fn audit_refused() -> GuideStep {
    step(
        "If the audit is refused",
        "Refusals that others got, and what helps:\n\n- The label \"Promotional content\" showed before anything was chosen: show labels only after a choice.\n- \"Only me\" could be chosen while branded content was on, or its reason did not show on hover: make it grey, with the sentence word for word.\n- \"Show full interactions between privacy and interaction settings; follow points 1 to 5 in order\": record each choice slowly, in the order of the list.\n- The end of the video did not show the post on TikTok: post from a private account and open it in the TikTok app.\n- The page was not reachable under the declared website, or is for private use.\n\nChange it, record a new video, apply again. Until then posts work as before the audit: private accounts, \"Only me\", 5 accounts a day.",
        Vec::new(),
    )
}

pub(super) fn after_audit() -> GuideStep {
    step(
        "After the audit",
        "Set `audited` to true, and enter the number of accounts a day that TikTok granted under `daily-users`. More can be asked for by a request to TikTok's support. Each creator may still make about 15 posts in 24 hours through all apps together.",
        vec![copyable("audited", "true")],
    )
}

pub(super) fn later_changes() -> GuideStep {
    step(
        "Change the app later",
        "Every later change of name, redirect address or scopes is a revision and is reviewed again; the live version keeps working. After adding a scope, let accounts connect again. After changing the secret, keep the old one under `previous-client-secret` for some days.",
        Vec::new(),
    )
}
