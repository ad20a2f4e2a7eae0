//! The tables' names, which begin with a prefix, so that they can live in a database that has tables called `jobs` and
//! `accounts` already.

use sqlx::AssertSqlSafe;

/// Statements name a table as `{jobs}`.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    prefix: String,
}

impl Tables {
    /// `prefix` is letters, digits and `_`: it becomes a part of statements.
    pub(super) fn new(prefix: String) -> Self {
        Tables { prefix }
    }

    /// A statement for the tables of this prefix. `text` is made of fixed texts: what callers say is bound.
    pub(super) fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(text.replace('{', &self.prefix).replace('}', ""))
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// As many `?` as there are values in a list.
pub(super) fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_the_prefix() {
        let tables = Tables::new("wp_social_".to_owned());
        assert_eq!(
            tables.sql("SELECT 1 FROM {jobs} j, {apps}").0,
            "SELECT 1 FROM wp_social_jobs j, wp_social_apps"
        );
        assert_eq!(marks(3), "?, ?, ?");
    }
}
