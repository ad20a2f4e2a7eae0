//! The context of one call for one publish: its account and resources.

use serde_json::Value;
use social_channel_provider::{Account, Environment, Error};

use crate::api::{Call, Effect, call};
use crate::credentials::Credentials;
use crate::settings::SCOPE_PUBLISH;

pub(super) struct Context<'a, E: Environment> {
    pub(super) environment: &'a E,
    pub(super) account: &'a Account,
    pub(super) credentials: Credentials,
    pub(super) media: &'a [E::Media],
}

impl<E: Environment> Context<'_, E> {
    pub(super) fn now(&self) -> u64 {
        self.environment.now()
    }

    pub(super) async fn call(&self, path: &str, effect: Effect, body: Value) -> Result<Value, Error> {
        let asked = Call { path, scope: SCOPE_PUBLISH, effect, fields: None, body: Some(body) };
        call(self.environment, &self.credentials, asked).await
    }
}
