//! Statistics over time.

use super::*;

#[async_trait]
impl SampleStore for Postgres {
    async fn channels_to_sample(&self, since: i64) -> Result<Vec<(TenantId, String)>> {
        let rows = read!(self for "", db => {
            sqlx::query(
                "SELECT a.channel, a.tenant FROM accounts a WHERE a.health <> 'needs_reconnect'
                 AND NOT EXISTS (SELECT 1 FROM stats_samples s
                 WHERE s.tenant = a.tenant AND s.channel = a.channel AND s.at > $1)
                 ORDER BY a.channel",
            )
            .bind(since)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn newest_sample(&self, tenant: &TenantId, channel: &str) -> Result<Option<i64>> {
        read!(self for tenant.as_str(), db => {
            sqlx::query_scalar(
                "SELECT max(at) FROM stats_samples WHERE tenant = $1 AND channel = $2",
            )
            .bind(tenant.as_str())
            .bind(text(channel))
            .fetch_one(&mut *db)
            .await
        })
    }

    async fn insert_sample(&self, tenant: &TenantId, channel: &str, at: i64, stats: &str) -> Result<()> {
        write!(self for tenant.as_str(), db => {
            // The channel may have been disconnected while it was sampled.
            sqlx::query(
                "INSERT INTO stats_samples (tenant, channel, at, stats)
                 SELECT tenant, channel, $1, $2 FROM accounts WHERE tenant = $3 AND channel = $4
                 ON CONFLICT DO NOTHING",
            )
            .bind(at)
            .bind(text(stats))
            .bind(tenant.as_str())
            .bind(text(channel))
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn samples(&self, tenant: &TenantId, channel: &str, since: i64) -> Result<Vec<(i64, String)>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(
                "SELECT at, stats FROM stats_samples WHERE tenant = $1 AND channel = $2 AND at >= $3 ORDER BY at",
            )
            .bind(tenant.as_str())
            .bind(text(channel))
            .bind(since)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("stats_samples", &rows, |row| Ok((row.try_get("at")?, row.try_get("stats")?))))
    }

    async fn delete_samples(&self, before: i64) -> Result<()> {
        write!(self, db => {
            sqlx::query("DELETE FROM post_samples WHERE at < $1").bind(before).execute(&mut *db).await?;
            sqlx::query("DELETE FROM stats_samples WHERE at < $1").bind(before).execute(&mut *db).await.map(drop)
        })
    }

    async fn channels_to_sample_posts(&self, since: i64) -> Result<Vec<(TenantId, String)>> {
        let rows = read!(self for "", db => {
            sqlx::query(
                "SELECT channel, tenant FROM accounts WHERE posts_sampled_at <= $1 AND health <> 'needs_reconnect'
                 ORDER BY posts_sampled_at",
            )
            .bind(since)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn posts_sampled_at(&self, tenant: &TenantId, channel: &str) -> Result<Option<i64>> {
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query("SELECT channel, posts_sampled_at FROM accounts WHERE tenant = $1 AND channel = $2")
                .bind(tenant.as_str())
                .bind(text(channel))
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
            let done = sqlx::query(
                "UPDATE accounts SET posts_sampled_at = $1
                 WHERE tenant = $2 AND channel = $3 AND posts_sampled_at <= $4",
            )
            .bind(now)
            .bind(tenant.as_str())
            .bind(text(channel))
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
                let last_two: Vec<(i64, String)> = sqlx::query_as(
                    "SELECT at, stats FROM post_samples WHERE tenant = $1 AND channel = $2 AND post = $3
                     ORDER BY at DESC LIMIT 2",
                )
                .bind(tenant.as_str())
                .bind(text(channel))
                .bind(text(post))
                .fetch_all(&mut *db)
                .await?;
                if last_two.len() == 2 && last_two.iter().all(|(_, known)| *known == text(stats)) {
                    sqlx::query(
                        "DELETE FROM post_samples WHERE tenant = $1 AND channel = $2 AND post = $3 AND at = $4",
                    )
                    .bind(tenant.as_str())
                    .bind(text(channel))
                    .bind(text(post))
                    .bind(last_two.first().map(|(at, _)| *at))
                    .execute(&mut *db)
                    .await?;
                }
                // The channel may have been disconnected while it was sampled.
                sqlx::query(
                    "INSERT INTO post_samples (tenant, channel, post, at, stats)
                     SELECT tenant, channel, $1, $2, $3 FROM accounts WHERE tenant = $4 AND channel = $5
                     ON CONFLICT DO NOTHING",
                )
                .bind(text(post))
                .bind(at)
                .bind(text(stats))
                .bind(tenant.as_str())
                .bind(text(channel))
                .execute(&mut *db)
                .await?;
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
            sqlx::query(
                "SELECT at, stats FROM post_samples WHERE tenant = $1 AND channel = $2 AND post = $3 AND at >= $4
                 ORDER BY at",
            )
            .bind(tenant.as_str())
            .bind(text(channel))
            .bind(text(post))
            .bind(since)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("post_samples", &rows, |row| Ok((row.try_get("at")?, row.try_get("stats")?))))
    }
}
