//! Every viewer gets exactly what it would get if it were alone.

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
}

impl OtherEnd {
    /// Reads what it must have got by now.
    async fn check(&mut self) {
        let mut frames = Vec::new();
        while self.alone.read(&mut frames, 64 * 1024) == Batch::More {}
        let mut expected = Vec::new();
        for frame in frames {
            match &mut self.deflating {
                Some(deflating) => expected.extend(deflating.wire(frame)),
                None => expected.extend(frame.into_wire()),
            }
        }
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
    /// How many were served by a stride.
    taken: usize,
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
        Self {
            hub,
            seen: Vec::new(),
            strides: Strides::new(viewers.shared_tally()),
            taken: 0,
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
            },
        });
    }

    /// Serves everybody as often as there is more.
    async fn round(&mut self) {
        self.strides.begin_round();
        for seen in &mut self.seen {
            if seen.member.take_stride(&mut self.strides) {
                self.taken += 1;
                continue;
            }
            serve(&mut seen.member, &mut self.strides).await;
        }
        self.strides.settle();
        for seen in &mut self.seen {
            seen.other_end.check().await;
        }
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
