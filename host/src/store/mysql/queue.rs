//! Which due job is next.
//!
//! The tables `tenant_queue` and `channel_queue` follow the jobs, so that the choice reads a few entries of an index,
//! however many jobs are due. Whoever changes when a job is due calls [`Tables::requeue`] in the same transaction, and
//! whoever stores, ends or deletes one [`Tables::count`]. The search locks nothing; `take` decides.
//!
//! Each query of the search has constants where it enters an index, and names that index: so the plan is the same however
//! the server counts its rows. One statement with subqueries would be a round trip less, but there both servers read all
//! entries of a tenant.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::jobs::{job_refs, job_row};
use super::*;
use crate::store::columns::columns;

/// Tenants looked at in one search, because other workers may take the jobs of the first ones meanwhile.
const TENANTS: usize = 32;
/// Searches after which a worker that was outrun each time looks again later. In each of them another took a job.
const SEARCHES: usize = 8;
/// One step of priority, in milliseconds of waiting.
const PRIORITY_STEP: i64 = 60_000;
/// Entries of channels without a waiting job that are forgotten at once.
const FORGOTTEN: i64 = 1_000;

/// No worker holds a job of the channel that `of` names.
macro_rules! channel_free {
    ($of:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM {jobs} other WHERE other.tenant = ",
            $of,
            ".tenant AND other.held_channel = ",
            $of,
            ".channel AND other.lease_until > ",
            now_ms!(),
            ")"
        )
    };
}

/// When the last turn was. It may be later than now, where the clock was set back.
pub(super) const LAST_TURN: &str =
    "SELECT turn_at FROM {tenant_queue} FORCE INDEX (turns) ORDER BY turn_at DESC LIMIT 1";
/// The tenants that may have a job to take, ordered by the longest wait: since the first of their jobs was due, or since one
/// of their channels last had its turn. The time in `tenant_queue` may be too early.
pub(super) const NEXT_TENANTS: &str =
    "SELECT t.tenant, t.due_at, t.turn_at FROM {tenant_queue} t FORCE INDEX (by_turn)
    WHERE t.since <= ? AND t.due_at <= ?";
/// When the first job of a tenant is due.
pub(super) const FIRST_DUE: &str = "SELECT due_at FROM {channel_queue} FORCE INDEX (by_due)
    WHERE tenant = ? AND due_at IS NOT NULL ORDER BY due_at LIMIT 1";
/// The next weight of a tenant.
pub(super) const NEXT_WEIGHT: &str = "SELECT weight FROM {channel_queue} FORCE INDEX (by_turn)
    WHERE tenant = ? AND weight > ? ORDER BY weight LIMIT 1";
/// Of a tenant's channels with a weight those that wait longest: a few, because other workers take the first ones at the same
/// moment.
pub(super) const NEXT_CHANNEL: &str = concat!(
    "SELECT q.channel, q.since FROM {channel_queue} q FORCE INDEX (by_turn)
     WHERE q.tenant = ? AND q.weight = ? AND q.since IS NOT NULL AND q.since <= ? AND q.due_at <= ? AND ",
    channel_free!("q"),
    " ORDER BY q.since LIMIT 4"
);
/// Of a channel's jobs with a weight the one that was due first.
pub(super) const NEXT_JOB: &str = "SELECT j.id, j.created_at FROM {jobs} j FORCE INDEX (waiting)
    WHERE j.tenant = ? AND j.channel = ? AND j.weight = ? AND j.wake_at IS NOT NULL AND j.wake_at <= ?
    ORDER BY j.wake_at, j.created_at LIMIT 1";

/// Entries of `channel_queue` that are not as the jobs say, in one snapshot. Jobs and entries change in the same
/// transactions, so there are none, unless somebody changed the tables by hand.
pub(super) const DAMAGED_CHANNELS: &str =
    "SELECT j.tenant, j.channel, j.weight FROM (SELECT tenant, channel, weight, MIN(wake_at) AS due_at FROM {jobs}
      WHERE wake_at IS NOT NULL GROUP BY tenant, channel, weight) j
    LEFT JOIN {channel_queue} q ON q.tenant = j.tenant AND q.channel = j.channel AND q.weight = j.weight
    WHERE NOT (q.due_at <=> j.due_at)
    UNION SELECT q.tenant, q.channel, q.weight FROM {channel_queue} q WHERE q.due_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM {jobs} j WHERE j.tenant = q.tenant AND j.channel = q.channel AND j.weight = q.weight
      AND j.wake_at IS NOT NULL)";
/// Tenants that are due later than their first channel, or not at all.
pub(super) const DAMAGED_TENANTS: &str =
    "SELECT q.tenant FROM (SELECT tenant, MIN(due_at) AS due_at FROM {channel_queue}
      WHERE due_at IS NOT NULL GROUP BY tenant) q
    LEFT JOIN {tenant_queue} t ON t.tenant = q.tenant WHERE t.due_at IS NULL OR t.due_at > q.due_at";
/// Tenants whose jobs are counted wrongly.
pub(super) const DAMAGED_COUNTS: &str =
    "SELECT tenant FROM (SELECT tenant, CASE WHEN ended_at IS NULL THEN 1 ELSE 0 END AS open_jobs, 1 AS kept_jobs FROM {jobs}
      UNION ALL SELECT tenant, -open_jobs, -kept_jobs FROM {tenant_counts}) c
    GROUP BY tenant HAVING SUM(open_jobs) <> 0 OR SUM(kept_jobs) <> 0";

/// A job that may be taken.
struct Found {
    job: Which,
    tenant: String,
    channel: String,
}

/// Which job of a channel.
enum Which {
    Id(String),
    /// The first of this weight. It is looked up when it is its turn, which is seldom.
    First(i32),
}

/// What became of a job that may be taken.
enum Taken {
    Row(MySqlRow),
    /// Somebody else has it, or its channel.
    No,
    /// These tables were last used on another server.
    Elsewhere,
}

/// A tenant of a search, by its longest wait.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    since: i64,
    tenant: String,
    due_at: i64,
    turn_at: i64,
    /// `due_at` is known to be that of its first job.
    is_exact: bool,
}

impl Tables {
    /// Makes the entry of a channel and weight agree with its jobs, and the tenant due no later than that.
    pub(super) async fn requeue(
        &self,
        db: &mut MySqlConnection,
        tenant: &str,
        channel: &str,
        weight: i32,
    ) -> sqlx::Result<()> {
        let known = match self.lock_entry(&mut *db, tenant, channel, weight).await? {
            Some(known) => known,
            None => {
                let turn: Option<i64> = sqlx::query_scalar(
                    self.sql("SELECT at FROM {channel_fairness} WHERE tenant = ? AND channel = ?"),
                )
                .bind(tenant)
                .bind(channel)
                .fetch_optional(&mut *db)
                .await?;
                sqlx::query(self.sql(
                    "INSERT INTO {channel_queue} (tenant, channel, weight, turn_at) VALUES (?, ?, ?, ?)
                     ON DUPLICATE KEY UPDATE turn_at = turn_at",
                ))
                .bind(tenant)
                .bind(channel)
                .bind(weight)
                .bind(turn.unwrap_or_default())
                .execute(&mut *db)
                .await?;
                self.lock_entry(&mut *db, tenant, channel, weight).await?.flatten()
            }
        };
        // A statement of its own: it sees what was committed before the entry was ours.
        let first_due: Option<i64> = sqlx::query_scalar(self.sql(
            "SELECT wake_at FROM {jobs} FORCE INDEX (waiting)
             WHERE tenant = ? AND channel = ? AND weight = ? AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1",
        ))
        .bind(tenant)
        .bind(channel)
        .bind(weight)
        .fetch_optional(&mut *db)
        .await?;
        if first_due == known {
            return Ok(());
        }
        sqlx::query(
            self.sql("UPDATE {channel_queue} SET due_at = ? WHERE tenant = ? AND channel = ? AND weight = ?"),
        )
        .bind(first_due)
        .bind(tenant)
        .bind(channel)
        .bind(weight)
        .execute(&mut *db)
        .await?;
        match first_due {
            Some(due_at) if known.is_none_or(|known| due_at < known) => {
                self.lower_tenant(db, tenant, due_at).await
            }
            _ => Ok(()),
        }
    }

    /// None: there is no such entry.
    async fn lock_entry(
        &self,
        db: &mut MySqlConnection,
        tenant: &str,
        channel: &str,
        weight: i32,
    ) -> sqlx::Result<Option<Option<i64>>> {
        sqlx::query_scalar(self.sql(
            "SELECT due_at FROM {channel_queue} WHERE tenant = ? AND channel = ? AND weight = ? FOR UPDATE",
        ))
        .bind(tenant)
        .bind(channel)
        .bind(weight)
        .fetch_optional(db)
        .await
    }

    /// Makes a tenant due no later than this. Until this is committed nobody raises its time; others may share the row.
    async fn lower_tenant(&self, db: &mut MySqlConnection, tenant: &str, due_at: i64) -> sqlx::Result<()> {
        // Looked at first without a lock: who shares the row and then wants it alone meets others in a deadlock.
        for lock in ["", " LOCK IN SHARE MODE"] {
            let look = ["SELECT due_at FROM {tenant_queue} WHERE tenant = ?", lock].concat();
            let known: Option<Option<i64>> =
                sqlx::query_scalar(self.sql(&look)).bind(tenant).fetch_optional(&mut *db).await?;
            let is_low = known.flatten().is_some_and(|known| known <= due_at);
            match is_low {
                true if lock.is_empty() => {}
                true => return Ok(()),
                false => break,
            }
        }
        sqlx::query(self.sql(
            "INSERT INTO {tenant_queue} (tenant, due_at) VALUES (?, ?)
             ON DUPLICATE KEY UPDATE due_at = LEAST(COALESCE(due_at, ?), ?)",
        ))
        .bind(tenant)
        .bind(due_at)
        .bind(due_at)
        .bind(due_at)
        .execute(db)
        .await
        .map(drop)
    }

    /// Adds to the numbers of a tenant's jobs.
    pub(super) async fn count(
        &self,
        db: &mut MySqlConnection,
        tenant: &str,
        job: &str,
        open: i64,
        kept: i64,
    ) -> sqlx::Result<()> {
        sqlx::query(self.sql(
            "INSERT INTO {tenant_counts} (tenant, part, open_jobs, kept_jobs) VALUES (?, CRC32(?) % 16, ?, ?)
             ON DUPLICATE KEY UPDATE open_jobs = open_jobs + ?, kept_jobs = kept_jobs + ?",
        ))
        .bind(tenant)
        .bind(job)
        .bind(open)
        .bind(kept)
        .bind(open)
        .bind(kept)
        .execute(db)
        .await
        .map(drop)
    }
}

impl Tables {
    /// The jobs of the first tenant that has some to take; and tenants for which nothing is due yet, though `tenant_queue`
    /// says so.
    async fn search(
        &self,
        db: &mut MySqlConnection,
        ask: &AskForJob<'_>,
    ) -> sqlx::Result<(Vec<Found>, Vec<String>)> {
        let last_turn: Option<i64> = sqlx::query_scalar(self.sql(LAST_TURN)).fetch_optional(&mut *db).await?;
        let latest = last_turn.unwrap_or(ask.now).max(ask.now);
        let mut without: Vec<String> = ask.without.iter().map(|tenant| tenant.as_str().to_owned()).collect();
        let mut early = Vec::new();
        loop {
            let page = self.next_tenants(&mut *db, ask.now, latest, &without).await?;
            let is_last = page.len() < TENANTS;
            let is_alone = page.len() == 1;
            let mut waiting: BinaryHeap<Reverse<Waiting>> = page.into_iter().map(Reverse).collect();
            while let Some(Reverse(first)) = waiting.pop() {
                // What is too early may be before others only for that.
                if !first.is_exact && !is_alone {
                    match self.first_due(&mut *db, &first.tenant).await? {
                        Some(exact) if exact <= ask.now => {
                            let since = exact.max(first.turn_at);
                            waiting.push(Reverse(Waiting { since, due_at: exact, is_exact: true, ..first }));
                        }
                        _ => {
                            without.push(first.tenant.clone());
                            early.push(first.tenant);
                        }
                    }
                    continue;
                }
                let jobs = self.jobs_of(&mut *db, ask.now, latest, &first.tenant).await?;
                if !jobs.is_empty() {
                    return Ok((jobs, early));
                }
                // Nothing of it is due, or others hold its channels.
                let is_due = first.is_exact
                    || self.first_due(&mut *db, &first.tenant).await?.is_some_and(|due| due <= ask.now);
                if !is_due {
                    early.push(first.tenant.clone());
                }
                without.push(first.tenant);
            }
            if is_last {
                return Ok((Vec::new(), early));
            }
        }
    }

    async fn next_tenants(
        &self,
        db: &mut MySqlConnection,
        now: i64,
        latest: i64,
        without: &[String],
    ) -> sqlx::Result<Vec<Waiting>> {
        let mut sql = NEXT_TENANTS.to_owned();
        if !without.is_empty() {
            sql.push_str(&[" AND t.tenant NOT IN (", &marks(without.len()), ")"].concat());
        }
        sql.push_str(" ORDER BY t.since LIMIT ?");
        let mut query = sqlx::query_as(self.sql(&sql)).persistent(without.is_empty()).bind(latest).bind(now);
        for tenant in without {
            query = query.bind(tenant);
        }
        let rows: Vec<(Text, i64, i64)> =
            query.bind(i64::try_from(TENANTS).unwrap_or(i64::MAX)).fetch_all(db).await?;
        let waiting = |(tenant, due_at, turn_at): (Text, i64, i64)| Waiting {
            since: due_at.max(turn_at),
            tenant: tenant.0,
            due_at,
            turn_at,
            is_exact: false,
        };
        Ok(rows.into_iter().map(waiting).collect())
    }

    async fn first_due(&self, db: &mut MySqlConnection, tenant: &str) -> sqlx::Result<Option<i64>> {
        sqlx::query_scalar(self.sql(FIRST_DUE)).bind(tenant).fetch_optional(db).await
    }

    /// The jobs that are next in one tenant, the first of each weight: of the channel that waits longest the job that was due
    /// first. A step of weight counts as much as [`PRIORITY_STEP`] of waiting. After them those of other channels.
    async fn jobs_of(
        &self,
        db: &mut MySqlConnection,
        now: i64,
        latest: i64,
        tenant: &str,
    ) -> sqlx::Result<Vec<Found>> {
        let mut found: Vec<(i64, i64, String, Found)> = Vec::new();
        let mut others = Vec::new();
        let mut last = i32::MIN;
        loop {
            let next: Option<i32> = sqlx::query_scalar(self.sql(NEXT_WEIGHT))
                .bind(tenant)
                .bind(last)
                .fetch_optional(&mut *db)
                .await?;
            let Some(weight) = next else { break };
            last = weight;
            let channels: Vec<(Text, i64)> = sqlx::query_as(self.sql(NEXT_CHANNEL))
                .bind(tenant)
                .bind(weight)
                .bind(latest)
                .bind(now)
                .fetch_all(&mut *db)
                .await?;
            let mut channels = channels.into_iter();
            let Some((Text(channel), since)) = channels.next() else { continue };
            if let Some((id, created_at)) = self.next_job(&mut *db, now, tenant, &channel, weight).await? {
                let of = Found { job: Which::Id(id.clone()), tenant: tenant.to_owned(), channel };
                found.push((since - i64::from(weight) * PRIORITY_STEP, created_at, id, of));
            }
            others.extend(channels.map(|(Text(channel), _)| Found {
                job: Which::First(weight),
                tenant: tenant.to_owned(),
                channel,
            }));
        }
        found.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
        Ok(found.into_iter().map(|(.., found)| found).chain(others).collect())
    }

    /// The job of a channel and weight that was due first, and when it was stored.
    async fn next_job(
        &self,
        db: &mut MySqlConnection,
        now: i64,
        tenant: &str,
        channel: &str,
        weight: i32,
    ) -> sqlx::Result<Option<(String, i64)>> {
        let job: Option<(Text, i64)> = sqlx::query_as(self.sql(NEXT_JOB))
            .bind(tenant)
            .bind(channel)
            .bind(weight)
            .bind(now)
            .fetch_optional(db)
            .await?;
        Ok(job.map(|(id, created_at)| (id.0, created_at)))
    }
}

impl Mysql {
    /// Takes the next due job.
    pub(super) async fn take_next(&self, ask: &AskForJob<'_>) -> Result<Option<(TenantId, JobRow, Lease)>> {
        for _ in 0..SEARCHES {
            let found = match ask.only {
                Some(ids) => self.next_among(ask.now, ids).await?,
                None => self.next_jobs(ask).await?,
            };
            if found.is_empty() {
                return Ok(None);
            }
            for job in found {
                if let Some(taken) = self.take(ask, &job).await? {
                    return Ok(Some(taken));
                }
            }
        }
        Ok(None)
    }

    /// The same choice among a few known jobs.
    async fn next_among(&self, now: i64, ids: &[String]) -> Result<Vec<Found>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = [
            "SELECT j.id, j.tenant, j.channel FROM {jobs} j
             LEFT JOIN {tenant_queue} t ON t.tenant = j.tenant
             LEFT JOIN {channel_fairness} c ON c.tenant = j.tenant AND c.channel = j.channel
             WHERE j.id IN (",
            &marks(ids.len()),
            ") AND j.wake_at <= ? AND ",
            channel_free!("j"),
            " ORDER BY t.since, GREATEST(j.wake_at, COALESCE(c.at, j.wake_at)) - j.weight * ?, j.created_at, j.id",
        ]
        .concat();
        let rows: Vec<(Text, Text, Text)> = read!(self for "", db => {
            let mut query = sqlx::query_as(self.sql(&sql)).persistent(false);
            for id in ids {
                query = query.bind(id);
            }
            query.bind(now).bind(PRIORITY_STEP).fetch_all(&mut *db).await
        })?;
        Ok(rows
            .into_iter()
            .map(|(id, tenant, channel)| Found { job: Which::Id(id.0), tenant: tenant.0, channel: channel.0 })
            .collect())
    }

    /// The jobs of the first tenant that has some to take. The whole search is one turn on one connection.
    async fn next_jobs(&self, ask: &AskForJob<'_>) -> Result<Vec<Found>> {
        let (found, early) = read!(self for "", db => { self.tables.search(db, ask).await })?;
        for tenant in early {
            self.raise(&tenant).await?;
        }
        Ok(found)
    }

    /// Makes a tenant due when the first of its jobs is, unless somebody is just storing a job of it. A time that is too early
    /// only costs a look.
    async fn raise(&self, tenant: &str) -> Result<()> {
        write!(self, db => {
            let ours: Option<Text> =
                sqlx::query_scalar(self.sql("SELECT tenant FROM {tenant_queue} WHERE tenant = ? FOR UPDATE SKIP LOCKED"))
                    .bind(tenant)
                    .fetch_optional(&mut *db)
                    .await?;
            if ours.is_none() {
                return Ok(());
            }
            let first: Option<i64> =
                sqlx::query_scalar(self.sql(FIRST_DUE)).bind(tenant).fetch_optional(&mut *db).await?;
            sqlx::query(self.sql("UPDATE {tenant_queue} SET due_at = ? WHERE tenant = ?"))
                .bind(first)
                .bind(tenant)
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    /// Takes the job, if it is still there to take: it is due, and nobody has it or its channel.
    async fn take(&self, ask: &AskForJob<'_>, job: &Found) -> Result<Option<(TenantId, JobRow, Lease)>> {
        // Not the time that was asked for: a round of all that is due keeps that to its end.
        let turn = self.clock.now_ms().max(ask.now);
        let Found { job, tenant, channel } = job;
        let id = match job {
            Which::Id(id) => id.clone(),
            Which::First(weight) => {
                let first = read!(self for "", db => {
                    self.tables.next_job(db, ask.now, tenant, channel, *weight).await
                })?;
                let Some((id, _)) = first else { return Ok(None) };
                id
            }
        };
        let id = &id;
        let look = [
            concat!(
                "SELECT ",
                columns!(jobs "j."),
                ", ",
                job_refs!(),
                " AS refs,
                 (SELECT id FROM {jobs} WHERE tenant = ? AND held_channel = ?) AS held,
                 (SELECT value FROM {meta} WHERE name = ?) AS known, "
            ),
            self.naming.sql(),
            " AS here FROM {jobs} j WHERE j.id = ? AND j.wake_at <= ? FOR UPDATE",
        ]
        .concat();
        let taken: Result<Taken> = write!(self, db => {
            // One at a time takes a job of a channel. Who comes second looks for another one instead of waiting.
            let ours: Option<i64> = sqlx::query_scalar(self.sql(
                "SELECT at FROM {channel_fairness} WHERE tenant = ? AND channel = ? FOR UPDATE SKIP LOCKED",
            ))
            .bind(tenant)
            .bind(channel)
            .fetch_optional(&mut *db)
            .await?;
            if ours.is_none() {
                let theirs: Option<i64> =
                    sqlx::query_scalar(self.sql("SELECT at FROM {channel_fairness} WHERE tenant = ? AND channel = ?"))
                        .bind(tenant)
                        .bind(channel)
                        .fetch_optional(&mut *db)
                        .await?;
                if theirs.is_some() {
                    return Ok(Taken::No);
                }
                let first = sqlx::query(self.sql("INSERT INTO {channel_fairness} (tenant, channel, at) VALUES (?, ?, 0)"))
                    .bind(tenant)
                    .bind(channel)
                    .execute(&mut *db)
                    .await;
                if !is_new(first)? {
                    return Ok(Taken::No);
                }
            }
            // A statement of its own: it sees what was committed before the channel was ours. It also looks whether this is
            // the server on which these tables were last used.
            let row = sqlx::query(self.sql(&look))
                .bind(tenant)
                .bind(channel)
                .bind(failover::TIMELINE)
                .bind(id)
                .bind(ask.now)
                .fetch_optional(&mut *db)
                .await?;
            let Some(row) = row else { return Ok(Taken::No) };
            let (held, known): (Option<Text>, Option<Text>) = (row.try_get("held")?, row.try_get("known")?);
            let here: Text = row.try_get("here")?;
            if !known.is_some_and(|known| failover::is_same(&known.0, &here.0)) {
                return Ok(Taken::Elsewhere);
            }
            if let Some(held) = held {
                // A lease that has ended leaves the channel free. Its holder writes nothing more.
                let ended = sqlx::query(self.sql(concat!(
                    "UPDATE {jobs} SET lease_owner = NULL WHERE id = ? AND lease_owner IS NOT NULL AND lease_until <= ",
                    now_ms!()
                )))
                .bind(&held.0)
                .execute(&mut *db)
                .await?;
                if ended.rows_affected() == 0 {
                    return Ok(Taken::No);
                }
            }
            let taken = sqlx::query(self.sql(concat!(
                "UPDATE {jobs} SET lease_owner = ?, lease_until = ",
                now_ms!(),
                " + ?, fence = fence + 1 WHERE id = ? AND wake_at <= ? AND lease_owner IS NULL"
            )))
            .bind(&self.owner)
            .bind(millis(ask.length))
            .bind(id)
            .bind(ask.now)
            .execute(&mut *db)
            .await?;
            if taken.rows_affected() == 0 {
                return Ok(Taken::No);
            }
            // The last, because others of the tenant wait for it. In this order, in which everybody locks these tables.
            sqlx::query(self.sql(
                "UPDATE {channel_fairness} f
                 STRAIGHT_JOIN {channel_queue} q ON q.tenant = f.tenant AND q.channel = f.channel
                 STRAIGHT_JOIN {tenant_queue} t ON t.tenant = f.tenant
                 SET f.at = ?, q.turn_at = ?, t.turn_at = ? WHERE f.tenant = ? AND f.channel = ?",
            ))
            .bind(turn)
            .bind(turn)
            .bind(turn)
            .bind(tenant)
            .bind(channel)
            .execute(&mut *db)
            .await?;
            Ok(Taken::Row(row))
        });
        let row = match taken? {
            Taken::Row(row) => row,
            Taken::No => return Ok(None),
            Taken::Elsewhere => {
                read!(self for "", db => { failover::settle(db, &self.tables, self.naming).await })?;
                return Ok(None);
            }
        };
        // The row is from before it was taken, which is the next number.
        let lease = Lease { fence: row.try_get::<i64, _>("fence").map_err(failure)?.saturating_add(1) };
        let held =
            row::read("jobs", &row, |row| Ok((row::parsed::<TenantId>(row, "tenant")?, job_row(row)?)));
        match held {
            Ok((tenant, job)) => Ok(Some((tenant, job, lease))),
            Err(error) => {
                row::skip(&error);
                // Not in the way of the others, and looked at again after the time of a lease.
                self.put_off_job(id, &lease, ask.now.saturating_add(millis(ask.length))).await?;
                Ok(None)
            }
        }
    }

    /// Makes the queues agree with the jobs, and forgets entries of channels for which nothing waits.
    pub(super) async fn queues_from_jobs(&self) -> Result<()> {
        // Whoever stores a job of such a channel holds its entry, or makes it again.
        write!(self, db => {
            let unused: Vec<(Text, Text, i32)> = sqlx::query_as(self.sql(
                "SELECT tenant, channel, weight FROM {channel_queue} FORCE INDEX (unused)
                 WHERE due_at IS NULL LIMIT ? FOR UPDATE SKIP LOCKED",
            ))
            .bind(FORGOTTEN)
            .fetch_all(&mut *db)
            .await?;
            for (tenant, channel, weight) in &unused {
                sqlx::query(self.sql("DELETE FROM {channel_queue} WHERE tenant = ? AND channel = ? AND weight = ?"))
                    .bind(&tenant.0)
                    .bind(&channel.0)
                    .bind(*weight)
                    .execute(&mut *db)
                    .await?;
            }
            Ok(())
        })?;
        let channels: Vec<(Text, Text, i32)> = read!(self for "", db => { sqlx::query_as(self.sql(DAMAGED_CHANNELS)).fetch_all(&mut *db).await })?;
        let tenants: Vec<Text> = read!(self for "", db => { sqlx::query_scalar(self.sql(DAMAGED_TENANTS)).fetch_all(&mut *db).await })?;
        let counts: Vec<Text> = read!(self for "", db => { sqlx::query_scalar(self.sql(DAMAGED_COUNTS)).fetch_all(&mut *db).await })?;
        if channels.is_empty() && tenants.is_empty() && counts.is_empty() {
            return Ok(());
        }
        tracing::warn!("the order of due jobs was damaged; it is made again from the jobs");
        for (tenant, channel, weight) in &channels {
            write!(self, db => { self.tables.requeue(db, &tenant.0, &channel.0, *weight).await })?;
        }
        let all: BTreeSet<&String> = tenants
            .iter()
            .map(|tenant| &tenant.0)
            .chain(channels.iter().map(|(tenant, ..)| &tenant.0))
            .collect();
        for tenant in all {
            write!(self, db => {
                let (first, turn): (Option<i64>, Option<i64>) = sqlx::query_as(
                    self.sql("SELECT MIN(due_at), MAX(turn_at) FROM {channel_queue} WHERE tenant = ?"),
                )
                .bind(tenant)
                .fetch_one(&mut *db)
                .await?;
                let Some(first) = first else { return Ok(()) };
                // Too early only costs a look, so what others lowered meanwhile stays.
                sqlx::query(self.sql(
                    "INSERT INTO {tenant_queue} (tenant, due_at, turn_at) VALUES (?, ?, ?)
                     ON DUPLICATE KEY UPDATE due_at = CASE WHEN due_at < ? THEN due_at ELSE ? END",
                ))
                .bind(tenant)
                .bind(first)
                .bind(turn.unwrap_or_default())
                .bind(first)
                .bind(first)
                .execute(&mut *db)
                .await
                .map(drop)
            })?;
        }
        for tenant in &counts {
            self.count_again(&tenant.0).await?;
        }
        Ok(())
    }

    /// Counts the jobs of a tenant. Whoever stores one at this moment adds it before or after all of this.
    async fn count_again(&self, tenant: &str) -> Result<()> {
        write!(self, db => {
            for part in 0..16_i64 {
                sqlx::query(self.sql(
                    "INSERT INTO {tenant_counts} (tenant, part, open_jobs, kept_jobs) VALUES (?, ?, 0, 0)
                     ON DUPLICATE KEY UPDATE part = part",
                ))
                .bind(tenant)
                .bind(part)
                .execute(&mut *db)
                .await?;
            }
            // Now they are all ours; a statement of its own sees what was added before.
            let found: Vec<(i64, i64, i64)> = sqlx::query_as(self.sql(
                "SELECT CAST(CRC32(id) % 16 AS SIGNED) AS part, COUNT(*) - COUNT(ended_at), COUNT(*)
                 FROM {jobs} WHERE tenant = ? GROUP BY part",
            ))
            .bind(tenant)
            .fetch_all(&mut *db)
            .await?;
            for part in 0..16_i64 {
                let counted = found.iter().find(|(of, ..)| *of == part);
                let (_, open, kept) = counted.copied().unwrap_or_default();
                sqlx::query(
                    self.sql("UPDATE {tenant_counts} SET open_jobs = ?, kept_jobs = ? WHERE tenant = ? AND part = ?"),
                )
                .bind(open)
                .bind(kept)
                .bind(tenant)
                .bind(part)
                .execute(&mut *db)
                .await?;
            }
            Ok(())
        })
    }
}
