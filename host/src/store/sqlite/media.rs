//! Uploads, addresses of media, and files of the site.

use sqlx::sqlite::SqliteRow;

use super::*;

/// Any job of the upload `u` that has not ended.
const OPEN_JOB: &str = "EXISTS (SELECT 1 FROM upload_jobs uj JOIN jobs j ON j.id = uj.job
    WHERE uj.upload = u.id AND j.ended_at IS NULL)";

fn upload(row: &SqliteRow) -> UploadRow {
    UploadRow {
        id: row.get(0),
        tenant: row.get(1),
        file_name: row.get(2),
        content_type: row.get(3),
        size: row.get(4),
        created_at: row.get(5),
    }
}

#[async_trait]
impl MediaStore for Sqlite {
    async fn insert_upload(&self, upload: &UploadRow, limit: Option<u64>) -> Result<bool> {
        write!(self, db => {
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
                "INSERT INTO uploads (id, tenant, file_name, content_type, size, created_at)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(&upload.id)
            .bind(&upload.tenant)
            .bind(&upload.file_name)
            .bind(&upload.content_type)
            .bind(upload.size)
            .bind(upload.created_at)
            .execute(&mut *db)
            .await
            .map(|_| true)
        })
    }

    async fn upload(&self, tenant: &TenantId, id: &str) -> Result<Option<UploadRow>> {
        let row = sqlx::query(
            "SELECT id, tenant, file_name, content_type, size, created_at FROM uploads
             WHERE tenant = ? AND id = ?",
        )
        .bind(tenant.as_str())
        .bind(id)
        .fetch_optional(&self.readers)
        .await
        .map_err(failure)?;
        Ok(row.as_ref().map(upload))
    }

    async fn uploads(&self, tenant: &TenantId) -> Result<Vec<UploadRow>> {
        let rows = sqlx::query(
            "SELECT id, tenant, file_name, content_type, size, created_at FROM uploads
             WHERE tenant = ? ORDER BY created_at DESC, id",
        )
        .bind(tenant.as_str())
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        Ok(rows.iter().map(upload).collect())
    }

    async fn delete_upload(&self, tenant: &TenantId, id: &str) -> Result<bool> {
        // Two fixed texts, put together.
        let delete = format!("DELETE FROM uploads AS u WHERE u.tenant = ? AND u.id = ? AND NOT {OPEN_JOB}");
        write!(self, db => {
            let done = sqlx::query(sqlx::AssertSqlSafe(delete))
                .bind(tenant.as_str())
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn bind_uploads(&self, tenant: &TenantId, uploads: &[String], job: &str) -> Result<()> {
        write!(self, db => {
            for upload in uploads {
                sqlx::query(
                    "INSERT OR IGNORE INTO upload_jobs (upload, job)
                     SELECT id, ? FROM uploads WHERE tenant = ? AND id = ?",
                )
                .bind(job)
                .bind(tenant.as_str())
                .bind(upload)
                .execute(&mut *db)
                .await?;
            }
            Ok(())
        })
    }

    async fn take_finished_uploads(&self, before: i64) -> Result<Vec<(TenantId, String)>> {
        let delete = format!(
            "DELETE FROM uploads AS u WHERE NOT {OPEN_JOB} AND (
               u.created_at < ?
               OR (EXISTS (SELECT 1 FROM upload_jobs uj WHERE uj.upload = u.id)
                   AND NOT EXISTS (SELECT 1 FROM upload_jobs uj JOIN jobs j ON j.id = uj.job
                     WHERE uj.upload = u.id AND j.status NOT IN ('published', 'cancelled'))))
             RETURNING tenant, id"
        );
        let rows: Vec<SqliteRow> = write!(self, db => {
            sqlx::query(sqlx::AssertSqlSafe(delete)).bind(before).fetch_all(&mut *db).await
        })?;
        rows.iter()
            .map(|row| Ok((row.get::<String, _>(0).parse::<TenantId>()?, row.get::<String, _>(1))))
            .collect()
    }

    async fn insert_media_link(&self, link: &MediaLinkRow) -> Result<()> {
        write!(self, db => {
            sqlx::query("INSERT INTO media_links (id, tenant, reference, created_at) VALUES (?, ?, ?, ?)")
                .bind(&link.id)
                .bind(&link.tenant)
                .bind(&link.reference.0)
                .bind(link.created_at)
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    async fn bind_media_links(&self, links: &[String], job: &str) -> Result<()> {
        write!(self, db => {
            for link in links {
                sqlx::query("UPDATE media_links SET job = ? WHERE id = ? AND job IS NULL")
                    .bind(job)
                    .bind(link)
                    .execute(&mut *db)
                    .await?;
            }
            Ok(())
        })
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
        Ok(row.map(|row| MediaLinkRow {
            id: row.get(0),
            tenant: row.get(1),
            reference: Sealed(row.get(2)),
            created_at: row.get(3),
        }))
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

    async fn put_site_file(&self, file: &SiteFileRow) -> Result<()> {
        write!(self, db => {
            sqlx::query(
                "INSERT INTO site_files (path, content_type, bytes, added_at) VALUES (?, ?, ?, ?)
                 ON CONFLICT (path) DO UPDATE SET content_type = excluded.content_type,
                 bytes = excluded.bytes, added_at = excluded.added_at",
            )
            .bind(&file.path)
            .bind(&file.content_type)
            .bind(&file.bytes)
            .bind(file.added_at)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn site_file(&self, path: &str) -> Result<Option<SiteFileRow>> {
        let row = sqlx::query(
            "SELECT path, content_type, bytes, length(bytes), added_at FROM site_files WHERE path = ?",
        )
        .bind(path)
        .fetch_optional(&self.readers)
        .await
        .map_err(failure)?;
        Ok(row.map(|row| SiteFileRow {
            path: row.get(0),
            content_type: row.get(1),
            bytes: row.get(2),
            size: row.get(3),
            added_at: row.get(4),
        }))
    }

    async fn site_files(&self) -> Result<Vec<SiteFileRow>> {
        let rows =
            sqlx::query("SELECT path, content_type, length(bytes), added_at FROM site_files ORDER BY path")
                .fetch_all(&self.readers)
                .await
                .map_err(failure)?;
        Ok(rows
            .iter()
            .map(|row| SiteFileRow {
                path: row.get(0),
                content_type: row.get(1),
                bytes: Vec::new(),
                size: row.get(2),
                added_at: row.get(3),
            })
            .collect())
    }

    async fn delete_site_file(&self, path: &str) -> Result<bool> {
        write!(self, db => {
            let done = sqlx::query("DELETE FROM site_files WHERE path = ?")
                .bind(path)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }
}
