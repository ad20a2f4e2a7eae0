//! Where a host keeps its data: in one SQLite file, or in a PostgreSQL, MySQL or MariaDB database that any number of
//! machines share.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use social_channel_runtime::SecretText;
use url::Url;

/// A path, `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE` or `mysql://USER:PASSWORD@HOST/DATABASE`. Its `Debug` and `Display` never show a password.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Database {
    /// The path of a SQLite file.
    Sqlite(PathBuf),
    /// A URL that begins with `postgres://` or `postgresql://`. It holds a password.
    Postgres(SecretText),
    /// A URL that begins with `mysql://` or `mariadb://`. It holds a password.
    Mysql(SecretText),
    /// A URL of another kind, which is refused when the host is opened.
    Other(SecretText),
}

impl Database {
    /// What a person or a configuration wrote.
    fn of(text: &str) -> Self {
        let begins = |with: &str| text.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with));
        if begins("postgres://") || begins("postgresql://") {
            return Database::Postgres(SecretText::new(text));
        }
        if begins("mysql://") || begins("mariadb://") {
            return Database::Mysql(SecretText::new(text));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            // Also as other programs write it: `sqlite:///absolute`, `sqlite://relative`.
            return Database::Sqlite(path.strip_prefix("//").unwrap_or(path).into());
        }
        match scheme(text) {
            Some(_) => Database::Other(SecretText::new(text)),
            None => Database::Sqlite(text.into()),
        }
    }

    /// The path of the SQLite file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Database::Sqlite(path) => Some(path),
            Database::Postgres(_) | Database::Mysql(_) | Database::Other(_) => None,
        }
    }
}

/// The scheme of a text that is a URL and no path, not even one of Windows.
pub(crate) fn scheme(text: &str) -> Option<&str> {
    let scheme = text.split_once("://")?.0;
    let is_one = scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    is_one.then_some(scheme)
}

/// Without password, and without what stands after `?`, which may hold one as well.
fn shown(url: &SecretText) -> String {
    let text = url.expose();
    let Ok(url) = Url::parse(text) else {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        return format!("{scheme}://…");
    };
    let user = match url.username() {
        "" => String::new(),
        user => format!("{user}@"),
    };
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{user}{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Sqlite(path) => path.display().fmt(f),
            Database::Postgres(url) | Database::Mysql(url) | Database::Other(url) => f.write_str(&shown(url)),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Sqlite(path) => path.fmt(f),
            Database::Postgres(url) | Database::Mysql(url) | Database::Other(url) => shown(url).fmt(f),
        }
    }
}

impl<T: Into<PathBuf>> From<T> for Database {
    fn from(path: T) -> Self {
        let path: PathBuf = path.into();
        // A URL is text; a path may be any bytes.
        match path.to_str() {
            Some(text) => Database::of(text),
            None => Database::Sqlite(path),
        }
    }
}

impl<'de> Deserialize<'de> for Database {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Database::of(&String::deserialize(from)?))
    }
}

impl JsonSchema for Database {
    fn schema_name() -> Cow<'static, str> {
        "Database".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_a_path_or_a_url_of_its_kind() {
        for (text, path) in [
            ("/var/lib/shop/data.sqlite", "/var/lib/shop/data.sqlite"),
            ("data.sqlite", "data.sqlite"),
            ("sqlite:data.sqlite", "data.sqlite"),
            ("sqlite:/var/data", "/var/data"),
            ("sqlite:///var/data", "/var/data"),
            ("odd name: with://in it", "odd name: with://in it"),
            (r"C:\data\x.sqlite", r"C:\data\x.sqlite"),
        ] {
            assert_eq!(Database::from(text), Database::Sqlite(path.into()), "{text}");
        }
        for text in ["postgres://h/d", "postgresql://h/d", "POSTGRES://h/d"] {
            assert!(matches!(Database::from(text), Database::Postgres(_)), "{text}");
        }
        for text in ["mysql://h/d", "MariaDB://h/d"] {
            assert!(matches!(Database::from(text), Database::Mysql(_)), "{text}");
        }
        for text in ["oracle://h/d", "postgres+x://h/d"] {
            assert!(matches!(Database::from(text), Database::Other(_)), "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for text in [
            "postgres://me:hidden@db.example:6432/shop?sslmode=require&password=hidden",
            "postgres://me:hid%20den@db.example/shop",
            "postgres://me:hidden@db.example:not-a-port/shop",
            "mysql://me:hidden@db.example/shop?ssl-ca=hidden",
            "sql://me:hidden@db.example/shop",
        ] {
            let database = Database::from(text);
            for shown in [database.to_string(), format!("{database:?}")] {
                assert!(!shown.contains("hid"), "{shown}");
                assert!(shown.contains("sql://") || shown.contains("postgres://"), "{shown}");
            }
        }
        let shown = Database::from("postgres://me:hidden@db.example:6432/shop?x=y").to_string();
        assert_eq!(shown, "postgres://me@db.example:6432/shop");
        let read: Database = serde_json::from_str(r#""postgres://me:hidden@h/d""#).unwrap();
        assert_eq!(format!("{read:?}"), r#""postgres://me@h/d""#);
    }
}
