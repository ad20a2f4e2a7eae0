//! Values of providers: counters, registrations, nonces. They are as durable as all else: MySQL knows no transaction that
//! does not wait for the disk where others do.

use social_channel_runtime::StorageError;

use super::*;
use crate::kv::StoredValue;

/// Values an app's provider may keep. A provider that needs more is using the store as a database.
const VALUES_PER_APP: i64 = 10_000;
/// Bytes of these values together, as they are stored: tokens and counters take kilobytes. Values of less than a
/// 10,000th of it are not added up, so together it is at most twice this. Calls at the same moment may each be let in.
const BYTES_PER_APP: i64 = 32 << 20;

/// Replaces a value that has a version, in one statement (value, size, expiry, app, name, version, now). Locked, so that the
/// version that is compared is the one that is replaced. A new row, whose number is the version.
const REPLACE: &str = "REPLACE INTO {provider_values} (app, name, value, size, expires_at)
    SELECT v.app, v.name, ?, ?, ? FROM {provider_values} v
    WHERE v.app = ? AND v.name = ? AND v.version = ? AND (v.expires_at IS NULL OR v.expires_at > ?) FOR UPDATE";

/// The result of a conditional write.
enum Set {
    Written(u64),
    Conflict,
    Full,
}

fn unavailable(error: Error) -> StorageError {
    StorageError::Unavailable(error.message)
}

impl Mysql {
    async fn value(&self, app: &str, key: &str) -> Result<Option<StoredValue>> {
        let now = self.clock.now_ms();
        let row = read!(self for app, db => {
            sqlx::query(self.sql("SELECT name, value, version, expires_at FROM {provider_values}
                 WHERE app = ? AND name = ? AND (expires_at IS NULL OR expires_at > ?)"))
            .bind(app)
            .bind(key.as_bytes())
            .bind(now)
            .fetch_optional(&mut *db)
            .await
        })?;
        row::one("provider_values", row, |row| {
            Ok(StoredValue {
                value: row.try_get("value")?,
                version: row.try_get::<i64, _>("version")?.cast_unsigned(),
                expires_at: row.try_get("expires_at")?,
            })
        })
    }

    async fn set_value(
        &self,
        app: &str,
        key: &str,
        value: &[u8],
        if_version: Option<u64>,
        expires_at: Option<i64>,
    ) -> Result<Set> {
        let now = self.clock.now_ms();
        // Small values are bounded by their number alone, so counters and ledgers pay nothing for a sum.
        let size = i64::try_from(value.len()).unwrap_or(i64::MAX);
        let is_small = size <= BYTES_PER_APP / VALUES_PER_APP;
        if let Some(version) = if_version.filter(|version| is_small && *version > 0) {
            // Most writes: the next state of a ledger. Where it is run again after a lost answer, its own version is a
            // conflict, and whoever writes looks again.
            let written = write_one!(self for app, db => {
                sqlx::query(self.sql(REPLACE))
                    .bind(value)
                    .bind(size)
                    .bind(expires_at)
                    .bind(app)
                    .bind(key.as_bytes())
                    .bind(version.cast_signed())
                    .bind(now)
                    .execute(&mut *db)
                    .await
            })?;
            return Ok(match written.rows_affected() {
                0 => Set::Conflict,
                _ => Set::Written(written.last_insert_id()),
            });
        }
        write!(self for app, db => {
            // Locked, so that the version that is compared is the one that is replaced.
            let current: Option<i64> = sqlx::query_scalar(self.sql("SELECT version FROM {provider_values}
                 WHERE app = ? AND name = ? AND (expires_at IS NULL OR expires_at > ?) FOR UPDATE"))
            .bind(app)
            .bind(key)
            .bind(now)
            .fetch_optional(&mut *db)
            .await?;
            if if_version.is_some_and(|wanted| wanted != current.unwrap_or(0).cast_unsigned()) {
                return Ok(Set::Conflict);
            }
            if current.is_none() {
                sqlx::query(self.sql("DELETE FROM {provider_values} WHERE app = ? AND expires_at <= ?"))
                    .bind(app)
                    .bind(now)
                    .execute(&mut *db)
                    .await?;
                let count: i64 = sqlx::query_scalar(self.sql("SELECT COUNT(*) FROM {provider_values} WHERE app = ?"))
                    .bind(app)
                    .fetch_one(&mut *db)
                    .await?;
                if count >= VALUES_PER_APP {
                    return Ok(Set::Full);
                }
            }
            if !is_small {
                // The sum comes from an index alone.
                let others: i64 = sqlx::query_scalar(self.sql("SELECT CAST(COALESCE(SUM(size), 0) AS SIGNED) FROM {provider_values} WHERE app = ? AND name <> ?"))
                .bind(app)
                .bind(key)
                .fetch_one(&mut *db)
                .await?;
                if others.saturating_add(size) > BYTES_PER_APP {
                    return Ok(Set::Full);
                }
            }
            // A new row, whose number is the version. Where nothing may be there, another call may have come first.
            let put = match if_version {
                Some(0) => "INSERT INTO {provider_values} (app, name, value, size, expires_at) VALUES (?, ?, ?, ?, ?)",
                _ => "REPLACE INTO {provider_values} (app, name, value, size, expires_at) VALUES (?, ?, ?, ?, ?)",
            };
            let put = sqlx::query(self.sql(put))
                .bind(app)
                .bind(key)
                .bind(value)
                .bind(size)
                .bind(expires_at)
                .execute(&mut *db)
                .await;
            match put {
                Ok(put) => Ok(Set::Written(put.last_insert_id())),
                Err(error) if if_version == Some(0) && is_duplicate(&error) => Ok(Set::Conflict),
                Err(error) => Err(error),
            }
        })
    }

    async fn delete_value(&self, app: &str, key: &str) -> Result<()> {
        write!(self for app, db => {
            sqlx::query(self.sql("DELETE FROM {provider_values} WHERE app = ? AND name = ?"))
                .bind(app)
                .bind(key.as_bytes())
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    async fn value_keys(
        &self,
        app: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>> {
        let now = self.clock.now_ms();
        let rows = read!(self for app, db => {
            sqlx::query(self.sql("SELECT name FROM {provider_values}
                 WHERE app = ? AND LEFT(name, ?) = ? AND name > ? AND name >= ?
                 AND (expires_at IS NULL OR expires_at > ?) ORDER BY name LIMIT ?"))
            .bind(app)
            .bind(i64::try_from(prefix.len()).unwrap_or(i64::MAX))
            .bind(prefix.as_bytes())
            .bind(after.unwrap_or("").as_bytes())
            .bind(prefix.as_bytes())
            .bind(now)
            .bind(i64::from(limit))
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("provider_values", &rows, |row| text(row, "name")))
    }
}

#[async_trait]
impl KeyValueStore for Mysql {
    async fn get(&self, app: &str, key: &str) -> Result<Option<StoredValue>, StorageError> {
        self.value(app, key).await.map_err(unavailable)
    }

    async fn set(
        &self,
        app: &str,
        key: &str,
        value: &[u8],
        if_version: Option<u64>,
        expires_at: Option<i64>,
    ) -> Result<u64, StorageError> {
        match self.set_value(app, key, value, if_version, expires_at).await.map_err(unavailable)? {
            Set::Written(version) => Ok(version),
            Set::Conflict => Err(StorageError::Conflict),
            Set::Full => Err(StorageError::LimitExceeded),
        }
    }

    async fn delete(&self, app: &str, key: &str) -> Result<(), StorageError> {
        self.delete_value(app, key).await.map_err(unavailable)
    }

    async fn list_keys(
        &self,
        app: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StorageError> {
        self.value_keys(app, prefix, after, limit).await.map_err(unavailable)
    }
}
