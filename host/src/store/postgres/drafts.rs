//! Drafts of posts.

use sqlx::postgres::PgRow;

use super::*;

fn draft(row: &PgRow) -> sqlx::Result<DraftRow> {
    Ok(DraftRow {
        id: row.try_get("id")?,
        content: Sealed(row.try_get("content")?),
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

#[async_trait]
impl DraftStore for Postgres {
    async fn draft(&self, tenant: &TenantId, id: &str) -> Result<Option<DraftRow>> {
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query(
                "SELECT id, content, created_at, expires_at FROM drafts
                 WHERE tenant = $1 AND id = $2 AND expires_at > $3",
            )
            .bind(tenant.as_str())
            .bind(text(id))
            .bind(self.clock.now_ms())
            .fetch_optional(&mut *db)
            .await
        })?;
        row::one("drafts", row, draft)
    }

    async fn drafts(&self, tenant: &TenantId) -> Result<Vec<DraftRow>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(
                "SELECT id, content, created_at, expires_at FROM drafts
                 WHERE tenant = $1 AND expires_at > $2 ORDER BY created_at DESC, id",
            )
            .bind(tenant.as_str())
            .bind(self.clock.now_ms())
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("drafts", &rows, draft))
    }

    async fn put_draft(&self, tenant: &TenantId, draft: &DraftRow) -> Result<()> {
        let now = self.clock.now_ms();
        write!(self for tenant.as_str(), db => {
            sqlx::query("DELETE FROM drafts WHERE expires_at <= $1").bind(now).execute(&mut *db).await?;
            sqlx::query(
                "INSERT INTO drafts (tenant, id, content, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (tenant, id) DO UPDATE SET content = excluded.content, expires_at = excluded.expires_at",
            )
            .bind(tenant.as_str())
            .bind(&draft.id)
            .bind(&draft.content.0)
            .bind(draft.created_at)
            .bind(draft.expires_at)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn delete_draft(&self, tenant: &TenantId, id: &str) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query("DELETE FROM drafts WHERE tenant = $1 AND id = $2")
                .bind(tenant.as_str())
                .bind(text(id))
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }
}
