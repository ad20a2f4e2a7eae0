//! Whose rows a call may see.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

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

/// Names that people give to tenants and apps: they stand in keys, URLs and logs.
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
