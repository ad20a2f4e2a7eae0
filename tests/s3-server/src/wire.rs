//! A wire between a client and a server on this machine, which a test can cut.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// A wire.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    is_down: AtomicBool,
    is_over: AtomicBool,
    /// Bytes to the server after which the wire breaks.
    left: Mutex<Option<u64>>,
    passed: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Wire {
    pub(crate) fn to(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if of_thread.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(client) = client else { continue };
                if of_thread.is_down.load(Ordering::Relaxed) {
                    continue;
                }
                // A server that does not listen: the client's connection ends.
                let Ok(server) = TcpStream::connect(server) else { continue };
                of_thread.join(client, server);
            }
        });
        Ok(Wire { address, shared })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections, and lets none come about before [`Wire::mend`].
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Cuts the wire once so many bytes more have passed to the server.
    pub fn cut_after(&self, bytes: u64) {
        *self.shared.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
    }

    /// Whether it is cut.
    pub fn is_cut(&self) -> bool {
        self.shared.is_down.load(Ordering::Relaxed)
    }

    /// The wire is whole again.
    pub fn mend(&self) {
        *self.shared.left.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.is_down.store(false, Ordering::Relaxed);
    }

    /// Bytes that have passed to the server.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.shared.cut();
        // Wakes the thread that waits for clients.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn cut(&self) {
        self.is_down.store(true, Ordering::Relaxed);
        for end in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let ends = [client.try_clone(), server.try_clone(), client.try_clone(), server.try_clone()];
        let [Ok(client_in), Ok(server_out), Ok(one), Ok(two)] = ends else { return };
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.extend([one, two]);
        }
        let shared = Arc::clone(self);
        thread::spawn(move || shared.copy(client_in, server_out, true));
        let shared = Arc::clone(self);
        thread::spawn(move || shared.copy(server, client, false));
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream, counts: bool) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if counts {
                self.passed.fetch_add(read as u64, Ordering::Relaxed);
                let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(bytes) = &mut *left {
                    *bytes = bytes.saturating_sub(read as u64);
                    if *bytes == 0 {
                        *left = None;
                        drop(left);
                        self.cut();
                        break;
                    }
                }
            }
            let Some(bytes) = buffer.get(..read) else { break };
            if to.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}
