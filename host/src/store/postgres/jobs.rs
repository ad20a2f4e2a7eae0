//! Publish jobs. A job's row is authoritative: state, intent and lease change in one transaction.

use sqlx::postgres::PgRow;

use super::*;
use crate::store::columns::columns;

pub(super) fn job_row(row: &PgRow) -> sqlx::Result<JobRow> {
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
        references: row.try_get("refs")?,
        quotas: row.try_get("quotas")?,
        asked_at: row.try_get("asked_at")?,
        forced: row.try_get("forced")?,
        resolution: row.try_get("resolution")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}

fn history_row(row: &PgRow) -> sqlx::Result<HistoryRow> {
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

/// A job with its references, as one row.
macro_rules! select {
    ($($rest:tt)+) => {
        concat!(
            concat!("SELECT ", columns!(jobs "j."), ", ARRAY(SELECT r.reference FROM job_references r WHERE r.job = j.id) AS refs "),
            "FROM jobs j ",
            $($rest)+
        )
    };
}

/// The jobs of a list. `JobGroup::Scheduled`: only the time to publish at is waited for. A list without a page before it
/// does not use `$5`, whose type must be known all the same.
macro_rules! listed {
    ($page:literal) => {
        select!(
            "WHERE j.tenant = $1 AND ($2 IS NULL OR j.channel = $2)
             AND ($3::text[] IS NULL OR j.status = ANY($3)) AND ($5::text IS NULL OR $5 = $5)
             AND ($6::boolean IS NULL
               OR (j.publish_at IS NOT NULL AND j.wake_at IS NOT DISTINCT FROM j.publish_at
                 AND NOT j.cancel_requested) = $6) ",
            $page
        )
    };
}

/// Changes of a job, its account and its app by others. They are read in the same transaction as the write, so
/// that a worker needs no extra query to reuse its data.
macro_rules! signals {
    () => {
        "id, cancel_requested,
         (SELECT a.credentials_revision FROM accounts a WHERE a.tenant = jobs.tenant AND a.channel = jobs.channel)
           AS credentials_revision,
         (SELECT p.revision FROM accounts a JOIN apps p ON p.id = a.app
           WHERE a.tenant = jobs.tenant AND a.channel = jobs.channel) AS app_revision"
    };
}

fn signals(row: &PgRow) -> sqlx::Result<JobSignals> {
    Ok(JobSignals {
        cancel_requested: row.try_get("cancel_requested")?,
        credentials_revision: row.try_get("credentials_revision")?,
        app_revision: row.try_get("app_revision")?,
    })
}

/// Another attempt at the post of job `$2`, that may come to something or has: one that was made later and has not
/// ended without a post, or an earlier one that was found to be out.
const OTHER_ATTEMPT: &str = concat!(
    "WITH RECURSIVE before (id, retry_of) AS (
       SELECT id, retry_of FROM jobs WHERE tenant = $1 AND id = $2
       UNION SELECT j.id, j.retry_of FROM jobs j JOIN before b ON j.tenant = $1 AND j.id = b.retry_of),
     family (id) AS (
       SELECT id FROM before
       UNION SELECT j.id FROM jobs j JOIN family f ON j.tenant = $1 AND j.retry_of = f.id) ",
    select!(
        "WHERE j.tenant = $1 AND j.id IN (SELECT id FROM family)
         AND CASE WHEN j.id IN (SELECT id FROM before) THEN j.status = 'published'
             ELSE j.status NOT IN ('failed', 'cancelled') END
         ORDER BY j.status = 'published' DESC, j.created_at DESC, j.id LIMIT 1"
    )
);

/// The earliest attempt that is still known, of which job `$2` is another one; it is locked.
const FIRST_ATTEMPT: &str = "WITH RECURSIVE before (id, retry_of, depth) AS (
       SELECT id, retry_of, 0 FROM jobs WHERE tenant = $1 AND id = $2
       UNION SELECT j.id, j.retry_of, b.depth + 1 FROM jobs j JOIN before b ON j.tenant = $1 AND j.id = b.retry_of)
     SELECT 1 FROM jobs WHERE id = (SELECT id FROM before ORDER BY depth DESC LIMIT 1) FOR NO KEY UPDATE";

/// The job that has an idempotency key.
async fn job_of_key(
    db: &mut PgConnection,
    tenant: &TenantId,
    key: Option<&str>,
) -> sqlx::Result<Option<PgRow>> {
    let Some(key) = key else { return Ok(None) };
    sqlx::query(select!("WHERE j.tenant = $1 AND j.idempotency_key = $2"))
        .bind(tenant.as_str())
        .bind(text(key))
        .fetch_optional(db)
        .await
}

/// References one job may have. A post has one; each new start of a publish may add another.
const REFERENCES_PER_JOB: i64 = 100;
/// Attempts or jobs deleted in one transaction: few enough that others can write in between.
const PRUNED: i64 = 1_000;

const HISTORY: &str =
    "INSERT INTO job_history (job, at_ms, call, phase, result, message, code, trace_id, made_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// Notes in a job's history what somebody did with it.
async fn note_change(
    db: &mut PgConnection,
    id: &str,
    now: i64,
    what: &str,
    phase: &str,
    result: &str,
    by: Option<&str>,
) -> sqlx::Result<()> {
    let noted = sqlx::query(HISTORY).bind(text(id)).bind(now).bind(what).bind(text(phase)).bind(result);
    let noted = noted.bind(None::<&str>).bind(None::<&str>).bind(None::<&str>).bind(texts(by));
    noted.execute(db).await.map(drop)
}

/// Stores a step, with all that belongs to it. Run again after a lost answer, it is written again, or the lease is lost.
async fn step(
    db: &mut PgConnection,
    id: &str,
    lease: &Lease,
    update: &JobUpdate,
    now: i64,
) -> sqlx::Result<Option<JobSignals>> {
    let history = update.history.as_ref().map(|row| {
        serde_json::json!({
            "at_ms": row.at_ms,
            "call": text(&row.call),
            "phase": text(&row.phase),
            "result": text(&row.result),
            "message": texts(row.message.as_deref()),
            "code": texts(row.code.as_deref()),
            "trace_id": texts(row.trace_id.as_deref()),
            "by": texts(row.by.as_deref()),
        })
    });
    let row = sqlx::query(
        "SELECT id, cancel_requested, credentials_revision, app_revision FROM store_step($1, $2, $3, $4, $5, $6, $7, $8,
         $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27::text::jsonb)",
    )
    .bind(text(id))
    .bind(lease.fence)
    .bind(now)
    .bind(update.digest.as_str())
    .bind(update.send_back)
    .bind(update.state.as_ref().map(|state| &state.0))
    .bind(update.non_idempotent)
    .bind(update.interrupted)
    .bind(update.non_idempotent_begun)
    .bind(texts(update.quotas.as_deref()))
    .bind(update.asked_at)
    .bind(update.status.name())
    .bind(text(&update.phase))
    .bind(update.bytes_sent)
    .bind(update.bytes_total)
    .bind(update.wake_at)
    .bind(update.attempts)
    .bind(texts(update.post_id.as_deref()))
    .bind(texts(update.url.as_deref()))
    .bind(texts(update.error.as_deref()))
    .bind(update.status.has_ended())
    .bind(update.cancel_answered)
    .bind(update.release)
    .bind(texts(update.reference.as_deref()))
    .bind(REFERENCES_PER_JOB)
    .bind(texts(update.event_taken.as_deref()))
    .bind(history.map(|history| history.to_string()))
    .fetch_optional(db)
    .await?;
    row.map(|row| row::read("jobs", &row, signals)).transpose()
}

#[async_trait]
impl JobStore for Postgres {
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
            Row(PgRow),
            Gone(String),
        }
        let found: Result<Found> = write!(self for tenant.as_str(), db => {
            if let Some(row) = job_of_key(&mut *db, tenant, job.idempotency_key.as_deref()).await? {
                return Ok(Found::Row(row));
            }
            if let Some(old) = &job.retry_of {
                // One attempt at a post after the other: the next statement sees the one that came before.
                sqlx::query(FIRST_ATTEMPT).bind(tenant.as_str()).bind(text(old)).execute(&mut *db).await?;
                let made = sqlx::query(OTHER_ATTEMPT).bind(tenant.as_str()).bind(text(old)).fetch_optional(&mut *db).await?;
                if let Some(row) = made {
                    return Ok(Found::Row(row));
                }
            }
            // Before anything is written. Nobody deletes them until this is committed.
            for upload in &media.uploads {
                let kept = sqlx::query("SELECT 1 FROM uploads WHERE tenant = $1 AND id = $2 FOR KEY SHARE")
                    .bind(tenant.as_str())
                    .bind(text(upload))
                    .fetch_optional(&mut *db)
                    .await?;
                if kept.is_none() {
                    return Ok(Found::Gone(upload.clone()));
                }
            }
            // Jobs that are stored at this moment are not counted yet: the bound is far from what hurts.
            let stored = sqlx::query(
                "INSERT INTO jobs (id, tenant, app, channel, digest, request, request_hash, idempotency_key,
                     retry_of, submitted_by, consent, priority, publish_at, state, once, interrupted, once_begun, status, phase,
                     bytes_sent, bytes_total, wake_at, attempts, deadline_at, cancel_requested, quotas, asked_at,
                     created_at, updated_at)
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, NULL, false, false, false, $14, $15, 0,
                 $16, $17, 0, $18, false, $19, $20, $21, $22
                 WHERE (SELECT coalesce(sum(open), 0) FROM tenant_counts WHERE tenant = $2) < $23
                 ON CONFLICT (tenant, idempotency_key) DO NOTHING",
            )
            .bind(&job.id)
            .bind(tenant.as_str())
            .bind(&job.app)
            .bind(&job.channel)
            .bind(job.digest.as_str())
            .bind(&job.request.0)
            .bind(&job.request_hash)
            .bind(texts(job.idempotency_key.as_deref()))
            .bind(texts(job.retry_of.as_deref()))
            .bind(texts(job.submitted_by.as_deref()))
            .bind(texts(job.consent.as_deref()))
            .bind(job.priority)
            .bind(job.publish_at)
            .bind(job.status.name())
            .bind(text(&job.phase))
            .bind(job.bytes_total)
            .bind(job.wake_at)
            .bind(job.deadline_at)
            .bind(texts(job.quotas.as_deref()))
            .bind(job.asked_at)
            .bind(job.created_at)
            .bind(job.updated_at)
            .bind(most_open)
            .execute(&mut *db)
            .await?;
            if stored.rows_affected() == 0 {
                // Another call with this key came first, or there are as many as there may be.
                let first = job_of_key(&mut *db, tenant, job.idempotency_key.as_deref()).await?;
                return Ok(first.map_or(Found::Full, Found::Row));
            }
            for upload in &media.uploads {
                sqlx::query("INSERT INTO upload_jobs (upload, job) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                    .bind(text(upload))
                    .bind(&job.id)
                    .execute(&mut *db)
                    .await?;
            }
            for link in &media.links {
                sqlx::query("INSERT INTO media_links (id, tenant, reference, job, created_at) VALUES ($1, $2, $3, $4, $5)")
                    .bind(&link.id)
                    .bind(&link.tenant)
                    .bind(&link.reference.0)
                    .bind(&job.id)
                    .bind(link.created_at)
                    .execute(&mut *db)
                    .await?;
            }
            Ok(Found::Nothing)
        });
        Ok(match found? {
            Found::Nothing => {
                // A later one is found in time by itself.
                if job.wake_at.is_some_and(|at| at <= self.clock.now_ms()) {
                    self.bell.ring();
                }
                InsertedJob::Stored
            }
            Found::Row(row) => {
                InsertedJob::Repeated(Box::new(row::read("jobs", &row, job_row).map_err(failure)?))
            }
            Found::Gone(upload) => InsertedJob::UploadGone(upload),
            Found::Full => InsertedJob::Full,
        })
    }

    async fn job(&self, tenant: &TenantId, id: &str) -> Result<Option<JobRow>> {
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query(select!("WHERE j.tenant = $1 AND j.id = $2"))
                .bind(tenant.as_str())
                .bind(text(id))
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("jobs", row, job_row)
    }

    async fn job_of_key(&self, tenant: &TenantId, idempotency_key: &str) -> Result<Option<JobRow>> {
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query(select!("WHERE j.tenant = $1 AND j.idempotency_key = $2"))
                .bind(tenant.as_str())
                .bind(text(idempotency_key))
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("jobs", row, job_row)
    }

    async fn other_attempt(&self, tenant: &TenantId, job: &str) -> Result<Option<JobRow>> {
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query(OTHER_ATTEMPT)
                .bind(tenant.as_str())
                .bind(text(job))
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("jobs", row, job_row)
    }

    async fn jobs(&self, tenant: &TenantId, filter: &JobFilter) -> Result<Vec<JobRow>> {
        // A page begins where the one before ended, by an index: what lies before it is not read again.
        let scheduled = filter.group.and_then(JobGroup::scheduled);
        let page = match (scheduled, &filter.before) {
            (Some(true), None) => listed!("ORDER BY j.publish_at, j.id LIMIT $4 OFFSET $7"),
            (Some(true), Some(_)) => listed!(
                "AND (j.publish_at, j.id) > (SELECT publish_at, id FROM jobs WHERE tenant = $1 AND id = $5)
                 ORDER BY j.publish_at, j.id LIMIT $4 OFFSET $7"
            ),
            (_, None) => listed!("ORDER BY j.created_at DESC, j.id LIMIT $4 OFFSET $7"),
            (_, Some(_)) => listed!(
                "AND j.created_at <= (SELECT created_at FROM jobs WHERE tenant = $1 AND id = $5)
                 AND (j.created_at < (SELECT created_at FROM jobs WHERE tenant = $1 AND id = $5) OR j.id > $5)
                 ORDER BY j.created_at DESC, j.id LIMIT $4 OFFSET $7"
            ),
        };
        let statuses: Option<Vec<&'static str>> = match (filter.group, filter.status) {
            (Some(group), _) => Some(group.statuses().iter().map(|status| status.name()).collect()),
            (None, status) => status.map(|status| vec![status.name()]),
        };
        let (mut jobs, mut offset) = (Vec::new(), 0);
        loop {
            let wanted = filter.limit.saturating_sub(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
            let rows = read!(self for tenant.as_str(), db => {
                sqlx::query(page)
                    .bind(tenant.as_str())
                    .bind(texts(filter.channel.as_deref()))
                    .bind(statuses.clone())
                    .bind(i64::from(wanted))
                    .bind(texts(filter.before.as_deref()))
                    .bind(scheduled)
                    .bind(offset)
                    .fetch_all(&mut *db)
                    .await
            })?;
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
        let rows = read!(self for "", db => {
            sqlx::query("SELECT id, status, wake_at FROM jobs WHERE id = ANY($1)")
                .bind(ids.iter().map(|id| text(id)).collect::<Vec<_>>())
                .fetch_all(&mut *db)
                .await
        })?;
        Ok(row::all("jobs", &rows, |row| {
            Ok((row.try_get("id")?, row::word(row, "status")?, row.try_get("wake_at")?))
        }))
    }

    async fn acquire_job(&self, ask: &AskForJob<'_>) -> Result<Option<(TenantId, JobRow, Lease)>> {
        self.take_next(ask).await
    }

    async fn extend_job(&self, id: &str, lease: &Lease, length: Duration) -> Result<Option<JobSignals>> {
        write_one!(self for "", db => {
            let row = sqlx::query(concat!(
                "UPDATE jobs SET lease_until = now_ms() + $1
                 WHERE id = $2 AND fence = $3 AND lease_owner IS NOT NULL RETURNING ",
                signals!()
            ))
            .bind(millis(length))
            .bind(text(id))
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
        let stored = write_one!(self for "", db => { step(db, id, lease, update, now).await });
        // A reader of events may wait in another process.
        if update.status != JobStatus::Active || update.url.is_some() {
            self.bell.ring();
        }
        stored
    }

    async fn put_off_job(&self, id: &str, lease: &Lease, until: i64) -> Result<()> {
        write_one!(self for "", db => {
            sqlx::query(
                "UPDATE jobs SET wake_at = greatest(wake_at, $1), lease_owner = NULL
                 WHERE id = $2 AND fence = $3 AND lease_owner IS NOT NULL",
            )
            .bind(until)
            .bind(text(id))
            .bind(lease.fence)
            .execute(&mut *db)
            .await
            .map(drop)
        })
    }

    async fn request_cancel(&self, tenant: &TenantId, id: &str, by: Option<&str>, now: i64) -> Result<bool> {
        let done = write!(self for tenant.as_str(), db => {
            // Asked for again, it is the same cancellation.
            let phase: Option<String> = sqlx::query_scalar(
                "SELECT phase FROM jobs WHERE tenant = $1 AND id = $2 AND ended_at IS NULL AND NOT cancel_requested
                 FOR UPDATE",
            )
            .bind(tenant.as_str())
            .bind(text(id))
            .fetch_optional(&mut *db)
            .await?;
            if let Some(phase) = phase {
                note_change(&mut *db, id, now, "cancel", &phase, JobStatus::Active.name(), by).await?;
            }
            let done = sqlx::query(
                "UPDATE jobs SET cancel_requested = true, wake_at = $1, status = 'active', updated_at = $1
                 WHERE tenant = $2 AND id = $3 AND ended_at IS NULL",
            )
            .bind(now)
            .bind(tenant.as_str())
            .bind(text(id))
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected() == 1)
        });
        self.bell.ring();
        done
    }

    async fn wake_job(&self, tenant: &TenantId, id: &str, by: Option<&str>, now: i64) -> Result<bool> {
        let done = write!(self for tenant.as_str(), db => {
            let phase: Option<String> = sqlx::query_scalar(
                "UPDATE jobs SET wake_at = least(wake_at, $1), status = 'active', error = NULL,
                 publish_at = CASE WHEN publish_at <= $1 THEN publish_at END, forced = true, updated_at = $1
                 WHERE tenant = $2 AND id = $3 AND ended_at IS NULL RETURNING phase",
            )
            .bind(now)
            .bind(tenant.as_str())
            .bind(text(id))
            .fetch_optional(&mut *db)
            .await?;
            let Some(phase) = phase else { return Ok(false) };
            note_change(&mut *db, id, now, "resume", &phase, JobStatus::Active.name(), by).await?;
            Ok(true)
        });
        self.bell.ring();
        done
    }

    async fn resolve_job(
        &self,
        tenant: &TenantId,
        id: &str,
        resolved: &ResolvedJob,
        now: i64,
    ) -> Result<bool> {
        let found: Result<bool> = write!(self for tenant.as_str(), db => {
            // A worker that is processing late evidence is too late: the fence rejects its result.
            let phase: Option<String> = sqlx::query_scalar(
                "UPDATE jobs SET status = $1, post_id = coalesce($2, post_id), url = coalesce($3, url), error = $4,
                 resolution = $5, wake_at = NULL, updated_at = $6, fence = fence + 1, lease_owner = NULL
                 WHERE tenant = $7 AND id = $8 AND status = 'unknown' RETURNING phase",
            )
            .bind(resolved.status.name())
            .bind(texts(resolved.post_id.as_deref()))
            .bind(texts(resolved.url.as_deref()))
            .bind(texts(resolved.error.as_deref()))
            .bind(text(&resolved.resolution))
            .bind(now)
            .bind(tenant.as_str())
            .bind(text(id))
            .fetch_optional(&mut *db)
            .await?;
            let Some(phase) = phase else { return Ok(false) };
            note_change(&mut *db, id, now, "resolve", &phase, resolved.status.name(), resolved.by.as_deref()).await?;
            Ok(true)
        });
        self.bell.ring();
        found
    }

    async fn change_job(&self, tenant: &TenantId, id: &str, change: &ChangedJob, now: i64) -> Result<bool> {
        let done = write!(self for tenant.as_str(), db => {
            // A running call is repeatable, since no `once` call was started. The fence rejects its result.
            let phase: Option<String> = sqlx::query_scalar(
                "UPDATE jobs SET request = coalesce($1, request),
                 state = CASE WHEN $1 IS NULL THEN state END,
                 once = $1::bytea IS NULL AND once,
                 interrupted = $1::bytea IS NULL AND interrupted,
                 bytes_sent = CASE WHEN $1 IS NULL THEN bytes_sent ELSE 0 END,
                 consent = coalesce($2, consent), priority = coalesce($3, priority),
                 publish_at = coalesce($4, publish_at), deadline_at = coalesce($5, deadline_at),
                 wake_at = $6, status = 'active', error = NULL, attempts = 0, updated_at = $7,
                 fence = fence + 1, lease_owner = NULL
                 WHERE tenant = $8 AND id = $9 AND ended_at IS NULL AND NOT once_begun RETURNING phase",
            )
            .bind(change.request.as_ref().map(|request| &request.0))
            .bind(texts(change.consent.as_deref()))
            .bind(change.priority)
            .bind(change.publish_at)
            .bind(change.deadline_at)
            .bind(change.wake_at)
            .bind(now)
            .bind(tenant.as_str())
            .bind(text(id))
            .fetch_optional(&mut *db)
            .await?;
            let Some(phase) = phase else { return Ok(false) };
            note_change(&mut *db, id, now, "change", &phase, JobStatus::Active.name(), change.by.as_deref()).await?;
            Ok(true)
        });
        self.bell.ring();
        done
    }

    async fn move_job(
        &self,
        tenant: &TenantId,
        id: &str,
        to: &Digest,
        by: Option<&str>,
        now: i64,
    ) -> Result<bool> {
        let done = write!(self for tenant.as_str(), db => {
            // A worker that is running the job finishes its run with its component. Returning to the component
            // that wrote the state is not a move.
            let moved: Option<(String, String)> = sqlx::query_as(
                "UPDATE jobs SET digest = $1,
                 moved_from = CASE WHEN state IS NOT NULL THEN nullif(coalesce(moved_from, digest), $1) END,
                 wake_at = greatest($2, publish_at),
                 status = 'active', error = NULL, attempts = 0, updated_at = $2
                 WHERE tenant = $3 AND id = $4 AND ended_at IS NULL AND digest <> $1 RETURNING phase, status",
            )
            .bind(to.as_str())
            .bind(now)
            .bind(tenant.as_str())
            .bind(text(id))
            .fetch_optional(&mut *db)
            .await?;
            let Some((phase, status)) = moved else { return Ok(false) };
            note_change(&mut *db, id, now, "move", &phase, &status, by).await?;
            Ok(true)
        });
        self.bell.ring();
        done
    }

    async fn job_history(
        &self,
        tenant: &TenantId,
        id: &str,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<HistoryRow>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(
                concat!("SELECT h.seq::text, ", columns!(job_history "h."), " FROM job_history h
                 JOIN jobs j ON j.id = h.job WHERE j.tenant = $1 AND j.id = $2 ORDER BY h.seq LIMIT $3 OFFSET $4"),
            )
            .bind(tenant.as_str())
            .bind(text(id))
            .bind(i64::from(limit))
            .bind(i64::from(skip))
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("job_history", &rows, history_row))
    }

    async fn prune_history(&self, before: i64) -> Result<bool> {
        write!(self, db => {
            let done = sqlx::query(
                "DELETE FROM job_history WHERE seq IN (SELECT seq FROM job_history WHERE at_ms < $1 LIMIT $2)",
            )
            .bind(before)
            .bind(PRUNED)
            .execute(&mut *db)
            .await?;
            Ok(done.rows_affected() > 0)
        })
    }

    async fn open_jobs(&self, tenant: &TenantId, channel: &str) -> Result<Vec<String>> {
        read!(self for tenant.as_str(), db => {
            sqlx::query_scalar(
                "SELECT id FROM jobs WHERE tenant = $1 AND channel = $2 AND ended_at IS NULL ORDER BY created_at, id",
            )
            .bind(tenant.as_str())
            .bind(text(channel))
            .fetch_all(&mut *db)
            .await
        })
    }

    async fn begun_jobs_with(&self, digest: &Digest, limit: u32) -> Result<Vec<(TenantId, JobRow)>> {
        let rows = read!(self for "", db => {
            sqlx::query(select!(
                "WHERE j.digest = $1 AND j.ended_at IS NULL AND j.state IS NOT NULL ORDER BY j.created_at DESC LIMIT $2"
            ))
            .bind(digest.as_str())
            .bind(i64::from(limit))
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("jobs", &rows, |row| Ok((row::parsed::<TenantId>(row, "tenant")?, job_row(row)?))))
    }

    async fn prune_jobs(&self, before: i64, most: i64) -> Result<bool> {
        write!(self, db => {
            // A job that was retried stays as long as its retry: the guard against a second post looks through both.
            let mut ended: Vec<String> = sqlx::query_scalar(
                "SELECT id FROM jobs WHERE ended_at < $1 AND NOT EXISTS (SELECT 1 FROM jobs again
                 WHERE again.tenant = jobs.tenant AND again.retry_of = jobs.id
                 AND (again.ended_at IS NULL OR again.ended_at >= $1)) ORDER BY ended_at LIMIT $2
                 FOR UPDATE SKIP LOCKED",
            )
            .bind(before)
            .bind(PRUNED)
            .fetch_all(&mut *db)
            .await?;
            let above: Vec<(String, i64)> = sqlx::query_as(
                "SELECT tenant, (sum(kept) - $1)::bigint FROM tenant_counts GROUP BY tenant HAVING sum(kept) > $1",
            )
            .bind(most)
            .fetch_all(&mut *db)
            .await?;
            for (tenant, number) in above {
                let oldest: Vec<String> = sqlx::query_scalar(
                    "SELECT id FROM jobs WHERE tenant = $1 AND ended_at IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM jobs again WHERE again.tenant = $1 AND again.retry_of = jobs.id)
                     ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED",
                )
                .bind(tenant)
                .bind(number.min(PRUNED))
                .fetch_all(&mut *db)
                .await?;
                ended.extend(oldest);
            }
            // Looked at again now that they are locked: one may have been retried.
            let gone: Vec<String> = sqlx::query_scalar(
                "DELETE FROM jobs WHERE id = ANY($1) AND NOT EXISTS (SELECT 1 FROM jobs again
                 WHERE again.tenant = jobs.tenant AND again.retry_of = jobs.id
                 AND (again.ended_at IS NULL OR again.ended_at >= $2) AND again.id <> ALL($1)) RETURNING id",
            )
            .bind(&ended)
            .bind(before)
            .fetch_all(&mut *db)
            .await?;
            // References and attempts go along, by their foreign keys.
            sqlx::query("DELETE FROM upload_jobs WHERE job = ANY($1)").bind(&gone).execute(&mut *db).await?;
            Ok(!gone.is_empty())
        })
    }

    async fn mend_queues(&self) -> Result<()> {
        self.queues_from_jobs().await
    }
}
