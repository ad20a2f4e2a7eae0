//! Webhook events, stored before the platform gets its response.

use sqlx::postgres::PgRow;

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
            ".once_begun AND ",
            $job,
            ".status IN ('active', 'paused', 'unknown')
             AND NOT EXISTS (SELECT 1 FROM job_references r WHERE r.job = ",
            $job,
            ".id)"
        )
    };
}

fn waiting(row: &PgRow) -> sqlx::Result<WaitingEvent> {
    Ok(WaitingEvent {
        id: row.try_get("id")?,
        row: row.try_get("row")?,
        evidence: Sealed(row.try_get("evidence")?),
    })
}

#[async_trait]
impl EventStore for Postgres {
    async fn insert_event(&self, event: &EventRow) -> Result<bool> {
        let fresh: Result<bool> = write!(self for &event.app, db => {
            // A step that stores this reference, or another one of this account, comes before or after all of this.
            let (reference, account) = (texts(event.reference.as_deref()), texts(event.account.as_deref()));
            lock(&mut *db, meeting(&event.app, reference.as_deref(), account.as_deref())).await?;
            let fresh = sqlx::query(
                "INSERT INTO events (app, id, reference, account, evidence, received_at, taken)
                 VALUES ($1, $2, $3, $4, $5, $6, false) ON CONFLICT (app, id) DO NOTHING",
            )
            .bind(&event.app)
            .bind(text(&event.id))
            .bind(texts(event.reference.as_deref()))
            .bind(texts(event.account.as_deref()))
            .bind(&event.evidence.0)
            .bind(event.received_at)
            .execute(&mut *db)
            .await?
            .rows_affected()
                == 1;
            if !fresh {
                return Ok(false);
            }
            let by_reference = sqlx::query(
                "SELECT j.id FROM job_references r JOIN jobs j ON j.id = r.job
                 LEFT JOIN accounts a ON a.channel = j.channel
                 WHERE r.app = $1 AND r.reference = $2 AND ($3 IS NULL OR a.account IS NULL OR a.account = $3)",
            )
            .bind(&event.app)
            .bind(texts(event.reference.as_deref()))
            .bind(texts(event.account.as_deref()))
            .fetch_all(&mut *db)
            .await?;
            let by_reference: Option<String> =
                row::all("jobs", &by_reference, |row| row.try_get("id")).into_iter().next();
            // The account's only publish whose lost response contained the reference.
            let lost = match (&by_reference, &event.account) {
                (None, Some(account)) => {
                    sqlx::query(concat!(
                        "SELECT j.id FROM jobs j JOIN accounts a ON a.channel = j.channel AND a.tenant = j.tenant
                         WHERE j.app = $1 AND a.account = $2 AND j.sent_at >= $3 AND ",
                        lost!("j")
                    ))
                    .bind(&event.app)
                    .bind(text(account))
                    .bind(event.received_at.saturating_sub(KEEP_UNMATCHED))
                    .fetch_all(&mut *db)
                    .await?
                }
                _ => Vec::new(),
            };
            let job = by_reference.or_else(|| match lost.as_slice() {
                [only] => row::read("jobs", only, |row| row.try_get("id")).inspect_err(row::skip).ok(),
                _ => None,
            });
            if let Some(job) = job {
                sqlx::query("UPDATE events SET job = $1 WHERE app = $2 AND id = $3")
                    .bind(&job)
                    .bind(&event.app)
                    .bind(text(&event.id))
                    .execute(&mut *db)
                    .await?;
                sqlx::query(
                    "UPDATE jobs SET wake_at = least(wake_at, $1)
                     WHERE id = $2 AND status IN ('active', 'published', 'unknown')",
                )
                .bind(event.received_at)
                .bind(&job)
                .execute(&mut *db)
                .await?;
            }
            Ok(true)
        });
        self.bell.ring();
        fresh
    }

    async fn prune_events(&self, now: i64, most: i64) -> Result<bool> {
        let removed: Result<u64> = write!(self, db => {
            let old = sqlx::query(
                "DELETE FROM events WHERE (app, id) IN (SELECT app, id FROM events
                 WHERE received_at < $1 AND (job IS NULL OR received_at < $2) ORDER BY received_at LIMIT $3)",
            )
            .bind(now.saturating_sub(KEEP_UNMATCHED))
            .bind(now.saturating_sub(KEEP_IDS))
            .bind(PRUNED)
            .execute(&mut *db)
            .await?;
            let above: Vec<(String, i64)> =
                sqlx::query_as("SELECT app, count(*) - $1 FROM events GROUP BY app HAVING count(*) > $1")
                    .bind(most)
                    .fetch_all(&mut *db)
                    .await?;
            let mut removed = old.rows_affected();
            for (app, number) in above {
                removed += sqlx::query(
                    "DELETE FROM events WHERE (app, id) IN (SELECT app, id FROM events
                     WHERE app = $1 AND (job IS NULL OR taken) ORDER BY received_at LIMIT $2)",
                )
                .bind(app)
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
        // When an event arrived, several publishes could match; by now the others have their references.
        let rows = read!(self for "", db => {
            sqlx::query(concat!(
                "SELECT id, app || '/' || id AS row, evidence, 1 AS turn, seq FROM events WHERE job = $1 AND NOT taken
                 UNION ALL SELECT e.id, e.app || '/' || e.id, e.evidence, 2, e.seq FROM jobs j
                 JOIN accounts a ON a.channel = j.channel AND a.tenant = j.tenant
                 JOIN events e ON e.app = j.app AND e.account = a.account AND e.received_at >= j.sent_at
                 WHERE j.id = $1 AND e.job IS NULL AND NOT e.taken AND e.reference IS NOT NULL AND ",
                lost!("j"),
                " AND NOT EXISTS (SELECT 1 FROM jobs o JOIN accounts b ON b.channel = o.channel AND b.tenant = o.tenant
                 WHERE o.app = j.app AND b.account = a.account AND o.id <> j.id AND ",
                lost!("o"),
                ") ORDER BY turn, seq"
            ))
            .bind(job)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("events", &rows, waiting).into_iter().next())
    }

    async fn end_connections(&self, event: &EventRow, at: i64, detail: &str) -> Result<(bool, u64)> {
        let ended: Result<(bool, u64)> = write!(self for &event.app, db => {
            let ended = sqlx::query(
                "UPDATE accounts SET health = 'needs_reconnect', health_detail = $1, updated_at = $2
                 WHERE app = $3 AND account = $4 AND connected_at <= $5",
            )
            .bind(detail)
            .bind(event.received_at)
            .bind(&event.app)
            .bind(texts(event.account.as_deref()))
            .bind(at)
            .execute(&mut *db)
            .await?;
            let heard = sqlx::query(
                "INSERT INTO events (app, id, evidence, received_at, taken) VALUES ($1, $2, $3, $4, true)
                 ON CONFLICT (app, id) DO NOTHING",
            )
            .bind(&event.app)
            .bind(text(&event.id))
            .bind(&event.evidence.0)
            .bind(event.received_at)
            .execute(&mut *db)
            .await?;
            Ok((heard.rows_affected() == 1, ended.rows_affected()))
        });
        self.bell.ring();
        ended
    }
}
