//! Every viewer gets exactly what it would get if it were alone.

use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::hub::{Batch, Hub, Retention, Subscription};
use crate::protocol::{HostPattern, Query};
use crate::server::door::lobby::Lobby;
use crate::server::door::socket::Socket;
use crate::server::viewers::counts::Viewers;
use crate::server::viewers::encoding::tests::Source;
use crate::server::viewers::encoding::{Deflating, Encoding};
use crate::server::viewers::line::ReaderNotice;
use crate::server::viewers::outbox::Transport;
use crate::server::viewers::viewer::Newcomer;

/// As in a replay, whose source waits for its viewers.
const KEEP_ALL: Retention = Retention {
    duration: Duration::from_secs(1_000_000),
    lossless: true,
};

const HOSTS: [&str; 2] = ["a", "b"];

const ENCODINGS: [Encoding; 4] = [
    Encoding::Plain,
    Encoding::Extension { alone: false },
    Encoding::Extension { alone: true },
    Encoding::Binary,
];

/// A viewer, seen from both ends.
struct Seen {
    member: Member,
    other_end: OtherEnd,
}

/// The other end of a viewer's socket, and one that reads the same alone.
struct OtherEnd {
    client: TcpStream,
    alone: Subscription,
    deflating: Option<Box<Deflating>>,
    /// How much that was.
    messages: u64,
    bytes: u64,
}

impl OtherEnd {
    /// Reads what it must have got by now.
    async fn check(&mut self) {
        let mut frames = Vec::new();
        while self.alone.read(&mut frames, 64 * 1024) == Batch::More {}
        let mut expected = Vec::new();
        self.messages += frames.len() as u64;
        for frame in frames {
            match &mut self.deflating {
                Some(deflating) => expected.extend(deflating.wire(frame)),
                None => expected.extend(frame.into_wire()),
            }
        }
        self.bytes += expected.len() as u64;
        let mut got = vec![0; expected.len()];
        let read = self.client.read_exact(&mut got);
        let read = tokio::time::timeout(Duration::from_secs(60), read).await;
        read.expect("as much as it would get alone").unwrap();
        assert!(got == expected, "{:?}", String::from_utf8_lossy(&got));
        let more = self.client.try_read(&mut [0]);
        assert_eq!(more.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}

/// A server with some viewers, of which only rounds are made.
struct Crowd {
    hub: Hub,
    seen: Vec<Seen>,
    strides: Strides,
    /// How many were served by a stride, and by the news of their hosts.
    taken: usize,
    informed: usize,
    tell: mpsc::UnboundedSender<ReaderNotice>,
    /// A small one fills up at once.
    send_buffer: Option<usize>,
    _notices: mpsc::UnboundedReceiver<ReaderNotice>,
    viewers: Viewers,
}

impl Crowd {
    fn new(hub: Hub) -> Self {
        let viewers = Viewers::default();
        let (tell, notices) = mpsc::unbounded_channel();
        let strides = Strides::new(hub.clone(), viewers.shared_tally());
        Self {
            hub,
            seen: Vec::new(),
            strides,
            taken: 0,
            informed: 0,
            tell,
            send_buffer: None,
            _notices: notices,
            viewers,
        }
    }

    async fn join(&mut self, query: &Query, encoding: Encoding) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (socket, peer) = accepted.unwrap();
        if let Some(bytes) = self.send_buffer {
            let socket = socket2::SockRef::from(&socket);
            socket.set_send_buffer_size(bytes).unwrap();
        }
        let deflated = encoding != Encoding::Plain;
        let query = Query {
            deflated,
            ..query.clone()
        };
        let newcomer = Newcomer {
            socket: Socket::plain(socket, Lobby::default().enter(peer.ip()).unwrap()),
            peer,
            subscription: self.hub.subscribe(query.clone()).unwrap(),
            seat: self.viewers.enter(u64::MAX).unwrap(),
            transport: Transport::WebSocket,
            encoding,
            greeting: Bytes::new(),
        };
        let name = (self.seen.len(), self.seen.len() as u64);
        let first_ping = Duration::from_secs(3600);
        let viewer = Viewer::new(newcomer, name, self.tell.clone(), first_ping).unwrap();
        self.seen.push(Seen {
            member: Member::new(viewer),
            other_end: OtherEnd {
                client: client.unwrap(),
                alone: self.hub.subscribe(query).unwrap(),
                deflating: Deflating::new(encoding),
                messages: 0,
                bytes: 0,
            },
        });
    }

    /// Serves everybody as often as there is more.
    async fn round(&mut self) {
        let mut moved = Vec::new();
        if self.hub.take_moved(&mut moved) {
            moved.clear();
        }
        self.strides.begin_round();
        for Seen { member, .. } in &mut self.seen {
            // All are offered to all: nobody takes those of another host.
            let news = moved.iter().filter_map(|host| host.news.as_ref());
            let mut taken = news.map(|news| member.take_news(news, &mut self.strides));
            match taken.find(|taken| *taken != NewsTaken::Nothing) {
                Some(NewsTaken::Whole) => self.informed += 1,
                None if member.take_stride(&mut self.strides) => self.taken += 1,
                _ => serve(member, &mut self.strides).await,
            }
        }
        self.strides.settle();
        for seen in &mut self.seen {
            seen.other_end.check().await;
        }
        self.check_tally();
    }

    /// What was counted is what was sent.
    fn check_tally(&self) {
        let tally = self.viewers.shared_tally();
        let counted = [&tally.messages, &tally.bytes].map(|it| it.load(Ordering::Relaxed));
        let ends = || self.seen.iter().map(|seen| &seen.other_end);
        let messages: u64 = ends().map(|end| end.messages).sum();
        assert_eq!(counted, [messages, ends().map(|end| end.bytes).sum()]);
    }
}

async fn serve(member: &mut Member, strides: &mut Strides) {
    loop {
        match member.feed(&mut Vec::new(), false, strides).unwrap() {
            FeedProgress::Up(_) => return,
            _ => member.line.writable().await.unwrap(),
        }
    }
}

/// What happens before a round.
#[derive(Debug, Clone)]
enum Event {
    Push {
        host: usize,
        lost: u64,
        alert: bool,
    },
    Announce(usize),
    Restart(usize),
    Beat,
    /// A host appears, if there is only one yet.
    Appear,
    /// A viewer of one host, or of all, joins.
    Join {
        host: Option<usize>,
        last: u64,
        encoding: usize,
    },
}

fn any_event() -> impl Strategy<Value = Event> {
    let host = || 0..HOSTS.len();
    prop_oneof![
        12 => (host(), prop_oneof![9 => Just(0), 1 => 1..4_u64], prop::bool::weighted(0.1))
            .prop_map(|(host, lost, alert)| Event::Push { host, lost, alert }),
        1 => host().prop_map(Event::Announce),
        1 => host().prop_map(Event::Restart),
        2 => Just(Event::Beat),
        1 => Just(Event::Appear),
        3 => (prop::option::of(host()), 0..4_u64, 0..ENCODINGS.len())
            .prop_map(|(host, last, encoding)| Event::Join { host, last, encoding }),
    ]
}

async fn play(rounds: Vec<Vec<Event>>) -> usize {
    let hub = Hub::new(KEEP_ALL);
    let mut sources = vec![Source::new(&hub, HOSTS[0])];
    let mut crowd = Crowd::new(hub.clone());
    for encoding in ENCODINGS.into_iter().chain(ENCODINGS) {
        crowd.join(&Query::default(), encoding).await;
    }
    for events in rounds {
        for event in events {
            let count = sources.len();
            match event {
                Event::Push { host, lost, alert } => sources[host % count].push(lost, alert),
                Event::Announce(host) => sources[host % count].announce(),
                Event::Restart(host) => sources[host % count].restart(),
                Event::Beat => hub.beat(),
                Event::Appear if count < HOSTS.len() => sources.push(Source::new(&hub, HOSTS[1])),
                Event::Appear => {}
                Event::Join {
                    host,
                    last,
                    encoding,
                } => {
                    let only = host.map(|host| HOSTS[host % count].parse().unwrap());
                    let query = Query {
                        hosts: only.map(HostPattern::Literal).into_iter().collect(),
                        last: Some(last),
                        ..Query::default()
                    };
                    crowd.join(&query, ENCODINGS[encoding]).await;
                }
            }
        }
        crowd.round().await;
        for source in &sources {
            let all_read = tokio::time::timeout(Duration::from_secs(60), source.all_read());
            all_read.await.expect("a source knows what has been read");
        }
    }
    crowd.taken
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    /// In all encodings, with losses, alerts, heartbeats, new metrics, streams and hosts, whoever joins when.
    #[test]
    fn those_in_step_get_what_each_would_get_alone(
        rounds in prop::collection::vec(prop::collection::vec(any_event(), 1..3), 1..60),
    ) {
        run(play(rounds));
    }
}

#[test]
fn most_are_in_step() {
    let push = || {
        vec![Event::Push {
            host: 0,
            lost: 0,
            alert: false,
        }]
    };
    let rounds = (0..50).map(|_| push()).collect();
    // Of two viewers in each encoding, one reads for both, once the first round has brought them together.
    assert!(run(play(rounds)) >= 48 * ENCODINGS.len());
}

/// A query for a host alone.
fn only(host: &str) -> Query {
    Query {
        hosts: vec![HostPattern::Literal(host.parse().unwrap())],
        ..Query::default()
    }
}

#[test]
fn the_only_viewer_of_a_host_needs_only_its_news() {
    run(async {
        let hub = Hub::new(KEEP_ALL);
        let mut sources = HOSTS.map(|host| Source::new(&hub, host));
        let mut crowd = Crowd::new(hub.clone());
        for host in HOSTS {
            crowd.join(&only(host), Encoding::Plain).await;
        }
        // In the first round, it turns out what they have, and which hosts there are.
        for _ in 0..51 {
            for source in &mut sources {
                source.push(0, false);
            }
            crowd.round().await;
        }
        assert_eq!((crowd.informed, crowd.taken), (2 * 50, 0));
        // Whatever else has happened is read.
        for rare in [Source::announce, Source::restart] {
            rare(&mut sources[0]);
            sources[0].push(0, false);
            crowd.round().await;
        }
        hub.beat();
        sources[0].push(0, false);
        crowd.round().await;
        sources[0].push(1, false);
        crowd.round().await;
        sources[0].push(0, true);
        crowd.round().await;
        assert_eq!((crowd.informed, crowd.taken), (2 * 50, 0));
        sources[0].push(0, false);
        crowd.round().await;
        assert_eq!((crowd.informed, crowd.taken), (2 * 50 + 1, 0));
        sources[0].all_read().await;
    });
}

#[test]
fn news_that_sockets_take_in_part_are_completed() {
    run(async {
        let hub = Hub::new(KEEP_ALL);
        let mut source = Source::new(&hub, "a");
        let mut crowd = Crowd::new(hub);
        crowd.send_buffer = Some(4096);
        crowd.join(&only("a"), Encoding::Plain).await;
        for _ in 0..3 {
            source.push(0, false);
            crowd.round().await;
        }
        // A second one is served when it joins, and isn't in step with the first yet.
        crowd.strides.begin_round();
        crowd.join(&only("a"), Encoding::Plain).await;
        let joined = crowd.seen.last_mut().unwrap();
        serve(&mut joined.member, &mut crowd.strides).await;
        joined.other_end.check().await;
        source.push_long(150_000);
        let mut moved = Vec::new();
        assert!(!crowd.hub.take_moved(&mut moved));
        let news = moved[0].news.as_ref().unwrap();
        let Crowd { seen, strides, .. } = &mut crowd;
        strides.begin_round();
        for Seen { member, other_end } in seen {
            assert_eq!(member.take_news(news, strides), NewsTaken::Part);
            assert!(
                !member.take_stride(strides),
                "its outbox has the rest, whoever stands there"
            );
            tokio::join!(other_end.check(), serve(member, strides));
        }
        strides.settle();
        for _ in 0..2 {
            source.push(0, false);
            crowd.round().await;
        }
        // Since both had to wait for their sockets, they stand in one place.
        assert_eq!((crowd.informed, crowd.taken), (2, 2));
    });
}

#[test]
fn a_frame_that_a_socket_takes_in_part_is_completed() {
    run(async {
        let hub = Hub::new(KEEP_ALL);
        let mut source = Source::new(&hub, "a");
        let mut crowd = Crowd::new(hub);
        // The first one takes everything at once, and the second one doesn't.
        for bytes in [1024 * 1024, 4096] {
            crowd.send_buffer = Some(bytes);
            crowd.join(&Query::default(), Encoding::Plain).await;
        }
        for _ in 0..3 {
            source.push(0, false);
            crowd.round().await;
        }
        source.push_long(150_000);
        let Crowd { seen, strides, .. } = &mut crowd;
        strides.begin_round();
        for Seen { member, other_end } in seen {
            if member.take_stride(strides) {
                other_end.check().await;
            } else {
                tokio::join!(other_end.check(), serve(member, strides));
            }
        }
        strides.settle();
        source.push(0, false);
        crowd.round().await;
    });
}
