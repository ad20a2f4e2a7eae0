//! Statistics over time.

use super::*;

#[async_trait]
impl SampleStore for Mysql {
    async fn channels_to_sample(&self, since: i64) -> Result<Vec<(TenantId, String)>> {
        let rows = read!(self for "", db => {
            sqlx::query(self.sql("SELECT a.channel, a.tenant FROM {accounts} a WHERE a.health <> 'needs_reconnect'
                 AND NOT EXISTS (SELECT 1 FROM {stats_samples} s
                 WHERE s.tenant = a.tenant AND s.channel = a.channel AND s.at > ?)
                 ORDER BY a.channel"))
            .bind(since)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn newest_sample(&self, tenant: &TenantId, channel: &str) -> Result<Option<i64>> {
        read!(self for tenant.as_str(), db => {
            sqlx::query_scalar(self.sql("SELECT MAX(at) FROM {stats_samples} WHERE tenant = ? AND channel = ?"))
            .bind(tenant.as_str())
            .bind(channel)
            .fetch_one(&mut *db)
            .await
        })
    }

    async fn insert_sample(&self, tenant: &TenantId, channel: &str, at: i64, stats: &str) -> Result<()> {
        write!(self for tenant.as_str(), db => {
            // The channel may have been disconnected while it was sampled.
            let inserted = sqlx::query(self.sql(
                "INSERT INTO {stats_samples} (tenant, channel, at, stats)
                 SELECT tenant, channel, ?, ? FROM {accounts} WHERE tenant = ? AND channel = ?",
            ))
            .bind(at)
            .bind(stats)
            .bind(tenant.as_str())
            .bind(channel)
            .execute(&mut *db)
            .await;
            is_new(inserted).map(drop)
        })
    }

    async fn samples(&self, tenant: &TenantId, channel: &str, since: i64) -> Result<Vec<(i64, String)>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql("SELECT at, stats FROM {stats_samples} WHERE tenant = ? AND channel = ? AND at >= ? ORDER BY at"))
            .bind(tenant.as_str())
            .bind(channel)
            .bind(since)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("stats_samples", &rows, |row| Ok((row.try_get("at")?, text(row, "stats")?))))
    }

    async fn delete_samples(&self, before: i64) -> Result<()> {
        write!(self, db => {
            sqlx::query(self.sql("DELETE FROM {post_samples} WHERE at < ?")).bind(before).execute(&mut *db).await?;
            sqlx::query(self.sql("DELETE FROM {stats_samples} WHERE at < ?")).bind(before).execute(&mut *db).await.map(drop)
        })
    }

    async fn channels_to_sample_posts(&self, since: i64) -> Result<Vec<(TenantId, String)>> {
        let rows = read!(self for "", db => {
            sqlx::query(self.sql("SELECT channel, tenant FROM {accounts} WHERE posts_sampled_at <= ? AND health <> 'needs_reconnect'
                 ORDER BY posts_sampled_at"))
            .bind(since)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn posts_sampled_at(&self, tenant: &TenantId, channel: &str) -> Result<Option<i64>> {
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql("SELECT channel, posts_sampled_at FROM {accounts} WHERE tenant = ? AND channel = ?"))
                .bind(tenant.as_str())
                .bind(channel)
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("accounts", row, |row| row.try_get("posts_sampled_at"))
    }

    async fn begin_post_samples(
        &self,
        tenant: &TenantId,
        channel: &str,
        since: i64,
        now: i64,
    ) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query(self.sql("UPDATE {accounts} SET posts_sampled_at = ?
                 WHERE tenant = ? AND channel = ? AND posts_sampled_at <= ?"))
            .bind(now)
            .bind(tenant.as_str())
            .bind(channel)
            .bind(since)
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn insert_post_samples(
        &self,
        tenant: &TenantId,
        channel: &str,
        at: i64,
        posts: &[(String, String)],
    ) -> Result<()> {
        write!(self for tenant.as_str(), db => {
            for (post, stats) in posts {
                // The end of a line that does not move is moved, instead of another point.
                let last_two: Vec<(i64, Text)> = sqlx::query_as(self.sql("SELECT at, stats FROM {post_samples} WHERE tenant = ? AND channel = ? AND post = ?
                     ORDER BY at DESC LIMIT 2"))
                .bind(tenant.as_str())
                .bind(channel)
                .bind(post)
                .fetch_all(&mut *db)
                .await?;
                if last_two.len() == 2 && last_two.iter().all(|(_, known)| known.0 == *stats) {
                    sqlx::query(self.sql("DELETE FROM {post_samples} WHERE tenant = ? AND channel = ? AND post = ? AND at = ?"))
                    .bind(tenant.as_str())
                    .bind(channel)
                    .bind(post)
                    .bind(last_two.first().map(|(at, _)| *at))
                    .execute(&mut *db)
                    .await?;
                }
                // The channel may have been disconnected while it was sampled.
                let inserted = sqlx::query(self.sql(
                    "INSERT INTO {post_samples} (tenant, channel, post, at, stats)
                     SELECT tenant, channel, ?, ?, ? FROM {accounts} WHERE tenant = ? AND channel = ?",
                ))
                .bind(post)
                .bind(at)
                .bind(stats)
                .bind(tenant.as_str())
                .bind(channel)
                .execute(&mut *db)
                .await;
                is_new(inserted)?;
            }
            Ok(())
        })
    }

    async fn post_samples(
        &self,
        tenant: &TenantId,
        channel: &str,
        post: &str,
        since: i64,
    ) -> Result<Vec<(i64, String)>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql("SELECT at, stats FROM {post_samples} WHERE tenant = ? AND channel = ? AND post = ? AND at >= ?
                 ORDER BY at"))
            .bind(tenant.as_str())
            .bind(channel)
            .bind(post)
            .bind(since)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("post_samples", &rows, |row| Ok((row.try_get("at")?, text(row, "stats")?))))
    }
}
