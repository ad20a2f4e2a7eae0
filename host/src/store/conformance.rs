//! The test suite for every store, whatever its database. A database registers itself once ([`conformance`]). Each
//! case opens a fresh database twice, as two processes would, and runs concurrent operations in parallel.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use social_channel_runtime::StorageError;
use social_channel_runtime::clock::{Clock as _, MovedClock};
use tokio::task::JoinSet;

use super::schema::SchemaStep;
use super::*;

/// A fresh database, opened as two processes would open it.
pub(super) struct Opened {
    pub(super) one: Arc<dyn Store>,
    pub(super) other: Arc<dyn Store>,
    pub(super) clock: Arc<MovedClock>,
    /// Values that must outlive the test, such as a folder.
    pub(super) _keep: Box<dyn Send + Sync>,
}

/// Runs the whole suite against a database: a module's name, and an async function that opens a fresh one.
macro_rules! conformance {
    ($name:ident, $open:path) => {
        mod $name {
            conformance!(@cases $open:
                two_consents_for_one_new_account_make_one_channel_whose_credentials_are_its_own,
                connecting_again_keeps_the_channel_and_wakes_its_paused_jobs,
                a_disconnected_account_comes_back_as_its_channel_with_its_numbers,
                numbers_of_posts_are_asked_for_once_and_kept_where_they_move,
                what_was_under_way_for_an_ended_connection_counts_for_nothing_in_the_next,
                name_and_picture_are_those_that_were_read_last,
                what_tells_accounts_of_one_name_apart_is_kept,
                a_refresh_that_was_overtaken_by_a_reconnect_stores_nothing,
                refreshes_and_reconnects_at_once_leave_no_credentials_made_from_older_ones,
                one_of_many_refreshers_holds_an_account,
                health_is_noted_for_the_credentials_it_was_found_with,
                an_account_and_its_note_are_stored_together,
                of_many_who_add_a_document_one_does,
                a_channel_takes_its_jobs_along_to_another_app,
                a_channel_stays_where_it_is_while_its_posts_are_under_way,
                a_consent_is_consumed_once_and_by_the_one_who_began_it,
                one_of_many_workers_gets_a_job,
                jobs_of_one_channel_are_held_one_at_a_time,
                a_tenant_with_many_jobs_does_not_hold_up_another,
                a_step_is_stored_under_the_present_fence_only,
                a_worker_sees_what_others_did_with_each_write,
                the_same_request_sent_twice_at_once_is_one_job,
                of_the_attempts_at_one_post_one_may_come_to_something,
                a_job_and_its_media_are_stored_together,
                an_upload_that_is_gone_stores_no_job,
                a_webhook_meets_its_job_before_and_after_the_reference_is_known,
                an_event_counts_once_and_is_used_up_by_the_step_that_took_it,
                a_platform_ends_connections_once,
                a_moved_job_goes_on_at_its_time,
                a_state_written_while_a_job_was_moved_is_its_writers,
                jobs_are_listed_by_pages_newest_first,
                jobs_are_listed_by_what_there_is_to_do,
                ended_jobs_are_forgotten_with_all_that_is_theirs,
                of_too_many_jobs_the_oldest_that_have_ended_are_forgotten,
                a_tenant_has_as_many_open_jobs_as_it_may,
                a_step_of_priority_is_a_minute_of_waiting,
                a_channel_with_many_jobs_does_not_hold_up_another,
                an_attempt_is_on_one_page_of_a_history,
                events_are_forgotten_by_age_and_by_number,
                lists_are_read_by_pages,
                what_a_tenant_keeps_is_counted,
                times_of_jobs_are_told_for_those_that_exist,
                an_installed_component_moves_apps_and_leaves_nothing_unused,
                a_component_that_is_kept_for_the_way_back_is_not_deleted,
                open_jobs_are_counted_by_their_component,
                an_app_is_written_by_one_of_two_who_read_it,
                values_are_compared_and_set_in_one_step,
                values_end_with_their_time_and_list_by_bytes,
                values_of_an_app_are_bounded_in_bytes,
                references_of_a_job_are_bounded,
                documents_change_together_and_end_with_their_time,
                drafts_are_replaced_and_end_with_their_time,
                uploads_keep_within_a_bound_and_go_when_nobody_needs_them,
                an_upload_that_is_whole_ends_what_was_begun,
                a_held_upload_outlives_its_jobs_until_it_is_let_go,
                every_sealed_value_can_be_sealed_again_unless_somebody_wrote,
                another_tenant_sees_nothing,
                a_name_that_nobody_has_is_not_found_whatever_is_in_it,
                tenants_are_known_by_what_they_have,
                what_happens_to_a_job_is_told_in_the_transaction_that_does_it,
                what_happens_to_a_channel_is_told,
                everything_that_happens_is_told_as_in_sqlite,
                a_replaced_provider_is_told_to_those_who_use_it,
                a_reader_with_a_number_misses_no_event_of_many_writers,
                events_out_are_forgotten_by_age_and_by_number_and_leave_a_gap,
                an_address_gets_the_events_of_its_kinds_from_then_on,
                one_of_many_workers_sends_to_an_address,
                a_failed_delivery_waits_and_all_that_failed_is_due_when_one_arrives,
                an_attempt_without_the_lease_is_not_stored,
                a_disabled_address_gets_what_it_missed_when_it_is_enabled,
                an_event_is_sent_again_to_an_address_whatever_became_of_it,
                a_target_is_replaced_by_who_read_it_last,
            );
        }
    };
    (@cases $open:path: $($case:ident,)+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $case() {
            super::$case(&$open().await).await;
        })+
    };
}

conformance!(sqlite, crate::store::sqlite::for_conformance);
#[cfg(feature = "mysql")]
conformance!(mysql, crate::store::mysql::for_conformance);
#[cfg(feature = "postgres")]
conformance!(postgres, crate::store::postgres::for_conformance);
// A program of today beside the next one, which has expanded the schema. On one database, because a suite takes a minute on
// a server: what is not so everywhere is tested by `programs_work_side_by_side` and by the rule in `columns`.
conformance!(sqlite_upgraded, crate::store::sqlite::for_upgrade);

/// What the next program might add to a schema: columns that programs of today neither write nor read, an index, a table.
pub(super) const EXPANSION: &str = "ALTER TABLE jobs ADD COLUMN later TEXT;
    ALTER TABLE accounts ADD COLUMN later TEXT NOT NULL DEFAULT '';
    ALTER TABLE media_links ADD COLUMN later INTEGER;
    ALTER TABLE documents ADD COLUMN later INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX jobs_later ON jobs (tenant, later);
    CREATE TABLE laters (id TEXT PRIMARY KEY);";

/// Programs of today work on while the next one changes the schema under their hands, start again beside it, and refuse a
/// schema that is no longer theirs. `open` opens the database of `db` as a program of so many more steps.
pub(super) async fn programs_work_side_by_side<O>(
    db: Opened,
    expansion: &'static str,
    open: impl Fn(Vec<SchemaStep>) -> O,
) where
    O: Future<Output = Result<Arc<dyn Store>>> + Send + 'static,
{
    const JOBS: usize = 120;
    db.with_app().await;
    let db = Arc::new(db);
    let ended = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut programs = JoinSet::new();
    let work = |store: Arc<dyn Store>| {
        let (db, ended) = (db.clone(), ended.clone());
        async move {
            // A look at everything that a program reads: what it has prepared must not be stale later.
            let look = async || {
                store.jobs(tenant(), &JobFilter { limit: 50, ..JobFilter::default() }).await.unwrap();
                store.accounts(tenant()).await.unwrap();
                store.apps().await.unwrap();
            };
            while ended.lock().unwrap().len() < JOBS {
                look().await;
                let Some((row, lease)) = db.acquire(&store, LONG).await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let end = JobUpdate { status: JobStatus::Published, wake_at: None, ..update(&row) };
                store.store_step(&row.id, &lease, &end, db.now()).await.unwrap().unwrap();
                ended.lock().unwrap().push(row.id);
            }
        }
    };
    let submit = |from: usize, to: usize| {
        let db = db.clone();
        async move {
            for number in from..to {
                db.store_job(db.job(&format!("job_{number}"), &format!("ch_{}", number % 12))).await;
            }
        }
    };
    submit(0, JOBS / 3).await;
    programs.spawn(work(db.one.clone()));
    programs.spawn(work(db.other.clone()));
    submit(JOBS / 3, JOBS / 2).await;
    let newer = open(vec![SchemaStep { sql: expansion, oldest: 0 }]).await.unwrap();
    programs.spawn(work(newer));
    submit(JOBS / 2, JOBS - 10).await;
    // One of today is started again.
    programs.spawn(work(open(Vec::new()).await.unwrap()));
    submit(JOBS - 10, JOBS).await;
    programs.join_all().await;
    let mut ended = std::mem::take(&mut *ended.lock().unwrap());
    ended.sort();
    ended.dedup();
    assert_eq!(ended.len(), JOBS, "each job was run by one");
    // The release after the next removes what only programs of today used.
    let expansion = SchemaStep { sql: expansion, oldest: 0 };
    let contraction = SchemaStep { sql: "SELECT 1", oldest: usize::MAX };
    open(vec![expansion, contraction]).await.unwrap();
    let Err(error) = open(Vec::new()).await else { panic!("a program of today must not use it") };
    assert!(error.remedy.as_deref().unwrap_or_default().contains("newer program"), "{error:?}");
}

// ---- helpers of the cases ---------------------------------------------------------------------

pub(super) const LONG: Duration = Duration::from_secs(300);

pub(super) fn tenant() -> &'static TenantId {
    static TENANT: LazyLock<TenantId> = LazyLock::new(TenantId::default);
    &TENANT
}

pub(super) fn sealed(text: &str) -> Sealed {
    Sealed(text.as_bytes().to_vec())
}

pub(super) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

impl Opened {
    pub(super) fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    /// With a provider `demo` and its app `app`.
    pub(super) async fn with_app(&self) -> &Self {
        self.install("v1", &[]).await;
        let row = AppRow {
            id: "app".to_owned(),
            tenant: None,
            provider: "demo".to_owned(),
            digest: digest("v1"),
            settings: sealed("settings"),
            grants: "[]".to_owned(),
            redirect_uri: None,
            listing: None,
            created_at: self.now(),
            updated_at: self.now(),
            revision: 0,
        };
        assert!(self.one.put_app(&row).await.unwrap());
        self
    }

    async fn install(&self, version: &str, apps: &[String]) {
        let row = ComponentRow {
            digest: digest(version),
            provider: "demo".to_owned(),
            version: version.to_owned(),
            size: 2,
            added_at: self.now(),
            installed: true,
        };
        self.one.install_component(&row, version.as_bytes(), apps).await.unwrap();
    }

    pub(super) fn account(&self, channel: &str, account: &str) -> NewAccount {
        NewAccount {
            channel: channel.to_owned(),
            app: "app".to_owned(),
            account: account.to_owned(),
            display_name: account.to_owned(),
            username: None,
            kind: None,
            parent_id: None,
            avatar_url: None,
            grant: None,
            scopes: Vec::new(),
            missing_scopes: Vec::new(),
            expires_at_s: None,
            refresh_expires_at_s: None,
            refresh_due_at: None,
            health: Health::Active,
            health_detail: None,
            connected_by: None,
            note: None,
            takes_over: None,
            now: self.now(),
        }
    }

    /// Connects an account of the app as this channel; its credentials contain the channel's id.
    async fn connect(&self, channel: &str, account: &str) -> String {
        let new = self.account(channel, account);
        self.one.connect_account(tenant(), &new, &|channel| Ok(sealed(channel))).await.unwrap()
    }

    pub(super) fn job(&self, id: &str, channel: &str) -> JobRow {
        JobRow {
            id: id.to_owned(),
            app: "app".to_owned(),
            channel: channel.to_owned(),
            digest: digest("v1"),
            moved_from: None,
            request: sealed("request"),
            request_hash: "hash".to_owned(),
            idempotency_key: None,
            retry_of: None,
            submitted_by: None,
            consent: None,
            priority: 0,
            publish_at: None,
            state: None,
            non_idempotent: false,
            interrupted: false,
            non_idempotent_begun: false,
            sent_at: None,
            status: JobStatus::Active,
            phase: "waiting".to_owned(),
            bytes_sent: 0,
            bytes_total: 1,
            wake_at: Some(self.now()),
            attempts: 0,
            deadline_at: self.now() + 1_000_000,
            cancel_requested: false,
            post_id: None,
            url: None,
            error: None,
            references: Vec::new(),
            quotas: None,
            asked_at: None,
            forced: false,
            resolution: None,
            created_at: self.now(),
            updated_at: self.now(),
            ended_at: None,
        }
    }

    pub(super) async fn store_job(&self, job: JobRow) {
        let stored = self.one.insert_job(tenant(), &job, &JobMedia::default(), i64::MAX).await.unwrap();
        assert!(matches!(stored, InsertedJob::Stored), "{stored:?}");
    }

    pub(super) async fn acquire(&self, store: &Arc<dyn Store>, length: Duration) -> Option<(JobRow, Lease)> {
        let ask = AskForJob { now: self.now(), length, only: None, without: &[] };
        store.acquire_job(&ask).await.unwrap().map(|(_, row, lease)| (row, lease))
    }

    /// All pages.
    pub(super) async fn sealed_values(&self) -> Vec<SealedValue> {
        let mut page = self.one.sealed_values(None).await.unwrap();
        let mut values = page.values;
        while let Some(next) = page.next {
            page = self.one.sealed_values(Some(&next)).await.unwrap();
            values.append(&mut page.values);
        }
        values
    }

    async fn job_now(&self, id: &str) -> JobRow {
        self.one.job(tenant(), id).await.unwrap().unwrap()
    }

    pub(super) fn event(&self, id: &str, reference: &str) -> EventRow {
        EventRow {
            app: "app".to_owned(),
            id: id.to_owned(),
            reference: Some(reference.to_owned()),
            account: Some("42".to_owned()),
            evidence: sealed(id),
            received_at: self.now(),
        }
    }
}

impl Opened {
    pub(super) fn endpoint(&self, id: &str, kinds: Option<&str>) -> EndpointRow {
        EndpointRow {
            id: id.to_owned(),
            target: sealed(id),
            description: String::new(),
            kinds: kinds.map(str::to_owned),
            failures: 0,
            failing_since: None,
            disabled_at: None,
            disabled_why: None,
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// The events of the tenant after a number.
    async fn told(&self, after: i64) -> Vec<OutboxRow> {
        self.other.outbox(tenant(), after, 500).await.unwrap().events
    }

    /// Their kinds.
    async fn kinds(&self, after: i64) -> Vec<String> {
        self.told(after).await.into_iter().map(|event| event.kind).collect()
    }

    /// Runs the job one step further.
    async fn step(&self, id: &str, change: impl FnOnce(JobUpdate) -> JobUpdate) {
        let only = [id.to_owned()];
        let ask = AskForJob { now: i64::MAX, length: LONG, only: Some(&only), without: &[] };
        let (_, row, lease) = self.one.acquire_job(&ask).await.unwrap().unwrap();
        let step = change(update(&row));
        self.one.store_step(id, &lease, &step, self.now()).await.unwrap().unwrap();
    }

    /// Makes one event.
    async fn happen(&self) -> i64 {
        let channel = format!("ch_{}", self.now());
        self.connect(&channel, &channel).await;
        self.told(0).await.last().unwrap().number
    }

    async fn acquire_endpoint(&self) -> Option<HeldEndpoint> {
        self.other.acquire_endpoint(self.now(), LONG).await.unwrap()
    }
}

/// An update that gives the unchanged row back.
pub(crate) fn update(row: &JobRow) -> JobUpdate {
    JobUpdate {
        digest: row.digest.clone(),
        send_back: false,
        state: None,
        reference: None,
        non_idempotent: row.non_idempotent,
        interrupted: row.interrupted,
        non_idempotent_begun: row.non_idempotent_begun,
        status: row.status,
        phase: row.phase.clone(),
        bytes_sent: row.bytes_sent,
        bytes_total: row.bytes_total,
        wake_at: row.wake_at,
        attempts: row.attempts,
        post_id: None,
        url: None,
        error: None,
        event_taken: None,
        cancel_answered: false,
        release: true,
        quotas: None,
        asked_at: None,
        history: None,
    }
}

/// Runs the same operation on both connections concurrently, several times, and returns all results.
async fn race<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    db: &Opened,
    act: impl Fn(usize, Arc<dyn Store>) -> F,
) -> Vec<T> {
    let mut racers = JoinSet::new();
    for number in 0..8 {
        let store = if number % 2 == 0 { &db.one } else { &db.other };
        racers.spawn(act(number, store.clone()));
    }
    racers.join_all().await
}

/// Many actors do everything to a few jobs at once.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(super) async fn churn(db: &Arc<Opened>) {
    let mut actors = tokio::task::JoinSet::new();
    for actor in 0..6_u64 {
        let db = db.clone();
        actors.spawn(async move {
            let mut seed = 7 + actor;
            let mut next = move |below: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) % below
            };
            let signed = |number: u64| i64::try_from(number).unwrap();
            let store = if actor % 2 == 0 { db.one.clone() } else { db.other.clone() };
            let mut held = Vec::new();
            for step in 0..150 {
                // Few jobs and channels, so that they meet.
                let id = format!("job_{}", next(40));
                match next(8) {
                    0..=2 => {
                        let row = JobRow {
                            priority: i32::try_from(next(3)).unwrap(),
                            wake_at: (next(8) > 0).then(|| db.now() + signed(next(50)) - 20),
                            ..db.job(&format!("job_{actor}_{step}"), &format!("ch_{}", next(4)))
                        };
                        store.insert_job(tenant(), &row, &JobMedia::default(), i64::MAX).await.unwrap();
                    }
                    3 | 4 => {
                        let ask = AskForJob { now: db.now(), length: LONG, only: None, without: &[] };
                        held.extend(store.acquire_job(&ask).await.unwrap());
                    }
                    5 if !held.is_empty() => {
                        let (_, row, lease): (TenantId, JobRow, Lease) = held.remove(0);
                        let ends = next(2) == 0;
                        let step = JobUpdate {
                            status: if ends { JobStatus::Published } else { JobStatus::Active },
                            wake_at: (!ends).then(|| db.now() + signed(next(9))),
                            ..update(&row)
                        };
                        store.store_step(&row.id, &lease, &step, db.now()).await.unwrap();
                    }
                    6 => {
                        let ids = store.open_jobs(tenant(), &format!("ch_{}", next(4))).await.unwrap();
                        if let Some(id) = ids.first() {
                            store.request_cancel(tenant(), id, None, db.now()).await.unwrap();
                        }
                    }
                    7 => drop(store.prune_jobs(db.now() - signed(next(100)), i64::MAX).await.unwrap()),
                    _ => drop(store.wake_job(tenant(), &id, None, db.now()).await.unwrap()),
                }
            }
        });
    }
    actors.join_all().await;
}

// ---- accounts ---------------------------------------------------------------------------------------

async fn two_consents_for_one_new_account_make_one_channel_whose_credentials_are_its_own(db: &Opened) {
    db.with_app().await;
    let channels = race(db, |number, store| {
        let new = db.account(&format!("ch_{number}"), "42");
        async move { store.connect_account(tenant(), &new, &|channel| Ok(sealed(channel))).await.unwrap() }
    })
    .await;
    assert!(channels.iter().all(|channel| *channel == channels[0]), "{channels:?}");
    let accounts = db.other.accounts(tenant()).await.unwrap();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].channel, channels[0]);
    assert_eq!(accounts[0].credentials, sealed(&channels[0]), "sealed for the channel they belong to");
    assert_eq!(accounts[0].credentials_revision, 8);
    // If sealing fails, nothing is stored.
    let new = db.account("ch_x", "43");
    let failing = |_: &str| Err(social_channel_runtime::Error::internal("no key"));
    db.one.connect_account(tenant(), &new, &failing).await.unwrap_err();
    assert_eq!(db.one.accounts(tenant()).await.unwrap().len(), 1);
}

async fn connecting_again_keeps_the_channel_and_wakes_its_paused_jobs(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    for (id, publish_at) in [("job_due", None), ("job_later", Some(db.now() + 60_000))] {
        let paused = JobRow {
            status: JobStatus::Paused,
            wake_at: Some(db.now() + 900_000),
            publish_at,
            ..db.job(id, "ch")
        };
        db.store_job(paused).await;
    }
    assert_eq!(db.connect("ch_other", "42").await, "ch");
    let due = db.job_now("job_due").await;
    assert_eq!((due.status, due.wake_at), (JobStatus::Active, Some(due.updated_at)));
    let later = db.job_now("job_later").await;
    assert_eq!((later.status, later.wake_at), (JobStatus::Active, later.publish_at), "not before its time");
}

fn note(db: &Opened, id: &str, facts: &str) -> Document {
    Document {
        kind: "note".to_owned(),
        id: id.to_owned(),
        facts: facts.to_owned(),
        body: None,
        created_at: db.now(),
        expires_at: Some(db.now() + 60_000),
    }
}

async fn an_account_and_its_note_are_stored_together(db: &Opened) {
    db.with_app().await;
    let added = DocumentChange::Add(note(db, "row", "1"));
    assert_eq!(db.one.change_documents(&[added]).await.unwrap(), 1);
    let new = NewAccount { note: Some(note(db, "row", "2")), ..db.account("ch", "42") };
    let failing = |_: &str| Err(social_channel_runtime::Error::internal("no key"));
    db.one.connect_account(tenant(), &new, &failing).await.unwrap_err();
    assert_eq!(db.other.document("note", "row").await.unwrap().unwrap().facts, "1");
    db.one.connect_account(tenant(), &new, &|channel| Ok(sealed(channel))).await.unwrap();
    assert_eq!(db.other.document("note", "row").await.unwrap().unwrap().facts, "2");
}

async fn of_many_who_add_a_document_one_does(db: &Opened) {
    let added = race(db, |number, store| {
        let add = DocumentChange::Add(note(db, "row", &number.to_string()));
        async move { store.change_documents(&[add]).await.unwrap() }
    })
    .await;
    assert_eq!(added.iter().sum::<u64>(), 1, "{added:?}");
    let again = DocumentChange::Add(note(db, "row", "100"));
    assert_eq!(db.other.change_documents(&[again]).await.unwrap(), 0);
    assert_ne!(db.one.document("note", "row").await.unwrap().unwrap().facts, "100");
}

/// An account of the app `next` that takes over a channel.
fn taking_over(db: &Opened, channel: &str, account: &str) -> NewAccount {
    NewAccount {
        app: "next".to_owned(),
        takes_over: Some(channel.to_owned()),
        ..db.account("ch_unused", account)
    }
}

async fn with_two_apps(db: &Opened) {
    db.with_app().await;
    let app = db.one.app("app").await.unwrap().unwrap();
    assert!(db.one.put_app(&AppRow { id: "next".to_owned(), revision: 0, ..app }).await.unwrap());
}

async fn a_channel_takes_its_jobs_along_to_another_app(db: &Opened) {
    with_two_apps(db).await;
    db.connect("ch", "42").await;
    db.one.insert_sample(tenant(), "ch", 5, "{}").await.unwrap();
    // It was connected to the other app before, as another channel.
    let former = NewAccount { app: "next".to_owned(), ..db.account("ch_former", "n42") };
    db.one.connect_account(tenant(), &former, &|channel| Ok(sealed(channel))).await.unwrap();
    let new = taking_over(db, "ch", "n42");
    let seal = |channel: &str| Ok(sealed(&format!("{channel} again")));
    let taken = db.one.connect_account(tenant(), &new, &seal).await.unwrap_err();
    assert_eq!(taken.code.as_deref(), Some("account_taken"), "{taken:?}");
    db.one.delete_account(tenant(), "ch_former", db.now()).await.unwrap();
    let (waiting, later) = (db.now() + 900_000, Some(db.now() + 60_000));
    for (id, publish_at) in [("job_waits", None), ("job_later", later)] {
        let (wake_at, quotas) = (Some(waiting), Some("[]".to_owned()));
        let job = JobRow { wake_at, publish_at, quotas, asked_at: Some(1), ..db.job(id, "ch") };
        db.store_job(job).await;
    }
    let before = db.one.account(tenant(), "ch").await.unwrap().unwrap();
    assert_eq!(db.one.connect_account(tenant(), &new, &seal).await.unwrap(), "ch");
    let after = db.other.account(tenant(), "ch").await.unwrap().unwrap();
    assert_eq!((after.app.as_str(), after.account.as_str()), ("next", "n42"));
    assert_eq!(after.credentials, sealed("ch again"));
    assert_eq!(after.credentials_revision, before.credentials_revision + 1);
    assert_eq!(db.one.accounts(tenant()).await.unwrap().len(), 1);
    assert_eq!(db.one.samples(tenant(), "ch", 0).await.unwrap(), [(5, "{}".to_owned())]);
    let due = db.job_now("job_waits").await;
    assert_eq!((due.app.as_str(), due.wake_at, due.asked_at), ("next", Some(new.now), None));
    assert_eq!(db.job_now("job_later").await.wake_at, later, "not before its time");
    let (row, lease) = db.acquire(&db.other, Duration::from_secs(60)).await.unwrap();
    assert_eq!(row.id, "job_waits");
    db.one.put_off_job("job_waits", &lease, db.now() + 60_000).await.unwrap();
    // The old app is free, and connecting the account to it again makes another channel.
    assert_eq!(db.connect("ch_old", "42").await, "ch_old");
    let nobody = taking_over(db, "nosuch", "n43");
    let missing = db.one.connect_account(tenant(), &nobody, &seal).await.unwrap_err();
    assert_eq!(missing.kind, social_channel_runtime::ErrorKind::NotFound);
}

async fn a_channel_stays_where_it_is_while_its_posts_are_under_way(db: &Opened) {
    with_two_apps(db).await;
    db.connect("ch", "42").await;
    let new = taking_over(db, "ch", "n42");
    let take = async || db.one.connect_account(tenant(), &new, &|channel| Ok(sealed(channel))).await;
    db.store_job(JobRow { wake_at: Some(db.now()), ..db.job("job", "ch") }).await;
    let (row, lease) = db.acquire(&db.other, Duration::from_secs(60)).await.unwrap();
    assert_eq!(take().await.unwrap_err().code.as_deref(), Some("channel_busy"), "a worker holds it");
    let step = JobUpdate { state: Some(sealed("state")), release: true, ..update(&row) };
    db.other.store_step("job", &lease, &step, db.now()).await.unwrap().unwrap();
    assert_eq!(take().await.unwrap_err().code.as_deref(), Some("channel_busy"), "it was begun");
    let still = db.one.account(tenant(), "ch").await.unwrap().unwrap();
    assert_eq!((still.app.as_str(), still.account.as_str()), ("app", "42"));
    assert_eq!(still.credentials, sealed("ch"));
}

async fn a_disconnected_account_comes_back_as_its_channel_with_its_numbers(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    db.connect("ch_b", "43").await;
    db.one.insert_sample(tenant(), "ch", 5, "{}").await.unwrap();
    db.one.delete_account(tenant(), "ch", db.now()).await.unwrap();
    assert!(db.one.account(tenant(), "ch").await.unwrap().is_none());
    let kept = db.sealed_values().await;
    assert!(!kept.iter().any(|value| value.sealed == sealed("ch")), "its credentials are gone");
    // In another tenant, or another account, it is somebody else.
    let other: TenantId = "other".parse().unwrap();
    let new = db.account("ch_other", "42");
    let made = db.one.connect_account(&other, &new, &|channel| Ok(sealed(channel))).await.unwrap();
    assert_eq!(made, "ch_other");
    assert_eq!(db.connect("ch_c", "44").await, "ch_c");
    // Many consents at once, after a second disconnect too.
    for _ in 0..2 {
        let back = race(db, |number, store| {
            let new = db.account(&format!("ch_new_{number}"), "42");
            async move { store.connect_account(tenant(), &new, &|channel| Ok(sealed(channel))).await.unwrap() }
        })
        .await;
        assert_eq!(back, ["ch"; 8]);
        assert_eq!(db.one.account(tenant(), "ch").await.unwrap().unwrap().credentials, sealed("ch"));
        assert_eq!(db.one.samples(tenant(), "ch", 0).await.unwrap(), [(5, "{}".to_owned())]);
        db.one.delete_account(tenant(), "ch", db.now()).await.unwrap();
    }
    // What was never connected leaves nothing.
    db.one.delete_account(tenant(), "nobody", db.now()).await.unwrap();
    // With the app all of it goes.
    for channel in ["ch_b", "ch_c"] {
        db.one.delete_account(tenant(), channel, db.now()).await.unwrap();
    }
    assert_eq!(db.one.delete_app("app").await.unwrap(), 1, "the other tenant's is still connected");
    assert_eq!(db.one.samples(tenant(), "ch", 0).await.unwrap().len(), 1);
    db.one.delete_account(&other, "ch_other", db.now()).await.unwrap();
    assert_eq!(db.one.delete_app("app").await.unwrap(), 0);
    assert!(db.one.samples(tenant(), "ch", 0).await.unwrap().is_empty());
    db.with_app().await;
    assert_eq!(db.connect("ch_new", "42").await, "ch_new");
}

async fn numbers_of_posts_are_asked_for_once_and_kept_where_they_move(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let due = async |since| db.other.channels_to_sample_posts(since).await.unwrap();
    assert_eq!(due(0).await, [(tenant().clone(), "ch".to_owned())], "it was never asked for");
    // Of many only one asks.
    let began =
        race(db, |_, store| async move { store.begin_post_samples(tenant(), "ch", 5, 10).await.unwrap() })
            .await;
    assert_eq!(began.iter().filter(|began| **began).count(), 1, "{began:?}");
    assert_eq!(db.one.posts_sampled_at(tenant(), "ch").await.unwrap(), Some(10));
    assert_eq!(db.one.posts_sampled_at(tenant(), "nosuch").await.unwrap(), None);
    assert_eq!(due(9).await, []);
    assert_eq!(due(10).await.len(), 1);
    let put = async |at, posts: &[(&str, &str)]| {
        let posts: Vec<_> =
            posts.iter().map(|(post, stats)| ((*post).to_owned(), (*stats).to_owned())).collect();
        db.one.insert_post_samples(tenant(), "ch", at, &posts).await.unwrap();
    };
    let of = async |post: &str, since| db.other.post_samples(tenant(), "ch", post, since).await.unwrap();
    let sample = |at: i64, stats: &str| (at, stats.to_owned());
    put(10, &[("a", "1"), ("b", "7")]).await;
    put(20, &[("a", "1"), ("b", "7")]).await;
    put(30, &[("a", "1"), ("b", "8")]).await;
    put(40, &[("a", "1")]).await;
    put(50, &[("a", "2")]).await;
    assert_eq!(of("a", 0).await, [sample(10, "1"), sample(40, "1"), sample(50, "2")], "ends of a flat line");
    assert_eq!(of("b", 15).await, [sample(20, "7"), sample(30, "8")]);
    assert!(of("c", 0).await.is_empty());
    let other: TenantId = "other".parse().unwrap();
    assert!(db.one.post_samples(&other, "ch", "a", 0).await.unwrap().is_empty());
    db.one.delete_samples(20).await.unwrap();
    assert_eq!(of("a", 0).await.len(), 2);
    // They outlive the connection, nothing is added without one, and they go with the app.
    db.one.delete_account(tenant(), "ch", db.now()).await.unwrap();
    put(60, &[("a", "3")]).await;
    assert_eq!(of("a", 0).await.len(), 2);
    assert_eq!(db.one.delete_app("app").await.unwrap(), 0);
    assert!(of("a", 0).await.is_empty() && of("b", 0).await.is_empty());
}

async fn what_was_under_way_for_an_ended_connection_counts_for_nothing_in_the_next(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let old = db.one.account(tenant(), "ch").await.unwrap().unwrap();
    let lease = db.one.acquire_account(tenant(), "ch", LONG).await.unwrap().unwrap();
    db.one.delete_account(tenant(), "ch", db.now()).await.unwrap();
    db.connect("ch_new", "42").await;
    // A refresh of the old connection, also while somebody refreshes the new one.
    let newer = db.other.acquire_account(tenant(), "ch", LONG).await.unwrap().unwrap();
    assert_ne!(newer, lease);
    let (fresh, late) = (db.account("ch", "42"), sealed("late"));
    assert!(!db.one.store_credentials(tenant(), "ch", &fresh, &late, &lease).await.unwrap());
    // A refusal of the old credentials.
    let (health, revision) = (Health::NeedsReconnect, old.credentials_revision);
    let noted = db.one.set_account_health(tenant(), "ch", health, None, revision, db.now());
    assert!(!noted.await.unwrap());
    let row = db.one.account(tenant(), "ch").await.unwrap().unwrap();
    assert_eq!((row.health, row.credentials), (Health::Active, sealed("ch")));
    assert!(db.other.store_credentials(tenant(), "ch", &fresh, &late, &newer).await.unwrap());
}

async fn name_and_picture_are_those_that_were_read_last(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let now = db.now();
    assert!(db.one.accounts_to_look_at(now - 1_000).await.unwrap().is_empty(), "a consent tells them");
    assert_eq!(db.one.accounts_to_look_at(db.now()).await.unwrap(), [(tenant().clone(), "ch".to_owned())]);
    let picture = Some("https://p/new");
    db.one.set_account_profile(tenant(), "ch", "New", Some("new.name"), picture, now + 5_000).await.unwrap();
    let other: TenantId = "other".parse().unwrap();
    db.one.set_account_profile(&other, "ch", "Another's", Some("other"), None, now).await.unwrap();
    let shown = async || {
        let row = db.other.account(tenant(), "ch").await.unwrap().unwrap();
        (row.display_name, row.username, row.avatar_url, row.looked_at)
    };
    let seen = ("New".to_owned(), Some("new.name".to_owned()), picture.map(str::to_owned), now + 5_000);
    assert_eq!(shown().await, seen);
    assert!(db.one.accounts_to_look_at(now + 4_999).await.unwrap().is_empty());
    // A refresh brings the name of the day of the consent.
    let lease = db.one.acquire_account(tenant(), "ch", LONG).await.unwrap().unwrap();
    let old = db.account("ch", "42");
    assert!(db.one.store_credentials(tenant(), "ch", &old, &sealed("x"), &lease).await.unwrap());
    assert_eq!(shown().await, seen);
    // A consent is newer again.
    db.connect("ch", "42").await;
    assert_eq!(shown().await.0, "42");
    // Who must be connected again first is not asked.
    let row = db.one.account(tenant(), "ch").await.unwrap().unwrap();
    let (health, revision) = (Health::NeedsReconnect, row.credentials_revision);
    assert!(db.one.set_account_health(tenant(), "ch", health, None, revision, now).await.unwrap());
    assert!(db.one.accounts_to_look_at(i64::MAX).await.unwrap().is_empty());
}

async fn what_tells_accounts_of_one_name_apart_is_kept(db: &Opened) {
    db.with_app().await;
    let connect = async |username: Option<&str>, kind: Option<&str>, parent: Option<&str>| {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let (username, kind, parent_id) = (owned(username), owned(kind), owned(parent));
        let new = NewAccount { username, kind, parent_id, ..db.account("ch", "42") };
        db.one.connect_account(tenant(), &new, &|channel| Ok(sealed(channel))).await.unwrap();
    };
    let shown = async || {
        let row = db.other.account(tenant(), "ch").await.unwrap().unwrap();
        let listed = db.other.accounts(tenant()).await.unwrap().remove(0);
        let all = (row.username, row.kind, row.parent_id);
        assert_eq!((listed.username, listed.kind, listed.parent_id), all);
        all
    };
    let told = |username: &str, kind: Option<&str>, parent: Option<&str>| {
        (Some(username.to_owned()), kind.map(str::to_owned), parent.map(str::to_owned))
    };
    connect(None, Some("page"), Some("7")).await;
    assert_eq!(shown().await, (None, Some("page".to_owned()), Some("7".to_owned())));
    let now = db.now();
    db.one.set_account_profile(tenant(), "ch", "Kitchen", Some("kitchen"), None, now).await.unwrap();
    assert_eq!(shown().await, told("kitchen", Some("page"), Some("7")));
    // A profile that lacks a permission, and a consent that does not name it, leave what is known.
    db.one.set_account_profile(tenant(), "ch", "Kitchen", None, None, now).await.unwrap();
    connect(None, None, None).await;
    assert_eq!(shown().await, told("kitchen", None, None));
    connect(Some("bakery"), Some("person"), None).await;
    assert_eq!(shown().await, told("bakery", Some("person"), None));
}

async fn a_refresh_that_was_overtaken_by_a_reconnect_stores_nothing(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let lease = db.one.acquire_account(tenant(), "ch", LONG).await.unwrap().unwrap();
    db.connect("ch", "42").await;
    let (fresh, refreshed) = (db.account("ch", "42"), sealed("refreshed"));
    let stored = db.one.store_credentials(tenant(), "ch", &fresh, &refreshed, &lease);
    assert!(!stored.await.unwrap());
    assert_eq!(db.one.account(tenant(), "ch").await.unwrap().unwrap().credentials, sealed("ch"));
    let lease = db.other.acquire_account(tenant(), "ch", LONG).await.unwrap().unwrap();
    let stored = db.other.store_credentials(tenant(), "ch", &fresh, &refreshed, &lease);
    assert!(stored.await.unwrap());
    let row = db.one.account(tenant(), "ch").await.unwrap().unwrap();
    assert_eq!((row.credentials, row.credentials_revision), (refreshed.clone(), 3));
    assert!(db.one.acquire_account(tenant(), "ch", LONG).await.unwrap().is_some(), "and it is free");
}

async fn refreshes_and_reconnects_at_once_leave_no_credentials_made_from_older_ones(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    for _ in 0..8 {
        let before = db.one.account(tenant(), "ch").await.unwrap().unwrap().credentials_revision;
        let written = race(db, |number, store| {
            let new = db.account("ch", "42");
            async move {
                if number % 4 < 2 {
                    let connected = store.connect_account(tenant(), &new, &|_| Ok(sealed("connected")));
                    return connected.await.unwrap() == "ch";
                }
                let Some(lease) = store.acquire_account(tenant(), "ch", LONG).await.unwrap() else {
                    return false;
                };
                let from = store.account(tenant(), "ch").await.unwrap().unwrap().credentials_revision;
                let refreshed = sealed(&format!("refreshed from {from}"));
                store.store_credentials(tenant(), "ch", &new, &refreshed, &lease).await.unwrap()
            }
        });
        let written = written.await.into_iter().filter(|it| *it).count();
        let row = db.one.account(tenant(), "ch").await.unwrap().unwrap();
        assert_eq!(row.credentials_revision, before + i64::try_from(written).unwrap());
        let from_the_last = sealed(&format!("refreshed from {}", row.credentials_revision - 1));
        assert!([sealed("connected"), from_the_last].contains(&row.credentials), "{row:?}");
        let lease = db.other.acquire_account(tenant(), "ch", LONG).await.unwrap();
        db.other.release_account(tenant(), "ch", &lease.expect("it is free")).await.unwrap();
    }
}

async fn one_of_many_refreshers_holds_an_account(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let held =
        race(db, |_, store| async move { store.acquire_account(tenant(), "ch", LONG).await.unwrap() }).await;
    let held: Vec<Lease> = held.into_iter().flatten().collect();
    assert_eq!(held.len(), 1);
    db.other.release_account(tenant(), "ch", &held[0]).await.unwrap();
    // A lease of length zero has already ended.
    assert!(db.one.acquire_account(tenant(), "ch", Duration::ZERO).await.unwrap().is_some());
    assert!(db.other.acquire_account(tenant(), "ch", LONG).await.unwrap().is_some());
    assert!(db.one.acquire_account(tenant(), "nosuch", LONG).await.unwrap().is_none());
}

async fn health_is_noted_for_the_credentials_it_was_found_with(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let note = |revision| {
        db.one.set_account_health(tenant(), "ch", Health::NeedsReconnect, Some("no"), revision, db.now())
    };
    assert!(!note(7).await.unwrap());
    assert!(note(1).await.unwrap());
    let row = db.other.account(tenant(), "ch").await.unwrap().unwrap();
    assert_eq!((row.health, row.health_detail.as_deref()), (Health::NeedsReconnect, Some("no")));
    assert_eq!(db.one.accounts_to_refresh(i64::MAX).await.unwrap(), [], "a person must come first");
}

async fn a_consent_is_consumed_once_and_by_the_one_who_began_it(db: &Opened) {
    let row = SessionRow {
        id: "state".to_owned(),
        tenant: tenant().as_str().to_owned(),
        app: "app".to_owned(),
        owner: "browser".to_owned(),
        payload: sealed("session"),
        expires_at: db.now() + 1_000,
    };
    db.one.insert_session(&row, db.now()).await.unwrap();
    let by_another = db.one.consume_session(tenant(), "state", "stranger").await.unwrap();
    assert!(matches!(by_another, ConsumedSession::BegunByAnother));
    let consumed =
        race(
            db,
            |_, store| async move { store.consume_session(tenant(), "state", "browser").await.unwrap() },
        )
        .await;
    assert_eq!(consumed.iter().filter(|it| matches!(it, ConsumedSession::Now(_))).count(), 1);
    assert_eq!(consumed.iter().filter(|it| matches!(it, ConsumedSession::Before)).count(), 7);
    // The next consent removes expired ones.
    db.one.insert_session(&SessionRow { id: "next".to_owned(), ..row }, db.now() + 1_000).await.unwrap();
    let gone = db.other.consume_session(tenant(), "state", "browser").await.unwrap();
    assert!(matches!(gone, ConsumedSession::Missing));
}

// ---- jobs -------------------------------------------------------------------------------------------

async fn one_of_many_workers_gets_a_job(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    db.store_job(db.job("job", "ch")).await;
    let now = db.now();
    let taken = race(db, move |_, store| async move {
        store.acquire_job(&AskForJob { now, length: LONG, only: None, without: &[] }).await.unwrap()
    })
    .await;
    assert_eq!(taken.iter().flatten().count(), 1);
    let ids = ["other".to_owned()];
    let ask = AskForJob { now, length: LONG, only: Some(&ids), without: &[] };
    assert!(db.one.acquire_job(&ask).await.unwrap().is_none());
}

async fn jobs_of_one_channel_are_held_one_at_a_time(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    for id in ["job_1", "job_2"] {
        db.store_job(db.job(id, "ch")).await;
    }
    let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
    assert!(db.acquire(&db.other, LONG).await.is_none(), "the channel is busy");
    let ended = JobUpdate { status: JobStatus::Published, wake_at: None, ..update(&row) };
    db.one.store_step(&row.id, &lease, &ended, db.now()).await.unwrap().unwrap();
    let (next, _) = db.acquire(&db.other, LONG).await.unwrap();
    assert_ne!(next.id, row.id);
}

async fn a_tenant_with_many_jobs_does_not_hold_up_another(db: &Opened) {
    db.with_app().await;
    let quiet: TenantId = "quiet".parse().unwrap();
    let urgent = |job: JobRow| JobRow { priority: 10, ..job };
    // Each is for a channel of its own, so that all could run at once, and all are due before the other's.
    for number in 0..40 {
        db.store_job(urgent(db.job(&format!("flood_{number:02}"), &format!("ch_{number}")))).await;
        db.clock.advance(Duration::from_secs(1));
    }
    for number in 0..2 {
        let job = db.job(&format!("quiet_{number}"), &format!("own_{number}"));
        db.one.insert_job(&quiet, &job, &JobMedia::default(), i64::MAX).await.unwrap();
    }
    // A round of all that is due asks for one time to its end.
    let now = db.now();
    let mut order = Vec::new();
    for _ in 0..5 {
        db.clock.advance(Duration::from_secs(1));
        let ask = AskForJob { now, length: LONG, only: None, without: &[] };
        order.push(db.one.acquire_job(&ask).await.unwrap().unwrap().1.id);
    }
    assert_eq!(order, ["flood_00", "quiet_0", "flood_01", "quiet_1", "flood_02"]);
    let without = [tenant().clone()];
    let ask = AskForJob { now, length: LONG, only: None, without: &without };
    assert!(db.other.acquire_job(&ask).await.unwrap().is_none(), "only jobs of that tenant are left");
}

async fn a_step_is_stored_under_the_present_fence_only(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    db.store_job(db.job("job", "ch")).await;
    // The lease ends at once: another worker takes the job.
    let (row, old) = db.acquire(&db.one, Duration::ZERO).await.unwrap();
    let (_, new) = db.acquire(&db.other, LONG).await.unwrap();
    assert!(new.fence > old.fence);
    assert!(db.one.extend_job("job", &old, LONG).await.unwrap().is_none());
    let step = JobUpdate { state: Some(sealed("late")), ..update(&row) };
    assert!(db.one.store_step("job", &old, &step, db.now()).await.unwrap().is_none());
    assert!(db.job_now("job").await.state.is_none());
    assert!(db.other.extend_job("job", &new, LONG).await.unwrap().is_some());
    let step = JobUpdate { state: Some(sealed("state")), ..update(&row) };
    assert!(db.other.store_step("job", &new, &step, db.now()).await.unwrap().is_some());
    assert_eq!(db.job_now("job").await.state, Some(sealed("state")));
    // Given back: the same lease can no longer write.
    assert!(db.other.store_step("job", &new, &step, db.now()).await.unwrap().is_none());
}

async fn a_worker_sees_what_others_did_with_each_write(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    db.store_job(db.job("job", "ch")).await;
    let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
    let stays = JobUpdate { release: false, ..update(&row) };
    let app = db.one.app("app").await.unwrap().unwrap();
    let seen = db.one.store_step("job", &lease, &stays, db.now()).await.unwrap().unwrap();
    assert_eq!((seen.credentials_revision, seen.app_revision), (Some(1), Some(app.revision)));
    assert!(!seen.cancel_requested);
    db.connect("ch", "42").await;
    assert!(db.other.put_app(&app).await.unwrap());
    assert!(db.other.request_cancel(tenant(), "job", None, db.now()).await.unwrap());
    let seen = db.one.extend_job("job", &lease, LONG).await.unwrap().unwrap();
    assert_eq!((seen.credentials_revision, seen.app_revision), (Some(2), Some(app.revision + 1)));
    assert!(seen.cancel_requested);
    db.other.delete_account(tenant(), "ch", db.now()).await.unwrap();
    let seen = db.one.store_step("job", &lease, &stays, db.now()).await.unwrap().unwrap();
    assert_eq!((seen.credentials_revision, seen.app_revision), (None, None));
}

async fn the_same_request_sent_twice_at_once_is_one_job(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let stored = race(db, |number, store| {
        let job =
            JobRow { idempotency_key: Some("key".to_owned()), ..db.job(&format!("job_{number}"), "ch") };
        async move {
            (job.id.clone(), store.insert_job(tenant(), &job, &JobMedia::default(), i64::MAX).await.unwrap())
        }
    })
    .await;
    let kept: Vec<&String> =
        stored.iter().filter(|(_, it)| matches!(it, InsertedJob::Stored)).map(|(id, _)| id).collect();
    assert_eq!(kept.len(), 1);
    for (_, outcome) in &stored {
        if let InsertedJob::Repeated(first) = outcome {
            assert_eq!(&first.id, kept[0]);
        }
    }
    let first = db.other.job_of_key(tenant(), "key").await.unwrap().unwrap();
    assert_eq!(&first.id, kept[0]);
}

async fn of_the_attempts_at_one_post_one_may_come_to_something(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let attempt = async |store: &Arc<dyn Store>, id: &str, of: &str| {
        let job = JobRow { retry_of: Some(of.to_owned()), ..db.job(id, "ch") };
        let found = db.other.other_attempt(tenant(), of).await.unwrap().map(|other| other.id);
        let inserted = match store.insert_job(tenant(), &job, &JobMedia::default(), i64::MAX).await.unwrap() {
            InsertedJob::Stored => id.to_owned(),
            InsertedJob::Repeated(other) => other.id,
            other => panic!("{other:?}"),
        };
        assert_eq!(found.unwrap_or_else(|| id.to_owned()), inserted, "asked for alone it is the same");
        inserted
    };
    let end = async |id: &str, status: JobStatus| {
        let ask =
            AskForJob { now: db.now() + 1_000, length: LONG, only: Some(&[id.to_owned()]), without: &[] };
        let (_, row, lease) = db.one.acquire_job(&ask).await.unwrap().unwrap();
        let ended = JobUpdate { status, ..update(&row) };
        db.one.store_step(id, &lease, &ended, db.now()).await.unwrap().unwrap();
    };
    let failed = JobRow { status: JobStatus::Failed, wake_at: None, ..db.job("a", "ch") };
    db.store_job(failed).await;
    // Pressed eight times at once.
    let made = race(db, |number, store| {
        let job = JobRow { retry_of: Some("a".to_owned()), ..db.job(&format!("b{number}"), "ch") };
        async move {
            match store.insert_job(tenant(), &job, &JobMedia::default(), i64::MAX).await.unwrap() {
                InsertedJob::Stored => job.id,
                InsertedJob::Repeated(other) => other.id,
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    let second = made[0].clone();
    assert!(made.iter().all(|id| *id == second), "{made:?}");
    // It failed as well: a third, from either of the two.
    end(&second, JobStatus::Failed).await;
    assert_eq!(attempt(&db.one, "c", "a").await, "c");
    assert_eq!(attempt(&db.other, "d", &second).await, "c", "the other's attempt is under way");
    end("c", JobStatus::Cancelled).await;
    assert_eq!(attempt(&db.one, "e", "c").await, "e");
    end("e", JobStatus::Unknown).await;
    for old in ["a", second.as_str(), "c"] {
        assert_eq!(attempt(&db.one, "f", old).await, "e", "a person must look first");
    }
    // The person has looked, and tries that one again.
    assert_eq!(attempt(&db.one, "g", "e").await, "g");
    end("g", JobStatus::Failed).await;
    // It was out all the same.
    let found = ResolvedJob {
        status: JobStatus::Published,
        post_id: None,
        url: None,
        error: None,
        resolution: "{}".to_owned(),
        by: Some("Anna".to_owned()),
    };
    assert!(db.one.resolve_job(tenant(), "e", &found, db.now()).await.unwrap());
    let history = db.one.job_history(tenant(), "e", 0, 99).await.unwrap();
    assert_eq!(history.last().unwrap().by.as_deref(), Some("Anna"));
    for old in ["a", "c", "e", "g"] {
        assert_eq!(attempt(&db.one, "h", old).await, "e", "of {old}");
    }
    // Another tenant's jobs are nobody's attempts.
    let other: TenantId = "other".parse().unwrap();
    let job = JobRow { retry_of: Some("a".to_owned()), ..db.job("i", "ch") };
    let stored = db.one.insert_job(&other, &job, &JobMedia::default(), i64::MAX).await.unwrap();
    assert!(matches!(stored, InsertedJob::Stored), "{stored:?}");
}

async fn a_job_and_its_media_are_stored_together(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    upload(db, "up", 10).await;
    let link = MediaLinkRow {
        id: "link".to_owned(),
        tenant: tenant().as_str().to_owned(),
        reference: sealed("reference"),
        created_at: db.now(),
    };
    // The same upload, used twice in one post.
    let media = JobMedia { uploads: vec!["up".to_owned(), "up".to_owned()], links: vec![link] };
    db.one.insert_job(tenant(), &db.job("job", "ch"), &media, i64::MAX).await.unwrap();
    assert!(!db.other.delete_upload(tenant(), "up").await.unwrap(), "an open job needs it");
    assert!(db.other.media_link("link").await.unwrap().is_some());
    let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
    let ended = JobUpdate { status: JobStatus::Published, wake_at: None, ..update(&row) };
    db.one.store_step("job", &lease, &ended, db.now()).await.unwrap().unwrap();
    assert!(db.other.media_link("link").await.unwrap().is_none(), "it ends with its job");
    assert_eq!(db.one.take_finished_uploads(0).await.unwrap(), [(tenant().clone(), "up".to_owned())]);
    db.one.delete_finished_media_links(0).await.unwrap();
}

async fn an_upload_that_is_gone_stores_no_job(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    upload(db, "up", 10).await;
    let media = JobMedia { uploads: vec!["up".to_owned(), "gone".to_owned()], links: Vec::new() };
    let stored = db.one.insert_job(tenant(), &db.job("job", "ch"), &media, i64::MAX).await.unwrap();
    assert!(matches!(stored, InsertedJob::UploadGone(id) if id == "gone"));
    assert!(db.one.job(tenant(), "job").await.unwrap().is_none());
    assert!(db.one.delete_upload(tenant(), "up").await.unwrap(), "nothing holds the other one");
}

async fn a_webhook_meets_its_job_before_and_after_the_reference_is_known(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    for round in 0..6 {
        let (id, reference) = (format!("job_{round}"), format!("ref_{round}"));
        db.store_job(db.job(&id, "ch")).await;
        let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
        assert_eq!(row.id, id);
        let step = JobUpdate {
            reference: Some(reference.clone()),
            state: Some(sealed("state")),
            wake_at: Some(db.now() + 900_000),
            ..update(&row)
        };
        let event = db.event(&format!("event_{round}"), &reference);
        // No matter which is first, the event is kept for the job, and the job is due.
        let (stored, fresh) =
            tokio::join!(db.one.store_step(&id, &lease, &step, db.now()), db.other.insert_event(&event),);
        assert!(stored.unwrap().is_some() && fresh.unwrap());
        let waiting = db.one.waiting_event(&id).await.unwrap().unwrap();
        assert_eq!((waiting.id, waiting.evidence), (event.id, event.evidence));
        let row = db.job_now(&id).await;
        assert!(row.wake_at.unwrap() <= db.now(), "round {round}: {row:?}");
        assert_eq!(row.references, [reference]);
        let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
        let ended = JobUpdate { status: JobStatus::Published, wake_at: None, ..update(&row) };
        let ended = JobUpdate { event_taken: Some(format!("event_{round}")), ..ended };
        db.one.store_step(&id, &lease, &ended, db.now()).await.unwrap().unwrap();
    }
}

async fn an_event_counts_once_and_is_used_up_by_the_step_that_took_it(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    db.store_job(db.job("job", "ch")).await;
    let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
    let step = JobUpdate { reference: Some("ref".to_owned()), ..update(&row) };
    db.one.store_step("job", &lease, &step, db.now()).await.unwrap().unwrap();
    let fresh = race(db, |_, store| {
        let event = db.event("event", "ref");
        async move { store.insert_event(&event).await.unwrap() }
    })
    .await;
    assert_eq!(fresh.iter().filter(|fresh| **fresh).count(), 1);
    let (row, lease) = db.acquire(&db.other, LONG).await.unwrap();
    let step = JobUpdate { event_taken: Some("event".to_owned()), ..update(&row) };
    db.other.store_step("job", &lease, &step, db.now()).await.unwrap().unwrap();
    assert!(db.one.waiting_event("job").await.unwrap().is_none());
}

async fn a_platform_ends_connections_once(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let event = EventRow { reference: None, ..db.event("removed", "") };
    assert_eq!(db.one.end_connections(&event, db.now(), "ended").await.unwrap(), (true, 1));
    assert_eq!(db.other.end_connections(&event, db.now(), "ended").await.unwrap(), (false, 1));
    let row = db.one.account(tenant(), "ch").await.unwrap().unwrap();
    assert_eq!((row.health, row.health_detail.as_deref()), (Health::NeedsReconnect, Some("ended")));
    // A connection that is newer than the event remains.
    db.connect("ch", "42").await;
    let late = EventRow { id: "late".to_owned(), ..event };
    assert_eq!(db.one.end_connections(&late, db.now() - 10_000, "ended").await.unwrap(), (true, 0));
    assert_eq!(db.one.account(tenant(), "ch").await.unwrap().unwrap().health, Health::Active);
}

async fn a_moved_job_goes_on_at_its_time(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    db.install("v2", &[]).await;
    for (id, publish_at) in [("job_due", None), ("job_later", Some(db.now() + 60_000))] {
        let paused = JobRow {
            status: JobStatus::Paused,
            state: None,
            publish_at,
            wake_at: Some(db.now() + 900_000),
            ..db.job(id, "ch")
        };
        db.store_job(paused).await;
        assert!(db.one.move_job(tenant(), id, &digest("v2"), None, db.now()).await.unwrap());
        assert!(!db.one.move_job(tenant(), id, &digest("v2"), None, db.now()).await.unwrap());
        let row = db.job_now(id).await;
        assert_eq!((row.status, row.digest), (JobStatus::Active, digest("v2")));
        assert_eq!(row.wake_at, Some(publish_at.unwrap_or(row.updated_at)), "{id} is not left behind");
    }
}

async fn a_state_written_while_a_job_was_moved_is_its_writers(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    db.install("v2", &[]).await;
    db.store_job(db.job("job", "ch")).await;
    let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
    assert!(db.other.move_job(tenant(), "job", &digest("v2"), None, db.now()).await.unwrap());
    let step = JobUpdate { state: Some(sealed("of v1")), ..update(&row) };
    db.one.store_step("job", &lease, &step, db.now()).await.unwrap().unwrap();
    let row = db.job_now("job").await;
    assert_eq!((&row.digest, row.moved_from.as_ref()), (&digest("v2"), Some(&digest("v1"))));
    // The new component cannot read the state: the job moves back.
    let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
    let back = JobUpdate { send_back: true, ..update(&row) };
    db.one.store_step("job", &lease, &back, db.now()).await.unwrap().unwrap();
    let row = db.job_now("job").await;
    assert_eq!((row.digest, row.moved_from), (digest("v1"), None));
}

async fn jobs_are_listed_by_pages_newest_first(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    for number in 0..5 {
        let at = db.now() + number;
        db.store_job(JobRow { created_at: at, ..db.job(&format!("job_{number}"), "ch") }).await;
    }
    let page = |before: Option<&str>| {
        let filter = JobFilter { limit: 2, before: before.map(str::to_owned), ..JobFilter::default() };
        let store = db.one.clone();
        async move {
            let rows = store.jobs(tenant(), &filter).await.unwrap();
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(None).await, ["job_4", "job_3"]);
    assert_eq!(page(Some("job_3")).await, ["job_2", "job_1"]);
    assert_eq!(page(Some("job_1")).await, ["job_0"]);
    assert_eq!(page(Some("nosuch")).await, [""; 0]);
}

async fn jobs_are_listed_by_what_there_is_to_do(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let now = db.now();
    let scheduled = |id: &str, after: i64| JobRow {
        publish_at: Some(now + after),
        wake_at: Some(now + after),
        created_at: now,
        ..db.job(id, "ch")
    };
    db.store_job(scheduled("job_later", 90_000)).await;
    db.store_job(scheduled("job_soon", 60_000)).await;
    db.store_job(scheduled("job_between", 75_000)).await;
    // It has begun, and waits for its next step.
    db.store_job(JobRow { wake_at: Some(now + 95_000), ..scheduled("job_begun", 50_000) }).await;
    db.store_job(scheduled("job_stopping", 40_000)).await;
    assert!(db.one.request_cancel(tenant(), "job_stopping", None, now).await.unwrap());
    for (id, status) in [
        ("job_paused", JobStatus::Paused),
        ("job_unknown", JobStatus::Unknown),
        ("job_failed", JobStatus::Failed),
    ] {
        db.store_job(JobRow { status, ..scheduled(id, 60_000) }).await;
    }
    let listed = |group: JobGroup, before: Option<&str>| {
        let before = before.map(str::to_owned);
        let filter = JobFilter { group: Some(group), limit: 2, before, ..JobFilter::default() };
        let store = db.one.clone();
        async move {
            let rows = store.jobs(tenant(), &filter).await.unwrap();
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(JobGroup::Scheduled, None).await, ["job_soon", "job_between"], "the next one first");
    assert_eq!(listed(JobGroup::Scheduled, Some("job_between")).await, ["job_later"]);
    assert_eq!(listed(JobGroup::InProgress, None).await, ["job_begun", "job_stopping"]);
    assert_eq!(listed(JobGroup::Attention, None).await, ["job_paused", "job_unknown"]);
    assert_eq!(listed(JobGroup::Failed, None).await, ["job_failed"]);
    assert_eq!(listed(JobGroup::Published, None).await, [""; 0]);
    assert_eq!(listed(JobGroup::Cancelled, None).await, [""; 0]);
    // Continued by a person, it is scheduled no more.
    assert!(db.one.wake_job(tenant(), "job_soon", None, now + 1).await.unwrap());
    let row = db.job_now("job_soon").await;
    assert_eq!((row.publish_at, row.wake_at), (None, Some(now + 1)));
    assert_eq!(listed(JobGroup::Scheduled, None).await, ["job_between", "job_later"]);
}

async fn ended_jobs_are_forgotten_with_all_that_is_theirs(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let published = JobStatus::Published;
    for (id, status) in [("old", published), ("retried", JobStatus::Failed), ("young", published)] {
        db.store_job(JobRow { idempotency_key: Some(id.to_owned()), ..db.job(id, "ch") }).await;
        let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
        assert_eq!(row.id, id);
        let ended = JobUpdate { status, wake_at: None, ..update(&row) };
        db.one.store_step(id, &lease, &ended, db.now()).await.unwrap().unwrap();
        db.clock.advance(Duration::from_secs(60));
    }
    let retry_of = Some("retried".to_owned());
    db.store_job(JobRow { retry_of, idempotency_key: Some("open".to_owned()), ..db.job("open", "ch") }).await;
    let before = db.job_now("young").await.ended_at.unwrap();
    while db.other.prune_jobs(before, i64::MAX).await.unwrap() {}
    // The retried one is as old, but its retry is open.
    for (id, kept) in [("old", false), ("retried", true), ("young", true), ("open", true)] {
        assert_eq!(db.one.job(tenant(), id).await.unwrap().is_some(), kept, "{id}");
        assert_eq!(db.one.job_of_key(tenant(), id).await.unwrap().is_some(), kept, "{id}");
    }
    assert!(db.one.job_history(tenant(), "old", 0, 99).await.unwrap().is_empty());
}

async fn end(db: &Opened, status: JobStatus) -> String {
    let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
    let ended = JobUpdate { status, wake_at: None, ..update(&row) };
    db.one.store_step(&row.id, &lease, &ended, db.now()).await.unwrap().unwrap();
    row.id
}

async fn of_too_many_jobs_the_oldest_that_have_ended_are_forgotten(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    for id in ["open", "old", "older than young", "young"] {
        db.store_job(JobRow { wake_at: (id != "open").then(|| db.now()), ..db.job(id, "ch") }).await;
        db.clock.advance(Duration::from_secs(1));
    }
    for _ in 0..3 {
        end(db, JobStatus::Published).await;
    }
    let other: TenantId = "other".parse().unwrap();
    db.one.insert_job(&other, &db.job("other", "ch"), &JobMedia::default(), i64::MAX).await.unwrap();
    assert!(!db.one.prune_jobs(0, 4).await.unwrap(), "there are four");
    while db.one.prune_jobs(0, 2).await.unwrap() {}
    let left = db.one.jobs(tenant(), &JobFilter { limit: 9, ..JobFilter::default() }).await.unwrap();
    assert_eq!(left.into_iter().map(|it| it.id).collect::<Vec<_>>(), ["young", "open"]);
    while db.one.prune_jobs(0, 0).await.unwrap() {}
    assert!(db.one.job(tenant(), "open").await.unwrap().is_some(), "an open one is never forgotten");
    assert!(db.one.job(&other, "other").await.unwrap().is_some());
}

async fn a_tenant_has_as_many_open_jobs_as_it_may(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let insert = async |tenant: &TenantId, id: &str| {
        let job = JobRow { idempotency_key: Some(id.to_owned()), ..db.job(id, "ch") };
        db.one.insert_job(tenant, &job, &JobMedia::default(), 2).await.unwrap()
    };
    for id in ["a", "b"] {
        assert!(matches!(insert(tenant(), id).await, InsertedJob::Stored));
    }
    assert!(matches!(insert(tenant(), "c").await, InsertedJob::Full));
    assert!(matches!(insert(tenant(), "a").await, InsertedJob::Repeated(_)), "it is there already");
    assert!(matches!(insert(&"other".parse().unwrap(), "d").await, InsertedJob::Stored));
    assert_eq!(db.one.open_jobs(tenant(), "ch").await.unwrap(), ["a", "b"]);
    let ended = end(db, JobStatus::Published).await;
    assert_eq!(db.one.open_jobs(tenant(), "ch").await.unwrap().len(), if ended == "d" { 2 } else { 1 });
    end(db, JobStatus::Failed).await;
    assert!(matches!(insert(tenant(), "c").await, InsertedJob::Stored), "ended ones do not count");
}

async fn a_step_of_priority_is_a_minute_of_waiting(db: &Opened) {
    db.with_app().await;
    let start = db.now();
    // Each in a channel of its own; due at these seconds, with these priorities.
    for (id, due, priority) in
        [("a", 0, 0), ("b", 61, 1), ("c", 59, 1), ("d", 100, 2), ("e", 30, 0), ("never", 10_000, 100)]
    {
        let wake_at = Some(start + due * 1_000);
        db.store_job(JobRow { priority, wake_at, ..db.job(id, id) }).await;
    }
    db.clock.advance(Duration::from_secs(200));
    let mut order = Vec::new();
    while let Some((row, _)) = db.acquire(&db.one, LONG).await {
        order.push(row.id);
    }
    assert_eq!(order, ["d", "c", "a", "b", "e"]);
}

async fn a_channel_with_many_jobs_does_not_hold_up_another(db: &Opened) {
    db.with_app().await;
    for number in 0..50 {
        db.store_job(db.job(&format!("flood_{number:02}"), "flood")).await;
        db.clock.advance(Duration::from_millis(10));
    }
    for number in 0..2 {
        db.store_job(db.job(&format!("quiet_{number}"), "quiet")).await;
    }
    let mut order = Vec::new();
    for _ in 0..5 {
        db.clock.advance(Duration::from_secs(1));
        order.push(end(db, JobStatus::Published).await);
    }
    assert_eq!(order, ["flood_00", "quiet_0", "flood_01", "quiet_1", "flood_02"]);
}

async fn an_attempt_is_on_one_page_of_a_history(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    db.store_job(JobRow { wake_at: None, ..db.job("job", "ch") }).await;
    for _ in 0..5 {
        assert!(db.one.wake_job(tenant(), "job", None, db.now()).await.unwrap());
        db.clock.advance(Duration::from_millis(1));
    }
    let whole = db.other.job_history(tenant(), "job", 0, u32::MAX).await.unwrap();
    let mut pages = Vec::new();
    for skip in [0, 2, 4, 6] {
        pages.extend(db.other.job_history(tenant(), "job", skip, 2).await.unwrap());
    }
    assert_eq!((whole.len(), &pages), (5, &whole));
}

async fn times_of_jobs_are_told_for_those_that_exist(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    db.store_job(JobRow { wake_at: Some(7), ..db.job("job", "ch") }).await;
    let ids = ["job".to_owned(), "nosuch".to_owned()];
    let told = db.other.job_times(&ids).await.unwrap();
    assert_eq!(told, [("job".to_owned(), JobStatus::Active, Some(7))]);
}

// ---- apps and components ----------------------------------------------------------------------------

async fn an_installed_component_moves_apps_and_leaves_nothing_unused(db: &Opened) {
    db.with_app().await;
    let before = db.one.app("app").await.unwrap().unwrap();
    db.install("v2", &["app".to_owned()]).await;
    let after = db.other.app("app").await.unwrap().unwrap();
    assert_eq!((&after.digest, after.revision), (&digest("v2"), before.revision + 1));
    assert_eq!(db.one.installed_component("demo").await.unwrap(), Some(digest("v2")));
    let kept: Vec<Digest> = db.one.components().await.unwrap().into_iter().map(|it| it.digest).collect();
    assert_eq!(kept, [digest("v2")], "nothing needs the old one");
    assert_eq!(db.one.component_bytes(&digest("v1")).await.unwrap(), None);
    assert_eq!(db.one.uninstall_provider("demo").await.unwrap(), ["app app"]);
    assert_eq!(db.one.delete_app("app").await.unwrap(), 0);
    assert_eq!(db.one.uninstall_provider("demo").await.unwrap(), [""; 0]);
    assert!(db.one.components().await.unwrap().is_empty());
}

async fn a_component_that_is_kept_for_the_way_back_is_not_deleted(db: &Opened) {
    db.with_app().await;
    let kept = Document {
        kind: "provider-kept".to_owned(),
        id: digest("v1").to_string(),
        facts: "{}".to_owned(),
        body: None,
        created_at: db.now(),
        expires_at: None,
    };
    let (kind, id) = (kept.kind.clone(), kept.id.clone());
    db.one.change_documents(&[DocumentChange::Put(kept)]).await.unwrap();
    db.install("v2", &["app".to_owned()]).await;
    assert_eq!(db.other.component_bytes(&digest("v1")).await.unwrap(), Some(b"v1".to_vec()));
    db.one.change_documents(&[DocumentChange::Remove { kind, id }]).await.unwrap();
    db.install("v3", &["app".to_owned()]).await;
    assert_eq!(db.other.component_bytes(&digest("v1")).await.unwrap(), None);
    assert_eq!(db.other.component_bytes(&digest("v2")).await.unwrap(), None);
}

async fn open_jobs_are_counted_by_their_component(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let job = db.job("job", "ch");
    let of = job.digest.clone();
    db.store_job(job).await;
    assert_eq!(db.other.open_jobs_with(&of).await.unwrap(), 1);
    assert_eq!(db.other.open_jobs_with(&digest("another")).await.unwrap(), 0);
    // Only what has a state can be asked about.
    assert!(db.other.begun_jobs_with(&of, 9).await.unwrap().is_empty());
    let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
    let step = JobUpdate { state: Some(sealed("state")), ..update(&row) };
    db.one.store_step("job", &lease, &step, db.now()).await.unwrap().unwrap();
    let begun = db.other.begun_jobs_with(&of, 9).await.unwrap();
    let found: Vec<_> =
        begun.iter().map(|(tenant, row)| (tenant, row.id.as_str(), row.state.clone())).collect();
    assert_eq!(found, [(tenant(), "job", Some(sealed("state")))]);
    assert!(db.other.begun_jobs_with(&of, 0).await.unwrap().is_empty());
    assert!(db.other.begun_jobs_with(&digest("another"), 9).await.unwrap().is_empty());
    assert!(end(db, JobStatus::Published).await.contains("job"));
    assert_eq!(db.other.open_jobs_with(&of).await.unwrap(), 0);
}

async fn an_app_is_written_by_one_of_two_who_read_it(db: &Opened) {
    db.with_app().await;
    let row = db.one.app("app").await.unwrap().unwrap();
    let written = race(db, |_, store| {
        let row = row.clone();
        async move { store.put_app(&row).await.unwrap() }
    })
    .await;
    assert_eq!(written.iter().filter(|written| **written).count(), 1);
    // A new app with an old name differs from the old app.
    assert_eq!(db.one.delete_app("app").await.unwrap(), 0);
    assert!(db.one.put_app(&AppRow { revision: 0, ..row.clone() }).await.unwrap());
    assert!(db.one.app("app").await.unwrap().unwrap().revision > row.revision + 1);
}

// ---- values and documents ---------------------------------------------------------------------------

async fn values_are_compared_and_set_in_one_step(db: &Opened) {
    let set = race(db, |number, store| async move {
        store.set("app", "key", number.to_string().as_bytes(), Some(0), None).await
    })
    .await;
    assert_eq!(set.iter().filter(|set| set.is_ok()).count(), 1, "{set:?}");
    assert!(set.iter().all(|set| matches!(set, Ok(_) | Err(StorageError::Conflict))));
    let first = db.one.get("app", "key").await.unwrap().unwrap();
    db.one.delete("app", "key").await.unwrap();
    let again = db.other.set("app", "key", b"again", Some(0), None).await.unwrap();
    assert!(again > first.version, "a version never comes again");
    assert_eq!(db.one.get("other", "key").await.unwrap(), None);
}

async fn values_end_with_their_time_and_list_by_bytes(db: &Opened) {
    for key in ["a%", "a_", "aZ", "aa", "b"] {
        db.one.set("app", key, b"x", None, None).await.unwrap();
    }
    db.one.set("app", "a-brief", b"x", None, Some(db.now() + 1_000)).await.unwrap();
    let keys = db.other.list_keys("app", "a", None, 100).await.unwrap();
    assert_eq!(keys, ["a%", "a-brief", "aZ", "a_", "aa"]);
    assert_eq!(db.other.list_keys("app", "a_", None, 100).await.unwrap(), ["a_"]);
    assert_eq!(db.other.list_keys("app", "a", Some("aZ"), 1).await.unwrap(), ["a_"]);
    db.clock.advance(Duration::from_secs(2));
    assert_eq!(db.one.get("app", "a-brief").await.unwrap(), None);
    assert_eq!(db.one.list_keys("app", "a-", None, 100).await.unwrap(), [""; 0]);
    db.one.set("app", "a-brief", b"y", Some(0), None).await.unwrap();
}

async fn values_of_an_app_are_bounded_in_bytes(db: &Opened) {
    let large = vec![7; 64 << 10];
    let mut stored = 0;
    let full = loop {
        match db.one.set("app", &format!("key-{stored}"), &large, None, None).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 10_000, "nothing bounds the bytes");
    };
    assert!(matches!(full, StorageError::LimitExceeded), "{full:?}");
    assert!(stored >= 100, "{stored}");
    // A value can be replaced by one of the same size, and a deleted one makes room.
    db.other.set("app", "key-0", &large, None, None).await.unwrap();
    db.other.delete("app", "key-0").await.unwrap();
    db.other.set("app", "another", &large, None, None).await.unwrap();
    db.other.set("neighbour", "key", &large, None, None).await.unwrap();
}

async fn references_of_a_job_are_bounded(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    db.store_job(db.job("job", "ch")).await;
    let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
    for number in 0..300 {
        let reference = Some(format!("p.{number}"));
        let named = JobUpdate { reference, release: false, ..update(&row) };
        db.one.store_step("job", &lease, &named, db.now()).await.unwrap().unwrap();
    }
    let references = db.job_now("job").await.references;
    assert_eq!(references.len(), 100);
    assert!(references.contains(&"p.0".to_owned()));
}

async fn documents_change_together_and_end_with_their_time(db: &Opened) {
    let document = |id: &str, expires_at| Document {
        kind: "kind".to_owned(),
        id: id.to_owned(),
        facts: "{}".to_owned(),
        body: Some(vec![1, 2]),
        created_at: db.now(),
        expires_at,
    };
    let (kind, brief) = ("kind".to_owned(), document("brief", Some(db.now() + 1_000)));
    let puts = [DocumentChange::Put(document("b", None)), DocumentChange::Put(brief.clone())];
    assert_eq!(db.one.change_documents(&puts).await.unwrap(), 2);
    assert_eq!(db.other.document("kind", "brief").await.unwrap(), Some(brief));
    let listed = db.other.documents("kind").await.unwrap();
    assert_eq!(listed.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["b", "brief"]);
    assert!(listed.iter().all(|it| it.body.is_none()));
    assert!(db.one.has_documents("kind").await.unwrap());
    assert!(!db.one.has_documents("another").await.unwrap());
    db.clock.advance(Duration::from_secs(2));
    assert_eq!(db.one.document("kind", "brief").await.unwrap(), None);
    let facts =
        DocumentChange::SetFacts { kind: kind.clone(), id: "nosuch".to_owned(), facts: "1".to_owned() };
    assert_eq!(db.one.change_documents(&[facts]).await.unwrap(), 0);
    let swap = |was: &str, facts: &str| DocumentChange::SwapFacts {
        kind: kind.clone(),
        id: "b".to_owned(),
        was: was.to_owned(),
        facts: facts.to_owned(),
    };
    let was = db.other.document("kind", "b").await.unwrap().unwrap().facts;
    assert_eq!(db.one.change_documents(&[swap("8", "9")]).await.unwrap(), 0, "they are others by now");
    assert_eq!(db.one.change_documents(&[swap(&was, "[\"two\"]")]).await.unwrap(), 1);
    assert_eq!(db.other.change_documents(&[swap(&was, "3")]).await.unwrap(), 0);
    assert_eq!(db.other.document("kind", "b").await.unwrap().unwrap().facts, "[\"two\"]");
    let both = [
        DocumentChange::RemoveAll { kind: kind.clone() },
        DocumentChange::Put(document("a", None)),
        DocumentChange::SetFacts { kind: kind.clone(), id: "a".to_owned(), facts: "7".to_owned() },
    ];
    assert_eq!(db.one.change_documents(&both).await.unwrap(), 3);
    let left = db.other.documents("kind").await.unwrap();
    assert_eq!(left.iter().map(|it| (it.id.as_str(), it.facts.as_str())).collect::<Vec<_>>(), [("a", "7")]);
    assert_eq!(
        db.one.change_documents(&[DocumentChange::Remove { kind, id: "a".to_owned() }]).await.unwrap(),
        1
    );
}

// ---- what there may be many of -----------------------------------------------------------------------

async fn events_are_forgotten_by_age_and_by_number(db: &Opened) {
    const DAY: Duration = Duration::from_secs(24 * 3_600);
    db.with_app().await.connect("ch", "42").await;
    db.store_job(JobRow { wake_at: None, ..db.job("job", "ch") }).await;
    let (row, lease) = {
        db.one.wake_job(tenant(), "job", None, db.now()).await.unwrap();
        db.acquire(&db.one, LONG).await.unwrap()
    };
    let step = JobUpdate { reference: Some("of the job".to_owned()), ..update(&row) };
    db.one.store_step("job", &lease, &step, db.now()).await.unwrap().unwrap();
    let fresh = async |id: &str, reference: &str| {
        let event = EventRow { account: None, ..db.event(id, reference) };
        db.one.insert_event(&event).await.unwrap()
    };
    assert!(fresh("waits", "of the job").await);
    for id in ["a", "b", "c"] {
        db.clock.advance(Duration::from_secs(1));
        assert!(fresh(id, "of nobody").await);
    }
    assert!(!db.one.prune_events(db.now(), 4).await.unwrap(), "there are four");
    assert!(db.one.prune_events(db.now(), 2).await.unwrap());
    while db.one.prune_events(db.now(), 2).await.unwrap() {}
    assert!(!fresh("waits", "of the job").await, "a job waits for it");
    assert!(!fresh("c", "of nobody").await, "it is young");
    assert!(fresh("a", "of nobody").await, "it was forgotten");
    db.clock.advance(4 * DAY);
    while db.one.prune_events(db.now(), 99).await.unwrap() {}
    assert!(fresh("c", "of nobody").await, "no job is expected to ask for it any more");
    assert!(!fresh("waits", "of the job").await, "its id is known longer");
    db.clock.advance(15 * DAY);
    while db.one.prune_events(db.now(), 99).await.unwrap() {}
    assert!(fresh("waits", "of the job").await);
}

async fn lists_are_read_by_pages(db: &Opened) {
    db.with_app().await;
    for number in 0..5 {
        db.connect(&format!("ch_{number}"), &number.to_string()).await;
        assert!(upload(db, &format!("up_{number}"), 1).await);
        // Some are of the same moment.
        db.clock.advance(Duration::from_millis(number % 2));
    }
    let whole: Vec<String> =
        db.one.uploads(tenant(), 99, None).await.unwrap().into_iter().map(|it| it.id).collect();
    let (mut uploads, mut channels) = (Vec::<String>::new(), Vec::<String>::new());
    for _ in 0..3 {
        let page = db.one.uploads(tenant(), 2, uploads.last().map(String::as_str)).await.unwrap();
        uploads.extend(page.into_iter().map(|it| it.id));
        let after = channels.last().cloned();
        let page = db.one.accounts_after(tenant(), Some("app"), 2, after.as_deref()).await.unwrap();
        channels.extend(page.into_iter().map(|it| it.channel));
    }
    assert_eq!((whole.len(), &uploads), (5, &whole));
    assert_eq!(channels, ["ch_0", "ch_1", "ch_2", "ch_3", "ch_4"]);
    assert!(db.one.accounts_after(tenant(), Some("another"), 9, None).await.unwrap().is_empty());
    let other: TenantId = "other".parse().unwrap();
    assert!(db.one.accounts_after(&other, None, 9, None).await.unwrap().is_empty());
    assert!(db.one.uploads(&other, 9, None).await.unwrap().is_empty());
}

async fn what_a_tenant_keeps_is_counted(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let other: TenantId = "other".parse().unwrap();
    for id in ["a", "b"] {
        assert!(upload(db, id, 7).await);
        let draft = DraftRow {
            id: id.to_owned(),
            content: sealed("draft"),
            created_at: db.now(),
            expires_at: db.now() + 1_000,
        };
        db.one.put_draft(tenant(), &draft).await.unwrap();
        let session = SessionRow {
            id: id.to_owned(),
            tenant: tenant().as_str().to_owned(),
            app: "app".to_owned(),
            owner: "browser".to_owned(),
            payload: sealed("session"),
            expires_at: db.now() + 1_000,
        };
        db.one.insert_session(&session, 0).await.unwrap();
        let of = if id == "a" { tenant() } else { &other };
        let facts = format!("{{\"tenant\": \"{}\"}}", of.as_str());
        let (kind, body) = ("kind".to_owned(), Some(vec![1]));
        let put = Document { kind, id: id.to_owned(), facts, body, created_at: db.now(), expires_at: None };
        db.one.change_documents(&[DocumentChange::Put(put)]).await.unwrap();
    }
    for (what, count) in [(Kept::Channels, 1), (Kept::Consents, 2), (Kept::Drafts, 2), (Kept::Uploads, 2)] {
        assert_eq!(db.other.kept(tenant(), what).await.unwrap(), count, "{what:?}");
        assert_eq!(db.other.kept(&other, what).await.unwrap(), 0, "{what:?}");
    }
    assert_eq!(db.other.uploaded(tenant()).await.unwrap(), 14);
    for (of, id) in [(tenant(), "a"), (&other, "b")] {
        let listed = db.other.documents_of("kind", of).await.unwrap();
        assert_eq!(listed.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), [id]);
        assert!(listed.iter().all(|it| it.body.is_none()));
    }
    assert!(db.other.documents_of("another", tenant()).await.unwrap().is_empty());
}

// ---- media and keys ---------------------------------------------------------------------------------

fn upload_row(db: &Opened, id: &str, size: i64) -> UploadRow {
    UploadRow {
        id: id.to_owned(),
        tenant: tenant().as_str().to_owned(),
        file_name: None,
        content_type: None,
        size,
        held: false,
        created_at: db.now(),
    }
}

async fn upload(db: &Opened, id: &str, size: i64) -> bool {
    db.one.insert_upload(&upload_row(db, id, size), Some(100), None).await.unwrap()
}

async fn an_upload_that_is_whole_ends_what_was_begun(db: &Opened) {
    for id in ["a", "b"] {
        let begun = Document {
            kind: "begun".to_owned(),
            id: id.to_owned(),
            facts: "{}".to_owned(),
            body: None,
            created_at: db.now(),
            expires_at: None,
        };
        db.one.change_documents(&[DocumentChange::Put(begun)]).await.unwrap();
    }
    let whole = async |id, size| {
        db.one.insert_upload(&upload_row(db, id, size), Some(100), Some("begun")).await.unwrap()
    };
    assert!(whole("a", 60).await && !whole("b", 41).await);
    let left = db.other.documents("begun").await.unwrap();
    assert_eq!(left.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["b"], "what has no room goes on");
}

async fn uploads_keep_within_a_bound_and_go_when_nobody_needs_them(db: &Opened) {
    assert!(upload(db, "a", 60).await);
    assert!(!upload(db, "b", 41).await);
    assert!(upload(db, "c", 40).await);
    let ids = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let mut known = db.other.known_uploads(&ids).await.unwrap();
    known.sort();
    assert_eq!(known, ["a", "c"]);
    assert_eq!(db.one.take_finished_uploads(0).await.unwrap(), []);
    let mut gone = db.one.take_finished_uploads(db.now() + 1_000).await.unwrap();
    gone.sort();
    assert_eq!(gone, [(tenant().clone(), "a".to_owned()), (tenant().clone(), "c".to_owned())]);
}

async fn a_held_upload_outlives_its_jobs_until_it_is_let_go(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    upload(db, "up", 10).await;
    assert!(db.one.hold_upload(tenant(), "up", true).await.unwrap());
    assert!(!db.one.hold_upload(tenant(), "nosuch", true).await.unwrap());
    for job in ["first", "second"] {
        let media = JobMedia { uploads: vec!["up".to_owned()], links: Vec::new() };
        db.one.insert_job(tenant(), &db.job(job, "ch"), &media, i64::MAX).await.unwrap();
        let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
        let ended = JobUpdate { status: JobStatus::Published, wake_at: None, ..update(&row) };
        db.one.store_step(job, &lease, &ended, db.now()).await.unwrap().unwrap();
        assert_eq!(db.one.take_finished_uploads(0).await.unwrap(), [], "{job} has published, and more come");
    }
    assert!(db.other.upload(tenant(), "up").await.unwrap().unwrap().held);
    assert!(db.other.hold_upload(tenant(), "up", false).await.unwrap());
    let gone = [(tenant().clone(), "up".to_owned())];
    assert_eq!(db.one.take_finished_uploads(0).await.unwrap(), gone);
    // Nobody comes back for it: it goes with its age.
    upload(db, "up", 10).await;
    assert!(db.one.hold_upload(tenant(), "up", true).await.unwrap());
    assert_eq!(db.one.take_finished_uploads(db.now() + 1_000).await.unwrap(), gone);
}

async fn drafts_are_replaced_and_end_with_their_time(db: &Opened) {
    let draft = |id: &str, content: &str, expires_at| DraftRow {
        id: id.to_owned(),
        content: sealed(content),
        created_at: db.now(),
        expires_at,
    };
    let brief = draft("brief", "soup", db.now() + 1_000);
    db.one.put_draft(tenant(), &brief).await.unwrap();
    assert_eq!(db.other.draft(tenant(), "brief").await.unwrap(), Some(brief));
    db.one.put_draft(tenant(), &draft("long", "bread", i64::MAX)).await.unwrap();
    let first = db.other.draft(tenant(), "long").await.unwrap().unwrap();
    db.clock.advance(Duration::from_secs(2));
    assert_eq!(db.one.draft(tenant(), "brief").await.unwrap(), None, "its time is over");
    db.one.put_draft(tenant(), &draft("long", "cake", i64::MAX)).await.unwrap();
    let listed = db.other.drafts(tenant()).await.unwrap();
    assert_eq!(listed, [DraftRow { content: sealed("cake"), ..first }], "it keeps when it was made");
    let other: TenantId = "other".parse().unwrap();
    assert_eq!(db.one.draft(&other, "long").await.unwrap(), None);
    assert!(!db.one.delete_draft(&other, "long").await.unwrap());
    assert!(db.one.delete_draft(tenant(), "long").await.unwrap());
    assert!(!db.other.delete_draft(tenant(), "long").await.unwrap());
}

async fn every_sealed_value_can_be_sealed_again_unless_somebody_wrote(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    db.store_job(db.job("job", "ch")).await;
    let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
    let step = JobUpdate { state: Some(sealed("state")), ..update(&row) };
    db.one.store_step("job", &lease, &step, db.now()).await.unwrap().unwrap();
    db.one.set("app", "a/key/with/slashes", b"value", None, None).await.unwrap();
    db.one.insert_event(&db.event("an/event", "ref")).await.unwrap();
    let session = SessionRow {
        id: "state".to_owned(),
        tenant: tenant().as_str().to_owned(),
        app: "app".to_owned(),
        owner: "browser".to_owned(),
        payload: sealed("session"),
        expires_at: db.now() + 1_000,
    };
    db.one.insert_session(&session, 0).await.unwrap();
    upload(db, "up", 1).await;
    let link = MediaLinkRow {
        id: "link".to_owned(),
        tenant: tenant().as_str().to_owned(),
        reference: sealed("reference"),
        created_at: db.now(),
    };
    let media = JobMedia { uploads: Vec::new(), links: vec![link] };
    db.one.insert_job(tenant(), &db.job("job_2", "ch"), &media, i64::MAX).await.unwrap();
    let draft = DraftRow {
        id: "draft".to_owned(),
        content: sealed("draft"),
        created_at: db.now(),
        expires_at: i64::MAX,
    };
    db.one.put_draft(tenant(), &draft).await.unwrap();
    db.one.insert_endpoint(tenant(), &db.endpoint("end", None)).await.unwrap();
    db.one.set_meta("hash-key", b"key").await.unwrap();
    // More than are read at once.
    for number in 0..450 {
        let id = format!("many_{number}");
        db.store_job(JobRow { wake_at: None, ..db.job(&id, "ch") }).await;
        db.one.put_draft(tenant(), &DraftRow { id, ..draft.clone() }).await.unwrap();
    }
    let values = db.sealed_values().await;
    let many = |column: &str| {
        let of: std::collections::BTreeSet<&str> = values
            .iter()
            .filter(|it| it.column == column && it.row.contains("many_"))
            .map(|it| it.row.as_str())
            .collect();
        of.len()
    };
    assert_eq!((many("request"), many("content")), (450, 450));
    let mut places: Vec<String> = values.iter().map(|it| format!("{}.{}", it.table, it.column)).collect();
    places.sort();
    places.dedup();
    assert_eq!(
        places,
        [
            "accounts.credentials",
            "apps.settings",
            "drafts.content",
            "endpoints.target",
            "events.evidence",
            "jobs.request",
            "jobs.state",
            "media_links.reference",
            "meta.value",
            "provider_values.value",
            "sessions.payload",
        ]
    );
    for value in &values {
        let again = Sealed([b"again ", value.sealed.0.as_slice()].concat());
        assert!(db.other.reseal(value, &again).await.unwrap(), "{value:?}");
        assert!(!db.one.reseal(value, &again).await.unwrap(), "it is not what was read any more");
    }
    let now = db.sealed_values().await;
    assert_eq!(now.len(), values.len());
    assert!(now.iter().all(|value| value.sealed.0.starts_with(b"again ")), "{now:?}");
}

/// Names come from outside as they are; not every database can hold every character.
async fn a_name_that_nobody_has_is_not_found_whatever_is_in_it(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    for name in ["", "ch\0", "\u{1F3AC}\u{7F}", "%", "ch' OR '1'='1"] {
        let store = &db.one;
        assert!(store.app(name).await.unwrap().is_none(), "{name:?}");
        assert!(store.installed_component(name).await.unwrap().is_none(), "{name:?}");
        assert_eq!(store.delete_app(name).await.unwrap(), 0, "{name:?}");
        assert!(store.account(tenant(), name).await.unwrap().is_none(), "{name:?}");
        assert!(store.accounts_after(tenant(), Some(name), 9, None).await.unwrap().is_empty(), "{name:?}");
        assert!(store.acquire_account(tenant(), name, LONG).await.unwrap().is_none(), "{name:?}");
        store.delete_account(tenant(), name, db.now()).await.unwrap();
        store.accounts_after(tenant(), None, 9, Some(name)).await.unwrap();
        assert!(store.job(tenant(), name).await.unwrap().is_none(), "{name:?}");
        assert!(store.job_of_key(tenant(), name).await.unwrap().is_none(), "{name:?}");
        assert!(store.other_attempt(tenant(), name).await.unwrap().is_none(), "{name:?}");
        let one_channel = JobFilter { channel: Some(name.to_owned()), limit: 9, ..JobFilter::default() };
        assert!(store.jobs(tenant(), &one_channel).await.unwrap().is_empty(), "{name:?}");
        assert!(store.job_times(&[name.to_owned()]).await.unwrap().is_empty(), "{name:?}");
        assert!(store.job_history(tenant(), name, 0, 9).await.unwrap().is_empty(), "{name:?}");
        assert!(store.open_jobs(tenant(), name).await.unwrap().is_empty(), "{name:?}");
        assert!(!store.request_cancel(tenant(), name, None, db.now()).await.unwrap(), "{name:?}");
        assert!(store.document("key", name).await.unwrap().is_none(), "{name:?}");
        assert!(store.draft(tenant(), name).await.unwrap().is_none(), "{name:?}");
        assert!(!store.delete_draft(tenant(), name).await.unwrap(), "{name:?}");
        assert!(store.upload(tenant(), name).await.unwrap().is_none(), "{name:?}");
        assert!(!store.delete_upload(tenant(), name).await.unwrap(), "{name:?}");
        assert!(!store.hold_upload(tenant(), name, true).await.unwrap(), "{name:?}");
        assert!(store.known_uploads(&[name.to_owned()]).await.unwrap().is_empty(), "{name:?}");
        assert!(store.media_link(name).await.unwrap().is_none(), "{name:?}");
        assert!(store.samples(tenant(), name, 0).await.unwrap().is_empty(), "{name:?}");
        assert!(store.newest_sample(tenant(), name).await.unwrap().is_none(), "{name:?}");
        assert!(store.posts_sampled_at(tenant(), name).await.unwrap().is_none(), "{name:?}");
        assert!(KeyValueStore::get(&**store, name, name).await.unwrap().is_none(), "{name:?}");
    }
    assert!(db.one.account(tenant(), "ch").await.unwrap().is_some());
}

async fn tenants_are_known_by_what_they_have(db: &Opened) {
    let names = async || {
        db.one.tenants().await.unwrap().iter().map(|tenant| tenant.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert!(names().await.is_empty());
    db.with_app().await;
    let of = |name: &str| name.parse::<TenantId>().unwrap();
    let account = NewAccount { channel: "ch_b".to_owned(), ..db.account("ch_b", "42") };
    db.one.connect_account(&of("b"), &account, &|channel| Ok(sealed(channel))).await.unwrap();
    let file = UploadRow {
        id: "up_a".to_owned(),
        tenant: "a".to_owned(),
        file_name: None,
        content_type: None,
        size: 1,
        created_at: db.now(),
        held: false,
    };
    assert!(db.one.insert_upload(&file, None, None).await.unwrap());
    for id in ["job_1", "job_2"] {
        db.one.insert_job(&of("c"), &db.job(id, "ch"), &JobMedia::default(), i64::MAX).await.unwrap();
    }
    assert_eq!(names().await, ["a", "b", "c"]);
    assert!(db.one.delete_upload(&of("a"), "up_a").await.unwrap());
    assert_eq!(names().await, ["b", "c"]);
}

async fn another_tenant_sees_nothing(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    db.store_job(db.job("job", "ch")).await;
    upload(db, "up", 1).await;
    let other: TenantId = "other".parse().unwrap();
    assert!(db.one.account(&other, "ch").await.unwrap().is_none());
    assert!(db.one.accounts(&other).await.unwrap().is_empty());
    assert!(db.one.job(&other, "job").await.unwrap().is_none());
    assert!(db.one.jobs(&other, &JobFilter { limit: 9, ..JobFilter::default() }).await.unwrap().is_empty());
    assert!(!db.one.request_cancel(&other, "job", None, db.now()).await.unwrap());
    assert!(!db.one.wake_job(&other, "job", None, db.now()).await.unwrap());
    assert!(!db.one.move_job(&other, "job", &digest("v2"), None, db.now()).await.unwrap());
    assert!(db.one.job_history(&other, "job", 0, 99).await.unwrap().is_empty());
    assert!(db.one.upload(&other, "up").await.unwrap().is_none());
    assert!(!db.one.delete_upload(&other, "up").await.unwrap());
    assert!(db.one.acquire_account(&other, "ch", LONG).await.unwrap().is_none());
    db.one.delete_account(&other, "ch", db.now()).await.unwrap();
    assert_eq!(db.one.accounts(tenant()).await.unwrap().len(), 1);
}

// ---- events out -------------------------------------------------------------------------------------

async fn what_happens_to_a_job_is_told_in_the_transaction_that_does_it(db: &Opened) {
    db.with_app().await;
    let job = JobRow { idempotency_key: Some("order-7".to_owned()), ..db.job("job", "ch") };
    db.store_job(job).await;
    assert_eq!(db.kinds(0).await.len(), 0, "that it was stored is no news");
    let later = db.now() + 5;
    let paused = r#"{"kind":"unauthorized","message":"connect again"}"#;
    db.step("job", |step| JobUpdate {
        status: JobStatus::Paused,
        wake_at: Some(later),
        error: Some(paused.to_owned()),
        ..step
    })
    .await;
    db.one.wake_job(tenant(), "job", None, db.now()).await.unwrap();
    db.step("job", |step| JobUpdate { phase: "processing".to_owned(), wake_at: Some(later), ..step }).await;
    let ended = |status| move |step| JobUpdate { status, wake_at: Some(later), ..step };
    db.step("job", ended(JobStatus::Unknown)).await;
    let resolved = ResolvedJob {
        status: JobStatus::Published,
        post_id: Some("p1".to_owned()),
        url: None,
        error: None,
        resolution: "{}".to_owned(),
        by: None,
    };
    assert!(db.one.resolve_job(tenant(), "job", &resolved, db.now()).await.unwrap());
    db.store_job(db.job("other", "ch")).await;
    let linked = |step| JobUpdate {
        status: JobStatus::Published,
        url: Some("https://example.com/1".to_owned()),
        wake_at: Some(later),
        ..step
    };
    db.step("other", linked).await;
    // What is known already is no news.
    db.step("other", linked).await;
    let told = db.told(0).await;
    let kinds: Vec<&str> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["job.paused", "job.unknown", "job.published", "job.published", "job.link"]);
    let numbers: Vec<i64> = told.iter().map(|event| event.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert!(told.iter().all(|event| event.id.starts_with("evt_") && event.id.len() > 20), "{told:?}");
    let first = &told[0];
    assert_eq!(
        (first.job.as_deref(), first.channel.as_deref(), first.app.as_deref()),
        (Some("job"), Some("ch"), Some("app"))
    );
    assert_eq!((first.status.as_deref(), first.error.as_deref()), (Some("paused"), Some(paused)));
    assert_eq!(first.idempotency_key.as_deref(), Some("order-7"));
    assert_eq!(told[2].post_id.as_deref(), Some("p1"));
    assert_eq!(told[4].url.as_deref(), Some("https://example.com/1"));
    // A step that is not stored tells nothing.
    db.store_job(db.job("third", "ch_3")).await;
    let (row, lease) = db.acquire(&db.one, LONG).await.unwrap();
    let lost = Lease { fence: lease.fence + 1 };
    let failed = JobUpdate { status: JobStatus::Failed, ..update(&row) };
    assert!(db.one.store_step("third", &lost, &failed, db.now()).await.unwrap().is_none());
    assert_eq!(db.told(5).await, []);
    db.one
        .store_step("third", &lease, &JobUpdate { status: JobStatus::Cancelled, ..failed }, db.now())
        .await
        .unwrap();
    assert_eq!(db.kinds(5).await, ["job.cancelled"]);
    // Pages, and another tenant.
    let page = db.one.outbox(tenant(), 1, 2).await.unwrap();
    assert_eq!((page.events.len(), page.read, page.head), (2, 3, 6));
    assert_eq!(page.events, told[1..3]);
    let page = db.one.outbox(&"other".parse().unwrap(), 0, 9).await.unwrap();
    assert_eq!((page.events.len(), page.read, page.head), (0, 0, 0));
}

async fn what_happens_to_a_channel_is_told(db: &Opened) {
    db.with_app().await.connect("ch", "42").await;
    let account = db.one.account(tenant(), "ch").await.unwrap().unwrap();
    let health = async |health, detail| {
        let noted = db.one.set_account_health(
            tenant(),
            "ch",
            health,
            Some(detail),
            account.credentials_revision,
            db.now(),
        );
        assert!(noted.await.unwrap());
    };
    health(Health::NeedsReconnect, "revoked").await;
    health(Health::NeedsReconnect, "revoked again").await;
    health(Health::Active, "").await;
    health(Health::NeedsReconnect, "revoked").await;
    db.clock.advance(Duration::from_millis(5));
    let limited = NewAccount { health: Health::Limited, ..db.account("ch_x", "42") };
    db.one.connect_account(tenant(), &limited, &|channel| Ok(sealed(channel))).await.unwrap();
    db.clock.advance(Duration::from_millis(5));
    let gone = db.now();
    db.one.delete_account(tenant(), "ch", gone).await.unwrap();
    db.one.delete_account(tenant(), "ch", gone).await.unwrap();
    let told = db.told(0).await;
    let kinds: Vec<&str> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "channel.connected",
            "channel.needs-reconnect",
            "channel.connected",
            "channel.needs-reconnect",
            "channel.connected",
            "channel.limited",
            "channel.disconnected",
        ]
    );
    assert!(told.iter().all(|event| event.channel.as_deref() == Some("ch")), "{told:?}");
    assert_eq!(
        (told[1].health.as_deref(), told[1].detail.as_deref()),
        (Some("needs_reconnect"), Some("revoked"))
    );
    assert_eq!((told[6].at, told[6].display_name.as_deref()), (gone, Some("42")));
    // A platform ends connections.
    db.connect("ch", "42").await;
    db.one.end_connections(&db.event("end", "ref"), i64::MAX, "ended").await.unwrap();
    assert_eq!(db.kinds(7).await, ["channel.connected", "channel.needs-reconnect"]);
}

/// Does much to a few jobs, channels and apps of two tenants, the same each time. Returns what each act said, and the events.
async fn walk(db: &Opened) -> (Vec<String>, Vec<Vec<OutboxRow>>) {
    let tenants = [tenant().clone(), "other".parse().unwrap()];
    db.with_app().await;
    let own = AppRow {
        id: "own".to_owned(),
        tenant: Some("other".to_owned()),
        revision: 0,
        ..db.one.app("app").await.unwrap().unwrap()
    };
    assert!(db.one.put_app(&own).await.unwrap());
    let mut seed = 11_u64;
    let mut next = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let healths = [Health::Active, Health::Limited, Health::NeedsReconnect];
    let statuses = [
        JobStatus::Active,
        JobStatus::Active,
        JobStatus::Paused,
        JobStatus::Published,
        JobStatus::Failed,
        JobStatus::Unknown,
        JobStatus::Cancelled,
    ];
    let mut said = Vec::new();
    for round in 0..600_i64 {
        let now = 1_000_000 + round;
        let of = next(2);
        let tenant = &tenants[of];
        let app = if of == 1 && next(3) == 0 { "own" } else { "app" };
        let account = format!("account {}", next(2));
        // One channel in each app and tenant.
        let channel = format!("{app} {of} {account}");
        let new = NewAccount {
            app: app.to_owned(),
            display_name: format!("name {}", next(3)),
            username: (next(2) == 0).then(|| format!("handle {}", next(2))),
            kind: (next(2) == 0).then(|| "page".to_owned()),
            parent_id: (next(3) == 0).then(|| "parent".to_owned()),
            health: healths[next(2)],
            health_detail: (next(2) == 0).then(|| "detail".to_owned()),
            now,
            ..db.account(&channel, &account)
        };
        let id = format!("job {of} {}", next(4));
        let url = (next(3) == 0).then(|| format!("https://example.com/{}", next(2)));
        let error = (next(2) == 0).then(|| r#"{"kind":"internal","message":"x"}"#.to_owned());
        let act = match next(16) {
            0 | 1 => {
                let seal = |channel: &str| Ok(sealed(channel));
                db.one.connect_account(tenant, &new, &seal).await.unwrap()
            }
            2 => match db.one.acquire_account(tenant, &channel, LONG).await.unwrap() {
                None => "nobody to refresh".to_owned(),
                Some(lease) if next(3) == 0 => {
                    db.one.release_account(tenant, &channel, &lease).await.unwrap();
                    "released".to_owned()
                }
                Some(lease) => {
                    let (new, credentials) = (NewAccount { now: now + 1, ..new }, sealed("new"));
                    let stored = db.one.store_credentials(tenant, &channel, &new, &credentials, &lease);
                    format!("refreshed {}", stored.await.unwrap())
                }
            },
            3 => {
                let row = db.one.account(tenant, &channel).await.unwrap();
                let revision = row.map_or(0, |row| row.credentials_revision - i64::from(next(5) == 0));
                let health = healths[next(3)];
                let noted = db.one.set_account_health(tenant, &channel, health, Some("look"), revision, now);
                format!("health {}", noted.await.unwrap())
            }
            4 => {
                let username = (next(2) == 0).then_some("profile");
                db.one.set_account_profile(tenant, &channel, "profile", username, None, now).await.unwrap();
                let begun = db.one.begin_post_samples(tenant, &channel, now, now).await.unwrap();
                format!("looked at {begun}")
            }
            5 if next(2) == 0 => {
                db.one.delete_account(tenant, &channel, now).await.unwrap();
                "disconnected".to_owned()
            }
            5 | 6 => {
                let event = EventRow {
                    app: app.to_owned(),
                    account: Some(account),
                    received_at: now,
                    ..db.event(&format!("event {}", next(20)), "reference")
                };
                match next(3) {
                    0 => format!("{:?}", db.one.end_connections(&event, now - 20, "ended").await.unwrap()),
                    _ => format!("heard {}", db.one.insert_event(&event).await.unwrap()),
                }
            }
            7 => {
                let key = (next(2) == 0).then(|| format!("key of {id}"));
                let row = JobRow { app: app.to_owned(), idempotency_key: key, ..db.job(&id, &channel) };
                match db.one.job(tenant, &id).await.unwrap() {
                    Some(row) => format!("{:?} {:?}", row.status, row.url),
                    None => {
                        let media = JobMedia::default();
                        let stored = db.one.insert_job(tenant, &row, &media, i64::MAX).await.unwrap();
                        format!("stored {}", matches!(stored, InsertedJob::Stored))
                    }
                }
            }
            8..=10 => {
                let only = [id.clone()];
                let ask = AskForJob { now: i64::MAX, length: LONG, only: Some(&only), without: &[] };
                match db.one.acquire_job(&ask).await.unwrap() {
                    None => "nothing to do".to_owned(),
                    Some((_, _, lease)) if next(6) == 0 => {
                        db.one.put_off_job(&id, &lease, now + 5).await.unwrap();
                        "put off".to_owned()
                    }
                    Some((_, row, lease)) => {
                        let step = JobUpdate {
                            status: statuses[next(7)],
                            wake_at: (next(4) > 0).then_some(now),
                            post_id: (next(2) == 0).then(|| format!("post {}", next(2))),
                            url,
                            error,
                            ..update(&row)
                        };
                        let signals = db.one.store_step(&id, &lease, &step, now).await.unwrap();
                        format!("step {:?} {:?}", step.status, signals.is_some())
                    }
                }
            }
            11 => format!("cancel {}", db.one.request_cancel(tenant, &id, None, now).await.unwrap()),
            12 => format!("wake {}", db.one.wake_job(tenant, &id, None, now).await.unwrap()),
            13 => {
                let resolved = ResolvedJob {
                    status: statuses[3 + next(2)],
                    post_id: None,
                    url,
                    error,
                    resolution: "{}".to_owned(),
                    by: None,
                };
                format!("resolve {}", db.one.resolve_job(tenant, &id, &resolved, now).await.unwrap())
            }
            14 => {
                let change = ChangedJob { wake_at: now, priority: Some(1), ..ChangedJob::default() };
                let changed = db.one.change_job(tenant, &id, &change, now).await.unwrap();
                let to = digest(["v1", "v2"][next(2)]);
                format!(
                    "change {changed}, move {}",
                    db.one.move_job(tenant, &id, &to, None, now).await.unwrap()
                )
            }
            _ => {
                let version = ["v1", "v2"][next(2)];
                if next(2) == 0 {
                    let row = ComponentRow {
                        digest: digest(version),
                        provider: "demo".to_owned(),
                        version: version.to_owned(),
                        size: 1,
                        added_at: now,
                        installed: true,
                    };
                    let apps = [["app", "own"][next(2)].to_owned()];
                    db.one.install_component(&row, b"x", &apps).await.unwrap();
                    format!("install {version} {apps:?}")
                } else {
                    let row = db.one.app(app).await.unwrap().unwrap();
                    let row =
                        AppRow { revision: row.revision - i64::from(next(4) == 0), updated_at: now, ..row };
                    // Only a component that is there.
                    let known = db.one.installed_component("demo").await.unwrap().unwrap();
                    let put = db.one.put_app(&AppRow { digest: known, ..row }).await;
                    format!("put {app} {:?}", put.ok())
                }
            }
        };
        said.push(act);
    }
    let mut told = Vec::new();
    for tenant in &tenants {
        let mut events = db.other.outbox(tenant, 0, 500).await.unwrap().events;
        // Ids differ.
        events.iter_mut().for_each(|event| event.id.clear());
        told.push(events);
        for row in db.other.accounts(tenant).await.unwrap() {
            said.push(format!("{} {:?} {:?} {:?}", row.display_name, row.username, row.kind, row.parent_id));
        }
    }
    (said, told)
}

async fn everything_that_happens_is_told_as_in_sqlite(db: &Opened) {
    let sqlite = crate::store::sqlite::for_conformance().await;
    let (said, told) = walk(db).await;
    let (as_said, as_told) = walk(&sqlite).await;
    assert_eq!(said, as_said);
    for (told, as_told) in told.iter().zip(&as_told) {
        assert!(told.len() > 40, "{}", told.len());
        for (event, as_event) in told.iter().zip(as_told) {
            assert_eq!(event, as_event);
        }
        assert_eq!(told.len(), as_told.len());
    }
    let kinds: std::collections::BTreeSet<&str> =
        told.iter().flatten().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds.len(), 11, "every kind: {kinds:?}");
}

async fn a_replaced_provider_is_told_to_those_who_use_it(db: &Opened) {
    let other: TenantId = "other".parse().unwrap();
    db.with_app().await.connect("ch", "42").await;
    let own = AppRow {
        id: "own".to_owned(),
        tenant: Some(other.as_str().to_owned()),
        ..db.one.app("app").await.unwrap().unwrap()
    };
    assert!(db.one.put_app(&AppRow { revision: 0, ..own }).await.unwrap());
    db.install("v1", &["app".to_owned()]).await;
    assert_eq!(db.kinds(1).await, Vec::<String>::new(), "it is the same component");
    db.install("v2", &["app".to_owned(), "own".to_owned()]).await;
    let told = db.told(1).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].kind.as_str(), told[0].app.as_deref()), ("provider.replaced", Some("app")));
    assert_eq!((told[0].provider.as_deref(), told[0].version.as_deref()), (Some("demo"), Some("v2")));
    assert_eq!(told[0].digest.as_deref(), Some(digest("v2").as_str()));
    let told = db.one.outbox(&other, 0, 9).await.unwrap().events;
    assert_eq!((told.len(), told[0].app.as_deref()), (1, Some("own")));
}

/// Many writers commit in another order than the one in which they began; readers look all the time.
async fn a_reader_with_a_number_misses_no_event_of_many_writers(db: &Opened) {
    const WRITERS: usize = 6;
    const EACH: usize = 40;
    db.with_app().await;
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let store = if writer % 2 == 0 { db.one.clone() } else { db.other.clone() };
        let accounts: Vec<NewAccount> = (0..EACH)
            .map(|number| db.account(&format!("ch_{writer}_{number}"), &format!("{writer}_{number}")))
            .collect();
        tasks.spawn(async move {
            for new in accounts {
                store.connect_account(tenant(), &new, &|channel| Ok(sealed(channel))).await.unwrap();
            }
        });
    }
    let mut readers = JoinSet::new();
    for reader in 0..4 {
        let store = if reader % 2 == 0 { db.one.clone() } else { db.other.clone() };
        readers.spawn(async move {
            let (mut read, mut seen) = (0, Vec::new());
            while seen.len() < WRITERS * EACH {
                let page = store.outbox(tenant(), read, 7).await.unwrap();
                for event in page.events {
                    assert_eq!(event.number, read + 1, "no gap, and nothing before what was read");
                    read = event.number;
                    seen.push((event.id, event.channel.unwrap()));
                }
                tokio::task::yield_now().await;
            }
            seen
        });
    }
    tasks.join_all().await;
    let seen = tokio::time::timeout(LONG, readers.join_all()).await.unwrap();
    let mut channels: Vec<&String> = seen[0].iter().map(|(_, channel)| channel).collect();
    channels.sort();
    channels.dedup();
    assert_eq!(channels.len(), WRITERS * EACH, "each once");
    assert!(seen.iter().all(|other| *other == seen[0]), "all readers have seen the same in the same order");
}

async fn events_out_are_forgotten_by_age_and_by_number_and_leave_a_gap(db: &Opened) {
    db.with_app().await;
    db.one.insert_endpoint(tenant(), &db.endpoint("end", None)).await.unwrap();
    for _ in 0..4 {
        db.happen().await;
        db.clock.advance(Duration::from_millis(10));
    }
    let held = db.acquire_endpoint().await.unwrap();
    assert_eq!(db.one.deliveries(tenant(), "end", None, 9).await.unwrap().len(), 4);
    let third = db.told(2).await[0].at;
    while db.one.prune_outbox(third, i64::MAX).await.unwrap() {}
    let numbers = async || -> Vec<i64> { db.told(0).await.iter().map(|event| event.number).collect() };
    assert_eq!(numbers().await, [3, 4]);
    let left = db.one.deliveries(tenant(), "end", None, 9).await.unwrap();
    assert_eq!(left.iter().map(|it| it.number).collect::<Vec<_>>(), [4, 3], "newest first");
    while db.one.prune_outbox(0, 1).await.unwrap() {}
    assert_eq!(numbers().await, [4]);
    // A delivery whose event is gone stands in nobody's way.
    let (next, _) = db.one.next_delivery("end", db.now()).await.unwrap().unwrap();
    assert_eq!(next.number, 4);
    db.one.release_endpoint("end", &held.lease).await.unwrap();
    while db.one.prune_outbox(i64::MAX, 1).await.unwrap() {}
    assert!(db.told(0).await.is_empty());
    assert_eq!(db.happen().await, 5, "numbers do not come again");
    let page = db.one.outbox(tenant(), 0, 9).await.unwrap();
    assert_eq!((page.read, page.head), (5, 5));
}

async fn an_address_gets_the_events_of_its_kinds_from_then_on(db: &Opened) {
    db.with_app().await;
    db.happen().await;
    assert!(db.acquire_endpoint().await.is_none());
    db.one.insert_endpoint(tenant(), &db.endpoint("all", None)).await.unwrap();
    db.one
        .insert_endpoint(tenant(), &db.endpoint("some", Some(r#"["job.failed","channel.limited"]"#)))
        .await
        .unwrap();
    assert!(db.acquire_endpoint().await.is_none(), "what was before is not sent");
    db.clock.advance(Duration::from_millis(1));
    db.happen().await;
    db.clock.advance(Duration::from_millis(1));
    let limited = NewAccount { health: Health::Limited, ..db.account("limited", "limited") };
    db.one.connect_account(tenant(), &limited, &|_| Ok(sealed("x"))).await.unwrap();
    let mut sent = std::collections::BTreeMap::new();
    while let Some(held) = db.acquire_endpoint().await {
        assert_eq!((&held.tenant, &held.row.target), (tenant(), &sealed(&held.row.id)));
        let id = held.row.id;
        while let Some((delivery, event)) = db.one.next_delivery(&id, db.now()).await.unwrap() {
            assert_eq!((&delivery.event, delivery.number, delivery.attempts), (&event.id, event.number, 0));
            let attempt = AttemptRow { at: db.now(), took_ms: 3, status: Some(204), failure: None };
            let stored =
                db.one.store_attempt(&id, &held.lease, delivery.number, &attempt, &AfterAttempt::Delivered);
            assert!(stored.await.unwrap());
            sent.entry(id.clone()).or_insert_with(Vec::new).push(event.kind);
        }
        db.one.release_endpoint(&id, &held.lease).await.unwrap();
    }
    assert_eq!(sent["all"], ["channel.connected", "channel.connected", "channel.limited"]);
    assert_eq!(sent["some"], ["channel.limited"]);
    let done = db.one.deliveries(tenant(), "some", None, 9).await.unwrap();
    assert_eq!((done.len(), done[0].due_at, done[0].attempts), (1, None, 1));
    let attempts = db.one.attempts(tenant(), "some", done[0].number, 9).await.unwrap();
    assert_eq!((attempts.len(), attempts[0].status, attempts[0].took_ms), (1, Some(204), 3));
    assert_eq!(done[0].delivered_at, Some(attempts[0].at));
    // Nobody else's.
    let other: TenantId = "other".parse().unwrap();
    assert!(db.one.endpoints(&other).await.unwrap().is_empty());
    assert!(db.one.endpoint(&other, "all").await.unwrap().is_none());
    assert!(db.one.deliveries(&other, "all", None, 9).await.unwrap().is_empty());
    assert!(!db.one.delete_endpoint(&other, "all").await.unwrap());
    assert!(!db.one.send_again(&other, "all", &db.told(1).await[0].id, db.now()).await.unwrap());
    assert!(db.one.delete_endpoint(tenant(), "all").await.unwrap());
    assert!(!db.one.delete_endpoint(tenant(), "all").await.unwrap());
    assert_eq!(db.one.endpoints(tenant()).await.unwrap().len(), 1);
}

async fn one_of_many_workers_sends_to_an_address(db: &Opened) {
    db.with_app().await;
    db.one.insert_endpoint(tenant(), &db.endpoint("end", None)).await.unwrap();
    db.happen().await;
    let now = db.now();
    let held = race(db, |_, store| async move { store.acquire_endpoint(now, LONG).await.unwrap() }).await;
    let held: Vec<HeldEndpoint> = held.into_iter().flatten().collect();
    assert_eq!(held.len(), 1, "{held:?}");
    assert!(db.one.extend_endpoint("end", &held[0].lease, Duration::ZERO).await.unwrap());
    // Its time is over.
    let next = db.acquire_endpoint().await.unwrap();
    assert!(!db.one.extend_endpoint("end", &held[0].lease, LONG).await.unwrap());
    db.one.release_endpoint("end", &held[0].lease).await.unwrap();
    assert!(db.acquire_endpoint().await.is_none(), "the one who lost it frees nothing");
    db.one.release_endpoint("end", &next.lease).await.unwrap();
    assert!(db.acquire_endpoint().await.is_some());
}

async fn a_failed_delivery_waits_and_all_that_failed_is_due_when_one_arrives(db: &Opened) {
    db.with_app().await;
    db.one.insert_endpoint(tenant(), &db.endpoint("end", None)).await.unwrap();
    for _ in 0..2 {
        db.happen().await;
        db.clock.advance(Duration::from_millis(1));
    }
    let held = db.acquire_endpoint().await.unwrap();
    let later = db.now() + 1_000_000;
    let failed = AttemptRow {
        at: db.now(),
        took_ms: 1,
        status: Some(500),
        failure: Some("it answered 500".to_owned()),
    };
    for number in [1, 2] {
        let (next, _) = db.one.next_delivery("end", db.now()).await.unwrap().unwrap();
        assert_eq!(next.number, number);
        let after = AfterAttempt::Failed { due_at: Some(later), resume_at: db.now() + 5_000 };
        assert!(db.one.store_attempt("end", &held.lease, number, &failed, &after).await.unwrap());
    }
    assert!(db.one.next_delivery("end", db.now()).await.unwrap().is_none());
    db.one.release_endpoint("end", &held.lease).await.unwrap();
    let row = db.one.endpoint(tenant(), "end").await.unwrap().unwrap();
    assert_eq!((row.failures, row.failing_since), (2, Some(failed.at)));
    db.happen().await;
    assert!(db.acquire_endpoint().await.is_none(), "it is left alone for a moment");
    db.clock.advance(Duration::from_secs(6));
    let held = db.acquire_endpoint().await.unwrap();
    let (next, _) = db.one.next_delivery("end", db.now()).await.unwrap().unwrap();
    assert_eq!(next.number, 3);
    let arrived = AttemptRow { status: Some(200), failure: None, at: db.now(), ..failed };
    assert!(db.one.store_attempt("end", &held.lease, 3, &arrived, &AfterAttempt::Delivered).await.unwrap());
    let (next, _) = db.one.next_delivery("end", db.now()).await.unwrap().unwrap();
    assert_eq!((next.number, next.attempts), (1, 1), "it is back");
    let row = db.one.endpoint(tenant(), "end").await.unwrap().unwrap();
    assert_eq!((row.failures, row.failing_since), (0, None));
    assert_eq!(
        db.one.attempts(tenant(), "end", 1, 9).await.unwrap()[0].failure.as_deref(),
        Some("it answered 500")
    );
}

async fn an_attempt_without_the_lease_is_not_stored(db: &Opened) {
    db.with_app().await;
    db.one.insert_endpoint(tenant(), &db.endpoint("end", None)).await.unwrap();
    db.happen().await;
    let held = db.acquire_endpoint().await.unwrap();
    let lost = Lease { fence: held.lease.fence + 1 };
    let attempt = AttemptRow { at: db.now(), took_ms: 1, status: Some(200), failure: None };
    assert!(!db.one.store_attempt("end", &lost, 1, &attempt, &AfterAttempt::Delivered).await.unwrap());
    assert!(db.one.attempts(tenant(), "end", 1, 9).await.unwrap().is_empty());
    assert!(db.one.next_delivery("end", db.now()).await.unwrap().is_some());
    // The address was removed while something was on its way.
    assert!(db.one.delete_endpoint(tenant(), "end").await.unwrap());
    assert!(!db.one.store_attempt("end", &held.lease, 1, &attempt, &AfterAttempt::Delivered).await.unwrap());
}

async fn a_disabled_address_gets_what_it_missed_when_it_is_enabled(db: &Opened) {
    db.with_app().await;
    db.one.insert_endpoint(tenant(), &db.endpoint("end", None)).await.unwrap();
    db.happen().await;
    let held = db.acquire_endpoint().await.unwrap();
    let attempt =
        AttemptRow { at: db.now(), took_ms: 1, status: Some(410), failure: Some("gone".to_owned()) };
    let after = AfterAttempt::Disabled { due_at: Some(db.now()), why: "it is gone".to_owned() };
    assert!(db.one.store_attempt("end", &held.lease, 1, &attempt, &after).await.unwrap());
    assert!(!db.one.extend_endpoint("end", &held.lease, LONG).await.unwrap(), "its worker stops");
    db.one.release_endpoint("end", &held.lease).await.unwrap();
    db.clock.advance(Duration::from_millis(1));
    db.happen().await;
    assert!(db.acquire_endpoint().await.is_none());
    let row = db.one.endpoint(tenant(), "end").await.unwrap().unwrap();
    assert_eq!((row.disabled_at, row.disabled_why.as_deref()), (Some(attempt.at), Some("it is gone")));
    let enable = EndpointChange { enabled: Some(Ok(())), now: db.now(), ..EndpointChange::default() };
    assert!(db.one.change_endpoint(tenant(), "end", &enable).await.unwrap());
    db.acquire_endpoint().await.unwrap();
    let due = db.one.deliveries(tenant(), "end", None, 9).await.unwrap();
    assert_eq!(due.iter().filter(|it| it.due_at.is_some()).count(), 2, "{due:?}");
    let disable = EndpointChange {
        enabled: Some(Err("by a person".to_owned())),
        now: db.now(),
        ..EndpointChange::default()
    };
    assert!(db.one.change_endpoint(tenant(), "end", &disable).await.unwrap());
    let row = db.one.endpoint(tenant(), "end").await.unwrap().unwrap();
    assert_eq!(row.disabled_why.as_deref(), Some("by a person"));
}

async fn an_event_is_sent_again_to_an_address_whatever_became_of_it(db: &Opened) {
    db.with_app().await;
    db.happen().await;
    db.one.insert_endpoint(tenant(), &db.endpoint("end", Some(r#"["job.failed"]"#))).await.unwrap();
    let event = db.told(0).await[0].id.clone();
    assert!(db.acquire_endpoint().await.is_none());
    for round in 0..2 {
        assert!(db.one.send_again(tenant(), "end", &event, db.now()).await.unwrap());
        let held = db.acquire_endpoint().await.unwrap();
        let (next, told) = db.one.next_delivery("end", db.now()).await.unwrap().unwrap();
        assert_eq!((&told.id, next.attempts), (&event, 0), "also one from before the address");
        let attempt = AttemptRow { at: db.now(), took_ms: 1, status: Some(200), failure: None };
        let stored =
            db.one.store_attempt("end", &held.lease, next.number, &attempt, &AfterAttempt::Delivered);
        assert!(stored.await.unwrap());
        db.one.release_endpoint("end", &held.lease).await.unwrap();
        assert_eq!(db.one.attempts(tenant(), "end", 1, 9).await.unwrap().len(), round + 1);
    }
    assert!(!db.one.send_again(tenant(), "end", "evt_none", db.now()).await.unwrap());
    assert!(!db.one.send_again(tenant(), "none", &event, db.now()).await.unwrap());
}

async fn a_target_is_replaced_by_who_read_it_last(db: &Opened) {
    db.one.insert_endpoint(tenant(), &db.endpoint("end", None)).await.unwrap();
    let now = db.now();
    let done = race(db, |number, store| async move {
        let change = EndpointChange {
            target: Some((sealed(&format!("new {number}")), sealed("end"))),
            description: Some(format!("by {number}")),
            kinds: Some(Some("[]".to_owned())),
            now,
            ..EndpointChange::default()
        };
        (number, store.change_endpoint(tenant(), "end", &change).await.unwrap())
    })
    .await;
    let won: Vec<usize> = done.iter().filter(|(_, done)| *done).map(|(number, _)| *number).collect();
    let [won] = won.as_slice() else { panic!("{done:?}") };
    let row = db.one.endpoint(tenant(), "end").await.unwrap().unwrap();
    assert_eq!((row.target, row.description), (sealed(&format!("new {won}")), format!("by {won}")));
    assert_eq!(row.kinds.as_deref(), Some("[]"));
    let all = EndpointChange { kinds: Some(None), now, ..EndpointChange::default() };
    assert!(db.one.change_endpoint(tenant(), "end", &all).await.unwrap());
    assert_eq!(db.one.endpoint(tenant(), "end").await.unwrap().unwrap().kinds, None);
    assert!(!db.one.change_endpoint(&"other".parse().unwrap(), "end", &all).await.unwrap());
}
