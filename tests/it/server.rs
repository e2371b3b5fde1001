//! The server against viewers that behave in every possible way.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use tokio_tungstenite::tungstenite::{Error, Message, client};

use crate::harness::PATIENCE;
use crate::harness::http::{get, response};
use crate::harness::metrics::Metrics;
use crate::harness::recording::{plain, write_long};
use crate::harness::viewer::{Seen, Viewer};
use crate::harness::wire::Wire;

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The status of the response to raw bytes.
#[track_caller]
fn answer(port: u16, request: &str) -> (u16, String) {
    let mut stream = connect(port);
    stream.write_all(request.as_bytes()).unwrap();
    response(&mut BufReader::new(stream))
}

#[test]
fn plain_requests_get_plain_answers() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    Viewer::connect(serve.url(), "").numbered(1);
    let (status, body) = get(port, "/healthz");
    let health: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &health["status"]), (200, &serde_json::json!("ok")));
    assert_eq!(get(port, "/nope").0, 404);
    assert_eq!(get(port, "/ws").0, 426);
    let post = "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(answer(port, post).0, 405);
}

#[test]
fn both_paths_are_the_stream_and_others_are_not() {
    let serve = Metrics::serve().start();
    for path in ["/ws", "/", ""] {
        let url = format!("ws://127.0.0.1:{}{path}", serve.port());
        Viewer::connect(&url, "").numbered(1);
    }
    let other = format!("ws://127.0.0.1:{}/events", serve.port());
    assert_eq!(Viewer::refused(&other, "").0, 404);
}

#[test]
fn a_refusal_comes_before_the_upgrade_with_a_reason() {
    let serve = Metrics::serve().start();
    for (query, status, reason) in [
        ("host=nope", 404, "nope"),
        ("host=a/b", 400, "not a host name"),
        ("after=web-1", 400, "HOST:STREAM:SEQ"),
        ("last=-1", 400, "last='-1'"),
        ("since=5parsecs", 400, "parsecs"),
        ("token=geheim", 400, "does not belong in a URL"),
    ] {
        let (found, said) = Viewer::refused(serve.url(), query);
        assert_eq!(found, status, "{query}: {said}");
        assert!(
            said.contains(reason) && said.lines().count() == 1,
            "{query}: {said}"
        );
        assert!(!said.contains("geheim"));
    }
    Viewer::connect(serve.url(), "host=nope-*&host=web-1").numbered(1);
}

#[test]
fn a_glob_that_matches_nothing_is_not_an_error() {
    let serve = Metrics::serve().start();
    let mut viewer = Viewer::connect(serve.url(), "host=nope-*");
    assert_eq!(viewer.next_within(Duration::from_millis(500)), None);
}

#[test]
fn a_thousand_positions_fit_into_a_request() {
    let serve = Metrics::serve().start();
    let hello = Viewer::connect(serve.url(), "").message();
    let Wire::Hello { stream, .. } = hello else {
        panic!("{hello:?}");
    };
    let mut query = String::new();
    for n in 0..1000 {
        query.push_str(&format!(
            "after=host-with-a-long-name-{n:04}:{stream}:1234567&"
        ));
    }
    query.push_str(&format!("after=web-1:{stream}:1&host=web-1"));
    assert!(50_000 < query.len());
    let first = Viewer::connect(serve.url(), &query).numbered(1);
    assert_eq!(first[first.len() - 1].seq(), Some(2));
}

#[test]
fn a_head_without_an_end_is_refused() {
    let serve = Metrics::serve().start();
    let mut stream = connect(serve.port());
    let line = format!("X-Filler: {}\r\n", "x".repeat(1000));
    let _ = write!(stream, "GET / HTTP/1.1\r\nHost: localhost\r\n");
    let _ = stream.write_all(line.repeat(80).as_bytes());
    let mut said = Vec::new();
    // A reset counts as a response: the server didn't read everything.
    let _ = stream.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    Viewer::connect(serve.url(), "").numbered(1);
}

#[test]
fn garbage_does_not_disturb_the_others() {
    let serve = Metrics::serve().start();
    let mut viewer = Viewer::connect(serve.url(), "");
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"\r\n\r\n\r\n",
        b"GET",
        b"\0\0\0\0",
        b"",
    ] {
        let mut stream = connect(serve.port());
        let _ = stream.write_all(garbage);
        drop(stream);
        viewer.numbered(1);
    }
}

#[test]
fn data_from_a_viewer_is_ignored_unless_it_is_too_much() {
    let serve = Metrics::serve().start();
    let (mut socket, _) = client(serve.url(), connect(serve.port())).unwrap();
    socket
        .send(Message::text("{\"subscribe\":\"everything\"}"))
        .unwrap();
    socket.send(Message::binary(vec![1, 2, 3])).unwrap();
    socket
        .send(Message::Ping(b"are you there"[..].into()))
        .unwrap();
    // The pong may come before the first message of the host.
    let is_wanted = |message: &Message| matches!(message, Message::Text(_));
    let mut said = Vec::new();
    while !(said.iter().any(is_wanted) && said.iter().any(Message::is_pong)) {
        said.push(socket.read().unwrap());
    }
    said.retain(|message| !is_wanted(message) && !message.is_ping());
    assert_eq!(said, [Message::Pong(b"are you there"[..].into())]);

    let _ = socket.send(Message::text("x".repeat(100_000)));
    let code = loop {
        match socket.read() {
            Ok(Message::Close(frame)) => break frame.map(|frame| u16::from(frame.code)),
            Ok(_) => {}
            Err(Error::Io(_)) => break None, // reset while we were still writing
            Err(error) => panic!("{error}"),
        }
    };
    assert!(matches!(code, Some(1008 | 1009) | None), "{code:?}");
    Viewer::connect(serve.url(), "").numbered(1);
}

#[test]
fn a_quiet_stream_has_heartbeats() {
    let serve = Metrics::new()
        .args(["serve", "-l", "127.0.0.1:0", "--name", "web-1", "-i", "1h"])
        .args(["--heartbeat", "200ms"])
        .start();
    let mut viewer = Viewer::connect(serve.url(), "");
    let Wire::Hello {
        heartbeat,
        interval,
        ..
    } = viewer.message()
    else {
        panic!("no hello first");
    };
    assert_eq!((heartbeat, interval), (200, 3_600_000));
    let Wire::Metric { seq, data, .. } = viewer.message() else {
        panic!("no metric second");
    };
    for _ in 0..3 {
        let beat = viewer.message();
        let Wire::Heartbeat {
            seq: of,
            data: again,
            ..
        } = beat
        else {
            panic!("{beat:?}");
        };
        assert_eq!((of, &again), (seq, &data), "the newest sample once more");
    }
}

#[test]
fn a_later_viewer_gets_the_newest_sample_at_once() {
    let serve = Metrics::new()
        .args(["serve", "-l", "127.0.0.1:0", "--name", "web-1", "-i", "1h"])
        .start();
    let first = Viewer::connect(serve.url(), "").numbered(1).pop();
    // The next sample is an hour away.
    let again = Viewer::connect(serve.url(), "").numbered(1).pop();
    assert_eq!(first, again);
}

#[test]
fn a_resume_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    // Ten seconds apart and a retention of 15 minutes: the oldest of 200 samples are gone, 91 remain.
    std::fs::write(&file, plain("web-1", 200, 10_000)).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--wait", "2", "--speed", "max", "--wait-timeout", "30s"])
        .start();
    let mut first = Viewer::connect(replay.url(), "");
    let _second = Viewer::connect(replay.url(), "");
    first.numbered(200);
    let resumed = |query: &str| {
        let mut viewer = Viewer::connect(replay.url(), query);
        let mut seen = Vec::new();
        loop {
            let message = viewer.message();
            let seq = message.seq();
            if !matches!(message, Wire::Hello { .. }) {
                seen.push(message);
            }
            if seq.is_some() {
                return (seen, seq);
            }
        }
    };
    let gap = |from, to, reason| Wire::Gap {
        host: "web-1".into(),
        from,
        to,
        reason,
    };
    use crate::harness::wire::Reason::{Expired, Restarted};
    // What the ring can continue.
    let (seen, seq) = resumed("after=web-1:k3v9q2:150");
    assert_eq!((seen.len(), seq), (1, Some(151)));
    // What it no longer has: the loss is reported with its numbers, followed by everything kept.
    let (seen, seq) = resumed("after=web-1:k3v9q2:20");
    let oldest = seq.unwrap();
    assert_eq!(seen[0], gap(Some(21), Some(oldest - 1), Expired));
    assert_eq!(oldest, 110);
    // Another stream: what was lost is unknown.
    let (seen, seq) = resumed("after=web-1:a:20");
    assert_eq!((&seen[0], seq), (&gap(None, None, Restarted), Some(oldest)));
    // Ahead of the newest: nothing is sent, not even the end of what it has.
    let mut ahead = Viewer::connect(replay.url(), "after=web-1:k3v9q2:500");
    while let Some(Seen::Message(message, _)) = ahead.next_within(Duration::from_millis(500)) {
        assert_eq!(message.seq(), None, "{message:?}");
    }
}

#[test]
fn a_viewer_that_does_not_read_holds_a_replay_up_for_ten_seconds_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    write_long(&file, 20_000, 40);
    let replay = Metrics::replay([&file])
        .args(["--wait", "2", "--speed", "max"])
        .start();
    let deaf = client(replay.url(), connect(replay.port())).unwrap().0;
    let out = dir.path().join("out.csv");
    Metrics::record(replay.url())
        .arg("-o")
        .arg(&out)
        .run()
        .success();
    let (given, kept) = (std::fs::read(&file).unwrap(), std::fs::read(&out).unwrap());
    assert!(given == kept, "{} bytes of {}", kept.len(), given.len());
    drop(deaf);
}
