//! A table of calls with one driver: the state after the drop is that of before or that of a whole call, and making the
//! call again leads to the latter.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures::future::LocalBoxFuture;
use library_tests::until;
use social_channel::{ErrorKind, Result};

use super::scene::Scene;

/// Larger than the number of awaits in any of these calls.
pub(crate) const AWAITS: usize = 2_000;

/// Polls a future until it has been pending `waits` times, and then drops it. Returns its value if it completed
/// before.
pub(crate) async fn dropped_after<T>(waits: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut waited = 0;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if waited == waits => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

/// A call with effects.
pub(crate) struct Case {
    name: &'static str,
    /// Makes what one call is about, and returns what names it.
    subject: Step<usize, String>,
    call: Step<String, Result<()>>,
    /// How a repeated call may be refused, because the dropped one has had its effect.
    again: &'static [ErrorKind],
    /// What can be seen of the effect.
    state: Step<String, String>,
    /// The state after a whole call.
    done: &'static str,
}

type Step<I, O> = Box<dyn Fn(Arc<Scene>, I) -> LocalBoxFuture<'static, O>>;

fn step<I: 'static, O, F: Future<Output = O> + 'static>(
    work: impl Fn(Arc<Scene>, I) -> F + 'static,
) -> Step<I, O> {
    Box::new(move |scene, input| Box::pin(work(scene, input)))
}

pub(crate) fn case<S, C, E>(
    name: &'static str,
    subject: impl Fn(Arc<Scene>, usize) -> S + 'static,
    call: impl Fn(Arc<Scene>, String) -> C + 'static,
    again: &'static [ErrorKind],
    state: impl Fn(Arc<Scene>, String) -> E + 'static,
    done: &'static str,
) -> Case
where
    S: Future<Output = String> + 'static,
    C: Future<Output = Result<()>> + 'static,
    E: Future<Output = String> + 'static,
{
    Case { name, subject: step(subject), call: step(call), again, state: step(state), done }
}

/// Drops the call at each of its awaits, looks, and makes it again.
pub(crate) async fn hold(scene: Scene, case: Case) {
    let (scene, Case { name, subject, call, again, state, done }) = (Arc::new(scene), case);
    for waits in 0..AWAITS {
        let subject = subject(scene.clone(), waits).await;
        let before = state(scene.clone(), subject.clone()).await;
        assert_ne!(before, done, "{name} would change nothing");
        let ended = dropped_after(waits, call(scene.clone(), subject.clone())).await;
        let after = state(scene.clone(), subject.clone()).await;
        assert!(after == before || after == done, "{name}, dropped after {waits} waits: {after}");
        scene.is_sound().await;
        match call(scene.clone(), subject.clone()).await {
            Ok(()) => {}
            Err(error) => {
                assert!(again.contains(&error.kind), "{name} again, after {waits} waits: {error:?}")
            }
        }
        until(name, async || (state(scene.clone(), subject.clone()).await == done).then_some(())).await;
        scene.is_sound().await;
        if let Some(ended) = ended {
            ended.unwrap();
            return;
        }
    }
    panic!("{name} has no end");
}

pub(crate) async fn hold_all(cases: Vec<Case>) {
    for case in cases {
        hold(Scene::new(|builder| builder).await, case).await;
    }
}
