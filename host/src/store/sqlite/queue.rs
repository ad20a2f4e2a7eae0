//! Which due job is next.
//!
//! The tables `tenant_queue` and `channel_queue` follow the jobs by triggers, so that the choice reads a few entries of
//! an index, however many jobs are due.

use sqlx::sqlite::SqliteRow;

use super::jobs::{job_row, select};
use super::*;
use crate::store::columns::columns;

/// Tenants looked at in one search, because other workers may take the jobs of the first ones meanwhile.
const TENANTS: i64 = 32;
/// Searches after which a worker that was outrun each time looks again later. In each of them another took a job.
const SEARCHES: usize = 8;
/// One step of priority, in milliseconds of waiting.
const PRIORITY_STEP: i64 = 60_000;

/// No worker holds the job `j`. `?2`: the time of the lease clock, `?3`: dead owners.
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

/// No worker holds a job of the channel that `of` names. Only one job of a channel runs at a time, because allowances are
/// counted per account and posts keep their order.
macro_rules! channel_free {
    ($of:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM jobs other WHERE other.tenant = ",
            $of,
            ".tenant AND other.channel = ",
            $of,
            ".channel AND other.lease_owner IS NOT NULL AND NOT ",
            free!("other"),
            ")"
        )
    };
}

/// The tenants that have a job to take, ordered by the longest wait: since the first of their jobs was due, or since
/// one of their channels last had its turn. A turn may be later than `?1`, where the clock was set back.
const NEXT_TENANTS: &str = concat!(
    "SELECT t.tenant FROM tenant_queue t
     WHERE t.due_at IS NOT NULL AND t.due_at <= ?1
     AND max(t.due_at, t.turn_at) <= max(?1, (SELECT coalesce(max(turn_at), 0) FROM tenant_queue))
     AND t.tenant NOT IN (SELECT value FROM json_each(?4))
     AND EXISTS (SELECT 1 FROM channel_queue q WHERE q.tenant = t.tenant AND q.due_at <= ?1 AND ",
    channel_free!("q"),
    ") ORDER BY max(t.due_at, t.turn_at) LIMIT ?5"
);

/// The jobs that are next in one tenant, the first of each weight: of the channel that waits longest the job that was due
/// first. A step of weight counts as much as `?5` of waiting.
const NEXT_JOBS: &str = concat!(
    "WITH RECURSIVE weights (weight) AS (
       SELECT min(weight) FROM channel_queue WHERE tenant = ?4
       UNION ALL SELECT (SELECT min(q.weight) FROM channel_queue q WHERE q.tenant = ?4 AND q.weight > w.weight)
       FROM weights w WHERE w.weight IS NOT NULL),
     firsts AS MATERIALIZED (SELECT weight, (SELECT q.channel FROM channel_queue q
       WHERE q.tenant = ?4 AND q.weight = w.weight AND q.due_at <= ?1
       AND max(q.due_at, q.turn_at) <= max(?1, (SELECT turn_at FROM tenant_queue WHERE tenant = ?4))
       AND EXISTS (SELECT 1 FROM jobs j WHERE j.tenant = ?4 AND j.channel = q.channel AND j.weight = q.weight
         AND j.wake_at <= ?1) AND ",
    channel_free!("q"),
    " ORDER BY max(q.due_at, q.turn_at) LIMIT 1) AS channel FROM weights w WHERE w.weight IS NOT NULL)
     SELECT j.rowid FROM firsts f
     CROSS JOIN channel_queue q ON q.tenant = ?4 AND q.channel = f.channel AND q.weight = f.weight
     CROSS JOIN jobs j ON j.rowid = (SELECT first.rowid FROM jobs first
       WHERE first.tenant = ?4 AND first.channel = f.channel AND first.weight = f.weight AND first.wake_at <= ?1
       ORDER BY first.wake_at, first.created_at LIMIT 1)
     ORDER BY max(q.due_at, q.turn_at) - q.weight * ?5, j.created_at, j.id"
);

/// The same choice among a few known jobs `?4`.
const NEXT_AMONG: &str = concat!(
    "SELECT j.rowid FROM jobs j
     LEFT JOIN tenant_queue t ON t.tenant = j.tenant
     LEFT JOIN channel_fairness c ON c.tenant = j.tenant AND c.channel = j.channel
     WHERE j.id IN (SELECT value FROM json_each(?4)) AND j.wake_at <= ?1 AND ",
    channel_free!("j"),
    " ORDER BY max(t.due_at, t.turn_at), max(j.wake_at, coalesce(c.at, 0)) - j.weight * ?5, j.created_at, j.id"
);

/// Under the lock of the write: it may have been taken since it was found.
const TAKE: &str = concat!(
    "UPDATE jobs SET lease_owner = ?4, lease_until = ?5, fence = fence + 1
     WHERE rowid = ?6 AND wake_at <= ?1 AND ",
    channel_free!("jobs"),
    " RETURNING fence"
);

/// The queues as the jobs say, for [`JobStore::mend_queues`].
const CHANNELS: &str = "SELECT tenant, channel, weight, min(wake_at) FROM jobs
    WHERE wake_at IS NOT NULL AND tenant IS NOT NULL AND channel IS NOT NULL GROUP BY 1, 2, 3";
const COUNTS: &str = "SELECT tenant, (SELECT min(q.due_at) FROM channel_queue q WHERE q.tenant = j.tenant),
    sum(ended_at IS NULL), count(*) FROM jobs j WHERE tenant IS NOT NULL GROUP BY tenant";

/// What happened to a job that was found.
enum Found {
    Taken(Box<(TenantId, JobRow, Lease)>),
    /// Another worker has it, or it cannot be read.
    Passed,
}

impl Sqlite {
    /// Takes the next due job. The search takes no lock, because idle workers search often.
    pub(super) async fn take_next(&self, ask: &AskForJob<'_>) -> Result<Option<(TenantId, JobRow, Lease)>> {
        let leases = self.lease_view().await?;
        for _ in 0..SEARCHES {
            let found = match ask.only {
                Some(ids) => {
                    let ids = serde_json::to_string(ids).unwrap_or_default();
                    self.rows_of(NEXT_AMONG, ask.now, &leases, &ids, PRIORITY_STEP).await?
                }
                None => self.next_jobs(ask, &leases).await?,
            };
            if found.is_empty() {
                return Ok(None);
            }
            for row in found {
                if let Found::Taken(job) = self.take(ask, &leases, row).await? {
                    return Ok(Some(*job));
                }
            }
        }
        Ok(None)
    }

    /// The jobs of the first tenant that has some to take.
    async fn next_jobs(&self, ask: &AskForJob<'_>, leases: &Leases) -> Result<Vec<i64>> {
        let without: Vec<&str> = ask.without.iter().map(TenantId::as_str).collect();
        let without = serde_json::to_string(&without).unwrap_or_default();
        let tenants: Vec<String> = self.rows_of(NEXT_TENANTS, ask.now, leases, &without, TENANTS).await?;
        for tenant in tenants {
            let jobs = self.rows_of(NEXT_JOBS, ask.now, leases, &tenant, PRIORITY_STEP).await?;
            if !jobs.is_empty() {
                return Ok(jobs);
            }
        }
        Ok(Vec::new())
    }

    async fn rows_of<T>(
        &self,
        query: &'static str,
        now: i64,
        leases: &Leases,
        of: &str,
        number: i64,
    ) -> Result<Vec<T>>
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        sqlx::query_scalar(query)
            .bind(now)
            .bind(leases.now)
            .bind(&leases.dead)
            .bind(of)
            .bind(number)
            .fetch_all(&self.readers)
            .await
            .map_err(failure)
    }

    async fn take(&self, ask: &AskForJob<'_>, leases: &Leases, id: i64) -> Result<Found> {
        write_relaxed!(self, db => {
            let row = sqlx::query(select!("WHERE j.rowid = ?")).bind(id).fetch_optional(&mut *db).await?;
            let Some(row) = row else { return Ok(Found::Passed) };
            let owned = |row: &SqliteRow| {
                let next = row.try_get::<Option<i64>, _>("fence")?.and_then(|fence| fence.checked_add(1));
                next.ok_or_else(|| row::malformed("fence", "no number comes after it"))?;
                Ok((row::parsed::<TenantId>(row, "tenant")?, job_row(row)?))
            };
            let (tenant, job) = match row::read("jobs", &row, owned) {
                Ok(owned) => owned,
                Err(error) => {
                    row::skip(&error);
                    // Not in the way of the others, and looked at again after the time of a lease.
                    sqlx::query("UPDATE jobs SET wake_at = ? WHERE rowid = ? AND wake_at <= ?")
                        .bind(ask.now.saturating_add(millis(ask.length)))
                        .bind(id)
                        .bind(ask.now)
                        .execute(&mut *db)
                        .await?;
                    return Ok(Found::Passed);
                }
            };
            let fence: Option<i64> = sqlx::query_scalar(TAKE)
                .bind(ask.now)
                .bind(leases.now)
                .bind(&leases.dead)
                .bind(process::owner())
                .bind(self.lease_end(ask.length))
                .bind(id)
                .fetch_optional(&mut *db)
                .await?;
            let Some(fence) = fence else { return Ok(Found::Passed) };
            sqlx::query(
                "INSERT INTO channel_fairness (tenant, channel, at) VALUES (?, ?, ?)
                 ON CONFLICT (tenant, channel) DO UPDATE SET at = excluded.at",
            )
            .bind(tenant.as_str())
            .bind(&job.channel)
            // Not the time that was asked for: a round of all that is due keeps that to its end.
            .bind(self.clock.now_ms().max(ask.now))
            .execute(&mut *db)
            .await?;
            Ok(Found::Taken(Box::new((tenant, job, Lease { fence }))))
        })
    }

    /// Makes the queues agree with the jobs. They do, unless somebody or something damaged the file.
    pub(super) async fn queues_from_jobs(&self) -> Result<()> {
        let differs = format!(
            "SELECT EXISTS (SELECT tenant, channel, weight, due_at FROM channel_queue EXCEPT {CHANNELS})
             OR EXISTS ({CHANNELS} EXCEPT SELECT tenant, channel, weight, due_at FROM channel_queue)
             OR EXISTS ({COUNTS} EXCEPT SELECT tenant, due_at, open, kept FROM tenant_queue)"
        );
        // Joins fixed texts, as below.
        let differs: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(differs))
            .fetch_one(&self.readers)
            .await
            .map_err(failure)?;
        if !differs {
            return Ok(());
        }
        tracing::warn!("the order of due jobs was damaged; it is made again from the jobs");
        let again = format!(
            "DELETE FROM channel_queue; DELETE FROM tenant_queue;
             INSERT INTO channel_queue SELECT q.*, coalesce(f.at, 0) FROM ({CHANNELS}) q
               LEFT JOIN channel_fairness f ON f.tenant = q.tenant AND f.channel = q.channel;
             INSERT INTO tenant_queue (tenant, due_at, open, kept) {COUNTS};
             UPDATE tenant_queue SET turn_at =
               coalesce((SELECT max(at) FROM channel_fairness f WHERE f.tenant = tenant_queue.tenant), 0)"
        );
        write!(self, db => { sqlx::raw_sql(sqlx::AssertSqlSafe(again)).execute(&mut *db).await.map(drop) })
    }

    /// An owner's name is used only once, so a dead owner stays dead.
    async fn lease_view(&self) -> Result<Leases> {
        let now = self.leases.now_ms();
        let holders = sqlx::query(
            "SELECT DISTINCT lease_owner FROM jobs WHERE lease_owner IS NOT NULL AND lease_until > ?",
        )
        .bind(now)
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        let mut dead: Vec<String> = row::all("jobs", &holders, |row| row.try_get("lease_owner"));
        dead.retain(|holder| process::is_dead(holder));
        Ok(Leases { now, dead: serde_json::to_string(&dead).unwrap_or_else(|_| "[]".to_owned()) })
    }
}

/// Which leases hold.
struct Leases {
    /// The time of the lease clock.
    now: i64,
    /// The owners that are certainly dead, as JSON.
    dead: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{LONG, Opened, tenant, update};

    /// A database and its own type, for what only SQL shows.
    async fn opened() -> (Opened, Arc<Sqlite>) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(social_channel_runtime::clock::MovedClock::default());
        let store =
            Arc::new(Sqlite::open(&folder.path().join("database.sqlite"), clock.clone()).await.unwrap());
        let db = Opened { one: store.clone(), other: store.clone(), clock, _keep: Box::new(folder) };
        db.with_app().await;
        (db, store)
    }

    async fn queues(
        store: &Sqlite,
    ) -> (Vec<(String, String, i64, i64)>, Vec<(String, Option<i64>, i64, i64)>) {
        let channels =
            sqlx::query_as("SELECT tenant, channel, weight, due_at FROM channel_queue ORDER BY 1, 2, 3");
        let tenants = sqlx::query_as("SELECT tenant, due_at, open, kept FROM tenant_queue ORDER BY 1");
        (channels.fetch_all(&store.readers).await.unwrap(), tenants.fetch_all(&store.readers).await.unwrap())
    }

    #[tokio::test]
    async fn the_choice_reads_entries_of_indexes_and_never_all_jobs() {
        let (_db, store) = opened().await;
        for query in [NEXT_TENANTS, NEXT_JOBS, NEXT_AMONG] {
            let plan = format!("EXPLAIN QUERY PLAN {query}");
            let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(plan))
                .bind(0)
                .bind(0)
                .bind("[]")
                .bind("[]")
                .bind(1)
                .fetch_all(&store.readers)
                .await
                .unwrap();
            let steps: Vec<String> = plan.into_iter().map(|(.., step)| step).collect();
            for step in &steps {
                // What was found, and the lists that were given, are scanned; the rest is searched.
                let small = ["SCAN json_each", "SCAN f", "SCAN w"].iter().any(|one| step.starts_with(one));
                assert!(!step.starts_with("SCAN") || small, "{steps:#?}");
                assert!(!step.contains("AUTOMATIC"), "{steps:#?}");
            }
        }
        let ordered = format!("EXPLAIN QUERY PLAN {NEXT_TENANTS}");
        let ordered: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(ordered))
            .bind(0)
            .bind(0)
            .bind("[]")
            .bind("[]")
            .bind(1)
            .fetch_all(&store.readers)
            .await
            .unwrap();
        assert!(ordered.iter().all(|(.., step)| !step.contains("TEMP B-TREE")), "{ordered:#?}");
    }

    #[tokio::test]
    async fn the_queues_agree_with_the_jobs_whatever_is_done_to_them() {
        let (db, store) = opened().await;
        let other: TenantId = "other".parse().unwrap();
        // A fixed sequence of numbers, so that a failure is repeated.
        let mut seed = 7_u64;
        let mut next = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let signed = |number: u64| i64::try_from(number).unwrap();
        let (mut ids, mut held) = (Vec::new(), Vec::new());
        for step in 0..1_500 {
            db.clock.advance(Duration::from_millis(next(2_000)));
            let whose = if next(3) == 0 { &other } else { tenant() };
            let pick = (!ids.is_empty()).then(|| next(ids.len() as u64) as usize);
            match (next(10), pick) {
                (0..=2, _) | (_, None) => {
                    let id = format!("job_{step}");
                    let row = JobRow {
                        priority: i32::try_from(next(401)).unwrap() - 200,
                        wake_at: (next(8) > 0).then(|| db.now() + signed(next(60_000))),
                        ..db.job(&id, &format!("ch_{}", next(5)))
                    };
                    store.insert_job(whose, &row, &JobMedia::default(), i64::MAX).await.unwrap();
                    ids.push((whose.clone(), id));
                }
                (3 | 4, _) => {
                    let ask = AskForJob { now: db.now(), length: LONG, only: None, without: &[] };
                    held.extend(store.acquire_job(&ask).await.unwrap());
                }
                (5 | 6, _) if !held.is_empty() => {
                    let (_, row, lease) = held.swap_remove(next(held.len() as u64) as usize);
                    let ends = next(2) == 0;
                    let step = JobUpdate {
                        status: if ends { JobStatus::Published } else { JobStatus::Active },
                        wake_at: (!ends).then(|| db.now() + signed(next(9_000))),
                        ..update(&row)
                    };
                    store.store_step(&row.id, &lease, &step, db.now()).await.unwrap();
                }
                (7, Some(at)) => {
                    let (tenant, id) = &ids[at];
                    let change = ChangedJob {
                        request: None,
                        consent: None,
                        priority: Some(i32::try_from(next(401)).unwrap() - 200),
                        publish_at: None,
                        deadline_at: None,
                        wake_at: db.now() + signed(next(60_000)),
                        by: None,
                    };
                    store.change_job(tenant, id, &change, db.now()).await.unwrap();
                }
                (8, Some(at)) => {
                    let (tenant, id) = &ids[at];
                    store.request_cancel(tenant, id, None, db.now()).await.unwrap();
                }
                _ => {
                    store.prune_jobs(db.now() - signed(next(400_000)), i64::MAX).await.unwrap();
                }
            }
        }
        let found = queues(&store).await;
        assert!(found.0.len() > 5 && found.1.len() == 2, "{found:?}");
        let channels: Vec<(String, String, i64, i64)> =
            sqlx::query_as(CHANNELS).fetch_all(&store.readers).await.unwrap();
        let tenants: Vec<(String, Option<i64>, i64, i64)> =
            sqlx::query_as(COUNTS).fetch_all(&store.readers).await.unwrap();
        assert_eq!(found, (channels, tenants));
    }

    #[tokio::test]
    async fn damaged_queues_are_made_again_from_the_jobs() {
        let (db, store) = opened().await;
        for number in 0..3 {
            db.store_job(db.job(&format!("job_{number}"), &format!("ch_{number}"))).await;
        }
        let right = queues(&store).await;
        for damage in [
            "DELETE FROM channel_queue WHERE channel = 'ch_1'",
            "UPDATE channel_queue SET due_at = 9223372036854775807",
            "UPDATE tenant_queue SET due_at = NULL, open = 17",
            "DELETE FROM tenant_queue",
        ] {
            sqlx::raw_sql(damage).execute(&store.writer).await.unwrap();
            assert_ne!(queues(&store).await, right, "{damage}");
            store.mend_queues().await.unwrap();
            assert_eq!(queues(&store).await, right, "{damage}");
        }
    }
}
