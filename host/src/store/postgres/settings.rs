//! The connection that a URL describes: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?NAME=VALUE`.
//!
//! The parameters are libpq's that the driver knows, `options[NAME]=VALUE` for any setting of the server, and
//! `pool_size`. What the URL leaves out comes from libpq's variables (`PGHOST`, `PGPASSWORD`, a password file).

use std::str::FromStr as _;

use social_channel_runtime::SecretText;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::store::remote::POOL_SIZE;

/// The tables' own schema, so that they can live in a database that has tables called `jobs` and `accounts` already.
pub(super) const SCHEMA: &str = "social_channel";

/// Parameters of the URL that are passed on. Any other is refused: the driver would log it with its value, which may be a
/// password, and go on without it.
const KNOWN: [&str; 12] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Settings of the server for each connection, unless the URL has other values.
const SERVER: [(&str, &str); 10] = [
    ("search_path", SCHEMA),
    // Also of a statement that is a transaction by itself.
    ("default_transaction_isolation", "read committed"),
    // Statements take milliseconds; those of an upgrade of the schema have their own. It ends no wait of a commit for a
    // standby.
    ("statement_timeout", "30s"),
    ("lock_timeout", "20s"),
    // A process that is stopped in the middle of a transaction holds up the others no longer than this.
    ("idle_in_transaction_session_timeout", "10s"),
    // A machine that is gone does not hold its locks for hours.
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
    ("client_min_messages", "warning"),
    // To compile a statement takes longer than to run it.
    ("jit", "off"),
];

/// How to connect.
pub(super) struct Settings {
    pub(super) connect: PgConnectOptions,
    pub(super) pool_size: u32,
}

impl Settings {
    /// # Errors
    /// `InvalidRequest` that never repeats the URL.
    pub(super) fn of(url: &SecretText) -> Result<Self> {
        let wrong = |message: &str| {
            Error::new(ErrorKind::InvalidRequest, format!("the database's URL is wrong: {message}"))
                .with_field("database")
                .with_remedy("write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE; `@`, `/`, `#`, `?` and `%` in a password as %40, %2F, %23, %3F and %25")
        };
        let mut parsed = Url::parse(url.expose()).map_err(|error| wrong(&error.to_string()))?;
        let mut pool_size = POOL_SIZE;
        let mut kept = Vec::new();
        for (name, value) in parsed.query_pairs() {
            match &*name {
                "pool_size" => {
                    pool_size = value
                        .parse()
                        .ok()
                        .filter(|size| (2..=1_000).contains(size))
                        .ok_or_else(|| wrong("pool_size is a number from 2 to 1000"))?;
                }
                known if KNOWN.contains(&known) || is_option(known) => {
                    kept.push((name.into_owned(), value.into_owned()));
                }
                other => {
                    let message = format!("it has a parameter `{other}`, which is not known");
                    return Err(wrong(&message));
                }
            }
        }
        match kept.is_empty() {
            true => parsed.set_query(None),
            false => {
                parsed.query_pairs_mut().clear().extend_pairs(kept);
            }
        }
        let connect = PgConnectOptions::from_str(parsed.as_str())
            // The driver's sentence names the parameter, and may repeat its value.
            .map_err(|_| wrong("one of its parts is not as it should be"))?;
        let given = connect.get_options().unwrap_or_default().to_owned();
        let missing = SERVER.iter().filter(|(name, _)| !given.contains(&format!("{name}=")));
        let connect = connect.options(missing.copied()).disable_statement_logging();
        let connect = match connect.get_application_name() {
            Some(_) => connect,
            None => connect.application_name("social-channel"),
        };
        Ok(Settings { connect, pool_size })
    }
}

/// `options[search_path]`.
fn is_option(name: &str) -> bool {
    let inner = name.strip_prefix("options[").and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| {
        !inner.is_empty() && inner.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.".contains(&it))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Settings> {
        Settings::of(&SecretText::new(url))
    }

    #[test]
    fn a_url_describes_the_connection_and_its_settings() {
        let settings =
            of("postgres://me:p%40ss@db.example:6432/shop?pool_size=7&options[search_path]=mine").unwrap();
        assert_eq!(settings.pool_size, 7);
        let connect = settings.connect;
        assert_eq!((connect.get_host(), connect.get_port()), ("db.example", 6432));
        assert_eq!(connect.get_database(), Some("shop"));
        let options = connect.get_options().unwrap();
        assert_eq!(options.matches("search_path=").count(), 1, "{options}");
        assert!(
            options.contains("search_path=mine") && options.contains("statement_timeout=30s"),
            "{options}"
        );
        let plain = of("postgres://h/d").unwrap().connect;
        assert!(plain.get_options().unwrap().contains("search_path=social_channel"));
    }

    #[test]
    fn a_wrong_url_is_refused_without_a_word_of_it() {
        for url in [
            "postgres://me:hidden@h:port/d",
            "postgres://me:hidden@h/d?sslmode=hidden",
            "postgres://me:hidden@h/d?pasword=hidden",
            "postgres://me:hidden@h/d?pool_size=0",
            "postgres://me:hidden@h/d?port=hidden",
            "postgres://me:hidden@h/d?options[a=hidden]=1",
        ] {
            let Err(error) = of(url) else { panic!("{url} was taken") };
            let said = format!("{error:?} {error} {:?}", error.remedy);
            assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("database")));
            assert!(!said.contains("hidden") || url.contains("options[a"), "{said}");
        }
    }
}
