//! Publish jobs. A job's row is the truth about it: state, intent and lease change in one transaction.

use sqlx::sqlite::SqliteRow;

use super::*;

fn job_row(row: &SqliteRow) -> Result<JobRow> {
    let status = match row.get("status") {
        "active" => JobStatus::Active,
        "paused" => JobStatus::Paused,
        "published" => JobStatus::Published,
        "failed" => JobStatus::Failed,
        "cancelled" => JobStatus::Cancelled,
        _ => JobStatus::Unknown,
    };
    Ok(JobRow {
        id: row.get("id"),
        app: row.get("app"),
        channel: row.get("channel"),
        digest: row.get::<String, _>("digest").parse()?,
        request: Sealed(row.get("request")),
        request_hash: row.get("request_hash"),
        idempotency_key: row.get("idempotency_key"),
        retry_of: row.get("retry_of"),
        consent: row.get("consent"),
        priority: row.get("priority"),
        publish_at: row.get("publish_at"),
        state: row.get::<Option<Vec<u8>>, _>("state").map(Sealed),
        once: row.get("once"),
        interrupted: row.get("interrupted"),
        once_begun: row.get("once_begun"),
        sent_at: row.get("sent_at"),
        status,
        phase: row.get("phase"),
        bytes_sent: row.get("bytes_sent"),
        bytes_total: row.get("bytes_total"),
        wake_at: row.get("wake_at"),
        attempts: row.get("attempts"),
        deadline_at: row.get("deadline_at"),
        cancel_requested: row.get("cancel_requested"),
        post_id: row.get("post_id"),
        url: row.get("url"),
        error: row.get("error"),
        references: serde_json::from_str(row.get("refs")).unwrap_or_default(),
        quotas: row.get("quotas"),
        asked_at: row.get("asked_at"),
        forced: row.get("forced"),
        resolution: row.get("resolution"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
        ended_at: row.get("ended_at"),
    })
}

/// A job with its references, as one row.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT j.*, (SELECT json_group_array(r.reference) FROM job_references r WHERE r.job = j.id) AS refs ",
            "FROM jobs j ",
            $rest
        )
    };
}

const HISTORY: &str = "INSERT INTO job_history (job, at_ms, call, phase, result, message, code, trace_id)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

#[async_trait]
impl JobStore for Sqlite {
    async fn insert_job(&self, tenant: &TenantId, job: &JobRow) -> Result<Option<JobRow>> {
        let existing: Result<Option<SqliteRow>> = write!(self, db => {
            if let Some(key) = &job.idempotency_key {
                let taken = sqlx::query(select!("WHERE j.tenant = ? AND j.idempotency_key = ?"))
                    .bind(tenant.as_str())
                    .bind(key)
                    .fetch_optional(&mut *db)
                    .await?;
                if taken.is_some() {
                    return Ok(taken);
                }
            }
            sqlx::query(
                "INSERT INTO jobs (id, tenant, app, channel, digest, request, request_hash, idempotency_key,
                     retry_of, consent, priority, publish_at, state, once, interrupted, once_begun, status, phase,
                     bytes_sent, bytes_total, wake_at, attempts, deadline_at, cancel_requested, created_at,
                     updated_at)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 0, 0, 0, ?, ?, 0, ?, ?, 0, ?, 0, ?, ?)",
            )
            .bind(&job.id)
            .bind(tenant.as_str())
            .bind(&job.app)
            .bind(&job.channel)
            .bind(job.digest.as_str())
            .bind(&job.request.0)
            .bind(&job.request_hash)
            .bind(&job.idempotency_key)
            .bind(&job.retry_of)
            .bind(&job.consent)
            .bind(job.priority)
            .bind(job.publish_at)
            .bind(job.status.name())
            .bind(&job.phase)
            .bind(job.bytes_total)
            .bind(job.wake_at)
            .bind(job.deadline_at)
            .bind(job.created_at)
            .bind(job.updated_at)
            .execute(&mut *db)
            .await?;
            Ok(None)
        });
        existing?.as_ref().map(job_row).transpose()
    }

    async fn job(&self, tenant: &TenantId, id: &str) -> Result<Option<JobRow>> {
        let row = sqlx::query(select!("WHERE j.tenant = ? AND j.id = ?"))
            .bind(tenant.as_str())
            .bind(id)
            .fetch_optional(&self.readers)
            .await
            .map_err(failure)?;
        row.as_ref().map(job_row).transpose()
    }

    async fn jobs(&self, tenant: &TenantId, filter: &JobFilter) -> Result<Vec<JobRow>> {
        let rows = sqlx::query(select!(
            "WHERE j.tenant = ?1 AND (?2 IS NULL OR j.channel = ?2) AND (?3 IS NULL OR j.status = ?3)
             AND (?5 IS NULL OR EXISTS (SELECT 1 FROM jobs b WHERE b.tenant = ?1 AND b.id = ?5
               AND (j.created_at < b.created_at OR (j.created_at = b.created_at AND j.id > b.id))))
             ORDER BY j.created_at DESC, j.id LIMIT ?4"
        ))
        .bind(tenant.as_str())
        .bind(&filter.channel)
        .bind(filter.status.map(JobStatus::name))
        .bind(filter.limit)
        .bind(&filter.before)
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        rows.iter().map(job_row).collect()
    }

    async fn lease_job(
        &self,
        owner: &str,
        until: i64,
        now: i64,
        only: Option<(&TenantId, &str)>,
        dead: &IsDead,
    ) -> Result<Option<(TenantId, JobRow, Lease)>> {
        let leased: Result<Option<(String, SqliteRow, i64)>> = write!(self, db => {
            let held: Vec<String> = sqlx::query_scalar(
                "SELECT DISTINCT lease_owner FROM jobs WHERE wake_at IS NOT NULL AND lease_until > ?",
            )
            .bind(now)
            .fetch_all(&mut *db)
            .await?;
            let alive: Vec<&String> = held.iter().filter(|holder| !dead(holder)).collect();
            let alive = serde_json::to_string(&alive).unwrap_or_else(|_| "[]".to_owned());
            let free = "(j.lease_until <= ?1 OR j.lease_owner IS NULL
                 OR j.lease_owner NOT IN (SELECT value FROM json_each(?2)))";
            let found: Option<(String, String)> = match only {
                Some((tenant, id)) => {
                    sqlx::query_as(sqlx::AssertSqlSafe(format!(
                        "SELECT j.id, j.tenant FROM jobs j
                         WHERE j.wake_at <= ?1 AND {free} AND j.tenant = ?3 AND j.id = ?4"
                    )))
                    .bind(now)
                    .bind(alive)
                    .bind(tenant.as_str())
                    .bind(id)
                    .fetch_optional(&mut *db)
                    .await?
                }
                // One job of an account at a time: its allowances are counted by account.
                None => {
                    sqlx::query_as(sqlx::AssertSqlSafe(format!(
                        "SELECT j.id, j.tenant FROM jobs j
                             WHERE j.wake_at <= ?1 AND {free} AND NOT EXISTS (
                               SELECT 1 FROM jobs other WHERE other.tenant = j.tenant
                               AND other.channel = j.channel AND other.id <> j.id AND other.wake_at IS NOT NULL
                               AND other.lease_until > ?1
                               AND other.lease_owner IN (SELECT value FROM json_each(?2)))
                             ORDER BY j.wake_at LIMIT 1"
                    )))
                    .bind(now)
                    .bind(alive)
                    .fetch_optional(&mut *db)
                    .await?
                }
            };
            let Some((id, tenant)) = found else { return Ok(None) };
            let fence: i64 = sqlx::query_scalar(
                "UPDATE jobs SET lease_owner = ?, lease_until = ?, fence = fence + 1 WHERE id = ? RETURNING fence",
            )
            .bind(owner)
            .bind(until)
            .bind(&id)
            .fetch_one(&mut *db)
            .await?;
            let row = sqlx::query(select!("WHERE j.id = ?")).bind(&id).fetch_one(&mut *db).await?;
            Ok(Some((tenant, row, fence)))
        });
        leased?.map(|(tenant, row, fence)| Ok((tenant.parse()?, job_row(&row)?, Lease { fence }))).transpose()
    }

    async fn extend_job_lease(&self, id: &str, lease: &Lease, until: i64) -> Result<Option<JobSignals>> {
        write!(self, db => {
            let row = sqlx::query(
                "UPDATE jobs SET lease_until = ? WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL
                 RETURNING cancel_requested",
            )
            .bind(until)
            .bind(id)
            .bind(lease.fence)
            .fetch_optional(&mut *db)
            .await?;
            Ok(row.map(|row| JobSignals { cancel_requested: row.get(0) }))
        })
    }

    async fn store_step(&self, id: &str, lease: &Lease, update: &JobUpdate, now: i64) -> Result<bool> {
        write!(self, db => {
            let app: Option<String> = sqlx::query_scalar(
                "UPDATE jobs SET state = coalesce(?, state), once = ?, interrupted = ?,
                 once_begun = ?, status = ?, phase = ?, bytes_sent = ?, bytes_total = ?, wake_at = ?,
                 attempts = ?, post_id = coalesce(?, post_id), url = coalesce(?, url), error = ?, updated_at = ?,
                 ended_at = CASE WHEN ? THEN coalesce(ended_at, ?) END,
                 cancel_requested = cancel_requested AND NOT ?,
                 lease_owner = CASE WHEN ? THEN NULL ELSE lease_owner END
                 WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL RETURNING app",
            )
            .bind(update.state.as_ref().map(|state| &state.0))
            .bind(update.once)
            .bind(update.interrupted)
            .bind(update.once_begun)
            .bind(update.status.name())
            .bind(&update.phase)
            .bind(update.bytes_sent)
            .bind(update.bytes_total)
            .bind(update.wake_at)
            .bind(update.attempts)
            .bind(&update.post_id)
            .bind(&update.url)
            .bind(&update.error)
            .bind(now)
            .bind(update.status.has_ended())
            .bind(now)
            .bind(update.cancel_answered)
            .bind(update.release)
            .bind(id)
            .bind(lease.fence)
            .fetch_optional(&mut *db)
            .await?;
            let Some(app) = app else { return Ok(false) };
            if let Some(reference) = &update.reference {
                sqlx::query("INSERT OR IGNORE INTO job_references (app, reference, job) VALUES (?, ?, ?)")
                    .bind(&app)
                    .bind(reference)
                    .bind(id)
                    .execute(&mut *db)
                    .await?;
                // A webhook may have been faster than the answer that told us this reference.
                sqlx::query(
                    "UPDATE events SET job = ?1 WHERE app = ?2 AND reference = ?3 AND job IS NULL
                     AND (account IS NULL OR account = (SELECT a.account FROM accounts a
                     JOIN jobs j ON j.channel = a.channel WHERE j.id = ?1))",
                )
                .bind(id)
                .bind(&app)
                .bind(reference)
                .execute(&mut *db)
                .await?;
            }
            if let Some(event) = update.event_taken {
                sqlx::query("UPDATE events SET taken = 1 WHERE rowid = ?").bind(event).execute(&mut *db).await?;
            }
            if update.release {
                sqlx::query(
                    "UPDATE jobs SET wake_at = ?1 WHERE id = ?2 AND status IN ('active', 'published', 'unknown')
                     AND EXISTS (SELECT 1 FROM events WHERE job = ?2 AND taken = 0)",
                )
                .bind(now)
                .bind(id)
                .execute(&mut *db)
                .await?;
            }
            if let Some(row) = &update.history {
                sqlx::query(
                    HISTORY,
                )
                .bind(id)
                .bind(row.at_ms)
                .bind(&row.call)
                .bind(&row.phase)
                .bind(&row.result)
                .bind(&row.message)
                .bind(&row.code)
                .bind(&row.trace_id)
                .execute(&mut *db)
                .await?;
            }
            Ok(true)
        })
    }

    async fn request_cancel(&self, tenant: &TenantId, id: &str, now: i64) -> Result<bool> {
        write!(self, db => {
            let done = sqlx::query(
                "UPDATE jobs SET cancel_requested = 1, wake_at = ?, status = 'active', updated_at = ?
                 WHERE tenant = ? AND id = ? AND ended_at IS NULL",
            )
            .bind(now)
            .bind(now)
            .bind(tenant.as_str())
            .bind(id)
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn wake_job(&self, tenant: &TenantId, id: &str, now: i64) -> Result<bool> {
        write!(self, db => {
            let done = sqlx::query(
                "UPDATE jobs SET wake_at = min(coalesce(wake_at, ?), ?), status = 'active', error = NULL,
                 updated_at = ?
                 WHERE tenant = ? AND id = ? AND ended_at IS NULL",
            )
            .bind(now)
            .bind(now)
            .bind(now)
            .bind(tenant.as_str())
            .bind(id)
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn wake_paused_jobs(&self, tenant: &TenantId, channel: &str, now: i64) -> Result<()> {
        write!(self, db => {
            sqlx::query(
                "UPDATE jobs SET wake_at = ?, status = 'active', error = NULL, updated_at = ?
                 WHERE tenant = ? AND channel = ? AND status = 'paused'",
            )
            .bind(now)
            .bind(now)
            .bind(tenant.as_str())
            .bind(channel)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn resolve_job(
        &self,
        tenant: &TenantId,
        id: &str,
        resolved: &ResolvedJob,
        now: i64,
    ) -> Result<bool> {
        write!(self, db => {
            // Whoever looks at it just now (late evidence) is too late: the fence makes its answer worthless.
            let phase: Option<String> = sqlx::query_scalar(
                "UPDATE jobs SET status = ?, post_id = coalesce(?, post_id), url = coalesce(?, url), error = ?,
                 resolution = ?, wake_at = NULL, updated_at = ?, fence = fence + 1, lease_owner = NULL
                 WHERE tenant = ? AND id = ? AND status = 'unknown' RETURNING phase",
            )
            .bind(resolved.status.name())
            .bind(&resolved.post_id)
            .bind(&resolved.url)
            .bind(&resolved.error)
            .bind(&resolved.resolution)
            .bind(now)
            .bind(tenant.as_str())
            .bind(id)
            .fetch_optional(&mut *db)
            .await?;
            let Some(phase) = phase else { return Ok(false) };
            sqlx::query(HISTORY)
                .bind(id)
                .bind(now)
                .bind("resolve")
                .bind(phase)
                .bind(resolved.status.name())
                .bind(None::<&str>)
                .bind(None::<&str>)
                .bind(None::<&str>)
                .execute(&mut *db)
                .await?;
            Ok(true)
        })
    }

    async fn change_job(&self, tenant: &TenantId, id: &str, change: &ChangedJob, now: i64) -> Result<bool> {
        write!(self, db => {
            // A call that is under way is repeatable, for no other was begun. The fence keeps its answer out.
            let phase: Option<String> = sqlx::query_scalar(
                "UPDATE jobs SET request = coalesce(?1, request),
                 state = CASE WHEN ?1 IS NULL THEN state END,
                 once = CASE WHEN ?1 IS NULL THEN once ELSE 0 END,
                 interrupted = CASE WHEN ?1 IS NULL THEN interrupted ELSE 0 END,
                 bytes_sent = CASE WHEN ?1 IS NULL THEN bytes_sent ELSE 0 END,
                 consent = coalesce(?2, consent), priority = coalesce(?3, priority),
                 publish_at = coalesce(?4, publish_at), deadline_at = coalesce(?5, deadline_at),
                 wake_at = ?6, status = 'active', error = NULL, attempts = 0, updated_at = ?7,
                 fence = fence + 1, lease_owner = NULL
                 WHERE tenant = ?8 AND id = ?9 AND ended_at IS NULL AND NOT once_begun RETURNING phase",
            )
            .bind(change.request.as_ref().map(|request| &request.0))
            .bind(&change.consent)
            .bind(change.priority)
            .bind(change.publish_at)
            .bind(change.deadline_at)
            .bind(change.wake_at)
            .bind(now)
            .bind(tenant.as_str())
            .bind(id)
            .fetch_optional(&mut *db)
            .await?;
            let Some(phase) = phase else { return Ok(false) };
            sqlx::query(HISTORY)
                .bind(id)
                .bind(now)
                .bind("change")
                .bind(phase)
                .bind(JobStatus::Active.name())
                .bind(None::<&str>)
                .bind(None::<&str>)
                .bind(None::<&str>)
                .execute(&mut *db)
                .await?;
            Ok(true)
        })
    }

    async fn next_wake(&self) -> Result<Option<i64>> {
        sqlx::query_scalar("SELECT min(max(wake_at, coalesce(CASE WHEN lease_owner IS NOT NULL THEN lease_until END, 0))) FROM jobs WHERE wake_at IS NOT NULL")
            .fetch_one(&self.readers)
            .await
            .map_err(failure)
    }

    async fn job_history(&self, tenant: &TenantId, id: &str) -> Result<Vec<HistoryRow>> {
        let rows = sqlx::query(
            "SELECT h.at_ms, h.call, h.phase, h.result, h.message, h.code, h.trace_id FROM job_history h
             JOIN jobs j ON j.id = h.job WHERE j.tenant = ? AND j.id = ? ORDER BY h.rowid",
        )
        .bind(tenant.as_str())
        .bind(id)
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        Ok(rows
            .iter()
            .map(|row| HistoryRow {
                at_ms: row.get(0),
                call: row.get(1),
                phase: row.get(2),
                result: row.get(3),
                message: row.get(4),
                code: row.get(5),
                trace_id: row.get(6),
            })
            .collect())
    }
}
