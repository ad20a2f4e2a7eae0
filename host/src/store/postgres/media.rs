//! Uploads and media links. A job binds both when it is stored.

use sqlx::postgres::PgRow;

use super::*;

/// Any job of the upload `u` that has not ended.
const OPEN_JOB: &str = "EXISTS (SELECT 1 FROM upload_jobs uj JOIN jobs j ON j.id = uj.job
    WHERE uj.upload = u.id AND j.ended_at IS NULL)";

/// Nobody needs the upload `u` any more; `$1`: older ones nobody comes back for.
const FINISHED: &str = "NOT EXISTS (SELECT 1 FROM upload_jobs uj JOIN jobs j ON j.id = uj.job
      WHERE uj.upload = u.id AND j.ended_at IS NULL)
    AND (u.created_at < $1
      OR (NOT u.held AND EXISTS (SELECT 1 FROM upload_jobs uj WHERE uj.upload = u.id)
        AND NOT EXISTS (SELECT 1 FROM upload_jobs uj JOIN jobs j ON j.id = uj.job
          WHERE uj.upload = u.id AND j.status NOT IN ('published', 'cancelled'))))";
/// Uploads that are taken at once: the others are taken the next time.
const TAKEN: i64 = 10_000;

const UPLOADS: &str = "SELECT id, tenant, file_name, content_type, size, held, created_at FROM uploads
    WHERE tenant = $1 AND $3::text IS NULL ORDER BY created_at DESC, id DESC LIMIT $2";
const UPLOADS_AFTER: &str = "SELECT id, tenant, file_name, content_type, size, held, created_at FROM uploads
    WHERE tenant = $1 AND (created_at, id) < (SELECT created_at, id FROM uploads WHERE tenant = $1 AND id = $3)
    ORDER BY created_at DESC, id DESC LIMIT $2";

fn upload(row: &PgRow) -> sqlx::Result<UploadRow> {
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

fn media_link(row: &PgRow) -> sqlx::Result<MediaLinkRow> {
    Ok(MediaLinkRow {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        reference: Sealed(row.try_get("reference")?),
        created_at: row.try_get("created_at")?,
    })
}

#[async_trait]
impl MediaStore for Postgres {
    async fn insert_upload(
        &self,
        upload: &UploadRow,
        limit: Option<u64>,
        begun: Option<&str>,
    ) -> Result<bool> {
        write!(self for &upload.tenant, db => {
            if let Some(limit) = limit {
                // One after the other, so that two do not both fit where there is room for one.
                lock(&mut *db, vec![lock_number("uploads", &[&upload.tenant])]).await?;
                let kept: i64 = sqlx::query_scalar("SELECT coalesce(sum(size), 0)::bigint FROM uploads WHERE tenant = $1")
                    .bind(&upload.tenant)
                    .fetch_one(&mut *db)
                    .await?;
                if kept.saturating_add(upload.size).cast_unsigned() > limit {
                    return Ok(false);
                }
            }
            sqlx::query(
                "INSERT INTO uploads (id, tenant, file_name, content_type, size, held, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(&upload.id)
            .bind(&upload.tenant)
            .bind(texts(upload.file_name.as_deref()))
            .bind(texts(upload.content_type.as_deref()))
            .bind(upload.size)
            .bind(upload.held)
            .bind(upload.created_at)
            .execute(&mut *db)
            .await?;
            if let Some(kind) = begun {
                sqlx::query("DELETE FROM documents WHERE kind = $1 AND id = $2")
                    .bind(kind)
                    .bind(&upload.id)
                    .execute(&mut *db)
                    .await?;
            }
            Ok(true)
        })
    }

    async fn upload(&self, tenant: &TenantId, id: &str) -> Result<Option<UploadRow>> {
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query(
                "SELECT id, tenant, file_name, content_type, size, held, created_at FROM uploads
                 WHERE tenant = $1 AND id = $2",
            )
            .bind(tenant.as_str())
            .bind(text(id))
            .fetch_optional(&mut *db)
            .await
        })?;
        row::one("uploads", row, upload)
    }

    async fn uploads(&self, tenant: &TenantId, limit: u32, after: Option<&str>) -> Result<Vec<UploadRow>> {
        let page = match after {
            None => UPLOADS,
            Some(_) => UPLOADS_AFTER,
        };
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(page)
                .bind(tenant.as_str())
                .bind(i64::from(limit))
                .bind(texts(after))
                .fetch_all(&mut *db)
                .await
        })?;
        Ok(row::all("uploads", &rows, upload))
    }

    async fn uploaded(&self, tenant: &TenantId) -> Result<u64> {
        let size: i64 = read!(self for tenant.as_str(), db => {
            sqlx::query_scalar("SELECT coalesce(sum(size), 0)::bigint FROM uploads WHERE tenant = $1")
                .bind(tenant.as_str())
                .fetch_one(&mut *db)
                .await
        })?;
        Ok(size.cast_unsigned())
    }

    async fn delete_upload(&self, tenant: &TenantId, id: &str) -> Result<bool> {
        // Concatenates two fixed texts.
        let delete = format!("DELETE FROM uploads AS u WHERE u.tenant = $1 AND u.id = $2 AND NOT {OPEN_JOB}");
        write!(self for tenant.as_str(), db => {
            // Locked, and then looked at by another statement: a job that is just being stored with it is seen.
            sqlx::query("SELECT 1 FROM uploads WHERE tenant = $1 AND id = $2 FOR UPDATE")
                .bind(tenant.as_str())
                .bind(text(id))
                .execute(&mut *db)
                .await?;
            let done = sqlx::query(sqlx::AssertSqlSafe(delete.as_str()))
                .bind(tenant.as_str())
                .bind(text(id))
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn hold_upload(&self, tenant: &TenantId, id: &str, held: bool) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query("UPDATE uploads SET held = $1 WHERE tenant = $2 AND id = $3")
                .bind(held)
                .bind(tenant.as_str())
                .bind(text(id))
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn known_uploads(&self, ids: &[String]) -> Result<Vec<String>> {
        read!(self for "", db => {
            sqlx::query_scalar("SELECT id FROM uploads WHERE id = ANY($1)")
                .bind(ids.iter().map(|id| text(id)).collect::<Vec<_>>())
                .fetch_all(&mut *db)
                .await
        })
    }

    async fn take_finished_uploads(&self, before: i64) -> Result<Vec<(TenantId, String)>> {
        // Joins fixed texts.
        let found = format!("SELECT u.id FROM uploads u WHERE {FINISHED} LIMIT $2 FOR UPDATE SKIP LOCKED");
        let delete =
            format!("DELETE FROM uploads AS u WHERE u.id = ANY($2) AND {FINISHED} RETURNING id, tenant");
        let rows: Vec<PgRow> = write!(self, db => {
            let found: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(found.as_str()))
                .bind(before)
                .bind(TAKEN)
                .fetch_all(&mut *db)
                .await?;
            // Looked at again now that they are locked: a job may have been stored with one of them.
            sqlx::query(sqlx::AssertSqlSafe(delete.as_str())).bind(before).bind(found).fetch_all(&mut *db).await
        })?;
        Ok(row::all("uploads", &rows, |row| Ok((row::parsed(row, "tenant")?, row.try_get("id")?))))
    }

    async fn media_link(&self, id: &str) -> Result<Option<MediaLinkRow>> {
        let row = read!(self for "", db => {
            sqlx::query(
                "SELECT id, tenant, reference, created_at FROM media_links l WHERE id = $1
                 AND (job IS NULL OR EXISTS (SELECT 1 FROM jobs j WHERE j.id = l.job AND j.ended_at IS NULL))",
            )
            .bind(text(id))
            .fetch_optional(&mut *db)
            .await
        })?;
        row::one("media_links", row, media_link)
    }

    async fn delete_finished_media_links(&self, before: i64) -> Result<()> {
        write!(self, db => {
            sqlx::query(
                "DELETE FROM media_links AS l WHERE (job IS NULL AND created_at < $1) OR (job IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = l.job AND j.ended_at IS NULL))",
            )
            .bind(before)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }
}
