//! The client that `watch` and `record` share: an endless stream of events that hides reconnecting.
//!
//! A [`Client`] follows one or more servers, each over its own `link`. A link waits between attempts as `backoff` says,
//! resumes after the last message that it passed on, and detects a dead peer behind an open socket. `tracker` makes sure
//! that no message arrives twice and no loss is silent, even with servers that send neither numbers nor a hello.

mod advice;
mod backoff;
mod bookmark;
mod byte_channel;
mod connect;
pub mod endpoint;
mod farewell;
mod link;
mod ssh;
mod tls;
mod tracker;

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::protocol::{HostName, Query, ResumePoint, StreamId, Update};
use crate::token::Token;

pub use backoff::Retry;
pub use endpoint::Endpoint;
pub use tls::{ClientTls, ClientTlsError};

use link::Link;

/// What a client proves itself with, and the certificates that it trusts.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// Sent to every server.
    pub token: Option<Token>,
    /// Needed for `wss://`.
    pub tls: Option<ClientTls>,
}

/// What a client reports to the command above it.
#[derive(Debug, Clone)]
pub enum ClientEvent {
    /// A connection is open; messages follow.
    Connected {
        /// Which of the servers, as an index into the list that was given.
        server: usize,
    },
    /// A message of a host.
    Message(Received),
    /// The connection was lost, or could not be made; the client retries by itself.
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
    /// No sample has arrived for three intervals (at least 3 s).
    Stale {
        /// From this host.
        host: HostName,
    },
    /// Something that the user should know. Reported once per server or host, unless it says otherwise.
    Warning {
        /// Which of the servers.
        server: usize,
        /// What is wrong.
        warning: Warning,
    },
    /// The stream of this server has ended; the client does not reconnect to it.
    Ended {
        /// Which of the servers.
        server: usize,
    },
    /// The server refused for good, or could not be reached within the allowed attempts. The client does not retry.
    Refused {
        /// Which of the servers.
        server: usize,
        /// Why, in one line without a full stop.
        reason: String,
    },
}

/// Something out of order that does not end a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Warning {
    /// A message could not be read and was skipped.
    Malformed {
        /// What was wrong with it.
        reason: String,
    },
    /// A stream reappeared after another had begun: two sources behind one address share the name. Its messages are
    /// rejected. Reported once per connection.
    TwoSources {
        /// The name.
        host: HostName,
    },
    /// Two servers have different sources of the same name. What this one sends about it is ignored.
    SameName {
        /// The name.
        host: HostName,
        /// The other server.
        other: usize,
    },
    /// Two servers have some of the same sources: two relays, or one server under two addresses. Each is taken from the
    /// server that sent it first. Reported once for each of the two that is ignored, however many hosts they are.
    SameSources {
        /// The server that a source is taken from.
        other: usize,
    },
    /// A source restarted with an earlier start time than before.
    SetBack {
        /// Its name.
        host: HostName,
    },
    /// A source's sequence numbers do not increase. The client numbers its messages itself.
    CountsAgain {
        /// Its name.
        host: HostName,
    },
    /// The server is behind the last known message: the client waits for what follows it.
    Ahead {
        /// The message's host.
        host: HostName,
    },
}

/// A message that arrived. No sample and no alert arrives twice; where the server does not number them, the client does.
/// Only if a connection is lost amid summaries, they and the alerts among them arrive again.
#[derive(Debug, Clone)]
pub struct Received {
    /// Which of the servers sent it.
    pub server: usize,
    /// The message's host.
    pub host: HostName,
    /// The run of the host's source that it belongs to.
    pub stream: StreamId,
    /// Its contents.
    pub update: Update,
    /// The text that arrived; for a `hello` or `gap` that the client had to add, what a server would have sent.
    pub raw: Utf8Bytes,
}

/// Follows servers.
#[derive(Debug)]
pub struct Client {
    links: Vec<Link>,
    /// A host belongs to the server that sent it first; what other servers send about it is ignored.
    owners: HashMap<HostName, Owner>,
    /// What has been reported: a server, and that it has the sources of another, or a name that another uses.
    reported: HashSet<(usize, Warning)>,
    /// The servers, as text.
    endpoints: Vec<String>,
    /// Where the next poll begins, so that a busy server does not starve the others.
    turn: usize,
    /// Events that arrived while the user answered ssh's questions.
    early: VecDeque<ClientEvent>,
}

/// The server that a host belongs to.
#[derive(Debug)]
struct Owner {
    server: usize,
    /// The stream of its last message.
    stream: StreamId,
}

impl Client {
    /// A client that requests `query` from each of `servers`, resuming after `known`. Nothing connects before the first
    /// [`Client::next`].
    #[must_use]
    pub fn new(
        servers: &[Endpoint],
        query: &Query,
        known: &[ResumePoint],
        retry: Retry,
        credentials: &Credentials,
    ) -> Self {
        let link = |(server, endpoint): (usize, &Endpoint)| {
            Link::new(
                server,
                endpoint.clone(),
                query.clone(),
                known,
                retry,
                credentials.clone(),
            )
        };
        Self {
            links: servers.iter().enumerate().map(link).collect(),
            owners: HashMap::new(),
            reported: HashSet::new(),
            endpoints: servers.iter().map(ToString::to_string).collect(),
            turn: 0,
            early: VecDeque::new(),
        }
    }

    /// Makes the first attempt to connect to the servers behind ssh, one by one: only in that attempt may ssh ask for a
    /// password or about a host key. Call it before there is a screen.
    pub async fn let_ask(&mut self) {
        for link in self.links.iter_mut().filter(|link| link.may_ask()) {
            if let Some(event) = link.next().await {
                self.early.push_back(event);
            }
        }
    }

    /// From now on ssh must not ask anything: there is a screen where its questions would appear.
    pub fn never_ask(&mut self) {
        self.links.iter_mut().for_each(Link::never_ask);
    }

    /// Makes the next attempt to reach each lost server at once.
    pub fn retry_now(&mut self) {
        self.links.iter_mut().for_each(Link::retry_now);
    }

    /// Whether every server has announced its hosts, or will not be tried again.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.links.iter().all(Link::is_settled)
    }

    /// The next event; `None` when every server has ended or refused. Cancel safe.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        if let Some(event) = self.early.pop_front() {
            return Some(event);
        }
        loop {
            let parts: Vec<Link> = self.links.iter_mut().filter_map(Link::split_off).collect();
            self.links.extend(parts);
            let (index, event) = match &mut self.links[..] {
                [link] => (0, link.next().await?),
                links => next_of(links, &mut self.turn).await?,
            };
            if let Some(event) = self.judge(index, event) {
                return Some(event);
            }
        }
    }

    /// What an event of a link means for callers that know servers, not links.
    fn judge(&mut self, index: usize, event: ClientEvent) -> Option<ClientEvent> {
        match event {
            ClientEvent::Message(received) => self.owned(received),
            ClientEvent::Connected { .. } | ClientEvent::Lost { .. }
                if self.links[index].is_part() =>
            {
                None
            }
            ClientEvent::Ended { server } => {
                let goes_on = |link: &Link| link.server() == server && !link.is_over();
                (!self.links.iter().any(goes_on)).then_some(ClientEvent::Ended { server })
            }
            other => Some(other),
        }
    }

    /// Passes on a message from the server that its host belongs to; for any other, the warning that is due.
    fn owned(&mut self, received: Received) -> Option<ClientEvent> {
        let (server, stream) = (received.server, received.stream);
        let Some(owner) = self.owners.get_mut(&received.host) else {
            let owner = Owner { server, stream };
            self.owners.insert(received.host.clone(), owner);
            return Some(ClientEvent::Message(received));
        };
        if owner.server == server {
            owner.stream = stream;
            return Some(ClientEvent::Message(received));
        }
        let (host, other) = (received.host, owner.server);
        let is_same = owner.stream == stream || self.endpoints[other] == self.endpoints[server];
        // While a server restarts, the client may have reconnected under only one of its addresses.
        let brings = |link: &Link| link.server() == other && link.brings(&host);
        let warning = if is_same {
            Warning::SameSources { other }
        } else if self.links.iter().any(brings) {
            Warning::SameName { host, other }
        } else {
            return None;
        };
        let is_new = self.reported.insert((server, warning.clone()));
        is_new.then_some(ClientEvent::Warning { server, warning })
    }

    /// The client only displays: a restarted replay is shown from its beginning.
    pub fn only_show(&mut self) {
        self.links.iter_mut().for_each(Link::only_show);
    }
}

/// The next event of any link; `None` when all are over.
async fn next_of(links: &mut [Link], turn: &mut usize) -> Option<(usize, ClientEvent)> {
    let count = links.len();
    // The futures live until one of them is ready: a timer wakes this task only while it is kept. `Link::next` keeps all
    // its state in the link, so dropping the others then loses nothing.
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
                    return Poll::Ready(Some((index, event)));
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
