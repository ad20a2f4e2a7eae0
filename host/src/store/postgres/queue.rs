//! Which due job is next.
//!
//! The tables `tenant_queue` and `channel_queue` follow the jobs by triggers, so that the choice reads a few entries of
//! an index, however many jobs are due. The search locks nothing; the function `take_job` decides, in the same statement.

use sqlx::postgres::PgRow;

use super::jobs::job_row;
use super::*;
use crate::store::columns::columns;

/// Tenants looked at in one search, because other workers may take the jobs of the first ones meanwhile.
const TENANTS: i64 = 32;
/// Searches after which a worker that was outrun each time looks again later. In each of them another took a job.
const SEARCHES: usize = 8;
/// One step of priority, in milliseconds of waiting.
const PRIORITY_STEP: i64 = 60_000;

/// No worker holds a job of the channel that `of` names.
macro_rules! channel_free {
    ($of:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM jobs other WHERE other.tenant = ",
            $of,
            ".tenant AND other.channel = ",
            $of,
            ".channel AND other.lease_owner IS NOT NULL AND other.lease_until > now_ms())"
        )
    };
}

/// The tenants that have a job to take, ordered by the longest wait: since the first of their jobs was due, or since
/// one of their channels last had its turn. A turn may be later than `$1`, where the clock was set back. The time in
/// `tenant_queue` may be too early: then nothing is due, and it must be raised (`stale`).
macro_rules! next_tenants {
    () => {
        concat!(
            "SELECT c.tenant, c.first_due IS NULL OR c.first_due > $1 AS stale FROM (
               SELECT t.tenant, t.turn_at, (SELECT q.due_at FROM channel_queue q
                   WHERE q.tenant = t.tenant AND q.due_at IS NOT NULL ORDER BY q.due_at LIMIT 1) AS first_due
               FROM tenant_queue t
               WHERE t.due_at IS NOT NULL AND t.due_at <= $1
               AND greatest(t.due_at, t.turn_at) <= greatest($1, (SELECT max(turn_at) FROM tenant_queue))
               AND t.tenant <> ALL($2)
               AND (coalesce((SELECT q.due_at FROM channel_queue q
                   WHERE q.tenant = t.tenant AND q.due_at IS NOT NULL ORDER BY q.due_at LIMIT 1), 9223372036854775807) > $1
                 OR (SELECT true FROM channel_queue q WHERE q.tenant = t.tenant AND q.due_at <= $1 AND ",
            channel_free!("q"),
            " LIMIT 1))
               ORDER BY greatest(t.due_at, t.turn_at) LIMIT $3) c
             ORDER BY greatest(c.first_due, c.turn_at)"
        )
    };
}
pub(super) const NEXT_TENANTS: &str = next_tenants!();

/// The jobs that are next in the tenant `t`, a few of each weight, because other workers take the first ones at the same
/// moment: of the channels that wait longest the job that was due first. A step of weight counts as much as `$4` of waiting.
macro_rules! next_jobs {
    () => {
        concat!(
            "WITH RECURSIVE weights (weight) AS (
               SELECT min(q.weight) FROM channel_queue q WHERE q.tenant = t.tenant AND q.due_at IS NOT NULL
               UNION ALL SELECT (SELECT min(q.weight) FROM channel_queue q
                 WHERE q.tenant = t.tenant AND q.due_at IS NOT NULL AND q.weight > w.weight)
               FROM weights w WHERE w.weight IS NOT NULL)
             SELECT j.id FROM weights w
             CROSS JOIN LATERAL (SELECT q.channel, greatest(q.due_at, q.turn_at) AS since FROM channel_queue q
               WHERE q.tenant = t.tenant AND q.weight = w.weight AND q.due_at IS NOT NULL AND q.due_at <= $1
               AND greatest(q.due_at, q.turn_at)
                 <= greatest($1, (SELECT turn_at FROM tenant_queue WHERE tenant = t.tenant))
               AND ",
            channel_free!("q"),
            " ORDER BY greatest(q.due_at, q.turn_at) LIMIT 4) f
             CROSS JOIN LATERAL (SELECT j.id, j.created_at FROM jobs j
               WHERE j.tenant = t.tenant AND j.channel = f.channel AND j.weight = w.weight AND j.wake_at <= $1
               ORDER BY j.wake_at, j.created_at LIMIT 1) j
             WHERE w.weight IS NOT NULL
             ORDER BY f.since - w.weight * $4, j.created_at, j.id"
        )
    };
}

/// Takes the first of the jobs that `of` finds, unless another worker came first: then the one after it.
macro_rules! take {
    ($($of:expr),+) => {
        concat!(
            concat!("SELECT ", columns!(jobs "j."), ", ARRAY(SELECT r.reference FROM job_references r WHERE r.job = j.id) AS refs
             FROM "),
            $($of,)+
            " CROSS JOIN LATERAL take_job(found.id, $1, $5, $6, $7) j LIMIT 1"
        )
    };
}

/// Takes the job that is next. Each of these subqueries is ordered, and read no further than the first job that is taken.
pub(super) const TAKE_NEXT: &str = take!(
    "(",
    next_tenants!(),
    ") t CROSS JOIN LATERAL (SELECT n.id FROM (",
    next_jobs!(),
    ") n WHERE NOT t.stale) found"
);

/// The same choice among a few known jobs `$2`.
const TAKE_AMONG: &str = take!(
    "(SELECT j.id FROM jobs j
     LEFT JOIN tenant_queue t ON t.tenant = j.tenant
     LEFT JOIN channel_fairness c ON c.tenant = j.tenant AND c.channel = j.channel
     WHERE j.id = ANY($2) AND j.wake_at <= $1 AND ",
    channel_free!("j"),
    " ORDER BY greatest(t.due_at, t.turn_at), greatest(j.wake_at, c.at) - j.weight * $4, j.created_at, j.id
     LIMIT $3) found"
);

/// Entries of `channel_queue` that are not as the jobs say, in one snapshot. Jobs and entries change in the same
/// transactions, so there are none, unless somebody changed the tables by hand.
pub(super) const DAMAGED_CHANNELS: &str = "SELECT coalesce(j.tenant, q.tenant), coalesce(j.channel, q.channel), coalesce(j.weight, q.weight)
    FROM (SELECT tenant, channel, weight, min(wake_at) AS due_at FROM jobs WHERE wake_at IS NOT NULL GROUP BY 1, 2, 3) j
    FULL JOIN channel_queue q ON q.tenant = j.tenant AND q.channel = j.channel AND q.weight = j.weight
    WHERE q.due_at IS DISTINCT FROM j.due_at";
/// Tenants that are due later than their first channel, or not at all.
pub(super) const DAMAGED_TENANTS: &str =
    "SELECT q.tenant FROM (SELECT tenant, min(due_at) AS due_at FROM channel_queue
      WHERE due_at IS NOT NULL GROUP BY 1) q
    LEFT JOIN tenant_queue t ON t.tenant = q.tenant WHERE t.due_at IS NULL OR t.due_at > q.due_at";
/// Tenants whose jobs are counted wrongly.
pub(super) const DAMAGED_COUNTS: &str = "SELECT coalesce(j.tenant, c.tenant)
    FROM (SELECT tenant, count(*) FILTER (WHERE ended_at IS NULL) AS open, count(*) AS kept FROM jobs GROUP BY 1) j
    FULL JOIN (SELECT tenant, sum(open) AS open, sum(kept) AS kept FROM tenant_counts GROUP BY 1) c
    ON c.tenant = j.tenant
    WHERE coalesce(c.open, 0) <> coalesce(j.open, 0) OR coalesce(c.kept, 0) <> coalesce(j.kept, 0)";

/// The tenants that are to be left out.
fn served<'a>(ask: &'a AskForJob<'_>) -> Vec<Cow<'a, str>> {
    ask.without.iter().map(|tenant| Cow::Borrowed(tenant.as_str())).collect()
}

impl Postgres {
    /// Takes the next due job.
    pub(super) async fn take_next(&self, ask: &AskForJob<'_>) -> Result<Option<(TenantId, JobRow, Lease)>> {
        for _ in 0..SEARCHES {
            if let Some(row) = self.take(ask).await? {
                let lease = Lease { fence: row.try_get("fence").map_err(failure)? };
                let held = row::read("jobs", &row, |row| {
                    Ok((row::parsed::<TenantId>(row, "tenant")?, job_row(row)?))
                });
                match held {
                    Ok((tenant, job)) => return Ok(Some((tenant, job, lease))),
                    Err(error) => {
                        row::skip(&error);
                        // Not in the way of the others, and looked at again after the time of a lease.
                        let id: String = row.try_get("id").map_err(failure)?;
                        let until = ask.now.saturating_add(millis(ask.length));
                        self.put_off_job(&id, &lease, until).await?;
                    }
                }
            } else if ask.only.is_some() || !self.has_next(ask).await? {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Takes the first of the due jobs that no other worker takes.
    async fn take(&self, ask: &AskForJob<'_>) -> Result<Option<PgRow>> {
        // Not the time that was asked for: a round of all that is due keeps that to its end.
        let turn = self.clock.now_ms().max(ask.now);
        let (statement, among, most) = match ask.only {
            Some(ids) => (TAKE_AMONG, ids.iter().map(|id| text(id)).collect(), i64::MAX),
            None => (TAKE_NEXT, served(ask), TENANTS),
        };
        // Run again after a lost answer, it takes another one: then the lease that nobody knows of ends by itself.
        write_one!(self for "", db => {
            sqlx::query(statement)
                .bind(ask.now)
                .bind(&among)
                .bind(most)
                .bind(PRIORITY_STEP)
                .bind(&self.owner)
                .bind(millis(ask.length))
                .bind(turn)
                .fetch_optional(&mut *db)
                .await
        })
    }

    /// Whether there may be a job although none was taken: others took those that were found, or what the times in
    /// `tenant_queue` promised was not there, and hid what is.
    async fn has_next(&self, ask: &AskForJob<'_>) -> Result<bool> {
        let served = served(ask);
        let tenants: Vec<(String, bool)> = read!(self for "", db => {
            sqlx::query_as(NEXT_TENANTS).bind(ask.now).bind(&served).bind(TENANTS).fetch_all(&mut *db).await
        })?;
        let mut may_be = tenants.len() >= usize::try_from(TENANTS).unwrap_or(usize::MAX);
        for (tenant, is_stale) in &tenants {
            match is_stale {
                true => self.raise(tenant).await?,
                false => may_be = true,
            }
        }
        Ok(may_be)
    }

    /// Makes a tenant due when the first of its jobs is. A time that is too early only costs a look.
    async fn raise(&self, tenant: &str) -> Result<()> {
        write_relaxed!(self for "", db => {
            sqlx::query("SELECT raise_tenant($1)").bind(tenant).execute(&mut *db).await.map(drop)
        })
    }

    /// Makes the queues agree with the jobs, and forgets entries of channels for which nothing waits.
    pub(super) async fn queues_from_jobs(&self) -> Result<()> {
        // Whoever stores a job of such a channel holds its entry, or makes it again.
        write_relaxed!(self for "", db => {
            sqlx::query(
                "DELETE FROM channel_queue WHERE (tenant, channel, weight) IN (
                 SELECT tenant, channel, weight FROM channel_queue WHERE due_at IS NULL FOR UPDATE SKIP LOCKED)",
            )
            .execute(&mut *db)
            .await
            .map(drop)
        })?;
        let channels: Vec<(String, String, i32)> =
            read!(self for "", db => { sqlx::query_as(DAMAGED_CHANNELS).fetch_all(&mut *db).await })?;
        let tenants: Vec<String> =
            read!(self for "", db => { sqlx::query_scalar(DAMAGED_TENANTS).fetch_all(&mut *db).await })?;
        let counts: Vec<String> =
            read!(self for "", db => { sqlx::query_scalar(DAMAGED_COUNTS).fetch_all(&mut *db).await })?;
        if channels.is_empty() && tenants.is_empty() && counts.is_empty() {
            return Ok(());
        }
        tracing::warn!("the order of due jobs was damaged; it is made again from the jobs");
        write!(self, db => {
            // Until this is committed no job changes.
            sqlx::raw_sql("LOCK TABLE jobs IN SHARE MODE").execute(&mut *db).await?;
            for (tenant, channel, weight) in &channels {
                sqlx::query("SELECT requeue($1, $2, $3)")
                    .bind(tenant)
                    .bind(text(channel))
                    .bind(*weight)
                    .execute(&mut *db)
                    .await?;
            }
            let all: std::collections::BTreeSet<&String> =
                tenants.iter().chain(channels.iter().map(|(tenant, ..)| tenant)).collect();
            for tenant in all {
                sqlx::query(
                    "INSERT INTO tenant_queue AS t (tenant, due_at, turn_at)
                     SELECT $1, min(q.due_at), coalesce(max(q.turn_at), 0) FROM channel_queue q WHERE q.tenant = $1
                     ON CONFLICT (tenant) DO UPDATE SET due_at = excluded.due_at",
                )
                .bind(tenant)
                .execute(&mut *db)
                .await?;
            }
            for tenant in &counts {
                sqlx::query("DELETE FROM tenant_counts WHERE tenant = $1").bind(tenant).execute(&mut *db).await?;
                sqlx::query(
                    "INSERT INTO tenant_counts (tenant, part, open, kept)
                     SELECT tenant, part_of(id), count(*) FILTER (WHERE ended_at IS NULL), count(*) FROM jobs
                     WHERE tenant = $1 GROUP BY 1, 2",
                )
                .bind(tenant)
                .execute(&mut *db)
                .await?;
            }
            Ok(())
        })
    }
}
