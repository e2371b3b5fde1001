//! What a client has: the last message of each host, so that none comes twice and no loss is silent.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::protocol::{
    Body, DecodeError, Gap, GapReason, Hello, HostName, Message, Position, Query, Sample, StreamId,
    describe,
};

use super::Received;

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
    hosts: HashMap<HostName, Host>,
    /// The stream of messages without a `hello`: one for each connection.
    connection: StreamId,
    ready: VecDeque<Received>,
}

#[derive(Debug)]
struct Host {
    /// The stream of the messages that follow, by the last `hello` of this connection.
    stream: Option<StreamId>,
    last: Option<(StreamId, u64)>,
    /// Whether the server numbers its messages: only then can it resume.
    resumable: bool,
    /// The server has said that the next message is not the one after the last.
    gap_told: bool,
    ended: bool,
    stale_after: Duration,
    /// When the newest sample came; `None` once it has been called stale.
    fresh_since: Option<Instant>,
}

impl Host {
    fn new() -> Self {
        Self {
            stream: None,
            last: None,
            resumable: false,
            gap_told: false,
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
}

impl Tracker {
    pub(super) fn new(server: usize, nameless: HostName, query: Query) -> Self {
        let mut hosts = HashMap::new();
        for position in &query.after {
            let last = Some((position.stream, position.seq));
            hosts.insert(
                position.host.clone(),
                Host {
                    last,
                    resumable: true,
                    ..Host::new()
                },
            );
        }
        Self {
            server,
            nameless,
            query,
            hosts,
            connection: StreamId(0),
            ready: VecDeque::new(),
        }
    }

    /// What to ask for now: the hosts that are known are resumed, the others begin as was asked first.
    pub(super) fn query(&self) -> Query {
        let after = self
            .hosts
            .iter()
            .filter(|(_, host)| host.resumable)
            .filter_map(|(name, host)| {
                host.last.map(|(stream, seq)| Position {
                    host: name.clone(),
                    stream,
                    seq,
                })
            });
        Query {
            after: after.collect(),
            ..self.query.clone()
        }
    }

    /// A connection begins at `now`, in milliseconds since the epoch.
    pub(super) fn connected(&mut self, now: u64) {
        self.connection = StreamId(now.max(self.connection.0 + 1));
        for host in self.hosts.values_mut() {
            host.stream = None;
            host.gap_told = false;
        }
    }

    /// The next message to pass on.
    pub(super) fn pop(&mut self) -> Option<Received> {
        self.ready.pop_front()
    }

    /// Takes in a message as it came.
    pub(super) fn take(&mut self, raw: Utf8Bytes, now: Instant) -> Result<(), DecodeError> {
        let mut message = Message::decode(&raw)?;
        if matches!(message.body, Body::Unknown) {
            return Ok(());
        }
        let name = message
            .host
            .get_or_insert_with(|| self.nameless.clone())
            .clone();
        let is_new = !self.hosts.contains_key(&name);
        let host = self.hosts.entry(name.clone()).or_insert_with(Host::new);
        match &mut message.body {
            Body::Hello(hello) => {
                host.stream = Some(hello.stream);
                host.interval(hello.interval);
            }
            Body::Gap(_) => host.gap_told = true,
            Body::End => host.ended = true,
            Body::Metric { seq, sample } | Body::Alert { seq, sample, .. } => {
                if host.stream.is_none() && is_new {
                    self.ready
                        .push_back(greet(self.server, &name, self.connection, sample));
                    host.interval(Hello::default().interval);
                }
                let stream = host.stream.unwrap_or(self.connection);
                host.resumable = host.stream.is_some() && seq.is_some();
                let Some(missed) = host.number(stream, seq) else {
                    return Ok(());
                };
                if let Some(gap) = missed {
                    self.ready
                        .push_back(added(self.server, &name, stream, Body::Gap(gap)));
                }
                host.fresh_since = Some(now);
            }
            Body::Heartbeat { .. } | Body::Unknown => {}
        }
        let stream = host.stream.unwrap_or(self.connection);
        self.ready.push_back(Received {
            server: self.server,
            host: name,
            stream,
            message,
            raw,
        });
        Ok(())
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
}

impl Host {
    /// Gives a message its number where the server gave none. `None`: it came already. Otherwise the gap before it, if
    /// there is one that the server did not tell.
    fn number(&mut self, stream: StreamId, seq: &mut Option<u64>) -> Option<Option<Gap>> {
        let (same, before) = match self.last {
            Some((last, seq)) if last == stream => (true, seq),
            _ => (false, 0),
        };
        let number = *seq.get_or_insert(before + 1);
        if same && number <= before {
            return None;
        }
        let gap = match self.last {
            Some(_) if !same => Some(Gap {
                from: None,
                to: None,
                reason: GapReason::Restarted,
            }),
            Some(_) if number > before + 1 => Some(Gap {
                from: Some(before + 1),
                to: Some(number - 1),
                reason: GapReason::Expired,
            }),
            _ => None,
        };
        self.last = Some((stream, number));
        let told = std::mem::take(&mut self.gap_told);
        Some(gap.filter(|_| !told))
    }
}

/// A message that the server should have sent.
fn added(server: usize, host: &HostName, stream: StreamId, body: Body) -> Received {
    let message = Message {
        host: Some(host.clone()),
        body,
    };
    let raw = Utf8Bytes::try_from(message.encode()).unwrap_or_default();
    Received {
        server,
        host: host.clone(),
        stream,
        message,
        raw,
    }
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
mod tests {
    use super::*;

    struct Link {
        tracker: Tracker,
        now: Instant,
    }

    impl Link {
        fn new(after: &str) -> Self {
            let query = Query::parse(after).unwrap();
            Self {
                tracker: Tracker::new(0, "server".parse().unwrap(), query),
                now: Instant::now(),
            }
        }

        /// What comes out for the texts that went in, in short.
        fn take(&mut self, texts: &[&str]) -> Vec<String> {
            for text in texts {
                self.tracker.take((*text).into(), self.now).unwrap();
            }
            std::iter::from_fn(|| self.tracker.pop())
                .map(|received| {
                    let stream = received.stream;
                    match received.message.body {
                        Body::Hello(_) => format!("hello {stream}"),
                        Body::Metric { seq, .. } => {
                            format!("{}:{stream}:{}", received.host, seq.unwrap())
                        }
                        Body::Gap(Gap {
                            from: Some(from),
                            to: Some(to),
                            ..
                        }) => format!("gap {from}-{to}"),
                        Body::Gap(gap) => format!("gap {:?}", gap.reason).to_lowercase(),
                        other => format!("{other:?}"),
                    }
                })
                .collect()
        }
    }

    fn hello(stream: &str) -> String {
        format!(r#"{{"type":"hello","host":"a","stream":"{stream}","interval":2000,"metrics":[]}}"#)
    }

    fn metric(seq: u64) -> String {
        format!(r#"{{"type":"metric","host":"a","seq":{seq},"data":{{"timestamp":1,"cpu":2}}}}"#)
    }

    const BARE: &str = r#"{"type":"metric","data":{"timestamp":1,"cpu":2}}"#;

    #[test]
    fn nothing_comes_twice() {
        let mut link = Link::new("");
        assert_eq!(
            link.take(&[&hello("s1"), &metric(1), &metric(2)]),
            ["hello s1", "a:s1:1", "a:s1:2"]
        );
        link.tracker.connected(1);
        assert_eq!(link.tracker.query().to_string(), "after=a%3As1%3A2");
        assert_eq!(
            link.take(&[&hello("s1"), &metric(2), &metric(3)]),
            ["hello s1", "a:s1:3"]
        );
    }

    #[test]
    fn an_untold_loss_is_told() {
        let mut link = Link::new("after=a:s1:5");
        assert_eq!(
            link.take(&[&hello("s1"), &metric(9)]),
            ["hello s1", "gap 6-8", "a:s1:9"]
        );
        assert_eq!(
            link.take(&[&hello("s2"), &metric(1)]),
            ["hello s2", "gap restarted", "a:s2:1"]
        );
    }

    #[test]
    fn a_told_loss_is_told_once() {
        let mut link = Link::new("after=a:s1:5");
        let gap = r#"{"type":"gap","host":"a","from":6,"to":8,"reason":"expired"}"#;
        assert_eq!(
            link.take(&[&hello("s1"), gap, &metric(9)]),
            ["hello s1", "gap 6-8", "a:s1:9"]
        );
        assert_eq!(link.take(&[&metric(11)]), ["gap 10-10", "a:s1:11"]);
    }

    #[test]
    fn a_server_that_says_nothing_of_itself_is_numbered_here() {
        let mut link = Link::new("");
        link.tracker.connected(36);
        assert_eq!(
            link.take(&[BARE, BARE]),
            ["hello 10", "server:10:1", "server:10:2"]
        );
        assert!(link.tracker.query().after.is_empty(), "nothing to resume");
        link.tracker.connected(37);
        assert_eq!(link.take(&[BARE]), ["gap restarted", "server:11:1"]);
    }

    #[test]
    fn a_host_is_stale_after_three_intervals_and_is_called_so_once() {
        let mut link = Link::new("");
        link.take(&[&hello("s1"), &metric(1)]);
        let due = link.tracker.stale_at().unwrap();
        assert_eq!(due - link.now, Duration::from_secs(6));
        assert_eq!(link.tracker.pop_stale(due - Duration::from_millis(1)), None);
        assert_eq!(link.tracker.pop_stale(due).unwrap().as_str(), "a");
        assert_eq!(
            (link.tracker.pop_stale(due), link.tracker.stale_at()),
            (None, None)
        );
    }
}
