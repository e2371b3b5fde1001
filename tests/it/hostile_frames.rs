//! Frames that no viewer should send: each is answered with what was wrong, and no other viewer notices.

use std::time::{Duration, Instant};

use crate::harness::metrics::Metrics;
use crate::harness::raw::{Ending, Raw, connect_narrow, frame};
use crate::harness::steady::Steady;
use crate::harness::{PATIENCE, wait_for};

/// The CPU time that a server may spend on a peer that floods it for five seconds.
const FLOOD_CPU: Duration = Duration::from_millis(2500);

fn closed(code: u16) -> Ending {
    Ending {
        code: Some(code),
        afterwards: 0,
    }
}

/// The header and mask of a frame that announces `len` bytes.
fn claims(first: u8, len: u64) -> Vec<u8> {
    let mut head = vec![first, 0xff];
    head.extend(len.to_be_bytes());
    head.extend([0; 4]);
    head
}

#[test]
fn a_broken_rule_is_named_in_a_close_frame() {
    let serve = Metrics::serve().start();
    let steady = Steady::watch(serve.url());
    let mut unmasked = frame(0x81, b"hello");
    unmasked[1] &= 0x7f;
    let fragmented_ping = frame(0x09, b"");
    let mut interleaved = frame(0x01, b"he");
    interleaved.extend(frame(0x81, b"llo"));
    for (what, bytes, code) in [
        ("unmasked", unmasked, 1002),
        (
            "RSV1, compression that nobody offered",
            frame(0xc1, b"hello"),
            1002,
        ),
        ("RSV2", frame(0xa1, b"hello"), 1002),
        ("RSV3", frame(0x91, b"hello"), 1002),
        ("reserved data opcode", frame(0x83, b"hello"), 1002),
        ("reserved control opcode", frame(0x8b, b""), 1002),
        ("a ping in pieces", fragmented_ping, 1002),
        ("a ping of 126 bytes", frame(0x89, &[b'x'; 126]), 1002),
        ("a continuation of nothing", frame(0x80, b"hello"), 1002),
        ("a message inside another", interleaved, 1002),
        ("a close with half a code", frame(0x88, &[3]), 1002),
        (
            "a close with a code that nobody may send",
            frame(0x88, &[3, 0xed]),
            1002,
        ),
        (
            "a close with a reason that is no text",
            frame(0x88, &[3, 0xe8, 0xff]),
            1007,
        ),
        ("text that is no UTF-8", frame(0x81, b"\xc3\x28"), 1007),
        ("half a character", frame(0x81, b"\xe2\x82"), 1007),
        ("a message too long", frame(0x81, &[b'x'; 5000]), 1009),
        ("a frame that claims 1 GiB", claims(0x82, 1 << 30), 1009),
        (
            "a frame that claims 2^63 bytes",
            claims(0x82, 1 << 63),
            1009,
        ),
    ] {
        let mut viewer = Raw::connect(serve.port(), "");
        viewer.send(&bytes);
        assert_eq!(viewer.ending(), closed(code), "{what}");
    }
    steady.finish();
}

#[test]
fn an_announced_length_takes_no_memory() {
    let serve = Metrics::serve().start();
    let steady = Steady::watch(serve.url());
    let before = serve.rss_kib();
    let claimants: Vec<_> = (0..40)
        .map(|_| {
            let mut viewer = Raw::connect(serve.port(), "");
            viewer.send(&claims(0x82, 1 << 30));
            viewer
        })
        .collect();
    for mut viewer in claimants {
        assert_eq!(viewer.ending(), closed(1009));
    }
    let grown = serve.rss_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more");
    steady.finish();
}

#[test]
fn the_limit_on_messages_covers_all_their_fragments() {
    let serve = Metrics::serve().start();
    let mut viewer = Raw::connect(serve.port(), "");
    viewer.send(&frame(0x01, &[b'x'; 2000]));
    for _ in 0..2 {
        viewer.send(&frame(0x00, &[b'x'; 2000]));
    }
    assert_eq!(viewer.ending(), closed(1009));
}

/// Sends a ping, and reads up to the pong: the server has read all that came before it, and waits for more.
#[track_caller]
fn let_it_read(viewer: &mut Raw) {
    viewer.send(&frame(0x89, b""));
    while viewer.hear().expect("a pong").first != 0x8a {}
}

#[test]
fn a_message_in_pieces_may_take_its_time() {
    let serve = Metrics::serve().start();
    let mut viewer = Raw::connect(serve.port(), "");
    for piece in [frame(0x01, b"he"), frame(0x00, b"ll"), frame(0x80, b"o")] {
        viewer.send(&piece);
        let_it_read(&mut viewer);
    }
    viewer.send(&frame(0x80, b"of nothing"));
    assert_eq!(viewer.ending(), closed(1002));
}

/// Sends `bytes` over and over until the server closes the connection; returns how it did.
fn flood(port: u16, opening: &[u8], bytes: &[u8]) -> Ending {
    let mut viewer = Raw::connect(port, "");
    viewer.send(opening);
    let many = bytes.repeat(1000);
    let mut writer = viewer.stream().try_clone().unwrap();
    writer
        .set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let flooding = std::thread::spawn(move || {
        use std::io::Write;
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            match writer.write_all(&many) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return true,
            }
        }
        false
    });
    let ending = viewer.ending();
    assert!(flooding.join().unwrap(), "it was never stopped");
    ending
}

#[test]
fn a_flood_ends_the_connection() {
    let floods = [
        ("pings", frame(0x89, b"are you there")),
        ("pongs", frame(0x8a, b"")),
        ("messages", frame(0x81, b"subscribe")),
        ("endless empty pieces of one message", frame(0x00, b"")),
    ];
    std::thread::scope(|scope| {
        for (what, bytes) in &floods {
            scope.spawn(|| flood_is_stopped(what, bytes));
        }
    });
}

#[track_caller]
fn flood_is_stopped(what: &str, bytes: &[u8]) {
    let serve = Metrics::serve().start();
    let steady = Steady::watch(serve.url());
    let (cpu, rss) = (serve.cpu_time(), serve.rss_kib());
    let opening = if bytes[0] == 0 {
        frame(0x01, b"")
    } else {
        Vec::new()
    };
    let ending = flood(serve.port(), &opening, bytes);
    let (spent, grown) = (serve.cpu_time() - cpu, serve.rss_kib().saturating_sub(rss));
    println!("{what}: {spent:?} and {grown} KiB");
    assert_eq!(ending, closed(1008), "{what}");
    assert!(spent < FLOOD_CPU, "{what}: {spent:?} of CPU");
    assert!(grown < 4 * 1024, "{what}: {grown} KiB more");
    steady.finish();
}

#[test]
fn a_viewer_that_pings_without_reading_is_disconnected() {
    let serve = Metrics::serve().start();
    let mut viewer = Raw::over(connect_narrow(serve.port()), "");
    let ping = frame(0x89, &[b'x'; 125]);
    // At an allowed rate, without reading a byte.
    wait_for(
        PATIENCE,
        || {
            std::thread::sleep(Duration::from_millis(15));
            (!viewer.send(&ping)).then_some(())
        },
        || "it is still there".into(),
    );
}
