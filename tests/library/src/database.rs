//! The database that several processes share, and what happens to it.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
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

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "sqlite" => Kind::Sqlite,
            "postgres" => Kind::Postgres,
            "mariadb" => Kind::Mariadb,
            other => bail!("there is no database {other}: sqlite, postgres or mariadb"),
        })
    }
}

/// A running database.
#[derive(Debug)]
pub enum Database {
    /// A file.
    Sqlite,
    /// A server of Debian's PostgreSQL.
    Postgres(postgres_server::Server),
    /// A server of Debian's MariaDB.
    Mariadb(mariadb_server::Server),
}

/// The file in which worker processes find the server's address. Without it the database is a file.
const ADDRESS: &str = "server-url";
/// Beside a server no key is made by itself.
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Chooses the database of the folder.
pub fn choose(builder: HostBuilder, folder: &Path) -> HostBuilder {
    match std::fs::read_to_string(folder.join(ADDRESS)) {
        Ok(url) => builder
            .database(url)
            .key(KeySource::Text(SecretText::new(KEY)))
            .upload_folder(folder.join("uploads")),
        Err(_) => builder,
    }
}

impl Database {
    /// Starts a server, if it needs one, for all processes of the folder.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(kind: Kind, folder: &Path) -> Result<Self> {
        Self::start_with(kind, folder, &[])
    }

    /// The same with settings of the server.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_with(kind: Kind, folder: &Path, settings: &[&str]) -> Result<Self> {
        Ok(match kind {
            Kind::Sqlite => Database::Sqlite,
            Kind::Postgres => {
                let server = postgres_server::Server::start(settings)?;
                std::fs::write(folder.join(ADDRESS), server.url())?;
                Database::Postgres(server)
            }
            Kind::Mariadb => {
                let server = mariadb_server::Server::start(settings)?;
                std::fs::write(folder.join(ADDRESS), server.url())?;
                Database::Mariadb(server)
            }
        })
    }

    /// Lets all processes of the folder reach PostgreSQL by its socket.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn by_socket(&self, folder: &Path) -> Result<()> {
        if let Database::Postgres(server) = self {
            std::fs::write(folder.join(ADDRESS), server.url_by_socket())?;
        }
        Ok(())
    }

    /// Kills the server with all that is under way, and starts it again. False: there is none.
    ///
    /// # Errors
    /// If it does not come back.
    pub fn kill(&self) -> Result<bool> {
        let again = match self {
            Database::Sqlite => return Ok(false),
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
    ///
    /// # Errors
    /// What the server says.
    pub fn cut(&self) -> Result<bool> {
        match self {
            Database::Sqlite => return Ok(false),
            Database::Postgres(server) => drop(server.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'social-channel'",
            )?),
            Database::Mariadb(server) => server.cut()?,
        }
        Ok(true)
    }
}
