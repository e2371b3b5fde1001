//! A server that is full, or has no descriptors left.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::http::get;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::raw::{Raw, connect, handshake};
use crate::harness::steady::Steady;
use crate::harness::viewer::Viewer;
use crate::harness::{PATIENCE, wait_for};

/// `serve` that may open 64 files.
fn narrow() -> Running {
    let serve = Metrics::serve();
    let (binary, args) = serve.program_and_args();
    Metrics::program("/bin/sh")
        .args(["-c", r#"ulimit -n 64; exec "$0" "$@""#])
        .arg(binary)
        .args(args)
        .start()
}

/// Requests the stream; returns the head and the body of the response.
fn knock(port: u16) -> (String, String) {
    let mut stream = connect(port);
    stream.write_all(handshake(port, "").as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let mut body = String::new();
    if !head.starts_with("HTTP/1.1 101") {
        reader.read_to_string(&mut body).unwrap();
    }
    (head, body)
}

#[test]
fn a_full_server_says_so_and_admits_viewers_again_later() {
    let serve = narrow();
    let port = serve.port();
    let fit = serve.stderr().wait(PATIENCE, |stderr| {
        let text = String::from_utf8_lossy(stderr);
        let (_, rest) = text.split_once("At most ")?;
        let (fit, rest) = rest.split_once(" viewers fit")?;
        rest.contains("ulimit -n")
            .then(|| fit.parse::<usize>().unwrap())
    });
    let fit = fit.unwrap_or_else(|| panic!("{}", serve.story()));
    assert!(16 < fit && fit < 64, "{fit}");
    let steady = Steady::watch(serve.url());
    let mut viewers: Vec<_> = (1..fit).map(|_| Raw::connect(port, "")).collect();
    for _ in 0..3 {
        let (head, body) = knock(port);
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(
            head.to_ascii_lowercase().contains("\r\nretry-after: "),
            "{head}"
        );
        assert!(
            body.contains("full") && body.lines().count() == 1,
            "{body:?}"
        );
        assert_eq!(get(port, "/healthz").0, 200);
    }
    // A viewer that leaves makes room.
    for _ in 0..5 {
        viewers.pop();
        let came = || Some(knock(port)).filter(|(head, _)| head.starts_with("HTTP/1.1 101 "));
        wait_for(PATIENCE, came, || "no room".into());
    }
    steady.finish();
}

#[test]
fn without_a_free_descriptor_it_waits_and_survives() {
    let serve = narrow();
    let port = serve.port();
    let steady = Steady::watch(serve.url());
    let cpu = serve.cpu_time();
    let silent: Vec<TcpStream> = (0..150).map(|_| connect(port)).collect();
    serve.stderr().wait(PATIENCE, |stderr| {
        String::from_utf8_lossy(stderr)
            .contains("cannot accept")
            .then_some(())
    });
    steady.wait_for_more(5);
    // Heads have a deadline, and so have those that wait after them: one after another frees its descriptor.
    assert_eq!(get(port, "/healthz").0, 200);
    let spent = serve.cpu_time() - cpu;
    assert!(spent < Duration::from_secs(2), "{spent:?} of CPU");
    let said = serve.stderr().text().matches("cannot accept").count();
    assert_eq!(said, 1, "{}", serve.story());
    drop(silent);
    drop(Raw::connect(port, ""));
    steady.finish();
}

#[test]
fn the_longest_heartbeat_and_drain_work() {
    let serve = Metrics::serve()
        .args(["--heartbeat", "3650d", "--drain", "3650d"])
        .start();
    // Pings are spread, so each viewer's comes at another time.
    let mut viewers: Vec<_> = (0..3).map(|_| Viewer::connect(serve.url(), "")).collect();
    for viewer in &mut viewers {
        viewer.numbered(2);
    }
    serve.signal(rustix::process::Signal::TERM);
    // The first one leaves at once; the others have years.
    let (_, code) = viewers.remove(0).until_closed();
    assert_eq!(code, Some(1001));
}
