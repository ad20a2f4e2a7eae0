//! Events, written in the transaction of what they tell.
//!
//! Without triggers a write could forget its event. So what events tell of is assigned here and nowhere else: a job's `status`
//! and `url`, a channel's `health` and `connected_at`, an app's `digest`. Each of these functions gets the row as it was when
//! this transaction locked it, and says what has become of it. A test reads this driver's statements for others that assign
//! one of these columns, and another one does everything here and in SQLite, whose triggers tell the same.
//!
//! An event is one row that nobody waits for: it gets its number later (outbox.rs).

use sqlx::mysql::MySqlArguments;

use super::*;

/// A statement whose values are being bound.
pub(super) type Query<'q> = sqlx::query::Query<'q, sqlx::MySql, MySqlArguments>;

/// A function that binds values: its type is known where it is written, and used in the next line.
pub(super) fn binds<'q, F: FnOnce(Query<'q>) -> Query<'q>>(bind: F) -> F {
    bind
}

/// A fresh id in each row.
macro_rules! fresh_id {
    () => {
        "CONCAT('evt_', LOWER(HEX(RANDOM_BYTES(16))))"
    };
}

/// A kind, and a job.
const JOB_ENDED: &str = concat!(
    "INSERT INTO {outbox} (id, tenant, kind, at, app, channel, job, status, post_id, url, idempotency_key, error) SELECT ",
    fresh_id!(),
    ", tenant, ?, updated_at, app, channel, id, status, post_id, url, idempotency_key, error FROM {jobs} WHERE id = ?"
);
/// The same without the job's error.
const JOB_LINKED: &str = concat!(
    "INSERT INTO {outbox} (id, tenant, kind, at, app, channel, job, status, post_id, url, idempotency_key) SELECT ",
    fresh_id!(),
    ", tenant, ?, updated_at, app, channel, id, status, post_id, url, idempotency_key FROM {jobs} WHERE id = ?"
);
/// A kind, and a channel.
const CHANNEL: &str = concat!(
    "INSERT INTO {outbox} (id, tenant, kind, at, app, channel, display_name, health, detail) SELECT ",
    fresh_id!(),
    ", tenant, ?, updated_at, app, channel, display_name, health, health_detail FROM {accounts} WHERE channel = ?"
);
/// An instant, and a channel.
const CHANNEL_GONE: &str = concat!(
    "INSERT INTO {outbox} (id, tenant, kind, at, app, channel, display_name) SELECT ",
    fresh_id!(),
    ", tenant, 'channel.disconnected', ?, app, channel, display_name FROM {accounts} WHERE channel = ?"
);
/// An app, three times. Of an app of all tenants each one learns that has a channel in it.
const PROVIDER: &str = concat!(
    "INSERT INTO {outbox} (id, tenant, kind, at, app, provider, version, digest) SELECT ",
    fresh_id!(),
    ", t.tenant, 'provider.replaced', p.updated_at, p.id, p.provider, c.version, p.digest FROM {apps} p
     LEFT JOIN {components} c ON c.digest = p.digest
     JOIN (SELECT tenant FROM {apps} WHERE id = ? AND tenant IS NOT NULL
       UNION SELECT a.tenant FROM {accounts} a JOIN {apps} q ON q.id = a.app WHERE q.id = ? AND q.tenant IS NULL) t
     WHERE p.id = ?"
);

/// A locked job, before a change.
pub(super) struct JobBefore {
    status: String,
    url: Option<String>,
}

impl JobBefore {
    /// Of a row with the columns `status` and `url`.
    pub(super) fn of(row: &MySqlRow) -> sqlx::Result<Self> {
        Ok(JobBefore { status: text(row, "status")?, url: texts(row, "url")? })
    }
}

/// A locked channel, before a change.
pub(super) struct ChannelBefore {
    health: String,
    connected_at: i64,
}

impl ChannelBefore {
    /// Of a row with the columns `health` and `connected_at`.
    pub(super) fn of(row: &MySqlRow) -> sqlx::Result<Self> {
        Ok(ChannelBefore { health: text(row, "health")?, connected_at: row.try_get("connected_at")? })
    }
}

pub(super) fn health_name(health: Health) -> &'static str {
    match health {
        Health::Active => "active",
        Health::Limited => "limited",
        Health::NeedsReconnect => "needs_reconnect",
    }
}

/// What is told when a job gets this status.
fn of_status(status: JobStatus) -> Option<&'static str> {
    match status {
        JobStatus::Active => None,
        JobStatus::Paused => Some("job.paused"),
        JobStatus::Published => Some("job.published"),
        JobStatus::Failed => Some("job.failed"),
        JobStatus::Unknown => Some("job.unknown"),
        JobStatus::Cancelled => Some("job.cancelled"),
    }
}

/// What is told when a channel gets this health, besides that it is connected.
fn of_health(health: Health) -> Option<&'static str> {
    match health {
        Health::Active => None,
        Health::Limited => Some("channel.limited"),
        Health::NeedsReconnect => Some("channel.needs-reconnect"),
    }
}

impl Tables {
    /// Changes a locked job: `set` and its values, its status, and its post's page if that is known now.
    pub(super) async fn write_job<'q>(
        &self,
        db: &mut MySqlConnection,
        (id, before): (&'q str, &JobBefore),
        (status, url): (JobStatus, Option<&'q str>),
        set: &'static str,
        bind: impl FnOnce(Query<'q>) -> Query<'q> + Send,
    ) -> sqlx::Result<()> {
        debug_assert!(!set.contains("status =") && !set.contains("url ="), "{set}");
        let update =
            ["UPDATE {jobs} SET ", set, ", status = ?, url = COALESCE(?, url) WHERE id = ?"].concat();
        bind(sqlx::query(self.sql(&update))).bind(status.name()).bind(url).bind(id).execute(&mut *db).await?;
        if let Some(kind) = of_status(status).filter(|_| before.status != status.name()) {
            sqlx::query(self.sql(JOB_ENDED)).bind(kind).bind(id).execute(&mut *db).await?;
        }
        if url.is_some_and(|url| before.url.as_deref() != Some(url)) {
            sqlx::query(self.sql(JOB_LINKED)).bind("job.link").bind(id).execute(&mut *db).await?;
        }
        Ok(())
    }

    /// Adds a channel of which nothing is known yet: [`Self::write_channel`] follows, without a channel before.
    pub(super) async fn add_channel(
        &self,
        db: &mut MySqlConnection,
        tenant: &TenantId,
        channel: &str,
        account: &NewAccount,
        (revision, fence): (i64, i64),
    ) -> sqlx::Result<()> {
        sqlx::query(self.sql(
            "INSERT INTO {accounts} (channel, tenant, app, account, display_name, credentials, credentials_revision,
             issued_at, scopes, missing_scopes, health, connected_at, updated_at, fence)
             VALUES (?, ?, ?, ?, '', '', ?, 0, '', '', 'active', 0, 0, ?)",
        ))
        .bind(channel)
        .bind(tenant.as_str())
        .bind(&account.app)
        .bind(&account.account)
        .bind(revision)
        .bind(fence)
        .execute(db)
        .await
        .map(drop)
    }

    /// Changes a locked channel: `set` and its values, its health, and when it was connected (None: unchanged). `before` is
    /// None of one that was just added.
    pub(super) async fn write_channel<'q>(
        &self,
        db: &mut MySqlConnection,
        (channel, before): (&'q str, Option<&ChannelBefore>),
        (health, connected_at): (Health, Option<i64>),
        set: &'static str,
        bind: impl FnOnce(Query<'q>) -> Query<'q> + Send,
    ) -> sqlx::Result<()> {
        debug_assert!(!set.contains("health =") && !set.contains("connected_at ="), "{set}");
        let update = [
            "UPDATE {accounts} SET ",
            set,
            ", health = ?, connected_at = COALESCE(?, connected_at) WHERE channel = ?",
        ];
        bind(sqlx::query(self.sql(&update.concat())))
            .bind(health_name(health))
            .bind(connected_at)
            .bind(channel)
            .execute(&mut *db)
            .await?;
        let connects = before.is_none_or(|before| {
            connected_at.is_some_and(|connected_at| before.connected_at != connected_at)
        });
        let is_other = before.is_none_or(|before| before.health != health_name(health));
        // Connected, connected again, or working again by itself.
        if connects || is_other && health == Health::Active {
            sqlx::query(self.sql(CHANNEL)).bind("channel.connected").bind(channel).execute(&mut *db).await?;
        }
        if let Some(kind) = of_health(health).filter(|_| connects || is_other) {
            sqlx::query(self.sql(CHANNEL)).bind(kind).bind(channel).execute(&mut *db).await?;
        }
        Ok(())
    }

    /// Deletes a locked channel.
    pub(super) async fn remove_channel(
        &self,
        db: &mut MySqlConnection,
        channel: &str,
        at: i64,
    ) -> sqlx::Result<()> {
        sqlx::query(self.sql(CHANNEL_GONE)).bind(at).bind(channel).execute(&mut *db).await?;
        sqlx::query(self.sql("DELETE FROM {accounts} WHERE channel = ?"))
            .bind(channel)
            .execute(db)
            .await
            .map(drop)
    }

    /// Changes a locked app that ran the component `before`: `set` and its values, and the component that it runs.
    pub(super) async fn write_app<'q>(
        &self,
        db: &mut MySqlConnection,
        (id, before): (&'q str, &str),
        digest: &'q str,
        set: &'static str,
        bind: impl FnOnce(Query<'q>) -> Query<'q> + Send,
    ) -> sqlx::Result<()> {
        debug_assert!(!set.contains("digest ="), "{set}");
        let update = ["UPDATE {apps} SET ", set, ", digest = ? WHERE id = ?"].concat();
        bind(sqlx::query(self.sql(&update))).bind(digest).bind(id).execute(&mut *db).await?;
        if before != digest {
            sqlx::query(self.sql(PROVIDER)).bind(id).bind(id).bind(id).execute(db).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod unit {
    use std::path::Path;

    /// The statements of a source that change a table, up to the row that they change.
    fn writes<'a>(source: &'a str, begin: &str) -> Vec<&'a str> {
        let of = |rest: &'a str| rest.split("WHERE").next().unwrap_or(rest);
        source.split(begin).skip(1).map(of).collect()
    }

    #[test]
    fn nobody_else_assigns_what_events_tell() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/mysql");
        let mut read = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !name.ends_with(".rs") || ["told.rs", "tests.rs", "copy.rs"].contains(&&*name) {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            read += 1;
            for (begin, columns) in [
                ("UPDATE {jobs}", ["status =", "url ="].as_slice()),
                ("UPDATE {accounts}", &["health =", "connected_at ="]),
                ("UPDATE {apps}", &["digest ="]),
            ] {
                for write in writes(&source, begin) {
                    let assigned = columns.iter().find(|column| write.contains(**column));
                    assert!(
                        assigned.is_none(),
                        "{name}: {begin}{write} assigns {assigned:?} and tells nothing"
                    );
                }
            }
            for forgotten in ["INSERT INTO {accounts}", "REPLACE INTO {accounts}", "DELETE FROM {accounts}"] {
                assert!(!source.contains(forgotten), "{name}: {forgotten} tells nothing");
            }
        }
        assert!(read > 15, "{read}");
        assert_eq!(
            writes("UPDATE {jobs} SET status = ? WHERE id = ?", "UPDATE {jobs}"),
            [" SET status = ? "]
        );
    }
}
