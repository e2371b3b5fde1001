//! The server with a log that is too long for a test to wait for.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::hub::{Announcement, Hub, Retention, Timeline};
use crate::protocol::{Numbered, Process, Sample};

use super::{Config, Trust, Viewers, listen, run};

const MIB: usize = 1024 * 1024;

fn announcement() -> Announcement {
    Announcement {
        stream: "k3v9q2".parse().unwrap(),
        interval: 2000,
        heartbeat: 30_000,
        system: None,
        replay: None,
        metrics: Arc::new([]),
        containers: false,
        unavailable: Arc::new([]),
    }
}

/// About a KiB.
fn sample(seq: u64) -> Numbered {
    sample_of("web-1", seq)
}

fn sample_of(host: &str, seq: u64) -> Numbered {
    let process = Process {
        pid: 1,
        name: "x".repeat(900),
        cpu: 1.0,
        memory: 1.0,
        ..Process::default()
    };
    let sample = Sample {
        timestamp: seq * 1000,
        values: vec![("cpu".into(), 1.0)],
        top: Some(vec![process]),
        containers: None,
    };
    Numbered {
        host: host.parse().unwrap(),
        stream: "k3v9q2".parse().unwrap(),
        seq,
        alert: None,
        sample,
    }
}

/// A live host with 4,000 messages of a KiB, and its port.
async fn long_log() -> (Hub, u16, CancellationToken) {
    let hub = Hub::new(Retention {
        duration: Duration::from_secs(3600),
        lossless: false,
    });
    let publisher = hub
        .publisher(Timeline::Live)
        .host(&"web-1".parse().unwrap());
    publisher.announce(announcement());
    for seq in 1..=4000 {
        publisher.add(sample(seq));
    }
    let listeners = listen::bind(&["127.0.0.1:0".parse().unwrap()], 0).unwrap();
    let port = listeners[0].local_addr().unwrap().port();
    let config = Config {
        heartbeat: Duration::from_secs(30),
        drain: Duration::from_secs(1),
        max_viewers: 100,
        compression: true,
        unhealthy_after: None,
        trust: Trust::default(),
        notifications: Arc::default(),
        counted: Vec::new(),
        parts: Vec::new(),
        faults: None,
    };
    let stop = CancellationToken::new();
    tokio::spawn(run(
        listeners,
        hub.clone(),
        config,
        Viewers::default(),
        stop.clone(),
    ));
    (hub, port, stop)
}

fn request(query: &str) -> String {
    format!(
        "GET /ws?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// Requests everything and reads `enough` bytes of it, with a window so small that the server's socket is always full.
async fn ask_for_everything(port: u16, enough: usize) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = socket.connect(addr).await.unwrap();
    let head = request("since=1h");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    while bytes < enough {
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "closed after {bytes} bytes");
        bytes += read;
    }
}

/// A lower bound, so no machine is too slow for it.
#[tokio::test]
async fn a_viewer_that_requests_everything_gets_it_at_a_bounded_rate() {
    let (_hub, port, stop) = long_log().await;
    let begun = Instant::now();
    ask_for_everything(port, 3 * MIB).await;
    let took = begun.elapsed();
    // 48 batches, with a pause after each but the last; the first two are sent at once.
    println!("{took:?}");
    assert!(took > Duration::from_millis(80), "{took:?}");
    stop.cancel();
}

/// A viewer and what it was sent.
struct Watcher {
    stream: TcpStream,
    text: String,
}

impl Watcher {
    async fn connect(port: u16, query: &str) -> Self {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(request(query).as_bytes()).await.unwrap();
        let text = String::new();
        let mut watcher = Self { stream, text };
        watcher.wait_for("101 Switching").await;
        watcher
    }

    async fn wait_for(&mut self, expected: &str) {
        let mut buffer = vec![0; 64 * 1024];
        while !self.text.contains(expected) {
            let reading = timeout(Duration::from_secs(60), self.stream.read(&mut buffer)).await;
            let read = reading.expect(expected).unwrap();
            assert!(read > 0, "closed before {expected}");
            self.text
                .push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }
}

#[tokio::test]
async fn a_host_that_appears_later_is_sent_to_those_who_want_it() {
    let (hub, port, stop) = long_log().await;
    let mut everything = Watcher::connect(port, "").await;
    let mut later = Watcher::connect(port, "host=late-*").await;
    let mut another = Watcher::connect(port, "host=web-1").await;
    everything.wait_for(r#""seq":4000"#).await;
    let publisher = hub.publisher(Timeline::Live);
    let late = publisher.host(&"late-1".parse().unwrap());
    late.announce(announcement());
    for seq in 1..=5 {
        late.push(sample_of("late-1", seq));
        // Each message is waited for, so that the next one wakes the viewers alone.
        let message = format!(r#""host":"late-1","seq":{seq},"#);
        everything.wait_for(&message).await;
        later.wait_for(&message).await;
    }
    publisher
        .host(&"web-1".parse().unwrap())
        .push(sample_of("web-1", 4001));
    everything.wait_for(r#""seq":4001"#).await;
    another.wait_for(r#""seq":4001"#).await;
    assert!(!another.text.contains("late-1"));
    stop.cancel();
}
