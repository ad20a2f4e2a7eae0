//! Statistics over time.

use super::*;

#[async_trait]
impl SampleStore for Sqlite {
    async fn channels_to_sample(&self, since: i64) -> Result<Vec<(TenantId, String)>> {
        let rows = sqlx::query(
            "SELECT a.channel, a.tenant FROM accounts a WHERE a.health <> 'needs_reconnect'
             AND NOT EXISTS (SELECT 1 FROM stats_samples s
               WHERE s.tenant = a.tenant AND s.channel = a.channel AND s.at > ?)
             ORDER BY a.channel",
        )
        .bind(since)
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn newest_sample(&self, tenant: &TenantId, channel: &str) -> Result<Option<i64>> {
        sqlx::query_scalar(
            "SELECT max(at) FROM stats_samples WHERE tenant = ? AND channel = ?
             AND typeof(at) = 'integer'",
        )
        .bind(tenant.as_str())
        .bind(channel)
        .fetch_one(&mut *self.reader(tenant).await?)
        .await
        .map_err(failure)
    }

    async fn insert_sample(&self, tenant: &TenantId, channel: &str, at: i64, stats: &str) -> Result<()> {
        write!(self for tenant.as_str(), db => {
            // The channel may have been disconnected while it was sampled.
            sqlx::query(
                "INSERT OR IGNORE INTO stats_samples (tenant, channel, at, stats)
                 SELECT tenant, channel, ?, ? FROM accounts WHERE tenant = ? AND channel = ?",
            )
            .bind(at)
            .bind(stats)
            .bind(tenant.as_str())
            .bind(channel)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn samples(&self, tenant: &TenantId, channel: &str, since: i64) -> Result<Vec<(i64, String)>> {
        let rows = sqlx::query(
            "SELECT at, stats FROM stats_samples WHERE tenant = ? AND channel = ? AND at >= ? ORDER BY at",
        )
        .bind(tenant.as_str())
        .bind(channel)
        .bind(since)
        .fetch_all(&mut *self.reader(tenant).await?)
        .await
        .map_err(failure)?;
        Ok(row::all("stats_samples", &rows, |row| Ok((row.try_get("at")?, row.try_get("stats")?))))
    }

    async fn delete_samples(&self, before: i64) -> Result<()> {
        write!(self, db => {
            sqlx::query("DELETE FROM stats_samples WHERE at < ?").bind(before).execute(&mut *db).await.map(drop)
        })
    }
}
