//! The publish form as data. A page built from it passes TikTok's posting audit (D-CSG).

use social_channel_provider::channel::{
    Condition, Consequence, Link, MediaRule, PostKind, PublishForm, Quota, Rule,
};
use social_channel_provider::{Account, Choice, Environment, Error, Field, Property, TextLimit, Value};

use crate::check::choices::{
    BRANDED_NOT_PRIVATE, CHOOSE_BRAND, MAX_CAPTION, MAX_PHOTO_TEXT, MAX_PHOTO_TITLE, UNAUDITED,
};
use crate::check::media::{MAX_PHOTO_SIZE, MAX_PHOTOS, PHOTO_TYPES, VIDEO_TYPES};
use crate::chunks::MAX_SIZE;
use crate::creator::{self, Creator, ONLY_ME, privacy_label};
use crate::draft::option;
use crate::settings::Settings;
use crate::{errors, quota};

const MUSIC_URL: &str = "https://www.tiktok.com/legal/page/global/music-usage-confirmation/en";
const BRANDED_URL: &str = "https://www.tiktok.com/legal/page/global/bc-policy/en";

const VIDEO: &str = "video";
const PHOTOS: &str = "images";

pub(crate) async fn get<E: Environment>(environment: &E, account: &Account) -> Result<PublishForm, Error> {
    let settings = Settings::read(environment)?;
    let (creator, mut blocked) = match creator::query(environment, account).await {
        Ok(answer) => (answer.creator, None),
        Err(error) if creator::is_blocking(&error) => (Creator::default(), Some(error)),
        Err(error) => return Err(error),
    };
    if blocked.is_none() && settings.audited == Some(false) && creator.is_public_account() == Some(true) {
        blocked = Some(errors::api(UNAUDITED, None, 403, ""));
    }
    let quotas = quotas(environment, account, &settings).await;
    let name = creator.nickname.clone().or(creator.username.clone());
    Ok(PublishForm {
        account_avatar_url: creator.avatar_url.clone(),
        kinds: kinds(&creator),
        fields: fields(&settings, &creator),
        rules: rules(&settings, &creator),
        quotas,
        blocked,
        ..PublishForm::new(name.unwrap_or_else(|| "TikTok account".to_owned()))
    })
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

fn kinds(creator: &Creator) -> Vec<PostKind> {
    let video = MediaRule {
        content_types: owned(&VIDEO_TYPES),
        max_size: Some(MAX_SIZE),
        max_duration: creator.max_seconds.map(|seconds| seconds.saturating_mul(1000)),
        ..MediaRule::new("media", "Video", 1, 1)
    };
    let photos = MediaRule {
        content_types: owned(&PHOTO_TYPES),
        max_size: Some(MAX_PHOTO_SIZE),
        needs_public_url: true,
        ..MediaRule::new("media", "Photos", 1, MAX_PHOTOS as u32)
    };
    vec![PostKind::new(VIDEO, "Video", vec![video]), PostKind::new(PHOTOS, "Photos", vec![photos])]
}

/// Nothing is preselected, because the audit refuses that.
fn field(name: &str, label: &str, kind: &str, applies_to: &[&str]) -> Field {
    Field { applies_to: owned(applies_to), ..Field::new(name, label, kind) }
}

fn text(name: &str, label: &str, kind: &str, maximum: usize, applies_to: &str) -> Field {
    let limits = vec![TextLimit::at_most(maximum as u32, "utf-16")];
    Field { limits, ..field(name, label, kind, &[applies_to]) }
}

fn whole(field: Field) -> Field {
    Field { details: vec![Property::new("minimum", Value::Number(0))], ..field }
}

fn helped(help: &str, field: Field) -> Field {
    Field { help: Some(help.to_owned()), ..field }
}

fn fields(settings: &Settings, creator: &Creator) -> Vec<Field> {
    let both = &[VIDEO, PHOTOS];
    let audiences = creator.privacy.iter();
    let mut fields = vec![
        helped("Hashtags and mentions work here.", text("text", "Caption", "multiline", MAX_CAPTION, VIDEO)),
        text("title", "Title", "text", MAX_PHOTO_TITLE, PHOTOS),
        helped(
            "Hashtags and mentions work here.",
            text("text", "Description", "multiline", MAX_PHOTO_TEXT, PHOTOS),
        ),
        Field {
            choices: audiences.map(|level| Choice::new(level.clone(), privacy_label(level))).collect(),
            required: true,
            ..field("visibility", "Who can see this post", "choice", both)
        },
        field(option::COMMENT, "Allow comments", "boolean", both),
        field(option::DUET, "Allow Duet", "boolean", &[VIDEO]),
        field(option::STITCH, "Allow Stitch", "boolean", &[VIDEO]),
        helped(
            "Switch on if the post promotes goods or services in exchange for something of value. It could promote yourself, a third party, or both.",
            field(option::DISCLOSURE, "Disclose post content", "boolean", both),
        ),
        helped(
            "You are promoting yourself or your own business.",
            field(option::YOUR_BRAND, "Your brand", "boolean", both),
        ),
        helped(
            "You are promoting another brand or a third party.",
            field(option::BRANDED, "Branded content", "boolean", both),
        ),
        helped(
            "TikTok shows a label that the content was made by AI.",
            field(option::AI, "AI-generated content", "boolean", &[VIDEO]),
        ),
        helped(
            "1500 is one and a half seconds into the video; without it the first picture is taken.",
            whole(field(
                option::COVER_TIME,
                "Cover picture at (thousandths of a second)",
                "number",
                &[VIDEO],
            )),
        ),
        helped(
            "The first photo is 0.",
            whole(field(option::COVER_INDEX, "Photo for the cover", "number", &[PHOTOS])),
        ),
        helped(
            "TikTok picks it; it can be changed in the app.",
            field(option::MUSIC, "Add recommended music", "boolean", &[PHOTOS]),
        ),
    ];
    if !settings.verified_urls.is_empty() {
        fields.push(Field {
            choices: vec![
                Choice::new("upload", "Send the file to TikTok"),
                Choice::new("pull", "Let TikTok fetch it from its verified address"),
            ],
            ..field(option::TRANSFER, "Transfer", "choice", &[VIDEO])
        });
    }
    fields
}

fn when(field: &str, values: &[&str]) -> Condition {
    Condition::is(field, values)
}

fn rule(conditions: Vec<Condition>, consequence: Consequence) -> Rule {
    Rule { conditions, consequence }
}

fn disable(field: &str, choice: Option<&str>, because: &str) -> Consequence {
    Consequence {
        field: Some(field.to_owned()),
        choice: choice.map(str::to_owned),
        text: Some(because.to_owned()),
        ..Consequence::new("disable")
    }
}

fn notice(field: Option<&str>, text: &str, links: &[(&str, &str)]) -> Consequence {
    let links = links.iter().map(|(text, url)| Link { text: (*text).to_owned(), url: (*url).to_owned() });
    Consequence {
        field: field.map(str::to_owned),
        text: Some(text.to_owned()),
        links: links.collect(),
        ..Consequence::new("notice")
    }
}

/// The rules in order; each sees the result of those before it. Branded content and "only me" exclude each
/// other: choosing one disables the other.
fn rules(settings: &Settings, creator: &Creator) -> Vec<Rule> {
    let mut rules = Vec::new();
    let off = "This account does not allow it in its TikTok settings.";
    for (name, disabled) in [
        (option::COMMENT, creator.comment_disabled),
        (option::DUET, creator.duet_disabled),
        (option::STITCH, creator.stitch_disabled),
    ] {
        if disabled {
            rules.push(rule(Vec::new(), disable(name, None, off)));
        }
    }
    if settings.audited == Some(false) {
        let because = "Until TikTok has audited the app for posting, posts must be for \"Only me\".";
        for level in creator.privacy.iter().filter(|level| *level != ONLY_ME) {
            rules.push(rule(Vec::new(), disable("visibility", Some(level), because)));
        }
    }
    let promoted = || when(option::DISCLOSURE, &["true"]);
    for name in [option::YOUR_BRAND, option::BRANDED] {
        rules.push(rule(vec![when(option::DISCLOSURE, &["false", ""])], Consequence::hide(name)));
    }
    rules.push(rule(
        vec![when("visibility", &[ONLY_ME])],
        disable(option::BRANDED, None, BRANDED_NOT_PRIVATE),
    ));
    rules.push(rule(
        vec![when(option::BRANDED, &["true"])],
        disable("visibility", Some(ONLY_ME), BRANDED_NOT_PRIVATE),
    ));
    let plain = || when(option::BRANDED, &["false", ""]);
    let branded = || when(option::BRANDED, &["true"]);
    let own = |values: &[&str]| when(option::YOUR_BRAND, values);
    rules.push(rule(
        vec![promoted(), own(&["true"]), plain()],
        notice(Some(option::DISCLOSURE), "Your photo/video will be labeled as 'Promotional content'", &[]),
    ));
    rules.push(rule(
        vec![promoted(), branded()],
        notice(Some(option::DISCLOSURE), "Your photo/video will be labeled as 'Paid partnership'", &[]),
    ));
    rules.push(rule(vec![promoted(), own(&["false", ""]), plain()], Consequence::block(CHOOSE_BRAND)));
    let music = ("Music Usage Confirmation", MUSIC_URL);
    rules.push(rule(
        vec![plain()],
        notice(None, "By posting, you agree to TikTok's Music Usage Confirmation", &[music]),
    ));
    rules.push(rule(
        vec![branded()],
        notice(
            None,
            "By posting, you agree to TikTok's Branded Content Policy and Music Usage Confirmation",
            &[("Branded Content Policy", BRANDED_URL), music],
        ),
    ));
    rules.push(rule(
        Vec::new(),
        notice(None, "After posting it may take a few minutes until the post shows on your profile.", &[]),
    ));
    if let Some(text) = privacy_notice(settings.audited, creator.is_public_account()) {
        rules.push(rule(Vec::new(), notice(None, text, &[])));
    }
    rules
}

/// The notice about the account's privacy, if it is uncertain whether it prevents the post.
fn privacy_notice(audited: Option<bool>, public_account: Option<bool>) -> Option<&'static str> {
    match (audited, public_account) {
        (None, Some(true) | None) => Some(
            "If TikTok has not audited this app yet, it takes posts only while the account itself is private.",
        ),
        (Some(false), None) => Some(
            "TikTok has not audited this app yet, so it takes posts only while the account itself is private. Check it in the TikTok app: Settings and privacy, Privacy, Private account.",
        ),
        _ => None,
    }
}

async fn quotas<E: Environment>(environment: &E, account: &Account, settings: &Settings) -> Vec<Quota> {
    let mut quotas = Vec::new();
    // Allowances that cannot be read are left out, because unknown is not zero.
    if let Some(ledgers) = quota::publishing(environment, &account.id).await {
        for (limit, label, cost) in [
            (&quota::POSTS, "Posts a day", Some(1)),
            (&quota::VIDEO_INIT, "Videos begun a minute", Some(1)),
            (&quota::PHOTO_INIT, "Photo posts begun a minute", Some(1)),
            (&quota::CREATOR_INFO, "Forms a minute", None),
            (&quota::STATUS, "Looks at a post's status a minute", None),
        ] {
            let (used, resets_at) = ledgers.used(limit, environment.now_ms());
            let maximum = Some(limit.maximum);
            quotas.push(Quota { used, maximum, resets_at, cost, ..Quota::new(limit.name, label) });
        }
    }
    if let Some(maximum) = settings.active_user_cap()
        && let Some((used, resets_at)) = quota::users(environment, &account.id).await
    {
        let (maximum, cost) = (Some(maximum), Some(1));
        let quota = Quota::new("active-users-per-day", "Accounts that posted in a day");
        quotas.push(Quota { used, maximum, resets_at, cost, ..quota });
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::environment;
    use serde_json::{Value, json};
    use social_channel_provider::ErrorKind;
    use social_channel_provider::testing::{FakeEnvironment, run};
    use std::collections::BTreeMap;

    fn account() -> Account {
        Account {
            id: "open-1".to_owned(),
            credentials: br#"{"access_token":"act.1"}"#.to_vec(),
            scopes: vec!["video.publish".to_owned()],
        }
    }

    fn info(options: &[&str]) -> Value {
        json!({"data": {"creator_nickname": "Demo Kitchen", "creator_username": "demo",
            "creator_avatar_url": "https://p.example/a", "privacy_level_options": options,
            "comment_disabled": false, "duet_disabled": false, "stitch_disabled": true,
            "max_video_post_duration_sec": 3600}, "error": {"code": "ok", "message": "", "log_id": "L"}})
    }

    fn form(environment: &FakeEnvironment) -> PublishForm {
        environment.answer_json(200, &info(&["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]));
        run(get(environment, &account())).unwrap()
    }

    /// What a page shows for a person's choices, by the contract's rules.
    #[derive(Default, Debug)]
    struct Page {
        hidden: Vec<String>,
        /// Field, choice, reason.
        grey: Vec<(String, Option<String>, String)>,
        /// Field and text.
        notices: Vec<(Option<String>, String)>,
        blocked: Vec<String>,
    }

    impl Page {
        fn draw(form: &PublishForm, kind: &str, choices: &[(&str, &str)]) -> Self {
            let mut values: BTreeMap<String, String> =
                choices.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            values.insert("kind".to_owned(), kind.to_owned());
            let mut page = Self::default();
            for rule in &form.rules {
                let holds = rule.conditions.iter().all(|condition| {
                    let flag = form.fields.iter().any(|f| f.name == condition.field && f.kind == "boolean");
                    let value = values.get(&condition.field).cloned();
                    let value = value.unwrap_or_else(|| if flag { "false" } else { "" }.to_owned());
                    condition.values.contains(&value)
                });
                if !holds {
                    continue;
                }
                let consequence = &rule.consequence;
                let field = consequence.field.clone();
                let text = consequence.text.clone().unwrap_or_default();
                match consequence.kind.as_str() {
                    "hide" => {
                        let field = field.unwrap();
                        values.remove(&field);
                        page.hidden.push(field);
                    }
                    "disable" => {
                        let field = field.unwrap();
                        let choice = consequence.choice.clone();
                        if choice.is_none() || values.get(&field) == choice.as_ref() {
                            values.remove(&field);
                        }
                        page.grey.push((field, choice, text));
                    }
                    "notice" => {
                        assert!(consequence.links.iter().all(|link| text.contains(&link.text)));
                        page.notices.push((field, text));
                    }
                    "block" => page.blocked.push(text),
                    other => panic!("{other}"),
                }
            }
            page
        }

        fn is_grey(&self, field: &str, choice: Option<&str>) -> bool {
            self.grey.iter().any(|(f, c, _)| f == field && c.as_deref() == choice)
        }

        fn says(&self, text: &str) -> bool {
            self.notices.iter().any(|(_, shown)| shown == text)
        }
    }

    const MUSIC: &str = "By posting, you agree to TikTok's Music Usage Confirmation";
    const BRANDED: &str =
        "By posting, you agree to TikTok's Branded Content Policy and Music Usage Confirmation";
    const PROMOTIONAL: &str = "Your photo/video will be labeled as 'Promotional content'";
    const PAID: &str = "Your photo/video will be labeled as 'Paid partnership'";

    #[test]
    fn nothing_is_chosen_for_the_person() {
        let form = form(&environment());
        assert_eq!(form.account_name, "Demo Kitchen");
        assert!(form.fields.iter().all(|field| field.default_value.is_none()), "traps 32 and 35");
        let visibility = form.fields.iter().find(|field| field.name == "visibility").unwrap();
        assert!(visibility.required);
        let offered: Vec<_> = visibility.choices.iter().map(|choice| choice.value.as_str()).collect();
        assert_eq!(offered, ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"], "trap 33");
        assert_eq!(form.kinds[0].media[0].max_duration, Some(3_600_000));
    }

    #[test]
    fn what_the_creator_forbids_is_grey_and_photos_only_take_comments() {
        let form = form(&environment());
        let page = Page::draw(&form, "video", &[]);
        assert!(page.is_grey("allow-stitch", None) && !page.is_grey("allow-duet", None));
        let of_photos = |name: &str| {
            form.fields
                .iter()
                .any(|field| field.name == name && field.applies_to.contains(&"images".to_owned()))
        };
        assert!(of_photos("allow-comment"));
        assert!(
            !of_photos("allow-duet") && !of_photos("allow-stitch") && !of_photos("ai-generated"),
            "trap 37"
        );
    }

    #[test]
    fn disclosure_goes_through_the_five_points_in_order() {
        let form = form(&environment());
        let draw = |choices: &[(&str, &str)]| Page::draw(&form, "video", choices);
        // Off: no checkboxes, no labels, the plain consent.
        let page = draw(&[("visibility", "PUBLIC_TO_EVERYONE")]);
        assert_eq!(page.hidden, ["your-brand", "branded-content"]);
        assert!(page.says(MUSIC) && !page.says(BRANDED) && !page.says(PROMOTIONAL) && !page.says(PAID));
        assert!(page.blocked.is_empty());
        // On, and nothing chosen: the button is disabled, and there is still no label.
        let page = draw(&[("disclosure", "true")]);
        assert_eq!(
            page.blocked,
            ["You need to indicate if your content promotes yourself, a third party, or both."]
        );
        assert!(page.hidden.is_empty() && !page.says(PROMOTIONAL) && !page.says(PAID));
        // Your brand.
        let page = draw(&[("disclosure", "true"), ("your-brand", "true")]);
        assert!(page.says(PROMOTIONAL) && page.says(MUSIC) && !page.says(PAID) && page.blocked.is_empty());
        // Branded content, alone and with it.
        for own in ["false", "true"] {
            let page = draw(&[("disclosure", "true"), ("your-brand", own), ("branded-content", "true")]);
            assert!(page.says(PAID) && page.says(BRANDED) && !page.says(PROMOTIONAL) && !page.says(MUSIC));
            assert!(page.is_grey("visibility", Some("SELF_ONLY")), "{page:?}");
            assert!(
                page.grey
                    .iter()
                    .any(|(_, _, why)| why == "Branded content visibility cannot be set to private.")
            );
        }
        // "Only me" was chosen first.
        let page = draw(&[("disclosure", "true"), ("visibility", "SELF_ONLY")]);
        assert!(page.is_grey("branded-content", None));
        // Turning a switch off again has no lasting effect.
        let page = draw(&[("disclosure", "false"), ("branded-content", "true")]);
        assert!(page.says(MUSIC) && !page.says(PAID) && !page.is_grey("visibility", Some("SELF_ONLY")));
    }

    #[test]
    fn refusals_with_status_200_block_the_form() {
        for code in
            ["spam_risk_too_many_posts", "spam_risk_user_banned_from_posting", "reached_active_user_cap"]
        {
            let environment = environment();
            environment.answer_json(200, &json!({"data": {}, "error": {"code": code, "log_id": "L"}}));
            let form = run(get(&environment, &account())).unwrap();
            assert_eq!(form.blocked.unwrap().code.as_deref(), Some(code));
        }
        let environment = environment();
        environment.answer_json(401, &json!({"error": {"code": "access_token_invalid"}}));
        assert_eq!(run(get(&environment, &account())).unwrap_err().kind, ErrorKind::CredentialsExpired);
    }

    #[test]
    fn an_unaudited_app_says_that_the_account_must_be_private() {
        let unaudited = environment().with_setting("audited", "false");
        let blocked = form(&unaudited).blocked.unwrap();
        assert!(blocked.remedy.unwrap().contains("Make the account itself private"), "trap 31");
        // A private account may post with "only me".
        let private = environment().with_setting("mode", "sandbox");
        private.answer_json(200, &info(&["FOLLOWER_OF_CREATOR", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]));
        let form = run(get(&private, &account())).unwrap();
        assert_eq!(form.blocked, None);
        let page = Page::draw(&form, "video", &[]);
        assert!(page.is_grey("visibility", Some("FOLLOWER_OF_CREATOR")));
        assert!(!page.is_grey("visibility", Some("SELF_ONLY")));
        let users = form.quotas.iter().find(|quota| quota.name == "active-users-per-day").unwrap();
        assert_eq!((users.used, users.maximum), (0, Some(5)));
    }

    #[test]
    fn quotas_show_what_was_used() {
        let environment = environment();
        let used = |form: &PublishForm, name: &str| form.quotas.iter().find(|q| q.name == name).unwrap().used;
        assert_eq!(used(&form(&environment), "creator-info"), 1);
        run(quota::take(&environment, &quota::POSTS, "open-1")).unwrap();
        let form = form(&environment);
        assert_eq!((used(&form, "creator-info"), used(&form, "posts-per-day")), (2, 1));
    }
}
