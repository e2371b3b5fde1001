//! The client that `watch` and `record` share: an endless stream of events that hides reconnecting.
//!
//! A [`Client`] follows one or more servers, each over its own `link`. A link reconnects by `backoff`, resumes
//! behind the last message that it passed on, and notices a peer that is gone though its socket is open. `tracker`
//! sees to it that a message never comes twice and that a loss is never silent, also with servers that neither number
//! their messages nor say hello.

mod advice;
mod backoff;
mod connect;
pub mod endpoint;
mod link;
mod place;
mod ssh;
mod stream;
mod tls;
mod tracker;

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::protocol::{HostName, Message, Query, ResumePoint, StreamId};
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
    /// Something that a person should know. Told once for each server or host, unless it says otherwise.
    Notice {
        /// Which of the servers.
        server: usize,
        /// What it is.
        notice: Notice,
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

/// Something out of order that does not end a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A message could not be read and was skipped.
    Malformed {
        /// What was wrong with it.
        reason: String,
    },
    /// A stream came back after another had begun: two sources share the name behind one address. Its messages are
    /// rejected. Told once for each connection.
    TwoSources {
        /// The name.
        host: HostName,
    },
    /// Two servers have different sources of the same name. What this one says of it is ignored.
    SameName {
        /// The name.
        host: HostName,
        /// The other server.
        other: usize,
    },
    /// Two servers have the same source: one server under two addresses, most likely.
    SameSource {
        /// Its name.
        host: HostName,
        /// The other server.
        other: usize,
    },
    /// A source began anew with an earlier time than before.
    SetBack {
        /// Its name.
        host: HostName,
    },
    /// A source gives numbers that do not rise. Its messages are numbered here.
    CountsAgain {
        /// Its name.
        host: HostName,
    },
    /// The server has not come to the last message that is known: what follows that one is waited for.
    Ahead {
        /// Whose message.
        host: HostName,
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
    owners: HashMap<HostName, Owner>,
    /// The hosts of which it was said that another server has them, too.
    shared: HashSet<(HostName, usize)>,
    /// The servers, as text.
    endpoints: Vec<String>,
    /// Where the next poll begins, so that a busy server does not silence the others.
    turn: usize,
    /// Events that came while questions were answered.
    early: VecDeque<Event>,
}

/// The server that a host belongs to.
#[derive(Debug)]
struct Owner {
    server: usize,
    /// The stream of its last message.
    stream: StreamId,
}

impl Client {
    /// A client that asks each of `servers` for `query`, and for what follows `known`. Nothing is connected before the
    /// first [`Client::next`].
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
            shared: HashSet::new(),
            endpoints: servers.iter().map(ToString::to_string).collect(),
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

    /// What an event of a link is to those who know only servers.
    fn judge(&mut self, index: usize, event: Event) -> Option<Event> {
        match event {
            Event::Message(received) => self.owned(received),
            Event::Connected { .. } | Event::Lost { .. } if self.links[index].is_part() => None,
            Event::Ended { server } => {
                let goes_on = |link: &Link| link.server() == server && !link.is_over();
                (!self.links.iter().any(goes_on)).then_some(Event::Ended { server })
            }
            other => Some(other),
        }
    }

    /// A message of the server that its host belongs to; otherwise what is to be said of that.
    fn owned(&mut self, received: Received) -> Option<Event> {
        let (server, stream) = (received.server, received.stream);
        let Some(owner) = self.owners.get_mut(&received.host) else {
            let owner = Owner { server, stream };
            self.owners.insert(received.host.clone(), owner);
            return Some(Event::Message(received));
        };
        if owner.server == server {
            owner.stream = stream;
            return Some(Event::Message(received));
        }
        let (host, other) = (received.host, owner.server);
        let is_same = owner.stream == stream || self.endpoints[other] == self.endpoints[server];
        // A server that is being restarted may have been found again under one address only.
        let brings = |link: &Link| link.server() == other && link.brings(&host);
        if !is_same && !self.links.iter().any(brings) || !self.shared.insert((host.clone(), server))
        {
            return None;
        }
        let notice = if is_same {
            Notice::SameSource { host, other }
        } else {
            Notice::SameName { host, other }
        };
        Some(Event::Notice { server, notice })
    }

    /// Nothing of what comes is kept: a replay that was started again is shown from its beginning.
    pub fn only_show(&mut self) {
        self.links.iter_mut().for_each(Link::only_show);
    }
}

/// The next event of any link; `None` when all are over.
async fn next_of(links: &mut [Link], turn: &mut usize) -> Option<(usize, Event)> {
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
