//! Every viewer reads the same texts, however they are sent.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::{Deflating, Encoding};
use crate::hub::{
    Announcement, Batch, HostPublisher, Hub, Past, PastFrom, PastMessage, PastMessages,
    PastRequest, Retention, Subscription, Timeline,
};
use crate::protocol::{
    Alert, AlertState, Body, HostPattern, Inflater, Message, MetricInfo, Numbered, Position, Query,
    Sample, StreamId,
};

const HOSTS: [&str; 3] = ["a", "b", "c"];

const ENCODINGS: [Encoding; 3] = [
    Encoding::Extension { alone: false },
    Encoding::Extension { alone: true },
    Encoding::Binary,
];

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// A host has a new sample, after so many that are lost, perhaps with an alert.
    Push {
        host: usize,
        lost: u64,
        alert: bool,
    },
    /// A host has another metric.
    Announce {
        host: usize,
    },
    /// A host's source starts again.
    Restart {
        host: usize,
    },
    Beat,
    /// A viewer joins: for one host or all, so far back, in this encoding.
    Join {
        host: Option<usize>,
        last: Option<u64>,
        encoding: usize,
    },
    /// A viewer reads about so many bytes.
    Read {
        viewer: usize,
        budget: usize,
    },
    /// A viewer connects again, and goes on after what it has.
    Resume {
        viewer: usize,
    },
    End,
}

fn any_step() -> impl Strategy<Value = Step> {
    let host = || 0..HOSTS.len();
    prop_oneof![
        8 => (host(), prop_oneof![5 => Just(0), 1 => 1..4_u64], prop::bool::weighted(0.2))
            .prop_map(|(host, lost, alert)| Step::Push { host, lost, alert }),
        1 => host().prop_map(|host| Step::Announce { host }),
        1 => host().prop_map(|host| Step::Restart { host }),
        2 => Just(Step::Beat),
        2 => (prop::option::of(host()), prop::option::of(0..50_u64), 0..ENCODINGS.len())
            .prop_map(|(host, last, encoding)| Step::Join { host, last, encoding }),
        9 => (any::<prop::sample::Index>(), prop_oneof![Just(600_usize), Just(100_000)])
            .prop_map(|(viewer, budget)| Step::Read { viewer: viewer.index(1000), budget }),
        1 => (0..1000_usize).prop_map(|viewer| Step::Resume { viewer }),
        1 => prop::bool::weighted(0.1).prop_map(|end| if end { Step::End } else { Step::Beat }),
    ]
}

/// A host's source.
pub(in crate::server::viewers) struct Source {
    publisher: HostPublisher,
    announcement: Announcement,
    seq: u64,
}

impl Source {
    pub(in crate::server::viewers) fn new(hub: &Hub, host: &str) -> Self {
        let source = Self {
            publisher: hub
                .publisher(Timeline::Recorded)
                .host(&host.parse().unwrap()),
            announcement: Announcement {
                stream: StreamId(1),
                interval: 1000,
                heartbeat: 30_000,
                system: None,
                replay: None,
                metrics: Arc::new([]),
                containers: false,
                unavailable: Arc::new([]),
            },
            seq: 0,
        };
        source.publisher.announce(source.announcement.clone());
        source
    }

    pub(in crate::server::viewers) fn push(&mut self, lost: u64, has_alert: bool) {
        self.seq += lost;
        for is_alert in [false, true].into_iter().take(1 + usize::from(has_alert)) {
            self.seq += 1;
            self.publisher.push(self.message(is_alert));
        }
    }

    /// A message of about so many bytes.
    pub(in crate::server::viewers) fn push_long(&mut self, bytes: usize) {
        self.seq += 1;
        let mut message = self.message(false);
        message.sample.values.push(("x".repeat(bytes).into(), 1.0));
        self.publisher.push(message);
    }

    /// Waits until all viewers have read everything.
    pub(in crate::server::viewers) async fn all_read(&self) {
        self.publisher.all_read().await;
    }

    /// Values that differ from message to message in a few digits, so that a wrong window shows.
    fn message(&self, is_alert: bool) -> Numbered {
        let value = |n: u64| {
            (
                format!("value{n}").into(),
                ((self.seq * 7919 + n) % (n * 90 + 7)) as f64,
            )
        };
        let alert = Alert {
            name: "busy".into(),
            rule: "cpu > 90".into(),
            state: AlertState::Firing,
            metric: "cpu".into(),
            value: Some(self.seq as f64),
            threshold: Some(90.0),
            since: self.seq,
        };
        Numbered {
            host: self.publisher.host().clone(),
            stream: self.announcement.stream,
            seq: self.seq,
            alert: is_alert.then(|| Box::new(alert)),
            sample: Sample {
                timestamp: 1_795_528_800_000 + self.seq * 1000,
                values: (0..12).map(value).collect(),
                ..Sample::default()
            },
        }
    }

    pub(in crate::server::viewers) fn announce(&mut self) {
        let mut metrics: Vec<MetricInfo> = self.announcement.metrics.to_vec();
        let name = format!("value{}", metrics.len());
        metrics.push(crate::protocol::describe(&name, 4));
        self.announcement.metrics = metrics.into();
        self.publisher.announce(self.announcement.clone());
    }

    pub(in crate::server::viewers) fn restart(&mut self) {
        (self.announcement.stream, self.seq) = (StreamId(self.announcement.stream.0 + 1), 0);
        self.publisher.announce(self.announcement.clone());
    }
}

/// Two viewers that ask for the same and read at the same time, one of them deflated.
struct Pair {
    query: Query,
    plain: Subscription,
    deflated: Subscription,
    encoding: Encoding,
    deflating: Box<Deflating>,
    inflater: Inflater,
    /// The stream of each host, and the last message.
    has: BTreeMap<String, (StreamId, Option<u64>)>,
    /// Bytes of the texts, and as they were sent.
    bytes: (usize, usize),
}

impl Pair {
    fn new(hub: &Hub, query: Query, encoding: Encoding) -> Self {
        let deflated = Query {
            deflated: true,
            ..query.clone()
        };
        Self {
            plain: hub.subscribe(query.clone()).unwrap(),
            deflated: hub.subscribe(deflated).unwrap(),
            query,
            encoding,
            deflating: Deflating::new(encoding).unwrap(),
            inflater: Inflater::default(),
            has: BTreeMap::new(),
            bytes: (0, 0),
        }
    }

    /// Reads until nothing more has to be waited for, and compares.
    fn read(&mut self, budget: usize) -> Result<(), TestCaseError> {
        let (mut plain, mut deflated) = (Vec::new(), Vec::new());
        while self.plain.read(&mut plain, budget) == Batch::Waiting {}
        while self.deflated.read(&mut deflated, budget) == Batch::Waiting {}
        prop_assert_eq!(plain.len(), deflated.len());
        for (plain, frame) in plain.iter().zip(deflated) {
            let wire = self.deflating.wire(frame);
            let expected = std::str::from_utf8(plain.json()).unwrap();
            prop_assert_eq!(self.inflate(&wire), expected);
            self.note(expected);
            self.bytes = (self.bytes.0 + expected.len(), self.bytes.1 + wire.len());
        }
        Ok(())
    }

    fn inflate(&mut self, wire: &[u8]) -> String {
        let first = if self.encoding == Encoding::Binary {
            0x82
        } else {
            0xc1
        };
        assert_eq!(wire[0], first);
        let header = if wire[1] < 126 { 2 } else { 4 };
        if self.encoding == (Encoding::Extension { alone: true }) {
            self.inflater = Inflater::default();
        }
        self.inflater.inflate(&wire[header..]).unwrap()
    }

    fn note(&mut self, text: &str) {
        let message = Message::decode(text).unwrap();
        let host = message.host.unwrap().to_string();
        match message.body {
            Body::Hello(hello) => {
                let has = self.has.entry(host).or_insert((StreamId(0), None));
                let (stream, seq) = has;
                if *stream != hello.stream {
                    (*stream, *seq) = (hello.stream, None);
                }
            }
            Body::Numbered(message) => {
                self.has
                    .entry(host)
                    .and_modify(|(_, seq)| *seq = message.seq);
            }
            _ => {}
        }
    }

    /// The same viewers, after what they have.
    fn resumed(&self, hub: &Hub) -> Self {
        let after = self.has.iter().filter_map(|(host, (stream, seq))| {
            let host = host.parse().unwrap();
            let (stream, seq) = (*stream, (*seq)?);
            Some(Position { host, stream, seq })
        });
        let query = Query {
            after: after.collect(),
            ..self.query.clone()
        };
        Self::new(hub, query, self.encoding)
    }
}

fn play(hub: &Hub, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut sources: Vec<_> = HOSTS.iter().map(|host| Source::new(hub, host)).collect();
    let mut pairs: Vec<Pair> = ENCODINGS
        .map(|encoding| Pair::new(hub, Query::default(), encoding))
        .into();
    for step in steps {
        let count = pairs.len();
        match step {
            Step::Push { host, lost, alert } => sources[host].push(lost, alert),
            Step::Announce { host } => sources[host].announce(),
            Step::Restart { host } => sources[host].restart(),
            Step::Beat => hub.beat(),
            Step::Join {
                host,
                last,
                encoding,
            } => {
                let only = host.map(|host| HostPattern::Literal(HOSTS[host].parse().unwrap()));
                let query = Query {
                    hosts: only.into_iter().collect(),
                    last,
                    ..Query::default()
                };
                pairs.push(Pair::new(hub, query, ENCODINGS[encoding]));
            }
            Step::Read { viewer, budget } => pairs[viewer % count].read(budget)?,
            Step::Resume { viewer } => {
                pairs[viewer % count] = pairs[viewer % count].resumed(hub);
            }
            Step::End => hub.end(),
        }
    }
    pairs.iter_mut().try_for_each(|pair| pair.read(usize::MAX))
}

proptest! {
    // Each is a whole history, deflated in debug builds: more would take half a minute.
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Joins, resumes, laggards that the log has moved on from, lost messages, alerts, heartbeats, new metrics, new
    /// streams, several hosts.
    #[test]
    fn every_viewer_reads_the_same_texts(steps in prop::collection::vec(any_step(), 1..250)) {
        let retention = Retention {
            duration: Duration::from_secs(5),
            lossless: false,
        };
        play(&Hub::new(retention), steps)?;
    }
}

const KEEP_ALL: Retention = Retention {
    duration: Duration::from_secs(1_000_000),
    lossless: false,
};

#[test]
fn a_viewer_in_step_needs_a_fraction_of_the_bytes() {
    let hub = Hub::new(KEEP_ALL);
    let mut source = Source::new(&hub, "a");
    let mut pair = Pair::new(&hub, Query::default(), ENCODINGS[0]);
    pair.read(usize::MAX).unwrap();
    pair.bytes = (0, 0);
    for n in 0..200 {
        source.push(0, false);
        if n % 15 == 0 {
            hub.beat();
        }
        pair.read(usize::MAX).unwrap();
    }
    let (texts, sent) = pair.bytes;
    assert!(sent * 3 < texts, "{sent} of {texts} bytes");
}

/// Keeps what it is told to.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<PastMessage>>);

impl Past for Kept {
    fn read(&self, wanted: &PastRequest) -> io::Result<PastMessages> {
        assert!(matches!(wanted.from, PastFrom::Last(_)));
        let messages = self.0.lock().unwrap().clone();
        Ok(Box::new(messages.into_iter().map(Ok)))
    }
}

#[test]
fn what_comes_from_the_past_is_deflated_as_well() {
    let kept = Arc::new(Kept::default());
    let hub = Hub::with_past(KEEP_ALL, Arc::clone(&kept) as Arc<dyn Past>);
    let mut source = Source::new(&hub, "a");
    for _ in 0..300 {
        source.seq += 1;
        kept.0.lock().unwrap().push(PastMessage {
            announcement: Arc::new(source.announcement.clone()),
            message: source.message(false),
        });
    }
    for _ in 0..300 {
        source.push(0, false);
    }
    let query = Query::parse("last=600").unwrap();
    for encoding in ENCODINGS {
        let mut pair = Pair::new(&hub, query.clone(), encoding);
        pair.read(usize::MAX).unwrap();
        assert_eq!(pair.has["a"].1, Some(600), "{encoding:?}");
        let (texts, sent) = pair.bytes;
        assert!(
            sent < texts / 2 + texts / 3,
            "{encoding:?}: {sent} of {texts} bytes"
        );
    }
}

#[test]
fn a_text_too_long_for_our_own_clients_goes_to_them_as_it_is() {
    let frame = |len: usize| crate::protocol::Frame::text(&vec![b'x'; len], None);
    let mut deflating = Deflating::new(Encoding::Binary).unwrap();
    assert_eq!(deflating.wire(frame(1024 * 1024))[0], 0x82);
    assert_eq!(deflating.wire(frame(1024 * 1024 + 1))[0], 0x81);
    let mut deflating = Deflating::new(ENCODINGS[0]).unwrap();
    assert_eq!(deflating.wire(frame(1024 * 1024 + 1))[0], 0xc1);
}
