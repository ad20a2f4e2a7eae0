//! Uploads, whole and in parts, and drafts.

use std::path::Path;

use library_tests::until;
use social_channel::{ErrorKind, NewUpload};

use super::case::{AWAITS, case, dropped_after, hold_all};
use super::idle_stage;
use super::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn uploads_and_drafts_are_whole_or_as_they_were() {
    hold_all(vec![
        case(
            "begin_upload and its parts",
            |_, number| async move { format!("{number}.mp4") },
            |scene, name| async move {
                let id = scene.begun(&name).await?;
                scene.sent(&id).await
            },
            &[],
            |scene, name| async move {
                let uploads = scene.tenant.uploads().await.unwrap();
                uploads.iter().any(|upload| upload.file_name.as_ref() == Some(&name)).to_string()
            },
            "true",
        ),
        case(
            "append_upload",
            |scene, _| async move { scene.begun("x.mp4").await.unwrap() },
            |scene, id| async move { scene.sent(&id).await },
            &[],
            |scene, id| async move { scene.tenant.upload(&id).await.is_ok().to_string() },
            "true",
        ),
        case(
            "hold_upload",
            |scene, _| async move { scene.uploaded("x.mp4").await },
            |scene, id| async move { scene.tenant.hold_upload(&id, true).await.map(drop) },
            &[],
            |scene, id| async move { scene.tenant.upload(&id).await.unwrap().held.to_string() },
            "true",
        ),
        case(
            "delete_upload",
            |scene, _| async move { scene.uploaded("x.mp4").await },
            |scene, id| async move { scene.tenant.delete_upload(&id).await },
            &[ErrorKind::NotFound],
            |scene, id| async move { scene.tenant.partial_upload(&id).await.is_ok().to_string() },
            "false",
        ),
        case(
            "delete_upload of one that is not whole",
            |scene, _| async move { scene.begun("x.mp4").await.unwrap() },
            |scene, id| async move { scene.tenant.delete_upload(&id).await },
            &[ErrorKind::NotFound],
            |scene, id| async move { scene.tenant.partial_upload(&id).await.is_ok().to_string() },
            "false",
        ),
        case(
            "put_draft",
            |_, number| async move { format!("draft-{number}") },
            |scene, id| async move { scene.tenant.put_draft(&id, &"kept", scene.now() + 3_600).await },
            &[],
            |scene, id| async move { format!("{:?}", draft(&scene, &id).await) },
            "Some(\"kept\")",
        ),
        case(
            "delete_draft",
            |scene, _| async move {
                scene.tenant.put_draft("draft", &"kept", scene.now() + 3_600).await.unwrap();
                "draft".to_owned()
            },
            |scene, id| async move { scene.tenant.delete_draft(&id).await },
            &[],
            |scene, id| async move { format!("{:?}", draft(&scene, &id).await) },
            "None",
        ),
    ])
    .await;
}

async fn draft(scene: &Scene, id: &str) -> Option<String> {
    scene.tenant.draft::<String>(id).await.unwrap().map(|draft| draft.content)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_dropped_leaves_nothing() {
    let stage = idle_stage().await;
    let uploads = stage.folder.path().join("uploads");
    for waits in 0..AWAITS {
        let chunks = (0..4).map(|_| Ok(vec![7; 300_000].into()));
        let bytes = futures::stream::iter(chunks);
        let new = NewUpload { limit: 10 << 20, tenant_limit: Some(20 << 20), ..NewUpload::default() };
        let ended = dropped_after(waits, stage.tenant.keep_upload(new, bytes)).await;
        if let Some(upload) = ended {
            // The space reserved by dropped uploads is released.
            let upload = upload.unwrap();
            assert_eq!(upload.size, 1_200_000);
            stage.tenant.delete_upload(&upload.id).await.unwrap();
            return;
        }
        // If the last step was done before the drop, the upload is complete.
        let kept = stage.tenant.uploads().await.unwrap();
        for upload in &kept {
            assert_eq!(upload.size, 1_200_000);
            stage.tenant.delete_upload(&upload.id).await.unwrap();
        }
        until("the end of its files", async || {
            files(&uploads).iter().all(|name| settled(name)).then_some(())
        })
        .await;
    }
    panic!("an upload has no end");
}

fn files(folder: &Path) -> Vec<String> {
    let Ok(tenants) = std::fs::read_dir(folder) else { return Vec::new() };
    tenants
        .flat_map(|tenant| std::fs::read_dir(tenant.unwrap().path()).unwrap())
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// A complete file without a row is removed later; a partial file must not remain.
fn settled(name: &str) -> bool {
    !name.ends_with(".part")
}
