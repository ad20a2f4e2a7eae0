//! The tenant whose rows a call may access.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use social_channel_runtime::error::{Error, ErrorKind};

/// A tenant of the platform that embeds this library: 1 to 64 of `a-z A-Z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(String);

impl TenantId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TenantId {
    /// The tenant of a program that has only one.
    fn default() -> Self {
        TenantId("default".to_owned())
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TenantId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        check_name("tenant", text)?;
        Ok(TenantId(text.to_owned()))
    }
}

/// Checks the name of a tenant or an app. These names appear in keys, URLs and logs.
pub(crate) fn check_name(what: &str, text: &str) -> Result<(), Error> {
    let good = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if good {
        Ok(())
    } else {
        Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("the {what} name is not 1 to 64 of letters, digits, `.`, `_` and `-`"),
        )
        .with_field(what))
    }
}

/// Puts items in turns: the first one of each tenant, then the second one of each, in the order that they had. So a tenant
/// with many does not keep the others waiting.
pub(crate) fn in_turns<T>(items: Vec<(TenantId, T)>) -> Vec<(TenantId, T)> {
    let mut counts: HashMap<TenantId, usize> = HashMap::new();
    let count = |item: (TenantId, T)| {
        let turn = counts.entry(item.0.clone()).or_default();
        *turn += 1;
        (*turn, item)
    };
    let mut items: Vec<_> = items.into_iter().map(count).collect();
    items.sort_by_key(|(turn, _)| *turn);
    items.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_take_turns_and_keep_their_order() {
        let items = ["a1", "a2", "a3", "b1", "c1", "b2"];
        let items = items.map(|item| (item[..1].parse::<TenantId>().unwrap(), item)).to_vec();
        let order: Vec<&str> = in_turns(items).into_iter().map(|(_, item)| item).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
    }
}
