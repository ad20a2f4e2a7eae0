//! Places: how many connections at once, and who makes room when all are taken.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use http::Extensions;
use social_channel::fair::may_take;
use tokio_util::sync::CancellationToken;

use crate::limit::network_of;

/// The places of a service.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    /// So many of them are kept for this machine, and so many more are there on trial.
    kept: usize,
    begun: Instant,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// Those beyond the ordinary places.
    extra: usize,
    seats: BTreeMap<u64, Arc<Seat>>,
}

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct Seat {
    begun: Instant,
    /// The address of the other end, as far as addresses count as one.
    network: Option<String>,
    /// Milliseconds since `begun` at which it last came to wait for its client.
    waits_since: AtomicU64,
    /// A request of it is being answered.
    working: AtomicBool,
    /// Its client does not take what is written.
    stalled: AtomicBool,
    /// A request of it was the operator's or a tenant's.
    proven: AtomicBool,
    /// It has a place beyond the ordinary ones.
    extra: bool,
    /// And has not shown yet that it is the operator's.
    on_trial: AtomicBool,
    /// For whom its last request is.
    tenant: Mutex<Option<String>>,
    places: Weak<Places>,
    pub(super) end: CancellationToken,
}

impl Seat {
    pub(super) fn works(&self) {
        self.working.store(true, Ordering::Relaxed);
    }

    pub(super) fn waits(&self) {
        self.waits_from_now();
        self.working.store(false, Ordering::Relaxed);
    }

    fn waits_from_now(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.waits_since.store(now, Ordering::Relaxed);
    }

    /// The client takes nothing of its answer for now.
    pub(super) fn stalls(&self) {
        if !self.stalled.swap(true, Ordering::Relaxed) {
            self.waits_from_now();
        }
    }

    /// It has taken some.
    pub(super) fn flows(&self) {
        self.stalled.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_working(&self) -> bool {
        self.working.load(Ordering::Relaxed)
    }

    /// A stranger who lets the service wait for him to read is as one who lets it wait for a header.
    fn is_waiting(&self) -> bool {
        !self.is_working() || (self.stalled.load(Ordering::Relaxed) && !self.is_proven())
    }

    pub(super) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// Somebody whom the service knows: others do not displace this connection.
    pub(crate) fn proves(extensions: &Extensions) {
        if let Some(seat) = extensions.get::<Arc<Seat>>() {
            seat.proven.store(true, Ordering::Relaxed);
        }
    }

    /// The operator, whose connections are beyond the ordinary places where those are taken.
    pub(crate) fn proves_operator(extensions: &Extensions) {
        Self::proves(extensions);
        if let Some(seat) = extensions.get::<Arc<Seat>>() {
            seat.on_trial.store(false, Ordering::Relaxed);
        }
    }

    /// Whether it is there only to show that it is the operator's.
    pub(crate) fn is_on_trial(extensions: &Extensions) -> bool {
        extensions.get::<Arc<Seat>>().is_some_and(|seat| seat.is_still_on_trial())
    }

    pub(super) fn is_still_on_trial(&self) -> bool {
        self.on_trial.load(Ordering::Relaxed)
    }

    /// Whether a tenant's request is answered now: one tenant has a share of the connections, and the rest is left to the
    /// others. Event streams and slow calls last long.
    pub(crate) fn is_within_share(extensions: &Extensions, tenant: &str) -> bool {
        let Some(seat) = extensions.get::<Arc<Seat>>() else { return true };
        // Beyond the ordinary places the operator is answered, and takes nothing of a tenant's share.
        seat.extra || seat.places.upgrade().is_none_or(|places| places.has_share(seat, tenant))
    }

    fn works_for(&self, tenant: &str) -> bool {
        self.tenant.lock().is_ok_and(|own| own.as_deref() == Some(tenant))
    }
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    id: u64,
    pub(super) seat: Arc<Seat>,
}

impl Place {
    /// Whether all ordinary places were taken.
    pub(crate) fn is_extra(&self) -> bool {
        self.seat.extra
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(mut taken) = self.places.taken.lock() {
            taken.remove(self.id);
        }
    }
}

impl Places {
    /// As many as wanted, and as the process may open files for: a quarter is left to the database, to uploads and to
    /// what the service asks of networks.
    pub(crate) fn new(wanted: u32) -> Arc<Self> {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = files.map_or(usize::MAX, |files| usize::try_from(files / 4 * 3).unwrap_or(usize::MAX));
        let most = usize::try_from(wanted).unwrap_or(usize::MAX).min(files).max(8);
        if files < usize::try_from(wanted).unwrap_or(usize::MAX) {
            tracing::info!(
                most,
                wanted,
                "fewer connections than configured: the process may open too few files"
            );
        }
        Self::of(most)
    }

    fn of(most: usize) -> Arc<Self> {
        // Enough for an operator's browsers, programs and probes; a sixteenth takes little from the others.
        let kept = (most / 16).clamp(1, 64);
        Arc::new(Places { most, kept, begun: Instant::now(), taken: Mutex::default() })
    }

    /// A place for a peer; `None` is a Unix socket's. Without one free, who waits longest makes room; the connection whose
    /// place it was ends a moment later. If none waits, a few come in on trial: nobody can say that he is the operator
    /// before he has come in.
    pub(crate) fn take(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Place> {
        let peer = peer.map(|peer| peer.to_canonical());
        let local = peer.is_none_or(|peer| peer.is_loopback());
        let most = if local { self.most } else { self.most - self.kept };
        let mut taken = self.taken.lock().ok()?;
        let extra = if taken.ordinary() < most || taken.make_room(false) {
            false
        } else if taken.extra < self.kept || taken.end_trial() || taken.make_room(true) {
            true
        } else {
            return None;
        };
        let seat = Arc::new(Seat {
            begun: self.begun,
            network: peer.map(network_of),
            waits_since: AtomicU64::new(0),
            working: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            proven: AtomicBool::new(false),
            extra,
            on_trial: AtomicBool::new(extra),
            tenant: Mutex::default(),
            places: Arc::downgrade(self),
            end: CancellationToken::new(),
        });
        seat.waits();
        let id = taken.insert(seat.clone());
        Some(Place { places: self.clone(), id, seat })
    }

    fn has_share(&self, seat: &Arc<Seat>, tenant: &str) -> bool {
        let Ok(taken) = self.taken.lock() else { return true };
        let mut is_within = true;
        // A quarter of all is within every share, and most of the time there are no more.
        if taken.seats.len() > self.most / 4 {
            let others = taken.seats.values().filter(|other| !other.extra && !Arc::ptr_eq(other, seat));
            let answered: Vec<_> = others.filter(|other| other.is_working()).collect();
            let own = answered.iter().filter(|other| other.works_for(tenant)).count();
            is_within = may_take(own, self.most.saturating_sub(answered.len()));
        }
        if let Ok(mut own) = seat.tenant.lock() {
            *own = is_within.then(|| tenant.to_owned());
        }
        is_within
    }

    /// Ends the connection that can be missed most. False: all are being answered.
    pub(crate) fn make_room(&self) -> bool {
        self.taken
            .lock()
            .is_ok_and(|mut taken| taken.make_room(false) || taken.end_trial() || taken.make_room(true))
    }
}

impl Taken {
    fn ordinary(&self) -> usize {
        self.seats.len() - self.extra
    }

    fn insert(&mut self, seat: Arc<Seat>) -> u64 {
        let id = self.next;
        self.next += 1;
        self.extra += usize::from(seat.extra);
        self.seats.insert(id, seat);
        id
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Seat>> {
        let seat = self.seats.remove(&id)?;
        self.extra -= usize::from(seat.extra);
        Some(seat)
    }

    fn end(&mut self, id: Option<u64>) -> bool {
        let ended = id.and_then(|id| self.remove(id));
        if let Some(seat) = &ended {
            seat.end.cancel();
        }
        ended.is_some()
    }

    /// Ends the one that waits longest, of the ordinary places or of those beyond.
    fn make_room(&mut self, extra: bool) -> bool {
        let waiting = self.seats.iter().filter(|(_, seat)| seat.extra == extra && seat.is_waiting());
        let order =
            |(_, seat): &(&u64, &Arc<Seat>)| (seat.is_proven(), seat.waits_since.load(Ordering::Relaxed));
        let longest = waiting.min_by_key(order).map(|(&id, _)| id);
        self.end(longest)
    }

    /// Ends one that is on trial, answered or not: of the address that has most of them the oldest, so that who comes
    /// by the hundred displaces himself.
    fn end_trial(&mut self) -> bool {
        let on_trial = || self.seats.iter().filter(|(_, seat)| seat.is_still_on_trial());
        let mut crowds = HashMap::<Option<&str>, usize>::new();
        for (_, seat) in on_trial() {
            *crowds.entry(seat.network.as_deref()).or_default() += 1;
        }
        let crowd = |seat: &Seat| crowds.get(&seat.network.as_deref()).copied().unwrap_or_default();
        let oldest = on_trial().min_by_key(|(id, seat)| (Reverse(crowd(seat)), **id)).map(|(&id, _)| id);
        self.end(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(place: &Place) -> bool {
        place.seat.end.is_cancelled()
    }

    fn network(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([203, 0, 113, last]))
    }

    /// A connection that carries this place to its requests.
    fn known(place: &Place) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(place.seat.clone());
        extensions
    }

    #[test]
    fn who_waits_longest_makes_room_and_who_is_known_last() {
        let places = Places::of(4);
        let [first, second, third] = [0; 3].map(|_| places.take(network(1)).unwrap());
        first.seat.proven.store(true, Ordering::Relaxed);
        second.seat.waits_since.store(5, Ordering::Relaxed);
        third.seat.waits_since.store(3, Ordering::Relaxed);
        let local = places.take(Some(IpAddr::from([127, 0, 0, 1]))).unwrap();
        assert!(!ended(&first) && !ended(&third), "a place was kept for this machine");
        local.seat.works();

        let fourth = places.take(network(1)).unwrap();
        assert!(ended(&third) && !ended(&second) && !ended(&first));
        drop(third);
        fourth.seat.works();
        let fifth = places.take(network(1)).unwrap();
        assert!(ended(&second) && !ended(&first));
        fifth.seat.works();
        let sixth = places.take(network(1)).unwrap();
        assert!(ended(&first), "known, but it waits, and nobody else does");
        sixth.seat.works();
        assert!(places.take(network(1)).unwrap().is_extra(), "all are being answered");
        assert!(!ended(&fourth) && !ended(&fifth) && !ended(&sixth) && !ended(&local));
        drop(fourth);
        drop(fifth);
        assert!(!places.take(network(1)).unwrap().is_extra());
    }

    #[test]
    fn a_stranger_who_does_not_read_makes_room_and_a_tenant_keeps_its_place() {
        let places = Places::of(3);
        let [tenant, stranger] = [0; 2].map(|_| places.take(network(1)).unwrap());
        for place in [&tenant, &stranger] {
            place.seat.works();
            place.seat.stalls();
        }
        Seat::proves(&known(&tenant));
        assert!(!places.take(network(1)).unwrap().is_extra());
        assert!(ended(&stranger) && !ended(&tenant));
        drop(stranger);
        let reads = places.take(network(1)).unwrap();
        reads.seat.works();
        reads.seat.stalls();
        reads.seat.flows();
        assert!(places.take(network(1)).unwrap().is_extra(), "who has read on is being answered");
        assert!(!ended(&reads));
    }

    #[test]
    fn beyond_all_places_some_come_in_on_trial_and_the_operator_stays() {
        // Four ordinary places, of them two for the network, and two beyond.
        let places = Arc::new(Places { kept: 2, most: 4, begun: Instant::now(), taken: Mutex::default() });
        let full = [0; 2].map(|_| places.take(network(1)).unwrap());
        full.iter().for_each(|place| place.seat.works());
        let stranger = places.take(network(2)).unwrap();
        assert!(stranger.is_extra() && Seat::is_on_trial(&known(&stranger)));
        // Being answered does not protect him.
        stranger.seat.works();
        let operator = places.take(network(3)).unwrap();
        Seat::proves_operator(&known(&operator));
        assert!(!Seat::is_on_trial(&known(&operator)));
        operator.seat.works();
        let next = places.take(network(2)).unwrap();
        assert!(ended(&stranger) && !ended(&operator) && full.iter().all(|place| !ended(place)));
        drop(stranger);
        Seat::proves_operator(&known(&next));
        next.seat.works();
        assert!(places.take(network(4)).is_none(), "the operator is answered on all that are kept");
        drop(next);
        let local = places.take(Some(IpAddr::from([127, 0, 0, 1]))).unwrap();
        assert!(!local.is_extra(), "those of this machine are others");
    }

    #[test]
    fn who_comes_by_the_hundred_displaces_himself() {
        let places = Arc::new(Places { kept: 3, most: 4, begun: Instant::now(), taken: Mutex::default() });
        let full = places.take(network(1)).unwrap();
        full.seat.works();
        let quiet = places.take(network(2)).unwrap();
        let mut crowd: Vec<Place> = (0..100).map(|_| places.take(network(3)).unwrap()).collect();
        assert!(!ended(&quiet), "he was there before all of them");
        let last = crowd.split_off(98);
        assert!(crowd.iter().all(ended) && !last.iter().any(ended));
        assert_eq!(places.taken.lock().unwrap().extra, 3);
    }
}
