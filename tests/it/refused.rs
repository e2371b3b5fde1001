//! Refused connections are logged in lines that a program which controls the firewall can read.

use std::io::{Read, Write};
use std::path::Path;

use crate::harness::certificates::{Authority, Valid};
use crate::harness::metrics::{Metrics, Running};
use crate::harness::python::python;
use crate::harness::raw::connect;

const TOKEN: &str = "0123456789abcdef0123";

/// Reads lines as fail2ban does: removes a date at the start, and replaces HOST with an expression for addresses.
/// Prints the address of each line, or `-`.
const FAIL2BAN: &str = r#"
import re, sys
docs, log = sys.argv[1:]
text = open(docs).read()
pattern = re.search(r"^failregex = (.*)$", text, re.M).group(1)
host = r"(?:\[?(?:(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})|(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|::){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):)))\]?)"
pattern = re.compile(pattern.replace("<HOST>", host))
for line in open(log):
    for line in (line.rstrip("\n"), re.sub(r"^\d{4}-\d\d-\d\dT[\d:.]+Z", "", line.rstrip("\n"))):
        found = pattern.search(line)
        print((found.group("ip4") or found.group("ip6")) if found else "-")
"#;

/// The addresses that fail2ban takes from `log` with the expression in the documentation: with the date, and without,
/// as in a journal.
fn banned(log: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    std::fs::write(&file, log).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATING.md");
    let found = python(FAIL2BAN, [docs.as_path(), &file]);
    found.lines().map(str::to_owned).collect()
}

fn serve(dir: &Path) -> Metrics {
    let file = dir.join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    Metrics::serve().arg("--token-file").arg(file)
}

/// Sends something, and waits for the end.
fn say(port: u16, bytes: &[u8]) -> String {
    let mut stream = connect(port);
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The lines about refused connections, without the date.
fn refusals(serve: &Running) -> Vec<String> {
    let text = serve.stderr().text();
    let lines = text
        .lines()
        .filter_map(|line| line.split_once("WARN refused "));
    lines.map(|(_, rest)| rest.to_owned()).collect()
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

#[test]
fn every_refused_request_is_logged() {
    let wrong = "Authorization: Bearer 0123456789abcdef9999\r\n";
    let evil = "Origin: http://evil.example\r\n";
    let close = "Connection: close\r\n";
    let preflight = "OPTIONS /metrics";
    let cases = [
        ("GET /ws", format!("{UPGRADE}{wrong}"), 401),
        ("GET /ws", UPGRADE.to_owned(), 401),
        ("GET /", format!("{UPGRADE}{wrong}"), 401),
        ("GET /ws", format!("{UPGRADE}{evil}"), 403),
        ("GET /events", format!("{close}{wrong}"), 401),
        ("GET /events", format!("{close}{evil}"), 403),
        ("GET /metrics", format!("{close}{wrong}"), 401),
        ("HEAD /metrics", close.to_owned(), 401),
        ("GET /recording.csv", format!("{close}{wrong}"), 401),
        ("GET /nowhere", format!("{close}{wrong}"), 401),
        (preflight, format!("{close}{evil}"), 403),
        ("GET /healthz", format!("{close}{evil}"), 403),
        ("GET /ws?token=x", UPGRADE.to_owned(), 400),
        ("GET /healthz?token=x", close.to_owned(), 400),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (request, headers, status) in cases {
        // One server for each, because the lines per address are limited.
        let serve = serve(dir.path()).start();
        let port = serve.port();
        let head = format!("{request} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n");
        let answer = say(port, head.as_bytes());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{head}{answer}"
        );
        serve.wait_for_stderr(&format!("WARN refused 127.0.0.1: {status} "));
        assert!(!serve.stderr().text().contains("9999"), "{}", serve.story());
        let said = refusals(&serve);
        assert_eq!(said.len(), 1, "{said:?}");
        let line = serve.stderr().text();
        let line = line
            .lines()
            .find(|line| line.contains("WARN refused"))
            .unwrap();
        let expected = if status == 400 { "-" } else { "127.0.0.1" };
        assert_eq!(banned(line), [expected, expected], "{line}");
    }
    // A foreign name that points here.
    let serve = Metrics::serve().start();
    say(
        serve.port(),
        b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    serve.wait_for_stderr("WARN refused 127.0.0.1: 403 'evil.example' is not a name");
}

#[test]
fn malformed_http_and_tls_are_logged() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let pair = authority.sign(dir.path(), &["127.0.0.1"], Valid::Now);
    let tls = || {
        let serve = Metrics::serve().arg("--tls-cert").arg(&pair.cert);
        serve.arg("--tls-key").arg(&pair.key).start()
    };
    for (said, told) in [
        (
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            "TLS plain HTTP on a TLS port",
        ),
        (b"\x16\x03\x01\x00\x04\x07\x07\x07\x07", "TLS "),
    ] {
        let serve = tls();
        let mut stream = connect(serve.port());
        stream.write_all(said).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        serve.wait_for_stderr(&format!("WARN refused 127.0.0.1: {told}"));
    }
    let serve = Metrics::serve().start();
    say(serve.port(), b"SSH-2.0-OpenSSH_9.2\r\n\r\n");
    serve.wait_for_stderr("WARN refused 127.0.0.1: 400 ");
    let serve = Metrics::serve().start();
    say(serve.port(), b"GET / HTTP/1.1\r\nX: ");
    serve.wait_for_stderr("WARN refused 127.0.0.1: connection no whole request within 5 s");
}

#[test]
fn an_address_gets_few_lines_and_cannot_be_forged() {
    let dir = tempfile::tempdir().unwrap();
    let serve = serve(dir.path()).start();
    let port = serve.port();
    for n in 0..200 {
        let what = if n % 2 == 0 {
            "metrics"
        } else {
            "nowhere?token=x"
        };
        let head = format!("GET /{what} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        say(port, head.as_bytes());
    }
    serve.wait_for_stderr("WARN refused 127.0.0.1: 401 ");
    serve.wait_for_stderr("WARN refused 127.0.0.1: 400 ");
    let said = refusals(&serve).len();
    assert!(said < 20, "{said} lines");
    let quiet = Metrics::serve().arg("-q").start();
    let origin = "Origin: http://x WARN refused 192.0.2.1: 401 \x1b[31m\r\n";
    let head = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{origin}Connection: close\r\n\r\n");
    say(quiet.port(), head.as_bytes());
    assert_eq!(quiet.stderr().text(), "", "{}", quiet.story());
    let loud = Metrics::serve().start();
    say(loud.port(), head.as_bytes());
    loud.wait_for_stderr("WARN refused 127.0.0.1: ");
    let text = loud.stderr().text();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("WARN refused"))
        .collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(
        lines[0]
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic()),
        "{lines:?}"
    );
    assert!(
        !banned(lines[0]).contains(&"192.0.2.1".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn the_documented_expression_matches_only_the_address() {
    for (line, address) in [
        (
            "2026-11-26T10:00:00.123456Z  WARN refused 203.0.113.9: 401 this is not the server's token",
            "203.0.113.9",
        ),
        (
            "2026-11-26T10:00:00.123456Z  WARN refused 2001:db8::7: 403 pages from null are not allowed (and 7 more before)",
            "2001:db8::7",
        ),
        (
            "web-1 metrics[812]: 2026-11-26T10:00:00.123456Z  WARN refused 203.0.113.9: 401 x",
            "203.0.113.9",
        ),
        (
            "2026-11-26T10:00:00.123456Z  WARN refused 203.0.113.9: 404 x",
            "-",
        ),
        (
            "2026-11-26T10:00:00.123456Z  WARN refused 203.0.113.9: 404 WARN refused 192.0.2.1: 401 x",
            "-",
        ),
        (
            "2026-11-26T10:00:00.123456Z  WARN other: WARN refused 192.0.2.1: 401 x",
            "-",
        ),
    ] {
        assert_eq!(banned(line), [address, address], "{line}");
    }
}
