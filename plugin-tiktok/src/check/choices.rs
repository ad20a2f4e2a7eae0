//! Checks the person's input: texts, audience, interactions, disclosure (D-DP, D-PH, D-CSG). Pure functions.

use social_channel_provider::Finding;

use crate::creator::{Creator, ONLY_ME};
use crate::draft::{Draft, Kind, option};
use crate::finding::{error, warning};
use crate::settings::Settings;

/// UTF-16 units (D-DP, D-PH).
pub(crate) const MAX_CAPTION: usize = 2200;
pub(crate) const MAX_PHOTO_TITLE: usize = 90;
pub(crate) const MAX_PHOTO_TEXT: usize = 4000;

/// Wording that TikTok's audit requires literally (D-CSG).
pub(crate) const CHOOSE_BRAND: &str =
    "You need to indicate if your content promotes yourself, a third party, or both.";
pub(crate) const BRANDED_NOT_PRIVATE: &str = "Branded content visibility cannot be set to private.";

pub(crate) const UNAUDITED: &str = "unaudited_client_can_only_post_to_private_accounts";

pub(super) fn texts(draft: &Draft, findings: &mut Vec<Finding>) {
    let mut limit = |subject: &str, text: &Option<String>, maximum: usize| {
        // TikTok counts UTF-16 units: an emoji is two.
        let length = text.as_deref().map_or(0, |text| text.encode_utf16().count());
        if length > maximum {
            let message = format!(
                "The {subject} has {length} characters as TikTok counts them; {maximum} are allowed."
            );
            findings.push(error(subject, message, "Shorten it; most emoji count as two."));
        }
    };
    match draft.kind {
        Kind::Video => limit("text", &draft.text, MAX_CAPTION),
        Kind::Photos => {
            limit("title", &draft.title, MAX_PHOTO_TITLE);
            limit("text", &draft.text, MAX_PHOTO_TEXT);
        }
    }
}

pub(super) fn audience(settings: &Settings, creator: &Creator, draft: &Draft, findings: &mut Vec<Finding>) {
    let code = |mut finding: Finding| {
        finding.code = Some(UNAUDITED.to_owned());
        finding
    };
    match &draft.visibility {
        None => findings.push(error("visibility", "No audience is chosen.", "Choose who can see this post.")),
        Some(level) if !creator.privacy.contains(level) => findings.push(error(
            "visibility",
            "This account cannot post to the chosen audience now.",
            "Choose one of the audiences that the form offers.",
        )),
        Some(level) if settings.audited == Some(false) && level != ONLY_ME => findings.push(code(error(
            "visibility",
            "Until TikTok has audited the app for posting, posts must be for \"Only me\".",
            "Choose \"Only me\".",
        ))),
        Some(_) => {}
    }
    let remedy = "Make the account itself private in the TikTok app (Settings and privacy, Privacy, Private account). If TikTok has audited the app, set `audited` to true.";
    match (settings.audited, creator.is_public_account()) {
        (Some(true), _) | (_, Some(false)) => {}
        (Some(false), Some(true)) => findings.push(code(error(
            "account",
            "TikTok has not audited the app for posting, so it takes posts for private accounts only, and this account is public.",
            remedy,
        ))),
        (Some(false), None) => findings.push(code(warning(
            "account",
            "TikTok has not audited the app for posting, so it takes posts for private accounts only. TikTok does not say whether this one is private.",
            remedy,
        ))),
        (None, Some(true) | None) => findings.push(code(warning(
            "account",
            "If TikTok has not audited the app for posting yet, it will refuse this post unless the account is private.",
            remedy,
        ))),
    }
}

pub(super) fn interactions(creator: &Creator, draft: &Draft, findings: &mut Vec<Finding>) {
    for (name, wanted, disabled) in [
        (option::COMMENT, draft.allow_comment, creator.comment_disabled),
        (option::DUET, draft.allow_duet, creator.duet_disabled),
        (option::STITCH, draft.allow_stitch, creator.stitch_disabled),
    ] {
        if wanted && disabled {
            findings.push(error(
                name,
                "The account does not allow this in its TikTok settings.",
                "Leave it off, or change the privacy settings in the TikTok app.",
            ));
        }
    }
}

pub(super) fn disclosure(draft: &Draft, findings: &mut Vec<Finding>) {
    let chosen = draft.your_brand || draft.branded_content;
    match draft.disclosure {
        Some(true) if !chosen => {
            findings.push(error(
                option::DISCLOSURE,
                CHOOSE_BRAND,
                "Choose \"Your brand\", \"Branded content\" or both.",
            ));
        }
        Some(false) if chosen => findings.push(error(
            option::DISCLOSURE,
            "The post is marked as promotional, and the disclosure is switched off.",
            "Switch the disclosure on, or untick \"Your brand\" and \"Branded content\".",
        )),
        _ => {}
    }
    if draft.branded_content && draft.visibility.as_deref() == Some(ONLY_ME) {
        findings.push(error(
            option::BRANDED,
            BRANDED_NOT_PRIVATE,
            "Choose another audience, or leave branded content off.",
        ));
    }
}
