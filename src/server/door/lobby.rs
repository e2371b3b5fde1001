//! The lobby: connections that are not viewers yet, or never will be. They are few, and hold little.
//!
//! Everything that a peer can leave unfinished is counted here: a TLS handshake, a request head, the pause between two
//! requests, and an answer that is not taken. When there are too many, the connection that has had the most time goes,
//! of the address that has the most of them. When unfinished requests hold too much memory, the one that holds most goes.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The most connections in the lobby. Each takes some kilobytes.
const MOST: usize = 4096;

/// The most of them from one address. Behind a proxy, or on loopback, everybody has the same address: half of the lobby
/// is room for a herd that reconnects, and leaves the other half to everybody else.
const MOST_OF_AN_ADDRESS: usize = 2048;

/// The most that all unfinished requests together hold, in bytes. It has room for 128 of the longest heads.
const MOST_HELD: usize = 8 * 1024 * 1024;

/// A connection that has been asked for nothing for so long may have to make room for another one.
const GRACE: Duration = Duration::from_secs(1);

/// So long an answer may take before its connection may have to make room.
const ANSWER_GRACE: Duration = Duration::from_secs(10);

/// Whose connections are counted together: an IPv4 address, or the /64 that an IPv6 host commonly has to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::server) struct Neighbour(IpAddr);

impl From<IpAddr> for Neighbour {
    fn from(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(ip) if !ip.is_loopback() => {
                Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into()
            }
            ip => ip,
        })
    }
}

/// Why a connection has to leave the lobby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Eviction {
    /// There are too many.
    Connections,
    /// Unfinished requests hold too much memory.
    Memory,
}

/// Who is in the lobby. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct Lobby(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    /// Somebody has left.
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    guests: Slab<Arrival>,
    /// How many of each address stay. Those that have been told to leave are not counted.
    of_address: HashMap<Neighbour, usize>,
    staying: usize,
    /// What all of them hold, and what those hold that have been told to leave, in bytes.
    held: usize,
    leaving_held: usize,
}

#[derive(Debug)]
struct Arrival {
    address: Neighbour,
    /// From then on it may have to make room.
    patience_ends: Instant,
    /// What its unfinished request takes, in bytes.
    held: usize,
    /// What it takes while it has no request, in bytes.
    base: usize,
    told_to_leave: Option<Eviction>,
    leave: Arc<Notify>,
}

/// A place in the lobby, until the last clone is dropped.
#[derive(Debug, Clone)]
pub(in crate::server) struct Ticket(Arc<Place>);

#[derive(Debug)]
struct Place {
    lobby: Lobby,
    key: usize,
    leave: Arc<Notify>,
}

impl Lobby {
    /// A place for a connection from `ip`; if need be, another one has to leave. An error says when that will be
    /// possible: everybody in the lobby has only just come.
    pub(in crate::server) fn enter(&self, ip: IpAddr) -> Result<Ticket, Instant> {
        let (address, now) = (Neighbour::from(ip), Instant::now());
        let mut state = self.state();
        if MOST_OF_AN_ADDRESS <= state.of_address.get(&address).copied().unwrap_or(0) {
            state.make_room(address, now)?;
        } else if MOST <= state.staying {
            let most = state.of_address.iter().max_by_key(|(_, count)| **count);
            let most = most.map_or(address, |(most, _)| *most);
            state.make_room(most, now)?;
        }
        let leave = Arc::<Notify>::default();
        let key = state.guests.insert(Arrival {
            address,
            patience_ends: now + GRACE,
            held: 0,
            base: 0,
            told_to_leave: None,
            leave: Arc::clone(&leave),
        });
        state.staying += 1;
        *state.of_address.entry(address).or_default() += 1;
        let lobby = self.clone();
        Ok(Ticket(Arc::new(Place { lobby, key, leave })))
    }

    /// Waits until somebody has left, or `until`.
    pub(in crate::server) async fn room(&self, until: Instant) {
        let _ = tokio::time::timeout_at(until, self.0.room.notified()).await;
    }

    /// Takes back a descriptor, if somebody has had his time.
    pub(in crate::server) fn make_room(&self) {
        let mut state = self.state();
        let most = state.of_address.iter().max_by_key(|(_, count)| **count);
        if let Some(&most) = most.map(|(most, _)| most) {
            // Nobody is to be found where all have only just come; then time makes room.
            let _ = state.make_room(most, Instant::now());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells the connection of `address` that has had the most time to leave; an error with when there will be one.
    fn make_room(&mut self, address: Neighbour, now: Instant) -> Result<(), Instant> {
        let staying = self
            .guests
            .iter()
            .filter(|(_, arrival)| arrival.address == address && arrival.told_to_leave.is_none());
        let Some((key, arrival)) = staying.min_by_key(|(_, arrival)| arrival.patience_ends) else {
            return Ok(());
        };
        if now < arrival.patience_ends {
            return Err(arrival.patience_ends);
        }
        self.tell_to_leave(key, Eviction::Connections);
        Ok(())
    }

    fn tell_to_leave(&mut self, key: usize, crowd: Eviction) {
        let Some(arrival) = self
            .guests
            .get_mut(key)
            .filter(|arrival| arrival.told_to_leave.is_none())
        else {
            return;
        };
        arrival.told_to_leave = Some(crowd);
        arrival.leave.notify_one();
        self.leaving_held += arrival.held;
        let address = arrival.address;
        self.no_longer_stays(address);
    }

    fn no_longer_stays(&mut self, address: Neighbour) {
        self.staying -= 1;
        if let Some(count) = self.of_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.of_address.remove(&address);
            }
        }
    }

    /// Notes what a connection holds now.
    fn hold(&mut self, key: usize, change: impl FnOnce(&mut Arrival)) {
        let Some(arrival) = self.guests.get_mut(key) else {
            return;
        };
        let before = arrival.held;
        change(arrival);
        let after = arrival.held;
        self.held = self.held + after - before;
        if arrival.told_to_leave.is_some() {
            self.leaving_held = self.leaving_held + after - before;
        }
    }
}

impl Ticket {
    /// Waits until this connection has to make room.
    pub(in crate::server) async fn told_to_leave(&self) -> Eviction {
        loop {
            self.0.leave.notified().await;
            let state = self.0.lobby.state();
            let told = state
                .guests
                .get(self.0.key)
                .and_then(|arrival| arrival.told_to_leave);
            if let Some(crowd) = told {
                return crowd;
            }
        }
    }

    /// Waits until `more` bytes may be read. Where they are too many, the connection that holds most has to leave first.
    pub(in crate::server) fn poll_room(&self, cx: &mut Context<'_>, more: usize) -> Poll<()> {
        let mut state = self.0.lobby.state();
        if state.held + more <= MOST_HELD {
            return Poll::Ready(());
        }
        if MOST_HELD < state.held - state.leaving_held + more {
            let staying = state
                .guests
                .iter()
                .filter(|(_, arrival)| arrival.told_to_leave.is_none());
            // Among equals the one that came first.
            let largest = staying.max_by_key(|(key, arrival)| {
                (arrival.held, Reverse((arrival.patience_ends, *key)))
            });
            if let Some((key, _)) = largest {
                state.tell_to_leave(key, Eviction::Memory);
            }
        }
        // Those who leave have been woken, so their turn comes before the next one of this connection.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Counts bytes that have come.
    pub(in crate::server) fn received(&self, bytes: usize) {
        self.0
            .lobby
            .state()
            .hold(self.0.key, |arrival| arrival.held += bytes);
    }

    /// Whether nothing has come.
    pub(in crate::server) fn is_silent(&self) -> bool {
        let state = self.0.lobby.state();
        state
            .guests
            .get(self.0.key)
            .is_none_or(|arrival| arrival.held == arrival.base)
    }

    /// What has come is not kept.
    pub(in crate::server) fn forget(&self) {
        self.0
            .lobby
            .state()
            .hold(self.0.key, |arrival| arrival.held = arrival.base);
    }

    /// What came last was a whole request, which is answered now.
    pub(in crate::server) fn answering(&self) {
        self.0.lobby.state().hold(self.0.key, |arrival| {
            arrival.held = arrival.base;
            arrival.patience_ends = Instant::now() + ANSWER_GRACE;
        });
    }

    /// The answer is out; the connection has got what it came for.
    pub(in crate::server) fn answered(&self) {
        self.0
            .lobby
            .state()
            .hold(self.0.key, |arrival| arrival.patience_ends = Instant::now());
    }

    /// From now on this connection takes `base` bytes even without a request.
    pub(in crate::server) fn takes(&self, base: usize) {
        self.0.lobby.state().hold(self.0.key, |arrival| {
            arrival.held = arrival.held - arrival.base + base;
            arrival.base = base;
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.lobby.state();
        if let Some(arrival) = state.guests.try_remove(self.key) {
            state.held -= arrival.held;
            if arrival.told_to_leave.is_some() {
                state.leaving_held -= arrival.held;
            } else {
                state.no_longer_stays(arrival.address);
            }
        }
        if state.guests.is_empty() {
            *state = State::default(); // after a crowd nothing is kept of its size
        }
        drop(state);
        self.lobby.0.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn ip(n: u8) -> IpAddr {
        [192, 0, 2, n].into()
    }

    /// What each of `tickets` has been told.
    fn told(tickets: &[Ticket]) -> Vec<Option<Eviction>> {
        let told = |ticket: &Ticket| {
            let state = ticket.0.lobby.state();
            state.guests[ticket.0.key].told_to_leave
        };
        tickets.iter().map(told).collect()
    }

    fn gone(tickets: &[Ticket]) -> Vec<usize> {
        let told = told(tickets);
        (0..told.len()).filter(|&n| told[n].is_some()).collect()
    }

    fn fill(lobby: &Lobby, ip: IpAddr, count: usize) -> Vec<Ticket> {
        (0..count).map(|_| lobby.enter(ip).unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_has_its_share_waits_and_then_loses_the_oldest() {
        let lobby = Lobby::default();
        let begun = Instant::now();
        let first = fill(&lobby, ip(1), MOST_OF_AN_ADDRESS);
        assert_eq!(
            lobby.enter(ip(1)).unwrap_err(),
            begun + GRACE,
            "all have only just come"
        );
        let other = fill(&lobby, ip(2), 1);
        tokio::time::sleep(GRACE).await;
        let more = fill(&lobby, ip(1), 3);
        assert_eq!(gone(&first), [0, 1, 2]);
        assert_eq!(first[0].told_to_leave().await, Eviction::Connections);
        assert_eq!((gone(&more), gone(&other)), (vec![], vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_lobby_loses_one_of_the_address_that_has_most() {
        let lobby = Lobby::default();
        let few = fill(&lobby, ip(1), 10);
        let many = fill(&lobby, ip(2), MOST_OF_AN_ADDRESS);
        let some = fill(&lobby, ip(3), MOST - MOST_OF_AN_ADDRESS - 10);
        tokio::time::sleep(GRACE).await;
        let _newcomer = lobby.enter(ip(4)).unwrap();
        assert_eq!(
            (gone(&few), gone(&many), gone(&some)),
            (vec![], vec![0], vec![])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_had_an_answer_goes_first_and_who_waits_for_one_last() {
        let lobby = Lobby::default();
        let guests = fill(&lobby, ip(1), MOST_OF_AN_ADDRESS);
        tokio::time::sleep(GRACE / 2).await;
        guests[0].answering();
        guests[7].answering();
        guests[7].answered();
        let _newcomer = lobby.enter(ip(1)).unwrap();
        assert_eq!(gone(&guests), [7]);
        tokio::time::sleep(GRACE).await;
        let _newcomer = lobby.enter(ip(1)).unwrap();
        assert_eq!(gone(&guests), [1, 7]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_holds_most_makes_room() {
        let lobby = Lobby::default();
        let guests = fill(&lobby, ip(1), 129);
        let head = 64 * 1024;
        for arrival in &guests[..128] {
            poll_fn(|cx| arrival.poll_room(cx, head)).await;
            arrival.received(head);
        }
        assert_eq!(gone(&guests), [] as [usize; 0], "that much is allowed");
        let mut last = std::pin::pin!(poll_fn(|cx| guests[128].poll_room(cx, 1)));
        assert!(futures_util::poll!(&mut last).is_pending());
        assert_eq!(gone(&guests), [0]);
        assert!(
            futures_util::poll!(&mut last).is_pending(),
            "it has not gone yet"
        );
        assert_eq!(gone(&guests), [0], "one is enough");
        let mut guests = guests.into_iter();
        drop(guests.next());
        // Whole requests hold nothing any more.
        let second = guests.next().unwrap();
        second.answering();
        assert!(lobby.state().held == 127 * head - head);
        drop((second, guests));
        let state = lobby.state();
        assert_eq!((state.held, state.leaving_held, state.staying), (0, 0, 0));
        assert!(state.of_address.is_empty());
    }

    #[test]
    fn hosts_are_told_apart_as_the_network_tells_them() {
        let of = |text: &str| Neighbour::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("::1"), of("::2"));
    }
}
