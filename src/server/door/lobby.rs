//! The lobby: connections that are not viewers yet, or never will be. Their number and memory are bounded.
//!
//! Everything that a peer can leave unfinished is counted here: a TLS handshake, a request head, the pause between two
//! requests, and a response that isn't read. If there are too many connections, the address with the most of them loses
//! its oldest one. If unfinished requests hold too much memory, the largest is closed.
//!
//! A crowd must not keep out a newcomer that sends its request at once. So no connection waits for a place while
//! another one can be evicted; the first few kilobytes of a request wait neither for memory nor for a turn; and longer
//! requests are read in turns, a few at a time, because the door's thread would otherwise be busy with all of them
//! before it gets to the newcomer.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use slab::Slab;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::locks::lock;

/// The most connections in the lobby. Each takes a few kilobytes.
const MOST: usize = 4096;

/// The most of them from one address. Behind a proxy, or on loopback, all clients have the same address: half of the
/// lobby has room for a reconnecting herd, and leaves the other half to the others.
const MOST_OF_AN_ADDRESS: usize = 2048;

/// The most memory that all unfinished requests together may hold, in bytes: room for 128 of the longest heads.
const MOST_HELD: usize = 8 * 1024 * 1024;

/// A request that holds no more than this, in bytes, waits neither for a turn nor for evictions. It is enough for a
/// browser's head with its cookies, and for a step of a TLS handshake.
pub(super) const NEVER_WAITS: usize = 4096;

/// How many of the longer requests are read at the same time.
const LONG_READS: usize = 16;

/// How much older a connection that has been answered counts than one accepted when the response was sent.
const GRACE: Duration = Duration::from_secs(1);

/// How much younger a connection that is being answered counts than a silent one.
const ANSWER_GRACE: Duration = Duration::from_secs(10);

/// This many connections in the lobby are a crowd: so many of the longest heads hold half of [`MOST_HELD`]. When it
/// leaves, megabytes of memory are free.
const CROWD: usize = 64;

/// How often to look whether a crowd has left.
const CROWD_CHECK: Duration = Duration::from_millis(250);

/// The unit in which connections are counted: an IPv4 address, or the /64 that an IPv6 host usually has to itself.
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

/// The connections in the lobby. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct Lobby(Arc<LobbyCore>);

#[derive(Debug)]
struct LobbyCore {
    state: Mutex<LobbyState>,
    long_reads: Arc<Semaphore>,
    /// Notified when there is a crowd.
    crowd: Notify,
}

impl Default for LobbyCore {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            long_reads: Arc::new(Semaphore::new(LONG_READS)),
            crowd: Notify::new(),
        }
    }
}

#[derive(Debug, Default)]
struct LobbyState {
    guests: Slab<Guest>,
    /// How many connections of each address are staying. Evicted ones don't count.
    of_address: HashMap<Neighbour, usize>,
    staying: usize,
    /// The memory that all of them hold, and the part held by evicted ones, in bytes.
    held: usize,
    leaving_held: usize,
}

#[derive(Debug)]
struct Guest {
    address: Neighbour,
    /// The connection with the earliest time is evicted first.
    patience_ends: Instant,
    /// Whether its task has run. Before that, it can't be blamed for not having sent a request.
    has_had_a_turn: bool,
    /// The memory of its unfinished request, in bytes.
    held: usize,
    /// The memory that it takes without a request, in bytes.
    base: usize,
    told_to_leave: Option<Eviction>,
    leave: Arc<Notify>,
}

/// A place in the lobby, until the last clone is dropped.
#[derive(Debug, Clone)]
pub(in crate::server) struct Ticket(Arc<Stay>);

/// The turn of a long request, until it is dropped.
#[derive(Debug)]
pub(in crate::server) struct ReadTurn(
    #[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit,
);

#[derive(Debug)]
struct Stay {
    lobby: Lobby,
    key: usize,
    leave: Arc<Notify>,
}

impl Lobby {
    /// A place for a connection from `ip`; evicts another one if necessary. `None` if none can be evicted, because none
    /// of the candidates has had a turn yet.
    pub(in crate::server) fn enter(&self, ip: IpAddr) -> Option<Ticket> {
        let (address, now) = (Neighbour::from(ip), Instant::now());
        let mut state = self.state();
        if MOST_OF_AN_ADDRESS <= state.of_address.get(&address).copied().unwrap_or(0) {
            state.make_room(address)?;
        } else if MOST <= state.staying {
            let most = state.of_address.iter().max_by_key(|(_, count)| **count);
            let most = most.map_or(address, |(most, _)| *most);
            state.make_room(most)?;
        }
        let leave = Arc::<Notify>::default();
        let key = state.guests.insert(Guest {
            address,
            patience_ends: now + GRACE,
            has_had_a_turn: false,
            held: 0,
            base: 0,
            told_to_leave: None,
            leave: Arc::clone(&leave),
        });
        if state.guests.len() == CROWD {
            self.0.crowd.notify_one();
        }
        state.staying += 1;
        *state.of_address.entry(address).or_default() += 1;
        let lobby = self.clone();
        Some(Ticket(Arc::new(Stay { lobby, key, leave })))
    }

    /// Frees a descriptor, if a connection can be evicted.
    pub(in crate::server) fn make_room(&self) {
        let mut state = self.state();
        let most = state.of_address.iter().max_by_key(|(_, count)| **count);
        if let Some(&most) = most.map(|(most, _)| most) {
            // If none has had a turn yet, the next failure calls this again.
            let _ = state.make_room(most);
        }
    }

    /// Waits until there has been a crowd and most of it has left.
    pub(in crate::server) async fn crowd_has_left(&self) {
        self.0.crowd.notified().await;
        while CROWD / 4 < self.state().guests.len() {
            tokio::time::sleep(CROWD_CHECK).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, LobbyState> {
        lock(&self.0.state)
    }
}

impl LobbyState {
    /// Evicts the oldest connection of `address`; `None` if none has had a turn.
    fn make_room(&mut self, address: Neighbour) -> Option<()> {
        let can_leave = self.guests.iter().filter(|(_, arrival)| {
            arrival.address == address && arrival.told_to_leave.is_none() && arrival.has_had_a_turn
        });
        let (key, _) = can_leave.min_by_key(|(_, arrival)| arrival.patience_ends)?;
        self.tell_to_leave(key, Eviction::Connections);
        Some(())
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

    /// Notes how much memory a connection holds now.
    fn hold(&mut self, key: usize, change: impl FnOnce(&mut Guest)) {
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
    /// Notes that this connection's task has run.
    pub(in crate::server) fn has_its_turn(&self) {
        let mut state = self.0.lobby.state();
        if let Some(arrival) = state.guests.get_mut(self.0.key) {
            arrival.has_had_a_turn = true;
        }
    }

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

    /// Waits until `more` bytes may be read. If they are too many, evicts the connection that holds most first; a small
    /// request doesn't wait until it has left.
    pub(in crate::server) fn poll_room(&self, cx: &mut Context<'_>, more: usize) -> Poll<()> {
        let mut state = self.0.lobby.state();
        let Some(arrival) = state.guests.get(self.0.key) else {
            return Poll::Ready(());
        };
        let is_small = arrival.held - arrival.base + more <= NEVER_WAITS;
        if state.held + more <= MOST_HELD {
            return Poll::Ready(());
        }
        if MOST_HELD < state.held - state.leaving_held + more {
            let staying = state
                .guests
                .iter()
                .filter(|(_, arrival)| arrival.told_to_leave.is_none());
            // Among equals, the one that came first.
            let largest = staying.max_by_key(|(key, arrival)| {
                (arrival.held, Reverse((arrival.patience_ends, *key)))
            });
            if let Some((key, _)) = largest {
                state.tell_to_leave(key, Eviction::Memory);
            }
        }
        if is_small {
            return Poll::Ready(());
        }
        // Evicted connections have been woken, so they run before this one does again.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Waits until more of a long request may be read. The turn ends when the result is dropped, which must not be kept
    /// while nothing arrives. `None` if the request isn't long.
    pub(in crate::server) async fn turn(&self) -> Option<ReadTurn> {
        let is_long = (self.0.lobby.state().guests.get(self.0.key))
            .is_some_and(|arrival| NEVER_WAITS <= arrival.held - arrival.base);
        if is_long {
            let turns = Arc::clone(&self.0.lobby.0.long_reads);
            turns.acquire_owned().await.ok().map(ReadTurn)
        } else {
            None
        }
    }

    /// Counts received bytes.
    pub(in crate::server) fn received(&self, bytes: usize) {
        self.0
            .lobby
            .state()
            .hold(self.0.key, |arrival| arrival.held += bytes);
    }

    /// Whether nothing has been received.
    pub(in crate::server) fn is_silent(&self) -> bool {
        let state = self.0.lobby.state();
        state
            .guests
            .get(self.0.key)
            .is_none_or(|arrival| arrival.held == arrival.base)
    }

    /// The received bytes are not kept.
    pub(in crate::server) fn forget(&self) {
        self.0
            .lobby
            .state()
            .hold(self.0.key, |arrival| arrival.held = arrival.base);
    }

    /// A whole request has been received, and is now being answered.
    pub(in crate::server) fn answering(&self) {
        self.0.lobby.state().hold(self.0.key, |arrival| {
            arrival.held = arrival.base;
            arrival.patience_ends = Instant::now() + ANSWER_GRACE;
        });
    }

    /// The response has been sent.
    pub(in crate::server) fn answered(&self) {
        self.0
            .lobby
            .state()
            .hold(self.0.key, |arrival| arrival.patience_ends = Instant::now());
    }

    /// From now on, this connection takes `base` bytes even without a request.
    pub(in crate::server) fn takes(&self, base: usize) {
        self.0.lobby.state().hold(self.0.key, |arrival| {
            arrival.held = arrival.held - arrival.base + base;
            arrival.base = base;
        });
    }
}

impl Drop for Stay {
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
            *state = LobbyState::default(); // frees the capacity that a crowd needed
        }
    }
}
