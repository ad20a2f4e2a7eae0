//! The wish to stop: Ctrl-C, and the polite signal of service managers.

/// Comes true when somebody wants the program to end; signals are taken from the moment of the call. Whoever asks
/// twice gets it at once.
pub(crate) fn stop() -> impl Future<Output = ()> + Send {
    let wish = first();
    async {
        wish.await;
        let again = first();
        tokio::spawn(async {
            again.await;
            // What was sent may be under way; the job finds out what came of it.
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
            // Without signals only the end of the work ends the program.
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
