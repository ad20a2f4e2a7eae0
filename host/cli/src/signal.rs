//! Requests to stop: Ctrl-C, and SIGTERM from service managers.

/// Resolves when the program is asked to stop; signals are caught from the time of the call. A second signal ends the
/// program at once.
pub(crate) fn stop() -> impl Future<Output = ()> + Send {
    let wish = first();
    async {
        wish.await;
        let again = first();
        tokio::spawn(async {
            again.await;
            // A request may be running; the job checks its effect later.
            std::process::exit(1);
        });
    }
}

#[cfg(unix)]
fn first() -> impl Future<Output = ()> + Send {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        match signals {
            (Ok(mut interrupt), Ok(mut terminate)) => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            (Ok(mut one), Err(_)) | (Err(_), Ok(mut one)) => {
                one.recv().await;
            }
            // Without signals the program ends only when its work ends.
            (Err(_), Err(_)) => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
async fn first() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
