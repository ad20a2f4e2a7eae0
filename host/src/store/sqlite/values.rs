//! What providers remember: counts, registrations, nonces. A power cut may take back the last moments of it, as if
//! the calls had not been; waiting for the disk would cost every counted call more than the call itself.

use super::*;

/// Values an app's provider may keep. A provider that wants more is using the store as a database.
const VALUES_PER_APP: i64 = 10_000;

#[async_trait]
impl ValueStore for Sqlite {
    async fn value(&self, app: &str, key: &str, now: i64) -> Result<Option<ValueRow>> {
        let row = sqlx::query(
            "SELECT value, version FROM provider_values
             WHERE app = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)",
        )
        .bind(app)
        .bind(key)
        .bind(now)
        .fetch_optional(&self.readers)
        .await
        .map_err(failure)?;
        Ok(row
            .map(|row| ValueRow { value: Sealed(row.get(0)), version: row.get::<i64, _>(1).cast_unsigned() }))
    }

    async fn set_value(
        &self,
        app: &str,
        key: &str,
        value: &Sealed,
        if_version: Option<u64>,
        expires_at: Option<i64>,
        now: i64,
    ) -> Result<SetValue> {
        write_relaxed!(self, db => {
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
                return Ok(SetValue::Conflict);
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
                    return Ok(SetValue::Full);
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
            .bind(&value.0)
            .bind(version)
            .bind(expires_at)
            .execute(&mut *db)
            .await?;
            Ok(SetValue::Written(version.cast_unsigned()))
        })
    }

    async fn delete_value(&self, app: &str, key: &str) -> Result<()> {
        write_relaxed!(self, db => {
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
        now: i64,
        limit: u32,
    ) -> Result<Vec<String>> {
        // `substr` and not LIKE: a prefix may hold `%` and `_`, and LIKE ignores case.
        sqlx::query_scalar(
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
        .map_err(failure)
    }
}
