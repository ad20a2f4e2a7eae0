//! Connected accounts, and the lease under which one of them is refreshed.

use sqlx::sqlite::SqliteRow;

use super::*;
use crate::store::columns::columns;

fn json(list: &[String]) -> String {
    serde_json::to_string(list).unwrap_or_else(|_| "[]".to_owned())
}

fn health_name(health: Health) -> &'static str {
    match health {
        Health::Active => "active",
        Health::Limited => "limited",
        Health::NeedsReconnect => "needs_reconnect",
    }
}

/// An account together with its app's revision, so that a call needs only one query.
macro_rules! accounts_where {
    ($condition:literal) => {
        concat!(
            concat!("SELECT ", columns!(accounts "accounts."), ", apps.revision AS app_revision
             FROM accounts JOIN apps ON apps.id = accounts.app WHERE "),
            $condition
        )
    };
}

fn account_row(row: &SqliteRow) -> sqlx::Result<AccountRow> {
    Ok(AccountRow {
        channel: row.try_get("channel")?,
        app: row.try_get("app")?,
        app_revision: row.try_get("app_revision")?,
        account: row.try_get("account")?,
        display_name: row.try_get("display_name")?,
        username: row.try_get("username")?,
        kind: row.try_get("kind")?,
        parent_id: row.try_get("parent_id")?,
        avatar_url: row.try_get("avatar_url")?,
        grant: row.try_get("consent_group")?,
        credentials: Sealed(row.try_get("credentials")?),
        credentials_revision: row.try_get("credentials_revision")?,
        issued_at: row.try_get("issued_at")?,
        scopes: row::json(row, "scopes")?,
        missing_scopes: row::json(row, "missing_scopes")?,
        expires_at_s: row.try_get("expires_at_s")?,
        refresh_expires_at_s: row.try_get("refresh_expires_at_s")?,
        health: row::word(row, "health")?,
        health_detail: row.try_get("health_detail")?,
        connected_at: row.try_get("connected_at")?,
        connected_by: row.try_get("connected_by")?,
        looked_at: row.try_get("looked_at")?,
    })
}

/// The same on the thread that asks; what it does not understand is read again as above.
fn directly_read(row: &rusqlite::Row<'_>) -> rusqlite::Result<AccountRow> {
    let text = |column: &str| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    let list = |column: &str| serde_json::from_str(text(column)?).map_err(|_| rusqlite::Error::InvalidQuery);
    let health = text("health")?;
    let known = [Health::Active, Health::Limited, Health::NeedsReconnect];
    let health =
        known.into_iter().find(|it| health_name(*it) == health).ok_or(rusqlite::Error::InvalidQuery)?;
    Ok(AccountRow {
        channel: row.get("channel")?,
        app: row.get("app")?,
        app_revision: row.get("app_revision")?,
        account: row.get("account")?,
        display_name: row.get("display_name")?,
        username: row.get("username")?,
        kind: row.get("kind")?,
        parent_id: row.get("parent_id")?,
        avatar_url: row.get("avatar_url")?,
        grant: row.get("consent_group")?,
        credentials: Sealed(row.get("credentials")?),
        credentials_revision: row.get("credentials_revision")?,
        issued_at: row.get("issued_at")?,
        scopes: list("scopes")?,
        missing_scopes: list("missing_scopes")?,
        expires_at_s: row.get("expires_at_s")?,
        refresh_expires_at_s: row.get("refresh_expires_at_s")?,
        health,
        health_detail: row.get("health_detail")?,
        connected_at: row.get("connected_at")?,
        connected_by: row.get("connected_by")?,
        looked_at: row.get("looked_at")?,
    })
}

/// Makes the channel of another app that of `account`, with its jobs that have not begun. What follows is as if it had
/// been connected to this app before.
async fn take_over(
    db: &mut SqliteConnection,
    tenant: &TenantId,
    channel: &str,
    account: &NewAccount,
) -> sqlx::Result<Result<()>> {
    let other: Option<String> = sqlx::query_scalar(
        "SELECT channel FROM accounts WHERE tenant = ? AND app = ? AND account = ? AND channel <> ?",
    )
    .bind(tenant.as_str())
    .bind(&account.app)
    .bind(&account.account)
    .bind(channel)
    .fetch_optional(&mut *db)
    .await?;
    if let Some(other) = other {
        return Ok(Err(account_taken(&other)));
    }
    let begun: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM jobs WHERE tenant = ? AND channel = ? AND ended_at IS NULL
         AND (state IS NOT NULL OR lease_owner IS NOT NULL)",
    )
    .bind(tenant.as_str())
    .bind(channel)
    .fetch_one(&mut *db)
    .await?;
    if begun > 0 {
        return Ok(Err(channel_busy(begun)));
    }
    let moved = sqlx::query("UPDATE accounts SET app = ?, account = ? WHERE tenant = ? AND channel = ?")
        .bind(&account.app)
        .bind(&account.account)
        .bind(tenant.as_str())
        .bind(channel)
        .execute(&mut *db)
        .await?;
    if moved.rows_affected() == 0 {
        return Ok(Err(no_channel(channel)));
    }
    // It was connected to this app once, under another channel, whose place this one takes.
    sqlx::query("DELETE FROM former_channels WHERE tenant = ? AND app = ? AND account = ?")
        .bind(tenant.as_str())
        .bind(&account.app)
        .bind(&account.account)
        .execute(&mut *db)
        .await?;
    // What the old app had left of its allowances no longer counts.
    sqlx::query(
        "UPDATE jobs SET app = ?1, asked_at = NULL, wake_at = max(?2, coalesce(publish_at, 0)), updated_at = ?2
         WHERE tenant = ?3 AND channel = ?4 AND ended_at IS NULL",
    )
    .bind(&account.app)
    .bind(account.now)
    .bind(tenant.as_str())
    .bind(channel)
    .execute(&mut *db)
    .await?;
    Ok(Ok(()))
}

#[async_trait]
impl AccountStore for Sqlite {
    async fn accounts(&self, tenant: &TenantId) -> Result<Vec<AccountRow>> {
        let rows = sqlx::query(accounts_where!("accounts.tenant = ? ORDER BY app, connected_at"))
            .bind(tenant.as_str())
            .fetch_all(&mut *self.reader(tenant).await?)
            .await
            .map_err(failure)?;
        Ok(row::all("accounts", &rows, account_row))
    }

    async fn accounts_after(
        &self,
        tenant: &TenantId,
        app: Option<&str>,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Vec<AccountRow>> {
        let page = accounts_where!(
            "accounts.tenant = ? AND channel > ? AND (? IS NULL OR accounts.app = ?) ORDER BY channel LIMIT ?"
        );
        let rows = sqlx::query(page)
            .bind(tenant.as_str())
            .bind(after.unwrap_or_default())
            .bind(app)
            .bind(app)
            .bind(limit)
            .fetch_all(&mut *self.reader(tenant).await?)
            .await
            .map_err(failure)?;
        Ok(row::all("accounts", &rows, account_row))
    }

    async fn accounts_to_refresh(&self, before: i64) -> Result<Vec<(TenantId, String)>> {
        let rows = sqlx::query(
            "SELECT channel, tenant FROM accounts WHERE refresh_due_at <= ? AND health <> 'needs_reconnect'",
        )
        .bind(before)
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn accounts_to_look_at(&self, before: i64) -> Result<Vec<(TenantId, String)>> {
        let rows = sqlx::query(
            "SELECT channel, tenant FROM accounts WHERE looked_at <= ? AND health <> 'needs_reconnect'
             ORDER BY looked_at",
        )
        .bind(before)
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn account(&self, tenant: &TenantId, channel: &str) -> Result<Option<AccountRow>> {
        const QUERY: &str = accounts_where!("accounts.tenant = ? AND channel = ?");
        let direct = self.direct.as_ref();
        let read = direct.and_then(|direct| direct.row(QUERY, (tenant.as_str(), channel), directly_read));
        if let Some(row) = read {
            return Ok(row);
        }
        let row = sqlx::query(QUERY)
            .bind(tenant.as_str())
            .bind(channel)
            .fetch_optional(&mut *self.reader(tenant).await?)
            .await
            .map_err(failure)?;
        row::one("accounts", row, account_row)
    }

    async fn accounts_of_grant(
        &self,
        app: &str,
        grant: Option<&str>,
        account: &str,
    ) -> Result<Vec<(TenantId, String)>> {
        let rows = sqlx::query(
            "SELECT channel, tenant FROM accounts
             WHERE app = ?1 AND (CASE WHEN ?2 IS NULL THEN account = ?3 ELSE consent_group = ?2 END)",
        )
        .bind(app)
        .bind(grant)
        .bind(account)
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn connect_account(&self, tenant: &TenantId, account: &NewAccount, seal: &Seal) -> Result<String> {
        let connected: Result<Result<String>> = write!(self for tenant.as_str(), db => {
            if let Some(channel) = &account.takes_over
                && let Err(error) = take_over(&mut *db, tenant, channel, account).await?
            {
                return Ok(Err(error));
            }
            // If two consents connect one account, the second finds the channel of the first, and seals for that
            // channel.
            let known: Option<String> =
                sqlx::query_scalar("SELECT channel FROM accounts WHERE tenant = ? AND app = ? AND account = ?")
                    .bind(tenant.as_str())
                    .bind(&account.app)
                    .bind(&account.account)
                    .fetch_optional(&mut *db)
                    .await?;
            // After a disconnect it is the same channel again.
            let former: Option<(String, i64, i64)> = sqlx::query_as(
                "DELETE FROM former_channels WHERE tenant = ? AND app = ? AND account = ?
                 RETURNING channel, credentials_revision, fence",
            )
            .bind(tenant.as_str())
            .bind(&account.app)
            .bind(&account.account)
            .fetch_optional(&mut *db)
            .await?;
            let (revision, fence) = former.as_ref().map_or((0, 0), |(_, revision, fence)| (*revision, *fence));
            let channel = known
                .or_else(|| former.map(|(channel, ..)| channel))
                .unwrap_or_else(|| account.channel.clone());
            let credentials = match seal(&channel) {
                Ok(credentials) => credentials,
                Err(error) => return Ok(Err(error)),
            };
            // A running refresh has older credentials: the fence rejects its result.
            sqlx::query(
                "INSERT INTO accounts (channel, tenant, app, account, display_name, avatar_url, consent_group,
                 credentials, credentials_revision, issued_at, scopes, missing_scopes, expires_at_s,
                 refresh_expires_at_s, refresh_due_at, health, health_detail, connected_at, connected_by, updated_at,
                 looked_at, fence, username, kind, parent_id)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ? + 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? + 1, ?, ?, ?)
                 ON CONFLICT (tenant, app, account) DO UPDATE SET
                 display_name = excluded.display_name, avatar_url = excluded.avatar_url,
                 consent_group = excluded.consent_group, credentials = excluded.credentials,
                 credentials_revision = credentials_revision + 1, issued_at = excluded.issued_at,
                 scopes = excluded.scopes, missing_scopes = excluded.missing_scopes,
                 expires_at_s = excluded.expires_at_s, refresh_expires_at_s = excluded.refresh_expires_at_s,
                 refresh_due_at = excluded.refresh_due_at, health = excluded.health,
                 health_detail = excluded.health_detail, connected_at = excluded.connected_at,
                 connected_by = excluded.connected_by, username = coalesce(excluded.username, username),
                 kind = excluded.kind, parent_id = excluded.parent_id,
                 updated_at = excluded.updated_at, looked_at = excluded.looked_at, fence = fence + 1, lease_owner = NULL, lease_until = 0",
            )
            .bind(&channel)
            .bind(tenant.as_str())
            .bind(&account.app)
            .bind(&account.account)
            .bind(&account.display_name)
            .bind(&account.avatar_url)
            .bind(&account.grant)
            .bind(&credentials.0)
            .bind(revision)
            .bind(account.now)
            .bind(json(&account.scopes))
            .bind(json(&account.missing_scopes))
            .bind(account.expires_at_s)
            .bind(account.refresh_expires_at_s)
            .bind(account.refresh_due_at)
            .bind(health_name(account.health))
            .bind(&account.health_detail)
            .bind(account.now)
            .bind(&account.connected_by)
            .bind(account.now)
            .bind(account.now)
            .bind(fence)
            .bind(&account.username)
            .bind(&account.kind)
            .bind(&account.parent_id)
            .execute(&mut *db)
            .await?;
            sqlx::query(
                "UPDATE jobs SET wake_at = max(?1, coalesce(publish_at, 0)), status = 'active', error = NULL,
                 updated_at = ?1 WHERE tenant = ?2 AND channel = ?3 AND status = 'paused'",
            )
            .bind(account.now)
            .bind(tenant.as_str())
            .bind(&channel)
            .execute(&mut *db)
            .await?;
            if let Some(note) = &account.note {
                documents::put(note).execute(&mut *db).await?;
            }
            Ok(Ok(channel))
        });
        connected?
    }

    async fn store_credentials(
        &self,
        tenant: &TenantId,
        channel: &str,
        account: &NewAccount,
        credentials: &Sealed,
        lease: &Lease,
    ) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query(
                "UPDATE accounts SET credentials = ?,
                 credentials_revision = credentials_revision + 1, issued_at = ?, scopes = ?,
                 missing_scopes = ?, expires_at_s = ?, refresh_expires_at_s = ?, refresh_due_at = ?, health = ?,
                 health_detail = ?, updated_at = ?, lease_owner = NULL, lease_until = 0
                 WHERE tenant = ? AND channel = ? AND fence = ?",
            )
            .bind(&credentials.0)
            .bind(account.now)
            .bind(json(&account.scopes))
            .bind(json(&account.missing_scopes))
            .bind(account.expires_at_s)
            .bind(account.refresh_expires_at_s)
            .bind(account.refresh_due_at)
            .bind(health_name(account.health))
            .bind(&account.health_detail)
            .bind(account.now)
            .bind(tenant.as_str())
            .bind(channel)
            .bind(lease.fence)
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn set_account_health(
        &self,
        tenant: &TenantId,
        channel: &str,
        health: Health,
        detail: Option<&str>,
        credentials_revision: i64,
        now: i64,
    ) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query(
                "UPDATE accounts SET health = ?, health_detail = ?, updated_at = ?
                 WHERE tenant = ? AND channel = ? AND credentials_revision = ?",
            )
            .bind(health_name(health))
            .bind(detail)
            .bind(now)
            .bind(tenant.as_str())
            .bind(channel)
            .bind(credentials_revision)
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn delete_account(&self, tenant: &TenantId, channel: &str, now: i64) -> Result<()> {
        write!(self for tenant.as_str(), db => {
            // The event that tells of it has this time.
            sqlx::query("UPDATE accounts SET updated_at = ? WHERE tenant = ? AND channel = ?")
                .bind(now)
                .bind(tenant.as_str())
                .bind(channel)
                .execute(&mut *db)
                .await?;
            sqlx::query(
                "INSERT OR REPLACE INTO former_channels (tenant, app, account, channel, credentials_revision, fence)
                 SELECT tenant, app, account, channel, credentials_revision, fence FROM accounts
                 WHERE tenant = ? AND channel = ?",
            )
            .bind(tenant.as_str())
            .bind(channel)
            .execute(&mut *db)
            .await?;
            sqlx::query("DELETE FROM accounts WHERE tenant = ? AND channel = ?")
                .bind(tenant.as_str())
                .bind(channel)
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    async fn set_account_profile(
        &self,
        tenant: &TenantId,
        channel: &str,
        display_name: &str,
        username: Option<&str>,
        avatar_url: Option<&str>,
        now: i64,
    ) -> Result<()> {
        // What a power cut takes back is read again at the next look.
        write_relaxed!(self for tenant.as_str(), db => {
            sqlx::query(
                "UPDATE accounts SET display_name = ?, username = coalesce(?, username), avatar_url = ?,
                 looked_at = ? WHERE tenant = ? AND channel = ?",
            )
                .bind(display_name)
                .bind(username)
                .bind(avatar_url)
                .bind(now)
                .bind(tenant.as_str())
                .bind(channel)
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    async fn acquire_account(
        &self,
        tenant: &TenantId,
        channel: &str,
        length: Duration,
    ) -> Result<Option<Lease>> {
        write_relaxed!(self for tenant.as_str(), db => {
            let row = sqlx::query("SELECT lease_owner, lease_until FROM accounts WHERE tenant = ? AND channel = ?")
                .bind(tenant.as_str())
                .bind(channel)
                .fetch_optional(&mut *db)
                .await?;
            let Some(row) = row else { return Ok(None) };
            let holder: Option<String> = row.try_get(0)?;
            let ended = row.try_get::<i64, _>(1)? <= self.leases.now_ms();
            let free = ended || holder.is_none_or(|holder| process::is_dead(&holder));
            if !free {
                return Ok(None);
            }
            let fence: i64 = sqlx::query_scalar(
                "UPDATE accounts SET lease_owner = ?, lease_until = ?, fence = fence + 1
                 WHERE tenant = ? AND channel = ? RETURNING fence",
            )
            .bind(process::owner())
            .bind(self.lease_end(length))
            .bind(tenant.as_str())
            .bind(channel)
            .fetch_one(&mut *db)
            .await?;
            Ok(Some(Lease { fence }))
        })
    }

    async fn release_account(&self, tenant: &TenantId, channel: &str, lease: &Lease) -> Result<()> {
        write_relaxed!(self for tenant.as_str(), db => {
            sqlx::query(
                "UPDATE accounts SET lease_owner = NULL, lease_until = 0
                 WHERE tenant = ? AND channel = ? AND fence = ?",
            )
            .bind(tenant.as_str())
            .bind(channel)
            .bind(lease.fence)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }
}
