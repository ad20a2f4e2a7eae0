//! What happened, and the addresses to which it is sent. Who asks for events numbers those that were committed; see
//! `number_events` in the schema.

use sqlx::postgres::PgRow;

use super::*;
use crate::store::columns::columns;
use crate::store::outbox::{PRUNED, TAKEN};

fn event(row: &PgRow) -> sqlx::Result<OutboxRow> {
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

fn endpoint(row: &PgRow) -> sqlx::Result<EndpointRow> {
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

fn delivery(row: &PgRow) -> sqlx::Result<DeliveryRow> {
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

/// What a look at a tenant's events begins with: the number of the last one, and whether some have none yet.
const HEAD: &str = "SELECT coalesce((SELECT h.number FROM outbox_heads h WHERE h.tenant = $1), 0),
    EXISTS (SELECT 1 FROM outbox o WHERE o.tenant = $1 AND o.number IS NULL)";

/// Tenants that have events without a number.
const FRESH: &str = "SELECT DISTINCT tenant FROM outbox WHERE number IS NULL LIMIT 1000";
/// Those of them that have an address: the others' events are numbered when somebody reads them.
/// From the addresses, which are few, and never from the events, which may be many.
const FRESH_TO_SEND: &str = "SELECT e.tenant FROM (SELECT DISTINCT tenant FROM endpoints WHERE disabled_at IS NULL) e
    CROSS JOIN LATERAL (SELECT 1 FROM outbox o WHERE o.tenant = e.tenant AND o.number IS NULL LIMIT 1) o LIMIT 1000";

/// Sets when the address `$1` is due: now (`$2`) where it has new events, else with its first delivery. The row is locked
/// before, so that an event is either seen here or makes the address due after this.
const DUE: &str = "UPDATE endpoints SET due_at = CASE
    WHEN position < (SELECT h.number FROM outbox_heads h WHERE h.tenant = endpoints.tenant) THEN $2
    ELSE (SELECT min(d.due_at) FROM deliveries d WHERE d.endpoint = endpoints.id AND d.due_at IS NOT NULL) END
    WHERE id = $1";

impl Postgres {
    /// Numbers a tenant's committed events. Returns the number of the last one.
    async fn number_events(&self, tenant: &str) -> Result<i64> {
        write!(self for tenant, db => {
            sqlx::query("SELECT number_events($1)").bind(tenant).execute(&mut *db).await?;
            sqlx::query_scalar("SELECT coalesce((SELECT h.number FROM outbox_heads h WHERE h.tenant = $1), 0)")
                .bind(tenant)
                .fetch_one(&mut *db)
                .await
        })
    }

    /// Numbers the events of these tenants ([`FRESH`], [`FRESH_TO_SEND`]).
    async fn number_all_events(&self, tenants: &'static str) -> Result<()> {
        let fresh: Vec<String> = read!(self for "", db => {
            sqlx::query_scalar(tenants).fetch_all(&mut *db).await
        })?;
        for tenant in fresh {
            self.number_events(&tenant).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl OutboxStore for Postgres {
    async fn outbox(&self, tenant: &TenantId, after: i64, limit: u32) -> Result<OutboxPage> {
        let (mut head, fresh): (i64, bool) = read!(self for tenant.as_str(), db => {
            sqlx::query_as(HEAD).bind(tenant.as_str()).fetch_one(&mut *db).await
        })?;
        if fresh {
            head = self.number_events(tenant.as_str()).await?;
        }
        if head <= after {
            return Ok(OutboxPage { events: Vec::new(), read: after, head });
        }
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(
                concat!("SELECT ", columns!(outbox ""), " FROM outbox WHERE tenant = $1 AND number > $2 AND number <= $3 ORDER BY number LIMIT $4"),
            )
            .bind(tenant.as_str())
            .bind(after)
            .bind(head)
            .bind(i64::from(limit))
            .fetch_all(&mut *db)
            .await
        })?;
        let last = rows.last().filter(|_| rows.len() == limit as usize);
        let read = last.and_then(|row| row.try_get("number").ok()).unwrap_or(head);
        Ok(OutboxPage { events: row::all("outbox", &rows, event), read, head })
    }

    async fn prune_outbox(&self, before: i64, most: i64) -> Result<bool> {
        // What has no number yet would leave no gap, and nobody would learn of it.
        self.number_all_events(FRESH).await?;
        let removed: Result<u64> = write!(self, db => {
            let mut removed = 0;
            for (delete, bound) in [
                ("DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE at < $1 AND number IS NOT NULL
                  ORDER BY at LIMIT $2)", before),
                ("DELETE FROM outbox WHERE seq IN (SELECT o.seq FROM outbox_heads h
                  JOIN outbox o ON o.tenant = h.tenant AND o.number <= h.number - $1 LIMIT $2)", most),
                ("DELETE FROM deliveries WHERE (endpoint, number) IN
                  (SELECT endpoint, number FROM deliveries WHERE at < $1 ORDER BY at LIMIT $2)", before),
            ] {
                removed += sqlx::query(delete).bind(bound).bind(PRUNED).execute(&mut *db).await?.rows_affected();
            }
            Ok(removed)
        });
        Ok(removed? > 0)
    }
}

#[async_trait]
impl EndpointStore for Postgres {
    async fn endpoints(&self, tenant: &TenantId) -> Result<Vec<EndpointRow>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(concat!("SELECT ", columns!(endpoints ""), " FROM endpoints WHERE tenant = $1 ORDER BY id"))
                .bind(tenant.as_str())
                .fetch_all(&mut *db)
                .await
        })?;
        Ok(row::all("endpoints", &rows, endpoint))
    }

    async fn endpoint(&self, tenant: &TenantId, id: &str) -> Result<Option<EndpointRow>> {
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query(concat!("SELECT ", columns!(endpoints ""), " FROM endpoints WHERE tenant = $1 AND id = $2"))
                .bind(tenant.as_str())
                .bind(text(id))
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("endpoints", row, endpoint)
    }

    async fn insert_endpoint(&self, tenant: &TenantId, row: &EndpointRow) -> Result<()> {
        // What happened before is numbered, and not sent.
        let head = self.number_events(tenant.as_str()).await?;
        write!(self for tenant.as_str(), db => {
            sqlx::query(
                "INSERT INTO endpoints (id, tenant, target, description, kinds, position, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(&row.id)
            .bind(tenant.as_str())
            .bind(&row.target.0)
            .bind(text(&row.description))
            .bind(texts(row.kinds.as_deref()))
            .bind(head)
            .bind(row.created_at)
            .bind(row.updated_at)
            .execute(&mut *db)
            .await?;
            // Events that were numbered since have made no address due that was not there yet.
            sqlx::query(DUE).bind(&row.id).bind(row.created_at).execute(&mut *db).await.map(drop)
        })
    }

    async fn change_endpoint(&self, tenant: &TenantId, id: &str, change: &EndpointChange) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query(
                "UPDATE endpoints SET target = coalesce($3, target), description = coalesce($5, description),
                 kinds = CASE WHEN $6 THEN $7 ELSE kinds END, updated_at = $8
                 WHERE tenant = $1 AND id = $2 AND ($4::bytea IS NULL OR target = $4)",
            )
            .bind(tenant.as_str())
            .bind(text(id))
            .bind(change.target.as_ref().map(|(new, _)| &new.0))
            .bind(change.target.as_ref().map(|(_, old)| &old.0))
            .bind(texts(change.description.as_deref()))
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
                         failing_since = NULL, resume_at = 0 WHERE id = $1",
                    )
                    .bind(text(id))
                    .execute(&mut *db)
                    .await?;
                    sqlx::query(DUE).bind(text(id)).bind(change.now).execute(&mut *db).await?;
                }
                Some(Err(why)) => {
                    sqlx::query("UPDATE endpoints SET disabled_at = $1, disabled_why = $2 WHERE id = $3")
                        .bind(change.now)
                        .bind(text(why))
                        .bind(text(id))
                        .execute(&mut *db)
                        .await?;
                }
            }
            Ok(true)
        })
    }

    async fn delete_endpoint(&self, tenant: &TenantId, id: &str) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query("DELETE FROM endpoints WHERE tenant = $1 AND id = $2")
                .bind(tenant.as_str())
                .bind(text(id))
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn acquire_endpoint(&self, now: i64, length: Duration) -> Result<Option<HeldEndpoint>> {
        self.number_all_events(FRESH_TO_SEND).await?;
        write!(self, db => {
            let held = sqlx::query(
                concat!("UPDATE endpoints SET lease_owner = $1, lease_until = now_ms() + $2, fence = fence + 1
                 WHERE id = (SELECT id FROM endpoints WHERE due_at <= $3 AND disabled_at IS NULL AND resume_at <= $3
                   AND (lease_owner IS NULL OR lease_until <= now_ms())
                   ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
                 RETURNING ", columns!(endpoints "")),
            )
            .bind(&self.owner)
            .bind(millis(length))
            .bind(now)
            .fetch_optional(&mut *db)
            .await?;
            let Some(held) = held else { return Ok(None) };
            let id: String = held.try_get("id")?;
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
                    sqlx::query("UPDATE endpoints SET due_at = NULL WHERE id = $1").bind(&id).execute(&mut *db).await?;
                    return Ok(None);
                }
            };
            // A statement of its own: it sees the head that made the address due.
            let (head, _): (i64, bool) = sqlx::query_as(HEAD).bind(tenant.as_str()).fetch_one(&mut *db).await?;
            let upto = head.min(position.saturating_add(TAKEN));
            let kinds: Option<Vec<String>> =
                row.kinds.as_deref().and_then(|kinds| serde_json::from_str(kinds).ok());
            sqlx::query(
                "INSERT INTO deliveries (endpoint, number, event, kind, at, due_at)
                 SELECT $1, number, id, kind, at, $2 FROM outbox WHERE tenant = $3 AND number > $4 AND number <= $5
                 AND ($6::text[] IS NULL OR kind = ANY($6)) ON CONFLICT DO NOTHING",
            )
            .bind(&id)
            .bind(now)
            .bind(tenant.as_str())
            .bind(position)
            .bind(upto)
            .bind(kinds)
            .execute(&mut *db)
            .await?;
            sqlx::query("UPDATE endpoints SET position = greatest(position, $1) WHERE id = $2")
                .bind(upto)
                .bind(&id)
                .execute(&mut *db)
                .await?;
            Ok(Some(HeldEndpoint { tenant, row, lease }))
        })
    }

    async fn extend_endpoint(&self, id: &str, lease: &Lease, length: Duration) -> Result<bool> {
        write_one!(self for "", db => {
            let done = sqlx::query(
                "UPDATE endpoints SET lease_until = now_ms() + $1
                 WHERE id = $2 AND fence = $3 AND lease_owner IS NOT NULL AND disabled_at IS NULL",
            )
            .bind(millis(length))
            .bind(text(id))
            .bind(lease.fence)
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn next_delivery(&self, id: &str, now: i64) -> Result<Option<(DeliveryRow, OutboxRow)>> {
        loop {
            let due = read!(self for "", db => {
                sqlx::query(
                    concat!("SELECT ", columns!(deliveries "d."), ", o.seq AS place FROM deliveries d JOIN endpoints e ON e.id = d.endpoint
                     LEFT JOIN outbox o ON o.tenant = e.tenant AND o.number = d.number
                     WHERE d.endpoint = $1 AND d.due_at <= $2 ORDER BY d.due_at, d.number LIMIT 1"),
                )
                .bind(text(id))
                .bind(now)
                .fetch_optional(&mut *db)
                .await
            })?;
            let Some(due) = due else { return Ok(None) };
            let place: Option<i64> = due.try_get("place").map_err(failure)?;
            let number: i64 = due.try_get("number").map_err(failure)?;
            let told = read!(self for "", db => {
                sqlx::query(concat!("SELECT ", columns!(outbox ""), " FROM outbox WHERE seq = $1")).bind(place).fetch_all(&mut *db).await
            })?;
            if let Some(told) = row::all("outbox", &told, event).into_iter().next() {
                return Ok(Some((delivery(&due).map_err(failure)?, told)));
            }
            // Its event is gone, or damaged: it stands in the way of no other.
            write_one!(self for "", db => {
                sqlx::query("UPDATE deliveries SET due_at = NULL WHERE endpoint = $1 AND number = $2")
                    .bind(text(id))
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
                AfterAttempt::Disabled { due_at, why } => (true, *due_at, 0, Some(text(why))),
            };
            let held = sqlx::query(
                "UPDATE endpoints SET failures = CASE WHEN $1 THEN failures + 1 ELSE 0 END,
                 failing_since = CASE WHEN $1 THEN coalesce(failing_since, $2) END, resume_at = $3,
                 disabled_at = CASE WHEN $4::text IS NULL THEN disabled_at ELSE $2 END,
                 disabled_why = coalesce($4, disabled_why)
                 WHERE id = $5 AND fence = $6 AND lease_owner IS NOT NULL",
            )
            .bind(failed)
            .bind(attempt.at)
            .bind(resume_at)
            .bind(why)
            .bind(text(id))
            .bind(lease.fence)
            .execute(&mut *db)
            .await?;
            if held.rows_affected() == 0 {
                return Ok(false);
            }
            let known = sqlx::query(
                "UPDATE deliveries SET attempts = attempts + 1, due_at = $1,
                 delivered_at = CASE WHEN $2 THEN delivered_at ELSE $3 END WHERE endpoint = $4 AND number = $5",
            )
            .bind(due_at)
            .bind(failed)
            .bind(attempt.at)
            .bind(text(id))
            .bind(number)
            .execute(&mut *db)
            .await?;
            if known.rows_affected() == 0 {
                // It was removed with its age meanwhile.
                return Ok(true);
            }
            sqlx::query(
                "INSERT INTO delivery_attempts (endpoint, number, at, took_ms, status, failure)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(text(id))
            .bind(number)
            .bind(attempt.at)
            .bind(attempt.took_ms)
            .bind(attempt.status)
            .bind(texts(attempt.failure.as_deref()))
            .execute(&mut *db)
            .await?;
            if !failed {
                // The receiver is back: what failed before is not left waiting for its next time.
                sqlx::query("UPDATE deliveries SET due_at = $1 WHERE endpoint = $2 AND due_at > $1")
                    .bind(attempt.at)
                    .bind(text(id))
                    .execute(&mut *db)
                    .await?;
            }
            Ok(true)
        })
    }

    async fn release_endpoint(&self, id: &str, lease: &Lease) -> Result<()> {
        let now = self.clock.now_ms();
        write!(self, db => {
            let held = sqlx::query("UPDATE endpoints SET lease_owner = NULL WHERE id = $1 AND fence = $2")
                .bind(text(id))
                .bind(lease.fence)
                .execute(&mut *db)
                .await?;
            if held.rows_affected() == 1 {
                sqlx::query(DUE).bind(text(id)).bind(now).execute(&mut *db).await?;
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
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(
                concat!("SELECT ", columns!(deliveries "d."), " FROM deliveries d JOIN endpoints e ON e.id = d.endpoint
                 WHERE e.tenant = $1 AND d.endpoint = $2 AND d.number < $3 ORDER BY d.number DESC LIMIT $4"),
            )
            .bind(tenant.as_str())
            .bind(text(id))
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("deliveries", &rows, delivery))
    }

    async fn attempts(
        &self,
        tenant: &TenantId,
        id: &str,
        number: i64,
        limit: u32,
    ) -> Result<Vec<AttemptRow>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(
                concat!("SELECT ", columns!(delivery_attempts "a."), " FROM delivery_attempts a JOIN endpoints e ON e.id = a.endpoint
                 WHERE e.tenant = $1 AND a.endpoint = $2 AND a.number = $3 ORDER BY a.seq DESC LIMIT $4"),
            )
            .bind(tenant.as_str())
            .bind(text(id))
            .bind(number)
            .bind(i64::from(limit))
            .fetch_all(&mut *db)
            .await
        })?;
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
        // It may not have been numbered yet.
        self.number_events(tenant.as_str()).await?;
        write!(self for tenant.as_str(), db => {
            let done = sqlx::query(
                "INSERT INTO deliveries (endpoint, number, event, kind, at, due_at)
                 SELECT e.id, o.number, o.id, o.kind, o.at, $1 FROM endpoints e JOIN outbox o ON o.tenant = e.tenant
                 WHERE e.tenant = $2 AND e.id = $3 AND o.id = $4 AND o.number IS NOT NULL
                 ON CONFLICT (endpoint, number) DO UPDATE SET due_at = excluded.due_at, attempts = 0",
            )
            .bind(now)
            .bind(tenant.as_str())
            .bind(text(id))
            .bind(text(event))
            .execute(&mut *db)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query("UPDATE endpoints SET due_at = least(due_at, $1), resume_at = 0 WHERE id = $2")
                .bind(now)
                .bind(text(id))
                .execute(&mut *db)
                .await?;
            Ok(true)
        })
    }
}
