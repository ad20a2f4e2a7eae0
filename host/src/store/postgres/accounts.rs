//! Connected accounts, and the lease under which one of them is refreshed.

use sqlx::postgres::PgRow;

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

fn account_row(row: &PgRow) -> sqlx::Result<AccountRow> {
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

/// Makes the channel of another app that of `account`, with its jobs that have not begun. What follows is as if it had
/// been connected to this app before.
async fn take_over(
    db: &mut PgConnection,
    tenant: &TenantId,
    channel: &str,
    account: &NewAccount,
) -> sqlx::Result<Result<()>> {
    let other: Option<String> = sqlx::query_scalar(
        "SELECT channel FROM accounts WHERE tenant = $1 AND app = $2 AND account = $3 AND channel <> $4",
    )
    .bind(tenant.as_str())
    .bind(&account.app)
    .bind(text(&account.account))
    .bind(channel)
    .fetch_optional(&mut *db)
    .await?;
    if let Some(other) = other {
        return Ok(Err(account_taken(&other)));
    }
    let known: Option<String> =
        sqlx::query_scalar("SELECT channel FROM accounts WHERE tenant = $1 AND channel = $2 FOR UPDATE")
            .bind(tenant.as_str())
            .bind(channel)
            .fetch_optional(&mut *db)
            .await?;
    if known.is_none() {
        return Ok(Err(no_channel(channel)));
    }
    // Locked, so that no worker begins one meanwhile.
    let jobs: Vec<bool> = sqlx::query_scalar(
        "SELECT state IS NOT NULL OR lease_owner IS NOT NULL FROM jobs
         WHERE tenant = $1 AND channel = $2 AND ended_at IS NULL ORDER BY id FOR UPDATE",
    )
    .bind(tenant.as_str())
    .bind(channel)
    .fetch_all(&mut *db)
    .await?;
    let begun = jobs.into_iter().filter(|begun| *begun).count();
    if begun > 0 {
        return Ok(Err(channel_busy(i64::try_from(begun).unwrap_or(i64::MAX))));
    }
    sqlx::query("UPDATE accounts SET app = $1, account = $2 WHERE tenant = $3 AND channel = $4")
        .bind(&account.app)
        .bind(text(&account.account))
        .bind(tenant.as_str())
        .bind(channel)
        .execute(&mut *db)
        .await?;
    // It was connected to this app once, under another channel, whose place this one takes.
    sqlx::query("DELETE FROM former_channels WHERE tenant = $1 AND app = $2 AND account = $3")
        .bind(tenant.as_str())
        .bind(&account.app)
        .bind(text(&account.account))
        .execute(&mut *db)
        .await?;
    // What the old app had left of its allowances no longer counts.
    sqlx::query(
        "UPDATE jobs SET app = $1, asked_at = NULL, wake_at = greatest($2, publish_at), updated_at = $2
         WHERE tenant = $3 AND channel = $4 AND ended_at IS NULL",
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
impl AccountStore for Postgres {
    async fn accounts(&self, tenant: &TenantId) -> Result<Vec<AccountRow>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(accounts_where!("accounts.tenant = $1 ORDER BY app, connected_at"))
                .bind(tenant.as_str())
                .fetch_all(&mut *db)
                .await
        })?;
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
            "accounts.tenant = $1 AND channel > $2 AND ($3 IS NULL OR accounts.app = $3) ORDER BY channel LIMIT $4"
        );
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(page)
                .bind(tenant.as_str())
                .bind(text(after.unwrap_or_default()))
                .bind(texts(app))
                .bind(i64::from(limit))
                .fetch_all(&mut *db)
                .await
        })?;
        Ok(row::all("accounts", &rows, account_row))
    }

    async fn accounts_to_refresh(&self, before: i64) -> Result<Vec<(TenantId, String)>> {
        let rows = read!(self for "", db => {
            sqlx::query(
                "SELECT channel, tenant FROM accounts WHERE refresh_due_at <= $1 AND health <> 'needs_reconnect'",
            )
            .bind(before)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn accounts_to_look_at(&self, before: i64) -> Result<Vec<(TenantId, String)>> {
        let rows = read!(self for "", db => {
            sqlx::query(
                "SELECT channel, tenant FROM accounts WHERE looked_at <= $1 AND health <> 'needs_reconnect'
                 ORDER BY looked_at",
            )
            .bind(before)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn account(&self, tenant: &TenantId, channel: &str) -> Result<Option<AccountRow>> {
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query(accounts_where!("accounts.tenant = $1 AND channel = $2"))
                .bind(tenant.as_str())
                .bind(text(channel))
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("accounts", row, account_row)
    }

    async fn accounts_of_grant(
        &self,
        app: &str,
        grant: Option<&str>,
        account: &str,
    ) -> Result<Vec<(TenantId, String)>> {
        let rows = read!(self for "", db => {
            sqlx::query(
                "SELECT channel, tenant FROM accounts
                 WHERE app = $1 AND (CASE WHEN $2 IS NULL THEN account = $3 ELSE consent_group = $2 END)",
            )
            .bind(text(app))
            .bind(texts(grant))
            .bind(text(account))
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn connect_account(&self, tenant: &TenantId, account: &NewAccount, seal: &Seal) -> Result<String> {
        let connected: Result<Result<String>> = write!(self for tenant.as_str(), db => {
            // If two consents connect one account, the second waits for the first, finds its channel, and seals for that
            // channel. There is no row to lock yet.
            let consent = lock_number("account", &[tenant.as_str(), &account.app, &account.account]);
            lock(&mut *db, vec![consent]).await?;
            if let Some(channel) = &account.takes_over
                && let Err(error) = take_over(&mut *db, tenant, channel, account).await?
            {
                return Ok(Err(error));
            }
            // Locked, so that it is not disconnected meanwhile.
            let known: Option<String> = sqlx::query_scalar(
                "SELECT channel FROM accounts WHERE tenant = $1 AND app = $2 AND account = $3 FOR UPDATE",
            )
            .bind(tenant.as_str())
            .bind(&account.app)
            .bind(text(&account.account))
            .fetch_optional(&mut *db)
            .await?;
            // After a disconnect it is the same channel again.
            let former: Option<(String, i64, i64)> = sqlx::query_as(
                "DELETE FROM former_channels WHERE tenant = $1 AND app = $2 AND account = $3
                 RETURNING channel, credentials_revision, fence",
            )
            .bind(tenant.as_str())
            .bind(&account.app)
            .bind(text(&account.account))
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
                "INSERT INTO accounts AS a (channel, tenant, app, account, display_name, avatar_url, consent_group,
                 credentials, credentials_revision, issued_at, scopes, missing_scopes, expires_at_s,
                 refresh_expires_at_s, refresh_due_at, health, health_detail, connected_at, connected_by, updated_at,
                 looked_at, fence, username, kind, parent_id)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9 + 1, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                 $21, $22 + 1, $23, $24, $25)
                 ON CONFLICT (tenant, app, account) DO UPDATE SET
                 display_name = excluded.display_name, avatar_url = excluded.avatar_url,
                 consent_group = excluded.consent_group, credentials = excluded.credentials,
                 credentials_revision = a.credentials_revision + 1, issued_at = excluded.issued_at,
                 scopes = excluded.scopes, missing_scopes = excluded.missing_scopes,
                 expires_at_s = excluded.expires_at_s, refresh_expires_at_s = excluded.refresh_expires_at_s,
                 refresh_due_at = excluded.refresh_due_at, health = excluded.health,
                 health_detail = excluded.health_detail, connected_at = excluded.connected_at,
                 connected_by = excluded.connected_by, username = coalesce(excluded.username, a.username),
                 kind = excluded.kind, parent_id = excluded.parent_id,
                 updated_at = excluded.updated_at, looked_at = excluded.looked_at, fence = a.fence + 1, lease_owner = NULL,
                 lease_until = 0",
            )
            .bind(&channel)
            .bind(tenant.as_str())
            .bind(&account.app)
            .bind(text(&account.account))
            .bind(text(&account.display_name))
            .bind(texts(account.avatar_url.as_deref()))
            .bind(texts(account.grant.as_deref()))
            .bind(&credentials.0)
            .bind(revision)
            .bind(account.now)
            .bind(json(&account.scopes))
            .bind(json(&account.missing_scopes))
            .bind(account.expires_at_s)
            .bind(account.refresh_expires_at_s)
            .bind(account.refresh_due_at)
            .bind(health_name(account.health))
            .bind(texts(account.health_detail.as_deref()))
            .bind(account.now)
            .bind(texts(account.connected_by.as_deref()))
            .bind(account.now)
            .bind(account.now)
            .bind(fence)
            .bind(texts(account.username.as_deref()))
            .bind(texts(account.kind.as_deref()))
            .bind(texts(account.parent_id.as_deref()))
            .execute(&mut *db)
            .await?;
            sqlx::query(
                "UPDATE jobs SET wake_at = greatest($1, publish_at), status = 'active', error = NULL,
                 updated_at = $1 WHERE tenant = $2 AND channel = $3 AND status = 'paused'",
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
        self.bell.ring();
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
                "UPDATE accounts SET credentials = $1,
                 credentials_revision = credentials_revision + 1, issued_at = $2, scopes = $3,
                 missing_scopes = $4, expires_at_s = $5, refresh_expires_at_s = $6, refresh_due_at = $7, health = $8,
                 health_detail = $9, updated_at = $10, lease_owner = NULL, lease_until = 0
                 WHERE tenant = $11 AND channel = $12 AND fence = $13",
            )
            .bind(&credentials.0)
            .bind(account.now)
            .bind(json(&account.scopes))
            .bind(json(&account.missing_scopes))
            .bind(account.expires_at_s)
            .bind(account.refresh_expires_at_s)
            .bind(account.refresh_due_at)
            .bind(health_name(account.health))
            .bind(texts(account.health_detail.as_deref()))
            .bind(account.now)
            .bind(tenant.as_str())
            .bind(text(channel))
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
        let noted: Result<bool> = write!(self for tenant.as_str(), db => {
            let done = sqlx::query(
                "UPDATE accounts SET health = $1, health_detail = $2, updated_at = $3
                 WHERE tenant = $4 AND channel = $5 AND credentials_revision = $6",
            )
            .bind(health_name(health))
            .bind(texts(detail))
            .bind(now)
            .bind(tenant.as_str())
            .bind(text(channel))
            .bind(credentials_revision)
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected() == 1)
        });
        // A reader of events may wait.
        self.bell.ring();
        noted
    }

    async fn delete_account(&self, tenant: &TenantId, channel: &str, now: i64) -> Result<()> {
        let gone: Result<()> = write!(self for tenant.as_str(), db => {
            // Locked before its counters are read, so that they are its last ones. The event that tells of it has this time.
            sqlx::query("UPDATE accounts SET updated_at = $3 WHERE tenant = $1 AND channel = $2")
                .bind(tenant.as_str())
                .bind(text(channel))
                .bind(now)
                .execute(&mut *db)
                .await?;
            sqlx::query(
                "INSERT INTO former_channels (tenant, app, account, channel, credentials_revision, fence)
                 SELECT tenant, app, account, channel, credentials_revision, fence FROM accounts
                 WHERE tenant = $1 AND channel = $2
                 ON CONFLICT (tenant, app, account) DO UPDATE SET channel = excluded.channel,
                 credentials_revision = excluded.credentials_revision, fence = excluded.fence",
            )
            .bind(tenant.as_str())
            .bind(text(channel))
            .execute(&mut *db)
            .await?;
            sqlx::query("DELETE FROM accounts WHERE tenant = $1 AND channel = $2")
                .bind(tenant.as_str())
                .bind(text(channel))
                .execute(&mut *db)
                .await
                .map(drop)
        });
        self.bell.ring();
        gone
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
                "UPDATE accounts SET display_name = $1, username = coalesce($2, username), avatar_url = $3,
                 looked_at = $4 WHERE tenant = $5 AND channel = $6",
            )
                .bind(text(display_name))
                .bind(texts(username))
                .bind(texts(avatar_url))
                .bind(now)
                .bind(tenant.as_str())
                .bind(text(channel))
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
        write_one!(self for tenant.as_str(), db => {
            let fence: Option<i64> = sqlx::query_scalar(
                "UPDATE accounts SET lease_owner = $1, lease_until = now_ms() + $2, fence = fence + 1
                 WHERE tenant = $3 AND channel = $4 AND (lease_owner IS NULL OR lease_until <= now_ms())
                 RETURNING fence",
            )
            .bind(&self.owner)
            .bind(millis(length))
            .bind(tenant.as_str())
            .bind(text(channel))
            .fetch_optional(&mut *db)
            .await?;
            Ok(fence.map(|fence| Lease { fence }))
        })
    }

    async fn release_account(&self, tenant: &TenantId, channel: &str, lease: &Lease) -> Result<()> {
        write_one!(self for tenant.as_str(), db => {
            sqlx::query(
                "UPDATE accounts SET lease_owner = NULL, lease_until = 0
                 WHERE tenant = $1 AND channel = $2 AND fence = $3",
            )
            .bind(tenant.as_str())
            .bind(text(channel))
            .bind(lease.fence)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }
}
