//! Who may use a service in front of this library.

use sqlx::sqlite::SqliteRow;

use super::*;

fn key(row: &SqliteRow) -> ApiKeyRow {
    ApiKeyRow {
        id: row.get(0),
        hash: row.get(1),
        name: row.get(2),
        tenant: row.get(3),
        hint: row.get(4),
        created_at: row.get(5),
        used_at: row.get(6),
    }
}

#[async_trait]
impl AccessStore for Sqlite {
    async fn insert_api_key(&self, key: &ApiKeyRow) -> Result<()> {
        write!(self, db => {
            sqlx::query(
                "INSERT INTO api_keys (id, hash, name, tenant, hint, created_at) VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(&key.id)
            .bind(&key.hash)
            .bind(&key.name)
            .bind(&key.tenant)
            .bind(&key.hint)
            .bind(key.created_at)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn api_keys(&self, tenant: Option<&TenantId>) -> Result<Vec<ApiKeyRow>> {
        let rows = sqlx::query(
            "SELECT id, hash, name, tenant, hint, created_at, used_at FROM api_keys
             WHERE ?1 IS NULL OR tenant = ?1 ORDER BY created_at DESC, id",
        )
        .bind(tenant.map(TenantId::as_str))
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        Ok(rows.iter().map(key).collect())
    }

    async fn api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKeyRow>> {
        let row = sqlx::query(
            "SELECT id, hash, name, tenant, hint, created_at, used_at FROM api_keys WHERE hash = ?",
        )
        .bind(hash)
        .fetch_optional(&self.readers)
        .await
        .map_err(failure)?;
        Ok(row.as_ref().map(key))
    }

    async fn note_api_key_use(&self, id: &str, now: i64) -> Result<()> {
        write!(self, db => {
            sqlx::query("UPDATE api_keys SET used_at = ? WHERE id = ?")
                .bind(now)
                .bind(id)
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    async fn delete_api_key(&self, tenant: Option<&TenantId>, id: &str) -> Result<bool> {
        write!(self, db => {
            let done = sqlx::query("DELETE FROM api_keys WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)")
                .bind(id)
                .bind(tenant.map(TenantId::as_str))
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn has_api_keys(&self) -> Result<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM api_keys)")
            .fetch_one(&self.readers)
            .await
            .map_err(failure)
    }

    async fn insert_browser(&self, id: &str, now: i64, expires_at: i64) -> Result<()> {
        write!(self, db => {
            sqlx::query("INSERT INTO browsers (id, created_at, expires_at) VALUES (?, ?, ?)")
                .bind(id)
                .bind(now)
                .bind(expires_at)
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    async fn browser_is_signed_in(&self, id: &str, now: i64) -> Result<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM browsers WHERE id = ? AND expires_at > ?)")
            .bind(id)
            .bind(now)
            .fetch_one(&self.readers)
            .await
            .map_err(failure)
    }

    async fn delete_browsers(&self, id: Option<&str>) -> Result<()> {
        write!(self, db => {
            sqlx::query("DELETE FROM browsers WHERE ?1 IS NULL OR id = ?1")
                .bind(id)
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    async fn delete_expired_browsers(&self, now: i64) -> Result<()> {
        write!(self, db => {
            sqlx::query("DELETE FROM browsers WHERE expires_at <= ?")
                .bind(now)
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }
}
