//! The same messages in other ways: an event stream, a file to save, and a page for Prometheus.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::harness::dice::Dice;
use crate::harness::events::{Event, Events};
use crate::harness::http::{get, response};
use crate::harness::metrics::Metrics;
use crate::harness::prometheus::Prometheus;
use crate::harness::raw::{self, Raw, connect_narrow};
use crate::harness::recording::{plain, random};
use crate::harness::viewer::{Seen, Viewer};
use crate::harness::{PATIENCE, wait_for};

/// `host:stream:seq` of a numbered message.
fn position(event: &Event) -> Option<(String, u64)> {
    let (stream, seq) = event.id.as_ref()?.rsplit_once(':').unwrap();
    Some((stream.to_owned(), seq.parse().unwrap()))
}

#[test]
fn an_event_stream_has_the_messages_of_a_web_socket() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    let recording = random(&mut Dice::seeded(7), "web-1", 300);
    std::fs::write(&file, &recording.csv).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "2"])
        .start();
    let mut viewer = Viewer::connect(replay.url(), "");
    let events = Events::open(replay.port(), "/events", "");
    assert!(events.head.contains("content-type: text/event-stream"));
    let events: Vec<_> = events.collect();
    let mut messages = Vec::new();
    while let Seen::Message(_, text) = viewer.next() {
        messages.push(text);
    }
    // They began at different points, but the numbered messages are the same.
    let of_type = |text: &str, kinds: &[&str]| {
        kinds
            .iter()
            .any(|kind| text.starts_with(&format!("{{\"type\":\"{kind}\"")))
    };
    let numbered = |texts: Vec<String>| -> Vec<String> {
        texts
            .into_iter()
            .filter(|text| of_type(text, &["metric", "alert", "gap", "end"]))
            .collect()
    };
    let data = events.iter().map(|event| event.data.clone()).collect();
    assert_eq!(numbered(data), numbered(messages));
    assert!(of_type(&events.last().unwrap().data, &["end"]));
    let ids: Vec<_> = events.iter().filter_map(position).collect();
    let expected: Vec<_> = recording
        .numbered
        .iter()
        .map(|(stream, seq)| (format!("web-1:{stream}"), *seq))
        .collect();
    assert_eq!(ids, expected);
    replay.wait().success();
}

#[test]
fn a_slow_reader_still_gets_everything_after_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, plain("web-1", 100, 1000)).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    let events = Events::over(connect_narrow(replay.port()), "/events", "");
    // By then, the system has all of it, and the reader almost nothing.
    replay.wait().success();
    let events: Vec<_> = events.collect();
    assert_eq!(events.iter().filter_map(position).count(), 100);
    assert!(events.last().unwrap().data.contains(r#""type":"end""#));
}

#[test]
fn the_last_event_id_resumes_exactly() {
    let serve = Metrics::serve().start();
    let mut events = Events::open(serve.port(), "/events", "");
    let seen: Vec<_> = events
        .by_ref()
        .filter(|event| event.id.is_some())
        .take(4)
        .collect();
    drop(events);
    let second = seen[1].id.as_ref().unwrap();
    // `after` differs and is overridden.
    let header = format!("Last-Event-ID: {second}\r\n");
    let path = format!("/events?after={}", seen[3].id.as_ref().unwrap());
    let again = Events::open(serve.port(), &path, &header);
    let again: Vec<_> = again.filter(|event| event.id.is_some()).take(3).collect();
    assert_eq!(again[..2], seen[2..4]);
    assert_eq!(
        position(&again[2]).unwrap().1,
        position(&seen[3]).unwrap().1 + 1
    );
}

/// Requests `path` on a connection that stays open.
#[track_caller]
fn ask_on(socket: &TcpStream, path: &str) -> u16 {
    let port = socket.peer_addr().unwrap().port();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    (&*socket).write_all(request.as_bytes()).unwrap();
    response(&mut BufReader::new(socket)).0
}

#[test]
fn a_stream_may_follow_other_requests_on_the_connection() {
    let serve = Metrics::serve().start();
    // Browsers and proxies reuse a connection.
    let used = || {
        let socket = raw::connect(serve.port());
        assert_eq!(ask_on(&socket, "/healthz"), 200);
        assert_eq!(ask_on(&socket, "/events?host=nobody"), 404);
        assert_eq!(ask_on(&socket, "/metrics"), 200);
        socket
    };
    let events = Events::over(used(), "/events?last=9", "");
    let seqs: Vec<_> = events
        .filter_map(|event| position(&event))
        .take(3)
        .collect();
    assert!(
        seqs.windows(2).all(|two| two[1].1 == two[0].1 + 1),
        "{seqs:?}"
    );

    let mut viewer = Raw::over(used(), "");
    let hello = viewer.hear().unwrap().payload;
    assert!(hello.starts_with(b"{\"type\":\"hello\""));
    assert!(viewer.hear().is_some());

    serve.signal(Signal::TERM);
    serve.wait().success();
}

#[test]
fn an_event_stream_carries_one_host() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["a", "b"].map(|host| dir.path().join(format!("{host}.csv")));
    for (host, file) in ["a", "b"].iter().zip(&files) {
        std::fs::write(file, plain(host, 5, 1000)).unwrap();
    }
    let replay = Metrics::replay(&files).args(["--wait", "9"]).start();
    let ask = |path: &str| {
        let events = Events::open(replay.port(), path, "Connection: close\r\n");
        let status = events.head.split(' ').nth(1).unwrap().to_owned();
        (status, events)
    };
    let (status, answer) = ask("/events");
    assert_eq!(status, "400");
    assert!(answer.body().contains("add host=NAME, one of a, b"));
    let (status, answer) = ask("/events?host=c");
    assert_eq!(status, "404");
    assert!(
        answer
            .body()
            .contains("no such host on this server; it has a, b")
    );
    let (status, mut events) = ask("/events?host=b");
    assert_eq!(status, "200");
    assert!(events.next().unwrap().data.contains("\"host\":\"b\""));
    assert_eq!(ask("/events?last=x").0, "400");
}

#[test]
fn only_pages_of_allowed_origins_may_read() {
    let serve = Metrics::serve()
        .args(["--allow-origin", "https://board.example"])
        .start();
    let ask = |origin: &str| {
        let headers = format!("Origin: {origin}\r\nConnection: close\r\n");
        Events::open(serve.port(), "/events", &headers).head
    };
    let allowed = ask("https://board.example");
    assert!(allowed.starts_with("http/1.1 200"), "{allowed}");
    assert!(
        allowed.contains("access-control-allow-origin: https://board.example"),
        "{allowed}"
    );
    let foreign = ask("https://evil.example");
    assert!(foreign.starts_with("http/1.1 403"), "{foreign}");
    assert!(
        !foreign.contains("access-control-allow-origin"),
        "{foreign}"
    );
}

#[test]
fn a_saved_recording_is_what_record_writes() {
    let serve = Metrics::serve().start();
    Viewer::connect(serve.url(), "last=9").numbered(5);
    let recorded = Metrics::record(serve.url())
        .args(["--since", "1h", "--samples", "5"])
        .run()
        .success();
    let (status, saved) = get(serve.port(), "/recording.csv?since=1h");
    assert_eq!(status, 200);
    assert!(
        saved.starts_with(recorded.text()),
        "{saved}\n{}",
        recorded.text()
    );
    let (_, all) = get(serve.port(), "/recording.csv");
    assert!(all.starts_with(recorded.text()));
    assert_eq!(get(serve.port(), "/recording.csv?host=nope").0, 404);
}

#[test]
fn a_saved_replay_is_the_recording() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    let recording = random(&mut Dice::seeded(11), "web-1", 25);
    std::fs::write(&file, &recording.csv).unwrap();
    // Retained no matter how far apart its times are; the last row is a day away, so that the log stays.
    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "1", "--retain", "90d"])
        .start();
    // This viewer never closes its connection, so the replay stays for a moment.
    let mut viewer = Viewer::connect(replay.url(), "");
    let mut ended = false;
    while !ended {
        let Seen::Message(_, text) = viewer.next() else {
            panic!("closed before the end")
        };
        ended = text.starts_with("{\"type\":\"end\"");
    }
    let (status, saved) = get(replay.port(), "/recording.csv");
    assert_eq!((status, saved), (200, recording.csv));
}

#[test]
fn promtool_accepts_the_exposition() {
    let serve = Metrics::serve().start();
    Viewer::connect(serve.url(), "").numbered(1);
    let (status, text) = get(serve.port(), "/metrics");
    assert_eq!(status, 200);
    assert!(text.contains("\nhost_memory_usage_ratio{host="), "{text}");
    assert!(text.contains("\nmetrics_messages_sent_total "), "{text}");
    assert_eq!(complaints(&text), "", "{text}");
}

#[test]
fn a_prometheus_scrapes_and_answers() {
    let serve = Metrics::serve_as("web-1").start();
    let prometheus = Prometheus::scraping(serve.port());
    wait_for(
        PATIENCE,
        || {
            let answer = prometheus.query("host_memory_usage_ratio");
            answer.contains("\"host\":\"web-1\"").then_some(())
        },
        || "prometheus has no sample of web-1".to_owned(),
    );
}

/// promtool's complaints about an exposition.
fn complaints(text: &str) -> String {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is needed: apt-get install prometheus");
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let judged = promtool.wait_with_output().unwrap();
    String::from_utf8(judged.stderr).unwrap()
}

#[test]
fn hostile_names_do_not_break_a_scrape() {
    let names = [
        r"disk:/mnt/\u001b[31mred\u001b[0m",
        r"disk:/mnt/\\u{1b}[31mred\\u{1b}[0m",
        r"disk:/mnt/\u202egnp.exe",
        r#"disk:/a\"} 1\nhost_forged{x=\""#,
        r"disk:/back\\slash\\",
        r"networkSent:eth0\r\n# HELP evil evil",
        r"\u0000\u009b2J",
        r"late \u2028name",
    ];
    let values: Vec<_> = names
        .iter()
        .map(|name| format!("\"{name}\":97.92"))
        .collect();
    let extra = format!("{{{}}}", values.join(",")).replace('"', "\"\"");
    let csv = format!(
        "timestamp,host,stream,seq,event,cpu,top,extra\n\
         2026-11-24T14:00:00.000Z,web-1,k3v9q2,1,,97.92,,\"{extra}\"\n"
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, csv).unwrap();
    let replay = Metrics::replay([&file]).args(["--wait", "1"]).start();
    let mut viewer = Viewer::connect(replay.url(), "");
    viewer.numbered(1);
    let (status, text) = get(replay.port(), "/metrics");
    assert_eq!(status, 200);
    assert_eq!(complaints(&text), "", "{text}");
    let seen = |c: char| c == '\n' || c == ' ' || c.is_alphanumeric() || c.is_ascii_punctuation();
    assert!(text.chars().all(seen), "{text:?}");
    assert!(!text.contains("\nhost_forged"), "{text}");
    assert!(!text.contains("\n# HELP evil"), "{text}");
    assert!(
        text.contains("host_cpu_usage_ratio{host=\"web-1\"} 0.9792\n"),
        "{text}"
    );
    assert!(
        text.contains(r#"{host="web-1",mount="/mnt/\\u{1b}[31mred\\u{1b}[0m"} 0.9792"#),
        "{text}"
    );
}
