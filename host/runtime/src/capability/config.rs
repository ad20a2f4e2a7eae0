//! `wasi:config/store`: the app's settings, by the names the provider gave them.

use super::State;
use crate::abi::v0_1::imports::config::{Error, Host};

impl Host for State {
    fn get(&mut self, key: String) -> Result<Option<String>, Error> {
        let value = self.settings.iter().find(|(name, _)| *name == key);
        Ok(value.map(|(_, value)| value.expose().to_owned()))
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, Error> {
        Ok(self.settings.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect())
    }
}
