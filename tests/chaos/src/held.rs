//! What a process holds, as the database says.

use std::path::Path;

use anyhow::Result;
use library_tests::database::Database;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

/// The channels that a process is refreshing.
pub(crate) async fn refreshed_by(database: &Database, folder: &Path, process: u32) -> Result<Vec<String>> {
    let answer = match database {
        Database::Sqlite => {
            let path = folder.join("social-channel.sqlite");
            let mut file = SqliteConnectOptions::new().filename(path).read_only(true).connect().await?;
            let held = sqlx::query_scalar("SELECT channel FROM accounts WHERE lease_owner LIKE ?");
            return Ok(held.bind(format!("%|{process}|%")).fetch_all(&mut file).await?);
        }
        Database::Postgres(server) => server.run(&format!(
            "SELECT channel FROM social_channel.accounts WHERE lease_owner LIKE '{process}/%'"
        ))?,
        Database::Mariadb(server) => server.run(&format!(
            "SELECT channel FROM social_channel_accounts WHERE lease_owner LIKE '{process}/%'"
        ))?,
    };
    Ok(answer.lines().map(str::to_owned).collect())
}
