//! Drafts of posts.

use sqlx::sqlite::SqliteRow;

use super::*;

fn draft(row: &SqliteRow) -> sqlx::Result<DraftRow> {
    Ok(DraftRow {
        id: row.try_get("id")?,
        content: Sealed(row.try_get("content")?),
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

#[async_trait]
impl DraftStore for Sqlite {
    async fn draft(&self, tenant: &TenantId, id: &str) -> Result<Option<DraftRow>> {
        let row = sqlx::query(
            "SELECT id, content, created_at, expires_at FROM drafts
             WHERE tenant = ? AND id = ? AND expires_at > ?",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(self.clock.now_ms())
        .fetch_optional(&mut *self.reader(tenant).await?)
        .await
        .map_err(failure)?;
        row::one("drafts", row, draft)
    }

    async fn drafts(&self, tenant: &TenantId) -> Result<Vec<DraftRow>> {
        let rows = sqlx::query(
            "SELECT id, content, created_at, expires_at FROM drafts
             WHERE tenant = ? AND expires_at > ? ORDER BY created_at DESC, id",
        )
        .bind(tenant.as_str())
        .bind(self.clock.now_ms())
        .fetch_all(&mut *self.reader(tenant).await?)
        .await
        .map_err(failure)?;
        Ok(row::all("drafts", &rows, draft))
    }

    async fn put_draft(&self, tenant: &TenantId, draft: &DraftRow) -> Result<()> {
        let now = self.clock.now_ms();
        write!(self for tenant.as_str(), db => {
            sqlx::query("DELETE FROM drafts WHERE expires_at <= ?").bind(now).execute(&mut *db).await?;
            sqlx::query(
                "INSERT INTO drafts (tenant, id, content, created_at, expires_at) VALUES (?, ?, ?, ?, ?)
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
            let done = sqlx::query("DELETE FROM drafts WHERE tenant = ? AND id = ?")
                .bind(tenant.as_str())
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }
}
