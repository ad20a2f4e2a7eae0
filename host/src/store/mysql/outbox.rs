//! What happened, and the addresses to which it is sent. `told.rs` writes events; who asks for them numbers those that were
//! committed, see `schema_2.sql`.

use super::*;
use crate::store::columns::columns;
use crate::store::outbox::{PRUNED, TAKEN};

/// Events that are numbered in one transaction: few enough that other readers of the tenant do not wait.
const NUMBERED: i64 = 500;

fn event(row: &MySqlRow) -> sqlx::Result<OutboxRow> {
    Ok(OutboxRow {
        id: text(row, "id")?,
        number: row.try_get("number")?,
        kind: text(row, "kind")?,
        at: row.try_get("at")?,
        app: texts(row, "app")?,
        channel: texts(row, "channel")?,
        display_name: texts(row, "display_name")?,
        health: texts(row, "health")?,
        detail: texts(row, "detail")?,
        job: texts(row, "job")?,
        status: texts(row, "status")?,
        post_id: texts(row, "post_id")?,
        url: texts(row, "url")?,
        idempotency_key: texts(row, "idempotency_key")?,
        error: texts(row, "error")?,
        provider: texts(row, "provider")?,
        version: texts(row, "version")?,
        digest: texts(row, "digest")?,
    })
}

fn endpoint(row: &MySqlRow) -> sqlx::Result<EndpointRow> {
    Ok(EndpointRow {
        id: text(row, "id")?,
        target: Sealed(row.try_get("target")?),
        description: text(row, "description")?,
        kinds: texts(row, "kinds")?,
        failures: row.try_get("failures")?,
        failing_since: row.try_get("failing_since")?,
        disabled_at: row.try_get("disabled_at")?,
        disabled_why: texts(row, "disabled_why")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn delivery(row: &MySqlRow) -> sqlx::Result<DeliveryRow> {
    Ok(DeliveryRow {
        number: row.try_get("number")?,
        event: text(row, "event")?,
        kind: text(row, "kind")?,
        at: row.try_get("at")?,
        attempts: row.try_get("attempts")?,
        due_at: row.try_get("due_at")?,
        delivered_at: row.try_get("delivered_at")?,
    })
}

/// An event in the order of [`event`], the columns of which begin with its name.
macro_rules! events {
    ($($rest:tt)+) => {
        concat!(
            "SELECT id, number, kind, at, app, channel, display_name, health, detail, job, status, post_id, url,
             idempotency_key, error, provider, version, digest FROM {outbox} ",
            $($rest)+
        )
    };
}

/// What a look at a tenant's events begins with (the tenant, twice): the number of the last one, and whether some have none
/// yet.
const HEAD: &str = "SELECT COALESCE((SELECT h.number FROM {outbox_heads} h WHERE h.tenant = ?), 0),
    EXISTS (SELECT 1 FROM {outbox} o WHERE o.tenant = ? AND o.number IS NULL)";

/// Tenants that have events without a number.
const FRESH: &str =
    "SELECT DISTINCT o.tenant FROM {outbox} o FORCE INDEX (fresh) WHERE o.number IS NULL LIMIT 1000";
/// Those of them that have an address: the others' events are numbered when somebody reads them. From the addresses, which
/// are few, and never from the events, which may be many; a subquery that is a column is never turned round.
pub(super) const FRESH_TO_SEND: &str =
    "SELECT e.tenant FROM (SELECT e.tenant, (SELECT 1 FROM {outbox} o FORCE INDEX (by_number)
       WHERE o.tenant = e.tenant AND o.number IS NULL LIMIT 1) AS fresh
     FROM (SELECT DISTINCT tenant FROM {endpoints} WHERE disabled_at IS NULL) e) e WHERE e.fresh = 1 LIMIT 1000";

/// An address that nobody holds and to which something is to be sent (now, now).
const FREE: &str = concat!(
    "SELECT id FROM {endpoints} FORCE INDEX (due) WHERE due_at <= ? AND disabled_at IS NULL AND resume_at <= ?
     AND (lease_owner IS NULL OR lease_until <= ",
    now_ms!(),
    ") ORDER BY due_at LIMIT 1"
);

impl Tables {
    /// Numbers some of a tenant's committed events that have no number yet, and makes its addresses due. Returns the number
    /// of the last one, and whether there may be more.
    pub(super) async fn number_events(
        &self,
        db: &mut MySqlConnection,
        tenant: &str,
    ) -> sqlx::Result<(i64, bool)> {
        sqlx::query(self.sql(
            "INSERT INTO {outbox_heads} (tenant, number) VALUES (?, 0) ON DUPLICATE KEY UPDATE number = number",
        ))
        .bind(tenant)
        .execute(&mut *db)
        .await?;
        // Statements of their own: they see what was committed before the head was ours.
        let head: i64 = sqlx::query_scalar(self.sql("SELECT number FROM {outbox_heads} WHERE tenant = ?"))
            .bind(tenant)
            .fetch_one(&mut *db)
            .await?;
        let fresh: Vec<(i64, i64)> = sqlx::query_as(self.sql(
            "SELECT seq, at FROM {outbox} FORCE INDEX (by_number) WHERE tenant = ? AND number IS NULL
             ORDER BY seq LIMIT ?",
        ))
        .bind(tenant)
        .bind(NUMBERED)
        .fetch_all(&mut *db)
        .await?;
        let Some(first_at) = fresh.iter().map(|(_, at)| *at).min() else { return Ok((head, false)) };
        let mut number = head;
        for (seq, _) in &fresh {
            number += 1;
            sqlx::query(self.sql("UPDATE {outbox} SET number = ? WHERE seq = ?"))
                .bind(number)
                .bind(*seq)
                .execute(&mut *db)
                .await?;
        }
        sqlx::query(self.sql("UPDATE {outbox_heads} SET number = ? WHERE tenant = ?"))
            .bind(number)
            .bind(tenant)
            .execute(&mut *db)
            .await?;
        sqlx::query(
            self.sql("UPDATE {endpoints} SET due_at = LEAST(COALESCE(due_at, ?), ?) WHERE tenant = ?"),
        )
        .bind(first_at)
        .bind(first_at)
        .bind(tenant)
        .execute(db)
        .await?;
        Ok((number, i64::try_from(fresh.len()).unwrap_or(i64::MAX) == NUMBERED))
    }

    /// Sets when a locked address is due: now where it has new events, else with its first delivery. An event is either seen
    /// here, or makes the address due after this.
    async fn set_due(&self, db: &mut MySqlConnection, id: &str, now: i64) -> sqlx::Result<()> {
        let (is_behind, first): (bool, Option<i64>) = sqlx::query_as(self.sql(
            "SELECT e.position < COALESCE((SELECT h.number FROM {outbox_heads} h WHERE h.tenant = e.tenant), 0),
             (SELECT MIN(d.due_at) FROM {deliveries} d WHERE d.endpoint = e.id) FROM {endpoints} e WHERE e.id = ?",
        ))
        .bind(id)
        .fetch_one(&mut *db)
        .await?;
        sqlx::query(self.sql("UPDATE {endpoints} SET due_at = ? WHERE id = ?"))
            .bind(if is_behind { Some(now) } else { first })
            .bind(id)
            .execute(db)
            .await
            .map(drop)
    }

    /// Makes deliveries of an address's new events, which are due now.
    async fn deliver(
        &self,
        db: &mut MySqlConnection,
        (tenant, id): (&TenantId, &str),
        (position, kinds): (i64, Option<&str>),
        now: i64,
    ) -> sqlx::Result<()> {
        // A statement of its own: it sees the head that made the address due.
        let head: Option<i64> =
            sqlx::query_scalar(self.sql("SELECT number FROM {outbox_heads} WHERE tenant = ?"))
                .bind(tenant.as_str())
                .fetch_optional(&mut *db)
                .await?;
        let upto = head.unwrap_or_default().min(position.saturating_add(TAKEN));
        // Damaged ones mean all.
        let kinds: Option<Vec<String>> = kinds.and_then(|kinds| serde_json::from_str(kinds).ok());
        let only = match &kinds {
            None => String::new(),
            Some(kinds) if kinds.is_empty() => " AND FALSE".to_owned(),
            Some(kinds) => [" AND kind IN (", &marks(kinds.len()), ")"].concat(),
        };
        let insert = [
            "INSERT INTO {deliveries} (endpoint, number, event, kind, at, due_at)
             SELECT ?, o.number, o.id, o.kind, o.at, ? FROM {outbox} o WHERE o.tenant = ? AND o.number > ? AND o.number <= ?",
            &only,
            " ON DUPLICATE KEY UPDATE attempts = attempts",
        ]
        .concat();
        let mut query = sqlx::query(self.sql(&insert))
            .persistent(kinds.is_none())
            .bind(id)
            .bind(now)
            .bind(tenant.as_str())
            .bind(position)
            .bind(upto);
        for kind in kinds.iter().flatten() {
            query = query.bind(kind);
        }
        query.execute(&mut *db).await?;
        sqlx::query(self.sql("UPDATE {endpoints} SET position = GREATEST(position, ?) WHERE id = ?"))
            .bind(upto)
            .bind(id)
            .execute(db)
            .await
            .map(drop)
    }
}

impl Mysql {
    /// Numbers a tenant's committed events. Returns the number of the last one.
    async fn number_events(&self, tenant: &str) -> Result<i64> {
        loop {
            let (head, is_more) =
                write!(self for tenant, db => { self.tables.number_events(db, tenant).await })?;
            if !is_more {
                return Ok(head);
            }
        }
    }

    /// Numbers the events of these tenants ([`FRESH`], [`FRESH_TO_SEND`]).
    async fn number_all_events(&self, tenants: &'static str) -> Result<()> {
        let fresh: Vec<Text> = read!(self for "", db => {
            sqlx::query_scalar(self.sql(tenants)).fetch_all(&mut *db).await
        })?;
        for tenant in fresh {
            self.number_events(&tenant.0).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl OutboxStore for Mysql {
    async fn outbox(&self, tenant: &TenantId, after: i64, limit: u32) -> Result<OutboxPage> {
        let (mut head, fresh): (i64, bool) = read!(self for tenant.as_str(), db => {
            sqlx::query_as(self.sql(HEAD)).bind(tenant.as_str()).bind(tenant.as_str()).fetch_one(&mut *db).await
        })?;
        if fresh {
            head = self.number_events(tenant.as_str()).await?;
        }
        if head <= after {
            return Ok(OutboxPage { events: Vec::new(), read: after, head });
        }
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql(events!("WHERE tenant = ? AND number > ? AND number <= ? ORDER BY number LIMIT ?")))
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
            for delete in [
                "DELETE FROM {outbox} WHERE at < ? AND number IS NOT NULL ORDER BY at LIMIT ?",
                "DELETE FROM {deliveries} WHERE at < ? ORDER BY at LIMIT ?",
            ] {
                let deleted = sqlx::query(self.sql(delete)).bind(before).bind(PRUNED).execute(&mut *db).await?;
                removed += deleted.rows_affected();
            }
            let above: Vec<i64> = sqlx::query_scalar(self.sql(
                "SELECT o.seq FROM {outbox_heads} h JOIN {outbox} o ON o.tenant = h.tenant AND o.number <= h.number - ?
                 LIMIT ?",
            ))
            .bind(most)
            .bind(PRUNED)
            .fetch_all(&mut *db)
            .await?;
            if !above.is_empty() {
                let delete = ["DELETE FROM {outbox} WHERE seq IN (", &marks(above.len()), ")"].concat();
                let mut query = sqlx::query(self.sql(&delete)).persistent(false);
                for seq in above {
                    query = query.bind(seq);
                }
                removed += query.execute(&mut *db).await?.rows_affected();
            }
            Ok(removed)
        });
        Ok(removed? > 0)
    }
}

#[async_trait]
impl EndpointStore for Mysql {
    async fn endpoints(&self, tenant: &TenantId) -> Result<Vec<EndpointRow>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql(concat!("SELECT ", columns!(endpoints ""), " FROM {endpoints} WHERE tenant = ? ORDER BY id")))
                .bind(tenant.as_str())
                .fetch_all(&mut *db)
                .await
        })?;
        Ok(row::all("endpoints", &rows, endpoint))
    }

    async fn endpoint(&self, tenant: &TenantId, id: &str) -> Result<Option<EndpointRow>> {
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql(concat!("SELECT ", columns!(endpoints ""), " FROM {endpoints} WHERE tenant = ? AND id = ?")))
                .bind(tenant.as_str())
                .bind(id)
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("endpoints", row, endpoint)
    }

    async fn insert_endpoint(&self, tenant: &TenantId, row: &EndpointRow) -> Result<()> {
        // What happened before is numbered, and not sent.
        let head = self.number_events(tenant.as_str()).await?;
        write!(self for tenant.as_str(), db => {
            sqlx::query(self.sql(
                "INSERT INTO {endpoints} (id, tenant, target, description, kinds, position, created_at, updated_at)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ))
            .bind(&row.id)
            .bind(tenant.as_str())
            .bind(&row.target.0)
            .bind(&row.description)
            .bind(&row.kinds)
            .bind(head)
            .bind(row.created_at)
            .bind(row.updated_at)
            .execute(&mut *db)
            .await?;
            // Events that were numbered since have made no address due that was not there yet.
            self.tables.set_due(db, &row.id, row.created_at).await
        })
    }

    async fn change_endpoint(&self, tenant: &TenantId, id: &str, change: &EndpointChange) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let (new, old) = match &change.target {
                Some((new, old)) => (Some(&*new.0), Some(&*old.0)),
                None => (None, None),
            };
            // The condition reads the row as it was.
            let done = sqlx::query(self.sql(
                "UPDATE {endpoints} SET target = COALESCE(?, target), description = COALESCE(?, description),
                 kinds = CASE WHEN ? THEN ? ELSE kinds END, updated_at = ?
                 WHERE tenant = ? AND id = ? AND (? IS NULL OR target = ?)",
            ))
            .bind(new)
            .bind(&change.description)
            .bind(change.kinds.is_some())
            .bind(change.kinds.clone().flatten())
            .bind(change.now)
            .bind(tenant.as_str())
            .bind(id)
            .bind(old)
            .bind(old)
            .execute(&mut *db)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            match &change.enabled {
                None => {}
                Some(Ok(())) => {
                    sqlx::query(self.sql(
                        "UPDATE {endpoints} SET disabled_at = NULL, disabled_why = NULL, failures = 0,
                         failing_since = NULL, resume_at = 0 WHERE id = ?",
                    ))
                    .bind(id)
                    .execute(&mut *db)
                    .await?;
                    self.tables.set_due(db, id, change.now).await?;
                }
                Some(Err(why)) => {
                    sqlx::query(self.sql("UPDATE {endpoints} SET disabled_at = ?, disabled_why = ? WHERE id = ?"))
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
            let done = sqlx::query(self.sql("DELETE FROM {endpoints} WHERE tenant = ? AND id = ?"))
                .bind(tenant.as_str())
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn acquire_endpoint(&self, now: i64, length: Duration) -> Result<Option<HeldEndpoint>> {
        self.number_all_events(FRESH_TO_SEND).await?;
        // Mostly there is none, and a look begins no transaction.
        let free: Option<Text> = read!(self for "", db => {
            sqlx::query_scalar(self.sql(FREE)).bind(now).bind(now).fetch_optional(&mut *db).await
        })?;
        if free.is_none() {
            return Ok(None);
        }
        let lock = [FREE, " FOR UPDATE SKIP LOCKED"].concat();
        write!(self, db => {
            let free: Option<Text> =
                sqlx::query_scalar(self.sql(&lock)).bind(now).bind(now).fetch_optional(&mut *db).await?;
            let Some(Text(id)) = free else { return Ok(None) };
            sqlx::query(self.sql(concat!(
                "UPDATE {endpoints} SET lease_owner = ?, lease_until = ",
                now_ms!(),
                " + ?, fence = fence + 1 WHERE id = ?"
            )))
            .bind(&self.owner)
            .bind(millis(length))
            .bind(&id)
            .execute(&mut *db)
            .await?;
            let held =
                sqlx::query(self.sql(concat!("SELECT ", columns!(endpoints ""), " FROM {endpoints} WHERE id = ?"))).bind(&id).fetch_one(&mut *db).await?;
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
                    sqlx::query(self.sql("UPDATE {endpoints} SET due_at = NULL WHERE id = ?"))
                        .bind(&id)
                        .execute(&mut *db)
                        .await?;
                    return Ok(None);
                }
            };
            self.tables.deliver(db, (&tenant, &id), (position, row.kinds.as_deref()), now).await?;
            Ok(Some(HeldEndpoint { tenant, row, lease }))
        })
    }

    async fn extend_endpoint(&self, id: &str, lease: &Lease, length: Duration) -> Result<bool> {
        write_one!(self for "", db => {
            let done = sqlx::query(self.sql(concat!(
                "UPDATE {endpoints} SET lease_until = ",
                now_ms!(),
                " + ? WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL AND disabled_at IS NULL"
            )))
            .bind(millis(length))
            .bind(id)
            .bind(lease.fence)
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn next_delivery(&self, id: &str, now: i64) -> Result<Option<(DeliveryRow, OutboxRow)>> {
        loop {
            let due = read!(self for "", db => {
                sqlx::query(self.sql(
                    concat!("SELECT ", columns!(deliveries "d."), ", o.seq AS place FROM {deliveries} d FORCE INDEX (due) JOIN {endpoints} e ON e.id = d.endpoint
                     LEFT JOIN {outbox} o ON o.tenant = e.tenant AND o.number = d.number
                     WHERE d.endpoint = ? AND d.due_at <= ? ORDER BY d.due_at, d.number LIMIT 1"),
                ))
                .bind(id)
                .bind(now)
                .fetch_optional(&mut *db)
                .await
            })?;
            let Some(due) = due else { return Ok(None) };
            let place: Option<i64> = due.try_get("place").map_err(failure)?;
            let number: i64 = due.try_get("number").map_err(failure)?;
            let told = read!(self for "", db => {
                sqlx::query(self.sql(events!("WHERE seq = ?"))).bind(place).fetch_all(&mut *db).await
            })?;
            let told = row::all("outbox", &told, event).into_iter().next();
            let found = row::all("deliveries", &[due], delivery).into_iter().next();
            if let (Some(found), Some(told)) = (found, told) {
                return Ok(Some((found, told)));
            }
            // Its event is gone, or one of them is damaged: it stands in the way of no other.
            write_one!(self for "", db => {
                sqlx::query(self.sql("UPDATE {deliveries} SET due_at = NULL WHERE endpoint = ? AND number = ?"))
                    .bind(id)
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
                AfterAttempt::Disabled { due_at, why } => (true, *due_at, 0, Some(why.as_str())),
            };
            let held = sqlx::query(self.sql(
                "UPDATE {endpoints} SET failures = CASE WHEN ? THEN failures + 1 ELSE 0 END,
                 failing_since = CASE WHEN ? THEN COALESCE(failing_since, ?) ELSE NULL END, resume_at = ?,
                 disabled_at = CASE WHEN ? IS NULL THEN disabled_at ELSE ? END,
                 disabled_why = COALESCE(?, disabled_why)
                 WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL",
            ))
            .bind(failed)
            .bind(failed)
            .bind(attempt.at)
            .bind(resume_at)
            .bind(why)
            .bind(attempt.at)
            .bind(why)
            .bind(id)
            .bind(lease.fence)
            .execute(&mut *db)
            .await?;
            if held.rows_affected() == 0 {
                return Ok(false);
            }
            let known = sqlx::query(self.sql(
                "UPDATE {deliveries} SET attempts = attempts + 1, due_at = ?,
                 delivered_at = CASE WHEN ? THEN delivered_at ELSE ? END WHERE endpoint = ? AND number = ?",
            ))
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
            sqlx::query(self.sql(
                "INSERT INTO {delivery_attempts} (endpoint, number, at, took_ms, status, failure)
                 VALUES (?, ?, ?, ?, ?, ?)",
            ))
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
                sqlx::query(self.sql("UPDATE {deliveries} SET due_at = ? WHERE endpoint = ? AND due_at > ?"))
                    .bind(attempt.at)
                    .bind(id)
                    .bind(attempt.at)
                    .execute(&mut *db)
                    .await?;
            }
            Ok(true)
        })
    }

    async fn release_endpoint(&self, id: &str, lease: &Lease) -> Result<()> {
        let now = self.clock.now_ms();
        write!(self, db => {
            let held = sqlx::query(self.sql("UPDATE {endpoints} SET lease_owner = NULL WHERE id = ? AND fence = ?"))
                .bind(id)
                .bind(lease.fence)
                .execute(&mut *db)
                .await?;
            if held.rows_affected() == 1 {
                self.tables.set_due(db, id, now).await?;
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
            sqlx::query(self.sql(
                concat!("SELECT ", columns!(deliveries "d."), " FROM {deliveries} d JOIN {endpoints} e ON e.id = d.endpoint
                 WHERE e.tenant = ? AND d.endpoint = ? AND d.number < ? ORDER BY d.number DESC LIMIT ?"),
            ))
            .bind(tenant.as_str())
            .bind(id)
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
            sqlx::query(self.sql(
                "SELECT CAST(a.seq AS CHAR) AS name, a.at, a.took_ms, a.status, a.failure FROM {delivery_attempts} a
                 JOIN {endpoints} e ON e.id = a.endpoint
                 WHERE e.tenant = ? AND a.endpoint = ? AND a.number = ? ORDER BY a.seq DESC LIMIT ?",
            ))
            .bind(tenant.as_str())
            .bind(id)
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
                failure: texts(row, "failure")?,
            })
        });
        attempts.reverse();
        Ok(attempts)
    }

    async fn send_again(&self, tenant: &TenantId, id: &str, event: &str, now: i64) -> Result<bool> {
        // It may not have been numbered yet.
        self.number_events(tenant.as_str()).await?;
        write!(self for tenant.as_str(), db => {
            // Locked first, as by everybody who writes deliveries.
            let known: Option<Text> =
                sqlx::query_scalar(self.sql("SELECT id FROM {endpoints} WHERE tenant = ? AND id = ? FOR UPDATE"))
                    .bind(tenant.as_str())
                    .bind(id)
                    .fetch_optional(&mut *db)
                    .await?;
            if known.is_none() {
                return Ok(false);
            }
            let done = sqlx::query(self.sql(
                "INSERT INTO {deliveries} (endpoint, number, event, kind, at, due_at)
                 SELECT ?, o.number, o.id, o.kind, o.at, ? FROM {outbox} o
                 WHERE o.tenant = ? AND o.id = ? AND o.number IS NOT NULL ON DUPLICATE KEY UPDATE due_at = ?, attempts = 0",
            ))
            .bind(id)
            .bind(now)
            .bind(tenant.as_str())
            .bind(event)
            .bind(now)
            .execute(&mut *db)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query(self.sql("UPDATE {endpoints} SET due_at = LEAST(COALESCE(due_at, ?), ?), resume_at = 0 WHERE id = ?"))
                .bind(now)
                .bind(now)
                .bind(id)
                .execute(&mut *db)
                .await?;
            Ok(true)
        })
    }
}
