//! The wish to stop: Ctrl-C, and the polite signal of service managers.

/// Comes true when somebody wants the program to end. Whoever asks twice gets it at once.
pub(crate) async fn stop() {
    first().await;
    tokio::spawn(async {
        first().await;
        // What was sent may be under way; the job finds out what came of it.
        std::process::exit(1);
    });
}

#[cfg(unix)]
async fn first() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return wait_for_ctrl_c().await;
    };
    tokio::select! {
        () = wait_for_ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn first() {
    wait_for_ctrl_c().await;
}

async fn wait_for_ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without signals only the end of the work ends the program.
        std::future::pending::<()>().await;
    }
}
