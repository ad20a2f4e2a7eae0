//! Connected accounts, and the lease under which one of them is refreshed.

use std::collections::BTreeSet;

use super::told::{ChannelBefore, JobBefore, binds};
use super::*;
use crate::store::columns::columns;

fn json(list: &[String]) -> String {
    serde_json::to_string(list).unwrap_or_else(|_| "[]".to_owned())
}

/// An account together with its app's revision, so that a call needs only one query.
macro_rules! accounts_where {
    ($condition:literal) => {
        concat!(
            concat!("SELECT ", columns!(accounts "a."), ", p.revision AS app_revision FROM {accounts} a JOIN {apps} p ON p.id = a.app WHERE "),
            $condition
        )
    };
}

fn account_row(row: &MySqlRow) -> sqlx::Result<AccountRow> {
    Ok(AccountRow {
        channel: text(row, "channel")?,
        app: text(row, "app")?,
        app_revision: row.try_get("app_revision")?,
        account: text(row, "account")?,
        display_name: text(row, "display_name")?,
        username: texts(row, "username")?,
        kind: texts(row, "kind")?,
        parent_id: texts(row, "parent_id")?,
        avatar_url: texts(row, "avatar_url")?,
        grant: texts(row, "consent_group")?,
        credentials: Sealed(row.try_get("credentials")?),
        credentials_revision: row.try_get("credentials_revision")?,
        issued_at: row.try_get("issued_at")?,
        scopes: row::json(row, "scopes")?,
        missing_scopes: row::json(row, "missing_scopes")?,
        expires_at_s: row.try_get("expires_at_s")?,
        refresh_expires_at_s: row.try_get("refresh_expires_at_s")?,
        health: row::word(row, "health")?,
        health_detail: texts(row, "health_detail")?,
        connected_at: row.try_get("connected_at")?,
        connected_by: texts(row, "connected_by")?,
        looked_at: row.try_get("looked_at")?,
    })
}

#[async_trait]
impl AccountStore for Mysql {
    async fn accounts(&self, tenant: &TenantId) -> Result<Vec<AccountRow>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql(accounts_where!("a.tenant = ? ORDER BY app, connected_at")))
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
            "a.tenant = ? AND channel > ? AND (? IS NULL OR a.app = ?) ORDER BY channel LIMIT ?"
        );
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql(page))
                .bind(tenant.as_str())
                .bind(after.unwrap_or_default())
                .bind(app)
                .bind(app)
                .bind(i64::from(limit))
                .fetch_all(&mut *db)
                .await
        })?;
        Ok(row::all("accounts", &rows, account_row))
    }

    async fn accounts_to_refresh(&self, before: i64) -> Result<Vec<(TenantId, String)>> {
        let rows = read!(self for "", db => {
            sqlx::query(self.sql("SELECT channel, tenant FROM {accounts} WHERE refresh_due_at <= ? AND health <> 'needs_reconnect'"))
            .bind(before)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn accounts_to_look_at(&self, before: i64) -> Result<Vec<(TenantId, String)>> {
        let rows = read!(self for "", db => {
            sqlx::query(self.sql("SELECT channel, tenant FROM {accounts} WHERE looked_at <= ? AND health <> 'needs_reconnect'
                 ORDER BY looked_at"))
            .bind(before)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn account(&self, tenant: &TenantId, channel: &str) -> Result<Option<AccountRow>> {
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql(accounts_where!("a.tenant = ? AND channel = ?")))
                .bind(tenant.as_str())
                .bind(channel)
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
        let (same, value) = match grant {
            Some(grant) => {
                ("SELECT channel, tenant FROM {accounts} WHERE app = ? AND consent_group = ?", grant)
            }
            None => ("SELECT channel, tenant FROM {accounts} WHERE app = ? AND account = ?", account),
        };
        let rows = read!(self for "", db => {
            sqlx::query(self.sql(same)).bind(app).bind(value).fetch_all(&mut *db).await
        })?;
        Ok(row::all("accounts", &rows, row::channel))
    }

    async fn connect_account(&self, tenant: &TenantId, account: &NewAccount, seal: &Seal) -> Result<String> {
        let connected: Result<Result<String>> = write!(self for tenant.as_str(), db => {
            // If two consents connect one account, the second waits for the first, finds its channel, and seals for that
            // channel. There is no row to lock yet.
            let consent = lock_number("account", &[tenant.as_str(), &account.app, &account.account]);
            lock(&self.tables, &mut *db, vec![consent]).await?;
            if let Some(channel) = &account.takes_over
                && let Err(error) = self.tables.take_over(&mut *db, tenant, channel, account).await?
            {
                return Ok(Err(error));
            }
            // Locked, so that it is not disconnected meanwhile.
            let known = sqlx::query(self.sql(
                "SELECT channel, health, connected_at FROM {accounts} WHERE tenant = ? AND app = ? AND account = ? FOR UPDATE",
            ))
            .bind(tenant.as_str())
            .bind(&account.app)
            .bind(&account.account)
            .fetch_optional(&mut *db)
            .await?;
            // After a disconnect it is the same channel again.
            let former: Option<(Text, i64, i64)> = sqlx::query_as(self.sql(
                "SELECT channel, credentials_revision, fence FROM {former_channels}
                 WHERE tenant = ? AND app = ? AND account = ? FOR UPDATE",
            ))
            .bind(tenant.as_str())
            .bind(&account.app)
            .bind(&account.account)
            .fetch_optional(&mut *db)
            .await?;
            if former.is_some() {
                sqlx::query(self.sql("DELETE FROM {former_channels} WHERE tenant = ? AND app = ? AND account = ?"))
                    .bind(tenant.as_str())
                    .bind(&account.app)
                    .bind(&account.account)
                    .execute(&mut *db)
                    .await?;
            }
            let before = known.as_ref().map(ChannelBefore::of).transpose()?;
            let known = known.map(|row| text(&row, "channel")).transpose()?;
            let (revision, fence) = former.as_ref().map_or((0, 0), |(_, revision, fence)| (*revision, *fence));
            let channel = known
                .or_else(|| former.map(|(channel, ..)| channel.0))
                .unwrap_or_else(|| account.channel.clone());
            let credentials = match seal(&channel) {
                Ok(credentials) => credentials,
                Err(error) => return Ok(Err(error)),
            };
            if before.is_none() {
                self.tables.add_channel(&mut *db, tenant, &channel, account, (revision, fence)).await?;
            }
            // A running refresh has older credentials: the fence rejects its result.
            let bind = binds(|query| {
                query
                    .bind(&account.display_name)
                    .bind(&account.avatar_url)
                    .bind(&account.grant)
                    .bind(&credentials.0)
                    .bind(account.now)
                    .bind(json(&account.scopes))
                    .bind(json(&account.missing_scopes))
                    .bind(account.expires_at_s)
                    .bind(account.refresh_expires_at_s)
                    .bind(account.refresh_due_at)
                    .bind(&account.health_detail)
                    .bind(&account.connected_by)
                    .bind(account.now)
                    .bind(account.now)
                    .bind(&account.username)
                    .bind(&account.kind)
                    .bind(&account.parent_id)
            });
            let set = "display_name = ?, avatar_url = ?, consent_group = ?, credentials = ?,
                 credentials_revision = credentials_revision + 1, issued_at = ?, scopes = ?, missing_scopes = ?,
                 expires_at_s = ?, refresh_expires_at_s = ?, refresh_due_at = ?, health_detail = ?, connected_by = ?,
                 updated_at = ?, looked_at = ?, username = COALESCE(?, username), kind = ?, parent_id = ?,
                 fence = fence + 1, lease_owner = NULL, lease_until = 0";
            let to = (account.health, Some(account.now));
            self.tables.write_channel(&mut *db, (&channel, before.as_ref()), to, set, bind).await?;
            let paused = sqlx::query(self.sql(
                "SELECT id, weight, status, url FROM {jobs} WHERE tenant = ? AND channel = ? AND ended_at IS NULL
                 AND status = 'paused' FOR UPDATE",
            ))
            .bind(tenant.as_str())
            .bind(&channel)
            .fetch_all(&mut *db)
            .await?;
            let mut weights = BTreeSet::new();
            for row in &paused {
                let job = text(row, "id")?;
                let set = "wake_at = GREATEST(?, COALESCE(publish_at, ?)), error = NULL, updated_at = ?";
                let bind = binds(|query| query.bind(account.now).bind(account.now).bind(account.now));
                let to = (JobStatus::Active, None);
                self.tables.write_job(&mut *db, (&job, &JobBefore::of(row)?), to, set, bind).await?;
                weights.insert(row.try_get("weight")?);
            }
            for weight in weights {
                self.tables.requeue(&mut *db, tenant.as_str(), &channel, weight).await?;
            }
            if let Some(note) = &account.note {
                self.put_document(note).execute(&mut *db).await?;
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
            let held = self.tables.lock_channel(&mut *db, tenant, channel, ("fence", lease.fence)).await?;
            let Some(before) = held else { return Ok(false) };
            let bind = binds(|query| {
                query
                    .bind(&credentials.0)
                    .bind(account.now)
                    .bind(json(&account.scopes))
                    .bind(json(&account.missing_scopes))
                    .bind(account.expires_at_s)
                    .bind(account.refresh_expires_at_s)
                    .bind(account.refresh_due_at)
                    .bind(account.health_detail.as_deref())
                    .bind(account.now)
            });
            let set = "credentials = ?, credentials_revision = credentials_revision + 1, issued_at = ?, scopes = ?,
                 missing_scopes = ?, expires_at_s = ?, refresh_expires_at_s = ?, refresh_due_at = ?, health_detail = ?,
                 updated_at = ?, lease_owner = NULL, lease_until = 0";
            let to = (account.health, None);
            self.tables.write_channel(db, (channel, Some(&before)), to, set, bind).await?;
            Ok(true)
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
            let revision = ("credentials_revision", credentials_revision);
            let held = self.tables.lock_channel(&mut *db, tenant, channel, revision).await?;
            let Some(before) = held else { return Ok(false) };
            let set = "health_detail = ?, updated_at = ?";
            let bind = binds(|query| query.bind(detail).bind(now));
            self.tables.write_channel(db, (channel, Some(&before)), (health, None), set, bind).await?;
            Ok(true)
        })
    }

    async fn delete_account(&self, tenant: &TenantId, channel: &str, now: i64) -> Result<()> {
        write!(self for tenant.as_str(), db => {
            // Locked before its counters are read, so that they are its last ones.
            let last: Option<(Text, Text, i64, i64)> = sqlx::query_as(self.sql(
                "SELECT app, account, credentials_revision, fence FROM {accounts} WHERE tenant = ? AND channel = ? FOR UPDATE",
            ))
            .bind(tenant.as_str())
            .bind(channel)
            .fetch_optional(&mut *db)
            .await?;
            let Some((app, account, revision, fence)) = last else { return Ok(()) };
            sqlx::query(self.sql(
                "INSERT INTO {former_channels} (tenant, app, account, channel, credentials_revision, fence)
                 VALUES (?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE channel = ?, credentials_revision = ?, fence = ?",
            ))
            .bind(tenant.as_str())
            .bind(&app.0)
            .bind(&account.0)
            .bind(channel)
            .bind(revision)
            .bind(fence)
            .bind(channel)
            .bind(revision)
            .bind(fence)
            .execute(&mut *db)
            .await?;
            self.tables.remove_channel(db, channel, now).await
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
        write!(self for tenant.as_str(), db => {
            sqlx::query(self.sql("UPDATE {accounts} SET display_name = ?, username = COALESCE(?, username), avatar_url = ?,
                 looked_at = ? WHERE tenant = ? AND channel = ?"))
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
        let done = write_one!(self for tenant.as_str(), db => {
            // `LAST_INSERT_ID(…)` comes back with the answer: the number of this lease.
            sqlx::query(self.sql(concat!(
                "UPDATE {accounts} SET lease_owner = ?, lease_until = ",
                now_ms!(),
                " + ?, fence = LAST_INSERT_ID(fence + 1) WHERE tenant = ? AND channel = ?
                 AND (lease_owner IS NULL OR lease_until <= ",
                now_ms!(),
                ")"
            )))
            .bind(&self.owner)
            .bind(millis(length))
            .bind(tenant.as_str())
            .bind(channel)
            .execute(&mut *db)
            .await
        })?;
        let fence = i64::try_from(done.last_insert_id()).unwrap_or(i64::MAX);
        Ok((done.rows_affected() == 1).then_some(Lease { fence }))
    }

    async fn release_account(&self, tenant: &TenantId, channel: &str, lease: &Lease) -> Result<()> {
        write_one!(self for tenant.as_str(), db => {
            sqlx::query(self.sql("UPDATE {accounts} SET lease_owner = NULL, lease_until = 0
                 WHERE tenant = ? AND channel = ? AND fence = ?"))
            .bind(tenant.as_str())
            .bind(channel)
            .bind(lease.fence)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }
}

impl Tables {
    /// Makes the channel of another app that of `account`, with its jobs that have not begun. What follows is as if it
    /// had been connected to this app before.
    async fn take_over(
        &self,
        db: &mut MySqlConnection,
        tenant: &TenantId,
        channel: &str,
        account: &NewAccount,
    ) -> sqlx::Result<Result<()>> {
        let other = sqlx::query(self.sql(
            "SELECT channel FROM {accounts} WHERE tenant = ? AND app = ? AND account = ? AND channel <> ?",
        ))
        .bind(tenant.as_str())
        .bind(&account.app)
        .bind(&account.account)
        .bind(channel)
        .fetch_optional(&mut *db)
        .await?;
        if let Some(other) = other {
            return Ok(Err(account_taken(&text(&other, "channel")?)));
        }
        let known = sqlx::query(
            self.sql("SELECT channel FROM {accounts} WHERE tenant = ? AND channel = ? FOR UPDATE"),
        )
        .bind(tenant.as_str())
        .bind(channel)
        .fetch_optional(&mut *db)
        .await?;
        if known.is_none() {
            return Ok(Err(no_channel(channel)));
        }
        // Locked, so that no worker begins one meanwhile.
        let jobs = sqlx::query(self.sql(
            "SELECT weight, CAST(state IS NOT NULL OR lease_owner IS NOT NULL AS SIGNED) AS begun FROM {jobs}
             WHERE tenant = ? AND channel = ? AND ended_at IS NULL ORDER BY id FOR UPDATE",
        ))
        .bind(tenant.as_str())
        .bind(channel)
        .fetch_all(&mut *db)
        .await?;
        let (mut begun, mut weights) = (0, BTreeSet::new());
        for job in &jobs {
            begun += job.try_get::<i64, _>("begun")?;
            weights.insert(job.try_get("weight")?);
        }
        if begun > 0 {
            return Ok(Err(channel_busy(begun)));
        }
        sqlx::query(self.sql("UPDATE {accounts} SET app = ?, account = ? WHERE tenant = ? AND channel = ?"))
            .bind(&account.app)
            .bind(&account.account)
            .bind(tenant.as_str())
            .bind(channel)
            .execute(&mut *db)
            .await?;
        // It was connected to this app once, under another channel, whose place this one takes.
        sqlx::query(self.sql("DELETE FROM {former_channels} WHERE tenant = ? AND app = ? AND account = ?"))
            .bind(tenant.as_str())
            .bind(&account.app)
            .bind(&account.account)
            .execute(&mut *db)
            .await?;
        // What the old app had left of its allowances no longer counts.
        sqlx::query(self.sql(
            "UPDATE {jobs} SET app = ?, asked_at = NULL, wake_at = GREATEST(?, COALESCE(publish_at, 0)), updated_at = ?
             WHERE tenant = ? AND channel = ? AND ended_at IS NULL",
        ))
        .bind(&account.app)
        .bind(account.now)
        .bind(account.now)
        .bind(tenant.as_str())
        .bind(channel)
        .execute(&mut *db)
        .await?;
        for weight in weights {
            self.requeue(&mut *db, tenant.as_str(), channel, weight).await?;
        }
        Ok(Ok(()))
    }

    /// Locks a channel whose column has this value. None: there is no such channel.
    async fn lock_channel(
        &self,
        db: &mut MySqlConnection,
        tenant: &TenantId,
        channel: &str,
        (column, value): (&'static str, i64),
    ) -> sqlx::Result<Option<ChannelBefore>> {
        let select = [
            "SELECT channel, health, connected_at FROM {accounts} WHERE tenant = ? AND channel = ? AND ",
            column,
            " = ? FOR UPDATE",
        ];
        let row = sqlx::query(self.sql(&select.concat()))
            .bind(tenant.as_str())
            .bind(channel)
            .bind(value)
            .fetch_optional(db)
            .await?;
        row.as_ref().map(ChannelBefore::of).transpose()
    }
}
