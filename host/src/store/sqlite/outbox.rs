//! What happened, and the addresses to which it is sent.

use sqlx::sqlite::SqliteRow;

use super::*;
use crate::store::columns::columns;
use crate::store::outbox::{PRUNED, TAKEN};

fn event(row: &SqliteRow) -> sqlx::Result<OutboxRow> {
    Ok(OutboxRow {
        id: row.try_get("id")?,
        number: row.try_get("number")?,
        kind: row.try_get("kind")?,
        at: row.try_get("at")?,
        app: row.try_get("app")?,
        channel: row.try_get("channel")?,
        display_name: row.try_get("display_name")?,
        health: row.try_get("health")?,
        detail: row.try_get("detail")?,
        job: row.try_get("job")?,
        status: row.try_get("status")?,
        post_id: row.try_get("post_id")?,
        url: row.try_get("url")?,
        idempotency_key: row.try_get("idempotency_key")?,
        error: row.try_get("error")?,
        provider: row.try_get("provider")?,
        version: row.try_get("version")?,
        digest: row.try_get("digest")?,
    })
}

fn endpoint(row: &SqliteRow) -> sqlx::Result<EndpointRow> {
    Ok(EndpointRow {
        id: row.try_get("id")?,
        target: Sealed(row.try_get("target")?),
        description: row.try_get("description")?,
        kinds: row.try_get("kinds")?,
        failures: row.try_get("failures")?,
        failing_since: row.try_get("failing_since")?,
        disabled_at: row.try_get("disabled_at")?,
        disabled_why: row.try_get("disabled_why")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn delivery(row: &SqliteRow) -> sqlx::Result<DeliveryRow> {
    Ok(DeliveryRow {
        number: row.try_get("number")?,
        event: row.try_get("event")?,
        kind: row.try_get("kind")?,
        at: row.try_get("at")?,
        attempts: row.try_get("attempts")?,
        due_at: row.try_get("due_at")?,
        delivered_at: row.try_get("delivered_at")?,
    })
}

/// The number of a tenant's last event.
async fn head(db: &mut SqliteConnection, tenant: &str) -> sqlx::Result<i64> {
    let head: Option<i64> = sqlx::query_scalar("SELECT number FROM outbox_heads WHERE tenant = ?")
        .bind(tenant)
        .fetch_optional(db)
        .await?;
    Ok(head.unwrap_or_default())
}

/// Sets when the address `?1` is due: now (`?2`) where it has new events, else with its first delivery.
const DUE: &str = "UPDATE endpoints SET due_at = CASE
    WHEN position < (SELECT h.number FROM outbox_heads h WHERE h.tenant = endpoints.tenant) THEN ?2
    ELSE (SELECT min(d.due_at) FROM deliveries d WHERE d.endpoint = endpoints.id AND d.due_at IS NOT NULL) END
    WHERE id = ?1";

#[async_trait]
impl OutboxStore for Sqlite {
    async fn outbox(&self, tenant: &TenantId, after: i64, limit: u32) -> Result<OutboxPage> {
        // Numbers are given by the only writer there is at a time, so they appear in their order.
        let mut reader = self.reader(tenant).await?;
        let head = head(&mut reader, tenant.as_str()).await.map_err(failure)?;
        if head <= after {
            return Ok(OutboxPage { events: Vec::new(), read: after, head });
        }
        let rows = sqlx::query(
            // A damaged number is in no order.
            concat!(
                "SELECT ",
                columns!(outbox ""),
                " FROM outbox WHERE tenant = ? AND number > ? AND number <= ? AND typeof(number) = 'integer'
             ORDER BY number LIMIT ?"
            ),
        )
        .bind(tenant.as_str())
        .bind(after)
        .bind(head)
        .bind(limit)
        .fetch_all(&mut *reader)
        .await
        .map_err(failure)?;
        // Whoever got an event asks for those behind it: none of them may be gone after a power failure, and its number be
        // another one's.
        self.flush().await?;
        let last = rows.last().filter(|_| rows.len() == limit as usize);
        let read = last.and_then(|row| row.try_get("number").ok()).unwrap_or(head);
        Ok(OutboxPage { events: row::all("outbox", &rows, event), read, head })
    }

    async fn prune_outbox(&self, before: i64, most: i64) -> Result<bool> {
        let removed: Result<u64> = write!(self, db => {
            let mut removed = sqlx::query(
                "DELETE FROM outbox WHERE rowid IN (SELECT rowid FROM outbox WHERE at < ? ORDER BY at LIMIT ?)",
            )
            .bind(before)
            .bind(PRUNED)
            .execute(&mut *db)
            .await?
            .rows_affected();
            removed += sqlx::query(
                "DELETE FROM outbox WHERE rowid IN (SELECT o.rowid FROM outbox_heads h
                 JOIN outbox o ON o.tenant = h.tenant AND o.number <= h.number - ? LIMIT ?)",
            )
            .bind(most)
            .bind(PRUNED)
            .execute(&mut *db)
            .await?
            .rows_affected();
            removed += sqlx::query(
                "DELETE FROM deliveries WHERE (endpoint, number) IN
                 (SELECT endpoint, number FROM deliveries WHERE at < ? ORDER BY at LIMIT ?)",
            )
            .bind(before)
            .bind(PRUNED)
            .execute(&mut *db)
            .await?
            .rows_affected();
            Ok(removed)
        });
        Ok(removed? > 0)
    }
}

#[async_trait]
impl EndpointStore for Sqlite {
    async fn endpoints(&self, tenant: &TenantId) -> Result<Vec<EndpointRow>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(endpoints ""),
            " FROM endpoints WHERE tenant = ? ORDER BY id"
        ))
        .bind(tenant.as_str())
        .fetch_all(&mut *self.reader(tenant).await?)
        .await
        .map_err(failure)?;
        Ok(row::all("endpoints", &rows, endpoint))
    }

    async fn endpoint(&self, tenant: &TenantId, id: &str) -> Result<Option<EndpointRow>> {
        let row = sqlx::query(concat!(
            "SELECT ",
            columns!(endpoints ""),
            " FROM endpoints WHERE tenant = ? AND id = ?"
        ))
        .bind(tenant.as_str())
        .bind(id)
        .fetch_optional(&mut *self.reader(tenant).await?)
        .await
        .map_err(failure)?;
        row::one("endpoints", row, endpoint)
    }

    async fn insert_endpoint(&self, tenant: &TenantId, row: &EndpointRow) -> Result<()> {
        write!(self for tenant.as_str(), db => {
            let head = head(&mut *db, tenant.as_str()).await?;
            sqlx::query(
                "INSERT INTO endpoints (id, tenant, target, description, kinds, position, created_at, updated_at)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&row.id)
            .bind(tenant.as_str())
            .bind(&row.target.0)
            .bind(&row.description)
            .bind(&row.kinds)
            .bind(head)
            .bind(row.created_at)
            .bind(row.updated_at)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn change_endpoint(&self, tenant: &TenantId, id: &str, change: &EndpointChange) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query(
                "UPDATE endpoints SET target = coalesce(?3, target), description = coalesce(?5, description),
                 kinds = CASE WHEN ?6 THEN ?7 ELSE kinds END, updated_at = ?8
                 WHERE tenant = ?1 AND id = ?2 AND (?4 IS NULL OR target = ?4)",
            )
            .bind(tenant.as_str())
            .bind(id)
            .bind(change.target.as_ref().map(|(new, _)| &new.0))
            .bind(change.target.as_ref().map(|(_, old)| &old.0))
            .bind(&change.description)
            .bind(change.kinds.is_some())
            .bind(change.kinds.clone().flatten())
            .bind(change.now)
            .execute(&mut *db)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            match &change.enabled {
                None => {}
                Some(Ok(())) => {
                    sqlx::query(
                        "UPDATE endpoints SET disabled_at = NULL, disabled_why = NULL, failures = 0,
                         failing_since = NULL, resume_at = 0 WHERE id = ?",
                    )
                    .bind(id)
                    .execute(&mut *db)
                    .await?;
                    sqlx::query(DUE).bind(id).bind(change.now).execute(&mut *db).await?;
                }
                Some(Err(why)) => {
                    sqlx::query("UPDATE endpoints SET disabled_at = ?, disabled_why = ? WHERE id = ?")
                        .bind(change.now)
                        .bind(why)
                        .bind(id)
                        .execute(&mut *db)
                        .await?;
                }
            }
            Ok(true)
        })
    }

    async fn delete_endpoint(&self, tenant: &TenantId, id: &str) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query("DELETE FROM endpoints WHERE tenant = ? AND id = ?")
                .bind(tenant.as_str())
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn acquire_endpoint(&self, now: i64, length: Duration) -> Result<Option<HeldEndpoint>> {
        const FREE: &str = "SELECT id, lease_owner, lease_until FROM endpoints
             WHERE due_at <= ? AND disabled_at IS NULL AND resume_at <= ? ORDER BY due_at LIMIT 100";
        // Mostly there is none, and a look takes no turn from those who write.
        let due =
            sqlx::query(FREE).bind(now).bind(now).fetch_optional(&self.readers).await.map_err(failure)?;
        if due.is_none() {
            return Ok(None);
        }
        // What is due is sent next: an event of which somebody was told must not be lost, and its number be another one's.
        write!(self, db => {
            let rows = sqlx::query(FREE).bind(now).bind(now).fetch_all(&mut *db).await?;
            let free = rows.iter().find_map(|row| {
                let holder: Option<String> = row.try_get(1).ok()?;
                let ended = row.try_get::<i64, _>(2).ok()? <= self.leases.now_ms();
                let free = ended || holder.is_none_or(|holder| process::is_dead(&holder));
                row.try_get::<String, _>(0).ok().filter(|_| free)
            });
            let Some(id) = free else { return Ok(None) };
            let held = sqlx::query(
                concat!("UPDATE endpoints SET lease_owner = ?, lease_until = ?, fence = fence + 1 WHERE id = ? RETURNING ", columns!(endpoints "")),
            )
            .bind(process::owner())
            .bind(self.lease_end(length))
            .bind(&id)
            .fetch_one(&mut *db)
            .await?;
            let read = row::read("endpoints", &held, |row| {
                let tenant: TenantId = row::parsed(row, "tenant")?;
                let position: i64 = row.try_get("position")?;
                Ok((tenant, endpoint(row)?, Lease { fence: row.try_get("fence")? }, position))
            });
            let (tenant, row, lease, position) = match read {
                Ok(read) => read,
                Err(error) => {
                    // A damaged one is in nobody's way.
                    row::skip(&error);
                    sqlx::query("UPDATE endpoints SET due_at = NULL WHERE id = ?").bind(&id).execute(&mut *db).await?;
                    return Ok(None);
                }
            };
            let upto = head(&mut *db, tenant.as_str()).await?.min(position.saturating_add(TAKEN));
            sqlx::query(
                "INSERT INTO deliveries (endpoint, number, event, kind, at, due_at)
                 SELECT ?1, number, id, kind, at, ?2 FROM outbox WHERE tenant = ?3 AND number > ?4 AND number <= ?5
                 AND (?6 IS NULL OR kind IN (SELECT value FROM json_each(?6))) ON CONFLICT DO NOTHING",
            )
            .bind(&id)
            .bind(now)
            .bind(tenant.as_str())
            .bind(position)
            .bind(upto)
            // Damaged ones mean all.
            .bind(row.kinds.as_ref().filter(|kinds| serde_json::from_str::<Vec<String>>(kinds).is_ok()))
            .execute(&mut *db)
            .await?;
            sqlx::query("UPDATE endpoints SET position = max(position, ?) WHERE id = ?")
                .bind(upto)
                .bind(&id)
                .execute(&mut *db)
                .await?;
            Ok(Some(HeldEndpoint { tenant, row, lease }))
        })
    }

    async fn extend_endpoint(&self, id: &str, lease: &Lease, length: Duration) -> Result<bool> {
        write_relaxed!(self, db => {
            let done = sqlx::query(
                "UPDATE endpoints SET lease_until = ? WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL
                 AND disabled_at IS NULL",
            )
            .bind(self.lease_end(length))
            .bind(id)
            .bind(lease.fence)
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn next_delivery(&self, id: &str, now: i64) -> Result<Option<(DeliveryRow, OutboxRow)>> {
        loop {
            let due = sqlx::query(concat!(
                "SELECT ",
                columns!(deliveries "d."),
                ", o.rowid AS place FROM deliveries d JOIN endpoints e ON e.id = d.endpoint
                 LEFT JOIN outbox o ON o.tenant = e.tenant AND o.number = d.number
                 WHERE d.endpoint = ? AND d.due_at <= ? ORDER BY d.due_at, d.number LIMIT 1"
            ))
            .bind(id)
            .bind(now)
            .fetch_all(&self.readers)
            .await
            .map_err(failure)?;
            let Some(row) = due.first() else { return Ok(None) };
            let place: Option<i64> = row.try_get("place").unwrap_or_default();
            let told = sqlx::query(concat!("SELECT ", columns!(outbox ""), " FROM outbox WHERE rowid = ?"))
                .bind(place)
                .fetch_all(&self.readers)
                .await
                .map_err(failure)?;
            let found = row::all("deliveries", &due, delivery).into_iter().next();
            let told = row::all("outbox", &told, event).into_iter().next();
            if let (Some(found), Some(told)) = (found, told) {
                return Ok(Some((found, told)));
            }
            // Its event is gone, or one of them is damaged: it stands in the way of no other.
            let number: Vec<u8> = row.try_get_unchecked("number").unwrap_or_default();
            write!(self, db => {
                sqlx::query(
                    "UPDATE deliveries SET due_at = NULL WHERE endpoint = ? AND due_at <= ?
                     AND CAST(coalesce(number, '') AS BLOB) = ?",
                )
                .bind(id)
                .bind(now)
                .bind(number)
                .execute(&mut *db)
                .await
                .map(drop)
            })?;
        }
    }

    async fn store_attempt(
        &self,
        id: &str,
        lease: &Lease,
        number: i64,
        attempt: &AttemptRow,
        after: &AfterAttempt,
    ) -> Result<bool> {
        write!(self, db => {
            let (failed, due_at, resume_at, why) = match after {
                AfterAttempt::Delivered => (false, None, 0, None),
                AfterAttempt::Failed { due_at, resume_at } => (true, *due_at, *resume_at, None),
                AfterAttempt::Disabled { due_at, why } => (true, *due_at, 0, Some(why)),
            };
            let held = sqlx::query(
                "UPDATE endpoints SET failures = CASE WHEN ?1 THEN failures + 1 ELSE 0 END,
                 failing_since = CASE WHEN ?1 THEN coalesce(failing_since, ?2) END, resume_at = ?3,
                 disabled_at = CASE WHEN ?4 IS NULL THEN disabled_at ELSE ?2 END,
                 disabled_why = coalesce(?4, disabled_why)
                 WHERE id = ?5 AND fence = ?6 AND lease_owner IS NOT NULL",
            )
            .bind(failed)
            .bind(attempt.at)
            .bind(resume_at)
            .bind(why)
            .bind(id)
            .bind(lease.fence)
            .execute(&mut *db)
            .await?;
            if held.rows_affected() == 0 {
                return Ok(false);
            }
            let known = sqlx::query(
                "UPDATE deliveries SET attempts = attempts + 1, due_at = ?,
                 delivered_at = CASE WHEN ? THEN delivered_at ELSE ? END WHERE endpoint = ? AND number = ?",
            )
            .bind(due_at)
            .bind(failed)
            .bind(attempt.at)
            .bind(id)
            .bind(number)
            .execute(&mut *db)
            .await?;
            if known.rows_affected() == 0 {
                // It was removed with its age meanwhile.
                return Ok(true);
            }
            sqlx::query(
                "INSERT INTO delivery_attempts (endpoint, number, at, took_ms, status, failure) VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(id)
            .bind(number)
            .bind(attempt.at)
            .bind(attempt.took_ms)
            .bind(attempt.status)
            .bind(&attempt.failure)
            .execute(&mut *db)
            .await?;
            if !failed {
                // The receiver is back: what failed before is not left waiting for its next time.
                sqlx::query("UPDATE deliveries SET due_at = ?1 WHERE endpoint = ?2 AND due_at > ?1")
                    .bind(attempt.at)
                    .bind(id)
                    .execute(&mut *db)
                    .await?;
            }
            Ok(true)
        })
    }

    async fn release_endpoint(&self, id: &str, lease: &Lease) -> Result<()> {
        write_relaxed!(self, db => {
            let held = sqlx::query("UPDATE endpoints SET lease_owner = NULL WHERE id = ? AND fence = ?")
                .bind(id)
                .bind(lease.fence)
                .execute(&mut *db)
                .await?;
            if held.rows_affected() == 1 {
                sqlx::query(DUE).bind(id).bind(self.clock.now_ms()).execute(&mut *db).await?;
            }
            Ok(())
        })
    }

    async fn deliveries(
        &self,
        tenant: &TenantId,
        id: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(deliveries "d."),
            " FROM deliveries d JOIN endpoints e ON e.id = d.endpoint
             WHERE e.tenant = ? AND d.endpoint = ? AND d.number < ? ORDER BY d.number DESC LIMIT ?"
        ))
        .bind(tenant.as_str())
        .bind(id)
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(&mut *self.reader(tenant).await?)
        .await
        .map_err(failure)?;
        Ok(row::all("deliveries", &rows, delivery))
    }

    async fn attempts(
        &self,
        tenant: &TenantId,
        id: &str,
        number: i64,
        limit: u32,
    ) -> Result<Vec<AttemptRow>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(delivery_attempts "a."),
            " FROM delivery_attempts a JOIN endpoints e ON e.id = a.endpoint
             WHERE e.tenant = ? AND a.endpoint = ? AND a.number = ? ORDER BY a.rowid DESC LIMIT ?"
        ))
        .bind(tenant.as_str())
        .bind(id)
        .bind(number)
        .bind(limit)
        .fetch_all(&mut *self.reader(tenant).await?)
        .await
        .map_err(failure)?;
        let mut attempts = row::all("delivery_attempts", &rows, |row| {
            Ok(AttemptRow {
                at: row.try_get("at")?,
                took_ms: row.try_get("took_ms")?,
                status: row.try_get("status")?,
                failure: row.try_get("failure")?,
            })
        });
        attempts.reverse();
        Ok(attempts)
    }

    async fn send_again(&self, tenant: &TenantId, id: &str, event: &str, now: i64) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query(
                "INSERT INTO deliveries (endpoint, number, event, kind, at, due_at)
                 SELECT e.id, o.number, o.id, o.kind, o.at, ?1 FROM endpoints e JOIN outbox o ON o.tenant = e.tenant
                 WHERE e.tenant = ?2 AND e.id = ?3 AND o.id = ?4
                 ON CONFLICT (endpoint, number) DO UPDATE SET due_at = excluded.due_at, attempts = 0",
            )
            .bind(now)
            .bind(tenant.as_str())
            .bind(id)
            .bind(event)
            .execute(&mut *db)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query("UPDATE endpoints SET due_at = min(coalesce(due_at, ?1), ?1), resume_at = 0 WHERE id = ?2")
                .bind(now)
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(true)
        })
    }
}
