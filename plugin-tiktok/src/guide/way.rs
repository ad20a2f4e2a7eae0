//! A step of the guide, and the variables of the steps.

use social_channel_provider::diagnostics::{Addresses, Copyable, GuideStep};

use crate::settings::{SCOPE_LIST, SCOPE_PROFILE, SCOPE_PUBLISH, SCOPE_STATS};

pub(super) fn step(title: &str, body: &str, copy: Vec<Copyable>) -> GuideStep {
    GuideStep { title: title.to_owned(), body: body.to_owned(), copy, details: Vec::new() }
}

pub(super) fn copyable(label: &str, value: &str) -> Copyable {
    Copyable { label: label.to_owned(), value: value.to_owned() }
}

/// The variables of the steps.
pub(super) struct Way<'a> {
    pub(super) sandbox: bool,
    pub(super) desktop: bool,
    pub(super) scopes: Vec<String>,
    pub(super) addresses: &'a Addresses,
}

impl Way<'_> {
    pub(super) fn asks_for(&self, scope: &str) -> bool {
        self.scopes.iter().any(|asked| asked == scope)
    }

    pub(super) fn posts(&self) -> bool {
        self.asks_for(SCOPE_PUBLISH)
    }

    pub(super) fn shows(&self) -> bool {
        [SCOPE_PROFILE, SCOPE_STATS, SCOPE_LIST].iter().any(|scope| self.asks_for(scope))
    }
}
