//! Webhook events, stored before the platform gets its response.

use super::told::{ChannelBefore, binds};
use super::*;

/// After this time an unmatched event is not expected to match.
const KEEP_UNMATCHED: i64 = 3 * 24 * 3_600_000;
/// Events deleted in one transaction: few enough that others can write in between.
const PRUNED: i64 = 1_000;
/// A platform repeats a delivery for days, so its id must be kept that long.
const KEEP_IDS: i64 = 14 * 24 * 3_600_000;

/// A request that may make the post was started, and no response provided its reference.
macro_rules! lost {
    ($job:literal) => {
        concat!(
            $job,
            ".sent_open IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {job_references} r WHERE r.job = ",
            $job,
            ".id)"
        )
    };
}

fn waiting(row: &MySqlRow) -> sqlx::Result<WaitingEvent> {
    Ok(WaitingEvent {
        id: text(row, "id")?,
        row: text(row, "name")?,
        evidence: Sealed(row.try_get("evidence")?),
    })
}

#[async_trait]
impl EventStore for Mysql {
    async fn insert_event(&self, event: &EventRow) -> Result<bool> {
        write!(self for &event.app, db => {
            // A step that stores this reference, or another one of this account, comes before or after all of this.
            lock(&self.tables, &mut *db, meeting(&event.app, event.reference.as_deref(), event.account.as_deref())).await?;
            let inserted = sqlx::query(self.sql("INSERT INTO {events} (app, id, reference, account, evidence, received_at, taken)
                 VALUES (?, ?, ?, ?, ?, ?, FALSE)"))
            .bind(&event.app)
            .bind(&event.id)
            .bind(&event.reference)
            .bind(&event.account)
            .bind(&event.evidence.0)
            .bind(event.received_at)
            .execute(&mut *db)
            .await;
            if !is_new(inserted)? {
                return Ok(false);
            }
            let by_reference = sqlx::query(self.sql("SELECT j.id FROM {job_references} r JOIN {jobs} j ON j.id = r.job
                 LEFT JOIN {accounts} a ON a.channel = j.channel
                 WHERE r.app = ? AND r.reference = ? AND (? IS NULL OR a.account IS NULL OR a.account = ?)"))
            .bind(&event.app)
            .bind(&event.reference)
            .bind(&event.account)
            .bind(&event.account)
            .fetch_all(&mut *db)
            .await?;
            let by_reference: Option<String> =
                row::all("jobs", &by_reference, |row| text(row, "id")).into_iter().next();
            // The account's only publish whose lost response contained the reference.
            let lost = match (&by_reference, &event.account) {
                (None, Some(account)) => {
                    sqlx::query(self.sql(concat!(
                        "SELECT j.id FROM {accounts} a JOIN {jobs} j ON j.channel = a.channel AND j.tenant = a.tenant
                         WHERE a.app = ? AND a.account = ? AND j.app = ? AND j.sent_open >= ? AND ",
                        lost!("j")
                    )))
                    .bind(&event.app)
                    .bind(account)
                    .bind(&event.app)
                    .bind(event.received_at.saturating_sub(KEEP_UNMATCHED))
                    .fetch_all(&mut *db)
                    .await?
                }
                _ => Vec::new(),
            };
            let job = by_reference.or_else(|| match lost.as_slice() {
                [only] => row::read("jobs", only, |row| text(row, "id")).inspect_err(row::skip).ok(),
                _ => None,
            });
            if let Some(job) = job {
                sqlx::query(self.sql("UPDATE {events} SET job = ? WHERE app = ? AND id = ?"))
                    .bind(&job)
                    .bind(&event.app)
                    .bind(&event.id)
                    .execute(&mut *db)
                    .await?;
                self.tables.hear(db, &job, event.received_at).await?;
            }
            Ok(true)
        })
    }

    async fn prune_events(&self, now: i64, most: i64) -> Result<bool> {
        let removed: Result<u64> = write!(self, db => {
            let old = sqlx::query(self.sql(
                "DELETE FROM {events} WHERE received_at < ? AND (job IS NULL OR received_at < ?)
                 ORDER BY received_at LIMIT ?",
            ))
            .bind(now.saturating_sub(KEEP_UNMATCHED))
            .bind(now.saturating_sub(KEEP_IDS))
            .bind(PRUNED)
            .execute(&mut *db)
            .await?;
            let above: Vec<(Text, i64)> = sqlx::query_as(
                self.sql("SELECT app, COUNT(*) - ? FROM {events} GROUP BY app HAVING COUNT(*) > ?"),
            )
            .bind(most)
            .bind(most)
            .fetch_all(&mut *db)
            .await?;
            let mut removed = old.rows_affected();
            for (app, number) in above {
                removed += sqlx::query(self.sql(
                    "DELETE FROM {events} WHERE app = ? AND (job IS NULL OR taken = TRUE) ORDER BY received_at LIMIT ?",
                ))
                .bind(app.0)
                .bind(number.min(PRUNED))
                .execute(&mut *db)
                .await?
                .rows_affected();
            }
            Ok(removed)
        });
        Ok(removed? > 0)
    }

    async fn waiting_event(&self, job: &str) -> Result<Option<WaitingEvent>> {
        let matched = read!(self for "", db => {
            sqlx::query(self.sql("SELECT id, CONCAT(app, '/', id) AS name, evidence FROM {events} WHERE job = ? AND taken = FALSE ORDER BY seq"))
            .bind(job)
            .fetch_all(&mut *db)
            .await
        })?;
        if let Some(event) = row::all("events", &matched, waiting).into_iter().next() {
            return Ok(Some(event));
        }
        // When the event arrived, several publishes could match; by now the others have their references.
        let rows = read!(self for "", db => {
            sqlx::query(self.sql(concat!(
                "SELECT e.id, CONCAT(e.app, '/', e.id) AS name, e.evidence FROM {jobs} j
                 JOIN {accounts} a ON a.channel = j.channel AND a.tenant = j.tenant
                 JOIN {events} e ON e.app = j.app AND e.account = a.account AND e.received_at >= j.sent_at
                 WHERE j.id = ? AND e.job IS NULL AND e.taken = FALSE AND e.reference IS NOT NULL AND ",
                lost!("j"),
                " AND NOT EXISTS (SELECT 1 FROM {jobs} o JOIN {accounts} b ON b.channel = o.channel AND b.tenant = o.tenant
                 WHERE o.app = j.app AND b.account = a.account AND o.id <> j.id AND ",
                lost!("o"),
                ") ORDER BY e.seq"
            )))
            .bind(job)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("events", &rows, waiting).into_iter().next())
    }

    async fn end_connections(&self, event: &EventRow, at: i64, detail: &str) -> Result<(bool, u64)> {
        write!(self for &event.app, db => {
            // In one order, or two of them would wait for each other.
            let ended = sqlx::query(self.sql(
                "SELECT channel, health, connected_at FROM {accounts} WHERE app = ? AND account = ? AND connected_at <= ?
                 ORDER BY channel FOR UPDATE",
            ))
            .bind(&event.app)
            .bind(event.account.as_deref())
            .bind(at)
            .fetch_all(&mut *db)
            .await?;
            for row in &ended {
                let channel = text(row, "channel")?;
                let before = ChannelBefore::of(row)?;
                let bind = binds(|query| query.bind(detail).bind(event.received_at));
                let set = "health_detail = ?, updated_at = ?";
                let to = (Health::NeedsReconnect, None);
                self.tables.write_channel(&mut *db, (&channel, Some(&before)), to, set, bind).await?;
            }
            let heard = sqlx::query(self.sql("INSERT INTO {events} (app, id, evidence, received_at, taken) VALUES (?, ?, ?, ?, TRUE)"))
            .bind(&event.app)
            .bind(&event.id)
            .bind(&event.evidence.0)
            .bind(event.received_at)
            .execute(&mut *db)
            .await;
            Ok((is_new(heard)?, u64::try_from(ended.len()).unwrap_or(u64::MAX)))
        })
    }
}

impl Tables {
    /// Makes a job due that a webhook has told something of.
    async fn hear(&self, db: &mut MySqlConnection, job: &str, at: i64) -> sqlx::Result<()> {
        let held = sqlx::query(self.sql(
            "SELECT id, tenant, channel, weight, wake_at FROM {jobs}
             WHERE id = ? AND status IN ('active', 'published', 'unknown') FOR UPDATE",
        ))
        .bind(job)
        .fetch_optional(&mut *db)
        .await?;
        let Some(held) = held else { return Ok(()) };
        if held.try_get::<Option<i64>, _>("wake_at")?.is_some_and(|wake_at| wake_at <= at) {
            return Ok(());
        }
        sqlx::query(self.sql("UPDATE {jobs} SET wake_at = ? WHERE id = ?"))
            .bind(at)
            .bind(job)
            .execute(&mut *db)
            .await?;
        let (tenant, channel) = (text(&held, "tenant")?, text(&held, "channel")?);
        self.requeue(db, &tenant, &channel, held.try_get("weight")?).await
    }
}
