//! Connected accounts, and the lease under which one of them is refreshed.

use sqlx::sqlite::SqliteRow;

use super::*;

fn list(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_default()
}

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

/// An account together with its app's revision, so that a call needs one look at the database.
macro_rules! accounts_where {
    ($condition:literal) => {
        concat!(
            "SELECT accounts.*, apps.revision AS app_revision
             FROM accounts JOIN apps ON apps.id = accounts.app WHERE ",
            $condition
        )
    };
}

fn account_row(row: &SqliteRow) -> AccountRow {
    AccountRow {
        channel: row.get("channel"),
        app: row.get("app"),
        app_revision: row.get("app_revision"),
        account: row.get("account"),
        display_name: row.get("display_name"),
        avatar_url: row.get("avatar_url"),
        grant: row.get("consent_group"),
        credentials: Sealed(row.get("credentials")),
        credentials_revision: row.get("credentials_revision"),
        issued_at: row.get("issued_at"),
        scopes: list(row.get("scopes")),
        missing_scopes: list(row.get("missing_scopes")),
        expires_at_s: row.get("expires_at_s"),
        refresh_expires_at_s: row.get("refresh_expires_at_s"),
        refresh_due_at: row.get("refresh_due_at"),
        health: match row.get("health") {
            "active" => Health::Active,
            "limited" => Health::Limited,
            _ => Health::NeedsReconnect,
        },
        health_detail: row.get("health_detail"),
        connected_at: row.get("connected_at"),
        updated_at: row.get("updated_at"),
    }
}

#[async_trait]
impl AccountStore for Sqlite {
    async fn accounts(&self, tenant: &TenantId) -> Result<Vec<AccountRow>> {
        let rows = sqlx::query(accounts_where!("accounts.tenant = ? ORDER BY app, connected_at"))
            .bind(tenant.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(failure)?;
        Ok(rows.iter().map(account_row).collect())
    }

    async fn accounts_to_refresh(&self, before: i64) -> Result<Vec<(TenantId, String)>> {
        let rows = sqlx::query(
            "SELECT tenant, channel FROM accounts WHERE refresh_due_at <= ? AND health <> 'needs_reconnect'",
        )
        .bind(before)
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        rows.iter().map(|row| Ok((row.get::<String, _>(0).parse()?, row.get(1)))).collect()
    }

    async fn account(&self, tenant: &TenantId, channel: &str) -> Result<Option<AccountRow>> {
        let row = sqlx::query(accounts_where!("accounts.tenant = ? AND channel = ?"))
            .bind(tenant.as_str())
            .bind(channel)
            .fetch_optional(&self.readers)
            .await
            .map_err(failure)?;
        Ok(row.as_ref().map(account_row))
    }

    async fn account_by_id(&self, tenant: &TenantId, app: &str, account: &str) -> Result<Option<AccountRow>> {
        let row = sqlx::query(accounts_where!("accounts.tenant = ? AND app = ? AND account = ?"))
            .bind(tenant.as_str())
            .bind(app)
            .bind(account)
            .fetch_optional(&self.readers)
            .await
            .map_err(failure)?;
        Ok(row.as_ref().map(account_row))
    }

    async fn accounts_of_grant(
        &self,
        app: &str,
        grant: Option<&str>,
        account: &str,
    ) -> Result<Vec<(TenantId, String)>> {
        let rows = sqlx::query(
            "SELECT tenant, channel FROM accounts
             WHERE app = ?1 AND (CASE WHEN ?2 IS NULL THEN account = ?3 ELSE consent_group = ?2 END)",
        )
        .bind(app)
        .bind(grant)
        .bind(account)
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        rows.iter().map(|row| Ok((row.get::<String, _>(0).parse()?, row.get(1)))).collect()
    }

    async fn put_account(&self, tenant: &TenantId, account: &AccountRow) -> Result<()> {
        write!(self, db => {
            // A refresh that is under way holds older credentials: the fence makes its answer worthless.
            sqlx::query(
                "INSERT INTO accounts (channel, tenant, app, account, display_name, avatar_url, consent_group,
                 credentials, credentials_revision, issued_at, scopes, missing_scopes, expires_at_s,
                 refresh_expires_at_s, refresh_due_at, health, health_detail, connected_at, updated_at)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT (tenant, app, account) DO UPDATE SET
                 display_name = excluded.display_name, avatar_url = excluded.avatar_url,
                 consent_group = excluded.consent_group, credentials = excluded.credentials,
                 credentials_revision = credentials_revision + 1, issued_at = excluded.issued_at,
                 scopes = excluded.scopes, missing_scopes = excluded.missing_scopes,
                 expires_at_s = excluded.expires_at_s, refresh_expires_at_s = excluded.refresh_expires_at_s,
                 refresh_due_at = excluded.refresh_due_at, health = excluded.health,
                 health_detail = excluded.health_detail, connected_at = excluded.connected_at,
                 updated_at = excluded.updated_at, fence = fence + 1, lease_owner = NULL, lease_until = 0",
            )
            .bind(&account.channel)
            .bind(tenant.as_str())
            .bind(&account.app)
            .bind(&account.account)
            .bind(&account.display_name)
            .bind(&account.avatar_url)
            .bind(&account.grant)
            .bind(&account.credentials.0)
            .bind(account.issued_at)
            .bind(json(&account.scopes))
            .bind(json(&account.missing_scopes))
            .bind(account.expires_at_s)
            .bind(account.refresh_expires_at_s)
            .bind(account.refresh_due_at)
            .bind(health_name(account.health))
            .bind(&account.health_detail)
            .bind(account.connected_at)
            .bind(account.updated_at)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn store_credentials(
        &self,
        tenant: &TenantId,
        account: &AccountRow,
        lease: &Lease,
    ) -> Result<bool> {
        write!(self, db => {
            let done = sqlx::query(
                "UPDATE accounts SET display_name = ?, avatar_url = coalesce(?, avatar_url), credentials = ?,
                 credentials_revision = credentials_revision + 1, issued_at = ?, scopes = ?,
                 missing_scopes = ?, expires_at_s = ?, refresh_expires_at_s = ?, refresh_due_at = ?, health = ?,
                 health_detail = ?, updated_at = ?, lease_owner = NULL, lease_until = 0
                 WHERE tenant = ? AND channel = ? AND fence = ?",
            )
            .bind(&account.display_name)
            .bind(&account.avatar_url)
            .bind(&account.credentials.0)
            .bind(account.issued_at)
            .bind(json(&account.scopes))
            .bind(json(&account.missing_scopes))
            .bind(account.expires_at_s)
            .bind(account.refresh_expires_at_s)
            .bind(account.refresh_due_at)
            .bind(health_name(account.health))
            .bind(&account.health_detail)
            .bind(account.updated_at)
            .bind(tenant.as_str())
            .bind(&account.channel)
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
        write!(self, db => {
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

    async fn delete_account(&self, tenant: &TenantId, channel: &str) -> Result<()> {
        write!(self, db => {
            sqlx::query("DELETE FROM accounts WHERE tenant = ? AND channel = ?")
                .bind(tenant.as_str())
                .bind(channel)
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    async fn lease_account(
        &self,
        tenant: &TenantId,
        channel: &str,
        owner: &str,
        until: i64,
        now: i64,
        dead: &IsDead,
    ) -> Result<Option<Lease>> {
        write!(self, db => {
            let row = sqlx::query("SELECT lease_owner, lease_until FROM accounts WHERE tenant = ? AND channel = ?")
                .bind(tenant.as_str())
                .bind(channel)
                .fetch_optional(&mut *db)
                .await?;
            let Some(row) = row else { return Ok(None) };
            let holder: Option<String> = row.get(0);
            let free = row.get::<i64, _>(1) <= now || holder.is_none_or(|holder| dead(&holder));
            if !free {
                return Ok(None);
            }
            let fence: i64 = sqlx::query_scalar(
                "UPDATE accounts SET lease_owner = ?, lease_until = ?, fence = fence + 1
                 WHERE tenant = ? AND channel = ? RETURNING fence",
            )
            .bind(owner)
            .bind(until)
            .bind(tenant.as_str())
            .bind(channel)
            .fetch_one(&mut *db)
            .await?;
            Ok(Some(Lease { fence }))
        })
    }

    async fn release_account(&self, tenant: &TenantId, channel: &str, lease: &Lease) -> Result<()> {
        write!(self, db => {
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
