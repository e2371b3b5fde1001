//! Peers that never become viewers: silent, slow, half-open, or gone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::events::Events;
use crate::harness::http::get;
use crate::harness::metrics::Metrics;
use crate::harness::raw::{Raw, SOON, connect, dribble, handshake, is_closed, reset};
use crate::harness::steady::Steady;
use crate::harness::viewer::Viewer;
use crate::harness::{PATIENCE, wait_for};

#[track_caller]
fn all_are_closed(streams: &[TcpStream]) {
    let open = || streams.iter().filter(|stream| !is_closed(stream)).count();
    wait_for(
        SOON,
        || (open() == 0).then_some(()),
        || format!("{} are open", open()),
    );
}

#[test]
fn unfinished_heads_and_silent_peers_keep_nobody_out() {
    let serve = Metrics::serve().start();
    let steady = Steady::watch(serve.url());
    let peers: Vec<_> = (0..500)
        .map(|n| {
            let mut stream = connect(serve.port());
            let head = handshake(serve.port(), "");
            let _ = stream.write_all(&head.as_bytes()[..n % 2 * 60]);
            stream
        })
        .collect();
    let begun = Instant::now();
    Viewer::connect(serve.url(), "").numbered(1);
    let took = begun.elapsed();
    // A server that waits for the others takes the five seconds that a head may take.
    assert!(took < Duration::from_secs(4), "{took:?}");
    all_are_closed(&peers);
    steady.finish();
}

#[test]
fn a_slow_request_is_closed_at_the_deadline() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    let steady = Steady::watch(serve.url());
    let healthz = format!("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
    let asked = format!("{healthz}\r\n");
    let begun = handshake(port, "");
    let slow: Vec<_> = [
        "",
        "GET /ws HTTP/1.1\r\nX: ",
        begun.trim_end(),
        &healthz,
        &asked,
    ]
    .into_iter()
    .map(|head| {
        let mut stream = connect(port);
        stream.write_all(head.as_bytes()).unwrap();
        std::thread::spawn(move || dribble(&mut stream, Some(b'x')))
    })
    .collect();
    // One that has been answered and sends no more requests.
    let mut idle = connect(port);
    idle.write_all(asked.as_bytes()).unwrap();
    let mut said = [0; 1024];
    let count = idle.read(&mut said).unwrap();
    assert!(said[..count].starts_with(b"HTTP/1.1 200"));
    for thread in slow {
        let took = thread.join().unwrap();
        assert!(took < SOON, "still open after {took:?}");
    }
    all_are_closed(&[idle]);
    steady.finish();
}

#[test]
fn a_head_that_grows_byte_by_byte_costs_little() {
    let serve = Metrics::serve().start();
    let steady = Steady::watch(serve.url());
    let before = serve.cpu_time();
    let mut stream = connect(serve.port());
    let head = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(60_000));
    stream.write_all(head.as_bytes()).unwrap();
    // Each byte is a packet of its own, and is read separately.
    for _ in 0..4000 {
        if stream.write_all(b"x").is_err() {
            break;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    let spent = serve.cpu_time() - before;
    println!("{spent:?}");
    assert!(spent < Duration::from_secs(1), "{spent:?} of CPU");
    steady.finish();
}

#[test]
fn a_thousand_that_vanish_leave_nothing_behind() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    let steady = Steady::watch(serve.url());
    let (before, rss) = (serve.descriptors(), serve.rss_kib());
    let head = handshake(port, "last=30");
    for n in 0..1000 {
        let mut stream = connect(port);
        // Before the head, within it, after it, and as a connected viewer.
        match n % 10 / 2 {
            0 => {}
            1 => drop(stream.write_all(&head.as_bytes()[..40])),
            2 => drop(stream.write_all(head.as_bytes())),
            3 => drop(Events::over(
                stream.try_clone().unwrap(),
                "/events?last=30",
                "",
            )),
            _ => {
                drop(Raw::over(stream.try_clone().unwrap(), ""));
            }
        }
        if n % 2 == 0 {
            reset(stream);
        }
    }
    wait_for(
        SOON,
        || (serve.descriptors() <= before).then_some(()),
        || format!("{} descriptors, and {before} before", serve.descriptors()),
    );
    let grown = serve.rss_kib().saturating_sub(rss);
    assert!(grown < 8 * 1024, "{grown} KiB more");
    let health = || get(port, "/healthz").1;
    let viewers =
        || serde_json::from_str::<serde_json::Value>(&health()).unwrap()["viewers"].take();
    wait_for(SOON, || (viewers() == 1).then_some(()), health);
    steady.finish();
}

#[test]
fn a_long_query_takes_no_lasting_memory() {
    let serve = Metrics::serve().start();
    let globs = format!("host=web-1&{}", "host=w*b*1&".repeat(5000));
    let long_glob = format!("host=web-1&host={}", "w*".repeat(25_000));
    let mut before = 0;
    let mut viewers = Vec::new();
    for n in 0..48 {
        // The first ones also take what the server needs once: code, threads, a compressor.
        if n == 8 {
            before = serve.rss_kib();
        }
        let query = if n % 2 == 0 { &globs } else { &long_glob };
        let mut stream = connect(serve.port());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // A refusal takes no memory either.
        let _ = stream.write_all(handshake(serve.port(), query).as_bytes());
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        viewers.push(stream);
    }
    let grown = serve.rss_kib().saturating_sub(before);
    println!("{grown} KiB");
    assert!(grown < 40 * 128, "{grown} KiB for 40 viewers");
}
