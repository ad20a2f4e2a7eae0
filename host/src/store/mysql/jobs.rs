//! Publish jobs. A job's row is authoritative: state, intent and lease change in one transaction.

use std::collections::BTreeSet;

use super::told::{JobBefore, Query, binds};
use super::*;
use crate::store::columns::columns;

pub(super) fn job_row(row: &MySqlRow) -> sqlx::Result<JobRow> {
    Ok(JobRow {
        id: text(row, "id")?,
        app: text(row, "app")?,
        channel: text(row, "channel")?,
        digest: row::parsed(row, "digest")?,
        moved_from: match texts(row, "moved_from")? {
            Some(_) => Some(row::parsed(row, "moved_from")?),
            None => None,
        },
        request: Sealed(row.try_get("request")?),
        request_hash: text(row, "request_hash")?,
        idempotency_key: texts(row, "idempotency_key")?,
        retry_of: texts(row, "retry_of")?,
        submitted_by: texts(row, "submitted_by")?,
        consent: texts(row, "consent")?,
        priority: row.try_get("priority")?,
        publish_at: row.try_get("publish_at")?,
        state: row.try_get::<Option<Vec<u8>>, _>("state")?.map(Sealed),
        non_idempotent: row.try_get("once")?,
        interrupted: row.try_get("interrupted")?,
        non_idempotent_begun: row.try_get("once_begun")?,
        sent_at: row.try_get("sent_at")?,
        status: row::word(row, "status")?,
        phase: text(row, "phase")?,
        bytes_sent: row.try_get("bytes_sent")?,
        bytes_total: row.try_get("bytes_total")?,
        wake_at: row.try_get("wake_at")?,
        attempts: row.try_get("attempts")?,
        deadline_at: row.try_get("deadline_at")?,
        cancel_requested: row.try_get("cancel_requested")?,
        post_id: texts(row, "post_id")?,
        url: texts(row, "url")?,
        error: texts(row, "error")?,
        references: references(row)?,
        quotas: texts(row, "quotas")?,
        asked_at: row.try_get("asked_at")?,
        forced: row.try_get("forced")?,
        resolution: texts(row, "resolution")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}

/// The references of a job, which come as one text: each as hexadecimal digits, because any character may be in them.
fn references(row: &MySqlRow) -> sqlx::Result<Vec<String>> {
    let Some(list) = texts(row, "refs")? else { return Ok(Vec::new()) };
    let one = |hex: &str| {
        let bytes = hex::decode(hex).map_err(|error| row::malformed("refs", error))?;
        String::from_utf8(bytes).map_err(|error| row::malformed("refs", error))
    };
    list.split(',').map(one).collect()
}

fn history_row(row: &MySqlRow) -> sqlx::Result<HistoryRow> {
    Ok(HistoryRow {
        at_ms: row.try_get("at_ms")?,
        call: text(row, "call")?,
        phase: text(row, "phase")?,
        result: text(row, "result")?,
        message: texts(row, "message")?,
        code: texts(row, "code")?,
        trace_id: texts(row, "trace_id")?,
        by: texts(row, "made_by")?,
    })
}

/// A job with its references, as one row.
macro_rules! select {
    ($($rest:tt)+) => {
        concat!(
            concat!("SELECT ", columns!(jobs "j."), ", ", job_refs!(), " AS refs "),
            "FROM {jobs} j ",
            $($rest)+
        )
    };
}

/// The references of job `j`, as one value.
macro_rules! job_refs {
    () => {
        "(SELECT GROUP_CONCAT(HEX(r.reference)) FROM {job_references} r WHERE r.job = j.id)"
    };
}
pub(super) use job_refs;

/// Another attempt at the post of a job (tenant, job, tenant, tenant, tenant), that may come to something or has: one that
/// was made later and has not ended without a post, or an earlier one that was found to be out.
const OTHER_ATTEMPT: &str = concat!(
    "WITH RECURSIVE earlier (id, retry_of) AS (
       SELECT id, retry_of FROM {jobs} WHERE tenant = ? AND id = ?
       UNION SELECT j.id, j.retry_of FROM {jobs} j JOIN earlier b ON j.tenant = ? AND j.id = b.retry_of),
     family (id) AS (
       SELECT id FROM earlier
       UNION SELECT j.id FROM {jobs} j JOIN family f ON j.tenant = ? AND j.retry_of = f.id) ",
    select!(
        "WHERE j.tenant = ? AND j.id IN (SELECT id FROM family)
         AND CASE WHEN j.id IN (SELECT id FROM earlier) THEN j.status = 'published'
             ELSE j.status NOT IN ('failed', 'cancelled') END
         ORDER BY j.status = 'published' DESC, j.created_at DESC, j.id LIMIT 1"
    )
);

/// The earliest attempt that is still known, of which a job (tenant, job, tenant) is another one.
const FIRST_ATTEMPT: &str = "WITH RECURSIVE earlier (id, retry_of, depth) AS (
       SELECT id, retry_of, 0 FROM {jobs} WHERE tenant = ? AND id = ?
       UNION SELECT j.id, j.retry_of, b.depth + 1 FROM {jobs} j JOIN earlier b ON j.tenant = ? AND j.id = b.retry_of)
     SELECT id FROM earlier ORDER BY depth DESC LIMIT 1";

/// A job that is locked, as others must know of it when it changes.
struct Locked {
    channel: String,
    weight: i32,
    phase: String,
    wake_at: Option<i64>,
    is_cancelled: bool,
    digest: String,
    before: JobBefore,
}

/// References one job may have. A post has one; each new start of a publish may add another.
const REFERENCES_PER_JOB: i64 = 100;
/// Attempts or jobs deleted in one transaction: few enough that others can write in between.
const PRUNED: i64 = 1_000;

/// What is due at an instant, or was before.
fn at_the_latest(wake_at: Option<i64>, at: i64) -> i64 {
    wake_at.map_or(at, |wake_at| wake_at.min(at))
}

impl Tables {
    /// The job that has an idempotency key.
    async fn job_of_key(
        &self,
        db: &mut MySqlConnection,
        tenant: &TenantId,
        key: Option<&str>,
    ) -> sqlx::Result<Option<MySqlRow>> {
        let Some(key) = key else { return Ok(None) };
        sqlx::query(self.sql(select!("WHERE j.tenant = ? AND j.idempotency_key = ?")))
            .bind(tenant.as_str())
            .bind(key)
            .fetch_optional(db)
            .await
    }

    fn other_attempt<'q>(&self, tenant: &'q TenantId, job: &'q str) -> Query<'q> {
        let tenant = tenant.as_str();
        sqlx::query(self.sql(OTHER_ATTEMPT)).bind(tenant).bind(job).bind(tenant).bind(tenant).bind(tenant)
    }

    /// Locks a job of which `condition` holds. None: there is no such job.
    async fn lock_job(
        &self,
        db: &mut MySqlConnection,
        tenant: &TenantId,
        id: &str,
        condition: &'static str,
    ) -> sqlx::Result<Option<Locked>> {
        let select = [
            "SELECT id, channel, weight, phase, wake_at, cancel_requested, digest, status, url FROM {jobs}
             WHERE tenant = ? AND id = ? AND ",
            condition,
            " FOR UPDATE",
        ];
        let row =
            sqlx::query(self.sql(&select.concat())).bind(tenant.as_str()).bind(id).fetch_optional(db).await?;
        let locked = |row: &MySqlRow| {
            Ok(Locked {
                channel: text(row, "channel")?,
                weight: row.try_get("weight")?,
                phase: text(row, "phase")?,
                wake_at: row.try_get("wake_at")?,
                is_cancelled: row.try_get("cancel_requested")?,
                digest: text(row, "digest")?,
                before: JobBefore::of(row)?,
            })
        };
        row.map(|row| row::read("jobs", &row, locked)).transpose()
    }

    /// Adds to a job's history.
    async fn note(&self, db: &mut MySqlConnection, id: &str, row: &HistoryRow) -> sqlx::Result<()> {
        sqlx::query(self.sql(
            "INSERT INTO {job_history} (job, at_ms, `call`, phase, result, message, code, trace_id, made_by)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        ))
        .bind(id)
        .bind(row.at_ms)
        .bind(&row.call)
        .bind(&row.phase)
        .bind(&row.result)
        .bind(&row.message)
        .bind(&row.code)
        .bind(&row.trace_id)
        .bind(&row.by)
        .execute(db)
        .await
        .map(drop)
    }

    /// The account's and the app's revision, so that a worker needs no extra query to reuse its data.
    async fn revisions(
        &self,
        db: &mut MySqlConnection,
        tenant: &str,
        channel: &str,
    ) -> sqlx::Result<(Option<i64>, Option<i64>)> {
        let found: Option<(i64, Option<i64>)> = sqlx::query_as(self.sql(
            "SELECT a.credentials_revision, p.revision FROM {accounts} a LEFT JOIN {apps} p ON p.id = a.app
             WHERE a.channel = ? AND a.tenant = ?",
        ))
        .bind(channel)
        .bind(tenant)
        .fetch_optional(db)
        .await?;
        Ok(found.map_or((None, None), |(account, app)| (Some(account), app)))
    }
}

/// What somebody did with a job.
fn change(now: i64, what: &str, phase: &str, result: JobStatus, by: Option<&str>) -> HistoryRow {
    HistoryRow {
        at_ms: now,
        call: what.to_owned(),
        phase: phase.to_owned(),
        result: result.name().to_owned(),
        message: None,
        code: None,
        trace_id: None,
        by: by.map(str::to_owned),
    }
}

#[async_trait]
impl JobStore for Mysql {
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
            Row(MySqlRow),
            Gone(String),
        }
        let key = job.idempotency_key.as_deref();
        let found: Result<Found> = write!(self for tenant.as_str(), db => {
            if let Some(row) = self.tables.job_of_key(&mut *db, tenant, key).await? {
                return Ok(Found::Row(row));
            }
            if let Some(old) = &job.retry_of {
                // One attempt at a post after the other: the last statement sees the one that came before.
                let first: Option<Text> = sqlx::query_scalar(self.sql(FIRST_ATTEMPT))
                    .bind(tenant.as_str())
                    .bind(old)
                    .bind(tenant.as_str())
                    .fetch_optional(&mut *db)
                    .await?;
                if let Some(first) = first {
                    sqlx::query(self.sql("SELECT id FROM {jobs} WHERE id = ? FOR UPDATE"))
                        .bind(&first.0)
                        .execute(&mut *db)
                        .await?;
                }
                if let Some(row) = self.tables.other_attempt(tenant, old).fetch_optional(&mut *db).await? {
                    return Ok(Found::Row(row));
                }
            }
            // Before anything is written. Nobody deletes them until this is committed.
            for upload in &media.uploads {
                let kept = sqlx::query(self.sql("SELECT id FROM {uploads} WHERE tenant = ? AND id = ? LOCK IN SHARE MODE"))
                    .bind(tenant.as_str())
                    .bind(upload)
                    .fetch_optional(&mut *db)
                    .await?;
                if kept.is_none() {
                    return Ok(Found::Gone(upload.clone()));
                }
            }
            // Jobs that are stored at this moment are not counted yet: the bound is far from what hurts.
            let open: i64 = sqlx::query_scalar(
                self.sql("SELECT CAST(COALESCE(SUM(open_jobs), 0) AS SIGNED) FROM {tenant_counts} WHERE tenant = ?"),
            )
            .bind(tenant.as_str())
            .fetch_one(&mut *db)
            .await?;
            if open >= most_open {
                let first = self.tables.job_of_key(&mut *db, tenant, key).await?;
                return Ok(first.map_or(Found::Full, Found::Row));
            }
            let stored = sqlx::query(self.sql(
                "INSERT INTO {jobs} (id, tenant, app, channel, digest, request, request_hash, idempotency_key,
                     retry_of, submitted_by, consent, priority, publish_at, state, once, interrupted, once_begun, status,
                     phase, bytes_sent, bytes_total, wake_at, attempts, deadline_at, cancel_requested, quotas, asked_at,
                     created_at, updated_at)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, FALSE, FALSE, FALSE, ?, ?, 0, ?, ?, 0, ?, FALSE, ?,
                     ?, ?, ?)",
            ))
            .bind(&job.id)
            .bind(tenant.as_str())
            .bind(&job.app)
            .bind(&job.channel)
            .bind(job.digest.as_str())
            .bind(&job.request.0)
            .bind(&job.request_hash)
            .bind(key)
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
            .await;
            if let Err(refused) = stored {
                if !is_duplicate(&refused) {
                    return Err(refused);
                }
                // Another call with this key came first. If its job is gone again, this one is tried again.
                let first = self.tables.job_of_key(&mut *db, tenant, key).await?;
                return first.map(Found::Row).ok_or(refused);
            }
            for upload in &media.uploads {
                let bound = sqlx::query(self.sql("INSERT INTO {upload_jobs} (upload, job) VALUES (?, ?)"))
                    .bind(upload)
                    .bind(&job.id)
                    .execute(&mut *db)
                    .await;
                // A post may name an upload twice.
                is_new(bound)?;
            }
            for link in &media.links {
                sqlx::query(self.sql(
                    "INSERT INTO {media_links} (id, tenant, reference, job, created_at) VALUES (?, ?, ?, ?, ?)",
                ))
                .bind(&link.id)
                .bind(&link.tenant)
                .bind(&link.reference.0)
                .bind(&job.id)
                .bind(link.created_at)
                .execute(&mut *db)
                .await?;
            }
            if job.wake_at.is_some() {
                let weight = job.priority.clamp(-100, 100);
                self.tables.requeue(&mut *db, tenant.as_str(), &job.channel, weight).await?;
            }
            self.tables.count(db, tenant.as_str(), &job.id, 1, 1).await?;
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
        let row = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql(select!("WHERE j.tenant = ? AND j.id = ?")))
                .bind(tenant.as_str())
                .bind(id)
                .fetch_optional(&mut *db)
                .await
        })?;
        row::one("jobs", row, job_row)
    }

    async fn job_of_key(&self, tenant: &TenantId, idempotency_key: &str) -> Result<Option<JobRow>> {
        let row = read!(self for tenant.as_str(), db => {
            self.tables.job_of_key(db, tenant, Some(idempotency_key)).await
        })?;
        row::one("jobs", row, job_row)
    }

    async fn other_attempt(&self, tenant: &TenantId, job: &str) -> Result<Option<JobRow>> {
        let row = read!(self for tenant.as_str(), db => {
            self.tables.other_attempt(tenant, job).fetch_optional(&mut *db).await
        })?;
        row::one("jobs", row, job_row)
    }

    async fn jobs(&self, tenant: &TenantId, filter: &JobFilter) -> Result<Vec<JobRow>> {
        let statuses: Vec<&'static str> = match (filter.group, filter.status) {
            (Some(group), _) => group.statuses().iter().map(|status| status.name()).collect(),
            (None, status) => status.iter().map(|status| status.name()).collect(),
        };
        // `JobGroup::Scheduled`: only the time to publish at is waited for.
        let scheduled = filter.group.and_then(JobGroup::scheduled);
        let by_time = scheduled == Some(true);
        // A page begins where the one before ended, by an index: what lies before it is not read again.
        let after: Option<(i64, &str)> = match &filter.before {
            None => None,
            Some(before) => {
                let found: Option<(i64, Option<i64>)> = read!(self for tenant.as_str(), db => {
                    sqlx::query_as(self.sql("SELECT created_at, publish_at FROM {jobs} WHERE tenant = ? AND id = ?"))
                        .bind(tenant.as_str())
                        .bind(before)
                        .fetch_optional(&mut *db)
                        .await
                })?;
                let at = found.and_then(|(created_at, publish_at)| match by_time {
                    true => publish_at,
                    false => Some(created_at),
                });
                let Some(at) = at else { return Ok(Vec::new()) };
                Some((at, before))
            }
        };
        let mut sql = select!("WHERE j.tenant = ?").to_owned();
        if filter.channel.is_some() {
            sql.push_str(" AND j.channel = ?");
        }
        if !statuses.is_empty() {
            sql.push_str(&[" AND j.status IN (", &marks(statuses.len()), ")"].concat());
        }
        sql.push_str(match scheduled {
            Some(true) => " AND j.publish_at IS NOT NULL AND j.wake_at <=> j.publish_at AND NOT j.cancel_requested",
            Some(false) => {
                " AND NOT (j.publish_at IS NOT NULL AND j.wake_at <=> j.publish_at AND NOT j.cancel_requested)"
            }
            None => "",
        });
        sql.push_str(match (by_time, after.is_some()) {
            (true, true) => " AND j.publish_at >= ? AND (j.publish_at > ? OR j.id > ?)",
            (false, true) => " AND j.created_at <= ? AND (j.created_at < ? OR j.id > ?)",
            (_, false) => "",
        });
        sql.push_str(match by_time {
            true => " ORDER BY j.publish_at, j.id LIMIT ? OFFSET ?",
            false => " ORDER BY j.created_at DESC, j.id LIMIT ? OFFSET ?",
        });
        let (mut jobs, mut offset) = (Vec::new(), 0);
        loop {
            let wanted = filter.limit.saturating_sub(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
            let rows = read!(self for tenant.as_str(), db => {
                let mut query = sqlx::query(self.sql(&sql)).bind(tenant.as_str());
                if let Some(channel) = &filter.channel {
                    query = query.bind(channel);
                }
                for status in &statuses {
                    query = query.bind(*status);
                }
                if let Some((at, id)) = after {
                    query = query.bind(at).bind(at).bind(id);
                }
                query.bind(i64::from(wanted)).bind(offset).fetch_all(&mut *db).await
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
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = ["SELECT id, status, wake_at FROM {jobs} WHERE id IN (", &marks(ids.len()), ")"].concat();
        let rows = read!(self for "", db => {
            let mut query = sqlx::query(self.sql(&sql)).persistent(false);
            for id in ids {
                query = query.bind(id);
            }
            query.fetch_all(&mut *db).await
        })?;
        Ok(row::all("jobs", &rows, |row| {
            Ok((text(row, "id")?, row::word(row, "status")?, row.try_get("wake_at")?))
        }))
    }

    async fn acquire_job(&self, ask: &AskForJob<'_>) -> Result<Option<(TenantId, JobRow, Lease)>> {
        self.take_next(ask).await
    }

    async fn extend_job(&self, id: &str, lease: &Lease, length: Duration) -> Result<Option<JobSignals>> {
        let extended = write_one!(self for "", db => {
            sqlx::query(self.sql(concat!(
                "UPDATE {jobs} SET lease_until = ",
                now_ms!(),
                " + ? WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL"
            )))
            .bind(millis(length))
            .bind(id)
            .bind(lease.fence)
            .execute(&mut *db)
            .await
        })?;
        if extended.rows_affected() == 0 {
            return Ok(None);
        }
        let row = read!(self for "", db => {
            sqlx::query(self.sql(
                "SELECT j.id, j.cancel_requested, a.credentials_revision, p.revision AS app_revision FROM {jobs} j
                 LEFT JOIN {accounts} a ON a.channel = j.channel AND a.tenant = j.tenant
                 LEFT JOIN {apps} p ON p.id = a.app WHERE j.id = ?",
            ))
            .bind(id)
            .fetch_optional(&mut *db)
            .await
        })?;
        row::one("jobs", row, |row| {
            Ok(JobSignals {
                cancel_requested: row.try_get("cancel_requested")?,
                credentials_revision: row.try_get("credentials_revision")?,
                app_revision: row.try_get("app_revision")?,
            })
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
            // A webhook that names this reference, or this account, comes before or after all of this.
            if let Some(reference) = &update.reference {
                let of: Option<(Text, Option<Text>)> = sqlx::query_as(self.sql(
                    "SELECT j.app, a.account FROM {jobs} j
                     LEFT JOIN {accounts} a ON a.tenant = j.tenant AND a.channel = j.channel WHERE j.id = ?",
                ))
                .bind(id)
                .fetch_optional(&mut *db)
                .await?;
                if let Some((app, account)) = of {
                    let account = account.as_ref().map(|account| &*account.0);
                    lock(&self.tables, &mut *db, meeting(&app.0, Some(reference), account)).await?;
                }
            }
            let held = sqlx::query(self.sql(
                "SELECT id, tenant, channel, app, weight, digest, moved_from, wake_at, ended_at, cancel_requested, status, url
                 FROM {jobs} WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL FOR UPDATE",
            ))
            .bind(id)
            .bind(lease.fence)
            .fetch_optional(&mut *db)
            .await?;
            let Some(held) = held else { return Ok(None) };
            let (tenant, channel, app) = (text(&held, "tenant")?, text(&held, "channel")?, text(&held, "app")?);
            // The component that has written the state keeps the job. A state written while the job was being moved
            // belongs to the called component.
            let (digest, moved_from) = (text(&held, "digest")?, texts(&held, "moved_from")?);
            let is_its_own = digest == update.digest.as_str();
            let (digest, moved_from) = match (is_its_own, update.send_back, update.state.is_some()) {
                (true, true, _) => (moved_from.unwrap_or(digest), None),
                (true, false, true) => (digest, None),
                (false, _, true) => (digest, Some(update.digest.as_str().to_owned())),
                (_, _, false) => (digest, moved_from),
            };
            let is_cancelled = held.try_get::<bool, _>("cancel_requested")? && !update.cancel_answered;
            let bind = binds(|query| {
                query
                    .bind(&digest)
                    .bind(&moved_from)
                    .bind(update.state.as_ref().map(|state| &*state.0))
                    .bind(update.non_idempotent)
                    .bind(update.interrupted)
                    .bind(update.non_idempotent_begun)
                    .bind(update.non_idempotent_begun)
                    .bind(now)
                    .bind(&update.quotas)
                    .bind(update.asked_at)
                    .bind(&update.phase)
                    .bind(update.bytes_sent)
                    .bind(update.bytes_total)
                    .bind(update.wake_at)
                    .bind(update.attempts)
                    .bind(&update.post_id)
                    .bind(&update.error)
                    .bind(now)
                    .bind(update.status.has_ended())
                    .bind(now)
                    .bind(is_cancelled)
                    .bind(update.release)
            });
            let set = "digest = ?, moved_from = ?, state = COALESCE(?, state), once = ?, interrupted = ?,
                 once_begun = ?, sent_at = CASE WHEN ? THEN COALESCE(sent_at, ?) ELSE NULL END,
                 quotas = COALESCE(?, quotas), asked_at = COALESCE(?, asked_at), forced = FALSE, phase = ?,
                 bytes_sent = ?, bytes_total = ?, wake_at = ?, attempts = ?, post_id = COALESCE(?, post_id),
                 error = ?, updated_at = ?, ended_at = CASE WHEN ? THEN COALESCE(ended_at, ?) ELSE NULL END,
                 cancel_requested = ?, lease_owner = CASE WHEN ? THEN NULL ELSE lease_owner END";
            let to = (update.status, update.url.as_deref());
            self.tables.write_job(&mut *db, (id, &JobBefore::of(&held)?), to, set, bind).await?;
            if let Some(reference) = &update.reference {
                self.tables.bind_reference(&mut *db, id, &app, (&tenant, &channel), reference).await?;
            }
            if let Some(event) = &update.event_taken {
                sqlx::query(self.sql("UPDATE {events} SET taken = TRUE, job = COALESCE(job, ?) WHERE app = ? AND id = ?"))
                    .bind(id)
                    .bind(&app)
                    .bind(event)
                    .execute(&mut *db)
                    .await?;
            }
            let mut wake_at = update.wake_at;
            let hears = matches!(update.status, JobStatus::Active | JobStatus::Published | JobStatus::Unknown);
            if update.release && hears {
                let waits = sqlx::query(self.sql("SELECT id FROM {events} WHERE job = ? AND taken = FALSE LIMIT 1"))
                    .bind(id)
                    .fetch_optional(&mut *db)
                    .await?;
                let due = at_the_latest(wake_at, now);
                if waits.is_some() && wake_at != Some(due) {
                    wake_at = Some(due);
                    sqlx::query(self.sql("UPDATE {jobs} SET wake_at = ? WHERE id = ?"))
                        .bind(due)
                        .bind(id)
                        .execute(&mut *db)
                        .await?;
                }
            }
            if let Some(row) = &update.history {
                self.tables.note(&mut *db, id, row).await?;
            }
            let (account, app) = self.tables.revisions(&mut *db, &tenant, &channel).await?;
            // What others of the channel and of the tenant wait for comes last.
            if held.try_get::<Option<i64>, _>("wake_at")? != wake_at {
                self.tables.requeue(&mut *db, &tenant, &channel, held.try_get("weight")?).await?;
            }
            let was_open = held.try_get::<Option<i64>, _>("ended_at")?.is_none();
            match (was_open, update.status.has_ended()) {
                (true, true) => self.tables.count(db, &tenant, id, -1, 0).await?,
                (false, false) => self.tables.count(db, &tenant, id, 1, 0).await?,
                _ => {}
            }
            Ok(Some(JobSignals {
                cancel_requested: is_cancelled,
                credentials_revision: account,
                app_revision: app,
            }))
        })
    }

    async fn put_off_job(&self, id: &str, lease: &Lease, until: i64) -> Result<()> {
        write!(self, db => {
            let held = sqlx::query(self.sql(
                "SELECT id, tenant, channel, weight, wake_at FROM {jobs}
                 WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL FOR UPDATE",
            ))
            .bind(id)
            .bind(lease.fence)
            .fetch_optional(&mut *db)
            .await?;
            let Some(held) = held else { return Ok(()) };
            let before: Option<i64> = held.try_get("wake_at")?;
            let after = before.map_or(until, |before| before.max(until));
            sqlx::query(self.sql("UPDATE {jobs} SET wake_at = ?, lease_owner = NULL WHERE id = ?"))
                .bind(after)
                .bind(id)
                .execute(&mut *db)
                .await?;
            if before == Some(after) {
                return Ok(());
            }
            let (tenant, channel) = (text(&held, "tenant")?, text(&held, "channel")?);
            self.tables.requeue(db, &tenant, &channel, held.try_get("weight")?).await
        })
    }

    async fn request_cancel(&self, tenant: &TenantId, id: &str, by: Option<&str>, now: i64) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let job = self.tables.lock_job(&mut *db, tenant, id, "ended_at IS NULL").await?;
            let Some(job) = job else { return Ok(false) };
            // Asked for again, it is the same cancellation.
            if !job.is_cancelled {
                let noted = change(now, "cancel", &job.phase, JobStatus::Active, by);
                self.tables.note(&mut *db, id, &noted).await?;
            }
            let set = "cancel_requested = TRUE, wake_at = ?, updated_at = ?";
            let to = (JobStatus::Active, None);
            self.tables.write_job(&mut *db, (id, &job.before), to, set, |query| query.bind(now).bind(now)).await?;
            self.tables.requeue(db, tenant.as_str(), &job.channel, job.weight).await?;
            Ok(true)
        })
    }

    async fn wake_job(&self, tenant: &TenantId, id: &str, by: Option<&str>, now: i64) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let job = self.tables.lock_job(&mut *db, tenant, id, "ended_at IS NULL").await?;
            let Some(job) = job else { return Ok(false) };
            let set = "wake_at = ?, error = NULL,
                 publish_at = CASE WHEN publish_at <= ? THEN publish_at ELSE NULL END, forced = TRUE, updated_at = ?";
            let due = at_the_latest(job.wake_at, now);
            let bind = binds(|query| query.bind(due).bind(now).bind(now));
            self.tables.write_job(&mut *db, (id, &job.before), (JobStatus::Active, None), set, bind).await?;
            let noted = change(now, "resume", &job.phase, JobStatus::Active, by);
            self.tables.note(&mut *db, id, &noted).await?;
            self.tables.requeue(db, tenant.as_str(), &job.channel, job.weight).await?;
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
            let job = self.tables.lock_job(&mut *db, tenant, id, "status = 'unknown'").await?;
            let Some(job) = job else { return Ok(false) };
            // A worker that is processing late evidence is too late: the fence rejects its result.
            let set = "post_id = COALESCE(?, post_id), error = ?, resolution = ?, wake_at = NULL, updated_at = ?,
                 fence = fence + 1, lease_owner = NULL";
            let bind = binds(|query| {
                query.bind(&resolved.post_id).bind(&resolved.error).bind(&resolved.resolution).bind(now)
            });
            let to = (resolved.status, resolved.url.as_deref());
            self.tables.write_job(&mut *db, (id, &job.before), to, set, bind).await?;
            let noted = change(now, "resolve", &job.phase, resolved.status, resolved.by.as_deref());
            self.tables.note(&mut *db, id, &noted).await?;
            self.tables.requeue(db, tenant.as_str(), &job.channel, job.weight).await?;
            Ok(true)
        })
    }

    async fn change_job(&self, tenant: &TenantId, id: &str, changed: &ChangedJob, now: i64) -> Result<bool> {
        write!(self for tenant.as_str(), db => {
            let job = self.tables.lock_job(&mut *db, tenant, id, "ended_at IS NULL AND NOT once_begun").await?;
            let Some(job) = job else { return Ok(false) };
            let begins_again = changed.request.is_some();
            // A running call is repeatable, since no `once` call was started. The fence rejects its result.
            let set = "request = COALESCE(?, request), state = CASE WHEN ? THEN NULL ELSE state END,
                 once = once AND NOT ?, interrupted = interrupted AND NOT ?,
                 bytes_sent = CASE WHEN ? THEN 0 ELSE bytes_sent END,
                 consent = COALESCE(?, consent), priority = COALESCE(?, priority),
                 publish_at = COALESCE(?, publish_at), deadline_at = COALESCE(?, deadline_at),
                 wake_at = ?, error = NULL, attempts = 0, updated_at = ?, fence = fence + 1, lease_owner = NULL";
            let bind = binds(|query| {
                query
                    .bind(changed.request.as_ref().map(|request| &*request.0))
                    .bind(begins_again)
                    .bind(begins_again)
                    .bind(begins_again)
                    .bind(begins_again)
                    .bind(&changed.consent)
                    .bind(changed.priority)
                    .bind(changed.publish_at)
                    .bind(changed.deadline_at)
                    .bind(changed.wake_at)
                    .bind(now)
            });
            self.tables.write_job(&mut *db, (id, &job.before), (JobStatus::Active, None), set, bind).await?;
            let noted = change(now, "change", &job.phase, JobStatus::Active, changed.by.as_deref());
            self.tables.note(&mut *db, id, &noted).await?;
            let weight = changed.priority.map_or(job.weight, |priority| priority.clamp(-100, 100));
            for weight in BTreeSet::from([weight, job.weight]) {
                self.tables.requeue(&mut *db, tenant.as_str(), &job.channel, weight).await?;
            }
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
            let job = self.tables.lock_job(&mut *db, tenant, id, "ended_at IS NULL").await?;
            let Some(job) = job else { return Ok(false) };
            if job.digest == to.as_str() {
                return Ok(false);
            }
            // A worker that is running the job finishes its run with its component. Returning to the component that wrote
            // the state is not a move. The digest is assigned last: what comes before reads it.
            let set = "moved_from = CASE WHEN state IS NULL THEN NULL ELSE NULLIF(COALESCE(moved_from, digest), ?) END,
                 wake_at = GREATEST(?, COALESCE(publish_at, ?)), error = NULL, attempts = 0, updated_at = ?, digest = ?";
            let bind = binds(|query| {
                query.bind(to.as_str()).bind(now).bind(now).bind(now).bind(to.as_str())
            });
            self.tables.write_job(&mut *db, (id, &job.before), (JobStatus::Active, None), set, bind).await?;
            let noted = change(now, "move", &job.phase, JobStatus::Active, by);
            self.tables.note(&mut *db, id, &noted).await?;
            self.tables.requeue(db, tenant.as_str(), &job.channel, job.weight).await?;
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
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql(
                concat!("SELECT CAST(h.seq AS CHAR) AS name, ", columns!(job_history "h."), " FROM {job_history} h
                 JOIN {jobs} j ON j.id = h.job WHERE j.tenant = ? AND j.id = ? ORDER BY h.seq LIMIT ? OFFSET ?"),
            ))
            .bind(tenant.as_str())
            .bind(id)
            .bind(i64::from(limit))
            .bind(i64::from(skip))
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("job_history", &rows, history_row))
    }

    async fn prune_history(&self, before: i64) -> Result<bool> {
        write!(self, db => {
            let done = sqlx::query(self.sql("DELETE FROM {job_history} WHERE at_ms < ? ORDER BY at_ms LIMIT ?"))
                .bind(before)
                .bind(PRUNED)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() > 0)
        })
    }

    async fn open_jobs(&self, tenant: &TenantId, channel: &str) -> Result<Vec<String>> {
        let ids: Vec<Text> = read!(self for tenant.as_str(), db => {
            sqlx::query_scalar(self.sql(
                "SELECT id FROM {jobs} WHERE tenant = ? AND channel = ? AND ended_at IS NULL ORDER BY created_at, id",
            ))
            .bind(tenant.as_str())
            .bind(channel)
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(plain(ids))
    }

    async fn begun_jobs_with(&self, digest: &Digest, limit: u32) -> Result<Vec<(TenantId, JobRow)>> {
        let rows = read!(self for "", db => {
            sqlx::query(self.sql(select!(
                "WHERE j.digest = ? AND j.ended_at IS NULL AND j.state IS NOT NULL ORDER BY j.created_at DESC LIMIT ?"
            )))
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
            let ended: Vec<Text> = sqlx::query_scalar(self.sql(
                "SELECT j.id FROM {jobs} j WHERE j.ended_at < ? AND NOT EXISTS (SELECT 1 FROM {jobs} again
                 WHERE again.tenant = j.tenant AND again.retry_of = j.id
                 AND (again.ended_at IS NULL OR again.ended_at >= ?)) ORDER BY j.ended_at LIMIT ?
                 FOR UPDATE SKIP LOCKED",
            ))
            .bind(before)
            .bind(before)
            .bind(PRUNED)
            .fetch_all(&mut *db)
            .await?;
            let mut ended: BTreeSet<String> = plain(ended).into_iter().collect();
            let above: Vec<(Text, i64)> = sqlx::query_as(self.sql(
                "SELECT tenant, CAST(SUM(kept_jobs) - ? AS SIGNED) FROM {tenant_counts}
                 GROUP BY tenant HAVING SUM(kept_jobs) > ?",
            ))
            .bind(most)
            .bind(most)
            .fetch_all(&mut *db)
            .await?;
            for (tenant, number) in above {
                let room = PRUNED.saturating_sub(i64::try_from(ended.len()).unwrap_or(i64::MAX));
                let oldest: Vec<Text> = sqlx::query_scalar(self.sql(
                    "SELECT j.id FROM {jobs} j WHERE j.tenant = ? AND j.ended_at IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM {jobs} again WHERE again.tenant = j.tenant AND again.retry_of = j.id)
                     ORDER BY j.created_at LIMIT ? FOR UPDATE SKIP LOCKED",
                ))
                .bind(&tenant.0)
                .bind(number.min(room))
                .fetch_all(&mut *db)
                .await?;
                ended.extend(plain(oldest));
            }
            if ended.is_empty() {
                return Ok(false);
            }
            self.tables.delete_jobs(db, &ended, before).await
        })
    }

    async fn mend_queues(&self) -> Result<()> {
        self.queues_from_jobs().await
    }
}

impl Tables {
    /// Notes that a job's post has this reference.
    async fn bind_reference(
        &self,
        db: &mut MySqlConnection,
        id: &str,
        app: &str,
        (tenant, channel): (&str, &str),
        reference: &str,
    ) -> sqlx::Result<()> {
        let known: i64 = sqlx::query_scalar(self.sql("SELECT COUNT(*) FROM {job_references} WHERE job = ?"))
            .bind(id)
            .fetch_one(&mut *db)
            .await?;
        if known < REFERENCES_PER_JOB {
            let insert =
                sqlx::query(self.sql("INSERT INTO {job_references} (app, reference, job) VALUES (?, ?, ?)"));
            is_new(insert.bind(app).bind(reference).bind(id).execute(&mut *db).await)?;
        }
        let account: Option<Text> =
            sqlx::query_scalar(self.sql("SELECT account FROM {accounts} WHERE channel = ? AND tenant = ?"))
                .bind(channel)
                .bind(tenant)
                .fetch_optional(&mut *db)
                .await?;
        // A webhook may have arrived before the response with this reference.
        sqlx::query(self.sql(
            "UPDATE {events} SET job = ? WHERE app = ? AND reference = ? AND job IS NULL AND taken = FALSE
             AND (account IS NULL OR account = ?)",
        ))
        .bind(id)
        .bind(app)
        .bind(reference)
        .bind(account.map(|account| account.0))
        .execute(&mut *db)
        .await?;
        // And an event that was matched to this job without a reference may not belong to it.
        sqlx::query(self.sql(
            "UPDATE {events} SET job = NULL WHERE job = ? AND app = ? AND taken = FALSE AND reference <> ?
             AND reference NOT IN (SELECT r.reference FROM {job_references} r WHERE r.job = ?)",
        ))
        .bind(id)
        .bind(app)
        .bind(reference)
        .bind(id)
        .execute(db)
        .await
        .map(drop)
    }

    /// Deletes those of these locked jobs that were not retried meanwhile. False: there were none.
    async fn delete_jobs(
        &self,
        db: &mut MySqlConnection,
        ended: &BTreeSet<String>,
        before: i64,
    ) -> sqlx::Result<bool> {
        let list = marks(ended.len());
        let sql = [
            "SELECT j.id, j.tenant, j.channel, j.weight, j.wake_at, CAST(CRC32(j.id) % 16 AS SIGNED) AS part, j.ended_at
             FROM {jobs} j WHERE j.id IN (",
            &list,
            ") AND NOT EXISTS (SELECT 1 FROM {jobs} again WHERE again.tenant = j.tenant AND again.retry_of = j.id
             AND (again.ended_at IS NULL OR again.ended_at >= ?) AND again.id NOT IN (",
            &list,
            "))",
        ]
        .concat();
        let mut query = sqlx::query(self.sql(&sql)).persistent(false);
        for id in ended {
            query = query.bind(id);
        }
        query = query.bind(before);
        for id in ended {
            query = query.bind(id);
        }
        let rows = query.fetch_all(&mut *db).await?;
        let (mut gone, mut waited) = (Vec::new(), BTreeSet::new());
        let mut counts = std::collections::BTreeMap::<(String, i64), (i64, i64)>::new();
        for row in &rows {
            let (tenant, part) = (text(row, "tenant")?, row.try_get::<i64, _>("part")?);
            if row.try_get::<Option<i64>, _>("wake_at")?.is_some() {
                waited.insert((tenant.clone(), text(row, "channel")?, row.try_get::<i32, _>("weight")?));
            }
            let (open, kept) = counts.entry((tenant, part)).or_default();
            *open += i64::from(row.try_get::<Option<i64>, _>("ended_at")?.is_none());
            *kept += 1;
            gone.push(text(row, "id")?);
        }
        if gone.is_empty() {
            return Ok(false);
        }
        // References and attempts go along, by their foreign keys.
        for delete in ["DELETE FROM {upload_jobs} WHERE job IN (", "DELETE FROM {jobs} WHERE id IN ("] {
            let delete = [delete, &marks(gone.len()), ")"].concat();
            let mut query = sqlx::query(self.sql(&delete)).persistent(false);
            for id in &gone {
                query = query.bind(id);
            }
            query.execute(&mut *db).await?;
        }
        for (tenant, channel, weight) in &waited {
            self.requeue(&mut *db, tenant, channel, *weight).await?;
        }
        for ((tenant, part), (open, kept)) in &counts {
            sqlx::query(self.sql(
                "UPDATE {tenant_counts} SET open_jobs = open_jobs - ?, kept_jobs = kept_jobs - ?
                 WHERE tenant = ? AND part = ?",
            ))
            .bind(*open)
            .bind(*kept)
            .bind(tenant)
            .bind(*part)
            .execute(&mut *db)
            .await?;
        }
        Ok(true)
    }
}
