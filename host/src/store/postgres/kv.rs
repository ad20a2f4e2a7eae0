//! Values of providers: counters, registrations, nonces. The end of the server's machine may lose the most recent writes,
//! because waiting for the disk would take longer than the counted call itself.

use social_channel_runtime::StorageError;

use super::*;
use crate::kv::StoredValue;

/// Values an app's provider may keep. A provider that needs more is using the store as a database.
const VALUES_PER_APP: i64 = 10_000;
/// Bytes of these values together, as they are stored: tokens and counters take kilobytes. Values of less than a
/// 10,000th of it are not added up, so together it is at most twice this. Calls at the same moment may each be let in.
const BYTES_PER_APP: i64 = 32 << 20;

/// Replaces a value that has the version `$5` (NULL: any), without waiting for the disk as [`write_relaxed`]. The version is drawn once
/// the row is ours, because a row that changed meanwhile is judged again.
const REPLACE: &str = "UPDATE provider_values v
    SET value = $3, version = nextval('provider_values_version'), expires_at = $4
    FROM (SELECT set_config('synchronous_commit', 'off', true)) relaxed
    WHERE v.app = $1 AND v.key = $2 AND ($5::bigint IS NULL OR v.version = $5) AND (v.expires_at IS NULL OR v.expires_at > $6)
    RETURNING v.version";

/// The result of a conditional write.
enum Set {
    Written(u64),
    Conflict,
    Full,
}

fn unavailable(error: Error) -> StorageError {
    StorageError::Unavailable(error.message)
}

impl Postgres {
    async fn value(&self, app: &str, key: &str) -> Result<Option<StoredValue>> {
        let now = self.clock.now_ms();
        let row = read!(self for app, db => {
            sqlx::query(
                "SELECT encode(key, 'escape') AS name, value, version, expires_at FROM provider_values
                 WHERE app = $1 AND key = $2 AND (expires_at IS NULL OR expires_at > $3)",
            )
            .bind(text(app))
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
        if is_small && if_version != Some(0) {
            // Most writes: the next state of what is there, in one statement. Where it is run again after a lost answer, its
            // own version is a conflict, and whoever writes looks again.
            let written: Option<i64> = write_one!(self for app, db => {
                sqlx::query_scalar(REPLACE)
                    .bind(text(app))
                    .bind(key.as_bytes())
                    .bind(value)
                    .bind(expires_at)
                    .bind(if_version.map(u64::cast_signed))
                    .bind(now)
                    .fetch_optional(&mut *db)
                    .await
            })?;
            match written {
                Some(version) => return Ok(Set::Written(version.cast_unsigned())),
                None if if_version.is_some() => return Ok(Set::Conflict),
                None => {}
            }
        }
        let written: i64 = write_one!(self for app, db => {
            sqlx::query_scalar("SELECT set_value($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(text(app))
                .bind(key.as_bytes())
                .bind(value)
                .bind(if_version.map(u64::cast_signed))
                .bind(expires_at)
                .bind(now)
                .bind(VALUES_PER_APP)
                .bind(BYTES_PER_APP)
                .fetch_one(&mut *db)
                .await
        })?;
        Ok(match written {
            -1 => Set::Full,
            0 => Set::Conflict,
            version => Set::Written(version.cast_unsigned()),
        })
    }

    async fn delete_value(&self, app: &str, key: &str) -> Result<()> {
        write_relaxed!(self for app, db => {
            sqlx::query("DELETE FROM provider_values WHERE app = $1 AND key = $2")
                .bind(text(app))
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
            sqlx::query(
                "SELECT key FROM provider_values
                 WHERE app = $1 AND substr(key, 1, length($2)) = $2 AND key > $3 AND key >= $2
                 AND (expires_at IS NULL OR expires_at > $4) ORDER BY key LIMIT $5",
            )
            .bind(text(app))
            .bind(prefix.as_bytes())
            .bind(after.unwrap_or("").as_bytes())
            .bind(now)
            .bind(i64::from(limit))
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("provider_values", &rows, |row| {
            String::from_utf8(row.try_get("key")?).map_err(|error| row::malformed("key", error))
        }))
    }
}

#[async_trait]
impl KeyValueStore for Postgres {
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
