//! Components, apps and connect sessions.

use super::*;

/// Nothing runs the component any more: no app, no open job, and it is not installed.
const UNUSED: &str = "digest NOT IN (SELECT digest FROM providers)
    AND digest NOT IN (SELECT digest FROM apps)
    AND digest NOT IN (SELECT digest FROM jobs WHERE ended_at IS NULL OR wake_at IS NOT NULL)";

fn app_row(row: &sqlx::sqlite::SqliteRow) -> Result<AppRow> {
    Ok(AppRow {
        id: row.get("id"),
        tenant: row.get("tenant"),
        provider: row.get("provider"),
        digest: row.get::<String, _>("digest").parse()?,
        settings: Sealed(row.get("settings")),
        grants: row.get("grants"),
        redirect_uri: row.get("redirect_uri"),
        listing: row.get("listing"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
        revision: row.get("revision"),
    })
}

#[async_trait]
impl AppStore for Sqlite {
    async fn put_component(&self, component: &ComponentRow, bytes: &[u8]) -> Result<()> {
        write!(self, db => {
            sqlx::query(
                "INSERT INTO components (digest, provider, version, bytes, added_at) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (digest) DO NOTHING",
            )
            .bind(component.digest.as_str())
            .bind(&component.provider)
            .bind(&component.version)
            .bind(bytes)
            .bind(component.added_at)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn component_bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT bytes FROM components WHERE digest = ?")
            .bind(digest.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failure)
    }

    async fn components(&self) -> Result<Vec<ComponentRow>> {
        let rows = sqlx::query(
            "SELECT c.digest, c.provider, c.version, length(c.bytes) AS size, c.added_at,
             p.digest IS NOT NULL AS installed
             FROM components c LEFT JOIN providers p ON p.id = c.provider AND p.digest = c.digest
             ORDER BY c.provider, c.added_at",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        rows.iter()
            .map(|row| {
                Ok(ComponentRow {
                    digest: row.get::<String, _>("digest").parse()?,
                    provider: row.get("provider"),
                    version: row.get("version"),
                    size: row.get("size"),
                    added_at: row.get("added_at"),
                    installed: row.get("installed"),
                })
            })
            .collect()
    }

    async fn install_component(
        &self,
        provider: &str,
        digest: &Digest,
        apps: &[String],
        now: i64,
    ) -> Result<()> {
        write!(self, db => {
            sqlx::query(
                "INSERT INTO providers (id, digest) VALUES (?, ?)
                 ON CONFLICT (id) DO UPDATE SET digest = excluded.digest",
            )
            .bind(provider)
            .bind(digest.as_str())
            .execute(&mut *db)
            .await?;
            for app in apps {
                sqlx::query(
                    "UPDATE apps SET digest = ?, updated_at = ?, revision = revision + 1
                     WHERE id = ? AND provider = ?",
                )
                .bind(digest.as_str())
                .bind(now)
                .bind(app)
                .bind(provider)
                .execute(&mut *db)
                .await?;
            }
            sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM components WHERE provider = ? AND {UNUSED}")))
                .bind(provider)
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    async fn installed_component(&self, provider: &str) -> Result<Option<Digest>> {
        let found: Option<String> = sqlx::query_scalar("SELECT digest FROM providers WHERE id = ?")
            .bind(provider)
            .fetch_optional(&self.readers)
            .await
            .map_err(failure)?;
        found.map(|digest| digest.parse()).transpose()
    }

    async fn uninstall_provider(&self, provider: &str) -> Result<Vec<String>> {
        write!(self, db => {
            let users: Vec<String> = sqlx::query_scalar(
                "SELECT 'app ' || id FROM apps WHERE provider = ?1
                 UNION ALL
                 SELECT 'job ' || j.id FROM jobs j JOIN components c ON c.digest = j.digest
                 WHERE c.provider = ?1 AND (j.ended_at IS NULL OR j.wake_at IS NOT NULL)",
            )
            .bind(provider)
            .fetch_all(&mut *db)
            .await?;
            if users.is_empty() {
                sqlx::query("DELETE FROM providers WHERE id = ?").bind(provider).execute(&mut *db).await?;
                sqlx::query("DELETE FROM components WHERE provider = ?").bind(provider).execute(&mut *db).await?;
            }
            Ok(users)
        })
    }

    async fn apps(&self) -> Result<Vec<AppRow>> {
        let rows =
            sqlx::query("SELECT * FROM apps ORDER BY id").fetch_all(&self.readers).await.map_err(failure)?;
        rows.iter().map(app_row).collect()
    }

    async fn app(&self, id: &str) -> Result<Option<AppRow>> {
        let row = sqlx::query("SELECT * FROM apps WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.readers)
            .await
            .map_err(failure)?;
        row.as_ref().map(app_row).transpose()
    }

    async fn put_app(&self, app: &AppRow) -> Result<bool> {
        write!(self, db => {
            let left: Option<String> = sqlx::query_scalar("SELECT digest FROM apps WHERE id = ?")
                .bind(&app.id)
                .fetch_optional(&mut *db)
                .await?;
            let query = if app.revision == 0 {
                sqlx::query(
                    "INSERT INTO apps (tenant, provider, digest, settings, grants, redirect_uri, listing,
                     created_at, updated_at, id, revision)
                     SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1 + ? + value FROM counters WHERE name = 'apps'
                     ON CONFLICT (id) DO NOTHING",
                )
            } else {
                sqlx::query(
                    "UPDATE apps SET tenant = ?, provider = ?, digest = ?, settings = ?, grants = ?,
                     redirect_uri = ?, listing = ?, created_at = ?, updated_at = ?, revision = revision + 1
                     WHERE id = ? AND revision = ?",
                )
            };
            let done = query
                .bind(&app.tenant)
                .bind(&app.provider)
                .bind(app.digest.as_str())
                .bind(&app.settings.0)
                .bind(&app.grants)
                .bind(&app.redirect_uri)
                .bind(&app.listing)
                .bind(app.created_at)
                .bind(app.updated_at)
                .bind(&app.id)
                .bind(app.revision)
                .execute(&mut *db)
                .await?;
            // The component that it moved away from may have been kept for it alone.
            if let Some(left) = left.filter(|left| left != app.digest.as_str()) {
                sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM components WHERE digest = ? AND {UNUSED}")))
                    .bind(left)
                    .execute(&mut *db)
                    .await?;
            }
            Ok(done.rows_affected() == 1)
        })
    }

    async fn delete_app(&self, id: &str) -> Result<u64> {
        write!(self, db => {
            let accounts: i64 = sqlx::query_scalar("SELECT count(*) FROM accounts WHERE app = ?")
                .bind(id)
                .fetch_one(&mut *db)
                .await?;
            if accounts == 0 {
                sqlx::query("DELETE FROM sessions WHERE app = ?").bind(id).execute(&mut *db).await?;
                sqlx::query("DELETE FROM provider_values WHERE app = ?").bind(id).execute(&mut *db).await?;
                // Other processes know apps by name and revision: one made anew must not look like the old one.
                sqlx::query(
                    "UPDATE counters SET value = max(value, (SELECT revision FROM apps WHERE id = ?))
                     WHERE name = 'apps' AND EXISTS (SELECT 1 FROM apps WHERE id = ?)",
                )
                .bind(id)
                .bind(id)
                .execute(&mut *db)
                .await?;
                sqlx::query("DELETE FROM apps WHERE id = ?").bind(id).execute(&mut *db).await?;
            }
            Ok(accounts.cast_unsigned())
        })
    }

    async fn insert_session(&self, session: &SessionRow) -> Result<()> {
        write!(self, db => {
            sqlx::query(
                "INSERT INTO sessions (id, tenant, app, owner, payload, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(&session.id)
            .bind(&session.tenant)
            .bind(&session.app)
            .bind(&session.owner)
            .bind(&session.payload.0)
            .bind(session.expires_at)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn take_session(&self, tenant: &TenantId, id: &str, owner: &str) -> Result<TakeSession> {
        write!(self, db => {
            let row = sqlx::query("SELECT * FROM sessions WHERE tenant = ? AND id = ?")
                .bind(tenant.as_str())
                .bind(id)
                .fetch_optional(&mut *db)
                .await?;
            let Some(row) = row else { return Ok(TakeSession::Missing) };
            if row.get::<String, _>("owner") != owner {
                return Ok(TakeSession::BegunByAnother);
            }
            if row.get::<bool, _>("spent") {
                return Ok(TakeSession::Spent);
            }
            // The row stays until it expires, so that a second use can be told from a wrong one.
            sqlx::query("UPDATE sessions SET spent = 1, payload = x'' WHERE id = ?")
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(TakeSession::Taken(SessionRow {
                id: row.get("id"),
                tenant: row.get("tenant"),
                app: row.get("app"),
                owner: row.get("owner"),
                payload: Sealed(row.get("payload")),
                expires_at: row.get("expires_at"),
            }))
        })
    }

    async fn delete_expired_sessions(&self, now: i64) -> Result<()> {
        write!(self, db => {
            sqlx::query("DELETE FROM sessions WHERE expires_at <= ?").bind(now).execute(&mut *db).await.map(drop)
        })
    }
}
