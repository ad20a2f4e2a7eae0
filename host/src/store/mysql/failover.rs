//! A replica that became the primary. What its predecessor did not wait to see there is lost: a job may have gone further on
//! the server that is gone than this one knows. So the tables say on which server they were last used, and whether a commit
//! there waited for a replica. Whoever finds them on another server marks what may have gone further, before a job is taken.
//!
//! Such a job counts as sent. Where this server knows of no request that may have posted, what it knows is of no use, and the
//! job ends as unknown; where it knows of one, the provider is told that its call was interrupted, and looks. A worker that
//! holds a job through all of this knows the truth, and writes it over.
//!
//! Every new connection looks, and whoever takes a job looks again in its transaction (queue.rs), because something between
//! the server and us may move a connection that lives on.

use std::collections::BTreeMap;

use sqlx::Connection as _;
use sqlx::mysql::MySqlConnection;

use super::tables::Tables;
use super::text::{Text, text};

/// The row of `meta`: the server's name, and what its commits did.
pub(super) const TIMELINE: &str = "timeline";

/// What a commit does that a replica has when it returns, and one that does not care.
const WAITS: &str = " waits";
const LAGS: &str = " lags";

/// Milliseconds. A wait that ended by its limit counts as done, though the replica lacks the commit. Nobody leaves a primary
/// that takes no writes alone for so long.
const ENDLESS: u64 = 3_600_000;

/// How servers with the same tables are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// MySQL makes a name for each folder of data; a restart keeps it, and no replica has it.
    Uuid,
    /// MariaDB has no such name. A replica refuses a primary with its own `server_id`, so these differ where it matters.
    Number,
    /// Any server of a cluster whose members agree on each commit before it counts, or that share their storage.
    Cluster,
}

impl Naming {
    /// The server's name, as SQL.
    pub(super) fn sql(self) -> &'static str {
        match self {
            Naming::Uuid => "CAST(@@GLOBAL.server_uuid AS CHAR)",
            Naming::Number => "CAST(@@GLOBAL.server_id AS CHAR)",
            Naming::Cluster => "'cluster'",
        }
    }

    /// How this server and its replicas are told apart.
    pub(super) async fn of(db: &mut MySqlConnection) -> sqlx::Result<Self> {
        let said = settings(db).await?;
        let is = |name: &str| said.get(name).is_some_and(|value| !["", "0", "OFF"].contains(&value.as_str()));
        // Galera and Group Replication refuse a commit that another member's contradicts; Aurora has one storage.
        let is_cluster = is("wsrep_on") || is("group_replication_group_name") || is("aurora_version");
        Ok(match (is_cluster, said.contains_key("server_uuid")) {
            (true, _) => Naming::Cluster,
            (false, true) => Naming::Uuid,
            (false, false) => Naming::Number,
        })
    }
}

/// Settings that only some servers have.
async fn settings(db: &mut MySqlConnection) -> sqlx::Result<BTreeMap<String, String>> {
    pairs(
        db,
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid', 'wsrep_on', 'group_replication_group_name',
         'aurora_version', 'rpl_semi_sync_master_enabled', 'rpl_semi_sync_master_timeout',
         'rpl_semi_sync_master_wait_point', 'rpl_semi_sync_master_wait_no_slave', 'rpl_semi_sync_source_enabled',
         'rpl_semi_sync_source_timeout', 'rpl_semi_sync_source_wait_point', 'rpl_semi_sync_source_wait_no_replica')",
    )
    .await
}

async fn pairs(db: &mut MySqlConnection, show: &'static str) -> sqlx::Result<BTreeMap<String, String>> {
    let rows = sqlx::raw_sql(show).fetch_all(db).await?;
    rows.iter().map(|row| Ok((text(row, "Variable_name")?, text(row, "Value")?))).collect()
}

/// Whether a replica has what a commit has stored when it returns.
async fn waits(db: &mut MySqlConnection) -> sqlx::Result<bool> {
    let said = settings(&mut *db).await?;
    // It is off where a wait has ended by its limit.
    let states = pairs(db, "SHOW GLOBAL STATUS LIKE 'Rpl\\_semi\\_sync\\_%\\_status'").await?;
    let of = |role: &str, replica: &str| {
        let is = |map: &BTreeMap<String, String>, name: String, wanted: &str| {
            map.get(&name).is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        };
        let name = |what: &str| format!("rpl_semi_sync_{role}_{what}");
        let limit = said.get(&name("timeout")).and_then(|limit| limit.parse::<u64>().ok());
        is(&said, name("enabled"), "ON")
            && is(&said, name("wait_point"), "AFTER_SYNC")
            && is(&said, name(&format!("wait_no_{replica}")), "ON")
            && is(&states, format!("Rpl_semi_sync_{role}_status"), "ON")
            && limit.is_some_and(|limit| limit >= ENDLESS)
    };
    Ok(of("master", "slave") || of("source", "replica"))
}

/// Whether commits wait for a replica, and whether there is one, where that is known.
pub(super) async fn replicates(db: &mut MySqlConnection) -> sqlx::Result<(bool, bool)> {
    let waits = waits(&mut *db).await?;
    let counts = pairs(
        db,
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Slaves_connected', 'Rpl_semi_sync_master_clients',
         'Rpl_semi_sync_source_clients')",
    )
    .await?;
    Ok((waits, counts.values().any(|count| count != "0")))
}

/// Looks whether the tables were last used on this server, with one statement. If not, [`settle`] follows.
pub(super) async fn look(db: &mut MySqlConnection, tables: &Tables, naming: Naming) -> sqlx::Result<()> {
    let look =
        ["SELECT ", naming.sql(), " AS here, (SELECT value FROM {meta} WHERE name = ?) AS known"].concat();
    let (here, known): (Text, Option<Text>) =
        sqlx::query_as(tables.sql(&look)).bind(TIMELINE).fetch_one(&mut *db).await?;
    match known.is_some_and(|known| is_same(&known.0, &here.0)) {
        true => Ok(()),
        false => settle(db, tables, naming).await,
    }
}

/// Whether a row of `meta` names this server.
pub(super) fn is_same(known: &str, here: &str) -> bool {
    known.rsplit_once(' ').is_some_and(|(known, _)| known == here)
}

/// Notes that the tables are used on this server, and marks the jobs that may have gone further on another one. On a server
/// that takes no writes, nothing: nobody takes a job there, and who does so later looks again. Called from time to time,
/// because an operator may change what a commit waits for.
pub(super) async fn settle(db: &mut MySqlConnection, tables: &Tables, naming: Naming) -> sqlx::Result<()> {
    let select = ["SELECT ", naming.sql(), ", CAST(@@GLOBAL.read_only AS CHAR)"].concat();
    let (here, read_only): (Text, Text) = sqlx::query_as(tables.sql(&select)).fetch_one(&mut *db).await?;
    if !["0", "OFF"].contains(&read_only.0.as_str()) {
        return Ok(());
    }
    let waits = naming == Naming::Cluster || waits(&mut *db).await?;
    let here = [here.0.as_str(), if waits { WAITS } else { LAGS }].concat();
    let known: Option<Text> = sqlx::query_scalar(tables.sql("SELECT value FROM {meta} WHERE name = ?"))
        .bind(TIMELINE)
        .fetch_optional(&mut *db)
        .await?;
    if known.is_some_and(|known| known.0 == here) {
        return Ok(());
    }
    let mut transaction = db.begin().await?;
    let db: &mut MySqlConnection = &mut transaction;
    sqlx::query(
        tables.sql("INSERT INTO {meta} (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE name = name"),
    )
    .bind(TIMELINE)
    .bind(&here)
    .execute(&mut *db)
    .await?;
    // The row is ours now; a statement of its own sees what another process has done meanwhile.
    let known: Text = sqlx::query_scalar(tables.sql("SELECT value FROM {meta} WHERE name = ?"))
        .bind(TIMELINE)
        .fetch_one(&mut *db)
        .await?;
    let mut behind = 0;
    let is_other = !here.rsplit_once(' ').is_some_and(|(here, _)| is_same(&known.0, here));
    if is_other && known.0.ends_with(LAGS) {
        // Assigned from left to right: what reads a column comes before what writes it.
        behind = sqlx::query(tables.sql(concat!(
            "UPDATE {jobs} SET interrupted = once_begun, state = CASE WHEN once_begun THEN state ELSE NULL END,
             moved_from = CASE WHEN once_begun THEN moved_from ELSE NULL END, sent_at = COALESCE(sent_at, ",
            now_ms!(),
            "), once_begun = TRUE WHERE status = 'active' AND (wake_at <= ",
            now_ms!(),
            " OR lease_owner IS NOT NULL)"
        )))
        .execute(&mut *db)
        .await?
        .rows_affected();
    }
    sqlx::query(tables.sql("UPDATE {meta} SET value = ? WHERE name = ?"))
        .bind(&here)
        .bind(TIMELINE)
        .execute(&mut *db)
        .await?;
    transaction.commit().await?;
    if behind > 0 {
        tracing::warn!(
            jobs = behind,
            "the database failed over to a server that may lack the last commits; what may have been posted is not posted again"
        );
    }
    Ok(())
}
