//! Accounts of which another program holds the tokens. The platform takes each refresh token once, so what it answers must
//! be stored whatever happens, and the same rows may be given again.

use std::sync::Mutex;

use library_tests::{APP, OWNER, Stage, app_config, struck, world};
use social_channel::{
    AppConfig, Connect, ConnectOptions, Connected, ErrorKind, Health, Import, ImportReport, ImportRow,
    ImportStatus, SettingValue, Tenant, TenantId,
};
use tiktok_simulator::{Account, Action, Fault, World};

const KEY: &str = "simkey-desktop";

/// A world with so many accounts besides those of the demo.
fn crowd(accounts: usize) -> World {
    let mut world = world();
    world.accounts.extend((0..accounts).map(|number| Account {
        username: format!("user.{number}"),
        display_name: format!("User {number}"),
        generate_videos: 0,
        ..Account::default()
    }));
    world
}

/// What another program holds of an account.
struct Held {
    open_id: String,
    refresh_token: String,
    access_token: String,
}

fn held(stage: &Stage, username: &str) -> Held {
    let tokens = stage.simulator.issue_tokens(KEY, username).unwrap();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    Held {
        open_id: text("open_id"),
        refresh_token: text("refresh_token"),
        access_token: text("access_token"),
    }
}

impl Held {
    fn row(&self) -> ImportRow {
        let inputs = [("refresh-token".to_owned(), self.refresh_token.as_str().into())].into();
        ImportRow { inputs, ..ImportRow::default() }
    }

    fn named(&self) -> ImportRow {
        ImportRow { account_id: Some(self.open_id.clone()), ..self.row() }
    }
}

async fn import(tenant: &Tenant, rows: Vec<ImportRow>) -> ImportReport {
    import_as(tenant, false, rows).await
}

async fn import_as(tenant: &Tenant, dry_run: bool, rows: Vec<ImportRow>) -> ImportReport {
    let import = Import { dry_run, wait_seconds: 120, rows };
    tenant.import_channels(APP, import, &|_| ()).await.unwrap()
}

fn statuses(report: &ImportReport) -> Vec<ImportStatus> {
    report.rows.iter().map(|row| row.status).collect()
}

fn refreshes(stage: &Stage) -> usize {
    stage.requests("/v2/oauth/token/")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_connects_an_account_once_however_often_it_is_given() {
    let stage = Stage::in_world(crowd(0), |builder| builder).await.unwrap();
    let held = held(&stage, "demo.kitchen");
    let row = || ImportRow { reference: Some("customer 7".to_owned()), ..held.row() };
    let dry = import_as(&stage.tenant, true, vec![row()]).await;
    assert_eq!((statuses(&dry), refreshes(&stage)), (vec![ImportStatus::Ready], 0));
    let told = Mutex::new(Vec::new());
    let all = Import { rows: vec![row()], ..Import::default() };
    let report =
        stage.tenant.import_channels(APP, all, &|row| told.lock().unwrap().push(row.status)).await.unwrap();
    assert_eq!(*told.lock().unwrap(), [ImportStatus::Connected]);
    let done = &report.rows[0];
    assert_eq!((done.row, done.status), (1, ImportStatus::Connected), "{done:?}");
    assert_eq!(done.reference.as_deref(), Some("customer 7"));
    assert_eq!(done.account_id.as_deref(), Some(held.open_id.as_str()));
    assert_eq!(done.display_name.as_deref(), Some("Demo Kitchen"), "as the platform calls it");
    assert_eq!(report.counts, [(ImportStatus::Connected, 1)].into());
    // Given again, with the account's name or without it, dry or not.
    for (dry_run, row) in [(false, row()), (true, row()), (false, held.named()), (true, held.named())] {
        let again = import_as(&stage.tenant, dry_run, vec![row]).await;
        assert_eq!(statuses(&again), [ImportStatus::AlreadyConnected], "{again:?}");
        assert_eq!(again.rows[0].channel, done.channel);
    }
    assert_eq!(refreshes(&stage), 1, "the token is not shown to the platform again");
    let channel = done.channel.clone().unwrap();
    stage.tenant.profile(&channel).await.unwrap();
    assert_eq!(stage.tenant.channels().await.unwrap().len(), 1);
    assert_eq!(stage.tenant.channel(&channel).await.unwrap().health, Health::Active);
    // Another tenant has rows of its own.
    let other = stage.host.tenant("other".parse::<TenantId>().unwrap());
    let report = import(&other, vec![held.row()]).await;
    assert_eq!(statuses(&report), [ImportStatus::Dead], "the token is used up: {report:?}");
    assert!(stage.simulator.violations().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_says_what_became_of_it() {
    let stage = Stage::in_world(crowd(4), |builder| builder).await.unwrap();
    let [good, gone, wrong, twice] = [0, 1, 2, 3].map(|number| held(&stage, &format!("user.{number}")));
    assert!(stage.simulator.remove_grant(KEY, "user.1", 1));
    let unknown = [("refresh-tokn".to_owned(), SettingValue::from("rft.unknown-input"))].into();
    let rows = || {
        vec![
            good.named(),
            gone.named(),
            ImportRow { account_id: Some("somebody-else".to_owned()), ..wrong.row() },
            twice.row(),
            twice.row(),
            ImportRow { inputs: unknown_of(&unknown), ..ImportRow::default() },
            ImportRow { account_id: Some("nothing-else".to_owned()), ..ImportRow::default() },
        ]
    };
    use ImportStatus::{AlreadyConnected, Connected, Dead, OtherAccount, Ready, Refused};
    let dry = import_as(&stage.tenant, true, rows()).await;
    assert_eq!(statuses(&dry), [Ready, Ready, Ready, Ready, Refused, Refused, Refused], "{dry:?}");
    assert_eq!(refreshes(&stage), 0, "a dry run sends nothing");
    let report = import(&stage.tenant, rows()).await;
    assert_eq!(
        statuses(&report),
        [Connected, Dead, OtherAccount, Connected, Refused, Refused, Refused],
        "{report:?}"
    );
    assert!(!report.is_good());
    let why = |row: usize| report.rows[row].error.clone().unwrap();
    assert_eq!((why(1).kind, why(1).code.as_deref()), (ErrorKind::Unauthorized, Some("invalid_grant")));
    assert!(why(2).message.contains("somebody-else") && report.rows[2].channel.is_some());
    assert!(why(4).message.contains("row 4"), "{:?}", why(4));
    assert_eq!(why(5).code.as_deref(), Some("unknown_input"));
    assert!(why(6).remedy.unwrap().contains("refresh-token"));
    let again = import(&stage.tenant, rows()).await;
    assert_eq!(
        statuses(&again),
        [AlreadyConnected, Dead, AlreadyConnected, AlreadyConnected, Refused, Refused, Refused]
    );
    // Nobody is told a token, neither by a document nor by what a programmer prints.
    let shown = format!("{report:?} {} {:?}", serde_json::to_string(&report).unwrap(), rows());
    for held in [&good, &gone, &wrong, &twice] {
        assert!(!shown.contains(&held.refresh_token), "{shown}");
    }
    assert!(!shown.contains("rft."), "{shown}");
}

fn unknown_of(
    inputs: &std::collections::BTreeMap<String, SettingValue>,
) -> std::collections::BTreeMap<String, SettingValue> {
    inputs.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_works_is_not_touched_and_a_dead_one_is_mended() {
    let stage = Stage::in_world(crowd(0), |builder| builder).await.unwrap();
    let channel = stage.connect().await.unwrap();
    let old = held(&stage, "demo.kitchen");
    let before = refreshes(&stage);
    let report = import(&stage.tenant, vec![old.named()]).await;
    assert_eq!(statuses(&report), [ImportStatus::AlreadyConnected]);
    assert_eq!((report.rows[0].channel.as_deref(), refreshes(&stage)), (Some(channel.id.as_str()), before));
    assert!(stage.simulator.remove_grant(KEY, "demo.kitchen", 1));
    stage.tenant.profile(&channel.id).await.unwrap_err();
    assert_eq!(stage.tenant.channel(&channel.id).await.unwrap().health, Health::NeedsReconnect);
    // The person consented to the other program meanwhile.
    let fresh = held(&stage, "demo.kitchen");
    let report = import(&stage.tenant, vec![fresh.named()]).await;
    assert_eq!(statuses(&report), [ImportStatus::Updated], "{report:?}");
    assert_eq!(report.rows[0].channel.as_deref(), Some(channel.id.as_str()));
    stage.tenant.profile(&channel.id).await.unwrap();
    assert_eq!(stage.tenant.channel(&channel.id).await.unwrap().health, Health::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_asked_for_once_more_and_then_named() {
    let stage = Stage::in_world(crowd(2), |builder| builder).await.unwrap();
    let (one, two) = (held(&stage, "user.0"), held(&stage, "user.1"));
    // It never arrived: the second request connects.
    stage.simulator.faults().add(Fault::new(Action::Reset).path("/v2/oauth/token/"));
    assert_eq!(statuses(&import(&stage.tenant, vec![one.row()]).await), [ImportStatus::Connected]);
    assert_eq!(refreshes(&stage), 2);
    // It arrived, and with the answer the new token is gone.
    stage.simulator.faults().add(Fault::new(Action::Reset).path("/v2/oauth/token/").after());
    let report = import(&stage.tenant, vec![two.row()]).await;
    assert_eq!((statuses(&report), refreshes(&stage)), (vec![ImportStatus::Dead], 4), "{report:?}");
    let error = report.rows[0].error.clone().unwrap();
    assert!(error.remedy.unwrap().contains("answer to an earlier request was lost"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_loses_no_token_and_nobody_uses_it_twice() {
    let stage = Stage::in_world(crowd(1), |builder| builder).await.unwrap();
    let held = held(&stage, "user.0");
    stage.simulator.faults().add(Fault::new(Action::Delay { ms: 1_000 }).path("/v2/oauth/token/"));
    let (tenant, row) = (stage.tenant.clone(), held.row());
    let call = tokio::spawn(async move { import(&tenant, vec![row]).await });
    struck(&stage.simulator).await;
    call.abort();
    // Another one with the same row, in another host of the same database: it may wait for the first.
    let second = stage.second_host().await.unwrap();
    let patience = Import { wait_seconds: 0, rows: vec![held.row()], ..Import::default() };
    let busy = second.tenant(TenantId::default()).import_channels(APP, patience, &|_| ()).await.unwrap();
    assert_eq!(statuses(&busy), [ImportStatus::NotDone], "{busy:?}");
    let done = library_tests::until("the account is connected", async || {
        let channels = stage.tenant.channels().await.unwrap();
        (!channels.is_empty()).then_some(channels)
    })
    .await;
    assert_eq!(done.len(), 1);
    let report = import(&second.tenant(TenantId::default()), vec![held.row()]).await;
    assert_eq!(statuses(&report), [ImportStatus::AlreadyConnected], "{report:?}");
    assert_eq!(refreshes(&stage), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_is_out_of_order_is_waited_for_and_wrong_keys_stop_everything() {
    let stage = Stage::in_world(crowd(8), |builder| builder).await.unwrap();
    let all: Vec<Held> = (0..8).map(|number| held(&stage, &format!("user.{number}"))).collect();
    let rows = || all.iter().map(Held::named).collect::<Vec<_>>();
    let secret = |secret: &str| AppConfig {
        settings: [("client-secret".to_owned(), secret.into())].into(),
        ..AppConfig::default()
    };
    stage.host.put_app(APP, secret("simsecret-of-another-app")).await.unwrap();
    let report = import(&stage.tenant, rows()).await;
    assert_eq!(statuses(&report), [ImportStatus::NotDone; 8], "{report:?}");
    assert!(refreshes(&stage) <= 4, "the rest is not tried: {}", refreshes(&stage));
    stage.host.put_app(APP, app_config()).await.unwrap();
    let busy = Action::Status { status: 429, code: None, retry_after: Some(1) };
    stage.simulator.faults().add(Fault::new(busy).path("/v2/oauth/token/").times(2));
    let report = import(&stage.tenant, rows()).await;
    assert_eq!(statuses(&report), [ImportStatus::Connected; 8], "{report:?}");
    assert_eq!(stage.simulator.world().tokens.refreshed, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_is_connected_without_a_browser_and_nothing_is_lost_to_a_mistake() {
    let stage = Stage::in_world(crowd(2), |builder| builder).await.unwrap();
    let begin = async |held: &Held, reconnect: Option<String>, all: bool| {
        let mut inputs: std::collections::BTreeMap<String, SettingValue> =
            [("refresh-token".to_owned(), held.refresh_token.as_str().into())].into();
        if all {
            inputs.insert("access-token".to_owned(), held.access_token.as_str().into());
        }
        let options =
            ConnectOptions { owner: OWNER.to_owned(), inputs, reconnect, ..ConnectOptions::default() };
        let shown = format!("{options:?}");
        assert!(!shown.contains("rft.") && !shown.contains("act."), "{shown}");
        stage.tenant.begin_connect(APP, options).await
    };
    let one = held(&stage, "user.0");
    let Connect::Done(Connected::Channel(channel)) = begin(&one, None, false).await.unwrap() else {
        panic!("no browser is needed");
    };
    assert_eq!(channel.account_id, one.open_id);
    // With an access token that works, the wrong account is found out before its refresh token is used.
    let other = held(&stage, "user.1");
    let error = begin(&other, Some(channel.id.clone()), true).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("account-id")));
    assert_eq!(stage.tenant.channels().await.unwrap().len(), 1);
    // Without one it is used up, and kept as what it is.
    let error = begin(&other, Some(channel.id.clone()), false).await.unwrap_err();
    assert!(error.remedy.as_ref().unwrap().contains("is connected as"), "{error:?}");
    let channels = stage.tenant.channels().await.unwrap();
    assert_eq!(channels.len(), 2, "{channels:?}");
    for channel in channels {
        stage.tenant.profile(&channel.id).await.unwrap();
    }
    // Without any token it is the browser, as before.
    let options = ConnectOptions { owner: OWNER.to_owned(), ..ConnectOptions::default() };
    let options = ConnectOptions { redirect_uri: Some(library_tests::CALLBACK.to_owned()), ..options };
    assert!(matches!(stage.tenant.begin_connect(APP, options).await.unwrap(), Connect::Redirect { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_has_a_size() {
    let stage = Stage::in_world(crowd(0), |builder| builder).await.unwrap();
    for count in [0, social_channel::IMPORT_ROWS + 1] {
        let rows = vec![ImportRow::default(); count];
        let error = stage.tenant.import_channels(APP, Import { rows, ..Import::default() }, &|_| ()).await;
        assert_eq!(error.unwrap_err().field.as_deref(), Some("rows"));
    }
    let one = Import { rows: vec![ImportRow::default()], ..Import::default() };
    let error = stage.tenant.import_channels("nosuch", one, &|_| ()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}
