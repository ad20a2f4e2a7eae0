//! Uploads and media links. A job binds both when it is stored.

use sqlx::sqlite::SqliteRow;

use super::*;

/// Any job of the upload `u` that has not ended.
const OPEN_JOB: &str = "EXISTS (SELECT 1 FROM upload_jobs uj JOIN jobs j ON j.id = uj.job
    WHERE uj.upload = u.id AND j.ended_at IS NULL)";

const UPLOADS: &str = "SELECT id, tenant, file_name, content_type, size, held, created_at FROM uploads
    WHERE tenant = ?1 ORDER BY created_at DESC, id DESC LIMIT ?2";
const UPLOADS_AFTER: &str = "SELECT id, tenant, file_name, content_type, size, held, created_at FROM uploads
    WHERE tenant = ?1 AND (created_at, id) < (SELECT created_at, id FROM uploads WHERE tenant = ?1 AND id = ?3)
    ORDER BY created_at DESC, id DESC LIMIT ?2";

fn upload(row: &SqliteRow) -> sqlx::Result<UploadRow> {
    Ok(UploadRow {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        file_name: row.try_get("file_name")?,
        content_type: row.try_get("content_type")?,
        size: row.try_get("size")?,
        held: row.try_get("held")?,
        created_at: row.try_get("created_at")?,
    })
}

fn media_link(row: &SqliteRow) -> sqlx::Result<MediaLinkRow> {
    Ok(MediaLinkRow {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        reference: Sealed(row.try_get("reference")?),
        created_at: row.try_get("created_at")?,
    })
}

#[async_trait]
impl MediaStore for Sqlite {
    async fn insert_upload(
        &self,
        upload: &UploadRow,
        limit: Option<u64>,
        begun: Option<&str>,
    ) -> Result<bool> {
        write!(self for &upload.tenant, db => {
            if let Some(limit) = limit {
                let kept: i64 = sqlx::query_scalar("SELECT coalesce(sum(size), 0) FROM uploads WHERE tenant = ?")
                    .bind(&upload.tenant)
                    .fetch_one(&mut *db)
                    .await?;
                if kept.saturating_add(upload.size).cast_unsigned() > limit {
                    return Ok(false);
                }
            }
            sqlx::query(
                "INSERT INTO uploads (id, tenant, file_name, content_type, size, held, created_at)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&upload.id)
            .bind(&upload.tenant)
            .bind(&upload.file_name)
            .bind(&upload.content_type)
            .bind(upload.size)
            .bind(upload.held)
            .bind(upload.created_at)
            .execute(&mut *db)
            .await?;
            if let Some(kind) = begun {
                sqlx::query("DELETE FROM documents WHERE kind = ? AND id = ?")
                    .bind(kind)
                    .bind(&upload.id)
                    .execute(&mut *db)
                    .await?;
            }
            Ok(true)
        })
    }

    async fn upload(&self, tenant: &TenantId, id: &str) -> Result<Option<UploadRow>> {
        let row = sqlx::query(
            "SELECT id, tenant, file_name, content_type, size, held, created_at FROM uploads
             WHERE tenant = ? AND id = ?",
        )
        .bind(tenant.as_str())
        .bind(id)
        .fetch_optional(&mut *self.reader(tenant).await?)
        .await
        .map_err(failure)?;
        row::one("uploads", row, upload)
    }

    async fn uploads(&self, tenant: &TenantId, limit: u32, after: Option<&str>) -> Result<Vec<UploadRow>> {
        let page = match after {
            None => UPLOADS,
            Some(_) => UPLOADS_AFTER,
        };
        let rows = sqlx::query(page)
            .bind(tenant.as_str())
            .bind(limit)
            .bind(after)
            .fetch_all(&mut *self.reader(tenant).await?)
            .await
            .map_err(failure)?;
        Ok(row::all("uploads", &rows, upload))
    }

    async fn uploaded(&self, tenant: &TenantId) -> Result<u64> {
        let size: i64 = sqlx::query_scalar("SELECT coalesce(sum(size), 0) FROM uploads WHERE tenant = ?")
            .bind(tenant.as_str())
            .fetch_one(&mut *self.reader(tenant).await?)
            .await
            .map_err(failure)?;
        Ok(size.cast_unsigned())
    }

    async fn delete_upload(&self, tenant: &TenantId, id: &str) -> Result<bool> {
        // Concatenates two fixed texts.
        let delete = format!("DELETE FROM uploads AS u WHERE u.tenant = ? AND u.id = ? AND NOT {OPEN_JOB}");
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query(sqlx::AssertSqlSafe(delete))
                .bind(tenant.as_str())
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn hold_upload(&self, tenant: &TenantId, id: &str, held: bool) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query("UPDATE uploads SET held = ? WHERE tenant = ? AND id = ?")
                .bind(held)
                .bind(tenant.as_str())
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn known_uploads(&self, ids: &[String]) -> Result<Vec<String>> {
        let ids = serde_json::to_string(ids).unwrap_or_default();
        sqlx::query_scalar("SELECT id FROM uploads WHERE id IN (SELECT value FROM json_each(?))")
            .bind(ids)
            .fetch_all(&self.readers)
            .await
            .map_err(failure)
    }

    async fn take_finished_uploads(&self, before: i64) -> Result<Vec<(TenantId, String)>> {
        let delete = format!(
            "DELETE FROM uploads AS u WHERE NOT {OPEN_JOB} AND (
               u.created_at < ?
               OR (u.held = 0 AND EXISTS (SELECT 1 FROM upload_jobs uj WHERE uj.upload = u.id)
                   AND NOT EXISTS (SELECT 1 FROM upload_jobs uj JOIN jobs j ON j.id = uj.job
                     WHERE uj.upload = u.id AND j.status NOT IN ('published', 'cancelled'))))
             RETURNING id, tenant"
        );
        let rows: Vec<SqliteRow> = write!(self, db => {
            sqlx::query(sqlx::AssertSqlSafe(delete)).bind(before).fetch_all(&mut *db).await
        })?;
        Ok(row::all("uploads", &rows, |row| Ok((row::parsed(row, "tenant")?, row.try_get("id")?))))
    }

    async fn media_link(&self, id: &str) -> Result<Option<MediaLinkRow>> {
        let row = sqlx::query(
            "SELECT id, tenant, reference, created_at FROM media_links l WHERE id = ?
             AND (job IS NULL OR EXISTS (SELECT 1 FROM jobs j WHERE j.id = l.job AND j.ended_at IS NULL))",
        )
        .bind(id)
        .fetch_optional(&self.readers)
        .await
        .map_err(failure)?;
        row::one("media_links", row, media_link)
    }

    async fn delete_finished_media_links(&self, before: i64) -> Result<()> {
        write!(self, db => {
            sqlx::query(
                "DELETE FROM media_links AS l WHERE (job IS NULL AND created_at < ?) OR (job IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = l.job AND j.ended_at IS NULL))",
            )
            .bind(before)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }
}
