//! Compressed messages: independent programs read the same texts from them as plain viewers do.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::compressed::{Reader, texts};
use crate::harness::dice::Dice;
use crate::harness::events::Events;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::raw::{Ending, Raw, frame};
use crate::harness::recording;
use crate::harness::viewer::{Seen, Viewer};
use crate::harness::wire::Wire;
use crate::harness::{PATIENCE, wait_for};

const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// The first byte of a data frame: plain text, compressed text, and binary.
const PLAIN: u8 = 0x81;
const COMPRESSED: u8 = 0xc1;
const BINARY: u8 = 0x82;

/// That of control frames.
const CLOSE: u8 = 0x88;
const PONG: u8 = 0x8a;

/// A replay of two hosts without end, with all that a recording may have, and everything that a plain viewer got of it.
struct Scene {
    replay: Running,
    plain: Arc<Mutex<HashSet<String>>>,
    over: Arc<AtomicBool>,
    _dir: tempfile::TempDir,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut dice = Dice::seeded(seed);
        let files = ["web-1", "db-1"].map(|host| {
            let path = dir.path().join(host).with_extension("csv");
            std::fs::write(&path, recording::random(&mut dice, host, 300).csv).unwrap();
            path
        });
        let replay = Metrics::replay(files)
            .args(["--loop", "--speed", "200", "--wait", "1"])
            .args(["--max-pause", "2s", "--heartbeat", "100ms"])
            .start();
        let mut viewer = Viewer::connect(replay.url(), "");
        let plain = Arc::<Mutex<HashSet<String>>>::default();
        let (kept, over) = (Arc::clone(&plain), Arc::<AtomicBool>::default());
        let is_over = Arc::clone(&over);
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                if let Some(Seen::Message(message, text)) = viewer.next_within(PATIENCE)
                    && message.seq().is_some()
                {
                    kept.lock().unwrap().insert(text);
                }
            }
        });
        Self {
            replay,
            plain,
            over,
            _dir: dir,
        }
    }

    /// Checks that a plain viewer got the same texts: of numbered messages as they are, of heartbeats the sample in
    /// them. The others are different for each viewer, and are read strictly.
    #[track_caller]
    fn check(&self, reader: Reader, texts: &[String]) {
        let mut kinds = HashSet::new();
        for text in texts {
            let message = Wire::read(text).unwrap_or_else(|error| panic!("{reader:?}: {error}"));
            kinds.insert(std::mem::discriminant(&message));
            if message.seq().is_some() {
                let has = || self.plain.lock().unwrap().contains(text).then_some(());
                wait_for(PATIENCE, has, || format!("{reader:?} read {text}"));
            }
            if let Wire::Heartbeat { .. } = message {
                let data = |text: &str| serde_json::from_str::<Value>(text).unwrap()["data"].take();
                let beat = data(text);
                let has = || {
                    let plain = self.plain.lock().unwrap();
                    plain.iter().any(|text| data(text) == beat).then_some(())
                };
                wait_for(PATIENCE, has, || format!("{reader:?} read {text}"));
            }
        }
        assert!(
            4 <= kinds.len(),
            "{reader:?} got only {} kinds",
            kinds.len()
        );
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Joins at the newest sample and further back, on one host and on both, and resumes. Heartbeats, gaps and hellos come
/// in between.
const PLANS: [(&str, usize); 9] = [
    ("", 60),
    ("resume", 150),
    ("host=web-1&last=200", 250),
    ("host=db-1", 40),
    ("last=30", 100),
    ("resume", 3),
    ("resume", 120),
    ("host=web-*&last=1", 5),
    ("host=web-1&last=0", 150),
];

#[track_caller]
fn reads_what_a_plain_viewer_reads(reader: Reader, seed: u64) {
    let scene = Scene::new(seed);
    let texts = texts(reader, scene.replay.url(), &PLANS);
    assert_eq!(
        texts.len(),
        PLANS.iter().map(|(_, count)| count).sum::<usize>()
    );
    scene.check(reader, &texts);
}

#[test]
fn independent_programs_read_what_a_plain_viewer_reads() {
    use Reader::{Chromium, Firefox, Node, Websockets, Zlib};
    std::thread::scope(|scope| {
        for (reader, seed) in [Websockets, Zlib, Node, Chromium, Firefox]
            .into_iter()
            .zip(1..)
        {
            scope.spawn(move || reads_what_a_plain_viewer_reads(reader, seed));
        }
    });
}

/// A recording of 30 samples, and its replay, which begins with the first viewer.
fn thirty() -> (tempfile::TempDir, Running) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.csv");
    std::fs::write(&path, recording::plain("web-1", 30, 1000)).unwrap();
    let replay = Metrics::replay([path])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    (dir, replay)
}

#[test]
fn a_viewer_that_offers_nothing_gets_plain_frames() {
    for (offer, query, flags) in [
        ("", "", &[][..]),
        ("x-webkit-deflate-frame", "", &[]),
        ("permessage-deflate; server_max_window_bits=10", "", &[]),
        (OFFER, "", &["--no-compression"]),
        ("", "encoding=deflate", &["--no-compression"]),
        ("", "encoding=zstd", &[]),
    ] {
        let serve = Metrics::serve().args(flags).start();
        let (mut viewer, head) = Raw::offering(serve.port(), query, offer);
        let expected = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        assert_eq!(head, expected, "{offer}");
        for _ in 0..3 {
            let heard = viewer.hear().unwrap();
            assert_eq!(heard.first, PLAIN, "{offer}");
            Wire::read(std::str::from_utf8(&heard.payload).unwrap()).unwrap();
        }
    }
}

#[test]
fn what_was_agreed_is_in_the_response() {
    let serve = Metrics::serve().start();
    for (query, offer, expected) in [
        (
            "",
            OFFER,
            Some("permessage-deflate; client_no_context_takeover"),
        ),
        (
            "",
            "permessage-deflate; server_max_window_bits=10, permessage-deflate; server_max_window_bits=15",
            Some("permessage-deflate; client_no_context_takeover; server_max_window_bits=15"),
        ),
        // What is asked for in the query isn't compressed twice.
        ("encoding=deflate", OFFER, None),
    ] {
        let (mut viewer, head) = Raw::offering(serve.port(), query, offer);
        let agreed = head.split_once("Sec-WebSocket-Extensions: ");
        let agreed = agreed.and_then(|(_, rest)| Some(rest.split_once("\r\n")?.0));
        assert_eq!(agreed, expected, "{offer}");
        let first = if expected.is_some() {
            COMPRESSED
        } else {
            BINARY
        };
        assert_eq!(viewer.hear().unwrap().first, first);
    }
}

#[test]
fn every_data_frame_is_compressed_and_no_control_frame_is() {
    let (_dir, replay) = thirty();
    let (mut viewer, _) = Raw::offering(replay.port(), "", OFFER);
    let mut heard = Vec::new();
    while let Some(frame) = viewer.hear() {
        heard.push(frame);
        if heard.last().unwrap().first == CLOSE {
            break;
        }
    }
    let close = heard.pop().unwrap();
    assert_eq!(
        (close.first, close.payload[..2].to_vec()),
        (CLOSE, vec![3, 232])
    );
    assert!(
        heard.iter().all(|frame| frame.first == COMPRESSED),
        "{heard:?}"
    );
    // hello, 30 samples and end. What only one viewer gets is stored.
    assert_eq!(heard.len(), 32);
    for stored in [&heard[0], &heard[31]] {
        let [0, low, high, not_low, not_high, text @ .., 0] = &stored.payload[..] else {
            panic!("{stored:?}");
        };
        assert_eq!(usize::from(u16::from_le_bytes([*low, *high])), text.len());
        assert_eq!([!low, !high], [*not_low, *not_high]);
        Wire::read(std::str::from_utf8(text).unwrap()).unwrap();
    }
    // The sample after the hello stands alone; the others need what came before them.
    assert!(
        heard[2..31]
            .iter()
            .all(|it| it.payload.len() * 2 < heard[1].payload.len())
    );
}

#[test]
fn an_event_stream_stays_plain() {
    let serve = Metrics::serve().start();
    let mut events = Events::open(serve.port(), "/events?encoding=deflate", "");
    let event = events.next().unwrap();
    assert!(event.data.starts_with("{\"type\":\"hello\""), "{event:?}");
}

#[test]
fn what_a_viewer_compresses_is_ignored() {
    let serve = Metrics::serve().start();
    let whole = frame(0xc1, b"\xff\xff not even deflated");
    let pieces = [
        frame(0x41, b"\xff"),
        frame(0x89, b"now"),
        frame(0x00, b"\xfe"),
        frame(0x80, b""),
    ];
    let (mut viewer, _) = Raw::offering(serve.port(), "", OFFER);
    for bytes in [
        whole.clone(),
        frame(0xc2, b""),
        pieces.concat(),
        whole.clone(),
    ] {
        viewer.send(&bytes);
    }
    viewer.send(&frame(0x89, b"ping"));
    let mut pongs = Vec::new();
    while pongs.len() < 2 {
        let heard = viewer.hear().expect("a viewer that is still served");
        if heard.first == PONG {
            pongs.push(heard.payload);
        }
    }
    assert_eq!(pongs, [b"now".to_vec(), b"ping".to_vec()]);
    for (what, bytes, code) in [
        ("a compressed ping", frame(0xc9, b"x"), 1002),
        (
            "RSV1 within a message",
            [frame(0x41, b"x"), frame(0xc0, b"x")].concat(),
            1002,
        ),
        ("RSV2", frame(0xe1, b"x"), 1002),
        ("RSV3", frame(0x91, b"x"), 1002),
        ("a message too long", frame(0xc1, &[0; 5000]), 1009),
        ("too many messages", whole.repeat(200), 1008),
    ] {
        let (mut viewer, _) = Raw::offering(serve.port(), "", OFFER);
        viewer.send(&bytes);
        let ending = Ending {
            code: Some(code),
            afterwards: 0,
        };
        assert_eq!(viewer.ending(), ending, "{what}");
    }
    // Whoever hasn't negotiated anything must not.
    let mut viewer = Raw::connect(serve.port(), "encoding=deflate");
    viewer.send(&whole);
    assert_eq!(viewer.ending().code, Some(1002));
}
