//! What people and workers do with jobs.

use library_tests::{APP, component};
use social_channel::{ErrorKind, JobChange, JobStatus, PublishRequest, Resolution};

use super::case::{case, hold_all};

#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_with_a_job_is_done_or_not_and_can_be_done_again() {
    hold_all(vec![
        case(
            "publish",
            |_, number| async move { format!("key-{number}") },
            |scene, key| async move {
                let idempotency_key = Some(key);
                let wanted = PublishRequest { idempotency_key, ..scene.post("x") };
                scene.tenant.publish(&scene.channel().await, wanted).await.map(drop)
            },
            &[],
            |scene, key| async move {
                let jobs = scene.tenant.jobs(None, None, 1_000).await.unwrap();
                jobs.iter().filter(|job| job.idempotency_key.as_ref() == Some(&key)).count().to_string()
            },
            "1",
        ),
        case(
            "cancel_job",
            |scene, _| async move { scene.scheduled().await.id },
            |scene, id| async move { scene.tenant.cancel_job(&id).await.map(drop) },
            &[],
            |scene, id| async move {
                scene.work().await;
                format!("{:?}", scene.job(&id).await.status)
            },
            "Cancelled",
        ),
        case(
            "resume_job",
            |scene, _| async move { scene.scheduled().await.id },
            |scene, id| async move { scene.tenant.resume_job(&id).await.map(drop) },
            &[],
            |scene, id| async move {
                let job = scene.job(&id).await;
                let is_due = job.next_attempt_at.is_some_and(|at| at <= scene.now() + 1);
                format!("due: {is_due}, scheduled: {}", job.publish_at.is_some())
            },
            "due: true, scheduled: false",
        ),
        case(
            "change_job",
            |scene, _| async move { scene.scheduled().await.id },
            |scene, id| async move {
                let change = JobChange {
                    priority: Some(5),
                    publish_at: Some(scene.now() + 172_800),
                    post: Some(library_tests::post("changed")),
                    ..JobChange::default()
                };
                scene.tenant.change_job(&id, change).await.map(drop)
            },
            &[],
            |scene, id| async move {
                let job = scene.job(&id).await;
                let days = (job.publish_at.unwrap() - scene.now() + 3_600) / 86_400;
                format!("{} of {} in {days} days", job.post.text.unwrap(), job.priority)
            },
            "changed of 5 in 2 days",
        ),
        case(
            "move_job",
            |scene, number| async move {
                scene.host.load_provider(&version(number % 2)).await.unwrap();
                let job = scene.scheduled().await.id;
                scene.host.load_provider(&version((number + 1) % 2)).await.unwrap();
                job
            },
            |scene, id| async move { scene.tenant.move_job(&id).await.map(drop) },
            &[ErrorKind::InvalidRequest],
            |scene, id| async move {
                let present = scene.host.app(APP).await.unwrap().digest;
                (scene.job(&id).await.digest == present).to_string()
            },
            "true",
        ),
        case(
            "resolve_job",
            |scene, _| async move {
                let job = scene.unknown().await;
                assert_eq!(job.status, JobStatus::Unknown, "{job:?}");
                job.id
            },
            |scene, id| async move { scene.tenant.resolve_job(&id, Resolution::default()).await.map(drop) },
            &[],
            |scene, id| async move {
                let job = scene.job(&id).await;
                format!("{:?}, {:?}", job.status, job.resolution.map(|found| found.posted))
            },
            "Failed, Some(false)",
        ),
        case(
            "retry_job",
            |scene, _| async move {
                let job = scene.scheduled().await.id;
                scene.tenant.cancel_job(&job).await.unwrap();
                scene.work().await;
                job
            },
            |scene, id| async move { scene.tenant.retry_job(&id, false).await.map(drop) },
            &[],
            |scene, id| async move {
                let jobs = scene.tenant.jobs(None, None, 1_000).await.unwrap();
                jobs.iter().filter(|job| job.retry_of.as_ref() == Some(&id)).count().to_string()
            },
            "1",
        ),
        case(
            "work",
            |scene, number| async move { scene.stored(scene.post(&format!("post {number}"))).await.id },
            |scene, id| async move {
                scene.published(&id).await;
                Ok(())
            },
            &[],
            |scene, id| async move {
                let job = scene.job(&id).await;
                let text = job.post.text.unwrap();
                match job.status {
                    JobStatus::Active => "active".to_owned(),
                    status => format!("{status:?}, {} posts", scene.posts(&text)),
                }
            },
            "Published, 1 posts",
        ),
    ])
    .await;
}

/// The provider with another digest: it has an additional, unused custom section at the end.
fn version(number: usize) -> Vec<u8> {
    let mut bytes = component("plugin_tiktok").unwrap();
    bytes.extend([0, 3, 1, b'd', b'0' + u8::try_from(number).unwrap()]);
    bytes
}
