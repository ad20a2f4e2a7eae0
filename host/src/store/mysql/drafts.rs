//! Drafts of posts.

use super::*;

fn draft(row: &MySqlRow) -> sqlx::Result<DraftRow> {
    Ok(DraftRow {
        id: text(row, "id")?,
        content: Sealed(row.try_get("content")?),
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

#[async_trait]
impl DraftStore for Mysql {
    async fn draft(&self, tenant: &TenantId, id: &str) -> Result<Option<DraftRow>> {
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql("SELECT id, content, created_at, expires_at FROM {drafts}
                 WHERE tenant = ? AND id = ? AND expires_at > ?"))
            .bind(tenant.as_str())
            .bind(id)
            .bind(self.clock.now_ms())
            .fetch_optional(&mut *db)
            .await
        })?;
        row::one("drafts", row, draft)
    }

    async fn drafts(&self, tenant: &TenantId) -> Result<Vec<DraftRow>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql("SELECT id, content, created_at, expires_at FROM {drafts}
                 WHERE tenant = ? AND expires_at > ? ORDER BY created_at DESC, id"))
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
            sqlx::query(self.sql("DELETE FROM {drafts} WHERE expires_at <= ?")).bind(now).execute(&mut *db).await?;
            sqlx::query(self.sql("INSERT INTO {drafts} (tenant, id, content, created_at, expires_at) VALUES (?, ?, ?, ?, ?)
                 ON DUPLICATE KEY UPDATE content = ?, expires_at = ?"))
            .bind(tenant.as_str())
            .bind(&draft.id)
            .bind(&draft.content.0)
            .bind(draft.created_at)
            .bind(draft.expires_at)
            .bind(&draft.content.0)
            .bind(draft.expires_at)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn delete_draft(&self, tenant: &TenantId, id: &str) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query(self.sql("DELETE FROM {drafts} WHERE tenant = ? AND id = ?"))
                .bind(tenant.as_str())
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }
}
