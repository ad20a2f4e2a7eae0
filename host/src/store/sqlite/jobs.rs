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
        moved_from: row.get::<Option<String>, _>("moved_from").map(|digest| digest.parse()).transpose()?,
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

/// Jobs looked at under the lock: another worker may have been faster with the first ones.
const CHOSEN: i64 = 32;
/// What one step of priority is worth, in milliseconds of waiting.
const PRIORITY_STEP: i64 = 60_000;

/// Nobody holds the job `j`.
macro_rules! free {
    ($job:literal) => {
        concat!(
            "(",
            $job,
            ".lease_owner IS NULL OR ",
            $job,
            ".lease_until <= ?2
              OR ",
            $job,
            ".lease_owner IN (SELECT value FROM json_each(?3)))"
        )
    };
}

/// One job of a channel at a time: its allowances are counted by account, and its posts keep their order.
macro_rules! channel_free {
    ($job:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM jobs other WHERE other.tenant = ",
            $job,
            ".tenant
               AND other.channel = ",
            $job,
            ".channel AND other.id <> ",
            $job,
            ".id
               AND other.lease_owner IS NOT NULL AND NOT ",
            free!("other"),
            ")"
        )
    };
}

/// In the order of who has waited longest: a job since it was due, or since its channel last had its turn.
const CHOOSE: &str = concat!(
    "SELECT j.id FROM jobs j LEFT JOIN turns t ON t.tenant = j.tenant AND t.channel = j.channel
     WHERE j.wake_at <= ?1 AND (?6 IS NULL OR (j.tenant = ?5 AND j.id = ?6)) AND ",
    free!("j"),
    " AND ",
    channel_free!("j"),
    " ORDER BY max(j.wake_at, coalesce(t.at, 0)) - j.priority * ?4, j.created_at, j.id LIMIT ?7"
);

const TAKE: &str = concat!(
    "UPDATE jobs SET lease_owner = ?4, lease_until = ?5, fence = fence + 1
     WHERE id = ?6 AND wake_at <= ?1 AND ",
    free!("jobs"),
    " AND ",
    channel_free!("jobs"),
    " RETURNING fence, tenant, channel"
);

/// Attempts forgotten in one transaction.
const PRUNED: i64 = 1_000;

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

    async fn job_of_key(&self, tenant: &TenantId, idempotency_key: &str) -> Result<Option<JobRow>> {
        let row = sqlx::query(select!("WHERE j.tenant = ? AND j.idempotency_key = ?"))
            .bind(tenant.as_str())
            .bind(idempotency_key)
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

    async fn lease_job(&self, ask: &AskForJob<'_>) -> Result<Option<(TenantId, JobRow, Lease)>> {
        // Looking takes no lock, for idle workers look often and choosing may take a while. What was chosen is
        // looked at again under the lock.
        let holders: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT lease_owner FROM jobs WHERE lease_owner IS NOT NULL AND lease_until > ?",
        )
        .bind(ask.lease_now)
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        let dead: Vec<&String> = holders.iter().filter(|holder| (ask.dead)(holder)).collect();
        // An owner's name is used once, so who is dead stays dead.
        let dead = serde_json::to_string(&dead).unwrap_or_else(|_| "[]".to_owned());
        let (tenant, id) = ask.only.map(|(tenant, id)| (tenant.as_str(), id)).unzip();
        let chosen: Vec<String> = sqlx::query_scalar(CHOOSE)
            .bind(ask.now)
            .bind(ask.lease_now)
            .bind(&dead)
            .bind(PRIORITY_STEP)
            .bind(tenant)
            .bind(id)
            .bind(CHOSEN)
            .fetch_all(&self.readers)
            .await
            .map_err(failure)?;
        if chosen.is_empty() {
            return Ok(None);
        }
        let leased: Result<Option<(SqliteRow, i64)>> = write!(self, db => {
            for id in &chosen {
                let taken: Option<(i64, String, String)> = sqlx::query_as(TAKE)
                    .bind(ask.now)
                    .bind(ask.lease_now)
                    .bind(&dead)
                    .bind(ask.owner)
                    .bind(ask.lease_until)
                    .bind(id)
                    .fetch_optional(&mut *db)
                    .await?;
                let Some((fence, tenant, channel)) = taken else { continue };
                sqlx::query(
                    "INSERT INTO turns (tenant, channel, at) VALUES (?, ?, ?)
                     ON CONFLICT (tenant, channel) DO UPDATE SET at = excluded.at",
                )
                .bind(tenant)
                .bind(channel)
                .bind(ask.now)
                .execute(&mut *db)
                .await?;
                let row = sqlx::query(select!("WHERE j.id = ?")).bind(id).fetch_one(&mut *db).await?;
                return Ok(Some((row, fence)));
            }
            Ok(None)
        });
        leased?
            .map(|(row, fence)| {
                Ok((row.get::<String, _>("tenant").parse()?, job_row(&row)?, Lease { fence }))
            })
            .transpose()
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

    async fn store_step(
        &self,
        id: &str,
        lease: &Lease,
        update: &JobUpdate,
        now: i64,
    ) -> Result<Option<JobSignals>> {
        write!(self, db => {
            let held: Option<(String, bool)> = sqlx::query_as(
                "UPDATE jobs SET
                 digest = CASE WHEN ? AND digest = ? THEN coalesce(moved_from, digest) ELSE digest END,
                 moved_from = CASE WHEN ? AND digest = ? THEN NULL ELSE moved_from END,
                 state = coalesce(?, state), once = ?, interrupted = ?,
                 once_begun = ?, sent_at = CASE WHEN ? THEN coalesce(sent_at, ?) END,
                 quotas = coalesce(?, quotas), asked_at = coalesce(?, asked_at), forced = 0, status = ?, phase = ?, bytes_sent = ?, bytes_total = ?, wake_at = ?,
                 attempts = ?, post_id = coalesce(?, post_id), url = coalesce(?, url), error = ?, updated_at = ?,
                 ended_at = CASE WHEN ? THEN coalesce(ended_at, ?) END,
                 cancel_requested = cancel_requested AND NOT ?,
                 lease_owner = CASE WHEN ? THEN NULL ELSE lease_owner END
                 WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL RETURNING app, cancel_requested",
            )
            .bind(update.send_back)
            .bind(update.digest.as_str())
            // A component that has written the state keeps it.
            .bind(update.send_back || update.state.is_some())
            .bind(update.digest.as_str())
            .bind(update.state.as_ref().map(|state| &state.0))
            .bind(update.once)
            .bind(update.interrupted)
            .bind(update.once_begun)
            .bind(update.once_begun)
            .bind(now)
            .bind(&update.quotas)
            .bind(update.asked_at)
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
            let Some((app, cancel_requested)) = held else { return Ok(None) };
            if let Some(reference) = &update.reference {
                sqlx::query("INSERT OR IGNORE INTO job_references (app, reference, job) VALUES (?, ?, ?)")
                    .bind(&app)
                    .bind(reference)
                    .bind(id)
                    .execute(&mut *db)
                    .await?;
                // A webhook may have been faster than the answer that told us this reference; and one that was
                // taken to be this job's for want of a reference was not.
                sqlx::query(
                    "UPDATE events SET job = CASE WHEN reference = ?3 THEN ?1 END
                     WHERE app = ?2 AND taken = 0 AND (job = ?1 AND reference NOT IN
                     (SELECT r.reference FROM job_references r WHERE r.job = ?1)
                     OR job IS NULL AND reference = ?3
                     AND (account IS NULL OR account = (SELECT a.account FROM accounts a
                     JOIN jobs j ON j.channel = a.channel AND j.tenant = a.tenant WHERE j.id = ?1)))",
                )
                .bind(id)
                .bind(&app)
                .bind(reference)
                .execute(&mut *db)
                .await?;
            }
            if let Some(event) = update.event_taken {
                sqlx::query("UPDATE events SET taken = 1, job = coalesce(job, ?) WHERE rowid = ?")
                    .bind(id)
                    .bind(event)
                    .execute(&mut *db)
                    .await?;
            }
            if update.release {
                sqlx::query(
                    "UPDATE jobs SET wake_at = min(coalesce(wake_at, ?1), ?1) WHERE id = ?2
                     AND status IN ('active', 'published', 'unknown')
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
            Ok(Some(JobSignals { cancel_requested }))
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
                 forced = 1, updated_at = ?
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

    async fn move_job(&self, tenant: &TenantId, id: &str, to: &Digest, now: i64) -> Result<bool> {
        write!(self, db => {
            // Who works on it just now ends its turn with the component it has. Back to the component that wrote
            // the state is no move.
            let moved: Option<(String, String)> = sqlx::query_as(
                "UPDATE jobs SET digest = ?1,
                 moved_from = CASE WHEN state IS NOT NULL THEN nullif(coalesce(moved_from, digest), ?1) END,
                 wake_at = CASE WHEN publish_at > ?2 THEN wake_at ELSE min(coalesce(wake_at, ?2), ?2) END,
                 status = 'active', error = NULL, attempts = 0, updated_at = ?2
                 WHERE tenant = ?3 AND id = ?4 AND ended_at IS NULL AND digest <> ?1 RETURNING phase, status",
            )
            .bind(to.as_str())
            .bind(now)
            .bind(tenant.as_str())
            .bind(id)
            .fetch_optional(&mut *db)
            .await?;
            let Some((phase, status)) = moved else { return Ok(false) };
            sqlx::query(HISTORY)
                .bind(id)
                .bind(now)
                .bind("move")
                .bind(phase)
                .bind(status)
                .bind(None::<&str>)
                .bind(None::<&str>)
                .bind(None::<&str>)
                .execute(&mut *db)
                .await?;
            Ok(true)
        })
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

    async fn prune_history(&self, before: i64) -> Result<bool> {
        write!(self, db => {
            let done = sqlx::query(
                "DELETE FROM job_history WHERE rowid IN (SELECT rowid FROM job_history WHERE at_ms < ? LIMIT ?)",
            )
            .bind(before)
            .bind(PRUNED)
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected() > 0)
        })
    }
}
