//! Components and the apps that use them.

/// A provider whose component differs from the built one only in a meaningless custom section.
fn version(number: u8) -> Vec<u8> {
    // This test runs as TARGET/debug/deps/NAME.
    let exe = std::env::current_exe().unwrap();
    let path = exe.ancestors().nth(3).unwrap().join("wasm32-wasip2/guest/minimal_provider.wasm");
    let mut bytes = std::fs::read(&path)
        .unwrap_or_else(|_| panic!("no {}: run `cargo xtask guests` first", path.display()));
    // A custom section: its kind, its length, the length of its name, its name.
    bytes.extend_from_slice(&[0, 3, 1, b'v', number]);
    bytes
}

#[tokio::test]
async fn components_that_nothing_needs_any_more_are_let_go() {
    let host = crate::Host::builder().background(false).open().await.unwrap();
    let mut digests = Vec::new();
    for number in 0..4 {
        digests.push(host.load_provider(&version(number)).await.unwrap().provider.digest);
        assert_eq!(host.parts.apps.loaded_components(), 1, "the {number} before is let go");
    }
    digests.dedup();
    assert_eq!(digests.len(), 4);
}

#[tokio::test]
async fn an_app_moves_with_its_component_and_the_old_one_is_kept_for_one_replacement() {
    let host = crate::Host::builder().background(false).open().await.unwrap();
    let first = host.load_provider(&version(1)).await.unwrap().provider;
    let config =
        crate::AppConfig { provider: Some(first.descriptor.id.clone()), ..crate::AppConfig::default() };
    host.put_app("app", config).await.unwrap();
    let second = host.load_provider(&version(2)).await.unwrap().provider;
    // The app moved with it. The first component is kept for the way back, but not in memory, and not in the list.
    assert_eq!(host.parts.apps.loaded_components(), 1);
    assert_eq!(second.previous, Some(first.digest.clone()));
    assert_eq!(host.providers().await.unwrap().len(), 1);
    let back = host.roll_back_provider(&first.descriptor.id).await.unwrap().provider;
    assert_eq!((back.digest, back.previous), (first.digest.clone(), Some(second.digest.clone())));
    assert_eq!(host.app("app").await.unwrap().digest, first.digest);
    let forth = host.roll_back_provider(&first.descriptor.id).await.unwrap().provider;
    assert_eq!(forth.digest, second.digest);
    // After another one it is gone, and using it is an error.
    host.load_provider(&version(3)).await.unwrap();
    assert_eq!(host.parts.apps.provider(&first.digest).await.unwrap_err().kind, crate::ErrorKind::LoadFailed);
}

#[tokio::test]
async fn one_that_is_being_loaded_keeps_no_other_waiting() {
    let host = crate::Host::builder().background(false).open().await.unwrap();
    let digest = crate::Digest::of(&version(3));
    let cell = host.parts.apps.cell(&digest);
    let mut loading = Box::pin(cell.get_or_init(std::future::pending));
    assert!(futures::poll!(&mut loading).is_pending());
    // Meanwhile another component is installed, listed and found.
    let other = host.load_provider(&version(1)).await.unwrap().provider;
    assert_eq!(host.providers().await.unwrap().len(), 1);
    host.parts.apps.provider(&other.digest).await.unwrap();
    // A caller of the same component waits for it, and loads it after the first caller is dropped.
    let mut wanting = Box::pin(host.parts.apps.provider(&digest));
    assert!(futures::poll!(&mut wanting).is_pending());
    drop(loading);
    assert_eq!(wanting.await.unwrap_err().kind, crate::ErrorKind::LoadFailed, "it was never installed");
}

#[tokio::test]
async fn a_doubtful_disk_is_a_finding_of_every_app() {
    let mut host = crate::Host::builder().background(false).open().await.unwrap();
    let provider = host.load_provider(&version(1)).await.unwrap().provider.descriptor.id;
    host.put_app("app", crate::AppConfig { provider: Some(provider), ..crate::AppConfig::default() })
        .await
        .unwrap();
    let found = async |host: &crate::Host| {
        let all = host.check_settings("app").await.unwrap();
        all.into_iter().find(|finding| finding.subject == "database")
    };
    assert!(found(&host).await.is_none(), "in memory there is no disk to doubt");
    // As of a database on FUSE, where these tests do not run.
    let parts = std::sync::Arc::get_mut(&mut host.parts).unwrap();
    let doubt = crate::model::Finding {
        severity: crate::model::Severity::Warning,
        subject: "database".to_owned(),
        message: "The database lies on virtiofs (FUSE).".to_owned(),
        remedy: Some("Put it on a local disk.".to_owned()),
        code: None,
        details: Default::default(),
    };
    parts.diagnosis.doubts = vec![doubt];
    let finding = found(&host).await.unwrap();
    assert_eq!(finding.severity, crate::model::Severity::Warning);
    assert!(finding.message.contains("virtiofs") && finding.remedy.unwrap().contains("local disk"));
}

#[tokio::test]
async fn a_list_names_what_is_being_loaded_and_does_not_wait_for_it() {
    let host = crate::Host::builder().background(false).open().await.unwrap();
    let installed = host.load_provider(&version(1)).await.unwrap().provider;
    let id = installed.descriptor.id.clone();
    let config = crate::AppConfig { provider: Some(id.clone()), ..crate::AppConfig::default() };
    host.put_app("app", config).await.unwrap();
    host.parts.apps.let_go_of_all();
    let cell = host.parts.apps.cell(&installed.digest);
    let mut loading = Box::pin(cell.get_or_init(std::future::pending));
    assert!(futures::poll!(&mut loading).is_pending());
    let is_loading = |error: Option<crate::Error>| {
        error.is_some_and(|error| error.code.as_deref() == Some("loading") && error.remedy.is_some())
    };
    for _ in 0..3 {
        let listed = host.providers_now().await.unwrap().remove(0);
        assert_eq!((&listed.descriptor.id, &listed.digest), (&id, &installed.digest));
        assert_eq!(listed.clone().loaded().unwrap_err().kind, crate::ErrorKind::Unavailable);
        assert!(is_loading(listed.error));
        assert!(is_loading(host.apps_now().await.unwrap().remove(0).error));
    }
    // Who wants to have all of it waits.
    let mut whole = Box::pin(host.providers());
    assert!(futures::poll!(&mut whole).is_pending());
    drop(loading);
    assert!(whole.await.unwrap().remove(0).error.is_none());
    assert!(host.providers_now().await.unwrap().remove(0).loaded().is_ok());
    assert!(host.apps_now().await.unwrap().remove(0).error.is_none());
}

#[tokio::test]
async fn a_list_repeats_why_a_component_cannot_be_loaded() {
    let host = crate::Host::builder().background(false).open().await.unwrap();
    let digest = crate::Digest::of(b"never stored");
    for _ in 0..2 {
        let error = host.parts.apps.listed(&digest, crate::app::Wait::AMoment).await.unwrap_err();
        assert_eq!(error.kind, crate::ErrorKind::LoadFailed, "{error:?}");
    }
    assert_eq!(host.parts.apps.loaded_components(), 0);
}

#[tokio::test]
async fn a_host_opens_no_database_on_the_disk_of_another_machine_and_says_what_it_doubts() {
    let folder = tempfile::tempdir().unwrap();
    let open = async |said: &str| {
        std::fs::write(folder.path().join("file-system-of-a-test"), said).unwrap();
        let host = crate::Host::builder().background(false).database(folder.path().join("a.sqlite"));
        host.open().await
    };
    for said in ["6969 nfs", "01021997 9p", "65735546 fuse.sshfs"] {
        let error = open(said).await.unwrap_err();
        assert_eq!(error.kind, crate::ErrorKind::Misconfigured, "{said}: {error:?}");
        assert!(error.remedy.is_some(), "{error:?}");
        assert!(!folder.path().join("a.sqlite").exists(), "{said}: nothing is made there");
    }
    let host = open("65735546 virtiofs").await.unwrap();
    let doubt = host.parts.diagnosis.doubts.first().unwrap();
    assert!(doubt.message.contains("virtiofs"), "{doubt:?}");
}

#[tokio::test]
async fn a_host_whose_key_may_be_served_says_so_at_every_check() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("site/data")).unwrap();
    std::fs::write(folder.path().join("site/index.php"), "").unwrap();
    for (data, doubted) in [("site/data", true), ("data", false)] {
        std::fs::create_dir_all(folder.path().join(data)).unwrap();
        let host =
            crate::Host::builder().background(false).database(folder.path().join(data).join("a.sqlite"));
        let host = host.open().await.unwrap();
        assert_eq!(host.doubts().iter().any(|doubt| doubt.subject == "key"), doubted, "{data}");
        let provider = host.load_provider(&version(1)).await.unwrap().provider.descriptor.id;
        host.put_app("app", crate::AppConfig { provider: Some(provider), ..crate::AppConfig::default() })
            .await
            .unwrap();
        let found = host.check_settings("app").await.unwrap();
        assert_eq!(
            found.iter().any(|finding| finding.subject == "key" && finding.remedy.is_some()),
            doubted,
            "{found:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_database_of_many_machines_a_folder_of_one_is_doubted() {
    let server = tokio::task::spawn_blocking(|| postgres_server::Server::start(&[]).unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let builder = || {
        let key = crate::KeySource::Text(crate::new_key().unwrap());
        crate::Host::builder().background(false).key(key).database(server.url())
    };
    let error = builder().open().await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (crate::ErrorKind::InvalidRequest, Some("blob")));
    let places = [
        (builder().data(folder.path()), true),
        (builder().upload_folder(folder.path().join("new/uploads")), true),
        (builder().blob(folder.path().join("shared")), false),
        (builder().data(folder.path()).blob("s3://media/shop?credentials=/nowhere"), false),
    ];
    // As of a folder on NFS, where these tests do not run.
    std::fs::create_dir(folder.path().join("shared")).unwrap();
    std::fs::write(folder.path().join("shared/file-system-of-a-test"), "6969 nfs").unwrap();
    let mut first = None;
    for (builder, doubted) in places {
        // One key for one database.
        let key = first.get_or_insert_with(|| crate::new_key().unwrap().expose().to_owned());
        let host =
            builder.key(crate::KeySource::Text(crate::SecretText::new(key.as_str()))).open().await.unwrap();
        let doubt = host.doubts().iter().find(|doubt| doubt.subject == "uploads");
        assert_eq!(doubt.is_some(), doubted, "{doubt:?}");
        if let Some(doubt) = doubt {
            assert!(doubt.remedy.as_ref().is_some_and(|remedy| remedy.contains("s3://")), "{doubt:?}");
        }
    }
    let twice = crate::Host::builder().blob("s3://media").upload_folder("/x").open().await.unwrap_err();
    assert_eq!(twice.field.as_deref(), Some("blob"));
    let other = crate::Host::builder().blob("gs://media").open().await.unwrap_err();
    assert!(other.message.contains("kind that is not known"), "{other}");
}
