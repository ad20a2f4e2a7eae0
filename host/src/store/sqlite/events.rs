//! What webhooks said, stored before the platform gets its answer.

use super::*;

/// An event that matches nothing by then never will.
const KEEP_UNMATCHED: i64 = 3 * 24 * 3_600_000;
/// A platform repeats a delivery for days; its id must be known that long.
const KEEP_IDS: i64 = 14 * 24 * 3_600_000;

/// A request that may make the post was begun, and no answer told its reference.
macro_rules! lost {
    ($job:literal) => {
        concat!(
            $job,
            ".once_begun AND ",
            $job,
            ".status IN ('active', 'paused', 'unknown')
             AND NOT EXISTS (SELECT 1 FROM job_references r WHERE r.job = ",
            $job,
            ".id)"
        )
    };
}

#[async_trait]
impl EventStore for Sqlite {
    async fn insert_event(&self, event: &EventRow) -> Result<bool> {
        write!(self, db => {
            let fresh = sqlx::query(
                "INSERT INTO events (app, id, reference, account, evidence, received_at, taken)
                 VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT (app, id) DO NOTHING",
            )
            .bind(&event.app)
            .bind(&event.id)
            .bind(&event.reference)
            .bind(&event.account)
            .bind(&event.evidence.0)
            .bind(event.received_at)
            .execute(&mut *db)
            .await?
            .rows_affected()
                == 1;
            if !fresh {
                return Ok(false);
            }
            let by_reference: Option<String> = sqlx::query_scalar(
                "SELECT j.id FROM job_references r JOIN jobs j ON j.id = r.job
                 LEFT JOIN accounts a ON a.channel = j.channel
                 WHERE r.app = ?1 AND r.reference = ?2 AND (?3 IS NULL OR a.account IS NULL OR a.account = ?3)",
            )
            .bind(&event.app)
            .bind(&event.reference)
            .bind(&event.account)
            .fetch_optional(&mut *db)
            .await?;
            // The account's one publish whose lost answer held the reference.
            let lost: Vec<String> = match (&by_reference, &event.account) {
                (None, Some(account)) => {
                    sqlx::query_scalar(concat!(
                        "SELECT j.id FROM jobs j JOIN accounts a ON a.channel = j.channel AND a.tenant = j.tenant
                         WHERE j.app = ? AND a.account = ? AND j.sent_at >= ? AND ",
                        lost!("j")
                    ))
                    .bind(&event.app)
                    .bind(account)
                    .bind(event.received_at.saturating_sub(KEEP_UNMATCHED))
                    .fetch_all(&mut *db)
                    .await?
                }
                _ => Vec::new(),
            };
            let job = by_reference.or_else(|| match lost.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            });
            if let Some(job) = job {
                sqlx::query("UPDATE events SET job = ? WHERE app = ? AND id = ?")
                    .bind(&job)
                    .bind(&event.app)
                    .bind(&event.id)
                    .execute(&mut *db)
                    .await?;
                sqlx::query(
                    "UPDATE jobs SET wake_at = min(coalesce(wake_at, ?1), ?1)
                     WHERE id = ?2 AND status IN ('active', 'published', 'unknown')",
                )
                .bind(event.received_at)
                .bind(&job)
                .execute(&mut *db)
                .await?;
            }
            sqlx::query("DELETE FROM events WHERE job IS NULL AND received_at < ? OR received_at < ?")
                .bind(event.received_at.saturating_sub(KEEP_UNMATCHED))
                .bind(event.received_at.saturating_sub(KEEP_IDS))
                .execute(&mut *db)
                .await?;
            Ok(true)
        })
    }

    async fn waiting_event(&self, job: &str) -> Result<Option<WaitingEvent>> {
        let matched = sqlx::query(
            "SELECT rowid, app || '/' || id, evidence FROM events WHERE job = ? AND taken = 0 ORDER BY rowid LIMIT 1",
        )
        .bind(job)
        .fetch_optional(&self.readers)
        .await
        .map_err(failure)?;
        let row = match matched {
            Some(row) => Some(row),
            // When it came, several publishes could have been meant; meanwhile the others know their references.
            None => sqlx::query(concat!(
                "SELECT e.rowid, e.app || '/' || e.id, e.evidence FROM jobs j
                 JOIN accounts a ON a.channel = j.channel AND a.tenant = j.tenant
                 JOIN events e ON e.app = j.app AND e.account = a.account AND e.received_at >= j.sent_at
                 WHERE j.id = ? AND e.job IS NULL AND e.taken = 0 AND e.reference IS NOT NULL AND ",
                lost!("j"),
                " AND NOT EXISTS (SELECT 1 FROM jobs o JOIN accounts b ON b.channel = o.channel AND b.tenant = o.tenant
                  WHERE o.app = j.app AND b.account = a.account AND o.id <> j.id AND ",
                lost!("o"),
                ") ORDER BY e.rowid LIMIT 1"
            ))
            .bind(job)
            .fetch_optional(&self.readers)
            .await
            .map_err(failure)?,
        };
        Ok(row.map(|row| WaitingEvent { rowid: row.get(0), row: row.get(1), evidence: Sealed(row.get(2)) }))
    }

    async fn remove_account(&self, app: &str, account: &str, at: i64, detail: &str, now: i64) -> Result<u64> {
        write!(self, db => {
            let done = sqlx::query(
                "UPDATE accounts SET health = 'needs_reconnect', health_detail = ?, updated_at = ?
                 WHERE app = ? AND account = ? AND connected_at <= ?",
            )
            .bind(detail)
            .bind(now)
            .bind(app)
            .bind(account)
            .bind(at)
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected())
        })
    }
}
