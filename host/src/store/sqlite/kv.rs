//! Values of providers: counters, registrations, nonces. A power failure may lose the most recent writes, because
//! waiting for the disk would take longer than the counted call itself.

use social_channel_runtime::StorageError;

use super::*;
use crate::kv::StoredValue;

/// Values an app's provider may keep. A provider that needs more is using the store as a database.
const VALUES_PER_APP: i64 = 10_000;
/// Bytes of these values together, as they are stored: tokens and counters take kilobytes. Values of less than a
/// 10,000th of it are not added up, so together it is at most twice this.
const BYTES_PER_APP: i64 = 32 << 20;

/// Replaces a value that has a version, in one statement and so in one transaction: a trigger sets the counter to the new
/// version.
const REPLACE: &str = "UPDATE provider_values SET value = ?, expires_at = ?,
    version = (SELECT value + 1 FROM counters WHERE name = 'provider_values')
    WHERE app = ? AND key = ? AND version = ? AND (expires_at IS NULL OR expires_at > ?) RETURNING version";

/// The result of a conditional write.
enum Set {
    Written(u64),
    Conflict,
    Full,
}

fn unavailable(error: Error) -> StorageError {
    StorageError::Unavailable(error.message)
}

impl Sqlite {
    async fn value(&self, app: &str, key: &str) -> Result<Option<StoredValue>> {
        const QUERY: &str = "SELECT key, value, version, expires_at FROM provider_values
             WHERE app = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)";
        let now = self.clock.now_ms();
        let read = |row: &rusqlite::Row<'_>| {
            row.get_ref("key")?.as_str()?;
            let version: i64 = row.get("version")?;
            let (value, expires_at) = (row.get("value")?, row.get("expires_at")?);
            Ok(StoredValue { value, version: version.cast_unsigned(), expires_at })
        };
        let direct = self.direct.as_ref();
        if let Some(value) = direct.and_then(|direct| direct.row(QUERY, (app, key, now), read)) {
            return Ok(value);
        }
        let row = sqlx::query(QUERY)
            .bind(app)
            .bind(key)
            .bind(now)
            .fetch_optional(&mut *self.reader_for(app).await?)
            .await
            .map_err(failure)?;
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
            // Most writes: the next state of a ledger, in one go.
            let written: Vec<i64> = write_one_relaxed!(self for app, db => {
                sqlx::query_scalar(REPLACE)
                    .bind(value)
                    .bind(expires_at)
                    .bind(app)
                    .bind(key)
                    .bind(version.cast_signed())
                    .bind(now)
                    .fetch_all(db)
                    .await
            })?;
            return Ok(written
                .first()
                .map_or(Set::Conflict, |version| Set::Written(version.cast_unsigned())));
        }
        write_relaxed!(self for app, db => {
            let current: Option<i64> = sqlx::query_scalar(
                "SELECT version FROM provider_values
                 WHERE app = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)",
            )
            .bind(app)
            .bind(key)
            .bind(now)
            .fetch_optional(&mut *db)
            .await?;
            if if_version.is_some_and(|wanted| wanted != current.unwrap_or(0).cast_unsigned()) {
                return Ok(Set::Conflict);
            }
            if current.is_none() {
                sqlx::query("DELETE FROM provider_values WHERE app = ? AND expires_at <= ?")
                    .bind(app)
                    .bind(now)
                    .execute(&mut *db)
                    .await?;
                let count: i64 = sqlx::query_scalar("SELECT count(*) FROM provider_values WHERE app = ?")
                    .bind(app)
                    .fetch_one(&mut *db)
                    .await?;
                if count >= VALUES_PER_APP {
                    return Ok(Set::Full);
                }
            }
            if !is_small {
                // The sum comes from an index alone.
                let others: i64 = sqlx::query_scalar(
                    "SELECT coalesce(sum(length(value)), 0) - coalesce((SELECT length(value) FROM provider_values
                     WHERE app = ?1 AND key = ?2), 0) FROM provider_values WHERE app = ?1",
                )
                .bind(app)
                .bind(key)
                .fetch_one(&mut *db)
                .await?;
                if others.saturating_add(size) > BYTES_PER_APP {
                    return Ok(Set::Full);
                }
            }
            let version: i64 = sqlx::query_scalar(
                "UPDATE counters SET value = value + 1 WHERE name = 'provider_values' RETURNING value",
            )
            .fetch_one(&mut *db)
            .await?;
            sqlx::query(
                "INSERT INTO provider_values (app, key, value, version, expires_at) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (app, key) DO UPDATE SET value = excluded.value, version = excluded.version,
                 expires_at = excluded.expires_at",
            )
            .bind(app)
            .bind(key)
            .bind(value)
            .bind(version)
            .bind(expires_at)
            .execute(&mut *db)
            .await?;
            Ok(Set::Written(version.cast_unsigned()))
        })
    }

    async fn delete_value(&self, app: &str, key: &str) -> Result<()> {
        write_relaxed!(self for app, db => {
            sqlx::query("DELETE FROM provider_values WHERE app = ? AND key = ?")
                .bind(app)
                .bind(key)
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
        // `substr` and not LIKE, because a prefix may contain `%` and `_`, and LIKE ignores case.
        let rows = sqlx::query(
            "SELECT key FROM provider_values
             WHERE app = ? AND substr(key, 1, length(?)) = ? AND key > ?
             AND (expires_at IS NULL OR expires_at > ?) ORDER BY key LIMIT ?",
        )
        .bind(app)
        .bind(prefix)
        .bind(prefix)
        .bind(after.unwrap_or(""))
        .bind(now)
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        Ok(row::all("provider_values", &rows, |row| row.try_get("key")))
    }
}

#[async_trait]
impl KeyValueStore for Sqlite {
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
