//! Browsers: what a page may read, whatever its origin, and whatever name it uses for the server.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};

use crate::harness::PATIENCE;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::viewer::Viewer;

/// The status and the reason in the response to a handshake at `path` with these headers.
#[track_caller]
fn upgrade(server: &Running, path: &str, lines: &[(&str, &str)]) -> (u16, String) {
    let handshake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    ask(server, path, &[&handshake, lines].concat())
}

#[track_caller]
fn get(server: &Running, path: &str, lines: &[(&str, &str)]) -> (u16, String) {
    ask(server, path, &[&[("Connection", "close")], lines].concat())
}

#[track_caller]
fn ask(server: &Running, path: &str, lines: &[(&str, &str)]) -> (u16, String) {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("GET {path} HTTP/1.1\r\n");
    for (name, value) in lines {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    write!(socket, "{request}\r\n").unwrap();
    let mut reader = BufReader::new(socket);
    if reader.fill_buf().unwrap().starts_with(b"HTTP/1.1 101 ") {
        return (101, String::new());
    }
    let (status, reason) = crate::harness::http::response(&mut reader);
    if status == 400 || status == 403 {
        assert_eq!(reason.lines().count(), 1, "{reason}");
    }
    (status, reason)
}

/// A server that other machines can reach.
fn everywhere() -> Metrics {
    Metrics::new().args([
        "serve",
        "-l",
        "0.0.0.0:0",
        "-i",
        "200ms",
        "--allow-anonymous",
    ])
}

#[test]
fn a_foreign_name_that_points_here_reads_nothing() {
    let server = Metrics::serve().start();
    Viewer::connect(server.url(), "").numbered(1);
    let port = server.port();
    let rebound = format!("evil.com:{port}");
    let page = format!("http://evil.com:{port}");
    for path in ["/", "/ws", "/healthz", "/metrics", "/app.js"] {
        for lines in [
            &[("Host", &*rebound)][..],
            &[("Host", &*rebound), ("Origin", &*page)],
        ] {
            for (status, reason) in [upgrade(&server, path, lines), get(&server, path, lines)] {
                assert_eq!(status, 403, "{path} {lines:?}: {reason}");
                assert!(reason.contains("--allow-host evil.com"), "{reason}");
            }
        }
    }
    for suffix in ["127.0.0.1.evil.com", "localhost.evil.com", "xlocalhost"] {
        assert_eq!(
            upgrade(&server, "/ws", &[("Host", suffix)]).0,
            403,
            "{suffix}"
        );
    }
}

#[test]
fn addresses_loopback_and_our_own_names_are_accepted() {
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let own = own.trim();
    let server = everywhere()
        .args(["--allow-host", "metrics.example.com"])
        .start();
    for (host, expected) in [
        ("127.0.0.1", 101),
        ("192.0.2.7:8080", 101),
        ("[2001:db8::7]:8080", 101),
        ("localhost:8080", 101),
        ("metrics.example.com", 101),
        ("Metrics.Example.com.:443", 101),
        ("x.metrics.example.com", 403),
        ("metrics.example.com.evil.com", 403),
        ("local host", 400),
        (own, 101),
        (&*format!("{own}.evil.com"), 403),
    ] {
        let (status, reason) = upgrade(&server, "/ws", &[("Host", host)]);
        assert_eq!(status, expected, "{host}: {reason}");
    }
    let local = ("Host", "localhost");
    for lines in [&[][..], &[local, local], &[local, ("Host", "evil.com")]] {
        assert_eq!(get(&server, "/metrics", lines).0, 400, "{lines:?}");
    }
}

#[test]
fn a_foreign_page_is_refused_before_the_upgrade() {
    let server = everywhere()
        .args(["--allow-origin", "https://dash.example.com"])
        .start();
    let port = server.port();
    let host = format!("127.0.0.1:{port}");
    for (origin, expected) in [
        (&*format!("http://127.0.0.1:{port}"), 101),
        (&*format!("https://127.0.0.1:{port}"), 101),
        ("https://dash.example.com", 101),
        ("HTTPS://DASH.example.com:443", 101),
        ("http://dash.example.com", 403),
        ("https://dash.example.com.evil.com", 403),
        ("https://dash.example.com:8443", 403),
        ("http://127.0.0.1", 403),
        ("http://localhost:3000", 403),
        (&*format!("http://127.0.0.1:{port}.evil.com"), 403),
        ("http://evil.com", 403),
        ("null", 403),
        ("", 403),
    ] {
        let lines = [("Host", &*host), ("Origin", origin)];
        let (status, reason) = upgrade(&server, "/ws", &lines);
        assert_eq!(status, expected, "{origin}: {reason}");
        if status == 403 {
            assert!(reason.contains("--allow-origin"), "{origin}: {reason}");
            assert_eq!(get(&server, "/healthz", &lines).0, 403, "{origin}");
        }
    }
    let own = format!("http://{host}");
    let twice = [("Host", &*host), ("Origin", &*own), ("Origin", &*own)];
    assert_eq!(upgrade(&server, "/ws", &twice).0, 403);
}

#[test]
fn on_loopback_a_dashboard_under_development_passes() {
    let server = Metrics::serve().start();
    let host = format!("127.0.0.1:{}", server.port());
    for (origin, expected) in [
        ("http://localhost:3000", 101),
        ("http://127.0.0.1:5173", 101),
        ("http://[::1]:3000", 101),
        ("http://localhost.evil.com:3000", 403),
        ("http://127.0.0.1.evil.com", 403),
        ("http://192.0.2.7:3000", 403),
        ("null", 403),
    ] {
        let lines = [("Host", &*host), ("Origin", origin)];
        let (status, reason) = upgrade(&server, "/ws", &lines);
        assert_eq!(status, expected, "{origin}: {reason}");
    }
}

#[test]
fn invalid_names_and_origins_are_refused_as_flags() {
    for (flag, value, hint) in [
        ("--allow-host", "https://a", "such as metrics.example.com"),
        ("--allow-host", "a:80", "write a"),
        ("--allow-origin", "dash.example.com", "SCHEME://HOST[:PORT]"),
        (
            "--allow-origin",
            "https://dash.example.com/",
            "SCHEME://HOST[:PORT]",
        ),
        ("--allow-origin", "*", "SCHEME://HOST[:PORT]"),
        ("--allow-origin", "null", "SCHEME://HOST[:PORT]"),
    ] {
        Metrics::serve()
            .args([flag, value])
            .run()
            .code(2)
            .stderr_has(hint);
    }
}
