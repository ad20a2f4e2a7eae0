//! The database that the processes share, and what happens to it.

use std::path::Path;

use anyhow::{Context as _, Result};
use social_channel::{HostBuilder, KeySource, SecretText};

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    Sqlite,
    /// A server, which is killed as well.
    Postgres,
    /// The same.
    Mariadb,
}

/// A running database.
pub(crate) enum Database {
    Sqlite(sqlx::SqlitePool),
    Postgres(postgres_server::Server),
    Mariadb(mariadb_server::Server),
}

/// The file in which worker processes find the server's address. Without it the database is a file.
const ADDRESS: &str = "server-url";
/// Beside a server no key is made by itself.
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Chooses the database of the folder.
pub(crate) fn choose(builder: HostBuilder, folder: &Path) -> HostBuilder {
    match std::fs::read_to_string(folder.join(ADDRESS)) {
        Ok(url) => builder
            .database(url)
            .key(KeySource::Text(SecretText::new(KEY)))
            .upload_folder(folder.join("uploads")),
        Err(_) => builder,
    }
}

impl Database {
    /// Starts a server, if it needs one.
    pub(crate) fn start(kind: Kind, folder: &Path) -> Result<Self> {
        Ok(match kind {
            Kind::Sqlite => {
                let path = folder.join("social-channel.sqlite");
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true);
                Database::Sqlite(sqlx::SqlitePool::connect_lazy_with(options))
            }
            Kind::Postgres => {
                let server = postgres_server::Server::start(&[])?;
                std::fs::write(folder.join(ADDRESS), server.url())?;
                Database::Postgres(server)
            }
            Kind::Mariadb => {
                let server = mariadb_server::Server::start(&[])?;
                std::fs::write(folder.join(ADDRESS), server.url())?;
                Database::Mariadb(server)
            }
        })
    }

    /// The channels that a process is refreshing.
    pub(crate) async fn refreshed_by(&self, process: u32) -> Result<Vec<String>> {
        match self {
            Database::Sqlite(pool) => {
                let held = sqlx::query_scalar("SELECT channel FROM accounts WHERE lease_owner LIKE ?");
                Ok(held.bind(format!("%|{process}|%")).fetch_all(pool).await?)
            }
            Database::Postgres(server) => {
                let held = server.run(&format!(
                    "SELECT channel FROM social_channel.accounts WHERE lease_owner LIKE '{process}/%'"
                ))?;
                Ok(held.lines().map(str::to_owned).collect())
            }
            Database::Mariadb(server) => {
                let held = server.run(&format!(
                    "SELECT channel FROM social_channel_accounts WHERE lease_owner LIKE '{process}/%'"
                ))?;
                Ok(held.lines().map(str::to_owned).collect())
            }
        }
    }

    /// Kills the server with all that is under way, and starts it again. False: there is none.
    pub(crate) fn kill(&self) -> Result<bool> {
        let again = match self {
            Database::Sqlite(_) => return Ok(false),
            Database::Postgres(server) => {
                server.kill()?;
                server.start_again()
            }
            Database::Mariadb(server) => {
                server.kill()?;
                server.start_again()
            }
        };
        again.context("the database does not come back")?;
        Ok(true)
    }

    /// Cuts every connection. False: there are none.
    pub(crate) fn cut(&self) -> Result<bool> {
        match self {
            Database::Sqlite(_) => return Ok(false),
            Database::Postgres(server) => drop(server.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'social-channel'",
            )?),
            Database::Mariadb(server) => server.cut()?,
        }
        Ok(true)
    }
}
