//! The rules: what each says, and what the author of a provider should do about it.

use serde::Serialize;

/// What a rule needs to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// Only the component.
    Nothing,
    /// A test server, and an account on it.
    Server,
    /// A post that the description names, too.
    Post,
}

/// One rule.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rule {
    /// Stable, for reports.
    pub id: &'static str,
    /// What holds, as a sentence.
    pub holds: &'static str,
    /// What to do where it does not.
    pub advice: &'static str,
    /// What it needs to be judged.
    pub needs: Needs,
}

macro_rules! rules {
    ($($name:ident $id:literal $needs:ident $holds:literal $advice:literal)*) => {
        $(pub(crate) const $name: &str = $id;)*

        /// All rules, in the order in which they are reported.
        pub const RULES: &[Rule] = &[
            $(Rule { id: $id, holds: $holds, advice: $advice, needs: Needs::$needs }),*
        ];
    };
}

rules! {
    LOADS "loads" Nothing
        "The file is a component of this contract, and describes itself."
        "Build it against `wit/` as it is published, and return a description that a host accepts."

    DESCRIBE_IS_PURE "describe-is-pure" Nothing
        "`describe` answers the same whenever it is asked, whatever the settings, and calls nothing."
        "Build the description from constants only."

    DESCRIPTOR_AGREES "descriptor-agrees" Nothing
        "What the description names exists: abilities are known, scopes lead to abilities, fields can be drawn."
        "Correct the abilities, scopes and fields of `describe`."

    NO_TRAPS "no-traps" Nothing
        "No call traps or exceeds a limit of the host, whatever it is given."
        "Return an error where something is missing or cannot be read. The last line on standard error says where it failed."

    SIZES_HOLD "sizes-hold" Nothing
        "No value is larger than the contract allows."
        "Shorten what the platform gives before it is returned; keep credentials, sessions and states below 64 KiB."

    NOTHING_LEAKS "nothing-leaks" Nothing
        "No secret stands in what is printed to standard error or said in an error, a finding or a step."
        "Leave tokens, passwords and addresses with tokens out of every text."

    DECLARED_ORIGINS "declared-origins" Nothing
        "Requests go only to the origins that the description names."
        "Add the origin to `descriptor.origins`, or do without the request."

    FOREIGN_STATE "foreign-state" Nothing
        "A session or a state that this provider did not make is answered with an error."
        "Parse it strictly, and answer `unsupported` where it cannot be read."

    UNSIGNED_WEBHOOKS "unsigned-webhooks" Nothing
        "A webhook that is not signed is refused, and nothing comes out of it."
        "Check the signature over the raw bytes first, and answer `forbidden` where it is missing or wrong."

    ERRORS_MAP "errors-map" Server
        "Errors say what to do next: no network and 5xx are `unavailable`, 429 is `rate-limited` or `quota-exceeded`, a wrong secret is final."
        "Map the platform's answers by what the caller does next; see `error-kind` in `types.wit`."

    CONNECTS "connects" Server
        "With the inputs of the description an account is connected."
        "Follow the steps from `begin-connect` on; the error is the provider's own."

    CREDENTIALS_ROUND_TRIP "credentials-round-trip" Server
        "Credentials are all that an account needs, and the account keeps its id when they are refreshed."
        "Put everything into `account.credentials`, nothing into storage, and return the same `account.id`."

    PAGES_END "pages-end" Server
        "Pages have at most the posts that were asked for, repeat none and end; posts by id are those that were asked for."
        "Lower `limit` to the platform's, return the cursor of this page, and none after the last one."

    FORMS_AND_CHECKS_AGREE "forms-and-checks-agree" Post
        "What the form offers, `check-post` accepts; what the form excludes, `check-post` and `begin-publish` refuse."
        "Judge in `check-post` everything that the form says, and call it in `begin-publish`."

    BEGIN_HAS_NO_EFFECT "begin-has-no-effect" Post
        "`begin-publish` posts nothing, however often it is called."
        "Move the request to `continue-publish`, after a step that announces it."

    PUBLISHES "publishes" Post
        "The post of the description is published, once."
        "Look at the error; `check-post` should have found what makes it fail."

    STEPS_ARE_BOUNDED "steps-are-bounded" Post
        "A step makes a few requests, and a publish ends."
        "Return `proceed` after each chunk, and `wait` instead of asking again and again within a call."

    EFFECT_IS_ANNOUNCED "effect-is-announced" Post
        "The request of which the post comes is made in a step that was announced as `once` or `idempotent`."
        "Return `proceed(once)`, or `proceed(idempotent)` if the platform takes a key, before the call that posts."

    LOST_ANSWER_IS_UNKNOWN "lost-answer-is-unknown" Post
        "Where the answer to the request that posts is lost, the call says `outcome-unknown`."
        "Answer `outcome-unknown` unless it is certain that nothing was sent."

    INTERRUPTED_IS_HONOURED "interrupted-is-honoured" Post
        "After `interrupted`, a step announced as `once` looks before it acts, and posts no second time."
        "Ask the platform whether the post is there; where that cannot be found out, answer `unknown`."

    IDEMPOTENT_REPEATS "idempotent-repeats" Post
        "A step announced as `idempotent` makes one post, however often it is called."
        "Choose the platform's key in `begin-publish` and keep it in the state; without such a key, announce `once`."

    POSTS_ONCE "posts-once" Post
        "However often the host dies between two calls, there is one post."
        "Post from one step only, and never go back to it from a later one."

    ENDINGS_ARE_TRUE "endings-are-true" Post
        "`published` is said when it is out; `failed` and `cancelled` only if nothing is."
        "After a lost answer find out what is there, and answer `unknown` where that is not possible."

    PUBLISH_RESUMES "publish-resumes" Post
        "A publish goes on after the host died or the network was away, unless it is unknown whether it was posted."
        "Let a step find its place again by its state alone, and answer errors that may be repeated as such."

    CANCEL_IS_TRUE "cancel-is-true" Post
        "`cancelled` is said only if nothing is out."
        "Look before answering, as `interrupted` asks, and answer the step to go on with where it is too late."
}

/// A rule by its id.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}
