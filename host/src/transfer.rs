//! Moving everything from one database to another, and a look at one: what an operator does before and after.

use std::sync::Arc;

use serde::Serialize;
use social_channel_runtime::clock::SystemClock;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::model::{Finding, Severity};

use crate::builder::HostBuilder;
use crate::database::Database;
use crate::store::{Side, SqliteSide, copy};

/// What a copy moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopiedTable {
    /// The table.
    pub table: String,
    /// Its rows, which are in both databases, with the same checksum.
    pub rows: u64,
}

/// Moves everything that is in one database to another, whatever their kinds: apps, components, accounts, jobs with their
/// states and histories, documents. Sealed values stay as they are, so both have the same master key. Uploads are files, and
/// none of it.
///
/// The target must be new. Afterwards the source is refused by whoever opens it, or two databases with the same jobs would
/// post twice; `keep_source` leaves it in use, for a trial. If the future is dropped or the process killed, the target is
/// refused as not whole, and the next call begins anew. `told` is called with each table and its rows so far.
///
/// # Errors
/// `InvalidRequest` for a target that is not empty, `NotFound` for a source that does not exist, `Misconfigured` while other
/// processes use one of them, as far as that can be known; and failures of both.
pub async fn copy_database(
    from: &Database,
    to: &Database,
    keep_source: bool,
    mut told: impl FnMut(&str, u64) + Send,
) -> Result<Vec<CopiedTable>> {
    if from == to {
        return Err(wrong("a database is not copied to itself", "name a new database as the target"));
    }
    let mut source = side(from, false).await?;
    let mut target = match side(to, true).await {
        Ok(target) => target,
        Err(error) => {
            source.close().await;
            return Err(error);
        }
    };
    let copied = copy(&mut *source, &mut *target, &to.to_string(), keep_source, &mut told).await;
    // In this order: the locks of the source outlive the target's.
    target.close().await;
    source.close().await;
    Ok(copied?.into_iter().map(|(table, rows)| CopiedTable { table: table.to_owned(), rows }).collect())
}

/// Opens a database for a copy. Here a driver names itself.
async fn side(database: &Database, create: bool) -> Result<Box<dyn Side>> {
    Ok(match database {
        Database::Sqlite(path) => Box::new(SqliteSide::open(path, create, Arc::new(SystemClock)).await?),
        #[cfg(feature = "postgres")]
        Database::Postgres(url) => Box::new(crate::store::PostgresSide::open(url).await?),
        #[cfg(not(feature = "postgres"))]
        Database::Postgres(_) => {
            return Err(wrong(
                "this program was built without PostgreSQL",
                "use one with the feature `postgres`",
            ));
        }
        #[cfg(feature = "mysql")]
        Database::Mysql(url) => Box::new(crate::store::MysqlSide::open(url).await?),
        #[cfg(not(feature = "mysql"))]
        Database::Mysql(_) => {
            return Err(wrong("this program was built without MySQL", "use one with the feature `mysql`"));
        }
        Database::Other(_) => {
            return Err(wrong(
                "the database is of a kind that is not known",
                "give the path of a SQLite file, or postgres:// or mysql://USER:PASSWORD@HOST/DATABASE",
            ));
        }
    })
}

fn wrong(message: &str, remedy: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).with_field("database").with_remedy(remedy)
}

impl HostBuilder {
    /// Looks at the database that this configuration names: whether it can be opened, fits this program and its key, and keeps
    /// what it is given. No file is made; in a database server's database the tables are made, and brought to this program's
    /// schema, as by opening a host. May take as long as reading all of it. Dropping the future changes nothing else.
    pub async fn check_database(self) -> Vec<Finding> {
        let finding = |severity, message: String, remedy: Option<String>| Finding {
            severity,
            subject: "database".to_owned(),
            message,
            remedy,
            code: None,
            details: Default::default(),
        };
        if let Some(path) = self.database_path().filter(|path| !path.exists()) {
            let message = format!("there is no database {}", path.display());
            return vec![finding(Severity::Error, message, Some("check the path".to_owned()))];
        }
        let host = match self.background(false).open().await {
            Ok(host) => host,
            Err(error) => return vec![finding(Severity::Error, error.message, error.remedy)],
        };
        let mut findings = match host.parts.store.examine().await {
            Ok(found) => found,
            Err(error) => vec![finding(Severity::Error, error.message, error.remedy)],
        };
        findings.push(finding(Severity::Ok, "the master key fits".to_owned(), None));
        let doubts = host.doubts().iter().filter(|doubt| doubt.subject != "uploads");
        findings.extend(doubts.cloned());
        host.close(std::time::Duration::ZERO).await;
        findings
    }
}
