//! Components, apps and connect sessions.

use sqlx::postgres::PgRow;

use super::*;
use crate::store::columns::columns;

/// The component is unused: no app and no open job runs it, it is not installed, and not kept for the
/// way back.
const UNUSED: &str = "digest NOT IN (SELECT digest FROM providers)
    AND digest NOT IN (SELECT digest FROM apps)
    AND digest NOT IN (SELECT digest FROM jobs WHERE ended_at IS NULL OR wake_at IS NOT NULL)
    AND digest NOT IN (SELECT id FROM documents WHERE kind = 'provider-kept')";

fn app_row(row: &PgRow) -> sqlx::Result<AppRow> {
    Ok(AppRow {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        provider: row.try_get("provider")?,
        digest: row::parsed(row, "digest")?,
        settings: Sealed(row.try_get("settings")?),
        grants: row.try_get("grants")?,
        redirect_uri: row.try_get("redirect_uri")?,
        listing: row.try_get("listing")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        revision: row.try_get("revision")?,
    })
}

fn component_row(row: &PgRow) -> sqlx::Result<ComponentRow> {
    Ok(ComponentRow {
        digest: row::parsed(row, "digest")?,
        provider: row.try_get("provider")?,
        version: row.try_get("version")?,
        size: row.try_get("size")?,
        added_at: row.try_get("added_at")?,
        installed: row.try_get("installed")?,
    })
}

fn session_row(row: &PgRow) -> sqlx::Result<SessionRow> {
    Ok(SessionRow {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        app: row.try_get("app")?,
        owner: row.try_get("owner")?,
        payload: Sealed(row.try_get("payload")?),
        expires_at: row.try_get("expires_at")?,
    })
}

#[async_trait]
impl AppStore for Postgres {
    async fn component_bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let row = read!(self for "", db => {
            sqlx::query("SELECT digest, bytes FROM components WHERE digest = $1")
                .bind(digest.as_str())
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("components", row, |row| row.try_get("bytes"))
    }

    async fn components(&self) -> Result<Vec<ComponentRow>> {
        let rows = read!(self for "", db => {
            sqlx::query(
                "SELECT c.digest, c.provider, c.version, length(c.bytes)::bigint AS size, c.added_at,
                 p.digest IS NOT NULL AS installed
                 FROM components c LEFT JOIN providers p ON p.id = c.provider AND p.digest = c.digest
                 ORDER BY c.provider, c.added_at",
            )
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("components", &rows, component_row))
    }

    async fn install_component(&self, component: &ComponentRow, bytes: &[u8], apps: &[String]) -> Result<()> {
        let ComponentRow { digest, provider, added_at: now, .. } = component;
        write!(self, db => {
            sqlx::query(
                "INSERT INTO components (digest, provider, version, bytes, added_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (digest) DO NOTHING",
            )
            .bind(digest.as_str())
            .bind(text(provider))
            .bind(&component.version)
            .bind(bytes)
            .bind(now)
            .execute(&mut *db)
            .await?;
            sqlx::query(
                "INSERT INTO providers (id, digest) VALUES ($1, $2)
                 ON CONFLICT (id) DO UPDATE SET digest = excluded.digest",
            )
            .bind(text(provider))
            .bind(digest.as_str())
            .execute(&mut *db)
            .await?;
            for app in apps {
                sqlx::query(
                    "UPDATE apps SET digest = $1, updated_at = $2, revision = revision + 1
                     WHERE id = $3 AND provider = $4",
                )
                .bind(digest.as_str())
                .bind(now)
                .bind(text(app))
                .bind(text(provider))
                .execute(&mut *db)
                .await?;
            }
            sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM components WHERE provider = $1 AND {UNUSED}")))
                .bind(text(provider))
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    async fn installed_component(&self, provider: &str) -> Result<Option<Digest>> {
        let row = read!(self for "", db => {
            sqlx::query("SELECT id, digest FROM providers WHERE id = $1")
                .bind(text(provider))
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("providers", row, |row| row::parsed(row, "digest"))
    }

    async fn open_jobs_with(&self, digest: &Digest) -> Result<u64> {
        let jobs: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM jobs WHERE digest = $1 AND (ended_at IS NULL OR wake_at IS NOT NULL)",
        )
        .bind(digest.as_str())
        .fetch_one(&self.pool)
        .await
        .map_err(failure)?;
        Ok(jobs.cast_unsigned())
    }

    async fn uninstall_provider(&self, provider: &str) -> Result<Vec<String>> {
        write!(self, db => {
            let users: Vec<String> = sqlx::query_scalar(
                "SELECT 'app ' || id FROM apps WHERE provider = $1
                 UNION ALL
                 SELECT 'job ' || j.id FROM jobs j JOIN components c ON c.digest = j.digest
                 WHERE c.provider = $1 AND (j.ended_at IS NULL OR j.wake_at IS NOT NULL)",
            )
            .bind(text(provider))
            .fetch_all(&mut *db)
            .await?;
            if users.is_empty() {
                sqlx::query("DELETE FROM providers WHERE id = $1").bind(text(provider)).execute(&mut *db).await?;
                sqlx::query("DELETE FROM components WHERE provider = $1").bind(text(provider)).execute(&mut *db).await?;
            }
            Ok(users)
        })
    }

    async fn apps(&self) -> Result<Vec<AppRow>> {
        let rows = read!(self for "", db => {
            sqlx::query(concat!("SELECT ", columns!(apps ""), " FROM apps ORDER BY id")).fetch_all(&mut *db).await
        })?;
        Ok(row::all("apps", &rows, app_row))
    }

    async fn app(&self, id: &str) -> Result<Option<AppRow>> {
        let row = read!(self for "", db => {
            sqlx::query(concat!("SELECT ", columns!(apps ""), " FROM apps WHERE id = $1"))
                .bind(text(id))
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("apps", row, app_row)
    }

    async fn put_app(&self, app: &AppRow) -> Result<bool> {
        write!(self, db => {
            let left: Option<String> = sqlx::query_scalar("SELECT digest FROM apps WHERE id = $1 FOR UPDATE")
                .bind(&app.id)
                .fetch_optional(&mut *db)
                .await?;
            let query = if app.revision == 0 {
                sqlx::query(
                    "INSERT INTO apps (tenant, provider, digest, settings, grants, redirect_uri, listing,
                     created_at, updated_at, id, revision)
                     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1 + $11 + value FROM counters WHERE name = 'apps'
                     ON CONFLICT (id) DO NOTHING",
                )
            } else {
                sqlx::query(
                    "UPDATE apps SET tenant = $1, provider = $2, digest = $3, settings = $4, grants = $5,
                     redirect_uri = $6, listing = $7, created_at = $8, updated_at = $9, revision = revision + 1
                     WHERE id = $10 AND revision = $11",
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
            // The previous component may have been kept only for this job.
            if let Some(left) = left.filter(|left| left != app.digest.as_str()) {
                sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM components WHERE digest = $1 AND {UNUSED}")))
                    .bind(left)
                    .execute(&mut *db)
                    .await?;
            }
            Ok(done.rows_affected() == 1)
        })
    }

    async fn delete_app(&self, id: &str) -> Result<u64> {
        write!(self, db => {
            // Locked, so that no account is connected to it meanwhile.
            sqlx::query("SELECT 1 FROM apps WHERE id = $1 FOR UPDATE").bind(text(id)).execute(&mut *db).await?;
            let accounts: i64 = sqlx::query_scalar("SELECT count(*) FROM accounts WHERE app = $1")
                .bind(text(id))
                .fetch_one(&mut *db)
                .await?;
            if accounts == 0 {
                sqlx::query("DELETE FROM sessions WHERE app = $1").bind(text(id)).execute(&mut *db).await?;
                sqlx::query("DELETE FROM provider_values WHERE app = $1").bind(text(id)).execute(&mut *db).await?;
                for delete in [
                    "DELETE FROM stats_samples WHERE (tenant, channel) IN
                     (SELECT tenant, channel FROM former_channels WHERE app = $1)",
                    "DELETE FROM post_samples WHERE (tenant, channel) IN
                     (SELECT tenant, channel FROM former_channels WHERE app = $1)",
                ] {
                    sqlx::query(delete).bind(text(id)).execute(&mut *db).await?;
                }
                sqlx::query("DELETE FROM former_channels WHERE app = $1").bind(text(id)).execute(&mut *db).await?;
                // Other processes identify apps by name and revision, so a new app must not repeat an old revision.
                sqlx::query(
                    "UPDATE counters SET value = greatest(value, (SELECT revision FROM apps WHERE id = $1))
                     WHERE name = 'apps'",
                )
                .bind(text(id))
                .execute(&mut *db)
                .await?;
                sqlx::query("DELETE FROM apps WHERE id = $1").bind(text(id)).execute(&mut *db).await?;
            }
            Ok(accounts.cast_unsigned())
        })
    }

    async fn insert_session(&self, session: &SessionRow, ended_before: i64) -> Result<()> {
        write!(self for &session.tenant, db => {
            sqlx::query("DELETE FROM sessions WHERE expires_at <= $1").bind(ended_before).execute(&mut *db).await?;
            sqlx::query(
                "INSERT INTO sessions (id, tenant, app, owner, payload, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
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

    async fn consume_session(&self, tenant: &TenantId, id: &str, owner: &str) -> Result<ConsumedSession> {
        write!(self for tenant.as_str(), db => {
            let row = sqlx::query(concat!("SELECT ", columns!(sessions ""), " FROM sessions WHERE tenant = $1 AND id = $2 FOR UPDATE"))
                .bind(tenant.as_str())
                .bind(text(id))
                .fetch_optional(&mut *db)
                .await?;
            let Some(row) = row else { return Ok(ConsumedSession::Missing) };
            let session = row::read("sessions", &row, session_row)?;
            if session.owner != owner {
                return Ok(ConsumedSession::BegunByAnother);
            }
            if row.try_get::<bool, _>("spent")? {
                return Ok(ConsumedSession::Before);
            }
            // The row stays until it expires, so that a second use can be distinguished from an unknown state.
            sqlx::query("UPDATE sessions SET spent = true, payload = ''::bytea WHERE id = $1")
                .bind(text(id))
                .execute(&mut *db)
                .await?;
            Ok(ConsumedSession::Now(session))
        })
    }
}
