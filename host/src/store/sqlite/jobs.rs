//! Publish jobs. A job's row is authoritative: state, intent and lease change in one transaction.

use sqlx::sqlite::SqliteRow;

use super::*;
use crate::store::columns::columns;

pub(super) fn job_row(row: &SqliteRow) -> sqlx::Result<JobRow> {
    Ok(JobRow {
        id: row.try_get("id")?,
        app: row.try_get("app")?,
        channel: row.try_get("channel")?,
        digest: row::parsed(row, "digest")?,
        moved_from: match row.try_get::<Option<&str>, _>("moved_from")? {
            Some(_) => Some(row::parsed(row, "moved_from")?),
            None => None,
        },
        request: Sealed(row.try_get("request")?),
        request_hash: row.try_get("request_hash")?,
        idempotency_key: row.try_get("idempotency_key")?,
        retry_of: row.try_get("retry_of")?,
        submitted_by: row.try_get("submitted_by")?,
        consent: row.try_get("consent")?,
        priority: row.try_get("priority")?,
        publish_at: row.try_get("publish_at")?,
        state: row.try_get::<Option<Vec<u8>>, _>("state")?.map(Sealed),
        non_idempotent: row.try_get("once")?,
        interrupted: row.try_get("interrupted")?,
        non_idempotent_begun: row.try_get("once_begun")?,
        sent_at: row.try_get("sent_at")?,
        status: row::word(row, "status")?,
        phase: row.try_get("phase")?,
        bytes_sent: row.try_get("bytes_sent")?,
        bytes_total: row.try_get("bytes_total")?,
        wake_at: row.try_get("wake_at")?,
        attempts: row.try_get("attempts")?,
        deadline_at: row.try_get("deadline_at")?,
        cancel_requested: row.try_get("cancel_requested")?,
        post_id: row.try_get("post_id")?,
        url: row.try_get("url")?,
        error: row.try_get("error")?,
        // Only shown.
        references: row::json(row, "refs").unwrap_or_default(),
        quotas: row.try_get("quotas")?,
        asked_at: row.try_get("asked_at")?,
        forced: row.try_get("forced")?,
        resolution: row.try_get("resolution")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}

fn history_row(row: &SqliteRow) -> sqlx::Result<HistoryRow> {
    Ok(HistoryRow {
        at_ms: row.try_get("at_ms")?,
        call: row.try_get("call")?,
        phase: row.try_get("phase")?,
        result: row.try_get("result")?,
        message: row.try_get("message")?,
        code: row.try_get("code")?,
        trace_id: row.try_get("trace_id")?,
        by: row.try_get("made_by")?,
    })
}

/// A job with its references, as one row. JSON cannot hold a damaged reference that is not text.
macro_rules! select {
    ($($rest:tt)+) => {
        concat!(
            concat!("SELECT ", columns!(jobs "j."), ", (SELECT json_group_array(CAST(r.reference AS TEXT)) FROM job_references r WHERE r.job = j.id) AS refs "),
            "FROM jobs j ",
            $($rest)+
        )
    };
}

pub(super) use select;

/// The jobs of a list. `JobGroup::Scheduled`: only the time to publish at is waited for.
macro_rules! listed {
    ($page:literal) => {
        select!(
            "WHERE j.tenant = ?1 AND (?2 IS NULL OR j.channel = ?2)
             AND (?3 IS NULL OR j.status IN (SELECT value FROM json_each(?3)))
             AND (?6 IS NULL
               OR (j.publish_at IS NOT NULL AND j.wake_at IS j.publish_at AND NOT j.cancel_requested) = ?6) ",
            $page
        )
    };
}

/// Changes of a job, its account and its app by others. They are read in the same transaction as the write, so
/// that a worker needs no extra query to reuse its data.
macro_rules! signals {
    () => {
        "id, cancel_requested,
         (SELECT CAST(a.credentials_revision AS INTEGER) FROM accounts a WHERE a.tenant = jobs.tenant AND a.channel = jobs.channel)
           AS credentials_revision,
         (SELECT CAST(p.revision AS INTEGER) FROM accounts a JOIN apps p ON p.id = a.app
           WHERE a.tenant = jobs.tenant AND a.channel = jobs.channel) AS app_revision"
    };
}

fn signals(row: &SqliteRow) -> sqlx::Result<JobSignals> {
    Ok(JobSignals {
        cancel_requested: row.try_get("cancel_requested")?,
        credentials_revision: row.try_get("credentials_revision")?,
        app_revision: row.try_get("app_revision")?,
    })
}

/// Another attempt at the post of job `?2`, that may come to something or has: one that was made later and has not
/// ended without a post, or an earlier one that was found to be out.
const OTHER_ATTEMPT: &str = concat!(
    "WITH RECURSIVE before (id, retry_of) AS (
       SELECT id, retry_of FROM jobs WHERE tenant = ?1 AND id = ?2
       UNION SELECT j.id, j.retry_of FROM jobs j JOIN before b ON j.tenant = ?1 AND j.id = b.retry_of),
     family (id) AS (
       SELECT id FROM before
       UNION SELECT j.id FROM jobs j JOIN family f ON j.tenant = ?1 AND j.retry_of = f.id) ",
    select!(
        "WHERE j.tenant = ?1 AND j.id IN (SELECT id FROM family)
         AND CASE WHEN j.id IN (SELECT id FROM before) THEN j.status = 'published'
             ELSE j.status NOT IN ('failed', 'cancelled') END
         ORDER BY j.status = 'published' DESC, j.created_at DESC, j.id LIMIT 1"
    )
);

/// References one job may have. A post has one; each new start of a publish may add another.
const REFERENCES_PER_JOB: i64 = 100;
/// Attempts or jobs deleted in one transaction: few enough that others can write in between.
const PRUNED: i64 = 1_000;

const HISTORY: &str =
    "INSERT INTO job_history (job, at_ms, call, phase, result, message, code, trace_id, made_by)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Notes in a job's history what somebody did with it.
async fn note_change(
    db: &mut SqliteConnection,
    id: &str,
    now: i64,
    what: &str,
    phase: &str,
    result: &str,
    by: Option<&str>,
) -> sqlx::Result<()> {
    let noted = sqlx::query(HISTORY).bind(id).bind(now).bind(what).bind(phase).bind(result);
    let noted = noted.bind(None::<&str>).bind(None::<&str>).bind(None::<&str>).bind(by);
    noted.execute(db).await.map(drop)
}

#[async_trait]
impl JobStore for Sqlite {
    async fn insert_job(
        &self,
        tenant: &TenantId,
        job: &JobRow,
        media: &JobMedia,
        most_open: i64,
    ) -> Result<InsertedJob> {
        enum Found {
            Nothing,
            Full,
            Row(SqliteRow),
            Gone(String),
        }
        let found: Result<Found> = write!(self for tenant.as_str(), db => {
            if let Some(key) = &job.idempotency_key {
                let taken = sqlx::query(select!("WHERE j.tenant = ? AND j.idempotency_key = ?"))
                    .bind(tenant.as_str())
                    .bind(key)
                    .fetch_optional(&mut *db)
                    .await?;
                if let Some(row) = taken {
                    return Ok(Found::Row(row));
                }
            }
            if let Some(old) = &job.retry_of {
                let made = sqlx::query(OTHER_ATTEMPT).bind(tenant.as_str()).bind(old).fetch_optional(&mut *db).await?;
                if let Some(row) = made {
                    return Ok(Found::Row(row));
                }
            }
            let open: Option<i64> = sqlx::query_scalar("SELECT open FROM tenant_queue WHERE tenant = ?")
                .bind(tenant.as_str())
                .fetch_optional(&mut *db)
                .await?;
            if open.unwrap_or_default() >= most_open {
                return Ok(Found::Full);
            }
            for upload in &media.uploads {
                let bound = sqlx::query(
                    "INSERT OR REPLACE INTO upload_jobs (upload, job)
                     SELECT id, ? FROM uploads WHERE tenant = ? AND id = ?",
                )
                .bind(&job.id)
                .bind(tenant.as_str())
                .bind(upload)
                .execute(&mut *db)
                .await?;
                if bound.rows_affected() == 0 {
                    // Nothing is stored, so nothing remains bound.
                    sqlx::query("DELETE FROM upload_jobs WHERE job = ?").bind(&job.id).execute(&mut *db).await?;
                    return Ok(Found::Gone(upload.clone()));
                }
            }
            for link in &media.links {
                sqlx::query("INSERT INTO media_links (id, tenant, reference, job, created_at) VALUES (?, ?, ?, ?, ?)")
                    .bind(&link.id)
                    .bind(&link.tenant)
                    .bind(&link.reference.0)
                    .bind(&job.id)
                    .bind(link.created_at)
                    .execute(&mut *db)
                    .await?;
            }
            sqlx::query(
                "INSERT INTO jobs (id, tenant, app, channel, digest, request, request_hash, idempotency_key,
                     retry_of, submitted_by, consent, priority, publish_at, state, once, interrupted, once_begun, status, phase,
                     bytes_sent, bytes_total, wake_at, attempts, deadline_at, cancel_requested, quotas, asked_at,
                     created_at, updated_at)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 0, 0, 0, ?, ?, 0, ?, ?, 0, ?, 0, ?, ?, ?, ?)",
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
            .bind(&job.submitted_by)
            .bind(&job.consent)
            .bind(job.priority)
            .bind(job.publish_at)
            .bind(job.status.name())
            .bind(&job.phase)
            .bind(job.bytes_total)
            .bind(job.wake_at)
            .bind(job.deadline_at)
            .bind(&job.quotas)
            .bind(job.asked_at)
            .bind(job.created_at)
            .bind(job.updated_at)
            .execute(&mut *db)
            .await?;
            Ok(Found::Nothing)
        });
        Ok(match found? {
            Found::Nothing => InsertedJob::Stored,
            Found::Row(row) => {
                InsertedJob::Repeated(Box::new(row::read("jobs", &row, job_row).map_err(failure)?))
            }
            Found::Gone(upload) => InsertedJob::UploadGone(upload),
            Found::Full => InsertedJob::Full,
        })
    }

    async fn job(&self, tenant: &TenantId, id: &str) -> Result<Option<JobRow>> {
        let row = sqlx::query(select!("WHERE j.tenant = ? AND j.id = ?"))
            .bind(tenant.as_str())
            .bind(id)
            .fetch_optional(&mut *self.reader(tenant).await?)
            .await
            .map_err(failure)?;
        row::one("jobs", row, job_row)
    }

    async fn job_of_key(&self, tenant: &TenantId, idempotency_key: &str) -> Result<Option<JobRow>> {
        let row = sqlx::query(select!("WHERE j.tenant = ? AND j.idempotency_key = ?"))
            .bind(tenant.as_str())
            .bind(idempotency_key)
            .fetch_optional(&mut *self.reader(tenant).await?)
            .await
            .map_err(failure)?;
        row::one("jobs", row, job_row)
    }

    async fn other_attempt(&self, tenant: &TenantId, job: &str) -> Result<Option<JobRow>> {
        let row = sqlx::query(OTHER_ATTEMPT)
            .bind(tenant.as_str())
            .bind(job)
            .fetch_optional(&mut *self.reader(tenant).await?)
            .await
            .map_err(failure)?;
        row::one("jobs", row, job_row)
    }

    async fn jobs(&self, tenant: &TenantId, filter: &JobFilter) -> Result<Vec<JobRow>> {
        // A page begins where the one before ended, by an index: what lies before it is not read again.
        let scheduled = filter.group.and_then(JobGroup::scheduled);
        let page = match (scheduled, &filter.before) {
            (Some(true), None) => listed!("ORDER BY j.publish_at, j.id LIMIT ?4 OFFSET ?7"),
            (Some(true), Some(_)) => listed!(
                "AND (j.publish_at, j.id) > (SELECT publish_at, id FROM jobs WHERE tenant = ?1 AND id = ?5)
                 ORDER BY j.publish_at, j.id LIMIT ?4 OFFSET ?7"
            ),
            (_, None) => listed!("ORDER BY j.created_at DESC, j.id LIMIT ?4 OFFSET ?7"),
            (_, Some(_)) => listed!(
                "AND j.created_at <= (SELECT created_at FROM jobs WHERE tenant = ?1 AND id = ?5)
                 AND (j.created_at < (SELECT created_at FROM jobs WHERE tenant = ?1 AND id = ?5) OR j.id > ?5)
                 ORDER BY j.created_at DESC, j.id LIMIT ?4 OFFSET ?7"
            ),
        };
        let statuses: Option<Vec<&str>> = match (filter.group, filter.status) {
            (Some(group), _) => Some(group.statuses().iter().map(|status| status.name()).collect()),
            (None, status) => status.map(|status| vec![status.name()]),
        };
        let statuses = statuses.map(|names| serde_json::to_string(&names).unwrap_or_default());
        let (mut jobs, mut offset) = (Vec::new(), 0);
        loop {
            let wanted = filter.limit.saturating_sub(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
            let rows = sqlx::query(page)
                .bind(tenant.as_str())
                .bind(&filter.channel)
                .bind(&statuses)
                .bind(wanted)
                .bind(&filter.before)
                .bind(scheduled)
                .bind(offset)
                .fetch_all(&mut *self.reader(tenant).await?)
                .await
                .map_err(failure)?;
            let found = rows.len();
            jobs.extend(row::all("jobs", &rows, job_row));
            // A short page means that there are no more; so what damaged rows leave free is filled.
            if found < wanted as usize || jobs.len() == filter.limit as usize {
                return Ok(jobs);
            }
            offset += i64::try_from(found).unwrap_or(i64::MAX);
        }
    }

    async fn job_times(&self, ids: &[String]) -> Result<Vec<(String, JobStatus, Option<i64>)>> {
        let rows =
            sqlx::query("SELECT id, status, wake_at FROM jobs WHERE id IN (SELECT value FROM json_each(?))")
                .bind(serde_json::to_string(ids).unwrap_or_default())
                .fetch_all(&self.readers)
                .await
                .map_err(failure)?;
        Ok(row::all("jobs", &rows, |row| {
            Ok((row.try_get("id")?, row::word(row, "status")?, row.try_get("wake_at")?))
        }))
    }

    async fn acquire_job(&self, ask: &AskForJob<'_>) -> Result<Option<(TenantId, JobRow, Lease)>> {
        self.take_next(ask).await
    }

    async fn extend_job(&self, id: &str, lease: &Lease, length: Duration) -> Result<Option<JobSignals>> {
        write_relaxed!(self, db => {
            let row = sqlx::query(concat!(
                "UPDATE jobs SET lease_until = ? WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL RETURNING ",
                signals!()
            ))
            .bind(self.lease_end(length))
            .bind(id)
            .bind(lease.fence)
            .fetch_optional(&mut *db)
            .await?;
            row.map(|row| row::read("jobs", &row, signals)).transpose()
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
            let held = sqlx::query(concat!(
                "UPDATE jobs SET
                 digest = CASE WHEN ? AND digest = ? THEN coalesce(moved_from, digest) ELSE digest END,
                 moved_from = CASE WHEN ? AND digest = ? THEN NULL WHEN ? AND digest <> ? THEN ? ELSE moved_from END,
                 state = coalesce(?, state), once = ?, interrupted = ?,
                 once_begun = ?, sent_at = CASE WHEN ? THEN coalesce(sent_at, ?) END,
                 quotas = coalesce(?, quotas), asked_at = coalesce(?, asked_at), forced = 0, status = ?, phase = ?, bytes_sent = ?, bytes_total = ?, wake_at = ?,
                 attempts = ?, post_id = coalesce(?, post_id), url = coalesce(?, url), error = ?, updated_at = ?,
                 ended_at = CASE WHEN ? THEN coalesce(ended_at, ?) END,
                 cancel_requested = cancel_requested AND NOT ?,
                 lease_owner = CASE WHEN ? THEN NULL ELSE lease_owner END
                 WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL RETURNING ",
                signals!(),
                ", app"
            ))
            .bind(update.send_back)
            .bind(update.digest.as_str())
            // The component that has written the state keeps the job.
            .bind(update.send_back || update.state.is_some())
            .bind(update.digest.as_str())
            // A state written while the job was being moved belongs to the called component.
            .bind(update.state.is_some())
            .bind(update.digest.as_str())
            .bind(update.digest.as_str())
            .bind(update.state.as_ref().map(|state| &state.0))
            .bind(update.non_idempotent)
            .bind(update.interrupted)
            .bind(update.non_idempotent_begun)
            .bind(update.non_idempotent_begun)
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
            let Some(held) = held else { return Ok(None) };
            let app: String = held.try_get("app")?;
            if let Some(reference) = &update.reference {
                sqlx::query(
                    "INSERT OR IGNORE INTO job_references (app, reference, job) SELECT ?1, ?2, ?3
                     WHERE (SELECT count(*) FROM job_references WHERE job = ?3) < ?4",
                )
                .bind(&app)
                .bind(reference)
                .bind(id)
                .bind(REFERENCES_PER_JOB)
                .execute(&mut *db)
                .await?;
                // A webhook may have arrived before the response with this reference. And an event that was
                // matched to this job without a reference may not belong to it.
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
            if let Some(event) = &update.event_taken {
                sqlx::query("UPDATE events SET taken = 1, job = coalesce(job, ?) WHERE app = ? AND id = ?")
                    .bind(id)
                    .bind(&app)
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
                .bind(&row.by)
                .execute(&mut *db)
                .await?;
            }
            row::read("jobs", &held, signals).map(Some)
        })
    }

    async fn put_off_job(&self, id: &str, lease: &Lease, until: i64) -> Result<()> {
        write_relaxed!(self, db => {
            sqlx::query(
                "UPDATE jobs SET wake_at = max(wake_at, ?), lease_owner = NULL
                 WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL",
            )
            .bind(until)
            .bind(id)
            .bind(lease.fence)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn request_cancel(&self, tenant: &TenantId, id: &str, by: Option<&str>, now: i64) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            // Asked for again, it is the same cancellation.
            let phase: Option<String> = sqlx::query_scalar(
                "SELECT phase FROM jobs WHERE tenant = ? AND id = ? AND ended_at IS NULL AND NOT cancel_requested",
            )
            .bind(tenant.as_str())
            .bind(id)
            .fetch_optional(&mut *db)
            .await?;
            if let Some(phase) = phase {
                note_change(&mut *db, id, now, "cancel", &phase, JobStatus::Active.name(), by).await?;
            }
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

    async fn wake_job(&self, tenant: &TenantId, id: &str, by: Option<&str>, now: i64) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let phase: Option<String> = sqlx::query_scalar(
                "UPDATE jobs SET wake_at = min(coalesce(wake_at, ?1), ?1), status = 'active', error = NULL,
                 publish_at = CASE WHEN publish_at <= ?1 THEN publish_at END, forced = 1, updated_at = ?1
                 WHERE tenant = ?2 AND id = ?3 AND ended_at IS NULL RETURNING phase",
            )
            .bind(now)
            .bind(tenant.as_str())
            .bind(id)
            .fetch_optional(&mut *db)
            .await?;
            let Some(phase) = phase else { return Ok(false) };
            note_change(&mut *db, id, now, "resume", &phase, JobStatus::Active.name(), by).await?;
            Ok(true)
        })
    }

    async fn resolve_job(
        &self,
        tenant: &TenantId,
        id: &str,
        resolved: &ResolvedJob,
        now: i64,
    ) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            // A worker that is processing late evidence is too late: the fence rejects its result.
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
            note_change(&mut *db, id, now, "resolve", &phase, resolved.status.name(), resolved.by.as_deref()).await?;
            Ok(true)
        })
    }

    async fn change_job(&self, tenant: &TenantId, id: &str, change: &ChangedJob, now: i64) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            // A running call is repeatable, since no `once` call was started. The fence rejects its result.
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
            note_change(&mut *db, id, now, "change", &phase, JobStatus::Active.name(), change.by.as_deref()).await?;
            Ok(true)
        })
    }

    async fn move_job(
        &self,
        tenant: &TenantId,
        id: &str,
        to: &Digest,
        by: Option<&str>,
        now: i64,
    ) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            // A worker that is running the job finishes its run with its component. Returning to the component
            // that wrote the state is not a move.
            let moved: Option<(String, String)> = sqlx::query_as(
                "UPDATE jobs SET digest = ?1,
                 moved_from = CASE WHEN state IS NOT NULL THEN nullif(coalesce(moved_from, digest), ?1) END,
                 wake_at = max(?2, coalesce(publish_at, 0)),
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
            note_change(&mut *db, id, now, "move", &phase, &status, by).await?;
            Ok(true)
        })
    }

    async fn job_history(
        &self,
        tenant: &TenantId,
        id: &str,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<HistoryRow>> {
        let rows = sqlx::query(concat!(
            "SELECT h.rowid, ",
            columns!(job_history "h."),
            " FROM job_history h
             JOIN jobs j ON j.id = h.job WHERE j.tenant = ? AND j.id = ? ORDER BY h.rowid LIMIT ? OFFSET ?"
        ))
        .bind(tenant.as_str())
        .bind(id)
        .bind(limit)
        .bind(skip)
        .fetch_all(&mut *self.reader(tenant).await?)
        .await
        .map_err(failure)?;
        Ok(row::all("job_history", &rows, history_row))
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

    async fn open_jobs(&self, tenant: &TenantId, channel: &str) -> Result<Vec<String>> {
        sqlx::query_scalar(
            "SELECT id FROM jobs WHERE tenant = ? AND channel = ? AND ended_at IS NULL ORDER BY created_at",
        )
        .bind(tenant.as_str())
        .bind(channel)
        .fetch_all(&mut *self.reader(tenant).await?)
        .await
        .map_err(failure)
    }

    async fn begun_jobs_with(&self, digest: &Digest, limit: u32) -> Result<Vec<(TenantId, JobRow)>> {
        let rows = sqlx::query(select!(
            "WHERE j.digest = ? AND j.ended_at IS NULL AND j.state IS NOT NULL ORDER BY j.created_at DESC LIMIT ?"
        ))
        .bind(digest.as_str())
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        Ok(row::all("jobs", &rows, |row| Ok((row::parsed::<TenantId>(row, "tenant")?, job_row(row)?))))
    }

    async fn prune_jobs(&self, before: i64, most: i64) -> Result<bool> {
        write!(self, db => {
            // A job that was retried stays as long as its retry: the guard against a second post looks through both.
            let mut ended: Vec<i64> = sqlx::query_scalar(
                "SELECT rowid FROM jobs WHERE ended_at < ?1 AND NOT EXISTS (SELECT 1 FROM jobs again
                 WHERE again.tenant = jobs.tenant AND again.retry_of = jobs.id
                 AND (again.ended_at IS NULL OR again.ended_at >= ?1)) ORDER BY ended_at LIMIT ?2",
            )
            .bind(before)
            .bind(PRUNED)
            .fetch_all(&mut *db)
            .await?;
            let above: Vec<(String, i64)> =
                sqlx::query_as("SELECT tenant, kept - ?1 FROM tenant_queue WHERE kept > ?1")
                    .bind(most)
                    .fetch_all(&mut *db)
                    .await?;
            for (tenant, number) in above {
                let oldest = sqlx::query_scalar(
                    "SELECT rowid FROM jobs WHERE tenant = ?1 AND ended_at IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM jobs again WHERE again.tenant = ?1 AND again.retry_of = jobs.id)
                     ORDER BY created_at LIMIT ?2",
                )
                .bind(tenant)
                .bind(number.min(PRUNED))
                .fetch_all(&mut *db)
                .await?;
                ended.extend::<Vec<i64>>(oldest);
            }
            let ids = serde_json::to_string(&ended).unwrap_or_default();
            sqlx::query("DELETE FROM upload_jobs WHERE job IN
                 (SELECT id FROM jobs WHERE rowid IN (SELECT value FROM json_each(?)))")
                .bind(&ids)
                .execute(&mut *db)
                .await?;
            // References and attempts go along, by their foreign keys.
            sqlx::query("DELETE FROM jobs WHERE rowid IN (SELECT value FROM json_each(?))")
                .bind(&ids)
                .execute(&mut *db)
                .await?;
            Ok(!ended.is_empty())
        })
    }

    async fn mend_queues(&self) -> Result<()> {
        self.queues_from_jobs().await
    }
}
