//! Chunk plans at every boundary, checked by the simulator's implementation of the rules.

use library_tests::Stage;
use social_channel::JobStatus;

async fn uploaded(size: u64) {
    let mut world = library_tests::world();
    world.switches.hash_uploads = false;
    world.switches.processing_ms = 0;
    let stage = Stage::in_world(world, |builder| builder).await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let job = stage.publish(&channel, stage.video(size).unwrap()).await.unwrap();
    assert_eq!(job.status, JobStatus::Published, "{size}: {job:?}");
    let world = stage.simulator.world();
    assert_eq!(world.publishes.len(), 1, "{size}");
    assert_eq!(world.publishes[0].bytes, size);
    let refused: Vec<_> =
        stage.simulator.log().into_iter().filter(|exchange| exchange.refusal.is_some()).collect();
    assert!(refused.is_empty(), "{size}: {refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn around_five_megabytes() {
    for size in [700, 4_096, 5_242_879, 5_242_880] {
        uploaded(size).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn around_sixty_four_megabytes() {
    for size in [64_000_000, 64_000_001, 66_259_900, 67_108_864, 67_108_865] {
        uploaded(size).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn around_a_hundred_and_twenty_eight_megabytes() {
    for size in [128_000_001, 134_217_728] {
        uploaded(size).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_gigabytes() {
    uploaded(4_000_000_000).await;
}
