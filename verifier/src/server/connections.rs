//! Limits on connections: a total, and a part of it for peers that have not authenticated, per address and together.
//! One machine can then not keep devices and applications out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for connections.
#[derive(Clone)]
pub(super) struct Connections {
    places: Arc<Semaphore>,
    unauthenticated: Arc<Mutex<Unauthenticated>>,
    most: usize,
}

/// Connections on which nothing has authenticated yet.
struct Unauthenticated {
    by_network: HashMap<IpAddr, usize>,
    all: usize,
    most: usize,
    per_network: usize,
}

/// A place that is held before a connection is accepted.
pub(super) struct Place(OwnedSemaphorePermit);

/// A connection that has its place, as its requests see it.
#[derive(Clone)]
pub(super) struct Peer(Arc<Connection>);

struct Connection {
    _place: OwnedSemaphorePermit,
    unauthenticated: Mutex<Option<Counted>>,
}

/// Counts a connection as unauthenticated until it is dropped.
struct Counted {
    counts: Arc<Mutex<Unauthenticated>>,
    network: IpAddr,
}

impl Connections {
    /// Allows `most` connections. Half of them may be unauthenticated, and of these `per_network` from one network.
    pub(super) fn new(most: usize, per_network: usize) -> Self {
        let unauthenticated =
            Unauthenticated { by_network: HashMap::new(), all: 0, most: most.div_ceil(2), per_network };
        Self {
            places: Arc::new(Semaphore::new(most)),
            unauthenticated: Arc::new(Mutex::new(unauthenticated)),
            most,
        }
    }

    /// Returns the number of places that are taken: of connections, and one for the next.
    pub(super) fn taken(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }

    /// Waits for a place.
    pub(super) async fn place(&self) -> Place {
        match self.places.clone().acquire_owned().await {
            Ok(permit) => Place(permit),
            // The semaphore is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Takes the place for a connection from this address; `None` if too many from there, or in total, have not
    /// authenticated.
    pub(super) fn admit(&self, Place(place): Place, address: IpAddr) -> Option<Peer> {
        let network = network(address);
        let mut counts = lock(&self.unauthenticated);
        if counts.all >= counts.most {
            return None;
        }
        let per_network = counts.per_network;
        let count = counts.by_network.entry(network).or_default();
        if *count >= per_network {
            return None;
        }
        *count += 1;
        counts.all += 1;
        drop(counts);
        let counted = Counted { counts: self.unauthenticated.clone(), network };
        Some(Peer(Arc::new(Connection { _place: place, unauthenticated: Mutex::new(Some(counted)) })))
    }
}

impl Peer {
    /// Records that a device or an application has authenticated on this connection.
    pub(super) fn authenticated(&self) {
        lock(&self.0.unauthenticated).take();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.all = counts.all.saturating_sub(1);
        if let Some(count) = counts.by_network.get_mut(&self.network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.by_network.remove(&self.network);
            }
        }
    }
}

/// Returns what one holder of addresses can choose from: an IPv4 address, or a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

/// A panic cannot leave the counts half-updated, so the poison is ignored.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn connect(connections: &Connections, address: &str) -> Option<Peer> {
        connections.admit(connections.place().await, address.parse().unwrap())
    }

    #[tokio::test]
    async fn network_is_limited_until_it_authenticates() {
        let connections = Connections::new(100, 2);
        for (one, other) in [
            ("192.0.2.1", "192.0.2.2"),
            ("::ffff:198.51.100.1", "::ffff:198.51.100.2"),
            ("2001:db8::1", "2001:db8:0:1::1"),
        ] {
            let mut held =
                vec![connect(&connections, one).await.unwrap(), connect(&connections, one).await.unwrap()];
            assert!(connect(&connections, one).await.is_none(), "{one}");
            assert!(connect(&connections, other).await.is_some(), "{other}");
            held[0].authenticated();
            held[0].authenticated();
            held.push(connect(&connections, one).await.unwrap());
            assert!(connect(&connections, one).await.is_none(), "{one}");
            held.remove(1);
            assert!(connect(&connections, one).await.is_some(), "{one}");
        }
        assert!(lock(&connections.unauthenticated).by_network.is_empty());
    }

    #[tokio::test]
    async fn half_of_the_places_stay_for_those_who_authenticate() {
        let connections = Connections::new(8, 2);
        let mut held = Vec::new();
        for n in 0..4 {
            held.push(connect(&connections, &format!("192.0.2.{n}")).await.unwrap());
        }
        assert!(connect(&connections, "192.0.2.9").await.is_none());
        held[3].authenticated();
        held.push(connect(&connections, "192.0.2.9").await.unwrap());
        assert_eq!(connections.places.available_permits(), 3);
        drop(held);
        assert_eq!(connections.places.available_permits(), 8);
    }

    #[tokio::test]
    async fn addresses_of_one_ipv6_network_count_together() {
        let connections = Connections::new(100, 1);
        let held = connect(&connections, "2001:db8::1").await.unwrap();
        assert!(connect(&connections, "2001:db8::ffff:2").await.is_none());
        drop(held);
        assert!(connect(&connections, "2001:db8::ffff:2").await.is_some());
    }
}
