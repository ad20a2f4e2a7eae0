//! Resolving names without holding others up.
//!
//! The system resolves on a thread that cannot be stopped: a name server that never answers holds it for as long as the
//! system is patient. So few lookups run at once, and fewer of one domain; each counts until its thread is free, not
//! until its caller goes.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lookups at once, of the 512 threads that uploads, files and sign-in use, too.
const AT_ONCE: usize = 64;
/// Lookups at once of names below one domain: whoever owns it decides how long they take.
const OF_DOMAIN: usize = 8;
/// As long as the system waits for two name servers by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// The lookups of a process.
pub(super) struct Lookups {
    patience: Duration,
    all: Arc<Semaphore>,
    /// Of the domains that are being looked up.
    domains: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// The addresses of a name, in the order of the system.
pub(super) async fn lookup(name: &str) -> io::Result<Vec<SocketAddr>> {
    static LOOKUPS: LazyLock<Lookups> = LazyLock::new(|| Lookups::new(PATIENCE));
    LOOKUPS.run(name, |name| Ok((name, 0).to_socket_addrs()?.collect())).await
}

impl Lookups {
    fn new(patience: Duration) -> Self {
        Lookups { patience, all: Arc::new(Semaphore::new(AT_ONCE)), domains: Mutex::default() }
    }

    /// Runs `resolve` on another thread. If the future is dropped, the thread goes on, and keeps its place.
    async fn run(
        &self,
        name: &str,
        resolve: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> io::Result<Vec<SocketAddr>> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the name was not resolved in time");
        let all = async {
            let places = self.places(name).await?;
            let name = name.to_owned();
            let resolved = tokio::task::spawn_blocking(move || {
                let resolved = resolve(&name);
                drop(places);
                resolved
            });
            resolved.await.map_err(io::Error::other)?
        };
        tokio::time::timeout(self.patience, all).await.map_err(|_| late())?
    }

    /// First a place of the domain, so that what waits for a slow one takes no place from the others.
    async fn places(&self, name: &str) -> io::Result<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let domain = {
            let mut domains =
                self.domains.lock().map_err(|_| io::Error::other("the lookups are not known any more"))?;
            // Nobody looks these up any more.
            domains
                .retain(|_, places| Arc::strong_count(places) > 1 || places.available_permits() < OF_DOMAIN);
            domains.entry(domain_of(name)).or_insert_with(|| Arc::new(Semaphore::new(OF_DOMAIN))).clone()
        };
        let of_domain = domain.acquire_owned().await.map_err(io::Error::other)?;
        Ok((of_domain, self.all.clone().acquire_owned().await.map_err(io::Error::other)?))
    }
}

/// The last two labels: a rough guess of what has one owner. Names of different owners below it only wait a little.
fn domain_of(name: &str) -> String {
    let mut labels = name.trim_end_matches('.').rsplit('.');
    let (last, before) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    format!("{before}.{last}").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_name_server_that_never_answers_holds_its_own_domain_only() {
        let lookups = Arc::new(Lookups::new(PATIENCE));
        let (begun, (release, wait)) = (Arc::new(AtomicUsize::new(0)), mpsc::channel::<()>());
        let wait = Arc::new(Mutex::new(wait));
        let hang = |begun: Arc<AtomicUsize>, wait: Arc<Mutex<mpsc::Receiver<()>>>| {
            move |_: &str| {
                begun.fetch_add(1, Ordering::SeqCst);
                // Ends when the test lets go of its end.
                let _ended = wait.lock().unwrap().recv();
                Ok(Vec::new())
            }
        };
        // Many names of one domain; each caller goes away at once.
        for number in 0..100 {
            let name = format!("host-{number}.Silent.test");
            let (lookups, hang) = (lookups.clone(), hang(begun.clone(), wait.clone()));
            let caller = tokio::spawn(async move { lookups.run(&name, hang).await });
            tokio::task::yield_now().await;
            caller.abort();
            let _aborted = caller.await;
        }
        assert!(begun.load(Ordering::SeqCst) <= OF_DOMAIN, "{begun:?} threads are held");
        let of = |name: &str| lookups.domains.lock().unwrap().get(name).unwrap().available_permits();
        assert_eq!(of("silent.test"), 0, "a place is kept after its caller went");
        let here: SocketAddr = "192.0.2.1:0".parse().unwrap();
        for name in ["media.other.test", "example.org", "localhost"] {
            assert_eq!(lookups.run(name, move |_| Ok(vec![here])).await.unwrap(), [here]);
        }
        drop(release);
        assert_eq!(lookups.run("late.silent.test", move |_| Ok(vec![here])).await.unwrap(), [here]);
        lookups.run("another.test", move |_| Ok(vec![here])).await.unwrap();
        assert!(lookups.domains.lock().unwrap().len() <= 2, "nothing is kept of what nobody asks for");
    }

    #[tokio::test]
    async fn a_lookup_ends_in_time() {
        let lookups = Lookups::new(Duration::from_millis(20));
        let held: Vec<_> = (0..OF_DOMAIN).map(|_| lookups.places("a.silent.test")).collect();
        let held = futures::future::join_all(held).await;
        let error = lookups.run("b.silent.test", |_| Ok(Vec::new())).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(held);
        let lookups = Lookups { patience: PATIENCE, ..lookups };
        lookups.run("b.silent.test", |_| Ok(Vec::new())).await.unwrap();
    }
}
