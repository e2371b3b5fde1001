//! Two thousand viewers, and events that affect all of them at once.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::herd::{Habits, Herd, Life, raise_descriptors};
use crate::harness::metrics::Metrics;
use crate::harness::raw::{Ending, Raw, connect, handshake};
use crate::harness::{PATIENCE, wait_for};

const VIEWERS: usize = 2000;

#[track_caller]
fn all(herd: &Herd, what: &str, is_so: impl Fn(&Life) -> bool) {
    let missing = || herd.lives().filter(|life| !is_so(life)).count();
    wait_for(
        PATIENCE,
        || (missing() == 0).then_some(()),
        || format!("{} of {VIEWERS} have not {what}", missing()),
    );
}

#[test]
fn a_cut_loses_nothing_and_a_restart_causes_one_gap() {
    raise_descriptors();
    let serve = || {
        Metrics::new()
            .args(["serve", "-l", "127.0.0.1:0", "--name", "web-1", "-i", "1s"])
            .args(["--top", "0", "--drain", "6s"])
            .start()
    };
    let first = serve();
    let herd = Herd::of(VIEWERS, first.port(), Habits::default());
    all(&herd, "come", |life| 1 <= life.messages);

    herd.cut();
    all(&herd, "come back", |life| {
        2 == life.connections && 3 <= life.messages
    });
    for life in herd.lives() {
        assert_eq!((life.restarted, life.expired, life.wrong), (0, 0, 0));
    }

    let begun = Instant::now();
    first.signal(Signal::TERM);
    first.wait().success();
    all(&herd, "been told why", |life| !life.closes.is_empty());
    let mut tenths = [0; 10];
    for life in herd.lives() {
        let (at, code) = life.closes[0];
        assert_eq!((life.closes.len(), code), (1, 1001));
        // The half of the drain in which they are disconnected.
        let tenth = at.duration_since(begun).as_millis() / 300;
        tenths[tenth.min(9) as usize] += 1;
    }
    println!("{tenths:?}");
    assert!(
        tenths.iter().all(|count| *count < VIEWERS / 2),
        "{tenths:?}"
    );
    assert!(
        4 < tenths.iter().filter(|count| 0 < **count).count(),
        "{tenths:?}"
    );

    let second = serve();
    herd.retarget(second.port());
    all(&herd, "found the new server", |life| {
        3 == life.connections && 0 < life.restarted
    });
    let seen: Vec<_> = herd.lives().map(|life| life.messages).collect();
    wait_for(
        PATIENCE,
        || {
            let on = |(life, seen): (_, &u64)| {
                let life: std::sync::MutexGuard<'_, Life> = life;
                seen + 2 <= life.messages
            };
            herd.lives().zip(&seen).all(on).then_some(())
        },
        || "not all go on".into(),
    );
    for life in herd.lives() {
        assert_eq!((life.restarted, life.expired, life.wrong), (1, 0, 0));
    }
}

#[test]
fn a_second_signal_exits_at_once() {
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let serve = Metrics::serve().args(["--drain", "1h"]).start();
        let port = serve.port();
        // Is asked to leave, but stays connected.
        let mut viewer = Raw::connect(port, "");
        serve.signal(signal);
        let code = loop {
            let heard = viewer.hear().expect("a close frame");
            if heard.first == 0x88 {
                break heard.payload;
            }
        };
        assert_eq!(code[..2], 1001_u16.to_be_bytes());
        let refused = std::net::TcpStream::connect(("127.0.0.1", port));
        assert!(refused.is_err(), "nobody is accepted any more");
        serve.signal(signal);
        serve.wait_within(Duration::from_secs(10)).code(status);
    }
}

#[test]
fn a_viewer_that_connects_while_the_server_stops_is_answered_and_sent_away() {
    let serve = Metrics::serve().args(["--drain", "10s"]).start();
    let port = serve.port();
    let head = handshake(port, "");
    let (begin, end) = head.split_at(20);
    let mut late = connect(port);
    late.write_all(begin.as_bytes()).unwrap();
    // Connections are accepted in order, so the late one has been accepted.
    let mut viewer = Raw::connect(port, "");
    serve.signal(Signal::TERM);
    assert_eq!(viewer.ending().code, Some(1001));
    late.write_all(end.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let is_close = |bytes: &[u8]| bytes[0] == 0x88 && bytes[2..] == 1001_u16.to_be_bytes();
    while !answer.windows(4).any(is_close) {
        let mut bytes = [0; 1024];
        let read = late.read(&mut bytes).unwrap();
        assert!(0 < read, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&bytes[..read]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{answer:?}");
    drop(late);
    serve.wait().success();
}

#[test]
fn a_viewer_that_answers_the_close_delays_nothing() {
    let serve = Metrics::serve().args(["--drain", "1s"]).start();
    let mut viewers: Vec<_> = (0..5).map(|_| Raw::connect(serve.port(), "")).collect();
    // A viewer that never answers is waited for as long as the drain lasts.
    let _deaf = Raw::connect(serve.port(), "");
    serve.signal(Signal::TERM);
    for viewer in &mut viewers {
        let told = Ending {
            code: Some(1001),
            afterwards: 0,
        };
        assert_eq!(viewer.ending(), told);
    }
    serve.wait().success();
}
