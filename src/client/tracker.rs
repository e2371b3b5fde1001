//! What a client already has: the last message of each host, so that none arrives twice and no loss is silent.

mod split;
mod tracked_host;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::protocol::{
    Body, DecodeError, Hello, HostName, HostPattern, Message, Position, Query, ResumePoint, Sample,
    StreamId, Unplaced, Update, describe,
};

use super::bookmark::Bookmark;
use super::{Received, Warning};

use tracked_host::TrackedHost;

/// As many samples back as there are.
const FROM_THE_FIRST: u64 = u64::MAX;

/// What is known about the hosts behind one link.
#[derive(Debug)]
pub(super) struct Tracker {
    server: usize,
    /// The host of messages without a host name.
    nameless: HostName,
    query: Query,
    /// The client only displays: a restarted replay is shown from its beginning.
    only_shows: bool,
    hosts: HashMap<HostName, TrackedHost>,
    /// Hosts whose messages arrive over another connection to the same server.
    elsewhere: HashSet<HostName>,
    /// Set if this connection takes only a part of the hosts: those known here.
    part: Option<Part>,
    /// The stream of messages without a `hello`: one for each connection.
    connection: StreamId,
    delivered: Delivered,
    /// Whether this connection asked for summaries of the past.
    asked_for_step: bool,
    ready: VecDeque<Received>,
    warnings: VecDeque<Warning>,
}

/// What a connection has delivered so far.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Delivered {
    Nothing,
    /// Only a stream of this host that another one had already replaced.
    OnlyRejected(HostName),
    /// Something that was wanted.
    Wanted,
}

/// How a connection requests its part of the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// By the names that the user gave, of which this is a part; hosts that appear later are accepted.
    Named,
    /// By their names.
    ByName,
    /// With the original query, because the server refused the names: one host may be gone.
    OfAll,
}

/// What to do after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterMessage {
    /// Read the next one.
    GoOn,
    /// The replay was restarted: request it again from its beginning.
    StartOver,
}

impl Tracker {
    /// Starts after what is already known.
    pub(super) fn new(
        server: usize,
        nameless: HostName,
        query: Query,
        known: &[ResumePoint],
    ) -> Self {
        let bookmark = |known: &ResumePoint| {
            let Position { host, stream, seq } = &known.last;
            let bookmark = Bookmark::behind(*stream, *seq, known.past.iter().copied());
            (host.clone(), TrackedHost::new(bookmark, false))
        };
        Self {
            server,
            nameless,
            asked_for_step: query.step.is_some() && known.is_empty(),
            query,
            only_shows: false,
            hosts: known.iter().map(bookmark).collect(),
            elsewhere: HashSet::new(),
            part: None,
            connection: StreamId(0),
            delivered: Delivered::Nothing,
            ready: VecDeque::new(),
            warnings: VecDeque::new(),
        }
    }

    /// The client only displays.
    pub(super) fn only_show(&mut self) {
        self.only_shows = true;
    }

    /// What to request now: known hosts are resumed, the others start as first requested. A connection that was lost
    /// before the first message of any of the others must not cost that message.
    pub(super) fn query(&self) -> Query {
        let after = self.hosts.iter().filter_map(|(name, host)| {
            host.position().map(|(stream, seq)| Position {
                host: name.clone(),
                stream,
                seq,
            })
        });
        let mut query = Query {
            after: after.collect(),
            ..self.query.clone()
        };
        if query.step.is_some() && !query.after.is_empty() {
            // The past is known. A host that is not begins with its newest sample.
            (query.step, query.since, query.last) = (None, None, None);
        }
        if query.last.is_none() && query.since.is_none() && self.awaits_first_messages() {
            query.last = Some(FROM_THE_FIRST);
        }
        if self.part == Some(Part::ByName) {
            let names = self.hosts.keys().cloned();
            query.hosts = names.map(HostPattern::Literal).collect();
        }
        query
    }

    /// Whether hosts without a position are known, and none of them had a message when this client first heard of it.
    fn awaits_first_messages(&self) -> bool {
        let mut awaited = self
            .hosts
            .values()
            .filter(|it| it.position().is_none())
            .peekable();
        awaited.peek().is_some() && awaited.all(TrackedHost::awaits_its_first)
    }

    /// From now on, requests all hosts instead of their names, if it used names.
    pub(super) fn asks_for_all(&mut self) -> bool {
        let by_name = self.part == Some(Part::ByName);
        if by_name {
            self.part = Some(Part::OfAll);
        }
        by_name
    }

    /// Whether this part was split off.
    pub(super) fn is_part(&self) -> bool {
        self.part.is_some()
    }

    /// A connection begins at `now`, in milliseconds since the epoch.
    pub(super) fn connected(&mut self, now: u64) {
        self.connection = StreamId(now.max(self.connection.0 + 1));
        self.delivered = Delivered::Nothing;
        self.asked_for_step = self.query().step.is_some();
        for host in self.hosts.values_mut() {
            host.stream = None;
            host.is_summed_up = self.asked_for_step;
            host.announced_gap = None;
            host.is_rejected = false;
            host.reported.two_sources = false;
        }
    }

    /// The next message to pass on.
    pub(super) fn pop(&mut self) -> Option<Received> {
        self.ready.pop_front()
    }

    /// The next warning.
    pub(super) fn pop_warning(&mut self) -> Option<Warning> {
        self.warnings.pop_front()
    }

    /// Whether this connection has delivered anything that was wanted.
    pub(super) fn has_accepted(&self) -> bool {
        self.delivered == Delivered::Wanted
    }

    /// The host whose rejected stream is all that this connection delivers.
    pub(super) fn rejected(&self) -> Option<&HostName> {
        match &self.delivered {
            Delivered::OnlyRejected(host) => Some(host),
            Delivered::Nothing | Delivered::Wanted => None,
        }
    }

    /// Takes a message as it arrived.
    pub(super) fn take(
        &mut self,
        raw: Utf8Bytes,
        now: Instant,
    ) -> Result<AfterMessage, DecodeError> {
        let message = Message::decode(&raw)?;
        let Some((name, is_new)) = self.host_of(&message) else {
            return Ok(AfterMessage::GoOn);
        };
        let is_summed_up = self.asked_for_step;
        let host = (self.hosts.entry(name.clone()))
            .or_insert_with(|| TrackedHost::new(Bookmark::default(), is_summed_up));
        if let Body::Hello(hello) = &message.body {
            let warning = host.greet(&name, hello);
            self.warnings.extend(warning);
        }
        if host.is_rejected {
            if self.delivered != Delivered::Wanted {
                self.delivered = Delivered::OnlyRejected(name);
            }
            return Ok(AfterMessage::GoOn);
        }
        self.delivered = Delivered::Wanted;
        let update = match message.body {
            Body::Hello(hello) => {
                if host.begin(&hello, self.only_shows) {
                    self.start_over();
                    return Ok(AfterMessage::StartOver);
                }
                Update::Hello(hello)
            }
            Body::Gap(gap) if host.is_summed_up => Update::Gap(gap),
            Body::Gap(gap) => {
                // The numbers decide: it is passed on before the next message if they agree.
                host.announced_gap = Some((gap, raw));
                return Ok(AfterMessage::GoOn);
            }
            Body::End => {
                host.ended = true;
                Update::End
            }
            Body::Numbered(message) if host.is_amid_summaries(&message) => {
                let Some(message) = host.place(&name, message) else {
                    return Ok(AfterMessage::GoOn);
                };
                Update::Numbered(message)
            }
            Body::Numbered(message) => {
                self.number(name, is_new, message, raw, now);
                return Ok(AfterMessage::GoOn);
            }
            Body::Heartbeat { seq, sample } => Update::Heartbeat { seq, sample },
            Body::Summary(summary) => Update::Summary(summary),
            Body::Unknown => return Ok(AfterMessage::GoOn),
        };
        let stream = host.bookmark.stream(host.stream, self.connection);
        self.ready.push_back(Received {
            server: self.server,
            host: name,
            stream,
            update,
            raw,
        });
        Ok(AfterMessage::GoOn)
    }

    /// The host of a message and whether it is new, if it is wanted here.
    fn host_of(&mut self, message: &Message) -> Option<(HostName, bool)> {
        if matches!(message.body, Body::Unknown) {
            return None;
        }
        let name = message.host.as_ref().unwrap_or(&self.nameless).clone();
        let is_new = !self.hosts.contains_key(&name);
        if self.elsewhere.contains(&name) || is_new && !self.takes_new(&name) {
            self.delivered = Delivered::Wanted;
            return None;
        }
        Some((name, is_new))
    }

    /// Passes on a numbered message if it is new, after the gap before it.
    fn number(
        &mut self,
        name: HostName,
        is_new: bool,
        message: Unplaced,
        raw: Utf8Bytes,
        now: Instant,
    ) {
        let Some(host) = self.hosts.get_mut(&name) else {
            return;
        };
        if host.stream.is_none() && is_new {
            host.set_interval(Hello::default().interval);
            let hello = greet(self.server, &name, self.connection, &message.sample);
            self.ready.push_back(hello);
        }
        let told = host.announced_gap.take();
        let is_first = host.bookmark.is_new();
        let taken = host.bookmark.take(
            host.stream,
            self.connection,
            message.seq,
            message.sample.timestamp,
        );
        let Some(next) = taken else { return };
        host.fresh_since = Some(now);
        host.reported.is_ahead = false;
        if next.distrusts {
            let host = name.clone();
            self.warnings.push_back(Warning::CountsAgain { host });
        }
        let gap = match (next.gap, told) {
            // Only the server knows what there was before the first message.
            (None, Some((gap, raw))) if is_first => Some((gap, raw)),
            (Some(gap), Some((told, raw))) if host.bookmark.as_told(gap) == told => {
                Some((gap, raw))
            }
            (Some(gap), _) => {
                let raw = encode(&name, Body::Gap(host.bookmark.as_told(gap)));
                Some((gap, raw))
            }
            (None, _) => None,
        };
        let (host, stream, seq) = (name.clone(), next.stream, next.seq);
        let message = message.at(Position { host, stream, seq });
        let received = |update, raw| Received {
            server: self.server,
            host: name.clone(),
            stream: next.stream,
            update,
            raw,
        };
        let gap = gap.map(|(gap, raw)| received(Update::Gap(gap), raw));
        self.ready.extend(gap);
        self.ready
            .push_back(received(Update::Numbered(message), raw));
    }

    /// Requests everything from its beginning; what was shown is still known.
    fn start_over(&mut self) {
        for host in self.hosts.values_mut() {
            host.starts_over = true;
        }
    }

    /// Whether any host has sent anything.
    pub(super) fn has_heard(&self) -> bool {
        self.hosts
            .values()
            .any(|host| host.stream.is_some() || host.fresh_since.is_some())
    }

    /// Whether every host that was seen here has ended.
    pub(super) fn is_over(&self) -> bool {
        !self.hosts.is_empty() && self.hosts.values().all(|host| host.ended)
    }

    /// When the next host will be stale.
    pub(super) fn stale_at(&self) -> Option<Instant> {
        let due = |host: &TrackedHost| {
            host.fresh_since
                .filter(|_| !host.ended)
                .map(|since| since + host.stale_after)
        };
        self.hosts.values().filter_map(due).min()
    }

    /// A host that is stale now and was not reported as such.
    pub(super) fn pop_stale(&mut self, now: Instant) -> Option<HostName> {
        let stale = |host: &TrackedHost| {
            !host.ended
                && host
                    .fresh_since
                    .is_some_and(|since| now.duration_since(since) >= host.stale_after)
        };
        let (name, host) = self.hosts.iter_mut().find(|(_, host)| stale(host))?;
        host.fresh_since = None;
        Some(name.clone())
    }

    /// The shortest silence after which any host is stale.
    pub(super) fn shortest_patience(&self) -> Option<Duration> {
        self.hosts
            .values()
            .filter(|host| host.stream.is_some())
            .map(|host| host.stale_after)
            .min()
    }

    /// Whether samples of `name` arrive.
    pub(super) fn is_fresh(&self, name: &HostName) -> bool {
        self.hosts
            .get(name)
            .is_some_and(|host| host.fresh_since.is_some())
    }
}

fn encode(host: &HostName, body: Body) -> Utf8Bytes {
    let host = Some(host.clone());
    Utf8Bytes::try_from(Message { host, body }.encode()).unwrap_or_default()
}

/// The hello of a server that sends none: its metrics are those of its first sample.
fn greet(server: usize, host: &HostName, stream: StreamId, sample: &Sample) -> Received {
    let metrics: Arc<[_]> = sample
        .values
        .iter()
        .map(|(name, _)| describe(name, 1))
        .collect();
    let hello = Box::new(Hello {
        stream,
        metrics,
        ..Hello::default()
    });
    Received {
        server,
        host: host.clone(),
        stream,
        raw: encode(host, Body::Hello(hello.clone())),
        update: Update::Hello(hello),
    }
}

#[cfg(test)]
mod tests;
