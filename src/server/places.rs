//! Limits the number of connections, in total and per peer, and chooses the one to close if no place is free.
//!
//! Otherwise, callers without a token that never finish a request, or never read an answer, would occupy every place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The places for the connections of a server. Clones share them.
#[derive(Clone)]
pub struct Places(Arc<Inner>);

struct Inner {
    most: usize,
    for_each_peer: usize,
    taken: Mutex<TakenPlaces>,
}

#[derive(Default)]
struct TakenPlaces {
    last_number: u64,
    connections: BTreeMap<u64, Arc<Connection>>,
}

/// A connection that has a place.
pub struct Connection {
    peer: IpAddr,
    /// The time of its last activity, on the monotonic clock, in microseconds.
    heard: AtomicU64,
    /// Whether it serves a request of a verified caller; if so, it is not closed for another one.
    works: AtomicBool,
    /// Cancelled when the connection must be closed for another one.
    gives_way: CancellationToken,
}

/// A connection's place, which becomes free when this is dropped.
pub struct Place {
    places: Places,
    number: u64,
    connection: Arc<Connection>,
}

impl Places {
    /// Creates places for at most `most` connections, and for at most `for_each_peer` of one peer address.
    pub fn new(most: usize, for_each_peer: usize) -> Self {
        Self(Arc::new(Inner { most, for_each_peer, taken: Mutex::default() }))
    }

    /// Takes a place at `now`. If none is free, closes the connection that has been idle longest: one of the same peer
    /// if the peer uses all of its places, else any. Returns `None` if all of these are busy for verified callers.
    pub fn take(&self, peer: IpAddr, now: Duration) -> Option<Place> {
        let mut taken = self.taken();
        let of_peer = taken.connections.values().filter(|connection| connection.peer == peer).count();
        if of_peer >= self.0.for_each_peer {
            taken.make_room(|connection| connection.peer == peer)?;
        } else if taken.connections.len() >= self.0.most {
            taken.make_room(|_| true)?;
        }
        let connection = Arc::new(Connection {
            peer,
            heard: AtomicU64::new(0),
            works: AtomicBool::new(false),
            gives_way: CancellationToken::new(),
        });
        connection.is_heard(now);
        taken.last_number += 1;
        let number = taken.last_number;
        taken.connections.insert(number, Arc::clone(&connection));
        Some(Place { places: self.clone(), number, connection })
    }

    fn taken(&self) -> MutexGuard<'_, TakenPlaces> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TakenPlaces {
    fn make_room(&mut self, may: impl Fn(&Connection) -> bool) -> Option<()> {
        let idle = self.connections.iter().filter(|(_, connection)| may(connection) && !connection.is_at_work());
        let (number, _) = idle.min_by_key(|(_, connection)| connection.heard.load(Ordering::Relaxed))?;
        let number = *number;
        let connection = self.connections.remove(&number)?;
        connection.gives_way.cancel();
        Some(())
    }
}

impl Connection {
    /// Records activity on the connection at `now`.
    pub fn is_heard(&self, now: Duration) {
        self.heard.store(u64::try_from(now.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Sets whether the connection serves a request of a verified caller.
    pub fn works(&self, works: bool) {
        self.works.store(works, Ordering::Relaxed);
    }

    fn is_at_work(&self) -> bool {
        self.works.load(Ordering::Relaxed)
    }
}

impl Place {
    /// The connection that has the place.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Completes when the connection must be closed for another one.
    pub async fn given_up(&self) {
        self.connection.gives_way.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().connections.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn gave_way(place: &Place) -> bool {
        place.connection.gives_way.is_cancelled()
    }

    #[test]
    fn the_one_that_was_idle_longest_gives_way_to_its_own_peer_first() {
        let places = Places::new(4, 2);
        let at = Duration::from_secs;
        let other = places.take(OTHER, at(0)).expect("free");
        let (first, second) = (places.take(ONE, at(1)).expect("free"), places.take(ONE, at(2)).expect("free"));
        first.connection().is_heard(at(3));
        let _third = places.take(ONE, at(4)).expect("room is made");
        assert_eq!([&other, &first, &second].map(gave_way), [false, false, true]);
    }

    #[test]
    fn where_all_places_are_taken_any_peer_gives_way_but_none_at_work() {
        let places = Places::new(2, 2);
        let (one, other) =
            (places.take(ONE, Duration::ZERO).expect("free"), places.take(OTHER, Duration::ZERO).expect("free"));
        one.connection().works(true);
        let new = places.take(ONE, Duration::from_secs(1)).expect("room is made");
        assert_eq!([&one, &other].map(gave_way), [false, true]);
        drop(other);
        new.connection().works(true);
        assert!(places.take(OTHER, Duration::from_secs(2)).is_none(), "all are at work");
        one.connection().works(false);
        assert!(places.take(OTHER, Duration::from_secs(3)).is_some() && gave_way(&one));
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let places = Places::new(1, 1);
        let place = places.take(ONE, Duration::ZERO).expect("free");
        place.connection().works(true);
        assert!(places.take(OTHER, Duration::ZERO).is_none());
        drop(place);
        assert!(places.take(OTHER, Duration::ZERO).is_some());
    }
}
