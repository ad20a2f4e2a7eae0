//! Components, apps and connect sessions.

use super::told::{Query, binds};
use super::*;
use crate::store::columns::columns;

/// The component `c` is unused: no app and no open job runs it, it is not installed, and not kept for the
/// way back.
const UNUSED: &str = "NOT EXISTS (SELECT 1 FROM {providers} p WHERE p.digest = c.digest)
    AND NOT EXISTS (SELECT 1 FROM {apps} a WHERE a.digest = c.digest)
    AND NOT EXISTS (SELECT 1 FROM {jobs} j WHERE j.digest = c.digest AND (j.ended_at IS NULL OR j.wake_at IS NOT NULL))
    AND NOT EXISTS (SELECT 1 FROM {documents} d WHERE d.kind = 'provider-kept' AND d.id = c.digest)";

/// Bytes of one part of a component.
const PART: usize = 1 << 20;

fn app_row(row: &MySqlRow) -> sqlx::Result<AppRow> {
    Ok(AppRow {
        id: text(row, "id")?,
        tenant: texts(row, "tenant")?,
        provider: text(row, "provider")?,
        digest: row::parsed(row, "digest")?,
        settings: Sealed(row.try_get("settings")?),
        grants: text(row, "grants")?,
        redirect_uri: texts(row, "redirect_uri")?,
        listing: texts(row, "listing")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        revision: row.try_get("revision")?,
    })
}

fn component_row(row: &MySqlRow) -> sqlx::Result<ComponentRow> {
    Ok(ComponentRow {
        digest: row::parsed(row, "digest")?,
        provider: text(row, "provider")?,
        version: text(row, "version")?,
        size: row.try_get("size")?,
        added_at: row.try_get("added_at")?,
        installed: row.try_get("installed")?,
    })
}

fn session_row(row: &MySqlRow) -> sqlx::Result<SessionRow> {
    Ok(SessionRow {
        id: text(row, "id")?,
        tenant: text(row, "tenant")?,
        app: text(row, "app")?,
        owner: text(row, "owner")?,
        payload: Sealed(row.try_get("payload")?),
        expires_at: row.try_get("expires_at")?,
    })
}

#[async_trait]
impl AppStore for Mysql {
    async fn component_bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let rows = read!(self for "", db => {
            sqlx::query(self.sql("SELECT digest, bytes FROM {component_parts} WHERE digest = ? ORDER BY part"))
                .bind(digest.as_str())
                .fetch_all(&mut *db)
                .await
        })?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        for row in &rows {
            let part: &[u8] = row.try_get("bytes").map_err(failure)?;
            bytes.extend_from_slice(part);
        }
        Ok(Some(bytes))
    }

    async fn components(&self) -> Result<Vec<ComponentRow>> {
        let rows = read!(self for "", db => {
            sqlx::query(self.sql("SELECT c.digest, c.provider, c.version, c.size, c.added_at,
                 p.digest IS NOT NULL AS installed
                 FROM {components} c LEFT JOIN {providers} p ON p.id = c.provider AND p.digest = c.digest
                 ORDER BY c.provider, c.added_at"))
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("components", &rows, component_row))
    }

    async fn install_component(&self, component: &ComponentRow, bytes: &[u8], apps: &[String]) -> Result<()> {
        let ComponentRow { digest, provider, added_at: now, .. } = component;
        write!(self, db => {
            let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            let inserted = sqlx::query(self.sql(
                "INSERT INTO {components} (digest, provider, version, size, added_at) VALUES (?, ?, ?, ?, ?)",
            ))
            .bind(digest.as_str())
            .bind(provider)
            .bind(&component.version)
            .bind(size)
            .bind(*now)
            .execute(&mut *db)
            .await;
            if is_new(inserted)? {
                write_parts(&self.tables, &mut *db, digest.as_str(), bytes).await?;
            }
            sqlx::query(self.sql("INSERT INTO {providers} (id, digest) VALUES (?, ?) ON DUPLICATE KEY UPDATE digest = ?"))
                .bind(provider)
                .bind(digest.as_str())
                .bind(digest.as_str())
                .execute(&mut *db)
                .await?;
            for app in apps {
                let before: Option<Text> =
                    sqlx::query_scalar(self.sql("SELECT digest FROM {apps} WHERE id = ? AND provider = ? FOR UPDATE"))
                        .bind(app)
                        .bind(provider)
                        .fetch_optional(&mut *db)
                        .await?;
                let Some(before) = before else { continue };
                let set = "updated_at = ?, revision = revision + 1";
                let bind = binds(|query| query.bind(*now));
                self.tables.write_app(&mut *db, (app, &before.0), digest.as_str(), set, bind).await?;
            }
            self.tables.delete_unused(db, "c.provider = ?", provider).await
        })
    }

    async fn installed_component(&self, provider: &str) -> Result<Option<Digest>> {
        let row = read!(self for "", db => {
            sqlx::query(self.sql("SELECT id, digest FROM {providers} WHERE id = ?"))
                .bind(provider)
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("providers", row, |row| row::parsed(row, "digest"))
    }

    async fn open_jobs_with(&self, digest: &Digest) -> Result<u64> {
        let jobs: i64 = read!(self for "", db => {
            sqlx::query_scalar(self.sql(
                "SELECT count(*) FROM {jobs} WHERE digest = ? AND (ended_at IS NULL OR wake_at IS NOT NULL)",
            ))
            .bind(digest.as_str())
            .fetch_one(&mut *db)
            .await
        })?;
        Ok(jobs.cast_unsigned())
    }

    async fn uninstall_provider(&self, provider: &str) -> Result<Vec<String>> {
        write!(self, db => {
            let users: Vec<Text> = sqlx::query_scalar(self.sql("SELECT CONCAT('app ', id) FROM {apps} WHERE provider = ?
                 UNION ALL
                 SELECT CONCAT('job ', j.id) FROM {jobs} j JOIN {components} c ON c.digest = j.digest
                 WHERE c.provider = ? AND (j.ended_at IS NULL OR j.wake_at IS NOT NULL)"))
            .bind(provider)
            .bind(provider)
            .fetch_all(&mut *db)
            .await?;
            if users.is_empty() {
                sqlx::query(self.sql("DELETE FROM {providers} WHERE id = ?")).bind(provider).execute(&mut *db).await?;
                sqlx::query(self.sql("DELETE FROM {components} WHERE provider = ?")).bind(provider).execute(&mut *db).await?;
            }
            Ok(plain(users))
        })
    }

    async fn apps(&self) -> Result<Vec<AppRow>> {
        let rows = read!(self for "", db => {
            sqlx::query(self.sql(concat!("SELECT ", columns!(apps ""), " FROM {apps} ORDER BY id"))).fetch_all(&mut *db).await
        })?;
        Ok(row::all("apps", &rows, app_row))
    }

    async fn app(&self, id: &str) -> Result<Option<AppRow>> {
        let row = read!(self for "", db => {
            sqlx::query(self.sql(concat!("SELECT ", columns!(apps ""), " FROM {apps} WHERE id = ?")))
                .bind(id)
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("apps", row, app_row)
    }

    async fn put_app(&self, app: &AppRow) -> Result<bool> {
        write!(self, db => {
            let left: Option<(Text, i64)> = sqlx::query_as(self.sql("SELECT digest, revision FROM {apps} WHERE id = ? FOR UPDATE"))
                .bind(&app.id)
                .fetch_optional(&mut *db)
                .await?;
            let is_written = if app.revision == 0 {
                // Shared, so that the app of this name that is just being deleted counts.
                let highest: i64 = sqlx::query_scalar(
                    self.sql("SELECT value FROM {counters} WHERE name = 'apps' LOCK IN SHARE MODE"),
                )
                .fetch_one(&mut *db)
                .await?;
                let insert = self.sql(
                    "INSERT INTO {apps} (tenant, provider, settings, grants, redirect_uri, listing, created_at,
                     updated_at, digest, id, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                );
                let insert = values(sqlx::query(insert), app)
                    .bind(app.digest.as_str())
                    .bind(&app.id)
                    .bind(highest.saturating_add(1));
                is_new(insert.execute(&mut *db).await)?
            } else {
                match &left {
                    Some((before, revision)) if *revision == app.revision => {
                        let set = "tenant = ?, provider = ?, settings = ?, grants = ?, redirect_uri = ?, listing = ?,
                             created_at = ?, updated_at = ?, revision = revision + 1";
                        let bind = binds(|query| values(query, app));
                        let of = (&*app.id, &*before.0);
                        self.tables.write_app(&mut *db, of, app.digest.as_str(), set, bind).await?;
                        true
                    }
                    _ => false,
                }
            };
            // The previous component may have been kept only for this app.
            if let Some((left, _)) = left.filter(|(left, _)| left.0 != app.digest.as_str()) {
                self.tables.delete_unused(db, "c.digest = ?", &left.0).await?;
            }
            Ok(is_written)
        })
    }

    async fn delete_app(&self, id: &str) -> Result<u64> {
        write!(self, db => {
            // Locked, so that no account is connected to it meanwhile.
            sqlx::query(self.sql("SELECT 1 FROM {apps} WHERE id = ? FOR UPDATE")).bind(id).execute(&mut *db).await?;
            let accounts: i64 = sqlx::query_scalar(self.sql("SELECT count(*) FROM {accounts} WHERE app = ?"))
                .bind(id)
                .fetch_one(&mut *db)
                .await?;
            if accounts == 0 {
                sqlx::query(self.sql("DELETE FROM {sessions} WHERE app = ?")).bind(id).execute(&mut *db).await?;
                sqlx::query(self.sql("DELETE FROM {provider_values} WHERE app = ?")).bind(id).execute(&mut *db).await?;
                for samples in ["{stats_samples}", "{post_samples}"] {
                    let delete = [
                        "DELETE s FROM ",
                        samples,
                        " s JOIN {former_channels} f ON f.tenant = s.tenant AND f.channel = s.channel WHERE f.app = ?",
                    ];
                    sqlx::query(self.sql(&delete.concat())).bind(id).execute(&mut *db).await?;
                }
                sqlx::query(self.sql("DELETE FROM {former_channels} WHERE app = ?")).bind(id).execute(&mut *db).await?;
                // Other processes identify apps by name and revision, so a new app must not repeat an old revision.
                sqlx::query(self.sql("UPDATE {counters} SET value = GREATEST(value, COALESCE((SELECT a.revision FROM {apps} a WHERE a.id = ?), 0))
                     WHERE name = 'apps'"))
                .bind(id)
                .execute(&mut *db)
                .await?;
                sqlx::query(self.sql("DELETE FROM {apps} WHERE id = ?")).bind(id).execute(&mut *db).await?;
            }
            Ok(accounts.cast_unsigned())
        })
    }

    async fn insert_session(&self, session: &SessionRow, ended_before: i64) -> Result<()> {
        write!(self for &session.tenant, db => {
            sqlx::query(self.sql("DELETE FROM {sessions} WHERE expires_at <= ?")).bind(ended_before).execute(&mut *db).await?;
            sqlx::query(self.sql("INSERT INTO {sessions} (id, tenant, app, owner, payload, expires_at) VALUES (?, ?, ?, ?, ?, ?)"))
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
            let row = sqlx::query(self.sql(concat!("SELECT ", columns!(sessions ""), " FROM {sessions} WHERE tenant = ? AND id = ? FOR UPDATE")))
                .bind(tenant.as_str())
                .bind(id)
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
            sqlx::query(self.sql("UPDATE {sessions} SET spent = true, payload = '' WHERE id = ?"))
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(ConsumedSession::Now(session))
        })
    }
}

/// Stores the bytes of a component.
pub(super) async fn write_parts(
    tables: &Tables,
    db: &mut MySqlConnection,
    digest: &str,
    bytes: &[u8],
) -> sqlx::Result<()> {
    // At least one, also of nothing: it says that the component is there.
    let parts = if bytes.is_empty() { vec![bytes] } else { bytes.chunks(PART).collect() };
    for (part, bytes) in parts.into_iter().enumerate() {
        sqlx::query(tables.sql("INSERT INTO {component_parts} (digest, part, bytes) VALUES (?, ?, ?)"))
            .bind(digest)
            .bind(i64::try_from(part).unwrap_or(i64::MAX))
            .bind(bytes)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// The values of an app, in the order of its statements, but for its component, its name and its revision.
fn values<'q>(query: Query<'q>, app: &'q AppRow) -> Query<'q> {
    query
        .bind(&app.tenant)
        .bind(&app.provider)
        .bind(&app.settings.0)
        .bind(&app.grants)
        .bind(&app.redirect_uri)
        .bind(&app.listing)
        .bind(app.created_at)
        .bind(app.updated_at)
}

impl Tables {
    /// Deletes components of which `condition` holds for this value, and that nothing needs.
    async fn delete_unused(
        &self,
        db: &mut MySqlConnection,
        condition: &'static str,
        value: &str,
    ) -> sqlx::Result<()> {
        let unused = ["SELECT c.digest FROM {components} c WHERE ", condition, " AND ", UNUSED].concat();
        let unused: Vec<Text> = sqlx::query_scalar(self.sql(&unused)).bind(value).fetch_all(&mut *db).await?;
        for digest in unused {
            sqlx::query(self.sql("DELETE FROM {components} WHERE digest = ?"))
                .bind(digest.0)
                .execute(&mut *db)
                .await?;
        }
        Ok(())
    }
}
