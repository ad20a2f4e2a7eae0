//! Uploads and media links. A job binds both when it is stored.

use super::*;

/// Any job of an upload that has not ended.
const OPEN_JOB: &str = "SELECT j.id FROM {upload_jobs} uj JOIN {jobs} j ON j.id = uj.job
    WHERE uj.upload = ? AND j.ended_at IS NULL LIMIT 1";

/// Nobody needs the upload `u` any more; older ones than an instant nobody comes back for.
const FINISHED: &str = "NOT EXISTS (SELECT 1 FROM {upload_jobs} uj JOIN {jobs} j ON j.id = uj.job
      WHERE uj.upload = u.id AND j.ended_at IS NULL)
    AND (u.created_at < ?
      OR (NOT u.held AND EXISTS (SELECT 1 FROM {upload_jobs} uj WHERE uj.upload = u.id)
        AND NOT EXISTS (SELECT 1 FROM {upload_jobs} uj JOIN {jobs} j ON j.id = uj.job
          WHERE uj.upload = u.id AND j.status NOT IN ('published', 'cancelled'))))";
/// Uploads that are taken at once: the others are taken the next time.
const TAKEN: i64 = 1_000;

/// What is read of an upload.
macro_rules! uploads {
    ($($rest:tt)+) => {
        concat!(
            "SELECT id, tenant, file_name, content_type, size, held, created_at FROM {uploads} ",
            $($rest)+
        )
    };
}

fn upload(row: &MySqlRow) -> sqlx::Result<UploadRow> {
    Ok(UploadRow {
        id: text(row, "id")?,
        tenant: text(row, "tenant")?,
        file_name: texts(row, "file_name")?,
        content_type: texts(row, "content_type")?,
        size: row.try_get("size")?,
        held: row.try_get("held")?,
        created_at: row.try_get("created_at")?,
    })
}

fn media_link(row: &MySqlRow) -> sqlx::Result<MediaLinkRow> {
    Ok(MediaLinkRow {
        id: text(row, "id")?,
        tenant: text(row, "tenant")?,
        reference: Sealed(row.try_get("reference")?),
        created_at: row.try_get("created_at")?,
    })
}

#[async_trait]
impl MediaStore for Mysql {
    async fn insert_upload(
        &self,
        upload: &UploadRow,
        limit: Option<u64>,
        begun: Option<&str>,
    ) -> Result<bool> {
        write!(self for &upload.tenant, db => {
            if let Some(limit) = limit {
                // One after the other, so that two do not both fit where there is room for one.
                lock(&self.tables, &mut *db, vec![lock_number("uploads", &[&upload.tenant])]).await?;
                let kept: i64 = sqlx::query_scalar(self.sql("SELECT CAST(COALESCE(SUM(size), 0) AS SIGNED) FROM {uploads} WHERE tenant = ?"))
                    .bind(&upload.tenant)
                    .fetch_one(&mut *db)
                    .await?;
                if kept.saturating_add(upload.size).cast_unsigned() > limit {
                    return Ok(false);
                }
            }
            sqlx::query(self.sql("INSERT INTO {uploads} (id, tenant, file_name, content_type, size, held, created_at)
                 VALUES (?, ?, ?, ?, ?, ?, ?)"))
            .bind(&upload.id)
            .bind(&upload.tenant)
            .bind(upload.file_name.as_deref())
            .bind(upload.content_type.as_deref())
            .bind(upload.size)
            .bind(upload.held)
            .bind(upload.created_at)
            .execute(&mut *db)
            .await?;
            if let Some(kind) = begun {
                sqlx::query(self.sql("DELETE FROM {documents} WHERE kind = ? AND id = ?"))
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
            sqlx::query(self.sql(uploads!("WHERE tenant = ? AND id = ?")))
            .bind(tenant.as_str())
            .bind(id)
            .fetch_optional(&mut *db)
            .await
        })?;
        row::one("uploads", row, upload)
    }

    async fn uploads(&self, tenant: &TenantId, limit: u32, after: Option<&str>) -> Result<Vec<UploadRow>> {
        // A page begins where the one before ended, by an index.
        let begin: Option<(i64, &str)> = match after {
            None => None,
            Some(after) => {
                let found: Option<i64> = read!(self for tenant.as_str(), db => {
                    sqlx::query_scalar(self.sql("SELECT created_at FROM {uploads} WHERE tenant = ? AND id = ?"))
                        .bind(tenant.as_str())
                        .bind(after)
                        .fetch_optional(&mut *db)
                        .await
                })?;
                let Some(at) = found else { return Ok(Vec::new()) };
                Some((at, after))
            }
        };
        let page = match begin {
            None => uploads!("WHERE tenant = ? ORDER BY created_at DESC, id DESC LIMIT ?"),
            Some(_) => uploads!(
                "WHERE tenant = ? AND created_at <= ? AND (created_at < ? OR id < ?)
                 ORDER BY created_at DESC, id DESC LIMIT ?"
            ),
        };
        let rows = read!(self for tenant.as_str(), db => {
            let mut query = sqlx::query(self.sql(page)).bind(tenant.as_str());
            if let Some((at, id)) = begin {
                query = query.bind(at).bind(at).bind(id);
            }
            query.bind(i64::from(limit)).fetch_all(&mut *db).await
        })?;
        Ok(row::all("uploads", &rows, upload))
    }

    async fn uploaded(&self, tenant: &TenantId) -> Result<u64> {
        let size: i64 = read!(self for tenant.as_str(), db => {
            sqlx::query_scalar(self.sql("SELECT CAST(COALESCE(SUM(size), 0) AS SIGNED) FROM {uploads} WHERE tenant = ?"))
                .bind(tenant.as_str())
                .fetch_one(&mut *db)
                .await
        })?;
        Ok(size.cast_unsigned())
    }

    async fn delete_upload(&self, tenant: &TenantId, id: &str) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            // Locked, and then looked at by another statement: a job that is just being stored with it is seen.
            sqlx::query(self.sql("SELECT id FROM {uploads} WHERE tenant = ? AND id = ? FOR UPDATE"))
                .bind(tenant.as_str())
                .bind(id)
                .execute(&mut *db)
                .await?;
            let open = sqlx::query(self.sql(OPEN_JOB)).bind(id).fetch_optional(&mut *db).await?;
            if open.is_some() {
                return Ok(false);
            }
            let done = sqlx::query(self.sql("DELETE FROM {uploads} WHERE tenant = ? AND id = ?"))
                .bind(tenant.as_str())
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn hold_upload(&self, tenant: &TenantId, id: &str, held: bool) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query(self.sql("UPDATE {uploads} SET held = ? WHERE tenant = ? AND id = ?"))
                .bind(held)
                .bind(tenant.as_str())
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn known_uploads(&self, ids: &[String]) -> Result<Vec<String>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = ["SELECT id FROM {uploads} WHERE id IN (", &marks(ids.len()), ")"].concat();
        let known: Vec<Text> = read!(self for "", db => {
            let mut query = sqlx::query_scalar(self.sql(&sql)).persistent(false);
            for id in ids {
                query = query.bind(id);
            }
            query.fetch_all(&mut *db).await
        })?;
        Ok(plain(known))
    }

    async fn take_finished_uploads(&self, before: i64) -> Result<Vec<(TenantId, String)>> {
        let found =
            ["SELECT u.id FROM {uploads} u WHERE ", FINISHED, " LIMIT ? FOR UPDATE SKIP LOCKED"].concat();
        let rows: Vec<MySqlRow> = write!(self, db => {
            let found: Vec<Text> =
                sqlx::query_scalar(self.sql(&found)).bind(before).bind(TAKEN).fetch_all(&mut *db).await?;
            if found.is_empty() {
                return Ok(Vec::new());
            }
            // Looked at again now that they are locked: a job may have been stored with one of them.
            let sql =
                ["SELECT u.id, u.tenant FROM {uploads} u WHERE ", FINISHED, " AND u.id IN (", &marks(found.len()), ")"];
            let mut query = sqlx::query(self.sql(&sql.concat())).persistent(false).bind(before);
            for id in &found {
                query = query.bind(&id.0);
            }
            let rows = query.fetch_all(&mut *db).await?;
            for row in &rows {
                sqlx::query(self.sql("DELETE FROM {uploads} WHERE id = ?"))
                    .bind(text(row, "id")?)
                    .execute(&mut *db)
                    .await?;
            }
            Ok(rows)
        })?;
        Ok(row::all("uploads", &rows, |row| Ok((row::parsed(row, "tenant")?, text(row, "id")?))))
    }

    async fn media_link(&self, id: &str) -> Result<Option<MediaLinkRow>> {
        let row = read!(self for "", db => {
            sqlx::query(self.sql("SELECT id, tenant, reference, created_at FROM {media_links} l WHERE id = ?
                 AND (job IS NULL OR EXISTS (SELECT 1 FROM {jobs} j WHERE j.id = l.job AND j.ended_at IS NULL))"))
            .bind(id)
            .fetch_optional(&mut *db)
            .await
        })?;
        row::one("media_links", row, media_link)
    }

    async fn delete_finished_media_links(&self, before: i64) -> Result<()> {
        write!(self, db => {
            sqlx::query(self.sql("DELETE l FROM {media_links} l LEFT JOIN {jobs} j ON j.id = l.job AND j.ended_at IS NULL
                 WHERE j.id IS NULL AND (l.job IS NOT NULL OR l.created_at < ?)"))
            .bind(before)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }
}
