//! The connection that a URL describes: `mysql://USER:PASSWORD@HOST:PORT/DATABASE?NAME=VALUE`, for MySQL and MariaDB.
//!
//! The parameters are the driver's for TLS (`ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`) and `socket`, and ours:
//! `table_prefix`, `pool_size`, `statement_timeout` (seconds).

use std::str::FromStr as _;

use social_channel_runtime::SecretText;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use sqlx::ConnectOptions as _;
use sqlx::mysql::MySqlConnectOptions;
use url::Url;

use super::tables::Tables;
use crate::store::remote::POOL_SIZE;

/// The tables' own prefix, so that they can live in the platform's database.
const PREFIX: &str = "social_channel_";
/// A table's name may have 64 characters in MySQL; ours have 20 at most.
const LONGEST_PREFIX: usize = 40;
/// Seconds. Statements take milliseconds.
const STATEMENT: u32 = 30;
/// Statements of one connection that stay prepared: all that there are.
const PREPARED: usize = 256;

/// Parameters of the URL that are passed on. Any other is refused: the driver would go on without it.
const KNOWN: [&str; 9] =
    ["ssl-mode", "sslmode", "ssl-ca", "sslca", "ssl-cert", "sslcert", "ssl-key", "sslkey", "socket"];

/// How to connect.
pub(super) struct Settings {
    pub(super) connect: MySqlConnectOptions,
    pub(super) tables: Tables,
    pub(super) pool_size: u32,
    /// Seconds.
    pub(super) statement_timeout: u32,
    /// The connection stays on this machine.
    pub(super) is_local: bool,
}

impl Settings {
    /// # Errors
    /// `InvalidRequest` that never repeats the URL.
    pub(super) fn of(url: &SecretText) -> Result<Self> {
        let wrong = |message: &str| {
            Error::new(ErrorKind::InvalidRequest, format!("the database's URL is wrong: {message}"))
                .with_field("database")
                .with_remedy("write it as mysql://USER:PASSWORD@HOST:PORT/DATABASE; `@`, `/`, `#`, `?` and `%` in a password as %40, %2F, %23, %3F and %25")
        };
        // Also as MariaDB's own programs write it.
        let text = url.expose();
        let lower = text.get(..10).map(str::to_ascii_lowercase);
        let text = match lower.as_deref() {
            Some("mariadb://") => format!("mysql{}", text.get(7..).unwrap_or_default()),
            _ => text.to_owned(),
        };
        let mut parsed = Url::parse(&text).map_err(|error| wrong(&error.to_string()))?;
        let (mut pool_size, mut prefix, mut statement_timeout) = (POOL_SIZE, PREFIX.to_owned(), STATEMENT);
        let (mut kept, mut has_socket) = (Vec::new(), false);
        for (name, value) in parsed.query_pairs() {
            match &*name {
                "pool_size" => {
                    pool_size = value
                        .parse()
                        .ok()
                        .filter(|size| (2..=1_000).contains(size))
                        .ok_or_else(|| wrong("pool_size is a number from 2 to 1000"))?;
                }
                "statement_timeout" => {
                    statement_timeout =
                        value.parse().ok().filter(|seconds| (1..=3_600).contains(seconds)).ok_or_else(
                            || wrong("statement_timeout is a number of seconds from 1 to 3600"),
                        )?;
                }
                "table_prefix" => {
                    // It becomes a part of statements.
                    let plain = |it: &str| {
                        it.len() <= LONGEST_PREFIX
                            && it.bytes().all(|byte| {
                                byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
                            })
                    };
                    if !plain(&value) {
                        return Err(wrong("table_prefix is at most 40 of `a-z 0-9 _`"));
                    }
                    prefix = value.into_owned();
                }
                known if KNOWN.contains(&known) => {
                    has_socket |= known == "socket";
                    kept.push((name.into_owned(), value.into_owned()));
                }
                other => {
                    let message = format!("it has a parameter `{other}`, which is not known");
                    return Err(wrong(&message));
                }
            }
        }
        if parsed.path().trim_matches('/').is_empty() {
            return Err(wrong("it names no database"));
        }
        match kept.is_empty() {
            true => parsed.set_query(None),
            false => {
                parsed.query_pairs_mut().clear().extend_pairs(kept);
            }
        }
        let host = parsed.host_str().unwrap_or("localhost").trim_matches(['[', ']']).to_owned();
        let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        let connect = MySqlConnectOptions::from_str(parsed.as_str())
            // The driver's sentence may repeat a value.
            .map_err(|_| wrong("one of its parts is not as it should be"))?
            .statement_cache_capacity(PREPARED)
            // `session` says all of this, for a connection of either server.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .set_names(false)
            .disable_statement_logging();
        Ok(Settings {
            connect,
            tables: Tables::new(prefix),
            pool_size,
            statement_timeout,
            is_local: has_socket || host == "localhost" || is_loopback,
        })
    }
}

/// What every connection begins with. `/*M! … */` is for MariaDB and `/*!8… */` for MySQL; the other one ignores it.
///
/// - Strict: a value that does not fit is an error, and not cut off.
/// - READ COMMITTED, see the module's head.
/// - Statements that take too long end; in MySQL only those that read have such a limit, and those that write wait at most
///   for locks.
/// - A process that is stopped in the middle of a transaction holds up the others for some seconds; MySQL knows no limit of
///   its own for that, only for any connection that does nothing.
/// - All references of a job come as one text, and attempts at one post may be many.
pub(super) fn session(statement_timeout: u32) -> String {
    let milliseconds = statement_timeout.saturating_mul(1_000);
    format!(
        "SET NAMES utf8mb4, SESSION sql_mode = 'STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
         SESSION time_zone = '+00:00', SESSION autocommit = 1, SESSION innodb_lock_wait_timeout = 20, \
         SESSION group_concat_max_len = 1048576 \
         /*M!100311 , SESSION max_statement_time = {statement_timeout}, SESSION idle_transaction_timeout = 10, \
         SESSION max_recursive_iterations = 1000000 */ \
         /*!80019 , SESSION max_execution_time = {milliseconds}, SESSION wait_timeout = 60, \
         SESSION cte_max_recursion_depth = 1000000 */; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Settings> {
        Settings::of(&SecretText::new(url))
    }

    #[test]
    fn a_url_describes_the_connection_and_its_settings() {
        let url =
            "mysql://me:p%40ss@db.example:3307/shop?pool_size=7&table_prefix=wp_social_&statement_timeout=5";
        let settings = of(url).unwrap();
        assert_eq!((settings.pool_size, settings.statement_timeout, settings.is_local), (7, 5, false));
        assert_eq!(settings.tables.prefix(), "wp_social_");
        let connect = settings.connect;
        assert_eq!((connect.get_host(), connect.get_port()), ("db.example", 3307));
        assert_eq!((connect.get_username(), connect.get_database()), ("me", Some("shop")));
        let plain = of("MariaDB://127.0.0.1/shop").unwrap();
        assert!(plain.is_local && plain.tables.prefix() == "social_channel_");
        assert!(of("mysql://db.example/shop?socket=/run/s").unwrap().is_local);
    }

    #[test]
    fn a_wrong_url_is_refused_without_a_word_of_it() {
        for url in [
            "mysql://me:hidden@h:port/d",
            "mysql://me:hidden@h/",
            "mysql://me:hidden@h/d?ssl-mode=hidden",
            "mysql://me:hidden@h/d?pasword=hidden",
            "mysql://me:hidden@h/d?pool_size=0",
            "mysql://me:hidden@h/d?statement_timeout=hidden",
            "mysql://me:hidden@h/d?table_prefix=hidden`;",
        ] {
            let Err(error) = of(url) else { panic!("{url} was taken") };
            let said = format!("{error:?} {error} {:?}", error.remedy);
            assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("database")));
            assert!(!said.contains("hidden"), "{said}");
        }
    }
}
