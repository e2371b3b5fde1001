//! The client that `watch` and `record` share: an endless stream of events that hides reconnecting.
//!
//! A [`Client`] follows one or more servers, each over its own `link`. A link reconnects by `backoff`, resumes
//! behind the last message that it passed on, and notices a peer that is gone though its socket is open. `tracker`
//! sees to it that a message never comes twice and that a loss is never silent, also with servers that neither number
//! their messages nor say hello.

mod backoff;
mod connect;
pub mod endpoint;
mod link;
mod ssh;
mod stream;
pub mod tls;
mod tracker;

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::protocol::{HostName, Message, Query, StreamId};
use crate::token::Token;

pub use backoff::Retry;
pub use endpoint::Endpoint;

use link::Link;
use tls::Tls;

/// What a client shows of itself, and whom it believes.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Sent to every server.
    pub token: Option<Token>,
    /// Needed for `wss://`.
    pub tls: Option<Tls>,
}

/// What a client tells the command above it.
#[derive(Debug, Clone)]
pub enum Event {
    /// A connection is open, and messages follow.
    Connected {
        /// Which of the servers, as an index into the list that was given.
        server: usize,
    },
    /// A message of a host.
    Message(Received),
    /// The connection ended, or could not be made; the client tries again by itself.
    Lost {
        /// Which of the servers.
        server: usize,
        /// Why, in one line without a full stop.
        reason: String,
        /// The number of the attempt that comes next, from 1.
        attempt: u32,
        /// The wait before it.
        retry_in: Duration,
    },
    /// No sample has come for three intervals (at least 3 s).
    Stale {
        /// Of this host.
        host: HostName,
    },
    /// A message could not be read and was skipped. Told once for each server.
    Malformed {
        /// Which of the servers.
        server: usize,
        /// What was wrong with it.
        reason: String,
    },
    /// The stream of this server is over: it will not be tried again.
    Ended {
        /// Which of the servers.
        server: usize,
    },
    /// The server refused for good, or could not be reached in as many attempts as are allowed. It will not be tried
    /// again.
    Refused {
        /// Which of the servers.
        server: usize,
        /// Why, in one line without a full stop.
        reason: String,
    },
}

/// A message as it came. `metric` and `alert` have a host and a number, given by the client where the server gives none,
/// and never come twice.
#[derive(Debug, Clone)]
pub struct Received {
    /// Which of the servers sent it.
    pub server: usize,
    /// Whose message.
    pub host: HostName,
    /// The run of the host's source that the number belongs to.
    pub stream: StreamId,
    /// What it says.
    pub message: Message,
    /// The text that came; for a `hello` or `gap` that the client had to add, the text that a server would have sent.
    pub raw: Utf8Bytes,
}

/// Follows servers.
#[derive(Debug)]
pub struct Client {
    links: Vec<Link>,
    /// A host belongs to the server that brought it first; what others say of it is ignored.
    owners: HashMap<HostName, usize>,
    /// Where the next poll begins, so that a busy server does not silence the others.
    turn: usize,
    /// Events that came while questions were answered.
    early: VecDeque<Event>,
}

impl Client {
    /// A client that asks each of `servers` for `query`. Nothing is connected before the first [`Client::next`].
    #[must_use]
    pub fn new(servers: &[Endpoint], query: &Query, retry: Retry, trust: &Trust) -> Self {
        let link = |(server, endpoint): (usize, &Endpoint)| {
            Link::new(
                server,
                endpoint.clone(),
                query.clone(),
                retry,
                trust.clone(),
            )
        };
        Self {
            links: servers.iter().enumerate().map(link).collect(),
            owners: HashMap::new(),
            turn: 0,
            early: VecDeque::new(),
        }
    }

    /// Makes the first attempt to reach the servers behind ssh, one after the other, and no other attempt: only there may
    /// ssh ask for a password or about a host's key. To be called before there is a screen.
    pub async fn let_ask(&mut self) {
        for link in self.links.iter_mut().filter(|link| link.may_ask()) {
            if let Some(event) = link.next().await {
                self.early.push_back(event);
            }
        }
    }

    /// From now on ssh asks nothing: there is a screen where its questions would stand.
    pub fn never_ask(&mut self) {
        self.links.iter_mut().for_each(Link::never_ask);
    }

    /// Whether every server has said which hosts it has, or will not be asked again.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.links.iter().all(Link::is_settled)
    }

    /// The next event; `None` when every server has ended or refused. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.early.pop_front() {
            return Some(event);
        }
        loop {
            let event = match &mut self.links[..] {
                [link] => link.next().await?,
                links => next_of(links, &mut self.turn).await?,
            };
            if let Event::Message(received) = &event
                && *self
                    .owners
                    .entry(received.host.clone())
                    .or_insert(received.server)
                    != received.server
            {
                continue;
            }
            return Some(event);
        }
    }
}

/// The next event of any link; `None` when all are over.
async fn next_of(links: &mut [Link], turn: &mut usize) -> Option<Event> {
    let count = links.len();
    // The futures live until one of them is ready: a timer wakes us only as long as it is kept. `Link::next` has its
    // whole state in the link, so the others lose nothing when they are dropped then.
    let mut waits: Vec<_> = links
        .iter_mut()
        .map(|link| Some(Box::pin(link.next())))
        .collect();
    poll_fn(|cx| {
        for offset in 0..count {
            let index = (*turn + offset) % count;
            let Some(wait) = &mut waits[index] else {
                continue;
            };
            match wait.as_mut().poll(cx) {
                Poll::Ready(Some(event)) => {
                    *turn = index + 1;
                    return Poll::Ready(Some(event));
                }
                Poll::Ready(None) => waits[index] = None,
                Poll::Pending => {}
            }
        }
        if waits.iter().all(Option::is_none) {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    })
    .await
}
