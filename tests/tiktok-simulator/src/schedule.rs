//! Events without a request: posts that finish processing, pulls that begin, webhooks that become due. This
//! module decides when; the events are handled in `post`, `pull` and `webhooks`.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::server::Shared;
use crate::{pull, webhooks};

/// Longest real-time sleep of the scheduler; it is woken earlier when anything changes.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Lets time pass: processing, pulls, webhooks.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    loop {
        let now_ms = shared.clock.now_ms();
        let (pulls, due, next) = {
            let mut state = shared.state();
            state.settle(now_ms);
            let mut pulls = Vec::new();
            if !state.world.switches.pull_hangs {
                let open: Vec<String> = state.open.iter().cloned().collect();
                for id in open {
                    if let Some(pull) = state.publishes.get_mut(&id).and_then(|publish| publish.pull.as_mut())
                        && !pull.started
                    {
                        pull.started = true;
                        pulls.push(id);
                    }
                }
            }
            let due = state.due_deliveries(now_ms);
            let next = [state.next_change_ms(), state.next_delivery_ms()].into_iter().flatten().min();
            (pulls, due, next)
        };
        for id in pulls {
            tasks.spawn(pull::run(Arc::clone(&shared), id));
        }
        if !due.is_empty() {
            tasks.spawn(webhooks::attempt_all(Arc::clone(&shared), due));
        }
        let wait = next.map_or(LONGEST_SLEEP, |next| {
            let left = u64::try_from(next - shared.clock.now_ms()).unwrap_or(0);
            // Never zero, because with a frozen clock a due time may never arrive.
            Duration::from_millis(left.max(5)).min(LONGEST_SLEEP)
        });
        tokio::select! {
            () = shared.clock.changed() => {}
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
            Some(_) = tasks.join_next() => {}
        }
    }
}
