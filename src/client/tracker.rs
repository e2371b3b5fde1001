//! What a client has: the last message of each host, so that none comes twice and no loss is silent.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::protocol::{
    Body, DecodeError, Gap, Hello, HostName, HostPattern, Message, Position, Query, ResumePoint,
    Sample, StreamId, describe,
};

use super::place::{Place, Start};
use super::{Notice, Received};

/// Data are stale after so many intervals without a sample …
const STALE_INTERVALS: u32 = 3;

/// … but not before this.
const STALE_AT_LEAST: Duration = Duration::from_secs(3);

/// What is known of the hosts behind one link.
#[derive(Debug)]
pub(super) struct Tracker {
    server: usize,
    /// The host of messages that name none.
    nameless: HostName,
    query: Query,
    /// Nothing is kept of what comes: a replay that was started again is shown from its beginning.
    only_shows: bool,
    hosts: HashMap<HostName, Host>,
    /// Hosts whose messages come over another connection to the same server.
    elsewhere: HashSet<HostName>,
    /// Set where this connection takes a part of the hosts only: those that are known here.
    part: Option<Part>,
    /// The stream of messages without a `hello`: one for each connection.
    connection: StreamId,
    /// Whether this connection has brought anything that was wanted, and anything that was rejected.
    accepted: bool,
    rejected: Option<HostName>,
    ready: VecDeque<Received>,
    notices: VecDeque<Notice>,
}

/// How a connection asks for its part of the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// By their names.
    ByName,
    /// For all that was asked for first, because the server refused the names: one host may be gone.
    OfAll,
}

/// The most positions of one request.
const MOST_POSITIONS: usize = 1000;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was taken in, or is of no use to anybody.
    Well,
    /// The replay was started again: it is to be asked from its beginning.
    StartsOver,
}

#[derive(Debug)]
struct Host {
    /// The stream of the messages that follow, by the last `hello` of this connection.
    stream: Option<StreamId>,
    place: Place,
    /// What the server has told of a loss before the next message.
    told: Option<(Gap, Utf8Bytes)>,
    /// What follows is of another source with the same name.
    is_rejected: bool,
    /// Its replay was started again: it is not resumed.
    starts_over: bool,
    /// What was said of it and is not to be said again.
    said: Said,
    ended: bool,
    stale_after: Duration,
    /// When the newest sample came; `None` once it has been called stale.
    fresh_since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Said {
    two_sources: bool,
    set_back: bool,
    is_ahead: bool,
}

impl Host {
    fn new(place: Place) -> Self {
        Self {
            stream: None,
            place,
            told: None,
            is_rejected: false,
            starts_over: false,
            said: Said::default(),
            ended: false,
            stale_after: STALE_AT_LEAST,
            fresh_since: None,
        }
    }

    fn interval(&mut self, ms: u64) {
        self.stale_after = Duration::from_millis(ms)
            .saturating_mul(STALE_INTERVALS)
            .max(STALE_AT_LEAST);
    }

    fn position(&self) -> Option<(StreamId, u64)> {
        self.place.position().filter(|_| !self.starts_over)
    }

    /// What is to be said of a source that announces itself; nothing that was said before.
    fn greet(&mut self, name: &HostName, hello: &Hello) -> Option<Notice> {
        let start = self.place.start(hello.stream);
        self.is_rejected = start == Start::Reappears;
        let host = name.clone();
        let (said, notice) = match start {
            Start::Reappears => (&mut self.said.two_sources, Notice::TwoSources { host }),
            Start::Earlier => (&mut self.said.set_back, Notice::SetBack { host }),
            Start::Follows if self.place.is_past(hello.stream, hello.newest) => {
                (&mut self.said.is_ahead, Notice::Ahead { host })
            }
            Start::Follows => return None,
        };
        (!std::mem::replace(said, true)).then_some(notice)
    }
}

impl Tracker {
    /// Begins behind what is known.
    pub(super) fn new(
        server: usize,
        nameless: HostName,
        query: Query,
        known: &[ResumePoint],
    ) -> Self {
        let place = |known: &ResumePoint| {
            let Position { host, stream, seq } = &known.last;
            let place = Place::behind(*stream, *seq, known.past.iter().copied());
            (host.clone(), Host::new(place))
        };
        Self {
            server,
            nameless,
            query,
            only_shows: false,
            hosts: known.iter().map(place).collect(),
            elsewhere: HashSet::new(),
            part: None,
            connection: StreamId(0),
            accepted: false,
            rejected: None,
            ready: VecDeque::new(),
            notices: VecDeque::new(),
        }
    }

    /// Nothing of what comes is kept.
    pub(super) fn only_show(&mut self) {
        self.only_shows = true;
    }

    /// What to ask for now: the hosts that are known are resumed, the others begin as was asked first.
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
        if self.part == Some(Part::ByName) {
            let names = self.hosts.keys().cloned();
            query.hosts = names.map(HostPattern::Literal).collect();
        }
        query
    }

    /// Leaves as many hosts here as one request of `room` bytes can resume, and gives the others away, if there are any:
    /// they are to have a connection of their own.
    pub(super) fn split(&mut self, room: usize) -> Option<Self> {
        let patterns =
            |hosts: &[HostPattern]| hosts.iter().map(|it| it.to_string().len() + 6).sum();
        let mut taken: usize = match self.part {
            Some(Part::ByName) => 0,
            _ => patterns(&self.query.hosts),
        };
        let mut count = 0;
        let surplus: Vec<HostName> = (self.hosts.iter())
            .filter(|(name, host)| {
                let Some((stream, seq)) = host.position() else {
                    return false;
                };
                // `after=NAME%3ASTREAM%3ASEQ&`, and `host=NAME&` where hosts are asked for by name.
                taken += 13 + name.as_str().len() + format!("{stream}{seq}").len();
                taken += self.part.map_or(0, |_| 6 + name.as_str().len());
                count += 1;
                count > 1 && (count > MOST_POSITIONS || taken > room)
            })
            .map(|(name, _)| name.clone())
            .collect();
        if surplus.is_empty() {
            return None;
        }
        let mut part = Self::new(self.server, self.nameless.clone(), self.query.clone(), &[]);
        (part.part, part.only_shows) = (Some(Part::ByName), self.only_shows);
        part.hosts = (surplus.iter())
            .filter_map(|name| self.hosts.remove_entry(name))
            .collect();
        self.elsewhere.extend(surplus);
        Some(part)
    }

    /// Asks from now on without the names of the hosts, if it asks by them.
    pub(super) fn asks_for_all(&mut self) -> bool {
        let by_name = self.part == Some(Part::ByName);
        if by_name {
            self.part = Some(Part::OfAll);
        }
        by_name
    }

    /// Whether this is a part that was split off.
    pub(super) fn is_part(&self) -> bool {
        self.part.is_some()
    }

    /// A connection begins at `now`, in milliseconds since the epoch.
    pub(super) fn connected(&mut self, now: u64) {
        self.connection = StreamId(now.max(self.connection.0 + 1));
        self.accepted = false;
        self.rejected = None;
        for host in self.hosts.values_mut() {
            host.stream = None;
            host.told = None;
            host.is_rejected = false;
            host.said.two_sources = false;
        }
    }

    /// The next message to pass on.
    pub(super) fn pop(&mut self) -> Option<Received> {
        self.ready.pop_front()
    }

    /// The next thing to say.
    pub(super) fn pop_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Whether this connection has brought anything that was wanted.
    pub(super) fn has_accepted(&self) -> bool {
        self.accepted
    }

    /// The host of which this connection brings a stream that another has followed, where it brings nothing else.
    pub(super) fn rejected(&self) -> Option<&HostName> {
        self.rejected.as_ref().filter(|_| !self.accepted)
    }

    /// Takes in a message as it came.
    pub(super) fn take(&mut self, raw: Utf8Bytes, now: Instant) -> Result<Taken, DecodeError> {
        let mut message = Message::decode(&raw)?;
        if matches!(message.body, Body::Unknown) {
            return Ok(Taken::Well);
        }
        let name = message
            .host
            .get_or_insert_with(|| self.nameless.clone())
            .clone();
        let is_new = !self.hosts.contains_key(&name);
        if self.elsewhere.contains(&name) || is_new && self.part.is_some() {
            self.accepted = true;
            return Ok(Taken::Well);
        }
        let host = (self.hosts.entry(name.clone())).or_insert_with(|| Host::new(Place::default()));
        if let Body::Hello(hello) = &message.body {
            let notice = host.greet(&name, hello);
            self.notices.extend(notice);
        }
        if host.is_rejected {
            self.rejected = Some(name);
            return Ok(Taken::Well);
        }
        self.accepted = true;
        match &message.body {
            Body::Hello(hello) => {
                host.stream = Some(hello.stream);
                host.interval(hello.interval);
                if self.only_shows
                    && hello.replay.is_some()
                    && host.place.is_past(hello.stream, hello.newest)
                {
                    if !host.starts_over {
                        self.start_over();
                        return Ok(Taken::StartsOver);
                    }
                    host.place = Place::default();
                }
                host.starts_over = false;
            }
            Body::Gap(gap) => {
                // It is the numbers that count: it is passed on before the next message if they say the same.
                host.told = Some((*gap, raw));
                return Ok(Taken::Well);
            }
            Body::End => host.ended = true,
            Body::Metric { .. } | Body::Alert { .. } => {
                self.number(name, is_new, message, raw, now);
                return Ok(Taken::Well);
            }
            Body::Heartbeat { .. } | Body::Unknown => {}
        }
        let stream = host.place.stream(host.stream, self.connection);
        self.ready.push_back(Received {
            server: self.server,
            host: name,
            stream,
            message,
            raw,
        });
        Ok(Taken::Well)
    }

    /// Passes on a numbered message that is new, and before it what is missing.
    fn number(
        &mut self,
        name: HostName,
        is_new: bool,
        mut message: Message,
        raw: Utf8Bytes,
        now: Instant,
    ) {
        let (Body::Metric { seq, sample } | Body::Alert { seq, sample, .. }) = &mut message.body
        else {
            return;
        };
        let Some(host) = self.hosts.get_mut(&name) else {
            return;
        };
        if host.stream.is_none() && is_new {
            host.interval(Hello::default().interval);
            let hello = greet(self.server, &name, self.connection, sample);
            self.ready.push_back(hello);
        }
        let told = host.told.take();
        let is_first = host.place.is_new();
        let taken = host
            .place
            .take(host.stream, self.connection, *seq, sample.timestamp);
        let Some(next) = taken else { return };
        *seq = Some(next.seq);
        host.fresh_since = Some(now);
        host.said.is_ahead = false;
        if next.distrusts {
            let host = name.clone();
            self.notices.push_back(Notice::CountsAgain { host });
        }
        let gap = match (next.gap, told) {
            // Nobody knows better what there was before the first message.
            (None, Some((gap, raw))) if is_first => Some((gap, raw)),
            (Some(gap), Some((told, raw))) if host.place.as_told(gap) == told => Some((gap, raw)),
            (Some(gap), _) => {
                let raw = encode(&name, Body::Gap(host.place.as_told(gap)));
                Some((gap, raw))
            }
            (None, _) => None,
        };
        let received = |body, raw| Received {
            server: self.server,
            host: name.clone(),
            stream: next.stream,
            message: Message {
                host: Some(name.clone()),
                body,
            },
            raw,
        };
        let gap = gap.map(|(gap, raw)| received(Body::Gap(gap), raw));
        self.ready.extend(gap);
        self.ready.push_back(received(message.body, raw));
    }

    /// Everything is asked for from its beginning; what was shown already is still known.
    fn start_over(&mut self) {
        for host in self.hosts.values_mut() {
            host.starts_over = true;
        }
    }

    /// Whether any host has said anything.
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
        let due = |host: &Host| {
            host.fresh_since
                .filter(|_| !host.ended)
                .map(|since| since + host.stale_after)
        };
        self.hosts.values().filter_map(due).min()
    }

    /// A host that is stale now and has not been called so.
    pub(super) fn pop_stale(&mut self, now: Instant) -> Option<HostName> {
        let stale = |host: &Host| {
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

/// A message that the server should have sent.
fn added(server: usize, host: &HostName, stream: StreamId, body: Body) -> Received {
    Received {
        server,
        host: host.clone(),
        stream,
        raw: encode(host, body.clone()),
        message: Message {
            host: Some(host.clone()),
            body,
        },
    }
}

fn encode(host: &HostName, body: Body) -> Utf8Bytes {
    let host = Some(host.clone());
    Utf8Bytes::try_from(Message { host, body }.encode()).unwrap_or_default()
}

/// The hello of a server that says none: its metrics are those of its first sample.
fn greet(server: usize, host: &HostName, stream: StreamId, sample: &Sample) -> Received {
    let metrics: Arc<[_]> = sample
        .values
        .iter()
        .map(|(name, _)| describe(name, 1))
        .collect();
    added(
        server,
        host,
        stream,
        Body::Hello(Box::new(Hello {
            stream,
            metrics,
            ..Hello::default()
        })),
    )
}

#[cfg(test)]
mod tests;
