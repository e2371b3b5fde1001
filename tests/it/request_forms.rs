//! Every path with every form of request: those of HTTP/1.0 proxies, health checks and careful clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::{Duration, Instant};

use crate::harness::metrics::{Metrics, Running};
use crate::harness::raw::{Raw, connect, frame, handshake};
use crate::harness::viewer::Viewer;

/// A response, as far as it was read.
struct Answer {
    head: String,
    /// The whole body; for a stream, up to the first sample.
    body: String,
}

impl Answer {
    fn status(&self) -> u16 {
        let code = self
            .head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        code.unwrap_or_else(|| panic!("no status in {:?}", self.head))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| {
            let found = line.split_once(':').map(|(found, _)| found);
            found.is_some_and(|found| found.eq_ignore_ascii_case(name))
        };
        let line = self.head.lines().find(named)?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
}

/// Reads the response to a request with `method`.
#[track_caller]
fn read(reader: &mut impl BufRead, method: &str) -> Answer {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let count = reader.read_line(&mut head).unwrap();
        assert!(0 < count, "no answer but {head:?}");
        if head == "HTTP/1.1 100 Continue\r\n\r\n" {
            head.clear();
        }
    }
    let mut answer = Answer {
        head,
        body: String::new(),
    };
    let length = answer.header("content-length").map(str::to_owned);
    let is_stream = answer.header("content-type") == Some("text/event-stream");
    if method == "HEAD" || [204, 304].contains(&answer.status()) {
        return answer;
    }
    if let Some(length) = length {
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        answer.body = String::from_utf8(body).unwrap();
    } else if is_stream {
        while !answer.body.contains("\"type\":\"metric\"") {
            let count = reader.read_line(&mut answer.body).unwrap();
            assert!(0 < count, "the stream ended with {:?}", answer.body);
        }
    } else {
        reader.read_to_string(&mut answer.body).unwrap();
    }
    answer
}

/// The response of each path to a valid request.
const PATHS: [(&str, u16, &str); 9] = [
    ("/", 200, "text/html"),
    ("/app.js", 200, "text/javascript"),
    ("/ws", 426, "text/plain"),
    ("/events", 200, "text/event-stream"),
    ("/events?host=web-1&last=3", 200, "text/event-stream"),
    ("/recording.csv", 200, "text/csv"),
    ("/metrics", 200, "text/plain"),
    ("/healthz", 200, "application/json"),
    ("/nope", 404, "text/plain"),
];

/// Forms of a request: method, target before the path, version, further lines, and what follows the head.
const FORMS: [(&str, &str, &str, &str, &str); 16] = [
    ("GET", "", "1.1", "", ""),
    ("GET", "", "1.0", "", ""),
    ("GET", "", "1.0", "Connection: keep-alive\r\n", ""),
    ("GET", "", "1.0", "Connection: close\r\n", ""),
    ("GET", "http://HOST", "1.1", "", ""),
    ("GET", "http://HOST", "1.0", "", ""),
    ("GET", "", "1.1", "Expect: 100-continue\r\n", ""),
    ("GET", "", "1.1", "Content-Length: 0\r\n", ""),
    ("GET", "", "1.0", "Content-Length: 0\r\n", ""),
    (
        "GET",
        "",
        "1.1",
        "Expect: 100-continue\r\nContent-Length: 3\r\n",
        "abc",
    ),
    (
        "GET",
        "",
        "1.1",
        "Transfer-Encoding: chunked\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
    ),
    (
        "GET",
        "",
        "1.1",
        "Upgrade: h2c\r\nConnection: Upgrade\r\n",
        "",
    ),
    ("GET", "/", "1.1", "", ""),
    ("HEAD", "", "1.1", "", ""),
    ("HEAD", "", "1.0", "", ""),
    ("HEAD", "http://HOST", "1.1", "Content-Length: 0\r\n", ""),
];

fn ready() -> Running {
    let serve = Metrics::serve().start();
    Viewer::connect(serve.url(), "").numbered(1);
    serve
}

#[track_caller]
fn check(answer: &Answer, method: &str, (path, status, kind): (&str, u16, &str), form: &str) {
    let Answer { head, body } = answer;
    let about = format!("{path} as\n{form}{head}");
    assert_eq!(answer.status(), status, "{about}");
    let content_type = answer.header("content-type").unwrap_or_default();
    assert!(content_type.starts_with(kind), "{about}");
    if method == "HEAD" {
        assert_ne!(answer.header("content-length"), Some("0"), "{about}");
        return;
    }
    assert!(!body.is_empty(), "{about}");
    if kind == "text/plain" && status >= 400 {
        assert_eq!(body.lines().count(), 1, "{about}{body}");
    }
}

#[test]
fn every_path_answers_every_form_of_request() {
    let serve = ready();
    let host = format!("127.0.0.1:{}", serve.port());
    for (method, before, version, lines, behind) in FORMS {
        for path in PATHS {
            let before = before.replace("HOST", &host);
            let request = format!(
                "{method} {before}{} HTTP/{version}\r\nHost: {host}\r\n{lines}\r\n{behind}",
                path.0
            );
            let mut stream = connect(serve.port());
            stream.write_all(request.as_bytes()).unwrap();
            check(
                &read(&mut BufReader::new(stream), method),
                method,
                path,
                &request,
            );
        }
    }
}

#[test]
fn every_path_answers_after_another_request() {
    let serve = ready();
    let host = format!("127.0.0.1:{}", serve.port());
    for (method, before, version, lines, behind) in FORMS {
        let before = before.replace("HOST", &host);
        let keep = "Connection: keep-alive\r\n";
        let first = format!("GET /healthz HTTP/{version}\r\nHost: {host}\r\n{keep}\r\n");
        for path in PATHS {
            let mut stream = BufReader::new(connect(serve.port()));
            stream.get_mut().write_all(first.as_bytes()).unwrap();
            assert_eq!(read(&mut stream, "GET").status(), 200);
            let request = format!(
                "{method} {before}{} HTTP/{version}\r\nHost: {host}\r\n{lines}\r\n{behind}",
                path.0
            );
            stream.get_mut().write_all(request.as_bytes()).unwrap();
            check(&read(&mut stream, method), method, path, &request);
        }
    }
}

/// An old proxy or client may not read on after a version that it doesn't know.
#[test]
fn a_stream_works_over_every_http_version() {
    let serve = ready();
    for version in ["1.0", "1.1"] {
        let mut stream = BufReader::new(connect(serve.port()));
        let request = format!("GET /events HTTP/{version}\r\nHost: 127.0.0.1\r\n\r\n");
        stream.get_mut().write_all(request.as_bytes()).unwrap();
        let answer = read(&mut stream, "GET");
        let line = format!("HTTP/{version} 200 ");
        assert!(answer.head.starts_with(&line), "{}", answer.head);
        assert_eq!(answer.header("transfer-encoding"), None);
        let mut more = String::new();
        while more.matches("\"type\":\"metric\"").count() < 3 {
            assert!(0 < stream.read_line(&mut more).unwrap(), "{more}");
        }
    }
}

/// HAProxy's `option httpchk GET /healthz`, and other clients that send no name.
#[test]
fn a_health_check_needs_no_host_header() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "a-token-for-the-tests").unwrap();
    let open = ready();
    let closed = Metrics::serve().arg("--token-file").arg(&file).start();
    let ask = |serve: &Running, request: String| {
        let mut stream = connect(serve.port());
        stream.write_all(request.as_bytes()).unwrap();
        read(&mut BufReader::new(stream), "GET")
    };
    for serve in [&open, &closed] {
        for version in ["1.0", "1.1"] {
            let answer = ask(serve, format!("GET /healthz HTTP/{version}\r\n\r\n"));
            assert!([200, 503].contains(&answer.status()), "{}", answer.head);
            assert!(answer.body.starts_with('{'), "{}", answer.body);
            let twice = "Host: a\r\nHost: b\r\n";
            for (path, lines) in [
                ("/healthz", twice),
                ("/", ""),
                ("/metrics", ""),
                ("/events", ""),
            ] {
                let request = format!("GET {path} HTTP/{version}\r\n{lines}\r\n");
                let answer = ask(serve, request);
                assert_eq!(answer.status(), 400, "{path}");
                assert_eq!(answer.body, "a request needs exactly one Host header\n");
            }
        }
    }
}

/// HAProxy's `option httpchk` as it is: 2xx and 3xx mean that the server is up.
#[test]
fn whether_anybody_is_there_may_be_asked_by_options_without_a_host() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "a-token-for-the-tests").unwrap();
    let closed = Metrics::serve().arg("--token-file").arg(&file).start();
    for serve in [&ready(), &closed] {
        for target in ["/", "*", "/healthz", "http://web-1/"] {
            for version in ["1.0", "1.1"] {
                let mut stream = connect(serve.port());
                write!(stream, "OPTIONS {target} HTTP/{version}\r\n\r\n").unwrap();
                let answer = read(&mut BufReader::new(stream), "OPTIONS");
                assert_eq!(answer.status(), 204, "{target}: {}", answer.head);
                assert_eq!(answer.header("allow"), Some("GET, HEAD"));
            }
        }
        // A page is not let in for want of a name, nor is a name that is not the server's.
        for lines in ["Origin: http://evil.example\r\n", "Host: a\r\nHost: b\r\n"] {
            let mut stream = connect(serve.port());
            write!(stream, "OPTIONS / HTTP/1.0\r\n{lines}\r\n").unwrap();
            let answer = read(&mut BufReader::new(stream), "OPTIONS");
            assert_eq!(answer.status(), 400, "{}", answer.head);
        }
    }
}

/// The key of [`handshake`].
const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";

#[test]
fn a_malformed_handshake_gets_the_reason() {
    let serve = ready();
    let good = handshake(serve.port(), "");
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (find, replace, status, says) in [
        (key, "", 400, "Sec-WebSocket-Key"),
        (key, &key.repeat(2), 400, "exactly one Sec-WebSocket-Key"),
        (NONCE, "short", 400, "16 bytes in base64"),
        (NONCE, "!!!!IHNhbXBsZSBub25jZQ==", 400, "16 bytes in base64"),
        (NONCE, "dGhlIHNhbXBsZSBub25jZXM=", 400, "16 bytes in base64"),
        (NONCE, "dGhlIHNhbXBsZSBub25jZXMh", 400, "16 bytes in base64"),
        ("Version: 13", "Version: 8", 426, "version 13"),
        ("Version: 13", "Version: 13, 8", 426, "version 13"),
        ("Sec-WebSocket-Version: 13\r\n", "", 426, "version 13"),
        (
            "Connection: Upgrade",
            "Connection: keep-alive",
            400,
            "Connection: Upgrade",
        ),
        ("Connection: Upgrade\r\n", "", 400, "Connection: Upgrade"),
        ("HTTP/1.1", "HTTP/1.0", 426, "HTTP/1.1"),
        ("GET", "POST", 405, "GET"),
        (
            "\r\n\r\n",
            "\r\nContent-Length: 5\r\n\r\nhello",
            400,
            "must not have a body",
        ),
        (
            "\r\n\r\n",
            "\r\n\r\n\u{1}\u{5}\0\0\0\0hello",
            400,
            "wait for the response",
        ),
        ("/ws?", "/elsewhere?", 404, "/elsewhere"),
    ] {
        for path in ["/ws?", "/?"] {
            let request = good.replacen(find, replace, 1).replace("/ws?", path);
            refuses(serve.port(), &request, status, says);
        }
    }
}

/// Whether a handshake gets `status` and one line that `says` why.
#[track_caller]
fn refuses(port: u16, request: &str, status: u16, says: &str) {
    let mut stream = connect(port);
    stream.write_all(request.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let answer = read(&mut stream, "GET");
    let about = format!("{request}{}{}", answer.head, answer.body);
    assert_eq!(answer.status(), status, "{about}");
    assert!(answer.body.contains(says), "{about}");
    assert_eq!(answer.body.lines().count(), 1, "{about}");
    let version = (says == "version 13").then_some("13");
    assert_eq!(answer.header("sec-websocket-version"), version, "{about}");
    let upgrade = (status == 426).then_some("websocket");
    assert_eq!(answer.header("upgrade"), upgrade, "{about}");
    // Nothing that follows is treated as a request.
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "{about}");
}

#[test]
fn a_handshake_in_every_valid_form_gets_a_stream() {
    let serve = ready();
    let (port, good) = (serve.port(), handshake(serve.port(), ""));
    for (find, replace) in [
        ("", ""),
        ("/ws?", "/?"),
        ("/ws?", "//ws?"),
        ("/ws?", &format!("http://127.0.0.1:{port}/ws?")),
        ("Upgrade: websocket", "Upgrade: foo, WebSocket"),
        ("Upgrade: websocket", "Upgrade: foo\r\nUpgrade: websocket"),
        ("Connection: Upgrade", "Connection: keep-alive, upgrade"),
        ("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n"),
        ("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"),
        (
            "\r\n\r\n",
            "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        ),
        ("Sec-WebSocket-", "sec-websocket-"),
    ] {
        let request = good.replacen(find, replace, 1);
        let mut stream = connect(port);
        stream.write_all(request.as_bytes()).unwrap();
        let answer = read(&mut BufReader::new(Read::take(stream, 400)), "HEAD");
        assert_eq!(answer.status(), 101, "{request}{}", answer.head);
        // That of RFC 6455, section 1.3.
        let accept = Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(answer.header("sec-websocket-accept"), accept, "{request}");
    }
}

/// After a close frame, a library waits for the server to close the connection; in Python, for ten seconds.
#[test]
fn a_connection_ends_with_its_closing_handshake() {
    // The fault that this test is for took five seconds.
    let prompt = Duration::from_secs(4);
    let serve = ready();
    for (what, says, code) in [
        ("a close", frame(0x88, &1000_u16.to_be_bytes()), 1000),
        ("a message too long", frame(0x81, &[b'x'; 5000]), 1009),
        ("no UTF-8", frame(0x81, b"\xff"), 1007),
        ("no WebSocket", frame(0x83, b""), 1002),
        ("a flood", frame(0x89, b"").repeat(200), 1008),
    ] {
        let mut viewer = Raw::connect(serve.port(), "");
        viewer.hear();
        viewer.send(&says);
        let close = loop {
            let heard = viewer.hear().unwrap_or_else(|| panic!("{what}: no close"));
            if heard.first == 0x88 {
                break heard.payload;
            }
        };
        assert_eq!(close[..2], u16::to_be_bytes(code), "{what}");
        viewer.send(&frame(0x88, &close[..2]));
        let begun = Instant::now();
        assert_eq!(viewer.hear(), None, "{what}");
        assert!(begun.elapsed() < prompt, "{what}: {:?}", begun.elapsed());
    }
}
